"""Timetable: the stops of a plan are served in its order, and each at its time.

kind = "timetable"
params = {shift = {spans = ["20:00-06:00"]}, plan = {kinds = ["bin"], within = 30, named = "stops"}, stay = 20,
          times = "times", early = 1800, late = 3600}

A stop that was not served at all is the business of `coverage`. The plan lists its stops in their order, and as many
times, HH:MM of the local clock, where it says any.
"""

import datetime as dt
import itertools
import re
from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple

import msgspec
import shapely
from shapely.geometry import shape

from hub.judge.kinds.conditions import Calendar, Permit, Places, Seconds, When
from hub.judge.kinds.course import Setting, Windowed
from hub.judge.kinds.coverage import Params as Covered
from hub.judge.kinds.coverage import Rounds
from hub.judge.kinds.presence import windows_of
from hub.judge.kinds.world import Term, has_position, metres_per_degree, names_in
from hub.judge.records import MOST_EVIDENCE, Finding, Sample
from hub.judge.verdicts import Grade, Outcome
from hub.judge.windows import Window
from schemas.domains.entries import Id

_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a rule of this kind says."""

    plan: Places
    """`named` lists the stops in their order; `within` is how near one must come [m]."""
    shift: Calendar | None = None
    shifts: Permit | None = None
    when: When = When()
    stay: Seconds = 0.0
    """So long a stop takes at least [s]."""
    ordered: bool = True
    times: Id | None = None
    """The property of the plan's holder that says when it is at each stop; None, or of a plan without: at any time."""
    early: Seconds = 1800.0
    late: Seconds = 1800.0
    """It may be there so much earlier or later [s]."""
    least: Annotated[int, msgspec.Meta(ge=0)] = 0
    """So many stops may be out of order or off their time."""
    gap: Seconds = 60.0

    def __post_init__(self) -> None:
        """Refuse what asks for nothing."""
        if not (self.ordered or self.times):
            raise ValueError("expected ordered = true, or times, the property that says when")


class Stay(NamedTuple):
    """A stay at a stop, Unix s."""

    begin: int
    end: int


class Stop(NamedTuple):
    """A stop of the plan."""

    term: Term
    due: int | None
    certain: list[Stay]
    likely: list[Stay]


def course(params: Params, setting: Setting) -> Windowed:
    """Return what judges a subject by such a rule."""
    windows = windows_of(params.shift, params.shifts, setting)
    return Windowed(windows, Runs(params, setting).judge, int(params.gap), setting.since)


