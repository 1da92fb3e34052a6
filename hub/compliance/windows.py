"""Keeps what the judging engine must not forget in the compliance database: cells, days' values, what is to be judged.

Every method runs inside the caller's transaction. What is kept is bounded: for each board and kind of window, the cells
of the last 10 days; for each board and averaging over a year, the days of two years; the open windows.
"""

import math
import sqlite3
from collections.abc import Iterator

from hub.judge import Cell, Engine, Mark
from hub.judge.boards import KEEP
from hub.judge.windows import DAY

CELLS_KEPT = KEEP + 2 * DAY
"""Retention of closed cells [s]: late data judge a window again for `KEEP`, and a day needs all of its cells."""
DAYS_KEPT = 2 * 366 * DAY
"""Retention of daily values, and of exceedances that count against a yearly allowance [s]."""


class WindowStore:
    """The archive of the engine (`hub.judge.Archive`), and what brings it back after a restart."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def cells(self, device: str, quantity: str, span: str, start: int, end: int) -> list[Cell]:
        """See `hub.judge.Archive`."""
        rows = self._db.execute(
            "SELECT span, start, end, seconds, total, highest, seen, warned FROM cell "
            "WHERE device = ? AND quantity = ? AND span = ? AND start >= ? AND start < ?",
            (device, quantity, span, start, end),
        )
        return [_cell(row) for row in rows]

    def keep(self, device: str, node: str, start: int, value: float | None) -> None:
        """See `hub.judge.Archive`."""
        if value is None:
            self._db.execute("DELETE FROM kept WHERE device = ? AND node = ? AND start = ?", (device, node, start))
        else:
            self._db.execute("INSERT OR REPLACE INTO kept VALUES (?, ?, ?, ?)", (device, node, start, value))

    def kept(self, device: str, node: str, start: int, end: int) -> dict[int, float]:
        """See `hub.judge.Archive`."""
        return dict(
            self._db.execute(
                "SELECT start, value FROM kept WHERE device = ? AND node = ? AND start >= ? AND start < ?",
                (device, node, start, end),
            )
        )

    def mark(self, device: str, rule: str, start: int, mark: Mark | None) -> bool:
        """See `hub.judge.Archive`."""
        key = (device, rule, start)
        known = self._db.execute("DELETE FROM mark WHERE device = ? AND rule = ? AND start = ?", key).rowcount > 0
        if mark:
            self._db.execute("INSERT INTO mark VALUES (?, ?, ?, ?, ?, ?, ?)", (*key, *mark[1:]))
        return known != (mark is not None)

    def marks(self, device: str, rule: str, start: int, end: int) -> list[Mark]:
        """See `hub.judge.Archive`."""
        rows = self._db.execute(
            "SELECT start, end, value, capture, compared FROM mark "
            "WHERE device = ? AND rule = ? AND start >= ? AND start < ? ORDER BY start",
            (device, rule, start, end),
        )
        return [Mark(*row) for row in rows]

    def save(self, engine: Engine) -> None:
        """Write what has changed in the engine since `clear_changes`."""
        self._db.executemany(
            "INSERT OR REPLACE INTO cell VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (device, quantity, c.span, c.start, c.end, c.seconds, c.total, c.highest, c.seen, c.warned)
                for device, quantity, c in engine.changed
            ],
        )
        noted = [(device, node.key, start, end) for (device, node, start), end in engine.noted.items()]
        self._db.executemany("INSERT OR REPLACE INTO pending VALUES (?, ?, ?, ?)", [one for one in noted if one[3]])
        self._db.executemany(
            "DELETE FROM pending WHERE device = ? AND node = ? AND start = ?", [one[:3] for one in noted if not one[3]]
        )

    def load(self, engine: Engine) -> None:
        """Bring an empty engine to where it was: how far boards are, open cells, windows to be judged."""
        for device, closed in self._db.execute("SELECT device, closed FROM latest"):
            engine.restore(device, closed)
        rows = self._db.execute(
            "SELECT c.device, c.quantity, span, start, end, seconds, total, highest, seen, warned "
            "FROM cell c LEFT JOIN latest USING (device) WHERE end > ifnull(closed, 0)"
        )
        for device, quantity, *row in rows:
            engine.restore_cell(device, quantity, _cell(tuple(row)))
        for row in self._db.execute("SELECT device, node, start, end FROM pending"):
            engine.restore_pending(*row)

    def prune(self, now: float) -> None:
        """Remove what is too old to be needed again."""
        # By the board's own time, too: a log that is judged again from its beginning is older than that.
        self._db.execute(
            "DELETE FROM cell WHERE end < ? AND end < "
            "(SELECT closed FROM latest WHERE latest.device = cell.device) - ?",
            (now - CELLS_KEPT, CELLS_KEPT),
        )
        # Nor by the hub's clock alone: a year's exceedances are not to be had again.
        newest = self._db.execute("SELECT max(t) FROM latest").fetchone()[0] or 0
        before = min(now, newest) - DAYS_KEPT
        self._db.execute("DELETE FROM kept WHERE start < ?", (before,))
        self._db.execute("DELETE FROM mark WHERE start < ?", (before,))


def open_cells(db: sqlite3.Connection, now: float) -> Iterator[tuple[str, str, Cell]]:
    """Yield device, quantity and cell of every window that is open at `now`, Unix s."""
    rows = db.execute(
        "SELECT device, quantity, span, start, end, seconds, total, highest, seen, warned FROM cell "
        "WHERE end > ? AND start <= ?",
        (now, now),
    )
    for device, quantity, *row in rows:
        yield device, quantity, _cell(tuple(row))


def _cell(row: tuple[object, ...]) -> Cell:
    """Return the cell of a row; SQLite keeps an infinite number as one."""
    cell = Cell(*row)  # type: ignore[arg-type]
    assert not math.isnan(cell.highest)
    return cell
