"""The arithmetic of calibrating: from readings beside a reference to the correction that the board takes.

All functions take values and give values. Readings are raw, as the sensor gives them before any correction, in the
catalogue's unit. A correction is an entry of `channels` in the board's `calibration.json` (edge/calibration.py):
`{"points": [[raw, true], ...]}`, then `{"gain", "offset"}` as gain * raw + offset.

How well the numbers are known: what a standard asks is cited with P (read), S (secondary) or U (own knowledge); the
rest are this project's choices and say so.
"""

import itertools
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from firmware.terminal.speech import FieldError
from schemas.language import Text

Correction = dict[str, Any]


class RefusedError(FieldError):
    """Readings from which no calibration can be made; `text` says why and what to do."""


def apply(correction: Correction, raw: float) -> float:
    """Return what a board makes of a raw value, as edge/calibration.py does; humidity (`kappa`) is left out."""
    value = raw
    points = correction.get("points")
    if points:
        if len(points) == 1:
            value += points[0][1] - points[0][0]
        else:
            i = 1
            while i < len(points) - 1 and value > points[i][0]:
                i += 1
            (x0, y0), (x1, y1) = points[i - 1], points[i]
            value = y0 + (value - x0) * (y1 - y0) / (x1 - x0)
    return float(correction.get("gain", 1) * value + correction.get("offset", 0))


NOISE_DRIFT = 0.5
"""dB: the indications before and after a series of measurements may differ by this much at most, else the series does
not count (GB 12348-2008, 5.3 and GB 12523-2011, 5.2 [U: own knowledge, the texts were not at hand])."""
NOISE_MOST = 6.0
"""dB: no capsule is so far off its data sheet (INMP441: +-3 dB); then the calibrator is off or does not sit
(this project's choice)."""
NOISE_LEVELS = (94.0, 114.0)
"""dB: nominal levels of sound calibrators, at 1 kHz (IEC 60942 [U])."""


def noise_offset(raw: float, level: float) -> Correction:
    """Return the correction that makes a microphone read a calibrator's level: a shift in dB.

    Example: 94.6 dB read from 94.0 dB gives an offset of -0.6 dB.

    Raises:
        RefusedError: the shift is larger than any capsule's tolerance.
    """
    offset = level - raw
    if abs(offset) > NOISE_MOST:
        raise RefusedError(
            Text(
                f"the sensor reads {raw:.1f} dB from {level:.1f} dB, {abs(offset):.1f} dB off; more than "
                f"{NOISE_MOST:.0f} dB is no sensitivity but a fault: is the calibrator on, at the level you gave, and "
                "tight on the microphone?",
                f"传感器对 {level:.1f} dB 声源的读数为 {raw:.1f} dB，相差 {abs(offset):.1f} dB；"
                f"超过 {NOISE_MOST:.0f} dB 不是灵敏度偏差而是故障："
                "校准器是否开启、声级是否与所填一致、是否与传声器密合？",
            )
        )
    return {"offset": round(offset, 2)}


def zero_offset(raw: float, old: Correction, most: float) -> Correction:
    """Return the correction that makes a sensor in clean air read 0; a gain found before stays.

    Example: 4 ug/m3 behind a zero filter and a gain of 1.5 give an offset of -6 ug/m3.

    Args:
        raw: mean of the raw readings in clean air.
        old: the correction in force.
        most: the largest reading that a sensor in clean air may give.

    Raises:
        RefusedError: it reads more, so the air is not clean or the sensor is dirty.
    """
    if raw > most:
        raise RefusedError(
            Text(
                f"the sensor reads {raw:.1f} in clean air, more than {most:.1f}; check that the zero filter is tight "
                "and its flow enough, then clean the sensor",
                f"传感器在洁净空气中读数为 {raw:.1f}，大于 {most:.1f}；请检查零过滤器是否密封、流量是否足够，"
                "然后清洁传感器",
            )
        )
    gain = old.get("gain", 1)
    kept: Correction = {"gain": gain} if gain != 1 else {}
    if "points" in old:
        raise RefusedError(
            Text(
                "this channel is calibrated by several points; a zero alone cannot change that: calibrate with points",
                "该通道采用多点校准，不能只校零；请使用 points 多点校准",
            )
        )
    return kept | {"offset": round(-gain * raw, 4)}


