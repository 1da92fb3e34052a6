"""The page of one alert: what happened, what proves it, who was told; and what an officer does with it."""

from typing import Annotated, Literal, NamedTuple

from fastapi import APIRouter, Depends, Path, Response
from fastapi.responses import PlainTextResponse, RedirectResponse

from hub.alerts.records import Alert
from hub.alerts.text import SENDING, VERIFIED
from hub.compliance.verdicts import VerdictTable
from hub.console.badges import PROOF, SENT, severity_of, window_of
from hub.console.cases.opening import case_of_alert
from hub.console.parts.whom import whom_of
from hub.console.plot import plot
from hub.console.web import Shared, Visit, acting, seen_in, visiting
from hub.desk import models
from hub.desk.desk import DeskError, NewsError
from hub.field.book import FieldBook
from hub.field.tables import FILE, STEPS
from hub.sheets.cells import csv_text
from hub.storage.database import open_database
from hub.wire.proof import weakest
from schemas.language import Text

Id = Annotated[int, Path(ge=1, le=2**63 - 1)]
Act = Literal["acknowledge", "comment", "close"]
MOST_WINDOWS = 500
"""Verdicts that are looked through for how well the origin is proven."""


class Calibrated(NamedTuple):
    """What is known of a sender's calibration."""

    due: str
    """The day from which it is overdue; empty: not named."""
    last: dict[str, str]
    """What the technician's laptop told of the newest: method, channel, when (ISO 8601), who."""


def add_alert(router: APIRouter, shared: Shared) -> None:
    """Add the page of an alert and its acts."""
    visitor = Depends(visiting(shared))
    officer = Depends(acting(shared, "officer"))

    @router.get("/alerts/{id}")
    def show_alert(visit: Annotated[Visit, visitor], id: Id, done: str = "") -> Response:  # noqa: A002
        return _page(visit, visit.desk.get(id), done=done)

    @router.get("/alerts/{id}/readings.csv")
    def list_readings(visit: Annotated[Visit, visitor], id: Id) -> Response:  # noqa: A002
        detail = visit.present.detail(visit.desk.get(id), visit.desk)
        readings = detail.evidence.readings if detail.evidence else []
        rows = [("t", "dt_s", "value", "unit", "flag")]
        rows += [(one.t.isoformat(), str(one.dt), _plain(one.value), detail.unit or "", one.flag) for one in readings]
        name = f'attachment; filename="alert-{id}-readings.csv"'
        return PlainTextResponse(csv_text(rows), headers={"Content-Disposition": name}, media_type="text/csv")

    @router.post("/alerts/{id}/{act}")
    def act(visit: Annotated[Visit, officer], id: Id, act: Act) -> Response:  # noqa: A002
        text, seen = visit.form.get("text", "").replace("\r\n", "\n"), seen_in(visit.form)
        who, desk = visit.user.name, visit.desk
        try:
            if act == "acknowledge":
                desk.acknowledge(id, who, text, seen)
            elif act == "comment":
                desk.comment(id, who, text, seen)
            else:
                desk.close(id, who, text, admin=visit.may("admin"), seen=seen)
        except DeskError as error:
            if error.status == 404:
                raise
            return _page(visit, desk.get(id), refused=error, act=act, written=text)
        return RedirectResponse(f"/console/alerts/{id}?done={act}", 303)


