"""The engine: judges the windows that are over.

No database and no clock: what outlasts memory lies in an `Archive`, and when a board's windows are over, it is told.
"""

import math
from bisect import bisect_left
from dataclasses import dataclass, replace
from datetime import date
from operator import itemgetter

from hub.judge.averaging import EPSILON, Mean, rounded
from hub.judge.boards import KEEP, NEVER, JudgedBoard, Series, Sites, Slot
from hub.judge.cells import Archive, Cell, Mark
from hub.judge.comparing import Compared, compare, decided
from hub.judge.intake import Intake
from hub.judge.permitted import PermittedLimit
from hub.judge.rules import AT_LEAST, AT_REST, WEATHER, Bound, Node, Place, Plan, Plans, Rule, within
from hub.judge.verdicts import ABOVE, Binds, Decision, Grade, InstrumentClass, Outcome
from hub.judge.windows import LocalTime, Window

FEW = 200
"""Cells of one kind that are looked through one by one."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one window of one rule means."""

    device: str
    rule: Rule
    binding: Binds
    start: int
    end: int
    value: float | None
    told: float | None
    """The value as it is told: rounded to the rule's decimals."""
    compared: float | None
    """What was compared with the limit."""
    background: float | None
    """The background that was known."""
    capture: float
    outcome: Outcome
    grade: Grade
    reason: str
    missing: str
    """What is not known (`hub.judge.verdicts.Verdict.missing`)."""
    assumed: str
    permitted: bool
    first: bool
    """The window cannot have been judged before."""
    instrument: InstrumentClass = ""
    uncertainty: float | None = None
    """Of the instrument at the limit (`hub.judge.verdicts.Verdict.uncertainty`)."""
    decision: Decision = "simple"
    marks: tuple[int, ...] = ()
    """The marks that lie in the window (`hub.judge.boards.Sites.marked`)."""


