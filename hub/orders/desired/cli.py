"""`fenceline orders config`: how boards are to work, shown and changed at the hub's machine."""

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from hub.terminal.actor import actor
from hub.terminal.commands import argument, command, group, option
from hub.terminal.json_lines import print_list, print_object
from hub.terminal.options import FENCELINE, Actor, AsJson, Config, HubOf
from hub.terminal.tables import say, table
from schemas.errors import UserError
from schemas.language import Text, tell

if TYPE_CHECKING:
    from collections.abc import Callable

    from hub.orders.desired.book import DesiredBook, Place
    from hub.registry.live import Registry

T = TypeVar("T")

app = group(
    Text(
        """How boards are to work: interval, period, relay, raw, outbox, brokers, sensors.

        A pack's settings are the template of all boards at its kinds of sites, a site's go before them, a board's
        before both. What none of them names is as the board's own file has it.""",
        """设备的期望配置：记录间隔、采样周期、继电器规则、原始值、发件箱、代理、传感器。

        领域包的设置是其站点类型下全部设备的模板，站点的设置优先于它，设备的设置优先于两者；
        均未指定的，以设备自身的配置文件为准。""",
    ),
    "fenceline orders config show tower-1",
    "fenceline orders config set tower --site interval=30",
    "fenceline orders config set tower-1 period=2",
    "fenceline orders config set construction --pack --shipped",
)
STATES = {
    "none": Text("as its own file says", "以设备自身配置为准"),
    "pending": Text("pending since {pending_since}", "自{pending_since}起待生效"),
    "in_force": Text("in force", "已生效"),
    "refused": Text("refused: {refused_because}", "被拒绝：{refused_because}"),
}
SHORT = {
    "none": Text("as its own file says", "以设备自身配置为准"),
    "pending": Text("pending", "待生效"),
    "in_force": Text("in force", "已生效"),
    "refused": Text("refused", "被拒绝"),
}
SOURCES = {"pack": Text("pack", "领域包"), "site": Text("site", "站点"), "board": Text("board", "设备")}
HEADS = (
    Text("Setting", "设置项"),
    Text("Pack", "领域包模板"),
    Text("Site", "站点模板"),
    Text("Board", "设备"),
    Text("Desired", "期望"),
    Text("From", "来源"),
    Text("Reported", "已生效"),
)
TEMPLATE = (Text("Setting", "设置项"), Text("Value", "值"), Text("From", "来源"))
BOARDS = (
    Text("Board", "设备"),
    Text("State", "状态"),
    Text("Other than the template", "与模板不同"),
    Text("Why", "原因"),
)
DIFFERS = (
    Text("Board", "设备"),
    Text("Setting", "设置项"),
    Text("Reported", "已生效"),
    Text("Desired", "期望"),
)
SHIPPED = Text(
    "the pack ships other settings: config diff {name} --pack shows them, config set {name} --pack --shipped takes "
    "them over",
    "领域包自带的模板与此不同：config diff {name} --pack 可查看，config set {name} --pack --shipped 可采用",
)
SHIPS = Text("what the pack ships is other than the template in force:", "领域包自带的模板与现行模板的差异：")
SHIPPING = (Text("Setting", "设置项"), Text("In force", "现行"), Text("Shipped", "自带"))
CHANGED = (Text("Setting", "设置项"), Text("Before", "更改前"), Text("Now", "更改后"))
REPLACED = Text("it replaces edition {id}, set by {who} at {time}", "取代版本{id}（{who}，{time}）")
EDITIONS = Text(
    "edition of the board: {edition}, of its site: {template_edition}, of its pack: {pack_edition}",
    "设备版本：{edition}，站点版本：{template_edition}，领域包版本：{pack_edition}",
)
EDITION = Text("edition {edition}", "版本{edition}")
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
PlaceId = Annotated[
    str,
    argument(
        Text("The board; the site or the pack with --site or --pack.", "设备；带 --site 或 --pack 时为站点或领域包。"),
        "PLACE",
    ),
]
OfSite = Annotated[bool, option(Text("All boards of this site.", "该站点的全部设备。"), "--site")]
OfPack = Annotated[
    bool, option(Text("All boards at this pack's kinds of sites.", "该领域包站点类型下的全部设备。"), "--pack")
]


