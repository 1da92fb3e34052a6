"""The HTTP API of orders to boards and of how they are to work; every request carries a user's token."""

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, status
from pydantic import BaseModel, ConfigDict, Field

from hub.access.caller import Gate
from hub.access.tokens import User
from hub.config.files import Config
from hub.http.problem import EVERY, answers
from hub.http.problems import ProblemRoute, RequestError
from hub.orders import desk
from hub.orders.book import LONGEST, SHORTEST, OrderBook, State, no_order
from hub.orders.desired import DesiredBook, Place
from hub.orders.kinds import OrderError, What
from hub.orders.tables import PART
from hub.registry.live import Registry
from hub.storage.compliance_file import COMPLIANCE, open_compliance
from schemas.language import Text

Short = Annotated[str, Query(max_length=100)]


class OrderAsked(BaseModel):
    """An order that somebody gives a board; which of the settings it takes, `what` decides."""

    model_config = ConfigDict(extra="forbid")
    device: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,32}$", description="The board")]
    what: What
    on: Annotated[bool | None, Field(description="of `relay`")] = None
    minutes: Annotated[int | None, Field(ge=1, le=1440, description="of `relay`, `live` and `flag`")] = None
    lines: Annotated[int | None, Field(ge=1, le=30, description="of `log`")] = None
    flag: Annotated[Literal["M", "C", "N"] | None, Field(description="of `flag`, in the letters of HJ 212")] = None
    sensor: Annotated[str | None, Field(max_length=32, description="of `flag`; none: all sensors")] = None
    reason: Annotated[str, Field(max_length=500, description="It stands in the audit trail")] = ""
    expires_in: Annotated[int, Field(ge=SHORTEST, le=LONGEST, description="So long the board may begin with it, s")] = (
        desk.USUAL
    )


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
    what: What
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

    time: str
    place: Literal["site", "board"]
    name: str
    settings: dict[str, Any]
    who: str
    reason: str


class _Route(ProblemRoute):
    """Also tells which order cannot be given."""

    def refusal(self, error: Exception) -> RequestError | None:
        """See `ProblemRoute`."""
        if isinstance(error, OrderError):
            return RequestError(error.status, error.text, error.field)
        return super().refusal(error)


def order_router(config: Config, registry: Callable[[], Registry], clock: Callable[[], float], gate: Gate) -> APIRouter:
    """Return the API as a part of the hub's HTTP server.

    `registry` gives the registry as it is now, `clock` Unix time in s. `gate` lets users in.
    """
    router = APIRouter(prefix="/api/v1", tags=["orders"], route_class=_Route, responses=answers(*EVERY))

    def book() -> Iterator[OrderBook]:
        with closing(open_compliance(config.data / COMPLIANCE, PART)) as db:
            yield OrderBook(db)

    technician, viewer = Depends(gate.needs("technician")), Depends(gate.needs("viewer"))
    Book = Annotated[OrderBook, Depends(book)]  # noqa: N806 - a type
    _configurations(router, config, registry, clock, technician, viewer)

    @router.post(
        "/orders",
        status_code=status.HTTP_201_CREATED,
        summary="Give a board an order; it is repeated until the board answers or it expires",
        responses=answers(404, 409),
    )
    def give(asked: OrderAsked, user: Annotated[User, technician], orders: Book) -> OrderShown:
        settings = asked.model_dump(exclude={"device", "what", "reason", "expires_in"}, exclude_none=True)
        now, current = clock(), registry()
        _refuse_foreign(user, current, "board", asked.device)
        lives = float(asked.expires_in)
        order = desk.give(orders, current, asked.device, asked.what, settings, user.name, asked.reason, now, lives)
        return OrderShown(**desk.shown(order, current.zone))

    @router.get("/orders", summary="List orders, the newest first")
    def list_orders(
        user: Annotated[User, viewer],
        orders: Book,
        board: Short = "",
        district: Short = "",
        only_open: Annotated[bool, Query(alias="open", description="only those that are not over")] = False,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
        cursor: Annotated[int | None, Query(ge=1, le=2**63 - 1, description="of the page before")] = None,
    ) -> Orders:
        found = orders.search(board, district, user.districts, only_open=only_open, before=cursor, most=limit + 1)
        zone = registry().zone
        page = [OrderShown(**desk.shown(order, zone)) for order in found[:limit]]
        return Orders(orders=page, cursor=page[-1].id if len(found) > limit else None)

    @router.get("/orders/{id}", summary="Show an order with its audit trail", responses=answers(404))
    def show(
        id: Annotated[int, Path(ge=1, le=2**63 - 1)],  # noqa: A002
        user: Annotated[User, viewer],
        orders: Book,
    ) -> OrderDetail:
        order, zone = orders.get(id), registry().zone
        if not user.sees(order.district):
            raise no_order(id)
        steps = [OrderStep(**desk.shown_step(step, zone)) for step in orders.steps(id)]
        return OrderDetail(**desk.shown(order, zone), steps=steps)

    return router


