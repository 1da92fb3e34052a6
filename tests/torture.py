"""Kills everything at random moments under load and counts the records: `make torture`; JSON comes last.

    make torture ARGS="--kills 100 --json"
    make torture ARGS="--store influxdb --kills 20 --seed 7"
    make torture ARGS="--faults store,disk"
    make torture ARGS="--orders"

Real boards on MicroPython measure once a second and send over a real Mosquitto to `fenceline run`, with SQLite or
InfluxDB as its store; with `--store both` the two cities run side by side, each with so many kills. Boards, broker, hub
and InfluxDB are ended by SIGKILL, stay away for a moment and start again, several of them at a time; of the hub, its
receiver or its consumers alone may be killed, too. Between the kills, and over them, come faults:

- `disk`: the file system of the hub's data is full, and has room again. It is a small one in memory, which only root
  can mount. A hub that cannot start there is started again, as a service manager does.
- `store`: InfluxDB answers wrongly, in one of `tests.influx_gateway.WRONG`'s ways, and rightly again.
- `clock`: the hub's wall clock is set a day back, or 9 or 500 days ahead, and right again (needs libfaketime).

Meanwhile each board's relay is switched by its own rule every few seconds, and each switching is an event.

With `--orders` people give the boards orders all the while: each board notes what it begins to carry out.

Then the boards send what they have, the store takes what the log has, and every record that stands in a board's outbox
(which keeps them for this) is looked for in the log and in the store, every event (kept likewise) in the log.

`records`, `events`: made by the boards. `lost`: made and not there. `duplicated`: there more often than made, or never
made. `given_up`: events that a board had no room for, 50 of them waiting already. Its own log tells them, and the hub
sees that their numbers are missing; they count as made only where they came all the same.
`orders`: given. One is `lost` that is open in the end, or of which the hub says something else than the board has done
(`done` though it never began, "never begun" though it did), and `duplicated` if its board began with it twice.
`faults`: how often each kind came, beside the kills; `left_out`: kinds that cannot be had here, and why.
At the top they count over the log and the store of every city together; `cities` has each by itself.
Ends with 1 if a record, an event or an order is lost or duplicated or a message is in quarantine.
"""

import argparse
import functools
import json
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

from edge.outbox import KEPT, SEGMENT, parse, segments
from hub.config.files import load_config
from hub.orders import desk
from hub.orders.book import NEVER_TAKEN, OrderBook
from hub.orders.kinds import OrderError
from hub.orders.tables import PART
from hub.registry.live import load_registry
from hub.storage.compliance_file import COMPLIANCE, open_compliance
from hub.storage.database import DatabaseError
from schemas import load_quantities
from sim.city.account import read_only
from sim.city.city import CitySite
from tests import stack
from tests.bench.parts import program
from tests.conftest import InfluxDB, InfluxDBv2, Mosquitto
from tests.influx_gateway import WRONG, Gateway
from tests.ports import free_port
from tests.system.chain import Chain, until
from tests.wrong_clock import WrongClock

