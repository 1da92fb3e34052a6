"""The HTTP API of orders to boards and of how they are to work; every request carries a user's token."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Depends, Header, Path, Query, Response, status
from pydantic import BaseModel, ConfigDict, Field

from hub.access.caller import Gate
from hub.access.tokens import User
from hub.config.files import Config
from hub.http.problem import EVERY, answers
from hub.http.problems import ProblemRoute, RequestError, language
from hub.orders import desk
from hub.orders.book import LONGEST, SHORTEST, OrderBook, no_order
from hub.orders.desired import DesiredBook, Place
from hub.orders.kinds import Kind, OrderError, State, What
from hub.orders.tables import PART
from hub.orders.waves import view
from hub.orders.waves.book import RolloutBook
from hub.orders.waves.shelf import Shelf
from hub.registry.live import Registry
from hub.storage.compliance_file import COMPLIANCE, open_compliance
from schemas.language import Text

Short = Annotated[str, Query(max_length=100)]
Id = Annotated[str, Path(pattern=r"^[a-z0-9-]{1,32}$")]
Once = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=64,
        description="Names this request: the same key again gives the order that it gave then",
    ),
]
T = TypeVar("T")


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


class DesiredAsked(BaseModel):
    """How a board, or every board of a site, is to work; a null leaves the key to the site, or the board's file."""

    model_config = ConfigDict(extra="forbid")
    interval: Annotated[int | None, Field(description="Length of a record, s: a divisor of 60")] = None
    period: Annotated[float | None, Field(description="Between two samples of a sensor that is asked, s")] = None
    relay: Annotated[dict[str, Any] | None, Field(description="The board's own rule for its relay")] = None
    reason: Annotated[str, Field(max_length=500, description="It stays with the change")] = ""
    seen: Annotated[
        int | None,
        Field(
            ge=0,
            description="`edition` (of a site: `template_edition`) as you have read it: a newer one of another's "
            "refuses (409); without it the change is made, and `replaced` tells what was there",
        ),
    ] = None


class Difference(BaseModel):
    """A key in which what a board is to do differs from what it does."""

    key: str
    reported: Any
    desired: Any


class DesiredShown(BaseModel):
    """How a board is to work, and what it has said of it."""

    device: str
    site: str
    template: Annotated[dict[str, Any], Field(description="What its site says")]
    overrides: Annotated[dict[str, Any], Field(description="What is other at this board")]
    template_edition: Annotated[int, Field(description="Number of what its site says; 0: nothing")]
    edition: Annotated[int, Field(description="Number of what is other at this board; 0: nothing")]
    desired: Annotated[dict[str, Any], Field(description="Both together; the rest is as the board's own file has it")]
    state: Literal["none", "pending", "in_force", "refused"]
    revision: int | None
    pending_since: str | None
    refused_because: str | None
    reported_revision: Annotated[int | None, Field(description="In force, as the board said last")]
    reported: Annotated[dict[str, Any] | None, Field(description="What that revision says, where the hub knows it")]
    diff: list[Difference]


class DesiredEdition(BaseModel):
    """A change of how a board or its site's boards are to work."""

    id: int
    time: str
    place: Literal["site", "board"]
    name: str
    settings: dict[str, Any]
    who: str
    reason: str


class DesiredChanged(BaseModel):
    """What a board, or the boards of a site, are told now, and what that replaced."""

    settings: dict[str, Any]
    edition: Annotated[int, Field(description="Its number, for `seen` of the next change")]
    replaced: Annotated[DesiredEdition | None, Field(description="null where there was nothing, or nothing changed")]


class BoardChanged(DesiredShown):
    """How a board is to work after a change of it, and what that replaced."""

    replaced: Annotated[DesiredEdition | None, Field(description="null where there was nothing, or nothing changed")]


