"""`fenceline backtest`: the hub's judging over recorded data, without a hub."""

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import IO, Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text as RichText

from fenceline import UserError
from hub.backtest import Result, backtest
from hub.judge import Judgement, Place
from hub.judge.averaging import rounded
from hub.language import Lang, LangOption, Text, system_language
from schemas import PROPERTIES, Limit, Standard, jurisdictions_of, load_limits, load_quantities

app = typer.Typer(add_completion=False)

LONG = 20_000_000
"""A file of so many bytes takes long enough for a progress bar."""


class Kind(StrEnum):
    """Kind of a site."""

    construction = "construction"
    factory = "factory"


class Zone(StrEnum):
    """Class of the acoustic environment (GB 3096)."""

    z0 = "0"
    z1 = "1"
    z2 = "2"
    z3 = "3"
    z4 = "4"
    z4a = "4a"
    z4b = "4b"


@app.command(
    name="backtest",
    help="""Judge recorded data by the law: the hub's own code over a CSV file, without a hub.

The columns of FILE: time (ISO 8601 with offset, the interval's start), dt (its length, s), quantity (a key of the
catalogue), value (in the catalogue's unit), and optionally flag (a letter of HJ 212; only N counts). "-" reads standard
input. Rows of one quantity are sorted by time and do not overlap.

--lenient mends what it can and says how often: a time without offset is local time, rows out of order are put in their
place, and what overlaps, has an unknown quantity or flag, or no number where one belongs is left out.

With --json, each verdict is one JSON object on a line, sorted by start, and a summary is the last line.

Examples:
fenceline backtest noise.csv --zone 2 |
fenceline backtest air.csv --standards "GB 3095-2012,GB 3095-2026" --json |
fenceline backtest dust.csv --jurisdiction Shanghai --lang zh |
fenceline backtest stack.csv --kind factory --property plant=boiler --property fuel=gas --property boiler=new
""",
)
def backtest_command(
    file: Annotated[Path, typer.Argument(help="The CSV file, or - for standard input.")],
    kind: Annotated[Kind, typer.Option(help="Kind of the site.")] = Kind.construction,
    zone: Annotated[Zone | None, typer.Option(help="Its class of acoustic environment (GB 3096).")] = None,
    jurisdiction: Annotated[str, typer.Option(help="Where it lies: CN, CN-SH, Shanghai, EU ...")] = "CN",
    standards: Annotated[str, typer.Option(help='"all", or standards by id, separated by commas.')] = "all",
    tz: Annotated[str, typer.Option(help="The site's time zone (IANA).")] = "Asia/Shanghai",
    properties: Annotated[
        list[str] | None, typer.Option("--property", help="What else limits ask of the site, as NAME=VALUE.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines for programs.")] = False,
    lenient: Annotated[bool, typer.Option("--lenient", help="Mend or leave out wrong rows, and count them.")] = False,
    lang: LangOption = None,
) -> None:
    """Judge a file and show what was found."""
    lang = lang or system_language()
    limits = load_limits()
    local = _zone(tz)
    place = Place(kind.value, zone.value if zone else None, _places(jurisdiction), _properties(properties or []))
    named = _named(standards, limits)
    with _opened(file) as lines, _progress(lines, file) as progress:
        result = backtest(
            lines,
            name=str(file),
            place=place,
            zone=local,
            limits=limits,
            quantities=load_quantities(),
            named=named,
            lenient=lenient,
            progress=progress,
        )
    if as_json:
        for line in json_lines(result.judgements, local):
            print(line)
    else:
        _show(result, lang)
    for kind_, count in result.notes.items():
        print(f"{file}: {count} x {kind_}", file=sys.stderr)


def json_lines(judgements: list[Judgement], zone: ZoneInfo) -> Iterator[str]:
    """Yield one JSON object for each verdict and, as the last, the summary."""
    encode, iso = msgspec.json.encode, lru_cache(4096)(lambda t: datetime.fromtimestamp(t, zone).isoformat())
    for one in judgements:
        row = {
            "standard": one.rule.standard.id,
            "limit": one.rule.limit.id,
            "quantity": one.rule.limit.quantity,
            "start": iso(one.start),
            "end": iso(one.end),
            "value": None if one.value is None else _plain(rounded(one.value, one.rule.decimals)),
            "limit_value": _plain(one.rule.limit.value),
            "unit": one.rule.unit,
            "capture": round(one.capture, 4),
            "valid": one.outcome != "invalid",
            "exceeded": one.outcome == "exceeded",
        }
        yield encode(row).decode()
    yield encode({"summary": True, **_counts(judgements)}).decode()


def _plain(number: float) -> float:
    return int(number) if math.isfinite(number) and number == int(number) else number


