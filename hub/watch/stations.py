"""What the watch remembers of each station that speaks HJ 212, and what it finds wrong: hints that somebody tampers.

A checksum proves no origin, and what a station averages can be checked: by its own minutes. None of this is a verdict;
each is told with the figures, so that somebody looks. What is remembered is small and in memory.
"""

import math
from array import array
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from hub.log.entry import Entry, Interval
from hub.watch import station_text as tell
from hub.wire.hj212 import read
from hub.wire.station import REPORTED, packet_of, unpack
from hub.wire.station_kinds import STATE
from schemas import Quantity
from schemas.language import Text

HOURS = 3
"""So many hours are added up, the newest that minutes came of."""
WHOLE = 60
"""Minutes of an hour: only a whole one is compared."""
CEILING_OF = 120
"""So many values are looked at for a ceiling."""
CEILING_SHARE = 0.3
"""Of them, so many just at the highest are no chance ..."""
CEILING_WIDTH = 0.005
"""... within this share of it."""
LOOK_AT_FRAME = 60.0
"""Between two frames of a station that are held against the standard [s]."""
PAUSE = 600
"""After so long without a value nothing is known of how fast it changed [s]."""
MOST_CODE = 32
"""Characters of a factor's code."""
_HOUR = REPORTED["hour"]


@dataclass(slots=True)
class _Hour:
    count: int = 0
    total: float = 0.0
    said: float | None = None


@dataclass(slots=True)
class _Series:
    """One quantity: its last value, when it ended, since when it has been the same; the newest values; its hours."""

    last: float = math.nan
    end: int = 0
    since: int = 0
    newest: "array[float]" = field(default_factory=lambda: array("f"))
    hours: dict[int, _Hour] = field(default_factory=dict)


@dataclass(slots=True)
class StationMemory:
    """One station; times of the hub (Unix s)."""

    series: dict[str, _Series] = field(default_factory=dict)
    usual: frozenset[str] | None = None
    """Faults of its first frame, where no profile names its usual ones."""
    looked: float = 0.0
    signs: dict[str, tuple[float, float, Text]] = field(default_factory=dict)
    """What was found, by rule: since when, when last, and in words."""


