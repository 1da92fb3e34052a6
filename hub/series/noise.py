"""Statistics of noise over any time: LAeq, Ld, Ln, Ldn, levels exceeded 5 to 95 % of it, standard deviation.

They are made of what the rollups keep of each 10 min: sound energy, and how often each level was. So a window is whole
multiples of 10 min of the local clock, and what is said of it is exact but for the rounding of levels
(`hub.series.levels.ERROR`). Of boards that count no levels there are none: a mean of L10 is no L10.

By day is 06:00 to 22:00, by night the rest (GB 3096-2008, 3.4; a city may have other hours: U). Ldn weighs them as 16 h
and 8 h with 10 dB more by night (U).

What was measured in strong wind, in rain or in snow does not count, and the rest does: each 10 min by the mean wind and
by any rain that a board of the site has measured in it. Where nothing measures them, nobody knows, and it counts.
"""

import math
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from datetime import date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from hub.judge.windows import LocalTime
from hub.series.levels import DEVIATION, PERCENTS, Levels
from hub.series.rollups import Counted, counts_between, kept_from, void_between
from schemas.language import Text

GRAIN = 600
"""Windows begin and end at multiples of it on the local clock [s]."""
HOUR, MORNING, EVENING = 3600, 6 * 3600, 22 * 3600
DAY_HOURS, NIGHT_HOURS, PENALTY = 16, 8, 10
WIND = 5.0
"""In a mean wind of so many m/s or more noise does not count (GB 12523, 5.4.2 [S]; for GB 3096 [U])."""
FILE = "rollups.db"
MOST = 6000
"""Windows in one answer: 40 days have 5,760 of 10 min."""
NAMES = (*PERCENTS, DEVIATION)
"""The statistics of levels, in the order in which people read them."""


class Step(StrEnum):
    """Into which windows a time is divided."""

    all = "all"
    ten = "10m"
    hour = "hour"
    part = "part"
    day = "day"


class Weather(StrEnum):
    """Which of the time counts: what was measured without strong wind, rain and snow, or all."""

    valid = "valid"
    all = "all"


class NoSuchTimeError(Exception):
    """Nothing can be told of such a time; `field` is begin, end or by."""

    def __init__(self, field: str, text: Text) -> None:
        super().__init__(text.en)
        self.field, self.text = field, text


class Window(NamedTuple):
    """A time, Unix s."""

    start: int
    end: int


class Statistics(NamedTuple):
    """What is known of a window's noise at a board; `board` is empty for all of a site together.

    `laeq`, `ld`, `ln`, `ldn`: dB, None where nothing was measured. `capture`: the share of the window with LAeq.
    `levels`: statistics of the levels by quantity, dB, and `counted`, the share of the window with counts of them.
    `at_least`: those of them that are lower bounds, since the sound was beyond the instrument.
    `left_out`: the share of the window with LAeq that does not count, for wind, rain or snow; no part of the others.
    """

    site: str
    board: str
    start: int
    end: int
    laeq: float | None
    ld: float | None
    ln: float | None
    ldn: float | None
    capture: float
    levels: dict[str, float]
    counted: float
    at_least: list[str]
    left_out: float = 0.0


def noise(
    path: Path,
    local: LocalTime,
    place: tuple[str, str],
    span: Window,
    step: Step,
    weather: Weather = Weather.valid,
) -> list[Statistics]:
    """Return what is known of a time at a place, from the rollups' database at `path`.

    `place`: site and board by id; either may be empty.

    Raises:
        NoSuchTimeError: the time is none of which anything is known.
    """
    for field, moment in (("begin", span.start), ("end", span.end)):
        if local.time_of_day(moment) % GRAIN:
            raise NoSuchTimeError(
                field,
                Text(
                    "expected a multiple of 10 minutes; that is what the hub adds up",
                    "应为整10分钟：数据中心按10分钟汇总",
                ),
            )
    if span.start >= span.end:
        raise NoSuchTimeError("begin", Text("expected a time before the end", "应早于结束时间"))
    if not path.exists():
        return []  # the hub has only just begun
    kept = kept_from(path)
    if span.start < kept:
        since = datetime.fromtimestamp(kept, local.zone).date() + timedelta(1)
        raise NoSuchTimeError(
            "begin",
            Text(
                f"10 minutes are kept from {since} on; what came before stands as statistics of hours and days in the"
                " series store",
                f"10分钟汇总自{since}起保存；更早的时段请查时序库中每小时、每日的统计值",
            ),
        )
    if (span.end - span.start) / {Step.ten: GRAIN, Step.hour: HOUR}.get(step, 8 * HOUR) > MOST:
        raise NoSuchTimeError(
            "by",
            Text(
                f"more than {MOST} windows; choose a shorter time or longer windows",
                f"超过{MOST}个时段；请缩短时间或加长时段",
            ),
        )
    void = void_between(path, *place, *span, WIND) if weather is Weather.valid else frozenset[tuple[str, int]]()
    return list(statistics(counts_between(path, *place, *span), windows(local, *span, step), local, void))


