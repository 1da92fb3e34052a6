"""The embedded series store: one SQLite file, for a laptop or one small site.

One row holds all values of a record, as JSON: a row for each value costs three times the work. Whoever asks by SQL
finds each value in a row of its own in the view `reading`.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec

from hub.log.entry import Interval
from hub.log.errors import StoreError
from hub.series.base import Gone, Rollup, Void, voids_of, without
from hub.storage.database import open_database, read_only, transaction

MOST_SOURCES = 20_000
"""Boards' streams in memory; the others are looked up."""

STEPS = (
    """
CREATE TABLE reading (
    device TEXT, stream TEXT, seq INTEGER, quantity TEXT,
    district TEXT NOT NULL, site TEXT NOT NULL,
    t INTEGER NOT NULL,           -- start of the interval, Unix s, UTC
    dt INTEGER NOT NULL,          -- its length, s
    value REAL,                   -- in the catalogue's unit
    flag TEXT NOT NULL,           -- HJ 212; only N counts
    PRIMARY KEY (device, stream, seq, quantity)
) WITHOUT ROWID;
CREATE INDEX reading_by_time ON reading (device, quantity, t);
CREATE TABLE position (offset INTEGER NOT NULL);
INSERT INTO position VALUES (0)
""",
    # A number is written with 15 digits where they are enough, else with 17: so each stays the same to the last bit.
    """
CREATE TABLE source (
    id INTEGER PRIMARY KEY,
    device TEXT NOT NULL, stream TEXT NOT NULL, district TEXT NOT NULL, site TEXT NOT NULL,
    UNIQUE (device, stream, district, site)
);
CREATE TABLE record (
    source INTEGER, t INTEGER, seq INTEGER,
    dt INTEGER NOT NULL,          -- length of the interval, s
    normal TEXT NOT NULL,         -- values with flag N: {"laeq":67.2,...}
    flagged TEXT,                 -- the others, if any: {"pm10":["D",80],...}; null where there is no value
    PRIMARY KEY (source, t, seq)
) WITHOUT ROWID;
INSERT INTO source (device, stream, district, site) SELECT DISTINCT device, stream, district, site FROM reading;
INSERT INTO record
SELECT
    source.id, t, seq, dt,
    json_group_object(quantity, json(number)) FILTER (WHERE flag = 'N' AND value IS NOT NULL),
    CASE WHEN max(flag <> 'N' OR value IS NULL) THEN
        json_group_object(quantity, json_array(flag, json(number))) FILTER (WHERE flag <> 'N' OR value IS NULL)
    END
FROM (
    SELECT *, CASE
        WHEN value IS NULL THEN 'null'
        WHEN CAST(printf('%!.15g', value) AS REAL) = value THEN printf('%!.15g', value)
        ELSE printf('%!.17g', value)
    END AS number FROM reading
) JOIN source USING (device, stream, district, site)
GROUP BY source.id, t, seq, dt;
DROP TABLE reading;
CREATE VIEW reading AS
SELECT device, stream, seq, key AS quantity, district, site, t, dt, value, 'N' AS flag
FROM source JOIN record ON source = source.id, json_each(normal)
UNION ALL
SELECT device, stream, seq, key, district, site, t, dt, json_extract(value, '$[1]'), json_extract(value, '$[0]')
FROM source JOIN record ON source = source.id, json_each(flagged);
CREATE TABLE rollup (
    device TEXT, period INTEGER, start INTEGER, quantity TEXT, site TEXT,
    district TEXT NOT NULL,
    value REAL,                   -- by the quantity's aggregate, in the catalogue's unit
    capture REAL NOT NULL,        -- share of the period that was measured with flag N
    highest REAL, lowest REAL,    -- of the intervals' values
    PRIMARY KEY (device, period, start, quantity, site)
) WITHOUT ROWID
""",
)


