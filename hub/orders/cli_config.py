"""`fenceline orders config`: how boards are to work, shown and changed at the hub's machine."""

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from hub.terminal.actor import actor
from hub.terminal.commands import argument, command, group, option
from hub.terminal.json_lines import print_list, print_object
from hub.terminal.options import FENCELINE, Actor, AsJson, Config
from hub.terminal.tables import say, table
from schemas.errors import UserError
from schemas.language import Text, tell

if TYPE_CHECKING:
    from collections.abc import Callable

    from hub.orders.desired import DesiredBook
    from hub.registry.live import Registry

T = TypeVar("T")

app = group(
    Text(
        """How boards are to work: interval, period, the relay's rule.

        A site's settings are the template of its boards; a board may differ. What neither names is as the board's own
        file has it.""",
        """设备的期望配置：记录间隔、采样周期、继电器规则。

        站点的设置是其设备的模板，单台设备可以不同；两者均未指定的，以设备自身的配置文件为准。""",
    ),
    "fenceline orders config show tower-1",
    "fenceline orders config set tower --site interval=30",
    "fenceline orders config set tower-1 period=2",
)
STATES = {
    "none": Text("as its own file says", "以设备自身配置为准"),
    "pending": Text("pending since {pending_since}", "自{pending_since}起待生效"),
    "in_force": Text("in force", "已生效"),
    "refused": Text("refused: {refused_because}", "被拒绝：{refused_because}"),
}
HEADS = (
    Text("Setting", "设置项"),
    Text("Site", "站点模板"),
    Text("Board", "设备"),
    Text("Desired", "期望"),
    Text("Reported", "已生效"),
)
DIFFERS = (Text("Setting", "设置项"), Text("Reported", "已生效"), Text("Desired", "期望"))
CHANGED = (Text("Setting", "设置项"), Text("Before", "更改前"), Text("Now", "更改后"))
REPLACED = Text("it replaces edition {id}, set by {who} at {time}", "取代版本{id}（{who}，{time}）")
EDITIONS = Text(
    "edition of the board: {edition}, of its site: {template_edition}",
    "设备版本：{edition}，站点版本：{template_edition}",
)
HISTORY = (
    Text("Edition", "版本"),
    Text("Time", "时间"),
    Text("Of", "对象"),
    Text("Settings", "设置"),
    Text("By", "操作人"),
    Text("Reason", "原因"),
)
NOTHING = Text("nothing has been set", "尚无设置")
SAME = Text("nothing differs", "没有差异")
BoardId = Annotated[str, argument(Text("The board.", "设备编号。"), "BOARD")]


@command(
    app,
    "show",
    Text("Show how a board is to work, and what it has said of it.", "查看设备的期望配置及其答复。"),
    "fenceline orders config show tower-1",
    "fenceline orders config show tower-1 --json",
)
def show(board: BoardId, as_json: AsJson = False, config: Config = FENCELINE) -> None:
    """Show how a board is to work."""
    from hub.orders.desired import KEYS
    from hub.orders.desk import shown_desired

    shown = _ask(config, board, shown_desired)
    if as_json:
        print_object(shown)
        return
    say(f"{board}: {tell(STATES[shown['state']]).format(**shown)}")
    if shown["edition"] or shown["template_edition"]:
        say(tell(EDITIONS).format(**shown))
    parts = [shown["template"], shown["overrides"], shown["desired"], shown["reported"] or {}]
    rows = [[key, *(_cell(part, key) for part in parts)] for key in KEYS if any(key in part for part in parts)]
    if rows:
        table([tell(head) for head in HEADS], rows)


