"""A board's page: how it is to work and what it says of that, its orders, its key; and the orders of all boards."""

import json
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import RedirectResponse

from edge.checks import INTERVALS
from hub.console.badges import Badge
from hub.console.today import Short, district_name
from hub.console.web import NOT_FOUND, Shared, Visit, acting, seen_in, visiting
from hub.http.problems import RequestError
from hub.log.reader import reading_log
from hub.orders import desk
from hub.orders.book import Order, OrderBook
from hub.orders.desired import KEYS, DesiredBook
from hub.orders.kinds import NAMES, STATES, WHATS, MeanwhileError, OrderError, State, What
from hub.orders.tables import PART
from hub.registry.live import Board
from hub.storage.compliance_file import open_compliance
from hub.storage.data_folder import LOG
from hub.wire.messages import DECODERS, Status
from hub.wire.topics import Topic
from schemas.language import Text

PAGE = 50
ON_BOARD = 20
"""Orders on a board's page; the list has all."""
LOOKS: dict[State, tuple[str, str]] = {
    "waiting": ("quiet", "ring"),
    "sent": ("quiet", "ring"),
    "done": ("good", "circle"),
    "refused": ("bad", "triangle"),
    "expired": ("warn", "square"),
}
CONFIG_LOOKS = {
    "none": ("quiet", "ring"),
    "pending": ("warn", "square"),
    "in_force": ("good", "circle"),
    "refused": ("bad", "triangle"),
}
CONFIG_STATES = {
    "none": Text("as its own file says", "以设备自身配置为准"),
    "pending": Text("pending", "待生效"),
    "in_force": Text("in force", "已生效"),
    "refused": Text("refused", "被拒绝"),
}
FIELDS = {
    "interval": Text("Length of a record, s", "记录间隔（秒）"),
    "period": Text("Between two samples, s", "采样周期（秒）"),
    "relay": Text("Relay's rule", "继电器规则"),
}
TAKES: dict[What, tuple[str, ...]] = {
    "relay": ("on", "minutes"),
    "live": ("minutes",),
    "flag": ("flag", "minutes", "sensor"),
    "log": ("lines",),
    "identify": ("minutes",),
}
"""The fields of the form that an order takes; the others say nothing else."""
WRITTEN = ("what", "on", "minutes", "flag", "sensor", "lines", "reason")
"""What stands in the forms of a refusal."""
NO_NUMBER = Text("Expected a number.", "应为数字。")
NO_JSON = Text("Expected a rule as JSON, such as {example}.", "应为JSON规则，如{example}。")
EXAMPLE = '{"quantity": "pm10", "on": 150, "off": 100}'
Cursor = Annotated[int | None, Query(ge=1, le=2**63 - 1)]


class Shown(NamedTuple):
    """An order in a list."""

    order: Order
    what: str
    said: str
    badge: Badge
    known: bool
    """Its board has a page."""


def add_boards(router: APIRouter, shared: Shared) -> None:
    """Add the page of a board, what a technician does there, and the list of orders."""
    visitor, technician = Depends(visiting(shared)), Depends(acting(shared, "technician"))

    @router.get("/fleet/{id}")
    def show_board(visit: Annotated[Visit, visitor], id: str, done: Short = "") -> Response:  # noqa: A002
        return _page(visit, id, done=done)

    @router.post("/fleet/{id}/config")
    def configure(visit: Annotated[Visit, technician], id: str) -> Response:  # noqa: A002
        board = _board(visit, id)
        try:
            changes, seen = _changes(visit), seen_in(visit.form)
            who = visit.user.name, _reason(visit), visit.now, seen
            with opened(visit) as db:
                DesiredBook(db).set(visit.registry, "board", board.id, changes, *who)
        except (OrderError, RequestError) as refused:
            return _page(visit, id, refused, "config")
        return RedirectResponse(f"/console/fleet/{board.id}?done=config", 303)

    @router.post("/fleet/{id}/order")
    def order(visit: Annotated[Visit, technician], id: str) -> Response:  # noqa: A002
        board = _board(visit, id)
        try:
            what, settings = _asked(visit)
            who = visit.user.name, _reason(visit), visit.now
            once, seen = visit.form.get("once") or None, seen_in(visit.form)
            with opened(visit) as db:
                desk.give(OrderBook(db), visit.registry, board.id, what, settings, *who, key=once, seen=seen)
        except (OrderError, RequestError) as refused:
            return _page(visit, id, refused, "order")
        return RedirectResponse(f"/console/fleet/{board.id}?done=order", 303)

    @router.get("/orders")
    def show_orders(
        visit: Annotated[Visit, visitor],
        board: Short = "",
        district: Short = "",
        only_open: Annotated[str, Query(alias="open", max_length=100)] = "",
        before: Cursor = None,
    ) -> Response:
        wanted = {"board": board.strip(), "district": district, "open": only_open}
        with opened(visit) as db:
            found = OrderBook(db).search(
                wanted["board"], district, visit.user.districts, only_open=bool(only_open), before=before, most=PAGE + 1
            )
        return visit.page(
            "orders.html",
            orders=[_shown(visit, one) for one in found[:PAGE]],
            wanted=wanted,
            following=found[PAGE - 1].id if len(found) > PAGE else 0,
            districts=[(id_, district_name(visit, id_)) for id_ in visit.registry.districts],
        )


