"""Shows air quality indices of days and years: to programs as JSON lines, to people as tables."""

from collections.abc import Iterable, Iterator

import msgspec

from hub.backtest.air_days import AirDay
from hub.backtest.air_years import AirYear
from hub.judge.aqi import LEVELS, REQUIRED, Index
from hub.terminal.tables import Cell, say, table
from schemas.language import Text, tell

AQI_HEADS = (
    Text("Day", "日期"),
    Text("AQI", "AQI"),
    Text("Level", "级别"),
    Text("Primary", "首要污染物"),
    Text("Individual indices", "分指数"),
    Text("Edition", "标准"),
)
YEAR_HEADS = (
    Text("Year", "年份"),
    Text("Days", "天数"),
    Text("NA", "NA"),
    *(Text(str(number), str(number)) for number in range(1, 7)),
    Text("Primary pollutant, days", "首要污染物（天数）"),
    Text("Edition", "标准"),
)
FIGURE_HEADS = (
    Text("Year", "年份"),
    Text("Item", "项目"),
    Text("Days", "天数"),
    Text("Mean", "均值"),
    Text("Percentile", "百分位数"),
    Text("Enough days", "天数足够"),
)
LEVELS_SAID = Text("Levels 1 to 6: ", "级别1至6：")
TOO_LITTLE = Text("too little data", "数据不足")


def aqi_lines(days: Iterable[AirDay]) -> Iterator[str]:
    """Yield one JSON object for each day and, as the last, the summary."""
    count = without = 0
    for day in days:
        index = day.index or Index(None, (), {}, REQUIRED)
        count, without = count + 1, without + (index.value is None)
        row = {
            "day": day.date.isoformat(),
            "edition": day.edition,
            "aqi": index.value,
            "level": index.level,
            "missing": index.missing,
            "primary": index.primary,
            "iaqi": index.parts,
            "concentrations": {item: round(value, 3) for item, value in day.concentrations.items()},
        }
        yield msgspec.json.encode(row).decode()
    yield msgspec.json.encode({"summary": True, "days": count, "without": without}).decode()


def show_aqi(days: Iterable[AirDay]) -> None:
    """Print a table with a row for each day."""
    rows = []
    for day in days:
        index = day.index
        if index is None:
            rows.append((day.date.isoformat(), "-", tell(TOO_LITTLE), "", "", day.edition))
            continue
        rows.append(
            (
                day.date.isoformat(),
                "NA" if index.value is None else str(index.value),
                tell(TOO_LITTLE) if index.level is None else f"{index.level} {tell(index.name)}",
                ", ".join(index.primary) or "-",
                ", ".join(f"{item} {part}" for item, part in index.parts.items()),
                day.edition,
            )
        )
    table([tell(head) for head in AQI_HEADS], rows, numbers=(1,), whole=(0, 1))


def year_lines(years: Iterable[AirYear]) -> Iterator[str]:
    """Yield one JSON object for each year and, as the last, the summary."""
    count = 0
    for year in years:
        count += 1
        row = {
            "year": year.year,
            "edition": year.edition,
            "days": year.days,
            "without": year.untold,
            "levels": [year.levels[level] for level in range(1, 7)],
            "polluted": year.polluted,
            "primary": dict(year.primary.most_common()),
            "figures": year.figures(),
        }
        yield msgspec.json.encode(row).decode()
    yield msgspec.json.encode({"summary": True, "years": count}).decode()


def show_years(years: list[AirYear]) -> None:
    """Print a table with a row for each year, and one of means and percentiles."""
    rows = []
    for year in years:
        primary = ", ".join(f"{item} {days}" for item, days in year.primary.most_common())
        levels = (str(year.levels[level]) for level in range(1, 7))
        rows.append((str(year.year), str(year.days), str(year.untold), *levels, primary or "-", year.edition))
    table([tell(head) for head in YEAR_HEADS], rows, numbers=range(1, 9), whole=(*range(9), 10))
    named = ", ".join(f"{number} {tell(Text(*names))}" for number, (_, *names) in enumerate(LEVELS, 1))
    say(Cell(tell(LEVELS_SAID) + named, "dim"), wrap=True)
    figures = [
        (
            str(year.year),
            item,
            str(one["days"]),
            "-" if one["mean"] is None else f"{one['mean']:.1f}",
            f"P{one['percent']} {one['percentile']:.1f}",
            "✔" if one["valid"] else "✘",
        )
        for year in years
        for item, one in year.figures().items()
    ]
    say()
    table([tell(head) for head in FIGURE_HEADS], figures, numbers=(2, 3))
