"""Hours: something may be done only in parts of the local day.

kind = "hours"
params = {allowed = {spans = ["22:00-06:00"], days = [1, 2, 3, 4, 5]}, when = {speed_above = 5}, for = 60}
"""

import msgspec

from hub.judge.kinds.conditions import Calendar, Condition, Permit, Seconds, When, permits_at
from hub.judge.kinds.course import Folded, Setting
from hub.judge.kinds.episodes import Asked, Episodes
from hub.judge.records import Cited, Sample
from schemas.domains.entries import Id


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"for_": "for"}):
    """What a rule of this kind says: it is broken outside `allowed` and `permitted`, and while `stopped` holds."""

    allowed: Calendar
    when: When = When()
    permitted: Permit | None = None
    """A permit that allows it at any hour."""
    stopped: Id | None = None
    """A kind of things, such as orders on days of heavy pollution: while one holds nothing is allowed."""
    for_: Seconds = 0.0
    gap: Seconds = 300.0


def course(params: Params, setting: Setting) -> Folded:
    """Return what judges a subject by such a rule."""
    _, world, local, subject, _ = setting
    when = Condition(params.when, world, local, setting.kind, subject)

    def ask(sample: Sample) -> Asked:
        applies = when.holds(sample)
        if applies is False:
            return Asked(False, None)
        if params.stopped is not None:
            orders = tuple(term.cited for term in world.holding(params.stopped, sample.t))
            if orders:
                return Asked(applies, True, cited=orders)
        if params.allowed.holds(sample.t, local):
            return Asked(applies, False)
        permits = permits_at(world, params.permitted, subject, sample.t) if params.permitted else []
        return Asked(applies, not permits, cited=tuple(term.cited for term in permits))

    def cite(_: Sample) -> tuple[Cited, ...]:
        return ()

    return Folded(Episodes(ask, cite, setting.rule.grade, params.for_, params.gap))
