"""The HTTP API of alerts, verdicts and maintenance windows: /api/v1. Every request carries a user's token."""

import logging
import math
import sqlite3
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response, Security, status
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import AwareDatetime

from hub.access.refusals import NO_TOKEN, TOO_OFTEN
from hub.access.tokens import Access, Role, allows
from hub.alerts import models
from hub.alerts.desk import Desk, DeskError, check_place
from hub.alerts.presenter import Presenter, by_rule
from hub.config.files import Config
from hub.http.problems import Rate, RequestError, invalid, language, problem
from hub.registry.live import Registry
from hub.storage.compliance_tables import STEPS
from hub.storage.database import DatabaseError, open_database
from schemas import Limit, Quantity, Standard
from schemas.language import Text

MOST = 500
"""Alerts or verdicts on one page at most."""

_TOLD = {
    401: "No token, or one that nobody has",
    403: "The role does not allow it",
    404: "There is no such thing",
    409: "The alert's state does not allow it",
    413: "The body is too large",
    422: "A field is wrong; `field` names it",
    429: "Too many requests; Retry-After says when to ask again, in s",
    503: "The database does not answer; ask again",
}
_SCHEMA = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    code: {"description": told, "content": _SCHEMA} for code, told in _TOLD.items()
}
Id = Annotated[int, Path(ge=1, le=2**63 - 1)]
Cursor = Annotated[int | None, Query(ge=1, le=2**63 - 1, description="of the page before")]
Short = Annotated[str, Query(max_length=100)]
log = logging.getLogger("hub.http")
_bearer = HTTPBearer(auto_error=False, description="The token that `fenceline access add` showed")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and with what to answer."""

    name: str
    role: Role
    desk: Desk
    present: Presenter


class ProblemRoute(APIRoute):
    """Answers what is refused as problem JSON that names the field (RFC 9457)."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the handler."""
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                return await handle(request)
            except RequestValidationError as error:
                refused = invalid(error.errors()[0])
            except DeskError as error:
                refused = RequestError(error.status, error.text, error.field)
            except RequestError as error:
                refused = error
            except (sqlite3.OperationalError, DatabaseError) as error:
                log.error("http: %s", error)  # noqa: TRY400
                text = Text("the database does not answer; ask again", "数据库暂无响应，请重试")
                refused = RequestError(503, text, headers={"Retry-After": "5"})
            return problem(refused, language(request.headers.get("accept-language")))

        return handled


def alert_router(
    config: Config,
    registry: Callable[[], Registry],
    limits: list[tuple[Standard, Limit]],
    quantities: dict[str, Quantity],
    clock: Callable[[], float],
    rate: Rate | None = None,
) -> APIRouter:
    """Return the API as a part of the hub's HTTP server.

    `registry` gives the registry as it is now, `clock` Unix time in s. `rate`: how often one user may ask.
    """
    router = APIRouter(prefix="/api/v1", route_class=ProblemRoute, responses=_PROBLEMS)
    catalogue, rate = by_rule(limits), rate or Rate()
    path = config.data / "compliance.db"

    def allowed(needed: Role) -> Callable[..., Iterator[Caller]]:
        def caller(
            response: Response,
            credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
            accept_language: Annotated[str | None, Header()] = None,
        ) -> Iterator[Caller]:
            with closing(open_database(path, STEPS)) as db:
                user = Access(db).who(credentials.credentials) if credentials else None
                if user is None:
                    raise RequestError(401, NO_TOKEN, headers={"WWW-Authenticate": "Bearer"})
                name, role = user
                if pause := rate.wait(name, time.monotonic()):
                    raise RequestError(429, TOO_OFTEN, headers={"Retry-After": f"{math.ceil(pause)}"})
                if not allows(role, needed):
                    text = Text(
                        f"{name} is {role}; this needs the role {needed}, ask an admin",
                        f"{name}的角色是{role}，此操作需要{needed}；请联系管理员",
                    )
                    raise RequestError(403, text)
                lang = language(accept_language)
                response.headers["Content-Language"] = lang.value
                response.headers["Cache-Control"] = "no-store"
                yield Caller(name, role, Desk(db, clock), Presenter(config, registry(), catalogue, quantities, lang))

        return caller

    viewer, officer, admin = (Depends(allowed(role)) for role in ("viewer", "officer", "admin"))
    _alerts(router, viewer, officer)
    _verdicts(router, viewer)
    _maintenance(router, viewer, admin, registry)
    return router


