"""Pages of marks: the list, the form by which an enterprise logs one, a mark with what is done with it."""

import datetime as dt
from collections.abc import Callable
from typing import Annotated, Literal, NamedTuple, get_args
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Depends, Path, Response
from fastapi.responses import RedirectResponse

from hub.companies.desk import DECIDE_S, INSUFFICIENT_STORAGE, UNAVAILABLE, MeanwhileError
from hub.companies.words import ACT, STANDING, kind_of
from hub.console.companies.visit import CompanyVisit, acting_at_companies, at_companies
from hub.console.parts.order import Number, Order, Pages
from hub.console.parts.sheet import csv_file
from hub.console.today import Short
from hub.console.web import Sent, Shared, read_upload, seen_in
from hub.http.problems import RequestError
from hub.things.marks.records import Mark, MarkEvent, Standing
from schemas.domains import mark_kinds, marked_families
from schemas.domains.entries import MarkKind
from schemas.language import Text

Id = Annotated[int, Path(ge=1, le=2**63 - 1)]
Digest = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")]
Act = Literal["end", "withdraw", "accept", "reject"]
HERE = "/console/marks"
CHOICES = 100
"""With more outlets than this nobody chooses from a list: an id is typed."""
NO_TIME = Text("Expected a local date and time such as 2026-12-01T22:00.", "应为当地日期和时间，如2026-12-01T22:00。")
DONE: dict[str, Text] = {
    "mark": Text(
        "Logged. It counts once its proof is there, until the deadline below.",
        "已登记。请在时限前上传证明，上传后生效。",
    ),
    "proof": Text("The document is kept with the mark.", "证明文件已保存。"),
    "end": Text("The mark ends earlier; what follows is judged again.", "标记已提前结束，其后时段将重新判定。"),
    "withdraw": Text("Withdrawn; its hours are judged as if it were not there.", "已撤回，所标时段按未标记重新判定。"),
    "accept": Text("Accepted.", "已认可。"),
    "reject": Text("Rejected; its hours are judged as if it were not there.", "不予认可，所标时段按未标记重新判定。"),
}
KEPT = "private, max-age=86400, immutable"
HEAD = (
    *("id", "outlet", "kind", "begin", "end", "quantities", "reason", "who", "logged", "deadline", "standing"),
    *("effective", "proofs", "decided_by"),
)


class Told(NamedTuple):
    """An event of a mark in words."""

    event: MarkEvent
    what: str


def add_marks(router: APIRouter, shared: Shared) -> None:
    """Add the list, the form, the page of a mark and its acts."""
    _add_list(router, shared)
    _add_new(router, shared)
    _add_one(router, shared)


def _add_list(router: APIRouter, shared: Shared) -> None:
    visitor = Depends(at_companies(shared))

    @router.get("/marks")
    def show_marks(
        visit: Annotated[CompanyVisit, visitor], standing: Short = "", outlet: Short = "", page: Number = 1
    ) -> Response:
        found, outlets = _found(visit, standing, outlet), visit.desk.outlets()
        pages = Pages(Order(HERE, {"standing": standing, "outlet": outlet}, {"": ""}, ""), page, len(found))
        names = {one.id: one for one in outlets}
        return visit.visit.page(
            "marks.html",
            lines=[visit.line(one, names) for one in found[pages.skip : pages.skip + pages.each]],
            pages=pages,
            query=urlencode({name: one for name, one in (("standing", standing), ("outlet", outlet)) if one}),
            standing=standing,
            standings=[(one, visit.visit.say(text)) for one, text in STANDING.items()],
            outlet=outlet,
            outlets=[(one.id, visit.name(one)) for one in outlets] if len(outlets) <= CHOICES else [],
            may_mark=visit.may_mark,
        )

    @router.get("/marks.csv")
    def list_marks(visit: Annotated[CompanyVisit, visitor], standing: Short = "", outlet: Short = "") -> Response:
        iso, now = visit.visit.page_formats.iso, visit.visit.now
        rows = [
            (
                *(one.id, one.said.outlet, one.said.kind, iso(one.said.begin), iso(one.end)),
                *(" ".join(one.said.quantities), one.reason, one.who, iso(one.logged), iso(one.deadline)),
                *(one.standing(now), "yes" if one.effective else "no", len(one.proofs)),
                one.decision.who if one.decision else "",
            )
            for one in _found(visit, standing, outlet)
        ]
        return csv_file("marks.csv", HEAD, rows)


