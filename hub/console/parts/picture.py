"""The city as it is drawn: where sites and districts lie in the picture, which is worked out once for each registry."""

import math
import threading
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

from markupsafe import Markup
from shapely import MultiPoint, Polygon

from hub.registry.live import Registry, Site
from schemas.language import Lang, Text

WIDTH, HIGHEST, EDGE = 640.0, 560.0, 60.0
"""Of the picture, and what stays free around it."""
MOST_KEPT = 64
"""Pictures in memory: of a city or one district, for a scope, in a language."""


class Area(NamedTuple):
    """A district in the picture: around its sites, as nobody has told its border."""

    name: str
    points: str
    x: float
    y: float


class Picture:
    """Where everything lies; and each site's mark, once it was drawn in a state."""

    def __init__(self, sites: Sequence[Site], name_of: Callable[[str], str]) -> None:
        self.spots, self.height = _placed(sites)
        by_district: dict[str, list[tuple[float, float]]] = {}
        for site in sites:
            if site.id in self.spots:
                by_district.setdefault(site.district, []).append(self.spots[site.id])
        self.areas = [_area(name_of(id_), spots) for id_, spots in sorted(by_district.items())]
        self.marks: dict[tuple[str, str], Markup] = {}
        """By site and state."""


Key = tuple[tuple[str, ...], str, Lang]


class Pictures:
    """Keeps the pictures of the registry that is in use; another registry, and they are drawn again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._registry: Registry | None = None
        self._kept: dict[Key, Picture] = {}

    def of(self, registry: Registry, key: Key, sites: Sequence[Site]) -> Picture:
        """Return the picture of these sites. `key`: whose they are: a scope, a chosen district, a language."""
        with self._lock:
            if self._registry is not registry or len(self._kept) >= MOST_KEPT:
                self._registry, self._kept = registry, {}
            if key not in self._kept:
                self._kept[key] = Picture(sites, lambda id_: name_of(registry, id_, key[2]))
            return self._kept[key]


def name_of(registry: Registry, district: str, lang: Lang) -> str:
    """Return what people call a district; its id where the registry does not name it."""
    named = registry.named_districts.get(district)
    return Text(named.en, named.zh).into(lang) if named else district


def _placed(sites: Collection[Site]) -> tuple[dict[str, tuple[float, float]], float]:
    """Return where sites that have a position lie in the picture, by id; and how high it is."""
    placed = {site.id: site.position for site in sites if site.position is not None}
    if not placed:
        return {}, 0.0
    # Narrow enough for a city: degrees of longitude are as long as at its middle.
    shrink = math.cos(math.radians(sum(lat for lat, _ in placed.values()) / len(placed)))
    at = {id_: (lon * shrink, -lat) for id_, (lat, lon) in placed.items()}
    xs, ys = [x for x, _ in at.values()], [y for _, y in at.values()]
    whole = max((max(xs) - min(xs)) / (WIDTH - 2 * EDGE), (max(ys) - min(ys)) / (HIGHEST - 2 * EDGE), 1e-6)
    left = (WIDTH - (max(xs) - min(xs)) / whole) / 2
    height = round((max(ys) - min(ys)) / whole + 2 * EDGE)
    spots = {
        id_: (round((x - min(xs)) / whole + left, 1), round((y - min(ys)) / whole + EDGE, 1))
        for id_, (x, y) in at.items()
    }
    return spots, height


def _area(name: str, spots: list[tuple[float, float]]) -> Area:
    around = MultiPoint(spots).convex_hull.buffer(36, quad_segs=6)
    assert isinstance(around, Polygon)
    points = " ".join(f"{x:.0f},{y:.0f}" for x, y in around.exterior.coords)
    left, top, right, _ = around.bounds
    return Area(name, points, round((left + right) / 2), round(top - 6))
