"""Each hour's air quality index (HJ 633), noise and data capture by site and district, from the hourly rollups' sums.

The index is that of the air at the sites' boundaries, not the city's own. Of several boards the mean counts; of a
district, the mean of its sites. Noise is the mean of the sound energy, never of decibels.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from statistics import fmean

from hub.judge.aqi import BREAKPOINTS, LEAST_OF_RUNNING, LEVELS, Edition, aqi, complete, edition_on
from hub.registry.live import Registry
from hub.reports import points
from hub.series.rollups import Hour

HOUR = 3600
LEAST = 2700
"""An hour counts with at least so many seconds measured with flag N (45 min: HJ 212-2017, appendix D)."""
LEAST_HOURS = 20
"""A mean over 24 h counts with at least so many hours (GB 3095-2012, 6.4)."""
ITEMS = {"pm10": "PM10", "pm25": "PM25", "so2": "SO2", "no2": "NO2", "o3": "O3", "co": "CO"}
LABELS = {"PM10": "PM10", "PM25": "PM2.5", "SO2": "SO2", "NO2": "NO2", "O3": "O3", "CO": "CO"}
CAPTURED = ("laeq", "pm10", "stack_nox")
"""Quantities of which it is told what share of the boards' time was measured: one of each kind of sensors."""
READ = sorted({*ITEMS, *CAPTURED})
"""Quantities whose hours are read."""


def lines(hours: Iterable[Hour], start: int, end: int, registry: Registry) -> Iterator[str]:
    """Yield the points of the hours in `start` <= t < `end`; `hours` goes back 23 h further, for what rests on 24 h.

    A district's names are tags: a legend can be made of tags only.
    """
    air = _Air()
    for hour in hours:
        air.add(hour)
    means = air.means()
    for district, site in sorted(air.places()):
        name = registry.district_called(district)
        tags = {"district": district, "site": site}
        tags |= {} if site else {"district_en": name.en, "district_zh": name.zh}
        for t in range(start, end, HOUR):
            edition = edition_on(datetime.fromtimestamp(t, registry.zone).date())
            fields = _fields(means.get((district, site), {}), t, edition) | air.noise(district, site, t)
            if not site:
                fields |= air.captured(district, t)
            if fields:
                yield points.point("aqi" if site else "district", tags, fields, t)


class _Air:
    """Hours put together by site, and by district as the site without a name."""

    def __init__(self) -> None:
        self._boards: dict[tuple[str, str, str, int], list[float]] = defaultdict(list)
        self._energy: dict[tuple[str, str, int], list[tuple[float, float]]] = defaultdict(list)
        self._measured: dict[tuple[str, str], dict[str, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))

    def add(self, hour: Hour) -> None:
        if hour.quantity in CAPTURED:
            self._measured[hour.district, hour.quantity][hour.device][hour.start] = hour.seconds
        if hour.seconds < LEAST:
            return
        if hour.quantity == "laeq":
            for site in ("", hour.site):
                self._energy[hour.district, site, hour.start].append((hour.seconds, hour.total))
        elif hour.quantity in ITEMS:
            self._boards[hour.district, hour.site, hour.quantity, hour.start].append(hour.total / hour.seconds)

    def places(self) -> set[tuple[str, str]]:
        return {
            *(place for district, site, *_ in self._boards for place in ((district, site), (district, ""))),
            *((district, site) for district, site, _ in self._energy),
            *((district, "") for district, _ in self._measured),
        }

    def means(self) -> dict[tuple[str, str], dict[tuple[str, int], float]]:
        """Return the mean of each quantity in each hour: of a site's boards, of a district's sites."""
        means: dict[tuple[str, str], dict[tuple[str, int], float]] = defaultdict(dict)
        sites: dict[tuple[str, str, int], list[float]] = defaultdict(list)
        for (district, site, quantity, t), found in self._boards.items():
            means[district, site][quantity, t] = fmean(found)
            sites[district, quantity, t].append(fmean(found))
        for (district, quantity, t), found in sites.items():
            means[district, ""][quantity, t] = fmean(found)
        return means

    def noise(self, district: str, site: str, t: int) -> dict[str, points.Value]:
        """Return LAeq of an hour: of the mean of the sound energy at all boards."""
        sums = self._energy.get((district, site, t))
        return {"laeq": 10 * math.log10(sum(one[1] for one in sums) / sum(one[0] for one in sums))} if sums else {}

    def captured(self, district: str, t: int) -> dict[str, points.Value]:
        """Return which share of an hour the boards measured that did so in the last 24 h."""
        shares = {f"{key}_capture": _capture(self._measured.get((district, key), {}), t) for key in CAPTURED}
        return {name: share for name, share in shares.items() if share is not None}


def _capture(measured: Mapping[str, Mapping[int, float]], t: int) -> float | None:
    """Return which share of the hour at `t` the boards measured that did so in the last 24 h; None: there are none."""
    known = [hours for hours in measured.values() if any(t - 23 * HOUR <= start <= t for start in hours)]
    # A clock that was set back gives some seconds twice.
    return sum(min(1.0, hours.get(t, 0.0) / HOUR) for hours in known) / len(known) if known else None


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
    if edition == "HJ 633-2012":
        running = [means["o3", h] for h in range(t - 7 * HOUR, t + 1, HOUR) if ("o3", h) in means]
        if len(running) >= LEAST_OF_RUNNING:
            items["O3_8h"] = max(0.0, fmean(running))
    index = complete(aqi(items, edition))
    if index is None:
        return fields
    fields["missing"] = ", ".join(LABELS[one.upper()] for one in index.missing)
    if index.level is None:
        return fields
    _, en, zh = LEVELS[index.level - 1]
    primary = ", ".join(LABELS[item.partition("_")[0]] for item in index.primary)
    return fields | {
        "aqi": index.value,
        "level": index.level,
        "level_en": en,
        "level_zh": zh,
        "primary": primary,
        "edition": edition,
    }
