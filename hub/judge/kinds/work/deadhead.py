"""Deadhead: nobody drives far in a shift without serving one of its stops.

kind = "deadhead"
params = {shift = {spans = ["20:00-06:00"]}, plan = {kinds = ["bin"], within = 30, named = "stops"}, stay = 20,
          emptied = {state = "fill", by = 25, gap = 7200}, most = 5000}

`plan`, `stay`, `emptied`, `confirmed` and `when` mean what they mean in `coverage`. The way is that between positions
no further apart than `gap`, and longer than `drift`: less is what a receiver drifts at rest. What was driven in a gap
is not known, so the way is no shorter than it says.
"""

import itertools
import math
from collections.abc import Sequence

import msgspec

from hub.judge.kinds.conditions import Metres
from hub.judge.kinds.course import Setting, Windowed
from hub.judge.kinds.coverage import Params as Covered
from hub.judge.kinds.coverage import Rounds
from hub.judge.kinds.presence import windows_of
from hub.judge.kinds.world import has_position, metres_per_degree
from hub.judge.records import MOST_EVIDENCE, Finding, Sample
from hub.judge.verdicts import Outcome
from hub.judge.windows import Window


class Params(Covered, frozen=True, forbid_unknown_fields=True):
    """What a rule of this kind says."""

    most: Metres = 5000.0
    """So far one may drive without serving anything [m]."""
    drift: Metres = 15.0
    """Two positions nearer to each other are one [m]."""


def course(params: Params, setting: Setting) -> Windowed:
    """Return what judges a subject by such a rule."""
    windows = windows_of(params.shift, params.shifts, setting)
    reach = max(params.gap, params.emptied.gap if params.emptied else 0)
    return Windowed(windows, Ways(params, setting).judge, int(reach), setting.since)


class Ways:
    """Judges one shift."""

    def __init__(self, params: Params, setting: Setting) -> None:
        self._params = params
        self._setting = setting
        self._rounds = Rounds(params, setting)

    def judge(self, window: Window, samples: Sequence[Sample]) -> Finding:
        """Return the finding on a shift; its value is how far one drove [m]."""
        inside = [one for one in samples if window[0] <= one.t < window[1]]
        places = [one for one in inside if has_position(one)]
        plan, known = self._rounds.planned(window[0]), self._rounds.counts(inside)
        served = [self._rounds.done(term, places, known, samples)[1:] for term in plan]
        metres = self._way(places)
        outcome: Outcome = "compliant"
        reason = ""
        if not plan or not places:
            outcome, reason = "invalid", "no_data" if plan else "no_place"
        elif metres > self._params.most and not any(certain for certain, _ in served):
            perhaps = any(likely for _, likely in served)
            outcome, reason = ("invalid", "not_confirmed") if perhaps else ("exceeded", "nothing_served")
        ids = tuple(one.id for one in places)
        return Finding(
            start=window[0],
            end=window[1],
            outcome=outcome,
            grade=self._setting.rule.grade,
            reason=reason,
            value=round(metres) if places else None,
            limit_value=self._params.most,
            unit="m",
            evidence=ids if len(ids) <= MOST_EVIDENCE else (*ids[: MOST_EVIDENCE - 1], ids[-1]),
            samples=len(ids),
            editions=tuple(term.cited for term in plan)[:MOST_EVIDENCE],
        )

    def _way(self, places: Sequence[Sample]) -> float:
        whole = 0.0
        for one, later in itertools.pairwise(self._moved(places)):
            if later.t - one.t <= self._params.gap:
                whole += _apart(one, later)
        return whole

    def _moved(self, places: Sequence[Sample]) -> list[Sample]:
        """Return the positions without those at which it stood: each at which it last was before it went on."""
        found: list[Sample] = []
        for one in places:
            if found and _apart(found[-1], one) <= max(self._params.drift, one.radius):
                # It stands still, and was heard: no gap. Where it first stood counts, or it would creep away.
                found[-1] = msgspec.structs.replace(found[-1], t=one.t)
            else:
                found.append(one)
        return found


def _apart(one: Sample, later: Sample) -> float:
    east, north = metres_per_degree(one.lat or 0)
    return math.hypot(((later.lon or 0) - (one.lon or 0)) * east, ((later.lat or 0) - (one.lat or 0)) * north)
