"""Checks things against the kinds that the packs declare; each mistake names the thing, the field and the remedy."""

import datetime as dt
import difflib
import re
import reprlib
from collections.abc import Collection, Mapping
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from hub.registry.check import EXPECTED, MOST_CHARACTERS, EntryError
from hub.things.coordinates import System, to_wgs84
from hub.things.entries import FIELDS, Thing
from schemas.domains.entries import ThingKind, ThingProperty
from schemas.faults import explain
from schemas.faults import told as place_told

SHAPES = {
    "Point": "point",
    "MultiPoint": "point",
    "LineString": "line",
    "MultiLineString": "line",
    "Polygon": "area",
    "MultiPolygon": "area",
}
MOST = 1e15
"""No number of a thing is as large: up to here floats tell whole numbers apart."""
MOST_POSITIONS = 20_000
"""Of one geometry: a province's border has fewer."""
TIME = "a date such as 2026-12-01, or a date and time such as 2026-12-01T22:00"
EXPECTED_OF = EXPECTED | {
    "from": TIME,
    "until": TIME,
    "people": 'a list such as [{role = "driver", phone = "+86 757 0000 0000"}]',
    "geometry": "GeoJSON such as {type = 'Point', coordinates = [113.1427, 23.0288]}, longitude first",
    "withdrawn": "true or false",
    "properties": "a table of what the kind asks for",
}
EARLIEST, LATEST = -2_208_988_800, 7_258_118_400
"""1900 and 2200, Unix s: what lies outside is a slip of the pen."""


def check_kinds(kinds: Mapping[str, ThingKind]) -> None:
    """Check that no property of a kind has the name of a field that all things have.

    Raises:
        EntryError: one has.
    """
    for name, kind in kinds.items():
        for property_ in kind.property:
            if property_ in (*FIELDS, "latitude", "longitude"):
                raise EntryError(f"its pack calls a property {property_!r}, as every thing's field; rename it", name)


def check_fields(
    kind: str, id_: str, fields: dict[str, Any], kinds: Mapping[str, ThingKind], zone: ZoneInfo, system: System
) -> Thing:
    """Return a thing by itself, without what it refers to.

    Raises:
        EntryError: a field of it is wrong.
    """
    known = kinds.get(kind)
    if known is None:
        raise EntryError(f"there is no such kind of things{_near(kind, kinds)}", kind, id_, "kind")
    if not re.fullmatch(r"[a-z0-9-]{1,32}", id_):
        raise EntryError(f"id = {id_!r}: expected {EXPECTED['id']}", kind, id_, "id")
    fields = dict(fields)
    wrong = next((name for name in fields if name not in FIELDS), None)
    if wrong is not None:
        raise EntryError(f"there is no field {wrong!r}{_near(wrong, FIELDS)}", kind, id_, wrong)
    for end in ("from", "until"):
        if fields.get(end) is not None:
            fields[end] = read_moment(kind, id_, end, fields[end], zone)
    _check_validity(kind, id_, fields, known)
    if fields.get("geometry") is not None:
        fields["geometry"] = _geometry(kind, id_, fields["geometry"], known, system)
    elif known.placed:
        raise EntryError(f"geometry is missing; expected {' or '.join(known.geometry)}", kind, id_, "geometry")
    fields["properties"] = _properties(kind, id_, fields.get("properties") or {}, known, zone)
    return _thing(kind, id_, {name: value for name, value in fields.items() if value is not None})


def _thing(kind: str, id_: str, fields: dict[str, Any]) -> Thing:
    try:
        found = msgspec.convert(fields | {"kind": kind, "id": id_}, Thing)
    except msgspec.ValidationError as error:
        raise _explained(str(error), kind, id_, fields) from None
    for name in ("en", "zh", "note"):
        text = getattr(found, name)
        if text is not None and len(text) > MOST_CHARACTERS:
            problem = f"{name}: has {len(text)} characters; expected {MOST_CHARACTERS} at most, shorten it"
            raise EntryError(problem, kind, id_, name)
        if text is not None and not text.replace("\n", " ").isprintable():
            problem = f"{name} = {reprlib.repr(text)}: has characters that cannot be shown; take them out"
            raise EntryError(problem, kind, id_, name)
    for person in found.people:
        if not (person.phone or person.email):
            problem = f"people: {person.role!r} has neither phone nor email; give one of them"
            raise EntryError(problem, kind, id_, "people")
    return found


