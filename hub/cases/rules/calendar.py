"""The city's calendar: which days are worked, at which hours, and when a time limit ends.

Pure: moments are Unix s, days and hours those of the city's time zone. Four units of time limits:

- `urgent_hour`: a clock hour, day and night.
- `work_hour`: an hour within working hours. A limit that would begin outside of them begins with the next.
- `work_day`: the day on which the limit begins does not count; it ends with the working hours of the last day.
- `natural_day`: the day on which the limit begins does not count; it ends with the last day, at midnight.

That the first day does not count and that the last ends with business hours is how the Civil Code counts (P: articles
201 and 203). Not taken from it: a natural day that is a holiday is not moved, since the cities' tables do not say so.
"""

import datetime as dt
import hashlib
from collections.abc import Iterator
from functools import cached_property
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

import msgspec

Unit = Literal["urgent_hour", "work_hour", "work_day", "natural_day"]
UNITS: tuple[Unit, ...] = ("urgent_hour", "work_hour", "work_day", "natural_day")
Letter = Literal["P", "S", "U"]
"""How well a fact is known: P the authority's own text, S a secondary source, U not verified."""

HOUR = 3600
FARTHEST = 3660
"""Days beyond which no limit reaches: a calendar that leaves none to work is refused by it."""
ONE_DAY = dt.timedelta(days=1)