SITES = (
    CitySite("pit", "nanhai", "Station pit", "车站基坑", "night_pour", 2),
    CitySite("bridge", "nanhai", "River bridge", "跨江大桥", "pile_driving", 2),
    CitySite("plant", "tianhe", "Gas turbine plant", "燃机电厂", "gas_turbine_plant", 2),
)
STORES = ("sqlite", "influxdb")
BETWEEN_S = (0.2, 1.2)  # two kills
AWAY_S = (0.1, 2.5)  # what was killed
DRAIN_S = 120
ORDERS_S = 900  # a hub whose clock was wrong to the last orders nothing until it trusts it again
NEARLY = 3  # records that may be on their way when a board is stopped
WEIGHTS = {"hub": 3, "broker": 2, "influxdb": 2, "clock": 2, "disk": 2, "store": 2}  # anything else has 1
FAULTS = ("clock", "disk", "store")
FAULT_S = (0.5, 5)  # how long one lasts
DISK = "128m"
BALLAST = "ballast"
BUSY_S = 30  # whatever has been killed may hold it still
RESTART_S = 1.0  # of a hub that could not start
EXCUSED_S = 5.0  # so long after a fault it may still end because of it
START_S = 60.0  # and so long after its start because of one while it started: on a busy machine that takes long
RELAY = {"quantity": "pm10", "on": 1, "off": 0.5, "least": 1, "most": 2}  # dust is never so little: on, off, on, ...
ORDERS = (
    ("ping", {}),
    ("log", {"lines": 1}),
    ("flag", {"flag": "N"}),
    ("relay", {"on": True, "minutes": 1}),
    ("selftest", {}),
    ("rotate-key", {}),
)
OLD, GIVEN_UP, BEGUN = ".old", ".given-up", ".begun"  # as tests/system/keeping_board.py has them
KEEPING = str(Path(__file__).parent / "system" / "keeping_board.py")
AHEAD_S = (-86_400, 9 * 86_400, 500 * 86_400)  # of the right time
INFLUXDB_TIMEOUT_MS = 1000  # the hub waits for an answer; the one that comes late comes behind that
PARTS = {"receiver": "hub.intake.passing", "consumers": "hub.run.consumers"}  # the hub starts them again by itself


