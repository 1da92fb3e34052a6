"""Statistics of noise of recorded data: what `fenceline noise` tells of the hub's own, made of a file.

Levels exceeded 5 to 95 % of a time are made of counts of levels, rows whose quantity is a key of a record's `r` such as
h1_134 (`hub.series.levels`). They are added up, so what is told of a night is what one pass over all its levels tells.
A file without counts has its levels from LAeq of intervals of 1 s or shorter, if it has those, and says so.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from hub.backtest.table import Table
from hub.judge.windows import LocalTime
from hub.series.levels import STEP, Levels, counted, is_count
from hub.series.noise import GRAIN, WIND, Statistics, Step, statistics, windows
from hub.series.rollups import Counted
from hub.sheets.sheet import NOTHING_ASKED, Asked
from schemas import Quantity

FINE = 1.0
"""So short an interval's LAeq stands for a level [s]."""
PARTS = 8
"""Levels in a second, as boards count them."""
EACH_ROW = 1 / 1024
"""No two rows are that close together: each is a sum of its own [s]."""
REPORT_EVERY = 4096
FROM_LAEQ = "no counts of levels in the file: L5 to L95 and SD are those of LAeq of intervals of 1 s or shorter"


@dataclass(slots=True)
class _Ten:
    """10 minutes."""

    seconds: float = 0.0
    energy: float = 0.0
    counts: Levels = field(default_factory=Levels)
    fine: Levels = field(default_factory=Levels)
    spans: dict[tuple[float, float], bool] = field(default_factory=dict)
    """Intervals with counts; whether a part of one was beyond the instrument."""
    blown: float = 0.0
    wind: float = 0.0
    """Seconds with a wind speed, and its integral."""
    wet: bool = False

    @property
    def void(self) -> bool:
        """Whether noise does not count in it."""
        return self.wet or (self.blown > 0 and self.wind >= WIND * self.blown)

    def levels(self, *, fine: bool) -> Levels:
        """Return how often each level was."""
        if fine:
            return self.fine
        for (start, end), clipped in self.spans.items():
            self.counts.add(Levels(clipped=end - start) if clipped else Levels(seconds=end - start))
        self.spans.clear()
        return self.counts


def noise_of(
    lines: Iterable[str],
    *,
    name: str,
    zone: ZoneInfo,
    quantities: Mapping[str, Quantity],
    step: Step,
    lenient: bool = False,
    asked: Asked = NOTHING_ASKED,
    progress: Callable[[], None] = lambda: None,
) -> tuple[list[Statistics], Mapping[str, int], list[str]]:
    """Return the statistics of each window, what does not count, and what was taken for what.

    Args:
        lines: of a CSV file as `hub.backtest.judging.backtest` reads it; a quantity may be a key of counts, too.
        name: of the file, for errors.
        zone: of the local time.
        quantities: the catalogue of quantities.
        step: into which windows the time is divided.
        lenient: mend or leave out wrong rows instead of refusing the file.
        asked: what the user says of the file.
        progress: called every few thousand rows.

    Raises:
        UserError: a row is wrong; the text names file and line.
    """
    local = LocalTime(zone)
    table = Table(name, quantities, zone, lenient=lenient, grain=EACH_ROW, asked=asked, is_count=is_count)
    tens: dict[int, _Ten] = {}
    for number, (quantity, start, end, seconds, total, highest) in enumerate(table.sums(lines)):
        if not number % REPORT_EVERY:
            progress()
        if seconds:
            _take(local, tens, quantity, (start, end), total / seconds, highest)
    if not tens:
        return [], table.notes, table.told
    fine = not any(ten.spans for ten in tens.values())
    void = {("", start) for start, ten in tens.items() if ten.void}
    found = [
        Counted("", name, start, ten.seconds, ten.energy, ten.levels(fine=fine)) for start, ten in sorted(tens.items())
    ]
    told = [*table.told, FROM_LAEQ] if fine and any(ten.fine.samples for ten in tens.values()) else table.told
    spans = windows(local, min(tens), max(tens) + GRAIN, step)
    return list(statistics(found, spans, local, void)), table.notes, told


def _take(
    local: LocalTime,
    tens: dict[int, _Ten],
    quantity: str,
    span: tuple[float, float],
    mean: float,
    highest: float,
) -> None:
    start, end = span
    if is_count(quantity):
        ten = tens.setdefault(local.fixed(int(start), GRAIN)[0], _Ten())
        counts = counted({quantity: highest}, 0, clipped=False)
        if counts:
            ten.counts.add(counts)
            ten.spans[span] = ten.spans.get(span, False) or bool(counts.beyond)
        return
    if quantity == "laeq" and end - start <= FINE:
        ten = tens.setdefault(local.fixed(int(start), GRAIN)[0], _Ten())
        place, samples = int(STEP * highest + 0.5), max(1, round(PARTS * (end - start)))
        ten.fine.add(Levels(end - start, 0, {place: samples}))
    while start < end and quantity in ("laeq", "wind_speed", "rain"):
        begins, ends = local.fixed(int(start), GRAIN)
        part, ten = min(end, ends) - start, tens.setdefault(begins, _Ten())
        if quantity == "laeq":
            ten.seconds += part
            ten.energy += part * mean
        elif quantity == "wind_speed":
            ten.blown += part
            ten.wind += part * mean
        elif highest > 0:
            ten.wet = True
        start = ends
