"""Things as other offices send and want them: TOML, GeoJSON, and the CSV that spreadsheets read and write."""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import tomlkit

from hub.config.files import ConfigError
from hub.registry.edit import item
from hub.registry.exchange import CONTACT, HEADINGS, Progress, parse_cell, record_text, unseen
from hub.sheets.cells import csv_line, restored, safe
from hub.sheets.grid import Grid, heading
from hub.sheets.headings import plain as folded
from hub.sheets.numbers import SENTINEL, NoNumberError, number
from hub.sheets.text import opened
from hub.things.change import WrongThingError
from hub.things.entries import FIELDS, Said, Thing, plain, time_text
from schemas.domains.entries import ThingKind, ThingProperty
from schemas.errors import UserError
from schemas.faults import line_of, lines
from schemas.toml_text import TomlError, read_toml_file

HEADS = ("kind", "id", "en", "zh", "district", "from", "until", "longitude", "latitude", "geometry", "people", "note")
"""Columns of a CSV file before those of the kind's properties; all but id may be left out."""
MORE_HEADINGS = {"类别": "kind", "生效日期": "from", "失效日期": "until", "几何": "geometry", "负责人": "people"}
"""Chinese headings beside those of the registry."""
TRUE, FALSE = ("true", "yes", "1", "是"), ("false", "no", "0", "否")
MOST = 100_000
"""Entries of a CSV file."""
MOST_BYTES = 50_000_000
"""Of GeoJSON, which is read as a whole: some ten times that in memory."""


def read_things(
    path: Path,
    kind: str | None,
    kinds: Mapping[str, ThingKind],
    progress: Progress = unseen,
    faults: list[ConfigError] | None = None,
) -> list[Said]:
    """Read a TOML, CSV or GeoJSON file (by its name's end). `kind`: of entries that do not say theirs.

    `faults`: takes the mistakes in single lines and features, which are left out then; without it the first is raised.

    Raises:
        ConfigError: it cannot be read, or is none of them.
    """
    names = path.suffixes[-2:] if path.suffix.lower() == ".gz" else [path.suffix]
    try:
        if names[:1] and names[0].lower() == ".csv":
            with opened(path) as source, progress(source) as step:
                columns = partial(_columns, kinds=kinds)
                grid = Grid(source, str(path), lambda cells: "id" in columns(cells), most=MOST, progress=step)
                return _from_csv(path, grid, kind, kinds, faults)
        match path.suffix.lower():
            case ".toml":
                return _from_toml(path, kind)
            case ".geojson" | ".json":
                with path.open("rb") as file:
                    data = file.read(MOST_BYTES + 1)
                return _from_geojson(path, data, kind, faults)
    except UserError as error:
        raise ConfigError(str(error)) from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); name a TOML, CSV or GeoJSON file") from error
    if not path.is_file():
        raise ConfigError(f"{path}: cannot be read; name a TOML, CSV or GeoJSON file")
    raise ConfigError(f"{path}: is none of .toml, .csv and .geojson; name the file after what it holds")


def located(path: Path, wrong: WrongThingError) -> ConfigError:
    """Return a mistake with the file, line and column where it comes from."""
    said, field = wrong.said, wrong.error.field
    if said is None or not said.line:
        return ConfigError(f"{path}: {wrong}")
    if path.suffix.lower() == ".toml":
        return ConfigError(f"{path}:{said.line}: {wrong}")
    column = f", column {field}" if field and field not in ("properties", "withdrawn") else ""
    return ConfigError(f"{path}, line {said.line}{column}: {wrong}")


def _said(path: Path, number: int, table: Any, kind: str | None, what: str) -> Said:
    if not isinstance(table, dict):
        raise ConfigError(f"{path}: {what} number {number} is no table")
    table = dict(table)
    named = table.pop("kind", None) or kind
    id_ = table.pop("id", None)
    if isinstance(id_, int):  # as some programs number features
        id_ = str(id_)
    if not isinstance(id_, str) or not id_:
        raise ConfigError(f"{path}: {what} number {number} has no id; give it one of a-z, 0-9 and -")
    if not isinstance(named, str):
        raise ConfigError(f"{path}: {what} {id_!r} says no kind; write it there, or give --kind")
    return Said(named, id_, table)


def _from_toml(path: Path, kind: str | None) -> list[Said]:
    try:
        raw = read_toml_file(path)
    except TomlError as error:
        raise ConfigError(f"{path}: {error}") from error
    tables = raw.pop("thing", [])
    if raw or not isinstance(tables, list):
        name = next(iter(raw), "thing")
        raise ConfigError(f"{path}: {name!r} is not known; expected tables [[thing]]")
    where = lines(path.read_text("utf-8-sig"))
    return [
        _said(path, number, table, kind, "thing")._replace(line=line_of(("thing", number - 1), where))
        for number, table in enumerate(tables, 1)
    ]


