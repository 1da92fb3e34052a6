"""What a plate says to whoever reads its code: to those who are signed in, the visit; to everybody, what is public.

Nobody is shown a list. A code is of 128 random bits, so that none is met by trying; codes that do not exist are
answered slowly all the same, for all together. Without `[console] plates = true` the page says nothing of any code:
every one leads to signing in.
"""

import math
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Depends, Path, Request, Response
from fastapi.responses import RedirectResponse

from hub.access.sessions import Sessions
from hub.access.tables import PART as ACCESS
from hub.access.tokens import User
from hub.cases.book import CaseBook
from hub.cases.opening import open_cases
from hub.cases.patrol.plates import Plate, Plates
from hub.cases.patrol.visits import Visits
from hub.compliance.tables import PART as VERDICTS
from hub.console.badges import Badge
from hub.console.cases.visit import CaseVisit, at_cases, has_cases
from hub.console.parts.catalogue import Known
from hub.console.parts.picture import name_of
from hub.console.patrol.scores import Grounds, band_badge
from hub.console.patrol.visit import document_badge, in_force
from hub.console.web import NOT_FOUND, Shared
from hub.http.problems import Rate, RequestError
from hub.judge.kinds.world import NEVER
from hub.series.periods import DAY
from hub.storage.compliance_file import open_compliance
from hub.things.entries import Thing
from hub.things.tables import PART as THINGS
from schemas import domains
from schemas.domains.entries import Patrol, ThingProperty
from schemas.language import Lang, Text

Code = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{22}$")]
ANSWERS, BURST = 20.0, 200.0
"""Pages of plates: so many a second, and at once, for everybody together."""
MISSES, MISSES_BURST = 0.5, 20.0
"""And of codes that there are not."""
GONE = Text(
    "This plate was exchanged for another one and is not valid any more. If it hangs somewhere, tell the city.",
    "该牌已更换，现已失效。如仍悬挂，请告知城市管理部门。",
)
BUSY = Text("Too many requests; try again in a moment.", "请求过于频繁，请稍后再试。")


class Said(NamedTuple):
    """A property as everybody reads it."""

    name: str
    value: str


def add_public_plate(router: APIRouter, pages: APIRouter, shared: Shared) -> None:
    """Add the page of a plate, and the way of those who are signed in."""
    rate, misses = Rate(ANSWERS, BURST), Rate(MISSES, MISSES_BURST)
    visitor = Depends(at_cases(shared))

    @pages.get("/p/{code}")
    def go(cases: Annotated[CaseVisit, visitor], code: Code) -> Response:
        plate = Plates(cases.desk.book.db).find(code)
        if plate is None:
            raise RequestError(404, NOT_FOUND)
        if plate.ended is not None:
            raise RequestError(410, GONE)
        return RedirectResponse(f"/console/patrol/{plate.kind}/{plate.thing}", 303)

    @router.get("/p/{code}")
    def show(request: Request, code: Code, lang: str = "") -> Response:
        if pause := rate.wait("", time.monotonic()):
            raise RequestError(429, BUSY, headers={"Retry-After": f"{math.ceil(pause)}"})
        with closing(open_compliance(shared.compliance, ACCESS, THINGS, VERDICTS)) as db:
            user = _signed_in(shared, request, db)
            if not shared.config.console.plates or (user is not None and user.role != "company"):
                return RedirectResponse(f"/console/p/{code}", 303)
            plate = _find(shared, code)
            if plate is None:
                if pause := misses.wait("", time.monotonic()):
                    raise RequestError(429, BUSY, headers={"Retry-After": f"{math.ceil(pause)}"})
                raise RequestError(404, NOT_FOUND)
            if plate.ended is not None:
                raise RequestError(410, GONE)
            return _page(shared, request, db, plate, lang)


def _signed_in(shared: Shared, request: Request, db: sqlite3.Connection) -> User | None:
    secret = request.cookies.get(shared.cookie, "")
    session = Sessions(db).find(secret, time.time()) if secret else None
    return session.user if session else None


def _find(shared: Shared, code: str) -> Plate | None:
    if not has_cases(shared):
        return None
    with closing(open_cases(shared.config.data)) as db:
        return Plates(db).find(code)


def _band(shared: Shared, grounds: tuple[Known, Patrol, sqlite3.Connection], thing: Thing, now: float) -> Badge | None:
    """Return the band of a thing's score; None: it has none."""
    known, patrol, compliance = grounds
    if patrol.score is None:
        return None
    with closing(open_cases(shared.config.data)) as db:
        found = Visits(db).since(thing.kind, [thing.id], now - patrol.score.days * DAY).get(thing.id, [])
        result = Grounds(known, thing.kind, patrol, CaseBook(db), compliance, now).scored(patrol.score, thing, found)
    return band_badge(patrol.score, result.band) if result.band else None


def _page(shared: Shared, request: Request, db: sqlite3.Connection, plate: Plate, chosen: str) -> Response:
    known, now = shared.catalogue.known(db), shared.clock()
    kind = domains.thing_kinds().get(plate.kind)
    found = known.shown(plate.kind, plate.thing, now)
    if kind is None or kind.patrol is None or found is None or found[1] != "holds":
        raise RequestError(404, NOT_FOUND)
    lang = Lang(chosen) if chosen in set(Lang) else shared.language_of(request)
    thing, patrol = known.thing(found[0]), kind.patrol
    until = in_force(known, patrol, thing.id, now)
    return shared.page(
        "plate.html",
        request,
        lang=lang.value,
        t=lambda en, zh: Text(en, zh).into(lang),
        name=Text(thing.en, thing.zh).into(lang),
        kind_name=Text(kind.en, kind.zh).into(lang),
        number=str(thing.properties.get(patrol.number, "")) if patrol.number else "",
        said=list(_said(known, kind.property, patrol, thing, lang, now)),
        district=name_of(shared.registry(), thing.district, lang) if thing.district else "",
        document=document_badge(until, now, lang) if patrol.document else None,
        until=until if until is not None and until < NEVER else None,
        band=_band(shared, (known, patrol, db), thing, now),
        duties=[Text(one.en, one.zh).into(lang) for one in patrol.duty.values()],
        contact=shared.config.console.plates_contact,
        code=plate.code,
    )


def _said(
    known: Known, declared: Mapping[str, ThingProperty], patrol: Patrol, thing: Thing, lang: Lang, now: float
) -> Iterator[Said]:
    """Yield what everybody may read, as the pack says: names in words, and no link."""
    for name in patrol.shown:
        if name in thing.properties:
            asked = declared[name]
            values = thing.properties[name] if asked.several else [thing.properties[name]]
            told = ", ".join(_value(known, asked, one, lang, now) for one in values)
            yield Said(Text(asked.en, asked.zh).into(lang), told)


def _value(known: Known, asked: ThingProperty, value: Any, lang: Lang, now: float) -> str:
    if asked.type == "choice" and value in asked.values:
        return Text(asked.values[value].en, asked.values[value].zh).into(lang)
    if asked.type == "thing" and asked.of:
        found = known.shown(asked.of, str(value), now)
        if found is not None:
            thing = known.thing(found[0])
            return Text(thing.en, thing.zh).into(lang)
    return f"{value} {asked.unit or ''}".rstrip() if asked.type in ("number", "integer") else str(value)
