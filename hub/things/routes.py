"""The HTTP API of things: what another office's program announces or hands over, as documents: /api/v1/things."""

from collections.abc import Callable
from contextlib import closing
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Response
from pydantic import BaseModel, ConfigDict, Field

from hub.access.caller import Gate
from hub.access.tables import PART as ACCESS
from hub.access.tokens import User
from hub.config.files import Config
from hub.http.problem import EVERY, answers
from hub.http.problems import ProblemRoute, RequestError, language
from hub.registry.live import Registry
from hub.storage.compliance_file import COMPLIANCE, open_compliance
from hub.things.change import Context, WrongThingError
from hub.things.desk import ThingDesk
from hub.things.entries import Said
from hub.things.store import ThingStore
from hub.things.tables import PART
from hub.things.view import change_row
from schemas.chinese import in_chinese
from schemas.domains import thing_kinds
from schemas.language import Text

MOST = 500
"""Things of one request."""
SOURCE = "http"
NO_KIND = Text("no pack in use declares this kind of things", "所用领域包均未声明该类对象")


class ThingsSent(BaseModel):
    """Things as a TOML file has them: id, en, zh, district, from, until, geometry, people, note, properties."""

    model_config = ConfigDict(extra="forbid")

    things: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=MOST)]


class ThingsTaken(BaseModel):
    """What became of them; what was known already changes nothing and is left out."""

    changes: list[dict[str, Any]]


def thing_router(config: Config, registry: Callable[[], Registry], clock: Callable[[], float], gate: Gate) -> APIRouter:
    """Return the API as a part of the hub's HTTP server.

    `registry` gives the registry as it is now, `clock` Unix time in s. `gate` lets users in.
    """
    router = APIRouter(prefix="/api/v1", tags=["things"], route_class=ProblemRoute, responses=answers(*EVERY))

    @router.post(
        "/things/{kind}",
        summary="Take things of a kind, all or none; sent again they change nothing",
        responses=answers(404, 409),
    )
    def take(
        kind: Annotated[str, Path(max_length=100)],
        sent: ThingsSent,
        response: Response,
        user: Annotated[User, Depends(gate.needs("admin"))],
        accept_language: Annotated[str | None, Header()] = None,
    ) -> ThingsTaken:
        response.headers["Content-Language"] = language(accept_language).value
        response.headers["Cache-Control"] = "no-store"
        kinds, city = thing_kinds(), registry()
        if kind not in kinds:
            raise RequestError(404, NO_KIND, "kind")
        said = [_said(kind, one) for one in sent.things]
        with closing(open_compliance(config.data / COMPLIANCE, ACCESS, PART)) as db:
            desk = ThingDesk(db, user, Context(kinds, city.districts, city.zone), clock)
            seen = ThingStore(db).newest()
            try:
                found = desk.take(said, seen, SOURCE, since=int(clock()), system="wgs84", dry_run=False)
            except WrongThingError as error:
                raise RequestError(422, Text(str(error), in_chinese(str(error))), error.error.field) from error
        return ThingsTaken(changes=[change_row(one) for one in found])

    return router


def _said(kind: str, one: dict[str, Any]) -> Said:
    id_ = one.get("id")
    if not isinstance(id_, str):
        raise RequestError(422, Text("id is missing; expected 1 to 32 of a-z, 0-9 and -", "缺少 id"), "id")
    return Said(kind, id_, {name: value for name, value in one.items() if name not in ("id", "kind")})
