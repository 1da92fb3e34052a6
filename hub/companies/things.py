"""Enterprises, outlets and permits as people see them: the things that hold at a moment."""

import sqlite3
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from hub.judge.kinds.world import SOURCE
from hub.things.entries import Thing
from hub.things.store import KeptEdition, ThingStore, by_thing, standing

ENTERPRISE, PERMIT, LIMIT, TOTAL = "enterprise", "discharge_permit", "permit_limit", "permit_total"


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A thing as it holds at a moment."""

    kind: str
    id: str
    edition: int
    en: str
    zh: str
    district: str
    since: int | None
    """Unix s, like `until`; None: always."""
    until: int | None
    said: dict[str, Any]
    """Its properties."""

    def names(self, property_: str) -> str:
        """Return what a property names, empty: nothing."""
        return str(self.said.get(property_) or "")

    @property
    def sources(self) -> tuple[str, ...]:
        """The boards and stations that speak for it."""
        return tuple(self.said.get(SOURCE) or ()) or (self.id,)


def held(db: sqlite3.Connection, kind: str, t: float, id_: str = "", *, ever: bool = False) -> list[Held]:
    """Return the things of a kind that hold at a moment (Unix s), by id.

    `ever`: also those that held before, or will, as they are said to then.
    """
    return held_of(by_thing(ThingStore(db).rows(kind, id_)).values(), t, KeptEdition.thing, ever=ever)


def held_of(
    things: Iterable[list[KeptEdition]], t: float, said: Callable[[KeptEdition], Thing], *, ever: bool = False
) -> list[Held]:
    """Return what holds of things at a moment, of each its editions; `said`: what an edition says."""
    found = []
    for rows in things:
        terms = standing(rows)
        begun = [row for start, row in terms.items() if start is None or start <= t]
        if ever and not begun:
            begun = list(terms.values())[:1]
        if begun and (ever or begun[-1].valid_until is None or t < begun[-1].valid_until):
            row, thing = begun[-1], said(begun[-1])
            found.append(
                Held(
                    kind=row.kind,
                    id=row.id,
                    edition=row.number,
                    en=thing.en,
                    zh=thing.zh,
                    district=thing.district or "",
                    since=row.valid_from,
                    until=row.valid_until,
                    said=dict(thing.properties),
                )
            )
    return sorted(found, key=lambda one: one.id)


def enterprises_of(db: sqlite3.Connection, t: float) -> list[Held]:
    """Return the enterprises that there are at a moment, Unix s."""
    return held(db, ENTERPRISE, t)


def of_enterprise(found: Iterable[Held], enterprise: str) -> list[Held]:
    """Return the things that name an enterprise as theirs."""
    return [one for one in found if one.names(ENTERPRISE) == enterprise]
