"""The pages of a patrol: the rounds there are, what is due along one, and one visit: a form that works anywhere.

A form is sent as it stands, or, by `static/patrol.js`, kept in the phone until there is a network. Either way the hub
takes it once: under the key that stands in it.
"""

import secrets
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse

from hub.access.caller import refuse_role
from hub.cases.attachments.store import find
from hub.cases.patrol.objections import object_to
from hub.cases.patrol.visits import Finding, KeptVisit, Photo, take
from hub.cases.refusal import CaseError
from hub.cases.rules.records import Case
from hub.console.badges import Badge
from hub.console.cases.page import KEPT, Digest
from hub.console.cases.visit import CaseVisit, acting_in_cases, at_cases
from hub.console.patrol.scores import lines
from hub.console.patrol.visit import Along, Round, patrolled
from hub.console.things.visit import Things
from hub.console.today import Short
from hub.console.web import NOT_FOUND, Shared, read_upload
from hub.http.problems import RequestError
from hub.things.entries import Thing
from schemas.language import Text

HERE = "/console/patrol"
MOST_FORMS = 60
"""Of a round, so many stand on its page with their forms: it is read once, and works without a network."""
MOST_VISITS = 20
ANSWER = {
    "pass": ("good", "circle", Text("kept", "合格")),
    "fail": ("bad", "triangle", Text("broken", "不合格")),
    "na": ("quiet", "ring", Text("not applicable", "不适用")),
}
OBJECTED = Text("The objection is on record.", "申诉已记录。")
Number = Annotated[int | None, Query(ge=1, le=2**63 - 1)]


class Kind(NamedTuple):
    """A kind of things that is visited, with its rounds."""

    id: str
    name: str
    along: list[Along]
    scored: bool


class Told(NamedTuple):
    """A visit in words."""

    kept: KeptVisit
    answers: list[tuple[str, Badge]]
    cases: list[tuple[Case, bool]]
    """The cases, and whether each was known already."""


def add_patrol(router: APIRouter, shared: Shared) -> None:
    """Add the pages and what the form does."""
    visitor, sender = Depends(at_cases(shared)), Depends(acting_in_cases(shared, read_upload))

    @router.get("/patrol")
    def show_rounds(cases: Annotated[CaseVisit, visitor]) -> Response:
        things = Things(cases.visit)
        kinds = [
            Kind(kind, things.kind_name(kind), Round(cases, kind).along(), one.score is not None)
            for kind, one in patrolled(things).items()
        ]
        return cases.visit.page("patrol.html", kinds=[one for one in kinds if one.along], days=_days(things))

    @router.get("/patrol/{kind}")
    def show_round(cases: Annotated[CaseVisit, visitor], kind: str, along: Short = "") -> Response:
        round_ = Round(cases, kind)
        stops = round_.stops(along)
        due = [one for one in stops if one.due]
        return cases.visit.page(
            "patrol_round.html",
            **_shared(round_),
            along=along,
            name=round_.along_name(along),
            forms=[(one, round_.duties(one.thing.district or ""), _key()) for one in due[:MOST_FORMS]],
            later=len(due) - MOST_FORMS,
            done=[one for one in stops if not one.due],
        )

    @router.get("/patrol/{kind}/{id}")
    def show_stop(
        cases: Annotated[CaseVisit, visitor],
        kind: str,
        id: str,  # noqa: A002
        visit: Number = None,
        done: Short = "",
    ) -> Response:
        return _page(Round(cases, kind), id, just=visit, done=done)

    @router.post("/patrol/{kind}/{id}")
    def send(cases: Annotated[CaseVisit, sender], request: Request, kind: str, id: str) -> Response:  # noqa: A002
        round_ = Round(cases, kind)
        asked_json = "application/json" in request.headers.get("accept", "")
        try:
            kept = _take(round_, shared, round_.find(id))
        except CaseError as refused:
            if asked_json:
                return JSONResponse({"ok": False, "said": cases.visit.say(refused.text)}, refused.status)
            return _page(round_, id, refused=refused)
        if asked_json:
            return JSONResponse({"ok": True, "visit": kept.id, "said": said_of(cases, round_.visits.findings(kept.id))})
        return RedirectResponse(f"{HERE}/{kind}/{id}?visit={kept.id}", 303)


