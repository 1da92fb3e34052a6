"""Cells: running sums of one quantity in one averaging window; and the archive in which closed cells are stored."""

import math
from typing import NamedTuple, Protocol

from hub.judge.rules import Rule

RECENT = 300
"""For early warning it is taken to go on as in the last so many seconds."""
STEP = 60
"""How often it is noted how much has been measured [s]."""


class Cell:
    """What has been measured with flag N in one window; `seconds` is how much of it.

    A class with slots and nothing else: a city has a few for each board, and a reading changes them.
    """

    __slots__ = (
        *("changed", "end", "follow_at", "highest", "rules", "seconds", "seen"),
        *("span", "start", "total", "trail", "warned"),
    )

    def __init__(
        self,
        span: str,
        start: int,
        end: int,
        seconds: float = 0.0,
        total: float = 0.0,
        highest: float = -math.inf,
        seen: int = 0,
        warned: str = "",
    ) -> None:
        self.span = span
        """The windows that it is one of: "20 min", "1 h", "period 22:00-06:00"."""
        self.start = start
        self.end = end
        self.seconds = seconds
        self.total = total
        """Integral over time of the value, for levels of 10^(level/10)."""
        self.highest = highest
        self.seen = seen
        """Up to when readings have come, Unix s."""
        self.warned = warned
        """Rules of which people have been warned, with how (`hub.compliance.budget`)."""
        self.rules: tuple[Rule, ...] | None = None
        """Of which people are warned while it is open; None: not looked up yet."""
        self.changed = False
        """Since it was last put on the medium."""
        self.trail: list[tuple[int, float, float]] | None = None
        """For early warning: (`seen`, `seconds`, `total`) of the last minutes."""
        self.follow_at = math.inf
        """When `follow` is due, Unix s; for ever not, unless somebody is to be warned."""

    def follow(self) -> None:
        """Note how much has been measured, so that `recent` knows the last minutes."""
        trail = self.trail = self.trail or []
        trail.append((self.seen, self.seconds, self.total))
        while len(trail) > 1 and trail[1][0] <= self.seen - RECENT:
            del trail[0]
        self.follow_at = self.seen + STEP

    @property
    def recent(self) -> float:
        """By how much the total has grown for each second measured of the last minutes."""
        seen, seconds, total = self.trail[0] if self.trail else (0, 0.0, 0.0)
        if seen > self.seen - RECENT or self.seconds <= seconds:
            seconds, total = 0.0, 0.0  # the window is younger than that, or a restart has lost sight of it
        return (self.total - total) / (self.seconds - seconds) if self.seconds > seconds else 0.0

    @property
    def share(self) -> float:
        """How much of the window was measured."""
        return min(1.0, self.seconds / (self.end - self.start))

    def value(self, statistic: str) -> float | None:
        """Return the window's value; None when nothing was measured."""
        if not self.seconds:
            return None
        if statistic == "max":
            return self.highest
        mean = self.total / self.seconds
        return 10 * math.log10(mean) if statistic == "energy_mean" else mean


class Mark(NamedTuple):
    """A window above a limit's value where so many such windows are permitted."""

    start: int
    end: int
    value: float
    capture: float
    compared: float
    """What was compared with the limit."""


class Archive(Protocol):
    """What outlasts memory. `node` and `rule` are keys of `hub.judge.rules`."""

    def cells(self, device: str, quantity: str, span: str, start: int, end: int) -> list[Cell]:
        """Return the closed windows' cells that begin in `start` <= t < `end`."""

    def keep(self, device: str, node: str, start: int, value: float | None) -> None:
        """Keep a day's value for months and years; None: it has none that is valid."""

    def kept(self, device: str, node: str, start: int, end: int) -> dict[int, float]:
        """Return the days' values that begin in `start` <= t < `end`, by start."""

    def mark(self, device: str, rule: str, start: int, mark: Mark | None) -> bool:
        """Note that the window at `start` is above the value (None: is not); tell whether that was not known."""

    def marks(self, device: str, rule: str, start: int, end: int) -> list[Mark]:
        """Return the windows above the value that begin in `start` <= t < `end`, the earliest first."""


class NoArchive:
    """An archive in memory, for an engine that never lets go of a cell."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], dict[int, float]] = {}
        self._marks: dict[tuple[str, str], dict[int, Mark]] = {}

    def cells(self, device: str, quantity: str, span: str, start: int, end: int) -> list[Cell]:  # noqa: ARG002
        """See `Archive`: the engine has them all."""
        return []

    def keep(self, device: str, node: str, start: int, value: float | None) -> None:
        """See `Archive`."""
        values = self._kept.setdefault((device, node), {})
        if value is None:
            values.pop(start, None)
        else:
            values[start] = value

    def kept(self, device: str, node: str, start: int, end: int) -> dict[int, float]:
        """See `Archive`."""
        values = self._kept.get((device, node), {})
        return {t: value for t, value in values.items() if start <= t < end}

    def mark(self, device: str, rule: str, start: int, mark: Mark | None) -> bool:
        """See `Archive`."""
        marks = self._marks.setdefault((device, rule), {})
        before = marks.pop(start, None)
        if mark:
            marks[start] = mark
        return (before is None) != (mark is None)

    def marks(self, device: str, rule: str, start: int, end: int) -> list[Mark]:
        """See `Archive`."""
        return sorted(mark for t, mark in self._marks.get((device, rule), {}).items() if start <= t < end)
