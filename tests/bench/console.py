"""How quick the console's pages are in a large city, and what they cost the hub: `make bench-console`; JSON comes last.

    make bench-console
    make bench-console ARGS="--sites 60 --alerts 3000 --verdicts 20000 --requests 5 --rounds 1"
    make bench-console ARGS="--folder city --rounds 0"  # the city is made there once, and used again

Method. `LargeCity` makes the files of a hub. The console is served by the hub's own HTTP server in a process of its
own; a client in this process asks on loopback, one request at a time over a connection that is kept, and the clock runs
from before the request is written until the last byte of the answer has come. Who asks: an officer of all districts,
one of one district, an inspector of four. Before every request something new is committed (a verdict; every third time
an alert is commented on), so no answer is one from before.

- `pages`: by page, of all visitors: `p50_ms`, `p95_ms`; `work_p95_ms`, the processor time of the serving process (it
  is about the same on a machine that others use, too); `ratio`, of p95 by `idle_p95_ms`, the p95 of /healthz, which was
  asked for before every page; `kb`, the largest answer as it came (gzip). `files`: the same for exports.
- `worst_p95_ms`, `worst_work_p95_ms`: the highest of all pages.
- `first_visit_kb`, `later_visit_kb`: the heaviest page with, and without, the style sheet, the script and the icon.
- `first_ms`: the first answer of a page after the hub has started.
- `ingest`: messages/s that `fenceline run` takes with the city's databases while 20 requests in 5 s go to its console
  (`console_msgs_per_s`), and while the same requests go to a process that answers at once (`stub_msgs_per_s`), rounds
  in turn, medians; `ratio` is the one by the other, and `ratios` those of each round. `work_ms_per_request`:
  how much more processor time the hub without its consumers took in the rounds with its console, for each request.

Times are this machine's. `aims` tells which of the figures hold: p95 50 ms, 150 KB, 30 KB, 0.95.
"""

import argparse
import http.client
import json
import math
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path

from msgspec.structs import replace

from hub.alerts.book import Book
from hub.alerts.tables import PART as ALERTS
from hub.cases.book import CaseBook
from hub.cases.opening import open_cases
from hub.compliance.tables import PART as VERDICTS
from hub.compliance.verdicts import VerdictTable
from hub.config.files import load_config
from hub.console.router import Console
from hub.health.metrics import Metrics
from hub.http.problems import Rate
from hub.http.server import Server, make_app
from hub.process.memory import freeze_heap
from hub.registry.live import load_registry
from hub.storage.compliance_file import COMPLIANCE, open_compliance
from hub.storage.database import transaction
from schemas import load_limits, load_quantities
from schemas.language import Text
from tests.bench import load
from tests.bench.large_city import RULES, WINDOW_S, LargeCity
from tests.bench.parts import ROOT, Broker, HubProcess
from tests.ports import free_port

VISITORS = ("whole", "one", "four")
REQUESTS, IN_S = 20, 5.0
KEPT_S = 5.0
"""The hub lets go of connections that ask for nothing for a while."""
P95_MS, FIRST_KB, LATER_KB, LEAST_RATIO = 50.0, 150.0, 30.0, 0.95
FILES = ("/console/verdicts.csv", "/console/fleet.csv", "/console/cases.csv", "/console/evaluation.csv")


def say(text):
    """Tell a person how it goes; the figures go to standard output."""
    print(text, file=sys.stderr, flush=True)


def pages_of(sites, dice, trucks=0, districts=1):
    """Return the pages that are asked for: a name, and what makes an address of it."""
    truck = lambda: f"v{dice.randrange(trucks)}"  # noqa: E731
    moving = {
        "live": lambda: "/console/live",
        "live_search": lambda: f"/console/live?q=A{dice.randrange(100):03}",
        "live_piece": lambda: "/console/live?box=121.4,31.2,121.45,31.25",
        "things": lambda: "/console/things",
        "things_vehicles": lambda: "/console/things/vehicle?sort=plate",
        "things_search": lambda: f"/console/things/haul_permit?q=h-{dice.randrange(100)}",
        "vehicle": lambda: f"/console/things/vehicle/{truck()}",
        "company": lambda: f"/console/things/company/c{dice.randrange(100)}",
        "track": lambda: f"/console/track/vehicle/v{dice.choice((0, districts))}",
    }
    site = lambda: f"s{dice.randrange(sites)}"  # noqa: E731
    return {
        "today": lambda: "/console/today",
        "today_filtered": lambda: "/console/today?severity=critical&district=d0",
        "today_rare": lambda: "/console/today?kind=certificate",
        "alert": lambda: "/console/alerts/{alert}",
        "map": lambda: "/console/map",
        "map_district": lambda: "/console/map?district=d0",
        "site": lambda: f"/console/sites/{site()}",
        "verdicts": lambda: "/console/verdicts",
        "verdicts_rare": lambda: "/console/verdicts?outcome=open",
        "verdicts_outcome": lambda: "/console/verdicts?outcome=exceeded&district=d0",
        "verdicts_site": lambda: f"/console/verdicts?site={site()}",
        "verdicts_deep": lambda: f"/console/verdicts?before={sites * 40}",
        "fleet": lambda: "/console/fleet",
        "fleet_troubles": lambda: "/console/fleet?trouble=1",
        "cases": lambda: "/console/cases",
        "cases_open": lambda: "/console/cases?state=open&district=d0&sort=deadline",
        "cases_mine": lambda: "/console/cases?state=mine&sort=deadline",
        "cases_department": lambda: "/console/cases?department=roads&code=03&sort=-deadline",
        "cases_search": lambda: f"/console/cases?q=Road+{dice.randrange(977)}",
        "cases_deep": lambda: "/console/cases?page=400",
        "case": lambda: "/console/cases/{case}",
        "case_file": lambda: "/console/cases/{case}/file",
        "evaluation": lambda: "/console/evaluation?by=department",
        "evaluation_person": lambda: "/console/evaluation?by=person",
    } | (moving if trucks else {})


