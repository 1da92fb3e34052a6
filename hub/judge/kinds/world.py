"""What was where, and who was permitted what, at any moment: things by kind, id and time, and an index of their places.

Positions are judged in metres in a projection of each place's own, so that they are right to some mm in a place, and to
a few parts in a thousand of the distance around it.
"""

import itertools
import math
from bisect import bisect_right
from collections.abc import Collection, Hashable, Iterable, Iterator, Sequence
from copy import copy
from typing import Any, NamedTuple, Self

import numpy as np
import shapely
from shapely import STRtree
from shapely.geometry import shape

from hub.judge.records import Cited, Edition, Sample

SOURCE = "source"
"""The property of a thing that names the boards, stations, terminals or nodes that speak for it."""
STOPS = "stops"
"""The property of a thing that names the things on its round: what their sources say, it hears, too."""
ALWAYS, NEVER = -(1 << 62), 1 << 62
AREAS = ("Polygon", "MultiPolygon")
COMMON = 250.0
"""What lies so near a position is looked up once for all rules that ask for places near it [m]..."""
RECENT = 4096
"""...of so many samples."""
CELL = 0.005
"""Side of the cells in which places are looked up together [degrees]: some 500 m..."""
CELLS = 16_384
"""...of so many cells."""
NEAREST = (1_000.0, 10_000.0, 100_000.0)
"""How far around a position the nearest place is looked for, one after the other [m]."""


class Term(NamedTuple):
    """An edition and when it holds: up to its own end, or to when the next one begins."""

    edition: Edition
    since: int
    until: int

    @property
    def cited(self) -> Cited:
        """What a verdict says of it."""
        return Cited(self.edition.kind, self.edition.id, self.edition.number)


class Margin(NamedTuple):
    """How far a position lies inside a place [m]; negative: outside."""

    term: Term
    metres: float


Key = tuple[str, str]
"""Kind and id of a thing."""


class Change(NamedTuple):
    """What new editions change.

    Args:
        since: the earliest moment from which things are others than before, Unix s; `NEVER`: nothing is.
        things: of which they are.
        names: ids of these things, and of all that they name or named.
        placed: one of them has or had a place: what it changes may be anywhere.
    """

    since: int
    things: frozenset[Key]
    names: frozenset[str]
    placed: bool


def terms_of(editions: Iterable[Edition]) -> list[Term]:
    """Return when each edition of one thing holds, the earliest first; what was corrected or withdrawn never does."""
    last: dict[int, Edition] = {}
    for one in sorted(editions, key=lambda one: one.number):
        last[ALWAYS if one.valid_from is None else one.valid_from] = one
    held = sorted((since, one) for since, one in last.items() if not one.withdrawn)
    found = []
    for number, (since, one) in enumerate(held):
        following = held[number + 1][0] if number + 1 < len(held) else NEVER
        until = min(following, NEVER if one.valid_until is None else one.valid_until)
        if until > since:
            found.append(Term(one, since, until))
    return found


