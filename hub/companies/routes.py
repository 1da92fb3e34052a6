"""The HTTP API of enterprises and their marks: /api/v1. Somebody of an enterprise is shown that one alone."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from anyio import to_thread
from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response, status

from hub.access.caller import Gate
from hub.access.tokens import User
from hub.companies import models
from hub.companies.desk import CompanyDesk
from hub.companies.words import shown, shown_event
from hub.config.files import Config
from hub.http.problem import EVERY, answers
from hub.http.problems import ProblemRoute, RequestError, language
from hub.registry.live import Registry
from hub.storage.compliance_file import COMPLIANCE, open_compliance
from hub.things.marks.records import Mark, Standing
from hub.things.marks.tables import PART as MARKS
from hub.things.tables import PART as THINGS
from schemas import Quantity
from schemas.language import Lang, Text

MOST = 500
"""Marks on one page at most."""
Id = Annotated[int, Path(ge=1, le=2**63 - 1)]
Short = Annotated[str, Query(max_length=100)]
Digest = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")]
NOSNIFF = {"X-Content-Type-Options": "nosniff", "Content-Disposition": "attachment"}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and with what to answer."""

    desk: CompanyDesk
    lang: Lang
    registry: Registry

    def mark(self, mark: Mark) -> models.MarkShown:
        """Return a mark as the API shows it."""
        return models.MarkShown(**shown(mark, self.registry.zone, self.lang, self.desk.clock()))

    def detail(self, mark: Mark) -> models.MarkDetail:
        """Return a mark with its events."""
        zone = self.registry.zone
        events = [models.EventShown(**shown_event(one, zone, self.lang)) for one in self.desk.store.events(mark.id)]
        return models.MarkDetail(**shown(mark, zone, self.lang, self.desk.clock()), events=events)


def company_router(
    config: Config,
    registry: Callable[[], Registry],
    quantities: dict[str, Quantity],
    clock: Callable[[], float],
    gate: Gate,
    doubt: Callable[[], Text | None] = lambda: None,
) -> APIRouter:
    """Return the API as a part of the hub's HTTP server.

    `registry` gives the registry as it is now, `clock` Unix time in s, `doubt` why that is in doubt. `gate` lets users
    in.
    """
    router = APIRouter(prefix="/api/v1", tags=["enterprises"], route_class=ProblemRoute, responses=answers(*EVERY))

    def caller(
        response: Response,
        user: Annotated[User, Depends(gate.needs("anybody"))],
        accept_language: Annotated[str | None, Header()] = None,
    ) -> Iterator[Caller]:
        lang = language(accept_language)
        response.headers["Content-Language"] = lang.value
        response.headers["Cache-Control"] = "no-store"
        with closing(open_compliance(config.data / COMPLIANCE, THINGS, MARKS)) as db:
            yield Caller(CompanyDesk(db, config, registry(), quantities, clock, user, doubt), lang, registry())

    _views(router, Depends(caller))
    _acts(router, Depends(caller))
    return router


def _views(router: APIRouter, caller: Any) -> None:
    @router.get("/enterprises", summary="List the enterprises that the caller sees")
    def list_enterprises(asks: Annotated[Caller, caller]) -> models.Enterprises:
        found = [
            models.Enterprise(
                id=one.id, en=one.en, zh=one.zh, outlets=[outlet.id for outlet in asks.desk.outlets(one.id)]
            )
            for one in asks.desk.enterprises()
        ]
        return models.Enterprises(enterprises=found)

    @router.get("/marks", summary="List marks, the newest first")
    def list_marks(
        asks: Annotated[Caller, caller],
        outlet: Short = "",
        enterprise: Short = "",
        standing: Annotated[Standing | None, Query()] = None,
        limit: Annotated[int, Query(ge=1, le=MOST)] = 100,
        cursor: Annotated[int | None, Query(ge=1, le=2**63 - 1, description="of the page before")] = None,
    ) -> models.MarksShown:
        desk = asks.desk
        outlets = (
            [desk.outlet(outlet)] if outlet else desk.outlets(desk.enterprise(enterprise).id if enterprise else "")
        )
        now = desk.clock()
        found = [
            one
            for one in desk.marks(outlets)
            if (cursor is None or one.id < cursor) and standing in {None, one.standing(now)}
        ]
        page = found[:limit]
        following = page[-1].id if len(found) > limit else None
        return models.MarksShown(marks=[asks.mark(one) for one in page], cursor=following)

    @router.get("/marks/{id}", summary="Show a mark with all that was logged of it", responses=answers(404))
    def show_mark(asks: Annotated[Caller, caller], id: Id) -> models.MarkDetail:  # noqa: A002
        return asks.detail(asks.desk.mark(id))

    @router.get(
        "/marks/{id}/proofs/{sha256}",
        summary="Get a document of a mark",
        responses=answers(404),
        response_class=Response,
    )
    def give_proof(asks: Annotated[Caller, caller], id: Id, sha256: Digest) -> Response:  # noqa: A002
        told, kept = asks.desk.proof(id, sha256)
        return Response(kept.content, media_type=told.media, headers=NOSNIFF)


def _acts(router: APIRouter, caller: Any) -> None:
    @router.post(
        "/marks",
        status_code=status.HTTP_201_CREATED,
        summary="Log a mark, as somebody of the enterprise; the hub's time counts",
        responses=answers(404, 503, 507),
    )
    def log(asks: Annotated[Caller, caller], asked: models.MarkAsked) -> models.MarkDetail:
        mark = asks.desk.log(
            asked.outlet,
            asked.kind,
            asked.begin.timestamp(),
            asked.end.timestamp(),
            asked.reason,
            quantities=asked.quantities,
            seen=asked.seen,
        )
        return asks.detail(mark)

    @router.post(
        "/marks/{id}/proofs",
        summary="Add a document that proves a mark: the body is the file, told by its content",
        responses=answers(404, 409, 503, 507),
        openapi_extra={"requestBody": {"content": {"application/octet-stream": {}}, "required": True}},
    )
    async def prove(
        request: Request,
        asks: Annotated[Caller, caller],
        id: Id,  # noqa: A002
        name: Annotated[str, Query(max_length=500, description="the file's own name")] = "",
    ) -> models.MarkDetail:
        content = await request.body()
        return await to_thread.run_sync(lambda: asks.detail(asks.desk.prove(id, name, content)))

    @router.post(
        "/marks/{id}/{act}",
        summary="End a mark earlier or withdraw it (the enterprise), accept or reject it (an officer)",
        responses=answers(404, 409, 503, 507),
    )
    def act(
        asks: Annotated[Caller, caller],
        id: Id,  # noqa: A002
        act: Literal["end", "withdraw", "accept", "reject"],
        change: models.Change,
    ) -> models.MarkDetail:
        desk = asks.desk
        if act == "end":
            if change.end is None:
                raise RequestError(422, Text("expected the moment at which it ended", "须给出结束时间"), "end")
            return asks.detail(desk.end(id, change.end.timestamp()))
        if act == "withdraw":
            return asks.detail(desk.withdraw(id, change.text))
        return asks.detail(desk.decide(id, act, change.text, change.seen))
