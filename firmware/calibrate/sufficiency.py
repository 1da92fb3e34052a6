"""Whether a collocation suffices to call a sensor more than indicative.

A fit makes a correction. What it says of the instrument is another matter: that takes weeks beside the reference, in
which slope, intercept, scatter and error of the corrected means stay within what is asked of such instruments. Asked is
what both HJ 653 and US EPA ask, each figure with how well it is known: P read, S secondary, U own knowledge.
"""

import datetime as dt
import math
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from firmware.calibrate.correction import Correction, Point, apply, fit
from firmware.notebook.calibrations import Trial
from schemas.language import Text
from schemas.standards import Verified

DAY, HOUR = 86_400, 3600
LEAST_OF_DAY = 0.75
"""Share of a day whose pairs make a mean of it (US EPA's completeness [U])."""


class Figure(NamedTuple):
    """A range in which a figure must lie, and who asks for it."""

    low: float
    high: float
    source: str
    verified: Verified


class Demand(NamedTuple):
    """What a collocation of a quantity must show."""

    span: int
    """Length of the means that are compared [s]."""
    means: Figure
    days: Figure
    slope: Figure
    intercept: Figure
    """In the quantity's unit."""
    r2: Figure
    rmse: Figure
    """In the quantity's unit."""
    nrmse: Figure
    """RMSE as a share of the reference's mean: one of the two is enough."""


NO_END = math.inf
EPA_PM, EPA_O3 = "EPA 600/R-20/280", "EPA 600/R-20/279"
_DAYS_PM, _DAYS_O3 = Figure(30, NO_END, EPA_PM, "U"), Figure(30, NO_END, EPA_O3, "U")
# r >= 0.95 in HJ 653-2013; 10 µg/m3 and 15 % there, too. The targets of EPA stand in its own library sensortoolkit
# (sensortoolkit/param/_targets.py). Of each two the stricter is taken.
_SLOPE, _R2 = Figure(0.85, 1.15, "HJ 653-2013", "U"), Figure(0.9025, 1.0, "HJ 653-2013", "U")
DEMANDS: dict[str, Demand] = {
    "pm25": Demand(
        DAY,
        Figure(23, NO_END, "HJ 653-2013", "U"),
        _DAYS_PM,
        _SLOPE,
        Figure(-5, 5, EPA_PM, "S"),
        _R2,
        Figure(0, 7, EPA_PM, "S"),
        Figure(0, 0.3, EPA_PM, "S"),
    ),
    "pm10": Demand(
        DAY,
        Figure(23, NO_END, "HJ 653-2013", "U"),
        _DAYS_PM,
        _SLOPE,
        Figure(-10, 10, "HJ 653-2013", "U"),
        _R2,
        Figure(0, 14, "EPA 600/R-23/145", "U"),
        Figure(0, 0.3, "EPA 600/R-23/145", "U"),
    ),
    # 5 ppb are 9.8 µg/m3 at 298.15 K and 101.325 kPa.
    "o3": Demand(
        HOUR,
        Figure(0.75 * 30 * 24, NO_END, EPA_O3, "U"),
        _DAYS_O3,
        Figure(0.8, 1.2, EPA_O3, "S"),
        Figure(-9.8, 9.8, EPA_O3, "S"),
        Figure(0.8, 1.0, EPA_O3, "S"),
        Figure(0, 9.8, EPA_O3, "S"),
        Figure(0, 0, EPA_O3, "S"),
    ),
}
"""By quantity. Of others no demand is known: however good their collocation, they stay indicative."""
NAMES = {
    "no_demand": Text("no demand on such a collocation is known", "没有已知的比对要求"),
    "no_times": Text("typed pairs have no times", "手工输入的数据对没有时间"),
    "days": Text("days", "天数"),
    "means": Text("means compared", "均值对数"),
    "slope": Text("slope", "斜率"),
    "intercept": Text("intercept", "截距"),
    "r2": Text("R²", "R²"),
    "rmse": Text("RMSE", "RMSE"),
    "nrmse": Text("NRMSE", "NRMSE"),
}


