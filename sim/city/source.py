"""What a simulated sensor measures, and when: the two things that every part of the simulator shares."""

import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol


class Source(Protocol):
    """A place where something can be measured: a working day made up here, or a recording."""

    def value(self, channel: str, t: float) -> float | None:
        """Return what ``channel`` is at simulated time ``t``, or None while the sensor is silent.

        Args:
            channel: ``laf`` in dB(A), time weighting F; ``pm1``, ``pm25``, ``pm10``, ``tsp`` in µg/m3;
                ``stack_nox``, ``stack_co`` in mg/m3; ``stack_o2`` in %; ``distance`` in mm.
            t: Unix seconds UTC of the simulated clock.
        """


@dataclass(frozen=True)
class FillingBin:
    """A bin that fills evenly within ``hours`` of its ``start`` (Unix s), is emptied at once, and fills again."""

    start: float
    hours: float = 8
    empty_mm: float = 1180
    full_mm: float = 320

    def value(self, channel: str, t: float) -> float | None:
        """Return the distance from the lid to the refuse in mm; it has nothing else."""
        share = (t - self.start) / (3600 * self.hours) % 1
        return self.empty_mm - share * (self.empty_mm - self.full_mm) if channel == "distance" else None


@dataclass(frozen=True)
class SimClock:
    """A clock that may run faster than real time, so that a working day fits into a few minutes.

    It has no state: two processes that are given the same three numbers agree on the time.
    ``SimClock(**clock.to_json())`` is the same clock again.
    """

    start: float
    """Simulated time, Unix seconds UTC, at the real time ``at``."""
    at: float
    """Real time, Unix seconds UTC; `math.inf`: not known yet, the clock stands at `start`."""
    speed: float = 1.0
    """Simulated seconds in a real second."""

    def now(self) -> float:
        """Return the simulated time, Unix seconds UTC."""
        return self.start if self.at == math.inf else self.start + (time.time() - self.at) * self.speed

    def to_json(self) -> dict[str, float]:
        """Return the clock as JSON can carry it."""
        return asdict(self)


class ClockFile:
    """A simulated clock that a file tells, for processes which are there before it starts."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._clock = self._read()

    @property
    def speed(self) -> float:
        """Simulated seconds in a real second, as soon as it runs."""
        return self._clock.speed

    def now(self) -> float:
        """Return the simulated time, Unix seconds UTC."""
        if self._clock.at == math.inf:
            self._clock = self._read()
        return self._clock.now()

    @staticmethod
    def write(path: Path, clock: SimClock) -> None:
        """Make `clock` the one that the file tells."""
        new = path.with_suffix(".new")
        new.write_text(json.dumps(clock.to_json()), "utf-8")
        new.replace(path)

    def _read(self) -> SimClock:
        return SimClock(**json.loads(self._path.read_text("utf-8")))
