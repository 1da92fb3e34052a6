"""The arithmetic of a limit: which averaging window a reading falls in, what its value is, and what that means."""

import math
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from schemas import Limit


def window_of(limit: Limit, t: float, zone: ZoneInfo) -> tuple[int, int] | None:
    """Return `(start, end)` in Unix s of the limit's window that holds the moment `t`; None where it does not apply.

    Windows are aligned to local midnight, and belong to the part of the day in which they start.
    """
    local = datetime.fromtimestamp(t, zone)
    second = local.hour * 3600 + local.minute * 60 + local.second
    start = second - second % limit.window
    from_, to = _second_of_day(limit.from_), _second_of_day(limit.to)
    applies = from_ <= start < to if from_ < to else (start >= from_ or start < to)
    if not applies:
        return None
    begin = int(t) - (second - start)
    return begin, begin + limit.window


def _second_of_day(text: str) -> int:
    return int(text[:2]) * 3600 + int(text[3:]) * 60


@dataclass(slots=True)
class Window:
    """What has been measured of one window with flag N; `seconds` is how much of it."""

    seconds: float = 0
    total: float = 0
    """Integral over time of the value, for levels of 10^(level/10)."""
    highest: float = -math.inf

    def add(self, limit: Limit, value: float, dt: float) -> None:
        """Take the value of an interval of `dt` seconds."""
        self.seconds += dt
        self.total += dt * (10 ** (value / 10) if limit.statistic == "energy_mean" else value)
        self.highest = max(self.highest, value)

    def value(self, limit: Limit) -> float | None:
        """Return the statistic that the limit is about; None when nothing was measured."""
        if not self.seconds:
            return None
        if limit.statistic == "max":
            return self.highest
        mean = self.total / self.seconds
        return 10 * math.log10(mean) if limit.statistic == "energy_mean" else mean

    def outcome(self, limit: Limit, decimals: int = 1) -> str:
        """Return "compliant", "exceeded" or "invalid".

        The value is rounded to the quantity's `decimals` before it is compared, so that what is told is what was
        judged. Too little data is never compliant. A single level above a maximum is an exceedance whatever else is
        missing.
        """
        value = self.value(limit)
        enough = self.seconds >= limit.least_valid * limit.window
        if value is not None and round(value, decimals) > limit.value and (enough or limit.statistic == "max"):
            return "exceeded"
        return "compliant" if enough else "invalid"
