"""The air quality index of the days of recorded data."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from hub.backtest.table import Table
from hub.judge.aqi import ITEMS_OF_DAY, Edition, Index, concentrations_of_day, edition_on, index_of_day
from hub.judge.windows import LocalTime
from hub.sheets.sheet import NOTHING_ASKED, Asked
from schemas import Quantity

HOUR = 3600
LEAST = 0.75
"""An hourly mean is valid with so much of the hour measured: 45 min [P GB 3095-2026 table 4]."""
REPORT_EVERY = 4096


@dataclass(frozen=True, slots=True)
class AirDay:
    """The air of a local day."""

    date: date
    index: Index | None
    """None: nothing was measured well enough."""
    concentrations: Mapping[str, float]
    """By item of the index, ug/m3, of CO mg/m3; not rounded."""
    edition: Edition
    """By which the index is made."""


def air_days(
    lines: Iterable[str],
    *,
    name: str,
    zone: ZoneInfo,
    quantities: Mapping[str, Quantity],
    edition: Edition | None = None,
    lenient: bool = False,
    asked: Asked = NOTHING_ASKED,
    progress: Callable[[], None] = lambda: None,
) -> tuple[list[AirDay], Mapping[str, int], list[str]]:
    """Return the local days on which something of the index was measured, what does not count, what was taken for what.

    Args:
        lines: of a CSV file as `hub.backtest.judging.backtest` reads it.
        name: of the file, for errors.
        zone: of the local time.
        quantities: the catalogue of quantities.
        edition: by which the index is made; None: by the one in force on each day.
        lenient: mend or leave out wrong rows instead of refusing the file.
        asked: what the user says of the file.
        progress: called every few thousand rows.

    Raises:
        UserError: a row is wrong; the text names file and line.
    """
    local = LocalTime(zone)
    table = Table(name, quantities, zone, lenient=lenient, grain=local.grain, asked=asked)
    hours: dict[str, dict[int, list[float]]] = {quantity: {} for quantity in ITEMS_OF_DAY}
    for number, (quantity, start, end, seconds, total, _) in enumerate(table.sums(lines)):
        if not number % REPORT_EVERY:
            progress()
        if quantity in hours:
            _share(local, hours[quantity], start, end, seconds, total)
    days = {local.day(start).date: local.day(start) for found in hours.values() for start in found}
    result = []
    for day in sorted(days.values(), key=lambda day: day.start):
        windows = []
        start = day.start
        while start < day.end:
            windows.append(local.fixed(start, HOUR))
            start = windows[-1][1]
        means = {
            quantity: [_mean(found.get(start), end - start) for start, end in windows]
            for quantity, found in hours.items()
        }
        index = index_of_day(means, day.date, edition)
        result.append(AirDay(day.date, index, concentrations_of_day(means), edition or edition_on(day.date)))
    return result, table.notes, table.told


def _share(
    local: LocalTime, hours: dict[int, list[float]], start: float, end: float, seconds: float, total: float
) -> None:
    """Add what was measured to the hours in which it lies."""
    length, t = end - start, start
    while t < end:
        begins, ends = local.fixed(int(t), HOUR)
        part = (min(end, ends) - t) / length
        sums = hours.setdefault(begins, [0.0, 0.0])
        sums[0] += seconds * part
        sums[1] += total * part
        t = ends


def _mean(sums: list[float] | None, length: int) -> float | None:
    """Return an hour's mean; None if too little of it was measured."""
    return max(0.0, sums[1] / sums[0]) if sums and sums[0] >= LEAST * length - 1e-6 else None
