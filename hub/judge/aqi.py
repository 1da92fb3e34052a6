"""Air quality index: HJ 633-2012 and HJ 633-2026.

`index_of_day` and `index_of_hour` take hourly means and a day, which chooses the edition; `iaqi` and `aqi` are the
tables themselves. Breakpoints, arithmetic and the items by which a day and an hour are told were read in the texts [P];
what is secondary [S] or own knowledge [U] is said where it stands.

Where an item is missing the index is told only above 100: below, the missing one might be the highest (HJ 633-2026,
5.3.1 [P]; for the edition of 2012 the same is taken [U]).
"""

import math
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Literal, NamedTuple

from hub.judge.averaging import rounded
from schemas.language import Text

Edition = Literal["HJ 633-2012", "HJ 633-2026"]
SINCE_2026 = date(2026, 3, 1)

INDEX = (0, 50, 100, 150, 200, 300, 400, 500)
"""Individual indices (IAQI) at the breakpoints."""

_SAME: dict[str, tuple[int, ...]] = {
    "SO2_24h": (0, 50, 150, 475, 800, 1600, 2100, 2620),
    "SO2_1h": (0, 150, 500, 650, 800),
    "NO2_24h": (0, 40, 80, 180, 280, 565, 750, 940),
    "NO2_1h": (0, 100, 200, 700, 1200, 2340, 3090, 3840),
    "CO_24h": (0, 2, 4, 14, 24, 36, 48, 60),
    "CO_1h": (0, 5, 10, 35, 60, 90, 120, 150),
    "O3_8h": (0, 100, 160, 215, 265, 800),
    "O3_1h": (0, 160, 200, 300, 400, 800, 1000, 1200),
}
_PM_2012: dict[str, tuple[int, ...]] = {
    "PM10_24h": (0, 50, 150, 250, 350, 420, 500, 600),
    "PM25_24h": (0, 35, 75, 115, 150, 250, 350, 500),
}
_PM_2026: dict[str, tuple[int, ...]] = {
    "PM10_24h": (0, 50, 120, 250, 350, 420, 500, 600),
    "PM25_24h": (0, 35, 60, 115, 150, 250, 350, 500),
}
BREAKPOINTS: dict[Edition, dict[str, tuple[int, ...]]] = {
    "HJ 633-2012": _SAME | _PM_2012,
    # This edition has the breakpoints of the day for the hour, too.
    "HJ 633-2026": _SAME | _PM_2026 | {"PM10_1h": _PM_2026["PM10_24h"], "PM25_1h": _PM_2026["PM25_24h"]},
}
"""Concentrations by item, at 25 degC and 1013.25 hPa for gases: ug/m3, of CO mg/m3."""

LEVELS = (
    (50, "excellent", "优"),
    (100, "good", "良"),
    (150, "lightly polluted", "轻度污染"),
    (200, "moderately polluted", "中度污染"),
    (300, "heavily polluted", "重度污染"),
    (500, "severely polluted", "严重污染"),
)
"""Highest index, English and Chinese name of each level."""

