"""Keeps what was measured in stacks: intervals, sums of hours, days. Whoever calls is inside a transaction."""

import sqlite3
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

import msgspec

from hub.judge.stacks.cells import Cells, Record
from hub.storage.rows import select

_record = msgspec.msgpack.Decoder(Record).decode
_cells = msgspec.msgpack.Decoder(Cells).decode
_encode = msgspec.msgpack.Encoder().encode


class Day(msgspec.Struct, kw_only=True):
    """One pollutant of an outlet on one local day, as far as its hours were over."""

    outlet: str
    pollutant: str
    start: int
    """Unix s; `until`: up to when hours are counted."""
    until: int
    hours: int
    stopped: int
    """Hours at rest; the others were due."""
    transmitted: int
    """Hours of those due of which anything came..."""
    valid: int
    """...and that are valid."""
    mean: float | None
    """As compared with limits, mg/m3; None: not valid."""
    measured_kg: float
    replaced_kg: float
    """It stands for hours that were not measured."""
    missing: int
    """Hours without a measured mass..."""
    unknown: int
    """...and of these without any."""
    differs: int
    """Hours in which the station's own conversion is not ours."""
    digest: int
    """Of all that is said of its hours: the same as long as that is."""


class DaySums(NamedTuple):
    """Days of one pollutant of an outlet, added up; each as `Day` has it."""

    hours: int
    stopped: int
    transmitted: int
    valid: int
    measured_kg: float
    replaced_kg: float
    missing: int
    unknown: int


NO_DAYS = DaySums(0, 0, 0, 0, 0.0, 0.0, 0, 0)


class Change(NamedTuple):
    """A local day of an outlet of which something was calculated that is others than before."""

    outlet: str
    start: int
    """Unix s."""
    number: int
    amended: int
    """Number of the newest change that took back something of what had been calculated; 0: hours were only added."""


