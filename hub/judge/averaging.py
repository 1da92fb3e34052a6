"""From cells to the value that is compared with a limit: the chain of an averaging, step by step."""

import math
from collections.abc import Iterator
from typing import NamedTuple, Protocol

from hub.judge.cells import Cell
from hub.judge.permitted import PermittedLimit
from hub.judge.rules import AT_REST, Node
from hub.judge.windows import LocalTime, Window
from schemas import Step
from schemas.standards import seconds

AIR = 21.0
"""Share of oxygen in air as the standards convert with it, %."""
EPSILON = 1e-9


class Mean(NamedTuple):
    """What an averaging gives for one window."""

    value: float | None
    """None: nothing was measured."""
    capture: float
    """Share of its time, or of the values that the step before can give."""
    reason: str = ""
    """Why it is not valid (a key of `hub.judge.verdicts.REASONS`); empty: it is."""
    least: float | None = None
    """Of noise of which a part was clipped: the level that is certain, dB."""

    @property
    def valid(self) -> bool:
        """Whether it may be used."""
        return not self.reason


class Source(Protocol):
    """What one board and its site have measured."""

    def cell(self, quantity: str, span: str, start: int) -> Cell | None:
        """Return the cell that begins at `start`."""

    def cells(self, quantity: str, span: str, start: int, end: int) -> dict[int, Cell]:
        """Return the cells that begin in `start` <= t < `end`, by start."""

    def kept(self, node: Node, start: int, end: int) -> dict[int, float]:
        """Return a node's valid values that begin in `start` <= t < `end`, by start."""

    def permit(self, quantity: str, start: int) -> PermittedLimit | None:
        """Return what a permit allows in a window that begins at `start`."""

    def rain(self, span: str, start: int) -> bool:
        """Tell whether any rain or snow was measured at the site in a window."""

    def starting(self, start: int, end: int) -> bool:
        """Tell whether the site's plant is declared to be started or stopped in a part of `start` <= t < `end`."""

    def marked(self, quantity: str, start: int, end: int) -> int:
        """Return how much of `start` <= t < `end` is marked as invalid by those who are watched [s]."""

    def wind(self, span: str, start: int) -> float | None:
        """Return the mean wind speed at the site in a window, m/s; None if it was not measured."""


