"""What the law says of each kind of site and quantity at a place: a limit, one that is open, or that there is none."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from schemas import PROPERTIES, Binding, Limit, Quantity, Standard, binding
from schemas.bindings import KINDS
from schemas.no_limits import NoLimit
from schemas.standards import Verified

Answer = Literal["limit", "open", "none", "unanswered"]
"""unanswered: the catalogue has neither a limit nor the word that there is none."""
LEVELS = ("laeq", "lafmax")
FAMILIES = ("noise", "dust", "gas", "stack")
AUXILIARY = ("stack_o2",)
"""What is measured only to convert others with."""


class Covered(NamedTuple):
    """What the law says of one quantity at one kind of site."""

    kind: str
    plant: str
    """What a factory's stack serves; empty: at the boundary."""
    quantity: str
    answer: Answer
    bindings: tuple[Binding, ...]
    """Those that bind, or are open."""
    none: NoLimit | None

    @property
    def standards(self) -> tuple[str, ...]:
        """The ids of the standards that say it."""
        return tuple(dict.fromkeys(one.standard.id for one in self.bindings))

    @property
    def missing(self) -> tuple[str, ...]:
        """What must be known of a site for the limit to be certain; ``value``: of the law."""
        return tuple(dict.fromkeys(one.missing for one in self.bindings if one.missing))

    @property
    def verified(self) -> Verified:
        """The weakest letter among the limits, or that of the word that there is none."""
        if self.none and not self.bindings:
            return self.none.verified
        return max((one.limit.weakest for one in self.bindings), default="U")


def coverage(
    limits: Sequence[tuple[Standard, Limit]],
    quantities: Mapping[str, Quantity],
    none: Sequence[NoLimit],
    places: Iterable[str],
    day: dt.date,
) -> list[Covered]:
    """Return the answer for each kind of site and each quantity that it may emit.

    Args:
        limits: as `load_limits` gives them.
        quantities: the catalogue of quantities.
        none: as `load_no_limits` gives it.
        places: as `jurisdictions_of` gives them.
        day: the local day.
    """
    where = tuple(places)
    found = []
    for kind in KINDS:
        for plant in ("", *PROPERTIES["plant"].values) if kind == "factory" else ("",):
            properties = {"plant": plant} if plant else {}
            known = [
                one
                for one in binding(limits, kind=kind, zone=None, jurisdictions=where, day=day, properties=properties)
                if one.standard.nature == "emission" and (one.status == "binds" or one.missing)
            ]
            for key, quantity in quantities.items():
                if _emitted(key, quantity, stack=bool(plant)):
                    own = tuple(one for one in known if one.limit.quantity == key)
                    found.append(_covered(kind, plant, key, own, none))
    return found


def _emitted(key: str, quantity: Quantity, *, stack: bool) -> bool:
    if quantity.family not in FAMILIES or key in AUXILIARY or (quantity.family == "stack") != stack:
        return False
    return quantity.family != "noise" or key in LEVELS


def _covered(kind: str, plant: str, key: str, own: tuple[Binding, ...], none: Sequence[NoLimit]) -> Covered:
    said = next(
        (
            one
            for one in none
            if kind in one.kinds and key in one.quantities and (not one.plants or plant in one.plants)
        ),
        None,
    )
    answer: Answer = "unanswered"
    if any(one.limit.value is not None for one in own):
        answer = "limit"
    elif own:
        answer = "open"
    elif said:
        answer = "none"
    return Covered(kind, plant, key, answer, own, None if own else said)
