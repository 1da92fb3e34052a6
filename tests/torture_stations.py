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

import math
import time
from collections import Counter

from hub.log.reader import reading_log
from hub.wire.hj212 import Packet
from sim.city.account import read_only
from sim.stations.station import SimStation
from tests.torture_frames import HubUnderFire, acknowledged, besiege, command, settled, write_files

FAULTS = [(), (), ("gap",), ("crc_wrong",), ("item_empty", "no_flag")]
BACK_MIN = 1400  # so long ago the stations begin
QUANTITIES = {"a34004": "pm25", "a34002": "pm10", "Leq": "laeq"}


def write_hub(folder, stations, profile="dust_ug", password="pass{n:02d}"):
    """Write the files of a hub with so many stations, `s0` with MN `MN-0` and so on; return its port."""
    entries = "".join(
        f'\n[[station]]\nid = "s{n}"\nsite = "tower"\nmn = "MN-{n}"\nprofile = "{profile}"\n' for n in range(stations)
    )
    secrets = "".join(f's{n} = "{password.format(n=n)}"\n' for n in range(stations))
    return write_files(folder, "hj212", entries, secrets)


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

    async def settle():
        hub.kill()  # whoever comes back is asked for what is missing
        hub.start()
        await hub.listens()
        wanted = {
            (f"s{n}", {"2051": "minute", "2061": "hour"}[cn], t)
            for n in range(stations)
            for cn, t in fleet[f"s{n}"].values()
        }
        await settled(lambda: holes(wanted, in_log(folder)) or hub.store_is_behind())

    makers = [one.measure_for_ever(every) for one in fleet.values()]
    await besiege(hub, fleet, makers, settle, kills, seed, longest)
    return figures(folder, fleet, hub)


def holes(wanted, there):
    """Return what is not there and can be asked for: the hub does not know of what was before the first it has."""
    first = {}
    for device, kind, t, _, _ in there:
        first[device, kind] = min(t, first.get((device, kind), t))
    found = {key[:3] for key in there}
    return {one for one in wanted if one not in found and one[2] > first.get(one[:2], math.inf)}


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
        "tracebacks": hub.tracebacks(),
    }


if __name__ == "__main__":
    command(__doc__, "stations", run, ("lost", "duplicated", "tracebacks"))
