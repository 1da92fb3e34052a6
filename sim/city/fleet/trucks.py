"""Muck trucks in the simulated city: their terminals speak JT/T 808 beside boards and stations; some break rules."""

import asyncio
import contextlib
import secrets
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from hub.judge.records import Edition
from hub.storage.compliance_file import COMPLIANCE, open_compliance
from hub.storage.database import transaction
from hub.things.entries import Thing
from hub.things.store import ThingStore
from hub.things.tables import PART as THINGS
from hub.wire.jt808 import Position
from hub.wire.terminal import position_of, unpack
from hub.wire.terminal_kinds import FIX, PREFIX
from sim.city.account import read_only
from sim.city.city import CitySite
from sim.city.city import position_of as site_position
from sim.city.source import SimClock
from sim.terminals.terminal import SimTerminal
from sim.trucks.city import LAT, LON
from sim.trucks.cli import phone
from sim.trucks.night import AT_NIGHT, PROFILE, Fix, Night, make_night

COUNT, BREACHES, SEED = 4, 3, 54
"""Trucks, and how many of them break a rule: one drives with an open load, one too fast, one off its route."""
AT_WORK = 35 * 60
"""So long they have been at work when the city's time begins, so that they break it soon [s]."""
HOURS = ["20:00-08:00"]
"""Of their permits: the demo begins before six in the morning, and goes on for some hours."""
EVERY = 0.5
"""Between two looks for what is to be sent [s]."""
PATIENCE = 30.0
"""For so long a terminal may take at the end to send what the hub has not acknowledged [s]."""
WHO = "demo"


class Fixes(NamedTuple):
    """What became of what terminals sent. `logged`: different ones in the hub's log; `twice`: more often than sent."""

    sent: int
    acknowledged: int
    logged: int
    lost: int
    twice: int


