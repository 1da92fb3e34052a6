"""`fenceline board calibration history`: the ledger, for whoever asks how a number came about."""

import datetime as dt
import json
from typing import Annotated

import msgspec
import typer

from firmware.channels import unit
from firmware.notebook.calibrations import Entry, Ledger
from firmware.notebook.folder import home
from firmware.terminal.options import AsJson, Home
from firmware.terminal.screen import table
from firmware.terminal.speech import LangOption, tell
from schemas.language import Text

app = typer.Typer(no_args_is_help=True, help="The calibration ledger.")


@app.callback()
def calibration() -> None:
    """The calibration ledger."""


@app.command(
    "history", epilog="Examples: fenceline board calibration history pit-1 | ... history pit-1 --channel laf --json"
)
def history_command(
    board: Annotated[str, typer.Argument(help="Its id.", show_default=False)],
    channel: Annotated[str | None, typer.Option(help="Only this one.", show_default="all")] = None,
    home_folder: Home = None,
    as_json: AsJson = False,
    lang: LangOption = None,  # noqa: ARG001 - its callback chooses
) -> None:
    """Show who calibrated a board, when, by what, and how far it had drifted. The ledger's chain is checked."""
    entries = [one for one in Ledger(home(home_folder)).entries(board) if channel in (None, one.channel)]
    if as_json:
        print(json.dumps([msgspec.to_builtins(entry) for entry in entries], ensure_ascii=False))
        return
    if not entries:
        print(tell(Text(f"{board} was never calibrated from this laptop.", f"本机没有 {board} 的校准记录。")))
        return
    columns = (
        Text("When", "时间"),
        Text("Id", "编号"),
        Text("Channel", "通道"),
        Text("Method", "方法"),
        Text("By", "人员"),
        Text("Reference", "标准器"),
        Text("Before > after", "校准前 > 后"),
        Text("Drift", "漂移"),
        Text("Due", "到期"),
    )
    today = dt.datetime.now(dt.UTC).date()
    newest = {entry.channel: entry for entry in entries}
    styles = ["red" if newest[one.channel] is one and one.due <= today else None for one in entries]
    table(columns, [_row(entry, today, newest[entry.channel] is entry) for entry in entries], styles)


def _row(entry: Entry, today: dt.date, is_newest: bool) -> list[str]:
    reference = entry.reference
    over = tell(Text(" OVERDUE", " 逾期")) if is_newest and entry.due <= today else ""
    first = entry.readings[0] if entry.readings else None
    label = unit(entry.channel)
    result = f"{first.before:.1f} > {first.after:.1f} @ {first.true:g}" if first else "-"
    if entry.fit:
        result = f"R² {entry.fit['r2']:.2f}, RMSE {entry.fit['rmse']:.1f}"
    return [
        f"{entry.at:%Y-%m-%d %H:%MZ}",
        str(entry.id),
        f"{entry.sensor}.{entry.channel}",
        entry.method,
        entry.who,
        f"{reference.instrument} {reference.serial}, {reference.certificate} ({reference.expires})",
        f"{result} {label}",
        "-" if entry.drift is None else f"{entry.drift:+.2f}",
        f"{entry.due}{over}",
    ]
