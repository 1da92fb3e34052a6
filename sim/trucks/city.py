"""The city in which simulated trucks work: sites, dump sites, zones, companies, and where all of it lies.

Synthetic: no public record of such trucks with their cover and lift was found. Things are editions, as the registry of
things gives them to judging, and as `fenceline things import` takes them.
"""

import random
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from hub.judge.kinds.world import metres_per_degree
from hub.judge.records import Edition
from sim.trucks.streets import Spot, Streets, edges_of

LAT, LON = 23.0, 113.1
"""Of the corner, degrees."""
EAST, NORTH = metres_per_degree(LAT + 0.05)
YEAR = 366 * 86_400
SITE = 110.0  # m from the middle of a site or dump site to its sides
TUNNEL = 60.0  # m beside the street on either side
ZONE = 220.0  # m from the middle of a speed zone to its sides
CORRIDOR = 100.0  # m: half a route's width
SLOW = 30.0  # km/h in a speed zone


def degrees(spot: Spot) -> tuple[float, float]:
    """Return longitude and latitude of a spot."""
    return round(LON + spot[0] / EAST, 7), round(LAT + spot[1] / NORTH, 7)


def box(spot: Spot, wide: float, high: float) -> dict[str, object]:
    """Return a rectangle around a spot as GeoJSON; the way from its middle to its sides is given [m]."""
    x, y = spot
    corners = [(-wide, -high), (wide, -high), (wide, high), (-wide, high), (-wide, -high)]
    return {"type": "Polygon", "coordinates": [[list(degrees((x + dx, y + dy))) for dx, dy in corners]]}


class Place(NamedTuple):
    """A site: its id, the crossing at its gate, and its middle."""

    id: str
    gate: int
    spot: Spot


