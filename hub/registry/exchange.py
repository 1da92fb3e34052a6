"""Registries as other offices send and want them: TOML, and the CSV that spreadsheets read and write."""

import datetime as dt
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from hub.config.files import ConfigError
from hub.registry.check import EntryError, check_entry
from hub.registry.edit import Plain
from hub.registry.entries import KINDS
from hub.sheets.cells import csv_line, restored, safe
from hub.sheets.grid import Grid, heading, nothing
from hub.sheets.moments import NoTimeError, read_time
from hub.sheets.numbers import bare
from hub.sheets.text import Source, opened
from schemas.errors import UserError
from schemas.faults import at
from schemas.toml_text import TomlError, read_toml_file

MOST = 100_000
"""Entries of a CSV file to import: more than fit into a registry (`schemas.toml_text.MOST_BYTES`)."""
STOOD = ("since", "earlier")
"""Columns that say where it stood, and when."""
COLUMNS = {
    "site": (
        "id",
        "district",
        "kind",
        "en",
        "zh",
        "zone_class",
        "latitude",
        "longitude",
        "contacts",
        "night_work",
        "operation",
    ),
    "board": ("id", "site", "sensors", "installed", "calibration_due", "retired", "note", "instruments", *STOOD),
    "station": (
        "id",
        "site",
        "mn",
        "profile",
        "addresses",
        "installed",
        "calibration_due",
        "retired",
        "note",
        "instruments",
        *STOOD,
    ),
    "terminal": ("id", "site", "phone", "plate", "profile", "installed", "retired", "note", *STOOD),
    "badge": ("id", "site", "number", "installed", "retired", "note", *STOOD),
    "node": ("id", "site", "eui", "codec", "empty_mm", "full_mm", "installed", "retired", "note", *STOOD),
}
CONTACT = ("role", "name", "phone", "email")
PERMIT = ("from", "to", "permit", "note")
OPERATION = ("from", "to", "state", "confirmed", "note")
INSTRUMENT = ("of", "class", "uncertainty", "source")
EARLIER = ("site", "from", "until")
RECORDS = {
    "contacts": CONTACT,
    "night_work": PERMIT,
    "instruments": INSTRUMENT,
    "operation": OPERATION,
    "earlier": EARLIER,
}
"""Columns of several records in a cell, with the parts of each."""
IDENTIFIERS = (
    "id",
    "site",
    "district",
    "kind",
    "zone_class",
    "mn",
    "phone",
    "sensors",
    "latitude",
    "longitude",
    "eui",
    "codec",
)
"""Columns in which a wide letter is the usual one, and what nobody sees is nothing."""
DATES = ("installed", "calibration_due", "retired")
HEADINGS = {
    "编号": "id",
    "区县": "district",
    "站点类型": "kind",
    "英文名": "en",
    "中文名": "zh",
    "功能区类别": "zone_class",
    "纬度": "latitude",
    "经度": "longitude",
    "联系人": "contacts",
    "夜间施工": "night_work",
    "站点": "site",
    "传感器": "sensors",
    "安装日期": "installed",
    "校准到期": "calibration_due",
    "停用日期": "retired",
    "备注": "note",
    "仪器": "instruments",
    "工况申报": "operation",
    "所在起始": "since",
    "曾在站点": "earlier",
}
"""Chinese headings."""


class Row(NamedTuple):
    """An entry of an imported file; a field that is None is to be taken away. `line` is 0 in TOML."""

    kind: str
    entry: dict[str, Any]
    line: int = 0


class Imported:
    """What a file says of the registry, not yet compared with it."""

    def __init__(self, path: Path, rows: list[Row], kinds: tuple[str, ...], timezone: str = "") -> None:
        self.path = path
        self.kinds = kinds
        """The kinds of entries that the file may list completely: what it leaves out can then be removed."""
        self.timezone = timezone
        self.rows: dict[tuple[str, str], Row] = {}
        for row in rows:
            key = row.kind, row.entry["id"]
            if key in self.rows:
                raise self.located(EntryError("stands there twice; keep one of them", *key, "id"), row)
            self.rows[key] = row

    def merge(self, entries: Plain, zone: ZoneInfo, *, replace: bool) -> None:
        """Add its entries to the registry's and update those there; with `replace`, take away what it leaves out.

        Raises:
            ConfigError: an entry is wrong.
        """
        for kind in self.kinds if replace else ():
            entries[kind] = {id_: entry for id_, entry in entries[kind].items() if (kind, id_) in self.rows}
        for (kind, id_), row in self.rows.items():
            whole = replace and not row.line
            merged = ({} if whole else entries[kind].get(id_, {})) | row.entry
            entry = {field: value for field, value in merged.items() if value is not None}
            try:
                check_entry(kind, entry, zone)
            except EntryError as error:
                raise self.located(error, row) from None
            entries[kind][id_] = entry

    def located(self, error: EntryError, row: Row | None = None) -> ConfigError:
        """Return the error with the file, line and column where it comes from."""
        row = row or self.rows.get((error.kind, error.id))
        if row is None or not row.line:
            place = error.place(read_toml_file(self.path)) if self.path.suffix.lower() == ".toml" else ()
            return ConfigError(f"{at(self.path, place)}: {error}")
        column = "latitude" if error.field == "position" else error.field
        named = f", column {column}" if column in COLUMNS[row.kind] else ""
        return ConfigError(f"{self.path}, line {row.line}{named}: {error}")


