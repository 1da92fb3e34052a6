"""Which records of each stream are done with, as the log keeps it: in memory, and in the log's table `stream`.

Most messages carry on where their stream was, and stand in the log with their record numbers. Writing the stream's row
for each of them would touch a page of the table for every board that is heard, so those rows are written only now and
then (`CHECKPOINT`), with the offset up to which they hold; after a kill the messages behind it give the rest again.
What no message in the log tells, such as the numbers of a refused one, is written in the transaction that decides it.

The messages of a stream are a chain: each names the one before it, and the stream knows the last. So what the log holds
under a number can be found without an index, which every message would have to pay for.
"""

import sqlite3
from collections.abc import Iterable

import msgspec

from hub.log.entry import decode_ranges
from hub.log.numbers import Numbers
from hub.wire.channels import channel

CHECKPOINT = 400_000
"""Messages between two writings of the rows: to read so many again after a kill takes about two seconds."""
POSITION = "streams"
"""The name by which the table `position` has the offset up to which the rows hold."""
MOST_STREAMS = 16
"""Streams of one board in memory; a board has one outbox, or a few over the years, unless it makes them up."""
MOST_RANGES = 1000
"""Ranges of numbers with holes between them in one stream: a board that sends its oldest first leaves a few."""
DOUBT = "~0"
"""Behind the name of a stream: its doubt. Its branches have ~1, ~2, ..."""
EARLIER = 0
"""As the branch of a message: an earlier version of the log wrote it, and it was chained afterwards."""


EVENTS = "!"
"""Behind the name of a stream: it counts events. `n` has the name in its upper bits, a number from 1 in the others."""
EVENT_BITS = 20


def place_of_event(number: int) -> tuple[str, int]:
    """Return the stream that counts an event of this number, and its number in there.

    A board draws at random where its numbers begin, in steps of 2^20, so that none is ever given twice.
    """
    return f"{(number - 1) >> EVENT_BITS:08x}{EVENTS}", ((number - 1) & ((1 << EVENT_BITS) - 1)) + 1


class TooManyHolesError(Exception):
    """Numbers that would be one more range than a stream may have; nothing has been marked."""


