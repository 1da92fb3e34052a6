"""`fenceline board calibrate`: guided, refused where it would be worthless, and on record."""

import datetime as dt
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from firmware.calibrate import collocation as collocated
from firmware.calibrate.correction import (
    NOISE_LEVELS,
    Correction,
    Fit,
    Point,
    collocation,
    from_ppm,
    noise_offset,
    several_points,
    zero_offset,
    zero_span,
)
from firmware.calibrate.steps import LEVELS, MONTHS, check_reference, due_after
from firmware.calibrate.visit import Paper, Visit, Ways, pairs_typed
from firmware.channels import unit
from firmware.link.link import Link
from firmware.notebook.boards import Records
from firmware.notebook.calibrations import Ledger, Reference
from firmware.notebook.folder import home
from firmware.terminal.options import BAUD, NONE, Baud, Home, Port, Who, Yes, name_of
from firmware.terminal.screen import say
from hub.terminal.commands import alone, argument, command, option
from hub.terminal.json_lines import print_object
from hub.terminal.options import AsJson
from schemas.chinese import translated
from schemas.errors import UserError
from schemas.language import Text, tell

app = alone()

NOISE = Text("Noise", "噪声")
GAS = Text("Zero and gas", "零点与气体")
COLLOCATION = Text("Collocation", "比对")
POINTS = Text("Several points", "多点")
ZERO_MOST = 30.0
"""ug/m3 or the channel's unit: what a sensor may read in clean air at most (this project's choice)."""


class Stamp(StrEnum):
    """What a time in a file is of its interval."""

    start = "start"
    end = "end"


class MethodName(StrEnum):
    """How a sensor is calibrated."""

    noise = "noise"
    zero = "zero"
    gas = "gas"
    collocation = "collocation"
    points = "points"


