"""Weighed: each weighing of a vehicle adds up, is of one kind, is no more than it may carry, and belongs to a round.

    kind = "weighed"
    params = {by = {by = "weighing", of = "truck"}, sum = {gross = "gross_kg", tare = "tare_kg", net = "net_kg"}, ...}
    params = {by = ..., most = {amount = "net_kg", of = "capacity_kg"}}
    params = {by = ..., same = "waste", rounds = {by = "round", of = "truck"}, stops = "stops", stop = "bin"}
    params = {by = ..., rounds = {by = "round", of = "truck"}, shift = {spans = ["20:00-06:00"]}}

The subject is the vehicle; a weighing is a document that names it and begins when it was weighed. A correction of one,
or a round that is entered later, amends what was said.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Annotated, NamedTuple

import msgspec

from hub.judge.kinds.conditions import Calendar, Permit, Seconds
from hub.judge.kinds.course import Setting, Windowed
from hub.judge.kinds.world import Term, names_in
from hub.judge.records import MOST_EVIDENCE, Finding, Sample
from hub.judge.verdicts import Outcome
from hub.judge.windows import DAY, Window
from schemas.domains.entries import Id

Least = Annotated[float, msgspec.Meta(ge=0)]


class Sum(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Gross less tare is net: properties of the document, all in one unit."""

    gross: Id
    tare: Id
    net: Id
    tolerance: Least = 0.0
    """By so much they may differ, in the same unit: a weighbridge's division."""


