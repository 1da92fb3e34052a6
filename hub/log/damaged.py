"""Reads of a damaged log what can still be read."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from hub.storage.database import read_only

PIECE = 256
"""Messages that are read at once; where that fails, one by one."""
MOST_MISSING = 20_000
"""So many offsets in a row without a message that can be read are the end, where nothing tells it."""

Row = tuple[float, str, bytes]
"""When it was received (Unix s), topic, payload."""


def still_readable(path: Path, after: int) -> Iterator[Row | None]:
    """Yield the messages behind the offset `after` in order; None for each that is not there or cannot be read."""
    try:
        db = read_only(path)
    except sqlite3.Error:
        return
    with closing(db):
        db.text_factory = lambda text: text.decode("utf-8", "replace")
        try:
            db.execute("SELECT 1 FROM message LIMIT 1").fetchone()
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", 0) in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR):
                return  # no database at all, or one that does not know of messages
        end = _end(db)
        at, missing = after, 0
        while (at < end) if end else missing < MOST_MISSING:
            last = min(at + PIECE, end) if end else at + PIECE
            rows = _read(db, at, last)
            if rows is None:
                rows = [row for offset in range(at, last) for row in _read(db, offset, offset + 1) or ()]
            missing = 0 if rows else missing + PIECE
            yield from rows
            if end:
                yield from [None] * (last - at - len(rows))
            at = last


def _read(db: sqlite3.Connection, after: int, last: int) -> list[Row] | None:
    try:
        return db.execute(
            "SELECT CAST(received AS REAL), CAST(topic AS TEXT), CAST(payload AS BLOB) FROM message "
            "WHERE offset > ? AND offset <= ? ORDER BY offset",
            (after, last),
        ).fetchall()
    except sqlite3.Error:
        return None


def _end(db: sqlite3.Connection) -> int:
    """Return the offset of the newest message, as far as anything knows it; 0: nothing does."""
    for asked in ("SELECT max(offset) FROM message", "SELECT max(offset) FROM position"):
        try:
            found = db.execute(asked).fetchone()[0]
        except sqlite3.Error:
            continue
        if found:
            return int(found)
    return 0
