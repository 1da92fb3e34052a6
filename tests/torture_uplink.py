"""Kills a hub and the platform above it at random moments, and counts: `make torture-uplink`; JSON comes last.

    make torture-uplink ARGS="--kills 50 --json"

Stations send minutes by HJ 212 to `fenceline run`, which tells them to another `fenceline run` by its [[uplink]]; both
are ended by SIGKILL, now the one, now the other, or the consumers of one alone, stay away for a moment and start again.
Then all send what they have, and the minutes that the lower hub has are compared with those of the upper one.

`made`: values that stations measured and the lower hub acknowledged. `lost`: of those that the lower hub has, the upper
one has not, or with another value. `duplicated`: that count at the upper one more than once, or were never measured.
Ends with 1 if any is lost or duplicated.
"""

import asyncio
import math
import random
import time
from collections import Counter

from sim.stations.station import SimStation
from tests.torture_frames import HubUnderFire, besiege, command, settled
from tests.torture_stations import in_log, write_hub

BACK_MIN = 1400  # so long ago the stations begin
UPLINK = """
[[uplink]]
name = "province"
host = "127.0.0.1"
port = {port}
password_file = "province-pw"
send = ["minute"]
settle = 0
units = {{a34001 = "ug/m3", a34002 = "ug/m3", a34004 = "ug/m3"}}
"""
POINT = """
[[uplink.point]]
device = "s{n}"
mn = "MN-{n}"
"""


def write_hubs(folder, stations):
    """Write the files of both hubs; return the port of each."""
    lower, upper = folder / "lower", folder / "upper"
    ports = []
    for place in (upper, lower):
        place.mkdir()
        ports.append(write_hub(place, stations, password="upper1" if place is upper else "pass{n:02d}"))
    with (lower / "fenceline.toml").open("a") as file:
        file.write(UPLINK.format(port=ports[0]) + "".join(POINT.format(n=n) for n in range(stations)))
    (lower / "province-pw").touch(0o600)
    (lower / "province-pw").write_text("upper1")
    return ports[1], ports[0]


def minutes(folder):
    """Return how often each value of a minute counts in a hub's log, as exactly as an uplink tells it."""
    if not (folder / "data" / "log.db").exists():
        return Counter()
    found = Counter()
    for (device, kind, t, quantity, value), times in in_log(folder).items():
        if kind == "minute" and quantity in {"pm25", "pm10", "laeq"}:
            found[device, t, quantity, round(value, 1)] += times
    return found


async def run(folder, kills, stations, seed, every=0.5, longest=math.inf):
    """Run both hubs and return the figures; `longest`: no more kills after so long [s]."""
    port, above = write_hubs(folder, stations)
    begin, started = time.time() - 60 * BACK_MIN, time.monotonic()
    fleet = {
        f"s{n}": SimStation(
            port,
            f"MN-{n}",
            f"pass{n:02d}",
            clock=lambda: begin + (time.monotonic() - started) * 60 / every,
            seed=seed,
        )
        for n in range(stations)
    }
    hub, platform = HubUnderFire(folder / "lower", port), HubUnderFire(folder / "upper", above)
    dice = random.Random(seed)

    async def strike():
        """Kill the platform, too, from time to time."""
        while True:
            await asyncio.sleep(dice.uniform(0.5, 6))
            await platform.listens()
            if dice.random() < 0.3:
                platform.kill_consumers()
            platform.kill()
            await asyncio.sleep(dice.uniform(0, 1))
            platform.start()

    async def settle():
        await platform.listens()
        await settled(lambda: minutes(folder / "lower") - minutes(folder / "upper"))

    platform.start()
    try:
        makers = [one.measure_for_ever(every) for one in fleet.values()]
        await besiege(hub, fleet, [*makers, strike()], settle, kills, seed, longest)
    finally:
        platform.stop()
    lower, upper = minutes(folder / "lower"), minutes(folder / "upper")
    return {
        "kills": sum(hub.kills.values()),
        "kills_above": sum(platform.kills.values()),
        "stations": len(fleet),
        "made": lower.total(),
        "lost": (lower - upper).total(),
        "duplicated": (upper - lower).total(),
        "tracebacks": hub.tracebacks() + platform.tracebacks(),
    }


if __name__ == "__main__":
    command(__doc__, "stations", run, ("lost", "duplicated", "tracebacks"))
