"""Heat: outdoor work of a day by the maximum that was announced for it, and by the one that was measured.

    kind = "heat"
    params = {forecast = {by = "heat_forecast", of = "area"}, maximum = "max_c", hours = "hottest",
              beats = {by = "beat", of = "weather"}, shifts = {by = "shift", of = "beat"}, worker = "worker",
              outdoor = "outdoor", measured = "temperature", hottest = ["12:00-15:00"],
              bands = [{from = 35, most_h = 8}, {from = 37, most_h = 6, not_hottest = true}, {from = 40, most_h = 0}]}

The subject is an area for which maxima are announced; beats name it, shifts name beats. The announced maximum decides
what had to be cancelled. Where only the measured one lies in a higher band, nobody could know: that is a suspicion. A
wrist is warmer than the air: what is measured is what the subject's own source says. `plan_of` gives a day's plan
before it comes.
"""

import math
from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple

import msgspec

from hub.judge.kinds.conditions import Calendar, Permit, Span
from hub.judge.kinds.course import Setting, Windowed
from hub.judge.kinds.haulage.quota import DAYS
from hub.judge.kinds.world import ALWAYS, NEVER, Term, World, names_in
from hub.judge.records import MOST_EVIDENCE, Finding, Sample
from hub.judge.verdicts import Grade, Outcome
from hub.judge.windows import LocalTime, Window
from schemas.domains.entries import Id

HOUR = 3600
Advice = Literal["allowed", "rotate", "limit", "none"]
"""What a day's maximum lets be done: any work; in turns, without overtime; few hours, none in the hottest; none."""


