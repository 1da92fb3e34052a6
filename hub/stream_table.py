"""Which records of each stream are done with, as the log keeps it: in memory, and in the log's table `stream`.

Most messages carry on where their stream was, and stand in the log with their record numbers. Writing the stream's row
for each of them would touch a page of the table for every board that is heard, so those rows are written only now and
then (`CHECKPOINT`), with the offset up to which they hold; after a kill the messages behind it give the rest again.
What no message in the log tells, such as the numbers of a refused one, is written in the transaction that decides it.
"""

import sqlite3
from collections.abc import Iterable

import msgspec

from hub.streams import Numbers

Key = tuple[str, str]
"""Device and stream."""

CHECKPOINT = 200_000
"""Messages between two writings of the rows: to read so many again after a kill takes less than a second."""
POSITION = "streams"
"""The name by which the table `position` has the offset up to which the rows hold."""


class _Sender(msgspec.Struct):
    """As much of a telemetry message as is needed to find its stream."""

    stream: str


decode_ranges = msgspec.json.Decoder(list[tuple[int, int]]).decode
_decode_sender = msgspec.json.Decoder(_Sender).decode


class StreamTable:
    """The numbers of all streams. Every method that changes something runs inside the caller's transaction."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        # Usually every number up to one is done, and then that one says it all.
        self._numbers: dict[Key, Numbers | int] = {}
        self._unwritten: set[Key] = set()
        self._written: int | None = None  # the offset up to which the rows hold; None: memory is not in step

    def forget(self) -> None:
        """Forget what is in memory: the transaction that changed it was rolled back."""
        self._numbers.clear()
        self._unwritten.clear()
        self._written = None

    def recover(self) -> None:
        """Bring memory in step with the log, where it is not."""
        if self._written is not None:
            return
        row = self._db.execute("SELECT offset FROM position WHERE consumer = ?", (POSITION,)).fetchone()
        written = row[0] if row else 0
        behind = self._db.execute(
            "SELECT topic, payload, fresh FROM message WHERE offset > ? AND fresh IS NOT NULL ORDER BY offset",
            (written,),
        )
        for topic, payload, fresh in behind:
            device, stream = topic.split("/")[4], _decode_sender(payload).stream
            for first, after in decode_ranges(fresh):
                self.add((device, stream), first, after)
        self._written = written

    def add(self, key: Key, first: int, after: int) -> list[tuple[int, int]]:
        """Mark the numbers `first` <= n < `after` as done with; return the ranges of those that were not before."""
        known = self._numbers.get(key)
        if known is None:
            known = self._numbers[key] = self._read(key)
        if isinstance(known, int):
            if after <= known + 1:
                return []
            if first == known + 1:  # the usual case
                self._numbers[key] = after - 1
                self._unwritten.add(key)
                return [(first, after)]
            known = Numbers([(1, known + 1)] if known else [])
        fresh = known.add(first, after)
        self._numbers[key] = _compact(known)
        if fresh:
            self._unwritten.add(key)
        return fresh

    def complete(self, key: Key) -> int:
        """Return the number up to which everything of a stream is done; of one that `add` was called for."""
        known = self._numbers[key]
        return known if isinstance(known, int) else known.complete

    def write(self, keys: Iterable[Key]) -> None:
        """Write the rows of these streams."""
        self._db.executemany(
            "INSERT INTO stream VALUES (?, ?, ?) ON CONFLICT (device, stream) DO UPDATE SET ranges = excluded.ranges",
            [(*key, self._ranges(key)) for key in keys],
        )
        self._unwritten.difference_update(keys)

    def checkpoint(self, end: int, least: int = CHECKPOINT) -> int:
        """Write every row that lags behind, if that many messages have come since; `end`: the log's newest offset.

        Returns:
            The offset up to which the rows hold.
        """
        self.recover()
        assert self._written is not None
        if end - self._written >= least:
            self.write(sorted(self._unwritten))  # in the order of the table: each of its pages is touched once
            self._db.execute("INSERT OR REPLACE INTO position VALUES (?, ?)", (POSITION, end))
            self._written = end
        return self._written

    def _read(self, key: Key) -> Numbers | int:
        row = self._db.execute("SELECT ranges FROM stream WHERE device = ? AND stream = ?", key).fetchone()
        return _compact(Numbers(decode_ranges(row[0]) if row else []))

    def _ranges(self, key: Key) -> str:
        known = self._numbers[key]
        ranges = [(1, known + 1)] if isinstance(known, int) else known.ranges
        return msgspec.json.encode(ranges).decode()


def _compact(numbers: Numbers) -> Numbers | int:
    """Return numbers as N when they are 1 to N (0: none): a hundred thousand boards have to fit in memory."""
    ranges = numbers.ranges
    if not ranges:
        return 0
    return ranges[0][1] - 1 if len(ranges) == 1 and ranges[0][0] == 1 else numbers
