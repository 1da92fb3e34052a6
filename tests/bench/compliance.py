"""How fast readings are judged, and how soon people know: `make bench-compliance`; one line of JSON comes last.

    make bench-compliance
    make bench-compliance ARGS="--sites 200 --minutes 21 --alerts 20 --rows 100000"

Method. Judging: a log is filled with the messages of a fleet, one board at each site, a record of 11 values every 10 s.
Then the hub's compliance drains it as in the hub, 2000 entries at a time: read, decode, add to the windows, judge,
write what changed to its database. Filling costs no measured time. The clock it goes by is the fleet's. Twelve limits
are judged at each site: three of GB 12523-2025, three of GB 3096-2008, two of DB31/964-2016, three of GB 3095-2026, one
of WHO 2021.

- `readings_per_s`: values of quantities of which a limit is judged; `records_per_s`: the records they came in.
- `windows_per_s`: verdicts given meanwhile, in the same time.
- `bytes_per_site`: by how much the process grows for each further site: two runs in processes of their own, one with a
  tenth of the sites. `database_bytes_per_site`: what its database takes, for open and recent windows and verdicts.
- `p50_ms`, `p99_ms`: with a real hub, Mosquitto and a web hook on this machine that apprise calls: from the commit of
  the record that completes a window above its limit to the moment when the web hook has the message. Each alert is of a
  board of its own; they come five a second, so that none waits for another.
- `backtest_ratio`: `fenceline backtest --json` over a CSV file of `--rows` rows of 10 s, as a process with its start,
  against a process that only reads the file with the csv module. Median of three, in turns.

Times are this machine's.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from zoneinfo import ZoneInfo

import psutil

from edge import message
from hub.compliance.consumer import GRACE, Compliance
from hub.log.consumer import MOST
from hub.log.log import Log
from hub.log.outcomes import Admitted
from hub.registry.live import Board, City, District, Registry, Site
from hub.wire.messages import DECODERS
from hub.wire.seal import seal
from schemas import load_limits, load_quantities
from sim.city.account import read_only
from tests.bench import load
from tests.bench.parts import Broker, HubProcess, wait_for

ZONE = ZoneInfo("Asia/Shanghai")
JUDGED = {
    "GB 12523-2025": ("laeq-day", "laeq-night", "lafmax-night"),
    "GB 3096-2008": ("ld-2", "ln-2", "lafmax-night-2"),
    "DB31/964-2016": ("pm-high", "pm-low"),
    "GB 3095-2026": ("pm10-day-transition-2", "pm25-day-transition-2", "tsp-day-2"),
    "WHO 2021": ("pm25-day-aqg",),
}
LIMITS = [(s, n) for s, n in load_limits() if n.id in JUDGED.get(s.id, ())]
COUNTED = {limit.quantity for _, limit in LIMITS}
READ = "import csv, sys; sum(1 for _ in csv.reader(open(sys.argv[1], newline='')))"
ROUNDS = 3
PACE_S = 0.2


def say(text):
    """Tell a person how it goes; the figures go to standard output."""
    print(text, file=sys.stderr, flush=True)


def city(sites):
    """Return a registry with one board at each site, in Shanghai."""
    names = {"en": "Site", "zh": "工地", "kind": "construction", "zone_class": "2"}
    return Registry(
        sites={f"s{n}": Site(id=f"s{n}", district="city", **names) for n in range(sites)},
        boards={f"b{n}": Board(id=f"b{n}", site=f"s{n}") for n in range(sites)},
        keys={},
        zone=ZONE,
        cities={"c": City(id="c", en="Shanghai", zh="上海", jurisdiction="CN-SH")},
        named_districts={"city": District(id="city", city="c", en="City", zh="市区")},
    )


def fill(path, sites, minutes):
    """Write the fleet's messages to a log; return how many, and when the first record begins (Unix s)."""
    rounds = minutes * 60 // load.INTERVAL_S
    decode = DECODERS["telemetry"].decode
    log, outcomes, first = Log(path), [], None
    for topic, payload in load.Fleet(sites).messages(sites * rounds):
        device = topic.split("/")[4]
        decoded = decode(payload)
        first = decoded.records[0].t if first is None else first
        place = (f"fenceline/1/city/s{device[1:]}/{device}/telemetry", payload, "city", f"s{device[1:]}", device)
        outcomes.append(Admitted(*place, "telemetry", decoded))
        if len(outcomes) == MOST:
            log.commit(outcomes, time.time())
            outcomes.clear()
    log.commit(outcomes, time.time())
    log.close()
    return sites * rounds, first


