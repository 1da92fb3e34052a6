"""Kills the hub at random moments while stations send HJ 212, and counts: `make torture-hj212`; JSON comes last.

    make torture-hj212 ARGS="--kills 200 --json"

Stations measure minute after minute and send over TCP to `fenceline run`, which is ended by SIGKILL, or its consumers
alone, stays away for a moment and starts again. Some stations have faults: a wrong checksum now and then, minutes that
they only tell when they are asked. Then they send what they have, and every minute and hour that the hub acknowledged
(9014) is looked for in the log and in the store.

`made`: minutes and hours. `acknowledged`: of those. `filled`: not sent by themselves, and there because the hub asked.
`lost`: acknowledged and not in the log, or not as it was measured. `duplicated`: values that count in log or store more
than once, or were never measured. Ends with 1 if any is lost or duplicated.
"""

import argparse
import asyncio
import contextlib
import json
import math
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import psutil

from hub.log.reader import reading_log
from hub.wire.hj212 import Packet
from sim.city.account import read_only
from sim.stations.station import SimStation
from tests.bench.parts import ROOT
from tests.ports import free_port

SITE = """timezone = "Asia/Shanghai"

[[site]]
id = "tower"
district = "north"
kind = "construction"
en = "Tower"
zh = "塔楼"
zone_class = "2"
"""
FAULTS = [(), (), ("gap",), ("crc_wrong",), ("item_empty", "no_flag")]
BETWEEN_S = (0.0, 1.0)  # from when the hub has acknowledged something to the next kill
HEARD_S = 30  # so long it may take to
AWAY_S = (0.0, 0.5)
BACK_MIN = 1400  # so long ago the stations begin
DRAIN_S = 120
QUANTITIES = {"a34004": "pm25", "a34002": "pm10", "Leq": "laeq"}


def write_hub(folder, stations, profile="dust_ug", password="pass{n:02d}"):
    """Write the files of a hub with so many stations, `s0` with MN `MN-0` and so on; return its port."""
    port = free_port()
    (folder / "fenceline.toml").write_text(
        f'registry = "registry.toml"\nkeys = "keys.toml"\n[broker]\nport = {free_port()}\n[http]\nport = 0\n'
        f"[hj212]\nport = {port}\n"
    )
    entries = "".join(
        f'\n[[station]]\nid = "s{n}"\nsite = "tower"\nmn = "MN-{n}"\nprofile = "{profile}"\n' for n in range(stations)
    )
    (folder / "registry.toml").write_text(SITE + entries, "utf-8")
    (folder / "keys.toml").touch(0o600)
    (folder / "keys.toml").write_text("".join(f's{n} = "{password.format(n=n)}"\n' for n in range(stations)))
    return port


class HubUnderFire:
    """`fenceline run`, killed and started again."""

    def __init__(self, folder, port):
        self.folder, self._port = folder, port
        self.process = None
        self.kills = Counter()

    def start(self):
        command = [Path(sys.executable).parent / "fenceline", "run", "--config", self.folder / "fenceline.toml"]
        with (self.folder / "hub.log").open("ab") as output:
            self.process = subprocess.Popen(
                command, env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=output, stderr=output
            )

    async def listens(self):
        while True:
            assert self.process.poll() is None, (self.folder / "hub.log").read_text()
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self._port)
                writer.close()
                return
            await asyncio.sleep(0.05)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.kills["hub"] += 1

    def kill_consumers(self):
        for child in psutil.Process(self.process.pid).children():
            with contextlib.suppress(psutil.NoSuchProcess):
                if "hub.run.consumers" in child.cmdline():
                    child.kill()
                    self.kills["consumers"] += 1

    def stop(self):
        self.process.terminate()
        self.process.wait(30)

    def store_is_behind(self):
        if not (self.folder / "data" / "series.db").exists():
            return True  # the hub is still making it
        with read_only(self.folder / "data" / "log.db") as log, read_only(self.folder / "data" / "series.db") as series:
            end = log.execute("SELECT ifnull(max(offset), 0) FROM message").fetchone()[0]
            return series.execute("SELECT offset FROM position").fetchone()[0] < end


def measured(data):
    """Return quantity and value of a data area, as the hub is to have them."""
    values = Packet((), data).items()
    found = {}
    for item in values:
        code, _, suffix = item.name.partition("-")
        if suffix in {"Avg", "Data"}:
            found[QUANTITIES[code]] = float(item.value)
    return found


def in_log(folder):
    """Return how often each value counts in the log: station, kind, start, quantity, value."""
    found = Counter()
    with reading_log(folder / "data" / "log.db") as log:
        offset = 0
        while entries := log.read(offset, 5000):
            offset = entries[-1].offset
            for entry in entries:
                for i in entry.intervals:
                    kind = entry.place.kind
                    values = (
                        i.values if kind == "minute" else {k.removesuffix("_hour"): v for k, v in i.reported.items()}
                    )
                    found.update((i.device, kind, i.t, quantity, value) for quantity, value in values.items())
    return found


