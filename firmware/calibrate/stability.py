"""Judges whether a reading is steady enough to calibrate by; without that a calibration fixes a moment's chance."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """When a reading counts as stable: for `seconds`, spread and drift stay within limits (this project's choice).

    A limit is `absolute`, or `relative` times the mean where that is more.
    """

    seconds: float
    absolute: float
    relative: float

    def limit(self, mean: float) -> float:
        """Return the largest permitted spread around a mean, in the catalogue's unit."""
        return max(self.absolute, self.relative * abs(mean))


RULES = {
    # A calibrator's tone is steady; 0.3 dB is three steps of a transmitter with a resolution of 0.1 dB.
    "noise": Rule(10, 0.3, 0),
    # Optical dust sensors report whole ug/m3 and are noisy: 3 ug/m3, or 10 %.
    "dust": Rule(30, 3, 0.1),
    "gas": Rule(30, 4, 0.02),
    "stack": Rule(30, 1, 0.02),
    "weather": Rule(10, 0.5, 0.02),
    "device": Rule(10, 0.1, 0.02),
}
"""By the catalogue's family."""


@dataclass(frozen=True)
class Stability:
    """Whether a reading is steady. `spread`: standard deviation times two; `drift`: change by a straight line."""

    stable: bool
    mean: float
    spread: float
    drift: float
    seconds: float
    """Time that the readings judged cover."""


def stability(readings: Sequence[tuple[float, float]], rule: Rule) -> Stability:
    """Judge the last `rule.seconds` of readings `(time in s, value)`, oldest first.

    Example: 94.1, 94.1, 94.2, 94.1 dB over 10 s are stable; a level that climbs by 0.1 dB a second is not.
    """
    if not readings:
        return Stability(stable=False, mean=math.nan, spread=math.nan, drift=math.nan, seconds=0)
    end = readings[-1][0]
    window = [(t, value) for t, value in readings if t > end - rule.seconds - 1e-6]
    covered = end - window[0][0]
    values = [value for _, value in window]
    mean = statistics.fmean(values)
    spread = 2 * statistics.pstdev(values)
    drift = _slope(window) * covered
    # The window opens with the first reading in it, up to one reading's distance late.
    late = 1.5 * covered / max(1, len(window) - 1)
    enough = len(window) >= 4 and covered + late >= rule.seconds
    limit = rule.limit(mean)
    return Stability(enough and spread <= limit and abs(drift) <= limit, mean, spread, drift, covered)


def _slope(points: Sequence[tuple[float, float]]) -> float:
    middle = statistics.fmean(t for t, _ in points)
    below = sum((t - middle) ** 2 for t, _ in points)
    return sum((t - middle) * value for t, value in points) / below if below else 0.0