class Runs:
    """Judges one round."""

    def __init__(self, params: Params, setting: Setting) -> None:
        self._params = params
        self._setting = setting
        covered = Covered(plan=params.plan, shift=params.shift, shifts=params.shifts, when=params.when, gap=params.gap)
        self._rounds = Rounds(covered, setting)

    def judge(self, window: Window, samples: Sequence[Sample]) -> Finding:
        """Return the finding on a round; its value is how many stops were out of order or off their time."""
        inside = [one for one in samples if window[0] <= one.t < window[1]]
        stops = self._stops(window, inside)
        served = [stop for stop in stops if stop.certain]
        wrong, reason = self._wrong([(stop, stop.certain) for stop in served])
        perhaps, _ = self._wrong([(stop, stop.likely) for stop in stops if stop.likely])
        outcome: Outcome = "compliant"
        grade: Grade = self._setting.rule.grade
        if not stops:
            outcome, reason = "invalid", "no_place"
        elif not served:
            # Which of them were missed, another rule tells.
            outcome, reason = "invalid", "no_data" if not inside else "not_confirmed"
        elif len(wrong) > self._params.least:
            outcome = "exceeded"
            if len(perhaps) <= self._params.least:
                grade, reason = "suspicion", "position_uncertain"
            elif self._silent(window, inside):
                grade, reason = "suspicion", "gap"
        else:
            reason = ""
        ids = tuple(one.id for one in inside)
        cited = wrong if outcome == "exceeded" else [stop.term for stop in stops]
        return Finding(
            start=window[0],
            end=window[1],
            outcome=outcome,
            grade=grade,
            reason=reason,
            value=float(len(wrong)) if served else None,
            limit_value=float(self._params.least),
            unit="1",
            evidence=ids if len(ids) <= MOST_EVIDENCE else (*ids[: MOST_EVIDENCE - 1], ids[-1]),
            samples=len(ids),
            editions=tuple(term.cited for term in cited)[:MOST_EVIDENCE],
        )

    def _stops(self, window: Window, inside: Sequence[Sample]) -> list[Stop]:
        own = self._setting.world.in_force(self._setting.kind, self._setting.subject, window[0])
        said = own.edition.properties.get(self._params.times or "") if own else None
        clocks = names_in(said)
        plan = self._rounds.planned(window[0])
        # Fewer times than stops, or one that is none, say nothing for certain.
        due = [self._moment(window, one) for one in clocks] if len(clocks) == len(plan) else [None] * len(plan)
        known = self._rounds.counts(inside)
        places = [one for one in inside if has_position(one)]
        return [Stop(term, t, *self._stays(term, places, known)) for term, t in zip(plan, due, strict=True)]

    def _moment(self, window: Window, clock: str) -> int | None:
        found = _CLOCK.fullmatch(clock.strip())
        if found is None:
            return None
        day = self._setting.local.day(window[0]).date
        second = int(found[1]) * 3600 + int(found[2]) * 60
        first = self._setting.local.instant(day, second)
        return first if first >= window[0] else self._setting.local.instant(day + dt.timedelta(1), second)

    def _stays(
        self, term: Term, places: Sequence[Sample], known: dict[str, bool | None]
    ) -> tuple[list[Stay], list[Stay]]:
        """Return the stays at a stop, those for certain and all that may be some."""
        figure = shape(term.edition.geometry)
        centre = figure.centroid
        scale = metres_per_degree(centre.y)

        def flat(xy: Any) -> Any:
            return (xy - (centre.x, centre.y)) * scale

        here = shapely.transform(figure, flat)
        spots = [shapely.transform(shapely.Point(one.lon, one.lat), flat) for one in places]
        certain: list[tuple[int, bool]] = []
        likely: list[tuple[int, bool]] = []
        for one, metres in zip(places, shapely.distance(here, spots), strict=True):
            within, counts = self._params.plan.within, known[one.id]
            certain.append((one.t, counts is True and metres + one.radius <= within))
            likely.append((one.t, counts is not False and metres - one.radius <= within))
        return self._long(certain), self._long(likely)

    def _long(self, visits: Sequence[tuple[int, bool]]) -> list[Stay]:
        found: list[Stay] = []
        run: list[int] = []
        for t, here in [*visits, (1 << 62, False)]:
            if run and (not here or t - run[-1] > self._params.gap):
                if run[-1] - run[0] >= self._params.stay:
                    found.append(Stay(run[0], run[-1]))
                run = []
            if here:
                run.append(t)
        return found

    def _wrong(self, stops: Sequence[tuple[Stop, list[Stay]]]) -> tuple[list[Term], str]:
        """Return the stops that were out of order, or off their time, however their stays are taken; and why."""
        at = -(1 << 62)
        wrong, late = [], False
        for stop, stays in stops:
            # The first stay that may follow on the stop before: no other one leaves more for those behind it.
            following = next((one for one in stays if not self._params.ordered or one.end >= at), None)
            on_time = any(self._on_time(stop, one) for one in stays)
            if following is None or not on_time:
                wrong.append(stop.term)
                late = late or not on_time
            if following is not None:
                at = max(at, following.begin)
        return wrong, ("off_schedule" if late else "out_of_order") if wrong else ""

    def _on_time(self, stop: Stop, stay: Stay) -> bool:
        if stop.due is None:
            return True
        return stay.begin <= stop.due + self._params.late and stay.end >= stop.due - self._params.early

    def _silent(self, window: Window, inside: Sequence[Sample]) -> bool:
        times = [window[0], *(one.t for one in inside), window[1]]
        return any(later - t > self._params.gap for t, later in itertools.pairwise(times))
