"""Adds up what platforms are to hear of, as a consumer of the log.

What it adds up, who has to hear of it, and its position in the log change in one transaction: killed at any moment,
each record counts once. It begins with the day on which there is an [[uplink]] for the first time.
"""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

from hub.config.uplinks import Kind, Uplink
from hub.log.entry import Entry, Interval
from hub.log.reader import reading_log
from hub.series.periods import ADD_UP, DAY, Calendar, Sums
from hub.series.rollups import NOT_ROLLED_UP
from hub.storage.database import open_database, transaction
from hub.uplink.tables import STEPS
from schemas import Quantity

PERIODS: Mapping[Kind, int] = {"minute": 60, "hour": 3600, "day": DAY}
PRUNE_EVERY = 3600.0
"""Between two removals of what is too old [s]."""
_ADD = f"INSERT INTO total VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) {ADD_UP}"  # noqa: S608 - of this tree
_DUE = """
INSERT INTO due VALUES (?, ?, ?, ?, ?, 1, 0)
ON CONFLICT DO UPDATE SET version = version + 1, ready = max(ready, excluded.ready)
"""

_Key = tuple[str, Kind, int]


class Collector:
    """The consumer of the log in the file `log`. `clock` gives Unix time in s."""

    def __init__(
        self,
        path: Path,
        uplinks: Sequence[Uplink],
        quantities: Mapping[str, Quantity],
        zone: ZoneInfo,
        clock: Callable[[], float],
        log: Path,
    ) -> None:
        self._db = open_database(path, STEPS)
        self._uplinks = uplinks
        self._heard = {point.device for uplink in uplinks for point in uplink.points}
        self._aggregates = {
            key: one.aggregate for key, one in quantities.items() if one.hj212 and one.aggregate not in NOT_ROLLED_UP
        }
        self._calendar = Calendar(zone)
        self._clock = clock
        self._pruned = 0.0
        self._position = int(self._db.execute("SELECT offset FROM position").fetchone()[0])
        if self._position < 0:
            with reading_log(log) as entries:
                self._position = entries.offset_at(self._calendar.start(int(clock()), DAY)) - 1
            self._db.execute("UPDATE position SET offset = ?", (self._position,))

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    def position(self) -> int:
        """See `hub.log.consumer.Sink`."""
        return self._position

    def take(self, entries: list[Entry]) -> None:
        """See `hub.log.consumer.Sink`."""
        now = self._clock()
        totals: dict[_Key, dict[tuple[str, str], Sums]] = {}
        for entry in entries:
            if entry.offset > self._position and entry.place.device in self._heard:
                for interval in entry.intervals:
                    self._add(interval, totals)
        if entries:
            offset = max(self._position, entries[-1].offset)
            with transaction(self._db):
                self._write(totals, now)
                self._db.execute("UPDATE position SET offset = ?", (offset,))
            self._position = offset
        if now - self._pruned >= PRUNE_EVERY:
            self._pruned = now
            self._prune(now)

    def _add(self, interval: Interval, totals: dict[_Key, dict[tuple[str, str], Sums]]) -> None:
        for kind, period in PERIODS.items():
            start = self._calendar.start(interval.t, period)
            found = totals.setdefault((interval.device, kind, start), {})
            for quantity, value in interval.values.items():
                if aggregate := self._aggregates.get(quantity):
                    found.setdefault((quantity, "N"), Sums()).add(aggregate, value, interval.t, interval.dt)
            for quantity, (letter, _) in interval.flagged.items():
                if quantity in self._aggregates:
                    found.setdefault((quantity, letter), Sums(highest=0.0, lowest=0.0)).seconds += interval.dt

    def _write(self, totals: Mapping[_Key, Mapping[tuple[str, str], Sums]], now: float) -> None:
        for (device, kind, start), found in totals.items():
            rows = [
                (device, kind, start, *key, s.seconds, s.total, s.across, s.highest, s.lowest, s.latest)
                for key, s in found.items()
            ]
            self._db.executemany(_ADD, rows)
            end = start + self._calendar.length(start, PERIODS[kind])
            for uplink in self._uplinks:
                if found and kind in uplink.send and any(device == point.device for point in uplink.points):
                    # Late data come in pieces: what is told again waits for the others as the first time.
                    ready = max(end, now if now > end + uplink.settle else end) + uplink.settle
                    self._db.execute(_DUE, (uplink.name, device, kind, start, ready))

    def _prune(self, now: float) -> None:
        """Remove what is older than anybody keeps."""
        days = max((one.keep_days for one in self._uplinks), default=0)
        with transaction(self._db):
            self._db.execute("DELETE FROM total WHERE start < ?", (now - DAY * days,))
            for one in self._uplinks:
                before = now - DAY * one.keep_days
                self._db.execute("DELETE FROM due WHERE platform = ? AND start < ?", (one.name, before))


def totals_of(db: sqlite3.Connection, device: str, kind: str, start: int) -> dict[tuple[str, str], Sums]:
    """Return what was measured in an interval, by quantity and letter."""
    rows = db.execute(
        "SELECT quantity, letter, seconds, total, across, highest, lowest, latest FROM total "
        "WHERE device = ? AND kind = ? AND start = ?",
        (device, kind, start),
    )
    return {(quantity, letter): Sums(*more) for quantity, letter, *more in rows}
