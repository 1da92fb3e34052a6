"""Balance: what was taken, what the document says and what was brought are the same, and the vehicle can carry it.

kind = "balance"
params = {trip = {from = {kinds = ["project"]}, to = {kinds = ["dump_site"]}, weight = "weight"}, tolerance = 0.1,
by = {by = "manifest", of = "vehicle"}, taken = "loaded_t", brought = "unloaded_t", amount = "loaded_m3",
capacity = "capacity_m3"}
"""

from typing import Annotated

import msgspec

from hub.judge.kinds.conditions import Permit, permits_at
from hub.judge.kinds.course import Folded, Setting
from hub.judge.kinds.haulage.trips import Cycle, EachTrip, Trip
from hub.judge.kinds.world import Term
from hub.judge.records import Finding
from schemas.domains.entries import Id


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a rule of this kind says."""

    trip: Cycle
    by: Permit
    """The kind of documents, and their property that names the vehicle."""
    tolerance: Annotated[float, msgspec.Meta(ge=0)]
    """Share by which two figures may differ: density and capacity are nominal."""
    taken: Id | None = None
    """The document's property that says how much was taken [t], as is `brought`."""
    brought: Id | None = None
    amount: Id | None = None
    """The document's property that is compared with the vehicle's `capacity`, in one unit."""
    capacity: Id | None = None

    def __post_init__(self) -> None:
        """Refuse what compares nothing, or with nothing."""
        if (self.amount is None) != (self.capacity is None):
            raise ValueError("expected amount, of the document, and capacity, of the vehicle, together, or neither")
        if self.trip.weight is None and self.amount is None and (self.taken is None or self.brought is None):
            raise ValueError("compares nothing; expected trip.weight, taken and brought, or amount and capacity")


def course(params: Params, setting: Setting) -> Folded:
    """Return what judges a subject by such a rule."""
    return Folded(Balances(params, setting))


class Balances(EachTrip):
    """Compares each trip's figures."""

    def __init__(self, params: Params, setting: Setting) -> None:
        super().__init__(params.trip, setting)
        self._params = params

    def judge(self, trip: Trip) -> Finding:
        """See `EachTrip`."""
        world, params = self._setting.world, self._params
        held = permits_at(world, params.by, self._setting.subject, trip.loaded)
        # That of the trip before may hold still.
        document = max(held, key=lambda term: (term.since, term.cited), default=None)
        own = world.in_force(self._setting.kind, self._setting.subject, trip.loaded)
        compared = self._pairs(trip, document, own)
        most = 1 + params.tolerance
        wrong = [
            (reason, is_, may, unit)
            for reason, is_, may, unit in compared
            if is_ > may * most or (reason != "over_capacity" and is_ < may / most)
        ]
        reason, is_, may, unit = wrong[0] if wrong else compared[0] if compared else ("no_data", None, None, "")
        return Finding(
            start=trip.start,
            end=trip.end + 1,
            outcome="exceeded" if wrong else "compliant" if compared else "invalid",
            grade=self._setting.rule.grade,
            reason=reason if wrong or not compared else "",
            value=is_,
            limit_value=may,
            unit=unit,
            evidence=trip.evidence,
            samples=trip.samples,
            editions=tuple(one.cited for one in (document, own) if one is not None),
        )

    def _pairs(self, trip: Trip, document: Term | None, own: Term | None) -> list[tuple[str, float, float, str]]:
        """Return what can be compared: reason if it differs, the figure, what it should be, their unit."""
        params = self._params
        found = []
        taken, brought = _figure(document, params.taken), _figure(document, params.brought)
        if trip.taken is not None and trip.brought is not None and trip.taken > 0:
            found.append(("lost_on_the_way", trip.brought, trip.taken, "t"))
        if taken is not None and brought is not None:
            found.append(("quantity_differs", brought, taken, "t"))
        if taken is not None and trip.taken is not None and trip.taken > 0:
            found.append(("quantity_differs", trip.taken, taken, "t"))
        amount, capacity = _figure(document, params.amount), _figure(own, params.capacity)
        if amount is not None and capacity is not None:
            found.append(("over_capacity", amount, capacity, ""))
        return found


def _figure(term: Term | None, name: str | None) -> float | None:
    value = term.edition.properties.get(name) if term is not None and name is not None else None
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
