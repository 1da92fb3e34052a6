"""The engine: takes readings in any order, keeps the open windows in memory, judges those that are over.

No database and no clock: what outlasts memory lies in an `Archive`, and when a board's windows are over, it is told.
"""

import math
from bisect import bisect_left
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from hub.judge.averaging import Averager, Mean, rounded
from hub.judge.cells import Archive, Cell, Mark
from hub.judge.rules import Node, Place, Plan, Plans, Rule
from hub.verdicts import Binds, Outcome
from hub.windows import DAY, LocalTime, Window
from schemas.standards import seconds

KEEP = 8 * DAY
"""How long after its end a window is judged again when data come late, s."""
NEVER = 1 << 62
FEW = 200
"""Cells of one kind that are looked through one by one."""


class Sites(Protocol):
    """What the engine must know of the city."""

    def place(self, device: str) -> Place | None:
        """Return what limits ask of a board's site; None: the board is not known."""

    def neighbours(self, device: str) -> tuple[str, ...]:
        """Return the boards of a board's site, itself among them."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one window of one rule means."""

    device: str
    rule: Rule
    binding: Binds
    start: int
    end: int
    value: float | None
    capture: float
    outcome: Outcome
    reason: str
    permitted: bool
    first: bool
    """The window cannot have been judged before."""


class _Slot(NamedTuple):
    """One kind of window that a series' readings fall in."""

    span: str
    length: int | None
    part: tuple[int, int] | None
    nodes: tuple[Node, ...]
    companions: tuple[Node, ...]
    """Nodes of other quantities, which this one voids or converts."""


class _Series:
    """One quantity of one board."""

    __slots__ = ("begin", "board", "current", "device", "end", "energy", "quantity", "slots")

    def __init__(self, board: "_Board", quantity: str, energy: bool) -> None:
        self.board = board
        self.device = board.device
        self.quantity = quantity
        self.energy = energy
        self.begin = self.end = 0  # the local day for which the slots hold
        self.slots: tuple[_Slot, ...] = ()
        self.current: list[Cell | None] = []


class _Board:
    __slots__ = ("before", "closed", "device", "due", "pending", "series")

    def __init__(self, device: str) -> None:
        self.device = device
        self.series: dict[str, _Series] = {}
        self.closed = 0  # windows that end up to here are over
        self.before = 0  # the same, when it was judged the last time
        self.due = NEVER  # the earliest end of a pending window
        self.pending: dict[tuple[Node, int], int] = {}  # windows to be judged, with their end


