"""The life of alerts about rules of packs that are no limits; they live as those about limits do.

A breach that goes on makes one alert, which is resolved when it is over. One that is said when it is over already, as
of a shift or an inspection, is resolved when enough verdicts in a row say that the rule was kept, or after a day.
"""

import sqlite3
from collections.abc import Callable
from typing import NamedTuple

from msgspec.structs import replace

from hub.alerts.book import Book, lines
from hub.alerts.escalation import Escalation
from hub.alerts.facts import RULED
from hub.alerts.life import PASS_EVERY, UNKNOWN
from hub.alerts.maintenance import Maintenance
from hub.alerts.records import Alert, AlertWindow
from hub.alerts.text import VERIFIED, Teller
from hub.config.alerts import SEVERITIES, Alerting, Severity
from hub.judge.records import RuleVerdict, why
from hub.registry.live import Registry
from schemas.domains.entries import Rule
from schemas.language import Text

WARNINGS = ("ends_soon", "nearly_used_up")
"""Why a verdict is told though nothing is broken yet."""


class Whom(NamedTuple):
    """Whom a verdict is about: what it is called, and where it was heard last."""

    name: Text
    district: str
    site: str
    responsible: tuple[Text, ...] = ()
    """Who answers for a breach, as they were called then."""


def alert_on(
    v: RuleVerdict,
    district: str,
    site: str,
    severity: Severity,
    now: float,
    maintenance: Maintenance | None,
    text: Text,
) -> Alert:
    """Return the alert that a verdict begins, pending; `now`: Unix s."""
    return Alert(
        kind="rule",
        district=district,
        site=site,
        device=v.subject,
        rule=v.rule,
        state="pending",
        severity=severity,
        opened=now,
        maintenance=maintenance.id if maintenance else None,
        first=v.start,
        last=v.end,
        value=v.value,
        limit_value=v.limit_value,
        unit=v.unit,
        standard=v.citation,
        length=v.end - v.start,
        text=lines(text),
    )