class Band(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """What holds from a maximum on, up to the next band's."""

    from_: float
    """Degrees Celsius."""
    most_h: Annotated[float, msgspec.Meta(ge=0, le=24)]
    """So long one may work outdoors that day [h]."""
    not_hottest: bool = False
    """And not in the hottest hours."""

    @property
    def advice(self) -> Advice:
        """What it is called."""
        return "none" if self.most_h == 0 else "limit" if self.not_hottest else "rotate"


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a rule of this kind says."""

    forecast: Permit
    """The kind of announcements, and their property that names the area; each holds for its day."""
    maximum: Id
    """Their property with the maximum [degrees Celsius]."""
    beats: Permit
    """The kind of places where one works, and their property that names the area."""
    shifts: Permit
    """The kind of shifts, and their property that names such a place."""
    worker: Id
    """The shifts' property that names who works: the hours of one are added up."""
    bands: Annotated[tuple[Band, ...], msgspec.Meta(min_length=1)]
    """In the order of their degrees."""
    hottest: Annotated[tuple[Span, ...], msgspec.Meta(min_length=1)]
    """The hottest hours of a day, local time, where the announcement says none."""
    hours: Id | None = None
    """The announcements' property that says them."""
    outdoor: Id | None = None
    """The shifts' property that is false where one works indoors."""
    measured: Id | None = None
    """The state with the measured temperature [degrees Celsius]."""

    def __post_init__(self) -> None:
        """Refuse bands that are not in their order."""
        degrees = [band.from_ for band in self.bands]
        if degrees != sorted(set(degrees)):
            raise ValueError("bands: expected each to begin at more degrees than the one before")


class Work(NamedTuple):
    """Outdoor work of one shift on a day."""

    shift: Term
    beat: Term
    worker: str
    begin: int
    end: int
    cancel: tuple[Window, ...]
    """What of it is not allowed, Unix s."""

    @property
    def cancelled(self) -> int:
        """How long that is [s]."""
        return sum(end - start for start, end in self.cancel)


class Plan(NamedTuple):
    """What may be done in an area on a day."""

    maximum: float | None
    """Degrees Celsius; None: nobody announced, or measured it."""
    advice: Advice
    announced: tuple[Term, ...]
    hottest: tuple[Window, ...]
    work: tuple[Work, ...]


def course(params: Params, setting: Setting) -> Windowed:
    """Return what judges a subject by such a rule."""

    def windows(start: int, end: int) -> list[Window]:
        return DAYS.windows(start, min(end, setting.ends), setting.local)

    return Windowed(windows, Days(params, setting).judge, 0, setting.since)


class Days:
    """Judges one local day of one area."""

    def __init__(self, params: Params, setting: Setting) -> None:
        self._params = params
        self._setting = setting

    def judge(self, window: Window, samples: Sequence[Sample]) -> Finding:
        """Return the finding on a day; its value is for how long one worked outdoors that was not to be [h]."""
        params, (_, world, local, subject, _) = self._params, self._setting
        said = [
            (float(value), one.id)
            for one in samples
            if window[0] <= one.t < window[1]
            and isinstance(value := one.states.get(params.measured or ""), (int, float))
            and not isinstance(value, bool)
            and math.isfinite(value)
        ]
        measured, evidence = max(said, default=(None, ""))
        plan = plan_of(params, world, local, subject, window)
        outcome: Outcome = "compliant"
        grade: Grade = self._setting.rule.grade
        reason = ""
        wrong = [one for one in plan.work if one.cancel]
        if wrong:
            outcome = "exceeded"
        elif measured is not None and (plan.maximum is None or measured > plan.maximum):
            known = plan.announced
            plan = plan_of(params, world, local, subject, window, measured)
            wrong = [one for one in plan.work if one.cancel]
            if wrong:
                outcome, grade, reason = "exceeded", "suspicion", "hotter" if known else "no_forecast"
        elif plan.maximum is None:
            outcome, reason = "invalid", "no_forecast"
        shifts = [one.shift for one in (wrong or plan.work)]
        cited = [term.cited for term in (*plan.announced, *shifts)]
        return Finding(
            start=window[0],
            end=window[1],
            outcome=outcome,
            grade=grade,
            reason=reason,
            value=None if outcome == "invalid" else round(sum(one.cancelled for one in wrong) / HOUR, 3),
            limit_value=0.0,
            unit="h",
            evidence=(evidence,) if evidence else (),
            samples=1 if evidence else 0,
            editions=tuple(dict.fromkeys(cited))[:MOST_EVIDENCE],
        )


def plan_of(
    params: Params, world: World, local: LocalTime, area: str, day: Window, measured: float | None = None
) -> Plan:
    """Return what may be done in an area on a local day; `measured`: by this maximum [degrees Celsius] instead."""
    terms = world.held_by(params.forecast.by, params.forecast.of, area)
    announced = [term for term in terms if term.since < day[1] and term.until > day[0]]
    said = [term.edition.properties.get(params.maximum) for term in announced]
    # Of several the one that protects most.
    degrees = [float(one) for one in said if isinstance(one, (int, float))]
    maximum = max(degrees, default=None) if measured is None else measured
    band = next((one for one in reversed(params.bands) if maximum is not None and maximum >= one.from_), None)
    named = [one for term in announced for one in names_in(term.edition.properties.get(params.hours or ""))]
    hottest = _parts(params, named, day, local)
    planned = sorted(_work(params, world, area, day), key=lambda one: (one.begin, one.shift.cited))
    return Plan(maximum, band.advice if band else "allowed", tuple(announced), hottest, _cancel(planned, band, hottest))


def _parts(params: Params, named: Sequence[str], day: Window, local: LocalTime) -> tuple[Window, ...]:
    """Return the hottest hours of a day, by what was announced, if that can be read."""
    try:
        spans = msgspec.convert(tuple(named), tuple[Span, ...]) or params.hottest
    except msgspec.ValidationError:
        spans = params.hottest
    found = Calendar(spans).windows(day[0] - 1, day[1], local)
    return tuple((start, end) for start, end in found if start >= day[0])


def _work(params: Params, world: World, area: str, day: Window) -> list[Work]:
    """Return the outdoor work of a day, as its shifts are known now."""
    found: dict[tuple[str, str], Work] = {}
    for beat in world.held_by(params.beats.by, params.beats.of, area):
        for shift in world.held_by(params.shifts.by, params.shifts.of, beat.edition.id):
            said = shift.edition.properties
            begin, end = max(shift.since, beat.since, day[0]), min(shift.until, beat.until, day[1])
            bounded = shift.since > ALWAYS and shift.until < NEVER
            if bounded and begin < end and (params.outdoor is None or said.get(params.outdoor) is not False):
                # A shift with several beats is worked once.
                for worker in names_in(said.get(params.worker)) or (shift.edition.id,):
                    found.setdefault((shift.edition.id, worker), Work(shift, beat, worker, begin, end, ()))
    return list(found.values())


def _cancel(planned: Sequence[Work], band: Band | None, hottest: Sequence[Window]) -> tuple[Work, ...]:
    """Return the same work with what a band does not allow of it: first the hottest hours, then what is too long."""
    if band is None:
        return tuple(planned)
    worked: dict[str, int] = {}
    found = []
    for one in planned:
        cancel, at = [], one.begin
        blocked = sorted(hottest) if band.not_hottest else []
        for start, end in [*blocked, (one.end, one.end)]:
            free = at, min(max(start, at), one.end)
            left = max(0, int(band.most_h * HOUR) - worked.get(one.worker, 0))
            worked[one.worker] = worked.get(one.worker, 0) + min(left, free[1] - free[0])
            if free[1] - free[0] > left:
                cancel.append((free[0] + left, free[1]))
            stop = min(max(end, at), one.end)
            if stop > free[1]:
                cancel.append((free[1], stop))
            at = max(at, stop)
        found.append(one._replace(cancel=_joined(cancel)))
    return tuple(found)


def _joined(parts: Sequence[Window]) -> tuple[Window, ...]:
    found: list[Window] = []
    for start, end in sorted(parts):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        elif end > start:
            found.append((start, end))
    return tuple(found)
