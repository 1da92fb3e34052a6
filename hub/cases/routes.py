"""The HTTP API of cases: /api/v1/cases. Every request carries a user's token."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response, status
from pydantic import AwareDatetime

from hub.access.caller import Gate
from hub.access.tokens import User
from hub.cases import models
from hub.cases.attachments.store import attach, of_case
from hub.cases.bridge import join_alert, open_from_alert
from hub.cases.desk import CaseDesk
from hub.cases.evaluating import checked, evaluate
from hub.cases.opening import open_cases
from hub.cases.present import history_digest, shown, shown_event, shown_numbers, shown_similar
from hub.cases.refusal import MOST_TEXT, CaseError, wrong
from hub.cases.rules.rates import By
from hub.cases.rules.records import Case, Shows, StateAsked
from hub.cases.rules.rulebook import LiveRulebook
from hub.config.files import Config
from hub.http.problem import EVERY, answers
from hub.http.problems import ProblemRoute, RequestError, language
from hub.registry.live import Registry
from hub.storage.compliance_file import COMPLIANCE
from schemas.language import Lang

MOST = 500
"""Cases on one page at most."""

Id = Annotated[int, Path(ge=1, le=2**63 - 1)]
Short = Annotated[str, Query(max_length=100)]
Digest = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")]
NOSNIFF = {"X-Content-Type-Options": "nosniff", "Content-Disposition": "attachment"}
Key = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        max_length=100,
        description="the caller's own name for this act: sent again with it, it takes effect once",
    ),
]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and with what to answer."""

    desk: CaseDesk
    lang: Lang
    now: float

    def case(self, case: Case) -> models.CaseShown:
        """Return a case as the API shows it."""
        return models.CaseShown(**shown(case, self.desk, self.lang, self.now))

    def detail(self, case: Case) -> models.CaseDetail:
        """Return a case with its history."""
        history = self.desk.book.events(case.id)
        return models.CaseDetail(
            **shown(case, self.desk, self.lang, self.now),
            events=[models.CaseEvent(**shown_event(event, self.desk, self.lang)) for event in history],
            history_sha256=history_digest(history),
            similar=[models.Alike(**one) for one in shown_similar(case, self.desk)],
            may=self.desk.may(case),
            joined=self.desk.joined,
        )


class _Route(ProblemRoute):
    """Also tells what cannot be done with a case as it is."""

    def refusal(self, error: Exception) -> RequestError | None:
        """See `ProblemRoute`."""
        if isinstance(error, CaseError):
            return RequestError(error.status, error.text, error.field)
        return super().refusal(error)


def case_router(config: Config, registry: Callable[[], Registry], clock: Callable[[], float], gate: Gate) -> APIRouter:
    """Return the API as a part of the hub's HTTP server.

    `registry` gives the registry as it is now, `clock` Unix time in s. `gate` lets users in.

    Raises:
        ConfigError: the rulebook cannot be used.
    """
    router = APIRouter(prefix="/api/v1", tags=["cases"], route_class=_Route, responses=answers(*EVERY))
    rules = LiveRulebook(config.cases.folder, registry().zone)

    def caller(
        response: Response,
        user: Annotated[User, Depends(gate.needs("viewer"))],
        accept_language: Annotated[str | None, Header()] = None,
    ) -> Iterator[Caller]:
        lang = language(accept_language)
        response.headers["Content-Language"] = lang.value
        response.headers["Cache-Control"] = "no-store"
        with closing(open_cases(config.data)) as db:
            desk = CaseDesk(db, rules.current(), registry(), clock, user, joined=config.cases.joined)
            desk.follow_calendar()
            yield Caller(desk, lang, clock())

    _acts(router, config, Depends(caller))
    _files(router, config, Depends(caller))
    _views(router, clock, Depends(caller))
    return router


