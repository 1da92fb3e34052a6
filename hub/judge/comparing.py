"""Compares a window's value with a limit as the law has it: rounded, and with the background taken off."""

from typing import NamedTuple

from hub.judge.averaging import rounded
from hub.judge.rules import Bound
from hub.judge.verdicts import Outcome
from schemas import Limit


class Compared(NamedTuple):
    """What comparing gives."""

    value: float
    """What was compared with the limit."""
    outcome: Outcome
    reason: str = ""
    """A key of `hub.judge.verdicts.REASONS`."""


def compare(bound: Bound, value: float, background: float | None) -> Compared:
    """Return what a value means for a limit; where it is not known which limit holds, for all that may.

    Args:
        bound: the limit, as it is judged at the site.
        value: in the quantity's unit, not rounded.
        background: in the quantity's unit: of noise as measured at the site at rest, of dust the mean of the area in
            the same window; None: not known.
    """
    limit = bound.rule.limit
    if limit.value is None:
        return Compared(rounded(value, bound.rule.decimals), "open", "value_unknown")
    most, decimals = bound.rule.compared_with
    found = _with(limit, most, decimals, value, background)
    if bound.floor is None or found.outcome != "compliant":
        return found
    strictest = _with(limit, bound.floor, decimals, value, background)
    return found if strictest.outcome == "compliant" else Compared(strictest.value, "open", "site_unknown")


def _with(limit: Limit, most: float, decimals: int, value: float, background: float | None) -> Compared:
    if limit.above_background:
        return _deducted(limit, most, decimals, value, background)
    told = rounded(value, decimals)
    if told <= most:
        return Compared(told, "compliant")  # with the background taken off it would be lower still
    if limit.correction is None:
        return Compared(told, "exceeded")
    if background is None:
        return Compared(told, "above_uncorrected")
    minus = limit.correction.of(rounded(value - background, 0))
    if minus is None:
        return Compared(told, "invalid", "background_near")
    told = rounded(value - minus, decimals)
    return Compared(told, "exceeded" if told > most else "compliant")


def _deducted(limit: Limit, most: float, decimals: int, value: float, background: float | None) -> Compared:
    cap = limit.background_cap
    if background is not None:
        told = rounded(value - max(0.0, background if cap is None else min(background, cap)), decimals)
        return Compared(told, "exceeded" if told > most else "compliant")
    if rounded(value, decimals) <= most:
        return Compared(rounded(value, decimals), "compliant")
    told = rounded(value if cap is None else value - cap, decimals)
    if cap is not None and told > most:
        return Compared(told, "exceeded")  # more than the cap is never taken off
    return Compared(rounded(value, decimals), "invalid", "no_background")
