"""The HTTP API of what outlets let out: /api/v1/outlets, /api/v1/permit-totals. A request carries a user's token."""

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import AwareDatetime, BaseModel, Field

from hub.access.caller import Gate
from hub.access.tokens import User
from hub.alerts.tables import PART as ALERTS
from hub.compliance.emissions.book import EmissionBook
from hub.compliance.emissions.marking import MarkBook
from hub.compliance.emissions.present import day_row, hour_row, outlet_row, rates_rows, total_row
from hub.compliance.tables import PART
from hub.config.files import Config
from hub.http.problem import EVERY, answers
from hub.http.problems import ProblemRoute, RequestError
from hub.judge.stacks.permits import OUTLET
from hub.registry.live import Registry
from hub.storage.compliance_file import COMPLIANCE, open_compliance
from hub.things.marks.tables import PART as MARKS
from hub.things.store import ThingStore
from hub.things.tables import PART as THINGS
from schemas import Limit, Quantity, Standard
from schemas.language import Text

MOST_DAYS = 31
"""Of hours that one request asks for."""
Row = dict[str, Any]
Id = Annotated[str, Path(pattern=r"^[a-z0-9-]{1,32}$")]
Month = Annotated[
    str, Query(pattern=r"^((19|20)\d\d-(0[1-9]|1[0-2]))?$", description="such as 2026-03; empty: this one")
]


class Outlets(BaseModel):
    """Outlets with what their permits allow, as `fenceline emissions list --json` prints them."""

    outlets: list[Row]


class OutletMonth(BaseModel):
    """An outlet in a month, as `fenceline emissions show --json` prints it."""

    outlet: Row
    month: str
    rates: Annotated[list[Row], Field(description="of each pollutant, then of all (pollutant null)")]
    days: list[Row]
    totals: list[Row]


class Hours(BaseModel):
    """Hours of an outlet, as `fenceline emissions hours --json` prints them."""

    hours: list[Row]


class Totals(BaseModel):
    """Permitted yearly totals, as `fenceline emissions totals --json` prints them."""

    totals: list[Row]


def emission_router(
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
    router = APIRouter(prefix="/api/v1", route_class=ProblemRoute, responses=answers(*EVERY), tags=["emissions"])

    def asked(response: Response) -> Iterator[tuple[EmissionBook, ThingStore]]:
        response.headers["Cache-Control"] = "no-store"
        with closing(open_compliance(config.data / COMPLIANCE, ALERTS, THINGS, MARKS, PART)) as db:
            yield EmissionBook(db, registry(), limits, quantities, clock, MarkBook(db).spans), ThingStore(db)

    Asked = Annotated[tuple[EmissionBook, ThingStore], Depends(asked)]  # noqa: N806 - a type
    Viewer = Annotated[User, Depends(gate.needs("viewer"))]  # noqa: N806 - a type

    def sees(user: User, book: EmissionBook, outlet: str, t: int) -> bool:
        site = registry().sites.get(book.site(outlet, t) or "")
        return user.sees(site.district if site else "")

    def check(user: User, book: EmissionBook, outlet: str) -> None:
        terms = book.world.terms(OUTLET, outlet)
        if not terms or not sees(user, book, outlet, min(int(clock()), terms[-1].until - 1)):
            raise RequestError(404, Text("there is no such outlet", "没有该排放口"), "outlet")

    @router.get("/outlets", summary="List outlets and what their permits allow")
    def list_outlets(user: Viewer, asked: Asked) -> Outlets:
        book, things = asked
        now, zone = int(clock()), registry().zone
        found = [one.edition.id for one in book.permits.outlets(now)]
        return Outlets(
            outlets=[outlet_row(book, things, one, now, zone) for one in found if sees(user, book, one, now)]
        )

    @router.get("/outlets/{outlet}", summary="Show an outlet in a month: rates, days, totals")
    def show_outlet(user: Viewer, asked: Asked, outlet: Id, month: Month = "") -> OutletMonth:
        book, things = asked
        check(user, book, outlet)
        now, zone = int(clock()), registry().zone
        first = date.fromisoformat(f"{month}-01") if month else book.local.day(now).date.replace(day=1)
        start, end = book.month(first)
        named = f"{first:%Y-%m}"
        return OutletMonth(
            outlet=outlet_row(book, things, outlet, now, zone),
            month=named,
            rates=rates_rows(book.rates(outlet, start, end), outlet, named),
            days=[day_row(one, zone) for one in book.days(outlet, start, end)],
            totals=[total_row(one) for one in book.totals(min(now, end - 1), outlet=outlet)],
        )

    @router.get("/outlets/{outlet}/hours", summary="List the hours of an outlet")
    def list_hours(
        user: Viewer,
        asked: Asked,
        outlet: Id,
        since: Annotated[AwareDatetime, Query(description="hours that begin then or later")],
        until: Annotated[AwareDatetime, Query(description="hours that begin before; 31 days later at most")],
    ) -> Hours:
        book, _ = asked
        check(user, book, outlet)
        if not timedelta(0) < until - since <= timedelta(days=MOST_DAYS):
            text = Text(
                f"until = {until.isoformat()}: expected a time after since, {MOST_DAYS} days later at most",
                f"until = {until.isoformat()}：应晚于since，且不超过{MOST_DAYS}天",
            )
            raise RequestError(422, text, "until")
        found = book.hours(outlet, int(since.timestamp()), int(until.timestamp()))
        every = sorted((one for of in found.values() for one in of), key=lambda one: (one.start, one.pollutant))
        return Hours(hours=[hour_row(one, outlet, registry().zone) for one in every])

    @router.get("/permit-totals", summary="List permitted yearly totals and when they are used up")
    def list_totals(user: Viewer, asked: Asked, enterprise: Annotated[str, Query(max_length=32)] = "") -> Totals:
        book, _ = asked
        now = int(clock())
        found = book.totals(now, enterprise)
        return Totals(
            totals=[
                total_row(one)
                for one in found
                if all(sees(user, book, outlet, now) for outlet in one.permitted.outlets)
            ]
        )

    return router