Progress = Callable[[Source], AbstractContextManager[Callable[[], None]]]
"""Shows how far a file is read (see `hub.terminal.progress.reading`)."""


def unseen(_: Source) -> AbstractContextManager[Callable[[], None]]:
    """Show nobody how far a file is read."""
    return nullcontext(nothing)


def read_import(path: Path, kind: str | None, progress: Progress = unseen) -> Imported:
    """Read a TOML or CSV file (by its name's end). `kind` is what a CSV file holds; None: as its columns tell.

    Raises:
        ConfigError: it cannot be read, or is neither.
    """
    names = path.suffixes[-2:] if path.suffix.lower() == ".gz" else [path.suffix]
    if names[0].lower() == ".csv":
        try:
            with opened(path) as source, progress(source) as step:
                return _from_csv(path, Grid(source, str(path), _is_header, most=MOST, progress=step), kind)
        except UserError as error:
            raise ConfigError(str(error)) from None
    if path.suffix.lower() == ".toml":
        return _from_toml(path)
    if not path.is_file():
        raise ConfigError(f"{path}: cannot be read; name a TOML or CSV file")
    raise ConfigError(f"{path}: is neither .toml nor .csv; name the file after what it holds")


def _from_toml(path: Path) -> Imported:
    try:
        raw = read_toml_file(path)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); name a TOML or CSV file") from error
    except TomlError as error:
        raise ConfigError(f"{path}: {error}") from None
    rows = []
    for kind, tables in raw.items():
        if kind == "timezone":
            continue
        if kind not in KINDS or not isinstance(tables, list):
            raise ConfigError(f"{path}: {kind!r} is not known; expected tables [[{']], [['.join(KINDS)}]]")
        for number, table in enumerate(tables, 1):
            if not isinstance(table, dict) or not isinstance(table.get("id"), str):
                raise ConfigError(f"{path}: {kind} number {number} has no id; give it one, in quotes")
            rows.append(Row(kind, table))
    return Imported(path, rows, KINDS, str(raw.get("timezone", "")))


def named(cells: Sequence[str]) -> list[str]:
    """Return headings as the columns are called here."""
    return [HEADINGS.get(text := heading(cell), text) for cell in cells]


def _is_header(cells: Sequence[str]) -> bool:
    return "id" in named(cells)


def _from_csv(path: Path, grid: Grid, kind: str | None) -> Imported:
    header = named(grid.header)
    kind = kind or _kind_of(header)
    if kind is None:
        raise ConfigError(
            f"{path}, line {grid.line}: cannot tell sites from boards; give --kind sites or --kind boards (or "
            "stations, terminals, nodes, badges)"
        )
    _check_header(path, grid.line, header, kind)
    rows = [Row(kind, _entry(path, line, header, cells), line) for line, cells in grid.rows()]
    return Imported(path, rows, (kind,))


def _kind_of(header: list[str]) -> str | None:
    """Return what a file with these columns holds, where they tell it."""
    columns = {*header}
    if "mn" in columns:
        return "station"
    if "phone" in columns:
        return "terminal"
    if "eui" in columns:
        return "node"
    if "number" in columns:
        return "badge"
    return "board" if "site" in columns else "site" if {"district", "kind"} & columns else None


def _check_header(path: Path, line: int, header: list[str], kind: str) -> None:
    known = COLUMNS[kind]
    wrong = next((name for name in header if name not in known or header.count(name) > 1), None)
    if wrong is not None:
        what = "stands there twice" if wrong in known else "is not known"
        raise ConfigError(f"{path}, line {line}: column {wrong!r} {what}; columns of {kind}s: {', '.join(known)}")
    if "id" not in header:
        raise ConfigError(f"{path}, line {line}: there is no column id; columns of {kind}s: {', '.join(known)}")


def _entry(path: Path, line: int, header: list[str], cells: list[str]) -> dict[str, Any]:
    entry: dict[str, Any] = {}
    row = dict(zip(header, [*cells, *[""] * (len(header) - len(cells))], strict=True))
    for column, cell in row.items():
        try:
            entry[column] = parse_cell(column, cell)
        except ValueError as error:
            raise ConfigError(f"{path}, line {line}, column {column}: {error}") from None
    if entry["id"] is None:
        raise ConfigError(f"{path}, line {line}, column id: is empty; give it an id of a-z, 0-9 and -")
    ends = [entry.pop(name, None) for name in ("latitude", "longitude")]
    if ends.count(None) == 1:
        empty = ("latitude", "longitude")[ends.index(None)]
        raise ConfigError(f"{path}, line {line}, column {empty}: is empty; give both latitude and longitude, or none")
    if {"latitude", "longitude"} & {*header}:
        entry["position"] = ends if ends[0] is not None else None
    return entry


