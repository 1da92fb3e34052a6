"""Kills the hub at random moments while terminals send JT/T 808, and counts: `make torture-jt808`; JSON comes last.

    make torture-jt808 ARGS="--kills 200 --json"

Terminals drive and send over TCP to `fenceline run`, which is ended by SIGKILL, or its consumers alone, stays away
for a moment and starts again. Some have faults: wrong checksums, parts that are only sent when they are asked for,
every fix twice, no position. Then they send what they have, and every fix that the hub acknowledged (8001) is looked
for in the log.

`made`: fixes. `acknowledged`: of those. `lost`: acknowledged and not in the log with its own bytes. `duplicated`: fixes
that the log has more than once, or that were never made. Ends with 1 if any is lost or duplicated, or waits for ever.
"""

import math
import time
from collections import Counter

from hub.log.reader import reading_log
from hub.wire.jt808 import read
from hub.wire.terminal import unpack
from hub.wire.terminal_kinds import FIX
from sim.terminals.terminal import SimTerminal
from tests.torture_frames import HubUnderFire, besiege, command, settled, write_files

FAULTS = [(), ("twice",), ("checksum",), ("part",), ("no_fix", "twice")]
BACK_S = 86_400  # so long ago the terminals begin


def write_hub(folder, terminals):
    """Write the files of a hub with so many terminals; return its port."""
    entries = "".join(
        f'\n[[terminal]]\nid = "t{n}"\nsite = "tower"\nphone = "{phone_of(n)}"\nprofile = "trwy"\n'
        for n in range(terminals)
    )
    return write_files(folder, "jt808", entries, "".join(f't{n} = "code{n:02d}"\n' for n in range(terminals)))


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
    return {
        "kills": sum(hub.kills.values()),
        "terminals": len(fleet),
        "made": made.total(),
        "acknowledged": safe.total(),
        "waiting": sum(one.account().waiting for one in fleet.values()),
        "lost": (safe - there).total(),
        "duplicated": (there - made).total(),
        "tracebacks": hub.tracebacks(),
    }


async def run(folder, kills, terminals, seed, every=0.2, longest=math.inf):
    """Run the city and return the figures; `longest`: no more kills after so long [s]."""
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

    async def settle():
        await settled(hub.store_is_behind)

    makers = [one.drive(every, 1) for one in fleet.values()]
    await besiege(hub, fleet, makers, settle, kills, seed, longest)
    return figures(folder, fleet, hub)


if __name__ == "__main__":
    command(__doc__, "terminals", run, ("lost", "duplicated", "waiting", "tracebacks"))