def check_references(
    thing: Thing, kinds: Mapping[str, ThingKind], known: Collection[tuple[str, str]], districts: Collection[str]
) -> None:
    """Check that what a thing refers to is there.

    Raises:
        EntryError: something is missing.
    """
    if thing.district is not None and districts and thing.district not in districts:
        problem = f"there is no district {thing.district!r}; add it to the registry or mend the name"
        raise EntryError(problem, thing.kind, thing.id, "district")
    for name, asked in kinds[thing.kind].property.items():
        value = thing.properties.get(name)
        for one in value if isinstance(value, (list, tuple)) else () if value is None else (value,):
            if asked.type == "thing" and (asked.of, one) not in known:
                problem = f"{name}: there is no {asked.of} {one!r}; import it first, or with this"
                raise EntryError(problem, thing.kind, thing.id, name)


def _check_validity(kind: str, id_: str, fields: Mapping[str, Any], known: ThingKind) -> None:
    start, end = fields.get("from"), fields.get("until")
    if end is not None and start is not None and end <= start:
        raise EntryError("ends before it begins; expected 'until' later than 'from'", kind, id_, "until")
    if known.validity and (start is None or (end is None and not fields.get("withdrawn"))):
        missing = "from" if start is None else "until"
        raise EntryError(f"{missing} is missing; a {kind} says from when until when it holds", kind, id_, missing)


def read_moment(kind: str, id_: str, field: str, value: Any, zone: ZoneInfo) -> int:
    """Return a date or time, of TOML or as text, as Unix s; without an offset it is local.

    Raises:
        EntryError: it is neither.
    """
    when: Any = value
    if isinstance(value, str):
        try:
            when = dt.datetime.fromisoformat(value.strip())
        except ValueError:
            when = None
    elif isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        when = dt.datetime(value.year, value.month, value.day)  # noqa: DTZ001 - local, as is said below
    if not isinstance(when, dt.datetime):
        raise EntryError(f"{field} = {reprlib.repr(value)}: expected {TIME}", kind, id_, field)
    if when.tzinfo is None:
        when = when.replace(tzinfo=zone)
    t = int(when.timestamp())
    if not EARLIEST <= t <= LATEST:
        raise EntryError(f"{field} = {value!s}: expected {TIME}, between 1900 and 2200", kind, id_, field)
    return t


def _properties(kind: str, id_: str, given: Any, known: ThingKind, zone: ZoneInfo) -> dict[str, Any]:
    if not isinstance(given, Mapping):
        raise EntryError(
            f"properties = {reprlib.repr(given)}: expected {EXPECTED_OF['properties']}", kind, id_, "properties"
        )
    found = {}
    for name, value in given.items():
        asked = known.property.get(name)
        if asked is None:
            raise EntryError(f"a {kind} has no property {name!r}{_near(name, known.property)}", kind, id_, name)
        if value is None:
            continue
        values = value if asked.several and isinstance(value, (list, tuple)) else [value]
        read = [_value(kind, id_, name, one, asked, zone) for one in values]
        found[name] = read if asked.several else read[0]
    for name, asked in known.property.items():
        if asked.required and name not in found:
            raise EntryError(f"{name} is missing; expected {_expected(asked)}", kind, id_, name)
    return found


def _value(kind: str, id_: str, name: str, value: Any, asked: ThingProperty, zone: ZoneInfo) -> Any:
    good: Any = None
    match asked.type:
        case "number" | "integer":
            good = _number(value, asked)
        case "boolean":
            good = value if isinstance(value, bool) else None
        case "date":
            good = value.isoformat() if type(value) is dt.date else _date(value)
        case "time":
            if isinstance(value, (str, dt.datetime, dt.date)):
                good = dt.datetime.fromtimestamp(read_moment(kind, id_, name, value, zone), zone).isoformat()
        case "choice":
            good = value if value in asked.values else None
        case _:
            good = value if isinstance(value, str) and value.strip() and value.isprintable() else None
    if good is None:
        shown = reprlib.repr(value)  # however deep it is
        raise EntryError(f"{name} = {shown}: expected {_expected(asked)}", kind, id_, name)
    return good


def _number(value: Any, asked: ThingProperty) -> float | None:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not abs(value) < MOST:
        return None  # said so that a NaN is refused, too
    if (asked.least is not None and value < asked.least) or (asked.most is not None and value > asked.most):
        return None
    return float(value) if asked.type == "number" else int(value) if value == int(value) else None


def _date(value: Any) -> str | None:
    try:
        return dt.date.fromisoformat(value).isoformat() if isinstance(value, str) else None
    except ValueError:
        return None


def _expected(asked: ThingProperty) -> str:
    bounds = [f"at least {asked.least:g}"] if asked.least is not None else []
    bounds += [f"at most {asked.most:g}"] if asked.most is not None else []
    unit = f" in {asked.unit}" if asked.unit else ""
    words = {
        "text": "a text",
        "number": f"a number{unit}",
        "integer": f"a whole number{unit}",
        "boolean": "true or false",
        "date": "a date such as 2026-12-01",
        "time": TIME,
        "choice": f"one of {', '.join(asked.values)}",
        "thing": f"the id of a {asked.of}",
    }
    return " ".join([*(["a list, each"] if asked.several else []), words[asked.type], " and ".join(bounds)]).strip()


