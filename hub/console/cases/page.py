"""The page of one case: its seven steps, what proves it, and what the visitor may do with it; and the file on paper."""

import hashlib
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple
from urllib.parse import quote

from fastapi import APIRouter, Depends, Path, Query, Response
from fastapi.responses import RedirectResponse

from hub.alerts.book import of_lines
from hub.alerts.records import Alert
from hub.alerts.text import VERIFIED
from hub.cases.attachments.store import attach, attached, of_case
from hub.cases.bridge import join_alert
from hub.cases.present import history_digest, position_name, shown_similar
from hub.cases.refusal import CaseError, CaseNewsError
from hub.cases.rules.records import Case, Event, What
from hub.cases.rules.rulebook import origin_of
from hub.cases.rules.texts import ACT, CHECKED, DO, FOUND, JOINED, SHOWS, SOURCE, STAGE, STATE, UNIT
from hub.console.badges import PROOF, Badge, severity_of
from hub.console.cases.forms import forms_of, given_in
from hub.console.cases.steps import steps_of
from hub.console.cases.visit import CaseVisit, acting_in_cases, at_cases
from hub.console.parts.whom import whom_of
from hub.console.web import Sent, Shared, read_upload, seen_in
from hub.desk import models
from schemas.chinese import source_text
from schemas.language import Text

Id = Annotated[int, Path(ge=1, le=2**63 - 1)]
Done = Annotated[str, Query(max_length=40)]
Digest = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")]
KEPT = "private, max-age=86400, immutable"
"""A picture's address is its digest, so it is never another one."""
MOST_MESSAGES = 200
"""Messages of an alert whose digests stand in a case file; the alert's own evidence has all."""


class Told(NamedTuple):
    """An event of the history in words."""

    event: Event
    position: str
    what: str
    parts: str
    """What it says beside its text."""


class Proven(NamedTuple):
    """An alert as a case's evidence."""

    alert: Alert
    detail: models.AlertDetail
    badge: Badge
    messages: list[tuple[models.Message, str, str]]
    """Each with how well its origin is proven, in words, and the SHA-256 of its payload."""
    more: bool


def add_case(router: APIRouter, shared: Shared) -> None:
    """Add the page of a case, its acts, and its file."""
    visitor, actor = Depends(at_cases(shared)), Depends(acting_in_cases(shared))
    sender = Depends(acting_in_cases(shared, read_upload))

    @router.get("/cases/{id}")
    def show_case(cases: Annotated[CaseVisit, visitor], id: Id, done: Done = "") -> Response:  # noqa: A002
        return _page(cases, cases.desk.get(id), done=done)

    @router.get("/cases/{id}/file")
    def show_file(cases: Annotated[CaseVisit, visitor], id: Id) -> Response:  # noqa: A002
        return _file(cases, cases.desk.get(id))

    @router.post("/cases/{id}/attachments")
    def attach_file(cases: Annotated[CaseVisit, sender], id: Id) -> Response:  # noqa: A002
        form, desk, file = cases.visit.form, cases.desk, cases.visit.file or Sent("", b"")
        seen, text = seen_in(form), form.get("text", "").replace("\r\n", "\n")
        shows = form.get("shows", "")
        try:
            attach(desk, shared.config, id, file.name, file.content, shows, seen=seen, text=text)
        except CaseError as error:
            return _page(cases, desk.get(id), refused=error, act="attach")
        return RedirectResponse(f"/console/cases/{id}?done=attach", 303)

    @router.get("/cases/{id}/attachments/{sha256}")
    def give_file(
        cases: Annotated[CaseVisit, visitor],
        id: Id,  # noqa: A002
        sha256: Digest,
        original: str = "",
    ) -> Response:
        told_of, kept = of_case(cases.desk, shared.config.data, id, sha256)
        if kept.shown is not None and not original:
            return Response(kept.shown, media_type="image/jpeg", headers={"Cache-Control": KEPT})
        name = f"attachment; filename*=utf-8''{quote(told_of.name)}"
        return Response(kept.content, media_type=told_of.media, headers={"Content-Disposition": name})

    @router.post("/cases/{id}/{act}")
    def act(cases: Annotated[CaseVisit, actor], id: Id, act: What) -> Response:  # noqa: A002
        form, desk = cases.visit.form, cases.desk
        seen, text = seen_in(form), form.get("text", "").replace("\r\n", "\n")
        try:
            given = given_in(form, act)
            if act == "join_alert" and "alert" in given:
                join_alert(desk, shared.compliance, id, given["alert"], seen, "", text)
            else:
                desk.act(id, act, text, seen=seen, **given)
        except CaseError as error:
            return _page(cases, desk.get(id), refused=error, act=act)
        return RedirectResponse(f"/console/cases/{id}?done={act}", 303)


