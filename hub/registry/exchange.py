"""Registries as other offices send and want them: TOML, and the CSV that spreadsheets read and write."""

import _csv
import csv
import datetime as dt
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from hub.config.files import ConfigError
from hub.registry.check import EntryError, check_entry
from hub.registry.edit import Plain
from hub.registry.entries import KINDS
from hub.sheets.cells import csv_line, restored, safe
from hub.sheets.columns import SEPARATORS, separator_said
from hub.sheets.text import Source
from schemas.errors import UserError
from schemas.toml_text import TomlError, parse_toml

MOST_BYTES = 5_000_000
"""Of a file to import: 50,000 boards, which take half a minute to check and compare."""
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
    "board": ("id", "site", "sensors", "installed", "calibration_due", "retired", "note", "instruments"),
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
    ),
    "terminal": ("id", "site", "phone", "plate", "installed", "retired", "note"),
}
CONTACT = ("role", "name", "phone", "email")
PERMIT = ("from", "to", "permit", "note")
OPERATION = ("from", "to", "state", "confirmed", "note")
INSTRUMENT = ("of", "class", "uncertainty", "source")
RECORDS = {"contacts": CONTACT, "night_work": PERMIT, "instruments": INSTRUMENT, "operation": OPERATION}
"""Columns of several records in a cell, with the parts of each."""
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
            return ConfigError(f"{self.path}: {error}")
        column = "latitude" if error.field == "position" else error.field
        named = f", column {column}" if column in COLUMNS[row.kind] else ""
        return ConfigError(f"{self.path}, line {row.line}{named}: {error}")


def read_import(path: Path, kind: str | None) -> Imported:
    """Read a TOML or CSV file (by its name's end). `kind` is what a CSV file holds; None: as its columns tell.

    Raises:
        ConfigError: it cannot be read, or is neither.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); name a TOML or CSV file") from error
    if len(data) > MOST_BYTES:
        raise ConfigError(f"{path}: has more than {MOST_BYTES} bytes; is it a registry? if so, import it in parts")
    if path.suffix.lower() == ".csv":
        return _from_csv(path, data, kind)
    if path.suffix.lower() == ".toml":
        return _from_toml(path, data)
    raise ConfigError(f"{path}: is neither .toml nor .csv; name the file after what it holds")


def _from_toml(path: Path, data: bytes) -> Imported:
    try:
        raw = parse_toml(data)
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


def _from_csv(path: Path, data: bytes, kind: str | None) -> Imported:
    lines, above = csv_lines(path, data)
    rows: list[Row] = []
    line = 1
    try:
        header = [HEADINGS.get(name.strip(), name.strip().lower()) for name in next(lines, [])]
        kind = kind or _kind_of(header)
        if kind is None:
            raise ConfigError(
                f"{path}, line 1: cannot tell sites from boards; give --kind sites or --kind boards (or stations, "
                "terminals)"
            )
        _check_header(path, header, kind)
        line = lines.line_num + 1 + above
        for cells in lines:
            if any(cell.strip() for cell in cells):
                rows.append(Row(kind, _entry(path, line, header, cells), line))
            line = lines.line_num + 1 + above
    except csv.Error as error:
        raise ConfigError(f"{path}, line {line}: is not valid CSV: {error}") from error
    return Imported(path, rows, (kind,))


def csv_lines(path: Path, data: bytes) -> "tuple[_csv.Reader, int]":
    """Return the rows of a CSV file as spreadsheets save it, and how many lines stand above them.

    Raises:
        ConfigError: it is no text.
    """
    try:
        text = list(Source(io.BytesIO(data), str(path)))
    except UserError as error:
        raise ConfigError(str(error)) from None
    first = text[0] if text else ""
    said = separator_said(first)
    above = bool(said)
    return csv.reader(text[above:], delimiter=said or max(SEPARATORS, key=first.count), strict=True), above


def _kind_of(header: list[str]) -> str | None:
    """Return what a file with these columns holds, where they tell it."""
    columns = {*header}
    if "mn" in columns:
        return "station"
    if "phone" in columns:
        return "terminal"
    return "board" if "site" in columns else "site" if {"district", "kind"} & columns else None


def _check_header(path: Path, header: list[str], kind: str) -> None:
    known = COLUMNS[kind]
    wrong = next((name for name in header if name not in known or header.count(name) > 1), None)
    if wrong is not None:
        what = "stands there twice" if wrong in known else "is not known"
        raise ConfigError(f"{path}, line 1: column {wrong!r} {what}; columns of {kind}s: {', '.join(known)}")
    if "id" not in header:
        raise ConfigError(f"{path}, line 1: there is no column id; columns of {kind}s: {', '.join(known)}")


def _entry(path: Path, line: int, header: list[str], cells: list[str]) -> dict[str, Any]:
    if len(cells) > len(header):
        raise ConfigError(f"{path}, line {line}: has {len(cells)} cells; expected {len(header)}, as in line 1")
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
    text = cell if column == "note" else cell.strip()
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


def _date(text: str) -> dt.date:
    # Spreadsheets write dates in their own way as soon as the file is saved there.
    match = re.fullmatch(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?: 0?0:00(:00)?)?", text)
    try:
        return dt.date(*(int(match[n]) for n in (1, 2, 3))) if match else dt.date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a date such as 2026-12-01") from None


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
    "sensors": _words,
    "addresses": _words,
    "contacts": _records(CONTACT, 3),
    "night_work": _records(PERMIT, 3),
    "instruments": _records(INSTRUMENT, 2),
    "operation": _records(OPERATION, 4),
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