@contextmanager
def small_disk(folder):
    """Mount a small file system in memory at the folder; afterwards the files that it held stand there."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "fenceline", folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(done.stderr.strip())
    try:
        yield
    finally:
        (folder / BALLAST).unlink(missing_ok=True)
        copy = folder.with_name(f"{folder.name}-copy")
        shutil.copytree(folder, copy)
        until(
            lambda: not subprocess.run(["umount", folder], check=False).returncode, "nobody uses the small disk", BUSY_S
        )
        folder.rmdir()
        copy.rename(folder)


def fill(folder):
    """Leave no room in the file system of the folder."""
    with (folder / BALLAST).open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(2**20))  # the last one in part


@functools.cache
def why_not(fault):
    """Return why a fault cannot be had on this machine; empty when it can."""
    if fault == "clock" and not stack.PARTS["faketime"].find():
        return "libfaketime is missing: apt-get install faketime"
    if fault == "disk":
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "disk").mkdir()
            try:
                with small_disk(Path(folder) / "disk"):
                    pass
            except OSError as error:
                return f"no file system can be mounted: {error}"
    return ""


class City:
    """One chain with its broker and store, whose parts die by name."""

    def __init__(self, folder, store, seed, faults, *, orders=False):
        self.store, self.folder = store, folder
        self._orders = orders
        self._dice = random.Random(f"{seed} {store}")
        self.kills = Counter()
        self.faults = Counter({fault: 0 for fault in faults if fault != "store" or store == "influxdb"})
        self._open = ExitStack()
        self._troubled = 0.0  # the last moment of a fault
        self._hub_since = 0.0  # the moment at which the hub was started
        self._away = {}  # name: when it starts again

    def __enter__(self):
        folder = self.folder / "mosquitto"
        folder.mkdir(parents=True)
        self._broker = Mosquitto(program("mosquitto"), folder, free_port())
        self._open.callback(self._broker.stop)
        environment = self._start_influxdb() if self.store == "influxdb" else {}
        (self.folder / "city").mkdir()
        self._data = self.folder / "city" / "data"
        if "disk" in self.faults:
            self._data.mkdir()
            self._open.enter_context(small_disk(self._data))
        self.chain = self._open.enter_context(
            Chain(self.folder / "city", self._broker.port, program("micropython"), self.store, environment, SITES)
        )
        self.chain.starts = (KEEPING, "config.json")
        for board in self.chain.boards:
            path = self.chain.folder / board.id / "config.json"
            path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | {"relay": RELAY}), "utf-8")
        if "clock" in self.faults:
            self._clock = WrongClock(program("faketime"), self.folder)
            self.chain.hub_environment = self._clock.environment
        for name in ("hub", *(board.id for board in self.chain.boards)):
            self._start(name)
        return self

    def __exit__(self, *failure):
        self._open.close()

    def _start_influxdb(self):
        folder = self.folder / "influxdb"
        folder.mkdir()
        self.influxdb = InfluxDB(program("influxdb"), folder, free_port(), free_port())
        self._open.callback(self.influxdb.stop)
        self.influxdb.create_database("fenceline")
        gateway = self._open.enter_context(Gateway(self.influxdb.url, InfluxDBv2.token, InfluxDBv2.org))
        gateway.late_s = 1.5 * INFLUXDB_TIMEOUT_MS / 1000
        self._gateway = gateway
        threading.Thread(target=gateway.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        self._open.callback(gateway.shutdown)
        return {
            "INFLUXDB_V2_URL": gateway.url,
            "INFLUXDB_V2_TOKEN": InfluxDBv2.token,
            "INFLUXDB_V2_ORG": InfluxDBv2.org,
            "INFLUXDB_V2_TIMEOUT": str(INFLUXDB_TIMEOUT_MS),
        }

    def kill_at_random(self, kills):
        """Kill so many times; everything runs again at the end."""
        names = ["hub", "broker", *(["influxdb"] if self.store == "influxdb" else [])]
        names += [*PARTS, *self.faults, *(board.id for board in self.chain.boards)]
        weights = [WEIGHTS.get(name, 1) for name in names]
        while self.kills.total() < kills:
            self._rest(self._dice.uniform(*BETWEEN_S))
            if self._orders:
                self._give_order()
            (name,) = self._dice.choices(names, weights)
            if name in self.faults:
                self._begin(name)
            elif name not in self._away and self._kill(name):
                if name not in PARTS:
                    self._away[name] = time.monotonic() + self._dice.uniform(*AWAY_S)
                self.kills[name if name in (*WEIGHTS, *PARTS) else "board"] += 1
                if self.kills.total() % 10 == 0:
                    print(f"{self.store}: {self.kills.total()} kills", file=sys.stderr, flush=True)
        for fault, times in self.faults.items():
            if not times:
                self._begin(fault)
        self._rest(max(AWAY_S[1], FAULT_S[1]) + 1)

    def drain(self):
        """Let the boards send what they have and the store take what the log has, and end the hub.

        A board whose broker went away again and again connects after a pause, and lingers for less than that when it is
        stopped. So it is stopped when it has caught up.
        """
        try:
            every = "every order is over"
            self._until(lambda: not self._orders or not self.orders(only_open=True), every, ORDERS_S)
        except AssertionError:
            for order in self.orders(only_open=True)[-5:]:
                print(f"{self.store}: still open: {order}", file=sys.stderr)
            raise
        self._until(self._all_have_caught_up, "every board has sent nearly all of its records")
        self.chain.stop_boards()
        consumer = "influxdb" if self.store == "influxdb" else None
        self._until(lambda: not self.chain.store_is_behind(consumer), f"the {self.store} store has all")
        self._until(lambda: "hub" not in self._away, "the hub runs")
        code = self.chain.terminate_hub()
        assert code == 0, f"the hub ended with {code}:\n{self.chain.log('hub')[-4000:]}"

    def _until(self, condition, what, seconds=DRAIN_S):
        """Wait for something; a hub that ends because of a fault before is started again all the while."""

        def holds():
            self._rest(0.02)
            return condition()

        until(holds, what, seconds)

    def account(self):
        """Return what became of every record and every event the boards made."""
        made, events = self._made(), events_in_log(self.chain.folder / "data" / "log.db")
        stored = self._in_influxdb if self.store == "influxdb" else self._in_sqlite
        return {
            "store": self.store,
            "kills": dict(sorted(self.kills.items())),
            "faults": dict(sorted(self.faults.items())),
            "records": made.total(),
            "log": difference(made, in_log(self.chain.folder / "data" / "log.db")),
            "events": difference(self._events_made(events), events) | {"given_up": self._events_given_up(events)},
            "series": difference(*stored(made)),
            "quarantined": len(self.chain.quarantine()),
        } | ({"orders": self._account_of_orders()} if self._orders else {})

    def orders(self, *, only_open=False):
        """Return the orders that the hub knows of."""
        with closing(open_compliance(self._data / COMPLIANCE, PART)) as db:
            return OrderBook(db).search(only_open=only_open, most=1_000_000)

    def _give_order(self):
        """Give some board some order, if there is room on the disk for it."""
        board = self._dice.choice(self.chain.boards).id
        what, settings = self._dice.choice(ORDERS)
        with suppress(sqlite3.Error, DatabaseError, OrderError):
            registry = load_registry(load_config(self.chain.folder / "fenceline.toml"))
            with closing(open_compliance(self._data / COMPLIANCE, PART)) as db:
                desk.give(OrderBook(db), registry, board, what, settings, "torture", "", time.time())

    def _account_of_orders(self):
        """Compare what the hub says of each order with what its board began to carry out."""
        begun = Counter()
        for board in self.chain.boards:
            path = self.chain.outbox(board.id) / f"orders{BEGUN}"
            begun += Counter(id_.split("-")[0] for id_ in (path.read_text().split() if path.exists() else ()))
        given = self.orders()
        lost = [order for order in given if not agrees(order, begun[order.mark])]
        for order in lost:
            said = f"the hub says {order.state} ({order.answer}), its board began {begun[order.mark]} times"
            print(f"{self.store}: order {order.id} {order.what!r} to {order.device}: {said}", file=sys.stderr)
        return {
            "records": len(given),
            "lost": len(lost),
            "duplicated": sum(begun[order.mark] > 1 for order in given),
            "states": dict(Counter(order.state for order in given)),
        }

    def _made(self):
        made = Counter()
        for board in self.chain.boards:
            made += made_by(board.id, self.chain.outbox(board.id))
        return made

    def _events_made(self, there=None):
        """Return the events that the boards made, without what they had no room for.

        With those `there`: without what they still keep and is not there, and with what was there all the same.
        """
        made = Counter()
        for board in self.chain.boards:
            kept, waiting, given_up = events_made_by(board.id, self.chain.outbox(board.id))
            made += kept + (waiting if there is None else (waiting | given_up) & there)
        return made

    def _events_given_up(self, there):
        """Return how many events the boards had no room for before the log had them."""
        return sum(
            (events_made_by(board.id, self.chain.outbox(board.id))[2] - there).total() for board in self.chain.boards
        )

    def _all_have_caught_up(self):
        time.sleep(0.5)
        missing = Counter(record[0] for record in self._made() - in_log(self.chain.folder / "data" / "log.db"))
        told = Counter(event[0] for event in self._events_made() - events_in_log(self.chain.folder / "data" / "log.db"))
        return max((missing | told).values(), default=0) <= NEARLY

    def _kill(self, name):
        """Kill it; return False when it is one of the hub's further processes and did not run."""
        if name in PARTS:
            return self.chain.kill_part(PARTS[name])
        if name == "broker":
            self._broker.kill()
        elif name == "influxdb":
            self.influxdb.kill()
        else:
            self.chain.kill(name)
        return True

    def _begin(self, fault):
        """Let a fault begin, unless it goes on already."""
        if fault in self._away:
            return
        if fault == "disk":
            fill(self._data)
        elif fault == "store":
            self._gateway.wrong = self._dice.choice(WRONG)
        else:
            self._clock.set(self._dice.choice(AHEAD_S))
        self._away[fault] = time.monotonic() + self._dice.uniform(*FAULT_S)
        self.faults[fault] += 1

    def _start(self, name):
        if name == "disk":
            (self._data / BALLAST).unlink()
        elif name == "store":
            self._gateway.wrong = None
        elif name == "clock":
            self._clock.set(0)
        elif name == "broker":
            self._broker.start()
        elif name == "influxdb":
            self.influxdb.start()
        elif name == "hub":
            self._hub_since = time.monotonic()
            self.chain.start_hub()
        else:
            self.chain.start_board(name)

    def _rest(self, seconds):
        """Let time go by, and start again what has been away for long enough."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for name, moment in list(self._away.items()):
                if time.monotonic() >= moment:
                    del self._away[name]
                    self._start(name)
            if any(fault in self._away for fault in self.faults):
                self._troubled = time.monotonic()
            if "hub" not in self._away and not self.chain.runs("hub"):
                # As a service manager does. But a hub that ends though nothing is wrong is a mistake.
                excused = self._troubled + EXCUSED_S
                if self._troubled > self._hub_since:
                    excused = max(excused, self._hub_since + START_S)
                assert time.monotonic() < excused, f"the hub ended:\n{self.chain.log('hub')[-4000:]}"
                self.chain.kill("hub")
                self._away["hub"] = time.monotonic() + RESTART_S
            time.sleep(0.02)

    def _in_sqlite(self, made):
        found = defaultdict(dict)
        with read_only(self.chain.folder / "data" / "series.db") as db:
            for *key, quantity, value in db.execute("SELECT device, stream, seq, t, dt, quantity, value FROM reading"):
                found[tuple(key)] |= {} if value is None else {quantity: value}
        return made, Counter((*key, tuple(sorted(values.items()))) for key, values in found.items())

    def _in_influxdb(self, made):
        """Compare by device, start and number: InfluxDB keeps neither stream nor length (see hub/series/influx.py)."""
        found = defaultdict(dict)
        for family in sorted({quantity.family for quantity in load_quantities().values()}):
            for row in self._points(family):
                values = {k: v for k, v in row.items() if k not in ("district", "site", "device", "time")}
                found[row["device"], row["time"]] |= {k: v for k, v in values.items() if v is not None}
        for row in self._points("flagged"):
            value = {} if row.get("value") is None else {row["quantity"]: row["value"]}
            found[row["device"], row["time"]] |= value
        expected = Counter()
        for (device, _, seq, t, _, values), times in made.items():
            expected[device, t * 10**9 + seq % 10**6, values] += times
        return expected, Counter((*key, tuple(sorted(values.items()))) for key, values in found.items())

    def _points(self, measurement):
        form = {"q": f'SELECT * FROM "{measurement}"', "db": "fenceline", "epoch": "ns"}
        with urllib.request.urlopen(f"{self.influxdb.url}/query?{urllib.parse.urlencode(form)}") as answer:
            series = json.load(answer)["results"][0].get("series", [])
        return [dict(zip(one["columns"], row, strict=True)) for one in series for row in one["values"]]


def agrees(order, begun):
    """Tell whether what the hub says of an order agrees with how often its board began with it."""
    if order.state == "done":
        return begun > 0
    if order.state == "refused":  # a board that was killed in the middle says so
        return begun > 0 and "started again while it was at it" in order.answer
    return order.state == "expired" and (not begun or not order.answer.startswith(NEVER_TAKEN))


def made_by(device, outbox):
    """Return the records a board made: device, stream, number, start, length, values."""
    made = {}
    for suffix in (KEPT, SEGMENT):
        for _, stream, path in segments(str(outbox), suffix):
            for line in Path(path).read_bytes().splitlines(keepends=True):
                entry = parse(line)
                if entry:
                    seq, text = entry[0], entry[1].split(b" ", 2)[2]
                    made[device, stream, seq] = told(device, stream, seq, json.loads(text))
    return Counter(made.values())


def in_log(path):
    """Return the records that the log has, as often as it has taken them for new."""
    found = Counter()
    with read_only(path) as db:
        for topic, payload, fresh in db.execute("SELECT topic, payload, fresh FROM message WHERE fresh IS NOT NULL"):
            device, message = topic.split("/")[4], json.loads(payload)
            for first, after in json.loads(fresh):
                for seq in range(first, after):
                    found[told(device, message["stream"], seq, message["records"][seq - message["seq"]])] += 1
    return found


def events_made_by(device, outbox):
    """Return a board's events: device, number, what it said.

    Three counts: those that it holds for done with, those that wait, those that it gave up for want of room.
    """
    found = []
    for path in (outbox / f"events{OLD}", outbox / "events", outbox / f"events{GIVEN_UP}"):
        events = {}
        for line in path.read_bytes().splitlines(keepends=True) if path.exists() else ():
            # A copy that a kill has torn stands whole among those that wait.
            if line.startswith(b'{"n":') and line.endswith(b"}\n"):
                event = json.loads(line)
                events[device, event["n"]] = json.dumps(event, sort_keys=True)
        found.append({(*key, said) for key, said in events.items()})
    kept, waiting, given_up = found
    waiting -= kept
    return Counter(kept), Counter(waiting), Counter(given_up - kept - waiting)


def events_in_log(path):
    """Return the events that the log has, as often as it has them."""
    with read_only(path) as db:
        rows = db.execute("SELECT topic, payload FROM message WHERE topic LIKE '%/event'").fetchall()
    found = Counter()
    for topic, payload in rows:
        event = {name: value for name, value in json.loads(payload).items() if name != "mac"}
        found[topic.split("/")[4], event["n"], json.dumps(event, sort_keys=True)] += 1
    return found


def told(device, stream, seq, record):
    """Return a record as it can be compared."""
    return device, stream, seq, record["t"], record["dt"], tuple(sorted(record["v"].items()))


def difference(made, there):
    """Return how many records are lost and how many duplicated."""
    return {"records": there.total(), "lost": (made - there).total(), "duplicated": (there - made).total()}


def torture(folder, store, kills, seed, faults, *, orders=False):
    """Run one city through so many kills and return its account."""
    with City(folder / store, store, seed, faults, orders=orders) as city:
        until(lambda: city.chain.in_log() > len(city.chain.boards), f"first messages\n{city.chain.log('hub')}")
        city.kill_at_random(kills)
        city.drain()
        return city.account()


def run(folder, stores, kills, seed, faults=FAULTS, *, orders=False):
    """Run the cities side by side, with those of the faults that can be had here, and return the whole account."""
    begin = time.monotonic()
    left_out = {fault: why_not(fault) for fault in faults if why_not(fault)}
    for fault, why in left_out.items():
        print(f"left out: {fault}: {why}", file=sys.stderr, flush=True)
    chosen = [fault for fault in faults if fault not in left_out]
    with ThreadPoolExecutor(len(stores)) as pool:
        cities = list(pool.map(lambda store: torture(folder, store, kills, seed, chosen, orders=orders), stores))
    kinds = ("log", "series", "events", *(("orders",) if orders else ()))
    places = [city[place] for city in cities for place in kinds]
    return {
        "kills": sum(sum(city["kills"].values()) for city in cities),
        "faults": {fault: sum(city["faults"].get(fault, 0) for city in cities) for fault in chosen},
        "left_out": left_out,
        "records": sum(city["records"] for city in cities),
        "events": sum(city["events"]["records"] for city in cities),
        **({"orders": sum(city["orders"]["records"] for city in cities)} if orders else {}),
        "lost": sum(place["lost"] for place in places),
        "duplicated": sum(place["duplicated"] for place in places),
        "quarantined": sum(city["quarantined"] for city in cities),
        "seconds": round(time.monotonic() - begin, 1),
        "seed": seed,
        "cities": cities,
    }


def main():
    """Torture, and print one line of JSON."""
    parser = argparse.ArgumentParser(prog="make torture", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--kills", type=int, default=100, help="in each city (%(default)s)")
    parser.add_argument("--store", choices=(*STORES, "both"), default="both", help="(%(default)s)")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="of the moments and victims")
    parser.add_argument("--keep", type=Path, help="leave logs, outboxes and databases in this folder")
    parser.add_argument("--json", action="store_true", help="nothing but the last line")
    parser.add_argument("--faults", default=",".join(FAULTS), help="beside the kills; '' for none (%(default)s)")
    parser.add_argument("--orders", action="store_true", help="people give the boards orders meanwhile")
    options = parser.parse_args()
    faults = [fault for fault in options.faults.split(",") if fault]
    if unknown := set(faults) - set(FAULTS):
        parser.error(f"--faults {','.join(sorted(unknown))}: expected some of {','.join(FAULTS)}")
    folder = options.keep or Path(tempfile.mkdtemp())
    stores = STORES if options.store == "both" else (options.store,)
    figures = run(folder, stores, options.kills, options.seed, faults, orders=options.orders)
    if not options.keep:
        shutil.rmtree(folder)
    print(json.dumps(figures))
    sys.exit(any(figures[name] for name in ("lost", "duplicated", "quarantined")))


if __name__ == "__main__":
    main()
