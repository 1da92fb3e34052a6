"""What torture of stations and of terminals has in common: a hub that is killed, and the siege."""

import argparse
import asyncio
import contextlib
import json
import math
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import psutil

from sim.city.account import read_only
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
BETWEEN_S = (0.0, 1.0)  # from when the hub has acknowledged something to the next kill
HEARD_S = 60  # so long it may take to
AWAY_S = (0.0, 0.5)
DRAIN_S = 180


def write_files(folder, section, entries, secrets):
    """Write the files of a hub that listens as a section says; return its port."""
    port = free_port()
    (folder / "fenceline.toml").write_text(
        f'registry = "registry.toml"\nkeys = "keys.toml"\n[broker]\nport = {free_port()}\n[http]\nport = 0\n'
        f"[{section}]\nport = {port}\n"
    )
    (folder / "registry.toml").write_text(SITE + entries, "utf-8")
    (folder / "keys.toml").touch(0o600)
    (folder / "keys.toml").write_text(secrets)
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
        try:
            with read_only(self.folder / "data" / "log.db") as log:
                end = log.execute("SELECT ifnull(max(offset), 0) FROM message").fetchone()[0]
            with read_only(self.folder / "data" / "series.db") as series:
                return series.execute("SELECT ifnull(max(offset), -1) FROM position").fetchone()[0] < end
        except sqlite3.OperationalError as error:
            if "no such table" not in str(error):
                raise
            return True  # the hub, killed while it made it, makes it now

    def tracebacks(self):
        return (self.folder / "hub.log").read_text("utf-8", "replace").count("Traceback")


async def besiege(hub, fleet, makers, settle, kills, seed, longest=math.inf):
    """Kill a hub again and again while a fleet sends to it, then let the fleet send what it has.

    `fleet`: by id, each with `run()` and `acknowledged`; `makers`: coroutines that make what is sent, ended with the
    last kill; `settle`: awaited then. `longest`: no more kills after so long [s].
    """
    dice = random.Random(seed)
    talking = [asyncio.create_task(one.run()) for one in fleet.values()]
    making = [asyncio.create_task(one) for one in makers]
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
        for one in making:
            one.cancel()
        await settled(lambda: any(one.account().waiting for one in fleet.values()), DRAIN_S, 0.2)
        await settle()
    finally:
        for one in (*talking, *making):
            one.cancel()
        await asyncio.gather(*talking, *making, return_exceptions=True)
        hub.stop()


async def settled(waits, longest=DRAIN_S, every=1):
    """Return when nothing is waited for any more, or when that takes too long."""
    deadline = time.monotonic() + longest
    while waits() and time.monotonic() < deadline:
        await asyncio.sleep(every)


def acknowledged(fleet):
    """Return how much the hub has acknowledged."""
    return sum(len(one.acknowledged) for one in fleet.values())


def command(doc, speakers, run, bad):
    """Read the command line, run, tell the figures; end with 1 if one of those that are `bad` is not 0."""
    parser = argparse.ArgumentParser(description=doc.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument(f"--{speakers}", dest="many", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--for", dest="longest", type=float, default=math.inf, help="seconds; then no more kills")
    parser.add_argument("--json", action="store_true", help="the figures alone, as one line")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(run(Path(folder), given.kills, given.many, given.seed, longest=given.longest))
    print(json.dumps(found, indent=None if given.json else 2))
    sys.exit(any(found[name] for name in bad))