class StationWatch:
    """Looks at what stations say. `known_faults` gives by a profile's name the faults that its frames always have."""

    def __init__(
        self, quantities: Mapping[str, Quantity], known_faults: Callable[[str], frozenset[str] | None]
    ) -> None:
        self._quantities = quantities
        self._known_faults = known_faults
        self._stations: dict[str, StationMemory] = {}
        self.serials: dict[tuple[str, str], str] = {}
        """Serial numbers of instruments as they were told last, by station and factor code."""

    def hear(self, entry: Entry, now: float) -> None:
        """Take a frame from the log."""
        station = self._stations.setdefault(entry.place.device, StationMemory())
        if now - station.looked >= LOOK_AT_FRAME:
            station.looked = now
            self._look_at_frame(station, entry, now)
        if entry.place.kind == STATE:
            self._look_at_instruments(station, entry, now)
        for interval in entry.intervals:
            if entry.branch and any(flag == "S" for flag, _ in interval.flagged.values()):
                self._note(station, tell.RESTATES, now, tell.restates(interval))
            self._follow(station, interval, now)

    def signs(self, device: str) -> Iterator[tuple[str, float, float, Text]]:
        """Yield what was found of a station: rule, since when and when last (Unix s), and in words."""
        station = self._stations.get(device)
        for rule, (since, last, text) in (station.signs if station else {}).items():
            yield rule, since, last, text

    def forget(self, device: str, rule: str) -> None:
        """Forget what was found; it is over."""
        del self._stations[device].signs[rule]

    def _note(self, station: StationMemory, rule: str, now: float, text: Text) -> None:
        since, _, _ = station.signs.get(rule, (now, now, text))
        station.signs[rule] = since, now, text

    def _look_at_frame(self, station: StationMemory, entry: Entry, now: float) -> None:
        head, frames, _ = unpack(entry.payload)
        if frames.find(b"##", 2) >= 0:
            return  # parts
        found = frozenset(read(frames).faults)
        known = self._known_faults(head.profile) if head.profile else None
        if known is None:
            station.usual = known = station.usual if station.usual is not None else found
        if found - known:
            self._note(station, tell.FAULTS, now, tell.faults(sorted(found - known)))

    def _look_at_instruments(self, station: StationMemory, entry: Entry, now: float) -> None:
        packet = packet_of(unpack(entry.payload).frames)
        if packet is None or packet.field("CN") != "3019":
            return
        for item in packet.items():
            code, end, _ = item.name.rpartition("-SN")
            if end and item.value:
                key = entry.place.device, code[:MOST_CODE]
                before = self.serials.get(key, item.value)
                self.serials[key] = item.value
                if before != item.value:
                    self._note(station, tell.EXCHANGED + key[1], now, tell.exchanged(code, before, item.value))

    def _follow(self, station: StationMemory, interval: Interval, now: float) -> None:
        for key, value in interval.values.items():
            quantity = self._quantities.get(key)
            if quantity is not None:
                series = station.series.setdefault(key, _Series())
                self._follow_value(station, series, key, quantity, value, interval, now)
        for key, value in interval.reported.items():
            name = key.removesuffix(_HOUR)
            if name != key and interval.dt == 3600 and name in self._quantities:
                series = station.series.setdefault(name, _Series())
                self._hour(series, interval.t).said = value
                self._compare(station, series, name, interval.t, now)

    def _follow_value(
        self,
        station: StationMemory,
        series: _Series,
        key: str,
        quantity: Quantity,
        value: float,
        interval: Interval,
        now: float,
    ) -> None:
        hour = interval.t // 3600 * 3600
        if interval.dt <= 60 and quantity.aggregate in {"mean", "energy_mean"}:
            one = self._hour(series, hour)
            one.count += interval.dt
            one.total += interval.dt * (10 ** (value / 10) if quantity.aggregate == "energy_mean" else value)
            self._compare(station, series, key, hour, now)
        if interval.t < series.end:
            return  # late: nothing follows from the order in which it comes
        end = interval.t + interval.dt
        after_pause = interval.t - series.end > PAUSE
        if value == series.last and not after_pause:
            longest = quantity.still_for(value)
            if longest is not None and end - series.since > longest:
                self._note(station, tell.STUCK + key, now, tell.stuck(quantity, value, end - series.since))
        else:
            passed = max(interval.dt, end - series.end)
            rate = quantity.max_rate
            if rate and series.end and not after_pause and abs(value - series.last) > rate / 60 * passed:
                self._note(station, tell.STEP + key, now, tell.step(quantity, series.last, value, passed))
            series.since = interval.t
        series.last, series.end = value, end
        series.newest.append(value)
        if len(series.newest) >= CEILING_OF:
            self._look_for_ceiling(station, series, key, quantity, now)
            del series.newest[: CEILING_OF // 2]

    def _look_for_ceiling(
        self, station: StationMemory, series: _Series, key: str, quantity: Quantity, now: float
    ) -> None:
        highest, lowest = max(series.newest), min(series.newest)
        if highest <= 0 or highest - lowest < 4 * CEILING_WIDTH * highest:
            return  # it hardly changes at all: that is no ceiling
        above = sum(value >= highest * (1 - CEILING_WIDTH) for value in series.newest)
        if above >= CEILING_SHARE * len(series.newest):
            text = tell.ceiling(quantity, round(highest, 3), above, len(series.newest))
            self._note(station, tell.CEILING + key, now, text)

    def _hour(self, series: _Series, hour: int) -> _Hour:
        found = series.hours.get(hour)
        if found is None:
            found = series.hours[hour] = _Hour()
            for old in sorted(series.hours)[:-HOURS]:
                del series.hours[old]
        return found

    def _compare(self, station: StationMemory, series: _Series, key: str, hour: int, now: float) -> None:
        """Compare what a station says of an hour with its own minutes, when all of them are there."""
        one, quantity = series.hours.get(hour), self._quantities[key]
        if one is None or one.said is None or one.count != 60 * WHOLE:
            return
        mean = one.total / one.count
        if quantity.aggregate == "energy_mean":
            mean = 10 * math.log10(mean)
        if abs(mean - one.said) > max(10.0**-quantity.resolution, 0.005 * abs(mean)):
            self._note(station, tell.AVERAGES + key, now, tell.averages(quantity, hour, one.said, mean))
