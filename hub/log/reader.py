"""Reads the log: what its writer, its consumers, the evidence of alerts and the hub's own state ask of it."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hub.log.batch import AGAIN
from hub.log.entry import COLUMNS, Entry
from hub.storage.database import read_only
from hub.wire.channels import channel

AT_ONCE = 500
"""Messages in memory at once while the log is searched."""


READ = 2_000_000
"""What one `read` gives, bytes of the messages, about; decoded they take up to twelve times as much."""
_ENTRY = f"SELECT {COLUMNS} FROM message"  # noqa: S608 - names of columns


class LogReader:
    """What can be read of the log behind `db`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def read(self, after: int, most: int, size: int = READ) -> list[Entry]:
        """Return up to `most` entries behind the offset `after`, in order: of about `size` bytes, and one at least."""
        rows = self._db.execute(f"{_ENTRY} WHERE offset > ? ORDER BY offset LIMIT ?", (after, most))
        entries = []
        for row in rows:
            entry = Entry.of_row(row)
            entries.append(entry)
            size -= entry.weight
            if size <= 0:
                break
        rows.close()  # else the file's journal cannot be cut while nobody asks for the rest
        return entries

    def search(self, topics: Sequence[str], after: int, before: int) -> Iterator[Entry]:
        """Yield the entries with one of these topics between two offsets, in order."""
        marks = ", ".join("?" * len(topics))
        sql = f"{_ENTRY} WHERE offset > ? AND offset < ? AND topic IN ({marks}) ORDER BY offset LIMIT ?"
        while rows := self._db.execute(sql, (after, before, *topics, AT_ONCE)).fetchall():
            yield from map(Entry.of_row, rows)
            after = rows[-1][0]

    def said(self, topics: Sequence[str], after: int) -> Iterator[Entry]:
        """Yield the entries without records that have one of these topics, behind an offset, in order.

        By an index: it does not matter how many records came meanwhile.
        """
        listed = json.dumps(topics)  # as one value: there may be more than a statement takes
        sql = (
            f"{_ENTRY} WHERE fresh IS NULL AND topic IN (SELECT value FROM json_each(?)) AND offset > ? "  # noqa: S608
            "ORDER BY offset LIMIT ?"
        )
        while rows := self._db.execute(sql, (listed, after, AT_ONCE)).fetchall():
            yield from map(Entry.of_row, rows)
            after = rows[-1][0]

    def beginning(self, prefix: str, after: int, last: int) -> Iterator[Entry]:
        """Yield the entries behind an offset and up to another whose topics begin so, in order; no other is decoded."""
        # By offset, not by topic: what has come since is little, what one sender ever said is not.
        sql = f"{_ENTRY} WHERE offset > ? AND offset <= ? AND substr(topic, 1, ?) = ? ORDER BY offset LIMIT ?"
        while rows := self._db.execute(sql, (after, last, len(prefix), prefix, AT_ONCE)).fetchall():
            yield from map(Entry.of_row, rows)
            after = rows[-1][0]

    def refused_since(self, prefix: str, seen: tuple[int, float]) -> list[tuple[int, float, str, bytes]]:
        """Return id, time of reception (Unix s), topic and payload of what has come into quarantine since `seen`.

        `seen`: id and time of the newest that was looked at. Only topics that begin with `prefix`.
        """
        there = self._db.execute("SELECT received FROM quarantine WHERE id = ?", (seen[0],)).fetchone()
        # Ids are given again when the newest leave the quarantine.
        later, value = ("id > ?", seen[0]) if there == (seen[1],) else ("received > ?", seen[1])
        sql = "SELECT id, received, topic, payload FROM quarantine"
        where = f"{later} AND substr(topic, 1, ?) = ?"
        return self._db.execute(f"{sql} WHERE {where} ORDER BY id", (value, len(prefix), prefix)).fetchall()

    def refused_last(self) -> tuple[int, float] | None:
        """Return id and time of reception (Unix s) of the newest message in quarantine; None: there is none."""
        row = self._db.execute("SELECT id, received FROM quarantine ORDER BY id DESC LIMIT 1").fetchone()
        return None if row is None else (row[0], row[1])

    def latest(self, topic: str, most: int) -> list[bytes]:
        """Return the newest payloads of a topic of messages without record numbers, the newest first."""
        rows = self._db.execute(
            "SELECT payload FROM message WHERE topic = ? AND fresh IS NULL ORDER BY offset DESC LIMIT ?", (topic, most)
        )
        return [payload for (payload,) in rows.fetchall()]

    def recording(self, since: float) -> set[str]:
        """Return the devices from which messages with records were received at `since` (Unix s) or later."""
        rows = self._db.execute(
            "SELECT DISTINCT CAST(topic AS TEXT) FROM message WHERE offset >= ? AND fresh IS NOT NULL",
            (self.offset_at(since),),
        )
        return {channel(topic)[1].device for (topic,) in rows}

    def newest(self, most: int) -> Iterator[tuple[int, str, bytes]]:
        """Yield up to `most` of the newest messages as (offset, topic, payload), the newest first."""
        asked = "SELECT offset, CAST(topic AS TEXT), CAST(payload AS BLOB) FROM message ORDER BY offset DESC LIMIT ?"
        yield from self._db.execute(asked, (most,))

    def end(self) -> int:
        """Return the offset of the newest message, 0 when there is none."""
        return self._db.execute("SELECT max(offset) FROM message").fetchone()[0] or 0

    def begin(self) -> int:
        """Return the offset of the oldest message that is still kept, 1 when there is none."""
        return self._db.execute("SELECT min(offset) FROM message").fetchone()[0] or 1

    def offset_at(self, time: float) -> int:
        """Return the offset of the first message received at `time` (Unix s) or later; if none was, the one to come."""
        low, high = self.begin(), self.end() + 1
        while low < high:  # offsets count up with the time of reception
            middle = (low + high) // 2
            offset, received = self._db.execute(
                "SELECT offset, received FROM message WHERE offset >= ? ORDER BY offset LIMIT 1", (middle,)
            ).fetchone()
            if received < time:
                low = offset + 1
            else:
                high = middle
        return int(low)

    def received_last(self) -> float | None:
        """Return when the newest message was received, Unix s; None when there is none."""
        row = self._db.execute("SELECT received FROM message ORDER BY offset DESC LIMIT 1").fetchone()
        return row[0] if row else None

    def received(self, after: int) -> float | None:
        """Return when the first message behind the offset `after` was received; None when there is none."""
        row = self._db.execute("SELECT received FROM message WHERE offset > ? ORDER BY offset LIMIT 1", (after,))
        found = row.fetchone()
        return found[0] if found else None

    def counts(self) -> dict[tuple[str, str], int]:
        """Return the messages since the log was made by (device, reason), each once, as the table `count` has them."""
        return {
            (device, reason): n
            for device, reason, n in self._db.execute(
                "SELECT device, reason, messages FROM count WHERE reason != ?", (AGAIN,)
            )
        }

    def repeats(self) -> dict[str, int]:
        """Return by device how many messages have come whose records the hub had all."""
        return dict(self._db.execute("SELECT device, messages FROM count WHERE reason = ?", (AGAIN,)).fetchall())

    def quarantined(self) -> dict[str, int]:
        """Return how many messages are in quarantine, by reason."""
        return dict(self._db.execute("SELECT reason, count(*) FROM quarantine GROUP BY reason").fetchall())


@contextmanager
def reading_log(path: Path) -> Iterator[LogReader]:
    """Open the log in the file `path`, which is there already, to be read while the hub writes it."""
    reader = LogReader(read_only(path))
    try:
        yield reader
    finally:
        reader.close()
