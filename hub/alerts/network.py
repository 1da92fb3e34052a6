"""Alerts about the network itself: boards, their sensors and clocks, and the hub. They live like those about limits."""

from dataclasses import dataclass

from hub.alerts.book import OPEN, Book, Cause, Row, lines
from hub.config.alerts import Severity
from hub.registry.live import Registry
from schemas.language import Text


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that is wrong now. `rule` names it, and with `device` (empty: the hub) is the cause."""

    kind: str
    """silent, sensor, clock, calibration, outbox, numbers, flood or lag."""
    device: str
    rule: str
    severity: Severity
    since: float
    """Unix s."""
    text: Text


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
        alert = self._latest(trouble.device, trouble.rule)
        if alert and alert["state"] == "closed" and alert["resolved"] is None:
            return
        site = self._registry.site_of(trouble.device) if trouble.device else None
        window = self._book.maintenance(site.id, trouble.device, now, now) if site else None
        if alert and alert["state"] in {"pending", "firing", "acknowledged"}:
            self._book.change(alert, last=int(now))
            if alert["maintenance"] is not None and not window:
                self._book.change(alert, maintenance=None)
                self._book.step(alert, "released", trouble.text)
            return
        cause = Cause(
            trouble.kind, site.district if site else "", site.id if site else "", trouble.device, trouble.rule
        )
        alert = self._book.add(
            cause,
            text=lines(trouble.text),
            state="firing",
            severity=trouble.severity,
            fired=now,
            first=int(trouble.since),
            last=int(now),
            maintenance=window and window["id"],
        )
        self._book.step(alert, "firing", trouble.text)
        if window:
            reason = f"{window['reason']} ({window['who']})"
            self._book.step(alert, "suppressed", Text(f"maintenance: {reason}", f"维护：{reason}"))

    def over(self, device: str, rule: str, why: Text) -> None:
        """Say that something is in order again; nothing happens if nothing was wrong."""
        alert = self._latest(device, rule)
        if alert is None or alert["resolved"] is not None:
            return
        closed = alert["state"] == "closed"
        state = {} if closed else {"state": "resolved"}
        self._book.change(alert, resolved=self._book.clock(), **state)
        self._book.step(alert, "resolved", why, quiet=closed)

    def lasting(self) -> list[tuple[str, str, str]]:
        """Return (kind, device, rule) of all that is still wrong, as far as it was said."""
        rows = self._book.rows(
            f"SELECT kind, device, rule FROM alert WHERE kind <> 'limit' "  # noqa: S608
            f"AND ({OPEN} OR (state = 'closed' AND resolved IS NULL))"
        )
        return [(row["kind"], row["device"], row["rule"]) for row in rows]

    def _latest(self, device: str, rule: str) -> Row | None:
        return self._book.one("SELECT * FROM alert WHERE device = ? AND rule = ? ORDER BY id DESC", device, rule)
