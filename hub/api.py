"""The HTTP API of alerts, verdicts and maintenance windows: /api/v1. Every request carries a user's token."""

import sqlite3
from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, HTTPException, Query, Request, Response, Security, status
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import AwareDatetime

from hub import api_models as models
from hub.access import Access, Role, allows
from hub.alert_desk import Desk, DeskError
from hub.alert_present import Presenter, by_rule
from hub.compliance import STEPS
from hub.config import Config
from hub.database import open_database
from hub.language import Lang, Text
from hub.registry import Registry
from schemas import Limit, Quantity, Standard

MOST = 500
"""Alerts or verdicts on one page at most."""

_PROBLEMS: dict[int | str, dict[str, Any]] = {
    401: {"model": models.Problem, "description": "No token, or one that nobody has"},
    403: {"model": models.Problem, "description": "The role does not allow it"},
    422: {"model": models.Problem, "description": "A field is wrong; `field` names it"},
}
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
                first = error.errors()[0]
                field = ".".join(str(part) for part in first["loc"] if part not in {"query", "body", "path"})
                return problem(422, first["msg"], field or "body")
            except DeskError as error:
                return problem(
                    error.status, error.text.into(language(request.headers.get("accept-language"))), error.field
                )
            except HTTPException as error:
                return problem(error.status_code, str(error.detail), headers=error.headers)
            except sqlite3.OperationalError as error:
                return problem(503, f"the database does not answer: {error}; ask again", headers={"Retry-After": "5"})

        return handled


def problem(code: int, detail: str, field: str | None = None, headers: Any = None) -> JSONResponse:
    """Return a refusal."""
    title = {401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 409: "Conflict", 503: "Service Unavailable"}
    told = models.Problem(title=title.get(code, "Unprocessable Content"), status=code, detail=detail, field=field)
    return JSONResponse(told.model_dump(exclude_none=True), code, headers, media_type="application/problem+json")


def language(accepted: str | None) -> Lang:
    """Return the language that a header Accept-Language prefers; English where it names neither."""
    best, most = Lang.en, 0.0
    for part in (accepted or "").split(","):
        tag, _, parameter = part.strip().partition(";")
        name, _, quality = parameter.strip().partition("=")
        try:
            weight = float(quality) if name.strip() == "q" else 1.0
        except ValueError:
            continue
        lang = next((one for one in Lang if tag.lower().split("-")[0] == one.value), None)
        if lang and weight > most:
            best, most = lang, weight
    return best


