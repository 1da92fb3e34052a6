"""Hands the log to several consumers, each at its own position: what they are all at is read and decoded once."""

import threading
import time
from collections import deque
from itertools import islice
from pathlib import Path

from hub.log.entry import Entry
from hub.log.log import Log
from hub.log.reader import READ
from hub.process.turns import Turns

KEPT = 2 << 20
"""How much is kept, decoded, for the consumers that come to it next: bytes of messages, in memory ten times that."""
ACTIVE = 10.0
"""A consumer that has read within this time is waited for; one that fails or pauses for longer is not [s]."""
PATIENCE = 1.0
"""For so long at most, before each reading [s]."""


class Feed:
    """The log in the file `path`, for several threads; each takes a `Reader`.

    Where all go through a backlog, those ahead wait a little for those behind, so that they read together: that costs
    less in all than each decoding for itself. Whoever lags behind what is kept all the same reads for itself.
    """

    def __init__(self, path: Path, turns: Turns, kept: int = KEPT) -> None:
        self._log = Log(path)
        self._turns = turns
        self._kept = kept
        self._window: deque[Entry] = deque()  # consecutive entries, the newest that anybody has read
        self._weight = 0  # of all of them
        self._readers: list[Reader] = []
        self._moved = threading.Condition()

    def reader(self) -> "Reader":
        """Return what one consumer reads by."""
        made = Reader(self)
        self._readers.append(made)
        return made

    def close(self) -> None:
        """Close the file."""
        self._log.close()

    def _read(self, reader: "Reader", after: int, most: int, size: int) -> list[Entry]:
        with self._moved:
            reader.at, reader.seen = after, time.monotonic()
            self._moved.notify_all()
            window = self._window
            if not (window and window[0].offset <= after + 1 <= window[-1].offset):
                if window and after == window[-1].offset:
                    self._moved.wait_for(lambda: not self._leaves_behind(reader), PATIENCE)
                if not (window and window[0].offset <= after + 1 <= window[-1].offset):
                    return self._read_on(after, most, size)
            start, entries = after + 1 - window[0].offset, []
            for entry in islice(window, start, start + most):
                entries.append(entry)
                size -= entry.weight
                if size <= 0:
                    break
            return entries

    def _end(self) -> int:
        with self._moved:
            return self._log.end()

    def _leaves_behind(self, reader: "Reader") -> bool:
        """Tell whether some other active reader still needs most of what is kept."""
        if 2 * self._weight < self._kept:
            return False
        middle, now = (self._window[0].offset + self._window[-1].offset) / 2, time.monotonic()
        return any(one.at < middle and now - one.seen < ACTIVE for one in self._readers if one is not reader)

    def _read_on(self, after: int, most: int, size: int) -> list[Entry]:
        window = self._window
        entries = self._log.read(after, most, size)
        if entries and window and after != window[-1].offset:
            if after < window[-1].offset:
                return entries  # old ones, for one reader
            window.clear()
            self._weight = 0
        with self._turns.one():
            for entry in entries:
                _ = entry.intervals  # here, where one thread at a time does it
                window.append(entry)
                self._weight += entry.weight
        while self._weight > self._kept:
            self._weight -= window.popleft().weight
        return entries


class Reader:
    """One consumer's way through a feed, used by one thread."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self.at = 0
        """The offset behind which it read last."""
        self.seen = 0.0
        """When, by the monotonic clock [s]."""

    def read(self, after: int, most: int, size: int = READ) -> list[Entry]:
        """Return up to `most` entries behind the offset `after`, in order: of about `size` bytes, and one at least."""
        return self._feed._read(self, after, most, size)  # noqa: SLF001 - the two are one

    def end(self) -> int:
        """Return the offset of the newest message, 0 when there is none."""
        return self._feed._end()  # noqa: SLF001
