"""Averaging windows on the local clock: where each begins and ends, also on days when the clocks change."""

import math
from bisect import bisect_right
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

DAY = 86_400
_SINCE, _UNTIL = 2 * 365 * DAY, 68 * 365 * DAY  # 1972, before which offsets were of any kind, to 2037
_MONTHS = {"month": 1, "quarter": 3, "year": 12}

Window = tuple[int, int]
"""Start, and the first moment after it, Unix s."""


@dataclass(frozen=True, slots=True)
class Day:
    """A local day: 23, 24 or 25 h from `start` up to `end`, Unix s."""

    date: date
    start: int
    end: int
    plain: bool
    """24 h in which no clock changes: a moment's distance from `start` is the time of day."""


class LocalTime:
    """The local clock of one time zone. Everything is cached by local day, so that a reading costs arithmetic only."""

    def __init__(self, zone: ZoneInfo) -> None:
        self.zone = zone
        self._last = Day(date.min, 0, 0, plain=True)
        # Every zone's offset changes only at whole quarters of an hour of UTC (IANA, since 1972).
        self._date_of = lru_cache(8192)(self._find_date)
        self._day_of = lru_cache(1024)(self._find_day)
        self._cuts_of = lru_cache(64)(self._find_cuts)
        self.instant = lru_cache(4096)(self._find_instant)
        """`instant(date, second)`: when the clock shows this second of that local day, Unix s."""

    @property
    def grain(self) -> int:
        """Of how many s every offset from UTC is a multiple: an hour at most, in some zones half or a quarter of it."""
        return math.gcd(3600, *(self._offset(t) for t in range(_SINCE, _UNTIL, 14 * DAY)))

    def day(self, t: int) -> Day:
        """Return the local day that holds the moment `t`."""
        day = self._last
        if not day.start <= t < day.end:
            day = self._last = self._day_of(self._date_of(t // 900))
        return day

    def time_of_day(self, t: int) -> int:
        """Return what the clock shows at the moment `t`, in s from 00:00."""
        day = self.day(t)
        return t - day.start if day.plain else (t + self._offset(t)) % DAY

    def fixed(self, t: int, length: int) -> Window:
        """Return the window of `length` s that holds the moment `t`: one begins where the clock shows a multiple of it.

        On a day when the clocks change, windows of more than an hour are as much shorter or longer.
        """
        day = self.day(t)
        if day.plain:
            start = t - (t - day.start) % length
            return start, start + length
        cuts = self._cuts_of(day.start, length)
        index = bisect_right(cuts, t)
        return cuts[index - 1], cuts[index]

    def period(self, t: int, from_: int, to: int) -> Window | None:
        """Return the part `from_`..`to` (s from 00:00) of the day that holds the moment `t`; it may cross midnight."""
        today = self.day(t).date
        for day in (today, today - timedelta(1)):
            start = self.instant(day, from_)
            end = self.instant(day if from_ < to else day + timedelta(1), to)
            if start <= t < end:
                return start, end
        return None

    def calendar(self, t: int, unit: str) -> Window:
        """Return the local `day`, `month`, `quarter` or `year` that holds the moment `t`."""
        day = self.day(t)
        if unit == "day":
            return day.start, day.end
        months = _MONTHS[unit]
        first = (day.date.month - 1) // months * months  # counted from 0
        after = day.date.year * 12 + first + months
        start = date(day.date.year, first + 1, 1)
        return self.instant(start, 0), self.instant(date(after // 12, after % 12 + 1, 1), 0)

    def days(self, start: int, end: int) -> list[Day]:
        """Return the local days that begin in `start` <= t < `end`."""
        found = []
        while start < end:
            day = self.day(start)
            found.append(day)
            start = day.end
        return found

    def _offset(self, t: int) -> int:
        offset = datetime.fromtimestamp(t, self.zone).utcoffset()
        assert offset is not None
        return int(offset.total_seconds())

    def _find_instant(self, day: date, second: int) -> int:
        clock = datetime(day.year, day.month, day.day, tzinfo=self.zone) + timedelta(seconds=second)
        return int(clock.timestamp())

    def _find_date(self, quarter: int) -> date:
        return datetime.fromtimestamp(quarter * 900, self.zone).date()

    def _find_day(self, today: date) -> Day:
        start, end = self.instant(today, 0), self.instant(today + timedelta(1), 0)
        plain = end - start == DAY and self._offset(start) == self._offset(start + DAY // 2) == self._offset(end - 1)
        return Day(today, start, end, plain)

    def _find_cuts(self, start: int, length: int) -> list[int]:
        day = self.day(start)
        cuts, before = [day.start], self.time_of_day(day.start) // length
        fine = math.gcd(60, length)
        for t in range(day.start + fine, day.end, fine):
            slot, rest = divmod(self.time_of_day(t), length)
            # The hour that the clock shows twice is two windows of an hour, and makes a longer one longer.
            if slot != before or (rest == 0 and length <= 3600):
                cuts.append(t)
            before = slot
        return [*cuts, day.end]
