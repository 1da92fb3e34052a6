"""What a technician holds to a sensor: a calibrator, a filter, a gas. The values stand in a file, written by hand."""

import json
from pathlib import Path

from sim.city.source import Source


class Held:
    """A source whose channels are what the JSON file `path` says, such as {"laf": 94.3}; the others are `beneath`'s.

    It is read again whenever it is asked, so a value holds as soon as it is written.
    """

    def __init__(self, path: Path, beneath: Source) -> None:
        self._path, self._beneath = path, beneath

    def value(self, channel: str, t: float) -> float | None:
        """Return a channel's value; null in the file silences the sensor."""
        try:
            held = json.loads(self._path.read_bytes())
        except (OSError, ValueError):
            held = {}
        if isinstance(held, dict) and channel in held:
            value = held[channel]
            return None if value is None else float(value)
        return self._beneath.value(channel, t)
