"""Chinese map coordinates to WGS-84: GCJ-02 (AMap, Tencent, official maps) and BD-09 (Baidu).

GCJ-02 shifts positions in China by 100 to 700 m, by a formula that is known from its public implementations, such as
eviltransform (BSD-2); there is no official text. It has no inverse: here it is found by iteration, to less than 1 mm of
the forward formula. Positions outside the formula's rectangle around China stay as they are.
"""

import math
from collections.abc import Callable
from typing import Literal

System = Literal["wgs84", "gcj02", "bd09"]
Position = tuple[float, float]
"""Longitude and latitude, degrees."""

AXIS = 6_378_245.0
"""Semi-major axis of the Krasovsky ellipsoid, which the formula goes by [m]."""
FLATNESS = 0.006_693_421_622_965_943
"""Its squared eccentricity."""
WEST, EAST, SOUTH, NORTH = 72.004, 137.8347, 0.8293, 55.8271
TURN = math.pi * 3000 / 180
"""BD-09's constant."""
ENOUGH = 1e-9
"""Degrees: 0.1 mm."""


def to_wgs84(position: Position, system: System) -> Position:
    """Return a position in WGS-84.

    Raises:
        ValueError: it is no position of that system.
    """
    if system == "bd09":
        position = _inverse(position, bd09_of_gcj02)
    return position if system == "wgs84" else _inverse(position, gcj02_of_wgs84)


def gcj02_of_wgs84(position: Position) -> Position:
    """Return where a Chinese map shows a position."""
    lon, lat = position
    if not (WEST <= lon <= EAST and SOUTH <= lat <= NORTH):
        return position
    x, y = lon - 105.0, lat - 35.0
    waves = 20 * math.sin(6 * math.pi * x) + 20 * math.sin(2 * math.pi * x)
    north = -100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * math.sqrt(abs(x))
    north += (waves + _waves(y, 20, 40, 160, 320)) * 2 / 3
    east = 300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * math.sqrt(abs(x))
    east += (waves + _waves(x, 20, 40, 150, 300)) * 2 / 3
    phi = math.radians(lat)
    bent = 1 - FLATNESS * math.sin(phi) ** 2
    north_radius = AXIS * (1 - FLATNESS) / (bent * math.sqrt(bent))
    east_radius = AXIS / math.sqrt(bent) * math.cos(phi)
    return lon + math.degrees(east / east_radius), lat + math.degrees(north / north_radius)


def bd09_of_gcj02(position: Position) -> Position:
    """Return where Baidu's map shows a position of GCJ-02."""
    x, y = position
    length = math.hypot(x, y) + 0.00002 * math.sin(y * TURN)
    angle = math.atan2(y, x) + 0.000003 * math.cos(x * TURN)
    return length * math.cos(angle) + 0.0065, length * math.sin(angle) + 0.006


def _waves(x: float, first: float, second: float, third: float, fourth: float) -> float:
    x *= math.pi
    return first * math.sin(x) + second * math.sin(x / 3) + third * math.sin(x / 12) + fourth * math.sin(x / 30)


def _inverse(wanted: Position, forward: Callable[[Position], Position]) -> Position:
    lon, lat = wanted
    for _ in range(50):  # each step leaves less than a hundredth of the error
        found = forward((lon, lat))
        east, north = wanted[0] - found[0], wanted[1] - found[1]
        lon, lat = lon + east, lat + north
        if abs(east) < ENOUGH and abs(north) < ENOUGH:
            return lon, lat
    # Only at the rim of the formula's rectangle, far from any city, does it jump to and fro.
    return wanted
