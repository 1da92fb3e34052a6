"""`fenceline board repair-log`: what was wrong and what was done, by coded causes, so that faults can be counted."""

import datetime as dt
import json
from collections import Counter
from typing import Annotated

import msgspec
import typer

from firmware.notebook.boards import Records
from firmware.notebook.folder import checked_id, home
from firmware.notebook.repairs import CAUSES, Repair, RepairLog
from firmware.terminal.options import AsJson, Home, Who, name_of
from firmware.terminal.screen import table
from firmware.terminal.speech import LangOption, tell
from schemas.language import Text

app = typer.Typer(no_args_is_help=True, help="The repair log, by coded causes.")


@app.command(epilog="Example: fenceline board repair-log add pit-1 --code S02 --sensor dust --text 'inlet full of mud'")
def add(
    board: Annotated[str, typer.Argument(help="Its id.", show_default=False)],
    code: Annotated[str, typer.Option(help="Cause: fenceline board repair-log codes.")],
    sensor: Annotated[str, typer.Option(help="The sensor concerned.", show_default="none")] = "",
    text: Annotated[str, typer.Option(help="What was found and done.")] = "",
    who: Who = None,
    home_folder: Home = None,
    as_json: AsJson = False,
    lang: LangOption = None,  # noqa: ARG001 - its callback chooses
) -> None:
    """Write down a repair. The hub hears of it by `fenceline board sync`."""
    folder = home(home_folder)
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    repair = Repair(checked_id(board, "board"), code.upper(), name_of(who), now, sensor, text)
    RepairLog(folder).add(repair)
    if Records(folder).get(board):
        Records(folder).queue(board, now)
    if as_json:
        print(json.dumps(msgspec.to_builtins(repair), ensure_ascii=False))
    else:
        print(f"{board}: {repair.code} {tell(CAUSES[repair.code].text)}")


@app.command("list", epilog="Examples: fenceline board repair-log list | fenceline board repair-log list pit-1 --json")
def list_(
    board: Annotated[str, typer.Argument(help="Only this one.", show_default="all")] = "",
    home_folder: Home = None,
    as_json: AsJson = False,
    lang: LangOption = None,  # noqa: ARG001 - its callback chooses
) -> None:
    """List the repairs."""
    repairs = RepairLog(home(home_folder)).repairs(board)
    if as_json:
        print(json.dumps([msgspec.to_builtins(repair) for repair in repairs], ensure_ascii=False))
        return
    columns = (
        Text("When", "时间"),
        Text("Board", "设备"),
        Text("Sensor", "传感器"),
        Text("Code", "代码"),
        Text("Cause", "原因"),
        Text("By", "人员"),
        Text("Remark", "说明"),
    )
    rows = [
        [
            f"{one.at:%Y-%m-%d %H:%MZ}",
            one.board,
            one.sensor or "-",
            one.code,
            tell(CAUSES[one.code].text) if one.code in CAUSES else "?",
            one.who,
            one.text,
        ]
        for one in repairs
    ]
    table(columns, rows)


@app.command(epilog="Example: fenceline board repair-log count --json")
def count(
    home_folder: Home = None,
    as_json: AsJson = False,
    lang: LangOption = None,  # noqa: ARG001 - its callback chooses
) -> None:
    """Count the causes, the most frequent first."""
    counted = Counter(repair.code for repair in RepairLog(home(home_folder)).repairs())
    if as_json:
        print(json.dumps(dict(counted.most_common())))
        return
    rows = [
        [str(number), code, tell(CAUSES[code].part), tell(CAUSES[code].text)]
        for code, number in counted.most_common()
        if code in CAUSES
    ]
    table((Text("Times", "次数"), Text("Code", "代码"), Text("Part", "部位"), Text("Cause", "原因")), rows)


@app.command()
def codes(as_json: AsJson = False, lang: LangOption = None) -> None:  # noqa: ARG001 - its callback chooses
    """Show the codes of causes."""
    if as_json:
        told = {
            code: {"en": cause.text.en, "zh": cause.text.zh, "part": cause.part.en} for code, cause in CAUSES.items()
        }
        print(json.dumps(told, ensure_ascii=False))
        return
    rows = [[code, tell(cause.part), tell(cause.text)] for code, cause in CAUSES.items()]
    table((Text("Code", "代码"), Text("Part", "部位"), Text("Cause", "原因")), rows)
