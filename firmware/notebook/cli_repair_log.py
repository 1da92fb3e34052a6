"""`fenceline board repair-log`: what was wrong and what was done, by coded causes, so that faults can be counted."""

import datetime as dt
from collections import Counter
from typing import Annotated

import msgspec

from firmware.notebook.boards import Records
from firmware.notebook.folder import checked_id, home
from firmware.notebook.repairs import CAUSES, Repair, RepairLog
from firmware.terminal.options import NONE, Home, Who, name_of
from firmware.terminal.screen import table
from hub.terminal.commands import argument, command, group, option
from hub.terminal.json_lines import print_list, print_object
from hub.terminal.options import ALL, AsJson
from schemas.language import Text, tell

app = group(
    Text("The repair log, by coded causes.", "维修记录，按原因代码登记。"),
    "fenceline board repair-log add pit-1 --code S02 --sensor dust --text 'inlet full of mud'",
)


@command(
    app,
    "add",
    Text(
        "Write down a repair. The hub hears of it by 'fenceline board sync'.",
        "登记一次维修。用 fenceline board sync 通知数据中心。",
    ),
    "fenceline board repair-log add pit-1 --code S02 --sensor dust --text 'inlet full of mud'",
)
def add(
    board: Annotated[str, argument(Text("Its id.", "设备编号。"), "BOARD")],
    code: Annotated[
        str, option(Text("Cause: fenceline board repair-log codes.", "原因代码：fenceline board repair-log codes。"))
    ],
    sensor: Annotated[str, option(Text("The sensor concerned.", "相关传感器。"), show_default=NONE)] = "",
    text: Annotated[str, option(Text("What was found and done.", "发现的问题和处理情况。"), show_default=NONE)] = "",
    who: Who = None,
    home_folder: Home = None,
    as_json: AsJson = False,
) -> None:
    """Write down a repair."""
    folder = home(home_folder)
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    repair = Repair(checked_id(board, "board"), code.upper(), name_of(who), now, sensor, text)
    RepairLog(folder).add(repair)
    if Records(folder).get(board):
        Records(folder).queue(board, now)
    if as_json:
        print_object(msgspec.to_builtins(repair))
    else:
        print(f"{board}: {repair.code} {tell(CAUSES[repair.code].text)}")


@command(
    app,
    "list",
    Text("List the repairs.", "列出维修记录。"),
    "fenceline board repair-log list",
    "fenceline board repair-log list pit-1 --json",
)
def list_(
    board: Annotated[str, argument(Text("Only this one.", "仅限该设备。"), "BOARD", show_default=ALL)] = "",
    home_folder: Home = None,
    as_json: AsJson = False,
) -> None:
    """List the repairs."""
    repairs = RepairLog(home(home_folder)).repairs(board)
    if as_json:
        print_list(map(msgspec.to_builtins, repairs), "repairs")
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


@command(
    app,
    "count",
    Text("Count the causes, the most frequent first.", "统计各原因的次数，最多的在前。"),
    "fenceline board repair-log count",
    "fenceline board repair-log count --json",
)
def count(home_folder: Home = None, as_json: AsJson = False) -> None:
    """Count the causes."""
    counted = Counter(repair.code for repair in RepairLog(home(home_folder)).repairs())
    if as_json:
        print_list(({"code": code, "times": times} for code, times in counted.most_common()), "codes")
        return
    rows = [
        [str(number), code, tell(CAUSES[code].part), tell(CAUSES[code].text)]
        for code, number in counted.most_common()
        if code in CAUSES
    ]
    table((Text("Times", "次数"), Text("Code", "代码"), Text("Part", "部位"), Text("Cause", "原因")), rows)


@command(
    app,
    "codes",
    Text("Show the codes of causes.", "列出原因代码。"),
    "fenceline board repair-log codes",
    "fenceline board repair-log codes --json",
)
def codes(as_json: AsJson = False) -> None:
    """Show the codes of causes."""
    if as_json:
        told = (
            {"code": code, "en": cause.text.en, "zh": cause.text.zh, "part": cause.part.en}
            for code, cause in CAUSES.items()
        )
        print_list(told, "codes")
        return
    rows = [[code, tell(cause.part), tell(cause.text)] for code, cause in CAUSES.items()]
    table((Text("Code", "代码"), Text("Part", "部位"), Text("Cause", "原因")), rows)