class Averager:
    """Evaluates windows of nodes on one local clock."""

    def __init__(self, local: LocalTime) -> None:
        self._local = local

    def window(self, node: Node, step: Step, t: int) -> Window | None:
        """Return the step's window that holds the moment `t` (of running means: of that many, the first)."""
        if step.window == "period":
            assert node.part is not None
            return self._local.period(t, *node.part)
        length = step.seconds
        return self._local.calendar(t, step.window) if length is None else self._local.fixed(t, length)

    def windows(self, node: Node, step: Step, start: int, end: int) -> Iterator[Window]:
        """Go through the step's windows that begin in `start` <= t < `end`; running ones: end in it."""
        if step.slide:
            slide, length = seconds(step.slide), step.seconds
            assert slide
            assert length
            for ends in range(start + slide, end + 1, slide):
                if not step.within_day or ends - length >= start:
                    yield ends - length, ends
            return
        while start < end:
            found = self.window(node, step, start)
            if found is None:
                start = self._next_period(node, start)
                continue
            if found[0] >= start:
                yield found
            start = found[1]

    def _next_period(self, node: Node, t: int) -> int:
        assert node.part is not None
        day = self._local.day(t)
        begins = self._local.instant(day.date, node.part[0])
        return begins if begins > t else day.end

    def mean(self, node: Node, start: int, end: int, source: Source) -> Mean | None:
        """Return the value of a node's window; None when no reading of it has come at all."""
        if len(node.steps) == 1:
            cell = source.cell(node.quantity, node.span, start)
            return self._first(node, cell, source) if cell else None
        last = len(node.steps) - 1
        if node.inner:
            return self._chain(node, last, (start, end), len(node.inner.steps) - 1, source.kept(node.inner, start, end))
        earliest = start - max((step.seconds or 0 for step in node.steps if step.slide), default=0)
        cells = source.cells(node.quantity, node.span, earliest, end)
        if not any(start <= t < end for t in cells):
            return None
        means = {t: self._first(node, cell, source) for t, cell in cells.items()}
        known = {t: mean.value for t, mean in means.items() if mean.valid and mean.value is not None}
        return self._chain(node, last, (start, end), 0, known)

    def _chain(self, node: Node, index: int, window: Window, base: int, known: dict[int, float]) -> Mean:
        """Return a window of step `index`; `known`: the valid values of step `base` by start."""
        inner = [one for one in self.windows(node, node.steps[index - 1], *window) if self._counts(node, one[0])]
        found = []
        for one in inner:
            if index - 1 == base:
                value = known.get(one[0])
            else:
                mean = self._chain(node, index - 1, one, base, known)
                value = mean.value if mean.valid else None
            if value is not None:
                found.append((one[0], value))
        return self._later(node.steps[index], found, len(inner))

    def _counts(self, node: Node, start: int) -> bool:
        """Tell whether a window within a longer one lies in the node's part of the day."""
        if node.part is None or node.steps[0].window == "period":
            return True
        from_, to = node.part
        time = self._local.time_of_day(start)
        return from_ <= time < to if from_ < to else time >= from_ or time < to

    def _first(self, node: Node, cell: Cell, source: Source) -> Mean:
        found = self._measured(node, cell, source)
        if self._is_marked(node, cell, source):
            return found._replace(reason="marked")
        if node.starting_void and found.valid and source.starting(cell.start, cell.end):
            return found._replace(reason="starting")
        if node.by_permit and found.valid and not self._runs(node, cell, source):
            return found._replace(reason="not_running")
        return found

    def _runs(self, node: Node, cell: Cell, source: Source) -> bool:
        """Tell whether a plant was in operation in an hour, as `hub.judge.stacks.hours` tells it by flow and flag.

        With the letter F for a part of it, it was started or stopped if the hour before or after is one at rest.
        """
        if self._at_rest(node, cell.start, source):
            return False
        part = source.cell(node.quantity + AT_REST, node.span, cell.start)
        if part is None or not part.seconds:
            return True
        beside = (self._local.fixed(t, cell.end - cell.start) for t in (cell.start - 1, cell.end))
        return not any(source.starting(*one) or self._at_rest(node, one[0], source) for one in beside)

    def _at_rest(self, node: Node, start: int, source: Source) -> bool:
        """Tell whether a plant was at rest in the hour that begins at `start`, Unix s."""
        measured, rest, flow = (source.cell(one, node.span, start) for one in (node.quantity, *node.states))
        if rest is not None and rest.seconds and rest.seconds >= (measured.seconds if measured else 0.0):
            return True
        permit = source.permit(node.quantity, start)
        if permit is None or permit.stopped_below is None or flow is None:
            return False
        mean, least = flow.value("mean"), node.steps[0].least_valid or 0
        return mean is not None and flow.share + EPSILON >= least and mean < permit.stopped_below

    def _is_marked(self, node: Node, cell: Cell, source: Source) -> bool:
        """Tell whether marks leave too little of a window, of its quantity or of one on which its value depends."""
        least = (node.steps[0].least_valid or 0) * (cell.end - cell.start)
        for quantity in (node.quantity, *node.companions):
            marked = source.marked(quantity, cell.start, cell.end)
            if marked:
                other = cell if quantity == node.quantity else source.cell(quantity, node.span, cell.start)
                left = (other.seconds if other else 0.0) - marked
                if left <= 0 or left + EPSILON < least:
                    return True
        return False

    def _measured(self, node: Node, cell: Cell, source: Source) -> Mean:
        step = node.steps[0]
        value, share = cell.value(step.statistic), cell.share
        if node.wind_below is not None:
            wind = source.wind(node.span, cell.start)
            if wind is not None and wind >= node.wind_below:
                return Mean(value, share, "wind")
        if node.dry and source.rain(node.span, cell.start):
            return Mean(value, share, "rain")
        reason = "" if share + EPSILON >= (step.least_valid or 0) else "too_little"
        reference, void_o2 = node.reference_o2, node.void_o2
        if node.by_permit and (permit := source.permit(node.quantity, cell.start)):
            reference, void_o2 = permit.reference_o2, permit.void_o2
        if value is None or (reference is None and not node.by_permit):
            return Mean(value, share, reason)
        oxygen = source.cell("stack_o2", node.span, cell.start)
        measured = oxygen.value("mean") if oxygen else None
        too_little = oxygen is None or oxygen.share + EPSILON < (step.least_valid or 0)
        if reference is None:
            high = measured is not None and not too_little and void_o2 is not None and measured >= void_o2
            return Mean(value, share, "oxygen_high" if high else reason)
        if measured is None or measured >= AIR or too_little:
            return Mean(None, share, "no_oxygen")
        if void_o2 is not None and measured >= void_o2:
            reason = "oxygen_high"
        return Mean(value * (AIR - reference) / (AIR - measured), share, reason)

    def _later(self, step: Step, found: list[tuple[int, float]], possible: int) -> Mean:
        values = [value for _, value in found]
        capture = min(1.0, len(values) / possible) if possible else 0.0
        by_share = capture + EPSILON >= (step.least_valid or 0)
        enough = by_share if step.least is None else len(values) >= step.least
        enough = enough and bool(values) and self._months(step, found)
        return Mean(_statistic(step, values), capture, "" if enough else "too_little")

    def _months(self, step: Step, found: list[tuple[int, float]]) -> bool:
        """Tell whether every month has enough values."""
        if step.least_each_month is None:
            return True
        days = [self._local.day(t).date for t, _ in found]
        if not days:
            return False
        in_month: dict[int, int] = {}
        for day in days:
            in_month[day.month] = in_month.get(day.month, 0) + 1
        first = (days[0].month - 1) // 3 * 3 + 1 if step.window == "quarter" else 1
        months = range(first, first + (3 if step.window == "quarter" else 12))
        return all(
            in_month.get(month, 0) >= ((step.least_february if month == 2 else None) or step.least_each_month)
            for month in months
        )


