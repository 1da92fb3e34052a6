"""`fenceline backtest`: the hub's judging over recorded data, without a hub."""

import gc
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from hub.limits.place_options import (
    JURISDICTION,
    PropertyOption,
    ZoneOption,
    kind_of,
    places_of,
    properties_of,
    standard_of,
)
from hub.sheets.sheet import Asked
from hub.sheets.text import opened
from hub.terminal.commands import alone, argument, command, option
from hub.terminal.options import ALL, AsJson
from schemas import CatalogueError, Limit, Quantity, Standard, load_limits, load_quantities
from schemas.chinese import translated
from schemas.errors import UserError
from schemas.language import Text, tell

if TYPE_CHECKING:
    from hub.backtest.air_days import AirDay
    from hub.backtest.judging import Result
    from hub.judge import Instrument
    from hub.judge.aqi import Edition

app = alone()

ZONE = "Asia/Shanghai"
EDITIONS: dict[str, "Edition"] = {"2012": "HJ 633-2012", "2026": "HJ 633-2026"}
FILE = Text("What the file does not say", "文件中没有说明的内容")


class Stamp(StrEnum):
    """What a time in the file is of its interval."""

    start = "start"
    end = "end"


class Issue(StrEnum):
    """An edition of HJ 633."""

    of_2012 = "2012"
    of_2026 = "2026"


class Span(StrEnum):
    """What one row of air quality indices or of statistics of noise is about."""

    all = "all"
    ten = "10m"
    hour = "hour"
    part = "part"
    day = "day"
    year = "year"


class Class(StrEnum):
    """How good an instrument is."""

    type_approved = "type_approved"
    class_1 = "class_1"
    class_2 = "class_2"
    indicative = "indicative"


class Decision(StrEnum):
    """A decision rule of JCGM 106."""

    simple = "simple"
    guarded_acceptance = "guarded_acceptance"
    guarded_rejection = "guarded_rejection"


