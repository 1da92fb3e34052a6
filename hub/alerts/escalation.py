"""Passes alerts on that nobody has acknowledged in time, level by level."""

from typing import Literal

from hub.alerts.book import Book, of_lines
from hub.alerts.states import Kind
from hub.config.alerts import Alerting
from schemas.language import Text

Share = Literal["limits", "rules", "network"]
"""Alerts about limits and rules are escalated by judging, those of the network by its watch: when one of them stands
still, the others go on telling people."""
OF_KIND: dict[Kind, Share] = {"limit": "limits", "rule": "rules"}


class Escalation:
    """Escalates one share of the alerts, at most to the level `levels`; inside a transaction of the caller's."""

    def __init__(self, book: Book, settings: Alerting, levels: int, share: Share) -> None:
        self._book = book
        self._settings = settings
        self._levels = levels
        self._share = share

    def pass_time(self, now: float) -> None:
        """Escalate what has waited for too long at `now`, Unix s."""
        if not self._levels or not self._settings.escalate_minutes:
            return
        shortest = 60 * min(self._settings.escalate_minutes.values())
        for alert in self._book.unacknowledged_alerts(now - shortest, self._levels):
            minutes = self._settings.escalate_minutes.get(alert.severity)
            level = alert.escalation + 1
            fired = alert.fired if alert.fired is not None else now
            if OF_KIND.get(alert.kind, "network") != self._share:
                continue
            if minutes is None or now - fired < 60 * minutes * level:
                continue
            # An alert that fired during maintenance is announced when that ends; escalation counts from there.
            waited = now - (self._book.told_first(alert) or fired)
            if waited < 60 * minutes * level:
                continue
            self._book.change_alert(alert, escalation=level)
            text = of_lines(alert.text)
            over = Text(" It is over meanwhile.", "现已解除。") if alert.resolved else Text("", "")
            self._book.add_event(
                alert,
                "escalated",
                Text(
                    f"nobody has acknowledged for {waited / 60:.0f} min; level {level} is told.{over.en} {text.en}",
                    f"{waited / 60:.0f}分钟无人确认，通知第{level}级。{over.zh}{text.zh}",
                ),
            )