def _page(
    visit: Visit, id_: str, refused: OrderError | RequestError | None = None, form: str = "", done: str = ""
) -> Response:
    board = _board(visit, id_)
    registry, site = visit.registry, visit.registry.site_of(board.id)
    with opened(visit) as db:
        book, desired = OrderBook(db), DesiredBook(db)
        orders = book.search(board.id, most=ON_BOARD)
        config = desk.shown_desired(desired, registry, board.id)
        told, edition = desired.told(board.id), desired.edition("board", board.id)
        history = desired.history(site.id, board.id)[-5:]
    tone, shape = CONFIG_LOOKS[config["state"]]
    given = dict.fromkeys(WRITTEN, "") | (visit.form if refused else {})
    shown = [config[part] or {} for part in ("template", "overrides", "desired", "reported")]
    return visit.page(
        "board.html",
        refused.status if refused else 200,
        board=board,
        site_name=visit.say(Text(site.en, site.zh)),
        config=config,
        badge=Badge(tone, shape, visit.say(CONFIG_STATES[config["state"]])),
        since=told.since if told else None,
        rows=[(visit.say(FIELDS[key]), *(_value(part, key) for part in shown)) for key in KEYS],
        fields=[
            (
                key,
                visit.say(FIELDS[key]),
                visit.form.get(key, "") if form == "config" else _value(config["overrides"], key),
            )
            for key in KEYS
        ],
        intervals=INTERVALS,
        history=history,
        orders=[_shown(visit, one) for one in orders],
        whats=[(what, visit.say(NAMES[what])) for what in WHATS],
        given=given,
        edition=edition,
        newest=orders[0].id if orders else 0,
        once=secrets.token_hex(8),
        may_act=visit.may("technician")
        and not registry.is_retired(board.id, visit.page_formats.local(visit.now).date()),
        key_since=registry.key_since.get(board.id),
        says=_status(visit, Topic(site.district, site.id, board.id, "status")),
        example=EXAMPLE,
        form=form,
        meanwhile=isinstance(refused, MeanwhileError),
        said=visit.say(refused.text) if refused else "",
        done=done,
    )


def _board(visit: Visit, id_: str) -> Board:
    board = visit.registry.boards.get(id_)
    if board is None:
        raise RequestError(404, NOT_FOUND)
    return board


@contextmanager
def opened(visit: Visit) -> Iterator[sqlite3.Connection]:
    """Open the tables of orders."""
    with closing(open_compliance(visit.shared.compliance, PART)) as db:
        yield db


def _reason(visit: Visit) -> str:
    return visit.form.get("reason", "").replace("\r\n", "\n").strip()[:500]


def _changes(visit: Visit) -> dict[str, Any]:
    """Return what the form says of each key; an empty field leaves it to the site or the board's own file."""
    readers: dict[str, Callable[[str], Any]] = {"interval": int, "period": float, "relay": json.loads}
    changes: dict[str, Any] = {}
    for key, read in readers.items():
        text = visit.form.get(key, "").strip()
        try:
            changes[key] = read(text) if text else None
        except (ValueError, RecursionError):
            why = Text(NO_JSON.en.format(example=EXAMPLE), NO_JSON.zh.format(example=EXAMPLE))
            raise RequestError(422, why if key == "relay" else NO_NUMBER, key) from None
    return changes


def _asked(visit: Visit) -> tuple[What, dict[str, Any]]:
    """Return the order that the form asks for, with those of the form's fields that it takes."""
    what = next((one for one in WHATS if one == visit.form.get("what")), None)
    if what is None:
        raise RequestError(422, Text("Choose an order.", "请选择指令。"), "what")
    settings: dict[str, Any] = {}
    for name in TAKES.get(what, ()):
        text = visit.form.get(name, "").strip()
        if name == "on":
            settings["on"] = text == "1"
        elif text:
            try:
                settings[name] = int(text) if name in {"minutes", "lines"} else text
            except ValueError:
                raise RequestError(422, NO_NUMBER, name) from None
    return what, settings


def _shown(visit: Visit, order: Order) -> Shown:
    tone, shape = LOOKS[order.state]
    said = ", ".join(f"{name} {value}" for name, value in order.told.items())
    badge = Badge(tone, shape, visit.say(STATES[order.state]))
    return Shown(order, visit.say(NAMES[order.what]), said, badge, order.device in visit.registry.boards)


def _value(settings: dict[str, Any], key: str) -> str:
    return "" if settings.get(key) is None else json.dumps(settings[key], ensure_ascii=False)


def _status(visit: Visit, topic: Topic) -> Status | None:
    """Return what a board has said of itself last."""
    path = visit.shared.config.data / LOG
    if not path.exists():
        return None
    with reading_log(path) as log:
        for payload in log.latest(str(topic), 1):
            said = DECODERS["status"].decode(payload)
            return said if isinstance(said, Status) else None
    return None
