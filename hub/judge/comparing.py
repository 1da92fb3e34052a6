"""Compares a window's value with a limit as the law has it: rounded, and with the background taken off."""

from typing import NamedTuple

from hub.judge.averaging import EPSILON, rounded
from hub.judge.boards import UNSTATED, Instrument
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
    doubt: str = ""
    """The same, of what is above: why that is no more than a suspicion."""


def compare(bound: Bound, value: float, background: float | None, instrument: Instrument = UNSTATED) -> Compared:
    """Return what a value means for a limit; where it is not known which limit holds, for all that may.

    Args:
        bound: the limit, as it is judged at the site.
        value: in the quantity's unit, not rounded.
        background: in the quantity's unit: of noise as measured at the site at rest, of dust the mean of the area in
            the same window; None: not known.
        instrument: that has measured the value.
    """
    limit = bound.rule.limit
    if limit.value is None:
        return Compared(rounded(value, bound.rule.decimals), "open", "value_unknown")
    most, decimals = bound.rule.compared_with
    found = _with(limit, most, decimals, value, background, instrument)
    if bound.floor is None or found.outcome != "compliant":
        return found
    strictest = _with(limit, bound.floor, decimals, value, background, instrument)
    return found if strictest.outcome == "compliant" else Compared(strictest.value, "open", "site_unknown")


def decided(told: float, most: float, instrument: Instrument) -> Compared:
    """Return what a value, rounded as the law has it, means for a limit by the rule of the city.

    Example: with an expanded uncertainty of 1.4 dB, 71 dB under guarded rejection and 69 dB under guarded acceptance
    are suspicions for a limit of 70 dB.
    """
    guard = 0.0 if instrument.decision == "simple" else instrument.at(most) or 0.0
    over = told - most
    if over <= (-guard + EPSILON if instrument.decision == "guarded_acceptance" and guard else 0.0):
        return Compared(told, "compliant")
    between = over <= (guard + EPSILON if instrument.decision == "guarded_rejection" and guard else 0.0)
    doubt = "indicative" if instrument.kind == "indicative" else "guard_band" if between else ""
    return Compared(told, "exceeded", doubt=doubt)


def _with(
    limit: Limit, most: float, decimals: int, value: float, background: float | None, instrument: Instrument
) -> Compared:
    if limit.above_background:
        return _deducted(limit, most, decimals, value, background, instrument)
    told = rounded(value, decimals)
    found = decided(told, most, instrument)
    if found.outcome == "compliant" or limit.correction is None:
        return found  # with the background taken off it would be lower still
    if background is None:
        return found if told <= most else Compared(told, "above_uncorrected")
    minus = limit.correction.of(rounded(value - background, 0))
    if minus is None:
        return found if told <= most else Compared(told, "invalid", "background_near")
    return decided(rounded(value - minus, decimals), most, instrument)


def _deducted(
    limit: Limit, most: float, decimals: int, value: float, background: float | None, instrument: Instrument
) -> Compared:
    cap = limit.background_cap
    if background is not None:
        off = max(0.0, background if cap is None else min(background, cap))
        return decided(rounded(value - off, decimals), most, instrument)
    whole = decided(rounded(value, decimals), most, instrument)
    if whole.value <= most:
        return whole
    if cap is not None:
        found = decided(rounded(value - cap, decimals), most, instrument)
        if found.outcome == "exceeded":
            return found  # more than the cap is never taken off
    return Compared(rounded(value, decimals), "invalid", "no_background")