def _acts(router: APIRouter, config: Config, caller: Any) -> None:
    compliance = config.data / COMPLIANCE

    @router.post(
        "/cases",
        status_code=status.HTTP_201_CREATED,
        summary="Take a report: it becomes a case. An alert that has a case already gives that",
        responses=answers(404, 409),
    )
    def report(asks: Annotated[Caller, caller], asked: models.CaseAsked, key: Key = "") -> models.CaseDetail:
        if asked.source == "alert":
            if asked.alert is None:
                raise wrong("alert", "expected the alert's number", "须给出告警编号")
            if asked.district or asked.site or asked.place or asked.lat is not None or asked.lon is not None:
                raise wrong(
                    "district", "an alert's case is where the alert is; leave the place out", "由告警立案时不得另给地点"
                )
            case = open_from_alert(asks.desk, compliance, asked.alert, asked.code, asked.text, key)
        else:
            if asked.alert is not None:
                raise wrong("alert", "expected only with source = alert", "仅在来源为告警时给出")
            where = {name: getattr(asked, name) for name in ("site", "lat", "lon", "place")}
            case = asks.desk.report(asked.source, asked.district, asked.code, asked.text, key=key, **where)
        return asks.detail(case)

    @router.post(
        "/cases/{id}/acts", summary="Do something with a case, by the table of transitions", responses=answers(404, 409)
    )
    def act(
        asks: Annotated[Caller, caller],
        id: Id,  # noqa: A002
        asked: models.ActAsked,
        key: Key = "",
    ) -> models.CaseDetail:
        given = asked.model_dump(exclude={"what", "seen", "text"}, exclude_none=True)
        if asked.what == "join_alert" and asked.alert is not None:
            case = join_alert(asks.desk, compliance, id, asked.alert, asked.seen, key, asked.text)
        else:
            case = asks.desk.act(id, asked.what, asked.text, key=key, seen=asked.seen, **given)
        return asks.detail(case)


def _files(router: APIRouter, config: Config, caller: Any) -> None:
    @router.post(
        "/cases/{id}/attachments",
        status_code=status.HTTP_201_CREATED,
        summary="Attach a photograph or document: JPEG, PNG, WebP or PDF, told by its content, which is the body",
        responses=answers(404, 409, 507),
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
            }
        },
    )
    async def attach_file(
        asks: Annotated[Caller, caller],
        request: Request,
        id: Id,  # noqa: A002
        shows: Shows,
        seen: Annotated[models.Number, Query(description="`seq` of the case as it was read")],
        name: Annotated[str, Query(max_length=500, description="the file's own name")] = "",
        text: Annotated[str, Query(max_length=MOST_TEXT)] = "",
        key: Key = "",
    ) -> models.CaseDetail:
        content = await request.body()

        def work() -> models.CaseDetail:
            case = attach(asks.desk, config, id, name, content, shows, seen=seen, key=key, text=text)
            return asks.detail(case)

        return await to_thread.run_sync(work)

    @router.get(
        "/cases/{id}/attachments/{sha256}",
        summary="Get a file of a case: the original, or with shown=true a smaller picture without EXIF",
        responses=answers(404),
        response_class=Response,
    )
    def give_file(
        asks: Annotated[Caller, caller],
        id: Id,  # noqa: A002
        sha256: Digest,
        shown: bool = False,
    ) -> Response:
        told, kept = of_case(asks.desk, config.data, id, sha256)
        if shown and kept.shown is not None:
            return Response(kept.shown, media_type="image/jpeg", headers=NOSNIFF)
        return Response(kept.content, media_type=told.media, headers=NOSNIFF)


def _views(router: APIRouter, clock: Callable[[], float], caller: Any) -> None:
    @router.get("/cases", summary="List cases, the newest first")
    def list_cases(
        asks: Annotated[Caller, caller],
        state: Annotated[StateAsked | None, Query(description="open: not over yet")] = None,
        district: Short = "",
        code: Short = "",
        department: Short = "",
        limit: Annotated[int, Query(ge=1, le=MOST)] = 100,
        cursor: Annotated[int | None, Query(ge=1, le=2**63 - 1, description="of the page before")] = None,
    ) -> models.Cases:
        found = asks.desk.book.search(
            state=state or "",
            district=district,
            districts=asks.desk.user.districts,
            code=code,
            department=department,
            before=cursor,
            limit=limit + 1,
        )
        page = [asks.case(one) for one in found[:limit]]
        following = page[-1].id if len(found) > limit else None
        return models.Cases(cases=page, cursor=following, joined=asks.desk.joined)

    @router.get("/cases/rates", summary="Rates of a period: a case counts as it was at its end")
    def show_rates(
        asks: Annotated[Caller, caller],
        begins: Annotated[AwareDatetime, Query(alias="from")],
        ends: Annotated[AwareDatetime | None, Query(alias="to", description="the moment before which it ends")] = None,
        by: By = "all",
        district: Short = "",
        cases: Annotated[bool, Query(description="tell the cases behind each number")] = False,
    ) -> models.RatesShown:
        begin, end = checked(begins.timestamp(), ends.timestamp() if ends else clock())
        groups = evaluate(asks.desk, begin, end, by, district)
        told = [models.GroupShown(**shown_numbers(name, one, cases=cases)) for name, one in groups.items()]
        return models.RatesShown(groups=told, joined=asks.desk.joined)

    @router.get("/cases/{id}", summary="Show a case with its history", responses=answers(404))
    def show_case(asks: Annotated[Caller, caller], id: Id) -> models.CaseDetail:  # noqa: A002
        return asks.detail(asks.desk.get(id))
