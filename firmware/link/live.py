"""The agent at work behind the serial line, kept read while the technician reads instructions and types.

A thread of its own takes every line as it comes: what nobody reads is lost, and a half line is no reading.
"""

import threading
import time
from collections import defaultdict, deque
from contextlib import closing
from types import TracebackType
from typing import Self

from firmware.link.link import Link
from firmware.link.session import Seen, watch
from firmware.terminal.speech import FieldError
from schemas.language import Text

KEEP = 4000
"""Readings kept of a channel."""


class Live:
    """Use it in a `with` statement: inside, the agent works; leaving it stops it, and the link is free again.

    Args:
        link: to the board, entered (`session.enter`).
        every: time between two looks, s.
        flag: M or C for what `sensors` give meanwhile; none named, all.
        sensors: names.
    """

    def __init__(self, link: Link, every: float = 1.0, flag: str = "", sensors: tuple[str, ...] = ()) -> None:
        self._link, self._every, self._flag, self._sensors = link, every, flag, sensors
        self._stop = threading.Event()
        self._news = threading.Condition()
        self._counts: dict[str, int] = {}
        self._trouble: BaseException | None = None
        self._thread = threading.Thread(target=self._read, name="live", daemon=True)
        self.seen: Seen | None = None
        """What the agent showed last."""
        self.lines: deque[str] = deque(maxlen=KEEP)
        """The agent's own lines."""
        self.readings: dict[str, deque[tuple[float, float]]] = defaultdict(lambda: deque(maxlen=KEEP))
        """By channel: when they came (monotonic, s) and raw values."""

    def __enter__(self) -> Self:
        """Start the agent."""
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """Stop the agent; an error of the line is raised unless another one is on its way."""
        self._stop.set()
        self._thread.join()
        if self._trouble and error is None:
            raise self._trouble

    def next(self, timeout: float) -> Seen:
        """Return what the agent shows next.

        Raises:
            FieldError: the connection was lost, or nothing came for `timeout` seconds.
        """
        with self._news:
            before = self.seen
            self._news.wait_for(
                lambda: self.seen is not before or self._trouble or not self._thread.is_alive(), timeout
            )
            if self._trouble:
                raise self._trouble
            if self.seen is None or self.seen is before:
                raise FieldError(
                    Text(
                        f"the board's agent shows nothing for {timeout:.0f} s: press its reset button",
                        f"设备程序 {timeout:.0f} 秒没有任何输出：请按复位键后重试",
                    )
                )
            return self.seen

    def since(self, channel: str, begin: float) -> list[tuple[float, float]]:
        """Return a channel's readings that came after `begin` (monotonic, s)."""
        with self._news:
            return [(t, value) for t, value in self.readings[channel] if t >= begin]

    def _read(self) -> None:
        try:
            shown = watch(self._link, self._every, self._flag, self._sensors, self.lines.append)
            with closing(shown):
                for seen in shown:
                    self._take(seen)
                    if self._stop.is_set():
                        break
        except BaseException as error:  # noqa: BLE001 - told in the thread that waits
            self._trouble = error
        with self._news:
            self._news.notify_all()

    def _take(self, seen: Seen) -> None:
        now = time.monotonic()
        with self._news:
            for name, sensor in seen.sensors.items():
                if sensor.n != self._counts.get(name, 0):
                    self._counts[name] = sensor.n
                    for channel in sensor.channels:
                        if channel in seen.raw:
                            self.readings[channel].append((now, seen.raw[channel]))
            self.seen = seen
            self._news.notify_all()