def judge(path, sites, count, first):
    """Drain the log as the hub does; return what it took and how large it has become."""
    clock = [float(first)]
    log = Log(path)
    before = psutil.Process().memory_info().rss
    compliance = Compliance(path.parent / "compliance.db", city(sites), LIMITS, load_quantities(), lambda: clock[0])
    begin, done = time.perf_counter(), 0
    while done < count:
        entries = log.read(done, MOST)
        done = entries[-1].offset
        clock[0] = first + done / sites * load.INTERVAL_S
        compliance.take(entries)
    seconds = time.perf_counter() - begin
    grown = psutil.Process().memory_info().rss - before
    clock[0] += GRACE
    compliance.close()
    log.close()
    with read_only(path.parent / "compliance.db") as db:
        verdicts = db.execute("SELECT count(*) FROM verdict").fetchone()[0]
    size = sum(file.stat().st_size for file in path.parent.glob("compliance.db*"))
    return {"seconds": seconds, "grown": grown, "verdicts": verdicts, "database": size}


def judging(sites, minutes):
    """Return the figures of judging; each run has a process of its own."""
    runs = {}
    for number in (max(1, sites // 10), sites):
        say(f"judging {number} sites for {minutes} min ...")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "log.db"
            count, first = fill(path, number, minutes)
            command = [
                sys.executable,
                "-m",
                "tests.bench.compliance",
                "--judge",
                path,
                str(number),
                str(count),
                str(first),
            ]
            ran = subprocess.run(command, cwd=load.ROOT, stdout=subprocess.PIPE, check=True)
            runs[number] = json.loads(ran.stdout) | {"count": count}
    few, many = runs[max(1, sites // 10)], runs[sites]
    more = sites - max(1, sites // 10)
    readings = many["count"] * len(COUNTED & set(load.VALUES))
    return {
        "sites": sites,
        "limits": len(LIMITS),
        "readings_per_s": round(readings / many["seconds"]),
        "records_per_s": round(many["count"] / many["seconds"]),
        "windows_per_s": round(many["verdicts"] / many["seconds"]),
        "bytes_per_site": round((many["grown"] - few["grown"]) / more) if more else None,
        "database_bytes_per_site": round(many["database"] / sites),
    }


class Hook:
    """A web hook on loopback that notes when each board's message came."""

    def __init__(self):
        self.came = came = {}

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                now = time.time()
                text = self.rfile.read(int(self.headers["Content-Length"])).decode()
                came.setdefault(re.search(r"board (b\d+)", text)[1], now)
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"json://127.0.0.1:{self.server.server_port}/hook"
        self._thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self._thread.join()
        self.server.server_close()


def window_of(fleet, device, end):
    """Return the messages of a board's window of 20 min up to `end`: all but the last minute, then that."""
    made = []
    for seq, first, number in ((1, end - 1200, 19), (20, end - 60, 1)):
        records = [message.record(first + 60 * n, 60, {"laeq": 85.0}, {}).encode() for n in range(number)]
        parts = message.telemetry("0000abcd", seq, 1, 0, "ntp", records)
        made.append((fleet.topic(device), seal(b"".join(parts), fleet.keys[device])))
    return made


def soon(alerts):
    """Return how long after the commit of the record that breaks a limit its message leaves, ms."""
    say(f"{alerts} alerts by web hook ...")
    fleet = load.Fleet(alerts)
    with tempfile.TemporaryDirectory() as name, Broker(Path(name) / "broker") as broker, Hook() as hook:
        folder = Path(name)
        recipient = '[[recipient]]\nname = "hook"\nlang = "en"\nurl_env = "BENCH_HOOK"\ntell = ["firing"]\n'
        config = fleet.write(folder, broker.port, f"[alerts]\ndigest_above = 1000000\n{recipient}")
        os.environ["BENCH_HOOK"] = hook.url
        end = int(time.time()) // 1200 * 1200
        with HubProcess(broker, folder, config) as hub:
            publisher = load.Publisher(broker.port)
            messages = [window_of(fleet, device, end) for device in fleet.keys]
            early = [load.publish_packet(topic.encode(), body, n) for n, ((topic, body), _) in enumerate(messages, 1)]
            publisher.send(early)
            wait_for(lambda: hub.committed() >= alerts, "the windows but for their last minute")
            for n, (_, (topic, body)) in enumerate(messages, 1):
                publisher.send([load.publish_packet(topic.encode(), body, alerts + n)])
                time.sleep(PACE_S)
            wait_for(lambda: len(hook.came) >= alerts or hub.ended(), "every message at the web hook", 120)
            publisher.finish()
            with read_only(hub.data / "log.db") as log:
                rows = log.execute("SELECT topic, max(received) FROM message GROUP BY topic").fetchall()
    committed = {topic.split("/")[4]: received for topic, received in rows}
    waits = sorted(1000 * (hook.came[device] - committed[device]) for device in fleet.keys)
    cuts = statistics.quantiles(waits, n=100) if alerts > 1 else waits * 99
    return {"alerts": alerts, "p50_ms": round(cuts[49]), "p99_ms": round(cuts[98])}


def backtest(rows):
    """Return how many times as long as reading it a backtest of a file takes."""
    say(f"backtest of {rows:,} rows ...")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "noise.csv"
        time_ = datetime(2026, 3, 2, tzinfo=timezone(timedelta(hours=8)))
        with path.open("w") as file:
            file.write("time,dt,quantity,value,flag\n")
            for n in range(rows):
                moment = (time_ + timedelta(seconds=10 * n)).isoformat()
                file.write(f"{moment},10,laeq,{50 + n * 7919 % 300 / 10},N\n")
        fenceline = Path(sys.executable).parent / "fenceline"
        commands = {"read": [sys.executable, "-c", READ, path], "backtest": [fenceline, "backtest", path, "--json"]}
        took = {name: [] for name in commands}
        for _ in range(ROUNDS):
            for name, command in commands.items():
                begin = time.perf_counter()
                subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
                took[name].append(time.perf_counter() - begin)
    read, judged = (statistics.median(took[name]) for name in commands)
    return {
        "backtest_rows": rows,
        "read_s": round(read, 2),
        "backtest_s": round(judged, 2),
        "backtest_ratio": round(judged / read, 2),
    }


def main():
    """Measure, tell people on standard error and programs on standard output."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sites", type=int, default=2000, help="of one board each (default: 2000)")
    parser.add_argument("--minutes", type=int, default=21, help="of measuring that are judged (default: 21)")
    parser.add_argument("--alerts", type=int, default=200, help="whose way to people is timed (default: 200)")
    parser.add_argument("--rows", type=int, default=1_000_000, help="of the backtest's file (default: 1,000,000)")
    parser.add_argument("--judge", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.judge:
        path, *numbers = options.judge
        print(json.dumps(judge(Path(path), *map(int, numbers))))
        return
    if min(options.sites, options.minutes, options.alerts, options.rows) < 1:
        parser.error("every number is at least 1, for example --sites 200")
    figures = judging(options.sites, options.minutes) | soon(options.alerts) | backtest(options.rows)
    say("")
    for name, value in figures.items():
        say(f"  {name:26}{value:>14,}")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
