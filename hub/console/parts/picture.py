"""The city as it is drawn: where sites and districts lie in the picture, which is worked out once for each registry."""

import logging
import math
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import shapely
from markupsafe import Markup
from shapely import MultiPoint, MultiPolygon, Polygon
from shapely.errors import ShapelyError

from hub.config.files import Console
from hub.registry.entries import District
from hub.registry.live import Registry, Site
from hub.things.coordinates import gcj02_of_wgs84
from schemas.language import Lang, Text

log = logging.getLogger("hub.http")

WIDTH, HIGHEST, EDGE = 640.0, 560.0, 60.0
"""Of the picture, and what stays free around it."""
MOST_KEPT = 64
"""Pictures in memory: of a city or one district, for a scope, in a language."""
TILE = 256
"""Pixels of a tile, as tile servers draw them."""
NEAREST, FARTHEST = 17, 2
"""Zoom levels that tile servers have everywhere."""
MOST_OUTLINE = 20_000_000
"""Bytes of a file with an outline."""
Point = tuple[float, float]


class Tile(NamedTuple):
    """A piece of somebody else's map under the picture."""

    address: str
    x: float
    y: float
    size: float


class Area(NamedTuple):
    """A district in the picture: its outline where the registry names one, else what lies around its sites."""

    name: str
    path: str
    x: float
    y: float


class Picture:
    """Where everything lies; and each site's mark, once it was drawn in a state."""

    def __init__(
        self,
        sites: Sequence[Site],
        outlines: Mapping[str, Polygon | MultiPolygon],
        name_of: Callable[[str], str],
        console: Console,
    ) -> None:
        at = projection(console)
        placed = {site.id: at(site.position[1], site.position[0]) for site in sites if site.position is not None}
        borders = {id_: _moved(outline, at) for id_, outline in outlines.items()}
        corners = [*placed.values(), *(corner for border in borders.values() for corner in _corners(border.bounds))]
        frame = Frame(corners)
        self.height = frame.height
        self.spots = {id_: frame.place(*point) for id_, point in placed.items()}
        by_district: dict[str, list[Point]] = {}
        for site in sites:
            by_district.setdefault(site.district, []).extend(filter(None, [self.spots.get(site.id)]))
        self.areas = [
            _outlined(name_of(id_), _moved(borders[id_], frame.place))
            if id_ in borders
            else _around(name_of(id_), by_district[id_])
            for id_ in sorted({*borders, *(id_ for id_, spots in by_district.items() if spots)})
        ]
        self.tiles = frame.tiles(console.tiles) if console.tiles and corners else []
        self.marks: dict[tuple[str, str], Markup] = {}
        """By site and state."""


class Frame:
    """What part of the world the picture shows. World: Web Mercator from 0 to 1, x to the east, y to the south."""

    def __init__(self, corners: Collection[Point]) -> None:
        xs, ys = [x for x, _ in corners] or [0.0], [y for _, y in corners] or [0.0]
        wide, high = max(xs) - min(xs), max(ys) - min(ys)
        # Never nearer than a map is drawn: else a lone site would fill the picture with one stone.
        self._pixel = max(wide / (WIDTH - 2 * EDGE), high / (HIGHEST - 2 * EDGE), 1 / (TILE * 2**NEAREST))
        self.height = round(high / self._pixel + 2 * EDGE) if corners else 0
        self._west = min(xs) - (WIDTH * self._pixel - wide) / 2
        self._north = min(ys) - EDGE * self._pixel

    def place(self, x: float, y: float) -> Point:
        """Return where a point of the world lies in the picture."""
        return round((x - self._west) / self._pixel, 1), round((y - self._north) / self._pixel, 1)

    def places(self, points: Any) -> Any:
        """Return where many points of the world lie in the picture: an array of numpy of their x, y, as `points` is."""
        return (points - np.array((self._west, self._north))) / self._pixel

    def tiles(self, address: str) -> list[Tile]:
        """Return the tiles that lie under the picture, at the zoom at which they are about as large as drawn."""
        zoom = min(NEAREST, max(FARTHEST, round(math.log2(1 / (TILE * self._pixel)))))
        count = 2**zoom
        size = 1 / (count * self._pixel)
        first_x, first_y = math.floor(self._west * count), math.floor(self._north * count)
        last_x = math.floor((self._west + WIDTH * self._pixel) * count)
        last_y = math.floor((self._north + self.height * self._pixel) * count)
        return [
            # A little larger, so that no seam shows between them.
            Tile(_filled(address, zoom, x % count, y), *self.place(x / count, y / count), round(size + 0.3, 1))
            for y in range(max(0, first_y), min(count - 1, last_y) + 1)
            for x in range(first_x, last_x + 1)
        ]


def _filled(address: str, zoom: int, x: int, y: int) -> str:
    return address.replace("{z}", f"{zoom}").replace("{x}", f"{x}").replace("{y}", f"{y}")


Key = tuple[tuple[str, ...], str, Lang]


