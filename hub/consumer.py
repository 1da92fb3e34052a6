"""Runs one consumer of the log in a thread of its own: it may fail, fall behind and catch up without the others."""

import logging
import random
import threading
from collections.abc import Callable
from typing import Protocol

from hub.log import Entry, Log
from hub.readings import Interval, intervals
from hub.stores.base import Store, StoreError

MOST = 1000
"""Entries in memory at once."""
MOST_INTERVALS = 5000
"""Records in one write to a store, about."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
LONGEST_REQUESTED = 600.0
"""A store that asks for a longer rest is asked again nevertheless, s."""

log = logging.getLogger("hub.consumer")


class Sink(Protocol):
    """Where the entries go; it remembers by itself how far it is."""

    def position(self) -> int:
        """Return the offset up to which it is done, and stays so if the process is killed."""

    def take(self, entries: list[Entry]) -> None:
        """Take the next entries; called with none when time has passed.

        Raises:
            StoreError: not now; the same entries are given again later. Those it has taken already, it leaves out.
        """


class StoreSink:
    """Writes what was measured to a series store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._written = store.position()
        self._decoded = self._written
        self._waiting: list[Interval] = []  # from behind `_written` up to `_decoded`

    def position(self) -> int:
        """See `Sink`."""
        return self._written

    def take(self, entries: list[Entry]) -> None:
        """See `Sink`."""
        if self._decoded > self._written:
            self._write()  # what was refused when it came
        for entry in entries:
            if entry.offset > self._decoded:
                self._waiting += intervals(entry)
                self._decoded = entry.offset
                if len(self._waiting) >= MOST_INTERVALS:
                    self._write()
        if self._decoded > self._written:
            self._write()

    def _write(self) -> None:
        self._store.write(self._waiting, self._decoded)
        self._written, self._waiting = self._decoded, []


class Consumer(threading.Thread):
    """Feeds `sink` from the log until it is stopped. What fails is tried again, at most 60 s later.

    While `waits` says so, the sink is given nothing, and not even told that time has passed.

    The pauses are drawn at random from a span that doubles ("full jitter"), so that several hubs do not all come back
    to a recovering server at the same moment.
    """

    def __init__(self, name: str, source: Log, sink: Sink, waits: Callable[[], bool] = lambda: False) -> None:
        super().__init__(name=name, daemon=True)
        self.position: int | None = None
        """The offset up to which the sink is done; None until that is known."""
        self.failing: str | None = None
        """Why the sink takes nothing just now; None when it does."""
        self._source = source
        self._sink = sink
        self._waits = waits
        self._entries: list[Entry] = []  # given to the sink and not taken yet
        self._read: int | None = None  # the last offset that was read
        self._wake = threading.Event()
        self._stop_asked = threading.Event()

    def wake(self) -> None:
        """Say that the log has grown."""
        self._wake.set()

    def stop(self) -> None:
        """Ask it to end after what it is doing now."""
        self._stop_asked.set()
        self._wake.set()

    def run(self) -> None:
        """Work until stopped."""
        failures = 0
        while not self._stop_asked.is_set():
            self._wake.clear()
            try:
                self._begin()
                idle = self._waits() or not self._step()
            except StoreError as error:
                self.failing = str(error)
                pause = pause_after(failures, error.retry_after)
                failures += 1
                log.warning("%s: %s; trying again in %.0f s", self.name, error, pause)
                self._stop_asked.wait(pause)
            except Exception as error:
                self.failing = repr(error)
                self._entries, self._read = [], None  # how far it came, only the sink knows
                pause = pause_after(failures)
                failures += 1
                log.exception("%s: failed; trying again in %.0f s", self.name, pause)
                self._stop_asked.wait(pause)
            else:
                failures, self.failing = 0, None
                if idle:
                    self._wake.wait(1)

    def _begin(self) -> None:
        if self._read is None:
            self._read = self.position = self._sink.position()

    def _step(self) -> bool:
        """Give the sink what comes next; return whether there was anything."""
        assert self._read is not None
        if not self._entries:
            self._entries = self._source.read(self._read, MOST)
        if self._entries:
            self._read = self._entries[-1].offset
        self._sink.take(self._entries)
        found = bool(self._entries)
        self._entries = []
        self.position = self._sink.position()
        return found


def pause_after(failures: int, requested: float = 0) -> float:
    """Return how long to wait after one more failure, s; `requested`: at least so long, the store said."""
    span = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(failures, 10))
    return min(requested, LONGEST_REQUESTED) + random.uniform(0, span)  # noqa: S311
