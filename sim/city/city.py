"""The simulated city: its sites and boards, and the files that the hub and the boards are started with."""

import json
import math
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from schemas.domains import packs, sensor_templates
from schemas.domains.pack import together
from sim.city.replay import Recording, Replay, align
from sim.city.scenario import SHANGHAI, WorkingDay, profiles
from sim.city.sensors import ModbusBus, Plantower, SerialLine, modbus_device, noise_transmitter
from sim.city.source import SimClock, Source

QUIET = (
    '{level = 45.0, from = 2020-01-01T12:00:00, to = 2020-01-01T12:20:00, confirmed = "demo"}',
    '{level = 40.0, from = 2020-01-01T23:00:00, to = 2020-01-01T23:20:00, confirmed = "demo"}',
)
"""The background of every site as the registry has it, by day and by night: without one noise violates nothing."""


STATED = (
    '{of = "noise", class = "class_1", uncertainty = "1.0", source = "simulated"}',
    '{of = "dust", class = "type_approved", uncertainty = "20 %", source = "simulated"}',
    '{of = "gas", class = "type_approved", uncertainty = "15 %", source = "simulated"}',
    '{of = "stack", class = "type_approved", uncertainty = "10 %", source = "simulated"}',
)
"""How good every board's instruments are: what is simulated is as exact as anything that is approved."""


DISTRICTS = {"nanhai": ("Nanhai", "南海区"), "tianhe": ("Tianhe", "天河区")}
"""What people call the districts of the packs that come with Fenceline, in English and Chinese; others by their ids."""


