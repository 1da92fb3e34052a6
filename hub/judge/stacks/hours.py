"""One pollutant of one outlet, hour by hour: operating state, validity, concentration at reference oxygen, mass."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from hub.judge.averaging import EPSILON
from hub.judge.records import Cited
from hub.judge.stacks.cells import FLOW, HOUR, OXYGEN, Cells, Measured
from hub.judge.stacks.oxygen import AIR, converted, rounding_of

VALID = 2700.0
"""Least time with flag N of a valid hour: 45 min (HJ 212-2017, appendix D: P) [s]."""
DAY_HOURS = 20
"""Least valid hours of a valid day of 24 h (HJ 212-2017, appendix D: P)."""
CAPTURE = 0.75
"""Least share of valid hours of those in operation, of a quarter (HJ 75-2017, 12.1.3: U)."""
HIGH_O2 = 19.0
"""From here on a plant is started, stopped or at rest where its outlet says nothing else (19 to 20 in rules: U) [%]."""

State = Literal["running", "starting", "stopping", "stopped", "unclear", "unknown"]
"""unclear: so much oxygen that the plant is started, stopped or at rest, and no hour beside it tells which."""
STATES: Mapping[State, tuple[str, str]] = {
    "running": ("in operation", "正常运行"),
    "starting": ("start-up", "启炉"),
    "stopping": ("shut-down", "停炉"),
    "stopped": ("at rest", "停运"),
    "unclear": ("started, stopped or at rest: much oxygen", "含氧量过高，启停或停运状态不明"),
    "unknown": ("nothing was heard", "无数据，状态不明"),
}
Reason = Literal[
    "",
    "no_data",
    "too_little",
    "calibrating",
    "maintenance",
    "faulty",
    "by_hand",
    "marked",
    "not_operating",
]
REASONS: Mapping[Reason, tuple[str, str]] = {
    "": ("valid", "有效"),
    "no_data": ("nothing came", "无数据"),
    "too_little": ("less than 45 min of it are valid", "有效数据不足45分钟"),
    "calibrating": ("the instrument was being calibrated", "仪器校准"),
    "maintenance": ("the instrument was in maintenance", "仪器维护"),
    "faulty": ("the instrument was faulty, over its range or not heard", "仪器故障、超量程或通信中断"),
    "by_hand": ("set by hand, not measured", "手工值，非实测"),
    "marked": ("marked invalid by the enterprise", "企业标记为无效"),
    "not_operating": ("the plant was at rest", "停运"),
}
"""Why an hour is no valid one: English and Chinese by key."""
GAPS: Mapping[str, tuple[str, str]] = {
    "": ("", ""),
    "invalid": ("the concentration is not valid", "浓度无效"),
    "no_flow": ("no valid flow", "无有效流量"),
    "flow_basis": ("the flow is not that of dry gas at standard conditions", "流量非标干流量"),
}
"""Why no mass is known: English and Chinese by key."""
_OF_LETTER: Mapping[str, Reason] = {"C": "calibrating", "M": "maintenance", "S": "by_hand"}


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What an outlet and its permit say of a pollutant at a moment."""

    reference_o2: float | None = None
    """%; None: what was measured is compared as it is."""
    stopped_below: float | None = None
    """Flow below which the plant is at rest [m3/s]."""
    high_o2: float = HIGH_O2
    """Oxygen from which on the plant is started, stopped or at rest [%]."""
    flow_dry: bool = True
    """The flow is that of dry gas at 273.15 K and 101.325 kPa."""
    limit: float | None = None
    """mg/m3, at the reference oxygen."""
    limit_source: str = ""
    """Number of the permit, or the standard."""
    cited: tuple[Cited, ...] = ()
    """Editions of the permit, its limit and the outlet."""


class Span(msgspec.Struct, frozen=True):
    """What was declared, or marked by the enterprise and accepted, of `start` <= t < `end`, Unix s.

    `what`: starting, stopping, stopped: the plant; marked: what was measured does not count.
    """

    start: int
    end: int
    what: Literal["starting", "stopping", "stopped", "marked"]
    cited: str = ""
    """Names it in evidence."""