class Client:
    """A browser as far as the clock is concerned: it asks, and takes the answer as it comes."""

    def __init__(self, port, cookie, host_port):
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._used = -math.inf
        self._headers = {
            "Cookie": f"fenceline-{host_port}={cookie}",
            "Accept-Encoding": "gzip",
            "Accept-Language": "en",
            "X-Fenceline-Follows": "1",
        }

    def get(self, path):
        """Return status, seconds, bytes."""
        if time.monotonic() - self._used > KEPT_S:
            self._connection.close()
            self._connection.connect()
            self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        begin = time.perf_counter()
        self._connection.request("GET", path, headers=self._headers)
        answer = self._connection.getresponse()
        body = answer.read()
        took, self._used = time.perf_counter() - begin, time.monotonic()
        return answer.status, took, body

    def close(self):
        self._connection.close()


class News:
    """Commits something new before each request."""

    def __init__(self, city):
        self._city, self._count = city, 0
        self._db = open_compliance(city.folder / "data" / COMPLIANCE, ALERTS, VERDICTS)
        self._book = Book(self._db, time.time)
        self._cases = CaseBook(open_cases(city.folder / "data"))
        self._dice = random.Random(7)

    def happen(self):
        """Commit a verdict, and now and then a remark."""
        self._count += 1
        site, rule = self._dice.randrange(self._city.sites), RULES[self._count % len(RULES)]
        start = int(time.time()) // WINDOW_S * WINDOW_S - WINDOW_S
        with transaction(self._db):
            VerdictTable(self._db).add(self._city.verdict(site, rule, start, self._dice.choice((40.0, 900.0))))
            if self._count % 3 == 0:
                alert = self._book.find_alert(self._book.last_events([1]) and 1)
                self._book.add_event(alert, "comment", Text("seen", "已看"), "one")
        if self._count % 3 == 1:
            with transaction(self._cases.db):
                case = self._cases.find(1 + self._dice.randrange(self._city.cases))
                last = self._cases.events(case.id)[-1]
                remark = {"seq": last.seq + 1, "time": time.time(), "what": "comment", "before": last.after, "data": {}}
                self._cases.add(case, replace(last, id=0, **remark))

    def alerts(self):
        """Return numbers of alerts by district, open ones and old ones."""
        rows = self._db.execute(
            "SELECT id, district FROM alert WHERE id % 97 = 0 OR state <> 'closed' ORDER BY id DESC LIMIT 2000"
        )
        found = {}
        for id_, district in rows:
            found.setdefault(district, []).append(id_)
        return found

    def cases(self):
        """Return numbers of cases by district."""
        found = {}
        for case in self._cases.search(limit=20_000):
            found.setdefault(case.district, []).append(case.id)
        return found

    def close(self):
        self._db.close()
        self._cases.db.close()


def serve(config_file):
    """Serve the console of a configuration until standard input ends; print the port."""

    class Watched:
        def dead(self):
            return []

        def conditions(self):
            return []

    config = load_config(config_file)
    registry, quantities = load_registry(config), load_quantities()
    console = Console(
        config, lambda: registry, load_limits(quantities=quantities), quantities, time.time, Rate(1e6, 1e6)
    )
    server = Server(make_app(Watched(), Metrics(), [console.router]), "127.0.0.1", 0)
    server.start()
    freeze_heap()  # as the hub does when it has started
    print(server.port, flush=True)
    sys.stdin.read()
    console.close()
    server.stop()


class Served:
    """The process that serves; leaving its `with` ends it."""

    def __init__(self, config):
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.console", "--serve", config],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self):
        self.port = int(self._process.stdout.readline())
        return self

    def cpu_s(self):
        """Return the processor time that its threads have used so far, s."""
        tasks = Path(f"/proc/{self._process.pid}/task").glob("*/schedstat")
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()


