"""What a platform has still to hear, and what it has heard; for the thread that talks to it."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from hub.config.uplinks import Kind
from hub.series.periods import Sums
from hub.storage.database import open_database, transaction
from hub.uplink.collector import totals_of
from hub.uplink.tables import STEPS


class Due(NamedTuple):
    """An interval of which a platform is to hear; `again`: it was told of it, and late data changed it."""

    device: str
    kind: Kind
    start: int
    version: int
    again: bool


class Account(NamedTuple):
    """How a platform stands with a point: intervals that wait, the oldest of them and the newest told (Unix s)."""

    waiting: int
    oldest: int | None
    newest: int | None


class Book:
    """uplink.db, as one thread sees it."""

    def __init__(self, path: Path) -> None:
        self._db = open_database(path, STEPS)

    def close(self) -> None:
        """Close it."""
        self._db.close()

    def due(self, platform: str, device: str, now: float, most: int) -> list[Due]:
        """Return what may be sent, what became ready first first."""
        rows = self._db.execute(
            "SELECT device, kind, start, version, told > 0 FROM due "
            "WHERE platform = ? AND device = ? AND version > told AND ready <= ? ORDER BY ready, kind, start LIMIT ?",
            (platform, device, now, most),
        )
        return [Due(device, kind, start, version, bool(again)) for device, kind, start, version, again in rows]

    def told(self, platform: str, due: Due) -> None:
        """Note that a platform has acknowledged an interval."""
        with transaction(self._db):
            self._db.execute(
                "UPDATE due SET told = max(told, ?) WHERE platform = ? AND device = ? AND kind = ? AND start = ?",
                (due.version, platform, due.device, due.kind, due.start),
            )

    def totals(self, device: str, kind: str, start: int) -> Mapping[tuple[str, str], Sums]:
        """Return what was measured in an interval, by quantity and letter."""
        return totals_of(self._db, device, kind, start)

    def starts(self, device: str, kind: str, first: float, last: float) -> list[int]:
        """Return the intervals of a kind that begin from `first` to `last` (Unix s, both with)."""
        rows = self._db.execute(
            "SELECT DISTINCT start FROM total WHERE device = ? AND kind = ? AND start BETWEEN ? AND ? ORDER BY start",
            (device, kind, first, last),
        )
        return [start for (start,) in rows]

    def account(self, platform: str, device: str, now: float) -> Account:
        """Return how a platform stands with a point; what has not ended yet does not wait."""
        waiting, oldest = self._db.execute(
            "SELECT count(*), min(start) FROM due WHERE platform = ? AND device = ? AND version > told AND ready <= ?",
            (platform, device, now),
        ).fetchone()
        (newest,) = self._db.execute(
            "SELECT max(start) FROM due WHERE platform = ? AND device = ? AND told > 0", (platform, device)
        ).fetchone()
        return Account(waiting, oldest, newest)