@dataclass(frozen=True)
class CitySite:
    """A site, what goes on there (a profile of a domain pack), and how many boards stand at its fence."""

    id: str
    district: str
    en: str
    zh: str
    profile: str
    boards: int = 1
    zone_class: str | None = None
    properties: Mapping[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """The kind of the site, as the registry says it."""
        return profiles()[self.profile].kind

    @property
    def sensors(self) -> list[dict[str, Any]]:
        """Settings of the Modbus sensors that its boards have beside a noise meter and a dust sensor."""
        templates: dict[str, Any] = sensor_templates()
        return [templates[name] for name in profiles()[self.profile].sensors]


def city() -> list[CitySite]:
    """Return the sites that the domain packs simulate, district by district."""
    found = together("the simulated site", packs(), lambda pack: {site.id: site for site in pack.scenario.site})
    sites = [
        CitySite(s.id, s.district, s.en, s.zh, s.profile, s.boards, s.zone_class, s.properties) for s in found.values()
    ]
    return sorted(sites, key=lambda site: site.district)


@dataclass(frozen=True)
class CityBoard:
    """A board at a site's fence."""

    id: str
    site: CitySite
    number: int
    """Counts up by one through the city, from 0."""


def boards(sites: Sequence[CitySite]) -> list[CityBoard]:
    """Return the boards of the sites, in order."""
    places = [(site, n) for site in sites for n in range(1, site.boards + 1)]
    return [CityBoard(f"{site.id}-{n}", site, number) for number, (site, n) in enumerate(places)]


def first_with(boards: Sequence[CityBoard], sensor: str) -> CityBoard | None:
    """Return the first board with sensors of that name; None: there is none in this city."""
    return next((one for one in boards if any(each.get("name") == sensor for each in one.site.sensors)), None)


def source_of(board: CityBoard, recordings: Sequence[Recording], clock: SimClock) -> Source:
    """Return what the board's sensors measure: recorded where a recording has the quantity, else made up.

    Each board reads a recording from another day (or row) on, so that no two sites are the same.
    """
    source: Source = WorkingDay(board.site.profile, seed=board.number)
    for recording in recordings:
        begin, row = align(recording, clock.start, SHANGHAI)
        day = max(1, round(86400 / recording.step_s)) if recording.first_local_hour is not None else 7
        source = Replay(recording, begin, row + board.number * day, source)
    return source


def sensors_of(board: CityBoard, source: Source, clock: SimClock, period: float) -> dict[str, SerialLine]:
    """Return the board's serial lines: `dust` with a Plantower sensor, `bus` with a noise meter and the others."""
    devices = [noise_transmitter(1), *map(modbus_device, board.site.sensors)]
    return {"dust": Plantower(source, clock, period), "bus": ModbusBus(source, clock, devices)}


def board_config(
    board: CityBoard, lines: dict[str, SerialLine], clock: SimClock, broker_port: int, interval: int, period: float
) -> dict[str, object]:
    """Return the configuration of the board's agent. `interval` and `period` in s of the simulated clock."""
    dust, bus = (f"tcp:127.0.0.1:{lines[name].port}" for name in ("dust", "bus"))
    laf = {"channel": "laf", "register": 0, "scale": 0.1}
    sensors: list[dict[str, object]] = [
        {"name": "dust", "type": "plantower", "port": dust, "warmup": 0},  # a simulated sensor has nothing to settle
        {"name": "noise", "type": "modbus", "port": bus, "address": 1, "registers": [laf]},
    ]
    sensors += [{**sensor, "port": bus} for sensor in board.site.sensors]
    return {
        "district": board.site.district,
        "site": board.site.id,
        "device": board.id,
        "key_file": "key",
        "folder": "outbox",
        "broker": {"host": "127.0.0.1", "port": broker_port},
        "interval": interval,
        "period": period,
        "outbox": {"keep": True},
        "clock": clock.to_json(),
        "sensors": sensors,
    }


def write_hub(
    folder: Path,
    sites: Sequence[CitySite],
    broker_port: int,
    store: str = "sqlite",
    speed: float = 1,
    http_port: int = 0,
    stations_port: int = 0,
    stations: Mapping[str, tuple[str, str]] = MappingProxyType({}),
    terminals_port: int = 0,
    terminals: Mapping[str, tuple[str, str]] = MappingProxyType({}),
    nodes: Sequence[str] = (),
) -> dict[str, str]:
    """Write the hub's configuration, registry and keys into `folder`; return the boards' keys (hexadecimal) by id.

    `speed`: of the simulated clock. What a process needs to start and to catch up does not get faster with it, so the
    alerts about the network itself wait as many minutes more as pass in a real one. `http_port`: 0: no console.
    `stations`: by id, registry entry and password of each that speaks HJ 212; they connect to `stations_port`.
    `terminals`: the same of those that speak JT/T 808. `nodes`: registry entries of devices of LoRaWAN, whose uplinks
    come over the same broker.
    """
    keys = {board.id: secrets.token_hex(32) for board in boards(sites)}
    (folder / "fenceline.toml").write_text(
        f'registry = "registry.toml"\nkeys = "keys.toml"\ndata = "data"\nacknowledge_every = 1.0\n\n'
        f"[broker]\nport = {broker_port}\n\n[store]\nkind = {json.dumps(store)}\n\n[http]\nport = {http_port}\n\n"
        f"[hj212]\nport = {stations_port}\n\n[jt808]\nport = {terminals_port}\n\n"
        # The night's alerts are to end before whoever watches has gone.
        f"[alerts]\nresolve_after = 1\nsilent_minutes = {14 + speed:.0f}.0\nsensor_minutes = {29 + speed:.0f}.0\n"
        f"unheard_minutes = {4 + speed:.0f}.0\nlag_minutes = {4 + speed:.0f}.0\n"
        + (f'\n[[lorawan]]\nname = "simulated"\nport = {broker_port}\n' if nodes else ""),
        "utf-8",
    )
    text = 'timezone = "Asia/Shanghai"\n\n[[city]]\nid = "simulated"\nen = "Simulated city"\nzh = "模拟城市"\n'
    for district in sorted({site.district for site in sites}):
        en, zh = DISTRICTS.get(district, (district, district))
        text += f'\n[[district]]\nid = "{district}"\ncity = "simulated"\nen = "{en}"\nzh = "{zh}"\n'
    for site in sites:
        properties = ", ".join(f"{name} = {json.dumps(value)}" for name, value in site.properties.items())
        text += (
            f'\n[[site]]\nid = "{site.id}"\ndistrict = "{site.district}"\nkind = "{site.kind}"\n'
            f'en = "{site.en}"\nzh = "{site.zh}"\n'
            f"background = [{', '.join(QUIET)}]\n"
            f"position = {list(position_of(site, sites))}\n"
            f"properties = {{{properties}}}\n"
        )
        if site.zone_class:
            text += f'zone_class = "{site.zone_class}"\n'
    for board in boards(sites):
        text += f'\n[[board]]\nid = "{board.id}"\nsite = "{board.site.id}"\ninstruments = [{", ".join(STATED)}]\n'
    for entry, _ in stations.values():
        text += f"\n[[station]]\n{entry}instruments = [{', '.join(STATED[:2])}]\n"
    text += "".join(f"\n[[terminal]]\n{entry}" for entry, _ in terminals.values())
    text += "".join(f"\n[[node]]\n{entry}" for entry in nodes)
    (folder / "registry.toml").write_text(text, "utf-8")
    path = folder / "keys.toml"
    path.touch(mode=0o600)
    secret = keys | {id_: password for id_, (_, password) in (*stations.items(), *terminals.items())}
    path.write_text("".join(f'{id_} = "{key}"\n' for id_, key in secret.items()), "utf-8")
    return keys


def position_of(site: CitySite, sites: Sequence[CitySite]) -> tuple[float, float]:
    """Return where a simulated site lies: each district around a centre of its own. Latitude and longitude, WGS-84."""
    districts = sorted({one.district for one in sites})
    around = [one.id for one in sites if one.district == site.district]
    turn = 2 * math.pi * districts.index(site.district) / len(districts)
    step = 2 * math.pi * around.index(site.id) / len(around) + turn
    north = 31.23 + 0.06 * math.sin(turn) + 0.02 * math.sin(step)
    east = 121.47 + 0.08 * math.cos(turn) + 0.027 * math.cos(step)
    return round(north, 5), round(east, 5)


def write_board(folder: Path, config: dict[str, object], key: str) -> None:
    """Write a board's configuration and key into its own folder."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config, indent=1), "utf-8")
    path = folder / "key"
    path.touch(mode=0o600)
    path.write_text(key, "utf-8")
