"""What the days of a year come to: levels, primary pollutants, and the means and percentiles that judge a year."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from hub.backtest.air_days import AirDay
from hub.judge.averaging import percentile

PERCENTILES = {"SO2_24h": 98, "NO2_24h": 98, "CO_24h": 95, "PM10_24h": 95, "PM25_24h": 95, "O3_8h": 90}
"""By item of a day (HJ 663): of ozone there is no mean of the year."""
LEAST_DAYS = 324
"""Valid days that a year needs [P GB 3095-2026 table 4]; what a month needs is in the limits of GB 3095."""


@dataclass(slots=True)
class AirYear:
    """The air of a local year."""

    year: int
    edition: str
    days: int = 0
    untold: int = 0
    """Days without an index (NA): a pollutant is missing and none of the others is above 100."""
    levels: Counter[int] = field(default_factory=Counter)
    """Days by level, 1 to 6."""
    primary: Counter[str] = field(default_factory=Counter)
    """Days by item that is the primary pollutant; two that are equal count both."""
    values: dict[str, list[float]] = field(default_factory=dict)
    """Of the days, by item."""

    @property
    def polluted(self) -> int:
        """Days with an index above 100."""
        return sum(days for level, days in self.levels.items() if level > 2)

    def figures(self) -> Mapping[str, Mapping[str, float | int | bool | None]]:
        """Return by item the days, the mean, the percentile, and whether there are enough days."""
        return {
            item: {
                "days": len(values),
                "mean": None if item == "O3_8h" else round(math.fsum(values) / len(values), 3),
                "percent": percent,
                "percentile": round(percentile(values, percent), 3),
                "valid": len(values) >= LEAST_DAYS,
            }
            for item, percent in PERCENTILES.items()
            if (values := self.values.get(item))
        }


def air_years(days: Iterable[AirDay]) -> list[AirYear]:
    """Return the years of these days, in order."""
    years: dict[tuple[int, str], AirYear] = {}
    for day in days:
        year = years.setdefault((day.date.year, day.edition), AirYear(day.date.year, day.edition))
        year.days += 1
        index = day.index
        if index is None or index.value is None or index.level is None:
            year.untold += 1
        else:
            year.levels[index.level] += 1
            year.primary.update(index.primary)
        for item in PERCENTILES:
            if item in day.concentrations:
                year.values.setdefault(item, []).append(day.concentrations[item])
    return [years[key] for key in sorted(years)]