@command(
    app,
    "calibrate",
    Text(
        """Calibrate a sensor, step by step, with a live value; each point waits until the reading is stable.

        While it runs the sensor's data carries flag C. The result is written to the board, read back, and entered in
        the ledger with the reference's certificate, the drift since last time, and when it is due again. What would be
        worthless is refused with the reason, and the board stays as it was.""",
        """逐步校准传感器并显示实时值；每个校准点待读数稳定后采集。

        校准期间该传感器的数据带 C 标记。结果写入设备并回读，连同标准器证书、自上次以来的漂移和下次到期日记入台账。
        无效的校准会被拒绝并说明原因，设备保持原状。""",
    ),
    "fenceline board calibrate noise --level 94 --instrument 'Calibrator class 1' --serial 35021 "
    "--certificate L2026-118 --expires 2027-03-31",
    "fenceline board calibrate zero --channel pm10 --instrument 'Zero filter' --serial 7 --certificate Z-7 "
    "--expires 2027-03-31",
    "fenceline board calibrate collocation --channel pm10 --reference bam.csv --instrument 'BAM' --serial 1204 "
    "--certificate B-12 --expires 2027-03-31",
    "fenceline board calibrate gas --channel no2 --span '0.5 ppm' --instrument 'NO2 in N2' --serial C-91 "
    "--certificate G-91 --expires 2027-03-31",
)
def calibrate_command(
    method: Annotated[
        MethodName,
        argument(
            Text(
                "noise: a sound calibrator. zero: clean air by a filter. gas: zero gas and a cylinder. "
                "collocation: a reference beside the board. points: several known values.",
                "noise：声校准器。zero：过滤后的洁净空气。gas：零气和标准气瓶。collocation：与旁置标准仪器比对。"
                "points：多个已知值。",
            ),
            "METHOD",
        ),
    ],
    instrument: Annotated[
        str,
        option(Text("Reference: maker and type, or what the cylinder holds.", "标准器：厂家和型号，或气瓶内容物。")),
    ],
    serial: Annotated[str, option(Text("Its serial number; of a cylinder, its number.", "标准器序列号；气瓶为瓶号。"))],
    certificate: Annotated[str, option(Text("Number of its certificate.", "标准器证书编号。"))],
    expires: Annotated[
        dt.datetime, option(Text("Last day of the certificate.", "证书有效期截止日。"), formats=["%Y-%m-%d"])
    ],
    channel: Annotated[
        str | None,
        option(
            Text("CHANNEL, or SENSOR.CHANNEL.", "通道，或“传感器.通道”。"),
            show_default=Text("the only one, or the level", "唯一的通道，或声级"),
        ),
    ] = None,
    conditions: Annotated[
        str, option(Text("Weather and surroundings, in words.", "天气和环境说明。"), show_default=NONE)
    ] = "",
    due: Annotated[
        dt.datetime | None,
        option(
            Text("When it is due again.", "下次校准到期日。"),
            formats=["%Y-%m-%d"],
            show_default=Text("6 months, gas 3", "6 个月，气体 3 个月"),
        ),
    ] = None,
    level: Annotated[
        float, option(Text("The calibrator's, dB: 94 or 114.", "校准器声级（dB）：94 或 114。"), panel=NOISE)
    ] = 94.0,
    accept_drift: Annotated[
        bool,
        option(
            Text("Also when it moved by more than 0.5 dB.", "漂移超过 0.5 dB 时也接受。"),
            "--accept-drift",
            panel=NOISE,
        ),
    ] = False,
    span: Annotated[
        str | None,
        option(
            Text("The cylinder's value: 460, or '0.5 ppm'.", "标准气的值：460，或 '0.5 ppm'。"),
            panel=GAS,
            show_default=NONE,
        ),
    ] = None,
    zero: Annotated[float, option(Text("The zero gas's value.", "零气的值。"), panel=GAS)] = 0.0,
    reference: Annotated[
        Path | None,
        option(
            Text(
                "CSV of the reference: times and values, as it exports them. Without it you type.",
                "标准仪器导出的 CSV：时间和数值。不提供则手工输入。",
            ),
            panel=COLLOCATION,
            show_default=NONE,
        ),
    ] = None,
    column: Annotated[
        str | None,
        option(
            Text("The value's column.", "数值所在的列。"),
            panel=COLLOCATION,
            show_default=Text("the channel", "同通道名"),
        ),
    ] = None,
    stamp: Annotated[
        Stamp | None,
        option(
            Text(
                "What each time of the reference is of its interval: start or end.",
                "标准仪器的时间表示区间的起点（start）还是终点（end）。",
            ),
            panel=COLLOCATION,
            show_default=Text("start, and you are told", "起点，并提示"),
        ),
    ] = None,
    readings: Annotated[
        Path | None,
        option(
            Text("CSV of the board's raw readings, as exported from the hub.", "从数据中心导出的设备原始读数 CSV。"),
            panel=COLLOCATION,
            show_default=Text("the board's outbox", "设备的发件箱"),
        ),
    ] = None,
    zone: Annotated[
        str,
        option(Text("Of times without an offset.", "不带偏移的时间所用时区。"), "--timezone", panel=COLLOCATION),
    ] = "Asia/Shanghai",
    averaging: Annotated[
        float,
        option(
            Text("s between two readings that you type.", "手工输入两次读数的间隔（秒）。"), min=0.5, panel=COLLOCATION
        ),
    ] = 60.0,
    at: Annotated[
        list[float] | None,
        option(Text("A known value; repeat it.", "已知值，可重复。"), panel=POINTS, show_default=NONE),
    ] = None,
    patience: Annotated[
        float, option(Text("s to wait for a stable reading.", "等待读数稳定的时间（秒）。"), min=1)
    ] = 300.0,
    settle: Annotated[
        float | None,
        option(
            Text("s for which it must be stable.", "须保持稳定的时间（秒）。"),
            min=1,
            show_default=Text("noise 10, dust and gas 30", "噪声 10，扬尘和气体 30"),
        ),
    ] = None,
    yes: Yes = False,
    port: Port = None,
    baud: Baud = BAUD,
    who: Who = None,
    home_folder: Home = None,
    as_json: AsJson = False,
) -> None:
    """Calibrate a sensor."""
    today = dt.datetime.now(dt.UTC).date()
    paper = Paper(
        who=name_of(who),
        reference=Reference(instrument, serial, certificate, expires.date()),
        conditions=conditions,
        due=due.date() if due else due_after(today, MONTHS[method.value]),
    )
    if not (instrument and serial and certificate):
        raise UserError("--instrument, --serial and --certificate: none may be empty; who checks needs them")
    check_reference(paper.reference, today)
    if paper.due <= today:
        raise UserError(f"--due {paper.due}: has passed; expected a day to come")
    if method is MethodName.gas and span is None:
        raise UserError("gas: --span is missing: what the cylinder's certificate says")
    if method is MethodName.points and len(at or ()) < 2:
        raise UserError("points: give --at two times or more, such as --at 0 --at 50 --at 100")
    if method is MethodName.noise and level not in NOISE_LEVELS:
        raise UserError(f"--level {level:g}: sound calibrators have 94 or 114 dB (IEC 60942)")
    ending = None if stamp is None else stamp is Stamp.end
    folder = home(home_folder)
    ledger = Ledger(folder)
    ledger.entries()  # a ledger that was tampered with is found before the work, not after it
    with Link.open(port, baud=baud) as link:
        ways = Ways(yes, patience, settle, accept_drift)
        visit = Visit(link, channel, _usual(method), ways, ledger, Records(folder))
        fit: Fit | None = None
        pairs: list[Point] = []
        if method is MethodName.collocation:
            pairs = _pairs(visit, reference, column, readings, _zone(zone), averaging, ending=ending)
            correction, fit = collocation(pairs)
        else:
            correction = _measured(visit, method, level, zero, span, at or [])
        entry = visit.finish(method.value, correction, paper, _told(fit), pairs)
    if as_json:
        print_object(msgspec.to_builtins(entry))
        return
    name = f"{entry.board} {entry.sensor}.{entry.channel}"
    print(
        tell(
            Text(
                f"{name}: calibration {entry.id} is in force and in the ledger; due again {entry.due}.",
                f"{name}：校准 {entry.id} 已启用并记入台账；下次到期 {entry.due}。",
            )
        )
    )
    say(Text("The hub hears of it by: fenceline board sync", "通知数据中心：fenceline board sync"))