def _from_geojson(path: Path, data: bytes, kind: str | None, faults: list[ConfigError] | None) -> list[Said]:
    if len(data) > MOST_BYTES:
        raise ConfigError(f"{path}: has more than {MOST_BYTES // 1_000_000} MB; import it in parts, or simplify it")
    try:
        raw = msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{path}: is not valid JSON: {error}") from error
    if not isinstance(raw, dict) or raw.get("type") != "FeatureCollection" or not isinstance(raw.get("features"), list):
        raise ConfigError(f"{path}: is no GeoJSON; expected a FeatureCollection")
    found = []
    for place, feature in enumerate(raw["features"], 1):
        with _noted(faults):
            found.append(_feature(path, place, feature, kind))
    return found


def _feature(path: Path, place: int, feature: Any, kind: str | None) -> Said:
    if not isinstance(feature, dict) or feature.get("type") != "Feature":
        raise ConfigError(f"{path}: feature number {place} is no Feature")
    properties = feature.get("properties") or {}
    if not isinstance(properties, dict):
        raise ConfigError(f"{path}: feature number {place}: properties is no object")
    table = {name: value for name, value in properties.items() if name in FIELDS and name != "properties"}
    more = {name: value for name, value in properties.items() if name not in table}
    if feature.get("geometry") is not None:
        table["geometry"] = feature["geometry"]
    if "id" not in table and "id" in feature:
        table["id"] = feature["id"]
    return _said(path, place, table | ({"properties": more} if more else {}), kind, "feature")


@contextmanager
def _noted(faults: list[ConfigError] | None) -> Iterator[None]:
    """Put a mistake beside the others; where nobody collects them, it ends the reading."""
    try:
        yield
    except ConfigError as error:
        if faults is None:
            raise
        faults.append(error)


def _columns(cells: Sequence[str], kinds: Mapping[str, ThingKind]) -> list[str]:
    """Return headings as the columns are called here; properties may have their names in either language."""
    names = {folded(name): name for kind in kinds.values() for name in kind.property}
    for kind in kinds.values():
        for name, asked in kind.property.items():
            for said in (asked.zh, asked.en):
                names.setdefault(folded(said), name)
    known = HEADINGS | MORE_HEADINGS
    return [names.get(text := heading(cell)) or known.get(text, text) for cell in cells]


def _from_csv(
    path: Path, grid: Grid, kind: str | None, kinds: Mapping[str, ThingKind], faults: list[ConfigError] | None
) -> list[Said]:
    header = _columns(grid.header, kinds)
    twice = next((name for name in header if header.count(name) > 1), None)
    if twice is not None or "id" not in header:
        problem = f"column {twice!r} stands there twice" if twice is not None else "there is no column id"
        raise ConfigError(f"{path}, line {grid.line}: {problem}; expected {', '.join(HEADS)} and the kind's properties")
    found = []
    for line, cells in grid.rows():
        row = dict(zip(header, [*cells, *[""] * (len(header) - len(cells))], strict=True))
        with _noted(faults):
            found.append(_row(path, line, row, kind, kinds))
    return found


def _row(path: Path, line: int, row: dict[str, str], kind: str | None, kinds: Mapping[str, ThingKind]) -> Said:
    named = row.pop("kind", "").strip() or kind or ""
    if named not in kinds:
        problem = f"{named!r} is no kind of things" if named else "says no kind; add a column kind, or give --kind"
        raise ConfigError(f"{path}, line {line}, column kind: {problem}; expected one of: {', '.join(kinds)}")
    asked = kinds[named].property
    unknown = next((column for column in row if column not in asked and column not in HEADS), None)
    if unknown is not None:
        known = ", ".join([*HEADS, *asked])
        raise ConfigError(f"{path}: a {named} has no column {unknown!r}; expected {known}")
    fields: dict[str, Any] = {}
    properties: dict[str, Any] = {}
    for column, cell in row.items():
        try:
            cell = cell if column == "people" else restored(cell)  # noqa: PLW2901 - records are restored one by one
            if column in asked:
                properties[column] = property_of_text(cell, asked[column])
            else:
                fields[column] = field_of_text(column, cell)
        except ValueError as error:
            raise ConfigError(f"{path}, line {line}, column {column}: {error}") from None
    fields |= _place(path, line, fields, row)
    id_ = fields.pop("id", None)
    if not id_:
        raise ConfigError(f"{path}, line {line}, column id: is empty; give it an id of a-z, 0-9 and -")
    return Said(named, id_, fields | {"properties": properties}, line)