Span = Annotated[str, msgspec.Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d-(([01]\d|2[0-3]):[0-5]\d|24:00)\Z")]
Days = Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d\d-\d\d(\.\.\d{4}-\d\d-\d\d)?\Z")]
Weekday = Annotated[int, msgspec.Meta(ge=1, le=7)]


class CalendarError(ValueError):
    """A calendar that cannot be one, or a limit that it cannot reach."""


class CalendarEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The table [calendar] of a file."""

    source: Annotated[str, msgspec.Meta(min_length=1)]
    """Where the days off and the make-up days are from."""
    verified: Letter
    known_to: dt.date
    """The last day for which days off have been published; what is due later may still move."""
    hours: Annotated[tuple[Span, ...], msgspec.Meta(min_length=1)]
    """Working hours of a day, in local time and order: "08:30-12:00"."""
    hours_source: str = ""
    hours_verified: Letter = "U"
    week: Annotated[tuple[Weekday, ...], msgspec.Meta(min_length=1)] = (1, 2, 3, 4, 5)
    """The weekdays that are worked, 1 = Monday."""
    off: tuple[Days, ...] = ()
    """Days, or spans of days ("2026-10-01..2026-10-07"), that are not worked."""
    on: tuple[Days, ...] = ()
    """Make-up days: worked though the week, or `off`, says otherwise."""


class Calendar:
    """The calendar of a city in its time zone.

    Raises:
        CalendarError: the entry says what cannot be.
    """

    def __init__(self, entry: CalendarEntry, zone: ZoneInfo) -> None:
        self.entry = entry
        self.zone = zone
        self._hours = _hours(entry.hours)
        self._off = frozenset(day for one in entry.off for day in _days(one))
        self._on = frozenset(day for one in entry.on for day in _days(one))

    @cached_property
    def edition(self) -> str:
        """What names this calendar: the same for the same content, whatever file it stands in."""
        content = msgspec.json.encode([self.zone.key, msgspec.to_builtins(self.entry)])
        return hashlib.sha256(content).hexdigest()[:16]

    def is_worked(self, day: dt.date) -> bool:
        """Tell whether a day is worked."""
        return day in self._on or (day not in self._off and day.isoweekday() in self.entry.week)

    def hours_of(self, day: dt.date) -> list[tuple[float, float]]:
        """Return the working hours of a day as Unix s, in their order; none of a day off."""
        if not self.is_worked(day):
            return []
        spans = [(self._at(day, begin), self._at(day, end)) for begin, end in self._hours]
        return [(begin, end) for begin, end in spans if begin < end]  # a clock put forward may swallow one

    def day_of(self, t: float) -> dt.date:
        """Return the local day of a moment."""
        return dt.datetime.fromtimestamp(t, self.zone).date()

    def is_known(self, t: float) -> bool:
        """Tell whether the days off up to a moment have been published."""
        return self.day_of(t) <= self.entry.known_to

    def limit(self, start: float, amount: float, unit: Unit) -> float:
        """Return when a time limit ends that begins at `start`: after `amount` of `unit`, at least 0.

        Raises:
            CalendarError: it would end later than a calendar reaches, or `amount` of days is not whole.
        """
        if amount < 0 or (unit.endswith("_day") and amount != int(amount)):
            raise CalendarError(f"{amount:g} {unit}: expected a limit of 0 or more, of days a whole number")
        if unit == "urgent_hour":
            return start + amount * HOUR
        if unit == "work_hour":
            return self._after_hours(start, amount * HOUR)
        if unit == "work_day":
            return self._after_days(start, int(amount))
        if amount > FARTHEST:
            raise self._too_far(amount, unit)
        return self._at(self.day_of(start) + ONE_DAY * int(amount), 24 * HOUR)

    def measure(self, begin: float, end: float, unit: Unit) -> float:
        """Return how much of a limit's unit lies between two moments: so much a clock that stood still has saved.

        Of days those count that began after `begin`, up to and with that of `end`.
        """
        if end <= begin:
            return 0
        if unit == "urgent_hour":
            return (end - begin) / HOUR
        first, last = self.day_of(begin), self.day_of(end)
        if unit == "natural_day":
            return (last - first).days
        if unit == "work_day":
            return sum(self.is_worked(day) for day in _range(first + ONE_DAY, last))
        worked = (
            min(to, end) - max(from_, begin)
            for day in _range(first, last)
            for from_, to in self.hours_of(day)
            if from_ < end and to > begin
        )
        return sum(worked) / HOUR

    def _after_hours(self, start: float, left: float) -> float:
        if left == 0:
            return start
        day = self.day_of(start)
        for _ in range(FARTHEST):
            for begin, end in self.hours_of(day):
                begin_here = max(begin, start)
                if begin_here < end:
                    if left <= end - begin_here:
                        return begin_here + left
                    left -= end - begin_here
            day += ONE_DAY
        raise self._too_far(left / HOUR, "work_hour")

    def _after_days(self, start: float, left: int) -> float:
        day = self.day_of(start)
        if left == 0:
            return max([start, *(end for _, end in self.hours_of(day))])
        for _ in range(FARTHEST):
            day += ONE_DAY
            left -= self.is_worked(day)
            if left == 0:
                return max([self._at(day, 0), *(end for _, end in self.hours_of(day))])
        raise self._too_far(left, "work_day")

    def _at(self, day: dt.date, seconds: int) -> float:
        """Return a moment of a day's clock; `seconds` since midnight as the clock on the wall counts, 24 h the next."""
        day += ONE_DAY * (seconds // (24 * HOUR))
        clock = dt.time(seconds // HOUR % 24, seconds // 60 % 60)
        return dt.datetime.combine(day, clock, self.zone).timestamp()

    def _too_far(self, amount: float, unit: Unit) -> CalendarError:
        return CalendarError(f"{amount:g} {unit}: is further than a calendar reaches; expected a shorter limit")


def _range(first: dt.date, last: dt.date) -> Iterator[dt.date]:
    return (first + ONE_DAY * n for n in range((last - first).days + 1))


def _days(text: str) -> Iterator[dt.date]:
    first, _, last = text.partition("..")
    try:
        begin, end = dt.date.fromisoformat(first), dt.date.fromisoformat(last or first)
    except ValueError:
        raise CalendarError(f"{text!r}: is no day; expected 2026-10-01, or 2026-10-01..2026-10-07") from None
    if not 0 <= (end - begin).days <= 400:
        raise CalendarError(f"{text!r}: expected the first day before the last, and at most 400 days")
    return _range(begin, end)


def _hours(spans: tuple[str, ...]) -> list[tuple[int, int]]:
    hours: list[tuple[int, int]] = []
    for text in spans:
        begin, end = (int(one[:2]) * HOUR + int(one[3:]) * 60 for one in text.split("-"))
        if begin >= end or (hours and begin < hours[-1][1]):
            raise CalendarError(f"hours: {text!r}: expected spans that end after they begin, each after the one before")
        hours.append((begin, end))
    return hours
