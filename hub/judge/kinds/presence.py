"""Presence: a share of a shift must be spent inside an area.

kind = "presence"
params = {shift = {spans = ["06:00-14:00"]}, inside = {kinds = ["beat"], named = "beat"}, least = 0.8}
params = {shifts = {by = "shift", of = "worker"}, inside = {...}, worn = {worn = [true]},
          still = {state = "steps", for = 3600}, least = 0.7, gap = 900}

A watch that was taken off, or lies on a table, says where it is and nothing of its wearer: where only such time makes
up the share, that is a suspicion, whatever the rule's grade.
"""

import itertools
from collections.abc import Callable, Sequence

import msgspec

from hub.judge.kinds.conditions import (
    Calendar,
    Condition,
    Permit,
    Places,
    Seconds,
    Share,
    States,
    When,
    Zone,
    matches,
)
from hub.judge.kinds.course import Setting, Windowed
from hub.judge.records import MOST_EVIDENCE, Cited, Finding, Sample
from hub.judge.verdicts import Outcome
from hub.judge.windows import Window
from schemas.domains.entries import Id


class Still(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"for_": "for"}):
    """By what it is known that something lies still."""

    state: Id
    """A count that rises while it is worn, such as of steps."""
    for_: Seconds
    """One and the same count for so long: it lies still [s]."""


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
    worn: States = {}
    """What must be so for the source to speak of its wearer; where it is not, its wearer may be anywhere."""
    still: Still | None = None
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
        inside = outside = idle = 0
        cited: dict[Cited, None] = {}
        here: dict[str, tuple[bool | None, bool]] = {}
        still = self._lying(samples)
        for one in samples:
            where = self._zone.where(one)
            worn = matches(self._params.worn, one) if self._params.worn else True
            lies = worn is False or one.id in still
            known = where.inside if self._when.holds(one) and (worn is not None) else None
            here[one.id] = known, lies
            if start <= one.t < end:
                cited |= dict.fromkeys(where.cited)
        for one, later in itertools.pairwise(samples):
            if later.t - one.t <= self._params.gap and here[one.id] == here[later.id]:
                seconds = max(0, min(later.t, end) - max(one.t, start))
                known, lies = here[one.id]
                inside += seconds if known and not lies else 0
                outside += seconds if known is False and not lies else 0
                idle += seconds if known and lies else 0
        length = end - start
        ids = tuple(one.id for one in samples if start <= one.t < end)
        outcome: Outcome
        grade, reason = self._grade, ""
        if inside >= self._params.least * length:
            outcome = "compliant"
        elif length - outside < self._params.least * length:
            outcome = "exceeded"
        elif idle and inside + idle >= self._params.least * length:
            outcome, grade, reason = "exceeded", "suspicion", "not_worn"
        else:
            # What is not known could have been either.
            outcome, reason = "invalid", "too_little" if ids else "no_data"
        return Finding(
            start=start,
            end=end,
            outcome=outcome,
            grade=grade,
            reason=reason,
            value=inside / length if ids else None,
            limit_value=self._params.least,
            unit="1",
            evidence=ids if len(ids) <= MOST_EVIDENCE else (*ids[: MOST_EVIDENCE - 1], ids[-1]),
            samples=len(ids),
            editions=tuple(cited)[:MOST_EVIDENCE],
        )

    def _lying(self, samples: Sequence[Sample]) -> set[str]:
        """Return the identities of the samples between which a count stood still for long enough."""
        asked = self._params.still
        found: set[str] = set()
        if asked is None:
            return found
        said = [one for one in samples if one.states.get(asked.state) is not None]
        for _, group in itertools.groupby(said, key=lambda one: one.states[asked.state]):
            run = list(group)
            if run[-1].t - run[0].t >= asked.for_:
                found |= {one.id for one in samples if run[0].t <= one.t <= run[-1].t}
        return found