def _configurations(
    router: APIRouter,
    config: Config,
    registry: Callable[[], Registry],
    clock: Callable[[], float],
    technician: Any,
    viewer: Any,
) -> None:
    Id = Annotated[str, Path(pattern=r"^[a-z0-9-]{1,32}$")]  # noqa: N806 - a type

    def book() -> Iterator[DesiredBook]:
        with closing(open_compliance(config.data / COMPLIANCE, PART)) as db:
            yield DesiredBook(db)

    Book = Annotated[DesiredBook, Depends(book)]  # noqa: N806 - a type

    def change(place: Place, name: str, asked: DesiredAsked, user: User, desired: DesiredBook) -> dict[str, Any]:
        _refuse_foreign(user, registry(), place, name)
        changes = asked.model_dump(exclude={"reason"}, exclude_unset=True)
        return desired.set(registry(), place, name, changes, user.name, asked.reason, clock())

    @router.patch(
        "/desired/boards/{id}",
        summary="Change how a board is to work; checked by the board's own rules",
        responses=answers(404),
    )
    def set_board(
        id: Id,  # noqa: A002
        asked: DesiredAsked,
        user: Annotated[User, technician],
        desired: Book,
    ) -> DesiredShown:
        change("board", id, asked, user, desired)
        return DesiredShown(**desk.shown_desired(desired, registry(), id))

    @router.patch(
        "/desired/sites/{id}",
        summary="Change how all boards of a site are to work; checked by the boards' own rules",
        responses=answers(404),
    )
    def set_site(
        id: Id,  # noqa: A002
        asked: DesiredAsked,
        user: Annotated[User, technician],
        desired: Book,
    ) -> dict[str, Any]:
        return change("site", id, asked, user, desired)

    @router.get(
        "/desired/boards/{id}",
        summary="Show how a board is to work, and what it has said of it",
        responses=answers(404),
    )
    def show_board(
        id: Id,  # noqa: A002
        user: Annotated[User, viewer],
        desired: Book,
    ) -> DesiredShown:
        _refuse_foreign(user, registry(), "board", id)
        return DesiredShown(**desk.shown_desired(desired, registry(), id))

    @router.get(
        "/desired/boards/{id}/history",
        summary="List every change of how a board is to work: who, when, why",
        responses=answers(404),
    )
    def history(
        id: Id,  # noqa: A002
        user: Annotated[User, viewer],
        desired: Book,
    ) -> list[DesiredEdition]:
        _refuse_foreign(user, registry(), "board", id)
        return [DesiredEdition(**one) for one in desk.shown_history(desired, registry(), id)]


def _refuse_foreign(user: User, registry: Registry, place: Place, name: str) -> None:
    """Refuse what belongs to a district that does not concern the user, as if it were not there."""
    board = registry.boards.get(name)
    site = registry.sites.get(name if place == "site" else board.site if board else "")
    if user.districts and (site is None or not user.sees(site.district)):
        raise OrderError(Text(f"{place} {name!r} is not in the registry", f"登记册中没有{name!r}"), place, 404)
