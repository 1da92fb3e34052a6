"""Speed: no faster than the lowest limit that applies, of the road, of the zone, of a loaded vehicle.

kind = "speed"
params = {limits = [{most = 60}, {most = 40, states = {load = ["full"]}},
                    {most_of = "limit", places = {kinds = ["zone"]}}], for = 10, recorder = "recorder_speed"}
"""

import math
from typing import Annotated

import msgspec

from hub.judge.kinds.conditions import Condition, Places, Seconds, States, When, Zone, both, matches
from hub.judge.kinds.course import Folded, Setting
from hub.judge.kinds.episodes import KEPT, OUT, Asked, Episodes
from hub.judge.records import Cited, Sample
from schemas.domains.entries import Id


class Limit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One limit. It holds while `states` do, in `places`; none named: everywhere."""

    most: Annotated[float, msgspec.Meta(gt=0)] | None = None
    """km/h; with `most_of` it is that of places that do not say it."""
    most_of: Id | None = None
    """The places' own property that says it [km/h]."""
    states: States = {}
    places: Places | None = None

    def __post_init__(self) -> None:
        """Refuse a limit without a number."""
        if self.most is None and self.most_of is None:
            raise ValueError("expected most, in km/h, or most_of, a property of the places")
        if self.most_of is not None and self.places is None:
            raise ValueError(f"most_of = {self.most_of!r}: expected places, whose property it is")


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"for_": "for"}):
    """What a rule of this kind says."""

    limits: Annotated[tuple[Limit, ...], msgspec.Meta(min_length=1)]
    tolerance: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    """km/h"""
    recorder: Id | None = None
    """A state with the speed [km/h] of the vehicle's own recorder: where it is known, both must be above the limit."""
    when: When = When()
    for_: Seconds = 0.0
    """It is broken when it lasts this long [s]."""
    gap: Seconds = 300.0


def course(params: Params, setting: Setting) -> Folded:
    """Return what judges a subject by such a rule."""
    asks = Speeding(params, setting)
    return Folded(Episodes(asks.ask, lambda _: (), setting.rule.grade, params.for_, params.gap))


class Speeding:
    """Asks whether a sample is faster than it may be."""

    def __init__(self, params: Params, setting: Setting) -> None:
        _, world, local, subject, _ = setting
        self._params = params
        self._world = world
        self._when = Condition(params.when, world, local, setting.kind, subject)
        self._limits = [
            (one, Zone(one.places, world, setting.kind, subject) if one.places else None) for one in params.limits
        ]
        numbers = [one.most for one in params.limits if one.most is not None and one.most_of is None]
        self._lowest = min(numbers) if len(numbers) == len(params.limits) else None
        self._zones = [zone for _, zone in self._limits if zone is not None]
        self._anywhere = min((one.most for one, zone in self._limits if zone is None and one.most), default=math.inf)

    def ask(self, sample: Sample) -> Asked:
        """Tell whether the rule is broken."""
        applies = self._when.holds(sample)
        if applies is False:
            return OUT
        speeds = self._speeds(sample)
        if not speeds:
            return Asked(applies, None, "state_unknown")
        least, highest = min(speeds), max(speeds)
        if highest <= 0 or (self._lowest is not None and highest <= self._lowest):
            return KEPT if applies else Asked(applies, False)
        if highest <= self._anywhere and not any(_may_hold(zone, sample) for zone in self._zones):
            return KEPT if applies else Asked(applies, False)
        broken: bool | None = False
        reason = ""
        cited: tuple[Cited, ...] = ()
        for limit, zone in self._limits:
            holds, why, places, most = self._holding(limit, zone, sample)
            if holds is False or most is None or highest <= most:
                continue
            above = True if least > most else None
            answer = both(holds, above)
            if answer:
                return Asked(applies, True, cited=places)
            broken, reason, cited = None, why or ("not_confirmed" if above is None else "state_unknown"), places
        return Asked(applies, broken, reason, cited)

    def _holding(
        self, limit: Limit, zone: Zone | None, sample: Sample
    ) -> tuple[bool | None, str, tuple[Cited, ...], float | None]:
        """Tell whether a limit holds, why that is not known, where, and how fast it lets one be."""
        holds, reason = matches(limit.states, sample), ""
        cited: tuple[Cited, ...] = ()
        if zone is not None and holds is not False:
            inside, reason, cited = zone.where(sample)
            if inside is None and reason == "no_place":
                inside, reason = False, ""  # nothing of this kind is there, so nothing of it limits
            holds = both(holds, inside)
        most = limit.most
        if limit.most_of is not None:
            own = [
                value + self._params.tolerance
                for one in cited
                if (term := self._world.in_force(one.kind, one.id, sample.t)) is not None
                and isinstance(value := term.edition.properties.get(limit.most_of), (int, float))
            ]
            return holds, reason, cited, min(own, default=None if most is None else most + self._params.tolerance)
        return holds, reason, cited, None if most is None else most + self._params.tolerance

    def _speeds(self, sample: Sample) -> list[float]:
        told = [sample.speed]
        if self._params.recorder is not None:
            recorded = sample.states.get(self._params.recorder)
            told.append(float(recorded) if isinstance(recorded, (int, float)) else None)
        return [one for one in told if one is not None and not math.isnan(one)]


def _may_hold(zone: Zone, sample: Sample) -> bool:
    """Tell whether what holds in places may hold where a sample was made; where there are no places, it does not."""
    inside, reason, _ = zone.where(sample)
    return inside is not False and reason != "no_place"
