"""Spots: breaches of rules that lie near each other, as dumping that comes back to one place.

Silences of several vehicles make one, too, where there is no signal. Pure: verdicts and places in, spots out.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
import shapely

from hub.judge.kinds.world import World, metres_per_degree
from hub.judge.records import RuleVerdict, Sample
from schemas.language import Text

BEARINGS = (
    Text("north", "北"),
    Text("north-east", "东北"),
    Text("east", "东"),
    Text("south-east", "东南"),
    Text("south", "南"),
    Text("south-west", "西南"),
    Text("west", "西"),
    Text("north-west", "西北"),
)


class Spot(NamedTuple):
    """Several breaches at one place."""

    name: Text
    lat: float
    lon: float
    """Degrees, WGS-84: the middle."""
    radius: float
    """How far from the middle the furthest of them lies [m]."""
    verdicts: tuple[RuleVerdict, ...]
    """In the order of their times."""


def spots_of(
    verdicts: Sequence[RuleVerdict], world: World, kinds: Sequence[str], within: float, least: int
) -> list[Spot]:
    """Return the spots at which at least so many breaches lie, those with the most first.

    Args:
        verdicts: breaches that hold.
        world: things by which spots are named...
        kinds: ...and of which kinds these are.
        within: breaches that are no further apart belong to one spot, and so do those that others lie between [m].
        least: how many breaches make a spot.
    """
    placed = sorted(
        (one for one in verdicts if one.lat is not None and one.lon is not None),
        key=lambda one: (one.start, one.subject, one.rule),
    )
    groups = [group for group in _near(placed, within) if len(group) >= least]
    found = [_spot([placed[number] for number in group], world, kinds) for group in groups]
    return sorted(found, key=lambda one: (-len(one.verdicts), one.verdicts[0].start))


def _near(placed: Sequence[RuleVerdict], within: float) -> list[list[int]]:
    """Return the numbers of those that belong together."""
    if not placed:
        return []
    degrees = np.array([(one.lon, one.lat) for one in placed], float)
    points = shapely.points(degrees * metres_per_degree(float(degrees[:, 1].mean())))
    group = list(range(len(placed)))

    def first(number: int) -> int:
        while group[number] != number:
            group[number] = group[group[number]]
            number = group[number]
        return number

    for one, other in shapely.STRtree(points).query(points, predicate="dwithin", distance=within).T.tolist():
        low, high = sorted((first(one), first(other)))
        group[high] = low
    found: dict[int, list[int]] = {}
    for number in range(len(placed)):
        found.setdefault(first(number), []).append(number)
    return list(found.values())


def _spot(members: list[RuleVerdict], world: World, kinds: Sequence[str]) -> Spot:
    degrees = np.array([(one.lon, one.lat) for one in members], float)
    lon, lat = degrees.mean(axis=0).tolist()
    away = (degrees - (lon, lat)) * metres_per_degree(lat)
    radius = float(np.hypot(away[:, 0], away[:, 1]).max())
    return Spot(_name(lat, lon, members[-1].start, world, kinds), lat, lon, radius, tuple(members))


def _name(lat: float, lon: float, t: int, world: World, kinds: Sequence[str]) -> Text:
    """Return what people call a spot: how far it lies from the nearest thing that they know, and where from there."""
    here = Text(f"{lat:.5f}, {lon:.5f}", f"{lat:.5f}, {lon:.5f}")
    near = world.nearest(Sample(t, "", lat, lon), kinds) if kinds else None
    if near is None:
        return here
    edition = near.term.edition
    if near.metres >= 0:
        return Text(f"in {edition.id}", f"{edition.id}内")
    middle = shapely.from_geojson(msgspec.json.encode(edition.geometry).decode()).centroid
    scale = metres_per_degree(lat)
    east, north = (lon - middle.x) * scale[0], (lat - middle.y) * scale[1]
    bearing = BEARINGS[round(math.degrees(math.atan2(east, north)) / 45) % 8]
    metres = f"{round(-near.metres, -1):.0f} m"
    return Text(f"{metres} {bearing.en} of {edition.id}", f"{edition.id}{bearing.zh}侧{metres}")