def parse_cell(column: str, cell: str) -> Any:
    """Return the value that a CSV cell stands for; None for an empty one.

    Raises:
        ValueError: it is not what the column holds; the text tells what it holds.
    """
    text = cell if column == "note" else bare(cell) if column in IDENTIFIERS else cell.strip()
    text = text if column in RECORDS else restored(text)
    if not text:
        return None
    parse = _PARSERS.get(column)
    return parse(text) if parse else text


def _degrees(text: str) -> float:
    try:
        return float(text.replace(",", "."))
    except ValueError:
        raise ValueError(f"{text!r} is not a number of degrees such as 22.5431") from None


def _millimetres(text: str) -> float:
    try:
        return float(text.replace(",", "."))
    except ValueError:
        raise ValueError(f"{text!r} is not a number of mm such as 1200") from None


def _date(text: str) -> dt.date:
    # Spreadsheets write dates in their own way as soon as the file is saved there.
    try:
        when = read_time(text)
    except NoTimeError:
        raise ValueError(f"{text!r} is not a date such as 2026-12-01") from None
    if when.time() != dt.time() or when.tzinfo:
        raise ValueError(f"{text!r} is not a date such as 2026-12-01")
    return when.date()


def _time(text: str) -> dt.datetime:
    try:
        return read_time(text)  # without an offset it is local time of the registry
    except NoTimeError:
        raise ValueError(f"{text!r} is not a date and time such as 2026-12-01T08:00") from None


def _words(text: str) -> list[str]:
    return text.replace(",", " ").split()


def _records(names: tuple[str, ...], least: int) -> Callable[[str], list[dict[str, str]]]:
    def parse(text: str) -> list[dict[str, str]]:
        found = []
        for record in filter(str.strip, text.split(";")):
            parts = [part.strip() for part in restored(record.strip()).split("|")]
            if not least <= len(parts) <= len(names):
                raise ValueError(f"{record.strip()!r} is not {'|'.join(names)}; several are separated by ;")
            found.append({name: part for name, part in zip(names, parts, strict=False) if part})
        return found

    return parse


_PARSERS: dict[str, Callable[[str], Any]] = {
    "latitude": _degrees,
    "longitude": _degrees,
    "empty_mm": _millimetres,
    "full_mm": _millimetres,
    "sensors": _words,
    "addresses": _words,
    "contacts": _records(CONTACT, 3),
    "night_work": _records(PERMIT, 3),
    "instruments": _records(INSTRUMENT, 2),
    "operation": _records(OPERATION, 4),
    "earlier": _records(EARLIER, 3),
    "since": _time,
} | dict.fromkeys(DATES, _date)


def to_csv(entries: Plain, kind: str) -> str:
    """Return the sites or boards as CSV.

    Raises:
        ConfigError: something in them cannot stand in a cell.
    """
    rows = ([_cell(kind, entry, column) for column in COLUMNS[kind]] for entry in entries[kind].values())
    return "".join(csv_line(row) for row in [COLUMNS[kind], *rows])


def _cell(kind: str, entry: dict[str, Any], column: str) -> str:
    if column in ("latitude", "longitude"):
        position = entry.get("position")
        return "" if position is None else repr(position[column == "longitude"])
    value = entry.get(column)
    if value is None:
        return ""
    if column in {"sensors", "addresses"}:
        return safe(" ".join(value))
    if column in RECORDS:
        return record_text(kind, entry["id"], column, value, RECORDS[column])
    if isinstance(value, dt.datetime):
        return _part(value)
    return value.isoformat() if isinstance(value, dt.date) else safe(str(value))


def record_text(kind: str, id_: str, column: str, value: list[dict[str, Any]], names: tuple[str, ...]) -> str:
    """Return records, such as contacts, as they stand in a cell.

    Raises:
        ConfigError: something in them cannot stand there.
    """
    records = [[_part(record.get(name, "")) for name in names] for record in value]
    for part in (part for record in records for part in record if {"|", ";"} & {*part} or part != part.strip()):
        raise ConfigError(f"{kind} {id_!r}: {column}: {part!r} cannot stand in CSV; export it as TOML")
    return ";".join(safe("|".join(record).rstrip("|")) for record in records)


def _part(value: Any) -> str:
    if isinstance(value, dt.datetime):
        return value.isoformat(timespec="auto" if value.second or value.microsecond else "minutes")
    return str(value)
