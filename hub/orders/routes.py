"""The HTTP API of orders to boards and of how they are to work; every request carries a user's token."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Path, Query, Response, status
from pydantic import BaseModel, ConfigDict, Field

from hub.access.caller import Gate
from hub.access.tokens import User
from hub.config.files import Config
from hub.http.problem import EVERY, answers
from hub.http.problems import RequestError, language
from hub.orders import desk
from hub.orders.book import LONGEST, SHORTEST, OrderBook, no_order
from hub.orders.desired.routes import configurations
from hub.orders.kinds import Kind, State, What
from hub.orders.serving import Route, Serving, refuse_foreign
from hub.orders.waves import view
from hub.orders.waves.book import RolloutBook
from hub.orders.waves.shelf import Shelf
from hub.registry.live import Registry
from schemas.language import Text

Short = Annotated[str, Query(max_length=100)]
Once = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=64,
        description="Names this request: the same key again gives the order that it gave then",
    ),
]


class OrderAsked(BaseModel):
    """An order that somebody gives a board; which of the settings it takes, `what` decides."""

    model_config = ConfigDict(extra="forbid")
    device: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,32}$", description="The board")]
    what: What
    on: Annotated[bool | None, Field(description="of `relay`")] = None
    minutes: Annotated[int | None, Field(ge=1, le=1440, description="of `relay`, `live`, `flag` and `identify`")] = None
    lines: Annotated[int | None, Field(ge=1, le=30, description="of `log`")] = None
    flag: Annotated[Literal["M", "C", "N"] | None, Field(description="of `flag`, in the letters of HJ 212")] = None
    sensor: Annotated[str | None, Field(max_length=32, description="of `flag`; none: all sensors")] = None
    reason: Annotated[str, Field(max_length=500, description="It stands in the audit trail")] = ""
    expires_in: Annotated[int, Field(ge=SHORTEST, le=LONGEST, description="So long the board may begin with it, s")] = (
        desk.USUAL
    )
    seen: Annotated[
        int | None,
        Field(ge=0, description="The board's newest order that you have read of: another's newer one refuses (409)"),
    ] = None


class OrderStep(BaseModel):
    """A step of the audit trail."""

    time: str
    who: str
    what: str
    detail: str


class OrderShown(BaseModel):
    """An order, and what has become of it."""

    id: int
    device: str
    district: str
    site: str
    what: Kind
    settings: dict[str, Any]
    who: str
    reason: str
    state: Annotated[
        State,
        Field(description="waiting: nothing is on its way. sent. done, refused: the board's answer. expired"),
    ]
    given: str
    expires: Annotated[str, Field(description="The board does not begin with it from then on")]
    attempts: Annotated[int, Field(description="How often it was signed: anew only when the board had not done it")]
    ended: str | None
    answer: Annotated[str, Field(description="The board's last word, or why there is none")]


class OrderDetail(OrderShown):
    """An order with its audit trail."""

    steps: list[OrderStep]


class Orders(BaseModel):
    """Orders, the newest first; `cursor` asks for the next page, null on the last."""

    orders: list[OrderShown]
    cursor: int | None


class FleetShown(BaseModel):
    """The newest version on its way to the boards."""

    id: int
    version: str
    state: Literal["running", "halted", "done"]
    why: Annotated[str, Field(description="Why it halted; empty otherwise")]
    who: str
    reason: str
    begun: str
    wave: Annotated[int, Field(description="Under way, from 1")]
    waves: Annotated[list[dict[str, Any]], Field(description="Of each: percent, boards chosen, boards failed")]
    tolerate: Annotated[float, Field(description="Percent of a wave that may fail before it halts")]
    watch_minutes: float
    downgrade: bool
    boards: Annotated[dict[str, int], Field(description="How many boards are in each state")]


def order_router(config: Config, registry: Callable[[], Registry], clock: Callable[[], float], gate: Gate) -> APIRouter:
    """Return the API as a part of the hub's HTTP server, with the bundles that boards fetch from it.

    `registry` gives the registry as it is now, `clock` Unix time in s. `gate` lets users in.
    """
    router = APIRouter(route_class=Route)
    api = APIRouter(prefix="/api/v1", tags=["orders"], route_class=Route, responses=answers(*EVERY))
    hub = Serving(config, registry, clock, gate)
    _orders(api, hub)
    configurations(api, hub)
    _versions(router, api, hub)
    router.routes.extend(api.routes)
    return router


def _orders(router: APIRouter, hub: Serving) -> None:
    Technician = Annotated[User, hub.technician]  # noqa: N806 - a type, as those below
    Viewer = Annotated[User, hub.viewer]  # noqa: N806
    Book = Annotated[OrderBook, Depends(hub.opened(OrderBook))]  # noqa: N806

    @router.post(
        "/orders",
        status_code=status.HTTP_201_CREATED,
        summary="Give a board an order; it is repeated until the board answers or it expires",
        responses=answers(404, 409),
    )
    def give(asked: OrderAsked, user: Technician, orders: Book, idempotency_key: Once = None) -> OrderShown:
        settings = asked.model_dump(exclude={"device", "what", "reason", "expires_in", "seen"}, exclude_none=True)
        now, current = hub.clock(), hub.registry()
        refuse_foreign(user, current, "board", asked.device)
        who = user.name, asked.reason, now, float(asked.expires_in), idempotency_key, asked.seen
        order = desk.give(orders, current, asked.device, asked.what, settings, *who)
        return OrderShown(**desk.shown(order, current.zone))

    @router.get("/orders", summary="List orders, the newest first")
    def list_orders(
        user: Viewer,
        orders: Book,
        board: Short = "",
        district: Short = "",
        only_open: Annotated[bool, Query(alias="open", description="only those that are not over")] = False,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
        cursor: Annotated[int | None, Query(ge=1, le=2**63 - 1, description="of the page before")] = None,
    ) -> Orders:
        found = orders.search(board, district, user.districts, only_open=only_open, before=cursor, most=limit + 1)
        zone = hub.registry().zone
        page = [OrderShown(**desk.shown(order, zone)) for order in found[:limit]]
        return Orders(orders=page, cursor=page[-1].id if len(found) > limit else None)

    @router.get("/orders/{id}", summary="Show an order with its audit trail", responses=answers(404))
    def show(number: Annotated[int, Path(alias="id", ge=1, le=2**63 - 1)], user: Viewer, orders: Book) -> OrderDetail:
        order, zone = orders.get(number), hub.registry().zone
        if not user.sees(order.district):
            raise no_order(number)
        steps = [OrderStep(**desk.shown_step(step, zone)) for step in orders.steps(number)]
        return OrderDetail(**desk.shown(order, zone), steps=steps)


def _versions(router: APIRouter, api: APIRouter, hub: Serving) -> None:
    Shelves = Annotated[Shelf, Depends(hub.opened(Shelf))]  # noqa: N806 - types
    Book = Annotated[RolloutBook, Depends(hub.opened(RolloutBook))]  # noqa: N806
    Viewer = Annotated[User, hub.viewer]  # noqa: N806

    @router.get(
        "/bundles/{sha256}/{name:path}",
        tags=["boards"],
        summary="A file of a bundle that the city has signed; boards fetch them, and nobody is asked who he is",
        response_class=Response,
        responses=answers(404, 422),
    )
    def file(sha256: Annotated[str, Path(pattern="^[0-9a-f]{64}$")], name: str, shelf: Shelves) -> Response:
        content = shelf.file(sha256, name)
        if content is None:
            raise RequestError(404, Text("there is no such bundle, or no such file in it", "没有该软件包或文件"))
        return Response(content, media_type="application/octet-stream")

    @api.get("/fleet", summary="Show the newest version on its way to the boards", responses=answers(404))
    def fleet(user: Viewer, book: Book, accept_language: Annotated[str | None, Header()] = None) -> FleetShown:
        rollout = book.newest()
        if rollout is None or user.districts:  # it is all boards' business
            raise RequestError(404, Text("no version was ever brought to boards", "尚无更新"))
        return FleetShown(**view.shown(book, rollout, hub.registry().zone, language(accept_language)))