class Most(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The document's `amount` is at most what the vehicle's property `of` says, in the same unit."""

    amount: Id
    of: Id
    tolerance: Least = 0.0
    """By such a share it may be more."""


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a rule of this kind says: `sum`, `most`, `same`, or only `rounds`."""

    by: Permit
    """The kind of documents, and their property that names the vehicle."""
    sum: Sum | None = None
    most: Most | None = None
    same: Id | None = None
    """The document's property that lists kinds, of which there may be one; the stops of `rounds` have it, too."""
    rounds: Permit | None = None
    """The kind of rounds, and their property that names the vehicle."""
    stops: Id | None = None
    """With `same`: the rounds' property that names their stops, things of kind `stop`."""
    stop: Id | None = None
    shift: Calendar | None = None
    """When rounds are driven; None: at any time at which they hold."""
    late: Seconds = 14_400.0
    """So long after a round has ended its load may be weighed [s]."""
    unit: str = ""

    def __post_init__(self) -> None:
        """Refuse what asks for nothing, or for several things."""
        asked = [one is not None for one in (self.sum, self.most, self.same)]
        if sum(asked) > 1 or not (any(asked) or self.rounds):
            raise ValueError("expected one of sum, most, same and rounds")
        if (self.stops is None) != (self.stop is None) or (self.stops and not (self.same and self.rounds)):
            raise ValueError("expected stops and stop together, beside same and rounds")


class Said(NamedTuple):
    """What is said of one weighing."""

    outcome: Outcome
    reason: str = ""
    value: float | None = None
    limit: float | None = None
    cited: tuple[Term, ...] = ()


def course(params: Params, setting: Setting) -> Windowed:
    """Return what judges a subject by such a rule."""
    weighings = Weighings(params, setting)
    return Windowed(weighings.windows, weighings.judge, 0, setting.since)


class Weighings:
    """Judges each weighing of one vehicle; a window is the second in which it was weighed."""

    def __init__(self, params: Params, setting: Setting) -> None:
        self._params = params
        self._setting = setting
        self._terms: Sequence[Term] = ()
        self._sorted: list[Term] = []

    def windows(self, start: int, end: int) -> list[Window]:
        """Return the windows that end in `start` < t <= `end`."""
        terms = self._in_order()
        begin = bisect_left(terms, start, key=lambda term: term.since)
        over = bisect_right(terms, end - 1, key=lambda term: term.since)
        return [(t, t + 1) for t in sorted({term.since for term in terms[begin:over]})]

    def _in_order(self) -> list[Term]:
        terms = self._setting.world.held_by(self._params.by.by, self._params.by.of, self._setting.subject)
        if terms is not self._terms:  # the world's are others than before
            self._terms, self._sorted = terms, sorted(terms, key=lambda term: term.since)
        return self._sorted

    def judge(self, window: Window, samples: Sequence[Sample]) -> Finding:  # noqa: ARG002 - only documents count
        """Return the finding on the weighings of a second."""
        terms = self._in_order()
        first = bisect_left(terms, window[0], key=lambda term: term.since)
        last = bisect_right(terms, window[0], key=lambda term: term.since)
        found = [(term, self._asked(term)) for term in terms[first:last]]
        # The gravest is told: a breach, else what cannot be known.
        rank = {"exceeded": 0, "invalid": 1}
        term, said = min(found, key=lambda one: rank.get(one[1].outcome, 2))
        own = self._setting.world.in_force(self._setting.kind, self._setting.subject, window[0])
        cited = (term.cited, *((own.cited,) if own else ()), *(one.cited for one in said.cited))
        return Finding(
            start=window[0],
            end=window[1],
            outcome=said.outcome,
            grade=self._setting.rule.grade,
            reason=said.reason,
            value=said.value,
            limit_value=said.limit,
            unit=self._params.unit if said.value is not None else "",
            editions=tuple(dict.fromkeys(cited))[:MOST_EVIDENCE],
        )

    def _asked(self, term: Term) -> Said:
        params = self._params
        if params.sum is not None:
            return self._adds_up(term, params.sum)
        if params.most is not None:
            return self._carries(term, params.most)
        if params.same is not None:
            return self._of_one(term, params.same)
        rounds = self._under_way(term.since)
        return Said("compliant", cited=tuple(rounds)) if rounds else Said("exceeded", "no_round")

    def _adds_up(self, term: Term, asked: Sum) -> Said:
        gross, tare, net = (_figure(term, name) for name in (asked.gross, asked.tare, asked.net))
        if gross is None or tare is None or net is None:
            return Said("invalid", "not_said")
        differs = abs(gross - tare - net) > asked.tolerance + 1e-9
        return Said("exceeded" if differs else "compliant", "weights_differ" if differs else "", gross - tare, net)

    def _carries(self, term: Term, asked: Most) -> Said:
        own = self._setting.world.in_force(self._setting.kind, self._setting.subject, term.since)
        amount, most = _figure(term, asked.amount), _figure(own, asked.of) if own else None
        if amount is None or most is None:
            return Said("invalid", "not_said", amount)
        over = amount > most * (1 + asked.tolerance)
        return Said("exceeded" if over else "compliant", "overloaded" if over else "", amount, most)

    def _of_one(self, term: Term, name: str) -> Said:
        params, world = self._params, self._setting.world
        kinds = set(names_in(term.edition.properties.get(name)))
        cited: list[Term] = []
        for one in self._under_way(term.since) if params.rounds else ():
            for id_ in names_in(one.edition.properties.get(params.stops or "")):
                stop = world.in_force(params.stop or "", id_, max(term.since, one.since))
                other = set(names_in(stop.edition.properties.get(name))) if stop else set()
                if stop is not None and not other <= kinds:
                    cited += [one, stop]
                    kinds |= other
        if not kinds:
            return Said("invalid", "not_said")
        mixed = len(kinds) > 1
        return Said("exceeded" if mixed else "compliant", "mixed" if mixed else "", len(kinds), 1.0, tuple(cited))

    def _under_way(self, t: int) -> list[Term]:
        """Return the vehicle's rounds that are driven at a moment, or were shortly before."""
        rounds, shift, late = self._params.rounds, self._params.shift, int(self._params.late)
        assert rounds is not None
        if shift is not None:
            parts = shift.windows(t - late - 1, t + DAY, self._setting.local)
            if not any(start <= t < end + late for start, end in parts):
                return []
        terms = self._setting.world.held_by(rounds.by, rounds.of, self._setting.subject)
        return [term for term in terms if term.since <= t < term.until + late]


def _figure(term: Term, name: str) -> float | None:
    value = term.edition.properties.get(name)
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
