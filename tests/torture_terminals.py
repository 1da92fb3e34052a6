"""Kills the hub at random moments while terminals send JT/T 808, and counts: `make torture-jt808`; JSON comes last.

    make torture-jt808 ARGS="--kills 200 --json"

Terminals drive and send over TCP to `fenceline run`, which is ended by SIGKILL, or its consumers alone, stays away
for a moment and starts again. Some have faults: wrong checksums, parts that are only sent when they are asked for,
every fix twice, no position. Then they send what they have, and every fix that the hub acknowledged (8001) is looked
for in the log.

`made`: fixes. `acknowledged`: of those. `lost`: acknowledged and not in the log with its own bytes. `duplicated`: fixes
that the log has more than once, or that were never made. Ends with 1 if any is lost or duplicated, or waits for ever.
"""

import argparse
import asyncio
import json
import math
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from hub.log.reader import reading_log
from hub.wire.jt808 import read
from hub.wire.terminal import unpack
from hub.wire.terminal_kinds import FIX
from sim.terminals.terminal import SimTerminal
from tests.ports import free_port
from tests.torture_stations import AWAY_S, BETWEEN_S, SITE, HubUnderFire, settled

FAULTS = [(), ("twice",), ("checksum",), ("part",), ("no_fix", "twice")]
HEARD_S = 60  # so long it may take until the hub has acknowledged something
DRAIN_S = 180
BACK_S = 86_400  # so long ago the terminals begin


def write_hub(folder, terminals):
    """Write the files of a hub with so many terminals; return its port."""
    port = free_port()
    (folder / "fenceline.toml").write_text(
        f'registry = "registry.toml"\nkeys = "keys.toml"\n[broker]\nport = {free_port()}\n[http]\nport = 0\n'
        f"[jt808]\nport = {port}\n"
    )
    entries = "".join(
        f'\n[[terminal]]\nid = "t{n}"\nsite = "tower"\nphone = "{phone_of(n)}"\nprofile = "trwy"\n'
        for n in range(terminals)
    )
    (folder / "registry.toml").write_text(SITE + entries, "utf-8")
    (folder / "keys.toml").touch(0o600)
    (folder / "keys.toml").write_text("".join(f't{n} = "code{n:02d}"\n' for n in range(terminals)))
    return port


def phone_of(n):
    """Return the number of a terminal."""
    return f"13800{n:06d}"


def in_log(folder):
    """Return how often each fix is in the log: terminal, time (Unix s), body."""
    found = Counter()
    with reading_log(folder / "data" / "log.db") as log:
        offset = 0
        while entries := log.read(offset, 5000):
            offset = entries[-1].offset
            for entry in entries:
                if entry.place.kind != FIX:
                    continue
                head, data = unpack(entry.payload)
                body = data if head.of else read(data).content.bodies[0]
                (moment,) = entry.said.moments
                found[entry.place.device, moment.t, body] += 1
    return found


def figures(folder, fleet, hub):
    """Count what the terminals made against what the log has."""
    made = Counter((id_, t, body) for id_, one in fleet.items() for t, body in one.fixes().items())
    safe = Counter((id_, t, one.fixes()[t]) for id_, one in fleet.items() for t in one.acknowledged)
    there = in_log(folder)
    text = (folder / "hub.log").read_text("utf-8", "replace")
    return {
        "kills": sum(hub.kills.values()),
        "terminals": len(fleet),
        "made": made.total(),
        "acknowledged": safe.total(),
        "waiting": sum(one.account().waiting for one in fleet.values()),
        "lost": (safe - there).total(),
        "duplicated": (there - made).total(),
        "tracebacks": text.count("Traceback"),
    }


def acknowledged(fleet):
    """Return how many fixes the hub has acknowledged."""
    return sum(len(one.acknowledged) for one in fleet.values())


async def run(folder, kills, terminals, seed, every=0.2, longest=math.inf):
    """Run the city and return the figures; `longest`: no more kills after so long [s]."""
    dice = random.Random(seed)
    port = write_hub(folder, terminals)
    begin, started = time.time() - BACK_S, time.monotonic()
    fleet = {
        f"t{n}": SimTerminal(
            port,
            phone_of(n),
            None if n % 2 else f"code{n:02d}",
            newer=n % 3 == 0,
            faults=FAULTS[n % len(FAULTS)],
            clock=lambda: begin + (time.monotonic() - started) / every,
            seed=seed,
        )
        for n in range(terminals)
    }
    hub = HubUnderFire(folder, port)
    talking = [asyncio.create_task(one.run()) for one in fleet.values()]
    driving = [asyncio.create_task(one.drive(every, 1)) for one in fleet.values()]
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
        for one in driving:
            one.cancel()
        await settled(lambda: any(one.account().waiting for one in fleet.values()), DRAIN_S, 0.2)
    finally:
        for one in (*talking, *driving):
            one.cancel()
        await asyncio.gather(*talking, *driving, return_exceptions=True)
        hub.stop()
    return figures(folder, fleet, hub)


def main():
    """Read the command line, run, tell the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--terminals", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--for", dest="longest", type=float, default=math.inf, help="seconds; then no more kills")
    parser.add_argument("--json", action="store_true", help="the figures alone, as one line")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(run(Path(folder), given.kills, given.terminals, given.seed, longest=given.longest))
    print(json.dumps(found, indent=None if given.json else 2))
    sys.exit(any(found[name] for name in ("lost", "duplicated", "waiting", "tracebacks")))


if __name__ == "__main__":
    main()