def _alerts(router: APIRouter, viewer: Any, officer: Any) -> None:
    @router.get("/alerts", tags=["alerts"], summary="List alerts, the newest first")
    def list_alerts(
        caller: Annotated[Caller, viewer],
        state: Annotated[models.StateAsked | None, Query(description="open: not over yet")] = None,
        district: Short = "",
        site: Short = "",
        kind: Annotated[models.Kind | None, Query(description="limit, or a trouble of the network")] = None,
        standard: Annotated[str, Query(max_length=100, description='such as "GB 12523-2025"')] = "",
        severity: Annotated[models.SeverityName | None, Query()] = None,
        since: Annotated[AwareDatetime | None, Query(description="opened then or later: ISO 8601 with offset")] = None,
        limit: Annotated[int, Query(ge=1, le=MOST)] = 100,
        cursor: Cursor = None,
    ) -> models.Alerts:
        rows = caller.desk.find(
            state=state or "",
            kind=kind or "",
            district=district,
            site=site,
            standard=standard,
            severity=severity or "",
            since=since.timestamp() if since else None,
            before=cursor,
            limit=limit + 1,
        )
        shown = rows[:limit]
        following = shown[-1]["id"] if len(rows) > limit else None
        return models.Alerts(alerts=[caller.present.alert(row) for row in shown], cursor=following)

    @router.get("/alerts/{id}", tags=["alerts"], summary="Show an alert, what it rests on, and all that was done")
    def show_alert(caller: Annotated[Caller, viewer], id: Id) -> models.AlertDetail:  # noqa: A002
        return caller.present.detail(caller.desk.get(id), caller.desk)

    @router.get(
        "/alerts/{id}/messages", tags=["alerts"], summary="The boards' messages that an alert rests on, verbatim"
    )
    def show_messages(
        caller: Annotated[Caller, viewer],
        id: Id,  # noqa: A002
        limit: Annotated[int, Query(ge=1, le=MOST)] = 100,
        cursor: Cursor = None,
    ) -> models.Messages:
        return caller.present.messages(caller.desk.get(id), caller.desk, cursor or 0, limit)

    @router.post("/alerts/{id}/acknowledge", tags=["alerts"], summary="Take an alert in hand: it is not escalated")
    def acknowledge(caller: Annotated[Caller, officer], id: Id, remark: models.Remark | None = None) -> models.Alert:  # noqa: A002
        return caller.present.alert(caller.desk.acknowledge(id, caller.name, _text(remark)))

    @router.post("/alerts/{id}/comment", tags=["alerts"], summary="Add a remark to an alert")
    def comment(caller: Annotated[Caller, officer], id: Id, remark: models.Remark) -> models.Alert:  # noqa: A002
        return caller.present.alert(caller.desk.comment(id, caller.name, remark.text))

    @router.post("/alerts/{id}/close", tags=["alerts"], summary="Put an alert away; one not resolved, only an admin")
    def close(caller: Annotated[Caller, officer], id: Id, remark: models.Remark | None = None) -> models.Alert:  # noqa: A002
        closed = caller.desk.close(id, caller.name, _text(remark), admin=caller.role == "admin")
        return caller.present.alert(closed)


def _verdicts(router: APIRouter, viewer: Any) -> None:
    @router.get("/verdicts", tags=["verdicts"], summary="List verdicts, the newest first")
    def list_verdicts(
        caller: Annotated[Caller, viewer],
        district: Short = "",
        site: Short = "",
        board: Short = "",
        rule: Annotated[str, Query(max_length=200, description='such as "GB 12523-2025 laeq-day"')] = "",
        outcome: Annotated[str, Query(pattern="^(compliant|exceeded|invalid)?$")] = "",
        since: Annotated[AwareDatetime | None, Query(description="windows that start then or later")] = None,
        until: Annotated[AwareDatetime | None, Query(description="windows that start before")] = None,
        limit: Annotated[int, Query(ge=1, le=MOST)] = 100,
        cursor: Cursor = None,
    ) -> models.Verdicts:
        wanted: dict[str, object] = {"district = ?": district, "site = ?": site, "device = ?": board, "rule = ?": rule}
        wanted |= {"outcome = ?": outcome, "start >= ?": since and since.timestamp()}
        wanted |= {"start < ?": until and until.timestamp(), "id < ?": cursor}
        tests = {test: value for test, value in wanted.items() if value}
        where = " AND ".join(tests) or "1"
        sql = f"SELECT *, {_ALERT} FROM verdict WHERE {where} ORDER BY id DESC LIMIT ?"  # noqa: S608 - tests are above
        rows = caller.desk.book.rows(sql, *tests.values(), limit + 1)
        shown = rows[:limit]
        following = shown[-1]["id"] if len(rows) > limit else None
        return models.Verdicts(verdicts=[caller.present.verdict(row) for row in shown], cursor=following)


def _maintenance(router: APIRouter, viewer: Any, admin: Any, registry: Callable[[], Registry]) -> None:
    @router.get("/maintenance", tags=["maintenance"], summary="List the maintenance windows that are not over")
    def list_maintenance(caller: Annotated[Caller, viewer]) -> list[models.Maintenance]:
        return [caller.present.maintenance(row) for row in caller.desk.maintenance()]

    @router.post(
        "/maintenance",
        tags=["maintenance"],
        status_code=status.HTTP_201_CREATED,
        summary="Tell nobody of what happens at a site for a while; it stays on record",
    )
    def add_maintenance(caller: Annotated[Caller, admin], wanted: models.MaintenanceWanted) -> models.Maintenance:
        check_place(registry(), wanted.site, wanted.board)
        begins, ends = wanted.from_.timestamp(), wanted.to.timestamp()
        row = caller.desk.add_maintenance(wanted.site, wanted.board, begins, ends, wanted.reason, caller.name)
        return caller.present.maintenance(row)

    @router.delete(
        "/maintenance/{id}",
        tags=["maintenance"],
        status_code=status.HTTP_204_NO_CONTENT,
        summary="Take a maintenance window back",
    )
    def remove_maintenance(caller: Annotated[Caller, admin], id: Id) -> None:  # noqa: A002
        caller.desk.remove_maintenance(id, caller.name)


_ALERT = (
    "(SELECT max(w.alert) FROM alert a JOIN alert_window w ON w.alert = a.id AND w.start = verdict.start "
    "WHERE a.device = verdict.device AND a.rule = verdict.rule) AS alert"
)


def _text(remark: models.Remark | None) -> str:
    return remark.text if remark else ""
