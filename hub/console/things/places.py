"""The places that maps show, and which of them are of one sort."""

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from hub.console.parts.catalogue import Bounds
from hub.console.things.plan import Figure, Place, Plan
from hub.console.things.visit import HERE, Things
from hub.things.store import KeptEdition
from schemas.domains.entries import ThingKind

SORTS = 6
"""Looks of places in the style sheet; where there are more kinds, some look alike."""


class Sort(NamedTuple):
    """What a kind of places looks like, and is called."""

    number: int
    name: str
    many: int


def places(things: Things, t: float, only: Collection[str] = ()) -> list[Place]:
    """Return the places in force at a moment that the visitor sees; `only`: of these kinds; none named: of all."""
    return [
        place
        for kind in sorts_of(things.kinds)
        if not only or kind in only
        for row in things.known.holding(kind, int(t))
        if (place := place_of(things, row)) is not None
    ]


def place_of(things: Things, row: KeptEdition) -> Place | None:
    """Return an edition as it is drawn; None: it has no place, or the visitor does not see it."""
    thing = things.known.thing(row)
    if thing.geometry is None or not things.sees(thing):
        return None
    name, link = things.name(thing), f"{HERE}/{row.kind}/{row.id}"
    return Place(row.kind, name, link, thing.geometry, things.known.bounds(row))


def sorts_of(kinds: Mapping[str, ThingKind]) -> dict[str, int]:
    """Return the kinds that have places, each with the number of its look."""
    placed = [name for name, kind in kinds.items() if kind.geometry]
    return {name: number % SORTS for number, name in enumerate(placed)}


def sorts_in(things: Things, figures: Iterable[Figure]) -> list[Sort]:
    """Return what stands in the legend of a map: the kinds of places that it shows."""
    counts: dict[str, int] = {}
    for one in figures:
        counts[one.kind] = counts.get(one.kind, 0) + 1
    numbers = sorts_of(things.kinds)
    return [Sort(numbers.get(kind, 0), things.kind_name(kind), count) for kind, count in counts.items()]


def around(found: Iterable[Place]) -> list[Bounds]:
    """Return the bounds of what a map should show; areas that hold all the rest, as a whole city, do not widen it."""
    bounds = sorted((one.bounds for one in found), key=lambda one: (one[2] - one[0]) * (one[3] - one[1]))
    while len(bounds) > 1 and all(_holds(bounds[-1], one) for one in bounds[:-1]):
        bounds.pop()
    return bounds


def _holds(outer: Bounds, inner: Bounds) -> bool:
    return outer[0] <= inner[0] and outer[1] <= inner[1] and outer[2] >= inner[2] and outer[3] >= inner[3]


class Drawn(NamedTuple):
    """A map with its places, as a template draws it."""

    plan: Plan
    figures: list[Figure]
    sorts: list[Sort]
    looks: dict[str, int]
    named: bool
    """Whether each place has its name beside it."""


def drawn(things: Things, plan: Plan, found: list[Place], most_named: int) -> Drawn:
    """Return places as a template draws them."""
    figures = plan.figures(found)
    looks = sorts_of(things.kinds)
    return Drawn(plan, figures, sorts_in(things, figures), looks, len(figures) <= most_named)
