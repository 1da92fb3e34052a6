"""`fenceline board calibration history`: the ledger, for whoever asks how a number came about."""

import datetime as dt
from typing import Annotated

import msgspec

from firmware.channels import unit
from firmware.notebook.calibrations import STAYS, SUFFICES, CalibrationEntry, Ledger
from firmware.notebook.folder import home
from firmware.terminal.options import Home
from firmware.terminal.screen import table
from hub.terminal.commands import argument, command, group, option
from hub.terminal.json_lines import print_list
from hub.terminal.options import ALL, AsJson
from schemas.language import Text, tell

app = group(Text("The calibration ledger.", "校准台账。"), "fenceline board calibration history pit-1")

COLUMNS = (
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


@command(
    app,
    "history",
    Text(
        "Show who calibrated a board, when, by what, and how far it had drifted. The ledger's chain is checked.",
        "查看设备由谁、何时、用何种标准器校准，以及漂移量。同时校验台账的完整性。",
    ),
    "fenceline board calibration history pit-1",
    "fenceline board calibration history pit-1 --channel laf --json",
)
def history_command(
    board: Annotated[str, argument(Text("Its id.", "设备编号。"), "BOARD")],
    channel: Annotated[str | None, option(Text("Only this one.", "仅限该通道。"), show_default=ALL)] = None,
    home_folder: Home = None,
    as_json: AsJson = False,
) -> None:
    """Show a board's calibrations."""
    entries = [one for one in Ledger(home(home_folder)).entries(board) if channel in (None, one.channel)]
    if as_json:
        print_list(map(msgspec.to_builtins, entries), "calibrations")
        return
    if not entries:
        print(tell(Text(f"{board} was never calibrated from this laptop.", f"本机没有 {board} 的校准记录。")))
        return
    today = dt.datetime.now(dt.UTC).date()
    newest = {entry.channel: entry for entry in entries}
    styles = ["red" if newest[one.channel] is one and one.due <= today else None for one in entries]
    table(COLUMNS, [_row(entry, today, newest[entry.channel] is entry) for entry in entries], styles)


def _row(entry: CalibrationEntry, today: dt.date, is_newest: bool) -> list[str]:
    reference = entry.reference
    over = tell(Text(" OVERDUE", " 逾期")) if is_newest and entry.due <= today else ""
    first = entry.readings[0] if entry.readings else None
    label = unit(entry.channel)
    result = f"{first.before:.1f} > {first.after:.1f} @ {first.true:g}" if first else "-"
    if entry.fit:
        result = f"R² {entry.fit['r2']:.2f}, RMSE {entry.fit['rmse']:.1f}"
    if entry.trial:
        result += tell(SUFFICES if entry.trial.suffices else STAYS)
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