@command(
    app,
    "backtest",
    Text(
        """Judge recorded data by the law: the hub's own code over a CSV file, without a hub.

        FILE has the columns time (ISO 8601 with offset, the interval's start), dt (its length, s), quantity (a key of
        the catalogue), value (in the catalogue's unit) and optionally flag (a letter of HJ 212; only N counts). "-"
        reads standard input. Rows of one quantity are sorted by time and do not overlap. A value outside the
        catalogue's range does not count, as in the hub; how many there were is told on standard error.

        A file as a spreadsheet or a station gives it is read, too: other separators and encodings, decimal commas,
        lines above the headings, a column for each quantity with its unit, names in English and Chinese, times such as
        2026/3/2 8:00 or 24:00. What was taken for what is told on standard error.

        --lenient mends what it can, and tells how often: a time without offset is local time, rows out of order are put
        in their place, and what overlaps, has an unknown quantity or flag, or no number where one belongs is left out.

        With --json, each verdict is one JSON object on a line, sorted by start, and a summary is the last line.""",
        """按标准判定历史数据：用数据中心的同一套程序处理 CSV 文件，无需数据中心。

        FILE 的列：time（ISO 8601，带时区偏移，为区间起点）、dt（区间长度，秒）、quantity（目录中的监测项）、
        value（目录规定的单位）以及可选的 flag（HJ 212 标记，只有 N 参与判定）。"-" 表示标准输入。
        同一监测项的各行按时间排序且不重叠。超出目录量程的值不参与判定，与数据中心一致，其数量输出到标准错误。

        电子表格或监测站导出的文件也可直接读取：其他分隔符和编码、小数逗号、表头前的说明行、每个监测项一列并带单位、
        PM2.5、噪声等名称、2026/3/2 8:00 或 24:00 等时间。文件内容如何理解，输出到标准错误。

        --lenient 尽量修正并报告次数：无偏移的时间视为当地时间，乱序的行归位，重叠、监测项或标记未知、
        应为数字而不是数字的行略去。

        使用 --json 时每项判定一行 JSON 对象，按起始时间排序，最后一行为汇总。""",
    ),
    "fenceline backtest noise.csv --zone 2 --background 52",
    "fenceline backtest noise.csv --background 52 --uncertainty 1.4 --decision guarded_rejection",
    'fenceline backtest air.csv --standards "GB 3095-2012,GB 3095-2026" --json',
    "fenceline backtest air.csv --aqi",
    "fenceline backtest air.csv --aqi --by year --edition 2026",
    "fenceline backtest levels.csv --noise --by part",
    "fenceline backtest dust.csv --jurisdiction Shanghai --lang zh",
    "fenceline backtest station.csv --stamp end --tz Asia/Shanghai --worst 10",
    "fenceline backtest stations.csv --column 1001A --quantity pm10 --csv > verdicts.csv",
    "fenceline backtest stack.csv --kind factory --property plant=boiler --property fuel=gas --property boiler=new",
    "zcat noise.csv.gz | fenceline backtest -",
)
def backtest_command(
    file: Annotated[
        Path, argument(Text("The CSV file, or - for standard input.", "CSV 文件，- 表示标准输入。"), "FILE")
    ],
    kind: Annotated[
        str | None, option(Text("Kind of the site; else construction.", "站点类型，省略时为建筑工地。"), metavar="KIND")
    ] = None,
    zone: ZoneOption = None,
    jurisdiction: Annotated[str, option(JURISDICTION, metavar="NAME")] = "CN",
    standards: Annotated[
        str,
        option(
            Text('"all", or standards by id, separated by commas.', "“all”（全部），或以逗号分隔的标准编号。"),
        ),
    ] = "all",
    tz: Annotated[
        str | None,
        option(
            Text(
                "The site's time zone (IANA); where it is named, times without an offset are of it.",
                "站点所在时区（IANA）；指定后，不带偏移的时间按该时区理解。",
            ),
            show_default=Text(ZONE, ZONE),
        ),
    ] = None,
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
    instrument: Annotated[
        Class | None,
        option(
            Text(
                "How good the instrument is; what an indicative one says is a suspicion at most.",
                "仪器等级；指示性仪器的结果最多为疑似超标。",
            ),
            metavar="CLASS",
        ),
    ] = None,
    uncertainty: Annotated[
        str,
        option(
            Text(
                'Its expanded uncertainty (k = 2): "1.4" in the unit of what is measured, or "25 %" of each limit.',
                "扩展不确定度（k = 2）：“1.4”（监测项单位）或“25 %”（相对于限值）。",
            ),
            metavar="U",
        ),
    ] = "",
    decision: Annotated[
        Decision,
        option(
            Text(
                "How the uncertainty counts (JCGM 106): what lies within it of a limit is a suspicion.",
                "不确定度的判定规则（JCGM 106）：与限值之差在不确定度之内的为疑似超标。",
            ),
            metavar="RULE",
        ),
    ] = Decision.simple,
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
    noise: Annotated[
        bool,
        option(
            Text(
                "Tell statistics of noise (Ld, Ln, Ldn, L5 to L95) instead of verdicts; without wind and rain.",
                "改为报告噪声统计值（Ld、Ln、Ldn、L5至L95），剔除大风和雨雪时段。",
            ),
            "--noise",
        ),
    ] = False,
    edition: Annotated[
        Issue | None,
        option(
            Text(
                "Make the index of every day by this edition of HJ 633, as if it had been in force.",
                "所有日期均按该版 HJ 633 计算指数，无论当日是否有效。",
            ),
            show_default=Text("the one in force on each day", "各日有效的版本"),
        ),
    ] = None,
    by: Annotated[
        Span,
        option(
            Text(
                "Tell the index of each day, or what the days of each year come to; of noise, see fenceline noise.",
                "逐日报告指数（day），或按年汇总（year）；噪声统计的时段见 fenceline noise。",
            ),
            "--by",
        ),
    ] = Span.day,
    worst: Annotated[
        int | None,
        option(
            Text(
                "List only so many windows: those farthest above their limits, the worst first.",
                "只列出超过限值最多的若干个时段，最严重的在前。",
            ),
            min=1,
            show_default=ALL,
        ),
    ] = None,
    stamp: Annotated[
        Stamp | None,
        option(
            Text(
                "What each time is of its interval: its start, or its end, as stations write.",
                "时间列表示区间的起点（start）还是终点（end，监测站常用）。",
            ),
            panel=FILE,
            show_default=Text("the start, with a warning where it may be the end", "起点；可能为终点时提示"),
        ),
    ] = None,
    column: Annotated[
        str, option(Text("The one column of values that is meant.", "只使用这一列数值。"), panel=FILE, show_default=ALL)
    ] = "",
    quantity: Annotated[
        str,
        option(
            Text("What the values are, where no column or heading says it.", "数值的监测项（文件未说明时）。"),
            metavar="KEY",
            panel=FILE,
            show_default=Text("as the file says", "按文件"),
        ),
    ] = "",
    dt: Annotated[
        float | None,
        option(
            Text("Length of each interval, s, where there is no column dt.", "区间长度（秒），文件没有 dt 列时使用。"),
            min=0.001,
            panel=FILE,
            show_default=Text("the usual distance of times", "时间的常见间隔"),
        ),
    ] = None,
    as_json: AsJson = False,
    as_csv: Annotated[
        bool,
        option(Text("Print the verdicts as CSV for spreadsheets.", "以 CSV 输出判定结果，供电子表格使用。"), "--csv"),
    ] = False,
    lenient: Annotated[
        bool, option(Text("Mend or leave out wrong rows, and count them.", "修正或略去错误的行，并计数。"), "--lenient")
    ] = False,
) -> None:
    """Judge a file and show what was found."""
    from hub.backtest.air_days import air_days
    from hub.backtest.judging import backtest
    from hub.backtest.view import csv_lines, json_lines, show, worst_of
    from hub.judge import Place
    from hub.terminal.progress import reading

    _refuse_both(as_csv=as_csv, as_json=as_json, aqi=aqi, worst=worst)
    _refuse_noise(by, noise=noise, other=aqi or as_csv or worst is not None)
    local = _zone(ZONE if tz is None else tz)
    asked = Asked(
        None if stamp is None else stamp is Stamp.end,
        column,
        quantity,
        dt,
        people=not (as_json or as_csv),
        local=tz is not None,
    )
    place = Place(
        kind_of(kind),
        zone.value if zone else None,
        places_of(jurisdiction),
        tuple(sorted(properties_of(properties or []).items())),
    )
    try:
        limits, quantities = load_limits(), load_quantities()
    except CatalogueError as error:
        raise UserError(str(error)) from error
    if noise:
        _tell_noise(file, local, quantities, by, asked, lenient=lenient, as_json=as_json)
        return
    named = _named(standards, limits)
    with _many_objects(), opened(file) as lines, reading(lines, file.name) as progress:
        if aqi:
            days, notes, told = air_days(
                lines,
                name=str(file),
                zone=local,
                quantities=quantities,
                edition=None if edition is None else EDITIONS[edition],
                lenient=lenient,
                asked=asked,
                progress=progress,
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
                instrument=_instrument(instrument, uncertainty, decision),
                lenient=lenient,
                asked=asked,
                progress=progress,
            )
            notes, told = result.notes, result.told
    for line in told:
        print(f"{file}: {translated(line)}{tell(Text('.', '。'))}", file=sys.stderr)
    if aqi:
        _tell_air(days, by, as_json=as_json)
    elif as_json or as_csv:
        shown = result.judgements if worst is None else worst_of(result.judgements, worst)
        _print(json_lines(shown, local, result.judgements, result.left_open) if as_json else csv_lines(shown, local))
        _say_why_none(result)
    else:
        show(result, local, worst)
    for note, count in notes.items():
        print(f"{file}: {count} x {translated(note)}", file=sys.stderr)


