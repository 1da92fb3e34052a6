"""What a truck's fix costs from the bytes to the verdict: `make bench-muck`; one line of JSON comes last.

    make bench-muck
    make bench-muck ARGS="--trucks 10000 --areas 1000 --seconds 60"

Method. Trucks of a simulated night report every 10 s. Their frames (0200, the profile with cover and lift) go the way
of the hub without its sockets: split, checked, judged against the registry, committed to the log, read from it, put
into the dockets of all rules for trucks, judged; with samples, verdicts and positions in SQLite as in a hub. CPU time
of the process; each commit holds what comes in one second. Each fix is as old as the hub waits for what may be on its
way, so that it is judged when it comes. Sizes: trucks with 1,000 areas and routes, and with 10.

- `us_per_fix`: all of it; `intake_us`, `rules_us`: up to the commit, and from the log to the verdict.
- `flat_trucks`, `flat_areas`: cost of a fix with the most over that with the fewest, in one run.
- `at_most_us`: what it may be. Exit code 1 if it is more, or if a ratio is above 1.2.
"""

import argparse
import datetime as dt
import json
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import msgspec

from hub.compliance.rulings import GRACE, Rulings
from hub.intake.admission import Admission
from hub.intake.terminals.judging import Came, Judging, Session
from hub.intake.terminals.profiles import Profiles
from hub.log.log import Log
from hub.process.memory import freeze_heap
from hub.registry.live import Registry, Site, Terminal
from hub.storage.compliance_file import open_compliance
from hub.things.entries import Thing
from hub.things.store import ThingStore
from hub.things.tables import PART as THINGS
from hub.wire.jt808 import Header, Splitter, build, read_plain
from hub.wire.jt808.position import digits_of
from schemas import load_quantities
from schemas.domains import rules
from sim.trucks import cli
from sim.trucks.city import box, edition
from sim.trucks.judged import KIND
from sim.trucks.night import make_night

MOST_US, MOST_RATIO = 150, 1.2
PATTERNS = 20
"""Trucks whose nights are driven; the others drive the same ways."""


def things_of(night, trucks, areas):
    """Yield the city's things for so many trucks, with so many areas more."""
    for one in night.things:
        if one.kind not in ("vehicle", "haul_permit", "manifest"):
            yield one
    middle = (5000.0, 4000.0)
    for n in range(areas):
        spot = middle[0] + (n % 40) * 700.0 - 14_000, middle[1] + (n // 40) * 700.0 - 9_000
        yield edition("speed_zone", f"area-{n}", 0, 1 << 40, {"limit_kmh": 70.0}, box(spot, 150, 150))
    for n in range(trucks):
        said = {"plate": f"P{n}", "company": "hauler-0", "capacity_m3": 18.0}
        yield edition("vehicle", f"t-{n}", 0, 1 << 40, said)
        permit = {"number": str(n), "vehicle": [f"t-{n}"], "company": "hauler-0"}
        yield edition("haul_permit", f"hp-{n}", 0, 1 << 40, permit)


def measured(night, folder, trucks, areas, seconds):
    """Return (CPU of one fix up to the commit, from there to the verdict), us."""
    clock = [time.time()]
    terminals = {f"t-{n}": Terminal(id=f"t-{n}", site="s", phone=cli.phone(n), profile="trwy") for n in range(trucks)}
    site = Site(id="s", district="north", kind="construction", en="S", zh="S")
    city = Registry(sites={"s": site}, boards={}, keys={}, zone=cli.ZONE, terminals=terminals)
    log = Log(folder / "log.db")
    admission = Admission(city, load_quantities(), lambda: clock[0])
    judging = Judging(admission, city, Profiles(), log.latest, lambda: clock[0])
    sessions = [Session() for _ in range(trucks)]
    for n, session in enumerate(sessions):
        session.proven[f"t-{n}"] = "none"
    path = folder / "compliance.db"
    with closing(open_compliance(path, THINGS)) as db, db:
        store = ThingStore(db)
        for one in things_of(night, trucks, areas):
            said = {"kind": one.kind, "id": one.id, "en": one.id, "zh": one.id, "geometry": one.geometry}
            store.add(msgspec.convert(said | {"properties": one.properties}, Thing), 0, "bench", "bench")
    of_trucks = {id_: rule for id_, rule in rules().items() if rule.of == KIND}
    rulings = Rulings(path, city, of_trucks, lambda: clock[0], steady=lambda: clock[0])
    rulings.take([])
    ways = [[fix.body for fix in fixes] for fixes in night.fixes.values()]
    start, warm = int(clock[0]), 20
    intake = judging_cost = 0.0
    fixes = 0
    for second in range(warm + seconds):
        clock[0] = start + second
        if second == warm:
            freeze_heap()
        raw = []
        for n in range(second % 10, trucks, 10):
            way = ways[n % len(ways)]
            body = way[(n // len(ways) * 7 + second // 10) % len(way)]
            body = body[:22] + bytes.fromhex(_digits(start + second - GRACE)) + body[28:]
            raw.append((n, build(Header(0x0200, cli.phone(n), second & 0xFFFF), body)))
        begun = time.process_time()
        outcomes = []
        for n, frame in raw:
            for piece in Splitter().feed(frame):
                came = Came(piece.raw, read_plain(piece.raw), "127.0.0.1", sessions[n])
                outcomes += judging.judge(came).outcomes
        log.commit(outcomes, clock[0])
        between = time.process_time()
        while entries := log.read(rulings.position(), 1000):
            rulings.take(entries)
        ended = time.process_time()
        if second >= warm:
            intake, judging_cost, fixes = intake + between - begun, judging_cost + ended - between, fixes + len(raw)
    rulings.close()
    log.close()
    return intake / fixes * 1e6, judging_cost / fixes * 1e6


def _digits(t):
    return digits_of(dt.datetime.fromtimestamp(t, dt.UTC))


def main() -> None:
    """Measure; exit code 1 if a fix costs more than it may."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trucks", type=int, default=10_000)
    parser.add_argument("--areas", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=60)
    given = parser.parse_args()
    night = make_night(7, cli.midnight(""), PATTERNS, 0, 0, hours=1.0)
    sizes = {"most": (given.trucks, given.areas), "trucks": (100, given.areas), "areas": (given.trucks, 10)}
    found = {}
    for name, (trucks, areas) in sizes.items():
        with tempfile.TemporaryDirectory() as folder:
            found[name] = measured(night, Path(folder), trucks, areas, given.seconds)
            print(name, *map(round, found[name]), file=sys.stderr)
    us = {name: sum(parts) for name, parts in found.items()}
    flat = {f"flat_{name}": round(us["most"] / us[name], 2) for name in ("trucks", "areas")}
    result = {
        "ok": us["most"] <= MOST_US and max(flat.values()) <= MOST_RATIO,
        "trucks": given.trucks,
        "areas": given.areas,
        "us_per_fix": round(us["most"], 1),
        "at_most_us": MOST_US,
        "intake_us": round(found["most"][0], 1),
        "rules_us": round(found["most"][1], 1),
        **flat,
    }
    print(json.dumps(result))
    sys.exit(not result["ok"])


if __name__ == "__main__":
    main()
