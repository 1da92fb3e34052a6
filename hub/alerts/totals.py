"""The life of alerts about yearly totals: one for each total and year, raised as more of it is used up.

It fires when the first share is reached, becomes a violation when all is used up, and is over when late data, or
another permit, show that it was not so, or when the year is over and nothing that comes late counts any more.
"""

import sqlite3
from collections.abc import Callable
from typing import NamedTuple

from msgspec.structs import replace

from hub.alerts.book import Book
from hub.alerts.records import Alert, AlertWindow
from hub.alerts.ruled import alert_on
from hub.config.alerts import SEVERITIES, Severity
from hub.judge.records import RuleVerdict
from schemas.language import Text

RULE = "permit-total "
"""How the causes of these alerts begin; the id of the total follows."""

OVER = Text("the year is over", "年度已结束")


class Where(NamedTuple):
    """Where the outlet is that a total is about."""

    district: str
    site: str


class TotalAlerts:
    """Alerts about totals, in the database behind `db`; each call is inside a transaction of the caller's."""

    def __init__(self, db: sqlite3.Connection, clock: Callable[[], float]) -> None:
        self._book = Book(db, clock)
        self._clock = clock

    def judged(self, v: RuleVerdict, where: Where, text: Text, *, near: bool) -> None:
        """Take a verdict on a year; `near`: a share has been reached at which people are warned."""
        alert = self._book.find_open_alert(v.subject, v.rule)
        if alert is not None and alert.first > v.start:
            return  # of a year before: the verdict says it, the alert is about this year
        if alert is not None and alert.first < v.start:
            self._end(alert, OVER)
            alert = None
        severity: Severity | None = "violation" if v.outcome == "exceeded" else "warning" if near else None
        if severity is None:
            if alert is not None:
                self._end(alert, text)
            return
        if alert is None:
            alert = self._fire(v, where, severity, text)
        elif SEVERITIES.index(severity) > SEVERITIES.index(alert.severity):
            self._book.change_alert(alert, severity=severity, value=v.value, last=v.end)
            self._book.add_event(alert, "raised", text)
        else:
            self._book.change_alert(alert, value=v.value, last=v.end, severity=severity)
            self._book.add_event(alert, "amended", text)
        self._book.replace_window(_window(alert, v), v.start)

    def end_before(self, start: int) -> None:
        """End the alerts on years that began before `start`, Unix s: nothing that comes late changes them any more."""
        for alert in self._book.open_alerts():
            if alert.rule.startswith(RULE) and alert.first < start:
                self._end(alert, OVER)

    def _fire(self, v: RuleVerdict, where: Where, severity: Severity, text: Text) -> Alert:
        now = self._clock()
        window = self._book.maintenance.overlapping(where.site, v.subject, int(now), int(now))
        made = alert_on(v, where.district, where.site, severity, now, window, text)
        alert = self._book.add_alert(replace(made, state="firing", fired=now, verified="P", exceeded=1))
        self._book.add_event(alert, "firing", text)
        if window:
            self._book.add_event(alert, "suppressed", window.shown)
        return alert

    def _end(self, alert: Alert, why: Text) -> None:
        self._book.change_alert(alert, state="resolved", resolved=self._clock())
        self._book.add_event(alert, "resolved", why)


def _window(alert: Alert, v: RuleVerdict) -> AlertWindow:
    return AlertWindow(
        alert=alert.id,
        start=v.start,
        end=v.end,
        revision=v.revision,
        outcome=v.outcome,
        value=v.value,
        capture=None,
    )
