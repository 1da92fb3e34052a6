"""Hours: something may be done only in parts of the local day.

kind = "hours"
params = {allowed = {spans = ["22:00-06:00"], days = [1, 2, 3, 4, 5]}, when = {speed_above = 5}, for = 60}
params = {allowed = {spans = ["22:00-06:00"]}, own = {by = "permit", of = "vehicle", property = "hours"}}
"""

import functools

import msgspec

from hub.judge.kinds.conditions import Calendar, Condition, Permit, Seconds, Span, When, permits_at
from hub.judge.kinds.course import Folded, Setting
from hub.judge.kinds.episodes import OUT, Asked, Episodes
from hub.judge.kinds.world import names_in
from hub.judge.records import Cited, Sample
from schemas.domains.entries import Id


class Own(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Hours that a permit says itself, in a property that lists spans such as 22:00-06:00."""

    by: Id
    of: Id
    property: Id


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"for_": "for"}):
    """What a rule of this kind says: it is broken outside `allowed` and `permitted`, and while `stopped` holds."""

    allowed: Calendar
    when: When = When()
    permitted: Permit | None = None
    """A permit that allows it at any hour."""
    own: Own | None = None
    """Where a permit that holds says hours, they hold in place of `allowed`."""
    stopped: Id | None = None
    """A kind of things, such as orders on days of heavy pollution: while one holds nothing is allowed."""
    for_: Seconds = 0.0
    gap: Seconds = 300.0


def course(params: Params, setting: Setting) -> Folded:
    """Return what judges a subject by such a rule."""
    _, world, local, subject, _ = setting
    when = Condition(params.when, world, local, setting.kind, subject)
    own = params.own and Permit(params.own.by, params.own.of)

    def own_hours(t: int) -> tuple[bool | None, tuple[Cited, ...]]:
        """Tell whether the hours of permits allow a moment; None: they say none that can be read."""
        found: list[bool] = []
        cited: list[Cited] = []
        for term in permits_at(world, own, subject, t) if own and params.own else ():
            spans = names_in(term.edition.properties.get(params.own.property)) if params.own else ()
            hours = _calendar(params.allowed, spans) if spans else None
            if hours is not None:
                found.append(hours.holds(t, local))
                cited.append(term.cited)
        return (any(found) if found else None), tuple(cited)

    def ask(sample: Sample) -> Asked:
        applies = when.holds(sample)
        if applies is False:
            return OUT
        if params.stopped is not None:
            orders = tuple(term.cited for term in world.holding(params.stopped, sample.t))
            if orders:
                return Asked(applies, True, cited=orders)
        said, cited = own_hours(sample.t) if own else (None, ())
        if params.allowed.holds(sample.t, local) if said is None else said:
            return Asked(applies, False, cited=cited)
        permits = permits_at(world, params.permitted, subject, sample.t) if params.permitted else []
        return Asked(applies, not permits, cited=(*cited, *(term.cited for term in permits)))

    def cite(_: Sample) -> tuple[Cited, ...]:
        return ()

    return Folded(Episodes(ask, cite, setting.rule.grade, params.for_, params.gap))


@functools.lru_cache(1024)
def _calendar(allowed: Calendar, spans: tuple[str, ...]) -> Calendar | None:
    """Return the days of a rule with the spans of a permit; None: one of them is none."""
    try:
        read = msgspec.convert(spans, tuple[Span, ...])
    except msgspec.ValidationError:
        return None
    return msgspec.structs.replace(allowed, spans=read)
