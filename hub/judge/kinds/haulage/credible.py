"""Credible: a sensor says something else now and then, as the work demands that it is on cannot be done without.

    kind = "credible"
    params = {state = "cover", rounds = 3, from = {kinds = ["project"]}, to = {kinds = ["dump_site"]}}

Rounds are counted by positions alone: a stay where loads are taken and, after it, one where they are left. A cover that
never opens, a load that is never full and a body that is never lifted in several rounds are those of a sensor that is
broken, bridged or blocked.
"""

import copy
from typing import Annotated

import msgspec

from hub.judge.kinds.conditions import Places, Seconds, Zone
from hub.judge.kinds.course import Folded, Setting
from hub.judge.records import Cited, Finding, Sample, Value
from hub.judge.verdicts import Outcome
from schemas.domains.entries import Id


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """What a rule of this kind says."""

    state: Id
    from_: Places
    to: Places
    rounds: Annotated[int, msgspec.Meta(ge=1)] = 3
    """It is broken when the state has been one and the same in so many rounds, one after the other."""
    stay: Seconds = 120.0
    """Who is in a place for a shorter time passes by [s]."""
    gap: Seconds = 300.0
    """Between samples further apart nothing is known [s]."""


def course(params: Params, setting: Setting) -> Folded:
    """Return what judges a subject by such a rule."""
    return Folded(Rounds(params, setting))


class Rounds:
    """Counts rounds in which the state did not change."""

    def __init__(self, params: Params, setting: Setting) -> None:
        self._params = params
        self._grade = setting.rule.grade
        self._zones = tuple(
            Zone(one, setting.world, setting.kind, setting.subject) for one in (params.from_, params.to)
        )
        self._in: int | None = None  # where it is: in the first or the second of the zones
        self._since = self._last = 0
        self._taken = False  # it stayed in the first of the zones, and not in the second since
        self._left = False  # it stayed in the second one, and is there still
        self._values: frozenset[Value] = frozenset()
        self._same = 0  # rounds in which nothing changed
        self._start: int | None = None  # of the first of these
        self._ids: tuple[str, ...] = ()
        self._cited: tuple[Cited, ...] = ()

    def copy(self) -> "Rounds":
        """See `Fold`; nothing in it is changed in place."""
        return copy.copy(self)

    def open(self, until: int) -> list[Finding]:  # noqa: ARG002 - rounds are over, or they are not
        """See `Fold`."""
        return []

    def step(self, sample: Sample) -> list[Finding]:
        """See `Fold`."""
        value = sample.states.get(self._params.state)
        if value is not None and value not in self._values:
            self._values |= {value}
        if self._start is None:
            self._start = sample.t
        place, cited = self._place(sample)
        if place is None:  # who passes under a bridge has not driven away
            return []
        found: list[Finding] = []
        if sample.t - self._last > self._params.gap:
            self._since = sample.t
        self._last = sample.t
        if place != self._in:
            if self._left:
                found = self._round(sample)
            self._in, self._since = (place if place in (0, 1) else None), sample.t
            self._left = False
        elif self._in is not None and sample.t - self._since >= self._params.stay:
            if self._in == 0 and not self._taken:
                self._taken = True
                self._note(sample, cited)
            elif self._in == 1 and self._taken:
                self._left, self._taken = True, False
                self._note(sample, cited)
        return found

    def _place(self, sample: Sample) -> tuple[int | None, tuple[Cited, ...]]:
        """Return in which zone a sample lies: 0, 1, or -1 for neither; None: it cannot be known."""
        unknown = False
        for number, zone in enumerate(self._zones):
            where = zone.where(sample)
            if where.inside:
                return number, where.cited
            unknown = unknown or (where.inside is None and where.reason != "no_place")
        return (None, ()) if unknown else (-1, ())

    def _note(self, sample: Sample, cited: tuple[Cited, ...]) -> None:
        self._ids = (*self._ids[-98:], sample.id)
        self._cited = tuple(dict.fromkeys((*self._cited, *cited)))[-100:]

    def _round(self, sample: Sample) -> list[Finding]:
        """Judge when a round is over: the vehicle has left the place where it left its load."""
        values, start = self._values, self._start
        assert start is not None
        self._values = frozenset()
        outcome: Outcome
        if len(values) == 1:
            self._same += 1
            if self._same < self._params.rounds:
                self._values = values  # the same value in the next one, too, else it has changed
                return []
            outcome, reason = "exceeded", "stuck"
        elif values:
            outcome, reason = "compliant", ""
        else:
            outcome, reason = "invalid", "state_unknown"
        finding = Finding(
            start=start,
            end=sample.t,
            outcome=outcome,
            grade=self._grade,
            reason=reason,
            value=float(self._same) if outcome == "exceeded" else None,
            limit_value=float(self._params.rounds) if outcome == "exceeded" else None,
            unit="1" if outcome == "exceeded" else "",
            evidence=self._ids,
            samples=len(self._ids),
            editions=self._cited,
        )
        self._same, self._start, self._ids, self._cited = 0, sample.t, (), ()
        return [finding]
