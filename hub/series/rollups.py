"""Keeps rollups of 10 min, 1 h and the local day, so that a year on one panel stays quick.

A consumer of the log. What it adds up and its position in the log change in one transaction, about once a minute;
until then the latest entries' share is in memory, and after a kill the log gives them again. What has changed is then
written to the series store, in full and under the same key: a kill in between writes the same once more. So each
record counts once, however late it comes, and a store that was away is told everything that it missed.

Only flag N counts. Each quantity is rolled up by the catalogue's aggregate. The levels exceeded so many % of the time,
and the standard deviation, are made of the boards' counts of levels (`hub.series.levels`): a long interval's cannot be
made of short ones'. Of a board that counts none, as with an earlier agent, there are none. Sound beyond the instrument
counts as what it was at least, and is no part of the capture. The state takes about 4 MB for each board with 11
quantities, a fifth more where levels are counted. Without its file, it is made again from the log.
"""

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from hub.log.entry import Entry, Interval
from hub.series.base import PERIODS, Gone, Rollup, Store, Void, voids_of
from hub.series.levels import DEVIATION, PERCENTS, Levels, counted, unpacked
from hub.series.periods import ADD_UP, DAY, Calendar, Sums
from hub.storage.database import open_database, read_only, transaction
from schemas import Quantity

EVERY = 60
"""Time between two writings of what has changed [s]."""
LATEST = 35 * DAY
"""How far a record may lie behind the newest one to count, s. A board's flash holds less."""
KEEP = 40 * DAY
"""How far behind the newest record the state goes back, s: every period that a record may still change is whole."""
MOST_PENDING = 60_000
"""Boards' 10 min periods and quantities of them in memory, about 250 bytes each; beyond, they are written at once."""
MOST_PLACES = 20_000
"""Boards' row numbers in memory; the others are looked up."""
MOST_WRITTEN = 2000
"""Periods of boards in one write to the store, of up to as many quantities each as the catalogue has."""

BASE = min(PERIODS)
NOT_ROLLED_UP = {"l5", "l10", "l50", "l90", "l95", "lsd"}
"""Aggregates that are not made of the intervals' values, but of the boards' counts of levels."""
COUNTED = "l50"
"""The quantity whose flag tells whether a record's levels count."""
ENERGY = "laeq"
"""The quantity without which levels that were counted do not count either."""
HEAVY = 12
"""What the counts of one period weigh in memory, in sums."""
WITH_EXTREMES = {"mean", "energy_mean", "last"}
"""Aggregates beside which the intervals' highest and lowest value tell something."""

STEPS = (
    """
CREATE TABLE place (
    id INTEGER PRIMARY KEY,
    district TEXT NOT NULL, site TEXT NOT NULL, device TEXT NOT NULL,
    UNIQUE (device, district, site)
);
CREATE TABLE bucket (             -- what has been measured of one quantity in one period: hub.periods.Sums
    place INTEGER, period INTEGER, start INTEGER, quantity TEXT,
    seconds REAL NOT NULL, total REAL NOT NULL, across REAL NOT NULL,
    highest REAL NOT NULL, lowest REAL NOT NULL, latest INTEGER,
    PRIMARY KEY (place, period, start, quantity)
) WITHOUT ROWID;
CREATE TABLE changed (            -- periods that the store does not have as they are now
    place INTEGER, period INTEGER, start INTEGER,
    PRIMARY KEY (place, period, start)
) WITHOUT ROWID;
CREATE TABLE position (
    offset INTEGER NOT NULL,      -- in the log
    newest INTEGER NOT NULL,      -- start of the newest record, Unix s
    pruned INTEGER NOT NULL       -- nothing is kept from before
);
INSERT INTO position VALUES (0, 0, 0)
""",
    """
CREATE TABLE levels (             -- how often each level of noise was in one period
    place INTEGER, period INTEGER, start INTEGER,
    counts BLOB NOT NULL,         -- hub.series.levels.Levels
    PRIMARY KEY (place, period, start)
) WITHOUT ROWID
""",
    """
CREATE TABLE gone (               -- what the store may have, and nothing is left of
    place INTEGER, period INTEGER, start INTEGER, quantity TEXT,
    PRIMARY KEY (place, period, start, quantity)
) WITHOUT ROWID
""",
)

