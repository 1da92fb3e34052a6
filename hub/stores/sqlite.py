"""The embedded series store: one SQLite file, for a laptop or one small site."""

import sqlite3
from pathlib import Path

from hub.database import open_database
from hub.readings import Reading
from hub.stores.base import StoreError


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
)


class SqliteStore:
    """Series in the file `path`; readings and position change in one transaction."""

    def __init__(self, path: Path) -> None:
        self._db = open_database(path, STEPS)

    def position(self) -> int:
        """See `Store`."""
        return int(self._db.execute("SELECT offset FROM position").fetchone()[0])

    def write(self, readings: list[Reading], position: int) -> None:
        """See `Store`."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany(
                "INSERT OR REPLACE INTO reading VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (r.device, r.stream, r.seq, r.quantity, r.district, r.site, r.t, r.dt, r.value, r.flag)
                    for r in readings
                ],
            )
            self._db.execute("UPDATE position SET offset = ?", (position,))
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise StoreError(str(error)) from error

    def close(self) -> None:
        """See `Store`."""
        self._db.close()
