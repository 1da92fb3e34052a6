"""The HTTP API of how boards are to work: of a board, of a site's boards, of all boards of a domain."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from hub.access.tokens import User
from hub.http.problem import answers
from hub.orders.desired import shown
from hub.orders.desired.book import DesiredBook, Place
from hub.orders.kinds import OrderError
from hub.orders.serving import Id, Serving, refuse_foreign
from schemas.language import Text


class DesiredAsked(BaseModel):
    """How boards are to work; a null leaves the key to the templates below, or the board's own file."""

    model_config = ConfigDict(extra="forbid")
    interval: Annotated[int | None, Field(description="Length of a record, s: a divisor of 60")] = None
    period: Annotated[float | None, Field(description="Between two samples of a sensor that is asked, s")] = None
    relay: Annotated[dict[str, Any] | None, Field(description="The board's own rule for its relay")] = None
    raw: Annotated[bool | None, Field(description="Report values before calibration, too")] = None
    outbox: Annotated[dict[str, Any] | None, Field(description="`max_bytes` that records may wait in")] = None
    brokers: Annotated[
        list[str] | None, Field(description="HOST or HOST:PORT, tried in this order; the board's own comes last")
    ] = None
    sensors: Annotated[
        list[dict[str, Any]] | None, Field(description="Settings of drivers, in place of the board's own file")
    ] = None
    reason: Annotated[str, Field(max_length=500, description="It stays with the change")] = ""
    seen: Annotated[
        int | None,
        Field(
            ge=0,
            description="`edition` as you have read it: a newer one of another's "
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
    pack: Annotated[str | None, Field(description="The domain pack of its kind of site")]
    pack_template: Annotated[dict[str, Any], Field(description="What its pack says")]
    template: Annotated[dict[str, Any], Field(description="What its site says")]
    overrides: Annotated[dict[str, Any], Field(description="What is other at this board")]
    pack_edition: Annotated[int, Field(description="Number of what its pack says; 0: nothing")]
    template_edition: Annotated[int, Field(description="Number of what its site says; 0: nothing")]
    edition: Annotated[int, Field(description="Number of what is other at this board; 0: nothing")]
    desired: Annotated[dict[str, Any], Field(description="All together; the rest is as the board's own file has it")]
    sources: Annotated[dict[str, Literal["pack", "site", "board"]], Field(description="By whom each key of it is said")]
    state: Literal["none", "pending", "in_force", "refused"]
    revision: int | None
    pending_since: str | None
    refused_because: str | None
    reported_revision: Annotated[int | None, Field(description="In force, as the board said last")]
    reported: Annotated[dict[str, Any] | None, Field(description="What that revision says, where the hub knows it")]
    diff: list[Difference]


class BoardDiffers(BaseModel):
    """A board of a template, and how far it is."""

    device: str
    site: str
    state: Literal["none", "pending", "in_force", "refused"]
    pending_since: str | None
    refused_because: str | None
    overrides: Annotated[dict[str, Any], Field(description="What is other at this board")]
    diff: list[Difference]


class TemplateShown(BaseModel):
    """What a pack or a site says of its boards' work."""

    place: Literal["pack", "site"]
    name: str
    settings: Annotated[dict[str, Any], Field(description="What it says itself")]
    edition: Annotated[int, Field(description="Its number; 0: nothing")]
    shipped: Annotated[
        dict[str, Any] | None, Field(description="What the pack ships; it holds once somebody has taken it over")
    ]
    desired: Annotated[dict[str, Any], Field(description="With what is said below it")]
    sources: dict[str, Literal["pack", "site"]]
    boards: Annotated[list[BoardDiffers], Field(description="Those that it concerns")]


class DesiredEdition(BaseModel):
    """A change of how a board or its site's boards are to work."""

    id: int
    time: str
    place: Literal["pack", "site", "board"]
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


def configurations(router: APIRouter, hub: Serving) -> None:
    """Add the routes."""
    _changing(router, hub)
    _looking(router, hub)


def _refuse(hub: Serving, user: User, place: Place, name: str) -> None:
    """Refuse what belongs to a district that does not concern the user."""
    if place == "pack" and user.districts:  # it is all districts' business
        text = Text(
            f"the template of {name} concerns every district; ask an admin of the whole city",
            f"{name}的模板涉及所有区，请联系全市管理员",
        )
        raise OrderError(text, "pack", 403)
    if place != "pack":
        refuse_foreign(user, hub.registry(), place, name)


def _changing(router: APIRouter, hub: Serving) -> None:
    Technician = Annotated[User, hub.technician]  # noqa: N806 - a type, as those below
    Admin = Annotated[User, hub.admin]  # noqa: N806
    Book = Annotated[DesiredBook, Depends(hub.opened(DesiredBook))]  # noqa: N806

    def change(place: Place, name: str, asked: DesiredAsked, user: User, desired: DesiredBook) -> DesiredChanged:
        _refuse(hub, user, place, name)
        changes = asked.model_dump(exclude={"reason", "seen"}, exclude_unset=True)
        made = desired.set(hub.registry(), place, name, changes, user.name, asked.reason, hub.clock(), asked.seen)
        return DesiredChanged(**shown.shown_change(made, hub.registry().zone))

    @router.patch(
        "/desired/boards/{board}",
        summary="Change how a board is to work; checked by the board's own rules",
        responses=answers(404, 409),
    )
    def set_board(board: Id, asked: DesiredAsked, user: Technician, desired: Book) -> BoardChanged:
        replaced = change("board", board, asked, user, desired).replaced
        return BoardChanged(**shown.shown_desired(desired, hub.registry(), board), replaced=replaced)

    @router.patch(
        "/desired/sites/{site}",
        summary="Change how all boards of a site are to work; checked by the rules of each",
        responses=answers(404, 409),
    )
    def set_site(site: Id, asked: DesiredAsked, user: Technician, desired: Book) -> DesiredChanged:
        return change("site", site, asked, user, desired)

    @router.patch(
        "/desired/packs/{pack}",
        summary="Change how all boards at a pack's kinds of sites are to work; checked by the rules of each",
        responses=answers(404, 409),
    )
    def set_pack(pack: Id, asked: DesiredAsked, user: Admin, desired: Book) -> DesiredChanged:
        return change("pack", pack, asked, user, desired)


def _looking(router: APIRouter, hub: Serving) -> None:
    Viewer = Annotated[User, hub.viewer]  # noqa: N806 - a type, as that below
    Book = Annotated[DesiredBook, Depends(hub.opened(DesiredBook))]  # noqa: N806

    @router.get(
        "/desired/boards/{board}",
        summary="Show how a board is to work, and what it has said of it",
        responses=answers(404),
    )
    def show_board(board: Id, user: Viewer, desired: Book) -> DesiredShown:
        _refuse(hub, user, "board", board)
        return DesiredShown(**shown.shown_desired(desired, hub.registry(), board))

    @router.get(
        "/desired/sites/{site}",
        summary="Show what a site says of its boards' work, and how far each is",
        responses=answers(404),
    )
    def show_site(site: Id, user: Viewer, desired: Book) -> TemplateShown:
        _refuse(hub, user, "site", site)
        return TemplateShown(**shown.shown_template(desired, hub.registry(), "site", site))

    @router.get(
        "/desired/packs/{pack}",
        summary="Show what a pack says of its boards' work, what it ships, and how far each board is",
        responses=answers(404),
    )
    def show_pack(pack: Id, user: Viewer, desired: Book) -> TemplateShown:
        _refuse(hub, user, "pack", pack)
        return TemplateShown(**shown.shown_template(desired, hub.registry(), "pack", pack))

    def add_history(place: Place, summary: str) -> None:
        @router.get(f"/desired/{place}s/{{name}}/history", summary=summary, responses=answers(404))
        def history(name: Id, user: Viewer, desired: Book) -> list[DesiredEdition]:
            _refuse(hub, user, place, name)
            return [DesiredEdition(**one) for one in shown.shown_history(desired, hub.registry(), place, name)]

    add_history("board", "List every change of how a board is to work: who, when, why")
    add_history("site", "List every change of how a site's boards are to work: who, when, why")
    add_history("pack", "List every change of how a pack's boards are to work: who, when, why")