class World:
    """Things by kind, id and time."""

    def __init__(self, editions: Iterable[Edition] = ()) -> None:
        self._asked: dict[Hashable, int] = {}
        self._terms: dict[Key, list[Term]] = {}
        self.swept: set[str] = set()
        """Kinds of which somebody asked what holds, whatever its id."""
        self._spots: dict[tuple[int, float | None, float | None, float], Spot] = {}
        self._last: tuple[Sample | None, Spot]
        self.use(editions)

    def number_of(self, asked: Hashable) -> int:
        """Return the number of a question, the same for all who ask the same."""
        return self._asked.setdefault(asked, len(self._asked))

    def spot(self, sample: Sample) -> "Spot":
        """Return what is known of where and when a sample was made: one rule after the other asks it of each."""
        if self._last[0] is sample:
            return self._last[1]
        key = sample.t, sample.lat, sample.lon, sample.radius
        found = self._spots.get(key)
        if found is None:
            if len(self._spots) >= RECENT:
                del self._spots[next(iter(self._spots))]
            found = self._spots[key] = self._look(sample)
        self._last = sample, found
        return found

    def use(self, editions: Iterable[Edition]) -> int:
        """Take all editions there are; return the earliest moment from which things are others than before.

        What was judged by this world is to be judged again from then on (`Docket.again`); `NEVER`: nothing is.
        """
        before = self._terms
        self._editions: dict[Key, list[Edition]] = {}
        self._terms = {}
        self._kinds: dict[str, dict[str, list[Term]]] = {}
        self._rank: dict[Key, int] = {}  # in which order things were made
        self._figures: dict[Cited, Any] = {}
        self._holders: dict[tuple[str, str], dict[str, _Held]] = {}
        self._take(editions)
        self._place()
        keys = {*before, *self._terms}
        return min((_first_difference(before.get(key, []), self._terms.get(key, [])) for key in keys), default=NEVER)

    def add(self, editions: Iterable[Edition]) -> Change:
        """Take editions beside those there are, made later than these; return what is others than before.

        In the end the world is the same as if it had taken all at once (`use`), for a cost that grows with what is new.
        """
        since, placed, names = NEVER, False, set()
        before = self._take(editions)
        for key, earlier in before.items():
            now = self._terms[key]
            since = min(since, _first_difference(earlier, now))
            names.add(key[1])
            for term in (*earlier, *now):
                placed = placed or term.edition.geometry is not None
                names.update(one for value in term.edition.properties.values() for one in names_in(value))
        if placed:
            self._place()
        self._forget_spots()  # what they answered may rest on any thing
        return Change(since, frozenset(before), frozenset(names), placed)

    def followed_by(self, editions: Iterable[Edition]) -> Self:
        """Return the world with more editions (`add`), for whoever shares this one with other threads: it stays."""
        world = copy(self)
        world._part()  # noqa: SLF001 - its own kind
        world.add(editions)
        return world

    def reached(self, names: Iterable[str]) -> set[str]:
        """Return these ids, and those of all that the things of these ids name or named, and so on.

        A shift names a beat, and the beat its area: what is judged of the area rests on the shift.
        """
        found: set[str] = set()
        left = set(names)
        while left:
            found |= left
            left = {
                one
                for id_ in left
                for kind in self._kinds
                for term in self._terms.get((kind, id_), ())
                for value in term.edition.properties.values()
                for one in names_in(value)
            } - found
        return found

    def _part(self) -> None:
        """Share nothing that `add` changes."""
        self._editions, self._terms = self._editions.copy(), self._terms.copy()
        self._rank, self._figures, self.swept = self._rank.copy(), self._figures.copy(), self.swept.copy()
        self._kinds = {kind: of_kind.copy() for kind, of_kind in self._kinds.items()}
        self._holders = {asked: index.copy() for asked, index in self._holders.items()}

    def _take(self, editions: Iterable[Edition]) -> dict[Key, list[Term]]:
        """Keep editions; return what held before of the things that they are of."""
        new: dict[Key, list[Edition]] = {}
        for edition in editions:
            new.setdefault((edition.kind, edition.id), []).append(edition)
        before = {key: self._terms.get(key, []) for key in new}
        for (kind, id_), earlier in before.items():
            made = self._editions[kind, id_] = [*self._editions.get((kind, id_), ()), *new[kind, id_]]
            terms = self._terms[kind, id_] = terms_of(made)
            self._kinds.setdefault(kind, {})[id_] = terms
            self._rank.setdefault((kind, id_), len(self._rank))
            for (of, property_), index in self._holders.items():
                if of == kind:
                    self._hold_again(index, property_, id_, [*earlier, *terms])
        return before

    def _hold_again(self, index: "dict[str, _Held]", property_: str, id_: str, terms: Sequence[Term]) -> None:
        """Bring up to date what a thing names in a property, of which these editions hold or held."""
        for name in {one for term in terms for one in names_in(term.edition.properties.get(property_))}:
            kept = [one for one in index[name].terms if one.edition.id != id_] if name in index else []
            kind = terms[0].edition.kind
            now = [one for one in self._terms[kind, id_] if name in names_in(one.edition.properties.get(property_))]
            index[name] = _Held(sorted((*kept, *now), key=lambda one: (self._rank[kind, one.edition.id], one.since)))

    def _forget_spots(self) -> None:
        self._spots = {}
        self._last = None, Spot((), located=False)

    def _place(self) -> None:
        """Make the index of places anew."""
        self._placed = [term for terms in self._terms.values() for term in terms if term.edition.geometry is not None]
        known = self._figures
        self._figures = {one.cited: known.get(one.cited) or shape(one.edition.geometry) for one in self._placed}
        self._shapes = list(self._figures.values())
        self._tree = STRtree(self._shapes)
        self._flat: dict[int, _Flat] = {}  # by number, made when a position first comes near
        self._forget_spots()
        self._cells: dict[tuple[int, int], list[_Near]] = {}
        self._largest: dict[tuple[tuple[str, ...], str], float] = {}
        self._there: dict[tuple[str, ...], tuple[int, int, bool]] = {}  # from when to when there are places, or not
        placed: dict[str, list[Term]] = {}
        for term in self._placed:
            placed.setdefault(term.edition.kind, []).append(term)
        self._begins = {kind: sorted(term.since for term in terms) for kind, terms in placed.items()}
        self._ends = {kind: sorted(term.until for term in terms) for kind, terms in placed.items()}

    def in_force(self, kind: str, id_: str, t: int) -> Term | None:
        """Return the edition of a thing that holds at a moment."""
        return next((term for term in self._terms.get((kind, id_), ()) if term.since <= t < term.until), None)

    def terms(self, kind: str, id_: str) -> Sequence[Term]:
        """Return the editions of a thing that hold at any time, the earliest first."""
        return self._terms.get((kind, id_), ())

    def changes(self, kinds: Iterable[str]) -> list[int]:
        """Return the moments at which an edition of these kinds begins or ends, the earliest first."""
        self.swept.update(kinds := tuple(kinds))
        terms = (term for kind in kinds for term in self._all(kind))
        return sorted({moment for term in terms for moment in (term.since, term.until)})

    def has_place(self, kind: str, id_: str, t: int) -> bool:
        """Tell whether a thing has a place at a moment."""
        term = self.in_force(kind, id_, t)
        return term is not None and term.edition.geometry is not None

    def has_places(self, kinds: tuple[str, ...], t: int) -> bool:
        """Tell whether anything of these kinds has a place at a moment."""
        since, until, answer = self._there.get(kinds, (0, 0, False))
        if not since <= t < until:
            turns = [turn for kind in kinds for turns in (self._begins, self._ends) for turn in turns.get(kind, ())]
            since = max((turn for turn in turns if turn <= t), default=ALWAYS)
            until = min((turn for turn in turns if turn > t), default=NEVER)
            answer = any(
                bisect_right(self._begins[kind], t) > bisect_right(self._ends[kind], t)
                for kind in kinds
                if kind in self._begins
            )
            self._there[kinds] = since, until, answer
        return answer

    def holding(self, kind: str, t: int) -> Iterator[Term]:
        """Go through the editions of a kind that hold at a moment."""
        self.swept.add(kind)
        return self.present(kind, t)

    def present(self, kind: str, t: int) -> Iterator[Term]:
        """Go through the same for one who asks again: nothing that is judged may rest on it."""
        return (term for term in self._all(kind) if term.since <= t < term.until)

    def _all(self, kind: str) -> Iterator[Term]:
        return itertools.chain.from_iterable(self._kinds.get(kind, {}).values())

    def held_by(self, kind: str, property_: str, id_: str) -> Sequence[Term]:
        """Return the editions of a kind, of whenever, whose property names a thing, as permits name a vehicle."""
        held = self._held(kind, property_, id_)
        return held.terms if held else ()

    def held_at(self, kind: str, property_: str, id_: str, t: int) -> list[Term]:
        """Return those of `held_by` that hold at a moment."""
        held = self._held(kind, property_, id_)
        return held.at(t) if held else []

    def _held(self, kind: str, property_: str, id_: str) -> "_Held | None":
        key = kind, property_
        if key not in self._holders:
            index: dict[str, list[Term]] = {}
            for term in self._all(kind):
                for one in names_in(term.edition.properties.get(property_)):
                    index.setdefault(one, []).append(term)
            self._holders[key] = {one: _Held(terms) for one, terms in index.items()}
        return self._holders[key].get(id_)

    def margins(self, sample: Sample, kinds: Collection[str], reach: float) -> list[Margin]:
        """Return the places of these kinds at most `reach` m from a position, and how far it lies inside each."""
        lat, lon = sample.lat, sample.lon
        assert lat is not None
        assert lon is not None
        near: Sequence[_Near]
        if reach > COMMON:
            west, south, east, north = _bounds(lat, lon, reach)
            numbers = self._tree.query(shapely.box(west, south, east, north)).tolist()
            near = [_Near.of(self._placed[number], number, False, self._shapes[number].bounds) for number in numbers]
            known: dict[int, float] = {}
        else:
            spot = self.spot(sample)
            near, known = spot.near, spot.known
        found = []
        high = reach / 110_000
        wide = high / max(math.cos(math.radians(lat)), 0.01)
        for term, number, whole, (west, south, east, north), _ in near:
            if term.edition.kind in kinds and term.since <= sample.t < term.until:
                metres = known.get(number)
                if metres is None:
                    if not (west - wide <= lon <= east + wide and south - high <= lat <= north + high):
                        continue  # of what is near, few are as near as that: a comparison costs less than a distance
                    metres = known[number] = COMMON if whole else self._flattened(number).margin(lat, lon)
                if metres >= -reach:
                    found.append(Margin(term, metres))
        return found

    def largest(self, kinds: Collection[str], property_: str) -> float:
        """Return the largest number that a property of places of these kinds has, in whichever edition; or 0."""
        key = tuple(kinds), property_
        if key not in self._largest:
            said = (term.edition.properties.get(property_) for term in self._placed if term.edition.kind in kinds)
            self._largest[key] = max((float(one) for one in said if isinstance(one, (int, float))), default=0.0)
        return self._largest[key]

    def _look(self, sample: Sample) -> "Spot":
        """Return what lies at most `COMMON` m from a position, and some of what lies further away."""
        lat, lon = sample.lat, sample.lon
        if lat is None or lon is None or not has_position(sample):
            return Spot((), located=False)
        near = []
        for one in self._cell(lat, lon):
            west, south, east, north = one.around
            if west <= lon <= east and south <= lat <= north:
                near.append(one)
        return Spot(near, located=True)

    def _cell(self, lat: float, lon: float) -> list["_Near"]:
        """Return what lies at most `COMMON` m from somewhere in a position's cell.

        Many positions lie in few cells, as those who drive use the same roads; and most cells lie wholly inside of an
        area as large as a city, so that a position in them need not be compared with its border.
        """
        row, column = math.floor(lat / CELL), math.floor(lon / CELL)
        near = self._cells.get((row, column))
        if near is None:
            cell = shapely.box(column * CELL, row * CELL, (column + 1) * CELL, (row + 1) * CELL)
            corners = [_bounds((row + up) * CELL, (column + up) * CELL, 2 * COMMON) for up in (0, 1)]
            wests, souths, easts, norths = zip(*corners, strict=True)
            numbers = self._tree.query(shapely.box(min(wests), min(souths), max(easts), max(norths))).tolist()
            near = []
            high = COMMON / 110_000
            wide = high / max(math.cos(math.radians(max(abs(row), abs(row + 1)) * CELL)), 0.01)
            for number in numbers:
                place = self._flattened(number).around(cell)
                if place is not None:
                    near.append(_Near.of(self._placed[number], number, place, self._shapes[number].bounds, wide, high))
            if len(self._cells) >= CELLS:
                del self._cells[next(iter(self._cells))]
            self._cells[row, column] = near
        return near

    def _flattened(self, number: int) -> "_Flat":
        flat = self._flat.get(number)
        if flat is None:
            flat = self._flat[number] = _Flat(self._shapes[number])
        return flat

    def margin_of_all(self, sample: Sample, around: Iterable[tuple[Term, float]]) -> float:
        """Return how far a position lies inside places taken as one, each with what lies so many m around it [m]."""
        here = np.array([sample.lon, sample.lat])
        scale = metres_per_degree(float(here[1]))
        figures = []
        for term, within in around:
            figure = shapely.transform(shape(term.edition.geometry), lambda xy: (xy - here) * scale)
            figures.append(shapely.buffer(figure, within, quad_segs=16) if within else figure)
        whole = shapely.union_all(figures, grid_size=0.001)
        point = shapely.Point(0, 0)
        inside = whole.geom_type in AREAS and shapely.covers(whole, point)
        return float(shapely.distance(whole.boundary, point)) if inside else -float(shapely.distance(whole, point))

    def nearest(self, sample: Sample, kinds: Collection[str], ids: Iterable[str] | None = None) -> Margin | None:
        """Return the place of these kinds (and ids) that is nearest to a position, of those within 100 km."""
        wanted = None if ids is None else set(ids)
        for reach in NEAREST:
            near = [
                one for one in self.margins(sample, kinds, reach) if wanted is None or one.term.edition.id in wanted
            ]
            if near:
                return max(near, key=lambda one: (one.metres, one.term.edition.id))
        return None