@dataclass(frozen=True)
class Point:
    """A raw reading and the true value beside it, in the catalogue's unit."""

    raw: float
    true: float
    at: float | None = field(default=None, compare=False)
    """Start of the reference's interval, Unix s; None: not known, as of what is typed."""
    length: float = field(default=0.0, compare=False)
    """Of the interval [s]."""


GAINS = (0.2, 5.0)
"""Gains outside mean a fault, not a calibration (this project's choice)."""


def zero_span(zero: Point, span: Point) -> Correction:
    """Return gain and offset through zero gas and span gas.

    Example: 12 read at 0 and 472 at 460 give a gain of 1.0 and an offset of -12.

    Raises:
        RefusedError: the sensor does not tell the two gases apart, or the gain is out of all reason.
    """
    if span.true <= zero.true:
        raise RefusedError(
            Text(
                f"the span gas ({span.true:g}) must have more than the zero gas ({zero.true:g})",
                f"量程气浓度（{span.true:g}）必须大于零气（{zero.true:g}）",
            )
        )
    if span.raw - zero.raw < (span.true - zero.true) * 0.05:
        raise RefusedError(
            Text(
                f"the sensor reads {zero.raw:.1f} in zero gas and {span.raw:.1f} in span gas of {span.true:g}: it does "
                "not answer to the gas; check the flow, the tubing and the cell's age",
                f"零气读数 {zero.raw:.1f}，{span.true:g} 的量程气读数 {span.raw:.1f}：传感器对气体没有响应；"
                "请检查流量、管路和传感器寿命",
            )
        )
    gain = (span.true - zero.true) / (span.raw - zero.raw)
    _check_gain(gain)
    return {"gain": round(gain, 5), "offset": round(zero.true - gain * zero.raw, 4)}


def several_points(points: Sequence[Point]) -> Correction:
    """Return straight lines through two or more points, sorted by what the sensor reads.

    Example: 0 read at 2, 51 at 50, 98 at 100 give `{"points": [[0, 2], [51, 50], [98, 100]]}`.

    Raises:
        RefusedError: there are fewer than two, or the sensor does not rise with the truth.
    """
    ordered = sorted(points, key=lambda point: point.true)
    raws = [point.raw for point in ordered]
    if len(ordered) < 2:
        raise RefusedError(
            Text("several points are two or more; give --at for each", "多点校准至少需要两个点；请逐点给出 --at")
        )
    if any(b - a <= 0 for a, b in itertools.pairwise(raws)):
        told = ", ".join(f"{point.raw:g} @ {point.true:g}" for point in ordered)
        raise RefusedError(
            Text(
                f"the sensor does not rise with the reference ({told}): no correction makes that right; check the "
                "points and the sensor",
                f"传感器读数没有随标准值上升（{told}）：任何修正都无法补救；请检查各点和传感器",
            )
        )
    return {"points": [[round(point.raw, 4), round(point.true, 4)] for point in ordered]}


@dataclass(frozen=True)
class Fit:
    """A straight line through pairs of board and reference: reference = slope * board + offset."""

    slope: float
    offset: float
    r2: float
    rmse: float
    """Of the corrected board against the reference, in the unit."""
    n: int
    low: float
    high: float
    """Range of the reference."""


LEAST_PAIRS = 8
LEAST_R2 = 0.70
"""Coefficient of determination below which a collocation says nothing (US EPA's target for PM2.5 sensors, EPA
600/R-20/280 [U: own knowledge])."""


def fit(pairs: Sequence[Point]) -> Fit:
    """Return the least-squares line of the reference on the raw board; no judgement.

    Example: (10, 21), (20, 41), (30, 61) give slope 2, offset 1, R2 1, RMSE 0.
    """
    raw, true = [pair.raw for pair in pairs], [pair.true for pair in pairs]
    mean_raw, mean_true = statistics.fmean(raw), statistics.fmean(true)
    sxx = sum((x - mean_raw) ** 2 for x in raw)
    syy = sum((y - mean_true) ** 2 for y in true)
    sxy = sum((x - mean_raw) * (y - mean_true) for x, y in zip(raw, true, strict=True))
    slope = sxy / sxx if sxx else math.nan
    offset = mean_true - slope * mean_raw
    left = sum((y - slope * x - offset) ** 2 for x, y in zip(raw, true, strict=True))
    r2 = 1 - left / syy if syy else math.nan
    return Fit(slope, offset, r2, math.sqrt(left / len(pairs)), len(pairs), min(true), max(true))