ITEMS_OF_DAY = {
    "pm25": "PM25_24h",
    "pm10": "PM10_24h",
    "so2": "SO2_24h",
    "no2": "NO2_24h",
    "co": "CO_24h",
    "o3": "O3_8h",
}
"""By which item the index of a day takes a quantity of the catalogue; of ozone the edition of 2012 takes the highest
mean of 1 h as well: seven items [P HJ 633-2012, 5.1.2 and table 3]."""
ITEMS_OF_HOUR: dict[Edition, dict[str, str]] = {
    # Of particulates there is no mean of 1 h in this edition: the running mean of the last 24 h stands for it
    # [S meeb.sz.gov.cn].
    "HJ 633-2012": {quantity: f"{item.partition('_')[0]}_1h" for quantity, item in ITEMS_OF_DAY.items()}
    | {"pm25": "PM25_24h", "pm10": "PM10_24h"},
    "HJ 633-2026": {quantity: f"{item.partition('_')[0]}_1h" for quantity, item in ITEMS_OF_DAY.items()},
}
"""By which item the index of an hour takes a quantity of the catalogue."""
REQUIRED = ("pm25", "pm10", "so2", "no2", "co", "o3")
"""Quantities without any of which an index of 100 or less is not told."""
POLLUTED = 100
RUNNING = 8
LEAST_HOURS, LEAST_OF_RUNNING, LEAST_RUNNING = 20, 6, 14
"""Valid hourly means that a day needs and a running mean of 8 h needs [P GB 3095-2026 table 4]; valid running means,
of the 17 from 00:00-08:00 to 16:00-24:00, that the day's highest needs [U, as in HJ 663]: with fewer it counts all the
same where it is above the limit."""
OZONE_LIMIT, OZONE_HOUR_LIMIT = 160, 200
"""Above them, ug/m3 (grade 2), the day's highest mean of 8 h and of 1 h counts however little of the day was measured
[U, as in HJ 663-2013]."""


NA = Text("NA", "NA")


class Index(NamedTuple):
    """An air quality index, and by which items: the primary pollutants, named above 50 only, all that are equal."""

    value: int | None
    """None (NA): pollutants are missing and none of the others is above 100."""
    primary: tuple[str, ...]
    parts: Mapping[str, int]
    """Individual index (IAQI) by item. An item that is not among them was not measured well enough."""
    missing: tuple[str, ...] = ()
    """Pollutants that were not measured well enough (`REQUIRED`)."""

    @property
    def level(self) -> int | None:
        """1 (excellent) to 6 (severely polluted); None: the index is not told."""
        value = self.value
        return None if value is None else next(number for number, (most, *_) in enumerate(LEVELS, 1) if value <= most)

    @property
    def name(self) -> Text:
        """The name of its level."""
        return NA if self.level is None else Text(*LEVELS[self.level - 1][1:])


def edition_on(day: date) -> Edition:
    """Return the edition in force on a local day."""
    return "HJ 633-2026" if day >= SINCE_2026 else "HJ 633-2012"


