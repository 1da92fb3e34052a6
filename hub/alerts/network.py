"""Alerts about the network itself: boards, their sensors and clocks, and the hub. They live like those about limits."""

from dataclasses import dataclass

from hub.alerts.book import Book, lines
from hub.alerts.records import Alert
from hub.alerts.states import OPEN, Kind
from hub.config.alerts import Severity
from hub.registry.live import Registry
from schemas.language import Text


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that is wrong now. `rule` names it, and with `device` (empty: the hub) is the cause."""

    kind: Kind
    device: str
    rule: str
    severity: Severity
    since: float
    """Unix s."""
    text: Text
    urgent: bool = False
    """Nothing holds it back: no maintenance window, nor that an earlier one was closed."""


class Network:
    """Raises and ends the alerts about the network; each call is inside a transaction of the caller's."""

    def __init__(self, book: Book, registry: Registry) -> None:
        self._book = book
        self._registry = registry

    def use(self, registry: Registry) -> None:
        """Find sites and boards in another registry from now on."""
        self._registry = registry

    def trouble(self, trouble: Trouble) -> None:
        """Say that something is wrong; again and again while it is. One alert tells it.

        An alert that somebody closed while its cause lasted stays closed until the cause was over once.
        """
        now = self._book.clock()
        alert = self._book.find_latest_alert(trouble.device, trouble.rule)
        if alert and alert.state == "closed" and alert.resolved is None and not trouble.urgent:
            return
        site = self._registry.site_of(trouble.device) if trouble.device else None
        planned = site and not trouble.urgent
        window = self._book.maintenance.overlapping(site.id, trouble.device, now, now) if site and planned else None
        if alert and alert.state in OPEN:
            self._book.change_alert(alert, last=int(now))
            if alert.maintenance is not None and not window:
                self._book.change_alert(alert, maintenance=None)
                self._book.add_event(alert, "released", trouble.text)
            return
        alert = self._book.add_alert(
            Alert(
                kind=trouble.kind,
                district=site.district if site else "",
                site=site.id if site else "",
                device=trouble.device,
                rule=trouble.rule,
                state="firing",
                severity=trouble.severity,
                opened=now,
                fired=now,
                first=int(trouble.since),
                last=int(now),
                maintenance=window.id if window else None,
                text=lines(trouble.text),
            )
        )
        self._book.add_event(alert, "firing", trouble.text)
        if window:
            self._book.add_event(alert, "suppressed", window.shown)

    def over(self, device: str, rule: str, why: Text) -> None:
        """Say that something is in order again; nothing happens if nothing was wrong."""
        alert = self._book.find_latest_alert(device, rule)
        if alert is None or alert.resolved is not None:
            return
        closed = alert.state == "closed"
        self._book.change_alert(alert, resolved=self._book.clock(), state="closed" if closed else "resolved")
        self._book.add_event(alert, "resolved", why, quiet=closed)

    def lasting(self) -> list[tuple[str, str, str]]:
        """Return (kind, device, rule) of all that is still wrong, as far as it was said."""
        return [(alert.kind, alert.device, alert.rule) for alert in self._book.lasting_troubles()]
