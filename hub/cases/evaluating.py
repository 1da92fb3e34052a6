"""The rates of a period, for those who ask: which cases count, in whose scope."""

import datetime as dt
import threading
from collections import OrderedDict
from collections.abc import Collection, Iterable
from operator import attrgetter
from typing import NamedTuple
from zoneinfo import ZoneInfo

from hub.cases.book import CaseBook
from hub.cases.desk import CaseDesk
from hub.cases.refusal import wrong
from hub.cases.rules.rates import By, Numbers, Tally
from hub.cases.rules.records import Counted

LONGEST = 400 * 86_400
"""The longest period whose rates are told [s]."""
MOST_PERIODS, MOST_CASES = 4, 20_000
"""So many periods are remembered, each of at most so many cases: some 15 MB each."""
ONE_DAY = dt.timedelta(days=1)


class Period(NamedTuple):
    """Whole local days; `begin` and `end` in Unix s, `end` is the moment before which it ends."""

    first: dt.date
    last: dt.date
    begin: float
    end: float

    @classmethod
    def of_days(cls, first: str, last: str, zone: ZoneInfo, now: float) -> "Period":
        """Return the period of two days that count both; left out: from the first of this month, until today.

        Raises:
            CaseError: they are no days, or not in this order.
        """
        today = dt.datetime.fromtimestamp(now, zone).date()
        begins, ends = _day("begin", first, today.replace(day=1)), _day("end", last, today)
        if begins > ends and not last:
            ends = begins
        midnight = dt.time(tzinfo=zone)
        begin = dt.datetime.combine(begins, midnight).timestamp()
        end = dt.datetime.combine(ends + ONE_DAY, midnight).timestamp()
        return cls(begins, ends, *checked(begin, end))


def checked(begin: float, end: float) -> tuple[float, float]:
    """Return a period, Unix s.

    Raises:
        CaseError: it ends before it begins, or is too long.
    """
    if not 0 < end - begin <= LONGEST:
        raise wrong(
            "to", "expected a period of at most 400 days that ends after it begins", "时段应为400天以内，且结束晚于开始"
        )
    return begin, end


class _Counts:
    """The cases that one period counts, and what they come to."""

    def __init__(self, cases: Iterable[Counted], event: int) -> None:
        self.cases = {case.id: case for case in cases}
        self.event = event
        """Up to which of all cases' histories are in it."""
        self._tallies: dict[By, Tally] = {}

    def amend(self, changed: Iterable[int], cases: Iterable[Counted]) -> None:
        """Take in what has become of the cases that have changed."""
        now = {case.id: case for case in cases}
        for id_ in changed:
            before, after = self.cases.pop(id_, None), now.get(id_)
            for tally in self._tallies.values():
                tally.amend(before, after)
        self.cases |= now

    def numbers(self, begin: float, end: float, by: By) -> dict[str, Numbers]:
        """Return the numbers of each group."""
        if by not in self._tallies:
            self._tallies[by] = Tally(sorted(self.cases.values(), key=attrgetter("id")), begin, end, by)
        return self._tallies[by].numbers()


class Remembered:
    """Keeps what periods counted, so that another look costs what has happened since; any thread may ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[float, float, tuple[str, ...]], _Counts] = OrderedDict()

    def numbers(
        self, book: CaseBook, begin: float, end: float, districts: Collection[str], by: By
    ) -> dict[str, Numbers]:
        """Return the numbers of a period (Unix s) by group, of these districts; none named: of all."""
        asked = begin, end, tuple(districts)
        with self._lock:
            newest = book.last_event()  # before the cases are read: what happens in between is read again
            counts = self._known.pop(asked, None)
            if counts is None:
                counts = _Counts(book.concerned(begin, end, districts), newest)
            elif counts.event != newest:
                changed = book.changed_after(counts.event)
                counts.amend(changed, book.concerned(begin, end, districts, changed))
                counts.event = newest
            if len(counts.cases) <= MOST_CASES:
                self._known[asked] = counts
                if len(self._known) > MOST_PERIODS:
                    self._known.popitem(last=False)
            return counts.numbers(begin, end, by)


def evaluate(
    desk: CaseDesk, begin: float, end: float, by: By, district: str = "", remembered: Remembered | None = None
) -> dict[str, Numbers]:
    """Return the numbers of a period by group, of the districts that concern the user; `district`: of this alone."""
    scope = desk.user.districts
    if district:
        scope = (district,) if desk.user.sees(district) else ("",)
    return (remembered or Remembered()).numbers(desk.book, begin, end, scope, by)


def _day(name: str, text: str, otherwise: dt.date) -> dt.date:
    if not text:
        return otherwise
    try:
        day = dt.date.fromisoformat(text)
    except ValueError:
        raise wrong(name, f"{text!r}: expected a day such as 2026-12-01", f"{text!r}：应为日期，如2026-12-01") from None
    if not 2000 <= day.year <= 2100:
        raise wrong(name, f"{text!r}: expected a day such as 2026-12-01", f"{text!r}：应为日期，如2026-12-01")
    return day
