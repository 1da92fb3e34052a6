"""The InfluxQL that panels are made of. dashboards/README.md lists the measurements.

Nothing here averages a quantity: long ranges read the hub's rollups, in which the catalogue's `aggregate` says how
short intervals become long ones, so no panel can average decibels. Limits are those that the hub judged with. Engines
differ in what they make of InfluxQL; tests/dashboards/forms.py finds the forms that they do not answer alike.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import NamedTuple
from zoneinfo import ZoneInfo

from schemas import Quantity, load_limits

ZONE = ZoneInfo("Asia/Shanghai")
"""The zone of the limits' times of day. It has no summer time, so one offset from UTC serves all year."""

DAYS = "GROUP BY time(1d, -8h)"
"""Local days of `ZONE`: they begin 8 h before those of UTC."""

MILLISECOND = dt.timedelta(milliseconds=1)
LONGEST_INTERVAL = dt.timedelta(seconds=60)
"""A record never covers more: it never straddles a multiple of 60 s (DESIGN.md)."""

DISTRICT = '"district" =~ /^$district$/'
SITE = f'{DISTRICT} AND "site" =~ /^$site$/'
DEVICES = f'{SITE} AND "device" =~ /^$device$/'
BINDS = "\"binding\" = 'binds'"
CLOSED = "closed"
"""The field that stands at the end of a judged window: a row without a verdict, at which a line breaks."""
HEARD = '"silent" = 0'
"""Where the fleet's state is what the board says now, and not what it said last."""


class Resolution(NamedTuple):
    """What is read for some lengths of the time range: readings, or rollups of one period."""

    suffix: str
    """Of the measurement."""
    length: dt.timedelta
    """From one value to the next, at most."""
    above: dt.timedelta | None
    """It is read for ranges longer than this..."""
    up_to: dt.timedelta | None
    """...and not longer than that."""

    @property
    def condition(self) -> str:
        """Where it is read: a comparison of constants, so that a statement not meant for a range reads nothing."""
        bounds = [("> ", self.above), ("<= ", self.up_to)]
        length = "${__to} - ${__from}"
        return " AND ".join(f"{length} {sign}{_ms(bound)}" for sign, bound in bounds if bound)

    @property
    def name(self) -> str:
        """Names its query within a panel."""
        return self.suffix or "_raw"


def _ms(length: dt.timedelta) -> int:
    return length // dt.timedelta(milliseconds=1)


_TWENTY, _HOUR, _DAY = dt.timedelta(minutes=20), dt.timedelta(hours=1), dt.timedelta(days=1)
READINGS = (
    Resolution("", LONGEST_INTERVAL, None, 12 * _HOUR),
    Resolution("_10m", dt.timedelta(minutes=10), 12 * _HOUR, 4 * _DAY),
    Resolution("_1h", _HOUR, 4 * _DAY, 62 * _DAY),
    Resolution("_24h", _DAY, 62 * _DAY, None),
)
"""What is read of what boards measured, by the range's length."""
VERDICTS = (Resolution("", _HOUR, None, 8 * _DAY), Resolution("_24h", _DAY, 8 * _DAY, None))
"""Of verdicts: each, or what they come to in each local day."""
LISTED = (Resolution("", _HOUR, None, 31 * _DAY), Resolution("_24h", _DAY, 31 * _DAY, None))
"""Of verdicts in a list."""
SAMPLES = (
    Resolution("", dt.timedelta(minutes=1), None, 12 * _HOUR),
    Resolution("_1h", _HOUR, 12 * _HOUR, 62 * _DAY),
    Resolution("_24h", _DAY, 62 * _DAY, None),
)
"""Of the fleet's state: each minute's, each hour's or each day's."""


def rolled_up(quantity: Quantity) -> bool:
    """Tell whether there are rollups: a long interval's L10 cannot be made of short ones'."""
    return quantity.aggregate not in {"l5", "l10", "l50", "l90", "l95", "lsd"}


def readings(
    family: str, names: Mapping[str, str], step: Resolution, parts: Mapping[str, int] = MappingProxyType({})
) -> str:
    """Return the statement that plots quantities of one family, by the names that they get, for each device.

    Of what has `parts` it plots how many of so many units each there are.
    """
    divided = {key: f" / {part}" for key, part in parts.items()}
    columns = ", ".join(f'"{key}"{divided.get(key, "")} AS "{name}"' for key, name in names.items())
    where = f"{DEVICES} AND $timeFilter AND {step.condition}"
    return f'SELECT {columns} FROM "{family}{step.suffix}" WHERE {where} GROUP BY "device"'