def _bounds(lat: float, lon: float, reach: float) -> tuple[float, float, float, float]:
    """Return west, south, east and north of what lies at most so many m from a position."""
    high = reach / 110_000
    wide = high / max(math.cos(math.radians(lat)), 0.01)
    return lon - wide, lat - high, lon + wide, lat + high


def _first_difference(before: list[Term], after: list[Term]) -> int:
    """Return the moment from which two histories of one thing differ."""
    for one, other in itertools.zip_longest(before, after):
        if one != other:
            starts = [term.since for term in (one, other) if term is not None]
            same = one is not None and other is not None and one[:2] == other[:2]
            return min(one.until, other.until) if same else min(starts)
    return NEVER


class Spot:
    """A position at one moment, and what is near it.

    Args:
        near: the places of which some part may lie at most `COMMON` m from it.
        located: there is a position.
    """

    __slots__ = ("answers", "kinds", "known", "located", "near")

    def __init__(self, near: Sequence["_Near"], *, located: bool) -> None:
        self.near = near
        self.located = located
        self.kinds = frozenset([one.term.edition.kind for one in near])
        """Of what is near."""
        self.known: dict[int, float] = {}
        """How far it lies inside of places, by their numbers, as far as anybody asked [m]."""
        self.answers: dict[int, Any] = {}
        """What was answered, by the number of the question."""


