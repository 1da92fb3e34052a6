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

CHECKPOINT = 400_000
"""Messages between two writings of the rows: to read so many again after a kill takes about a second."""
POSITION = "streams"
"""The name by which the table `position` has the offset up to which the rows hold."""


class _Sender(msgspec.Struct):
    """As much of a telemetry message as is needed to find its stream."""

    stream: str


decode_ranges = msgspec.json.Decoder(list[tuple[int, int]]).decode
_decode_sender = msgspec.json.Decoder(_Sender).decode


class Stream:
    """The numbers of one stream that are done with.

    A class with slots and nothing else, and most often one number in it: a hundred thousand have to fit in memory.
    """

    __slots__ = ("_done", "device", "heard", "name", "written")

    def __init__(self, device: str, name: str, ranges: list[tuple[int, int]]) -> None:
        self.device = device
        self.name = name
        self.heard = 0.0
        """When something of it came last, Unix s; 0: not since the start."""
        self.written = True
        """The table's row says the same."""
        self._done: Numbers | int = 0  # N: 1 to N
        self._set(Numbers(ranges))

    @property
    def complete(self) -> int:
        """The number up to which everything is done."""
        return self._done if isinstance(self._done, int) else self._done.complete

    @property
    def ranges(self) -> list[tuple[int, int]]:
        """The ranges [first, after the last) that are done."""
        done = self._done
        return done.ranges if isinstance(done, Numbers) else [(1, done + 1)] if done else []

    def add(self, first: int, after: int) -> list[tuple[int, int]]:
        """Mark the numbers `first` <= n < `after` as done; return the ranges of those that were not before."""
        done = self._done
        if isinstance(done, int):
            if after <= done + 1 or first >= after:
                return []
            if first == done + 1:  # the usual case
                self._done = after - 1
                return [(first, after)]
        numbers = Numbers(self.ranges)
        fresh = numbers.add(first, after)
        self._set(numbers)
        return fresh

    def _set(self, numbers: Numbers) -> None:
        ranges = numbers.ranges
        simple = not ranges or (len(ranges) == 1 and ranges[0][0] == 1)
        self._done = numbers.complete if simple else numbers


class StreamTable:
    """All streams. Every method that changes something runs inside the caller's transaction."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        # By device, and where a device has had several outboxes, by name.
        self._streams: dict[str, Stream | dict[str, Stream]] = {}
        self._unwritten: list[Stream] = []
        self._written: int | None = None  # the offset up to which the rows hold; None: memory is not in step

    def forget(self) -> None:
        """Forget what is in memory: the transaction that changed it was rolled back."""
        self._streams.clear()
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
            stream = self.find(topic.split("/")[4], _decode_sender(payload).stream)
            for first, after in decode_ranges(fresh):
                self.add(stream, first, after)
        self._written = written

    def find(self, device: str, name: str) -> Stream:
        """Return a stream of a device."""
        known = self._streams.get(device)
        if isinstance(known, Stream):
            if known.name == name:  # the usual case
                return known
            known = self._streams[device] = {known.name: known}
        found = known.get(name) if known else None
        if found is None:
            row = self._db.execute("SELECT ranges FROM stream WHERE device = ? AND stream = ?", (device, name))
            ranges = row.fetchone()
            found = Stream(device, name, decode_ranges(ranges[0]) if ranges else [])
            if known:
                known[name] = found
            else:
                self._streams[device] = found
        return found

    def add(self, stream: Stream, first: int, after: int) -> list[tuple[int, int]]:
        """Mark numbers as done; see `Stream.add`."""
        fresh = stream.add(first, after)
        if fresh and stream.written:
            stream.written = False
            self._unwritten.append(stream)
        return fresh

    def heard(self, since: float) -> int:
        """Return of how many devices something has come since `since` (Unix s). For any thread."""
        return sum(
            any(stream.heard >= since for stream in ([known] if isinstance(known, Stream) else list(known.values())))
            for known in list(self._streams.values())
        )

    def write(self, streams: Iterable[Stream]) -> None:
        """Write the rows of these streams."""
        self._db.executemany(
            "INSERT INTO stream VALUES (?, ?, ?) ON CONFLICT (device, stream) DO UPDATE SET ranges = excluded.ranges",
            [(stream.device, stream.name, msgspec.json.encode(stream.ranges).decode()) for stream in streams],
        )

    def checkpoint(self, end: int, least: int = CHECKPOINT) -> int:
        """Write every row that lags behind, if that many messages have come since; `end`: the log's newest offset.

        Returns:
            The offset up to which the rows hold.
        """
        self.recover()
        assert self._written is not None
        if end - self._written >= least:
            # In the order of the table, so that each of its pages is touched once.
            self.write(sorted(self._unwritten, key=lambda stream: (stream.device, stream.name)))
            self._db.execute("INSERT OR REPLACE INTO position VALUES (?, ?)", (POSITION, end))
            for stream in self._unwritten:
                stream.written = True
            self._unwritten.clear()
            self._written = end
        return self._written