def in_store(folder):
    """Return how often each value counts in the series store."""
    with read_only(folder / "data" / "series.db") as db:
        rows = db.execute("SELECT device, 'minute', t, quantity, value FROM reading WHERE flag = 'N'").fetchall()
    return Counter(map(tuple, rows))


async def run(folder, kills, stations, seed, every=0.5, longest=math.inf):
    """Run the city and return the figures; `longest`: no more kills after so long [s]."""
    dice = random.Random(seed)
    port = write_hub(folder, stations)
    begin, started = time.time() - 60 * BACK_MIN, time.monotonic()
    fleet = {
        f"s{n}": SimStation(
            port,
            f"MN-{n}",
            f"pass{n:02d}",
            faults=FAULTS[n % len(FAULTS)],
            clock=lambda: begin + (time.monotonic() - started) * 60 / every,
            seed=seed,
        )
        for n in range(stations)
    }
    hub = HubUnderFire(folder, port)
    talking = [asyncio.create_task(one.run()) for one in fleet.values()]
    measuring = [asyncio.create_task(one.measure_for_ever(every)) for one in fleet.values()]
    try:
        hub.start()
        begun = time.monotonic()
        for number in range(kills):
            if time.monotonic() - begun > longest:
                break
            await hub.listens()
            before = acknowledged(fleet)
            await settled(lambda before=before: acknowledged(fleet) == before, HEARD_S, 0.05)
            await asyncio.sleep(dice.uniform(*BETWEEN_S))
            if dice.random() < 0.2:
                hub.kill_consumers()
            hub.kill()
            await asyncio.sleep(dice.uniform(*AWAY_S))
            hub.start()
            if (number + 1) % 10 == 0:
                print(f"{number + 1} kills, {acknowledged(fleet)} acknowledged", file=sys.stderr, flush=True)
        await hub.listens()
        for one in measuring:
            one.cancel()
        await settled(lambda: any(one.account().waiting for one in fleet.values()))
        hub.kill()  # whoever comes back is asked for what is missing
        hub.start()
        await hub.listens()
        wanted = {
            (f"s{n}", {"2051": "minute", "2061": "hour"}[cn], t)
            for n in range(stations)
            for cn, t in fleet[f"s{n}"].values()
        }
        await settled(lambda: holes(wanted, in_log(folder)) or hub.store_is_behind())
    finally:
        for one in (*talking, *measuring):
            one.cancel()
        await asyncio.gather(*talking, *measuring, return_exceptions=True)
        hub.stop()
    return figures(folder, fleet, hub)


def holes(wanted, there):
    """Return what is not there and can be asked for: the hub does not know of what was before the first it has."""
    first = {}
    for device, kind, t, _, _ in there:
        first[device, kind] = min(t, first.get((device, kind), t))
    found = {key[:3] for key in there}
    return {one for one in wanted if one not in found and one[2] > first.get(one[:2], math.inf)}


async def settled(waits, longest=DRAIN_S, every=1):
    """Return when nothing is waited for any more, or when that takes too long."""
    deadline = time.monotonic() + longest
    while waits() and time.monotonic() < deadline:
        await asyncio.sleep(every)


def acknowledged(fleet):
    """Return how many minutes and hours the hub has acknowledged."""
    return sum(len(one.acknowledged) for one in fleet.values())


def figures(folder, fleet, hub):
    """Count what the stations made against what log and store have."""
    made = Counter()
    safe = Counter()
    unsent = 0
    for device, one in fleet.items():
        for (cn, t), data in one.values().items():
            kind = {"2051": "minute", "2061": "hour"}[cn]
            values = [(device, kind, t, quantity, value) for quantity, value in measured(data).items()]
            made.update(values)
            if (cn, t) in one.acknowledged:
                safe.update(values)
            elif "gap" in one._faults:
                unsent += 1
    there, stored = in_log(folder), in_store(folder)
    minutes = Counter({key: n for key, n in there.items() if key[1] == "minute"})
    text = (folder / "hub.log").read_text("utf-8", "replace")
    return {
        "kills": sum(hub.kills.values()),
        "stations": len(fleet),
        "made": sum(len(one.values()) for one in fleet.values()),
        "acknowledged": acknowledged(fleet),
        "unsent": unsent,
        "filled": len({key[:3] for key in there - safe}),
        "asked": sum(one.answered for one in fleet.values()),
        "lost": (safe - there).total() + (minutes - stored).total(),
        "duplicated": (there - made).total() + (stored - minutes).total(),
        "tracebacks": text.count("Traceback"),
    }


def main():
    """Read the command line, run, tell the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--stations", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--for", dest="longest", type=float, default=math.inf, help="seconds; then no more kills")
    parser.add_argument("--json", action="store_true", help="the figures alone, as one line")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(run(Path(folder), given.kills, given.stations, given.seed, longest=given.longest))
    print(json.dumps(found, indent=None if given.json else 2))
    sys.exit(bool(found["lost"] or found["duplicated"] or found["tracebacks"]))


if __name__ == "__main__":
    main()