def _place(path: Path, line: int, fields: dict[str, Any], row: Mapping[str, str]) -> dict[str, Any]:
    """Take longitude and latitude out of a row's fields; return its geometry, if it says anything of it."""
    ends = [fields.pop(name, None) for name in ("longitude", "latitude")]
    if ends.count(None) == 1:
        raise ConfigError(f"{path}, line {line}: has one of longitude and latitude; give both, or none")
    if ends[0] is not None:
        if fields.get("geometry"):
            raise ConfigError(f"{path}, line {line}: has a geometry, and longitude and latitude; give one of them")
        return {"geometry": {"type": "Point", "coordinates": ends}}
    return {"geometry": None} if "longitude" in row and "geometry" not in row else {}


def field_of_text(column: str, cell: str) -> Any:
    """Return the value of a field that all things have, as people write it; nothing: None.

    Raises:
        ValueError: it is none.
    """
    match column:
        case "longitude" | "latitude":
            return parse_cell(column, cell)
        case "people":
            return parse_cell("contacts", cell)
        case "from" | "until":
            return cell.strip().replace("/", "-") or None
    return cell.strip() or None


def property_of_text(cell: str, asked: ThingProperty) -> Any:
    """Return the value of a property as people write it; several are separated by semicolons; nothing: None.

    Raises:
        ValueError: it is none.
    """
    text = cell.strip()
    if not text:
        return None
    if asked.several:
        return [_single(part.strip(), asked) for part in text.split(";") if part.strip()]
    return _single(text, asked)


def _single(text: str, asked: ThingProperty) -> Any:
    if asked.type in ("number", "integer"):
        try:
            return number(text)
        except NoNumberError as error:
            if error.cause == SENTINEL:  # of a measured value; here it may be a weight
                return float(text)
            raise ValueError(f"{text!r} is not a number such as 12.5") from None
    if asked.type == "boolean":
        if text.lower() not in (*TRUE, *FALSE):
            raise ValueError(f"{text!r}: expected yes or no")
        return text.lower() in TRUE
    return text


def to_toml(things: Iterable[Thing], zone: ZoneInfo) -> str:
    """Return things as TOML."""
    blocks = []
    for thing in things:
        table = tomlkit.table()
        for field, value in _written(thing, zone).items():
            table.add(field, item(value))
        blocks.append(f"[[thing]]\n{table.as_string()}")
    return "\n".join(blocks)


def to_geojson(things: Iterable[Thing], zone: ZoneInfo) -> str:
    """Return things as a FeatureCollection, WGS-84; those without a place have a geometry of null."""
    features = []
    for thing in things:
        said = _written(thing, zone)
        geometry, properties = said.pop("geometry", None), said.pop("properties", {})
        features.append({"type": "Feature", "geometry": geometry, "properties": said | properties})
    return msgspec.json.encode({"type": "FeatureCollection", "features": features}).decode() + "\n"


def to_csv(things: Iterable[Thing], kind: str, kinds: Mapping[str, ThingKind], zone: ZoneInfo) -> str:
    """Return things of one kind as CSV.

    Raises:
        ConfigError: something in them cannot stand in a cell.
    """
    asked = kinds[kind].property
    points = "point" in kinds[kind].geometry
    heads = [name for name in HEADS if points or name not in ("longitude", "latitude")]
    lines = [csv_line([*heads, *asked])]
    for thing in things:
        said = _written(thing, zone)
        geometry = said.get("geometry")
        if geometry and geometry["type"] == "Point" and points:
            said["longitude"], said["latitude"] = geometry["coordinates"]
            del said["geometry"]
        cells = [_cell(thing, name, said.get(name)) for name in heads]
        properties = thing.properties
        cells += [safe(_property_cell(thing, name, properties.get(name))) for name in asked]
        lines.append(csv_line(cells))
    return "".join(lines)


def _written(thing: Thing, zone: ZoneInfo) -> dict[str, Any]:
    said = plain(thing)
    for end in ("from", "until"):
        if said.get(end) is not None:
            said[end] = time_text(said[end], zone)
    return said


def _cell(thing: Thing, column: str, value: Any) -> str:
    if value is None:
        return ""
    if column == "people":
        return record_text(thing.kind, thing.id, "people", value, CONTACT)
    return msgspec.json.encode(value).decode() if column == "geometry" else safe(str(value))


def _property_cell(thing: Thing, name: str, value: Any) -> str:
    if isinstance(value, (list, tuple)):
        parts = [_property_cell(thing, name, one) for one in value]
        if any(";" in one or one != one.strip() for one in parts):
            raise ConfigError(f"{thing.kind} {thing.id!r}: {name} cannot stand in CSV; export it as TOML or GeoJSON")
        return ";".join(parts)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or isinstance(value, dt.date):
        return "" if value is None else value.isoformat()
    return f"{value:g}" if isinstance(value, float) and value == int(value) and abs(value) < 1e6 else str(value)