class RuleAlerts:
    """Alerts about rules, in the database behind `db`; each call is inside a transaction of the caller's."""

    def __init__(
        self,
        db: sqlite3.Connection,
        registry: Registry,
        clock: Callable[[], float],
        settings: Alerting | None = None,
        levels: int = 0,
    ) -> None:
        self._book = Book(db, clock)
        self._clock = clock
        self._settings = settings or Alerting()
        self._escalation = Escalation(self._book, self._settings, levels, "rules")
        self._passed = 0.0
        self.use(registry)

    def use(self, registry: Registry) -> None:
        """Tell local times of another registry from now on."""
        self._teller = Teller(registry)

    def judged(self, v: RuleVerdict, rule: Rule, whom: Whom, *, went_on: bool, news: bool) -> None:
        """Take a verdict.

        Args:
            v: the verdict.
            rule: what it judged by.
            whom: whom it is about.
            went_on: it takes the place of one that was open.
            news: it is told in time.
        """
        text = self._text(v, rule, whom)
        if self._amended(v, text, went_on=went_on):
            return
        alert = self._book.find_open_alert(v.subject, v.rule)
        if not news:
            return
        if v.outcome == "exceeded":
            self._broken(alert, v, rule, whom, text)
        elif alert and v.outcome == "compliant" and v.reason != "withdrawn":
            self._note(alert, v, v.start)
            self._book.change_alert(alert, kept=alert.kept + 1)
            if alert.kept >= self._settings.resolve_after or alert.state == "pending":
                self._end(alert, text)

    def pass_time(self, going_on: Callable[[str, str], bool]) -> None:
        """Do what only time brings; `going_on` tells whether a subject breaks a rule just now."""
        now = self._clock()
        if abs(now - self._passed) < PASS_EVERY:
            return
        self._passed = now
        for alert in self._book.open_alerts():
            over = (
                now > alert.last + alert.length + UNKNOWN
            )  # of what is asked once a day the next answer is still to come
            if alert.kind == "rule" and over and not going_on(alert.device, alert.rule):
                self._end(alert, Text("nothing has broken the rule for a day", "已一天未再违反该规定"))
        self._escalation.pass_time(now)

    def _broken(self, alert: Alert | None, v: RuleVerdict, rule: Rule, whom: Whom, text: Text) -> None:
        severity = _severity(v)
        if alert is None:
            window = self._book.maintenance.overlapping(whom.site, v.subject, v.start, v.end - 1)
            made = alert_on(v, whom.district, whom.site, severity, self._clock(), window, text)
            alert = self._book.add_alert(replace(made, clause=rule.clause, verified=rule.verified))
        self._note(alert, v, v.start)
        self._book.change_alert(alert, exceeded=alert.exceeded + 1, kept=0, **self._span(alert, v))
        self._raise(alert, severity, text)
        if alert.state != "pending":
            return
        needed = self._settings.fire_after
        if alert.exceeded < needed:
            so_far = f"{alert.exceeded}/{needed}"
            counted = Text(f"{so_far}: {text.en}", f"{so_far}：{text.zh}")
            self._book.add_event(alert, "counted", counted, quiet=True)
            return
        self._book.change_alert(alert, state="firing", fired=self._clock(), text=lines(text))
        self._book.add_event(alert, "firing", text)
        if window := self._book.maintenance.find(alert.maintenance):
            self._book.add_event(alert, "suppressed", window.shown)

    def _amended(self, v: RuleVerdict, text: Text, *, went_on: bool) -> bool:
        """Take a verdict in place of one on which an alert rests; tell whether it is one."""
        known = None if v.amends is None else self._book.find_window(v.subject, v.rule, v.amends)
        alert = self._book.find_alert(known.alert) if known else None
        if known is None or alert is None:
            return False
        self._note(alert, v, known.start)
        still = v.outcome == "exceeded"
        less = still and v.grade == "suspicion" and alert.severity == "violation"
        if less and sum(one.outcome == "exceeded" for one in self._book.windows_of(alert.id)) == 1:
            self._book.change_alert(alert, severity=_severity(v), text=lines(text))
        if less or not (went_on and still):  # that a breach has become longer is no amendment
            before, after = RULED[known.outcome], RULED[_word(v)]
            said = Text(f"{before.en} -> {after.en}: {text.en}", f"{before.zh} -> {after.zh}：{text.zh}")
            self._book.add_event(alert, "amended", said)
        if still:
            self._book.change_alert(alert, **self._span(alert, v))
            self._raise(alert, _severity(v), text)
            if went_on and not v.open:
                self._end(alert, Text(f"it is over: {text.en}", f"已结束：{text.zh}"))
        elif self._book.worst_window(alert) is None:
            nothing = Text("after the amendment nothing breaks the rule", "修正后未违反该规定")
            self._end(alert, nothing)
        return True

    def _raise(self, alert: Alert, severity: Severity, text: Text) -> None:
        if SEVERITIES.index(severity) > SEVERITIES.index(alert.severity):
            self._book.change_alert(alert, severity=severity)
            if alert.state != "pending":
                self._book.add_event(alert, "raised", text)

    def _span(self, alert: Alert, v: RuleVerdict) -> dict[str, object]:
        return {"first": min(alert.first, v.start), "last": max(alert.last, v.end), "value": v.value}

    def _note(self, alert: Alert, v: RuleVerdict, before: int) -> None:
        window = AlertWindow(
            alert=alert.id,
            start=v.start,
            end=v.end,
            revision=v.revision,
            outcome=v.outcome,
            value=v.value,
            capture=None,
        )
        self._book.replace_window(window, before)

    def _end(self, alert: Alert, why: Text) -> None:
        if alert.state not in {"pending", "firing", "acknowledged"}:
            return
        state = "withdrawn" if alert.state == "pending" else "resolved"
        self._book.change_alert(alert, state=state, resolved=self._clock())
        self._book.add_event(alert, "withdrawn" if state == "withdrawn" else "resolved", why)

    def _text(self, v: RuleVerdict, rule: Rule, whom: Whom) -> Text:
        because = why(v.reason)
        outcome, verified = RULED[_word(v)], VERIFIED[rule.verified]
        span = (self._teller.span(v.start, v.end, " to "), self._teller.span(v.start, v.end, "至"))
        # The rule's name has been told; its id tells nobody more.
        cited = rule.cited
        who = Text(
            f" Responsible: {', '.join(one.en for one in whom.responsible)}." if whom.responsible else "",
            f"责任单位：{'、'.join(one.zh for one in whom.responsible)}。" if whom.responsible else "",
        )
        return Text(
            f"{whom.name.en}: {rule.en}: {outcome.en}, {span[0]}{f' ({because.en})' if because.en else ''}. "
            f"{cited.en}; verified: {verified.en}.{who.en}",
            f"{whom.name.zh}：{rule.zh}：{outcome.zh}，{span[1]}{f'（{because.zh}）' if because.zh else ''}。"
            f"{cited.zh}；核实程度：{verified.zh}。{who.zh}",
        )


def _word(v: RuleVerdict) -> str:
    """Return by which word people are told of a verdict: a key of `RULED`."""
    if v.reason in WARNINGS:
        return "warning"
    return "suspicion" if v.outcome == "exceeded" and v.grade == "suspicion" else v.outcome


def _severity(v: RuleVerdict) -> Severity:
    if v.reason in WARNINGS:
        return "warning"
    return "suspicion" if v.grade == "suspicion" else "violation"