def _found(visit: CompanyVisit, standing: str, outlet: str) -> list[Mark]:
    outlets = [one for one in visit.desk.outlets() if outlet in {"", one.id}]
    known = standing if standing in get_args(Standing) else ""
    now = visit.visit.now
    return [one for one in visit.desk.marks(outlets) if not known or one.standing(now) == known]


def _add_new(router: APIRouter, shared: Shared) -> None:
    visitor, actor = Depends(at_companies(shared, "company")), Depends(acting_at_companies(shared))

    @router.get("/add-mark")
    def show_new(visit: Annotated[CompanyVisit, visitor], outlet: Short = "") -> Response:
        return _form(visit, outlet)

    @router.post("/add-mark")
    def add(visit: Annotated[CompanyVisit, actor]) -> Response:
        form, seen = visit.visit.form, seen_in(visit.visit.form)
        wanted = [name.removeprefix("q-") for name in form if name.startswith("q-")]
        try:
            begin, end = _moment(visit, "begin"), _moment(visit, "end")
            mark = visit.desk.log(
                form.get("outlet", ""),
                form.get("kind", ""),
                begin,
                end,
                form.get("reason", ""),
                quantities=wanted,
                seen=seen,
            )
        except RequestError as refused:
            if refused.status not in {404, 422, UNAVAILABLE, INSUFFICIENT_STORAGE}:
                raise
            return _form(visit, form.get("outlet", ""), refused)
        return RedirectResponse(f"{HERE}/{mark.id}?done=mark", 303)


def _add_one(router: APIRouter, shared: Shared) -> None:
    visitor, actor = Depends(at_companies(shared)), Depends(acting_at_companies(shared))
    sender = Depends(acting_at_companies(shared, read_upload))

    @router.get("/marks/{id}")
    def show_mark(visit: Annotated[CompanyVisit, visitor], id: Id, done: Short = "") -> Response:  # noqa: A002
        return _page(visit, visit.desk.mark(id), done=done)

    @router.get("/marks/{id}/proofs/{sha256}")
    def give_proof(
        visit: Annotated[CompanyVisit, visitor],
        id: Id,  # noqa: A002
        sha256: Digest,
        original: str = "",
    ) -> Response:
        told, kept = visit.desk.proof(id, sha256)
        if kept.shown is not None and not original:
            return Response(kept.shown, media_type="image/jpeg", headers={"Cache-Control": KEPT})
        name = f"attachment; filename*=utf-8''{quote(told.name)}"
        return Response(kept.content, media_type=told.media, headers={"Content-Disposition": name})

    @router.post("/marks/{id}/proof")
    def prove(visit: Annotated[CompanyVisit, sender], id: Id) -> Response:  # noqa: A002
        file = visit.visit.file or Sent("", b"")
        return _done(visit, id, "proof", lambda: visit.desk.prove(id, file.name, file.content))

    @router.post("/marks/{id}/{act}")
    def act(visit: Annotated[CompanyVisit, actor], id: Id, act: Act) -> Response:  # noqa: A002
        desk, form = visit.desk, visit.visit.form
        seen, text = seen_in(form), form.get("text", "")
        acts: dict[Act, Callable[[], Mark]] = {
            "end": lambda: desk.end(id, _moment(visit, "end")),
            "withdraw": lambda: desk.withdraw(id, text),
            "accept": lambda: desk.decide(id, "accept", text, seen),
            "reject": lambda: desk.decide(id, "reject", text, seen),
        }
        return _done(visit, id, act, acts[act])


