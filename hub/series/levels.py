"""How often each level of noise was: the boards' counts, added up over any time, and what is exceeded 10 % of it.

A record has its counts in `r` (edge/levels.py): `"h1_134":120731` says that 67.0 dB (134 half decibels) was there once,
67.5 dB three times, 68.0 dB seven times, and so on: a count has as many digits as the key's first number says, the
lowest level's is the last. `c` in the place of `h`: the sound was beyond the instrument, and so high at least.

Counts are added, in any order, so what they say of an hour or a night is what one pass over all its levels would say,
each rounded to 0.5 dB: a level exceeded N % of the time is wrong by 0.25 dB at most, and so is the standard deviation.
"""

import math
import re
from collections.abc import Mapping

import msgspec

STEP = 2
"""Bins a decibel."""
ERROR = 0.25
"""How wrong a statistic may be by the rounding of levels, dB."""
PERCENTS = {"l5": 5, "l10": 10, "l50": 50, "l90": 90, "l95": 95}
"""Levels exceeded so many % of the time, by quantity."""
DEVIATION = "lsd"
"""The quantity that is the standard deviation of the levels, dB."""
_KEY = re.compile(r"([hc])([1-9]|1[0-5])_(\d{1,3})")
_END = 10**15


class Levels(msgspec.Struct, array_like=True):
    """How often each level was.

    `seconds`: how long intervals with flag N lasted, `clipped`: those in which the sound was beyond the instrument (T).
    `measured`: samples by level in half decibels; `beyond`: samples that were so high at least.
    """

    seconds: float = 0
    clipped: float = 0
    measured: dict[int, int] = {}
    beyond: dict[int, int] = {}

    def add(self, other: "Levels") -> None:
        """Add what others have counted."""
        self.seconds += other.seconds
        self.clipped += other.clipped
        for own, others in ((self.measured, other.measured), (self.beyond, other.beyond)):
            for level, count in others.items():
                own[level] = own.get(level, 0) + count

    @property
    def samples(self) -> int:
        """How many levels were counted."""
        return sum(self.measured.values()) + sum(self.beyond.values())

    def exceeded(self, percent: int) -> float | None:
        """Return the level exceeded `percent` % of the time, dB, to half a decibel; None without any level.

        It is that of the boards: of all samples, the highest first, the one behind `percent` % of them.
        """
        place = self.samples * percent // 100
        for level in sorted(self.measured.keys() | self.beyond.keys(), reverse=True):
            place -= self.measured.get(level, 0) + self.beyond.get(level, 0)
            if place < 0:
                return level / STEP
        return None

    def is_certain(self, level: float) -> bool:
        """Tell whether an exceeded level is that, or a lower bound, since the sound was clipped there."""
        return not self.beyond or level * STEP < min(self.beyond)

    @property
    def deviation(self) -> float | None:
        """The standard deviation of all samples, dB; None without any, or where the sound was clipped."""
        count = self.samples
        if not count or self.beyond:
            return None
        mean = sum(level * n for level, n in self.measured.items()) / count
        return math.sqrt(sum(n * (level - mean) ** 2 for level, n in self.measured.items()) / count) / STEP

    def statistics(self) -> dict[str, float]:
        """Return the statistics by quantity, as far as there are any."""
        found = {quantity: self.exceeded(percent) for quantity, percent in PERCENTS.items()}
        found[DEVIATION] = self.deviation
        return {quantity: value for quantity, value in found.items() if value is not None}

    def packed(self) -> bytes:
        """Return it as bytes: about three for each level that was there."""
        return _pack(self)


_pack = msgspec.msgpack.Encoder().encode
unpacked = msgspec.msgpack.Decoder(Levels).decode


def is_count(key: str) -> bool:
    """Tell whether a key of a record's `r` has counts of levels."""
    return _KEY.fullmatch(key) is not None


def counted(reported: Mapping[str, float], dt: float, *, clipped: bool) -> Levels | None:
    """Return the counts in a record's `r`, over its `dt` seconds; None where it has none that can be read."""
    found = Levels(clipped=dt) if clipped else Levels(seconds=dt)
    for key, number in reported.items():
        if "_" not in key or not (match := _KEY.fullmatch(key)):
            continue
        if not (0 < number < _END and number == int(number)):
            return None
        counts = found.measured if match[1] == "h" else found.beyond
        rest, base, level = int(number), 10 ** int(match[2]), int(match[3])
        while rest:
            rest, count = divmod(rest, base)
            if count:
                counts[level] = counts.get(level, 0) + count
            level += 1
    return found if found.measured or found.beyond else None