def trial(quantity: str, pairs: Sequence[Point], correction: Correction) -> Trial:
    """Return what a collocation shows of the corrected board, and what it lacks.

    Args:
        quantity: whose mean both measure.
        pairs: raw board and reference.
        correction: that was found; what the board gives with it is compared.
    """
    timed = sorted((pair for pair in pairs if pair.at is not None), key=lambda pair: pair.at or 0.0)
    demand = DEMANDS.get(quantity)
    if not timed:
        return Trial(lacks=("no_demand", "no_times") if demand is None else ("no_times",))
    begin, last = timed[0].at or 0.0, timed[-1]
    end = (last.at or 0.0) + last.length
    known = Trial(
        since=dt.datetime.fromtimestamp(begin, dt.UTC),
        until=dt.datetime.fromtimestamp(end, dt.UTC),
        lacks=("no_demand",),
    )
    if demand is None:
        return known
    means = _means(timed, correction, demand.span)
    # The board on the reference, as the demands are: not the line by which the board is corrected.
    found = fit([Point(mean.true, mean.raw) for mean in means]) if len(means) > 1 else None
    error = math.sqrt(math.fsum((mean.raw - mean.true) ** 2 for mean in means) / len(means)) if means else math.nan
    average = math.fsum(mean.true for mean in means) / len(means) if means else math.nan
    figures = {
        "days": (end - begin) / DAY,
        "means": float(len(means)),
        "slope": found.slope if found else math.nan,
        "intercept": found.offset if found else math.nan,
        "r2": found.r2 if found else math.nan,
        "rmse": error,
        "nrmse": error / average if average > 0 else math.nan,
    }
    asked: dict[str, Figure] = {name: getattr(demand, name) for name in figures}
    lacks = [name for name, figure in asked.items() if not figure.low - 1e-9 <= figures[name] <= figure.high + 1e-9]
    if not {"rmse", "nrmse"} <= {*lacks}:  # either is enough
        lacks = [name for name in lacks if name not in ("rmse", "nrmse")]
    told = {name: round(value, 4) for name, value in figures.items() if math.isfinite(value)}
    return Trial(since=known.since, until=known.until, figures=told, lacks=tuple(lacks))


def told_of(quantity: str, found: Trial) -> Text:
    """Return in words whether a collocation suffices, with each figure that does not and what is asked."""
    if found.suffices:
        return Text(
            "The collocation suffices: the registry may state another class than indicative, with it as the source.",
            "比对满足要求：登记册可注明高于“指示性”的等级，并以本次比对为依据。",
        )
    demand = DEMANDS.get(quantity)
    parts = []
    for name in found.lacks:
        figure: Figure | None = getattr(demand, name, None) if demand else None
        if figure is None:
            parts.append(NAMES[name])
            continue
        asked = f">= {figure.low:g}" if figure.high == NO_END else f"{figure.low:g} .. {figure.high:g}"
        value = f"{found.figures[name]:.3g}" if name in found.figures else "?"
        cited = f"{figure.source} [{figure.verified}]"
        parts.append(
            Text(
                f"{NAMES[name].en} {value}, asked {asked} ({cited})",
                f"{NAMES[name].zh} {value}，要求 {asked}（{cited}）",
            )
        )
    return Text(
        f"The collocation does not suffice; the instrument stays indicative: {'; '.join(part.en for part in parts)}.",
        f"比对不满足要求，仪器仍为指示性：{'；'.join(part.zh for part in parts)}。",
    )


def _means(pairs: Sequence[Point], correction: Correction, span: int) -> list[Point]:
    """Return corrected board and reference over each day or hour (UTC+8) that the pairs fill well enough."""
    sums: dict[int, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
    for pair in pairs:
        cell = sums[int(((pair.at or 0.0) + 8 * HOUR) // span)]
        cell[0] += pair.length
        cell[1] += pair.length * apply(correction, pair.raw)
        cell[2] += pair.length * pair.true
    return [
        Point(board / length, true / length) for length, board, true in sums.values() if length >= LEAST_OF_DAY * span
    ]
