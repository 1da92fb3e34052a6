"""What pages of enterprises are made from, kept in memory and read on from where reading ended; any thread may ask.

Things, marks, days and verdicts are only ever added, each with a higher number than those before, so every answer is of
the last commit. `OutletSums` are of one outlet in one month; what changed since is read again for its outlet alone.
"""

import math
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from hub.companies.things import Held, held_of
from hub.compliance.emissions.book import Ground
from hub.compliance.emissions.marking import Effects
from hub.compliance.emissions.store import DaySums, EmissionStore
from hub.compliance.verdicts import Tally, VerdictTable
from hub.judge import Plans
from hub.judge.kinds.world import SOURCE, World, names_in
from hub.judge.stacks.permits import KINDS, OUTLET, Permits
from hub.things.entries import Thing
from hub.things.marks.records import Mark, MarkEvent, marks_in
from hub.things.marks.store import MarkStore, senders_of
from hub.things.store import KeptEdition

MONTHS = 3
"""Months of which what outlets come to is in memory at once."""


class Known(Protocol):
    """The things as they are up to one edition (`hub.console.parts.catalogue`)."""

    @property
    def serial(self) -> int:
        """Number of the newest edition."""

    @property
    def rows(self) -> Mapping[tuple[str, str], list[KeptEdition]]:
        """Editions by kind and id."""

    @property
    def world(self) -> World:
        """The same as judging takes it."""

    def thing(self, row: KeptEdition) -> Thing:
        """Return what an edition says."""


@dataclass(slots=True)
class OutletSums:
    """What an outlet comes to in a month, as far as days and verdicts tell."""

    days: dict[str, DaySums]
    """By pollutant."""
    tallies: list[Tally]
    told: tuple[int, tuple[object, ...], Any] | None = None
    """What was made of it last: up to which hour (Unix s), by which outlet, registry and ground."""


class _Month:
    """The outlets of one month, and up to where changes and verdicts are in it."""

    def __init__(self, change: int, verdict: int) -> None:
        self.change, self.verdict = change, verdict
        self.sums: dict[str, OutletSums] = {}
        self.enterprises: dict[str, tuple[tuple[object, ...], Any]] = {}