def _geometry(kind: str, id_: str, given: Any, known: ThingKind, system: System) -> dict[str, Any]:
    """Return GeoJSON in WGS-84, two numbers a position."""
    try:
        return _figure(given, known, system)
    except ValueError as error:
        raise EntryError(f"geometry: {error}", kind, id_, "geometry") from None


def _figure(given: Any, known: ThingKind, system: System) -> dict[str, Any]:
    import shapely
    from shapely.geometry import mapping, shape

    if isinstance(given, str):
        try:
            given = msgspec.json.decode(given)
        except msgspec.DecodeError as error:
            raise ValueError(f"is not JSON ({error}); expected {EXPECTED_OF['geometry']}") from None
    if not isinstance(given, Mapping) or given.get("type") not in SHAPES or "coordinates" not in given:
        raise ValueError(f"expected {EXPECTED_OF['geometry']}")
    if SHAPES[str(given["type"])] not in known.geometry:
        allowed = " or ".join(known.geometry) or "none: this kind has no place"
        raise ValueError(f"is a {SHAPES[str(given['type'])]} ({given['type']}); expected {allowed}")
    if not _in_depth(given["coordinates"]):
        raise ValueError(f"expected {EXPECTED_OF['geometry']}")
    try:
        figure = shapely.force_2d(shape({"type": given["type"], "coordinates": given["coordinates"]}))
    except (ValueError, TypeError, IndexError, KeyError, AttributeError, OverflowError, shapely.errors.ShapelyError):
        raise ValueError(f"expected {EXPECTED_OF['geometry']}") from None
    _check_positions(shapely.get_coordinates(figure).tolist())
    if not shapely.is_valid(figure):
        raise ValueError(f"{shapely.is_valid_reason(figure)}; draw it without crossing itself")
    if system != "wgs84":
        figure = shapely.transform(figure, lambda xy: [to_wgs84((lon, lat), system) for lon, lat in xy.tolist()])
    if figure.geom_type in ("Polygon", "MultiPolygon"):
        figure = shapely.orient_polygons(figure)  # RFC 7946: the outer ring runs against the clock
    found: dict[str, Any] = msgspec.to_builtins(mapping(figure))
    return {"type": found["type"], "coordinates": _rounded(found["coordinates"])}


def _check_positions(positions: list[list[float]]) -> None:
    if not positions:
        raise ValueError("is empty; give it a position, or leave it out")
    if len(positions) > MOST_POSITIONS:
        raise ValueError(f"has {len(positions)} positions; expected at most {MOST_POSITIONS}, simplify it")
    for lon, lat in positions:
        if abs(lat) > 90 >= abs(lon) and abs(lat) <= 180:
            raise ValueError(f"[{lon:g}, {lat:g}] looks swapped; expected longitude first")
        if not (abs(lon) <= 180 and abs(lat) <= 90):  # said so that a NaN is refused, too
            raise ValueError(f"[{lon:g}, {lat:g}] is not on Earth; expected degrees, longitude first")
        if lon == lat == 0:
            raise ValueError("[0, 0] is what a receiver without a fix gives; expected a position")


def _rounded(value: Any) -> Any:
    # 1e-8 degrees is 1 mm, and the same figure always has the same text.
    return [_rounded(one) for one in value] if isinstance(value, (list, tuple)) else round(float(value), 8)


def _in_depth(value: Any, depth: int = 0) -> bool:
    """Tell whether coordinates are numbers in at most four lists, as RFC 7946 has them."""
    if isinstance(value, (list, tuple)):
        return depth < 4 and all(_in_depth(one, depth + 1) for one in value)
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _explained(told: str, kind: str, id_: str, fields: Mapping[str, Any]) -> EntryError:
    where = re.search(r"`\$\.(\w+)", told)
    missing = re.search(r"missing required field `(\w+)`", told)
    field = where[1] if where else missing[1] if missing else ""
    expected = EXPECTED_OF.get(field, "")
    if missing and not where:
        return EntryError(f"{field} is missing; expected {expected}", kind, id_, field)
    if field == "people":
        of = next(one.type for one in msgspec.structs.fields(Thing) if one.name == "people")
        for place, problem in explain(fields.get(field), of, (field,)):
            return EntryError(f"{place_told(place)}: {problem}", kind, id_, field)
    return EntryError(f"{field} = {reprlib.repr(fields.get(field))}: expected {expected}", kind, id_, field)


def _near(name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, known, 1)
    return f"; did you mean {near[0]!r}?" if near else f"; expected one of: {', '.join(known) or 'none is declared'}"