class Engine(Intake):
    """Judges the readings of many boards on one local clock.

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
        super().__init__(plans, local, sites, archive, warns=warns, notes=notes)
        self._starts: dict[tuple[str, str, str], list[int]] = {}  # sorted, where a backtest has many cells
        self._plan: tuple[Place, date, Plan] | None = None  # the one that was needed last
        self._beside: set[tuple[str, Node, int]] = set()  # windows that are looked at again for those beside them

    def judge(self, device: str) -> list[Judgement]:
        """Judge a board's windows that are over, earlier ones first."""
        board, source = self._boards.get(device), _Source(self, device)
        found: list[Judgement] = []
        if board is None:
            return found
        while board.due <= board.closed:
            over = [(end, start, node) for (node, start), end in board.pending.items() if end <= board.closed]
            ready = [one for one in over if not self._waits(board, one[2], one[1], one[0])]
            ready.sort(key=itemgetter(0, 1))
            if not ready:
                break
            for end, start, node in ready:
                del board.pending[node, start]
                if self._notes:
                    self.noted[device, node, start] = None
                found += self._evaluate(board, node, start, end, source)
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
                if node.span == cell.span and len(node.steps) == 1:
                    bounds = plan.rules.get(node, ())
                    if quantity in place.permitted:
                        bounds = self._permitted(device, node, cell.start, bounds)
                    bound = (one.rule for one in bounds if one.binds == "binds" and one.rule.limit.reference_o2 is None)
                    rules += [rule for rule in bound if rule.warns(time_of_day)]
        cell.rules = tuple(rules)
        return cell.rules

    def _waits(self, board: JudgedBoard, node: Node, start: int, end: int) -> bool:
        """Tell whether another board measures the wind or background of this window and is not done with it."""
        others = []
        if node.wind_below is not None:
            others = [(other, one) for other in self._sites.neighbours(board.device) for one in WEATHER]
        others += [(other, node.quantity) for other in self._measuring(board.device, node, start)]
        for other, quantity in others:
            neighbour = self._boards.get(other)
            cells = self._cells.get((other, quantity, node.span), {})
            if neighbour and neighbour.closed < end and any(start <= t < end for t in cells):
                return True
        return False

    def _evaluate(self, board: JudgedBoard, node: Node, start: int, end: int, source: "_Source") -> list[Judgement]:
        place = self._sites.place(board.device)
        if place is None:
            return []
        mean = self._averager.mean(node, start, end, source)
        if mean is None:
            return []
        plan = self._plan_for(place, self._local.day(start).date)
        bounds = plan.rules.get(node, ())
        if node.quantity in place.permitted:
            bounds = self._permitted(board.device, node, start, bounds)
        if bounds and node.may_be_bounded:
            mean = self._bounded(board.device, node, (start, end), mean)
        if node.by_permit:
            self._look_beside(board, node, start, end)
        time_of_day = self._local.time_of_day(start)
        first = end > board.before
        found: list[Judgement] = []
        for bound in bounds:
            if bound.rule.applies(time_of_day):
                found += self._apply(board.device, bound, (start, end), mean, first)
        # Of a maximum, one that is above a limit counts however little of its window was measured: in a year, too.
        above = [one for one in found if one.start == start and one.outcome == "exceeded" and one.reason != "at_least"]
        counts = mean.valid or above
        self._keep(board, node, start, mean if counts else mean._replace(value=None), plan)
        return found

    def _look_beside(self, board: JudgedBoard, node: Node, start: int, end: int) -> None:
        """Have the hours beside one judged again in a part of which a plant was at rest: what lies there is known now.

        Those that are looked at for this reason do not look further.
        """
        if (board.device, node, start) in self._beside:
            self._beside.discard((board.device, node, start))
            return
        for begin, until in (self._local.fixed(t, end - start) for t in (start - 1, end)):
            rest = self.cell_of(board.device, node.quantity + AT_REST, node.span, begin)
            if rest is not None and rest.seconds and board.closed - KEEP < until <= board.closed:
                if (node, begin) not in board.pending:
                    self._beside.add((board.device, node, begin))
                self._pend(board, node, begin, until)

    def _permitted(self, device: str, node: Node, start: int, bounds: tuple[Bound, ...]) -> tuple[Bound, ...]:
        """Return what is judged where a permit sets a limit: that binds, and what standards say of an hour informs."""
        permit = self._sites.permit(device, node.quantity, start)
        if node.by_permit:
            if permit is None:
                return ()
            return (Bound(self._plans.permit_rule(permit, self._local.day(max(permit.since, 0)).date), "binds"),)
        if permit is None or len(node.steps) > 1 or node.span != self._plans.permitted[node.quantity].span:
            return bounds
        standards = (one.rule.standard.nature == "emission" for one in bounds)
        return tuple(
            one._replace(binds="informs") if emission else one for one, emission in zip(bounds, standards, strict=True)
        )

    def _bounded(self, device: str, node: Node, window: Window, mean: Mean) -> Mean:
        """Return the mean, with the level that the window has for certain where a part of it was clipped.

        What was neither measured nor clipped counts as silence.
        """
        start, end = window
        clipped = self.cell_of(device, node.quantity + AT_LEAST, node.span, start)
        if clipped is None or not clipped.seconds:
            return mean
        if node.steps[0].statistic == "max":
            return mean._replace(least=clipped.highest)
        cell = self.cell_of(device, node.quantity, node.span, start)
        energy = clipped.total + (cell.total if cell else 0.0)
        return mean._replace(least=10 * math.log10(energy / (end - start)))

    def _plan_for(self, place: Place, day: date) -> Plan:
        known = self._plan
        if known is None or known[0] is not place or known[1] != day:
            known = self._plan = place, day, self._plans.plan(place, day)
        return known[2]

    def _keep(self, board: JudgedBoard, node: Node, start: int, mean: Mean, plan: Plan) -> None:
        outer = [one for one in node.outer if one in plan.rules]
        if not outer:
            return
        self._archive.keep(board.device, node.key, start, mean.value)
        for one in outer:
            window = self._averager.window(one, one.steps[-1], start)
            assert window is not None
            self._pend(board, one, *window)

    def _apply(self, device: str, bound: Bound, window: Window, mean: Mean, first: bool) -> list[Judgement]:
        rule, (start, end) = bound.rule, window
        background = self._background(device, rule, start)
        instrument = self._sites.instrument(device, rule.limit.quantity)
        if rule.limit.screening:
            instrument = instrument._replace(kind="indicative")  # by another method than the standard's
        unsaid = ["operation=running"] if rule.node.starting_void and not self._sites.starting(device) else []
        assumed = ", ".join([*filter(None, [bound.assumed]), *unsaid])
        found = None if mean.value is None else compare(bound, mean.value, background, instrument)
        if found and found.outcome == "exceeded" and mean.value is not None:
            found = found._replace(doubt=found.doubt or self._doubt(device, rule, start, mean.value))
        reason = mean.reason
        if reason == "too_little" and rule.limit.steps[-1].statistic == "max" and found and found.outcome == "exceeded":
            reason = ""  # one value above is an exceedance whatever else is missing
        value = mean.value
        if found is None or reason:
            found = Compared(0.0 if found is None else found.value, "invalid", reason)
        if (found.outcome not in ABOVE or found.doubt) and mean.least is not None and reason not in ("wind", "rain"):
            certain = compare(bound, mean.least, background, instrument)
            if certain.outcome == "exceeded":
                certain = certain._replace(doubt=certain.doubt or self._doubt(device, rule, start, mean.least))
            if certain.outcome in ABOVE and (found.outcome not in ABOVE or not certain.doubt):
                value, found = mean.least, certain._replace(reason="at_least")
        above = found.outcome == "exceeded"
        judgement = Judgement(
            device,
            rule,
            bound.binds,
            start,
            end,
            value,
            None if value is None else rounded(value, rule.decimals),
            None if value is None else found.value,
            background,
            mean.capture,
            found.outcome,
            _grade(bound.binds, found.outcome, found.doubt),
            found.reason or found.doubt,
            bound.missing,
            assumed,
            permitted=False,
            first=first,
            instrument=instrument.kind,
            uncertainty=instrument.at(rule.limit.value),
            decision=instrument.decision,
            marks=self._marks(device, rule.node, start, end),
        )
        return [judgement] if rule.limit.permitted is None else self._count(judgement, above)

    def _background(self, device: str, rule: Rule, start: int) -> float | None:
        """Return the background of a window, if it is known (`_measured_background`)."""
        return self._measured_background(device, rule, start)[0]

    def _measured_background(self, device: str, rule: Rule, start: int) -> tuple[float | None, str]:
        """Return the background of a window, and the board that has measured it in the same window, if one has.

        Of the area it is what the reference board measures, of noise what was measured at rest, or what a board
        measures that does not hear the site: the newest that is known.
        """
        limit = rule.limit
        if limit.above_background:
            reference = self._sites.reference(device)
            return (self._elsewhere(reference, rule, start), reference) if reference else (None, "")
        if limit.correction is None:
            return None, ""
        for one in self._corrections(device, limit.quantity, start):
            if one.board:
                if (level := self._elsewhere(one.board, rule, start)) is not None:
                    return level, one.board
            elif within(rule.part, self._local.time_of_day(one.measured)):
                return one.level, ""
        return None, ""

    def _elsewhere(self, board: str, rule: Rule, start: int) -> float | None:
        """Return what another board has measured in a window; None: too little, or part of it was beyond it."""
        limit, span = rule.limit, rule.node.span
        cell = self.cell_of(board, limit.quantity, span, start)
        if cell is None or cell.share + EPSILON < limit.least_valid:
            return None
        clipped = self.cell_of(board, limit.quantity + AT_LEAST, span, start) if limit.correction else None
        return None if clipped is not None and clipped.seconds else cell.value(limit.statistic)

    def _doubt(self, device: str, rule: Rule, start: int, value: float) -> str:
        """Return why what is above is a suspicion only for its background: an indicative instrument has measured it.

        A value that is above whatever the background is needs none.
        """
        background, board = self._measured_background(device, rule, start)
        if background is None or not board or self._sites.instrument(board, rule.limit.quantity).kind != "indicative":
            return ""
        alone = compare(Bound(rule, "binds"), value, None, self._sites.instrument(device, rule.limit.quantity))
        return "" if alone.outcome == "exceeded" else "indicative"

    def _count(self, this: Judgement, above: bool) -> list[Judgement]:
        """Judge a window of a rule that permits some above its value, and later ones whose number it changes."""
        permitted = this.rule.limit.permitted
        assert permitted is not None
        if this.first and not above:
            return [this]
        mark = Mark(this.start, this.end, this.value or 0.0, this.capture, this.compared or 0.0) if above else None
        instrument, most = self._sites.instrument(this.device, this.rule.limit.quantity), this.rule.compared_with[0]
        known = self._archive.marks(this.device, this.rule.id, this.start, this.start + 1)
        changed = self._archive.mark(this.device, this.rule.id, this.start, mark)
        if known and mark and not changed:
            was, now = (decided(one.compared, most, instrument).doubt for one in (known[0], mark))
            changed = was != now
        group = self._local.calendar(this.start, permitted.per)
        marks = self._archive.marks(this.device, this.rule.id, *group)
        found = [] if above else [this]
        sure = 0
        for number, one in enumerate(marks, 1):
            # More than are permitted are a violation only if so many are above for certain.
            doubt = decided(one.compared, most, instrument).doubt or self._doubt(
                this.device, this.rule, one.start, one.value
            )
            sure += not doubt
            doubt = doubt or ("guard_band" if sure <= permitted.count else "")
            if one.start == this.start or (changed and one.start > this.start):
                free = number <= permitted.count
                found.append(
                    replace(
                        this,
                        start=one.start,
                        end=one.end,
                        value=one.value,
                        told=rounded(one.value, this.rule.decimals),
                        compared=one.compared,
                        background=self._background(this.device, this.rule, one.start),
                        capture=one.capture,
                        outcome="compliant" if free else "exceeded",
                        grade="" if free else _grade(this.binding, "exceeded", doubt),
                        reason="" if free else doubt,
                        permitted=free,
                        first=this.first and one.start == this.start,
                        marks=self._marks(this.device, this.rule.node, one.start, one.end),
                    )
                )
        return found

    def cell_of(self, device: str, quantity: str, span: str, start: int) -> Cell | None:
        """Return the cell that begins at `start`, from memory or from the archive."""
        here = self._cells.get((device, quantity, span))
        found = here.get(start) if here else None
        if found is not None:
            return found
        board = self._boards.get(device)
        if board is None or start >= board.closed:
            return None
        stored = self._archive.cells(device, quantity, span, start, start + 1)
        return stored[0] if stored else None

    def cells_of(self, device: str, quantity: str, span: str, start: int, end: int) -> dict[int, Cell]:
        """Return the cells that begin in `start` <= t < `end`, by start, from memory and from the archive."""
        key = (device, quantity, span)
        here = self._cells.get(key, {})
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

    def starting_of(self, device: str, start: int, end: int) -> bool:
        """Tell whether the plant of a board's site is declared to be started or stopped in a part of a window."""
        return any(since < end and start < until for since, until in self._sites.starting(device))

    def marked_in(self, device: str, quantity: str, start: int, end: int) -> int:
        """Return how much of `start` <= t < `end` is marked as invalid by those who are watched [s]."""
        seconds, reached = 0, start
        for one in self._sites.marked(device, quantity, start, end):
            seconds += max(0, min(one.end, end) - max(one.begin, reached))
            reached = max(reached, min(one.end, end))
        return seconds

    def _marks(self, device: str, node: Node, start: int, end: int) -> tuple[int, ...]:
        found = {
            marked.mark
            for one in (node.quantity, *node.companions)
            for marked in self._sites.marked(device, one, start, end)
        }
        return tuple(sorted(found))

    def reconsider(self, device: str, quantity: str, start: int, end: int) -> None:
        """Note that the windows which hold a part of `start` <= t < `end` (Unix s) are to be judged again.

        Those that are still open are judged once, when they are over; those that lie too far back stay as they are.
        """
        board = self._boards.get(device)
        if board is None:
            return
        t, end = max(start, board.closed - KEEP), min(end, board.closed)
        while t < end:
            series = self._series(device, quantity, t)
            for slot in series.slots:
                self._reconsider_slot(board, series, slot, t, min(end, series.end))
            t = series.end

    def _reconsider_slot(self, board: JudgedBoard, series: Series, slot: Slot, t: int, end: int) -> None:
        while t < end:
            window = self._window(slot, t)
            if window is None:
                t = self._part_begins(slot, t)
                continue
            begin, t = window
            if t <= board.closed - KEEP or self.cell_of(series.device, series.quantity, slot.span, begin) is None:
                continue
            for node in slot.nodes:
                self._note(board, node, begin, t, late=True)
            self._note_others(series, slot, begin, t)

    def permit_of(self, device: str, quantity: str, start: int) -> PermittedLimit | None:
        """Return what a permit allows where a board measures, in a window."""
        return self._sites.permit(device, quantity, start)

    def wind_of(self, device: str, span: str, start: int) -> float | None:
        """Return the highest of the mean wind speeds that the boards of a site have measured in a window, m/s."""
        means = []
        for other in self._sites.neighbours(device):
            cell = self.cell_of(other, "wind_speed", span, start)
            mean = cell.value("mean") if cell else None
            if mean is not None:
                means.append(mean)
        return max(means, default=None)

    def rain_of(self, device: str, span: str, start: int) -> bool:
        """Tell whether a board of a site has measured any rain or snow in a window."""
        cells = (self.cell_of(other, "rain", span, start) for other in self._sites.neighbours(device))
        return any(cell is not None and cell.seconds and cell.highest > 0 for cell in cells)

    def weather_voids(self, device: str, start: int, rule: Rule) -> bool:
        """Tell whether wind or rain as measured up to now void a window of a rule."""
        node = rule.node
        wind = None if node.wind_below is None else self.wind_of(device, node.span, start)
        strong = wind is not None and node.wind_below is not None and wind >= node.wind_below
        return strong or (node.dry and self.rain_of(device, node.span, start))

    def kept_of(self, device: str, node: Node, start: int, end: int) -> dict[int, float]:
        """Return a node's valid values that begin in `start` <= t < `end`, by start."""
        return self._archive.kept(device, node.key, start, end)