class Shelf:
    """Keeps what many pages ask for.

    Args:
        known: gives the things as they are now, of a compliance database.
        plans: what standards say of stacks.
    """

    def __init__(self, known: Callable[[sqlite3.Connection], Known], plans: Plans) -> None:
        self._known, self._plans = known, plans
        self._lock = threading.Lock()
        self._serial = -1
        self._ground: Ground | None = None
        self._held: dict[tuple[str, bool], tuple[float, float, list[Held], dict[str, Held]]] = {}
        self._by_source: dict[str, set[str]] = {}
        self._event = 0
        self._events: dict[int, list[MarkEvent]] = {}
        self._effects = Effects(0, ())
        self._months: OrderedDict[tuple[int, int], _Month] = OrderedDict()

    def ground(self, db: sqlite3.Connection) -> Ground:
        """Return what a book of emissions goes by."""
        with self._lock:
            return self._renew(db)[1]

    def held(self, db: sqlite3.Connection, kind: str, t: float, *, ever: bool = False) -> list[Held]:
        """Return the things of a kind that hold at a moment (Unix s), by id; nobody may change the list.

        `ever`: as `hub.companies.things.held` has it.
        """
        return self._holding(db, kind, t, ever=ever)[2]

    def find(self, db: sqlite3.Connection, kind: str, t: float, id_: str) -> Held | None:
        """Return a thing that holds at a moment, Unix s."""
        return self._holding(db, kind, t, ever=False)[3].get(id_)

    def _holding(
        self, db: sqlite3.Connection, kind: str, t: float, *, ever: bool
    ) -> tuple[float, float, list[Held], dict[str, Held]]:
        with self._lock:
            known, _ = self._renew(db)
            kept = self._held.get((kind, ever))
            if kept is None or not kept[0] <= t < kept[1]:
                rows = [of_one for (of_kind, _), of_one in known.rows.items() if of_kind == kind]
                # What is the same stays the same object: by that is told of what nothing changed.
                before = kept[3] if kept else {}
                made = ((before.get(one.id), one) for one in held_of(rows, t, known.thing, ever=ever))
                found = [old if old == one else one for old, one in made]
                moments = (at for of_one in rows for row in of_one for at in (row.valid_from, row.valid_until))
                until = min((at for at in moments if at is not None and at > t), default=math.inf)
                kept = self._held[kind, ever] = t, until, found, {one.id: one for one in found}
            return kept

    def _renew(self, db: sqlite3.Connection) -> tuple[Known, Ground]:
        known = self._known(db)
        if self._ground is not None and known.serial == self._serial:
            return known, self._ground
        before, self._serial = self._serial, known.serial
        new = {kind for (kind, _), rows in known.rows.items() if rows[-1].serial > before}
        self._held = {key: held for key, held in self._held.items() if key[0] not in new}
        # A vehicle's or a manifest's new edition changes nothing of outlets.
        if self._ground is None or known.serial < before or not new.isdisjoint(KINDS):
            self._ground = Ground(known.serial, known.world, Permits(known.world), self._plans)
            self._held.clear()
            self._months.clear()
            self._by_source = {}
            for (kind, id_), rows in known.rows.items():
                if kind == OUTLET:
                    for row in rows:
                        for source in names_in(known.thing(row).properties.get(SOURCE)) or (id_,):
                            self._by_source.setdefault(source, set()).add(id_)
        return known, self._ground

    def effects(self, db: sqlite3.Connection) -> Effects:
        """Return what the marks that count take out, by outlet."""
        with self._lock:
            self._read_marks(db)
            return self._effects

    def _read_marks(self, db: sqlite3.Connection) -> None:
        store = MarkStore(db)
        if (newest := store.newest()) != self._event:
            if newest < self._event:  # another database, as after a restore
                self._event, self._events, self._effects = 0, {}, Effects(0, ())
            new = store.events_after(self._event)
            for event in new:
                self._events.setdefault(event.mark, []).append(event)
            self._event = new[-1].id if new else newest
            changed = sorted({event.mark for event in new})
            self._effects.take(self._event, [marks_in(self._events[number])[0] for number in changed])

    def marks_of(self, db: sqlite3.Connection, outlets: Iterable[str]) -> list[Mark]:
        """Return the marks of outlets, the newest first."""
        effects = self.effects(db)
        found = [mark for outlet in outlets for mark in effects.marks_of(outlet)]
        return sorted(found, key=lambda one: -one.id)

    def sums(self, db: sqlite3.Connection, outlets: Iterable[str], start: int, end: int) -> dict[str, OutletSums]:
        """Return what outlets come to in a month (Unix s)."""
        with self._lock:
            _, ground = self._renew(db)
            store, table = EmissionStore(db), VerdictTable(db)
            month = self._month(store, table, start, end)
            ids = list(outlets)
            for outlet in ids:
                if outlet not in month.sums:
                    senders = senders_of(ground.world, outlet, start, end)
                    tallies = [one for device, since, until in senders for one in table.tally(device, since, until)]
                    month.sums[outlet] = OutletSums(store.sums(outlet, start, end), tallies)
            return {outlet: month.sums[outlet] for outlet in ids}

    def enterprises(self, start: int, end: int) -> dict[str, tuple[tuple[object, ...], Any]]:
        """Return what was made of enterprises in a month (Unix s), each with what it was made of; to be kept up."""
        with self._lock:
            month = self._months.get((start, end))
            return month.enterprises if month else {}

    def _month(self, store: EmissionStore, table: VerdictTable, start: int, end: int) -> _Month:
        change, verdict = store.last_change(), table.last()
        month = self._months.get((start, end))
        if month is None or month.change > change or month.verdict > verdict:
            month = self._months[start, end] = _Month(change, verdict)
        self._months.move_to_end((start, end))
        while len(self._months) > MONTHS:
            self._months.popitem(last=False)
        for outlet in store.changed_between(month.change, start, end):
            month.sums.pop(outlet, None)
        for device in table.judged_after(month.verdict, start, end):
            for outlet in self._by_source.get(device, ()):
                month.sums.pop(outlet, None)
        month.change, month.verdict = change, verdict
        return month
