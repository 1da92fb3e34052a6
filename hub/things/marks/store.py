"""Marks as they are kept, and the spans of time that they take out of what boards and stations measure."""

import sqlite3
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from hub.judge.kinds.world import SOURCE, World, names_in
from hub.storage.rows import select
from hub.things.marks.records import Mark, MarkEvent, What, marks_in

OUTLET = "outlet"
"""The kind of things of which data are marked."""


class Span(NamedTuple):
    """What a mark takes out of one quantity of one sender; `end`: the first moment after it, Unix s as `begin`."""

    device: str
    quantity: str
    begin: int
    end: int
    mark: int
    state: str
    """What the plant was doing (`Said.state`)."""


class MarkStore:
    """The marks in the compliance database behind `db`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def newest(self) -> int:
        """Return the number of the newest event: while it stays the same, nothing has changed."""
        return int(self._db.execute("SELECT ifnull(max(id), 0) FROM mark_event").fetchone()[0])

    def add(self, mark: int | None, what: What, now: float, who: str, text: str, data: object = None) -> int:
        """Log an event, of a new mark where `mark` is None; return its number. Call it in a transaction.

        `now`: Unix s. Where the clock was set back since the event before, that one's time is taken.
        """
        row = self._db.execute("SELECT id, logged FROM mark_event ORDER BY id DESC LIMIT 1").fetchone() or (0, now)
        id_ = int(row[0]) + 1
        content = msgspec.json.encode({} if data is None else data).decode()
        self._db.execute(
            "INSERT INTO mark_event (id, mark, what, logged, who, text, data) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (id_, id_ if mark is None else mark, what, max(now, row[1]), who, text, content),
        )
        return id_

    def events(self, mark: int) -> list[MarkEvent]:
        """Return all that was logged of a mark, in its order."""
        return select(self._db, MarkEvent, "FROM mark_event WHERE mark = ? ORDER BY id", mark)

    def find(self, mark: int) -> Mark | None:
        """Return a mark."""
        return next(iter(marks_in(self.events(mark))), None)

    def events_after(self, event: int) -> list[MarkEvent]:
        """Return what was logged behind an event, in its order."""
        return select(self._db, MarkEvent, "FROM mark_event WHERE id > ? ORDER BY id", event)

    def marks(self) -> list[Mark]:
        """Return all marks, in the order in which they were logged."""
        return marks_in(select(self._db, MarkEvent, "FROM mark_event ORDER BY id"))


def spans_of(marks: Iterable[Mark], world: World) -> Iterator[Span]:
    """Yield what the marks that count take out of what is measured, by the senders that spoke for their outlets."""
    for mark in marks:
        if mark.effective:
            for device, begin, end in senders_of(world, mark.said.outlet, mark.said.begin, mark.end):
                for quantity in mark.said.quantities:
                    yield Span(device, quantity, begin, end, mark.id, mark.said.state)


def senders_of(world: World, outlet: str, begin: int, end: int) -> Iterator[tuple[str, int, int]]:
    """Yield who spoke for an outlet in a span of time, each from when until when (Unix s)."""
    for term in world.terms(OUTLET, outlet):
        since, until = max(begin, term.since), min(end, term.until)
        if since < until:
            for device in names_in(term.edition.properties.get(SOURCE)) or (outlet,):
                yield device, since, until
