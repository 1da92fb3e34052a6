"""One calibration at one board: readings taken one after the other, then the result put on the board and on record."""

import datetime as dt
import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from firmware.calibrate import steps as calibrating
from firmware.calibrate.collocation import quantity_of
from firmware.calibrate.correction import Correction, Point, RefusedError
from firmware.calibrate.stability import Stability
from firmware.calibrate.steps import Target
from firmware.calibrate.sufficiency import told_of, trial
from firmware.channels import symbol, unit
from firmware.link import session
from firmware.link.link import Link
from firmware.link.live import Live
from firmware.notebook.boards import Records
from firmware.notebook.calibrations import CalibrationEntry, Comparison, Ledger, Method, Reference
from firmware.provision.board import config_of
from firmware.provision.sensors import channels
from firmware.terminal.screen import ask, confirm, say
from firmware.terminal.speech import FieldError, if_stopped
from schemas.language import Text, tell

UNCHANGED = Text(
    "The board's calibration is as it was; its data is no longer flagged C within a minute, and it measures on.",
    "设备的校准未改变；其数据最迟一分钟后不再带 C 标记，设备继续测量。",
)
MOST_KEPT = 48
"""Readings in a ledger entry; of a collocation's many pairs an even choice, beside the fit of all."""
PERHAPS = Text(
    "The new calibration may be on the board without standing in the ledger: calibrate again.",
    "新校准可能已写入设备但未记入台账：请重新校准。",
)


@dataclass(frozen=True)
class Ways:
    """How a technician wants to be led: `yes` asks nothing; s to wait for a stable reading, and s it must be stable."""

    yes: bool
    patience: float
    settle: float | None = None
    accept_drift: bool = False


@dataclass(frozen=True)
class Paper:
    """What stands in the ledger beside the numbers."""

    who: str
    reference: Reference
    conditions: str
    due: dt.date