ADD = f"INSERT INTO bucket VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) {ADD_UP}"  # noqa: S608 - of this tree

_SUMS = "seconds, total, across, highest, lowest, latest"
_BUCKET = "place = ? AND period = ? AND start = ? AND quantity = ?"

log = logging.getLogger("hub.rollups")


class Rollups:
    """The rollups whose state is in the file `path`; they go to `store`. `clock` gives Unix time in s."""

    def __init__(
        self, path: Path, store: Store, quantities: dict[str, Quantity], zone: ZoneInfo, clock: Callable[[], float]
    ) -> None:
        self._db = open_database(path, STEPS)
        self._store = store
        self._aggregates = {key: q.aggregate for key, q in quantities.items() if q.aggregate not in NOT_ROLLED_UP}
        self._calendar = Calendar(zone)
        self._clock = clock
        self._saved = clock()
        self._published = False
        self._places: dict[tuple[str, str, str], int] = {}
        self._offset = self._taken = self._newest = self._pruned = 0
        self._too_late = 0
        self._pending: dict[tuple[str, str, str, int], dict[str, Sums]] = {}
        self._levels: dict[tuple[str, str, str, int], Levels] = {}
        self._voids: list[Void] = []
        self._sums = 0  # in all of them
        self._parts = 1  # of what is usual, so much at once
        self._forget()

    def position(self) -> int:
        """See `hub.log.consumer.Sink`."""
        return self._offset

    def take(self, entries: list[Entry]) -> None:
        """See `hub.log.consumer.Sink`."""
        try:
            for entry in entries:
                if entry.offset > self._taken:
                    for interval in entry.intervals:
                        self._add(interval)
                    self._taken = entry.offset
                    if entry.fresh and entry.findings and (voids := voids_of(entry.intervals)):
                        # What they take back is in memory, or in the file: then it is all in the file.
                        self._voids = voids
                        self._save()
                    elif self._sums >= MOST_PENDING // self._parts:
                        self._save()
            if self._taken > self._offset and not 0 <= self._clock() - self._saved < EVERY:
                self._save()
        except BaseException as error:
            self._forget()
            self._spare(error)
            raise
        if not self._published:
            try:
                self._publish()
            except MemoryError as error:
                self._spare(error)
                raise

    def close(self) -> None:
        """Close the file. What is in memory, the log gives again."""
        self._db.close()

    def _spare(self, error: BaseException) -> None:
        """Keep and write less at once from now on, if there was no room for it."""
        if isinstance(error, MemoryError):
            self._parts = min(2 * self._parts, MOST_WRITTEN)

    def _forget(self) -> None:
        """Go back to what is in the file."""
        self._offset, self._newest, self._pruned = self._db.execute("SELECT * FROM position").fetchone()
        self._taken = self._offset
        self._too_late = self._sums = 0
        self._pending.clear()
        self._levels.clear()
        self._voids.clear()
        self._places.clear()

    def _add(self, i: Interval) -> None:
        if i.t <= self._newest - LATEST:
            self._too_late += 1
            return
        self._newest = max(self._newest, i.t)
        key = (i.district, i.site, i.device, self._calendar.start(i.t, BASE))
        bucket = self._pending.get(key)
        if bucket is None:
            bucket = self._pending[key] = {}
            self._sums += 1
        for quantity, value in i.values.items():
            aggregate = self._aggregates.get(quantity)
            if aggregate:
                sums = bucket.get(quantity)
                if sums is None:
                    sums = bucket[quantity] = Sums()
                    self._sums += 1
                sums.add(aggregate, value, i.t, i.dt)
        clipped = i.flagged.get(COUNTED, ("",))[0] == "T"
        if i.reported and (clipped or COUNTED in i.values):
            levels = counted(i.reported, i.dt, clipped=clipped)
            if levels is not None and key in self._levels:
                self._levels[key].add(levels)
            elif levels is not None:
                self._levels[key] = levels
                self._sums += HEAVY

    def _save(self) -> None:
        """Add what is in memory to the file, for every period that it is part of."""
        self._saved = self._clock()
        changed: set[tuple[int, int, int]] = set()
        with transaction(self._db):
            for key, bucket in self._pending.items():
                place, base = self._place(*key[:3]), key[3]
                rows: list[tuple[object, ...]] = []
                for period in PERIODS:
                    start = self._calendar.start(base, period)
                    changed.add((place, period, start))
                    rows += [
                        (place, period, start, quantity, s.seconds, s.total, s.across, s.highest, s.lowest, s.latest)
                        for quantity, s in bucket.items()
                    ]
                self._db.executemany(ADD, rows)
                if key in self._levels:
                    self._add_levels(place, base, self._levels[key])
            for void in self._voids:
                self._take_back(void, changed)
            self._db.executemany("INSERT OR IGNORE INTO changed VALUES (?, ?, ?)", sorted(changed))
            self._prune()
            self._db.execute("UPDATE position SET offset = ?, newest = ?", (self._taken, self._newest))
        if self._too_late:
            log.warning(
                "%d records lie more than %d days behind the newest one: they are in the log and in the series, "
                "but the rollups of their time stay as they are",
                self._too_late,
                LATEST // DAY,
            )
        self._offset, self._too_late, self._sums = self._taken, 0, 0
        self._pending.clear()
        self._levels.clear()
        self._voids.clear()
        self._published = self._published and not changed

    def _add_levels(self, place: int, base: int, levels: Levels) -> None:
        for period in PERIODS:
            key = place, period, self._calendar.start(base, period)
            row = self._db.execute(
                "SELECT counts FROM levels WHERE place = ? AND period = ? AND start = ?", key
            ).fetchone()
            total = unpacked(row[0]) if row else Levels()
            total.add(levels)
            self._db.execute("INSERT OR REPLACE INTO levels VALUES (?, ?, ?, ?)", (*key, total.packed()))

    def _take_back(self, void: Void, changed: set[tuple[int, int, int]]) -> None:
        """Take what a faulty sensor gave out of every period that it is part of.

        Whatever a period holds from `since` on is of it: what is right came before, or is still to come. Of a period
        that it begins in, the highest and lowest value of the rest are not known any more.
        """
        place, quantity = self._place(void.district, void.site, void.device), void.quantity
        starts = range(self._calendar.start(void.since, BASE), void.until, BASE)
        for start in starts:
            key = place, BASE, start, quantity
            row = self._db.execute(f"SELECT {_SUMS} FROM bucket WHERE {_BUCKET}", key).fetchone()  # noqa: S608
            if row is None:
                continue
            sums = Sums(*row)
            left = min(sums.seconds, max(0, void.since - start))
            taken = Sums()
            taken.add(self._aggregates.get(quantity, "mean"), void.value, start, sums.seconds - left)
            sums.seconds, sums.total, sums.across = left, sums.total - taken.total, sums.across - taken.across
            sums.highest, sums.lowest = -math.inf, math.inf
            self._put(key, sums if left else None)
            if quantity == ENERGY and not left:
                self._put_levels((place, BASE, start), None)
        for period in PERIODS:
            for start in sorted({self._calendar.start(one, period) for one in starts}):
                changed.add((place, period, start))
                if period != BASE:
                    self._add_up(place, period, start, quantity)
                self._db.execute("INSERT OR IGNORE INTO gone VALUES (?, ?, ?, ?)", (place, period, start, quantity))

    def _add_up(self, place: int, period: int, start: int, quantity: str) -> None:
        """Make a long period's sums anew of its short ones."""
        until = start + self._calendar.length(start, period)
        within = "place = ? AND period = ? AND start >= ? AND start < ?"
        rows = self._db.execute(
            f"SELECT {_SUMS} FROM bucket WHERE {within} AND quantity = ?",  # noqa: S608 - names of columns
            (place, BASE, start, until, quantity),
        )
        whole = Sums()
        for part in (Sums(*row) for row in rows):
            whole.seconds += part.seconds
            whole.total += part.total
            whole.across += part.across
            whole.highest = max(whole.highest, part.highest)
            whole.lowest = min(whole.lowest, part.lowest)
        self._put((place, period, start, quantity), whole if whole.seconds else None)
        if quantity == ENERGY:
            levels = Levels()
            for (counts,) in self._db.execute(f"SELECT counts FROM levels WHERE {within}", (place, BASE, start, until)):  # noqa: S608
                levels.add(unpacked(counts))
            self._put_levels((place, period, start), levels if levels.samples else None)

    def _put(self, key: tuple[int, int, int, str], sums: Sums | None) -> None:
        self._db.execute(f"DELETE FROM bucket WHERE {_BUCKET}", key)  # noqa: S608
        if sums:
            row = sums.seconds, sums.total, sums.across, sums.highest, sums.lowest, sums.latest
            self._db.execute("INSERT INTO bucket VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (*key, *row))

    def _put_levels(self, key: tuple[int, int, int], levels: Levels | None) -> None:
        self._db.execute("DELETE FROM levels WHERE place = ? AND period = ? AND start = ?", key)
        if levels:
            self._db.execute("INSERT INTO levels VALUES (?, ?, ?, ?)", (*key, levels.packed()))

    def _place(self, district: str, site: str, device: str) -> int:
        place = (district, site, device)
        if place not in self._places:
            self._db.execute("INSERT OR IGNORE INTO place (district, site, device) VALUES (?, ?, ?)", place)
            found = self._db.execute("SELECT id FROM place WHERE district = ? AND site = ? AND device = ?", place)
            if len(self._places) >= MOST_PLACES:
                self._places.clear()
            self._places[place] = found.fetchone()[0]
        return self._places[place]

    def _prune(self) -> None:
        """Remove, once for each day of data, what no record will change any more."""
        before = self._newest - KEEP
        if before < self._pruned + DAY:
            return
        places = self._db.execute("SELECT id FROM place").fetchall()
        old = [(place, period, before) for (place,) in places for period in PERIODS]
        unless = "AND (place, period, start) NOT IN (SELECT place, period, start FROM changed)"
        self._db.executemany(f"DELETE FROM bucket WHERE place = ? AND period = ? AND start < ? {unless}", old)  # noqa: S608
        self._db.executemany(f"DELETE FROM levels WHERE place = ? AND period = ? AND start < ? {unless}", old)  # noqa: S608
        self._db.execute("UPDATE position SET pruned = ?", (before,))
        self._pruned = before

    def _publish(self) -> None:
        """Write what has changed to the store, and then remember that the store has it."""
        some = "SELECT place, period, start FROM changed ORDER BY place, period, start LIMIT ?"
        while periods := self._db.execute(some, (max(1, MOST_WRITTEN // self._parts),)).fetchall():
            rows = self._db.execute(
                "SELECT district, site, device, quantity, period, start, "
                "seconds, total, across, highest, lowest, latest "
                "FROM changed JOIN bucket USING (place, period, start) JOIN place ON place = place.id "
                "WHERE (place, period, start) <= (?, ?, ?)",
                periods[-1],
            )
            rollups = [self._rollup(row[:6], Sums(*row[6:])) for row in rows]
            rows = self._db.execute(
                "SELECT district, site, device, period, start, counts "
                "FROM changed JOIN levels USING (place, period, start) JOIN place ON place = place.id "
                "WHERE (place, period, start) <= (?, ?, ?)",
                periods[-1],
            )
            for *names, period, start, counts in rows:
                rollups += self._of_levels(names, period, start, unpacked(counts))
            rows = self._db.execute(
                "SELECT district, site, device, quantity, period, start FROM gone JOIN place ON place = place.id "
                "WHERE (place, period, start) <= (?, ?, ?)",
                periods[-1],
            )
            gone = [Gone(*row) for row in rows]
            if gone:
                self._store.take_back_rollups(gone)
            self._store.write_rollups(rollups)
            self._db.execute("DELETE FROM gone WHERE (place, period, start) <= (?, ?, ?)", periods[-1])
            self._db.execute("DELETE FROM changed WHERE (place, period, start) <= (?, ?, ?)", periods[-1])
        self._published = True

    def _rollup(self, key: tuple[str, str, str, str, int, int], sums: Sums) -> Rollup:
        *_, quantity, period, start = key
        aggregate = self._aggregates.get(quantity, "mean")
        # A clock that was set back gives some seconds twice.
        capture = min(1.0, sums.seconds / self._calendar.length(start, period))
        known = aggregate in WITH_EXTREMES and sums.highest >= sums.lowest
        highest, lowest = (sums.highest, sums.lowest) if known else (None, None)
        return Rollup(*key, sums.value(aggregate), capture, highest, lowest)

    def _of_levels(self, names: list[str], period: int, start: int, levels: Levels) -> Iterator[Rollup]:
        district, site, device = names
        capture = min(1.0, levels.seconds / self._calendar.length(start, period))
        found = levels.statistics()
        for quantity in (*PERCENTS, DEVIATION):
            if quantity in found or levels.beyond:  # what was there before the sound was beyond the instrument is not
                yield Rollup(district, site, device, quantity, period, start, found.get(quantity), capture)


class Counted(NamedTuple):
    """10 min of noise at one board: what was measured of LAeq, s, its energy, and how often each level was."""

    site: str
    device: str
    start: int
    seconds: float
    energy: float
    levels: Levels | None


def counts_between(path: Path, site: str, device: str, start: int, end: int) -> list[Counted]:
    """Return the 10 min in `start` <= t < `end` (Unix s) of a board, of a site, or of all."""
    chosen = (BASE, start, end, site, site, device, device)
    where = "AND start >= ? AND start < ? AND (? = '' OR site = ?) AND (? = '' OR device = ?)"
    found: dict[tuple[str, str, int], Counted] = {}
    with closing(read_only(path, timeout=30)) as db:
        for named, board, t, seconds, energy in db.execute(
            "SELECT site, device, start, seconds, total FROM place CROSS JOIN bucket "  # noqa: S608
            f"ON bucket.place = place.id AND period = ? {where} AND quantity = 'laeq'",
            chosen,
        ):
            found[named, board, t] = Counted(named, board, t, seconds, energy, None)
        for named, board, t, counts in db.execute(
            "SELECT site, device, start, counts FROM place CROSS JOIN levels "  # noqa: S608
            f"ON levels.place = place.id AND period = ? {where}",
            chosen,
        ):
            there = found.get((named, board, t), Counted(named, board, t, 0.0, 0.0, None))
            found[named, board, t] = there._replace(levels=unpacked(counts))
    return [found[key] for key in sorted(found)]


def void_between(path: Path, site: str, device: str, start: int, end: int, wind: float) -> set[tuple[str, int]]:
    """Return site and start (Unix s) of each 10 min in which noise does not count, for the weather at the site.

    That is, the mean wind at any board of the site was `wind` m/s or more, or any of them measured rain or snow.
    `site`, `device`: as of `counts_between`.
    """
    with closing(read_only(path, timeout=30)) as db:
        return set(
            db.execute(
                "SELECT site, start FROM place CROSS JOIN bucket ON bucket.place = place.id AND period = ? "
                "AND start >= ? AND start < ? AND (? = '' OR site = ?) "
                "AND (? = '' OR site IN (SELECT site FROM place WHERE device = ?)) "
                "AND (quantity = 'wind_speed' AND total >= ? * seconds OR quantity = 'rain' AND highest > 0)",
                (BASE, start, end, site, site, device, device, wind),
            )
        )


def kept_from(path: Path) -> int:
    """Return since when every 10 min that was measured is there, Unix s; 0: nothing was removed yet."""
    with closing(read_only(path, timeout=30)) as db:
        return int(db.execute("SELECT pruned FROM position").fetchone()[0])


class Hour(NamedTuple):
    """One quantity at one board in one hour: what was measured of it, s, and its integral."""

    district: str
    site: str
    device: str
    start: int
    quantity: str
    seconds: float
    total: float


def hours_between(path: Path, quantities: Sequence[str], start: int, end: int) -> Iterator[Hour]:
    """Yield the hours of these quantities that begin in `start` <= t < `end` (Unix s) from the rollups' database."""
    marks = ", ".join("?" * len(quantities))
    with closing(read_only(path, timeout=30)) as db:
        rows = db.execute(
            "SELECT district, site, device, start, quantity, seconds, total FROM place CROSS JOIN bucket "  # noqa: S608
            f"ON bucket.place = place.id AND period = 3600 AND start >= ? AND start < ? AND quantity IN ({marks})",
            (start, end, *quantities),
        )
        yield from map(Hour._make, rows)