def percentile(times, share):
    """Return a percentile (nearest rank) of seconds, in ms."""
    ordered = sorted(times)
    return round(ordered[min(len(ordered), math.ceil(share * len(ordered))) - 1] * 1000, 1)


def measure_pages(city, requests):
    """Return the figures of all pages."""
    dice, news = random.Random(3), News(city)
    alerts, cases = news.alerts(), news.cases()
    host_port = load_config(city.folder / "fenceline.toml").http.port
    times, work, sizes, slowest_first, idle = {}, {}, {}, 0.0, []
    with closing(news), Served(city.folder / "fenceline.toml") as served:
        clients = {name: Client(served.port, city.cookies[name], host_port) for name in VISITORS}
        own = {"whole": [n for found in alerts.values() for n in found], "one": alerts["d0"]}
        own["four"] = [n for d in ("d0", "d1", "d2", "d3") for n in alerts.get(d, [])]
        own_cases = {"whole": [n for found in cases.values() for n in found], "one": cases["d0"]}
        own_cases["four"] = [n for d in ("d0", "d1", "d2", "d3") for n in cases.get(d, [])]
        statics = files_of(clients["whole"])
        for name, address in (
            pages_of(city.sites, dice, city.trucks, city.districts) | {path: lambda path=path: path for path in FILES}
        ).items():
            for n in range(max(2, requests // 8) if name in FILES else requests):
                for visitor, client in clients.items():
                    path = address().format(alert=dice.choice(own[visitor]), case=dice.choice(own_cases[visitor]))
                    news.happen()
                    idle.append(client.get("/healthz")[1])
                    before = served.cpu_s()
                    status, took, body = client.get(path)
                    used = served.cpu_s() - before
                    if status != 200 and not (status == 404 and "/sites/" in path):
                        sys.exit(f"{path} answered {status} to {visitor}: {body[:300]!r}")
                    if n == 0 and visitor == "whole":
                        slowest_first = max(slowest_first, took)
                    if status == 200 and n:
                        times.setdefault(name, []).append(took)
                        work.setdefault(name, []).append(used)
                        sizes[name] = max(sizes.get(name, 0), len(body))
            say(
                f"{name}: p50 {percentile(times[name], 0.5)} ms, p95 {percentile(times[name], 0.95)} ms "
                f"({percentile(work[name], 0.95)} of work), {sizes[name] / 1000:.1f} KB"
            )
        for client in clients.values():
            client.close()
    figures = {
        name: {
            "p50_ms": percentile(found, 0.5),
            "p95_ms": percentile(found, 0.95),
            "work_p95_ms": percentile(work[name], 0.95),
            "ratio": round(percentile(found, 0.95) / percentile(idle, 0.95), 1),
            "kb": round(sizes[name] / 1000, 1),
        }
        for name, found in times.items()
    }
    pages = {name: found for name, found in figures.items() if name not in FILES}
    heaviest = max(found["kb"] for found in pages.values())
    return {
        "pages": pages,
        "files": {name: figures[name] for name in FILES},
        "worst_p95_ms": max(found["p95_ms"] for found in pages.values()),
        "worst_work_p95_ms": max(found["work_p95_ms"] for found in pages.values()),
        "idle_p95_ms": percentile(idle, 0.95),
        "first_ms": round(slowest_first * 1000, 1),
        "first_visit_kb": round(heaviest + statics / 1000, 1),
        "later_visit_kb": heaviest,
    }


def files_of(client):
    """Return how many bytes the files come to that a page needs."""
    page = client.get("/console/me")[2]
    if page[:2] == b"\x1f\x8b":
        import gzip

        page = gzip.decompress(page)
    names = {part.split('"')[0] for part in page.decode().split('"/console/static/')[1:]}
    return sum(len(client.get(f"/console/static/{name}")[2]) for name in names)


def stub(port_file):
    """Answer everything at once, from a process of its own."""
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()


class Stub(Served):
    """The process that answers at once."""

    def __init__(self):
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.console", "--stub"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )


def ask(client, paths, stop, asked):
    """Ask for pages, `REQUESTS` in `IN_S`, until the event is set."""
    begin, n = time.monotonic(), 0
    while not stop.is_set():
        client.get(paths[n % len(paths)])
        n += 1
        stop.wait(max(0.0, begin + n * IN_S / REQUESTS - time.monotonic()))
    asked.append(n)


def take(city, packets, known, http_port, asked_port):
    """Return messages/s that the hub takes while pages are asked for at a port, its work [s], and how many pages."""
    dice = random.Random(5)
    paths = [
        address().format(alert=dice.randrange(city.sites) + 1, case=1)
        for _ in range(10)
        for name, address in pages_of(city.sites, dice, city.trucks, city.districts).items()
        if name in {"today", "alert", "map", "site", "verdicts", "fleet"}
    ]
    with tempfile.TemporaryDirectory() as name, Broker(Path(name) / "broker") as broker:
        for left in (city.folder / "data").glob("log.db*"):
            left.unlink()
        config = city.write(broker.port, http_port)
        with HubProcess(broker, city.folder, config) as hub:
            client = Client(asked_port, city.cookies["whole"], http_port)
            ready = Client(http_port, city.cookies["whole"], http_port)
            for path in paths[:6]:
                ready.get(path)
            with hub.held():
                load.start(Path(name), broker.port, packets[:known]).wait()
            hub.wait(known)
            stop, asked = threading.Event(), []
            with hub.held():
                load.start(Path(name), broker.port, packets[known:]).wait()
            asking = threading.Thread(target=ask, args=(client, paths, stop, asked))
            begin, before = time.monotonic(), hub.cpu_s() - hub.downstream_cpu_s()
            asking.start()
            end = hub.wait(len(packets))
            used = hub.cpu_s() - hub.downstream_cpu_s() - before
            stop.set()
            asking.join()
            client.close()
            ready.close()
    count = len(packets) - known
    return count / (end - begin), used, asked[0]


def measure_ingest(city, messages, rounds):
    """Return what the console's visitors cost the hub's intake."""
    fleet = load.Fleet(city.sites)
    fleet.keys, fleet.topic = city.keys, city.topic
    made = fleet.messages(city.sites + messages)
    packets = [load.publish_packet(topic.encode(), payload, n) for n, (topic, payload) in enumerate(made)]
    found, works, asked = {"stub": [], "console": []}, {"stub": [], "console": []}, 0
    with Stub() as stub_process:
        for n in range(rounds):
            for kind in found if n % 2 == 0 else reversed(found):
                http_port = free_port()
                rate, work, pages = take(
                    city, packets, city.sites, http_port, http_port if kind == "console" else stub_process.port
                )
                found[kind].append(rate)
                works[kind].append(work)
                asked += pages if kind == "console" else 0
                say(f"round {n + 1}, {pages} requests to the {kind}: {rate:,.0f} messages/s, {work:.1f} s of work")
    ratios = [one / other for one, other in zip(found["console"], found["stub"], strict=True)]
    return {
        "console_msgs_per_s": round(statistics.median(found["console"])),
        "stub_msgs_per_s": round(statistics.median(found["stub"])),
        "ratio": round(statistics.median(ratios), 3),
        "ratios": [round(one, 3) for one in ratios],
        "work_ms_per_request": round((sum(works["console"]) - sum(works["stub"])) / asked * 1000, 1),
    }


def main():
    """Measure and print one line of JSON."""
    parser = argparse.ArgumentParser(prog="make bench-console", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--sites", type=int, default=1000, help="construction sites with one board each (%(default)s)")
    parser.add_argument("--alerts", type=int, default=100_000, help="(%(default)s)")
    parser.add_argument("--verdicts", type=int, default=1_000_000, help="(%(default)s)")
    parser.add_argument("--cases", type=int, default=50_000, help="(%(default)s)")
    parser.add_argument("--trucks", type=int, default=10_000, help="with their permits and fixes (%(default)s)")
    parser.add_argument("--requests", type=int, default=40, help="for each page and visitor (%(default)s)")
    parser.add_argument("--messages", type=int, default=60_000, help="of each round of taking messages (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="of taking messages; 0: leave it out (%(default)s)")
    parser.add_argument("--folder", type=Path, help="where the city is made, or is already; left out: a temporary one")
    parser.add_argument("--json", action="store_true", help="nothing but the last line")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--stub", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve)
        return
    if options.stub:
        stub(None)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(exist_ok=True)
        city = LargeCity(
            folder,
            options.sites,
            options.alerts,
            options.verdicts,
            cases=options.cases,
            trucks=options.trucks,
        )
        begin = time.monotonic()
        city.write()
        city.fill()
        say(f"the city is made: {time.monotonic() - begin:.0f} s")
        figures = measure_pages(city, max(2, options.requests))
        aims = {
            "p95": figures["worst_p95_ms"] <= P95_MS,
            "first_visit": figures["first_visit_kb"] <= FIRST_KB,
            "later_visit": figures["later_visit_kb"] <= LATER_KB,
        }
        if options.rounds:
            figures["ingest"] = measure_ingest(city, options.messages, options.rounds)
            aims["ingest"] = figures["ingest"]["ratio"] >= LEAST_RATIO
    size = {name: getattr(options, name) for name in ("sites", "alerts", "verdicts", "cases", "trucks")}
    print(json.dumps(size | figures | {"aims": aims}))


if __name__ == "__main__":
    main()
