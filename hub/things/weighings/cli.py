"""`fenceline weighings`: loads as weighbridges weighed them, imported and added up."""

import datetime as dt
import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from hub.terminal.actor import actor
from hub.terminal.commands import argument, command, group, option
from hub.terminal.json_lines import print_list, print_object
from hub.terminal.options import FENCELINE, AsJson, Config, HubOf
from schemas.errors import UserError
from schemas.language import Text, tell

if TYPE_CHECKING:
    from hub.things.cli import Opened
    from hub.things.weighings.book import Answer

app = group(
    Text(
        """Weighings of weighbridges: each load once, by the kind of waste.

        They are things of kind 'weighing': 'fenceline things history weighing ID' shows what was corrected.""",
        """地磅称重记录：每车一条，按垃圾类别统计。

        称重记录是 weighing 类对象，更正历史见 fenceline things history weighing 编号。""",
    ),
    "fenceline weighings import weighings.csv --dry-run",
    "fenceline weighings sums --since 2026-11-01",
)
SHOWN = 200
"""Rows of the table at most; what was refused comes first."""
WHAT = {
    "added": ("+", "green", Text("taken", "已接收")),
    "corrected": ("~", "yellow", Text("corrected", "已更正")),
    "known": ("=", "dim", Text("known already", "已有")),
    "refused": ("!", "red", Text("refused", "未接收")),
}
DRY = Text("nothing has been written (--dry-run)", "未写入任何内容（--dry-run）")
HEADS = {
    "line": Text("Line", "行"),
    "what": Text("What", "结果"),
    "id": Text("Id", "编号"),
    "truck": Text("Truck", "车辆"),
    "net": Text("Net (kg)", "净重（kg）"),
    "why": Text("Why", "原因"),
    "district": Text("District", "区"),
    "waste": Text("Kind of waste", "垃圾类别"),
    "loads": Text("Loads", "车次"),
    "tonnes": Text("Tonnes", "吨"),
}
MIXED = Text("mixed", "混装")


@command(
    app,
    "import",
    Text(
        """Take the weighings of a CSV file; each once, whichever file or program it comes from.

        Columns, in any order, in English or Chinese: weighbridge, time, truck (id or plate), waste, net(kg) or
        gross(kg) and tare(kg), ticket, district. Weights say their unit: (kg) or (t). A row that is wrong is told
        and left out; the others are taken. The same weighbridge, truck and minute with other weights corrects.""",
        """导入称重记录 CSV 文件；同一条记录无论来自哪个文件或程序，只计一次。

        列名顺序不限，中英文均可：地磅、时间、车牌（或车辆编号）、垃圾类别、净重(kg) 或 毛重(kg) 和 皮重(kg)、
        磅单号、区。重量列须注明单位：(kg) 或 (t)。有误的行会列出并跳过，其余照常接收。同一地磅、车辆和分钟而
        重量不同的，视为更正。""",
    ),
    "fenceline weighings import weighings.csv --dry-run",
    "fenceline weighings import weighings.csv --json",
)
def import_(
    file: Annotated[Path, argument(Text("The weighbridge's list, FILE.csv.", "地磅清单，FILE.csv。"), "FILE")],
    dry_run: Annotated[
        bool,
        option(Text("Check and show what would be taken; write nothing.", "仅检查并显示结果，不写入。"), "--dry-run"),
    ] = False,
    as_json: AsJson = False,
    district: HubOf = "",
    config: Config = FENCELINE,
) -> None:
    """Import weighings."""
    from hub.terminal.progress import reading
    from hub.things.change import Context, Origin
    from hub.things.cli import opened
    from hub.things.weighings.book import Answer, Row, WeighingBook
    from hub.things.weighings.files import read_rows

    rows, unread = read_rows(file, lambda source: reading(source, file.name))
    now = time.time()
    with opened(config, district) as things:
        book = WeighingBook(things.store, Context(things.kinds, things.districts, things.zone), now)
        answers = book.take(rows, Origin(now, actor(), file.name), dry_run=dry_run)
    answers += [Answer(Row("", "", "", (), line=line), "refused", why=why) for line, why in unread]
    answers.sort(key=lambda one: (one.what != "refused", one.row.line))
    if as_json:
        print_object({"dry_run": dry_run, "weighings": [_told(one) for one in answers], "counts": _counts(answers)})
    else:
        _show(answers, dry_run=dry_run)