def alert_router(
    config: Config,
    registry: Callable[[], Registry],
    limits: list[tuple[Standard, Limit]],
    quantities: dict[str, Quantity],
    clock: Callable[[], float],
) -> APIRouter:
    """Return the API as a part of the hub's HTTP server.

    `registry` gives the registry as it is now, `clock` Unix time in s.
    """
    router = APIRouter(prefix="/api/v1", route_class=ProblemRoute, responses=_PROBLEMS)
    catalogue = by_rule(limits)
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
                    raise HTTPException(
                        status.HTTP_401_UNAUTHORIZED,
                        "expected a valid token in the header: Authorization: Bearer TOKEN",
                        {"WWW-Authenticate": "Bearer"},
                    )
                name, role = user
                if not allows(role, needed):
                    raise HTTPException(
                        status.HTTP_403_FORBIDDEN, f"{name} is {role}; this needs the role {needed}, ask an admin"
                    )
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
        state: Annotated[models.State | Literal["open"] | None, Query(description="open: not over yet")] = None,
        district: str = "",
        site: str = "",
        standard: Annotated[str, Query(description='such as "GB 12523-2025"')] = "",
        severity: Annotated[models.SeverityName | None, Query()] = None,
        since: Annotated[AwareDatetime | None, Query(description="opened then or later: ISO 8601 with offset")] = None,
        limit: Annotated[int, Query(ge=1, le=MOST)] = 100,
        cursor: Annotated[int | None, Query(ge=1, description="of the page before")] = None,
    ) -> models.Alerts:
        rows = caller.desk.find(
            state=state or "",
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
    def show_alert(caller: Annotated[Caller, viewer], id: int) -> models.AlertDetail:  # noqa: A002
        return caller.present.detail(caller.desk.get(id), caller.desk)

    @router.post("/alerts/{id}/acknowledge", tags=["alerts"], summary="Take an alert in hand: it is not escalated")
    def acknowledge(caller: Annotated[Caller, officer], id: int, remark: models.Remark | None = None) -> models.Alert:  # noqa: A002
        return caller.present.alert(caller.desk.acknowledge(id, caller.name, _text(remark)))

    @router.post("/alerts/{id}/comment", tags=["alerts"], summary="Add a remark to an alert")
    def comment(caller: Annotated[Caller, officer], id: int, remark: models.Remark) -> models.Alert:  # noqa: A002
        return caller.present.alert(caller.desk.comment(id, caller.name, remark.text))

    @router.post("/alerts/{id}/close", tags=["alerts"], summary="Put an alert away; one not resolved, only an admin")
    def close(caller: Annotated[Caller, officer], id: int, remark: models.Remark | None = None) -> models.Alert:  # noqa: A002
        closed = caller.desk.close(id, caller.name, _text(remark), admin=caller.role == "admin")
        return caller.present.alert(closed)


def _verdicts(router: APIRouter, viewer: Any) -> None:
    @router.get("/verdicts", tags=["verdicts"], summary="List verdicts, the newest first")
    def list_verdicts(
        caller: Annotated[Caller, viewer],
        district: str = "",
        site: str = "",
        board: str = "",
        rule: Annotated[str, Query(description='such as "GB 12523-2025 laeq-day"')] = "",
        outcome: Annotated[str, Query(pattern="^(compliant|exceeded|invalid)?$")] = "",
        since: Annotated[AwareDatetime | None, Query(description="windows that start then or later")] = None,
        until: Annotated[AwareDatetime | None, Query(description="windows that start before")] = None,
        limit: Annotated[int, Query(ge=1, le=MOST)] = 100,
        cursor: Annotated[int | None, Query(ge=1, description="of the page before")] = None,
    ) -> models.Verdicts:
        wanted: dict[str, object] = {"district = ?": district, "site = ?": site, "device = ?": board, "rule = ?": rule}
        wanted |= {"outcome = ?": outcome, "start >= ?": since and since.timestamp()}
        wanted |= {"start < ?": until and until.timestamp(), "id < ?": cursor}
        tests = {test: value for test, value in wanted.items() if value}
        where = " AND ".join(tests) or "1"
        sql = f"SELECT * FROM verdict WHERE {where} ORDER BY id DESC LIMIT ?"  # noqa: S608 - tests are the ones above
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
        known = registry()
        if wanted.site not in known.sites:
            raise unknown("site", wanted.site)
        if wanted.board and (wanted.board not in known.boards or known.boards[wanted.board].site != wanted.site):
            raise unknown("board", wanted.board)
        begins, ends = wanted.from_.timestamp(), wanted.to.timestamp()
        row = caller.desk.add_maintenance(wanted.site, wanted.board, begins, ends, wanted.reason, caller.name)
        return caller.present.maintenance(row)

    @router.delete(
        "/maintenance/{id}",
        tags=["maintenance"],
        status_code=status.HTTP_204_NO_CONTENT,
        summary="Take a maintenance window back",
    )
    def remove_maintenance(caller: Annotated[Caller, admin], id: int) -> None:  # noqa: A002
        caller.desk.remove_maintenance(id, caller.name)


def unknown(field: str, given: str) -> DeskError:
    """Return the refusal of a site or board that the registry does not have there."""
    return DeskError(field, Text(f"the registry has no {field} {given!r} there", f"登记册中没有{given!r}"), 422)


def _text(remark: models.Remark | None) -> str:
    return remark.text if remark else ""