@command(
    app,
    "show",
    Text(
        "Show how a board is to work, and what it has said of it; or a template with its boards.",
        "查看设备的期望配置及其答复，或模板及其设备。",
    ),
    "fenceline orders config show tower-1",
    "fenceline orders config show tower --site",
    "fenceline orders config show construction --pack --json",
)
def show(
    place: PlaceId,
    site: OfSite = False,
    pack: OfPack = False,
    as_json: AsJson = False,
    district: HubOf = "",
    config: Config = FENCELINE,
) -> None:
    """Show how a board is to work."""
    from hub.orders.desired.book import KEYS
    from hub.orders.desired.shown import shown_desired, shown_template

    kind = _kind(site=site, pack=pack)
    if kind != "board":
        shown = _ask(config, district, place, lambda book, registry: shown_template(book, registry, kind, place))
        if as_json:
            print_object(shown)
        else:
            _print_template(shown)
        return
    shown = _ask(config, district, place, lambda book, registry: shown_desired(book, registry, place))
    if as_json:
        print_object(shown)
        return
    say(f"{place}: {tell(STATES[shown['state']]).format(**shown)}")
    if shown["edition"] or shown["template_edition"] or shown["pack_edition"]:
        say(tell(EDITIONS).format(**shown))
    before = [shown["pack_template"], shown["template"], shown["overrides"], shown["desired"]]
    reported = shown["reported"] or {}
    rows = [
        [key, *(_cell(part, key) for part in before), _source(shown["sources"], key), _cell(reported, key)]
        for key in KEYS
        if any(key in part for part in (*before, reported))
    ]
    if rows:
        table([tell(head) for head in HEADS], rows)


def _print_template(shown: dict[str, Any]) -> None:
    from hub.orders.desired.book import KEYS

    say(f"{shown['name']}: {tell(EDITION).format(**shown) if shown['edition'] else tell(NOTHING)}")
    if shown["shipped"] and shown["shipped"] != shown["settings"]:
        say(tell(SHIPPED).format(**shown))
    rows = [
        [key, _cell(shown["desired"], key), _source(shown["sources"], key)] for key in KEYS if key in shown["desired"]
    ]
    if rows:
        table([tell(head) for head in TEMPLATE], rows)
    boards = [
        [one["device"], tell(SHORT[one["state"]]), ", ".join(one["overrides"]) or "-", one["refused_because"] or "-"]
        for one in shown["boards"]
    ]
    if boards:
        table([tell(head) for head in BOARDS], boards)


