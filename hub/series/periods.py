"""The arithmetic of long periods: where they begin on the local clock, and how their value is made of intervals."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

DAY = 86_400
"""The local day, nominally in s; with daylight saving time, it may have 23 or 25 h."""
ADD_UP = """
ON CONFLICT DO UPDATE SET
    seconds = seconds + excluded.seconds,
    total = CASE
        WHEN latest IS NULL THEN total + excluded.total
        WHEN (excluded.latest, excluded.total) > (latest, total) THEN excluded.total
        ELSE total
    END,
    across = across + excluded.across,
    highest = max(highest, excluded.highest),
    lowest = min(lowest, excluded.lowest),
    latest = max(latest, excluded.latest)
"""
"""The end of an INSERT into a table with the columns of `Sums`: what is there already is added to."""


class Calendar:
    """Where periods begin in a time zone, and how long they are."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        # Every zone's offset changes only at whole quarters of an hour of UTC (IANA, since 1972).
        self._offset = lru_cache(4096)(self._offset_in)
        self._midnight = lru_cache(4096)(self._midnight_of)

    def start(self, t: int, period: int) -> int:
        """Return the start of the period that holds the moment `t`, aligned to the local clock, Unix s."""
        offset = self._offset(t // 900)
        return self._midnight((t + offset) // DAY) if period == DAY else t - (t + offset) % period

    def length(self, start: int, period: int) -> int:
        """Return the length of the period that begins at `start` [s]."""
        if period != DAY:
            return period
        return self._midnight((start + self._offset(start // 900)) // DAY + 1) - start

    def _offset_in(self, quarter: int) -> int:
        offset = datetime.fromtimestamp(quarter * 900, self._zone).utcoffset()
        assert offset is not None
        return int(offset.total_seconds())

    def _midnight_of(self, day: int) -> int:
        midnight = datetime(1970, 1, 1, tzinfo=self._zone) + timedelta(days=day)  # counted on the local clock
        return int(midnight.timestamp())


@dataclass(slots=True)
class Sums:
    """What has been measured of one quantity in one period."""

    seconds: float = 0
    total: float = 0
    """Integral over time of the value, of 10^(level/10), or of a direction's cosine. For "last": the last value."""
    across: float = 0
    """Integral over time of a direction's sine."""
    highest: float = -math.inf
    lowest: float = math.inf
    latest: int | None = None
    """For "last": start of the interval that `total` is from."""

    def add(self, aggregate: str, value: float, t: int, dt: float) -> None:
        """Take the value of an interval that begins at `t` and lasts `dt` seconds."""
        self.seconds += dt
        self.highest = max(self.highest, value)
        self.lowest = min(self.lowest, value)
        if aggregate == "energy_mean":
            self.total += dt * 10 ** (value / 10)
        elif aggregate == "vector_mean":
            angle = math.radians(value)
            self.total += dt * math.cos(angle)
            self.across += dt * math.sin(angle)
        elif aggregate != "last":
            self.total += dt * value
        elif self.latest is None or (t, value) > (self.latest, self.total):
            self.latest, self.total = t, value

    def value(self, aggregate: str) -> float | None:
        """Return the period's value; None for directions that cancel each other out."""
        if aggregate == "energy_mean":
            return 10 * math.log10(self.total / self.seconds)
        if aggregate == "vector_mean":
            undirected = math.hypot(self.total, self.across) < 1e-6 * self.seconds
            return None if undirected else math.degrees(math.atan2(self.across, self.total)) % 360
        return {"max": self.highest, "min": self.lowest, "last": self.total}.get(aggregate, self.total / self.seconds)
