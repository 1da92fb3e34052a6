"""What rules ask of one sample. Each answer is yes, no, or None: it cannot be known."""

import datetime as dt
import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, NamedTuple

import msgspec

from hub.judge.kinds.world import COMMON, Spot, Term, World, has_position, names_in
from hub.judge.records import Cited, Sample, Value
from hub.judge.windows import LocalTime, Window
from schemas.domains.entries import Id
from schemas.faults import takes

Span = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d\Z",
        extra=takes("hours such as 08:00-20:00, in quotes"),
    ),
]
"""A part of the local day, ``HH:MM-HH:MM``; it may cross midnight. Equal ends: the whole day."""
Weekday = Annotated[int, msgspec.Meta(ge=1, le=7)]
"""1: Monday."""
Seconds = Annotated[float, msgspec.Meta(ge=0)]
Metres = Annotated[float, msgspec.Meta(ge=0)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Kinds = Annotated[tuple[Id, ...], msgspec.Meta(min_length=1)]
States = dict[str, tuple[Value, ...]]
"""By state the values that are meant."""


class Calendar(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parts of local days. A part that crosses midnight belongs to the day on which it begins."""

    spans: Annotated[tuple[Span, ...], msgspec.Meta(min_length=1)]
    days: tuple[Weekday, ...] = (1, 2, 3, 4, 5, 6, 7)
    dates: tuple[dt.date, ...] = ()
    """Days that count, too, whatever weekday they are: make-up days."""
    without: tuple[dt.date, ...] = ()
    """Days that do not count: holidays."""

    def holds(self, t: int, local: LocalTime) -> bool:
        """Tell whether a moment lies in one of these parts."""
        second, today = local.time_of_day(t), local.day(t).date
        for from_, to in self.parts:
            if from_ < to:
                day = today if from_ <= second < to else None
            elif second >= from_:
                day = today
            else:
                day = today - dt.timedelta(1) if second < to else None
            if day is not None and self.counts(day):
                return True
        return False

    def windows(self, start: int, end: int, local: LocalTime) -> list[Window]:
        """Return the parts that end in `start` < t <= `end`, whole, by their ends."""
        found = []
        day = local.day(start).date - dt.timedelta(1)
        last = local.day(end).date
        while day <= last:
            if self.counts(day):
                for from_, to in self.parts:
                    begin = local.instant(day, from_)
                    over = local.instant(day if from_ < to else day + dt.timedelta(1), to)
                    # An hour that the clocks leave out is no part of the day.
                    if start < over <= end and begin < over:
                        found.append((begin, over))
            day += dt.timedelta(1)
        return sorted(found, key=lambda one: (one[1], one[0]))

    def counts(self, day: dt.date) -> bool:
        """Tell whether the parts that begin on a local day count."""
        return day not in self.without and (day.isoweekday() in self.days or day in self.dates)

    @property
    def parts(self) -> tuple[tuple[int, int], ...]:
        """From and to, s from 00:00."""
        return _parts(self.spans)


class Permit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Things of kind `by` that name the subject in their property `of`: the permits of a vehicle, a worker's shifts."""

    by: Id
    of: Id


class Places(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Areas, or what lies within so many metres of lines and points.

    `named`: only those whose ids stand in this property of the subject, or, with `permit`, of the permits that hold.
    """

    kinds: Kinds
    within: Metres = 0.0
    """How far around a place it reaches [m]: half a corridor's width, a stop's radius."""
    within_of: Id | None = None
    """The places' own property that says so instead, where it is given."""
    most_within: Metres = 1000.0
    """No place's property reaches further [m]."""
    named: Id | None = None
    permit: Permit | None = None


class When(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What must be so all at once."""

    states: States = {}
    any: States = {}
    """One of these at least, such as a brush that is down, or water that runs."""
    speed_above: float | None = None
    """km/h"""
    inside: Places | None = None
    outside: Places | None = None
    hours: Calendar | None = None


class Where(NamedTuple):
    """Whether a position lies in places; None: it cannot be told, for `reason`."""

    inside: bool | None
    reason: str
    cited: tuple[Cited, ...]
    """The place that decided; of a position outside all of them nothing, `Zone.nearest` finds what to cite."""


FAR = Where(False, "", ())


class Zone:
    """Places as one subject sees them."""

    def __init__(self, places: Places, world: World, kind: str, subject: str) -> None:
        self._places = places
        self._world = world
        self._kind = kind
        self._subject = subject
        self._number = None if places.named is not None else world.number_of(places)

    def where(self, sample: Sample) -> Where:
        """Tell whether a sample's position lies inside, wherever in its circle of error it is."""
        spot = self._world.spot(sample)
        if self._number is None:
            return self._found(sample, spot)
        # Several rules ask the same of one position.
        answer: Where | None = spot.answers.get(self._number)
        if answer is None:
            answer = spot.answers[self._number] = self._found(sample, spot)
        return answer

    def _found(self, sample: Sample, spot: Spot) -> Where:
        places, world, ids = self._places, self._world, None
        if places.named is not None:
            ids, permits = self._named(sample.t)
            if not any(world.has_place(kind, one, sample.t) for kind in places.kinds for one in ids):
                return Where(None, "no_place" if permits else "no_permit", ())
        elif not world.has_places(places.kinds, sample.t):
            return Where(None, "no_place", ())
        if not spot.located:
            return Where(None, "position_uncertain", ())
        reach = places.within
        if places.within_of is not None:
            reach = max(reach, min(world.largest(places.kinds, places.within_of), places.most_within))
        reach += sample.radius
        if reach <= COMMON and spot.kinds.isdisjoint(places.kinds):
            return FAR
        return self._placed(sample, ids, reach)

    def _placed(self, sample: Sample, ids: set[str] | None, reach: float) -> Where:
        """Tell the same of a sample that has a position; `ids`: of the places that count, None: all of the kinds.

        `reach`: as far from it such places are looked for [m].
        """
        places = self._places
        doubt: list[tuple[Term, float]] = []
        for term, metres in self._world.margins(sample, places.kinds, reach):
            if ids is not None and term.edition.id not in ids:
                continue
            within = self._within(term.edition.properties)
            if metres + within >= sample.radius:
                return Where(True, "", (term.cited,))
            if metres + within >= -sample.radius:
                doubt.append((term, within))
        if not doubt:
            return FAR
        cited = tuple(sorted(term.cited for term, _ in doubt))
        # Between two places that touch it is in one of them, or in the other.
        if len(doubt) > 1 and self._world.margin_of_all(sample, doubt) >= sample.radius:
            return Where(True, "", cited)
        return Where(None, "position_uncertain", cited)

    def nearest(self, sample: Sample) -> tuple[Cited, ...]:
        """Return the nearest of the places, which a position outside all of them is measured by."""
        if not has_position(sample):
            return ()
        ids = self._named(sample.t)[0] if self._places.named is not None else None
        found = self._world.nearest(sample, self._places.kinds, ids)
        return (found.term.cited,) if found else ()

    def _within(self, properties: Mapping[str, object]) -> float:
        own = properties.get(self._places.within_of) if self._places.within_of else None
        return min(float(own), self._places.most_within) if isinstance(own, (int, float)) else self._places.within

    def _named(self, t: int) -> tuple[set[str], bool]:
        """Return the ids of the places that count, and whether anything that could name them holds."""
        permit, name = self._places.permit, self._places.named
        assert name is not None
        if permit is None:
            own = self._world.in_force(self._kind, self._subject, t)
            holders = [own] if own else []
        else:
            holders = permits_at(self._world, permit, self._subject, t)
        return {one for term in holders for one in names_in(term.edition.properties.get(name))}, bool(holders)


class Condition:
    """A `When` as one subject sees it."""

    def __init__(self, when: When, world: World, local: LocalTime, kind: str, subject: str) -> None:
        self._when = when
        self._local = local
        self._inside = Zone(when.inside, world, kind, subject) if when.inside else None
        self._outside = Zone(when.outside, world, kind, subject) if when.outside else None
        self._states = tuple(when.states.items())

    def holds(self, sample: Sample) -> bool | None:
        """Tell whether all of it is so. What costs least is asked first."""
        when = self._when
        if when.hours is not None and not when.hours.holds(sample.t, self._local):
            return False
        known: bool | None = True
        for name, values in self._states:  # as `matches`, which costs a call for each rule and sample
            value = sample.states.get(name)
            if value is None:
                known = None
            elif value not in values:
                return False
        if when.any:
            known = both(known, either(when.any, sample))
            if known is False:
                return False
        if when.speed_above is not None:
            fast = None if sample.speed is None or math.isnan(sample.speed) else sample.speed > when.speed_above
            known = both(known, fast)
        for zone, wanted in ((self._inside, True), (self._outside, False)):
            if zone is not None and known is not False:
                inside = zone.where(sample).inside
                known = both(known, None if inside is None else inside is wanted)
        return known


def rests_on_time(asked: object) -> bool:
    """Tell whether params ask for parts of the day, or for documents, which hold for a time: not for places alone."""
    if isinstance(asked, (Calendar, Permit)):
        return True
    if isinstance(asked, msgspec.Struct):
        return any(rests_on_time(getattr(asked, name)) for name in asked.__struct_fields__)
    return isinstance(asked, tuple) and any(map(rests_on_time, asked))


def permits_at(world: World, permit: Permit, subject: str, t: int) -> list[Term]:
    """Return the editions of permits for a subject that hold at a moment."""
    return world.held_at(permit.by, permit.of, subject, t)


def matches(states: States, sample: Sample) -> bool | None:
    """Tell whether each of these states has one of the values meant."""
    known: bool | None = True
    for name, values in states.items():
        value = sample.states.get(name)
        if value is None:
            known = None
        elif value not in values:
            return False
    return known


def either(states: States, sample: Sample) -> bool | None:
    """Tell whether one of these states at least has one of the values meant."""
    answers = [matches({name: values}, sample) for name, values in states.items()]
    return True if True in answers else None if None in answers else False


def both(one: bool | None, other: bool | None) -> bool | None:
    """Return "and" of two answers: no, if one of them is no; else None, if one is."""
    if one is False or other is False:
        return False
    return None if one is None or other is None else True


@lru_cache(1024)
def _parts(spans: tuple[str, ...]) -> tuple[tuple[int, int], ...]:
    return tuple((_second(one[:5]), _second(one[6:])) for one in spans)


def _second(clock: str) -> int:
    return int(clock[:2]) * 3600 + int(clock[3:]) * 60
