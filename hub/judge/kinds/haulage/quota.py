"""Quota: what documents add up to for a place is no more than its permit lets it have, or not nearly that much.

    kind = "quota"
    params = {by = {by = "manifest", of = "project"}, amount = "loaded_m3", most = "volume_m3", tolerance = 0.05,
              unit = "m3"}
    params = {by = {by = "manifest", of = "project"}, amount = "loaded_m3", most = "volume_m3", share = 0.9}

The subject is the place, such as a building site or a dump site: its own property `most` is the permitted volume of the
edition that holds, and every document counts that begins while that permit holds. A breach is said as soon as the
documents add up to it, with what they came to then; that there is none, when the local day is over. On each later day
it is broken from the beginning.
"""

import itertools
from bisect import bisect_right
from collections.abc import Sequence
from typing import Annotated, NamedTuple

import msgspec

from hub.judge.kinds.conditions import Calendar, Permit
from hub.judge.kinds.course import Setting, Windowed
from hub.judge.kinds.world import NEVER, Term, World
from hub.judge.records import MOST_EVIDENCE, Finding, Sample
from hub.judge.verdicts import Outcome
from hub.judge.windows import Window
from schemas.domains.entries import Id

DAYS = Calendar(("00:00-00:00",))


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a rule of this kind says."""

    by: Permit
    """The kind of documents, and their property that names the subject."""
    amount: Id
    """The documents' property that is added up; one that does not say it counts as nothing, and makes it uncertain."""
    most: Id
    """The subject's property that says how much it may be."""
    tolerance: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    share: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0
    """Less than 1: a warning that this share of it is used up."""
    unit: str = ""


def course(params: Params, setting: Setting) -> Windowed:
    """Return what judges a subject by such a rule."""
    return Running(Sums(params, setting), setting)


class Sum(NamedTuple):
    """What documents come to under one permit, in the order in which they begin."""

    terms: Sequence[Term]
    """As they were asked for: another list when any of them has changed."""
    permit: Term
    counted: list[Term]
    starts: list[int]
    totals: list[float]
    """Up to each of them."""
    reached: int
    """When it was too much first, Unix s; `NEVER`: it is not."""


class Sums:
    """Adds up."""

    def __init__(self, params: Params, setting: Setting) -> None:
        self._params = params
        self._setting = setting
        self._sum: Sum | None = None

    def judge(self, window: Window, samples: Sequence[Sample]) -> Finding:  # noqa: ARG002 - only documents count
        """Return the finding on a day that is over."""
        params, (kind, world), subject, t = self._params, self._where, self._setting.subject, window[1] - 1
        own = world.in_force(kind, subject, t)
        if own is None or not _is_number(own.edition.properties.get(params.most)):
            return self._finding(window, "invalid", "no_permit")
        found = self._added(own)
        if found.reached <= t:
            return self._broken(window, found)
        counted = found.counted[: bisect_right(found.starts, t)]
        complete = all(_is_number(one.edition.properties.get(params.amount)) for one in counted)
        return self._finding(window, "compliant" if complete else "invalid", "" if complete else "incomplete", found, t)

    def early(self, window: Window, t: int) -> Finding | None:
        """Return the finding on a day that goes on, as it is known at a moment; None: nothing is broken yet."""
        kind, world = self._where
        own = world.in_force(kind, self._setting.subject, t)
        if own is None or not _is_number(own.edition.properties.get(self._params.most)):
            return None
        found = self._added(own)
        return self._broken(window, found) if found.reached <= t else None

    @property
    def _where(self) -> tuple[str, World]:
        return self._setting.kind, self._setting.world

    def _added(self, own: Term) -> Sum:
        """Add up what counts under a permit, once for all who ask: a site has thousands of documents."""
        params = self._params
        terms = self._setting.world.held_by(params.by.by, params.by.of, self._setting.subject)
        known = self._sum
        if known is None or known.terms is not terms or known.permit != own:
            counted = sorted((one for one in terms if one.since >= own.since), key=lambda one: one.since)
            said = [one.edition.properties.get(params.amount) for one in counted]
            amounts = (float(one) if isinstance(one, (int, float)) else 0.0 for one in said)
            totals = list(itertools.accumulate(amounts))
            bound = self._limit(own) * (params.share if params.share < 1 else 1 + params.tolerance)
            reached = (one.since for one, total in zip(counted, totals, strict=True) if total > bound)
            starts = [one.since for one in counted]
            known = self._sum = Sum(terms, own, counted, starts, totals, next(reached, NEVER))
        return known

    def _limit(self, own: Term) -> float:
        most = own.edition.properties.get(self._params.most)
        assert isinstance(most, (int, float))
        return float(most)

    def _broken(self, window: Window, found: Sum) -> Finding:
        reason = "nearly_used_up" if self._params.share < 1 else ""
        return self._finding(window, "exceeded", reason, found, max(found.reached, window[0]))

    def _finding(self, window: Window, outcome: Outcome, reason: str, found: Sum | None = None, t: int = 0) -> Finding:
        """Return what is said of a day; `t`: up to when documents count."""
        many = bisect_right(found.starts, t) if found else 0
        cited = (found.permit, *found.counted[max(0, many - MOST_EVIDENCE + 1) : many]) if found else ()
        return Finding(
            start=window[0],
            end=window[1],
            outcome=outcome,
            grade=self._setting.rule.grade,
            reason=reason,
            value=(found.totals[many - 1] if many else 0.0) if found else None,
            limit_value=self._limit(found.permit) if found else None,
            unit=self._params.unit,
            editions=tuple(one.cited for one in cited),
        )


class Running(Windowed):
    """The course of days of which the one that goes on is judged, too, as soon as it is certain."""

    def __init__(self, sums: Sums, setting: Setting) -> None:
        local = setting.local
        super().__init__(lambda start, end: DAYS.windows(start, end, local), sums.judge, 0, setting.since)
        self._sums = sums
        self._setting = setting

    def on(self, samples: Sequence[Sample], until: int) -> list[Finding]:
        """See `Course`."""
        super().on(samples, until)
        day = self._setting.local.day(until)
        if until >= self._setting.ends or not self._setting.since <= day.start < until:
            return []
        found = self._sums.early((day.start, day.end), until)
        return [self.also(found)] if found else []


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float))
