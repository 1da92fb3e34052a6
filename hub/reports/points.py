"""Rows of the hub's databases as points of InfluxDB: a measurement, tags, fields and the time in line protocol.

Whatever may still change is a field, so that writing a point again, amended, replaces it.
"""

from collections.abc import Mapping
from typing import Any

from influxdb_client.client.write.point import Point

from hub.alerts.book import Row, of_lines
from hub.registry.live import Registry, Site

SECOND = 1_000_000_000
"""InfluxDB counts nanoseconds. Behind the second stands what keeps two points of one series apart."""

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


def names(site: Site | None) -> dict[str, Value]:
    """Return a site's names as fields."""
    return {"site_en": site.en, "site_zh": site.zh} if site else {}


def series(row: Row) -> dict[str, str | None]:
    """Return the tags of what is judged."""
    tags: dict[str, str | None] = {name: row[name] for name in ("district", "site", "device", "standard", "quantity")}
    return tags | {"rule": row["limit_id"], "binding": row["binding"]}


def verdict(row: Row) -> str:
    """Return the verdict on one window; its time is the window's start."""
    value, limit = row["value"], row["limit_value"]
    fields: dict[str, Value] = {
        "value": number(value),
        "limit_value": number(limit),
        "ratio": None if value is None else ratio(value, limit, row["unit"]),
        "margin": None if value is None else float(value - limit),
        "unit": row["unit"],
        "capture": number(row["valid_share"]),
        "outcome": row["outcome"],
        "reason": row["reason"] or None,
        "exceeded": int(row["outcome"] == "exceeded"),
        "invalid": int(row["outcome"] == "invalid"),
        "permitted": int(row["permitted"]),
        "end": int(row["end"]),
        "revision": int(row["revision"]),
        "verified": row["verified"],
    }
    return point("verdict", series(row), fields, row["start"])


def day_of_verdicts(row: Row, counted: Row, start: int) -> str:
    """Return what the newest verdicts on one rule's windows in a local day, `start`, come to.

    Args:
        row: any of the verdicts.
        counted: windows, exceeded, invalid, exceeded_s, capture and highest.
        start: of the day, Unix s.
    """
    highest, limit = counted["highest"], row["limit_value"]
    fields: dict[str, Value] = {
        **{name: int(counted[name]) for name in ("windows", "exceeded", "invalid", "exceeded_s")},
        "capture": number(counted["capture"]),
        "highest": number(highest),
        "limit_value": number(limit),
        "ratio": None if highest is None else ratio(highest, limit, row["unit"]),
    }
    return point("verdict_24h", series(row), fields, start)


def alert(row: Row, registry: Registry) -> str:
    """Return an alert as it is now; its time is when it was opened, which never changes."""
    text = of_lines(row["text"])
    since = row["opened"] if row["fired"] is None else row["fired"]
    fields: dict[str, Value] = {
        "id": int(row["id"]),
        "state": row["state"],
        "severity": row["severity"],
        "open": int(row["state"] in {"pending", "firing", "acknowledged"}),
        "fired": number(row["fired"]),
        "value": number(row["value"]),
        "limit_value": number(row["limit_value"]),
        "unit": row["unit"],
        "clause": row["clause"],
        "capture": number(row["capture"]),
        "text_en": text.en,
        "text_zh": text.zh,
        "acknowledged_by": row["acknowledged_by"],
        "acknowledged_after_s": _after(row["acknowledged"], since),
        "resolved_after_s": _after(row["resolved"], since),
        "escalation": int(row["escalation"]),
        "permit": row["permit"],
        "ended_ms": None if row["resolved"] is None else int(row["resolved"] * 1000),
        **names(registry.sites.get(row["site"])),
    }
    tags = {name: row[name] for name in ("district", "site", "device", "kind", "rule", "standard")}
    return point("alert", tags, fields, row["opened"], row["id"])


def _after(t: float | None, since: float) -> float | None:
    return None if t is None else max(0.0, t - since)


def place(site: Site, boards: int, t: float) -> str:
    """Return a site of the registry."""
    fields: dict[str, Value] = {**names(site), "zone": site.zone_class or "", "boards": boards, **position(site)}
    return point("place", {"district": site.district, "site": site.id, "kind": site.kind}, fields, t)


def position(site: Site) -> dict[str, Value]:
    """Return where a site lies as fields, degrees, WGS-84."""
    return {"lat": float(site.position[0]), "lon": float(site.position[1])} if site.position else {}