def collocation(pairs: Sequence[Point]) -> tuple[Correction, Fit]:
    """Return the correction by a reference instrument beside the board, and the fit it rests on.

    Raises:
        RefusedError: the fit is worthless, with the reason.
    """
    if len(pairs) < LEAST_PAIRS:
        raise RefusedError(
            Text(
                f"{len(pairs)} pairs of board and reference; at least {LEAST_PAIRS} are needed: leave the reference "
                "beside the board for longer, or check that the times overlap",
                f"板载读数与参比读数只有 {len(pairs)} 对，至少需要 {LEAST_PAIRS} 对；"
                "请延长比对时间，或检查时间是否重叠",
            )
        )
    found = fit(pairs)
    told = f"slope {found.slope:.3f}, offset {found.offset:.1f}, R² {found.r2:.2f}, RMSE {found.rmse:.1f}, n {found.n}"
    shown = f"斜率 {found.slope:.3f}，截距 {found.offset:.1f}，R² {found.r2:.2f}，RMSE {found.rmse:.1f}，n {found.n}"
    if not math.isfinite(found.slope):
        why = Text("the board did not change at all", "板载读数完全没有变化")
    elif not math.isfinite(found.r2):
        why = Text("the reference did not change at all", "参比读数完全没有变化")
    elif found.slope <= 0:
        why = Text("the board falls when the reference rises", "参比上升时板载读数下降")
    elif found.r2 < LEAST_R2:
        why = Text(
            f"R² is below {LEAST_R2:.2f}: the board does not follow the reference (do they stand within a few metres, "
            "at the same height, with clocks that agree?), or the air changed too little",
            f"R² 低于 {LEAST_R2:.2f}：板载读数与参比不一致（两者是否相距数米以内、同高、时钟一致？），或浓度变化太小",
        )
    elif found.rmse > (found.high - found.low) / 3:
        why = Text(
            f"the error is as large as what was seen of the range ({found.low:g} to {found.high:g}): compare for "
            "longer, on a day that changes more",
            f"误差与所见浓度范围（{found.low:g}～{found.high:g}）相当：请延长比对时间，选择浓度变化较大的日子",
        )
    else:
        _check_gain(found.slope)
        return {"gain": round(found.slope, 5), "offset": round(found.offset, 4)}, found
    raise RefusedError(Text(f"the fit is worthless ({told}): {why.en}", f"拟合结果不可用（{shown}）：{why.zh}"))


def _check_gain(gain: float) -> None:
    if not GAINS[0] <= gain <= GAINS[1]:
        raise RefusedError(
            Text(
                f"a gain of {gain:.2f} is outside {GAINS[0]:g} to {GAINS[1]:g}: that is a fault or a wrong unit, not a "
                "calibration; check unit and sensor",
                f"增益 {gain:.2f} 超出 {GAINS[0]:g}～{GAINS[1]:g}：属于故障或单位错误，而非校准；请检查单位和传感器",
            )
        )


MOLAR_MASS = {"so2": 64.06, "no2": 46.01, "o3": 48.0, "co": 28.01}
STACK_MOLAR_MASS = {"stack_so2": 64.06, "stack_nox": 46.01, "stack_co": 28.01}
"""g/mol; NOx counts as NO2, as HJ 692 and the limits do [U]."""


def from_ppm(channel: str, ppm: float) -> float:
    """Return the concentration of a cylinder in µmol/mol (ppm) in the catalogue's unit of a channel.

    Ambient gas at 298.15 K (GB 3095-2012 as amended 2018), stack gas at 273.15 K (GB 16297, dry), both at 101.325 kPa
    [U]. Example: 0.5 ppm NO2 are 940 ug/m3; 100 ppm SO2 in a stack are 286 mg/m3.

    Raises:
        RefusedError: the channel is no gas with a known molar mass.
    """
    if channel in STACK_MOLAR_MASS:
        return ppm * STACK_MOLAR_MASS[channel] / 22.414
    if channel in MOLAR_MASS:
        milligrams = ppm * MOLAR_MASS[channel] / 24.465
        return milligrams if channel == "co" else 1000 * milligrams
    known = ", ".join([*MOLAR_MASS, *STACK_MOLAR_MASS])
    raise RefusedError(
        Text(f"ppm of {channel} cannot be converted; known are {known}", f"无法换算 {channel} 的 ppm；可换算：{known}")
    )
