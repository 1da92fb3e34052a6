"""People told: who is told of what, at which level of escalation, and whether the messages arrive.

Recipients stand in `fenceline.toml`, with their addresses in files and the environment: they are changed there. Here an
admin sends a test message, as `fenceline notify test` does; what a service had refused goes out with it.
"""

import time
from contextlib import closing
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Depends, Path, Response
from fastapi.responses import RedirectResponse

from hub.alerts.text import SEVERITY
from hub.config.alerts import SEVERITIES, Recipient, Told
from hub.console.badges import Badge, severity_of
from hub.console.today import district_name
from hub.console.web import NOT_FOUND, Shared, Visit, acting, seen_in, visiting
from hub.http.problems import RequestError
from hub.notify.proving import ProofStep, ask_once, finish, last_result, last_step
from hub.notify.queue import Line, lines
from hub.notify.recipients import recipients
from hub.notify.tables import PART as NOTIFY
from hub.storage.compliance_file import open_compliance
from schemas.chinese import in_chinese
from schemas.domains import site_kinds
from schemas.language import Text

HERE = "/console/told"
Name = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
TELLS: dict[Told, Text] = {
    "early": Text("early warnings", "预警"),
    "firing": Text("alerts", "告警"),
    "escalated": Text("what nobody takes in hand", "逾时无人确认"),
    "amended": Text("amendments by late data", "迟到数据修正"),
    "resolved": Text("that it is over", "解除"),
}
LANGS = {"en": Text("English", "英文"), "zh": Text("Chinese", "中文"), "both": Text("both languages", "中英文")}


class Person(NamedTuple):
    """A recipient as the page shows one."""

    recipient: Recipient
    tells: str
    where: str
    """Districts and kinds of sites."""
    least: Badge
    lang: str
    line: Line
    error: str
    """Why the service does not take messages; empty: it does."""
    tested: ProofStep | None
    why: str
    """Why it did not take the test message."""
    may_test: bool


class Rung(NamedTuple):
    """A severity, and after how long which level is told of it."""

    badge: Badge
    minutes: list[float]
    """Until level 1, 2, ...; empty: it is never passed on."""


def add_told(router: APIRouter, shared: Shared) -> None:
    """Add the page and the test message."""
    visitor, admin = Depends(visiting(shared)), Depends(acting(shared, "admin"))

    @router.get("/told")
    def show_told(visit: Annotated[Visit, visitor], done: str = "") -> Response:
        return _page(visit, done)

    @router.post("/told/{name}/test")
    def test(visit: Annotated[Visit, admin], name: Name) -> Response:
        seen = seen_in(visit.form)
        found = [one for one in _concerning(visit) if one.name == name and manages(visit, one)]
        if not found:
            raise RequestError(404, NOT_FOUND)
        with closing(open_compliance(shared.compliance, NOTIFY)) as db:
            # A form that comes again, by a second tap or because the hub died, sends nothing: what came of it is shown.
            if ask_once(db, time.time(), visit.user.name, name, seen):
                finish(found[0], [db], visit.user.name, time.time)
        return RedirectResponse(f"{HERE}?done={name}", 303)


def manages(visit: Visit, recipient: Recipient) -> bool:
    """Tell whether an admin may have a test sent to a recipient: one of all districts, or of none but the admin's."""
    own = set(visit.user.districts)
    return visit.may("admin") and (not own or (bool(recipient.districts) and set(recipient.districts) <= own))


def _page(visit: Visit, done: str) -> Response:
    config = visit.shared.config
    with closing(open_compliance(visit.shared.compliance, NOTIFY)) as db:
        stands = lines(db)
        people = [_person(visit, one, stands, last_result(db, one.name)) for one in _concerning(visit)]
        seen = last_step(db)
    levels = max((one.recipient.level for one in people), default=0)
    return visit.page(
        "told.html",
        levels=[(level, [one for one in people if one.recipient.level == level]) for level in range(levels + 1)],
        nobody=not people,
        ladder=[
            Rung(severity_of(one, visit.lang), [minutes * level for level in range(1, levels + 1)] if minutes else [])
            for one in reversed(SEVERITIES)
            for minutes in [config.alerts.escalate_minutes.get(one)]
        ],
        seen=seen,
        is_admin=visit.may("admin"),
        tested=next((one for one in people if one.recipient.name == done and one.tested), None),
    )


def _concerning(visit: Visit) -> list[Recipient]:
    """Return the recipients who are told of anything that the visitor sees."""
    own = set(visit.user.districts)
    return [one for one in recipients(visit.shared.config) if not own or not one.districts or own & set(one.districts)]


def _person(visit: Visit, one: Recipient, stands: dict[str, Line], tested: ProofStep | None) -> Person:
    comma = visit.say(Text(", ", "、"))
    kinds = {kind: visit.say(Text(named.en, named.zh)) for kind, named in site_kinds().items()}
    where = comma.join(district_name(visit, id_) for id_ in one.districts) or visit.say(Text("all districts", "全部区"))
    if one.kinds:
        where = f"{where} ({comma.join(kinds.get(kind, kind) for kind in one.kinds)})"
    tells = comma.join(visit.say(TELLS[step]) for step in one.tell)
    least = severity_of(one.least, visit.lang)
    least = least._replace(
        text=visit.say(Text(f"{SEVERITY[one.least].en} and above", f"{SEVERITY[one.least].zh}及以上"))
    )
    line = stands.get(one.name, Line(one.name))
    error, why = (
        visit.say(Text(text, in_chinese(text))) for text in (line.error or "", tested.detail if tested else "")
    )
    return Person(
        *(one, tells, where, least, visit.say(LANGS[one.lang]), line, error, tested, why),
        may_test=manages(visit, one),
    )
