"""Kills the hub at random moments while terminals send JT/T 808, and counts: `make torture-jt808`; JSON comes last.

    make torture-jt808 ARGS="--kills 200 --json"

Terminals drive and send over TCP to `fenceline run`, which is ended by SIGKILL, or its consumers alone, stays away
for a moment and starts again. Some have faults: wrong checksums, parts that are only sent when they are asked for,
every fix twice, no position. Then they send what they have, and every fix that the hub acknowledged (8001) is looked
for in the log. Each terminal is that of a truck without a permit: what rules said of it, killed again and again, must
be what they say of the same log in one go.

`made`: fixes. `acknowledged`: of those. `lost`: acknowledged and not in the log with its own bytes. `duplicated`: fixes
that the log has more than once, or that were never made. `verdicts`: that hold. `differ`: of these and of those in one
go, that the other does not have. Ends with 1 if any is lost, duplicated or differs, or waits for ever.
"""

import math
import time
from collections import Counter
from contextlib import closing

import msgspec

from hub.compliance.rule_table import RuleTable
from hub.compliance.rulings import Rulings
from hub.compliance.tables import PART
from hub.config.files import load_config
from hub.log.reader import reading_log
from hub.registry.live import load_registry
from hub.storage.compliance_file import open_compliance
from hub.things.entries import Thing
from hub.things.store import ThingStore
from hub.things.tables import PART as THINGS
from hub.wire.jt808 import read
from hub.wire.terminal import unpack
from hub.wire.terminal_kinds import FIX
from schemas.domains import rules
from sim.city.account import read_only
from sim.terminals.terminal import SimTerminal
from tests.torture_frames import HubUnderFire, besiege, command, settled, write_files

FAULTS = [(), ("twice",), ("checksum",), ("part",), ("no_fix", "twice")]
PROFILES = "trwy", "standard"
FAR = {"type": "Point", "coordinates": [100.0, 40.0]}
BACK_S = 86_400  # so long ago the terminals begin


def write_hub(folder, terminals):
    """Write the files of a hub with so many terminals; return its port."""
    entries = "".join(
        f'\n[[terminal]]\nid = "t{n}"\nsite = "tower"\nphone = "{phone_of(n)}"\nprofile = "{PROFILES[n % 4 > 0]}"\n'
        for n in range(terminals)
    )
    return write_files(folder, "jt808", entries, "".join(f't{n} = "code{n:02d}"\n' for n in range(terminals)))


def phone_of(n):
    """Return the number of a terminal."""
    return f"13800{n:06d}"


def know(folder, terminals):
    """Let a hub know of a truck for each terminal, and of a site and a dump site far away."""
    things = [{"kind": "vehicle", "id": f"v{n}", "properties": {"source": f"t{n}"}} for n in range(terminals)]
    things += [{"kind": kind, "id": "far", "geometry": FAR} for kind in ("project", "dump_site")]
    folder.mkdir(exist_ok=True)
    with closing(open_compliance(folder / "compliance.db", THINGS)) as db:
        for one in things:
            ThingStore(db).add(msgspec.convert({"en": one["id"], "zh": one["id"], **one}, Thing), 0, "torture", "test")


def holding(folder):
    """Return the verdicts on trucks that hold."""
    with closing(open_compliance(folder / "compliance.db", PART)) as db:
        keys = db.execute("SELECT DISTINCT rule, 'vehicle', subject FROM rule_verdict WHERE subject_kind = 'vehicle'")
        return Counter(told(one) for key in keys.fetchall() for one in RuleTable(db).said(key)[0])


def told(one):
    """Return what is told of a verdict; that one which goes on has become longer is not told."""
    over = () if one.open else (one.end, one.value, one.evidence, one.samples, one.editions)
    return one.rule, one.subject, one.start, one.outcome, one.grade, one.reason, one.open, *over


def judge_on(folder, data):
    """Judge the log of a hub that has ended to its end, in the database in `data`; return the verdicts that hold."""
    registry = load_registry(load_config(folder / "fenceline.toml"))
    rulings = Rulings(data / "compliance.db", registry, rules(), time.time)
    with closing(rulings), reading_log(folder / "data" / "log.db") as log:
        while (entries := log.read(rulings.position(), 1_000_000)) or rulings._cold:
            rulings.take(entries)  # of those that are to be judged from the beginning as many as there is time for
    return holding(data)


def is_judged(folder):
    """Tell whether rules have taken all that is in the log."""
    with read_only(folder / "data" / "log.db") as log, read_only(folder / "data" / "compliance.db") as db:
        end = log.execute("SELECT ifnull(max(offset), 0) FROM message").fetchone()[0]
        return db.execute("SELECT offset FROM rule_position").fetchone()[0] >= end


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
    know(folder / "once", len(fleet))
    said, once = judge_on(folder, folder / "data"), judge_on(folder, folder / "once")
    return {
        "kills": sum(hub.kills.values()),
        "terminals": len(fleet),
        "made": made.total(),
        "acknowledged": safe.total(),
        "waiting": sum(one.account().waiting for one in fleet.values()),
        "lost": (safe - there).total(),
        "duplicated": (there - made).total(),
        "verdicts": said.total(),
        "differ": (said - once).total() + (once - said).total(),
        "tracebacks": hub.tracebacks(),
    }


async def run(folder, kills, terminals, seed, every=0.2, longest=math.inf):
    """Run the city and return the figures; `longest`: no more kills after so long [s]."""
    port = write_hub(folder, terminals)
    know(folder / "data", terminals)
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
        await settled(lambda: hub.store_is_behind() or not is_judged(folder))

    makers = [one.drive(every, 1) for one in fleet.values()]
    await besiege(hub, fleet, makers, settle, kills, seed, longest)
    return figures(folder, fleet, hub)


if __name__ == "__main__":
    command(__doc__, "terminals", run, ("lost", "duplicated", "differ", "waiting", "tracebacks"))
