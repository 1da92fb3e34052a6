"""A calibration from its readings to the ledger: what was, what is, how far it had moved, and when it is due again."""

import calendar
import dataclasses
import datetime as dt
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from edge.calibration import MOST_HUMID, dry
from firmware.calibrate.correction import NOISE_DRIFT, Correction, Point, RefusedError, apply
from firmware.calibrate.stability import RULES, Rule, Stability, stability
from firmware.channels import family, unit
from firmware.link.live import Live
from firmware.notebook.calibrations import CalibrationEntry, Comparison, Ledger, Method, Reference
from firmware.terminal.speech import FieldError
from schemas.chinese import in_chinese
from schemas.language import Text

LEVELS = ("laeq", "laf", "la", "lafmax", "lafmin")
"""Channels of one microphone: what shifts one shifts all."""
MONTHS: dict[Method, int] = {"noise": 6, "zero": 6, "collocation": 6, "gas": 3, "points": 6}
"""After which a calibration is due again (this project's choice; a city's rules go before)."""


@dataclass(frozen=True)
class Target:
    """A sensor's channel on a board, and the calibration in force there."""

    board: str
    sensor: str
    channel: str
    channels: tuple[str, ...]
    """All of the sensor."""
    content: dict[str, Any]
    """The board's `calibration.json`."""

    @property
    def correction(self) -> Correction:
        """The correction of the channel that is in force."""
        return dict(self.content.get("channels", {}).get(self.channel, {}))

    @property
    def shared(self) -> tuple[str, ...]:
        """The channels that get the same correction: all levels of one microphone."""
        if self.channel in LEVELS:
            return tuple(channel for channel in self.channels if channel in LEVELS)
        return (self.channel,)

    @property
    def rule(self) -> Rule:
        """When a reading of it is stable."""
        return RULES[family(self.channel)]


def choose(board: str, sensors: dict[str, tuple[str, ...]], content: dict[str, Any], wanted: str | None) -> Target:
    """Return the channel `wanted` (CHANNEL or SENSOR.CHANNEL), or the board's only one.

    Raises:
        FieldError: there is no such channel, or several sensors have it.
    """
    there = [(name, channel) for name, channels in sensors.items() for channel in channels]
    found = [(name, channel) for name, channel in there if wanted in (None, channel, f"{name}.{channel}")]
    if len(found) != 1:
        known = ", ".join(f"{name}.{channel}" for name, channel in there)
        raise FieldError(
            Text(f"--channel {wanted or ''}: expected one of {known}", f"--channel {wanted or ''}：可选 {known}")
        )
    name, channel = found[0]
    return Target(board, name, channel, sensors[name], content)


def wait_until_stable(
    live: Live,
    target: Target,
    begin: float,
    patience: float,
    seconds: float | None,
    shown: Callable[[Stability, float], None],
) -> tuple[float, Stability]:
    """Wait until a channel is stable; return the raw mean, after the humidity correction, and how stable it is.

    Args:
        live: the agent at work.
        target: the channel.
        begin: readings before this moment (monotonic, s) do not count.
        patience: s to wait.
        seconds: s for which it must be stable, where that is not the family's.
        shown: is told each time how stable it is, and the corrected value.

    Raises:
        RefusedError: it did not become stable.
        FieldError: the connection was lost.
    """
    rule = target.rule if seconds is None else dataclasses.replace(target.rule, seconds=seconds)
    deadline = time.monotonic() + patience
    found = stability([], rule)
    while time.monotonic() < deadline:
        seen = live.next(20)
        readings = live.since(target.channel, begin)
        if readings:
            found = stability(readings, rule)
            shown(found, apply(target.correction, dried(target, readings[-1][1], seen.values)))
        if found.stable:
            return dried(target, found.mean, seen.values), found
    why = live.seen.sensors[target.sensor].why if live.seen else ""
    if not live.since(target.channel, begin):
        told = Text(f"({why})", f"（{in_chinese(why)}）") if why else Text("", "")
        raise RefusedError(
            Text(
                f"sensor {target.sensor} gives nothing {told.en}: check its wires and power, fenceline board check",
                f"传感器 {target.sensor} 没有数据{told.zh}：请检查接线和供电，或执行 fenceline board check",
            )
        )
    limit, label = rule.limit(found.mean), unit(target.channel)
    raise RefusedError(
        Text(
            f"{target.channel} did not become stable within {patience:.0f} s: it varies by {found.spread:.1f} and "
            f"drifts by {found.drift:+.1f} {label} in {rule.seconds:.0f} s, at most {limit:.1f} is allowed; "
            "nothing has been changed",
            f"{target.channel} 在 {patience:.0f} 秒内未稳定：{rule.seconds:.0f} 秒内波动 {found.spread:.1f}，"
            f"漂移 {found.drift:+.1f} {label}，允许 {limit:.1f}；未作任何更改",
        )
    )