def add_beside_patrol(router: APIRouter, shared: Shared) -> None:
    """Add the photographs of visits, and what becomes of an objection."""
    visitor, actor = Depends(at_cases(shared)), Depends(acting_in_cases(shared))

    @router.get("/patrol/{kind}/{id}/photo/{sha256}")
    def give_photo(cases: Annotated[CaseVisit, visitor], kind: str, id: str, sha256: Digest) -> Response:  # noqa: A002
        round_ = Round(cases, kind)
        thing = round_.find(id)
        told = any(one.seen.photo == sha256 for one in round_.visits.of(kind, thing.id, MOST_VISITS))
        kept = find(shared.config.data, sha256) if told else None
        if kept is None or kept.shown is None:
            raise RequestError(404, NOT_FOUND)
        return Response(kept.shown, media_type="image/jpeg", headers={"Cache-Control": KEPT})

    @router.post("/patrol/{kind}/{id}/object")
    def take_objection(cases: Annotated[CaseVisit, actor], kind: str, id: str) -> Response:  # noqa: A002
        refuse_role(cases.visit.user, "officer")
        round_ = Round(cases, kind)
        place, form = round_.place(round_.find(id)), cases.visit.form
        known = {case for one in round_.visits.of(kind, id, MOST_VISITS) for case in _cases(round_, one)}
        wanted = form.get("case", "")
        chosen = int(wanted) if wanted.isascii() and wanted.isdigit() and int(wanted) in known else 0
        object_to(cases.desk, place, chosen, form.get("text", ""), form.get("key", ""))
        return RedirectResponse(f"{HERE}/{kind}/{id}?done=object", 303)


def _take(round_: Round, shared: Shared, thing: Thing) -> KeptVisit:
    visit = round_.cases.visit
    sent = visit.file if visit.file is not None and visit.file.content else None
    photo = Photo(sent.name, sent.content) if sent else None
    desk = round_.cases.desk
    return take(desk, shared.config, round_.patrol, round_.place(thing), visit.form, photo, round_.now)


def _page(
    round_: Round, id_: str, *, just: int | None = None, done: str = "", refused: CaseError | None = None
) -> Response:
    cases, thing = round_.cases, round_.find(id_)
    last = round_.visits.last(round_.kind, [id_]).get(id_)
    visits = [_told(round_, one) for one in round_.visits.of(round_.kind, id_, MOST_VISITS)]
    along = str(thing.properties.get(round_.patrol.along))
    plates = round_.plates.of(round_.kind, id_)
    return cases.visit.page(
        "patrol_stop.html",
        refused.status if refused else 200,
        **_shared(round_),
        stop=round_.stop(thing, last),
        duties=round_.duties(thing.district or ""),
        key=cases.visit.form["key"] if refused and refused.field != "key" else _key(),
        given=cases.visit.form if refused else {},
        said=cases.visit.say(refused.text) if refused else "",
        just=next((one for one in visits if one.kept.id == just), None),
        told=said_of(cases, round_.visits.findings(just)) if just else "",
        visits=visits,
        along=along,
        along_name=round_.along_name(along),
        facts=round_.facts(thing),
        line=next(iter(lines(round_, [thing])), None),
        score=round_.patrol.score,
        bands=sorted(round_.patrol.score.bands.items(), key=lambda one: -one[1]) if round_.patrol.score else [],
        may_object=cases.visit.may("officer"),
        objected=OBJECTED if done == "object" else None,
        findings=[case for one in visits for case, known in one.cases if not known],
        plates=plates,
        may_exchange=cases.visit.may("officer"),
    )


def _shared(round_: Round) -> dict[str, Any]:
    return {
        "kind": round_.kind,
        "kind_name": round_.things.kind_name(round_.kind),
        "may_visit": round_.may_visit,
        "days": round_.patrol.days,
        "codes": round_.cases.code,
    }


def _cases(round_: Round, kept: KeptVisit) -> list[int]:
    return [one.case for one in round_.visits.findings(kept.id)]


def _days(things: Things) -> int:
    return min((one.days for one in patrolled(things).values()), default=0)


def _key() -> str:
    return secrets.token_hex(16)


def _told(round_: Round, kept: KeptVisit) -> Told:
    say, found = round_.cases.visit.say, []
    for duty, answer in kept.seen.answers.items():
        asked, (tone, shape, text) = round_.patrol.duty.get(duty), ANSWER[answer]
        found.append((say(Text(asked.en, asked.zh)) if asked else duty, Badge(tone, shape, say(text))))
    findings = round_.visits.findings(kept.id)
    cases = [(case, one.known) for one in findings if (case := round_.case(one.case)) is not None]
    return Told(kept, found, cases)


def said_of(cases: CaseVisit, found: list[Finding]) -> str:
    """Return what came of a visit, in words."""
    if not found:
        return cases.visit.say(Text("Kept: all is in order.", "已保存：未发现问题。"))
    parts = []
    for one in found:
        case = cases.desk.book.find(one.case)
        if case is None:
            continue
        text = Text(f"{cases.code(case)}: case {case.number}", f"{cases.code(case)}：已上报，案件{case.number}")
        if one.known:
            text = Text(
                f"{cases.code(case)}: reported already, case {case.number}; it was told that this is still there",
                f"{cases.code(case)}：已有上报，案件{case.number}；已补充“仍存在”",
            )
        parts.append(cases.visit.say(text))
    return cases.visit.say(Text("Kept. ", "已保存。")) + cases.visit.say(Text("; ", "；")).join(parts)