class OutletHour(msgspec.Struct, frozen=True, kw_only=True):
    """One pollutant of an outlet in one hour."""

    start: int
    """Unix s."""
    pollutant: str
    state: State
    valid: bool
    """It is measured for 45 min or more while the plant was not at rest, and nobody has marked it invalid."""
    reason: Reason
    """Why it is not valid."""
    counts: bool
    """It may be judged against a limit: valid, in operation, and converted where that is asked."""
    share: float
    """Of the hour that was measured with flag N."""
    heard: bool
    """Anything came of it, with whatever letter."""
    letters: Mapping[str, float]
    """Seconds by letter of what is not normal."""
    raw: float | None
    """Mean as measured, mg/m3 of dry gas; also of an hour that is not valid: it is never judged then."""
    oxygen: float | None
    """Valid mean, %."""
    converted: float | None
    """At the reference oxygen, mg/m3; None: no conversion is asked, or the oxygen is not known or that of air."""
    terms: Terms
    flow: float | None
    """Valid mean, m3/s."""
    mass_kg: float | None
    """None: not known, see `gap`."""
    gap: str
    """A key of `GAPS`."""
    own: float | None = None
    """What the station itself converted: mean over the time of which it did, mg/m3."""
    own_expected: float | None = None
    """Ours over the same time."""
    own_differs: bool = False
    """They differ by more than rounding."""
    marks: tuple[str, ...] = ()
    """What was declared or marked of it."""

    @property
    def compared(self) -> float | None:
        """What is compared with the limit; None: nothing, it does not count."""
        if not self.counts:
            return None
        return self.raw if self.terms.reference_o2 is None else self.converted


def merged(cells: Sequence[Cells]) -> Cells:
    """Return the hour of an outlet from those of its sources; of a quantity that several measure the first one's."""
    found: dict[str, Measured] = {}
    for one in cells:
        for quantity, cell in one.quantities.items():
            if quantity not in found or not found[quantity].heard:
                found[quantity] = cell
    return Cells(found)


def states_of(
    hours: Mapping[int, Cells], terms_at: Callable[[int], Terms], spans: Sequence[Span] = ()
) -> dict[int, State]:
    """Return the operating state of an outlet in each hour, by its start (Unix s).

    At rest: what was declared; half of what came or more has the letter F; or the flow is below what the outlet names.
    With much oxygen in between a plant is started up where it was at rest before, shut down where it is afterwards. So
    it is with the letter F for a part of an hour; where neither lies beside it, it was in operation for the rest of it.
    """
    found: dict[int, State] = {}
    partly = set()
    for start in sorted(hours):
        declared = [one for one in spans if one.what != "marked" and one.start < start + HOUR and one.end > start]
        longest = max(declared, key=lambda one: min(one.end, start + HOUR) - max(one.start, start), default=None)
        if longest:
            found[start] = longest.what  # type: ignore[assignment]
            continue
        found[start] = _alone(hours[start], terms_at(start))
        if found[start] == "unclear" and not _has_much_oxygen(hours[start], terms_at(start)):
            partly.add(start)
    states = _transitions(found)
    return {start: "running" if state == "unclear" and start in partly else state for start, state in states.items()}


def _alone(cells: Cells, terms: Terms) -> State:
    """Return the state of an hour by itself."""
    heard = max((one.heard for one in cells.quantities.values()), default=0.0)
    if not heard:
        return "unknown"
    at_rest = max((one.flagged.get("F", 0.0) for one in cells.quantities.values()), default=0.0)
    if 2 * at_rest >= heard:
        return "stopped"
    flow = _valid_mean(cells.quantities.get(FLOW))
    if terms.stopped_below is not None and flow is not None and flow < terms.stopped_below:
        return "stopped"
    return "unclear" if at_rest or _has_much_oxygen(cells, terms) else "running"


