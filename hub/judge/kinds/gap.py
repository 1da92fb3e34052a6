"""Gap: the subject must be heard while it matters, as a loaded vehicle in the city.

kind = "gap"
params = {for = 600, when = {states = {load = ["full"]}, inside = {kinds = ["city"]}}}
params = {for = 600, of = "position", when = {states = {load = ["full"]}, outside = {kinds = ["tunnel"]}}}
"""

import copy
from typing import Literal

import msgspec

from hub.judge.kinds.conditions import Calendar, Condition, Seconds, When
from hub.judge.kinds.course import Folded, Setting
from hub.judge.kinds.world import has_position
from hub.judge.records import Finding, Sample
from hub.judge.windows import LocalTime, Window


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"for_": "for"}):
    """What a rule of this kind says."""

    for_: Seconds
    """A silence that lasts longer breaks the rule [s]."""
    of: Literal["subject", "position"] = "subject"
    """position: it says where it is; what it says beside that does not count."""
    when: When = When()
    """What was so when it was last heard."""
    hours: Calendar | None = None
    """Silence counts in these parts of the day only."""

    def __post_init__(self) -> None:
        """Refuse what would make hours of the last sample decide, and not those of the silence."""
        if self.when.hours is not None:
            raise ValueError("when.hours: expected hours beside when: they are those of the silence")


def course(params: Params, setting: Setting) -> Folded:
    """Return what judges a subject by such a rule."""
    return Folded(Silence(params, setting))


class Silence:
    """Remembers when the subject was heard last."""

    def __init__(self, params: Params, setting: Setting) -> None:
        _, world, self._local, subject, _ = setting
        self._params = params
        self._ends = setting.ends
        self._grade = setting.rule.grade
        self._when = Condition(params.when, world, self._local, setting.kind, subject)
        self._last: Sample | None = None
        self._matters: bool | None = False
        self._blind = False  # it has spoken since, without a position

    def copy(self) -> "Silence":
        """See `Fold`."""
        return copy.copy(self)

    def step(self, sample: Sample) -> list[Finding]:
        """See `Fold`."""
        if self._params.of == "position" and not has_position(sample):
            self._blind = True
            return []
        found = self._silent(sample.t, sample.id)
        self._last, self._matters, self._blind = sample, self._when.holds(sample), False
        return found

    def open(self, until: int) -> list[Finding]:
        """See `Fold`."""
        found = self._silent(min(until, self._ends), "")
        return [msgspec.structs.replace(one, open=one.end == until) for one in found]

    def _silent(self, until: int, heard: str) -> list[Finding]:
        last = self._last
        if self._params.of == "position" and not self._blind:
            return []  # it said nothing at all
        if last is None or self._matters is False or until - last.t <= self._params.for_:
            return []
        return [
            Finding(
                start=start,
                end=end,
                outcome="exceeded",
                grade=self._grade if self._matters else "suspicion",
                reason="" if self._matters else "state_unknown",
                value=float(end - start),
                limit_value=self._params.for_,
                unit="s",
                evidence=(last.id, heard) if heard else (last.id,),
                samples=2 if heard else 1,
            )
            for start, end in parts_of(last.t, until, self._params.hours, self._local)
            if end - start > self._params.for_
        ]


def parts_of(start: int, end: int, hours: Calendar | None, local: LocalTime) -> list[Window]:
    """Return the parts of a stretch of time that lie in these hours, those that touch as one."""
    if hours is None:
        return [(start, end)]
    found: list[Window] = []
    for from_, to in sorted(hours.windows(start, end + 2 * 86_400, local)):
        begin, over = max(from_, start), min(to, end)
        if found and begin <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], over)
        elif begin < over:
            found.append((begin, over))
    return found
