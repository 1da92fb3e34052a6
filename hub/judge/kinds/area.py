"""Area: the subject must stay in places, or out of them.

kind = "area"
params = {places = {kinds = ["dump_site"]}, must = "stay_out", for = 120, when = {states = {load = ["full"]}}}
"""

from typing import Literal

import msgspec

from hub.judge.kinds.conditions import Condition, Places, Seconds, When, Zone
from hub.judge.kinds.course import Folded, Setting
from hub.judge.kinds.episodes import OUT, Asked, Episodes
from hub.judge.records import Cited, Sample


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"for_": "for"}):
    """What a rule of this kind says."""

    places: Places
    must: Literal["stay_in", "stay_out"]
    when: When = When()
    """While it does not hold, the rule does not apply."""
    for_: Seconds = 0.0
    """It is broken when it lasts this long [s]; 0: by a single sample."""
    gap: Seconds = 300.0
    """Between samples further apart nothing is known [s]."""


def course(params: Params, setting: Setting) -> Folded:
    """Return what judges a subject by such a rule."""
    asks = InPlaces(params.places, params.when, setting, within=params.must == "stay_in")
    return Folded(Episodes(asks.ask, asks.cite, setting.rule.grade, params.for_, params.gap))


class InPlaces:
    """Asks whether a sample lies where it must; `within`: inside."""

    def __init__(self, places: Places, when: When, setting: Setting, *, within: bool) -> None:
        _, world, local, subject, _ = setting
        self._zone = Zone(places, world, setting.kind, subject)
        self._when = Condition(when, world, local, setting.kind, subject)
        self._within = within

    def ask(self, sample: Sample) -> Asked:
        """Tell whether the rule is broken."""
        applies = self._when.holds(sample)
        if applies is False:
            return OUT
        inside, reason, cited = self._zone.where(sample)
        return Asked(applies, None if inside is None else inside is not self._within, reason, cited)

    def cite(self, sample: Sample) -> tuple[Cited, ...]:
        """Return the place that the subject should have been in."""
        return self._zone.nearest(sample) if self._within else ()