class _Near(NamedTuple):
    """A place near a cell; `whole`: all of the cell lies so far inside that nobody who looks near asks how far."""

    term: Term
    number: int
    whole: bool
    bounds: tuple[float, float, float, float]
    """West, south, east and north."""
    around: tuple[float, float, float, float]
    """The same of what lies at most `COMMON` m from it."""

    @classmethod
    def of(
        cls,
        term: Term,
        number: int,
        whole: bool,
        bounds: tuple[float, float, float, float],
        wide: float = 0.0,
        high: float = 0.0,
    ) -> Self:
        """Return a place with these bounds; `wide`, `high`: `COMMON` in degrees."""
        west, south, east, north = bounds
        return cls(term, number, whole, bounds, (west - wide, south - high, east + wide, north + high))


class _Held:
    """Editions that name one thing; in years a truck has thousands of manifests."""

    __slots__ = ("_ends", "_order", "_starts", "terms")

    def __init__(self, terms: list[Term]) -> None:
        self.terms = terms
        self._order = sorted(range(len(terms)), key=lambda n: terms[n].since)
        self._starts = [terms[n].since for n in self._order]
        # Of those that began up to here the latest end.
        self._ends = list(itertools.accumulate((terms[n].until for n in self._order), max))

    def at(self, t: int) -> list[Term]:
        """Return those that hold at a moment, in the order of all."""
        number, found = bisect_right(self._starts, t), []
        while number and self._ends[number - 1] > t:
            number -= 1
            if self.terms[self._order[number]].until > t:
                found.append(self._order[number])
        return [self.terms[n] for n in sorted(found)]


