"""Between alerts and cases, which are in two databases: the case is written first, with the alert's number as its key.

A kill between the two leaves an alert whose audit trail does not tell of its case yet; the next start tells it. Neither
closes the other: an alert ends when its cause does, a case when somebody has checked.
"""

import logging
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from hub.access.names import HUB
from hub.access.tokens import User
from hub.alerts.book import Book
from hub.alerts.records import Alert
from hub.alerts.tables import PART as ALERTS
from hub.cases.book import CaseBook
from hub.cases.desk import CaseDesk
from hub.cases.opening import open_cases
from hub.cases.refusal import CaseError
from hub.cases.rules.records import Case
from hub.cases.rules.rulebook import Rulebook
from hub.cases.tables import FILE
from hub.config.files import Config
from hub.registry.live import Registry
from hub.storage.compliance_file import COMPLIANCE, open_compliance
from hub.storage.database import transaction
from schemas import load_quantities
from schemas.language import Text

log = logging.getLogger("hub.cases")


def open_from_alert(desk: CaseDesk, compliance: Path, id_: int, code: str = "", text: str = "", key: str = "") -> Case:
    """Open a case about an alert; one that has a case already gives that.

    `code`: empty: as the rulebook says for such alerts. `text`: empty: what people were told of the alert.

    Raises:
        CaseError: there is no such alert, it is of no district, or nothing says of which code it is.
    """
    with closing(open_compliance(compliance, ALERTS)) as db:
        alert = find_alert(db, id_, desk.user)
        known = desk.book.find_of_alert(id_)
        case = known or desk.report(
            "alert",
            alert.district,
            code or code_of(desk, alert),
            text or alert.text,
            site=alert.site,
            alert=id_,
            key=key,
        )
        note(desk.book, db, case, id_, desk.user.name)
    return desk.get(case.id)


def join_alert(desk: CaseDesk, compliance: Path, id_: int, alert: int, seen: int | None, key: str, text: str) -> Case:
    """Say that a case is also about an alert.

    Raises:
        CaseError: there is no such alert in the case's district, or the case cannot be changed.
    """
    with closing(open_compliance(compliance, ALERTS)) as db:
        if find_alert(db, alert, desk.user).district != desk.get(id_).district:
            raise CaseError("alert", Text(f"alert {alert} belongs to another district", f"告警{alert}属于其他区县"))
        case = desk.act(id_, "join_alert", text, seen=seen, key=key, alert=alert)
        note(desk.book, db, case, alert, desk.user.name)
    return desk.get(id_)


def find_alert(db: sqlite3.Connection, id_: int, user: User) -> Alert:
    """Return an alert that concerns a user.

    Raises:
        CaseError: there is none.
    """
    alert = Book(db, float).find_alert(id_)
    if alert is None or not user.sees(alert.district):
        raise CaseError("alert", Text(f"there is no alert {id_}", f"没有编号为{id_}的告警"), 404)
    return alert


def code_of(desk: CaseDesk, alert: Alert) -> str:
    """Return the code of what an alert is about, by the rulebook.

    Raises:
        CaseError: it does not say.
    """
    quantity = load_quantities().get(alert.quantity or "")
    site = desk.site(alert.site)
    code = desk.rules.code_of_alert(quantity.family if quantity else "", alert.rule, site.kind if site else "")
    if code is None:
        raise CaseError(
            "code",
            Text(
                f"alert {alert.id} ({alert.rule}): no line from_alert gives it a code; name one",
                f"告警{alert.id}（{alert.rule}）：规则中没有对应的事件代码，请指定",
            ),
            422,
        )
    return code


def note(cases: CaseBook, alerts: sqlite3.Connection, case: Case, alert: int, who: str) -> None:
    """Tell an alert's audit trail, once, that there is a case about it."""
    text = Text(f"case {case.number} is about this", f"已有案件{case.number}")
    book = Book(alerts, lambda: case.updated)
    with transaction(alerts):
        found = book.find_alert(alert)
        if found and all(event.detail != text.en for event in book.events_of(alert)):
            book.add_event(found, "comment", text, who)
    cases.noted(alert)


def reconcile(config: Config, registry: Registry, clock: Callable[[], float]) -> None:
    """Do what a hub that was killed left undone: tell alerts of their cases; and follow the calendar as it is now.

    Raises:
        ConfigError: the rulebook cannot be used.
        DatabaseError: the database of cases cannot.
    """
    rules = Rulebook(config.cases.folder, registry.zone)
    if not (config.data / FILE).exists():
        return  # there are no cases yet
    with closing(open_cases(config.data)) as db:
        desk = CaseDesk(db, rules, registry, clock, User(HUB, "admin"), joined=config.cases.joined)
        if moved := desk.follow_calendar():
            log.info("cases: the calendar has changed; %d deadlines have moved", moved)
        unnoted = desk.book.unnoted()
        if unnoted:
            with closing(open_compliance(config.data / COMPLIANCE, ALERTS)) as alerts:
                for alert, id_ in unnoted:
                    case = desk.book.find(id_)
                    assert case, "an alert is kept with its case in one transaction"
                    note(desk.book, alerts, case, alert, HUB)
            log.info("cases: told %d alerts of their cases", len(unnoted))