def windows(local: LocalTime, start: int, end: int, step: Step) -> Iterator[Window]:
    """Yield the windows from `start` up to `end`; the first and the last are cut off there.

    A day begins at 06:00, so that it has the whole of its night; parts are the day and the night.
    """
    if step is Step.all:
        yield Window(start, end)
        return
    while start < end:
        after = min(end, _end(local, start, step))
        yield Window(start, after)
        start = after


def _end(local: LocalTime, t: int, step: Step) -> int:
    if step in (Step.ten, Step.hour):
        length = GRAIN if step is Step.ten else HOUR
        return t - local.time_of_day(t) % length + length
    today: date = local.day(t).date
    ends = [MORNING] if step is Step.day else [MORNING, EVENING]
    moments = [local.instant(today + timedelta(days), end) for days in (0, 1) for end in ends]
    return min(moment for moment in moments if moment > t)


def statistics(
    counted: Iterable[Counted],
    spans: Iterable[Window],
    local: LocalTime,
    void: AbstractSet[tuple[str, int]] = frozenset(),
) -> Iterator[Statistics]:
    """Yield what is known of each window with something in it: of each board, then of a site with several boards.

    What is counted is sorted by time. `void`: site and start of each 10 min that does not count.

    Of several boards everything counts alike: each second of sound energy, each level.
    """
    places: dict[str, dict[str, list[Counted]]] = {}
    for one in counted:
        places.setdefault(one.site, {}).setdefault(one.device, []).append(one)
    spans = list(spans)
    for site, boards in sorted(places.items()):
        for span in spans:
            inside = {board: found for board, all_ in sorted(boards.items()) if (found := _inside(all_, span))}
            for board, found in inside.items():
                yield _of(site, board, found, span, 1, local, void)
            if len(inside) > 1:
                together = [one for found in inside.values() for one in found]
                yield _of(site, "", together, span, len(inside), local, void)


def _inside(all_: list[Counted], span: Window) -> list[Counted]:
    """Return what lies in a window, of what is sorted by time."""
    first, after = (bisect_left(all_, moment, key=lambda one: one.start) for moment in span)
    return all_[first:after]


def _of(
    site: str,
    board: str,
    found: list[Counted],
    span: Window,
    boards: int,
    local: LocalTime,
    void: AbstractSet[tuple[str, int]],
) -> Statistics:
    day, night, levels, left_out = [0.0, 0.0], [0.0, 0.0], Levels(), 0.0
    for one in found:
        if (site, one.start) in void:
            left_out += one.seconds
            continue
        part = day if MORNING <= local.time_of_day(one.start) < EVENING else night
        part[0] += one.seconds
        part[1] += one.energy
        if one.levels:
            levels.add(one.levels)
    ld, ln = _level(*day), _level(*night)
    length = boards * (span.end - span.start)
    known = levels.statistics()
    return Statistics(
        site,
        board,
        *span,
        _level(day[0] + night[0], day[1] + night[1]),
        ld,
        ln,
        ldn(ld, ln) if ld is not None and ln is not None else None,
        min(1.0, (day[0] + night[0]) / length),
        known,
        min(1.0, (levels.seconds + levels.clipped) / length),
        [quantity for quantity in PERCENTS if quantity in known and not levels.is_certain(known[quantity])],
        min(1.0, left_out / length),
    )


def ldn(ld: float, ln: float) -> float:
    """Return the day-night level, dB."""
    energy = DAY_HOURS * 10 ** (ld / 10) + NIGHT_HOURS * 10 ** ((ln + PENALTY) / 10)
    return 10 * math.log10(energy / (DAY_HOURS + NIGHT_HOURS))


def _level(seconds: float, energy: float) -> float | None:
    return 10 * math.log10(energy / seconds) if seconds and energy > 0 else None