class _Flat:
    """A place on the plane that touches the Earth in its middle, in m."""

    __slots__ = ("_border", "_lat", "_lon", "_shape", "_x", "_y")

    def __init__(self, place: Any) -> None:
        west, south, east, north = place.bounds
        self._lon, self._lat = (west + east) / 2, (south + north) / 2
        self._x, self._y = metres_per_degree(self._lat)
        self._shape = shapely.transform(place, lambda xy: (xy - (self._lon, self._lat)) * (self._x, self._y))
        shapely.prepare(self._shape)
        self._border = self._shape.boundary if place.geom_type in AREAS else None
        if self._border is not None:
            shapely.prepare(self._border)

    def around(self, cell: Any) -> bool | None:
        """Tell whether a cell lies wholly inside, `COMMON` m or more from the border; None: as far outside of it."""
        flat = shapely.transform(cell, lambda xy: (xy - (self._lon, self._lat)) * (self._x, self._y))
        if shapely.distance(self._shape, flat) > COMMON:
            return None
        border = self._border
        return border is not None and shapely.covers(self._shape, flat) and shapely.distance(border, flat) >= COMMON

    def margin(self, lat: float, lon: float) -> float:
        # One array of coordinates costs a fifth of two scalars.
        point = shapely.points(np.array(((lon - self._lon) * self._x, (lat - self._lat) * self._y)))
        if self._border is not None and shapely.covers(self._shape, point):
            return float(shapely.distance(self._border, point))
        return -float(shapely.distance(self._shape, point))


def metres_per_degree(lat: float) -> tuple[float, float]:
    """Return how many m a degree of longitude and one of latitude are at a latitude, on the ellipsoid of WGS-84.

    The series of the ellipsoid's radii of curvature, right to 1 cm a degree.
    """
    phi = math.radians(lat)
    east = 111_412.84 * math.cos(phi) - 93.5 * math.cos(3 * phi) + 0.118 * math.cos(5 * phi)
    north = 111_132.92 - 559.82 * math.cos(2 * phi) + 1.175 * math.cos(4 * phi) - 0.0023 * math.cos(6 * phi)
    return east, north


def has_position(sample: Sample) -> bool:
    """Tell whether a sample has a position: (0, 0) is what receivers without a fix give."""
    lat, lon = sample.lat, sample.lon
    if lat is None or lon is None or (lat == 0 and lon == 0):
        return False
    return math.isfinite(sample.radius) and sample.radius >= 0 and abs(lat) <= 90 and abs(lon) <= 180


def names_in(value: object) -> tuple[str, ...]:
    """Return the ids that a property names: one, a list of them, or none."""
    if value is None:
        return ()
    return tuple(map(str, value)) if isinstance(value, (list, tuple)) else (str(value),)