@command(
    app,
    "set",
    Text(
        "Change how a board, or all boards of a site, are to work. KEY= leaves it to the site or the board's file.",
        "更改设备（或站点全部设备）的期望配置。KEY= 表示不再指定该项。",
    ),
    "fenceline orders config set tower-1 interval=30 --reason 'fewer records at night'",
    "fenceline orders config set tower --site period=2",
    'fenceline orders config set tower-1 \'relay={"quantity": "pm10", "on": 150, "off": 100}\'',
    "fenceline orders config set tower-1 interval=",
)
def set_(
    place: Annotated[
        str, argument(Text("The board; with --site, the site.", "设备编号；带 --site 时为站点。"), "PLACE")
    ],
    settings: Annotated[
        list[str], argument(Text("Each as KEY=VALUE, the value as JSON.", "KEY=VALUE，值为 JSON。"), "KEY=VALUE...")
    ],
    site: Annotated[bool, option(Text("All boards of this site.", "该站点的全部设备。"), "--site")] = False,
    reason: Annotated[
        str, option(Text("Why; it stays with the change.", "原因，随更改保存。"), show_default=Text("nothing", "无"))
    ] = "",
    seen: Annotated[
        int | None,
        option(
            Text(
                "Only if nobody else has changed it since this edition, which 'show' tells.",
                "仅当此版本（见 show）之后没有他人更改时才执行。",
            ),
            min=0,
            show_default=Text("whatever is there", "不检查"),
        ),
    ] = None,
    who: Actor = "",
    as_json: AsJson = False,
    config: Config = FENCELINE,
) -> None:
    """Change how boards are to work."""
    from hub.orders.desired import KEYS, DesiredBook
    from hub.orders.desk import difference, shown_change
    from hub.orders.opening import opened

    changes = dict(map(_setting, settings))
    with opened(config, place=place) as (db, registry):
        kind: Literal["site", "board"] = "site" if site else "board"
        change = DesiredBook(db).set(registry, kind, place, changes, actor(who), reason, time.time(), seen)
        said = shown_change(change, registry.zone)
    if as_json:
        print_object({"place": kind, "name": place, **said})
        return
    say(f"{place}: {json.dumps(said['settings'], ensure_ascii=False)}")
    if replaced := said["replaced"]:
        say(tell(REPLACED).format(**replaced))
        before, after = replaced["settings"], said["settings"]
        differ = {one["key"] for one in difference(before, after)}
        rows = [[key, _cell(before, key), _cell(after, key)] for key in KEYS if key in differ]
        table([tell(head) for head in CHANGED], rows)


@command(
    app,
    "diff",
    Text("Show where what a board does differs from what it is to do.", "查看设备实际配置与期望配置的差异。"),
    "fenceline orders config diff tower-1",
    "fenceline orders config diff tower-1 --json",
)
def diff(board: BoardId, as_json: AsJson = False, config: Config = FENCELINE) -> None:
    """Show the difference."""
    from hub.orders.desk import shown_desired

    found = _ask(config, board, shown_desired)["diff"]
    if as_json:
        print_list(found, "differences")
    elif found:
        rows = [[one["key"], _value(one["reported"]), _value(one["desired"])] for one in found]
        table([tell(head) for head in DIFFERS], rows)
    else:
        print(tell(SAME))


@command(
    app,
    "history",
    Text("List every change of how a board is to work: who, when, why.", "列出期望配置的全部更改：何人、何时、为何。"),
    "fenceline orders config history tower-1",
    "fenceline orders config history tower-1 --json",
)
def history(board: BoardId, as_json: AsJson = False, config: Config = FENCELINE) -> None:
    """List the changes."""
    from hub.orders.desk import shown_history

    found = _ask(config, board, shown_history)
    if as_json:
        print_list(found, "editions")
    elif found:
        rows = [
            [
                f"{one['id']}",
                one["time"],
                one["name"],
                json.dumps(one["settings"], ensure_ascii=False),
                one["who"],
                one["reason"],
            ]
            for one in found
        ]
        table([tell(head) for head in HISTORY], rows)
    else:
        print(tell(NOTHING))


def _ask(config: Path, board: str, shown: "Callable[[DesiredBook, Registry, str], T]") -> T:
    """Return what `hub.orders.desk` shows of a board."""
    from hub.orders.desired import DesiredBook
    from hub.orders.opening import opened

    with opened(config, place=board) as (db, registry):
        return shown(DesiredBook(db), registry, board)


def _setting(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals:
        raise UserError(f"{text!r}: expected KEY=VALUE, such as interval=30")
    if not value:
        return key, None
    try:
        return key, json.loads(value)
    except ValueError as error:
        raise UserError(f"{key}: {value!r} is no JSON ({error}); expected such as interval=30") from error


def _cell(settings: dict[str, Any], key: str) -> str:
    return _value(settings.get(key))


def _value(value: Any) -> str:
    return "-" if value is None else json.dumps(value, ensure_ascii=False)
