"""Each hour's air quality index (HJ 633) and noise by site and district, made of the hourly rollups' sums.

The index is that of the air at the sites' boundaries, not the city's own. Of several boards the mean counts; of a
district, the mean of its sites. Noise is the mean of the sound energy, never of decibels.
"""

import math
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from statistics import fmean
from typing import NamedTuple
from zoneinfo import ZoneInfo

from hub.aqi import BREAKPOINTS, LEVELS, Edition, aqi, edition_on
from hub.reports import points

HOUR = 3600
LEAST = 2700
"""An hour counts with at least so many seconds measured with flag N (45 min: HJ 212-2017, appendix D)."""
LEAST_HOURS = 20
"""A mean over 24 h counts with at least so many hours (GB 3095-2012, 6.4)."""
ITEMS = {"pm10": "PM10", "pm25": "PM25", "so2": "SO2", "no2": "NO2", "o3": "O3", "co": "CO"}
LABELS = {"PM10": "PM10", "PM25": "PM2.5", "SO2": "SO2", "NO2": "NO2", "O3": "O3", "CO": "CO"}


class Hour(NamedTuple):
    """One quantity at one board in one hour: what was measured of it, s, and its integral."""

    district: str
    site: str
    start: int
    quantity: str
    seconds: float
    total: float


def read(path: Path, start: int, end: int) -> list[Hour]:
    """Return the hours that begin in `start` <= t < `end` from the database of the rollups."""
    keys = (*ITEMS, "laeq")
    marks = ", ".join("?" * len(keys))
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as db:
        rows = db.execute(
            "SELECT district, site, start, quantity, seconds, total FROM place CROSS JOIN bucket "  # noqa: S608
            f"ON bucket.place = place.id AND period = {HOUR} AND start >= ? AND start < ? AND quantity IN ({marks})",
            (start, end, *keys),
        )
        return [Hour(*row) for row in rows if row[4] >= LEAST]


def lines(hours: Iterable[Hour], start: int, end: int, zone: ZoneInfo) -> Iterator[str]:
    """Yield the points of the hours in `start` <= t < `end`; `hours` goes back 23 h further, for means over 24 h."""
    boards: dict[tuple[str, str, str, int], list[float]] = defaultdict(list)
    energy: dict[tuple[str, str, int], list[tuple[float, float]]] = defaultdict(list)
    for hour in hours:
        if hour.quantity == "laeq":
            for site in ("", hour.site):
                energy[hour.district, site, hour.start].append((hour.seconds, hour.total))
        else:
            boards[hour.district, hour.site, hour.quantity, hour.start].append(hour.total / hour.seconds)
    means: dict[tuple[str, str], dict[tuple[str, int], float]] = defaultdict(dict)
    sites: dict[tuple[str, str, int], list[float]] = defaultdict(list)
    for (district, site, quantity, t), found in boards.items():
        means[district, site][quantity, t] = fmean(found)
        sites[district, quantity, t].append(fmean(found))
    for (district, quantity, t), found in sites.items():
        means[district, ""][quantity, t] = fmean(found)
    for district, site in sorted({*means, *(key[:2] for key in energy)}):
        for t in range(start, end, HOUR):
            edition = edition_on(datetime.fromtimestamp(t, zone).date())
            fields = _fields(means[district, site], t, edition)
            measured = energy.get((district, site, t))
            if measured:
                fields["laeq"] = 10 * math.log10(sum(one[1] for one in measured) / sum(one[0] for one in measured))
            if fields:
                yield points.point("aqi" if site else "district", {"district": district, "site": site}, fields, t)


def _fields(means: dict[tuple[str, int], float], t: int, edition: Edition) -> dict[str, points.Value]:
    fields: dict[str, points.Value] = {}
    items = {}
    for quantity, item in ITEMS.items():
        value = means.get((quantity, t))
        if value is None:
            continue
        fields[quantity] = max(0.0, value)
        if f"{item}_1h" in BREAKPOINTS[edition]:
            items[f"{item}_1h"] = max(0.0, value)
            continue
        day = [means[quantity, h] for h in range(t - 23 * HOUR, t + 1, HOUR) if (quantity, h) in means]
        if len(day) >= LEAST_HOURS:
            items[f"{item}_24h"] = max(0.0, fmean(day))
    index = aqi(items, edition)
    if index is None:
        return fields
    _, en, zh = LEVELS[index.level - 1]
    primary = ", ".join(LABELS[item.partition("_")[0]] for item in index.primary)
    return fields | {
        "aqi": index.value,
        "level": index.level,
        "level_en": en,
        "level_zh": zh,
        "primary": primary or None,
        "edition": edition,
    }