class Stream:
    """The numbers of one stream that are done with.

    A class with slots and nothing else, and most often one number in it: a hundred thousand have to fit in memory.
    """

    __slots__ = ("_done", "branches", "device", "doubt", "heard", "name", "newest", "tail", "until", "written")

    def __init__(
        self,
        device: str,
        name: str,
        ranges: list[tuple[int, int]],
        tail: int = 0,
        newest: int = 0,
        until: int = 0,
    ) -> None:
        self.device = device
        self.name = name
        self.heard = 0.0
        """When something of it came last, Unix s; 0: not since the start."""
        self.written = True
        """The table's row says the same."""
        self.tail = tail
        """Offset of its last message in the log; 0: none."""
        self.newest = newest
        """None of its records is later than this, Unix s."""
        self.branches: tuple[Stream, ...] = ()
        """Records that came with other content under its numbers: `9f3a12c4~1`, `9f3a12c4~2`, ..."""
        self.doubt: Stream | None = None
        """What its board has shown since it was heard again and may be another one."""
        self.until = until
        """Of a branch or a doubt: until it is complete so far, its board may hold what the hub has not heard."""
        self._done: Numbers | int = 0  # N: 1 to N
        self._set(Numbers(ranges))

    @property
    def complete(self) -> int:
        """The number up to which everything is done."""
        return self._done if isinstance(self._done, int) else self._done.complete

    @property
    def top(self) -> int:
        """The highest number that is done."""
        done = self._done
        return done if isinstance(done, int) else done.ranges[-1][1] - 1

    @property
    def ranges(self) -> list[tuple[int, int]]:
        """The ranges [first, after the last) that are done."""
        done = self._done
        return done.ranges if isinstance(done, Numbers) else [(1, done + 1)] if done else []

    def add(self, first: int, after: int) -> list[tuple[int, int]]:
        """Mark the numbers `first` <= n < `after` as done; return the ranges of those that were not before.

        Raises:
            TooManyHolesError: there are too many holes already to make another one.
        """
        done = self._done
        if isinstance(done, int):
            if after <= done + 1 or first >= after:
                return []
            if first == done + 1:  # the usual case
                self._done = after - 1
                return [(first, after)]
        numbers = Numbers(self.ranges)
        fresh = numbers.add(first, after)
        if len(numbers.ranges) > MOST_RANGES:
            raise TooManyHolesError
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
        self._crowded: set[str] = set()  # devices with more than MOST_STREAMS
        self._unwritten: dict[Stream, None] = {}
        self.now = 0.0
        """When the transaction began, Unix s."""
        self._written: int | None = None  # the offset up to which the rows hold; None: memory is not in step

    def forget(self) -> None:
        """Forget what is in memory: the transaction that changed it was rolled back."""
        self._streams.clear()
        self._crowded.clear()
        self._unwritten.clear()
        self._written = None

    def recover(self) -> None:
        """Bring memory in step with the log, where it is not."""
        if self._written is not None:
            return
        row = self._db.execute("SELECT offset FROM position WHERE consumer = ?", (POSITION,)).fetchone()
        written = row[0] if row else 0
        behind = self._db.execute(
            "SELECT offset, topic, payload, fresh, before, branch FROM message "
            "WHERE offset > ? AND fresh IS NOT NULL ORDER BY offset",
            (written,),
        )
        unchained = []
        for offset, topic, payload, fresh, before, branch in behind:
            found, place = channel(topic)
            if found.outline is None:
                continue  # its records have no numbers
            name, latest = found.outline(payload)
            stream = self.find(place.device, name)
            if branch:
                stream = self.branch(stream, branch)
            for first, after in decode_ranges(fresh):
                self.add(stream, first, after)
            if before is None:  # an earlier version wrote it
                unchained.append((stream.tail, offset))
            self.chain(stream, offset, latest)
        self._db.executemany("UPDATE message SET before = ?, branch = 0 WHERE offset = ?", unchained)
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
            found = self._load(device, name)
            if known:
                known[name] = found
                if len(known) > MOST_STREAMS:
                    self._crowded.add(device)
            else:
                self._streams[device] = found
        return found

    def _load(self, device: str, name: str) -> Stream:
        rows = self._db.execute(
            "SELECT stream, ranges, tail, newest, until FROM stream WHERE device = ? AND (stream = ? "
            "OR stream BETWEEN ? AND ?) ORDER BY stream",
            (device, name, f"{name}~", f"{name}~9"),
        )
        streams = {
            found: Stream(device, found, decode_ranges(ranges), tail or 0, newest or 0, until)
            for found, ranges, tail, newest, until in rows
        }
        stream = streams.pop(name, None) or Stream(device, name, [])
        doubt = streams.pop(f"{name}{DOUBT}", None)
        stream.doubt = doubt if doubt and doubt.complete < doubt.until else None
        stream.branches = tuple(streams.values())
        for branch in stream.branches:
            branch.heard = self.now  # it may have been: it is not known
        return stream

    def branch(self, stream: Stream, number: int) -> Stream:
        """Return the branch of a stream with this number, 1, 2, ...; there is none behind one that there is not."""
        while len(stream.branches) < number:
            name = f"{stream.name}~{len(stream.branches) + 1}"
            stream.branches = (*stream.branches, Stream(stream.device, name, []))
        return stream.branches[number - 1]

    def add(self, stream: Stream, first: int, after: int) -> list[tuple[int, int]]:
        """Mark numbers as done; see `Stream.add`."""
        fresh = stream.add(first, after)
        if fresh and stream.written:
            self._note(stream)
        return fresh

    def chain(self, stream: Stream, offset: int, latest: int) -> None:
        """Take notice of the stream's newest message in the log, whose records are not later than `latest`, Unix s."""
        stream.tail = offset
        stream.newest = max(stream.newest, latest)
        if stream.written:
            self._note(stream)

    def _note(self, stream: Stream) -> None:
        stream.written = False
        self._unwritten[stream] = None

    def heard(self, since: float) -> int:
        """Return of how many devices something has come since `since` (Unix s). For any thread."""
        return sum(
            any(stream.heard >= since for stream in ([known] if isinstance(known, Stream) else list(known.values())))
            for known in list(self._streams.values())
        )

    def write(self, streams: Iterable[Stream]) -> None:
        """Write the rows of these streams."""
        self._db.executemany(
            "INSERT INTO stream (device, stream, ranges, tail, newest, until) VALUES (?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (device, stream) DO UPDATE SET ranges = excluded.ranges, tail = excluded.tail, "
            "newest = excluded.newest, until = excluded.until",
            [
                (
                    stream.device,
                    stream.name,
                    msgspec.json.encode(stream.ranges).decode(),
                    stream.tail,
                    stream.newest,
                    stream.until,
                )
                for stream in streams
            ],
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

    def trim(self) -> None:
        """Write and forget the streams of boards that have too many, the first that came first."""
        for device in self._crowded:
            known = self._streams[device]
            if isinstance(known, Stream):
                continue
            excess = [known.pop(name) for name in list(known)[: len(known) - MOST_STREAMS]]
            lagging = [one for stream in excess for one in (stream, *stream.branches) if not one.written]
            self.write(lagging)
            for stream in lagging:
                stream.written = True
                del self._unwritten[stream]
        self._crowded.clear()