def _measured(
    visit: Visit, method: MethodName, level: float, zero: float, span: str | None, at: list[float]
) -> Correction:
    """Take the points of a method and return the correction that they make."""
    target = visit.target
    with visit.measuring() as live:
        if method is MethodName.noise:
            point = visit.take(
                live,
                level,
                Text(
                    f"Put the calibrator tightly on the microphone and switch it on: {level:g} dB.",
                    f"将校准器紧密套在传声器上并开启：{level:g} dB。",
                ),
            )
            return noise_offset(point.raw, level)
        if method is MethodName.zero:
            point = visit.take(
                live,
                0,
                Text("Put the zero filter on the inlet and let it run.", "将零过滤器接到进气口并运行。"),
            )
            return zero_offset(point.raw, target.correction, ZERO_MOST)
        if method is MethodName.gas:
            low = visit.take(live, zero, Text(f"Let zero gas flow: {zero:g}.", f"通入零气：{zero:g}。"))
            value = _span(span or "", target.channel)
            high = visit.take(live, value, Text(f"Let the span gas flow: {span}.", f"通入量程气：{span}。"))
            return zero_span(low, high)
        label = unit(target.channel)
        points = [
            visit.take(live, true, Text(f"Set up {true:g} {label}.", f"提供标准值 {true:g} {label}。")) for true in at
        ]
        return several_points(points)


def _pairs(
    visit: Visit,
    reference: Path | None,
    column: str | None,
    readings: Path | None,
    zone: ZoneInfo,
    averaging: float,
    *,
    ending: bool | None,
) -> list[Point]:
    channel = visit.target.channel
    if reference is None:
        with visit.measuring() as live:
            return pairs_typed(visit, live, averaging)
    truth = collocated.read_csv(reference, channel, zone, column=column or "", ending=ending, tell=_tell)
    if readings:
        board = collocated.read_csv(readings, channel, zone, ending=False, tell=_tell)
    else:
        correction, number = visit.target.correction, int(visit.target.content.get("id", 0))
        board = collocated.from_outbox(visit.segments(), channel, correction, number)
    return collocated.pairs(truth, board)


def _tell(sentence: str) -> None:
    print(translated(sentence), file=sys.stderr)


def _usual(method: MethodName) -> tuple[str, ...]:
    """Return the channels that a method is for, the best first, where none is named."""
    return LEVELS[:3] if method is MethodName.noise else ()


def _told(fit: Fit | None) -> dict[str, float]:
    if fit is None:
        return {}
    return {
        "slope": round(fit.slope, 5),
        "offset": round(fit.offset, 4),
        "r2": round(fit.r2, 4),
        "rmse": round(fit.rmse, 3),
        "n": float(fit.n),
    }


def _span(text: str, channel: str) -> float:
    number, _, given = text.strip().partition(" ")
    try:
        value = float(number)
    except ValueError:
        raise UserError(f"--span {text!r}: expected a number in {unit(channel)}, or such as '0.5 ppm'") from None
    if given.strip() in ("ppm", "umol/mol", "µmol/mol"):
        return from_ppm(channel, value)
    if given.strip() not in ("", unit(channel)):
        raise UserError(f"--span {text!r}: expected {unit(channel)} or ppm")
    return value


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UserError(f"--timezone {name!r}: is no IANA zone such as Asia/Shanghai") from None