@command(
    app,
    "set",
    Text(
        "Change how boards are to work. KEY= leaves it to the templates below, or the board's file.",
        "更改设备、站点或领域包的期望配置。KEY= 表示不再指定该项。",
    ),
    "fenceline orders config set tower-1 interval=30 --reason 'fewer records at night'",
    "fenceline orders config set tower --site period=2",
    "fenceline orders config set construction --pack --shipped --reason 'one way of working for all'",
    'fenceline orders config set tower-1 \'relay={"quantity": "pm10", "on": 150, "off": 100}\'',
    "fenceline orders config set tower-1 interval=",
)
def set_(
    place: PlaceId,
    settings: Annotated[
        list[str] | None,
        argument(Text("Each as KEY=VALUE, the value as JSON.", "KEY=VALUE，值为 JSON。"), "KEY=VALUE..."),
    ] = None,
    site: OfSite = False,
    pack: OfPack = False,
    shipped: Annotated[
        bool, option(Text("Take over the template that the pack ships.", "采用领域包自带的模板。"), "--shipped")
    ] = False,
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
    district: HubOf = "",
    config: Config = FENCELINE,
) -> None:
    """Change how boards are to work."""
    from hub.orders.desired.book import KEYS, DesiredBook
    from hub.orders.desired.shown import difference, refuse_unknown, shown_change, taking_over
    from hub.orders.opening import opened

    kind = _kind(site=site, pack=pack)
    if shipped and not pack:
        raise UserError("--shipped: packs alone ship a template; give --pack, and the name of the pack")
    if not settings and not shipped:
        raise UserError(f"{place}: nothing to change; expected KEY=VALUE, such as interval=30")
    changes = dict(map(_setting, settings or ()))
    with opened(config, district, place) as (db, registry):
        book = DesiredBook(db)
        refuse_unknown(registry, kind, place)
        if shipped:
            changes = taking_over(book, place) | changes
        change = book.set(registry, kind, place, changes, actor(who), reason, time.time(), seen)
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
    Text(
        "Show where what boards do differs from what they are to do.",
        "查看设备实际配置与期望配置的差异。",
    ),
    "fenceline orders config diff tower-1",
    "fenceline orders config diff tower --site",
    "fenceline orders config diff tower-1 --json",
)
def diff(
    place: PlaceId,
    site: OfSite = False,
    pack: OfPack = False,
    as_json: AsJson = False,
    district: HubOf = "",
    config: Config = FENCELINE,
) -> None:
    """Show the difference."""
    from hub.orders.desired.shown import difference, shown_desired, shown_template

    kind = _kind(site=site, pack=pack)
    shipped: list[dict[str, Any]] = []
    if kind == "board":
        shown = _ask(config, district, place, lambda book, registry: shown_desired(book, registry, place))
        found = shown["diff"]
        rows = [[place, one["key"], _value(one["reported"]), _value(one["desired"])] for one in found]
    else:
        shown = _ask(config, district, place, lambda book, registry: shown_template(book, registry, kind, place))
        if shown["shipped"] is not None:
            shipped = difference(shown["settings"], shown["shipped"])
        found = [{"device": board["device"], **one} for board in shown["boards"] for one in board["diff"]]
        rows = [[one["device"], one["key"], _value(one["reported"]), _value(one["desired"])] for one in found]
    if as_json:
        print_list(found, "differences")
        return
    if shipped:
        say(tell(SHIPS))
        table(
            [tell(head) for head in SHIPPING],
            [[one["key"], _value(one["reported"]), _value(one["desired"])] for one in shipped],
        )
    if rows:
        table([tell(head) for head in DIFFERS], rows)
    else:
        print(tell(SAME))


@command(
    app,
    "history",
    Text("List every change of how boards are to work: who, when, why.", "列出期望配置的全部更改：何人、何时、为何。"),
    "fenceline orders config history tower-1",
    "fenceline orders config history tower --site --json",
)
def history(
    place: PlaceId,
    site: OfSite = False,
    pack: OfPack = False,
    as_json: AsJson = False,
    district: HubOf = "",
    config: Config = FENCELINE,
) -> None:
    """List the changes."""
    from hub.orders.desired.shown import shown_history

    kind = _kind(site=site, pack=pack)
    found = _ask(config, district, place, lambda book, registry: shown_history(book, registry, kind, place))
    if as_json:
        print_list(found, "editions")
    elif found:
        rows = [
            [
                f"{one['id']}",
                one["time"],
                f"{tell(SOURCES[one['place']])} {one['name']}",
                json.dumps(one["settings"], ensure_ascii=False),
                one["who"],
                one["reason"],
            ]
            for one in found
        ]
        table([tell(head) for head in HISTORY], rows)
    else:
        print(tell(NOTHING))


def _kind(*, site: bool, pack: bool) -> "Place":
    if site and pack:
        raise UserError("--site and --pack exclude each other; leave one out")
    return "site" if site else "pack" if pack else "board"


def _ask(config: Path, district: str, place: str, shown: "Callable[[DesiredBook, Registry], T]") -> T:
    """Return what is to be shown of a place."""
    from hub.orders.desired.book import DesiredBook
    from hub.orders.opening import opened

    with opened(config, district, place) as (db, registry):
        return shown(DesiredBook(db), registry)


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


def _source(sources: dict[str, str], key: str) -> str:
    return tell(SOURCES[sources[key]]) if key in sources else "-"


def _cell(settings: dict[str, Any], key: str) -> str:
    return _value(settings.get(key))


def _value(value: Any) -> str:
    return "-" if value is None else json.dumps(value, ensure_ascii=False)
