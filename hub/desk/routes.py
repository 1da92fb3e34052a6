"""The HTTP API of alerts and maintenance windows: /api/v1. Every request carries a user's token."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Query, Response, status
from pydantic import AwareDatetime

from hub.access.caller import Gate
from hub.access.tokens import Role, User
from hub.alerts.maintenance import check_place
from hub.alerts.states import Kind, StateAsked
from hub.alerts.tables import PART
from hub.config.alerts import Severity
from hub.config.files import Config
from hub.desk import models
from hub.desk.desk import Desk, DeskError
from hub.desk.presenter import Presenter, by_rule
from hub.http.problem import EVERY, answers
from hub.http.problems import ProblemRoute, RequestError, language
from hub.registry.live import Registry
from hub.storage.compliance_file import COMPLIANCE, open_compliance
from schemas import Limit, Quantity, Standard
from schemas.language import Text

MOST = 500
"""Alerts or verdicts on one page at most."""

Id = Annotated[int, Path(ge=1, le=2**63 - 1)]
Cursor = Annotated[int | None, Query(ge=1, le=2**63 - 1, description="of the page before")]
Short = Annotated[str, Query(max_length=100)]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and with what to answer."""

    user: User
    desk: Desk
    present: Presenter


class _Route(ProblemRoute):
    """Also tells what cannot be done with an alert as it is."""

    def refusal(self, error: Exception) -> RequestError | None:
        """See `ProblemRoute`."""
        if isinstance(error, DeskError):
            return RequestError(error.status, error.text, error.field)
        return super().refusal(error)


def alert_router(
    config: Config,
    registry: Callable[[], Registry],
    limits: list[tuple[Standard, Limit]],
    quantities: dict[str, Quantity],
    clock: Callable[[], float],
    gate: Gate,
) -> APIRouter:
    """Return the API as a part of the hub's HTTP server.

    `registry` gives the registry as it is now, `clock` Unix time in s. `gate` lets users in.
    """
    router = APIRouter(prefix="/api/v1", route_class=_Route, responses=answers(*EVERY))
    catalogue = by_rule(limits)

    def allowed(needed: Role) -> Callable[..., Iterator[Caller]]:
        def caller(
            response: Response,
            user: Annotated[User, Depends(gate.needs(needed))],
            accept_language: Annotated[str | None, Header()] = None,
        ) -> Iterator[Caller]:
            lang = language(accept_language)
            response.headers["Content-Language"] = lang.value
            response.headers["Cache-Control"] = "no-store"
            with closing(open_compliance(config.data / COMPLIANCE, PART)) as db:
                yield Caller(
                    user,
                    Desk(db, clock, user.districts),
                    Presenter(config, registry(), catalogue, quantities, lang, clock),
                )

        return caller

    viewer, officer, admin = (Depends(allowed(role)) for role in ("viewer", "officer", "admin"))
    _alerts(router, viewer, officer)
    _maintenance(router, viewer, admin, registry)
    return router


