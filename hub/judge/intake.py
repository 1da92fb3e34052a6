"""Readings come in here, in any order, and go into the windows that they lie in; what is to be judged is noted."""

import math
from collections.abc import Collection
from datetime import date
from functools import lru_cache

from hub.judge.averaging import Averager
from hub.judge.boards import KEEP, NEVER, Background, JudgedBoard, Series, Sites, Slot
from hub.judge.cells import Archive, Cell
from hub.judge.rules import AT_LEAST, WEATHER, Node, Place, Plans
from hub.judge.windows import LocalTime, Window
from schemas.standards import seconds


class Intake:
    """Takes the readings of many boards on one local clock.

    Args:
        plans: what is judged where.
        local: the local clock.
        sites: the boards' sites.
        archive: where cells that are let go of are found again.
        warns: the last minutes of open windows are followed, for early warning (`hub.compliance.budget`).
        notes: what changes is noted for whoever puts it on a medium and then calls `settle`.
    """

    def __init__(
        self,
        plans: Plans,
        local: LocalTime,
        sites: Sites,
        archive: Archive,
        *,
        warns: bool = False,
        notes: bool = True,
    ) -> None:
        self._plans = plans
        self._local = local
        self._sites = sites
        self._archive = archive
        self._warns = warns
        self._notes = notes
        self._averager = Averager(local)
        self._slots = lru_cache(4096)(self._make_slots)  # most sites are alike, and then they share them
        self._boards: dict[str, JudgedBoard] = {}
        self._cells: dict[tuple[str, str, str], dict[int, Cell]] = {}
        self.changed: list[tuple[str, str, Cell]] = []
        """(device, quantity, cell) changed since `settle`."""
        self.noted: dict[tuple[str, Node, int], int | None] = {}
        """Pending windows with their end, or None when they were judged, changed since `settle`."""
        self.too_late = 0
        """Readings that came too late for their window to be judged again."""

    def add(self, device: str, quantity: str, t: float, dt: float, value: float | None) -> None:
        """Take one reading: the value over `dt` s from `t` (Unix s) on; None: there is one, but it does not count."""
        series = self._series(device, quantity, t)
        if not series.slots:
            return
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

    def void(self, device: str, quantity: str, since: int, until: int, value: float) -> None:
        """Take back what a faulty sensor gave from `since` to `until` (Unix s): all the time the same value.

        Whatever has been measured in a window can only have been measured before.
        """
        t = since
        while t < until:
            series = self._series(device, quantity, t)
            weight = 10 ** (value / 10) if series.energy else value
            for index in range(len(series.slots)):
                begin = t
                while begin < min(until, series.end):
                    cell = self._cell(series, index, begin)
                    if cell is None:
                        break
                    _take_back(cell, max(0, since - cell.start), weight)
                    if not cell.changed:
                        cell.changed = True
                        self.changed.append((device, quantity, cell))
                    begin = cell.end
            t = series.end

    def _series(self, device: str, quantity: str, t: float) -> Series:
        """Return a quantity of a board, with the slots for the moment `t`."""
        board = self._boards.get(device) or self._board(device)
        series = board.series.get(quantity) or self._open(board, quantity)
        if not series.begin <= t < series.end:
            self._turn(series, int(t))
        return series

    def _take(self, series: Series, start: float, end: float, seconds: float, total: float, highest: float) -> None:
        for index, cell in enumerate(series.current):
            if cell is not None and cell.start <= start and end <= cell.end:
                cell.seconds += seconds
                cell.total += total
                if highest > cell.highest:  # noqa: PLR1730 - max() costs a call for each reading
                    cell.highest = highest
                if end > cell.seen:
                    cell.seen = int(end)
                    if end >= cell.follow_at:
                        cell.follow()
                if not cell.changed:
                    cell.changed = True
                    self.changed.append((series.device, series.quantity, cell))
            else:
                self._spread(series, index, start, end, (seconds, total, highest))

    def _spread(self, series: Series, index: int, start: float, end: float, sums: tuple[float, float, float]) -> None:
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
            if cell.seen >= cell.follow_at:
                cell.follow()
            if not cell.changed:
                cell.changed = True
                self.changed.append((series.device, series.quantity, cell))
            start = cell.end

    def _cell(self, series: Series, index: int, t: int) -> Cell | None:
        """Return the cell that holds the moment `t` and note which windows are to be judged for it; None: too late."""
        slot, board = series.slots[index], series.board
        window = self._window(slot, t)
        if (
            window is None
        ):  # the limit does not apply at this time of day: an unused cell spares the hot path a second check
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
            board.ends = min(board.ends, end)
            found.changed = not self._notes
            if self._warns and not late:
                found.follow_at = start
        series.current[index] = found
        for node in slot.nodes:
            self._note(board, node, start, end, late)
        self._note_others(series, slot, start, end)
        return found

    def _window(self, slot: Slot, t: int) -> Window | None:
        """Return the window of a kind that holds the moment `t`; None: there is none at this time of day."""
        if slot.part is not None:
            return self._local.period(t, *slot.part)
        return self._local.calendar(t, slot.span) if slot.length is None else self._local.fixed(t, slot.length)

    def _note_others(self, series: Series, slot: Slot, start: int, end: int) -> None:
        """Note the windows, of this board and others, for which a window of this quantity matters."""
        for node in slot.companions:
            others = self._sites.neighbours(series.device) if series.quantity in WEATHER else (series.device,)
            for other in others:
                neighbour = self._boards.get(other)
                if neighbour and end <= neighbour.closed:
                    self._note(neighbour, node, start, end, late=True)
        for other in self._sites.referring(series.device):
            self._note_background(other, series.device, series.quantity, slot.span, start, end)

    def _note_background(self, device: str, measures: str, quantity: str, span: str, start: int, end: int) -> None:
        """Note the windows of a board that were judged without the background that another one measures now."""
        board, place = self._boards.get(device), self._sites.place(device)
        if board and place and end <= board.closed:
            plan = self._plans.plan(place, self._local.day(start).date)
            for node in plan.nodes.get(quantity.removesuffix(AT_LEAST), ()):
                if node.span == span and measures in self._measuring(device, node, start):
                    self._note(board, node, start, end, late=True)

    def _measuring(self, device: str, node: Node, start: int) -> list[str]:
        """Return the boards that measure the background of a board's window, the one to be preferred first."""
        found = []
        if node in self._plans.deducted and (reference := self._sites.reference(device)):
            found.append(reference)
        if node in self._plans.corrected:
            found += [one.board for one in self._corrections(device, node.quantity, start) if one.board]
        return found

    def _corrections(self, device: str, quantity: str, start: int) -> list[Background]:
        """Return the backgrounds of noise that hold for a window of a board, the newest first."""
        known = self._sites.backgrounds(device)
        held = [one for one in known if one.quantity == quantity and one.since <= start < one.until]
        return sorted(held, key=lambda one: -one.since)

    def _part_begins(self, slot: Slot, t: int) -> int:
        assert slot.part is not None
        day = self._local.day(t)
        begins = self._local.instant(day.date, slot.part[0])
        return begins if begins > t else day.end

    def _note(self, board: JudgedBoard, node: Node, start: int, end: int, late: bool) -> None:
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

    def _pend(self, board: JudgedBoard, node: Node, start: int, end: int) -> None:
        key = (node, start)
        if key not in board.pending:
            board.pending[key] = end
            board.due = min(board.due, end)
            if self._notes:
                self.noted[board.device, node, start] = end

    def _board(self, device: str) -> JudgedBoard:
        board = self._boards[device] = JudgedBoard(device)
        return board

    def _open(self, board: JudgedBoard, quantity: str) -> Series:
        known = self._plans.quantities.get(quantity.removesuffix(AT_LEAST))
        series = Series(board, quantity, known is not None and known.aggregate == "energy_mean")
        board.series[quantity] = series
        return series

    def _turn(self, series: Series, t: int) -> None:
        """Take the plan for another local day."""
        day = self._local.day(t)
        series.begin, series.end = day.start, day.end
        place = self._sites.place(series.device)
        # A night that began yesterday goes on by the plan of yesterday.
        yesterday = self._local.day(day.start - 1)
        dates = day.date, yesterday.date
        # Whose background it measures may have windows that its own site has not.
        others = dict.fromkeys(map(self._sites.place, self._sites.referring(series.device)))
        served = tuple(one for one in others if one is not None)
        series.slots = self._slots(place, series.quantity, served, *dates) if place is not None else ()
        series.current = [None] * len(series.slots)

    def _make_slots(self, place: Place, quantity: str, served: tuple[Place, ...], *dates: date) -> tuple[Slot, ...]:
        """Return the kinds of windows that a quantity's readings fall in at a place, by the plans of these days.

        `served`: the places whose background is measured here.
        """
        nodes: dict[Node, None] = {}
        companions: dict[Node, None] = {}
        for plan in (self._plans.plan(place, day) for day in dates):
            nodes |= dict.fromkeys(plan.nodes.get(quantity, ()))
            companions |= dict.fromkeys(plan.companions.get(quantity, ()))
        of = quantity.removesuffix(AT_LEAST)
        wanted = [
            node
            for plan in (self._plans.plan(one, day) for one in served for day in dates)
            for node in plan.nodes.get(of, ())
            if node in self._plans.deducted or node in self._plans.corrected
        ]
        slots = []
        for span in dict.fromkeys(node.span for node in (*nodes, *companions, *wanted)):
            one = next(node for node in (*nodes, *companions, *wanted) if node.span == span)
            slots.append(
                Slot(
                    span,
                    one.steps[0].seconds,
                    one.part if one.steps[0].window == "period" else None,
                    tuple(node for node in nodes if node.span == span),
                    tuple(node for node in companions if node.span == span),
                )
            )
        return tuple(slots)

    def refresh(self, sites: Sites) -> None:
        """Go by another city from now on."""
        self._sites = sites
        for cells in self._cells.values():
            for cell in cells.values():
                cell.rules = None
        for board in self._boards.values():
            for series in board.series.values():
                series.begin = series.end = 0

    def again(self, device: str, quantities: Collection[str], since: int) -> None:
        """Judge hours of a board again that begin at a moment (Unix s) or later: another permit holds, or none.

        As far back as late data would judge them again.
        """
        board, place = self._boards.get(device), self._sites.place(device)
        if board is None or place is None:
            return
        for quantity in quantities:
            permitted = self._plans.permitted.get(quantity)
            if permitted is None:
                continue
            first, closed = max(since, board.closed - KEEP), board.closed
            for cell in self._archive.cells(device, quantity, permitted.span, first, closed):
                plan = self._plans.plan(place, self._local.day(cell.start).date)
                for node in plan.nodes.get(quantity, ()):
                    if node.span == permitted.span and cell.end <= closed:
                        self._note(board, node, cell.start, cell.end, late=True)

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

    def restore(self, device: str, closed: int) -> None:
        """Take over how far a board's windows were judged."""
        board = self._boards.get(device) or self._board(device)
        board.closed = board.before = closed

    def restore_cell(self, device: str, quantity: str, cell: Cell) -> None:
        """Take over an open cell."""
        cell.follow_at = cell.start if self._warns else math.inf
        self._cells.setdefault((device, quantity, cell.span), {})[cell.start] = cell
        board = self._boards.get(device) or self._board(device)
        board.ends = min(board.ends, cell.end)

    def restore_pending(self, device: str, key: str, start: int, end: int) -> None:
        """Take over a window that is to be judged; one of an averaging that the catalogue no longer has is left out."""
        # Not everything that makes a window void was always part of the key.
        later = (f"{key}|dry", f"{key}|void", f"{key}|starting")
        node = self._plans.nodes.get(key) or next(
            (node for known, node in self._plans.nodes.items() if known.startswith(later)), None
        )
        if node:
            self._pend(self._boards.get(device) or self._board(device), node, start, end)
            self.noted.pop((device, node, start), None)

    def clear_changes(self, devices: "set[str]") -> None:
        """Forget what has changed, since it is on the medium, and let go of these boards' closed windows."""
        for _, _, cell in self.changed:
            cell.changed = False
        self.changed.clear()
        self.noted.clear()
        for device in devices:
            board = self._boards.get(device)
            if board and board.ends <= board.closed:
                board.ends = min((self._let_go(series) for series in board.series.values()), default=NEVER)

    def _let_go(self, series: Series) -> int:
        """Forget a quantity's cells that are closed; return the earliest end of those that are not."""
        closed, earliest = series.board.closed, NEVER
        for index, cell in enumerate(series.current):
            if cell is not None and cell.end <= closed:
                series.current[index] = None
        for slot in series.slots:
            cells = self._cells.get((series.device, series.quantity, slot.span), {})
            for start in [start for start, cell in cells.items() if cell.end <= closed]:
                del cells[start]
            earliest = min(earliest, min((cell.end for cell in cells.values()), default=NEVER))
        return earliest


def _take_back(cell: Cell, seconds: float, weight: float) -> None:
    """Leave at most so many seconds of what was measured in a window; each of the others added `weight`."""
    removed = cell.seconds - seconds
    if removed <= 0:
        return
    cell.seconds, cell.total = seconds, cell.total - removed * weight
    if not seconds:
        cell.total, cell.highest = 0.0, -math.inf
