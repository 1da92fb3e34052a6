"""How fast positions are judged against areas and routes: `make bench-rules`; one line of JSON comes last.

    make bench-rules
    make bench-rules ARGS="--places 1000 --fixes 20000"

Method. A city of 60 x 45 km with as many areas as routes. Areas are rings of 65 corners, 100 to 600 m in radius; routes
are lines of 40 corners that wander for about 10 km. A truck drives across it, a fix every 10 s with an error of 15 m,
loaded half of the time. Three rules look at it at once, as in a city: it keeps to its routes (a corridor of 50 m),
stays out of the areas, and dumps in areas only. All of it is counted: the index, distances to what is near, the error,
the rule, the verdicts and their evidence, in batches of 100 fixes that are judged as they come.

- `us_per_fix`: of all three rules together; `at_most_us` is what it may be.
- `late_us_per_fix`: the same when every fifth batch comes an hour late and is judged in between.
- `build_ms`: making the index of all places.

Median of five. Times are this machine's, CPU time of the process.
"""

import argparse
import datetime as dt
import json
import math
import random
import statistics
import sys
import time
from itertools import pairwise
from zoneinfo import ZoneInfo

from hub.judge.kinds import course_of
from hub.judge.kinds.docket import Docket
from hub.judge.kinds.world import World
from hub.judge.records import Edition, Sample
from hub.judge.windows import LocalTime
from schemas.domains.entries import Rule

MOST_US = 150
BEGIN = 1_772_467_200
WEST, SOUTH, WIDE, HIGH = 113.0, 22.9, 0.58, 0.4
RULES = {
    "route": {"route": {"kinds": ["route"], "within": 50}, "for": 120, "when": {"states": {"load": ["full"]}}},
    "area": {"places": {"kinds": ["area"]}, "must": "stay_out", "for": 120, "when": {"states": {"load": ["full"]}}},
    "state": {
        "change": {"state": "load", "from": ["full"], "to": ["empty"], "during": {"lift": ["up"]}},
        "places": {"kinds": ["area"]},
    },
}


def places(count, dice):
    """Return so many areas and routes, half of each."""
    found = []
    for number in range(count):
        lon, lat = WEST + dice.random() * WIDE, SOUTH + dice.random() * HIGH
        if number % 2:
            size = dice.uniform(0.001, 0.006)
            turns = [2 * math.pi * n / 64 for n in range(64)]
            ring = [(lon + size * math.cos(turn), lat + size * math.sin(turn)) for turn in turns]
            geometry = {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}
        else:
            way = [(lon, lat)]
            heading = dice.uniform(0, 2 * math.pi)
            for _ in range(39):
                heading += dice.uniform(-0.5, 0.5)
                way.append((way[-1][0] + 0.0025 * math.cos(heading), way[-1][1] + 0.0025 * math.sin(heading)))
            geometry = {"type": "LineString", "coordinates": way}
        kind = "area" if number % 2 else "route"
        found.append(Edition(kind=kind, id=f"p-{number}", number=1, geometry=geometry))
    return found


def drive(count, dice):
    """Return a truck's fixes."""
    lon, lat, heading, found = WEST + WIDE / 2, SOUTH + HIGH / 2, 0.0, []
    for number in range(count):
        heading += dice.uniform(-0.2, 0.2)
        lon = min(max(lon + 0.001 * math.cos(heading), WEST), WEST + WIDE)
        lat = min(max(lat + 0.001 * math.sin(heading), SOUTH), SOUTH + HIGH)
        if lon in (WEST, WEST + WIDE) or lat in (SOUTH, SOUTH + HIGH):
            heading += math.pi / 2
        states = {"load": "full" if number // 60 % 2 else "empty", "lift": "up" if number % 60 < 3 else "down"}
        found.append(Sample(BEGIN + 10 * number, f"truck {number}", lat, lon, 15.0, 36.0, states))
    return found


def judged(world, fixes, *, late):
    """Judge by each rule; return the CPU time of one fix, us, and how many verdicts there were."""
    local, verdicts, begun = LocalTime(ZoneInfo("Asia/Shanghai")), 0, time.process_time()
    for kind, params in RULES.items():
        rule = Rule(
            en="-", zh="-", id=kind, kind=kind, citation="-", verified="U", in_force=dt.date(2026, 1, 1), params=params
        )
        docket = Docket(rule, "truck", course_of(rule, world, local, "truck", 0), local)
        batches = [fixes[n : n + 100] for n in range(0, len(fixes), 100)]
        if late:  # a batch is 1000 s: those come an hour late
            order = sorted(range(len(batches)), key=lambda n: n + 3.6 * (n % 5 == 0))
            batches = [batches[n] for n in order]
        for batch in batches:
            docket.add(batch)
            verdicts += len(docket.judge(batch[-1].t, batch[-1].t))
        verdicts += len(docket.judge(fixes[-1].t + 86_400, fixes[-1].t))
    return (time.process_time() - begun) / len(fixes) * 1e6, verdicts


def main() -> None:
    """Measure; exit code 1 if a fix costs more than it may."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--places", type=int, default=1000)
    parser.add_argument("--fixes", type=int, default=10_000)
    given = parser.parse_args()
    dice = random.Random(7)
    editions, fixes = places(given.places, dice), drive(given.fixes, dice)
    assert all(later.t > one.t for one, later in pairwise(fixes))
    begun = time.process_time()
    world = World(editions)
    build = (time.process_time() - begun) * 1000
    runs = [judged(world, fixes, late=False) for _ in range(5)]
    slower = [judged(world, fixes, late=True) for _ in range(5)]
    us = statistics.median(one for one, _ in runs)
    result = {
        "ok": us <= MOST_US,
        "places": given.places,
        "fixes": given.fixes,
        "us_per_fix": round(us, 1),
        "at_most_us": MOST_US,
        "late_us_per_fix": round(statistics.median(one for one, _ in slower), 1),
        "build_ms": round(build, 1),
        "verdicts": runs[0][1],
    }
    print(json.dumps(result))
    sys.exit(not result["ok"])


if __name__ == "__main__":
    main()
