"""Rows of the hub's databases as points of InfluxDB: a measurement, tags, fields and the time in line protocol.

Whatever may still change is a field, so that writing a point again, amended, replaces it.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from influxdb_client.client.write.point import Point

from hub.alerts.book import of_lines
from hub.alerts.records import Alert
from hub.alerts.states import OPEN
from hub.compliance.verdicts import Counted, KeptVerdict
from hub.registry.live import Registry, Site
from hub.series.erasing import Span
from hub.things.coordinates import gcj02_of_wgs84
from schemas import Limit
from schemas.language import Text

SECOND = 1_000_000_000
"""InfluxDB counts nanoseconds. Behind the second stands what keeps two points of one series apart."""

MEASUREMENTS = (
    "aqi",
    "alert",
    "budget",
    "district",
    "emission",
    "emission_24h",
    "emission_month",
    "event",
    "fleet",
    "fleet_1h",
    "fleet_24h",
    "hub",
    "load",
    "mark",
    "papers",
    "permit_total",
    "place",
    "quarantine",
    "ruling",
    "state",
    "verdict",
    "verdict_24h",
    "verdict_night",
    "weighed",
)
"""All that reports write to."""

Value = float | int | str | None
Tags = Mapping[str, str | None]


def point(measurement: str, tags: Tags, fields: Mapping[str, Value], t: float, part: int = 0) -> str:
    """Return one point as line protocol.

    Args:
        measurement: its name.
        tags: values by name; those that are empty are left out.
        fields: values by name; those that are None are left out. One field is always of one type.
        t: time, Unix s; only whole seconds count.
        part: makes the time differ from those of other points of the series, 0 to 10^9 - 1.
    """
    given = {"measurement": measurement, "tags": tags, "fields": fields, "time": int(t) * SECOND + part % SECOND}
    return str(Point.from_dict(given).to_line_protocol())


def number(value: Any) -> float | None:
    """Return a value as the float that its field is, also where a database or a board gave a whole number."""
    return None if value is None else float(value)


def ratio(value: float, limit: float, unit: str) -> float:
    """Return the share of what a limit permits; of levels in dB, of the sound energy. Above 1 it is exceeded."""
    return float(10 ** ((value - limit) / 10)) if unit.startswith("dB") else value / limit


def names(site: Site | None, registry: Registry) -> dict[str, Value]:
    """Return a site's names and kind, and its district's names, as fields."""
    if site is None:
        return {}
    district = registry.district_called(site.district)
    return {
        "site_en": site.en,
        "site_zh": site.zh,
        "site_kind": site.kind,
        "district_en": district.en,
        "district_zh": district.zh,
    }


def of_rule(rule: Limit | None, v: KeptVerdict) -> dict[str, Value]:
    """Return the names of what was judged by, as fields; where the catalogue no longer has it, its ids."""
    name = Text(rule.en, rule.zh) if rule else Text(v.rule, v.rule)
    return {"rule_en": name.en, "rule_zh": name.zh}


def series(v: KeptVerdict) -> dict[str, str | None]:
    """Return the tags of what is judged."""
    return {
        "district": v.district,
        "site": v.site,
        "device": v.device,
        "standard": v.standard,
        "quantity": v.quantity,
        "rule": v.limit_id,
        "binding": v.binding,
    }


def verdict(v: KeptVerdict, named: Mapping[str, Value]) -> list[str]:
    """Return the verdict on one window at its start, and the window's end: a picture must not go on beyond it.

    Where the next window follows, both are one point: what is said at an end is a field that no verdict has. `named`:
    the names of site, district and rule, as fields.
    """
    value, limit = v.compared if v.compared is not None else v.value, v.limit_value
    fields: dict[str, Value] = {
        "value": number(v.value),
        "compared": number(v.compared),
        "background": number(v.background),
        "limit_value": number(limit),
        "ratio": ratio(value, limit, v.unit) if value is not None and limit is not None else None,
        "margin": float(value - limit) if value is not None and limit is not None else None,
        "unit": v.unit,
        "capture": number(v.valid_share),
        "outcome": v.outcome,
        "grade": v.grade,  # a text may be empty: what is left out stays as an earlier verdict had it
        "missing": v.missing,
        "assumed": v.assumed,
        "rounding": v.rounding,
        "reason": v.reason,
        "exceeded": int(v.outcome == "exceeded" and not v.suspected),
        # One field for all that is neither kept nor exceeded: a strip asks old points, which have no other, too.
        "invalid": 2 if v.suspected else {"invalid": 1, "open": 3}.get(v.outcome, 0),
        "permitted": int(v.permitted),
        "end": int(v.end),
        "revision": int(v.revision),
        "verified": v.verified,
        "proof": v.proof,
        "instrument": v.instrument or "not_stated",
        "uncertainty": number(v.uncertainty),
        "decision": v.decision,
        **named,
    }
    tags = series(v)
    closed = {"closed": 1}
    # At the start, too: an amended verdict's point was removed, with the end of the window before it.
    return [
        point("verdict", tags, fields | (closed if v.revision > 1 else {}), v.start),
        point("verdict", tags, closed, v.end),
    ]


def amended(v: KeptVerdict, earlier: KeptVerdict, spans: Iterable[tuple[str, int]]) -> list[Span]:
    """Return the points of an earlier verdict on a window of which something would stay beside this one's.

    Numbers that are known no more stay, and what was said under other tags. `spans`: measurement and start of the day
    and the night that the window is part of.
    """
    moved = series(v) != series(earlier)
    less = any(getattr(v, name) is None is not getattr(earlier, name) for name in _NUMBERS)
    if not moved and not less:
        return []
    tags = series(earlier)
    return [Span(name, tags, t, t + 1) for name, t in (("verdict", earlier.start), *spans)]


_NUMBERS = ("value", "compared", "background", "limit_value", "uncertainty")


def span_of_verdicts(measurement: str, v: KeptVerdict, named: Mapping[str, Value], counted: Counted, start: int) -> str:
    """Return what the newest verdicts on one rule's windows in a local day or night come to.

    Args:
        measurement: of days or of nights.
        v: any of the verdicts.
        named: the names of site, district and rule, as fields.
        counted: what they come to.
        start: of the day or night, Unix s.
    """
    highest, limit = counted.highest, v.limit_value
    fields: dict[str, Value] = {
        "windows": counted.windows,
        "exceeded": counted.exceeded,
        "uncorrected": counted.uncorrected,
        "open": counted.open,
        "invalid": counted.invalid,
        "exceeded_s": int(counted.exceeded_s),
        "capture": number(counted.capture),
        "highest": number(highest),
        "limit_value": number(limit),
        "ratio": None if highest is None or limit is None else ratio(highest, limit, v.unit),
        "margin": None if highest is None or limit is None else float(highest - limit),
        "unit": v.unit,
        **named,
    }
    return point(measurement, series(v), fields, start)


def alert(alert: Alert, registry: Registry) -> str:
    """Return an alert as it is now; its time is when it was opened, which never changes."""
    text = of_lines(alert.text)
    since = alert.opened if alert.fired is None else alert.fired
    fields: dict[str, Value] = {
        "id": int(alert.id),
        "state": alert.state,
        "severity": alert.severity,
        "open": int(alert.state in OPEN),
        "fired": number(alert.fired),
        "value": number(alert.value),
        "limit_value": number(alert.limit_value),
        "unit": alert.unit,
        "clause": alert.clause,
        "capture": number(alert.capture),
        "instrument": alert.instrument or "not_stated",
        "uncertainty": number(alert.uncertainty),
        "text_en": text.en,
        "text_zh": text.zh,
        "acknowledged_by": alert.acknowledged_by,
        "acknowledged_after_s": _after(alert.acknowledged, since),
        "resolved_after_s": _after(alert.resolved, since),
        "escalation": int(alert.escalation),
        "permit": alert.permit,
        "ended_ms": None if alert.resolved is None else int(alert.resolved * 1000),
        **names(registry.sites.get(alert.site), registry),
    }
    tags = {name: getattr(alert, name) for name in ("district", "site", "device", "kind", "rule", "standard")}
    return point("alert", tags, fields, alert.opened, alert.id)


def _after(t: float | None, since: float) -> float | None:
    return None if t is None else max(0.0, t - since)


def place(site: Site, boards: int, registry: Registry, t: float) -> str:
    """Return a site of the registry."""
    fields: dict[str, Value] = {
        **names(site, registry),
        **choices(site, registry),
        "zone": site.zone_class or "",
        "boards": boards,
        **position(site),
    }
    return point("place", {"district": site.district, "site": site.id, "kind": site.kind}, fields, t)


def choices(site: Site, registry: Registry) -> dict[str, Value]:
    """Return names with ids in brackets as fields, as a list to choose from shows and needs them."""
    named = names(site, registry)
    found: dict[str, Value] = {f"choice_{lang}": f"{named[f'site_{lang}']} ({site.id})" for lang in ("en", "zh")}
    return found | {
        f"choice_district_{lang}": f"{named[f'district_{lang}']} ({site.district})" for lang in ("en", "zh")
    }


def position(site: Site) -> dict[str, Value]:
    """Return where a site lies as fields, degrees: in WGS-84, and where a Chinese map (GCJ-02) shows it."""
    if not site.position:
        return {}
    lat, lon = map(float, site.position)
    lon_gcj02, lat_gcj02 = gcj02_of_wgs84((lon, lat))
    return {"lat": lat, "lon": lon, "lat_gcj02": lat_gcj02, "lon_gcj02": lon_gcj02}
