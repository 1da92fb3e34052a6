"""`fenceline orders`: orders to boards, given and looked at at the hub's machine."""

import datetime as dt
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from hub.orders.desired.cli import app as config_app
from hub.orders.kinds import NAMES, STATES, What
from hub.terminal.actor import actor
from hub.terminal.commands import argument, command, group, option
from hub.terminal.json_lines import print_list, print_object
from hub.terminal.options import FENCELINE, Actor, AsJson, Board, Config, District, HubOf, Reason
from hub.terminal.tables import say, table
from schemas.errors import UserError
from schemas.language import Text, tell

if TYPE_CHECKING:
    from hub.orders.book import Order
    from hub.registry.live import Registry

app = group(
    Text(
        """Orders to boards: self-test, relay, reboot and the like.

        The hub signs each and repeats it until the board answers or it expires. A board obeys an order once, and none
        that is older than its expiry.""",
        """向设备下达指令：自检、继电器、重启等。

        数据中心对每条指令签名并重复发送，直至设备答复或指令过期。每条指令只执行一次，过期后不再执行。""",
    ),
    "fenceline orders send tower-1 selftest",
    "fenceline orders send tower-1 relay --on --minutes 30 --reason 'Dust after the storm'",
    "fenceline orders list --open",
    "fenceline orders show 17",
)
app.add_typer(config_app, name="config")

HEADS = (
    Text("No.", "编号"),
    Text("Given", "下达时间"),
    Text("Board", "设备"),
    Text("What", "指令"),
    Text("State", "状态"),
    Text("By", "操作人"),
    Text("Answer", "答复"),
)
STEPS = (Text("Time", "时间"), Text("By", "操作人"), Text("What", "操作"), Text("Detail", "说明"))
STEP: dict[str, Text] = {
    "given": Text("given", "下达"),
    "signed": Text("signed", "签名"),
    "put off": Text("put off", "推迟"),
    **{str(state): text for state, text in STATES.items()},
}
GIVEN = Text(
    "order {id}: {what} for {device}; it expires at {expires}. 'fenceline orders show {id}' tells what came of it",
    "指令{id}：{device} {what}；{expires}过期。fenceline orders show {id}可查看结果",
)
NONE = Text("there are no orders", "没有指令")
ENDS = Text("expires {expires}, signed {attempts} times", "{expires}过期，签名{attempts}次")
MOST = 2**63 - 1
ExpiresIn = Annotated[
    int,
    option(
        Text("The board may begin with it for so long, s.", "有效期（秒）：设备在此期间可开始执行。"),
        min=30,
        max=604_800,
    ),
]


@command(
    app,
    "send",
    Text("Give a board an order.", "向设备下达指令。"),
    "fenceline orders send tower-1 selftest",
    "fenceline orders send tower-1 relay --on --minutes 30",
    "fenceline orders send tower-1 flag --flag M --minutes 60 --sensor dust",
    "fenceline orders send tower-1 identify --minutes 5",
    "fenceline orders send tower-1 log --lines 30 --expires-in 600 --json",
)
def send(
    board: Annotated[str, argument(Text("The board.", "设备编号。"), "BOARD")],
    what: Annotated[What, argument(Text("What it is to do.", "指令。"), "WHAT")],
    on: Annotated[bool | None, option(Text("Relay: on or off.", "继电器：接通或断开。"), "--on/--off")] = None,
    minutes: Annotated[
        int | None,
        option(
            Text("Relay, live, flag, identify: for so long.", "relay、live、flag、identify：分钟数。"),
            min=1,
            max=1440,
        ),
    ] = None,
    lines: Annotated[int | None, option(Text("Log: so many lines.", "log：行数。"), min=1, max=30)] = None,
    flag: Annotated[
        Literal["M", "C", "N"] | None,
        option(
            Text("Flag: M maintenance, C calibration, N neither any more.", "flag：M 维护，C 校准，N 恢复正常。"),
        ),
    ] = None,
    sensor: Annotated[str | None, option(Text("Flag: only this sensor.", "flag：仅限该传感器。"))] = None,
    reason: Reason = "",
    expires_in: ExpiresIn = 3600,
    seen: Annotated[
        int | None,
        option(
            Text(
                "Only if nobody else has given the board an order since this one, which 'list' tells; 0: any.",
                "仅当此编号（见 list）之后没有他人向该设备下达指令时才执行；0表示任何指令。",
            ),
            min=0,
            show_default=Text("whatever is there", "不检查"),
        ),
    ] = None,
    who: Actor = "",
    as_json: AsJson = False,
    config: Config = FENCELINE,
) -> None:
    """Give a board an order."""
    from hub.orders import desk
    from hub.orders.book import OrderBook
    from hub.orders.opening import opened

    asked = {"on": on, "minutes": minutes, "lines": lines, "flag": flag, "sensor": sensor}
    settings: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
    with opened(config, place=board) as (db, registry):
        who_why = actor(who), reason, time.time(), float(expires_in)
        order = desk.give(OrderBook(db), registry, board, what, settings, *who_why, seen=seen)
        said = desk.shown(order, registry.zone)
    if as_json:
        print_object(said)
    else:
        print(tell(GIVEN).format(**said))


