"""Route: the subject must keep to a corridor around the lines that it may use.

kind = "route"
params = {route = {kinds = ["route"], within = 50, named = "routes", permit = {by = "permit", of = "vehicle"}},
          for = 120, when = {states = {load = ["full"]}}}
"""

import msgspec

from hub.judge.kinds.area import InPlaces
from hub.judge.kinds.conditions import Places, Seconds, When
from hub.judge.kinds.course import Folded, Setting
from hub.judge.kinds.episodes import Episodes


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"for_": "for"}):
    """What a rule of this kind says."""

    route: Places
    """`within` is half the corridor's width [m]. Areas count as well: the yards at either end."""
    when: When = When()
    for_: Seconds = 0.0
    gap: Seconds = 300.0

    def __post_init__(self) -> None:
        """Refuse a corridor without width: no position ever lies on a line."""
        if self.route.within <= 0 and self.route.within_of is None:
            raise ValueError("route.within = 0: expected half the corridor's width in m, such as 50")


def course(params: Params, setting: Setting) -> Folded:
    """Return what judges a subject by such a rule."""
    asks = InPlaces(params.route, params.when, setting, within=True)
    return Folded(Episodes(asks.ask, asks.cite, setting.rule.grade, params.for_, params.gap))
