"""A board's page: how it is to work and what it says of that, its orders, its key; and the orders of all boards."""

import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import RedirectResponse

from hub.console.badges import Badge
from hub.console.pages import settings
from hub.console.today import Short, district_name
from hub.console.web import NOT_FOUND, Shared, Visit, acting, seen_in, visiting
from hub.http.problems import RequestError
from hub.log.reader import reading_log
from hub.orders import desk
from hub.orders.book import Order, OrderBook
from hub.orders.desired.book import KEYS, DesiredBook
from hub.orders.desired.shown import shown_desired
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
            changes, seen = settings.changes(visit), seen_in(visit.form)
            who = visit.user.name, settings.reason(visit), visit.now, seen
            with opened(visit) as db:
                DesiredBook(db).set(visit.registry, "board", board.id, changes, *who)
        except (OrderError, RequestError) as refused:
            return _page(visit, id, refused, "config")
        return RedirectResponse(f"/console/fleet/{board.id}?done=config", 303)

    @router.post("/fleet/{id}/order")
    def order(visit: Annotated[Visit, technician], id: str) -> Response:  # noqa: A002
        board = _board(visit, id)
        try:
            what, told = _asked(visit)
            who = visit.user.name, settings.reason(visit), visit.now
            once, seen = visit.form.get("once") or None, seen_in(visit.form)
            with opened(visit) as db:
                desk.give(OrderBook(db), visit.registry, board.id, what, told, *who, key=once, seen=seen)
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
        config = shown_desired(desired, registry, board.id)
        told, edition = desired.told(board.id), desired.edition("board", board.id)
        history = desired.history(registry, "board", board.id)[-5:]
    given = dict.fromkeys(WRITTEN, "") | (visit.form if refused else {})
    shown = [config[part] or {} for part in ("pack_template", "template", "overrides", "desired", "reported")]
    return visit.page(
        "board.html",
        refused.status if refused else 200,
        board=board,
        site_name=visit.say(Text(site.en, site.zh)),
        config=config,
        badge=settings.badge(visit, config["state"]),
        since=told.since if told else None,
        rows=[
            (
                visit.say(settings.FIELDS[key]),
                *(settings.shown(part, key) for part in shown),
                visit.say(settings.SOURCES[config["sources"][key]]) if key in config["sources"] else "",
            )
            for key in KEYS
            if any(key in part for part in shown)
        ],
        fields=settings.fields(visit, config["overrides"], written=form == "config"),
        intervals=settings.intervals(),
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


def _asked(visit: Visit) -> tuple[What, dict[str, Any]]:
    """Return the order that the form asks for, with those of the form's fields that it takes."""
    what = next((one for one in WHATS if one == visit.form.get("what")), None)
    if what is None:
        raise RequestError(422, Text("Choose an order.", "请选择指令。"), "what")
    told: dict[str, Any] = {}
    for name in TAKES.get(what, ()):
        text = visit.form.get(name, "").strip()
        if name == "on":
            told["on"] = text == "1"
        elif text:
            try:
                told[name] = int(text) if name in {"minutes", "lines"} else text
            except ValueError:
                raise RequestError(422, settings.NO_NUMBER, name) from None
    return what, told


def _shown(visit: Visit, order: Order) -> Shown:
    tone, shape = LOOKS[order.state]
    said = ", ".join(f"{name} {value}" for name, value in order.told.items())
    badge = Badge(tone, shape, visit.say(STATES[order.state]))
    return Shown(order, visit.say(NAMES[order.what]), said, badge, order.device in visit.registry.boards)


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
