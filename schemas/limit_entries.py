"""An entry of a file of limits, and the limits that it stands for: one, or one for each of its `values`."""

import datetime as dt
import difflib
import math
import re
from typing import Annotated, Any

import msgspec

from schemas.catalogue import Quantity
from schemas.errors import CatalogueError
from schemas.faults import takes
from schemas.properties import ZONE_CLASSES, site_properties
from schemas.standards import Averaging, Limit, Permitted, Standard, Step, TimeOfDay, Verified

FACTORS = {("mg/m3", "ug/m3"): 1000.0, ("ug/m3", "mg/m3"): 0.001}
"""By what a value is multiplied, from the unit in which a standard states it to the quantity's own."""
GUIDE = "schemas/limits/README.md"
_TIME = "expected a local time of day such as 06:00; midnight is 00:00"
_SPAN = "expected a window such as 20 min, 1 h, day, month, quarter, year or period"
_DATE = "expected a date such as 2026-01-01, without quotes"
_EXPECTED = {
    "from": _TIME,
    "to": _TIME,
    "window": _SPAN,
    "slide": _SPAN,
    "id": "expected small letters, digits and -",
    "in_force": _DATE,
    "ends": _DATE,
    "early": _DATE,
    "issued": _DATE,
    "verified": "expected P, S or U",
    "nature": "expected emission, ambient or guideline",
    "site_kinds": 'expected a list of kinds of sites such as ["construction"]',
    "statistic": "expected energy_mean, mean, max, p90, p95 or p98",
    "per": "expected day or year",
    "count": "expected a whole number of at least 1",
    "permitted": 'expected a table such as { count = 1, per = "day" }',
    "where": 'expected a table with lists such as { fuel = ["gas"] }',
    "zone_classes": 'expected a list such as ["2", "3"]',
}
"""What may stand in a field; of the others, msgspec says it well enough."""
_TYPES = {"float": "a number", "int": "a whole number", "str": "a text", "bool": "true or false", "array": "a list"}
SHOWN = {"mg/m3": "mg/m³", "ug/m3": "µg/m³"}


class LimitEntry(msgspec.Struct, forbid_unknown_fields=True, rename={"from_": "from"}):
    """A ``[[limit]]`` of a file: one limit, or with `by` and `values` one for each class or other property."""

    id: Annotated[
        str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9-]*\Z", extra=takes("small letters, digits and -, in quotes"))
    ]
    en: str
    zh: str
    quantity: str
    averaging: str
    unit: str
    verified: Verified
    value: float | None = None
    by: str | None = None
    values: dict[str, float] = {}
    site_kinds: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    zone_classes: tuple[str, ...] = ()
    where: dict[str, tuple[str, ...]] = {}
    from_: TimeOfDay = "00:00"
    to: TimeOfDay = "00:00"
    permitted: Permitted | None = None
    reference_o2: float | dict[str, float] | None = None
    above_background: bool = False
    background_cap: Annotated[float, msgspec.Meta(gt=0)] | None = None
    screening: bool = False
    unknown: bool = False
    in_force: dt.date | None = None
    ends: dt.date | None = None
    clause: str | None = None
    source: str = ""
    note: str = ""


def convert(where: str, entry: dict[str, Any], type_: type[Any]) -> Any:
    """Return a TOML table as `type_`; msgspec's refusal is told with the field first and a remedy."""
    try:
        return msgspec.convert(entry, type_)
    except msgspec.ValidationError as error:
        text = str(error)
    told, _, place = text.partition(" - at `$")
    field = re.sub(r"^\.|`$", "", place)
    inside = f"{field}: " if field else ""
    if unknown := re.search(r"unknown field `(.+?)`", told):
        near = difflib.get_close_matches(unknown[1], _field_names(type_), 1)
        remedy = f"did you mean {near[0]!r}?" if near else f"{GUIDE} names those that there are"
        raise CatalogueError(f"{where}: {inside}there is no field {unknown[1]!r}; {remedy}")
    if missing := re.search(r"missing required field `(.+?)`", told):
        raise CatalogueError(f"{where}: {inside}{missing[1]} is missing; add it, as {GUIDE} explains it")
    steps = re.findall(r"[^.\[\]]+", field)
    name = next((step for step in reversed(steps) if step in _EXPECTED), "")
    wanted = _EXPECTED[name] if name else told[:1].lower() + told[1:]
    wanted = re.sub(r"`(\w+)(?: \| null)?`", lambda found: _TYPES.get(found[1], found[1]), wanted)
    raise CatalogueError(f"{where}: {field}{_given(entry, steps)}: {wanted}; {GUIDE} explains the field")


def _given(entry: Any, steps: list[str]) -> str:
    """Return what stands in the field, as far as the path to it is known."""
    for step in steps:
        if isinstance(entry, list) and step.isdigit():
            entry = entry[int(step)]
        elif isinstance(entry, dict) and step in entry:
            entry = entry[step]
        else:
            break
    return "" if entry is None or len(f"{entry!r}") > 80 else f" = {entry!r}"


def _field_names(type_: type[Any]) -> list[str]:
    """Return the names of a struct's fields, and of a step's, which may stand within it."""
    return [field.encode_name for one in (type_, Step) for field in msgspec.structs.fields(one)]


