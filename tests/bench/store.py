"""How fast a backlog in the log reaches the stores and the rollups: `make bench-store`; JSON comes last.

    make bench-store
    make bench-store ARGS="--boards 100 --share 0.05"

Method. A log is filled with the messages of a fleet: each board one record of 11 values every 10 s. Then each consumer
drains it as in the hub: read 2000 entries, decode, write, until it is done. Setting up costs no measured time.

- `sqlite_values_per_s`, `influxdb_values_per_s`: values that reached the store, with the log's reading and decoding.
- `influxdb_points_per_s`: the same in InfluxDB's points, of which each record makes one for each family.
- `sqlite_cpu_us_per_value`, `influxdb_cpu_us_per_value`: processor time of the hub's side.
- `sqlite_day_s`, `influxdb_day_s`: how long a whole day of the fleet takes at that rate: extrapolated from `share` of
  a day, which is what was measured.
- `rollup_records_per_s`: records added up and published as rollups to the SQLite store, every 60 s of the fleet's
  time, as a hub that keeps pace does. `rollups_per_s`: rollups written by that.
- `influxdb`: which server. Version 1.6 has no v2 API, so the tests' gateway stands in front, in a process of its own;
  it costs a part of what is measured.

Times are this machine's.
"""

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from zoneinfo import ZoneInfo

from hub.log.consumer import MOST
from hub.log.log import Log
from hub.log.outcomes import Admitted
from hub.series import InfluxStore, SqliteStore
from hub.series.rollups import EVERY, Rollups
from hub.series.sink import StoreSink
from hub.wire.messages import DECODERS
from schemas import load_quantities
from tests import stack
from tests.bench.load import INTERVAL_S, VALUES, Fleet
from tests.conftest import InfluxDB
from tests.influx_gateway import Gateway
from tests.ports import free_port

DAY_S = 86_400
TOKEN, ORG = "the-token-of-the-bench", "fenceline"


def say(text):
    """Tell a person how it goes; the figures go to standard output."""
    print(text, file=sys.stderr, flush=True)


def fill(path, boards, rounds):
    """Write `rounds` messages of each board to a log; return how many there are."""
    fleet = Fleet(boards)
    decode = DECODERS["telemetry"].decode
    outcomes = []
    for topic, payload in fleet.messages(boards * rounds):
        _, _, district, site, device, kind = topic.split("/")
        outcomes.append(Admitted(topic, payload, district, site, device, kind, decode(payload)))
    log = Log(path)
    for first in range(0, len(outcomes), MOST):
        log.commit(outcomes[first : first + MOST], time.time())
    log.close()
    return len(outcomes)


def drain(path, sink, count, each=lambda _: None):
    """Give a sink the whole log; return seconds and processor seconds. `each` is told how many entries it has."""
    log = Log(path)
    begin, cpu = time.perf_counter(), time.process_time()
    done = 0
    while done < count:
        entries = log.read(done, MOST)
        done = entries[-1].offset
        each(done)
        sink.take(entries)
    took = time.perf_counter() - begin, time.process_time() - cpu
    log.close()
    return took


@contextmanager
def influxdb(folder):
    """Start an InfluxDB with the v2 write API and tell the client where; yield its name, None if there is none."""
    found = stack.PARTS["influxdb"].find()
    if found is None:
        say("InfluxDB is missing: 'python -m tests.stack' fetches it, or says why it can't; its figures are left out")
        yield None
        return
    server = InfluxDB(found.path, folder, free_port(), free_port())
    try:
        server.create_database("fenceline")
        with Gateway(server.url, TOKEN, ORG) as gateway:
            process = multiprocessing.get_context("fork").Process(target=gateway.serve_forever)
            process.start()
            os.environ |= {"INFLUXDB_V2_URL": gateway.url, "INFLUXDB_V2_TOKEN": TOKEN, "INFLUXDB_V2_ORG": ORG}
            try:
                version = server.query("SHOW DIAGNOSTICS")
                build = next((row["Version"] for row in version if "Version" in row), "1.x")
                yield f"InfluxDB {build} behind the tests' v2 gateway"
            finally:
                process.terminate()
                process.join()
    finally:
        server.stop()


def figures_of(name, took, records, share):
    """Return the figures of one store."""
    values = records * len(VALUES)
    seconds, cpu = took
    return {
        f"{name}_values_per_s": round(values / seconds),
        f"{name}_cpu_us_per_value": round(cpu / values * 1e6, 2),
        f"{name}_day_s": round(seconds / share),
    }


class Counting(SqliteStore):
    """The embedded store, counting the rollups it gets."""

    rollups = 0

    def write_rollups(self, rollups):
        """See `Store`."""
        self.rollups += len(rollups)
        super().write_rollups(rollups)


def measure(boards, share, folder):
    """Return all figures."""
    quantities = load_quantities()
    families = {quantities[key].family for key in VALUES}
    rounds = max(1, round(share * DAY_S / INTERVAL_S))
    share = rounds * INTERVAL_S / DAY_S
    path = folder / "log.db"
    say(f"{boards} boards, {len(VALUES)} values every {INTERVAL_S} s, {share:.1%} of a day ...")
    records = fill(path, boards, rounds)
    figures = {"boards": boards, "records": records, "share": round(share, 4)}

    say("SQLite ...")
    store = SqliteStore(folder / "series.db")
    figures |= figures_of("sqlite", drain(path, StoreSink(store), records), records, share)
    store.close()
    figures["sqlite_bytes_per_value"] = round((folder / "series.db").stat().st_size / records / len(VALUES), 1)

    say("rollups ...")
    clock = [0.0]
    store = Counting(folder / "rolled.db")
    rollups = Rollups(folder / "rollups.db", store, quantities, ZoneInfo("Asia/Shanghai"), lambda: clock[0])

    def tick(done):
        clock[0] = done / boards * INTERVAL_S

    seconds, cpu = drain(path, rollups, records, tick)
    clock[0] += EVERY
    rollups.take([])
    figures["rollup_records_per_s"] = round(records / seconds)
    figures["rollup_cpu_us_per_record"] = round(cpu / records * 1e6, 1)
    figures["rollups_per_s"] = round(store.rollups / seconds)
    rollups.close()
    store.close()

    say("InfluxDB ...")
    (folder / "influxdb").mkdir()
    with influxdb(folder / "influxdb") as server:
        if server:
            store = InfluxStore("fenceline", Log(path), quantities)
            took = drain(path, StoreSink(store), records)
            store.close()
            figures |= figures_of("influxdb", took, records, share)
            figures["influxdb_points_per_s"] = round(records * len(families) / took[0])
        figures["influxdb"] = server
    return figures


def main():
    """Measure, tell people on standard error and programs on standard output."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--boards", type=int, default=1000, help="how many boards report (default: 1000)")
    parser.add_argument("--share", type=float, default=0.02, help="part of a day to measure (default: 0.02)")
    options = parser.parse_args()
    if options.boards < 1 or not 0 < options.share <= 1:
        parser.error("--boards is at least 1, and --share lies above 0 and at most at 1, for example 0.02")
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(options.boards, options.share, Path(folder))
    say("")
    for name, value in figures.items():
        say(f"  {name:28}{value:>12,}" if isinstance(value, int | float) else f"  {name:28}{value or 'missing'}")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