def dried(target: Target, raw: float, values: dict[str, float]) -> float:
    """Return a raw value after the board's humidity correction, on which the rest of a correction works.

    Raises:
        RefusedError: the air is too humid for one.
    """
    kappa, humidity = target.correction.get("kappa"), values.get("humidity")
    if not kappa or humidity is None:
        return raw
    value = float(dry(raw, kappa, humidity))
    if math.isnan(value):
        raise RefusedError(
            Text(
                f"{target.channel} cannot be corrected at a humidity of {humidity:.0f} %, above {MOST_HUMID} %: "
                "calibrate it when the air is drier; nothing has been changed",
                f"相对湿度 {humidity:.0f}% 高于 {MOST_HUMID}%，{target.channel} 无法作湿度修正：请待空气较干时校准；"
                "未作任何更改",
            )
        )
    return value


def with_kappa(target: Target, correction: Correction) -> Correction:
    """Return a new correction that keeps the humidity correction in force."""
    kappa = target.correction.get("kappa")
    return correction if kappa is None else {"kappa": kappa} | correction


def reading(target: Target, point: Point, after: Correction, found: Stability | None = None) -> Comparison:
    """Return a point as the ledger keeps it."""
    return Comparison(
        true=round(point.true, 4),
        raw=round(point.raw, 4),
        before=round(apply(target.correction, point.raw), 4),
        after=round(apply(after, point.raw), 4),
        spread=round(found.spread, 4) if found else 0.0,
        seconds=round(found.seconds, 1) if found else 0.0,
    )


def drift(target: Target, readings: Sequence[Comparison], last: CalibrationEntry | None) -> float | None:
    """Return how far the corrected reading had moved off the truth since the last calibration; None at the first."""
    if last is None and not target.correction:
        return None
    return max((one.before - one.true for one in readings), key=abs) if len(readings) < 6 else _bias(readings)


def _bias(readings: Sequence[Comparison]) -> float:
    """Return the mean deviation: of a collocation's many pairs the largest says little."""
    return statistics.fmean(one.before - one.true for one in readings)


def is_doubtful(method: Method, moved: float | None) -> bool:
    """Tell whether what was measured since the last calibration is in doubt."""
    return method == "noise" and moved is not None and abs(moved) > NOISE_DRIFT + 1e-9


def due_after(day: dt.date, months: int) -> dt.date:
    """Return the day so many months later; the last of a shorter month where there is no such day."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return dt.date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def next_content(target: Target, ledger: Ledger, correction: Correction, due: dt.date) -> dict[str, Any]:
    """Return the board's next `calibration.json`: the other channels stay, the earliest due date counts."""
    entries = ledger.entries(target.board)
    others = {entry.channel: entry.due for entry in entries if entry.channel not in target.shared}
    numbers = [int(target.content.get("id", 0)), *(entry.id for entry in entries)]
    channels = dict(target.content.get("channels", {})) | dict.fromkeys(target.shared, correction)
    return {"id": max(numbers) + 1, "due": min([due, *others.values()]).isoformat(), "channels": channels}


def check_reference(reference: Reference, today: dt.date) -> None:
    """Refuse an instrument whose certificate is over: nobody could defend the result.

    Raises:
        RefusedError: it is over.
    """
    if reference.expires < today:
        raise RefusedError(
            Text(
                f"the certificate {reference.certificate} of {reference.instrument} ended on {reference.expires}: a "
                "calibration by it cannot be defended; take one with a valid certificate",
                f"{reference.instrument} 的证书 {reference.certificate} 已于 {reference.expires} 到期："
                "据此所作的校准站不住脚；请使用证书有效的标准器",
            )
        )