def check_property(where: str, name: str, values: tuple[str, ...]) -> None:
    """Refuse a property that no site has, or a value that it cannot have.

    Raises:
        CatalogueError: the text begins with `where`.
    """
    known = site_properties()
    if name == "zone_class":
        allowed: tuple[str, ...] = ZONE_CLASSES
    elif name in known:
        allowed = tuple(known[name].values)
    else:
        raise CatalogueError(
            f"{where}: {name!r} is no property of a site; expected one of: zone_class, {', '.join(known)} "
            f"(schemas/properties.py, and pack.toml of each domain)"
        )
    for value in values:
        if value not in allowed:
            raise CatalogueError(f"{where}: {name} = {value!r}; expected one of: {', '.join(allowed)}")


def expanded(
    where: str, entry: LimitEntry, standard: Standard, averaging: Averaging, quantity: Quantity
) -> list[Limit]:
    """Return the limits of an entry: one, or with `by` one for each of its `values`."""
    if entry.unknown:
        if entry.value is not None or entry.by or entry.values:
            raise CatalogueError(f"{where}: unknown = true: its value is not known; leave out value, by and values")
        return [_limit(where, entry, standard, averaging, quantity, "", None)]
    if (entry.value is None) == (entry.by is None) or (entry.by is None) != (not entry.values):
        raise CatalogueError(
            f"{where}: expected either value, or by with a table values, or unknown = true; one of them is missing"
        )
    if entry.by is None or entry.value is not None:
        return [_limit(where, entry, standard, averaging, quantity, "", float(entry.value or 0))]
    if "{}" not in entry.en or "{}" not in entry.zh:
        raise CatalogueError(f"{where}: en and zh: expected a {{}} in each, where the value of {entry.by} is to stand")
    if isinstance(entry.reference_o2, dict) and set(entry.reference_o2) != set(entry.values):
        raise CatalogueError(f"{where}: reference_o2: expected the same keys as in values: {', '.join(entry.values)}")
    return [_limit(where, entry, standard, averaging, quantity, key, value) for key, value in entry.values.items()]


def _limit(
    where: str,
    entry: LimitEntry,
    standard: Standard,
    averaging: Averaging,
    quantity: Quantity,
    key: str,
    value: float | None,
) -> Limit:
    classes = tuple(key.split("/")) if key else ()
    if classes and entry.by:
        check_property(f"{where}: values", entry.by, classes)
    by_zone = entry.by == "zone_class"
    names = site_properties()[entry.by].values[classes[0]] if entry.by and not by_zone else (classes or ("",))[:1] * 2
    reference = entry.reference_o2[key] if isinstance(entry.reference_o2, dict) else entry.reference_o2
    if reference is not None and not 0 < reference < 21:
        raise CatalogueError(f"{where}: reference_o2 = {reference:g}: expected a share above 0 and below 21 %")
    if entry.background_cap is not None and not entry.above_background:
        raise CatalogueError(
            f"{where}: background_cap = {entry.background_cap:g}: it caps what is taken off; "
            f"give above_background = true"
        )
    rounding = standard.rounding_of(entry.quantity)
    known = rounding is not None and rounding.verified != "U"
    correction = standard.background
    if correction and correction.quantities and entry.quantity not in correction.quantities:
        correction = None
    return Limit(
        id=f"{entry.id}-{classes[0].lower()}" if classes else entry.id,
        en=entry.en.replace("{}", names[0]),
        zh=entry.zh.replace("{}", names[1]),
        quantity=entry.quantity,
        averaging=averaging,
        value=None if value is None else _in_own_unit(where, value, entry.unit, quantity),
        stated=f"{'?' if value is None else f'{value:g}'} {SHOWN.get(entry.unit, entry.unit)}",
        verified=entry.verified,
        in_force=entry.in_force or standard.in_force,
        ends=entry.ends or standard.ends,
        site_kinds=entry.site_kinds,
        places=entry.places,
        zone_classes=classes if by_zone else entry.zone_classes,
        where=entry.where | ({entry.by: classes} if entry.by and not by_zone else {}),
        from_=entry.from_,
        to=entry.to,
        permitted=entry.permitted,
        reference_o2=reference,
        above_background=entry.above_background,
        background_cap=None
        if entry.background_cap is None
        else _in_own_unit(where, entry.background_cap, entry.unit, quantity),
        screening=entry.screening,
        decimals=rounding.decimals if rounding and known else None,
        rounding=rounding.verified if rounding else "U",
        correction=correction,
        clause=entry.clause,
        source=entry.source,
        note=entry.note,
    )


def _in_own_unit(where: str, value: float, unit: str, quantity: Quantity) -> float:
    factor = 1.0 if unit in (quantity.unit, quantity.label) else FACTORS.get((unit, quantity.unit))
    if factor is None:
        raise CatalogueError(
            f"{where}: unit = {unit!r} cannot be converted to {quantity.unit!r}, the quantity's own; "
            f"expected {quantity.label!r}, or mg/m3 for ug/m3"
        )
    if not (math.isfinite(value) and value > 0):
        raise CatalogueError(f"{where}: value = {value:g}: nothing can be compared with it; expected a number above 0")
    return round(value * factor, 9)
