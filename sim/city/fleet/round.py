"""A collection round in the simulated city: a refuse truck's terminal speaks JT/T 808, its bins send by LoRaWAN.

It is the round that `make_day` makes with one bin left out, begun when the city's time begins. The uplinks go to the
city's broker, as a network server publishes them (ChirpStack), and the hub subscribes there.
"""

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import msgspec
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from hub.judge.records import Edition
from hub.storage.compliance_file import COMPLIANCE, open_compliance
from hub.storage.database import transaction
from hub.things.entries import Thing
from hub.things.store import ThingStore
from hub.things.tables import PART as THINGS
from hub.wire.jt808 import Position, read
from hub.wire.lorawan.kinds import PREFIX
from sim.city.account import read_only
from sim.city.city import CitySite
from sim.city.city import position_of as site_position
from sim.city.fleet.trucks import EVERY, PATIENCE, WHO, Terminals, moved_body, moved_thing
from sim.city.source import SimClock
from sim.rounds.day import EMPTY_MM, FULL_MM, LAT, LON, Day, Sent, make_day
from sim.trucks.night import Fix

SEED = 2
"""Of a day whose only subject is a round that leaves one bin out."""
LEAVES = 120
"""So long after the city's time begins the truck leaves its depot [s]."""
NAMES = {"bin": ("Bin", "垃圾桶"), "round": ("Collection round", "收运线路")}


class Uplinks(NamedTuple):
    """What became of what the bins' sensors sent. `logged`: in the hub's log."""

    sent: int
    logged: int


class CityRound(Terminals):
    """The round of a city whose time begins at `start`, Unix s."""

    def __init__(self, sites: Sequence[CitySite], start: float) -> None:
        lat, lon = site_position(sites[-1], sites)
        away = lat - LAT, lon - LON
        begin = int(start) + LEAVES
        day = make_day(SEED, begin - _leaves(make_day(SEED, 0, 1, 0, 0)), 1, 0, 0)
        (truck,) = day.trucks
        terminal = f"refuse-{truck}"
        fixes = [Fix(t, moved_body(body, *away)) for t, body in _fixes(day) if t >= start]
        super().__init__(sites[-1], {terminal: fixes}, {terminal: day.trucks[truck]})
        self._things = [_of(terminal, moved_thing(one, *away)) for one in day.things]
        self._bins = day.bins
        self._uplinks = [one for one in day.sent if one.way == "uplink" and one.t >= start]
        self._published = 0
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id="network-server")
        self._publishing: asyncio.Task[None] | None = None

    @property
    def sensors(self) -> list[str]:
        """The bins' sensors: one in each."""
        return list(self._bins)

    def nodes(self) -> list[str]:
        """Return how the registry has the bins' sensors."""
        return [
            f'id = "{id_}"\nsite = "{self._site.id}"\neui = "{eui}"\ncodec = "milesight"\n'
            f"empty_mm = {EMPTY_MM}\nfull_mm = {FULL_MM}\n"
            for id_, eui in self._bins.items()
        ]

    def know(self, data: Path, now: float) -> None:
        """Tell the hub whose data these are of bins and round, as an import does."""
        with closing(open_compliance(data / COMPLIANCE, THINGS)) as db, transaction(db):
            store = ThingStore(db)
            for one in self._things:
                en, zh = NAMES[one.kind]
                number = one.id.rpartition("-")[2]
                store.add(
                    Thing(
                        kind=one.kind,
                        id=one.id,
                        en=f"{en} {int(number) + 1}",
                        zh=f"{zh}{int(number) + 1}",
                        district=self._site.district,
                        from_=one.valid_from,
                        until=one.valid_until,
                        properties=one.properties,
                        geometry=one.geometry,
                    ),
                    now,
                    WHO,
                    "simulated",
                )

    def publish(self, broker_port: int, clock: SimClock) -> None:
        """Publish the uplinks of the bins at the city's broker as their time comes."""
        self._client.connect("127.0.0.1", broker_port)
        self._client.loop_start()
        self._publishing = asyncio.create_task(self._publish(clock))

    async def finish(self) -> None:
        """Drive and publish no more, and return when the hub has acknowledged what the terminal sent."""
        if self._publishing is not None:
            self._publishing.cancel()
        await super().finish()

    async def stop(self) -> None:
        """Close the connections."""
        if self._publishing is not None:
            self._publishing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._publishing
            self._client.disconnect()
            self._client.loop_stop()
        await super().stop()

    async def heard(self, data: Path) -> Uplinks:
        """Compare what was published with what the log of the hub in `data` has, as soon as that is all of it."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while _logged(data) < self._published:
                    await asyncio.sleep(0.1)
        return Uplinks(self._published, _logged(data))

    async def _publish(self, clock: SimClock) -> None:
        for one in self._uplinks:
            while one.t > clock.now():
                await asyncio.sleep(EVERY)
            self._client.publish(f"application/1/device/{self._bins[one.device]}/event/up", one.raw, qos=1)
            self._published += 1


def _leaves(day: Day) -> int:
    """Return when the truck leaves its depot, s after the day's midnight at 0."""
    positions = ((t, Position.parse(body)) for t, body in _fixes(day))
    return next(t for t, position in positions if position is not None and position.speed)


def _fixes(day: Day) -> Iterator[tuple[int, bytes]]:
    """Yield when each position comes, Unix s, and the body of its 0200."""

    def body(sent: Sent) -> bytes:
        return read(sent.raw).content.bodies[0]

    yield from ((one.t, body(one)) for one in day.sent if one.way == "truck")


def _of(terminal: str, one: Edition) -> Edition:
    """Return a thing of the day, with the truck's terminal as this city calls it."""
    said = {name: tuple(value) if isinstance(value, list) else value for name, value in one.properties.items()}
    if one.kind == "round":
        said["source"] = terminal
    return msgspec.structs.replace(one, properties=said)


def _logged(data: Path) -> int:
    with read_only(data / "log.db") as db:
        found = db.execute(
            "SELECT count(*) FROM message WHERE topic >= ? AND topic < ?", (PREFIX, PREFIX + "\x7f")
        ).fetchone()
        return int(found[0])
