"""Air quality index: HJ 633-2012 and HJ 633-2026. Both texts were read (P)."""

import math
from collections.abc import Mapping
from datetime import date
from typing import Literal, NamedTuple

from hub.judge.averaging import rounded

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


class Index(NamedTuple):
    """An air quality index, and by which items: the primary pollutants, named above 50 only, all that are equal."""

    value: int
    primary: tuple[str, ...]

    @property
    def level(self) -> int:
        """1 (excellent) to 6 (severely polluted)."""
        return next(number for number, (most, *_) in enumerate(LEVELS, 1) if self.value <= most)


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
    return Index(highest, tuple(item for item, index in known.items() if index == highest and highest > 50))
