"""The life of alerts: pending -> firing -> acknowledged -> resolved -> closed; or pending -> withdrawn.

An alert is one continuing cause: a rule at a board. An early warning makes it pending. It fires when enough windows in
a row broke the limit, and is resolved when enough windows in a row kept it; officers acknowledge and close it
(`hub.desk.desk`). What is not news never fires. Each method is called inside a transaction of the caller's, and
everything is kept in the database: a kill leaves the alert as it was told.
"""

import dataclasses
import sqlite3
from collections.abc import Callable
from datetime import datetime

import msgspec

from hub.alerts.book import Book, lines
from hub.alerts.escalation import Escalation
from hub.alerts.facts import OUTCOMES, rests_on, severity_of
from hub.alerts.proof import is_dumb, is_void
from hub.alerts.records import Alert
from hub.alerts.text import Teller, number, told
from hub.config.alerts import SEVERITIES, Alerting, Severity
from hub.judge.verdicts import ABOVE, REASONS, Verdict
from hub.judge.verdicts import Warning as Early
from hub.registry.live import NightWork, Registry, Site
from schemas.language import Text

GRACE = 300
"""How long a verdict may take after the end of its window [s]."""
NEVER_JUDGED = 1800
"""A pending alert whose window was not judged so long after its end is withdrawn [s]."""
UNKNOWN = 86_400
"""Where nothing valid is measured any more, an alert is ended so much later than it would be otherwise [s]."""
PASS_EVERY = 1.0
"""Least time between two looks at what only time changes [s]."""


