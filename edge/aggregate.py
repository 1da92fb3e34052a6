"""Makes one interval's values of its samples, each quantity in the way the catalogue says."""

from array import array
from math import atan2, cos, log10, pi, sin

from edge import levels
from edge.borrow import borrow

# Share of good samples that an interval needs to count as normal: HJ 212-2017 appendix D asks for 45 of 60 minutes.
LEAST_VALID = 0.75


def energy_mean(levels):
    """Return the level of the mean energy of `levels`, dB (ISO 1996-1: levels are never averaged arithmetically)."""
    return 10 * log10(sum([10 ** (level / 10) for level in levels]) / len(levels))


def mean(values):
    """Return the arithmetic mean."""
    return sum(values) / len(values)


def vector_mean(directions):
    """Return the direction of the sum of unit vectors, 0 <= degrees < 360."""
    east = sum([sin(d * pi / 180) for d in directions])
    north = sum([cos(d * pi / 180) for d in directions])
    return (atan2(east, north) * 180 / pi) % 360


def exceeded(percent):
    """Return the function that gives the level exceeded `percent` % of the time (L10: 10)."""

    def level(levels):
        falling = sorted(levels, reverse=True)
        return falling[len(falling) * percent // 100]

    return level


AGGREGATES = {
    "energy_mean": energy_mean,
    "mean": mean,
    "max": max,
    "min": min,
    "vector_mean": vector_mean,
    "last": lambda values: values[-1],
    "l10": exceeded(10),
    "l50": exceeded(50),
    "l90": exceeded(90),
}  # type: dict


class Aggregator:
    """Collects the samples of the interval under way.

    `channels` are the sample channels that the board's sensors give (`laf`, `pm10`, ...). A quantity is made from the
    first of its channels that is among them. Samples are kept as 32-bit floats: a minute of eight a second is 2 KB.

    `least`: levels that the last interval had for certain, in dB by QUANTITY_least, where a part of it was clipped.
    `levels`: how often each level was in it, as levels.py writes it; empty where it has none, or `count` is False.
    """

    def __init__(self, channels, count=False):
        ranges = borrow("ranges").RANGES
        self._ranges = {channel: ranges[channel] for channel in channels if channel in ranges}
        self._quantities = []
        self._counted = None  # the channel whose levels are counted
        for key, (sources, aggregate, _) in borrow("quantities").QUANTITIES.items():
            for channel in sources:
                if channel in channels:
                    self._quantities.append((key, channel, AGGREGATES[aggregate]))
                    if count and aggregate == "l50":
                        self._counted = channel
                    break
        self._samples = {channel: array("f") for channel in channels}
        self._misses = {channel: {} for channel in channels}
        self._clipped = {}
        self.least = {}
        self.levels = ""

    def add(self, channel, value):
        """Take one sample of a channel, in the catalogue's unit; return its HJ 212 letter.

        N: it counts. D: no number, or one that no instrument in order gives, outside the catalogue's range: a miss.
        """
        low, high = self._ranges.get(channel) or (value, value)
        if low <= value <= high:
            self._samples[channel].append(value)
            return "N"
        self._count(channel, "D")
        return "D"

    def miss(self, channel, flag, least=None):
        """Note a sample that could not be had, with the HJ 212 letter that says why (B, D, M, C, ...).

        T: the instrument was at its end. Without the highest samples an interval would be told too low, so one of these
        is enough to flag it. `least`: the level that this sample had for certain, dB.
        """
        self._count(channel, flag)
        if flag == "T":
            certain = self._clipped.setdefault(channel, [])
            low, high = self._ranges.get(channel) or (0, 0)
            if least is not None and low <= least <= high:
                certain.append(least)

    def _count(self, channel, flag):
        misses = self._misses[channel]
        misses[flag] = misses.get(flag, 0) + 1

    def close(self, work=None):
        """Return `(values, flags)` of the interval and begin the next.

        `flags` names only what is not normal. A channel from which nothing came at all is flagged B. `work`: the letter
        of the technician's work by channel, which goes before all others.
        """
        values = {}
        flags = {}
        self.least = {}
        for key, channel, aggregate in self._quantities:
            samples = self._samples[channel]
            flag = (work or {}).get(channel) or self._flag(channel)
            if channel in self._clipped:
                if flag == "T":
                    self._bound(key, channel, aggregate)
            elif samples:
                try:
                    values[key] = aggregate(samples)
                except (ValueError, ArithmeticError):
                    flag = "D"  # too large or too small to be levels: 10 ** (level / 10) overflows, or is 0
            if flag != "N":
                flags[key] = flag
        self.levels = self._levels((work or {}).get(self._counted))
        for channel in self._samples:
            self._samples[channel] = array("f")
            self._misses[channel] = {}
        self._clipped = {}
        return values, flags

    def _levels(self, work):
        """Return the counts of an interval that has most of its samples, those beyond the instrument among them."""
        channel = self._counted
        if not channel or work:
            return ""
        samples, clipped = self._samples[channel], self._clipped.get(channel, ())
        known = len(samples) + len(clipped)
        missed = sum(self._misses[channel].values()) - len(clipped)
        return levels.members(samples, clipped) if known and known >= LEAST_VALID * (known + missed) else ""

    def _bound(self, key, channel, aggregate):
        """Note the level that the interval has for certain; what was neither measured nor clipped counts as silence."""
        known = list(self._samples[channel]) + self._clipped[channel]
        if known and aggregate is energy_mean:
            missing = sum(self._misses[channel].values()) - len(self._clipped[channel])
            self.least[key + "_least"] = energy_mean(known) + 10 * log10(len(known) / (len(known) + missing))
        elif known and key == "lafmax":
            self.least[key + "_least"] = max(known)

    def _flag(self, channel):
        good = len(self._samples[channel])
        misses = self._misses[channel]
        if channel in self._clipped:
            return "T"
        if not good and not misses:
            return "B"
        if good >= LEAST_VALID * (good + sum(misses.values())):
            return "N"
        return max(misses, key=lambda flag: misses[flag])
