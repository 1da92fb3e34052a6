"""The hub's time: the system's clock, as long as it goes on as time does.

A server's clock can be set wrong and right again: by hand, by a time server gone wrong, by a machine that was moved.
What a hub does on such a reading cannot be undone: windows are closed, alerts end, messages are pruned. So the hub's
time is held against the machine's count of ticks, which nobody can set. When the two come apart, the hub goes on by
the ticks and is in doubt, until it is clear which is right (`hub.process.clock_trust`). Meanwhile nothing is judged,
pruned, escalated or acknowledged.
"""

import os
import time
from collections.abc import Callable

import msgspec

from schemas.language import Text

TOLERANCE = 30.0
"""A step of the system's clock below this is followed at once: each window waits longer than that for its data [s]."""
SLEW = 0.5
"""Readings that follow each other more closely than this need no look at the ticks [s]."""

NONE = Text("", "")


def ticks() -> float:
    """Return the time since the machine's start, s: times(2), which setting a clock does not change."""
    return os.times().elapsed


class Held(msgspec.Struct, frozen=True):
    """What one process tells another of the hub's time."""

    offset: float
    """The hub's time less the ticks [s]."""
    doubt: Text = NONE
    """Why the time is in doubt; empty when it is not."""
    since: float = 0.0
    """Since when it is, by the hub's time, Unix s."""


class Clock:
    """Tells the hub's time.

    Args:
        wall: gives the system's time, Unix s.
        rate: how many seconds of it go by in one of the machine's; other than 1 only in a simulation.
        held: what another process of the hub holds to be the time.
        steady: gives the machine's ticks, s.
    """

    def __init__(
        self,
        wall: Callable[[], float] = time.time,
        rate: float = 1.0,
        held: Held | None = None,
        steady: Callable[[], float] = ticks,
    ) -> None:
        self._wall = wall
        self._rate = rate
        self._steady = steady
        self._tolerance = TOLERANCE * rate
        self._slew = SLEW * rate
        self._last = 0.0  # the last reading of the system's clock that was believed
        self.held = held or Held(wall() - self.steady())

    def steady(self) -> float:
        """Return the ticks in seconds of the hub's time."""
        return self._steady() * self._rate

    def now(self) -> float:
        """Return the hub's time, Unix s."""
        wall = self._wall()
        if 0.0 <= wall - self._last < self._slew:  # most often: it is read for each message
            self._last = wall
            return wall
        by_ticks = self.held.offset + self.steady()
        if abs(wall - by_ticks) >= self._tolerance:
            return by_ticks
        self._last = wall
        return wall

    def use(self, held: Held) -> None:
        """Hold what another process holds from now on."""
        self.held = held

    @property
    def doubt(self) -> Text | None:
        """Why the time is in doubt; None when it is not."""
        return self.held.doubt if self.held.doubt.en else None
