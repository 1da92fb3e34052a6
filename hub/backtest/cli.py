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

from hub.limits.place_options import (
    JURISDICTION,
    Kind,
    PropertyOption,
    ZoneOption,
    places_of,
    properties_of,
    standard_of,
)
from hub.terminal.commands import alone, argument, command, option
from hub.terminal.options import AsJson
from schemas import CatalogueError, Limit, Standard, load_limits, load_quantities
from schemas.errors import UserError
from schemas.language import Text

app = alone()

LONG = 20_000_000
"""A file of so many bytes takes long enough for a progress bar."""


@command(
    app,
    "backtest",
    Text(
        """Judge recorded data by the law: the hub's own code over a CSV file, without a hub.

        FILE has the columns time (ISO 8601 with offset, the interval's start), dt (its length, s), quantity (a key of
        the catalogue), value (in the catalogue's unit) and optionally flag (a letter of HJ 212; only N counts). "-"
        reads standard input. Rows of one quantity are sorted by time and do not overlap. A value outside the
        catalogue's range does not count, as in the hub; how many there were is told on standard error.

        --lenient mends what it can, and tells how often: a time without offset is local time, rows out of order are put
        in their place, and what overlaps, has an unknown quantity or flag, or no number where one belongs is left out.

        With --json, each verdict is one JSON object on a line, sorted by start, and a summary is the last line.""",
        """按标准判定历史数据：用数据中心的同一套程序处理 CSV 文件，无需数据中心。

        FILE 的列：time（ISO 8601，带时区偏移，为区间起点）、dt（区间长度，秒）、quantity（目录中的监测项）、
        value（目录规定的单位）以及可选的 flag（HJ 212 标记，只有 N 参与判定）。"-" 表示标准输入。
        同一监测项的各行按时间排序且不重叠。超出目录量程的值不参与判定，与数据中心一致，其数量输出到标准错误。

        --lenient 尽量修正并报告次数：无偏移的时间视为当地时间，乱序的行归位，重叠、监测项或标记未知、
        应为数字而不是数字的行略去。

        使用 --json 时每项判定一行 JSON 对象，按起始时间排序，最后一行为汇总。""",
    ),
    "fenceline backtest noise.csv --zone 2 --background 52",
    'fenceline backtest air.csv --standards "GB 3095-2012,GB 3095-2026" --json',
    "fenceline backtest air.csv --aqi",
    "fenceline backtest dust.csv --jurisdiction Shanghai --lang zh",
    "fenceline backtest stack.csv --kind factory --property plant=boiler --property fuel=gas --property boiler=new",
    "zcat noise.csv.gz | fenceline backtest -",
)
def backtest_command(
    file: Annotated[
        Path, argument(Text("The CSV file, or - for standard input.", "CSV 文件，- 表示标准输入。"), "FILE")
    ],
    kind: Annotated[Kind, option(Text("Kind of the site.", "站点类型。"))] = Kind.construction,
    zone: ZoneOption = None,
    jurisdiction: Annotated[str, option(JURISDICTION, metavar="NAME")] = "CN",
    standards: Annotated[
        str,
        option(
            Text('"all", or standards by id, separated by commas.', "“all”（全部），或以逗号分隔的标准编号。"),
        ),
    ] = "all",
    tz: Annotated[str, option(Text("The site's time zone (IANA).", "站点所在时区（IANA）。"))] = "Asia/Shanghai",
    properties: PropertyOption = None,
    background: Annotated[
        float | None,
        option(
            Text(
                "LAeq measured there at rest, dB(A): levels above a limit on noise are corrected by it.",
                "停工时在该处测得的背景噪声（LAeq，dB(A)），超过限值的噪声据此修正。",
            ),
            metavar="DB",
        ),
    ] = None,
    aqi: Annotated[
        bool,
        option(
            Text(
                "Tell each day's air quality index (HJ 633) instead of verdicts.",
                "改为报告每日空气质量指数（HJ 633）。",
            ),
            "--aqi",
        ),
    ] = False,
    as_json: AsJson = False,
    lenient: Annotated[
        bool, option(Text("Mend or leave out wrong rows, and count them.", "修正或略去错误的行，并计数。"), "--lenient")
    ] = False,
) -> None:
    """Judge a file and show what was found."""
    from hub.backtest.air_days import air_days
    from hub.backtest.judging import backtest
    from hub.backtest.view import aqi_lines, json_lines, open_lines, show, show_aqi
    from hub.judge import Place

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
                background=background,
                lenient=lenient,
                progress=progress,
            )
            notes = result.notes
    if aqi and as_json:
        _print(aqi_lines(days))
    elif aqi:
        show_aqi(days)
    elif as_json:
        _print(json_lines(result.judgements, local, result.left_open))
        if not result.judgements:
            for line in open_lines(result):
                print(line, file=sys.stderr)
    else:
        show(result, local)
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
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(file.name, total=size)
        yield lambda: bar.update(task, completed=lines.buffer.tell())