def _alerts(router: APIRouter, viewer: Any, officer: Any) -> None:
    @router.get("/alerts", tags=["alerts"], summary="List alerts, the newest first")
    def list_alerts(
        caller: Annotated[Caller, viewer],
        state: Annotated[StateAsked | None, Query(description="open: not over yet")] = None,
        district: Short = "",
        site: Short = "",
        kind: Annotated[Kind | None, Query(description="limit, or a trouble of the network")] = None,
        standard: Annotated[str, Query(max_length=100, description='such as "GB 12523-2025"')] = "",
        severity: Annotated[Severity | None, Query()] = None,
        since: Annotated[AwareDatetime | None, Query(description="opened then or later: ISO 8601 with offset")] = None,
        limit: Annotated[int, Query(ge=1, le=MOST)] = 100,
        cursor: Cursor = None,
    ) -> models.Alerts:
        rows = caller.desk.book.search_alerts(
            state=state or "",
            kind=kind or "",
            district=district,
            districts=caller.user.districts,
            site=site,
            standard=standard,
            severity=severity or "",
            since=since.timestamp() if since else None,
            before=cursor,
            limit=limit + 1,
        )
        shown = rows[:limit]
        following = shown[-1].id if len(rows) > limit else None
        return models.Alerts(alerts=[caller.present.alert(row) for row in shown], cursor=following)

    @router.get(
        "/alerts/{id}",
        tags=["alerts"],
        summary="Show an alert, what it rests on, and all that was done",
        responses=answers(404),
    )
    def show_alert(caller: Annotated[Caller, viewer], id: Id) -> models.AlertDetail:  # noqa: A002
        return caller.present.detail(caller.desk.get(id), caller.desk)

    @router.get(
        "/alerts/{id}/messages",
        tags=["alerts"],
        summary="The boards' messages that an alert rests on, verbatim",
        responses=answers(404),
    )
    def show_messages(
        caller: Annotated[Caller, viewer],
        id: Id,  # noqa: A002
        limit: Annotated[int, Query(ge=1, le=MOST)] = 100,
        cursor: Cursor = None,
    ) -> models.Messages:
        return caller.present.messages(caller.desk.get(id), caller.desk, cursor or 0, limit)

    @router.post(
        "/alerts/{id}/acknowledge",
        tags=["alerts"],
        summary="Take an alert in hand: it is not escalated",
        responses=answers(404, 409),
    )
    def acknowledge(caller: Annotated[Caller, officer], id: Id, remark: models.Remark | None = None) -> models.Alert:  # noqa: A002
        return caller.present.alert(caller.desk.acknowledge(id, caller.user.name, _text(remark)))

    @router.post("/alerts/{id}/comment", tags=["alerts"], summary="Add a remark to an alert", responses=answers(404))
    def comment(caller: Annotated[Caller, officer], id: Id, remark: models.Remark) -> models.Alert:  # noqa: A002
        return caller.present.alert(caller.desk.comment(id, caller.user.name, remark.text))

    @router.post(
        "/alerts/{id}/close",
        tags=["alerts"],
        summary="Put an alert away; one not resolved, only an admin",
        responses=answers(404, 409),
    )
    def close(caller: Annotated[Caller, officer], id: Id, remark: models.Remark | None = None) -> models.Alert:  # noqa: A002
        closed = caller.desk.close(id, caller.user.name, _text(remark), admin=caller.user.role == "admin")
        return caller.present.alert(closed)


def _maintenance(router: APIRouter, viewer: Any, admin: Any, registry: Callable[[], Registry]) -> None:
    @router.get("/maintenance", tags=["maintenance"], summary="List the maintenance windows that are not over")
    def list_maintenance(caller: Annotated[Caller, viewer]) -> list[models.Maintenance]:
        sees = in_scope(caller.user, registry())
        return [caller.present.maintenance(row) for row in caller.desk.maintenance.coming() if sees(row.site)]

    @router.post(
        "/maintenance",
        tags=["maintenance"],
        status_code=status.HTTP_201_CREATED,
        summary="Tell nobody of what happens at a site for a while; it stays on record",
    )
    def add_maintenance(caller: Annotated[Caller, admin], wanted: models.MaintenanceWanted) -> models.Maintenance:
        check_place(registry().owned(caller.user.districts), wanted.site, wanted.board)
        begins, ends = wanted.from_.timestamp(), wanted.to.timestamp()
        row = caller.desk.maintenance.add(wanted.site, wanted.board, begins, ends, wanted.reason, caller.user.name)
        return caller.present.maintenance(row)

    @router.delete(
        "/maintenance/{id}",
        tags=["maintenance"],
        status_code=status.HTTP_204_NO_CONTENT,
        summary="Take a maintenance window back",
        responses=answers(404),
    )
    def remove_maintenance(caller: Annotated[Caller, admin], id: Id) -> None:  # noqa: A002
        window = caller.desk.maintenance.find(id)
        if window is None or not in_scope(caller.user, registry())(window.site):
            raise DeskError("id", Text(f"there is no maintenance window {id}", f"没有维护时段{id}"), 404)
        caller.desk.maintenance.remove(id, caller.user.name)


def in_scope(user: User, registry: Registry) -> Callable[[str], bool]:
    """Return what tells whether the user sees a site; one that is not registered only who sees all."""

    def sees(site: str) -> bool:
        found = registry.sites.get(site)
        return user.sees(found.district if found else "")

    return sees


def _text(remark: models.Remark | None) -> str:
    return remark.text if remark else ""
