"""What a list tells of an alert: the same as the HTTP API, without loading what only the API needs."""

from datetime import datetime
from typing import Any

from hub.alerts.book import of_lines
from hub.alerts.records import Alert
from hub.alerts.text import STATE, about, kind_of, severity_name
from hub.registry.live import Registry
from schemas.language import Lang, Text

SAME = ("id", "kind", "state", "severity", "district", "site", "rule", "standard", "clause", "quantity", "unit")
MORE = (
    "verified",
    "averaging_verified",
    "acknowledged_by",
    "escalation",
    "maintenance",
    "permit",
    "instrument",
    "decision",
)
TIMES = ("opened", "fired", "acknowledged", "resolved", "closed")


def listed(alert: Alert, registry: Registry, lang: Lang, now: float) -> dict[str, Any]:
    """Return an alert in one language, its times as local times of the registry; `now`: Unix s, for its age."""
    site = registry.sites.get(alert.site)
    ended = alert.resolved if alert.resolved is not None else alert.closed

    def time(t: float | None) -> datetime | None:
        return None if t is None else datetime.fromtimestamp(t, registry.zone)

    return {
        **{name: getattr(alert, name) for name in (*SAME, *MORE)},
        **{name: time(getattr(alert, name)) for name in TIMES},
        "age": max(0, round((now if ended is None else ended) - alert.opened)),
        "kind_name": kind_of(alert).into(lang),
        "about": about(alert).into(lang),
        "severity_name": severity_name(alert.severity, alert.kind).into(lang),
        "state_name": STATE[alert.state].into(lang),
        "site_name": Text(site.en, site.zh).into(lang) if site else alert.site,
        "board": alert.device,
        "value": neat(alert.value),
        "capture": neat(alert.capture),
        "limit": alert.limit_value,
        "uncertainty": neat(alert.uncertainty),
        "window_start": time(alert.first),
        "window_end": time(alert.last),
        "text": of_lines(alert.text).into(lang),
    }


def as_json(told: dict[str, Any]) -> dict[str, Any]:
    """Return what `listed` gives, as JSON has it."""
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in told.items()}


def neat(value: float | None) -> float | None:
    """Return a computed value without the last digits, which only adding up has made."""
    return None if value is None else float(f"{value:.9g}")
