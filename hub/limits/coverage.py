"""What the law says of each kind of site and quantity at a place: a limit, one that is open, or that there is none."""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from schemas import Binding, Limit, Quantity, Standard, binding, site_properties
from schemas.domains import packs
from schemas.no_limits import NoLimit
from schemas.standards import Verified

Answer = Literal["limit", "open", "none", "unanswered"]
"""unanswered: the catalogue has neither a limit nor the word that there is none."""
LEVELS = ("laeq", "lafmax")
FAMILIES = ("noise", "dust", "gas")
"""What a site emits at its boundary; packs declare what is measured elsewhere, and at what."""
AUXILIARY = ("stack_o2", "stack_flow")
"""What is measured only to convert others with."""


class Covered(NamedTuple):
    """What the law says of one quantity at one kind of site."""

    kind: str
    properties: Mapping[str, str]
    """At what it is measured, such as the plant that a stack serves; empty: at the boundary."""
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
    for kind, families, properties in _measured():
        known = [
            one
            for one in binding(limits, kind=kind, zone=None, jurisdictions=where, day=day, properties=properties)
            if one.standard.nature == "emission" and (one.status == "binds" or one.missing)
        ]
        for key, quantity in quantities.items():
            if quantity.family in families and key not in AUXILIARY and (quantity.family != "noise" or key in LEVELS):
                own = tuple(one for one in known if one.limit.quantity == key)
                found.append(_covered(kind, properties, key, own, none))
    return found


def _measured() -> Iterator[tuple[str, Sequence[str], Mapping[str, str]]]:
    """Go through the kinds of sites: which families of quantities are measured, and at what."""
    known = site_properties()
    for pack in packs():
        families = pack.manifest.family
        for kind in pack.manifest.kind:
            yield kind, (*FAMILIES, *(name for name, one in families.items() if one.by is None)), {}
            for name in dict.fromkeys(one.by for one in families.values() if one.by is not None):
                of = [family for family, one in families.items() if one.by == name]
                for value in known[name].values:
                    yield kind, of, {name: value}


def _covered(
    kind: str, properties: Mapping[str, str], key: str, own: tuple[Binding, ...], none: Sequence[NoLimit]
) -> Covered:
    said = next((one for one in none if one.says(kind, properties, key)), None)
    answer: Answer = "unanswered"
    if any(one.limit.value is not None for one in own):
        answer = "limit"
    elif own:
        answer = "open"
    elif said:
        answer = "none"
    return Covered(kind, properties, key, answer, own, None if own else said)
