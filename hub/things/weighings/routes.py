"""The HTTP API of weighings: /api/v1/weighings. A weighbridge's program sends them, again until it has an answer."""

from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from hub.access.caller import Gate
from hub.access.tokens import User
from hub.config.files import Config
from hub.http.problem import EVERY, answers
from hub.http.problems import ProblemRoute, RequestError, language
from hub.registry.live import Registry
from hub.storage.compliance_file import COMPLIANCE, open_compliance
from hub.storage.database import transaction
from hub.things.change import Context, Origin
from hub.things.store import ThingStore
from hub.things.tables import PART
from hub.things.weighings.book import Row, WeighingBook, What
from schemas.chinese import in_chinese
from schemas.domains import thing_kinds
from schemas.errors import UserError
from schemas.language import Lang, Text

MOST = 500
"""Weighings of one request."""
SOURCE = "http"
Short = Annotated[str, Field(max_length=100)]
Kg = Annotated[float, Field(ge=0, le=200_000)]


class WeighingSent(BaseModel):
    """One load, as a weighbridge weighed it."""

    model_config = ConfigDict(extra="forbid")

    weighbridge: Short
    time: AwareDatetime
    truck: Annotated[str, Field(max_length=100, description="its id or its plate")]
    waste: Annotated[list[Short], Field(min_length=1, max_length=4)]
    net_kg: Annotated[Kg | None, Field(description="or gross_kg and tare_kg")] = None
    gross_kg: Kg | None = None
    tare_kg: Kg | None = None
    ticket: Short = ""
    district: Short = ""


class WeighingsSent(BaseModel):
    """Weighings, in any order; one that is known already may be among them."""

    model_config = ConfigDict(extra="forbid")

    weighings: Annotated[list[WeighingSent], Field(min_length=1, max_length=MOST)]


class WeighingTaken(BaseModel):
    """What became of one."""

    what: What
    id: Annotated[str, Field(description="empty: it was refused")]
    why: Annotated[str, Field(description="why it was refused, or what was corrected")]


class WeighingsTaken(BaseModel):
    """What became of each, in their order; it is kept when the answer comes."""

    weighings: list[WeighingTaken]


def weighing_router(
    config: Config, registry: Callable[[], Registry], clock: Callable[[], float], gate: Gate
) -> APIRouter:
    """Return the API as a part of the hub's HTTP server.

    `registry` gives the registry as it is now, `clock` Unix time in s. `gate` lets users in.
    """
    router = APIRouter(prefix="/api/v1", tags=["weighings"], route_class=ProblemRoute, responses=answers(*EVERY))

    @router.post("/weighings", summary="Take weighings: each once, however often it is sent; another weight corrects")
    def take(
        sent: WeighingsSent,
        response: Response,
        user: Annotated[User, Depends(gate.needs("collector"))],
        accept_language: Annotated[str | None, Header()] = None,
    ) -> WeighingsTaken:
        lang = language(accept_language)
        response.headers["Content-Language"] = lang.value
        response.headers["Cache-Control"] = "no-store"
        city, now = registry(), clock()
        rows = [_row(one) for one in sent.weighings]
        with closing(open_compliance(config.data / COMPLIANCE, PART)) as db, transaction(db):
            context = Context(thing_kinds(), city.districts, city.zone)
            try:
                book = WeighingBook(ThingStore(db), context, now, user.sees)
            except UserError as error:
                raise RequestError(422, Text(str(error), in_chinese(str(error)))) from error
            found = book.take(rows, Origin(now, user.name, SOURCE))
        return WeighingsTaken(
            weighings=[
                WeighingTaken(what=one.what, id=one.id, why=in_chinese(one.why) if lang is Lang.zh else one.why)
                for one in found
            ]
        )

    return router


def _row(one: WeighingSent) -> Row:
    when: datetime = one.time
    return Row(
        one.weighbridge,
        when,
        one.truck,
        tuple(one.waste),
        one.net_kg,
        one.gross_kg,
        one.tare_kg,
        one.ticket,
        one.district,
    )