def _counts(judgements: list[Judgement]) -> dict[str, int]:
    exceeded = sum(one.outcome == "exceeded" for one in judgements)
    invalid = sum(one.outcome == "invalid" for one in judgements)
    return {"verdicts": len(judgements), "exceeded": exceeded, "invalid": invalid}


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UserError(f"--tz = {name!r} is not an IANA zone; expected one such as Asia/Shanghai.") from None


def _places(name: str) -> tuple[str, ...]:
    try:
        return jurisdictions_of(name)
    except LookupError as error:
        raise UserError(f"--jurisdiction: {error.args[0]}.") from None


def _properties(given: list[str]) -> tuple[tuple[str, str], ...]:
    found = {}
    for text in given:
        name, _, value = text.partition("=")
        if name not in PROPERTIES:
            raise UserError(f"--property {text}: expected NAME=VALUE with one of the names {', '.join(PROPERTIES)}.")
        if value not in PROPERTIES[name].values:
            raise UserError(f"--property {text}: expected {name}= and one of {', '.join(PROPERTIES[name].values)}.")
        found[name] = value
    return tuple(sorted(found.items()))


def _named(text: str, limits: list[tuple[Standard, Limit]]) -> set[str] | None:
    if text.strip().lower() == "all":
        return None
    known = {_key(standard.id): standard.id for standard, _ in limits}
    found = set()
    for part in filter(None, (part.strip() for part in text.split(","))):
        if _key(part) not in known:
            raise UserError(f"--standards: there is no {part!r}; expected all, or ids of: {', '.join(known.values())}.")
        found.add(known[_key(part)])
    if not found:
        raise UserError(f"--standards = {text!r}: expected all, or ids separated by commas.")
    return found


def _key(text: str) -> str:
    return "".join(text.split()).casefold()


@contextmanager
def _opened(file: Path) -> Iterator[IO[str]]:
    if str(file) == "-":
        yield sys.stdin
        return
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            yield opened
    except OSError as error:
        raise UserError(f"{file}: cannot be read ({error.strerror}); expected a CSV file.") from None


@contextmanager
def _progress(lines: IO[str], file: Path) -> Iterator[Callable[[], None]]:
    """Show how far a long file is read, on a terminal."""
    size = 0 if str(file) == "-" else file.stat().st_size
    if size < LONG or not sys.stderr.isatty():
        yield lambda: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(file.name, total=size)
        yield lambda: bar.update(task, completed=lines.buffer.tell())  # type: ignore[attr-defined]


def _show(result: Result, lang: Lang) -> None:
    heads = (
        Text("Standard", "标准"),
        Text("Limit", "限值项"),
        Text("Value", "限值"),
        Text("Windows", "时段"),
        Text("Exceeded", "超标"),
        Text("Invalid", "无效"),
        Text("Highest", "最高"),
        Text("Verified", "核实"),
    )
    table = Table(box=None, pad_edge=False)
    for index, head in enumerate(heads):
        table.add_column(head.into(lang), justify="right" if index in range(2, 7) else "left")
    by_rule: dict[str, list[Judgement]] = {}
    for one in result.judgements:
        by_rule.setdefault(one.rule.id, []).append(one)
    for found in by_rule.values():
        rule, counts = found[0].rule, _counts(found)
        valid = [one.value for one in found if one.value is not None and one.outcome != "invalid"]
        highest = f"{rounded(max(valid), rule.decimals):.{rule.decimals}f}" if valid else "-"
        exceeded = RichText(str(counts["exceeded"]), "bold red" if counts["exceeded"] else "")
        limit = rule.limit.zh if lang is Lang.zh else rule.limit.en
        table.add_row(
            *(rule.standard.id, f"{limit} ({rule.limit.id})", f"{rule.limit.value:g} {rule.unit}"),
            *(str(counts["verdicts"]), exceeded, str(counts["invalid"]), highest, rule.limit.weakest),
        )
    console = Console(highlight=False)
    if by_rule:
        console.print(table)
    counts = _counts(result.judgements)
    end = Text(
        f"{result.rows} rows, {counts['verdicts']} verdicts: "
        f"{counts['exceeded']} exceeded, {counts['invalid']} invalid.",
        f"{result.rows}行数据，{counts['verdicts']}项判定：{counts['exceeded']}项超标，{counts['invalid']}项无效。",
    )
    console.print(RichText(end.into(lang), "bold"))
    if result.rows and not by_rule:
        hint = Text(
            "No limit of these standards is about these quantities at such a site on these days; "
            "see: fenceline limits explain --help",
            "所选标准在这些日期对此类场所的这些指标没有限值；参见：fenceline limits explain --help",
        )
        console.print(hint.into(lang))
