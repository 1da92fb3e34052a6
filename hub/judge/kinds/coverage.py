"""Coverage: planned stops must be served, or planned lines driven, in a window.

kind = "coverage"
params = {shift = {spans = ["22:00-06:00"]}, plan = {kinds = ["bin"], within = 25, named = "bins"}, stay = 20,
          confirmed = "emptied"}
params = {shift = {spans = ["22:00-06:00"]}, plan = {kinds = ["bin"], within = 25, named = "stops"}, stay = 20,
          emptied = {state = "fill", by = 30, gap = 7200}}
params = {shift = {spans = ["05:00-08:00"]}, plan = {kinds = ["street"], within = 15, named = "streets"},
          when = {any = {brush = ["down"], water = [true]}}, among = ["street"], least = 0.9}

A position lies beside a line, or drifts there from the road next to it. `among` names the kinds of lines that are
roads, too: what follows another one more nearly, over `follow` positions before and after, is not this line's.
"""

import itertools
import math
from collections.abc import Callable, Collection, Sequence
from typing import Annotated, Any

import msgspec
import numpy as np
import shapely
from shapely.geometry import shape

from hub.judge.kinds.conditions import (
    Calendar,
    Condition,
    Metres,
    Permit,
    Places,
    Seconds,
    Share,
    When,
    both,
    permits_at,
)
from hub.judge.kinds.course import Setting, Windowed
from hub.judge.kinds.presence import windows_of
from hub.judge.kinds.world import SOURCE, Term, has_position, metres_per_degree, names_in
from hub.judge.records import MOST_EVIDENCE, Finding, Sample
from hub.judge.verdicts import Outcome
from hub.judge.windows import Window
from schemas.domains.entries import Id

LINES = ("LineString", "MultiLineString")


