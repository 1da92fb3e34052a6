"""Ultrasonic distance, as in the lid of a bin that looks down at the refuse: what the drivers of such sensors share.

The nearest echo counts: a bag on the rim looks like a full bin. Where nobody can say how far the refuse is, within the
blind zone and without an echo, there is no distance and no fill level (D), never the end of the range in their place.

Settings: `empty_mm` and `full_mm`, what the sensor measures in the empty and in the full bin. With both there is a fill
level, (empty - measured) / (empty - full), from 0 to 100 %, as the hub makes it of LoRaWAN sensors; with neither the
distance alone.
"""

from edge.drivers import Faulty


class Range:
    """What a sensor can measure, more than `blind` and up to `farthest` mm, and the bin that its settings describe.

    `channels`: what there is of a sample. Raises ValueError when the settings fit no bin that it can see into.
    """

    def __init__(self, settings, blind, farthest):
        self._blind, self._farthest = blind, farthest
        self._empty, self._full = empty, full = settings.get("empty_mm"), settings.get("full_mm")
        bare = empty is None and full is None
        self.channels = ("distance",) if bare else ("distance", "fill")
        if bare:
            return
        for key, value in (("empty_mm", empty), ("full_mm", full)):
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not number or not blind < value <= farthest:
                raise ValueError(
                    "sensor '%s': %s %s: expected both empty_mm and full_mm, in mm, more than %d and at most %d"
                    % (settings.get("name"), key, value, blind, farthest)
                )
        if full >= empty:
            raise ValueError(
                "sensor '%s': full_mm %s: expected less than empty_mm, %s" % (settings.get("name"), full, empty)
            )

    def values(self, distance):
        """Return the sample of a distance in mm; raise Faulty where it is none."""
        if distance <= self._blind:
            raise Faulty("%d mm: in the blind zone of %d mm, or no echo" % (distance, self._blind))
        if distance > self._farthest:
            raise Faulty("%d mm: no echo within %d mm" % (distance, self._farthest))
        values = {"distance": distance}
        if "fill" in self.channels:
            values["fill"] = 100 * min(1, max(0, (self._empty - distance) / (self._empty - self._full)))
        return values