@command(
    app,
    "renew-certificate",
    Text(
        """Send a board a new certificate, enclosed under its own key; it keeps it if the broker lets it in with it.

        FILES are those of certs/boards/ID, in PEM: certificate, key and, where it is to be renewed, the authority's.
        '-' reads them from standard input.""",
        """向设备发送新证书（以设备密钥加密）；设备用新证书成功连接消息代理后才启用。

        FILES 为 certs/boards/编号 中的 PEM 文件：证书、私钥，以及需要更新时的证书机构证书。- 表示从标准输入读取。""",
    ),
    "fenceline orders renew-certificate tower-1 certs/boards/tower-1/*",
    "cat certs/boards/tower-1/* | fenceline orders renew-certificate tower-1 -",
)
def renew_certificate(
    board: Annotated[str, argument(Text("The board.", "设备编号。"), "BOARD")],
    files: Annotated[list[Path], argument(Text("PEM files.", "PEM文件。"), "FILES...")],
    reason: Reason = "",
    expires_in: ExpiresIn = 604_800,
    who: Actor = "",
    as_json: AsJson = False,
    config: Config = FENCELINE,
) -> None:
    """Send a board a new certificate."""
    from hub.config.files import load_config
    from hub.orders import desk
    from hub.orders.book import OrderBook
    from hub.orders.certificate import order_settings
    from hub.orders.opening import opened

    try:
        given = [sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes() for path in files]
        ca = load_config(config).broker.ca
        trusted = ca.read_bytes() if ca else b""
    except OSError as error:
        raise UserError(f"{error.filename}: cannot be read ({error.strerror}); name PEM files") from error
    with opened(config, place=board) as (db, registry):
        settings = order_settings(board, given, registry.bases.get(board, b""), trusted)
        who_why = actor(who), reason, time.time(), float(expires_in)
        order = desk.give(OrderBook(db), registry, board, "renew-certificate", settings, *who_why)
        said = desk.shown(order, registry.zone)
    if as_json:
        print_object(said)
    else:
        print(tell(GIVEN).format(**said))


@command(
    app,
    "list",
    Text("List orders, the newest first.", "列出指令，最新的在前。"),
    "fenceline orders list --open",
    "fenceline orders list --board tower-1 --json",
)
def list_(
    board: Board = "",
    district: District = "",
    only_open: Annotated[bool, option(Text("Only those that are not over.", "仅限未结束的指令。"), "--open")] = False,
    most: Annotated[int, option(Text("How many at most.", "最多条数。"), min=1, max=100_000)] = 50,
    as_json: AsJson = False,
    config: Config = FENCELINE,
) -> None:
    """List orders."""
    from hub.orders import desk
    from hub.orders.book import OrderBook
    from hub.orders.opening import opened

    with opened(config, district) as (db, registry):
        found = OrderBook(db).search(board, district, only_open=only_open, most=most)
    if as_json:
        print_list((desk.shown(order, registry.zone) for order in found), "orders")
    elif found:
        table([tell(head) for head in HEADS], [_row(order, registry) for order in found])
    else:
        print(tell(NONE))


@command(
    app,
    "show",
    Text("Show an order with its audit trail.", "查看指令及其处理记录。"),
    "fenceline orders show 17",
    "fenceline orders show 17 --json",
)
def show(
    id_: Annotated[int, argument(Text("The order's number.", "指令编号。"), "ORDER", min=1, max=MOST)],
    as_json: AsJson = False,
    district: HubOf = "",
    config: Config = FENCELINE,
) -> None:
    """Show an order."""
    from hub.orders import desk
    from hub.orders.book import OrderBook
    from hub.orders.opening import opened

    with opened(config, district) as (db, registry):
        book = OrderBook(db)
        order, steps = book.get(id_), book.steps(id_)
    told = [desk.shown_step(step, registry.zone) for step in steps]
    said = desk.shown(order, registry.zone)
    if as_json:
        print_object(said | {"steps": told})
        return
    table([tell(head) for head in HEADS], [_row(order, registry)])
    say(tell(ENDS).format(**said))
    rows = [[step["time"], step["who"], tell(STEP[step["what"]]), step["detail"]] for step in told]
    table([tell(head) for head in STEPS], rows)


def _row(order: "Order", registry: "Registry") -> list[str]:
    given = dt.datetime.fromtimestamp(order.given, registry.zone).isoformat(" ", "seconds")[:19]
    what = f"{order.what}: {tell(NAMES[order.what])}"
    return [f"{order.id}", given, order.device, what, tell(STATES[order.state]), order.who, order.answer or "-"]
