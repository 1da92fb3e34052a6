"""State: what a subject's sensors say together, or one after the other.

A combination that must not be, for some time (loaded, moving and not covered), or that needs a permit:

    kind = "state"
    params = {when = {states = {load = ["full"]}, speed_above = 5}, never = {cover = ["open"]}, for = 30}
    params = {when = {states = {load = ["full"]}, speed_above = 5}, needs = {by = "permit", of = "vehicle"}}

A change that must not happen, or only in places (loaded, then empty, while lifted: dumped):

    kind = "state"
    params = {change = {state = "load", from = ["full"], to = ["empty"], during = {lift = ["up"]}},
              places = {kinds = ["dump_site"]}}
"""

import copy
import itertools
from collections.abc import Iterable
from typing import Annotated

import msgspec

from hub.judge.kinds.conditions import (
    Condition,
    Permit,
    Places,
    Seconds,
    States,
    When,
    Zone,
    both,
    matches,
    permits_at,
)
from hub.judge.kinds.course import Folded, Setting
from hub.judge.kinds.episodes import OUT, Asked, Episodes
from hub.judge.records import MOST_EVIDENCE, Cited, Finding, Sample, Value
from hub.judge.verdicts import Grade, Outcome
from schemas.domains.entries import Id

Values = Annotated[tuple[Value, ...], msgspec.Meta(min_length=1)]


class Change(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """A state that goes from one of some values to one of others; other values, and none, lie on the way."""

    state: Id
    from_: Values
    to: Values
    during: States = {}
    """What another sensor says at some moment of it: without that it is no more than a suspicion."""
    before: Seconds = 120.0
    """So long before the change it counts, too [s]."""
    unless: States = {}
    """While this is so at some moment of it, such as maintenance, the change means nothing."""
    holds: Seconds = 0.0
    """What was before must have lasted so long, and what is after it must: a sensor that trembles says nothing [s]."""


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"for_": "for"}):
    """What a rule of this kind says: one of `never`, `needs` and `change`."""

    when: When = When()
    never: States = {}
    needs: Permit | None = None
    change: Change | None = None
    places: Places | None = None
    """Where the change is allowed; none named: nowhere."""
    for_: Seconds = 0.0
    gap: Seconds = 300.0

    def __post_init__(self) -> None:
        """Refuse what says two things at once, or nothing."""
        said = [name for name in ("never", "needs", "change") if getattr(self, name)]
        if len(said) != 1:
            raise ValueError(f"{' and '.join(said) or 'nothing'} is named: expected one of never, needs and change")
        if self.places is not None and self.change is None:
            raise ValueError("places: expected only with change; say when.inside or when.outside")
        if self.change is not None and set(self.change.from_) & set(self.change.to):
            raise ValueError("change: a value stands in both from and to; expected it in one of them")


def course(params: Params, setting: Setting) -> Folded:
    """Return what judges a subject by such a rule."""
    if params.change is not None:
        return Folded(Changes(params, params.change, setting))
    _, world, local, subject, _ = setting
    when = Condition(params.when, world, local, setting.kind, subject)

    def ask(sample: Sample) -> Asked:
        applies = when.holds(sample)
        if applies is False:
            return OUT
        if params.needs is None:
            return Asked(applies, matches(params.never, sample))
        permits = permits_at(world, params.needs, subject, sample.t)
        return Asked(applies, not permits, cited=tuple(term.cited for term in permits))

    def cite(_: Sample) -> tuple[Cited, ...]:
        return ()

    return Folded(Episodes(ask, cite, setting.rule.grade, params.for_, params.gap))


class Changes:
    """Remembers the last known value, and what was said since, and shortly before."""

    def __init__(self, params: Params, change: Change, setting: Setting) -> None:
        _, world, local, subject, _ = setting
        self._gap = params.gap
        self._change = change
        self._grade = setting.rule.grade
        self._when = Condition(params.when, world, local, setting.kind, subject)
        self._zone = Zone(params.places, world, setting.kind, subject) if params.places else None
        self._from: int | None = None  # when the state was last one of `from`
        self._since = 0  # when it became one of them
        self._coming: tuple[int, tuple[Finding, ...]] | None = None  # a change that has not lasted yet, and its time
        self._recent: tuple[Sample, ...] = ()

    def copy(self) -> "Changes":
        """See `Fold`."""
        return copy.copy(self)

    def step(self, sample: Sample) -> list[Finding]:
        """See `Fold`."""
        change = self._change
        found: list[Finding] = []
        value = sample.states.get(change.state)
        self._recent += (sample,)
        if self._coming is not None and sample.t - self._coming[0] >= change.holds:
            found, self._coming = [*self._coming[1]], None
        if value in change.to and self._from is not None:
            if self._from - self._since >= change.holds:
                changed = self._changed(self._from, sample)
                if change.holds:
                    self._coming = sample.t, tuple(changed)
                else:
                    found += changed
            self._from = None
        elif value in change.from_:
            self._coming = None  # it was no change
            self._since = sample.t if self._from is None else self._since
            self._from = sample.t
        first = (sample.t if self._from is None else self._from) - change.before
        if self._recent[0].t < first:
            self._recent = tuple(one for one in self._recent if one.t >= first)
        return found

    def open(self, until: int) -> list[Finding]:
        """See `Fold`."""
        lasted = self._coming is not None and until - self._coming[0] >= self._change.holds
        return [*self._coming[1]] if self._coming is not None and lasted else []

    def _changed(self, start: int, last: Sample) -> list[Finding]:
        around = [one for one in self._recent if one.t >= start - self._change.before]
        during = [one for one in around if one.t >= start]
        applies = _any(self._when.holds(one) for one in during)
        if applies is False:
            return []
        if self._change.unless and any(matches(self._change.unless, one) for one in around):
            return []
        inside, reason, cited = self._where(during)
        confirmed = _any(matches(self._change.during, one) for one in around) if self._change.during else True
        outcome: Outcome
        grade: Grade = self._grade
        apart = max((later.t - one.t for one, later in itertools.pairwise(during)), default=0)
        if self._zone is not None and apart > self._gap:
            outcome, reason, cited = "invalid", "gap", ()  # it may have been anywhere meanwhile
        elif inside is True:
            outcome, reason = "compliant", ""
        elif inside is None:
            outcome = "invalid"
        else:
            outcome = "exceeded"
            if not both(confirmed, applies):
                grade, reason = "suspicion", "not_confirmed" if confirmed is False else "state_unknown"
        ids = tuple(one.id for one in around)
        return [
            Finding(
                start=start,
                end=last.t + 1,
                outcome=outcome,
                grade=grade,
                reason=reason,
                evidence=ids if len(ids) <= MOST_EVIDENCE else (*ids[: MOST_EVIDENCE - 1], ids[-1]),
                samples=len(ids),
                editions=cited,
            )
        ]

    def _where(self, during: list[Sample]) -> tuple[bool | None, str, tuple[Cited, ...]]:
        """Tell whether all of a change lay inside, or all of it outside."""
        if self._zone is None:
            return False, "", ()
        told = [self._zone.where(one) for one in during]
        cited = tuple(dict.fromkeys(one for where in told for one in where.cited))
        if all(where.inside for where in told):
            return True, "", cited
        if all(where.inside is False for where in told):
            return False, "", self._zone.nearest(during[-1])
        return None, next((where.reason for where in told if where.reason), "position_uncertain"), cited


def _any(answers: Iterable[bool | None]) -> bool | None:
    """Return "or" of answers: yes, if one is; else None, if one cannot be known."""
    known: bool | None = False
    for one in answers:
        if one:
            return True
        known = None if one is None else known
    return known
