"""Runs one consumer of the log in a thread of its own: it may fail, fall behind and catch up without the others."""

import logging
import threading
from typing import Protocol

from hub.log import Entry, Log
from hub.readings import readings
from hub.stores import Store
from hub.stores.base import StoreError

MOST = 1000  # entries at once

log = logging.getLogger("hub.consumer")


class Sink(Protocol):
    """Where the entries go; it remembers by itself how far it is."""

    def position(self) -> int:
        """Return the offset up to which it is done."""

    def take(self, entries: list[Entry]) -> None:
        """Take the next entries; called with none when time has passed."""


class StoreSink:
    """Writes the entries' readings to a series store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def position(self) -> int:
        """See `Sink`."""
        return self._store.position()

    def take(self, entries: list[Entry]) -> None:
        """See `Sink`."""
        if entries:
            self._store.write([r for entry in entries for r in readings(entry)], entries[-1].offset)


class Consumer(threading.Thread):
    """Feeds `sink` from the log until it is stopped. What fails is tried again, 1 to 60 s later."""

    def __init__(self, name: str, source: Log, sink: Sink) -> None:
        super().__init__(name=name, daemon=True)
        self._source = source
        self._sink = sink
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
        pause = 1.0
        while not self._stop_asked.is_set():
            self._wake.clear()
            try:
                entries = self._source.read(self._sink.position(), MOST)
                self._sink.take(entries)
                pause = 1.0
                if not entries:
                    self._wake.wait(1)
            except StoreError as error:
                log.warning("%s: %s; trying again in %.0f s", self.name, error, pause)
                self._stop_asked.wait(pause)
                pause = min(60.0, pause * 2)
            except Exception:
                log.exception("%s: failed; trying again in %.0f s", self.name, pause)
                self._stop_asked.wait(pause)
                pause = min(60.0, pause * 2)