def _page(
    visit: Visit, alert: Alert, *, done: str = "", refused: DeskError | None = None, act: str = "", written: str = ""
) -> Response:
    detail = visit.present.detail(alert, visit.desk)
    evidence = detail.evidence
    cited = visit.present.law(alert, visit.desk)
    # Where the law converts to a reference content of oxygen, what was measured and the limit are two things.
    converted = cited is not None and cited[1].reference_o2 is not None
    drawn = None
    if evidence:
        limit = None if converted else detail.limit
        drawn = plot(evidence.readings, detail.windows, limit, evidence.start, evidence.end)
    closable = alert.state == "resolved" or (visit.may("admin") and alert.state not in {"closed", "withdrawn"})
    news = [] if not isinstance(refused, NewsError) else [one for one in detail.steps if _is_in(one, refused)]
    return visit.page(
        "alert.html",
        refused.status if refused else 200,
        alert=detail,
        state=alert.state,
        badge=severity_of(detail.severity, visit.lang, detail.kind),
        plot=drawn,
        converted=converted,
        windows=[(window, window_of(window.outcome, alert.kind, alert.severity)) for window in detail.windows],
        quantity=_quantity(visit, alert),
        letters={letter: visit.say(text) for letter, text in VERIFIED.items()},
        proof=_origin(visit, alert),
        calibrated=_calibrated(visit, alert),
        told=_told(visit, detail),
        seen=detail.steps[-1].id if detail.steps else 0,
        may_act=visit.may("officer"),
        of_case=case_of_alert(visit, alert),
        whom=whom_of(alert),
        may_acknowledge=visit.may("officer") and alert.acknowledged is None and alert.state in {"firing", "resolved"},
        may_close=visit.may("officer") and closable,
        site=visit.registry.sites.get(alert.site),
        deadline=_deadline(visit, alert),
        done=done,
        said=visit.say(refused.text) if refused else "",
        news=news,
        act=act,
        written=written,
    )


def _is_in(step: models.Step, refused: NewsError) -> bool:
    return step.id in {event.id for event in refused.news}


def _origin(visit: Visit, alert: Alert) -> tuple[str, str] | None:
    """Return how well it is proven who measured, at the weakest of the alert's windows: its key, and in words."""
    if alert.kind != "limit":
        return None
    found = VerdictTable(visit.db).search(
        device=alert.device, rule=alert.rule, since=alert.first, until=alert.last, limit=MOST_WINDOWS
    )
    if not found:
        return None
    worst = found[0].proof
    for one in found[1:]:
        worst = weakest(worst, one.proof)
    return worst, visit.say(PROOF[worst])


def _calibrated(visit: Visit, alert: Alert) -> Calibrated | None:
    sender = visit.registry.sender(alert.device)
    if sender is None:
        return None
    due = getattr(sender, "calibration_due", None)
    path = visit.shared.config.data / FILE
    last: dict[str, str] = {}
    if path.exists():
        db = open_database(path, STEPS)
        try:
            entries = FieldBook(db).of(alert.device, "calibration")
        finally:
            db.close()
        named = {key: value for key, value in (entries[-1] if entries else {}).items() if isinstance(value, str)}
        last = {key: named[key] for key in ("method", "channel", "at", "who", "due") if key in named}
    return Calibrated(due.isoformat() if due else "", last)


def _quantity(visit: Visit, alert: Alert) -> str:
    known = visit.shared.quantities.get(alert.quantity or "")
    return visit.say(Text(known.en, known.zh)) if known else ""


def _told(visit: Visit, detail: models.AlertDetail) -> list[tuple[models.Told, str, str, str]]:
    """Return each message: what was told, in words, whether it arrived, and how that is shown."""
    steps = {step.id: step for step in detail.steps}
    return [
        (
            one,
            steps[one.step].what_name if one.step in steps else "",
            visit.say(SENDING.get(one.state, Text(one.state, one.state))),  # type: ignore[call-overload]
            SENT.get(one.state, "quiet"),
        )
        for one in detail.notifications
    ]


def _deadline(visit: Visit, alert: Alert) -> float | None:
    """Return when the next level of recipients is called unless somebody acknowledges, Unix s; None: never."""
    config = visit.shared.config
    return next_level_at(
        alert, config.alerts.escalate_minutes.get(alert.severity), max((r.level for r in config.recipients), default=0)
    )


def next_level_at(alert: Alert, minutes: float | None, levels: int) -> float | None:
    """Return when an alert is escalated to the next of so many levels, `minutes` apart, Unix s; None: never."""
    waits = alert.acknowledged is None and alert.fired is not None and alert.state in {"firing", "resolved"}
    if not waits or minutes is None or alert.maintenance is not None or alert.escalation >= levels:
        return None
    assert alert.fired is not None
    return alert.fired + 60 * minutes * (alert.escalation + 1)


def _plain(value: float | None) -> str:
    return "" if value is None else f"{value:g}"