def iaqi(item: str, concentration: float, edition: Edition) -> int | None:
    """Return the individual index of an item such as ``PM25_24h``.

    The concentration is rounded first (of CO to 0.1, else to whole ug/m3), the index is rounded up.

    Returns:
        None where the edition says that another averaging is to be used instead: in 2012 of SO2 in 1 h above 800 and of
        O3 in 8 h above 800.

    Raises:
        LookupError: the edition has no such item.
        ValueError: the concentration is below 0 or no number.
    """
    try:
        points = BREAKPOINTS[edition][item]
    except KeyError:
        known = ", ".join(BREAKPOINTS.get(edition, {})) or "the editions HJ 633-2012 and HJ 633-2026"
        raise LookupError(f"{edition} has no item {item!r}; expected one of: {known}") from None
    if not 0 <= concentration < math.inf:
        raise ValueError(f"{item} = {concentration}: expected a concentration of at least 0")
    # In tenths, so that 4.1 mg/m3 is exactly 41.
    scale = 10 if item.startswith("CO_") else 1
    c = round(rounded(concentration, 1 if scale == 10 else 0) * scale)
    tops = [point * scale for point in points]
    if c > tops[-1]:
        if len(points) == len(INDEX):
            return INDEX[-1]
        return INDEX[len(points) - 1] if edition == "HJ 633-2026" else None
    high = next(number for number, top in enumerate(tops) if c <= top)
    if high == 0:
        return 0
    low = high - 1
    rise = (INDEX[high] - INDEX[low]) * (c - tops[low])
    return INDEX[low] - (-rise // (tops[high] - tops[low]))


def aqi(concentrations: Mapping[str, float], edition: Edition) -> Index | None:
    """Return the index of several items; None if none of them has one.

    Raises:
        LookupError: the edition has no such item.
        ValueError: a concentration is below 0 or no number.
    """
    found = {item: iaqi(item, concentration, edition) for item, concentration in concentrations.items()}
    known = {item: index for item, index in found.items() if index is not None}
    if not known:
        return None
    highest = max(known.values())
    return Index(highest, tuple(item for item, index in known.items() if index == highest and highest > 50), known)


def index_of_hour(means: Mapping[str, float], day: date) -> Index | None:
    """Return the index of an hour; None without any of its quantities.

    Args:
        means: valid means of the hour by quantity (`ITEMS_OF_HOUR`), ug/m3, of CO mg/m3; until 2026-02-28 of pm25 and
            pm10 those of the last 24 h, and as ``o3_8h`` that of ozone in the last 8 h, which is an item then, too.
            Other quantities may be among them and do not matter.
        day: the local day.

    Raises:
        ValueError: a mean is below 0 or no number.
    """
    edition = edition_on(day)
    items = ITEMS_OF_HOUR[edition] | ({"o3_8h": "O3_8h"} if edition == "HJ 633-2012" else {})
    return complete(aqi({items[quantity]: mean for quantity, mean in means.items() if quantity in items}, edition))


def index_of_day(
    hours: Mapping[str, Sequence[float | None]], day: date, edition: Edition | None = None
) -> Index | None:
    """Return the index of a local day; None without any of its quantities.

    Args:
        hours: by quantity the means of the day's hours from 00:00 on, None where there is no valid one (45 min), ug/m3,
            of CO mg/m3. Other quantities may be among them and do not matter.
        day: the local day.
        edition: by which it is made; None: by the one in force on that day.

    Raises:
        ValueError: a mean is below 0 or no number.
    """
    edition = edition or edition_on(day)
    items = concentrations_of_day(hours)
    if edition == "HJ 633-2026":
        items.pop("O3_1h", None)
    return complete(aqi(items, edition))


def complete(index: Index | None) -> Index | None:
    """Return the index of a day or hour as it may be told: without a value where what is missing might be higher."""
    if index is None or index.value is None:
        return index
    there = {item.partition("_")[0] for item in index.parts}
    missing = tuple(quantity for quantity in REQUIRED if quantity.upper() not in there)
    if missing and index.value <= POLLUTED:
        return Index(None, (), index.parts, missing)
    return index._replace(missing=missing)


def concentrations_of_day(hours: Mapping[str, Sequence[float | None]]) -> dict[str, float]:
    """Return the concentrations by which a day is told, by item: means of the day, of ozone the highest mean of 8 h.

    What has too few valid hours is left out. The highest hourly mean of ozone (`O3_1h`) is there, too: it is an item of
    the edition of 2012, in which it also stands in for that of 8 h above 800 ug/m3.

    Args:
        hours: as `index_of_day` takes them.
    """
    found = {}
    for quantity, item in ITEMS_OF_DAY.items():
        means = hours.get(quantity, ())
        known = [mean for mean in means if mean is not None]
        if quantity != "o3":
            if len(known) >= LEAST_HOURS:
                found[item] = math.fsum(known) / len(known)
            continue
        running = [mean for mean in map(_running_mean, _spans(means)) if mean is not None]
        highest = max(running, default=0.0)
        if len(running) >= LEAST_RUNNING or rounded(highest, 0) > OZONE_LIMIT:
            found[item] = highest
        if len(known) >= LEAST_HOURS or (known and rounded(max(known), 0) > OZONE_HOUR_LIMIT):
            found["O3_1h"] = max(known)
    return found


def _spans(means: Sequence[float | None]) -> list[Sequence[float | None]]:
    return [means[first : first + RUNNING] for first in range(len(means) - RUNNING + 1)]


def _running_mean(span: Sequence[float | None]) -> float | None:
    known = [mean for mean in span if mean is not None]
    return math.fsum(known) / len(known) if len(known) >= LEAST_OF_RUNNING else None
