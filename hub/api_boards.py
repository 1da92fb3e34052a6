"""The HTTP API for technicians: a laptop registers a board with its key, and leaves calibrations and repairs here.

`PUT /api/v1/boards/{id}` may be sent again as often as the network wants: what is known already changes nothing. A key
comes in over TLS (the reverse proxy's) and never goes out; none is ever replaced by it.
"""

import datetime as dt
import logging
import sqlite3
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import closing
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, HTTPException, Request, Response, Security
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict, Field

from hub.access import Access, Role, allows
from hub.alert_desk import transaction
from hub.compliance import STEPS as COMPLIANCE_STEPS
from hub.config import Config, ConfigError
from hub.database import DatabaseError, open_database
from hub.field_book import FILE, STEPS, FieldBook
from hub.registry import load_registry
from hub.registry_check import EntryError
from hub.registry_edit import editing

MOST_ENTRIES = 5000
log = logging.getLogger("hub.http")
_bearer = HTTPBearer(auto_error=False, description="The token that `fenceline access add` showed")

Id = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,32}$")]


class BoardTold(BaseModel):
    """What a technician's laptop says of a board."""

    model_config = ConfigDict(extra="forbid")
    site: Id
    key: Annotated[
        str | None,
        Field(pattern=r"^[0-9a-f]{64}$", repr=False, description="Needed for a board that is not registered yet"),
    ] = None
    sensors: Annotated[list[Annotated[str, Field(pattern=r"^[a-z0-9_]{1,32}$")]], Field(max_length=32)] = []
    installed: dt.date | None = None
    calibration_due: dt.date | None = None
    calibrations: Annotated[list[dict[str, Any]], Field(max_length=MOST_ENTRIES)] = []
    repairs: Annotated[list[dict[str, Any]], Field(max_length=MOST_ENTRIES)] = []


class BoardRegistered(BaseModel):
    """What became of it."""

    board: str
    registered: Annotated[bool, Field(description="it was not there before")]
    changed: Annotated[list[str], Field(description="fields of the registry that have changed")]
    calibrations: Annotated[int, Field(description="entries that were new")]
    repairs: Annotated[int, Field(description="entries that were new")]


class _Route(APIRoute):
    """Answers what is refused as problem JSON (RFC 9457) that repeats nothing of what was sent: a key may be in it."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                return await handle(request)
            except RequestValidationError as error:
                first = error.errors()[0]
                place = ".".join(str(part) for part in first["loc"] if part not in {"body", "path"})
                return _problem(422, f"{place or 'body'}: {first['msg']}")
            except HTTPException as error:
                return _problem(error.status_code, str(error.detail), error.headers)

        return handled


def _problem(status: int, detail: str, headers: Any = None) -> JSONResponse:
    content = {"title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return JSONResponse(content, status, headers, media_type="application/problem+json")


def board_router(config: Config, clock: Callable[[], float]) -> APIRouter:
    """Return the API as a part of the hub's HTTP server; `clock` gives Unix time in s."""
    router = APIRouter(prefix="/api/v1", tags=["boards"], route_class=_Route)

    def allowed(needed: Role) -> Callable[..., str]:
        def caller(credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]) -> str:
            with closing(_open(config, "compliance.db", COMPLIANCE_STEPS)) as db:
                user = Access(db).who(credentials.credentials) if credentials else None
            if user is None:
                raise HTTPException(
                    401,
                    "expected a valid token in the header: Authorization: Bearer TOKEN",
                    {"WWW-Authenticate": "Bearer"},
                )
            name, role = user
            if not allows(role, needed):
                raise HTTPException(403, f"{name} is {role}; this needs the role {needed}, ask an admin")
            return name

        return caller

    def book() -> Iterator[FieldBook]:
        with closing(_open(config, FILE, STEPS)) as db, transaction(db):
            yield FieldBook(db)

    technician, viewer = Depends(allowed("technician")), Depends(allowed("viewer"))

    @router.put("/boards/{id}", summary="Register a board, or tell what a technician did at it; idempotent")
    def register(
        id: Id,  # noqa: A002
        told: BoardTold,
        sender: Annotated[str, technician],
        entries: Annotated[FieldBook, Depends(book)],
    ) -> BoardRegistered:
        registered, changed = _register(config, id, told)
        now = clock()
        done = BoardRegistered(
            board=id,
            registered=registered,
            changed=changed,
            calibrations=entries.add(id, "calibration", told.calibrations, sender, now),
            repairs=entries.add(id, "repair", told.repairs, sender, now),
        )
        log.info("board %s: told by %s: %s", id, sender, done.model_dump(exclude={"board"}))
        return done

    @router.get("/boards/{id}/{kind}s", summary="List the calibrations or repairs of a board")
    def list_entries(
        id: Id,  # noqa: A002
        kind: Literal["calibration", "repair"],
        _caller: Annotated[str, viewer],
        entries: Annotated[FieldBook, Depends(book)],
    ) -> list[dict[str, Any]]:
        return entries.of(id, kind)

    return router


def _open(config: Config, name: str, steps: Sequence[str]) -> sqlite3.Connection:
    try:
        return open_database(config.data / name, steps)
    except DatabaseError as error:
        log.error("http: %s", error)  # noqa: TRY400
        raise HTTPException(503, f"{name} does not answer; ask again", {"Retry-After": "5"}) from error


def _register(config: Config, board: str, told: BoardTold) -> tuple[bool, list[str]]:
    """Bring the registry in line; return whether the board is new, and which of its fields have changed."""
    try:
        with editing(config) as editor:
            entries = editor.entries["board"]
            there = dict(entries.get(board, {}))
            _refuse_contradictions(config, board, told, there, editor.entries["site"])
            new: dict[str, Any] = {"id": board, "site": told.site, "sensors": told.sensors}
            new |= {"installed": told.installed, "calibration_due": told.calibration_due}
            entries[board] = there | {name: value for name, value in new.items() if value}
            given = {board: told.key} if told.key and not there else None
            changes = editor.commit(given)
    except EntryError as error:
        raise HTTPException(422, str(error)) from error
    except ConfigError as error:
        log.error("board %s: %s", board, error)  # noqa: TRY400
        raise HTTPException(
            503, "the registry cannot be changed now; the hub's log says why", {"Retry-After": "5"}
        ) from error
    return not there, [field for change in changes for field in change.fields]


def _refuse_contradictions(
    config: Config, board: str, told: BoardTold, there: dict[str, Any], sites: dict[str, Any]
) -> None:
    if told.site not in sites:
        raise HTTPException(422, f"site: the registry has no site {told.site!r}; ask an admin to add it")
    if not there:
        if told.key is None:
            raise HTTPException(422, f"key: board {board!r} is not registered yet; send the key that it was given")
        return
    if there["site"] != told.site:
        raise HTTPException(409, f"site: board {board!r} stands at {there['site']!r}; ask an admin to move it")
    if there.get("retired"):
        raise HTTPException(409, f"board {board!r} is retired from {there['retired']}; ask an admin")
    if told.key and load_registry(config).keys[board].hex() != told.key:
        raise HTTPException(
            409, f"key: board {board!r} has another key here; give the board another id, or ask an admin to replace it"
        )