class EmissionStore:
    """What is kept in the compliance database behind `db`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def position(self) -> tuple[int, int]:
        """Return the log's offset up to which everything was taken, and the edition of things that was gone by."""
        offset, things = self._db.execute("SELECT offset, things FROM emission_position").fetchone()
        return int(offset), int(things)

    def move(self, offset: int) -> None:
        """Note up to where everything was taken."""
        self._db.execute("UPDATE emission_position SET offset = ?", (offset,))

    def go_by(self, things: int) -> None:
        """Note the edition of things that is gone by."""
        self._db.execute("UPDATE emission_position SET things = ?", (things,))

    def marks(self) -> int:
        """Return the event of marks up to which they were gone by."""
        return int(self._db.execute("SELECT marks FROM emission_position").fetchone()[0])

    def go_by_marks(self, event: int) -> None:
        """Note the event of marks up to which they are gone by."""
        self._db.execute("UPDATE emission_position SET marks = ?", (event,))

    def record(self, device: str, t: int) -> Record | None:
        """Return what was said of an interval."""
        row = self._db.execute("SELECT content FROM emission_record WHERE device = ? AND t = ?", (device, t)).fetchone()
        return _record(row[0]) if row else None

    def keep(self, device: str, record: Record) -> None:
        """Keep what was said of an interval, in place of what was said of it before."""
        self._db.execute("INSERT OR REPLACE INTO emission_record VALUES (?, ?, ?)", (device, record.t, _encode(record)))

    def records(self, device: str, start: int, end: int) -> list[Record]:
        """Return what was said of intervals that begin in `start` <= t < `end`, Unix s."""
        rows = self._db.execute(
            "SELECT content FROM emission_record WHERE device = ? AND t >= ? AND t < ? ORDER BY t", (device, start, end)
        )
        return [_record(content) for (content,) in rows]

    def newest(self, device: str) -> int:
        """Return when the newest interval of a board or station begins, Unix s; 0: there is none."""
        return int(
            self._db.execute("SELECT ifnull(max(t), 0) FROM emission_record WHERE device = ?", (device,)).fetchone()[0]
        )

    def prune(self, device: str, before: int) -> None:
        """Let go of intervals before a moment, Unix s; what they come to stays."""
        self._db.execute("DELETE FROM emission_record WHERE device = ? AND t < ?", (device, before))

    def devices(self) -> list[str]:
        """Return all that ever measured in a stack."""
        return [device for (device,) in self._db.execute("SELECT DISTINCT device FROM emission_hour ORDER BY 1")]

    def put_hour(self, device: str, start: int, cells: Cells) -> None:
        """Keep what an hour comes to; the days do not hold it yet."""
        self._db.execute("INSERT OR REPLACE INTO emission_hour VALUES (?, ?, ?, 0)", (device, start, _encode(cells)))

    def hours(self, device: str, start: int, end: int) -> dict[int, Cells]:
        """Return the hours that begin in `start` <= t < `end`, Unix s, by their start."""
        rows = self._db.execute(
            "SELECT start, content FROM emission_hour WHERE device = ? AND start >= ? AND start < ?",
            (device, start, end),
        )
        return {begin: _cells(content) for begin, content in rows}

    def first_hour(self, device: str) -> int | None:
        """Return when the first hour began of which anything is known, Unix s."""
        found = self._db.execute("SELECT min(start) FROM emission_hour WHERE device = ?", (device,)).fetchone()[0]
        return None if found is None else int(found)

    def new_hours(self, before: int) -> list[tuple[str, int]]:
        """Return device and start of hours that the days do not hold, of those that begin before a moment."""
        return self._db.execute(
            "SELECT device, start FROM emission_hour WHERE reckoned = 0 AND start < ? ORDER BY start", (before,)
        ).fetchall()

    def reckoned(self, hours: Iterable[tuple[str, int]]) -> None:
        """Note that the days hold these hours."""
        self._db.executemany("UPDATE emission_hour SET reckoned = 1 WHERE device = ? AND start = ?", hours)

    def again(self, since: int) -> None:
        """See to it that the days that begin at a moment or later are calculated again from the hours."""
        self._db.execute("UPDATE emission_hour SET reckoned = 0 WHERE start >= ?", (since,))
        self._db.execute("UPDATE emission_day SET stale = 1 WHERE start >= ?", (since,))

    def again_of(self, outlet: str, devices: Iterable[str], since: int) -> None:
        """See to it that the days of one outlet are calculated again, as `again` has it; `devices`: who measures it."""
        for device in devices:
            self._db.execute("UPDATE emission_hour SET reckoned = 0 WHERE device = ? AND start >= ?", (device, since))
        self._db.execute("UPDATE emission_day SET stale = 1 WHERE outlet = ? AND start >= ?", (outlet, since))

    def drop_stale(self) -> None:
        """Forget the days that should have been calculated again and were not: nothing is known of them any more."""
        gone = self._db.execute("SELECT DISTINCT outlet, start FROM emission_day WHERE stale = 1").fetchall()
        if gone:
            self._db.execute("DELETE FROM emission_day WHERE stale = 1")
            self._note(gone, amended=True)

    def put_days(self, outlet: str, start: int, end: int, days: Sequence[Day], grown: Collection[Day] = ()) -> None:
        """Keep the days of an outlet in a period, Unix s, in place of those that were there.

        `grown`: those which say the same as before of all hours of which was said something before.
        """
        before = {(one.pollutant, one.start): one for one in self.days(outlet, start, end)}
        more = {(one.pollutant, one.start) for one in grown}
        added: set[int] = set()
        amended: set[int] = set()
        for one in days:
            if (old := before.pop((one.pollutant, one.start), None)) != one:
                (added if old is None or (one.pollutant, one.start) in more else amended).add(one.start)
        amended |= {at for _, at in before}
        self._note([(outlet, at) for at in sorted(added - amended)], amended=False)
        self._note([(outlet, at) for at in sorted(amended)], amended=True)
        self._db.execute("DELETE FROM emission_day WHERE outlet = ? AND start >= ? AND start < ?", (outlet, start, end))
        self._db.executemany(
            "INSERT INTO emission_day (outlet, pollutant, start, until, hours, stopped, transmitted, valid, mean, "
            "measured_kg, replaced_kg, missing, unknown, differs, digest) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    *(one.outlet, one.pollutant, one.start, one.until, one.hours, one.stopped, one.transmitted),
                    *(one.valid, one.mean, one.measured_kg, one.replaced_kg, one.missing, one.unknown, one.differs),
                    one.digest,
                )
                for one in days
            ],
        )

    def days(self, outlet: str, start: int, end: int, pollutant: str = "") -> list[Day]:
        """Return the days of an outlet that begin in a period, Unix s; of one pollutant or of all."""
        rest = "FROM emission_day WHERE outlet = ? AND start >= ? AND start < ?"
        if pollutant:
            return select(self._db, Day, f"{rest} AND pollutant = ? ORDER BY start", outlet, start, end, pollutant)
        return select(self._db, Day, f"{rest} ORDER BY start, pollutant", outlet, start, end)

    def sums(self, outlet: str, start: int, end: int) -> dict[str, DaySums]:
        """Return what the days of an outlet that begin in a period, Unix s, come to, by pollutant."""
        rows = self._db.execute(
            "SELECT pollutant, sum(hours), sum(stopped), sum(transmitted), sum(valid), sum(measured_kg), "
            "sum(replaced_kg), sum(missing), sum(unknown) FROM emission_day "
            "WHERE outlet = ? AND start >= ? AND start < ? GROUP BY pollutant",
            (outlet, start, end),
        )
        return {pollutant: DaySums(*sums) for pollutant, *sums in rows}

    def _note(self, days: Iterable[tuple[str, int]], *, amended: bool) -> None:
        """Give days of outlets the number of a new change."""
        number = self.last_change()
        for outlet, start in days:
            number += 1
            self._db.execute(
                "INSERT INTO emission_change (outlet, start, number, amended) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (outlet, start) DO UPDATE SET number = excluded.number, "
                "amended = max(amended, excluded.amended)",
                (outlet, start, number, number if amended else 0),
            )

    def last_change(self) -> int:
        """Return the number of the newest change; 0: there is none."""
        return int(self._db.execute("SELECT ifnull(max(number), 0) FROM emission_change").fetchone()[0])

    def changed_between(self, after: int, start: int, end: int) -> list[str]:
        """Return the outlets of which days that begin in a period, Unix s, changed behind a number."""
        rows = self._db.execute(
            "SELECT DISTINCT outlet FROM emission_change WHERE number > ? AND start >= ? AND start < ?",
            (after, start, end),
        )
        return [outlet for (outlet,) in rows]

    def changes(self, after: int, most: int) -> list[Change]:
        """Return the days that changed behind a number, of each its newest change, in the order of their numbers."""
        rows = self._db.execute(
            "SELECT outlet, start, number, amended FROM emission_change WHERE number > ? ORDER BY number LIMIT ?",
            (after, most),
        )
        return [Change(*row) for row in rows]