def _has_much_oxygen(cells: Cells, terms: Terms) -> bool:
    oxygen = _valid_mean(cells.quantities.get(OXYGEN))
    return oxygen is not None and oxygen >= terms.high_o2


def _transitions(found: dict[int, State]) -> dict[int, State]:
    """Tell start-up from shut-down: of each run of unclear hours by what lies before and after it."""
    starts = list(found)
    first = 0
    while first < len(starts):
        last = first
        if found[starts[first]] == "unclear":
            while last + 1 < len(starts) and found[starts[last + 1]] == "unclear" and _follow(starts, last):
                last += 1
            before = found[starts[first - 1]] if first and _follow(starts, first - 1) else "unknown"
            after = found[starts[last + 1]] if last + 1 < len(starts) and _follow(starts, last) else "unknown"
            for start in starts[first : last + 1]:
                found[start] = _transition(before, after)
        first = last + 1
    return found


def _follow(starts: Sequence[int], at: int) -> bool:
    return starts[at + 1] - starts[at] == HOUR


def _transition(before: State, after: State) -> State:
    if before in ("stopped", "starting") and after in ("running", "unknown"):
        return "starting"
    if before in ("running", "unknown") and after in ("stopped", "stopping"):
        return "stopping"
    return "stopped" if before == after == "stopped" else "unclear"


def hours_of(
    hours: Mapping[int, Cells],
    pollutant: str,
    terms_at: Callable[[int], Terms],
    decimals: tuple[int, int],
    spans: Sequence[Span] = (),
) -> list[OutletHour]:
    """Return the hours of a pollutant.

    Args:
        hours: those of the outlet, by their start; an hour of which nothing came is there, and empty.
        pollutant: key of the quantity.
        terms_at: what holds at a moment, Unix s.
        decimals: of the pollutant's values and of the oxygen's.
        spans: what was declared or marked.
    """
    states = states_of(hours, terms_at, spans)
    return [_hour(start, hours[start], states[start], pollutant, terms_at(start), decimals, spans) for start in states]


def _hour(
    start: int,
    cells: Cells,
    state: State,
    pollutant: str,
    terms: Terms,
    decimals: tuple[int, int],
    spans: Sequence[Span],
) -> OutletHour:
    cell = cells.quantities.get(pollutant, Measured())
    about = [one for one in spans if one.start < start + HOUR and one.end > start]
    marked = sum(min(one.end, start + HOUR) - max(one.start, start) for one in about if one.what == "marked")
    reason = _reason(cell, state, marked)
    oxygen, flow = _valid_mean(cells.quantities.get(OXYGEN)), _valid_mean(cells.quantities.get(FLOW))
    raw = cell.mean
    ours = None
    if terms.reference_o2 is not None and raw is not None and oxygen is not None:
        ours = converted(raw, oxygen, terms.reference_o2)
    ready = terms.reference_o2 is None or ours is not None
    mass, gap = _mass(cell, cells.quantities.get(FLOW), state, terms, marked)
    own, expected, differs = _own(cell, terms, oxygen, decimals)
    return OutletHour(
        start=start,
        pollutant=pollutant,
        state=state,
        valid=not reason,
        reason=reason,
        counts=not reason and state == "running" and ready,
        share=min(1.0, cell.seconds / HOUR),
        heard=cell.heard > 0,
        letters=cell.flagged,
        raw=raw,
        oxygen=oxygen,
        converted=ours,
        terms=terms,
        flow=flow,
        mass_kg=mass,
        gap=gap,
        own=own,
        own_expected=expected,
        own_differs=differs,
        marks=tuple(one.cited for one in about if one.cited),
    )


def _reason(cell: Measured, state: State, marked: float) -> Reason:
    if state == "stopped":
        return "not_operating"
    if marked and cell.seconds - marked + EPSILON < VALID:
        return "marked"
    if cell.seconds + EPSILON >= VALID:
        return ""
    if not cell.heard:
        return "no_data"
    if not cell.flagged:
        return "too_little"
    letter, seconds = max(cell.flagged.items(), key=lambda one: (one[1], one[0]))
    if seconds <= HOUR - cell.heard or letter == "F":
        return "too_little"  # what is missing is more than what is flagged
    return _OF_LETTER.get(letter, "faulty")