class City:
    """Streets and places, by a seed; `since`: when its permits begin, Unix s."""

    def __init__(self, dice: random.Random, since: int, columns: int = 16, rows: int = 12) -> None:
        self.since = since
        self.streets = Streets(columns, rows, dice)
        spots = self.streets.spots
        inner = [n for n in range(len(spots)) if 0 < n % columns < columns - 1 and 0 < n // columns < rows - 1]
        gates = self._apart(dice.sample(inner, len(inner)), 15)
        self.projects = [self._place(f"site-{n}", gate) for n, gate in enumerate(gates[:5])]
        self.dumps = [self._place(f"dump-{n}", gate) for n, gate in enumerate(gates[5:8])]
        self.depots = [self._place(f"depot-{n}", gate) for n, gate in enumerate(gates[8:11])]
        self.lots = [self._place(f"lot-{n}", gate) for n, gate in enumerate(gates[11:15])]
        """Waste land where nobody has a permit."""
        self.ways = {
            (project.id, dump.id): self.streets.way(project.gate, dump.gate)
            for project in self.projects
            for dump in self.dumps
        }
        self.tunnels, self.zones = self._on_the_way(dice)

    def _apart(self, gates: Sequence[int], count: int) -> list[int]:
        """Return crossings that are at least 1.5 km from each other."""
        spots, found = self.streets.spots, list[int]()
        for gate in gates:
            x, y = spots[gate]
            if all(abs(x - spots[one][0]) + abs(y - spots[one][1]) > 1500 for one in found):
                found.append(gate)
                if len(found) == count:
                    return found
        raise ValueError(f"the city is too small for {count} places; give it more columns or rows")

    def _place(self, id_: str, gate: int) -> Place:
        x, y = self.streets.spots[gate]
        return Place(id_, gate, (x + 250.0, y + 250.0))

    def _on_the_way(self, dice: random.Random) -> tuple[list[tuple[Spot, Spot]], list[Spot]]:
        """Return tunnels and the middles of speed zones, each on streets that approved routes use."""
        used = sorted({tuple(sorted(edge)) for way in self.ways.values() for edge in edges_of(way)[2:-2]})
        spots = self.streets.spots
        chosen = dice.sample(used, 4)
        tunnels = [(spots[one], spots[other]) for one, other in chosen[:2]]
        zones = [
            ((spots[one][0] + spots[other][0]) / 2, (spots[one][1] + spots[other][1]) / 2) for one, other in chosen[2:]
        ]
        return tunnels, zones

    def in_tunnel(self, spot: Spot) -> bool:
        """Tell whether a spot lies in a tunnel."""
        return self.to_tunnel(spot) <= 0

    def to_tunnel(self, spot: Spot) -> float:
        """Return how far a spot lies from the nearest tunnel's area, along the farther axis [m]; below 0: inside."""
        (x, y), areas = spot, map(around, self.tunnels)
        return min(max(abs(x - mid[0]) - wide, abs(y - mid[1]) - high) for mid, wide, high in areas)

    def is_slow(self, spot: Spot, reach: float = 40.0) -> bool:
        """Tell whether a spot lies in a speed zone, or just before one."""
        return any(abs(spot[0] - x) < ZONE + reach and abs(spot[1] - y) < ZONE + reach for x, y in self.zones)

    def line(self, project: Place, dump: Place) -> list[Spot]:
        """Return the approved route, from the middle of one to that of the other."""
        return [project.spot, *self.streets.line(self.ways[project.id, dump.id]), dump.spot]

    def things(self) -> list[Edition]:
        """Return what the city knows of itself."""
        whole = [one for spot in self.streets.spots for one in spot]
        middle = (max(whole[::2]) / 2, max(whole[1::2]) / 2)
        found = [self._thing("company", f"{role}-{n}") for role in ("builder", "hauler", "receiver") for n in range(3)]
        for n, one in enumerate(self.projects):
            said = {"permit": f"P-{n}", "builder": f"builder-{n % 3}", "volume_m3": 50_000.0}
            found.append(self._thing("project", one.id, box(one.spot, SITE, SITE), **said))
        for n, one in enumerate(self.dumps):
            said = {"permit": f"R-{n}", "receiver": f"receiver-{n % 3}", "volume_m3": 500_000.0, "accepts": ["soil"]}
            found.append(self._thing("dump_site", one.id, box(one.spot, SITE, SITE), **said))
        for project in self.projects:
            for dump in self.dumps:
                way = [list(degrees(spot)) for spot in self.line(project, dump)]
                geometry: dict[str, object] = {"type": "LineString", "coordinates": way}
                found.append(self._thing("corridor", route(project, dump), geometry, half_width_m=CORRIDOR))
        found += [self._thing("dead_zone", f"tunnel-{n}", box(*around(one))) for n, one in enumerate(self.tunnels)]
        found += [
            self._thing("speed_zone", f"school-{n}", box(one, ZONE, ZONE), limit_kmh=SLOW)
            for n, one in enumerate(self.zones)
        ]
        found.append(self._thing("built_up_area", "city", box(middle, middle[0] + 3000, middle[1] + 3000)))
        return found

    def _thing(self, kind: str, id_: str, geometry: dict[str, object] | None = None, **said: object) -> Edition:
        return edition(kind, id_, self.since, self.since + YEAR, said, geometry)


def route(project: Place, dump: Place) -> str:
    """Return the id of the approved route between two places."""
    return f"{project.id}-{dump.id}"


def edition(
    kind: str,
    id_: str,
    since: int,
    until: int,
    said: Mapping[str, object],
    geometry: Mapping[str, object] | None = None,
) -> Edition:
    """Return the first edition of a thing."""
    return Edition(kind=kind, id=id_, number=1, valid_from=since, valid_until=until, properties=said, geometry=geometry)


def around(tunnel: tuple[Spot, Spot]) -> tuple[Spot, float, float]:
    """Return the middle of a tunnel's area, and the way to its sides [m]."""
    (x, y), (to_x, to_y) = tunnel
    return ((x + to_x) / 2, (y + to_y) / 2), abs(to_x - x) / 2 + TUNNEL, abs(to_y - y) / 2 + TUNNEL