def _grade(binds: Binds, outcome: Outcome, doubt: str) -> Grade:
    if binds != "binds" or outcome not in ABOVE:
        return ""
    return "suspicion" if outcome == "above_uncorrected" or doubt else "violation"


class _Source:
    """What an evaluation sees: one board's cells, its site's wind."""

    __slots__ = ("_device", "_engine")

    def __init__(self, engine: Engine, device: str) -> None:
        self._engine = engine
        self._device = device

    def cell(self, quantity: str, span: str, start: int) -> Cell | None:
        """See `hub.judge.averaging.Source`."""
        return self._engine.cell_of(self._device, quantity, span, start)

    def cells(self, quantity: str, span: str, start: int, end: int) -> dict[int, Cell]:
        """See `hub.judge.averaging.Source`."""
        return self._engine.cells_of(self._device, quantity, span, start, end)

    def kept(self, node: Node, start: int, end: int) -> dict[int, float]:
        """See `hub.judge.averaging.Source`."""
        return self._engine.kept_of(self._device, node, start, end)

    def wind(self, span: str, start: int) -> float | None:
        """See `hub.judge.averaging.Source`."""
        return self._engine.wind_of(self._device, span, start)

    def marked(self, quantity: str, start: int, end: int) -> int:
        """See `hub.judge.averaging.Source`."""
        return self._engine.marked_in(self._device, quantity, start, end)

    def permit(self, quantity: str, start: int) -> PermittedLimit | None:
        """See `hub.judge.averaging.Source`."""
        return self._engine.permit_of(self._device, quantity, start)

    def rain(self, span: str, start: int) -> bool:
        """See `hub.judge.averaging.Source`."""
        return self._engine.rain_of(self._device, span, start)

    def starting(self, start: int, end: int) -> bool:
        """See `hub.judge.averaging.Source`."""
        return self._engine.starting_of(self._device, start, end)