def _refuse_both(*, as_csv: bool, as_json: bool, aqi: bool, worst: int | None) -> None:
    if as_csv and (as_json or aqi):
        raise UserError("--csv: expected neither --json nor --aqi beside it; choose one of them.")
    if worst and aqi:
        raise UserError("--worst: an air quality index has no limit; leave out --worst or --aqi.")


def _tell_air(days: "list[AirDay]", by: Span, *, as_json: bool) -> None:
    from hub.backtest.air_years import air_years
    from hub.backtest.view_air import aqi_lines, show_aqi, show_years, year_lines

    if by is Span.year:
        years = air_years(days)
        _print(year_lines(years)) if as_json else show_years(years)
    elif as_json:
        _print(aqi_lines(days))
    else:
        show_aqi(days)


def _tell_noise(
    file: Path, zone: ZoneInfo, quantities: dict[str, Quantity], by: Span, asked: Asked, *, lenient: bool, as_json: bool
) -> None:
    from hub.backtest.noise import noise_of
    from hub.judge.windows import LocalTime
    from hub.series.levels import ERROR
    from hub.series.noise import Step
    from hub.series.view_noise import plain, show
    from hub.terminal.json_lines import print_list
    from hub.terminal.progress import reading

    with _many_objects(), opened(file) as lines, reading(lines, file.name) as progress:
        found, notes, told = noise_of(
            lines,
            name=str(file),
            zone=zone,
            quantities=quantities,
            step=Step(by.value),
            lenient=lenient,
            asked=asked,
            progress=progress,
        )
    for line in (
        *(translated(line) for line in told),
        *(f"{count} x {translated(note)}" for note, count in notes.items()),
    ):
        print(f"{file}: {line}", file=sys.stderr)
    local = LocalTime(zone)
    if as_json:
        print_list((plain(one, local) for one in found), "windows", error_db=ERROR)
    else:
        show(found, local)


