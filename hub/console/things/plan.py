"""A map of things and of what moves among them, drawn here, without any other server: areas, lines, points, marks.

Too many marks cover each other: then what lies near each other is one mark with a number in it, and leads to a map of
that piece alone.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hub.config.files import Console
from hub.console.parts.catalogue import Bounds
from hub.console.parts.picture import WIDTH, Frame, Point, Tile, projection

Points = NDArray[np.float64]
"""Many points, a row for each: two columns."""

MOST_FIGURES = 400
"""Places in a picture."""
MOST_MARKS = 150
"""Marks that stand by themselves."""
CELL = 64.0
"""What lies in one square of so many pixels is one mark where there are more."""
MARK = 16.0
"""Where there are few, what lies in one square of so many pixels: the lower of two on one spot nobody sees."""
NAMED = 24
"""So many places have their names beside them."""
SMALLEST = 0.0005
"""Degrees: no piece of a map is smaller, about 50 m."""


class Figure(NamedTuple):
    """A place as it is drawn."""

    kind: str
    name: str
    link: str
    shape: str
    """area, line, point"""
    path: str
    """Of an area or line; of a point empty."""
    x: float
    y: float
    """Where its name stands; of a point where it is."""


class Heap(NamedTuple):
    """Some that have a position, as one mark in the picture."""

    first: int
    """Which of those given: the gravest; the only one, if there is one alone."""
    many: int
    x: float
    y: float
    box: Bounds
    """The piece of a map that shows them."""


class Place(NamedTuple):
    """A place that is to be drawn."""

    kind: str
    name: str
    link: str
    geometry: Mapping[str, Any]
    bounds: Bounds


class Plan:
    """A piece of the world as it is drawn.

    Args:
        console: whose tiles lie under it.
        box: what it shows: west, south, east and north, degrees; None: all that is given in `around`.
        around: bounds of what it shows at least.
    """

    def __init__(self, console: Console, box: Bounds | None, around: Iterable[Bounds]) -> None:
        self._at = projection(console)
        corners = [box] if box else list(around)
        self.corners = tuple(corners)
        """By which it was chosen."""
        points = [
            self._at(lon, lat) for west, south, east, north in corners for lon, lat in ((west, south), (east, north))
        ]
        self._frame = Frame(points)
        self.width, self.height = WIDTH, self._frame.height
        self.tiles: list[Tile] = self._frame.tiles(console.tiles) if console.tiles and points else []
        self.credit = console.tiles_credit

    def place(self, lon: float, lat: float) -> Point:
        """Return where a position lies in the picture."""
        return self._frame.place(*self._at(lon, lat))

    def shows(self, x: float, y: float) -> bool:
        """Tell whether a point lies in the picture."""
        return 0 <= x <= self.width and 0 <= y <= self.height

    def figures(self, places: Sequence[Place]) -> list[Figure]:
        """Return the places that lie in the picture, the largest first, so that none covers a smaller one."""
        found = []
        for one in places:
            west, south, east, north = one.bounds
            left, bottom = self.place(west, south)
            right, top = self.place(east, north)
            if right >= 0 and left <= self.width and bottom >= 0 and top <= self.height:
                found.append(((right - left) * (bottom - top), one, (left + right) / 2, top))
        found.sort(key=lambda one: -one[0])
        return [self._figure(one, x, top) for _, one, x, top in found[:MOST_FIGURES]]

    def _figure(self, one: Place, x: float, top: float) -> Figure:
        type_, coordinates = str(one.geometry["type"]), one.geometry["coordinates"]
        middle = min(max(x, 40.0), self.width - 40.0)
        if type_.endswith("Point"):
            lon, lat = coordinates if type_ == "Point" else coordinates[0]
            at = self.place(lon, lat)
            return Figure(one.kind, one.name, one.link, "point", "", *at)
        closed = type_.endswith("Polygon")
        path = "".join(self._line(line, closed=closed) for line in lines_of(type_, coordinates))
        shape = "area" if closed else "line"
        return Figure(one.kind, one.name, one.link, shape, path, round(middle, 1), round(max(top - 5, 12.0), 1))

    def _line(self, positions: Sequence[Sequence[float]], *, closed: bool) -> str:
        points: list[Point] = []
        for position in positions[:-1] if closed else positions:
            x, y = self.place(position[0], position[1])
            # What is smaller than a pixel nobody sees, and a border has thousands of corners.
            if not points or abs(x - points[-1][0]) + abs(y - points[-1][1]) >= 1:
                points.append((x, y))
        return f"M{'L'.join(f'{x:g} {y:g}' for x, y in points)}{'z' if closed else ''}" if points else ""

    def heaps(self, worlds: Points, degrees: Points, ranks: Sequence[int]) -> list[Heap]:
        """Return what lies in the picture, the gravest last, on top; where it is much, neighbours as one.

        What lies on one spot is one in any case.

        Args:
            worlds: where each lies in the world; a row for each.
            degrees: the same as longitude and latitude.
            ranks: how grave each is, 0 the most.
        """
        if not len(worlds):
            return []
        placed = self._frame.places(worlds)
        seen = np.flatnonzero((placed >= 0).all(1) & (placed <= (self.width, self.height)).all(1))
        if not len(seen):
            return []
        # The gravest first: so the first of each heap is it.
        seen = seen[np.argsort(np.array(ranks)[seen], kind="stable")]
        points, angles = placed[seen], degrees[seen]
        squares = (points // (CELL if len(seen) > MOST_MARKS else MARK)).astype(int)
        heap = squares[:, 0] * 100_000 + squares[:, 1]
        _, firsts, heap, counts = np.unique(heap, return_index=True, return_inverse=True, return_counts=True)
        middles = np.array([np.bincount(heap, points[:, n]) for n in (0, 1)]) / counts
        lows, highs = np.full((len(counts), 2), np.inf), np.full((len(counts), 2), -np.inf)
        np.minimum.at(lows, heap, angles)
        np.maximum.at(highs, heap, angles)
        order = np.argsort(-firsts)
        return [
            Heap(
                int(seen[firsts[n]]),
                int(counts[n]),
                round(float(middles[0, n]), 1),
                round(float(middles[1, n]), 1),
                box_around([(float(lows[n, 0]), float(lows[n, 1])), (float(highs[n, 0]), float(highs[n, 1]))]),
            )
            for n in order.tolist()
        ]


def points(pairs: Sequence[tuple[float | None, float | None]]) -> Points:
    """Return pairs of numbers as rows, which is quicker than numpy's own way with ten thousand."""
    flat: Iterator[Any] = chain.from_iterable(pairs)
    return np.fromiter(flat, np.float64, 2 * len(pairs)).reshape(-1, 2)


