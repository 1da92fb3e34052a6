"""Expiry: a permit is renewed before it ends; asked once a local day, of the edition that holds when the day ends.

    kind = "expiry"
    params = {days = 30}

The subject is the permit, or the thing that has one. What another edition follows, or what ends never, is renewed.
"""

from collections.abc import Sequence
from typing import Annotated

import msgspec

from hub.judge.kinds.course import Setting, Windowed
from hub.judge.kinds.haulage.quota import DAYS
from hub.judge.kinds.world import NEVER, Term
from hub.judge.records import Finding, Sample
from hub.judge.windows import DAY, Window


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a rule of this kind says."""

    days: Annotated[int, msgspec.Meta(ge=1)]
    """It is broken from so many days before the end on."""


def course(params: Params, setting: Setting) -> Windowed:
    """Return what judges a subject by such a rule."""

    def windows(start: int, end: int) -> list[Window]:
        # A day on which the permit does not hold any more is the business of those rules that need one.
        return [one for one in DAYS.windows(start, end, setting.local) if _term(setting, one) is not None]

    def judge(window: Window, samples: Sequence[Sample]) -> Finding:  # noqa: ARG001 - only editions count
        term = _term(setting, window)
        assert term is not None
        terms = setting.world.terms(setting.kind, setting.subject)
        renewed = term.until == NEVER or any(other.since <= term.until < other.until for other in terms)
        left = (term.until - window[1]) / DAY
        soon = not renewed and left <= params.days
        return Finding(
            start=window[0],
            end=window[1],
            outcome="exceeded" if soon else "compliant",
            grade=setting.rule.grade,
            reason="ends_soon" if soon else "",
            value=None if renewed else left,
            limit_value=float(params.days),
            unit="d",
            editions=(term.cited,),
        )

    return Windowed(windows, judge, 0, setting.since)


def _term(setting: Setting, window: Window) -> Term | None:
    return setting.world.in_force(setting.kind, setting.subject, window[1] - 1)