def _refuse_noise(by: Span, *, noise: bool, other: bool) -> None:
    if noise and other:
        raise UserError("--noise: expected none of --aqi, --csv and --worst beside it; choose one of them.")
    if noise and by is Span.year:
        raise UserError("--by year: of noise expected all, 10m, hour, part or day.")
    if not noise and by not in (Span.day, Span.year):
        raise UserError(f"--by {by.value}: expected day or year, or --noise beside it.")


def _say_why_none(result: "Result") -> None:
    """Tell who reads a program's output why there is no verdict in it."""
    from hub.backtest.view import open_lines

    if not result.judgements:
        for line in open_lines(result):
            print(line, file=sys.stderr)


@contextmanager
def _many_objects() -> Iterator[None]:
    """Keep the garbage collector from looking again and again at millions of windows, none of which is in a cycle."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _print(lines: Iterable[str]) -> None:
    rest = iter(lines)
    while batch := list(islice(rest, 1000)):
        print("\n".join(batch))


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UserError(f"--tz = {name!r} is not an IANA zone; expected one such as Asia/Shanghai.") from None


def _instrument(class_: Class | None, uncertainty: str, decision: Decision) -> "Instrument":
    from hub.judge import Instrument
    from hub.judge.verdicts import InstrumentClass
    from hub.registry.instruments import uncertainty_of

    kind: InstrumentClass = "" if class_ is None else class_.value
    if not uncertainty.strip():
        if decision is not Decision.simple:
            raise UserError(
                f"--decision {decision.value} needs an uncertainty; give --uncertainty, such as 1.4 or '25 %'"
            )
        return Instrument(kind)
    try:
        return Instrument(kind, *uncertainty_of(uncertainty.strip()), decision.value)
    except ValueError as error:
        raise UserError(f"--{error}") from None


def _named(text: str, limits: list[tuple[Standard, Limit]]) -> set[str] | None:
    if text.strip().lower() == "all":
        return None
    named = {standard_of(part, limits).id for part in text.split(",") if part.strip()}
    if not named:
        raise UserError(f"--standards = {text!r}: expected all, or ids separated by commas.")
    return named