def lines_of(type_: str, coordinates: Any) -> Iterator[Any]:
    """Go through the lines, or rings, of GeoJSON coordinates."""
    match type_:
        case "LineString":
            yield coordinates
        case "MultiLineString" | "Polygon":
            yield from coordinates
        case "MultiPolygon":
            for polygon in coordinates:
                yield from polygon


def box_around(positions: Iterable[Point], room: float = 0.15, least: float = SMALLEST) -> Bounds:
    """Return the piece of a map that shows positions (longitude, latitude), with some room around them.

    `least`: so much room at least [degrees].
    """
    given = list(positions)
    lons, lats = [lon for lon, _ in given], [lat for _, lat in given]
    wide = max((max(lons) - min(lons)) * room, least)
    high = max((max(lats) - min(lats)) * room, least)
    return min(lons) - wide, max(min(lats) - high, -85.0), max(lons) + wide, min(max(lats) + high, 85.0)


def box_text(box: Bounds) -> str:
    """Return a piece of a map as an address has it."""
    return ",".join(f"{one:.5f}" for one in box)


def box_of(text: str) -> Bounds | None:
    """Return the piece of a map that an address asks for; None: it names none."""
    try:
        west, south, east, north = map(float, text.split(","))
    except ValueError:
        return None
    good = all(map(math.isfinite, (west, south, east, north))) and -180 <= west < east <= 180
    return (west, south, east, north) if good and -85 <= south < north <= 85 else None