class _Route(ProblemRoute):
    """Also tells which order cannot be given."""

    def refusal(self, error: Exception) -> RequestError | None:
        """See `ProblemRoute`."""
        if isinstance(error, OrderError):
            return RequestError(error.status, error.text, error.field)
        return super().refusal(error)


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
    router = APIRouter(route_class=_Route)
    api = APIRouter(prefix="/api/v1", tags=["orders"], route_class=_Route, responses=answers(*EVERY))
    hub = _Hub(config, registry, clock, gate)
    _orders(api, hub)
    _configurations(api, hub)
    _versions(router, api, hub)
    router.include_router(api)
    return router


class _Hub:
    """What all routes need."""

    def __init__(
        self, config: Config, registry: Callable[[], Registry], clock: Callable[[], float], gate: Gate
    ) -> None:
        self._compliance = config.data / COMPLIANCE
        self.registry, self.clock = registry, clock
        self.technician, self.viewer = Depends(gate.needs("technician")), Depends(gate.needs("viewer"))

    def opened(self, book: Callable[[sqlite3.Connection], T]) -> Callable[[], Iterator[T]]:
        """Return what FastAPI is to ask for a book in the hub's database."""

        def open_() -> Iterator[T]:
            with closing(open_compliance(self._compliance, PART)) as db:
                yield book(db)

        return open_


def _orders(router: APIRouter, hub: _Hub) -> None:
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
        _refuse_foreign(user, current, "board", asked.device)
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


def _configurations(router: APIRouter, hub: _Hub) -> None:
    Technician = Annotated[User, hub.technician]  # noqa: N806 - a type, as those below
    Viewer = Annotated[User, hub.viewer]  # noqa: N806
    Book = Annotated[DesiredBook, Depends(hub.opened(DesiredBook))]  # noqa: N806

    def change(place: Place, name: str, asked: DesiredAsked, user: User, desired: DesiredBook) -> DesiredChanged:
        _refuse_foreign(user, hub.registry(), place, name)
        changes = asked.model_dump(exclude={"reason", "seen"}, exclude_unset=True)
        made = desired.set(hub.registry(), place, name, changes, user.name, asked.reason, hub.clock(), asked.seen)
        return DesiredChanged(**desk.shown_change(made, hub.registry().zone))

    @router.patch(
        "/desired/boards/{board}",
        summary="Change how a board is to work; checked by the board's own rules",
        responses=answers(404, 409),
    )
    def set_board(board: Id, asked: DesiredAsked, user: Technician, desired: Book) -> BoardChanged:
        replaced = change("board", board, asked, user, desired).replaced
        return BoardChanged(**desk.shown_desired(desired, hub.registry(), board), replaced=replaced)

    @router.patch(
        "/desired/sites/{site}",
        summary="Change how all boards of a site are to work; checked by the boards' own rules",
        responses=answers(404, 409),
    )
    def set_site(site: Id, asked: DesiredAsked, user: Technician, desired: Book) -> DesiredChanged:
        return change("site", site, asked, user, desired)

    @router.get(
        "/desired/boards/{board}",
        summary="Show how a board is to work, and what it has said of it",
        responses=answers(404),
    )
    def show_board(board: Id, user: Viewer, desired: Book) -> DesiredShown:
        _refuse_foreign(user, hub.registry(), "board", board)
        return DesiredShown(**desk.shown_desired(desired, hub.registry(), board))

    @router.get(
        "/desired/boards/{board}/history",
        summary="List every change of how a board is to work: who, when, why",
        responses=answers(404),
    )
    def history(board: Id, user: Viewer, desired: Book) -> list[DesiredEdition]:
        _refuse_foreign(user, hub.registry(), "board", board)
        return [DesiredEdition(**one) for one in desk.shown_history(desired, hub.registry(), board)]


def _versions(router: APIRouter, api: APIRouter, hub: _Hub) -> None:
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


def _refuse_foreign(user: User, registry: Registry, place: Place, name: str) -> None:
    """Refuse what belongs to a district that does not concern the user, as if it were not there."""
    board = registry.boards.get(name)
    site = registry.sites.get(name if place == "site" else board.site if board else "")
    if user.districts and (site is None or not user.sees(site.district)):
        raise OrderError(Text(f"{place} {name!r} is not in the registry", f"登记册中没有{name!r}"), place, 404)