class Visit:
    """A calibration of one channel, under way.

    `wanted`: the channel; None for the first of `usual` that the board has, or its only one. `ledger` and `records` are
    on the laptop.
    """

    def __init__(
        self,
        link: Link,
        wanted: str | None,
        usual: Sequence[str],
        ways: Ways,
        ledger: Ledger,
        records: Records,
    ) -> None:
        self._link, self._ways, self._ledger, self._records = link, ways, ledger, records
        session.enter(link)
        self.config = config_of(link)
        there = {str(one["name"]): channels(one) for one in self.config["sensors"]}
        given = {channel for channels_ in there.values() for channel in channels_}
        wanted = wanted or next((channel for channel in usual if channel in given), None)
        self.target = calibrating.choose(str(self.config["device"]), there, self._content(), wanted)
        self.last = ledger.last(self.target.board, self.target.channel)
        self.measured: list[tuple[Point, Stability]] = []
        self.surroundings = ""

    def segments(self) -> dict[str, bytes]:
        """Return the files of the board's outbox."""
        folder = f"/{self.config['folder']}"
        return {path: self._link.read(path) for path in self._link.files(folder) if path.endswith(".seg")}

    @contextmanager
    def measuring(self) -> Iterator[Live]:
        """Let the agent work while the sensor's data carries flag C."""
        target = self.target
        say(
            Text(
                f"{target.board}, {target.sensor}.{target.channel}: its data carries flag C from now on.",
                f"{target.board}，{target.sensor}.{target.channel}：其数据现带 C 标记（校准）。",
            )
        )
        with if_stopped(UNCHANGED), Live(self._link, 0.5, "C", (target.sensor,)) as live:
            yield live
            if live.seen:
                self.surroundings = _surroundings(live.seen.values)

    def take(self, live: Live, true: float, instruction: Text) -> Point:
        """Have a point set up, wait until the reading is stable, and return it."""
        if self._ways.yes:
            say(instruction)
        else:
            ask(Text(f"{instruction.en} Then press Enter.", f"{instruction.zh}完成后按回车。"))
        ways = self._ways
        begin = time.monotonic()
        raw, found = calibrating.wait_until_stable(live, self.target, begin, ways.patience, ways.settle, self._show)
        label = unit(self.target.channel)
        _line("")
        say(
            Text(
                f"stable: {found.mean:.1f} {label} (varies by {found.spread:.1f}) beside {true:g} {label}",
                f"已稳定：{found.mean:.1f} {label}（波动 {found.spread:.1f}），标准值 {true:g} {label}",
            )
        )
        point = Point(raw, true)
        self.measured.append((point, found))
        return point

    def finish(
        self, method: Method, correction: Correction, paper: Paper, fit: dict[str, float], pairs: Sequence[Point] = ()
    ) -> CalibrationEntry:
        """Show what it comes to, put it on the board, read it back, and enter it in the ledger.

        Raises:
            RefusedError: the technician does not want it, or a drift casts doubt on what was measured before.
            FieldError: the board refuses it, or the connection was lost.
        """
        target = self.target
        correction = calibrating.with_kappa(target, correction)
        readings = [calibrating.reading(target, point, correction, found) for point, found in self.measured]
        readings += [calibrating.reading(target, point, correction) for point in pairs]
        moved = calibrating.drift(target, readings, self.last)
        readings = readings[:: 1 + len(readings) // MOST_KEPT]
        self._show_result(readings, correction, moved, fit)
        shown = None
        if method == "collocation":
            quantity = quantity_of(target.channel)
            shown = trial(quantity, pairs, correction)
            say(told_of(quantity, shown))
        doubtful = calibrating.is_doubtful(method, moved)
        if doubtful and not self._ways.accept_drift:
            if self._ways.yes:
                raise RefusedError(_doubt(moved or 0, self.last, " Give --accept-drift.", "请使用 --accept-drift。"))
            say(_doubt(moved or 0, self.last, "", ""))
        if not confirm(Text("Put this calibration in force?", "启用该校准？"), yes=self._ways.yes):
            raise RefusedError(Text("not confirmed; nothing has been changed", "未确认；未作任何更改"))
        content = calibrating.next_content(target, self._ledger, correction, paper.due)
        reference = paper.reference
        with if_stopped(PERHAPS):
            session.put_calibration(
                self._link,
                content,
                paper.who,
                f"{reference.instrument} {reference.serial}, {reference.certificate} ({reference.expires})",
            )
            entry = self._ledger.add(
                CalibrationEntry(
                    board=target.board,
                    sensor=target.sensor,
                    channel=target.channel,
                    method=method,
                    who=paper.who,
                    at=dt.datetime.now(dt.UTC).replace(microsecond=0),
                    reference=reference,
                    conditions="; ".join(part for part in (paper.conditions, self.surroundings) if part),
                    readings=tuple(readings),
                    before=target.correction,
                    after=correction,
                    id=content["id"],
                    due=paper.due,
                    drift=None if moved is None else round(moved, 3),
                    fit=fit,
                    trial=shown,
                    remark="drift above 0.5 dB: data since the last calibration is in doubt" if doubtful else "",
                )
            )
        self._records.adopt(self.config, paper.who)
        self._records.queue(target.board, entry.at)
        return entry

    def _content(self) -> dict[str, Any]:
        path = f"/{self.config['folder']}/calibration.json"
        if self._link.size(path) is None:
            return {}
        try:
            content = json.loads(self._link.read(path))
        except ValueError:
            say(Text("The board's calibration was damaged: it begins anew.", "设备原校准文件已损坏：将重新开始。"))
            return {}
        return content if isinstance(content, dict) else {}

    def _show(self, found: Stability, corrected: float) -> None:
        target, label = self.target, unit(self.target.channel)
        state = Text("stable", "稳定") if found.stable else Text("settling", "等待稳定")
        _line(
            f"{symbol(target.channel)} {corrected:8.1f} {label}  ± {found.spread:.1f}  {tell(state)} "
            f"{found.seconds:.0f}/{self._ways.settle or target.rule.seconds:.0f} s"
        )

    def _show_result(
        self, readings: Sequence[Comparison], correction: Correction, moved: float | None, fit: dict[str, float]
    ) -> None:
        label = unit(self.target.channel)
        for one in readings[:10]:
            say(
                Text(
                    f"reference {one.true:g}: before {one.before:.1f}, after {one.after:.1f} {label}",
                    f"标准值 {one.true:g}：校准前 {one.before:.1f}，校准后 {one.after:.1f} {label}",
                )
            )
        if fit:
            told = ", ".join(f"{name} {value:g}" for name, value in fit.items())
            say(Text(f"fit: {told}", f"拟合：{told}"))
        if moved is not None:
            say(Text(f"drift since last time: {moved:+.2f} {label}", f"与上次相比漂移：{moved:+.2f} {label}"))
        say(Text(f"correction: {json.dumps(correction)}", f"修正：{json.dumps(correction)}"))


def _doubt(moved: float, last: CalibrationEntry | None, en: str, zh: str) -> Text:
    since = f"{last.at:%Y-%m-%d}" if last else "?"
    return Text(
        f"The level had moved by {moved:+.2f} dB, more than 0.5 dB: what was measured since {since} is in doubt.{en}",
        f"示值偏移 {moved:+.2f} dB，超过 0.5 dB：自 {since} 以来的测量数据存疑。{zh}",
    )


def _surroundings(values: dict[str, float]) -> str:
    told = [f"{key} {values[key]:g} {unit(key)}" for key in ("temperature", "humidity", "pressure") if key in values]
    return ", ".join(told)


def _line(text: str) -> None:
    """Show the live value in one line that is written over; only where there is a terminal."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def pairs_typed(visit: Visit, live: Live, every: float) -> list[Point]:
    """Take the board's mean over each `every` seconds, and ask what the reference reads; Enter alone ends it.

    Raises:
        FieldError: what was typed is no number, or the connection was lost.
    """
    found: list[Point] = []
    while True:
        begin = time.monotonic()
        while time.monotonic() < begin + every:
            seen = live.next(20)
        values = [
            calibrating.dried(visit.target, raw, seen.values) for _, raw in live.since(visit.target.channel, begin)
        ]
        if not values:
            raise FieldError(
                Text(
                    f"sensor {visit.target.sensor} gave nothing for {every:.0f} s: fenceline board check",
                    f"传感器 {visit.target.sensor} 在 {every:.0f} 秒内没有数据：请执行 fenceline board check",
                )
            )
        mean = sum(values) / len(values)
        label = unit(visit.target.channel)
        text = ask(
            Text(
                f"{len(found) + 1}: board {mean:.1f} {label}; mean of the reference (Enter ends):",
                f"{len(found) + 1}：板载 {mean:.1f} {label}；参比平均值（直接回车结束）：",
            )
        )
        if not text:
            return found
        try:
            found.append(Point(mean, float(text)))
        except ValueError:
            say(Text(f"{text!r} is no number; this pair is left out", f"{text!r} 不是数字；该对已略过"))


__all__ = ["Paper", "Target", "Visit", "Ways", "pairs_typed"]
