"""Draws readings as a picture (SVG): what was measured as steps, the limit as a line, gaps as gaps, flags as bands.

The picture is stretched to the width of the page, so nothing is written in it: the numbers of the axes stand beside it.
"""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from hub.desk.models import EvidenceReading, JudgedWindow

WIDTH, HEIGHT = 1000, 100
TICKS = 5
"""Numbers at an axis."""
STEPS = (1, 2, 5, 10)
"""Between two numbers of an axis lies one of these, times a power of ten."""
HOLES_SHOWN_S = 1.0
"""Two records that are further apart have something missing between them [s]."""


class Band(NamedTuple):
    """Something that lasts, drawn from top to bottom."""

    x: float
    width: float
    kind: str
    """gap, flagged, or the outcome of a window."""


class Plot(NamedTuple):
    """What a template draws. Coordinates are those of the view box, 1000 x 100."""

    line: str
    """The path of what was measured."""
    bands: tuple[Band, ...]
    windows: tuple[Band, ...]
    limit: float | None
    """Height of the limit's line; None: it lies outside."""
    levels: tuple[str, ...]
    """Numbers at the vertical axis, from the top."""
    grid: tuple[float, ...]
    times: tuple[datetime, ...]
    """Moments at the horizontal axis."""
    gap_s: float
    """How long nothing was measured."""
    flags: tuple[tuple[str, int], ...]
    """Letters of flags that are not N, and how many readings have each."""


def plot(
    readings: Sequence[EvidenceReading],
    windows: Sequence[JudgedWindow],
    limit: float | None,
    start: datetime,
    end: datetime,
) -> Plot | None:
    """Return the picture of readings between two moments; None: nothing was measured."""
    normal = [one for one in readings if one.flag == "N" and one.value is not None]
    if not normal or end <= start:
        return None
    values = [one.value for one in normal if one.value is not None] + ([] if limit is None else [limit])
    low, step = _scale(min(values), max(values))
    high = low + step * (TICKS - 1)
    whole = (end - start).total_seconds()

    def x(t: datetime) -> float:
        return round(min(max((t - start).total_seconds() / whole, 0), 1) * WIDTH, 1)

    def y(value: float) -> float:
        return round(HEIGHT * (1 - (value - low) / (high - low)), 2)

    flagged = [one for one in readings if one.flag != "N"]
    holes = _holes(readings, start, end)
    bands = [Band(x(begin), round(x(until) - x(begin), 1), "gap") for begin, until in holes]
    bands += [Band(x(one.t), max(round(one.dt / whole * WIDTH, 1), 1.0), "flagged") for one in flagged]
    counts = {letter: sum(one.flag == letter for one in flagged) for letter in sorted({one.flag for one in flagged})}
    decimals = max(0, -math.floor(math.log10(step)))
    return Plot(
        line=_path([(x(one.t), x(one.t + timedelta(seconds=one.dt)), y(one.value or 0.0)) for one in normal]),
        bands=tuple(bands),
        windows=tuple(Band(x(w.start), round(x(w.end) - x(w.start), 1), w.outcome) for w in windows),
        limit=None if limit is None else y(limit),
        levels=tuple(f"{high - i * step:.{decimals}f}" for i in range(TICKS)),
        grid=tuple(round(HEIGHT * i / (TICKS - 1), 1) for i in range(TICKS)),
        times=tuple(start + (end - start) * i / 3 for i in range(4)),
        gap_s=sum((until - begin).total_seconds() for begin, until in holes),
        flags=tuple(counts.items()),
    )


def _path(steps: Sequence[tuple[float, float, float]]) -> str:
    """Return a path of horizontal steps, each from x to x at a height; where one does not follow the other, it ends."""
    parts: list[str] = []
    last = None
    for begin, until, level in steps:
        parts.append(f"V{level:g}" if last is not None and begin - last < 0.2 else f"M{begin:g} {level:g}")
        parts.append(f"H{until:g}")
        last = until
    return "".join(parts)


def _holes(readings: Sequence[EvidenceReading], start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    holes, reached = [], start
    for one in sorted(readings, key=lambda one: one.t):
        if (one.t - reached).total_seconds() > HOLES_SHOWN_S:
            holes.append((reached, one.t))
        reached = max(reached, one.t + timedelta(seconds=one.dt))
    if (end - reached).total_seconds() > HOLES_SHOWN_S:
        holes.append((reached, end))
    return holes


def _scale(low: float, high: float) -> tuple[float, float]:
    """Return the lowest number of an axis and the step between its numbers, so that all values lie on it."""
    room = max((high - low) * 1.1, abs(high) * 0.02, 1e-9)
    power = 10.0 ** math.floor(math.log10(room / (TICKS - 1)))
    for factor in (*STEPS, 20):
        step = factor * power
        bottom = math.floor((low - 0.03 * room) / step) * step
        if low >= 0:
            bottom = max(bottom, 0.0)
        if bottom + step * (TICKS - 1) >= high + 0.03 * room:
            break
    return bottom, step
