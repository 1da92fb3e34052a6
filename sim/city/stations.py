"""Stations of other makers in the simulated city: they speak HJ 212 beside the boards, and one of them has faults."""

import asyncio
import contextlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from sim.city.account import Made
from sim.city.city import CitySite
from sim.city.source import SimClock, Source
from sim.stations.station import SimStation

AT = 2
"""Which site of a district has one, from 0."""
FAULTS: tuple[tuple[str, ...], ...] = ((), ("gap", "item_empty", "no_flag"))
"""Of the first and of the second: that one leaves minutes out until the hub asks for them, and writes odd frames."""
QUANTITIES = {"a34004": "pm25", "a34002": "pm10", "Leq": "laeq"}
SAMPLES = 20
"""Of a minute."""
PATIENCE = 30.0
"""For so long a station may take at the end to send what the hub has not acknowledged [s]."""


@dataclass
class CityStation:
    """A station at a site's fence."""

    id: str
    site: CitySite
    mn: str
    password: str
    faults: tuple[str, ...]
    _station: SimStation | None = None
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def start(self, port: int, source: Source, clock: SimClock) -> None:
        """Measure minute after minute, and send to the hub's port."""
        station = self._station = SimStation(
            port, self.mn, self.password, faults=self.faults, clock=clock.now, source=lambda t: minute_of(source, t)
        )
        self._tasks = [asyncio.create_task(station.run()), asyncio.create_task(_measure(station, clock))]

    async def finish(self) -> None:
        """Measure no more, and return when the hub has acknowledged everything, or that takes too long."""
        if self._station is not None:
            self._tasks[1].cancel()
            self._station.send_rest()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE):
                    while self._station.account().waiting:
                        await asyncio.sleep(0.1)

    async def stop(self) -> None:
        """Close its connection."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def made(self) -> list[Made]:
        """Return the minutes that it measured, as the hub is to have them."""
        minutes = self._station.minutes() if self._station else {}
        return [
            (self.id, t, 60, tuple(sorted((QUANTITIES[code], value) for code, value in values.items())))
            for t, values in minutes.items()
        ]

    def entry(self) -> str:
        """Return how the registry has it, but for its instruments."""
        return f'id = "{self.id}"\nsite = "{self.site.id}"\nmn = "{self.mn}"\nprofile = "dust_ug"\n'


def stations(sites: Sequence[CitySite]) -> list[CityStation]:
    """Return the stations of a city: one in each of its first districts."""
    found = []
    for number, district in enumerate(sorted({site.district for site in sites})[: len(FAULTS)]):
        there = [site for site in sites if site.district == district]
        site = there[min(AT, len(there) - 1)]
        found.append(CityStation(f"{site.id}-hj", site, f"{number + 1:024d}", f"pass{number:02d}", FAULTS[number]))
    return found


def minute_of(source: Source, t: int) -> tuple[float, float, float]:
    """Return what a place has in the minute from `t` on: mean PM2.5 and PM10 [µg/m³], LAeq [dB(A)]."""
    moments = [t + 60 * n / SAMPLES for n in range(SAMPLES)]
    pm25, pm10, laf = ([source.value(channel, at) or 0.0 for at in moments] for channel in ("pm25", "pm10", "laf"))
    leq = 10 * math.log10(sum(10 ** (level / 10) for level in laf) / SAMPLES)
    return sum(pm25) / SAMPLES, sum(pm10) / SAMPLES, leq


async def _measure(station: SimStation, clock: SimClock) -> None:
    t = math.ceil(clock.now() / 60) * 60
    while True:
        await asyncio.sleep(max(0.0, (t + 60 - clock.now()) / clock.speed))
        station.measure(t)
        t += 60
