"""`fenceline board calibrate`: guided, refused where it would be worthless, and on record."""

import datetime as dt
import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
import typer

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
from firmware.terminal.options import BAUD, AsJson, Baud, Home, Port, Who, Yes, name_of
from firmware.terminal.screen import say
from firmware.terminal.speech import LangOption, tell
from schemas.errors import UserError
from schemas.language import Text

NOISE, GAS, COLLOCATION, POINTS = "Noise", "Zero and gas", "Collocation", "Several points"
ZERO_MOST = 30.0
"""ug/m3 or the channel's unit: what a sensor may read in clean air at most (this project's choice)."""


class MethodName(StrEnum):
    """How a sensor is calibrated."""

    noise = "noise"
    zero = "zero"
    gas = "gas"
    collocation = "collocation"
    points = "points"


def calibrate_command(
    method: Annotated[
        MethodName,
        typer.Argument(
            help="noise: a sound calibrator. zero: clean air by a filter. gas: zero gas and a cylinder. "
            "collocation: a reference beside the board. points: several known values.",
            show_default=False,
        ),
    ],
    instrument: Annotated[str, typer.Option(help="Reference: maker and type, or what the cylinder holds.")],
    serial: Annotated[str, typer.Option(help="Its serial number; of a cylinder, its number.")],
    certificate: Annotated[str, typer.Option(help="Number of its certificate.")],
    expires: Annotated[dt.datetime, typer.Option(formats=["%Y-%m-%d"], help="Last day of the certificate.")],
    channel: Annotated[
        str | None, typer.Option(help="CHANNEL, or SENSOR.CHANNEL.", show_default="the only one, or the level")
    ] = None,
    conditions: Annotated[str, typer.Option(help="Weather and surroundings, in words.")] = "",
    due: Annotated[
        dt.datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="When it is due again.", show_default="6 months, gas 3"),
    ] = None,
    level: Annotated[float, typer.Option(help="The calibrator's, dB: 94 or 114.", rich_help_panel=NOISE)] = 94.0,
    accept_drift: Annotated[
        bool,
        typer.Option("--accept-drift", help="Also when it moved by more than 0.5 dB.", rich_help_panel=NOISE),
    ] = False,
    span: Annotated[
        str | None,
        typer.Option(help="The cylinder's value: 460, or '0.5 ppm'.", rich_help_panel=GAS, show_default="none"),
    ] = None,
    zero: Annotated[float, typer.Option(help="The zero gas's value.", rich_help_panel=GAS)] = 0.0,
    reference: Annotated[
        Path | None,
        typer.Option(
            help="CSV of the reference: time (start of interval) and value. Without it you type.",
            rich_help_panel=COLLOCATION,
            show_default="none",
        ),
    ] = None,
    column: Annotated[
        str | None, typer.Option(help="The value's column.", rich_help_panel=COLLOCATION, show_default="the channel")
    ] = None,
    readings: Annotated[
        Path | None,
        typer.Option(
            help="CSV of the board's raw readings, as exported from the hub.",
            rich_help_panel=COLLOCATION,
            show_default="the board's outbox",
        ),
    ] = None,
    zone: Annotated[
        str, typer.Option("--timezone", help="Of times without an offset.", rich_help_panel=COLLOCATION)
    ] = "Asia/Shanghai",
    averaging: Annotated[
        float, typer.Option(help="s between two readings that you type.", min=0.5, rich_help_panel=COLLOCATION)
    ] = 60.0,
    at: Annotated[
        list[float] | None, typer.Option(help="A known value; repeat it.", rich_help_panel=POINTS, show_default="none")
    ] = None,
    patience: Annotated[float, typer.Option(help="s to wait for a stable reading.", min=1)] = 300.0,
    settle: Annotated[
        float | None,
        typer.Option(help="s for which it must be stable.", min=1, show_default="noise 10, dust and gas 30"),
    ] = None,
    yes: Yes = False,
    port: Port = None,
    baud: Baud = BAUD,
    who: Who = None,
    home_folder: Home = None,
    as_json: AsJson = False,
    lang: LangOption = None,  # noqa: ARG001 - its callback chooses
) -> None:
    """Calibrate a sensor, step by step, with a live value; each point waits until the reading is stable.

    While it runs the sensor's data carries flag C. The result is written to the board, read back, and entered in the
    ledger with the reference's certificate, the drift since last time, and when it is due again. What would be
    worthless is refused with the reason, and the board stays as it was.
    """
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
    folder = home(home_folder)
    ledger = Ledger(folder)
    ledger.entries()  # a ledger that was tampered with is found before the work, not after it
    with Link.open(port, baud=baud) as link:
        ways = Ways(yes, patience, settle, accept_drift)
        visit = Visit(link, channel, _usual(method), ways, ledger, Records(folder))
        fit: Fit | None = None
        pairs: list[Point] = []
        if method is MethodName.collocation:
            pairs = _pairs(visit, reference, column, readings, _zone(zone), averaging)
            correction, fit = collocation(pairs)
        else:
            correction = _measured(visit, method, level, zero, span, at or [])
        entry = visit.finish(method.value, correction, paper, _told(fit), pairs)
    if as_json:
        print(json.dumps(msgspec.to_builtins(entry), ensure_ascii=False))
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
    visit: Visit, reference: Path | None, column: str | None, readings: Path | None, zone: ZoneInfo, averaging: float
) -> list[Point]:
    channel = visit.target.channel
    if reference is None:
        with visit.measuring() as live:
            return pairs_typed(visit, live, averaging)
    truth = collocated.read_csv(reference, column or channel, zone)
    if readings:
        board = collocated.read_csv(readings, channel, zone)
    else:
        correction, number = visit.target.correction, int(visit.target.content.get("id", 0))
        board = collocated.from_outbox(visit.segments(), channel, correction, number)
    return collocated.pairs(truth, board)


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