class Pictures:
    """Keeps the pictures of the registry that is in use; another registry, and they are drawn again.

    `folder`: from which the registry names files with outlines.
    """

    def __init__(self, console: Console, folder: Path) -> None:
        self._console, self._folder = console, folder
        self._outlines: dict[str, Polygon | MultiPolygon] = {}
        self._lock = threading.Lock()
        self._registry: Registry | None = None
        self._kept: dict[Key, Picture] = {}

    def of(self, registry: Registry, key: Key, sites: Sequence[Site]) -> Picture:
        """Return the picture of these sites. `key`: whose they are: a scope, a chosen district, a language."""
        with self._lock:
            if self._registry is not registry or len(self._kept) >= MOST_KEPT:
                if self._registry is not registry:
                    self._outlines = _read_all(self._folder, registry)
                self._registry, self._kept = registry, {}
            if key not in self._kept:
                scope, chosen, lang = key
                shown = {
                    id_: outline
                    for id_, outline in self._outlines.items()
                    if (not chosen or id_ == chosen) and (not scope or id_ in scope)
                }
                self._kept[key] = Picture(sites, shown, lambda id_: name_of(registry, id_, lang), self._console)
            return self._kept[key]


def name_of(registry: Registry, district: str, lang: Lang) -> str:
    """Return what people call a district; its id where the registry does not name it."""
    named = registry.named_districts.get(district)
    return Text(named.en, named.zh).into(lang) if named else district


def read_outline(folder: Path, district: District) -> Polygon | MultiPolygon | None:
    """Return a district's outline in degrees, WGS-84; None: the registry names none.

    Raises:
        ValueError: the file that it names holds none; it says what was expected.
    """
    if district.outline is None:
        return None
    path, expected = folder / district.outline, "expected GeoJSON with a Polygon or MultiPolygon, longitude first"
    told = f"district {district.id!r}: outline: {path}"
    try:
        if path.stat().st_size > MOST_OUTLINE:
            raise ValueError(f"{told}: more than {MOST_OUTLINE / 1e6:.0f} MB; simplify it")
        found = shapely.union_all(_areas_in(shapely.from_geojson(path.read_bytes())))
    except OSError as error:
        raise ValueError(f"{told}: cannot be read ({error.strerror}); {expected}") from error
    except ShapelyError as error:
        raise ValueError(f"{told}: {error}; {expected}") from error
    if not isinstance(found, Polygon | MultiPolygon) or found.is_empty:
        raise ValueError(f"{told}: holds no area; {expected}")
    west, south, east, north = found.bounds
    if west < -180 or east > 180 or south < -85 or north > 85:
        raise ValueError(f"{told}: lies at {west:g} to {east:g}, {south:g} to {north:g}; {expected}, in degrees")
    return found


def _areas_in(found: shapely.Geometry) -> list[Polygon]:
    """Return the areas in what a file holds; other things in it, such as its centre, are left out."""
    areas = [one for one in shapely.get_parts(shapely.get_parts(found)) if isinstance(one, Polygon)]
    # Borders that people have drawn cross themselves now and then.
    mended = [shapely.make_valid(one) for one in areas]
    return [one for one in shapely.get_parts(shapely.get_parts(mended)) if isinstance(one, Polygon)]


def _read_all(folder: Path, registry: Registry) -> dict[str, Polygon | MultiPolygon]:
    found = {}
    for id_, district in registry.named_districts.items():
        try:
            outline = read_outline(folder, district)
        except ValueError as error:  # the map is there all the same; `fenceline check` says it, too
            log.warning("map: %s", error)
            continue
        if outline is not None:
            found[id_] = outline
    return found


def projection(console: Console) -> Callable[[float, float], Point]:
    """Return what tells where a position (longitude, latitude) lies in the world, as the city's tiles draw it."""
    return _on_map if console.tiles_datum == "wgs84" else _on_shifted_map


def _on_map(lon: float, lat: float) -> Point:
    """Return where a position lies in the world."""
    return lon / 360 + 0.5, 0.5 - math.asinh(math.tan(math.radians(lat))) / (2 * math.pi)


def _on_shifted_map(lon: float, lat: float) -> Point:
    """Return where it lies in a world that a Chinese map draws (GCJ-02)."""
    return _on_map(*gcj02_of_wgs84((lon, lat)))


def _moved(shape: Polygon | MultiPolygon, by: Callable[[float, float], Point]) -> Polygon | MultiPolygon:
    def move(xs: Any, ys: Any) -> list[tuple[float, ...]]:  # arrays of numpy
        return list(zip(*map(by, xs.tolist(), ys.tolist()), strict=True))

    moved = shapely.transform(shape, move, interleaved=False)
    assert isinstance(moved, Polygon | MultiPolygon), "nothing but its coordinates has changed"
    return moved


def _corners(bounds: tuple[float, float, float, float]) -> list[Point]:
    left, top, right, bottom = bounds
    return [(left, top), (right, bottom)]


def _around(name: str, spots: list[Point]) -> Area:
    around = MultiPoint(spots).convex_hull.buffer(36, quad_segs=6)
    assert isinstance(around, Polygon)
    return _area(name, around)


def _outlined(name: str, outline: Polygon | MultiPolygon) -> Area:
    # What is smaller than a pixel nobody sees, and a border has thousands of corners.
    drawn = outline.simplify(0.7)
    return _area(name, drawn if isinstance(drawn, Polygon | MultiPolygon) else outline)


def _area(name: str, drawn: Polygon | MultiPolygon) -> Area:
    parts = drawn.geoms if isinstance(drawn, MultiPolygon) else [drawn]
    rings = [ring for part in parts for ring in (part.exterior, *part.interiors)]
    path = "".join(f"M{'L'.join(f'{x:.0f} {y:.0f}' for x, y in ring.coords[:-1])}z" for ring in rings)
    left, top, right, _ = drawn.bounds
    return Area(name, path, round((left + right) / 2), round(top - 6))