@command(
    app,
    "sums",
    Text("Add up tonnes by district and kind of waste.", "按区和垃圾类别统计吨数。"),
    "fenceline weighings sums --since 2026-11-01",
    "fenceline weighings sums --since 2026-11-01 --until 2026-12-01 --json",
)
def sums_(
    since: Annotated[
        str | None,
        option(Text("From this local day on.", "自该日起。"), show_default=Text("today", "今天"), metavar="DAY"),
    ] = None,
    until: Annotated[
        str | None,
        option(Text("Before this local day.", "至该日之前。"), show_default=Text("now", "现在"), metavar="DAY"),
    ] = None,
    as_json: AsJson = False,
    district: HubOf = "",
    config: Config = FENCELINE,
) -> None:
    """Add up weighings."""
    from hub.terminal.tables import table
    from hub.things.cli import opened
    from hub.things.weighings.book import sums

    with opened(config, district) as things:
        today = dt.datetime.now(things.zone).replace(hour=0, minute=0, second=0, microsecond=0)
        start = _day(since, things, "--since") if since else today.timestamp()
        end = _day(until, things, "--until") if until else time.time() + 86_400
        try:
            found = sums(things.store, start, end)
        except sqlite3.Error as error:
            raise UserError(f"the things cannot be read ({error}); try again") from error
        named = things.kinds["weighing"].property["waste"].values if "weighing" in things.kinds else {}
    if as_json:
        print_list((one._asdict() for one in found), "sums")
        return
    cells = [
        (
            one.district or "-",
            tell(Text(named[one.waste].en, named[one.waste].zh) if one.waste in named else MIXED),
            str(one.loads),
            f"{one.tonnes:.3f}",
        )
        for one in found
    ]
    table([tell(HEADS[name]) for name in ("district", "waste", "loads", "tonnes")], cells, numbers=(2, 3))


def _day(text: str, things: "Opened", name: str) -> float:
    try:
        day = dt.date.fromisoformat(text)
    except ValueError:
        raise UserError(f"{name} {text!r}: expected a day such as 2026-12-01") from None
    return dt.datetime(day.year, day.month, day.day, tzinfo=things.zone).timestamp()


def _counts(answers: "list[Answer]") -> dict[str, int]:
    return {what: sum(one.what == what for one in answers) for what in WHAT}


def _told(one: "Answer") -> dict[str, Any]:
    return {
        "line": one.row.line,
        "what": one.what,
        "id": one.id or None,
        "truck": one.row.truck,
        "net_kg": one.net,
        "why": one.why or None,
    }


def _show(answers: "list[Answer]", *, dry_run: bool) -> None:
    from hub.terminal.tables import Cell, table

    cells = []
    for one in answers[:SHOWN]:
        sign, colour, word = WHAT[one.what]
        net = "" if one.net is None else f"{one.net:g}"
        cells.append(
            (str(one.row.line), Cell(f"{sign} {tell(word)}", colour), one.id, one.row.truck, net, _sentence(one.why))
        )
    table([tell(HEADS[name]) for name in ("line", "what", "id", "truck", "net", "why")], cells, numbers=(0, 4))
    print(", ".join(f"{tell(WHAT[what][2])} {many}" for what, many in _counts(answers).items()))
    if dry_run:
        print(tell(DRY))


def _sentence(text: str) -> str:
    from schemas.chinese import in_chinese

    return tell(Text(text, in_chinese(text)))
