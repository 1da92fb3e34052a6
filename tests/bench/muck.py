"""What a truck's fix costs from the bytes to the verdict, and how soon an alert is there: `make bench-muck`.

    make bench-muck
    make bench-muck ARGS="--trucks 10000 --areas 1000 --seconds 60"

Method. Trucks of a simulated night report every 10 s; of one in thirty the cover opens while it is measured. Their
frames (0200, the profile with cover and lift) go the way of the hub without its sockets: split, checked, judged against
the registry, committed to the log, read from it, put into the dockets of all rules for trucks, judged; with samples,
verdicts, alerts and positions in SQLite as in a hub. CPU time of the process; each commit holds what comes in one
second. Sizes: trucks with 1,000 areas and routes, and with 10. One line of JSON comes last.

- `us_per_fix`: all of it; `intake_us`, `rules_us`: up to the commit, and from the log to the verdict.
- `flat_trucks`, `flat_areas`: cost of a fix with the most over that with the fewest, in one run.
- `alerts`, `delay_p50_s`, `delay_p99_s`: from the arrival of the frame that makes a breach certain to the commit of its
  alert. The hub's clock goes on by the CPU time that the hub has used: what else the machine does counts for nothing,
  and what it cannot do within a second keeps the next one waiting.
- `at_most_us`, `at_most_s`: what it may be. Exit code 1 if it is more, or if a ratio is above 1.2.
"""

import argparse
import datetime as dt
import json
import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import msgspec

from hub.compliance.rulings import Rulings
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
from sim.trucks.night import OPEN, make_night

MOST_US, MOST_RATIO, MOST_S = 150, 1.2, 5.0
PATTERNS = 20
"""Trucks whose nights are driven; the others drive the same ways."""
OPENED, WITHIN = 30, 20
"""Of one truck in so many the cover opens, within so many s."""
EVERY = 10
"""Between two fixes of a truck [s]."""
BEFORE, APART = 5, 75
"""So many fixes of each truck come first, so far apart [s]: then it has been heard without a hole."""


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


def frames(ways, trucks, second, warm, start):
    """Yield what comes in a second: the number of a truck and its frame."""
    for n in range(second % EVERY, trucks, EVERY):
        way = ways[n % len(ways)]
        body = way[(n // len(ways) * 7 + second // EVERY) % len(way)]
        t = start + second - APART * max(0, BEFORE - 1 - second // EVERY)
        if n % OPENED == 0 and second >= warm + n // OPENED % WITHIN:
            status = int.from_bytes(body[4:8]) | OPEN
            body = body[:4] + status.to_bytes(4) + body[8:]
        body = body[:22] + bytes.fromhex(digits_of(dt.datetime.fromtimestamp(t, cli.ZONE))) + body[28:]
        yield n, build(Header(0x0200, cli.phone(n), second & 0xFFFF), body)


class Clock:
    """The hub's clock: it shows when something arrives, and goes on by the CPU time that is used from then on."""

    def __init__(self, now):
        self._origin, self._mark = now, None

    def __call__(self):
        """Return Unix time in s."""
        return self._origin if self._mark is None else self._origin + time.process_time() - self._mark

    def arrive(self, t):
        """Begin what arrives at a moment, or later when what came before is not done yet."""
        self._origin, self._mark = max(self._origin, t), time.process_time()

    def rest(self):
        """Stop until something arrives; return what was used, s."""
        self._origin, used = self(), time.process_time() - self._mark
        self._mark = None
        return used


def measured(night, folder, trucks, areas, seconds):
    """Return (CPU of one fix up to the commit, from there to the verdict) in us, and delays of alerts in s."""
    start, warm = cli.midnight("") + 22 * 3600, BEFORE * EVERY
    clock = Clock(start)
    terminals = {f"t-{n}": Terminal(id=f"t-{n}", site="s", phone=cli.phone(n), profile="trwy") for n in range(trucks)}
    site = Site(id="s", district="north", kind="construction", en="S", zh="S")
    city = Registry(sites={"s": site}, boards={}, keys={}, zone=cli.ZONE, terminals=terminals)
    log = Log(folder / "log.db")
    admission = Admission(city, load_quantities(), clock)
    judging = Judging(admission, city, Profiles(), log.latest, clock)
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
    rulings = Rulings(path, city, of_trucks, clock, steady=clock)
    rulings.take([])
    ways = [[fix.body for fix in fixes] for fixes in night.fixes.values()]
    intake = judging_cost = 0.0
    fixes, delays, told = 0, [], 0
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as reader:
        for second in range(warm + seconds):
            if second == warm:
                freeze_heap()
            raw = list(frames(ways, trucks, second, warm, start))
            clock.arrive(start + second)
            outcomes = []
            for n, frame in raw:
                for piece in Splitter().feed(frame):
                    came = Came(piece.raw, read_plain(piece.raw), "127.0.0.1", sessions[n])
                    outcomes += judging.judge(came).outcomes
            log.commit(outcomes, clock())
            up_to_here = clock.rest()
            clock.arrive(start + second)
            while entries := log.read(rulings.position(), 1000):
                rulings.take(entries)
            from_here = clock.rest()
            found = reader.execute(BEGUN, (told,)).fetchall()
            told = max((id_ for id_, _ in found), default=told)
            if second >= warm:
                intake, judging_cost, fixes = intake + up_to_here, judging_cost + from_here, fixes + len(raw)
                delays += [clock() - made for _, made in found]
    rulings.close()
    log.close()
    return intake / fixes * 1e6, judging_cost / fixes * 1e6, sorted(delays)


BEGUN = """
SELECT alert.id, rule_sample.t FROM alert
JOIN rule_verdict AS v ON v.subject = alert.device AND v.rule = alert.rule AND v.start = alert.first
JOIN rule_sample ON rule_sample.kind = v.subject_kind AND rule_sample.id = v.subject
AND rule_sample.sample = json_extract(v.evidence, '$[#-1]')
WHERE alert.id > ? AND v.revision = 1 AND v.open AND alert.fired
"""
"""Alerts about what goes on, and when the last fix was made by which they were raised."""


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
            print(name, *map(round, found[name][:2]), file=sys.stderr)
    us = {name: sum(parts[:2]) for name, parts in found.items()}
    delays = found["most"][2]
    p50, p99 = (delays[int(len(delays) * share)] if delays else None for share in (0.5, 0.99))
    flat = {f"flat_{name}": round(us["most"] / us[name], 2) for name in ("trucks", "areas")}
    result = {
        "ok": us["most"] <= MOST_US and max(flat.values()) <= MOST_RATIO and p99 is not None and p99 <= MOST_S,
        "trucks": given.trucks,
        "areas": given.areas,
        "us_per_fix": round(us["most"], 1),
        "at_most_us": MOST_US,
        "intake_us": round(found["most"][0], 1),
        "rules_us": round(found["most"][1], 1),
        **flat,
        "alerts": len(delays),
        "delay_p50_s": p50 and round(p50, 2),
        "delay_p99_s": p99 and round(p99, 2),
        "at_most_s": MOST_S,
    }
    print(json.dumps(result))
    sys.exit(not result["ok"])


if __name__ == "__main__":
    main()
