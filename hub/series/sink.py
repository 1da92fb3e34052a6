"""Writes what was measured to a series store."""

from hub.log.entry import Entry, Interval
from hub.series.base import Store

MOST_INTERVALS = 5000
"""Records in one write to a store, about."""


MOST_VALUES = 12 * MOST_INTERVALS
"""Values in one write to a store, about."""


class StoreSink:
    """Writes what was measured to a series store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._written = store.position()
        self._decoded = self._written
        self._waiting: list[Interval] = []  # from behind `_written` up to `_decoded`
        self._values = 0  # in those

    def position(self) -> int:
        """See `Sink`."""
        return self._written

    def take(self, entries: list[Entry]) -> None:
        """See `Sink`."""
        try:
            self._take(entries)
        except MemoryError:
            self._begin(self._written)  # what waits is part of what there was no room for
            raise

    def _take(self, entries: list[Entry]) -> None:
        if self._decoded > self._written:
            self._write()  # what was refused when it came
        for entry in entries:
            if entry.offset > self._decoded:
                self._waiting += entry.intervals
                self._values += sum(len(i.values) + len(i.flagged) for i in entry.intervals)
                self._decoded = entry.offset
                if len(self._waiting) >= MOST_INTERVALS or self._values >= MOST_VALUES:
                    self._write()
        if self._decoded > self._written:
            self._write()

    def _write(self) -> None:
        self._store.write(self._waiting, self._decoded)
        self._begin(self._decoded)

    def _begin(self, written: int) -> None:
        self._written = self._decoded = written
        self._waiting, self._values = [], 0
