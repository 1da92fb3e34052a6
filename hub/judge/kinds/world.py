"""What was where, and who was permitted what, at any moment: things by kind, id and time, and an index of their places.

Positions are judged in metres in a projection of each place's own, so that they are right to some mm in a place, and to
a few parts in a thousand of the distance around it.
"""

import itertools
import math
from bisect import bisect_right
from collections.abc import Collection, Hashable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

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
"""...of so many positions."""
ANSWERS = 16_384
"""Answers about positions that are kept for the next rule that asks."""
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
        self._terms: dict[tuple[str, str], list[Term]] = {}
        self._asked: dict[Hashable, int] = {}
        self.answers: dict[Hashable, Any] = {}
        """What was answered of positions of late, by whoever asked; another edition of anything ends it."""
        self.use(editions)

    def number_of(self, asked: Hashable) -> int:
        """Return the number of a question, the same for all who ask the same."""
        return self._asked.setdefault(asked, len(self._asked))

    def remember(self, key: Hashable, answer: Any) -> None:
        """Keep an answer for those who ask the same soon."""
        if len(self.answers) >= ANSWERS:
            del self.answers[next(iter(self.answers))]
        self.answers[key] = answer

    def use(self, editions: Iterable[Edition]) -> int:
        """Take all editions there are; return the earliest moment from which things are others than before.

        What was judged by this world is to be judged again from then on (`Docket.again`); `NEVER`: nothing is.
        """
        things: dict[tuple[str, str], list[Edition]] = {}
        for edition in editions:
            things.setdefault((edition.kind, edition.id), []).append(edition)
        before, self._terms = self._terms, {key: terms_of(of_one) for key, of_one in things.items()}
        self._kinds: dict[str, list[Term]] = {}
        for (kind, _), terms in self._terms.items():
            self._kinds.setdefault(kind, []).extend(terms)
        self._placed = [term for terms in self._terms.values() for term in terms if term.edition.geometry is not None]
        self._shapes = [shape(term.edition.geometry) for term in self._placed]
        self._tree = STRtree(self._shapes)
        self._flat: dict[int, _Flat] = {}  # by number, made when a position first comes near
        # By position: numbers of what is near, and how far it lies inside each as far as anybody asked.
        self._near: dict[tuple[float, float], tuple[list[int], dict[int, float]]] = {}
        self.answers = {}
        placed: dict[str, list[Term]] = {}
        for term in self._placed:
            placed.setdefault(term.edition.kind, []).append(term)
        self._begins = {kind: sorted(term.since for term in terms) for kind, terms in placed.items()}
        self._ends = {kind: sorted(term.until for term in terms) for kind, terms in placed.items()}
        self._holders: dict[tuple[str, str], dict[str, list[Term]]] = {}
        return min(
            (_first_difference(before.get(key, []), self._terms.get(key, [])) for key in {*before, *self._terms}),
            default=NEVER,
        )

    def in_force(self, kind: str, id_: str, t: int) -> Term | None:
        """Return the edition of a thing that holds at a moment."""
        return next((term for term in self._terms.get((kind, id_), ()) if term.since <= t < term.until), None)

    def has_place(self, kind: str, id_: str, t: int) -> bool:
        """Tell whether a thing has a place at a moment."""
        term = self.in_force(kind, id_, t)
        return term is not None and term.edition.geometry is not None

    def has_places(self, kinds: Iterable[str], t: int) -> bool:
        """Tell whether anything of these kinds has a place at a moment."""
        return any(
            bisect_right(self._begins[kind], t) > bisect_right(self._ends[kind], t)
            for kind in kinds
            if kind in self._begins
        )

    def holding(self, kind: str, t: int) -> Iterator[Term]:
        """Go through the editions of a kind that hold at a moment."""
        return (term for term in self._kinds.get(kind, ()) if term.since <= t < term.until)

    def held_by(self, kind: str, property_: str, id_: str) -> Sequence[Term]:
        """Return the editions of a kind, of whenever, whose property names a thing, as permits name a vehicle."""
        key = kind, property_
        if key not in self._holders:
            index: dict[str, list[Term]] = {}
            for term in self._kinds.get(kind, ()):
                for one in names_in(term.edition.properties.get(property_)):
                    index.setdefault(one, []).append(term)
            self._holders[key] = index
        return self._holders[key].get(id_, ())

    def margins(self, sample: Sample, kinds: Collection[str], reach: float) -> list[Margin]:
        """Return the places of these kinds at most `reach` m from a position, and how far it lies inside each."""
        assert sample.lat is not None
        assert sample.lon is not None
        lat, lon = sample.lat, sample.lon
        near: tuple[list[int], dict[int, float]] | None
        if reach > COMMON:
            near = self._around(lat, lon, reach), {}
        else:
            near = self._near.get((lat, lon))
            if near is None:
                if len(self._near) >= RECENT:
                    del self._near[next(iter(self._near))]
                near = self._near[lat, lon] = self._around(lat, lon, COMMON), {}
        numbers, known = near
        found = []
        for number in numbers:
            term = self._placed[number]
            if term.edition.kind in kinds and term.since <= sample.t < term.until:
                metres = known.get(number)
                if metres is None:
                    flat = self._flat.get(number)
                    if flat is None:
                        flat = self._flat[number] = _Flat(self._shapes[number])
                    metres = known[number] = flat.margin(lat, lon)
                if metres >= -reach:
                    found.append(Margin(term, metres))
        return found

    def _around(self, lat: float, lon: float, reach: float) -> list[int]:
        """Return the numbers of the places whose bounds lie at most so many m from a position."""
        high = reach / 110_000
        wide = high / max(math.cos(math.radians(lat)), 0.01)
        found: list[int] = self._tree.query(shapely.box(lon - wide, lat - high, lon + wide, lat + high)).tolist()
        return found

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


def _first_difference(before: list[Term], after: list[Term]) -> int:
    """Return the moment from which two histories of one thing differ."""
    for one, other in itertools.zip_longest(before, after):
        if one != other:
            starts = [term.since for term in (one, other) if term is not None]
            same = one is not None and other is not None and one[:2] == other[:2]
            return min(one.until, other.until) if same else min(starts)
    return NEVER


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


def names_in(value: object) -> tuple[str, ...]:
    """Return the ids that a property names: one, a list of them, or none."""
    if value is None:
        return ()
    return tuple(map(str, value)) if isinstance(value, (list, tuple)) else (str(value),)