class Emptied(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a stop's own sensor shows that it was served: its level falls."""

    state: Id
    """The state that holds the level; it is the stop's where its property `source` names who said it."""
    by: Annotated[float, msgspec.Meta(gt=0)]
    """By so much at least, from one reading to the next, in whatever unit the level has."""
    gap: Seconds = 7200.0
    """The two readings are no further apart, and the visit no further from them [s]: sensors sleep between two."""


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a rule of this kind says."""

    plan: Places
    """`named` says which places of these kinds are planned; `within` is how near one must come [m]."""
    shift: Calendar | None = None
    shifts: Permit | None = None
    when: When = When()
    """What must be so for a moment to count, such as that the brush is down."""
    stay: Seconds = 0.0
    """So long a stop takes at least [s]."""
    confirmed: Id | None = None
    """A state in which some source names the stops that were served; without it a visit is no more than likely."""
    emptied: Emptied | None = None
    """Or the stops' own sensors show it; it takes the place of `confirmed`."""
    least: Share = 1.0
    """Share of the plan that must be done: of the stops, or of the lines' length."""
    step: Metres = 5.0
    """Lines are looked at in equal pieces of at most this length [m]."""
    among: tuple[Id, ...] = ()
    """Lines of these kinds are roads beside which one may have driven instead."""
    follow: Annotated[int, msgspec.Meta(ge=0, le=60)] = 4
    """So many positions before and after one tell which road it was."""
    gap: Seconds = 60.0

    def __post_init__(self) -> None:
        """Refuse a plan that names nothing, and pieces without length."""
        if (self.shift is None) == (self.shifts is None):
            raise ValueError("expected one of shift and shifts")
        if self.plan.named is None or self.plan.within <= 0:
            raise ValueError("plan: expected named, the property that lists what is planned, and within, in m")
        if self.confirmed is not None and self.emptied is not None:
            raise ValueError("expected one of confirmed and emptied, or neither")
        if self.step < 1:
            raise ValueError(f"step = {self.step:g}: expected at least 1 m")


def course(params: Params, setting: Setting) -> Windowed:
    """Return what judges a subject by such a rule."""
    windows = windows_of(params.shift, params.shifts, setting)
    # A sensor that sleeps tells of the last stops when the round is over.
    reach = max(params.gap, params.emptied.gap if params.emptied else 0)
    return Windowed(windows, Rounds(params, setting).judge, int(reach), setting.since)


class Rounds:
    """Judges one round."""

    def __init__(self, params: Params, setting: Setting) -> None:
        _, world, local, subject, _ = setting
        self._params = params
        self._setting = setting
        self._when = Condition(params.when, world, local, setting.kind, subject)

    def judge(self, window: Window, samples: Sequence[Sample]) -> Finding:
        """Return the finding on a round; its value is the share that was done for certain."""
        start, end = window
        inside = [one for one in samples if start <= one.t < end]
        plan = self.planned(start)
        known = self.counts(inside)
        places = [one for one in inside if has_position(one)]
        whole, certain, possible = 0.0, 0.0, 0.0
        for term in plan:
            weight, done, likely = self.done(term, places, known, samples)
            whole, certain, possible = whole + weight, certain + done, possible + likely
        share = certain / whole if whole else None
        outcome: Outcome
        grade, reason = self._setting.rule.grade, ""
        if share is None:
            outcome, reason = "invalid", "no_place"
        elif certain >= self._params.least * whole - 1e-9:
            outcome = "compliant"
        elif not places:
            outcome, reason = "invalid", "no_data"
        else:
            outcome = "exceeded"
            if possible >= self._params.least * whole - 1e-9:
                told = self._params.confirmed or self._params.emptied
                grade, reason = "suspicion", "not_confirmed" if told else "position_uncertain"
            elif self._silent(window, places if self._params.emptied else inside):
                grade, reason = "suspicion", "gap"
        ids = tuple(one.id for one in inside)
        return Finding(
            start=start,
            end=end,
            outcome=outcome,
            grade=grade,
            reason=reason,
            value=share,
            limit_value=self._params.least,
            unit="1",
            evidence=ids if len(ids) <= MOST_EVIDENCE else (*ids[: MOST_EVIDENCE - 1], ids[-1]),
            samples=len(ids),
            editions=tuple(term.cited for term in plan)[:MOST_EVIDENCE],
        )

    def counts(self, samples: Sequence[Sample]) -> dict[str, bool | None]:
        """Return by the samples' identities whether they count."""
        return {one.id: self._when.holds(one) for one in samples}

    def planned(self, t: int) -> list[Term]:
        """Return the places of the plan that holds when the round begins."""
        plan, world, subject = self._params.plan, self._setting.world, self._setting.subject
        own = world.in_force(self._setting.kind, subject, t)
        holders = permits_at(world, plan.permit, subject, t) if plan.permit else [own] if own else []
        named = [one for term in holders for one in names_in(term.edition.properties.get(plan.named or ""))]
        ids = dict.fromkeys(named if len(holders) == 1 else sorted(named))
        # In the order in which a property lists them, whichever permit it is of.
        found = [world.in_force(kind, one, t) for kind in plan.kinds for one in ids]
        return [term for term in found if term is not None and term.edition.geometry is not None]

    def _silent(self, window: Window, inside: Sequence[Sample]) -> bool:
        """Tell whether so little was heard in some part of the window that it may have happened there."""
        times = [window[0], *(one.t for one in inside), window[1]]
        return any(later - t > self._params.gap for t, later in itertools.pairwise(times))

    def done(
        self, term: Term, places: Sequence[Sample], known: dict[str, bool | None], samples: Sequence[Sample]
    ) -> tuple[float, float, float]:
        """Return what a place of the plan weighs, how much of it was done for certain, and how much perhaps.

        `places`: samples of the window that have a position; `known`: by samples of the window, whether they count.
        """
        figure = shape(term.edition.geometry)
        west, south, east, north = figure.bounds
        middle, scale = ((west + east) / 2, (south + north) / 2), metres_per_degree((south + north) / 2)
        flat = shapely.transform(figure, lambda xy: (xy - middle) * scale)
        spots = [((one.lon or 0) - middle[0], (one.lat or 0) - middle[1]) for one in places]
        points = [shapely.Point(x * scale[0], y * scale[1]) for x, y in spots]
        if figure.geom_type in LINES:
            return self._driven(flat, places, points, known, self._followed(term, places))
        near = shapely.distance(flat, points)
        visits = []
        for one, metres in zip(places, near, strict=True):
            within = self._params.plan.within
            here = True if metres + one.radius <= within else None if metres - one.radius <= within else False
            visits.append((one.t, both(here, known[one.id])))
        certain = _stays(visits, self._params, lambda answer: answer is True)
        likely = _stays(visits, self._params, lambda answer: answer is not False)
        if self._params.emptied is not None:
            # Its level fell, and the truck stood there: either alone may be somebody else's doing.
            falls = _falls(samples, names_in(term.edition.properties.get(SOURCE)), self._params.emptied)
            reach = self._params.emptied.gap
            there = [t for t, here in visits if here is not False]
            told = any(before - reach <= t <= after + reach for before, after in falls for t in there)
            return 1.0, float(certain and told), float(certain or likely or bool(falls))
        if self._params.confirmed is not None:
            told = any(one.states.get(self._params.confirmed) == term.edition.id for one in samples if one.id in known)
            # A visit and a sensor that says so: both are needed, since either alone is often wrong.
            return 1.0, float(certain and told), float(certain or likely or told)
        return 1.0, float(certain), float(likely)

    def _followed(self, term: Term, places: Sequence[Sample]) -> list[bool | None]:
        """Tell of each position whether it followed this line, and not another one of `among`.

        A receiver drifts for some positions; a road is followed for many. So the mean distances are compared, from each
        road for itself: a road that is crossed is near for a moment only.
        """
        if not self._params.among:
            return [True] * len(places)
        reach = 2 * self._params.plan.within
        kinds = {*self._params.among, *self._params.plan.kinds}
        roads: dict[tuple[str, str], Any] = {}
        own = (term.edition.kind, term.edition.id)
        for n, one in enumerate(places):
            for near in self._setting.world.margins(one, kinds, reach):
                key = (near.term.edition.kind, near.term.edition.id)
                if near.term.edition.geometry is not None and near.term.edition.geometry["type"] in LINES:
                    roads.setdefault(key, np.full(len(places), reach, float))[n] = -near.metres
        mine = roads.pop(own, None)
        if mine is None or not roads:
            return [mine is not None] * len(places)
        answers: list[bool | None] = []
        for n, one in enumerate(places):
            first, last = self._around(places, n)
            distance = float(mine[first : last + 1].mean())
            other = min(float(road[first : last + 1].mean()) for road in roads.values())
            answers.append(True if distance < other else None if distance - other <= one.radius else False)
        return answers

    def _around(self, places: Sequence[Sample], n: int) -> tuple[int, int]:
        """Return the numbers of the first and the last position that tell of a position, without a gap between."""
        first = last = n
        least, most = max(0, n - self._params.follow), min(len(places) - 1, n + self._params.follow)
        while first > least and places[first].t - places[first - 1].t <= self._params.gap:
            first -= 1
        while last < most and places[last + 1].t - places[last].t <= self._params.gap:
            last += 1
        return first, last

    def _driven(
        self,
        line: Any,
        places: Sequence[Sample],
        points: Sequence[Any],
        known: dict[str, bool | None],
        followed: Sequence[bool | None],
    ) -> tuple[float, float, float]:
        """Return a line's length, and how much of it lies beside the way that was driven [m].

        Each piece of the line is asked whether it was passed, so that it makes no difference in which direction, nor
        whether the line crosses itself.
        """
        # A line that was drawn 200 m long is 199.9999999994 m long in degrees: it has 40 pieces of 5 m all the same.
        pieces = max(1, math.ceil(line.length / self._params.step - 1e-6))
        spots = shapely.line_interpolate_point(line, [(n + 0.5) / pieces for n in range(pieces)], normalized=True)
        certain, likely = [False] * pieces, [False] * pieces
        tree = shapely.STRtree(spots)
        within = self._params.plan.within
        on = [both(known[one.id], here) for one, here in zip(places, followed, strict=True)]
        for (one, point, here), (later, following, there) in itertools.pairwise(zip(places, points, on, strict=True)):
            if later.t - one.t > self._params.gap:
                continue
            holds = both(here, there)
            if holds is False:
                continue
            way = shapely.linestrings([[point.x, point.y], [following.x, following.y]])
            radius = max(one.radius, later.radius)
            for number in tree.query(way, predicate="dwithin", distance=within + radius):
                likely[number] = True
                if holds and shapely.distance(spots[number], way) <= within - radius:
                    certain[number] = True
        return float(line.length), line.length * sum(certain) / pieces, line.length * sum(likely) / pieces


def _falls(samples: Sequence[Sample], sources: Collection[str], emptied: Emptied) -> list[tuple[int, int]]:
    """Return between which readings of these sources, one after the other, a level fell far enough: their times."""
    found: list[tuple[int, int]] = []
    last: dict[str, tuple[int, float]] = {}
    for one in samples:
        source = one.id.partition("/")[0]
        level = one.states.get(emptied.state)
        if source not in sources or not isinstance(level, (int, float)) or isinstance(level, bool):
            continue
        before = last.get(source)
        if before and one.t - before[0] <= emptied.gap and before[1] - level >= emptied.by:
            found.append((before[0], one.t))
        last[source] = one.t, level
    return found


def _stays(visits: Sequence[tuple[int, bool | None]], params: Params, counts: Callable[[bool | None], bool]) -> bool:
    """Tell whether some stay of samples that count lasts long enough."""
    begun: int | None = None
    last = 0
    for t, answer in visits:
        if not counts(answer):
            begun = None
            continue
        if begun is None or t - last > params.gap:
            begun = t
        last = t
        if t - begun >= params.stay:
            return True
    return False
