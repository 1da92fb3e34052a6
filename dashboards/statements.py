"""The InfluxQL of every panel, made from the catalogues.

How a quantity is thinned out for a long time range comes from the catalogue's ``aggregate``, so no panel can average
decibels. Limits come from ``schemas/limits``. Tried on InfluxDB 1.6; not yet on 2.x, 3.x and openGemini.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from zoneinfo import ZoneInfo

from schemas import Limit, Quantity

ZONE = ZoneInfo("Asia/Shanghai")
"""The zone of the limits' times of day. It has no summer time, so one offset from UTC serves all year."""

LONGEST_INTERVAL = dt.timedelta(seconds=60)
"""A record never covers more: it never straddles a multiple of 60 s (DESIGN.md)."""

LIMIT_STEP = dt.timedelta(minutes=10)
"""Distance between the points of a limit's line."""

DISTRICT = '"district" =~ /^$district$/'
SITE = f'{DISTRICT} AND "site" =~ /^$site$/'
DEVICES = f'{SITE} AND "device" =~ /^$device$/'

# Buckets of one day, each beginning when the limit changes, give one point at every such change.
_CHANGE = (
    'SELECT count("{key}") * 0 + {value:g} AS "limit" FROM "{family}" WHERE {site} AND $timeFilter '
    "GROUP BY time(1d, {minutes}m) fill(0)"
)
# All changes together, each carried on to the next. The change that governs the panel's left edge can lie a day before.
_LIMIT_LINE = (
    'SELECT "limit" FROM (SELECT last("limit") AS "limit" FROM {changes} '
    "WHERE time >= ${{__from}}ms - 1d AND time <= ${{__to}}ms GROUP BY time({step}s) fill(previous)) "
    'WHERE "limit" > 0'
)
# InfluxQL has no literal null: a time of day without a limit is 0 inside the statement, and dropped at its end.
_NO_LIMIT = 0.0
_MINUTES_PER_DAY = 1440


def is_raw(quantity: Quantity) -> bool:
    """Tell whether readings of this quantity are plotted one by one, because no InfluxQL function may merge them."""
    return quantity.aggregate not in ("mean", "max", "min", "last")


def readings(key: str, quantity: Quantity) -> str:
    """Return the statement that plots a quantity, one series for each device."""
    source = f'FROM "{quantity.family}" WHERE {DEVICES} AND $timeFilter GROUP BY'
    if is_raw(quantity):
        return f'SELECT "{key}" {source} "device"'
    return f'SELECT {quantity.aggregate}("{key}") {source} time($__interval), "device" fill(null)'


def limit_line(key: str, quantity: Quantity, limits: Iterable[Limit]) -> str:
    """Return the statement that draws the limits of a quantity as they change through the day.

    InfluxQL cannot ask for the time of day, so the line is made of its changes. It is drawn wherever the site measured
    the quantity at all.
    """
    changes = [
        _CHANGE.format(key=key, value=value, family=quantity.family, site=SITE, minutes=_after_utc_midnight(start))
        for start, value in sorted(_changes(limits).items())
    ]
    return _LIMIT_LINE.format(changes=", ".join(f"({change})" for change in changes), step=LIMIT_STEP.seconds)


def flagged() -> str:
    """Return the statement that lists flagged readings, newest first."""
    source = f'FROM "flagged" WHERE {DEVICES} AND $timeFilter ORDER BY time DESC LIMIT 1000'
    return f'SELECT "device", "quantity", "flag", "value", "dt" {source}'


def tag_values(tag: str, within: str = "") -> str:
    """Return the statement that lists the values of a tag, all of them or those within a condition."""
    return f'SHOW TAG VALUES WITH KEY = "{tag}"' + (f" WHERE {within}" if within else "")


def substitute(statement: str, variables: Mapping[str, str], start: dt.datetime, end: dt.datetime) -> str:
    """Return the statement as Grafana sends it for these variables and this time range.

    Args:
        statement: InfluxQL with Grafana's variables in it.
        variables: values by name: ``district``, ``site``, ``device``, ``__interval``.
        start: begin of the time range, with a time zone.
        end: end of the time range, with a time zone.
    """
    first, last = (f"{round(time.timestamp() * 1000)}" for time in (start, end))
    filled = statement.replace("$timeFilter", f"time >= {first}ms and time <= {last}ms")
    for name, value in {**variables, "__from": first, "__to": last}.items():
        filled = filled.replace(f"${{{name}}}", value).replace(f"${name}", value)
    return filled


def _changes(limits: Iterable[Limit]) -> dict[str, float]:
    """Return the times of day at which the limit changes, with the value from then on."""
    limits = list(limits)
    starts = {limit.from_: limit.value for limit in limits}
    return {limit.to: _NO_LIMIT for limit in limits} | starts


def _after_utc_midnight(local: str) -> int:
    """Return how many minutes after midnight UTC a local time of day comes."""
    offset = dt.datetime(2026, 1, 1, tzinfo=ZONE).utcoffset() or dt.timedelta()
    hour, minute = (int(part) for part in local.split(":"))
    return (hour * 60 + minute - offset // dt.timedelta(minutes=1)) % _MINUTES_PER_DAY
