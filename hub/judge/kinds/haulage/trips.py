"""Trips: from where a load was taken to where it was left, as sensors and positions say; no clock, no database.

A trip begins with the last moment at which the vehicle was known to be empty before it was full, and ends with the
first at which it is known to be empty again. So the load sensor makes trips, and positions say from where to where.
"""

import copy
from abc import ABC, abstractmethod
from typing import Annotated, NamedTuple, Self

import msgspec

from hub.judge.kinds.conditions import Places, Seconds, States, Zone, matches
from hub.judge.kinds.course import Setting
from hub.judge.kinds.world import has_position
from hub.judge.records import MOST_EVIDENCE, Cited, Finding, Sample, Value
from schemas.domains.entries import Id

Values = Annotated[tuple[Value, ...], msgspec.Meta(min_length=1)]


class Cycle(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """By what trips are known."""

    from_: Places
    """Where loads may be taken."""
    to: Places
    """Where they may be left."""
    load: Id = "load"
    """The state that says whether the vehicle is loaded."""
    full: Values = ("full",)
    empty: Values = ("empty",)
    weight: Id | None = None
    """A state with the load's weight [t]."""
    short: Seconds = 120.0
    """What is loaded for a shorter time was no trip, but a sensor that trembled [s]."""
    holds: Seconds = 60.0
    """So long it must be empty for a trip to be over [s]."""
    unless: States = {}
    """What is said while this is so, such as maintenance, does not count."""


class End(NamedTuple):
    """Where a load was taken or left. `inside`: None: it cannot be known; `cited`: the place."""

    inside: bool | None
    reason: str
    cited: tuple[Cited, ...]


class Trip(NamedTuple):
    """A trip that is over."""

    start: int
    """When it was empty last, Unix s."""
    loaded: int
    """When it was full first, Unix s."""
    left: int
    """When it was full last, Unix s."""
    end: int
    """When it was empty again, Unix s."""
    origin: End
    target: End
    evidence: tuple[str, ...]
    samples: int
    taken: float | None
    """Weight when it left [t]; None: nothing said it."""
    brought: float | None
    """Weight just before it was left [t]."""


class Trips:
    """Finds the trips in one subject's samples."""

    def __init__(self, cycle: Cycle, setting: Setting) -> None:
        self._cycle = cycle
        self._from = Zone(cycle.from_, setting.world, setting.kind, setting.subject)
        self._to = Zone(cycle.to, setting.world, setting.kind, setting.subject)
        self._empty: tuple[Sample, ...] = ()  # the last one that was empty, and those after it that do not say
        self._first: Sample | None = None  # full, of the trip that goes on
        self._around: tuple[Sample, ...] = ()  # the last one that was full, and those after it that do not say
        self._over: Sample | None = None  # empty, and not for long enough yet to end the trip
        self._start = 0
        self._origin = End(None, "", ())
        self._ids: tuple[str, ...] = ()
        self._count = 0
        self._weights: tuple[float, ...] = ()

    def copy(self) -> "Trips":
        """Return a copy that goes its own way; nothing in it is changed in place."""
        return copy.copy(self)

    def step(self, sample: Sample) -> Trip | None:
        """Take the next sample; return the trip that it ends."""
        if self._cycle.unless and matches(self._cycle.unless, sample):
            return None
        trip = self.over(sample.t)
        if trip is not None or (self._over is not None and self._lasted(sample.t)):
            assert self._over is not None
            self._empty, self._first, self._over = (self._over,), None, None
        value = sample.states.get(self._cycle.load)
        if value in self._cycle.full:
            self._over = None  # it was not over
            self._full(sample)
        elif value in self._cycle.empty:
            if self._first is None:
                self._empty = (sample,)
            else:
                self._over = self._over or sample
        elif self._over is None:
            self._unsaid(sample)
        return trip

    def over(self, until: int) -> Trip | None:
        """Return the trip that is over if nothing else is heard up to a moment."""
        if self._first is None or self._over is None or not self._lasted(until):
            return None
        return self._trip(self._over)

    def _lasted(self, until: int) -> bool:
        return self._over is not None and until - self._over.t >= self._cycle.holds

    def _unsaid(self, sample: Sample) -> None:
        if self._first is None:
            self._empty = (*self._empty[-MOST_EVIDENCE:], sample) if self._empty else ()
        else:
            self._around = (*self._around[-MOST_EVIDENCE:], sample)
            self._tell(sample)

    def _full(self, sample: Sample) -> None:
        if self._first is None:
            self._first = sample
            self._start = self._empty[0].t if self._empty else sample.t
            self._origin = _where(self._from, (*self._empty, sample)) if self._empty else End(None, "no_data", ())
            self._ids, self._count, self._weights = (), 0, ()
            for one in self._empty:
                self._tell(one)
        self._around = (sample,)
        self._tell(sample)

    def _tell(self, sample: Sample) -> None:
        self._count += 1
        if len(self._ids) < MOST_EVIDENCE - 1:
            self._ids += (sample.id,)
        weight = sample.states.get(self._cycle.weight) if self._cycle.weight else None
        if isinstance(weight, (int, float)) and sample.states.get(self._cycle.load) in self._cycle.full:
            # The third of the first and of the last ones is little moved by a bump or by a load that still comes.
            self._weights = (*self._weights, float(weight))
            if len(self._weights) > 12:
                self._weights = (*self._weights[:6], *self._weights[-6:])

    def _trip(self, sample: Sample) -> Trip | None:
        assert self._first is not None
        left = self._around[0]
        if left.t - self._first.t < self._cycle.short:
            return None
        ids = self._ids if self._ids[-1] == sample.id else (*self._ids, sample.id)
        half = len(self._weights) // 2
        return Trip(
            start=self._start,
            loaded=self._first.t,
            left=left.t,
            end=sample.t,
            origin=self._origin,
            target=_where(self._to, (*self._around, sample)),
            evidence=ids,
            samples=self._count + 1,
            taken=_middle(self._weights[:half]) if half > 2 else None,
            brought=_middle(self._weights[half:]) if half > 2 else None,
        )


class EachTrip(ABC):
    """What judges trip by trip: a `Fold` whose heirs say what a trip comes to."""

    def __init__(self, cycle: Cycle, setting: Setting) -> None:
        self._setting = setting
        self._trips = Trips(cycle, setting)

    @abstractmethod
    def judge(self, trip: Trip) -> Finding:
        """Return the finding on a trip that is over; what it changes, it puts anew, since copies share it."""

    def copy(self) -> Self:
        """See `Fold`."""
        other = copy.copy(self)
        other._trips = self._trips.copy()  # noqa: SLF001 - its own copy
        return other

    def step(self, sample: Sample) -> list[Finding]:
        """See `Fold`."""
        trip = self._trips.step(sample)
        return [] if trip is None else [self.judge(trip)]

    def open(self, until: int) -> list[Finding]:
        """See `Fold`; what the trip uses up is not used yet."""
        trip = self._trips.over(until)
        return [] if trip is None else [self.copy().judge(trip)]


def _where(zone: Zone, samples: tuple[Sample, ...]) -> End:
    """Tell whether one of these samples lies in a place: a load is taken and left within moments."""
    told = [zone.where(one) for one in samples if has_position(one)]
    if not told:
        return End(None, "position_uncertain", ())
    inside = next((where for where in told if where.inside), None)
    if inside is not None:
        return End(True, "", inside.cited)
    if all(where.inside is False for where in told):
        return End(False, "", ())
    doubt = next(where for where in told if where.inside is None)
    return End(None, doubt.reason, doubt.cited)


def _middle(weights: tuple[float, ...]) -> float:
    return sorted(weights)[len(weights) // 2]