def limit(key: str, step: Resolution) -> str:
    """Return the statement that draws the limit of a quantity through the day: what the hub judged with.

    Of several that bind at once the lowest; where nothing was judged there is none.
    """
    every, rule = ("1d, -8h", ', "rule"') if step.suffix else ("20m", "")
    where = f"{SITE} AND \"quantity\" = '{key}' AND {BINDS} AND $timeFilter AND {step.condition}"
    source = f'FROM "verdict{step.suffix}" WHERE {where} GROUP BY time({every}){rule} fill(none)'
    return f'SELECT min("limit_value") {source}'


@cache
def window(key: str) -> dt.timedelta:
    """Return how long a limit on a quantity is drawn for one judged window: 20 min, or 1 h where one is so long."""
    lengths = [limit.averaging.steps[-1].seconds for _, limit in load_limits() if limit.quantity == key]
    short = all(length is None or length <= _TWENTY.total_seconds() for length in lengths)
    return _TWENTY if short else _HOUR


def newest(
    measurement: str,
    fields: Sequence[str],
    where: str,
    by: Sequence[str],
    minutes: int = 5,
    again: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """Return the statement for the newest state before the end of the range: the first field's last point.

    Args:
        measurement: one that is sampled every minute.
        fields: their names; the first is in every point.
        where: a condition.
        by: tags, of whose values each has its state.
        minutes: what is older is not told as if it were now.
        again: fields that are asked for once more, by the names that they get then.
    """
    twice = (f'"{field}" AS "{name}"' for name, field in again.items())
    columns = ", ".join([f'last("{fields[0]}") AS "{fields[0]}"', *(f'"{field}"' for field in fields[1:]), *twice])
    tags = ", ".join(f'"{tag}"' for tag in by)
    return f'SELECT {columns} FROM "{measurement}" WHERE {where} AND {before_end(f"{minutes}m")} GROUP BY {tags}'


def over(function: str, field: str, statement: str, minutes: int = 5) -> str:
    """Return the statement for a function of all rows that `newest` gives; `minutes` as there."""
    return f'SELECT {function}("{field}") FROM ({statement}) WHERE {before_end(f"{minutes}m")}'


def before_end(span: str) -> str:
    """Return the condition that a time lies at most `span` (such as ``5m``) before the end of the range."""
    return f"time > ${{__to}}ms - {span} AND time <= ${{__to}}ms"


def exceedances(days_ago: int) -> str:
    """Return the statement for the exceedances of one local day, counted back from the end of the range.

    What a day came to stands at its beginning, so that there is one point of each series in any 24 h.
    """
    of_day = f"time > ${{__to}}ms - {days_ago + 1}d AND time <= ${{__to}}ms - {days_ago}d"
    return f'SELECT sum("exceeded") FROM "verdict_24h" WHERE {DISTRICT} AND {BINDS} AND {of_day}'


def age(field: str, by: str = "") -> str:
    """Return the statement for how long before the end of the range a time that the hub tells was, s; `by`: a tag."""
    group = f' GROUP BY "{by}"' if by else ""
    return f'SELECT ${{__to}} / 1000 - last("{field}") FROM "hub" WHERE {before_end("32d")}{group}'


def choices(field: str, within: str = "") -> str:
    """Return the statement for what a variable offers: names with ids, of the sites within a condition."""
    where = f"{within} AND {before_end('32d')}" if within else before_end("32d")
    return f'SELECT last("{field}") FROM "place" WHERE {where} GROUP BY "district", "site"'


def worst_first(field: str, within: str) -> str:
    """Return the statement for what a variable offers where one is chosen: the site that is worst now comes first.

    The hub tells a state within its minute the later the worse it is. Grafana shows each site where it comes first.
    """
    return f'SELECT "{field}" FROM "state" WHERE {within} AND {before_end("32d")} ORDER BY time DESC LIMIT 5000'


def capture(keys: Iterable[str], lang: str) -> str:
    """Return the statement for each district's data capture of quantities.

    An hour is told of 10 min after its end; a short range shows the hours before.
    """
    columns = ", ".join(f'mean("{key}_capture") AS "{key}_capture"' for key in keys)
    since = "time > ${__from}ms - 3h AND time <= ${__to}ms"
    named = f"\"district_{lang}\" != ''"
    return f'SELECT {columns} FROM "district" WHERE {DISTRICT} AND {named} AND {since} GROUP BY "district_{lang}"'


def tag_values(tag: str, measurement: str = "", within: str = "") -> str:
    """Return the statement that lists the values of a tag, all of them or those within a condition."""
    source = f'FROM "{measurement}" ' if measurement else ""
    return f'SHOW TAG VALUES {source}WITH KEY = "{tag}"' + (f" WHERE {within}" if within else "")


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