class Terminals:
    """Vehicles' terminals at a site, and what each sends as the city's time goes by.

    `fixes`, `phones`: by terminal, what it sends and its number. `profile`: how its frames are understood; None: by the
    standard.
    """

    def __init__(
        self, site: CitySite, fixes: Mapping[str, Sequence[Fix]], phones: Mapping[str, str], profile: str | None = None
    ) -> None:
        self._site = site
        self._fixes = fixes
        self._phones = phones
        self._profile = profile
        self._codes = {truck: secrets.token_hex(8) for truck in fixes}
        self._terminals: dict[str, SimTerminal] = {}
        self._talking: list[asyncio.Task[None]] = []
        self._driving: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._fixes)

    def entries(self) -> dict[str, tuple[str, str]]:
        """Return by terminal how the registry has it, and its code."""
        profile = f'profile = "{self._profile}"\n' if self._profile else ""
        return {
            truck: (f'id = "{truck}"\nsite = "{self._site.id}"\nphone = "{self._phones[truck]}"\n{profile}', code)
            for truck, code in self._codes.items()
        }

    def start(self, port: int, clock: SimClock) -> None:
        """Drive, and send to the hub's port."""
        for truck, code in self._codes.items():
            terminal = SimTerminal(port, self._phones[truck], code, plate=f"粤A{truck[-4:]}0", clock=clock.now)
            self._terminals[truck] = terminal
            self._talking.append(asyncio.create_task(terminal.run()))
        self._driving = asyncio.create_task(self._drive(clock))

    async def finish(self) -> None:
        """Drive no more, and return when the hub has acknowledged everything, or that takes too long."""
        if self._driving is not None:
            self._driving.cancel()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE):
                    while any(one.account().waiting for one in self._terminals.values()):
                        await asyncio.sleep(0.1)

    async def stop(self) -> None:
        """Close their connections."""
        tasks = [*self._talking, *([self._driving] if self._driving else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def account(self, data: Path) -> Fixes:
        """Compare what was sent with what the log of the hub in `data` has."""
        sent = Counter((truck, body) for truck, one in self._terminals.items() for body in one.fixes().values())
        logged = Counter(one for one in logged_in(data / "log.db") if one[0] in self._terminals)
        acknowledged = sum(one.account().acknowledged for one in self._terminals.values())
        lost, twice = (sent - logged).total(), (logged - sent).total()
        return Fixes(sent.total(), acknowledged, len(logged), lost, twice)

    async def _drive(self, clock: SimClock) -> None:
        waiting = {truck: iter(fixes) for truck, fixes in self._fixes.items()}
        ahead = {truck: next(fixes, None) for truck, fixes in waiting.items()}
        while any(ahead.values()):
            for truck, fix in ahead.items():
                while fix is not None and fix.t <= clock.now():
                    self._terminals[truck].add(fix.t, fix.body)
                    fix = ahead[truck] = next(waiting[truck], None)  # noqa: PLW2901 - goes on to the next
            await asyncio.sleep(EVERY)


class CityTrucks(Terminals):
    """The muck trucks of a city whose time begins at `start`, Unix s."""

    def __init__(self, sites: Sequence[CitySite], start: float) -> None:
        lat, lon = site_position(sites[0], sites)
        evening = int(start) - int(AT_NIGHT.total_seconds()) - AT_WORK
        self._night = moved(make_night(SEED, evening, COUNT, BREACHES, 0), lat - LAT, lon - LON)
        since = {truck: [fix for fix in fixes if fix.t >= start] for truck, fixes in self._night.fixes.items()}
        super().__init__(sites[0], since, {truck: phone(number) for number, truck in enumerate(since)}, PROFILE)

    def know(self, data: Path, now: float) -> None:
        """Tell the hub whose data these are of sites, permits and manifests, as an import does."""
        with closing(open_compliance(data / COMPLIANCE, THINGS)) as db, transaction(db):
            store = ThingStore(db)
            for one in self._night.things:
                store.add(self._thing(one), now, WHO, "simulated")

    def _thing(self, one: Edition) -> Thing:
        said: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in one.properties.items()
        }
        if one.kind == "haul_permit":
            said["hours"] = tuple(HOURS)
        name = str(said.get("plate", one.id))
        district = self._site.district if one.geometry is not None else None
        return Thing(
            kind=one.kind,
            id=one.id,
            en=name,
            zh=name,
            district=district,
            from_=one.valid_from,
            until=one.valid_until,
            properties=said,
            geometry=one.geometry,
        )


def logged_in(log: Path) -> Iterator[tuple[str, bytes]]:
    """Yield terminal and body of each fix that a log has."""
    with read_only(log) as db:
        for topic, payload in db.execute(
            "SELECT topic, payload FROM message WHERE topic >= ? AND topic < ?", (PREFIX, PREFIX + "\x7f")
        ):
            *_, terminal, kind = topic.split("/")
            position = position_of(unpack(payload)) if kind == FIX else None
            if position is not None:
                yield terminal, position.encode()


def moved(night: Night, lat: float, lon: float) -> Night:
    """Return a night that happens so many degrees elsewhere."""

    def places(things: Sequence[Edition]) -> list[Edition]:
        return [moved_thing(one, lat, lon) for one in things]

    fixes = {
        truck: [fix._replace(body=moved_body(fix.body, lat, lon)) for fix in some]
        for truck, some in night.fixes.items()
    }
    return night._replace(fixes=fixes, things=places(night.things), late=places(night.late))


def moved_body(said: bytes, lat: float, lon: float) -> bytes:
    """Return the body of a position (0200) so many degrees elsewhere."""
    position = Position.parse(said)
    assert position is not None
    if position.located:
        latitude, longitude = position.latitude + round(lat * 1e6), position.longitude + round(lon * 1e6)
        position = position._replace(latitude=latitude, longitude=longitude)
    return position.encode()


def moved_thing(one: Edition, lat: float, lon: float) -> Edition:
    """Return a thing so many degrees elsewhere."""

    def there(part: Any) -> Any:
        if part and isinstance(part[0], (int, float)):
            return [round(part[0] + lon, 7), round(part[1] + lat, 7)]
        return [there(inner) for inner in part]

    if one.geometry is None:
        return one
    geometry: Mapping[str, object] = {**one.geometry, "coordinates": there(one.geometry["coordinates"])}
    return msgspec.structs.replace(one, geometry=geometry)
