"""Judges recorded data without a hub: a CSV file in, the judgements of the hub's own engine out.

Rows go straight into windows, so memory grows with the windows (about 1 kB for each and its verdicts), not with the
rows.
"""

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from hub.backtest.table import Table
from hub.judge import Background, Engine, Instrument, Judgement, NoArchive, Place, Plans
from hub.judge.boards import UNSTATED, Marked
from hub.judge.windows import DAY, LocalTime
from hub.sheets.sheet import NOTHING_ASKED, Asked
from schemas import Binding, Limit, Quantity, Standard

HOUR = 3600
REPORT_EVERY = 4096
PAUSE = 600.0
"""After so long without a row nothing is known of how long a value stood still [s]."""
DEAD = "stretch of zeros without end, as of a dead instrument, not counted"
_POINT = "backtest"
_END = 1 << 60


@dataclass(frozen=True, slots=True)
class Result:
    """What a backtest found."""

    judgements: list[Judgement]
    """Sorted by start."""
    rows: int
    notes: Mapping[str, int]
    """What does not count because no instrument in order gives it and, with `lenient`, what was mended: how often."""
    told: list[str]
    """What was taken for what, where the file could have meant something else: sentences for people."""
    left_open: tuple[Binding, ...]
    """Limits on what was measured that may bind the site: something must be known of it first."""


class Zeros:
    """Finds instruments that are dead at zero: `zero_after` of the catalogue, s; None: zero may last for ever."""

    def __init__(self, longest: float | None) -> None:
        self._longest = longest
        self._stretches: list[tuple[float, float, float, float]] = []
        self._since = self._until = -math.inf

    def dead(
        self, start: float, end: float, seconds: float, total: float, highest: float
    ) -> Iterator[tuple[float, float, float, float]]:
        """Take a sum of the table; yield what is taken back: start, end, what is added to seconds and to the total."""
        if self._longest is None or not seconds:
            return
        if highest or total or not 0 <= start - self._until <= PAUSE:
            self._stretches.clear()
            self._since = start
        self._until = end
        if highest or total:
            self._since = end
            return
        self._stretches.append((start, end, -seconds, -total))
        if end - self._since > self._longest:
            yield from self._stretches
            self._stretches.clear()


def backtest(
    lines: Iterable[str],
    *,
    name: str,
    place: Place,
    zone: ZoneInfo,
    limits: list[tuple[Standard, Limit]],
    quantities: Mapping[str, Quantity],
    named: Collection[str] | None = None,
    background: float | None = None,
    instrument: Instrument = UNSTATED,
    lenient: bool = False,
    asked: Asked = NOTHING_ASKED,
    progress: Callable[[], None] = lambda: None,
) -> Result:
    """Judge the rows of a CSV file with the columns time, dt, quantity, value and, if there is one, flag.

    Args:
        lines: of the file, with its header.
        name: of the file, for errors.
        place: what limits ask of the site.
        zone: of the local time.
        limits: as `load_limits` gives them.
        quantities: the catalogue of quantities.
        named: the standards to judge by; None: all that bind the site or inform about it.
        background: level that was measured at the site at rest, dB(A); None: none was.
        instrument: that has measured it all.
        lenient: mend or leave out wrong rows instead of refusing the file.
        asked: what the user says of the file.
        progress: called every few thousand rows.

    Raises:
        UserError: a row is wrong; the text names file and line.
    """
    plans = Plans(limits, quantities, named, open_too=True)
    local = LocalTime(zone)
    engine = Engine(plans, local, _Alone(place, background, instrument), NoArchive(), notes=False)
    table = Table(name, quantities, zone, lenient=lenient, grain=plans.grain(place, local.grain), asked=asked)
    first, last = _END, 0
    runs: dict[str, Zeros] = {}
    dead: Counter[str] = Counter()
    for number, (quantity, start, end, *sums) in enumerate(table.sums(lines)):
        engine.add_sum(_POINT, quantity, start, end, *sums)
        zeros = runs.get(quantity) or runs.setdefault(quantity, Zeros(quantities[quantity].zero_after))
        for stretch in zeros.dead(start, end, *sums):
            dead[DEAD] += 1
            engine.add_sum(_POINT, quantity, *stretch, -math.inf)
        first = int(start) if start < first else first
        last = int(start) if start > last else last
        if not number % REPORT_EVERY:
            progress()
    engine.reach(_POINT, _END)
    judgements = engine.judge(_POINT)
    judgements.sort(key=lambda one: (one.start, one.end, one.rule.id))
    days = {local.day(t).date for t in (first, last)} if table.rows else set()
    left_open = _left_open(plans, place, days, table.quantities, judgements)
    return Result(judgements, table.rows, table.notes + dead, table.told, left_open)


def _left_open(
    plans: Plans, place: Place, days: Iterable[date], quantities: Collection[str], judgements: Sequence[Judgement]
) -> tuple[Binding, ...]:
    judged = {one.rule.id for one in judgements}
    found = {
        (one.standard.id, one.limit.id): one
        for day in sorted(days)
        for one in plans.bindings(place, day)
        if one.status == "open" and one.limit.quantity in quantities
    }
    bounded = {(one.rule.standard.id, one.rule.limit.quantity, one.missing) for one in judgements if one.missing}
    return tuple(
        one
        for key, one in found.items()
        if " ".join(key) not in judged and (one.standard.id, one.limit.quantity, one.missing) not in bounded
    )


class _Alone:
    """A city of one site with one board."""

    def __init__(self, place: Place, background: float | None, instrument: Instrument) -> None:
        self._place = place
        self._instrument = instrument
        self._background = background

    def place(self, device: str) -> Place | None:  # noqa: ARG002
        return self._place

    def neighbours(self, device: str) -> tuple[str, ...]:
        return (device,)

    def backgrounds(self, device: str) -> tuple[Background, ...]:  # noqa: ARG002
        # Whoever names one says that it holds at all times, by day and by night.
        level, hours = self._background, range(0, DAY, HOUR)
        return () if level is None else tuple(Background("laeq", level, t, 0, _END) for t in hours)

    def starting(self, device: str) -> tuple[tuple[int, int], ...]:  # noqa: ARG002
        return ()

    def marked(self, device: str, quantity: str, start: int, end: int) -> tuple[Marked, ...]:  # noqa: ARG002
        return ()

    def instrument(self, device: str, quantity: str) -> Instrument:  # noqa: ARG002
        return self._instrument

    def permit(self, device: str, quantity: str, t: int) -> None:  # noqa: ARG002
        return None

    def reference(self, device: str) -> None:  # noqa: ARG002
        return None

    def referring(self, device: str) -> tuple[str, ...]:  # noqa: ARG002
        return ()