def _page(cases: CaseVisit, case: Case, *, done: str = "", refused: CaseError | None = None, act: str = "") -> Response:
    visit, history, alerts = cases.visit, cases.desk.book.events(case.id), _alerts(cases, case)
    news = {event.seq for event in refused.news} if isinstance(refused, CaseNewsError) else set()
    forms = forms_of(cases, case, history, act, visit.form)
    return visit.page(
        "case.html",
        refused.status if refused else 200,
        **_facts(cases, case, history, alerts),
        done=visit.say(ACT[done]) if done in ACT else "",
        said=visit.say(refused.text) if refused else "",
        act=act if act == "attach" or any(one.what == act for one in forms) else "",
        may_attach="attach" in cases.desk.may(case),
        most_mb=visit.shared.config.cases.attachment_mb,
        written=visit.form.get("text", "") if refused else "",
        news=[one for one in told(cases, history) if one.event.seq in news],
        forms=forms,
        alerts=[(one, severity_of(one.severity, cases.lang, one.kind), whom_of(one)) for one in alerts],
        similar=[(one, visit.say(STATE[one["state"]])) for one in shown_similar(case, cases.desk)],
    )


def _facts(cases: CaseVisit, case: Case, history: list[Event], alerts: list[Alert]) -> dict[str, Any]:
    """Return what page and paper have in common."""
    visit, rules = cases.visit, cases.desk.rules
    code = rules.code(case.code, case.district)
    basis = next((one.data.get("basis") for one in reversed(history) if one.what == "file"), None)
    return {
        "case": case,
        "reported": _reported(cases, case, alerts),
        "card": cases.card(case),
        "code": code,
        "full_code": rules.full_code(case.code, case.district) or case.code,
        "district": cases.district(case.district),
        "source": visit.say(SOURCE[case.source]),
        "unit": visit.say(UNIT[case.unit]),
        "basis": basis and basis | {"origin": origin_of(basis)},
        "certain": case.deadline is None or rules.calendar.is_known(case.deadline),
        "known_to": rules.calendar.entry.known_to,
        "calendar": rules.calendar.entry,
        "calendar_source": visit.say(source_text(rules.calendar.entry.source)),
        "co_handlers": [cases.department(one) for one in case.co_handlers],
        "steps": steps_of(cases, case, history),
        "files": [(one, visit.say(SHOWS[one.shows])) for one in attached(history)],
        "shows": [(one, visit.say(text)) for one, text in SHOWS.items()],
        "history": told(cases, history),
        "joined": visit.say(JOINED) if cases.desk.joined or any(one.joined for one in history) else "",
        "letters": {letter: visit.say(text) for letter, text in VERIFIED.items()},
    }


def _file(cases: CaseVisit, case: Case) -> Response:
    visit, history, alerts = cases.visit, cases.desk.book.events(case.id), _alerts(cases, case)
    return visit.page(
        "case_file.html",
        **_facts(cases, case, history, alerts),
        proven=[_proven(cases, alert) for alert in alerts],
        digest=history_digest(history),
    )


def _reported(cases: CaseVisit, case: Case, alerts: list[Alert]) -> str:
    """Return what was reported; an alert's own text, which is kept in both languages, in the visitor's alone."""
    if any(case.text == alert.text for alert in alerts):
        return cases.visit.say(of_lines(case.text))
    return case.text


def _alerts(cases: CaseVisit, case: Case) -> list[Alert]:
    found = cases.visit.desk.book.find_alerts(set(case.alerts))
    return [found[id_] for id_ in case.alerts if id_ in found and cases.desk.user.sees(found[id_].district)]


def _proven(cases: CaseVisit, alert: Alert) -> Proven:
    visit = cases.visit
    detail = visit.present.detail(alert, visit.desk)
    page = visit.present.messages(alert, visit.desk, 0, MOST_MESSAGES)
    messages = [
        (one, visit.say(PROOF[one.proof]), hashlib.sha256(one.payload.encode()).hexdigest()) for one in page.messages
    ]
    return Proven(alert, detail, severity_of(alert.severity, cases.lang, alert.kind), messages, page.cursor is not None)


def told(cases: CaseVisit, history: list[Event]) -> list[Told]:
    """Return a history in words."""
    say = cases.visit.say
    return [
        Told(
            event,
            position_name(event.position, cases.lang),
            say(ACT[event.what]) if event.what != "report" else say(DO["report"]),
            say(Text(", ", "，")).join(_parts(cases, event)),
        )
        for event in history
    ]


def _parts(cases: CaseVisit, event: Event) -> list[str]:
    """Return what an event says beside its text, in words."""
    say, data = cases.visit.say, event.data
    known: dict[str, Callable[[Any], str]] = {
        "found": lambda value: say(FOUND[value]),
        "result": lambda value: say(CHECKED[value]),
        "stage": lambda value: say(STAGE[value]),
        "department": cases.department,
        "standard": lambda value: say(Text(f"case standard {value}", f"立案标准{value}")),
        "amount": lambda value: f"{value:g} {say(UNIT[data['unit']])}" if "unit" in data else f"{value:g}",
        "same_as": lambda value: say(Text(f"same as case {value}", f"与案件{value}相同")),
        "shows": lambda value: f"{say(SHOWS[value])} {data['name']}",
        "alert": lambda value: say(Text(f"alert {value}", f"告警{value}")),
        "deadline": lambda value: say(Text("deadline ", "期限")) + cases.visit.page_formats.full(value)[:16],
    }
    parts = [tell(data[name]) for name, tell in known.items() if data.get(name)]
    if data.get("by_table"):
        parts.append(say(Text("by the responsibility table", "按责任表")))
    return parts
