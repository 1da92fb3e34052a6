"""What permits allow, as it held at any moment: whose source a board is, its outlet's limits, totals of a year."""

from bisect import bisect_right
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from hub.judge.kinds.world import ALWAYS, World, names_in
from hub.judge.kinds.world import Term as Held
from hub.judge.permitted import PermittedLimit
from hub.judge.records import Cited
from hub.judge.stacks.hours import HIGH_O2, Terms

OUTLET, ENTERPRISE, PERMIT, LIMIT, TOTAL = "outlet", "enterprise", "discharge_permit", "permit_limit", "permit_total"
"""Kinds of things that permits are made of."""
KINDS = (OUTLET, ENTERPRISE, PERMIT, LIMIT, TOTAL)
WARN_AT = (80.0, 90.0)
"""Shares of a yearly total at which people are warned where it does not say others, %."""


class PermittedTotal(NamedTuple):
    """A permitted mass of a calendar year, and by what it holds."""

    id: str
    mass_t: float
    pollutant: str
    number: str
    """Of the permit."""
    enterprise: str
    outlets: tuple[str, ...]
    """Ids of those whose emissions are counted."""
    whole: bool
    """It is that of the whole enterprise."""
    warn_at: tuple[float, ...]
    """Shares at which people are warned, %."""
    cited: tuple[Cited, ...]

    @property
    def subject(self) -> tuple[str, str]:
        """Kind and id of the thing that it is about."""
        return (ENTERPRISE, self.enterprise) if self.whole else (OUTLET, self.outlets[0])


