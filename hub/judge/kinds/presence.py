"""Presence: a share of a shift must be spent inside an area.

kind = "presence"
params = {shift = {spans = ["06:00-14:00"]}, inside = {kinds = ["beat"], named = "beat"}, least = 0.8}
"""

import itertools
from collections.abc import Callable, Sequence

import msgspec

from hub.judge.kinds.conditions import Calendar, Condition, Permit, Places, Seconds, Share, When, Zone
from hub.judge.kinds.course import Setting, Windowed
from hub.judge.records import MOST_EVIDENCE, Cited, Finding, Sample
from hub.judge.verdicts import Outcome
from hub.judge.windows import Window


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a rule of this kind says."""

    inside: Places
    least: Share
    """Share of the shift."""
    shift: Calendar | None = None
    shifts: Permit | None = None
    """Or the shifts are things that name the subject: each lasts as long as it is valid."""
    when: When = When()
    """What must be so for a moment to count, such as that a watch is worn; what is not known of it stays unknown."""
    gap: Seconds = 300.0

    def __post_init__(self) -> None:
        """Refuse what names no shift, or two."""
        if (self.shift is None) == (self.shifts is None):
            raise ValueError("expected one of shift and shifts")


def course(params: Params, setting: Setting) -> Windowed:
    """Return what judges a subject by such a rule."""
    return Windowed(
        windows_of(params.shift, params.shifts, setting),
        Attendance(params, setting).judge,
        int(params.gap),
        setting.since,
    )


def windows_of(shift: Calendar | None, shifts: Permit | None, setting: Setting) -> Callable[[int, int], list[Window]]:
    """Return what gives a subject's windows: parts of local days, or as long as things that name it are valid."""

    def windows(start: int, end: int) -> list[Window]:
        end = min(end, setting.ends)
        if shift is not None:
            return shift.windows(start, end, setting.local)
        assert shifts is not None
        terms = setting.world.held_by(shifts.by, shifts.of, setting.subject)
        found = {(term.since, term.until) for term in terms if start < term.until <= end}
        return sorted(found, key=lambda one: (one[1], one[0]))

    return windows


class Attendance:
    """Judges one shift."""

    def __init__(self, params: Params, setting: Setting) -> None:
        _, world, local, subject, _ = setting
        self._params = params
        self._grade = setting.rule.grade
        self._zone = Zone(params.inside, world, setting.kind, subject)
        self._when = Condition(params.when, world, local, setting.kind, subject)

    def judge(self, window: Window, samples: Sequence[Sample]) -> Finding:
        """Return the finding on a shift from the samples in it and right before and after."""
        start, end = window
        inside = outside = 0
        cited: dict[Cited, None] = {}
        here: dict[str, bool | None] = {}
        for one in samples:
            where = self._zone.where(one)
            here[one.id] = where.inside if self._when.holds(one) else None
            if start <= one.t < end:
                cited |= dict.fromkeys(where.cited)
        for one, later in itertools.pairwise(samples):
            if later.t - one.t <= self._params.gap and here[one.id] == here[later.id]:
                seconds = max(0, min(later.t, end) - max(one.t, start))
                inside += seconds if here[one.id] else 0
                outside += seconds if here[one.id] is False else 0
        length = end - start
        ids = tuple(one.id for one in samples if start <= one.t < end)
        outcome: Outcome
        reason = ""
        if inside >= self._params.least * length:
            outcome = "compliant"
        elif length - outside < self._params.least * length:
            outcome = "exceeded"
        else:
            # What is not known could have been either.
            outcome, reason = "invalid", "too_little" if ids else "no_data"
        return Finding(
            start=start,
            end=end,
            outcome=outcome,
            grade=self._grade,
            reason=reason,
            value=inside / length if ids else None,
            limit_value=self._params.least,
            unit="1",
            evidence=ids if len(ids) <= MOST_EVIDENCE else (*ids[: MOST_EVIDENCE - 1], ids[-1]),
            samples=len(ids),
            editions=tuple(cited)[:MOST_EVIDENCE],
        )