class Alerts:
    """Alerts about limits, in the database behind `db`; `clock` gives Unix time in s.

    `levels`: the highest level of any recipient: so far an alert can be escalated.
    """

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
        self._escalation = Escalation(self._book, self._settings, levels, "limits")
        self._passed = 0.0
        self.use(registry)

    def use(self, registry: Registry) -> None:
        """Find sites, permits and the local time in another registry from now on."""
        self._registry = registry
        self._teller = Teller(registry)

    def judged(self, v: Verdict, *, news: bool) -> None:
        """Take a verdict. `news`: it says for the first time, and in time, whether its window kept the limit."""
        site = self._registry.sites.get(v.site)
        if site is None:
            return
        if v.binding != "binds":
            if v.revision > 1:  # it bound before: an alert may rest on it
                self._amended(dataclasses.replace(v, outcome="invalid", grade=""))
            return
        if self._amended(v):
            return
        alert = self._book.find_open_alert(v.device, v.rule, v.site)
        if not news:
            if alert and alert.state == "pending" and 0 < alert.early_end <= v.end:
                self._withdraw(alert, self._too_late(v))
        elif v.outcome in ABOVE:
            self._exceeded(alert, v, site)
        elif alert and v.outcome == "compliant":
            self._kept(alert, v)
        elif alert and alert.state == "pending" and not alert.exceeded and alert.early_end <= v.end:
            en, zh = REASONS[v.reason]
            self._withdraw(alert, Text(f"the window ended without a verdict: {en}", f"该时段未能判定：{zh}"))

    def warn(self, w: Early) -> None:
        """Take an early warning: it makes an alert pending, and is told once, and again when it has become certain."""
        site = self._registry.sites.get(w.site)
        alert = self._book.find_open_alert(w.device, w.rule, w.site)
        if site is None or (alert and (alert.state != "pending" or w.end <= alert.judged_to)):
            return
        if alert and alert.early_end >= w.end and (alert.early_end > w.end or alert.certain >= w.certain):
            return
        text = self._teller.early(w, site)
        permit = self._permit(w, site)
        severity: Severity = "info" if permit else "warning"
        if alert is None:
            alert = self._book.add_alert(self._new_alert(w, severity, text))
        self._book.change_alert(
            alert,
            severity=severity,
            permit=permit and permit.permit,
            maintenance=self._maintenance(w),
            early_end=w.end,
            certain=w.certain,
            text=lines(text),
        )
        self._book.add_event(alert, "early", text)

    def pass_time(self) -> None:
        """Do what only time brings: end what ceased, withdraw what was never judged, escalate."""
        now = self._clock()
        if abs(now - self._passed) < PASS_EVERY:
            return
        self._passed = now
        for alert in self._book.open_alerts():
            if alert.kind != "limit":
                continue
            # A night limit is not judged by day: its alert ends when as many windows as it needs have gone by.
            over = alert.last + self._settings.resolve_after * alert.length + GRACE
            ceased = now > over
            if alert.state == "pending":
                awaited = alert.early_end and now > alert.early_end + NEVER_JUDGED
                if awaited or (not alert.early_end and ceased):
                    self._withdraw(alert, Text("no verdict was given in time", "未能及时给出判定"))
            elif ceased:
                self._cease(alert, now, known=now <= over + UNKNOWN)
        self._escalation.pass_time(now)

    def _cease(self, alert: Alert, now: float, *, known: bool) -> None:
        """End an alert whose limit is judged no more; a board that has gone dumb does not prove that it is kept."""
        db = self._book.db
        if not is_dumb(db, alert, now - alert.length - GRACE) and not is_void(db, alert):
            self._resolve(alert, Text("no window broke the limit any more", "此后未再出现超标时段"))
        elif not known:
            why = Text(
                "nothing valid was measured for a day: whether the limit is kept is not known",
                "已一天无有效数据，是否达标无法判定",
            )
            self._resolve(alert, why)

    def _exceeded(self, alert: Alert | None, v: Verdict, site: Site) -> None:
        permit = self._permit(v, site)
        severity = severity_of(v, permit)
        text = self._teller.exceeded(v, site, permit)
        if alert is None:
            alert = self._book.add_alert(self._new_alert(v, severity, text))
        first = not alert.exceeded
        self._book.note_window(alert, v)
        self._book.change_alert(alert, exceeded=alert.exceeded + 1, **({} if v.end <= alert.judged_to else {"kept": 0}))
        self._book.change_alert(alert, judged_to=max(alert.judged_to, v.end))
        if alert.state == "pending":
            if first:
                shown = {"first": v.start, "last": v.end, "severity": severity, "text": lines(text), **rests_on(v)}
                self._book.change_alert(alert, **shown)
            self._count(alert, v, permit, text)
            return
        span = {"first": min(alert.first, v.start), "last": max(alert.last, v.end)}
        self._book.change_alert(alert, **span, **self._worst(alert))
        if alert.maintenance is not None and self._maintenance(v) is None:
            self._book.change_alert(alert, maintenance=None)
            self._book.add_event(alert, "released", text)
        if SEVERITIES.index(severity) > SEVERITIES.index(alert.severity):
            self._book.change_alert(alert, severity=severity)
            self._book.add_event(alert, "raised", text)

    def _count(self, alert: Alert, v: Verdict, permit: NightWork | None, text: Text) -> None:
        """Let a pending alert fire if this window was the last that it needed."""
        needed = self._settings.fire_after
        first, last = min(alert.first, v.start), max(alert.last, v.end)
        self._book.change_alert(
            alert, first=first, last=last, permit=permit and permit.permit, maintenance=self._maintenance(v)
        )
        if alert.exceeded < needed:
            so_far = f"{alert.exceeded}/{needed}"
            self._book.add_event(alert, "counted", Text(f"{so_far}: {text.en}", f"{so_far}：{text.zh}"), quiet=True)
            return
        severity = severity_of(v, permit)
        self._book.change_alert(alert, state="firing", fired=self._clock(), severity=severity, text=lines(text))
        self._book.change_alert(alert, **self._worst(alert))
        self._book.add_event(alert, "firing", text)
        window = self._book.maintenance.find(alert.maintenance)
        if window:
            self._book.add_event(alert, "suppressed", window.shown)

    def _kept(self, alert: Alert, v: Verdict) -> None:
        self._book.note_window(alert, v)
        if v.end <= alert.judged_to:
            return
        self._book.change_alert(alert, kept=alert.kept + 1, judged_to=v.end)
        shown = Text(told(v, 0), told(v, 1))
        span = (self._teller.span(v.start, v.end, " to "), self._teller.span(v.start, v.end, "至"))
        text = Text(
            f"{shown.en}, limit {v.limit_value:g} {v.unit}: kept, {span[0]}",
            f"{shown.zh}，限值{v.limit_value:g} {v.unit}：达标，{span[1]}",
        )
        if alert.state == "pending":
            self._book.change_alert(alert, exceeded=0)
            if alert.early_end <= v.end:
                self._withdraw(alert, text)
        elif alert.kept >= self._settings.resolve_after:
            self._resolve(alert, text)

    def _amended(self, v: Verdict) -> bool:
        """Take a verdict on a window that an alert rests on already; tell whether it is one."""
        known = self._book.find_window(v.device, v.rule, v.start, v.site)
        alert = self._book.find_alert(known.alert) if known else None
        if known is None or alert is None:
            return False
        if known.revision >= v.revision:
            return True
        self._book.note_window(alert, v)
        before, after = (f"{number(value, v.decimals)} {v.unit}" for value in (known.value, v.value))
        span = (self._teller.span(v.start, v.end, " to "), self._teller.span(v.start, v.end, "至"))
        was, now = OUTCOMES[known.outcome], OUTCOMES[v.outcome]
        text = Text(
            f"value {before} -> {after} ({was.en} -> {now.en}), {span[0]}",
            f"数值{before} -> {after}（{was.zh} -> {now.zh}），{span[1]}",
        )
        self._book.add_event(alert, "amended", text)
        self._book.change_alert(alert, **self._worst(alert))
        if self._book.worst_window(alert) is None and alert.exceeded:
            nothing = Text("after the amendment no window exceeds the limit", "修正后已无超标时段")
            if alert.state == "pending":
                self._withdraw(alert, nothing)
            elif alert.state in {"firing", "acknowledged"}:
                self._resolve(alert, nothing)
        return True

    def _new_alert(self, judged: Verdict | Early, severity: Severity, text: Text) -> Alert:
        """Return the alert that a window raises, as it is before anything of it counts."""
        alert = Alert(
            kind="limit",
            district=judged.district,
            site=judged.site,
            device=judged.device,
            rule=judged.rule,
            state="pending",
            severity=severity,
            opened=self._clock(),
            first=judged.start,
            last=judged.end,
            text=lines(text),
        )
        return msgspec.structs.replace(alert, **rests_on(judged))

    def _worst(self, alert: Alert) -> dict[str, float | None]:
        """Return value and capture of the worst window as judged last; as they are when none exceeds the limit."""
        worst = self._book.worst_window(alert) or alert
        return {"value": worst.value, "capture": worst.capture}

    def _withdraw(self, alert: Alert, why: Text) -> None:
        self._book.change_alert(alert, state="withdrawn", resolved=self._clock())
        self._book.add_event(alert, "withdrawn", why)

    def _resolve(self, alert: Alert, why: Text) -> None:
        self._book.change_alert(alert, state="resolved", resolved=self._clock())
        self._book.add_event(alert, "resolved", why)

    def _too_late(self, v: Verdict) -> Text:
        shown, outcome = f"{number(v.value, v.decimals)} {v.unit}", OUTCOMES[v.outcome]
        return Text(f"judged too late to be news: {outcome.en}, {shown}", f"判定过迟，不再通知：{outcome.zh}，{shown}")

    def _maintenance(self, judged: Verdict | Early) -> int | None:
        """Return the maintenance window that overlaps a judged one: some of its readings were taken in it."""
        window = self._book.maintenance.overlapping(judged.site, judged.device, judged.start, judged.end - 1)
        return window.id if window else None

    def _permit(self, judged: Verdict | Early, site: Site) -> NightWork | None:
        """Return the permit for night work that held, if the limit is one of the night."""
        if judged.limit.from_ <= judged.limit.to:
            return None
        return site.permit_at(datetime.fromtimestamp(judged.start, self._registry.zone))