class Engine:
    """Judges the readings of many boards on one local clock.

    Args:
        plans: what is judged where.
        local: the local clock.
        sites: the boards' sites.
        archive: where cells that are let go of are found again.
    """

    def __init__(self, plans: Plans, local: LocalTime, sites: Sites, archive: Archive) -> None:
        self._plans = plans
        self._local = local
        self._sites = sites
        self._archive = archive
        self._averager = Averager(local)
        self._boards: dict[str, _Board] = {}
        self._cells: dict[tuple[str, str, str], dict[int, Cell]] = {}
        self._starts: dict[tuple[str, str, str], list[int]] = {}  # sorted, where a backtest has many cells
        self.changed: list[tuple[str, str, Cell]] = []
        """(device, quantity, cell) changed since `settle`."""
        self.noted: dict[tuple[str, Node, int], int | None] = {}
        """Pending windows with their end, or None when they were judged, changed since `settle`."""
        self.too_late = 0
        """Readings that came too late for their window to be judged again."""

    def add(self, device: str, quantity: str, t: float, dt: float, value: float | None) -> None:
        """Take one reading: the value over `dt` s from `t` (Unix s) on; None: there is one, but it does not count."""
        series = self._series(device, quantity, t)
        if value is None:
            self._take(series, t, t + dt, 0.0, 0.0, -math.inf)
        else:
            self._take(series, t, t + dt, dt, dt * (10 ** (value / 10) if series.energy else value), value)

    def add_sum(
        self, device: str, quantity: str, start: float, end: float, seconds: float, total: float, highest: float
    ) -> None:
        """Take readings of `start` to `end` (Unix s), added up as in a `Cell`, which lie in one window of every kind.

        One reading may lie in several: it is shared among them.
        """
        self._take(self._series(device, quantity, start), start, end, seconds, total, highest)

    def _series(self, device: str, quantity: str, t: float) -> _Series:
        """Return a quantity of a board, with the slots for the moment `t`."""
        board = self._boards.get(device) or self._board(device)
        series = board.series.get(quantity) or self._open(board, quantity)
        if not series.begin <= t < series.end:
            self._turn(series, int(t))
        return series

    def _take(self, series: _Series, start: float, end: float, seconds: float, total: float, highest: float) -> None:
        for index, cell in enumerate(series.current):
            if cell is not None and cell.start <= start and end <= cell.end:
                cell.seconds += seconds
                cell.total += total
                if highest > cell.highest:  # noqa: PLR1730 - max() costs a call for each reading
                    cell.highest = highest
                if end > cell.seen:
                    cell.seen = int(end)
                if not cell.changed:
                    cell.changed = True
                    self.changed.append((series.device, series.quantity, cell))
            else:
                self._spread(series, index, start, end, (seconds, total, highest))

    def _spread(self, series: _Series, index: int, start: float, end: float, sums: tuple[float, float, float]) -> None:
        """Share an interval among the windows in which it lies; the value is taken to hold throughout."""
        length, (seconds, total, highest) = end - start, sums
        while start < end:
            cell = self._cell(series, index, int(start))
            if cell is None:
                return
            part = (min(end, cell.end) - start) / length
            cell.seconds += seconds * part
            cell.total += total * part
            cell.highest = max(cell.highest, highest)
            cell.seen = max(cell.seen, int(min(end, cell.end)))
            if not cell.changed:
                cell.changed = True
                self.changed.append((series.device, series.quantity, cell))
            start = cell.end

    def _cell(self, series: _Series, index: int, t: int) -> Cell | None:
        """Return the cell that holds the moment `t` and note which windows are to be judged for it; None: too late."""
        slot, board = series.slots[index], series.board
        if slot.part is not None:
            window = self._local.period(t, *slot.part)
        else:
            window = self._local.calendar(t, slot.span) if slot.length is None else self._local.fixed(t, slot.length)
        if window is None:  # outside the part of the day: a cell that nobody looks at keeps the way short
            cell = Cell(slot.span, t, self._part_begins(slot, t))
            cell.changed = True
            series.current[index] = cell
            return cell
        start, end = window
        late = end <= board.closed
        if end <= board.closed - KEEP:
            self.too_late += index == 0
            return None
        cells = self._cells.setdefault((series.device, series.quantity, slot.span), {})
        found = cells.get(start)
        if found is None:
            stored = self._archive.cells(series.device, series.quantity, slot.span, start, start + 1) if late else []
            found = cells[start] = stored[0] if stored else Cell(slot.span, start, end)
        series.current[index] = found
        for node in slot.nodes:
            self._note(board, node, start, end, late)
        for node in slot.companions:
            others = self._sites.neighbours(series.device) if series.quantity == "wind_speed" else (series.device,)
            for other in others:
                neighbour = self._boards.get(other)
                if neighbour and end <= neighbour.closed:
                    self._note(neighbour, node, start, end, late=True)
        return found

    def _part_begins(self, slot: _Slot, t: int) -> int:
        assert slot.part is not None
        day = self._local.day(t)
        begins = self._local.instant(day.date, slot.part[0])
        return begins if begins > t else day.end

    def _note(self, board: _Board, node: Node, start: int, end: int, late: bool) -> None:
        """Note the windows of a node to which a window of its first step belongs."""
        last = node.steps[-1]
        if len(node.steps) == 1:
            self._pend(board, node, start, end)
            return
        if last.slide:
            slide, length = seconds(last.slide), last.seconds
            assert slide
            assert length
            day = self._local.day(start)
            first = start + slide - (start - day.start) % slide
            for ends in range(first, start + length + 1, slide):
                self._pend(board, node, ends - length, ends)
            return
        window = self._averager.window(node, last, start)
        if window is None:
            return
        self._pend(board, node, *window)
        if late and any(step.slide and not step.within_day for step in node.steps):
            following = self._averager.window(node, last, window[1])  # running means reach into it
            if following:
                self._pend(board, node, *following)

    def _pend(self, board: _Board, node: Node, start: int, end: int) -> None:
        key = (node, start)
        if key not in board.pending:
            board.pending[key] = end
            board.due = min(board.due, end)
            self.noted[board.device, node, start] = end

    def _board(self, device: str) -> _Board:
        board = self._boards[device] = _Board(device)
        return board

    def _open(self, board: _Board, quantity: str) -> _Series:
        known = self._plans.quantities.get(quantity)
        series = _Series(board, quantity, known is not None and known.aggregate == "energy_mean")
        board.series[quantity] = series
        return series

    def _turn(self, series: _Series, t: int) -> None:
        """Take the plan for another local day."""
        day = self._local.day(t)
        series.begin, series.end = day.start, day.end
        nodes: dict[Node, None] = {}
        companions: dict[Node, None] = {}
        place = self._sites.place(series.device)
        if place is not None:
            # A night that began yesterday goes on by the plan of yesterday.
            for date in (day.date, self._local.day(day.start - 1).date):
                plan = self._plans.plan(place, date)
                nodes |= dict.fromkeys(plan.nodes.get(series.quantity, ()))
                companions |= dict.fromkeys(plan.companions.get(series.quantity, ()))
        slots = []
        for span in dict.fromkeys(node.span for node in (*nodes, *companions)):
            one = next(node for node in (*nodes, *companions) if node.span == span)
            slots.append(
                _Slot(
                    span,
                    one.steps[0].seconds,
                    one.part if one.steps[0].window == "period" else None,
                    tuple(node for node in nodes if node.span == span),
                    tuple(node for node in companions if node.span == span),
                )
            )
        series.slots = tuple(slots)
        series.current = [None] * len(slots)

    def refresh(self, sites: Sites) -> None:
        """Go by another city from now on."""
        self._sites = sites
        for cells in self._cells.values():
            for cell in cells.values():
                cell.rules = None
        for board in self._boards.values():
            for series in board.series.values():
                series.begin = series.end = 0

    def due(self, device: str) -> int:
        """Return the earliest end of a window of a board that is to be judged, Unix s."""
        board = self._boards.get(device)
        return board.due if board else NEVER

    def closed(self, device: str) -> int:
        """Return up to when a board's windows are over, Unix s."""
        board = self._boards.get(device)
        return board.closed if board else 0

    def reach(self, device: str, closed: int) -> None:
        """Say that a board's windows that end up to `closed` (Unix s) are over; `judge` then judges them."""
        board = self._boards.get(device) or self._board(device)
        board.closed = max(board.closed, closed)

    def judge(self, device: str) -> list[Judgement]:
        """Judge a board's windows that are over, earlier ones first."""
        board = self._boards.get(device)
        found: list[Judgement] = []
        if board is None:
            return found
        while board.due <= board.closed:
            over = [(end, start, node) for (node, start), end in board.pending.items() if end <= board.closed]
            ready = sorted(
                (one for one in over if not self._waits(board, one[2], one[1], one[0])), key=lambda one: one[:2]
            )
            if not ready:
                break
            for end, start, node in ready:
                del board.pending[node, start]
                self.noted[device, node, start] = None
                found += self._evaluate(board, node, start, end)
            board.due = min(board.pending.values(), default=NEVER)
        board.before = board.closed
        return found

    def watch(self, device: str, quantity: str, cell: Cell) -> tuple[Rule, ...]:
        """Return the rules that bind a board's site and judge a cell's window by itself: people are warned of these."""
        place = self._sites.place(device)
        rules: list[Rule] = []
        if place is not None:
            plan = self._plans.plan(place, self._local.day(cell.start).date)
            time_of_day = self._local.time_of_day(cell.start)
            for node in plan.nodes.get(quantity, ()):
                if node.span == cell.span and len(node.steps) == 1 and node.reference_o2 is None:
                    rules += [r for r, binds in plan.rules.get(node, ()) if binds == "binds" and r.warns(time_of_day)]
        cell.rules = tuple(rules)
        return cell.rules

    def _waits(self, board: _Board, node: Node, start: int, end: int) -> bool:
        """Tell whether a neighbour measures the wind of this window and is not done with it."""
        if node.wind_below is None:
            return False
        for other in self._sites.neighbours(board.device):
            neighbour = self._boards.get(other)
            if neighbour and neighbour.closed < end and start in self._cells.get((other, "wind_speed", node.span), ()):
                return True
        return False

    def _evaluate(self, board: _Board, node: Node, start: int, end: int) -> list[Judgement]:
        place = self._sites.place(board.device)
        if place is None:
            return []
        mean = self._averager.mean(node, start, end, _Source(self, board.device))
        if mean is None:
            return []
        plan = self._plans.plan(place, self._local.day(start).date)
        self._keep(board, node, start, mean, plan)
        rules = plan.rules.get(node, ())
        if not rules:
            return []
        time_of_day = self._local.time_of_day(start)
        first = end > board.before
        found: list[Judgement] = []
        for rule, binds in rules:
            if rule.applies(time_of_day):
                found += self._apply(board.device, rule, binds, (start, end), mean, first)
        return found

    def _keep(self, board: _Board, node: Node, start: int, mean: Mean, plan: Plan) -> None:
        outer = [one for one in node.outer if one in plan.rules]
        if not outer:
            return
        self._archive.keep(board.device, node.key, start, mean.value if mean.valid else None)
        for one in outer:
            window = self._averager.window(one, one.steps[-1], start)
            assert window is not None
            self._pend(board, one, *window)

    def _apply(self, device: str, rule: Rule, binds: Binds, window: Window, mean: Mean, first: bool) -> list[Judgement]:
        limit, (start, end) = rule.limit, window
        above = mean.value is not None and rounded(mean.value, rule.decimals) > limit.value
        reason = mean.reason
        if above and reason == "too_little" and limit.steps[-1].statistic == "max":
            reason = ""  # one value above is an exceedance whatever else is missing
        if above and not reason and limit.above_background:
            reason = "no_background"  # with it taken off, it may be below
        above = above and not reason
        outcome: Outcome = "invalid" if reason else "exceeded" if above else "compliant"
        judgement = Judgement(
            device, rule, binds, start, end, mean.value, mean.capture, outcome, reason, permitted=False, first=first
        )
        if limit.permitted is None:
            return [judgement]
        return self._count(judgement, above)

    def _count(self, this: Judgement, above: bool) -> list[Judgement]:
        """Judge a window of a rule that permits some above its value, and later ones whose number it changes."""
        permitted = this.rule.limit.permitted
        assert permitted is not None
        if this.first and not above:
            return [this]
        mark = Mark(this.start, this.end, this.value or 0.0, this.capture) if above else None
        changed = self._archive.mark(this.device, this.rule.id, this.start, mark)
        group = self._local.calendar(this.start, permitted.per)
        marks = self._archive.marks(this.device, this.rule.id, *group)
        found = [] if above else [this]
        for number, one in enumerate(marks, 1):
            if one.start == this.start or (changed and one.start > this.start):
                free = number <= permitted.count
                found.append(
                    Judgement(
                        this.device,
                        this.rule,
                        this.binding,
                        one.start,
                        one.end,
                        one.value,
                        one.capture,
                        "compliant" if free else "exceeded",
                        "",
                        permitted=free,
                        first=this.first and one.start == this.start,
                    )
                )
        return found

    def cells_of(self, device: str, quantity: str, span: str, start: int, end: int) -> dict[int, Cell]:
        """Return the cells that begin in `start` <= t < `end`, by start, from memory and from the archive."""
        key = (device, quantity, span)
        here = self._cells.get(key, {})
        if end - start == 1 and start in here:
            return {start: here[start]}
        board = self._boards.get(device)
        closed = board.closed if board else 0
        found = {}
        if start < closed:
            found = {cell.start: cell for cell in self._archive.cells(device, quantity, span, start, end)}
        if len(here) <= FEW:
            return found | {t: cell for t, cell in here.items() if start <= t < end}
        starts = self._starts.get(key, [])
        if len(starts) != len(here):
            starts = self._starts[key] = sorted(here)
        between = starts[bisect_left(starts, start) : bisect_left(starts, end)]
        return found | {t: here[t] for t in between}

    def wind_of(self, device: str, span: str, start: int) -> float | None:
        """Return the highest of the mean wind speeds that the boards of a site have measured in a window, m/s."""
        means = []
        for other in self._sites.neighbours(device):
            cell = self.cells_of(other, "wind_speed", span, start, start + 1).get(start)
            mean = cell.value("mean") if cell else None
            if mean is not None:
                means.append(mean)
        return max(means, default=None)

    def kept_of(self, device: str, node: Node, start: int, end: int) -> dict[int, float]:
        """Return a node's valid values that begin in `start` <= t < `end`, by start."""
        return self._archive.kept(device, node.key, start, end)

    def restore(self, device: str, closed: int) -> None:
        """Take over how far a board's windows were judged."""
        board = self._boards.get(device) or self._board(device)
        board.closed = board.before = closed

    def restore_cell(self, device: str, quantity: str, cell: Cell) -> None:
        """Take over an open cell."""
        self._cells.setdefault((device, quantity, cell.span), {})[cell.start] = cell

    def restore_pending(self, device: str, key: str, start: int, end: int) -> None:
        """Take over a window that is to be judged; one of an averaging that the catalogue no longer has is left out."""
        node = self._plans.nodes.get(key)
        if node:
            self._pend(self._boards.get(device) or self._board(device), node, start, end)
            self.noted.pop((device, node, start), None)

    def settle(self, devices: "set[str]") -> None:
        """Forget what has changed, since it is on the medium, and let go of these boards' closed windows."""
        for _, _, cell in self.changed:
            cell.changed = False
        self.changed.clear()
        self.noted.clear()
        for device in devices:
            board = self._boards.get(device)
            for series in board.series.values() if board else ():
                self._let_go(series)

    def _let_go(self, series: _Series) -> None:
        closed = series.board.closed
        for index, cell in enumerate(series.current):
            if cell is not None and cell.end <= closed:
                series.current[index] = None
        for slot in series.slots:
            cells = self._cells.get((series.device, series.quantity, slot.span))
            if cells and min(cells) < closed:
                for start in [start for start, cell in cells.items() if cell.end <= closed]:
                    del cells[start]


class _Source:
    """What an evaluation sees: one board's cells, its site's wind."""

    __slots__ = ("_device", "_engine")

    def __init__(self, engine: Engine, device: str) -> None:
        self._engine = engine
        self._device = device

    def cells(self, quantity: str, span: str, start: int, end: int) -> dict[int, Cell]:
        """See `hub.judge.averaging.Source`."""
        return self._engine.cells_of(self._device, quantity, span, start, end)

    def kept(self, node: Node, start: int, end: int) -> dict[int, float]:
        """See `hub.judge.averaging.Source`."""
        return self._engine.kept_of(self._device, node, start, end)

    def wind(self, span: str, start: int) -> float | None:
        """See `hub.judge.averaging.Source`."""
        return self._engine.wind_of(self._device, span, start)