class SqliteStore:
    """Series in the file `path`; what was measured and the position change in one transaction."""

    def __init__(self, path: Path) -> None:
        self._db = open_database(path, STEPS)
        # Each board writes to a page of its own: let a city's newest pages stay in memory, and not each commit
        # bring them all from the journal to the file.
        self._db.execute("PRAGMA cache_size = -32768")  # KiB
        self._db.execute("PRAGMA wal_autocheckpoint = 10000")  # pages
        self._lock = threading.Lock()
        self._encode = msgspec.json.Encoder().encode
        self._sources: dict[tuple[str, str, str, str], int] = {}

    def position(self) -> int:
        """See `Store`."""
        with self._lock:
            return int(self._db.execute("SELECT offset FROM position").fetchone()[0])

    def write(self, intervals: list[Interval], position: int) -> None:
        """See `Store`."""
        voids = voids_of(intervals)
        if voids:
            intervals = without(intervals, voids)
        with self._transaction():
            for void in voids:
                self._take_back(void)
            self._db.executemany(
                "INSERT OR REPLACE INTO record VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (
                        self._sources.get((i.device, i.stream, i.district, i.site)) or self._source(i),
                        i.t,
                        i.seq,
                        i.dt,
                        self._encode(i.values).decode(),
                        self._encode(i.flagged).decode() if i.flagged else None,
                    )
                    for i in intervals
                ],
            )
            self._db.execute("UPDATE position SET offset = ?", (position,))

    def write_rollups(self, rollups: list[Rollup]) -> None:
        """See `Store`."""
        with self._transaction():
            self._db.executemany(
                "INSERT OR REPLACE INTO rollup VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        r.device,
                        r.period,
                        r.start,
                        r.quantity,
                        r.site,
                        r.district,
                        r.value,
                        r.capture,
                        r.highest,
                        r.lowest,
                    )
                    for r in rollups
                ],
            )

    def take_back_rollups(self, rollups: list[Gone]) -> None:
        """See `Store`."""
        with self._transaction():
            self._db.executemany(
                "DELETE FROM rollup WHERE device = ? AND period = ? AND start = ? AND quantity = ? AND site = ?",
                [(r.device, r.period, r.start, r.quantity, r.site) for r in rollups],
            )

    def close(self) -> None:
        """See `Store`."""
        self._db.close()

    def _take_back(self, void: Void) -> None:
        """Flag what is stored already."""
        key = f'$."{void.quantity}"'
        self._db.execute(
            "UPDATE record SET normal = json_remove(normal, ?1), "
            "flagged = json_set(ifnull(flagged, '{}'), ?1, json_array('D', json_extract(normal, ?1))) "
            "WHERE source IN (SELECT id FROM source WHERE device = ?2 AND site = ?3) AND t >= ?4 AND t < ?5 "
            "AND json_extract(normal, ?1) = ?6",
            (key, void.device, void.site, void.since, void.until, void.value),
        )

    def _source(self, i: Interval) -> int:
        key = (i.device, i.stream, i.district, i.site)
        self._db.execute("INSERT OR IGNORE INTO source (device, stream, district, site) VALUES (?, ?, ?, ?)", key)
        row = self._db.execute(
            "SELECT id FROM source WHERE device = ? AND stream = ? AND district = ? AND site = ?", key
        ).fetchone()
        if len(self._sources) >= MOST_SOURCES:
            self._sources.clear()
        self._sources[key] = int(row[0])
        return self._sources[key]

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock:
            try:
                with transaction(self._db, self._sources.clear):  # some may not be in the file
                    yield
            except sqlite3.Error as error:
                raise StoreError(f"the series database cannot be written: {error}") from error


def stored_readings(
    path: Path, device: str, quantity: str, start: int, end: int, most: int, site: str = ""
) -> list[tuple[int, int, float | None, str]]:
    """Return start (Unix s), length (s), value and flag of a board's readings in `start` <= t < `end`, at most `most`.

    `site`: only of those that it made there.
    There are none if the file `path` is not there.
    """
    if not path.exists():
        return []
    with closing(read_only(path)) as db:
        return db.execute(
            "SELECT t, dt, value, flag FROM reading WHERE device = ? AND quantity = ? AND t >= ? AND t < ? "
            "AND ? IN ('', site) ORDER BY t LIMIT ?",
            (device, quantity, start, end, site, most),
        ).fetchall()