def _statistic(step: Step, values: list[float]) -> float | None:
    if not values:
        return None
    if step.statistic == "max":
        return max(values)
    if step.statistic.startswith("p"):
        return percentile(values, int(step.statistic[1:]))
    if step.statistic == "energy_mean":
        return 10 * math.log10(math.fsum(10 ** (value / 10) for value in values) / len(values))
    return math.fsum(values) / len(values)


def percentile(values: list[float], percent: int) -> float:
    """Return a percentile of at least one value as HJ 663 has it: between the two nearest ranks in proportion.

    The rank is 1 + (n - 1) x percent / 100, counted from the lowest value.
    """
    ordered = sorted(values)
    below, rest = divmod((len(ordered) - 1) * percent, 100)
    above = ordered[min(below + 1, len(ordered) - 1)]
    return ordered[below] + (above - ordered[below]) * rest / 100


def rounded(value: float, decimals: int) -> float:
    """Return a value rounded as GB/T 8170 has it: to the nearest, of two equally near ones to the even.

    Sums of floating-point numbers in another order differ in their last digits. What is as near to a tie as that counts
    as one, so that the order of arrival never changes a verdict.
    """
    scale = float(10**decimals)
    scaled = value * scale
    below = math.floor(scaled)
    rest = scaled - below
    tie = abs(rest - 0.5) < 1e-7 * max(1.0, abs(scaled) * 1e-6)
    up = below % 2 == 1 if tie else rest > 0.5
    return (below + 1 if up else below) / scale
