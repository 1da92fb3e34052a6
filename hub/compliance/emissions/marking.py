"""What enterprises have marked as invalid, as judging takes it: another mark, and the windows in it are judged again.

What windows were judged by is kept beside them, and changes in one transaction with what is to be judged again: so a
kill at any moment gives the same verdicts in the end.
"""

import sqlite3
from collections.abc import Iterable

from hub.judge.boards import Marked
from hub.judge.kinds.world import World
from hub.judge.stacks.cells import OXYGEN
from hub.judge.stacks.hours import Span as Declared
from hub.things.marks.records import Mark
from hub.things.marks.store import OUTLET, MarkStore, Span, spans_of
from hub.things.store import ThingStore


class Marking:
    """The spans that marks take out, in the compliance database behind `db`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._marks, self._things = MarkStore(db), ThingStore(db)
        self._world, self._known = World(), 0  # outlets alone, up to the edition of that number
        self.load()

    def load(self) -> None:
        """Take what windows were judged by, as it is kept."""
        self._position = self._db.execute("SELECT event, edition FROM marked_position").fetchone()
        rows = self._db.execute("SELECT device, quantity, begin, end, mark, state FROM marked")
        self._use({Span(*row) for row in rows})

    def _use(self, spans: set[Span]) -> None:
        self._spans = spans
        self._by: dict[tuple[str, str], list[Span]] = {}
        for span in sorted(spans):
            self._by.setdefault((span.device, span.quantity), []).append(span)
        starting: dict[str, set[tuple[int, int]]] = {}
        for span in spans:
            if span.state:
                starting.setdefault(span.device, set()).add((span.begin, span.end))
        self._starting = {device: tuple(sorted(found)) for device, found in starting.items()}

    def marked(self, device: str, quantity: str, start: int, end: int) -> tuple[Marked, ...]:
        """See `hub.limits.places.Marks`."""
        found = self._by.get((device, quantity), ())
        return tuple(Marked(one.begin, one.end, one.mark) for one in found if one.begin < end and start < one.end)

    def starting(self, device: str) -> tuple[tuple[int, int], ...]:
        """See `hub.limits.places.Marks`."""
        return self._starting.get(device, ())

    def follow(self) -> list[Span]:
        """Take what was marked meanwhile; return what is others than before. Call it in a transaction."""
        now = self._marks.newest(), self._things.newest()
        if now == self._position:
            return []
        self._world.add(self._things.editions(self._known, now[1], (OUTLET,)))
        self._known = now[1]
        after = set(spans_of(self._marks.marks(), self._world))
        changed = sorted(self._spans ^ after)
        self._db.executemany(
            "DELETE FROM marked WHERE device = ? AND quantity = ? AND begin = ? AND end = ? AND mark = ? AND state = ?",
            self._spans - after,
        )
        self._db.executemany(
            "INSERT INTO marked (device, quantity, begin, end, mark, state) VALUES (?, ?, ?, ?, ?, ?)",
            after - self._spans,
        )
        self._db.execute("UPDATE marked_position SET event = ?, edition = ?", now)
        self._position = now
        self._use(after)
        return changed


class Effects:
    """What marks take out, by outlet; `newest`: the newest event of which they know."""

    def __init__(self, newest: int, marks: Iterable[Mark]) -> None:
        self._marks: dict[str, dict[int, Mark]] = {}
        self._by: dict[str, list[tuple[frozenset[str], Declared]]] = {}
        self.take(newest, marks)

    def take(self, newest: int, marks: Iterable[Mark]) -> None:
        """Take marks that are new, or others than before, up to an event."""
        self.newest = newest
        for one in marks:
            self._marks.setdefault(one.said.outlet, {})[one.id] = one
            self._by.pop(one.said.outlet, None)

    def marks_of(self, outlet: str) -> list[Mark]:
        """Return the marks of an outlet, in the order in which they were logged."""
        return list(self._marks.get(outlet, {}).values())

    def spans(self, outlet: str, pollutant: str, start: int, end: int) -> list[Declared]:
        """See `hub.compliance.emissions.book.Marks`; a pollutant without oxygen to convert it with does not count."""
        needed = {pollutant, OXYGEN}
        return [
            one for quantities, one in self._of(outlet) if one.start < end and start < one.end and needed & quantities
        ]

    def _of(self, outlet: str) -> list[tuple[frozenset[str], Declared]]:
        found = self._by.get(outlet)
        if found is None:
            found = self._by[outlet] = [
                (
                    frozenset(one.said.quantities),
                    Declared(one.said.begin, one.end, one.said.state or "marked", f"mark/{one.id}"),
                )
                for one in self.marks_of(outlet)
                if one.effective
            ]
        return found


class MarkBook:
    """The marks that count, by outlet, for whoever calculates what outlets let out; only news are read."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._store = MarkStore(db)
        self._effects = Effects(0, ())

    @property
    def newest(self) -> int:
        """The newest event by which is gone."""
        return self._effects.newest

    def spans(self, outlet: str, pollutant: str, start: int, end: int) -> list[Declared]:
        """See `Effects.spans`."""
        self._follow()
        return self._effects.spans(outlet, pollutant, start, end)

    def changed_since(self, event: int) -> dict[str, int]:
        """Return which outlets are marked otherwise than up to an event, each with the earliest such moment, Unix s."""
        self._follow()
        found: dict[str, int] = {}
        for one in self._behind(event):
            said = one.said
            found[said.outlet] = min(said.begin, found.get(said.outlet, said.begin))
        return found

    def _follow(self) -> None:
        newest = self._store.newest()
        if newest != self.newest:
            self._effects.take(newest, self._behind(self.newest) if self.newest else self._store.marks())

    def _behind(self, event: int) -> list[Mark]:
        """Return the marks of which something was logged behind an event."""
        numbers = sorted({one.mark for one in self._store.events_after(event)})
        return [mark for number in numbers if (mark := self._store.find(number))]
