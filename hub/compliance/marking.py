"""What enterprises have marked as invalid, as judging takes it: another mark, and the windows in it are judged again.

What windows were judged by is kept beside them, and changes in one transaction with what is to be judged again: so a
kill at any moment gives the same verdicts in the end.
"""

import sqlite3

from hub.judge.kinds.world import World
from hub.things.marks.store import MarkStore, Span, spans_of
from hub.things.store import ThingStore


class Marking:
    """The spans that marks take out, in the compliance database behind `db`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._marks, self._things = MarkStore(db), ThingStore(db)
        self.load()

    def load(self) -> None:
        """Take what windows were judged by, as it is kept."""
        self._position = self._db.execute("SELECT event, edition FROM marked_position").fetchone()
        self._use({Span(*row) for row in self._db.execute("SELECT device, quantity, begin, end, mark FROM marked")})

    def _use(self, spans: set[Span]) -> None:
        self._spans = spans
        self._by: dict[tuple[str, str], list[Span]] = {}
        for span in sorted(spans):
            self._by.setdefault((span.device, span.quantity), []).append(span)

    def of(self, device: str, quantity: str, start: int, end: int) -> tuple[int, ...]:
        """See `hub.judge.boards.Sites.marked`."""
        found = self._by.get((device, quantity))
        return tuple(span.mark for span in found if span.begin < end and start < span.end) if found else ()

    def follow(self) -> list[Span]:
        """Take what was marked meanwhile; return what is others than before. Call it in a transaction."""
        now = self._marks.newest(), self._things.newest()
        if now == self._position:
            return []
        after = set(spans_of(self._marks.marks(), World(self._things.editions())))
        changed = sorted(self._spans ^ after)
        self._db.executemany(
            "DELETE FROM marked WHERE device = ? AND quantity = ? AND begin = ? AND end = ? AND mark = ?",
            self._spans - after,
        )
        self._db.executemany(
            "INSERT INTO marked (device, quantity, begin, end, mark) VALUES (?, ?, ?, ?, ?)", after - self._spans
        )
        self._db.execute("UPDATE marked_position SET event = ?, edition = ?", now)
        self._position = now
        self._use(after)
        return changed