class Permits:
    """The permits among the things of a city."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._changes = world.changes(KINDS)
        # Between two changes everything is the same: what is asked of one moment is answered for all.
        self.ever = lru_cache(4096)(self._ever_of)
        """`ever(source)`: pollutants for which a limit was permitted, at any time, at an outlet that it speaks for."""
        self._sources = lru_cache(4096)(self._sources_of)
        self._at = lru_cache(4096)(self._at_of)
        self._limit = lru_cache(4096)(self._limit_of)
        self._terms = lru_cache(4096)(self._terms_of)

    def _since(self, t: int) -> int:
        """Return the moment from which on things are as they are at a moment, Unix s."""
        index = bisect_right(self._changes, t)
        return self._changes[index - 1] if index else ALWAYS

    def outlet(self, id_: str, t: int) -> Held | None:
        """Return the edition of an outlet at a moment, Unix s."""
        return self._world.in_force(OUTLET, id_, t)

    def outlets(self, t: int) -> list[Held]:
        """Return the outlets that there are at a moment, by id."""
        return sorted(self._world.holding(OUTLET, t), key=lambda one: one.edition.id)

    def sources(self, outlet: str, t: int) -> tuple[str, ...]:
        """Return the boards and stations that speak for an outlet at a moment; of one that names none, its own id."""
        return self._sources(outlet, self._since(t))

    def _sources_of(self, outlet: str, t: int) -> tuple[str, ...]:
        held = self.outlet(outlet, t)
        return () if held is None else names_in(held.edition.properties.get("source")) or (outlet,)

    def outlets_of(self, source: str, t: int) -> list[str]:
        """Return the outlets that a board or station speaks for at a moment."""
        found = [one.edition.id for one in self._world.held_by(OUTLET, "source", source) if one.since <= t < one.until]
        own = self.outlet(source, t)
        if own is not None and not names_in(own.edition.properties.get("source")):
            found.append(source)
        return sorted(dict.fromkeys(found))

    def _ever_of(self, source: str) -> frozenset[str]:
        outlets = {one.edition.id for one in self._world.held_by(OUTLET, "source", source)} | {source}
        return frozenset(
            str(one.edition.properties["pollutant"])
            for outlet in outlets
            for one in self._world.held_by(LIMIT, "outlet", outlet)
        )

    def at(self, source: str, pollutant: str, t: int) -> PermittedLimit | None:
        """Return what is permitted where a board or station measures, at a moment: of several the strictest."""
        return self._at(source, pollutant, self._since(t))

    def _at_of(self, source: str, pollutant: str, t: int) -> PermittedLimit | None:
        found = [self.limit(outlet, pollutant, t) for outlet in self.outlets_of(source, t)]
        return min(filter(None, found), key=_strictness, default=None)

    def limit(self, outlet: str, pollutant: str, t: int) -> PermittedLimit | None:
        """Return what is permitted at an outlet at a moment: of several the strictest."""
        return self._limit(outlet, pollutant, self._since(t))

    def _limit_of(self, outlet: str, pollutant: str, t: int) -> PermittedLimit | None:
        held = self.outlet(outlet, t)
        found = []
        for one in self._world.held_by(LIMIT, "outlet", outlet) if held else ():
            said = one.edition.properties
            permit = self._world.in_force(PERMIT, str(said["permit"]), t)
            if held and permit and one.since <= t < one.until and said["pollutant"] == pollutant:
                high, below = (held.edition.properties.get(name) for name in ("stopped_from_o2", "stopped_below_m3_s"))
                found.append(
                    PermittedLimit(
                        one.edition.id,
                        pollutant,
                        _number(said["value"]),
                        None if said.get("reference_o2") is None else _number(said["reference_o2"]),
                        HIGH_O2 if high is None else _number(high),
                        str(permit.edition.properties["number"]),
                        outlet,
                        str(held.edition.properties["number"]),
                        (permit.cited, one.cited, held.cited),
                        max(permit.since, one.since),
                        None if below is None else _number(below),
                    )
                )
        return min(found, key=_strictness, default=None)

    def totals(self, t: int, enterprise: str = "") -> Iterator[PermittedTotal]:
        """Go through the yearly totals that are permitted at a moment, to one enterprise or all, by their ids."""
        for one in sorted(self._totals(t, enterprise), key=lambda one: one.edition.id):
            said = one.edition.properties
            permit = self._world.in_force(PERMIT, str(said["permit"]), t)
            if permit is None:
                continue
            whose, named = str(permit.edition.properties["enterprise"]), said.get("outlet")
            outlets = [str(named)] if named is not None else self.outlets_of_enterprise(whose, t)
            if not outlets:
                continue
            warn_at = said.get("warn_at")
            yield PermittedTotal(
                one.edition.id,
                _number(said["mass_t"]),
                str(said["pollutant"]),
                str(permit.edition.properties["number"]),
                whose,
                tuple(outlets),
                named is None,
                tuple(sorted(map(_number, warn_at))) if isinstance(warn_at, (list, tuple)) and warn_at else WARN_AT,
                (permit.cited, one.cited),
            )

    def _totals(self, t: int, enterprise: str) -> list[Held]:
        if not enterprise:
            return list(self._world.holding(TOTAL, t))
        permits = {one.edition.id for one in self._world.held_at(PERMIT, "enterprise", enterprise, t)}
        return [one for permit in permits for one in self._world.held_at(TOTAL, "permit", permit, t)]

    def outlets_of_enterprise(self, enterprise: str, t: int) -> list[str]:
        """Return the outlets of an enterprise at a moment."""
        held = self._world.held_by(OUTLET, "enterprise", enterprise)
        return sorted({one.edition.id for one in held if one.since <= t < one.until})

    def pollutants(self, outlet: str, start: int, end: int) -> set[str]:
        """Return the pollutants that permits name for an outlet in a period, Unix s."""
        found = set()
        for kind in (LIMIT, TOTAL):
            for one in self._world.held_by(kind, "outlet", outlet):
                permit_id = str(one.edition.properties["permit"])
                held = any(self._world.in_force(PERMIT, permit_id, t) for t in (start, end - 1))
                if held and one.since < end and one.until > start:
                    found.add(str(one.edition.properties["pollutant"]))
        return found

    def terms(self, outlet: str, pollutant: str, t: int) -> Terms:
        """Return what an outlet and its permit say of a pollutant at a moment, as its hours are calculated."""
        return self._terms(outlet, pollutant, self._since(t))

    def _terms_of(self, outlet: str, pollutant: str, t: int) -> Terms:
        held, limit = self.outlet(outlet, t), self.limit(outlet, pollutant, t)
        if held is None:
            return Terms()
        said = held.edition.properties
        own_o2, below, high = (said.get(name) for name in ("reference_o2", "stopped_below_m3_s", "stopped_from_o2"))
        fallback = None if own_o2 is None else _number(own_o2)
        return Terms(
            reference_o2=limit.reference_o2 if limit else fallback,
            stopped_below=None if below is None else _number(below),
            high_o2=HIGH_O2 if high is None else _number(high),
            flow_dry=said.get("flow_basis") != "actual",
            limit=limit.value if limit else None,
            limit_source=limit.number if limit else "",
            cited=tuple(Cited(*one) for one in limit.cited) if limit else (held.cited,),
        )


def _strictness(one: PermittedLimit) -> float:
    """Return what is permitted as it would be in air without oxygen: smaller is stricter."""
    return one.value * 21 / (21 - (one.reference_o2 or 0.0))


def _number(value: object) -> float:
    assert isinstance(value, (int, float))
    return float(value)
