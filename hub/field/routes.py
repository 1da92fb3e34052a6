"""The HTTP API for technicians: a laptop registers a board with its key, and leaves calibrations and repairs here.

`PUT /api/v1/boards/{id}` may be sent again as often as the network wants: what is known already changes nothing. A key
comes in over TLS (the reverse proxy's) and never goes out; none is ever replaced by it.
"""

import datetime as dt
import logging
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from hub.access.caller import Gate
from hub.access.tokens import User
from hub.config.files import Config, ConfigError
from hub.field.book import FieldBook
from hub.field.tables import FILE, STEPS
from hub.http.problem import EVERY, answers
from hub.http.problems import ProblemRoute, RequestError
from hub.registry.check import EntryError
from hub.registry.edit import editing
from hub.registry.live import load_entries, load_registry
from hub.storage.database import open_database, transaction
from schemas.language import Text

MOST_ENTRIES = 5000
log = logging.getLogger("hub.http")

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


class _Route(ProblemRoute):
    """Repeats nothing of what was sent: a key may be in it."""

    repeats = False


def board_router(config: Config, clock: Callable[[], float], gate: Gate) -> APIRouter:
    """Return the API as a part of the hub's HTTP server; `clock` gives Unix time in s, `gate` lets users in."""
    router = APIRouter(prefix="/api/v1", tags=["boards"], route_class=_Route, responses=answers(*EVERY))

    def book() -> Iterator[FieldBook]:
        with closing(open_database(config.data / FILE, STEPS)) as db, transaction(db):
            yield FieldBook(db)

    technician, viewer = Depends(gate.needs("technician")), Depends(gate.needs("viewer"))

    @router.put(
        "/boards/{id}",
        summary="Register a board, or tell what a technician did at it; idempotent",
        responses=answers(404, 409),
    )
    def register(
        id: Id,  # noqa: A002
        told: BoardTold,
        sender: Annotated[User, technician],
        entries: Annotated[FieldBook, Depends(book)],
    ) -> BoardRegistered:
        _refuse_foreign(config, sender, id, told.site)
        registered, changed = _register(config, id, told)
        now = clock()
        done = BoardRegistered(
            board=id,
            registered=registered,
            changed=changed,
            calibrations=entries.add(id, "calibration", told.calibrations, sender.name, now),
            repairs=entries.add(id, "repair", told.repairs, sender.name, now),
        )
        log.info("board %s: told by %s: %s", id, sender.name, done.model_dump(exclude={"board"}))
        return done

    @router.get("/boards/{id}/{kind}s", summary="List the calibrations or repairs of a board", responses=answers(404))
    def list_entries(
        id: Id,  # noqa: A002
        kind: Literal["calibration", "repair"],
        caller: Annotated[User, viewer],
        entries: Annotated[FieldBook, Depends(book)],
    ) -> list[dict[str, Any]]:
        _refuse_foreign(config, caller, id)
        return entries.of(id, kind)

    return router


def _refuse_foreign(config: Config, user: User, board: str, site: str = "") -> None:
    """Refuse what belongs to a district that does not concern the user, as if it were not there."""
    if not user.districts:
        return
    entries = load_entries(config)
    known = entries.boards.get(board)
    for id_ in {site or (known.site if known else ""), known.site if known else site}:
        if id_ not in entries.sites or not user.sees(entries.sites[id_].district):
            raise _refused(404, "site", f"there is no board {board!r} or site here", f"没有设备{board!r}或其站点")


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
        raise RequestError(422, Text(str(error), f"登记册不接受：{error}"), error.field or None) from error
    except ConfigError as error:
        log.error("board %s: %s", board, error)  # noqa: TRY400
        text = Text(
            "the registry cannot be changed now; the hub's log says why", "登记册暂时无法更改，原因见数据中心日志"
        )
        raise RequestError(503, text, headers={"Retry-After": "5"}) from error
    return not there, [field for change in changes for field in change.fields]


def _refuse_contradictions(
    config: Config, board: str, told: BoardTold, there: dict[str, Any], sites: dict[str, Any]
) -> None:
    if told.site not in sites:
        raise _refused(
            422,
            "site",
            f"the registry has no site {told.site!r}; ask an admin to add it",
            f"登记册中没有站点{told.site!r}；请联系管理员添加",
        )
    if not there:
        if told.key is None:
            raise _refused(
                422,
                "key",
                f"board {board!r} is not registered yet; send the key that it was given",
                f"设备{board!r}尚未登记；请发送其密钥",
            )
        return
    if there["site"] != told.site:
        raise _refused(
            409,
            "site",
            f"board {board!r} stands at {there['site']!r}; ask an admin to move it",
            f"设备{board!r}登记在{there['site']!r}；请联系管理员迁移",
        )
    if there.get("retired"):
        raise _refused(
            409,
            "id",
            f"board {board!r} is retired from {there['retired']}; ask an admin",
            f"设备{board!r}已于{there['retired']}停用；请联系管理员",
        )
    if told.key and told.key not in [key.hex() for key in load_registry(config).keys_of(board)]:
        raise _refused(
            409,
            "key",
            f"board {board!r} has another key here; give the board another id, or ask an admin to replace it",
            f"设备{board!r}在此登记的是另一个密钥；请换一个设备编号，或联系管理员更换",
        )


def _refused(status: int, field: str, en: str, zh: str) -> RequestError:
    return RequestError(status, Text(en, zh), field)