def _done(visit: CompanyVisit, id_: int, what: str, act: Callable[[], Mark]) -> Response:
    try:
        act()
    except RequestError as refused:
        if refused.status in {403, 404}:
            raise
        return _page(visit, visit.desk.mark(id_), refused=refused, act=what)
    return RedirectResponse(f"{HERE}/{id_}?done={what}", 303)


def _page(
    visit: CompanyVisit, mark: Mark, *, done: str = "", refused: RequestError | None = None, act: str = ""
) -> Response:
    say = visit.visit.say
    outlet = visit.desk.outlet(mark.said.outlet)
    can, now = visit.desk.can_change(mark), visit.visit.now
    standing = mark.standing(now)
    good = standing not in {"late", "back_dated"}
    return visit.visit.page(
        "mark.html",
        refused.status if refused else 200,
        line=visit.line(mark, {outlet.id: outlet}),
        mark=mark,
        outlet=outlet,
        title=visit.name(outlet),
        kind=say(kind_of(mark)),
        quantities=[visit.quantity(one) for one in mark.said.quantities],
        standing=standing,
        decide_by=mark.end + DECIDE_S,
        history=[_told(visit, one) for one in visit.desk.store.events(mark.id)],
        seen=mark.last,
        may_mark=visit.may_mark and mark.withdrawn is None,
        may_change=visit.may_mark and can,
        may_accept=visit.visit.may("officer") and can and good and standing != "accepted",
        may_reject=visit.visit.may("officer") and can and standing != "rejected",
        most_mb=visit.visit.shared.config.cases.attachment_mb,
        done=say(DONE[done]) if done in DONE else "",
        said=say(refused.text) if refused else "",
        news=[_told(visit, one) for one in refused.news] if isinstance(refused, MeanwhileError) else [],
        written=visit.visit.form.get("text", "") if refused else "",
        act=act,
    )


def _told(visit: CompanyVisit, event: MarkEvent) -> Told:
    return Told(event, visit.visit.say(ACT[event.what]))


def _form(visit: CompanyVisit, outlet: str, refused: RequestError | None = None) -> Response:
    kinds = mark_kinds()
    local = visit.visit.page_formats.local
    hour = local(visit.visit.now).replace(minute=0, second=0, microsecond=0)
    usual = {"begin": f"{hour:%Y-%m-%dT%H:%M}", "end": f"{hour + dt.timedelta(hours=1):%Y-%m-%dT%H:%M}"}
    given = {"kind": "", "reason": "", "outlet": outlet} | usual | (visit.visit.form if refused else {})
    quantities = visit.visit.shared.quantities
    return visit.visit.page(
        "mark_new.html",
        refused.status if refused else 200,
        outlets=[(one.id, visit.name(one)) for one in visit.desk.outlets()],
        kinds=[(id_, visit.visit.say(Text(one.en, one.zh)), _rule(visit, one)) for id_, one in kinds.items()],
        quantities=[
            (key, visit.visit.say(Text(one.en, one.zh)), f"q-{key}" in visit.visit.form)
            for key, one in quantities.items()
            if one.family in marked_families()
        ],
        given=given,
        seen=visit.desk.store.newest(),
        said=visit.visit.say(refused.text) if refused else "",
        field=refused.field if refused else "",
    )


def _rule(visit: CompanyVisit, kind: MarkKind) -> str:
    told = Text(
        f"log it at most {kind.back_h:g} h after it begins, prove it within {kind.deadline_h:g} h after its end",
        f"须在开始后{kind.back_h:g}小时内登记，结束后{kind.deadline_h:g}小时内提供证明",
    )
    return visit.visit.say(told)


def _moment(visit: CompanyVisit, field: str) -> float:
    try:
        when = dt.datetime.fromisoformat(visit.visit.form.get(field, ""))
        zone = visit.visit.shared.registry().zone
        return (when if when.tzinfo else when.replace(tzinfo=zone)).timestamp()
    except (ValueError, OverflowError):
        raise RequestError(422, NO_TIME, field) from None
