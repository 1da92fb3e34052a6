"""`fenceline backtest`: the hub's judging over recorded data, without a hub."""

import gc
import io
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Annotated, TextIO
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from hub.backtest.air_days import air_days
from hub.backtest.judging import backtest
from hub.backtest.view import aqi_lines, json_lines, show, show_aqi, show_open
from hub.judge import Place
from hub.limits.place_options import (
    JURISDICTION,
    Kind,
    PropertyOption,
    ZoneOption,
    places_of,
    properties_of,
    standard_of,
)
from schemas import CatalogueError, Limit, Standard, load_limits, load_quantities
from schemas.errors import UserError
from schemas.language import system_language
from schemas.language_option import LangOption

app = typer.Typer(add_completion=False)

LONG = 20_000_000
"""A file of so many bytes takes long enough for a progress bar."""


@app.command(
    name="backtest",
    help="""Judge recorded data by the law: the hub's own code over a CSV file, without a hub.

FILE has the columns time (ISO 8601 with offset, the interval's start),
dt (its length, s), quantity (a key of the catalogue), value (in the
catalogue's unit) and optionally flag (a letter of HJ 212; only N counts).
"-" reads standard input. Rows of one quantity are sorted by time and do
not overlap. A value outside the catalogue's range does not count, as in
the hub; how many there were is told on standard error.

--lenient mends what it can, and tells how often: a time without offset is
local time, rows out of order are put in their place, and what overlaps,
has an unknown quantity or flag, or no number where one belongs is left out.

With --json, each verdict is one JSON object on a line, sorted by start,
and a summary is the last line.

Examples:

  fenceline backtest noise.csv --zone 2

  fenceline backtest air.csv --standards "GB 3095-2012,GB 3095-2026" --json

  fenceline backtest air.csv --aqi

  fenceline backtest dust.csv --jurisdiction Shanghai --lang zh

  fenceline backtest stack.csv --kind factory --property plant=boiler --property fuel=gas --property boiler=new

  zcat noise.csv.gz | fenceline backtest -
""",
)
def backtest_command(
    file: Annotated[Path, typer.Argument(help="The CSV file, or - for standard input.")],
    kind: Annotated[Kind, typer.Option(help="Kind of the site.")] = Kind.construction,
    zone: ZoneOption = None,
    jurisdiction: Annotated[str, typer.Option(help=JURISDICTION, metavar="NAME")] = "CN",
    standards: Annotated[str, typer.Option(help='"all", or standards by id, separated by commas.')] = "all",
    tz: Annotated[str, typer.Option(help="The site's time zone (IANA).")] = "Asia/Shanghai",
    properties: PropertyOption = None,
    aqi: Annotated[
        bool, typer.Option("--aqi", help="Tell each day's air quality index (HJ 633) instead of verdicts.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines for programs.")] = False,
    lenient: Annotated[bool, typer.Option("--lenient", help="Mend or leave out wrong rows, and count them.")] = False,
    lang: LangOption = None,
) -> None:
    """Judge a file and show what was found."""
    lang = lang or system_language()
    local = _zone(tz)
    place = Place(
        kind.value,
        zone.value if zone else None,
        places_of(jurisdiction),
        tuple(sorted(properties_of(properties or []).items())),
    )
    try:
        limits, quantities = load_limits(), load_quantities()
    except CatalogueError as error:
        raise UserError(str(error)) from error
    named = _named(standards, limits)
    with _many_objects(), _opened(file) as lines, _progress(lines, file) as progress:
        if aqi:
            days, notes = air_days(
                lines, name=str(file), zone=local, quantities=quantities, lenient=lenient, progress=progress
            )
        else:
            result = backtest(
                lines,
                name=str(file),
                place=place,
                zone=local,
                limits=limits,
                quantities=quantities,
                named=named,
                lenient=lenient,
                progress=progress,
            )
            notes = result.notes
    if aqi and as_json:
        _print(aqi_lines(days))
    elif aqi:
        show_aqi(days, lang)
    elif as_json:
        _print(json_lines(result.judgements, local))
        if not result.judgements:
            show_open(result, lang, Console(stderr=True, highlight=False))
    else:
        show(result, local, lang)
    for note, count in notes.items():
        print(f"{file}: {count} x {note}", file=sys.stderr)


@contextmanager
def _many_objects() -> Iterator[None]:
    """Keep the garbage collector from looking again and again at millions of windows, none of which is in a cycle."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _print(lines: Iterator[str]) -> None:
    while batch := list(islice(lines, 1000)):
        print("\n".join(batch))


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UserError(f"--tz = {name!r} is not an IANA zone; expected one such as Asia/Shanghai.") from None


def _named(text: str, limits: list[tuple[Standard, Limit]]) -> set[str] | None:
    if text.strip().lower() == "all":
        return None
    named = {standard_of(part, limits).id for part in text.split(",") if part.strip()}
    if not named:
        raise UserError(f"--standards = {text!r}: expected all, or ids separated by commas.")
    return named


@contextmanager
def _opened(file: Path) -> Iterator[TextIO]:
    if str(file) == "-":
        lines = io.TextIOWrapper(sys.stdin.buffer, "utf-8-sig", newline="")
        try:
            yield lines
        finally:
            lines.detach()
        return
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            yield opened
    except OSError as error:
        raise UserError(f"{file}: cannot be read ({error.strerror}); expected a CSV file.") from None


@contextmanager
def _progress(lines: TextIO, file: Path) -> Iterator[Callable[[], None]]:
    """Show how far a long file is read, on a terminal."""
    size = 0 if str(file) == "-" else file.stat().st_size
    if size < LONG or not sys.stderr.isatty():
        yield lambda: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(file.name, total=size)
        yield lambda: bar.update(task, completed=lines.buffer.tell())