def _valid_mean(cell: Measured | None) -> float | None:
    return cell.mean if cell is not None and cell.seconds + EPSILON >= VALID else None


def _mass(cell: Measured, flow: Measured | None, state: State, terms: Terms, marked: float) -> tuple[float | None, str]:
    """Return the emitted mass, kg, and why it is not known.

    mg/m3 x m3/s x s x 1e-6 (HJ 212-2017, appendix D: P). An hour in part of which the plant was at rest (letter F)
    emits in the rest of it. What is below zero by an analyser's drift emits nothing.
    """
    if state == "stopped":
        return 0.0, ""
    at_rest = cell.flagged.get("F", 0.0)
    if cell.mean is None or marked or cell.seconds + at_rest + EPSILON < VALID:
        return None, "invalid"
    if not terms.flow_dry:
        return None, "flow_basis"
    if flow is None or flow.mean is None or flow.seconds + flow.flagged.get("F", 0.0) + EPSILON < VALID:
        return None, "no_flow"
    return max(0.0, cell.mean) * max(0.0, flow.mean) * (HOUR - min(at_rest, HOUR)) * 1e-6, ""


def _own(
    cell: Measured, terms: Terms, oxygen: float | None, decimals: tuple[int, int]
) -> tuple[float | None, float | None, bool]:
    """Return what the station converted, what we do of the same time, and whether they differ beyond rounding."""
    if not cell.zs_seconds:
        return None, None, False
    own = cell.zs_total / cell.zs_seconds
    if terms.reference_o2 is None or oxygen is None or oxygen >= AIR:
        return own, None, False
    factor = AIR - terms.reference_o2
    expected = factor * cell.zs_basis / cell.zs_seconds
    raw = cell.zs_raw / cell.zs_seconds
    times = expected / raw if raw else factor / (AIR - oxygen)
    allowed = rounding_of(expected, times, oxygen, *decimals)
    return own, expected, abs(own - expected) > allowed + 1e-9


class Mean(msgspec.Struct, frozen=True):
    """Of a day, month or quarter."""

    mean: float | None
    """Of the hours that count, as they are compared; None: there is none, or it is not valid."""
    valid: int
    """Hours."""
    stopped: int
    hours: int
    enough: bool
    """So many are valid as are asked."""

    @property
    def capture(self) -> float | None:
        """Valid hours of those in operation (HJ 75-2017, 12.1.3: U); None: it was at rest all the time."""
        running = self.hours - self.stopped
        return self.valid / running if running else None


def day_mean(hours: Iterable[OutletHour]) -> Mean:
    """Return the mean of a local day: 20 valid hours of 24; of a day partly at rest as large a share of the others."""
    return _mean(hours, DAY_HOURS / 24)


def period_mean(hours: Iterable[OutletHour]) -> Mean:
    """Return the mean of a month or quarter: valid with three quarters of the hours in operation (U)."""
    return _mean(hours, CAPTURE)


def _mean(hours: Iterable[OutletHour], least: float) -> Mean:
    every = list(hours)
    stopped = sum(one.state == "stopped" for one in every)
    valid = sum(one.valid for one in every)
    compared = [one.compared for one in every if one.compared is not None]
    enough = valid > 0 and valid + EPSILON >= least * (len(every) - stopped)
    return Mean(sum(compared) / len(compared) if compared and enough else None, valid, stopped, len(every), enough)


def runs_of_gaps(hours: Sequence[OutletHour]) -> list[list[OutletHour]]:
    """Return the runs of hours without a mass, the earliest first."""
    runs: list[list[OutletHour]] = []
    before: OutletHour | None = None
    for one in hours:
        if one.mass_kg is None:
            if before is not None and before.mass_kg is None and one.start - before.start == HOUR and runs:
                runs[-1].append(one)
            else:
                runs.append([one])
        before = one
    return runs
