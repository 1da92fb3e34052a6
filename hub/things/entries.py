"""A thing as people write it: who and what it is, where, from when to when, who answers for it."""

import datetime as dt
from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

import msgspec

from hub.config.files import Id
from hub.registry.entries import Contact, Text

FIELDS = (
    "kind",
    "id",
    "en",
    "zh",
    "district",
    "from",
    "until",
    "withdrawn",
    "geometry",
    "people",
    "note",
    "properties",
)
"""What every thing may have; no property of a pack may have such a name, since they share the columns of a CSV file."""
Geometry = Mapping[str, Any]
Property = str | float | bool | tuple[str | float, ...]


class Thing(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, gc=False, rename={"from_": "from"}
):
    """One edition of a thing, as TOML holds it; `hub.things.check` checks the rest against the pack."""

    kind: str
    id: Id
    en: Text
    zh: Text
    district: Id | None = None
    from_: int | None = None
    """Unix s; None: always."""
    until: int | None = None
    """The first moment at which it does not hold any more, Unix s."""
    withdrawn: bool = False
    """A mistake: nothing begins then."""
    people: tuple[Contact, ...] = ()
    """Who answers for it."""
    note: Text | None = None
    properties: Mapping[str, Any] = {}
    geometry: Geometry | None = None
    """GeoJSON, WGS-84."""


class Said(NamedTuple):
    """An entry of a file, before it is compared with what is known; a field that is None is to be taken away."""

    kind: str
    id: str
    fields: dict[str, Any]
    line: int = 0
    """0 in GeoJSON."""


class Change(NamedTuple):
    """What becomes of one edition."""

    kind: str
    id: str
    what: str
    """added, changed (a further edition), corrected (one from the same moment), ended or withdrawn"""
    number: int
    fields: dict[str, tuple[Any, Any]]
    """What was there and what will be, by field; None: nothing."""


def plain(thing: Thing) -> dict[str, Any]:
    """Return a thing as JSON has it."""
    found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(thing))  # lists, where a struct has tuples
    return found


def time_text(t: int | None, zone: dt.tzinfo) -> str | None:
    """Return a moment as people read and write it: local, with its offset; midnight is a date."""
    if t is None:
        return None
    when = dt.datetime.fromtimestamp(t, zone)
    return f"{when:%Y-%m-%d}" if when.time() == dt.time(0) else when.isoformat()


Number = Annotated[int, msgspec.Meta(ge=1)]
