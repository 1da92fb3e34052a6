"""A fleet at protocol level: a hub's log, orders and waves, and boards that seal, obey and answer by the agent's code.

What is simulated of a board is its flash and its sensors: which version runs, which is on trial, what its status says.
`python -m tests.hub.orders.fleet 10000` brings a version to so many boards, of which 5 % fail in five ways, in a
temporary folder, and ends with 0 when every board is as it should be.
"""

import argparse
import asyncio
import hashlib
import json
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge import files, message
from edge.rising import Rising
from hub.intake.admission import Admission
from hub.log.log import Log
from hub.log.reader import reading_log
from hub.orders import sender as sender_module
from hub.orders.book import OrderBook
from hub.orders.sender import OrderSender
from hub.orders.tables import PART
from hub.orders.waves.book import RolloutBook
from hub.orders.waves.rolling import Rolling, versions_of
from hub.orders.waves.shelf import MANIFEST, SIGNATURE
from hub.registry.live import Board, Registry
from hub.storage.compliance_file import open_compliance
from tests.hub.helpers import CITY, NOON, QUANTITIES, record

ADDRESS = "http://10.0.0.5:8433/bundles"
WAYS = ("refuses", "gives_up", "silent", "blind", "starving")
"""How a board fails with a new version: it does not take it; its trial ends; it is never heard again; a sensor does not
measure; its heap is nearly full."""
WATCH = 900.0


def bundle(folder, version, arch="xtensawin", key=None):
    """Write a signed bundle; its files are not code, since nobody here runs them."""
    folder.mkdir(parents=True)
    content = f"{version} for {arch}".encode()
    (folder / "edge").mkdir()
    (folder / "edge" / "main.mpy").write_bytes(content)
    files = {"edge/main.mpy": {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}}
    manifest = {"version": version, "arch": arch, "micropython": "1.29.0", "mpy": "6.3", "files": files}
    text = json.dumps(manifest).encode()
    (folder / MANIFEST).write_bytes(text)
    if key is not None:
        (folder / SIGNATURE).write_text(key.sign(text).hex())
    return folder


def signing_key(folder):
    """Make a key to sign with, and its public half as a file."""
    key = Ed25519PrivateKey.generate()
    public = folder / "bundle.pub"
    public.write_bytes(
        key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return key, public


class SimBoard:
    """A board: `fails` names its way to fail with the new version, "" that it works."""

    def __init__(self, city, name, fails=""):
        self.city, self.name, self.fails = city, name, fails
        self.signer = message.Signer(city.registry.keys[name])
        site = city.registry.site_of(name)
        self.topic = f"fenceline/1/{site.district}/{site.id}/{name}/"
        self.agent, self.before, self.arch = "0.1.0", "0.1.0", "xtensawin"
        self.online, self.away, self.problem = True, False, ""
        self.rejected, self.reset, self.more = 0, "power", {}
        self.seq, self.events, self.starts = 0, 0, 0
        self.due = []  # (when, what)
        self.rising = Rising(str(city.folder / "flash" / name))

    def say(self, kind, text):
        self.city.said.append((self.topic + kind, self.signer.seal(text)))

    def status(self):
        bad = self.agent == self.city.version
        sensors = {"noise": "N", "dust": "B" if bad and self.fails == "blind" else "N"}
        heap = 6_000 if bad and self.fails == "starving" else 25_000
        more = {"agent": self.agent, "sensors": sensors, "rejected": {"dust": self.rejected}, "reset": self.reset}
        self.say("status", message.status(True, self.city.now, **more, heap_free=heap, **self.more))

    def measure(self):
        if self.online:
            self.seq += 1
            text = record(self.city.now // 60 * 60 - 60, 60, laeq=60.0)
            parts = message.telemetry("9f3a12c4", self.seq, 1, 0, "ntp", [text.encode()])
            self.say("telemetry", b"".join(parts).decode())

    def take(self, payload):
        """Obey an order, as the agent does; what takes time is due later."""
        if not self.online:
            return
        command = self.signer.unseal(payload)

        async def act(order):
            if order["do"] == "ping":
                self.status()
                return "pong"
            return self.update(order)

        reply, done = asyncio.run(self.rising.once(command, self.city.now, act))
        if reply:
            self.say("reply", message.reply(command["id"], self.city.now, *reply))
        if done and command["do"] == "update":
            self.online = False
            self.due.append((self.city.now + 30, "start"))

    def update(self, order):
        version, arch = self.city.served[order["url"].removeprefix(ADDRESS + "/")]
        if arch != self.arch:
            raise ValueError(
                f"update: manifest.json: made for {arch} with .mpy format 6.3, this board is {self.arch} with 6"
            )
        if self.fails == "refuses" and version == self.city.version:
            raise ValueError("update: slots/b: [Errno 28] ENOSPC")
        if number(version) < number(self.agent) and not order.get("downgrade"):
            raise ValueError(f"update: {version} is older than {self.agent}")
        self.before, self.agent = self.agent, version
        return f"{version} is fetched and starts now, on trial"

    def live(self):
        """Do what is due."""
        for due in [one for one in self.due if one[0] <= self.city.now]:
            self.due.remove(due)
            new = self.agent == self.city.version
            if new and self.fails == "silent":
                continue
            if new and self.fails == "gives_up" and due[1] == "start":
                self.due.append((self.city.now + 300, "back"))
                continue
            if due[1] == "back":
                self.problem, self.agent = f"{self.agent}: not healthy after 3 starts", self.before
            self.start()

    def start(self):
        self.online, self.reset, self.rejected = True, "software", 0
        self.starts += 1
        self.status()
        if self.problem:
            self.events += 1
            detail = json.dumps({"problem": self.problem})
            n = (int(hashlib.sha256(self.name.encode()).hexdigest()[:6], 16) << 20) + self.events
            self.say("event", f'{{"n":{n},"t":{self.city.now},"event":"update","detail":{detail}}}')
            self.problem = ""


def number(version):
    return [int(part) for part in version.split(".")]


class FleetCity:
    """A hub and its boards, in a time of their own."""

    def __init__(self, folder, count, failing=(), arch="xtensawin", version="0.2.0"):
        self.folder, self.version, self.now = folder, version, NOON
        (folder / "flash").mkdir()
        names = [f"b{index}" for index in range(count)]
        boards = {name: Board(id=name, site="tower") for name in names}
        keys = {name: hashlib.sha256(name.encode()).digest() for name in names}
        self.registry = Registry(CITY.sites, boards, keys, CITY.zone)
        self.said, self.served = [], {}
        self.log = Log(folder / "log.db")
        self.admission = Admission(self.registry, QUANTITIES, lambda: self.now)
        self.boards = {name: SimBoard(self, name) for name in names}
        for name, way in dict(failing).items():
            self.boards[name].fails = way
        self.key, self.trusted = signing_key(folder)
        self.db = open_compliance(folder / "compliance.db", PART)
        self.db.execute("PRAGMA synchronous = OFF")  # no power is cut here
        self.book = RolloutBook(self.db)
        self.add("0.1.0", arch)
        self.add(version, arch)
        self.begin_hub()
        for board in self.boards.values():
            board.status()
            board.measure()
        self.hear()

    def close(self):
        self.db.close()
        self.log.close()

    def add(self, version, arch):
        folder = self.folder / "bundles" / version / arch
        found = self.book.shelf.add(bundle(folder, version, arch, self.key), self.trusted, "it", self.now)
        self.served[found.sha256] = version, arch

    def begin_hub(self):
        """Start the part of the hub that sends; what it knew is in the databases."""
        path = self.folder / "compliance.db"
        sender = OrderSender(
            path, self.folder / "log.db", lambda: self.registry, lambda: self.now, lambda: False, ADDRESS
        )
        self.sender = sender

    def begin(self, percents=(1, 10, 100), **more):
        with reading_log(self.folder / "log.db") as entries:
            running, end = versions_of(entries, self.registry, self.now), entries.end()
        more = {"watch": WATCH} | more
        return self.book.begin(self.version, percents, running, "zhang", "new", self.now, end, **more)

    def hear(self):
        said, self.said = self.said, []
        if said:
            self.log.commit([self.admission.judge(topic, payload) for topic, payload in said], self.now)

    def step(self, seconds=60):
        """Let time go by: boards live, the hub hears them and sends."""
        self.now += seconds
        for board in self.boards.values():
            board.live()
            board.measure()
        self.hear()
        sender_module.time = SimpleNamespace(monotonic=lambda: self.now)
        try:
            self.sender.step(OrderBook(self.db))
            self.sender.roll(self.db)
            self.sender.step(OrderBook(self.db))
        finally:
            sender_module.time = time
        for topic, payload, _ in self.sender.outgoing():
            self.boards[topic.split("/")[4]].take(payload)
        self.hear()

    def until(self, condition, hours=48, between=lambda: None):
        """Let time go by until a condition holds."""
        end = self.now + hours * 3600
        while not condition():
            assert self.now < end, f"not within {hours} h: {self.state()} {self.counts()}"
            self.step()
            between()

    def state(self):
        return self.book.newest().state

    def why(self):
        return self.book.newest().why

    def counts(self):
        return self.book.counts(self.book.newest().id)

    def settled(self):
        """Tell whether no board is on its way."""
        moving = {"ordered", "watched", "asked", "leaving", "returning"}
        return self.state() != "running" and not moving & self.counts().keys()

    def running(self):
        return Counter(board.agent for board in self.boards.values() if board.online)

    def board(self, name):
        return self.book.board(self.book.newest().id, name)


def fails(count):
    """Return which boards fail, and how: 5 %, in five ways."""
    names = [f"b{index}" for index in range(count)]
    chosen = sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest())[: max(5, count // 20)]
    return {name: WAYS[index % len(WAYS)] for index, name in enumerate(chosen)}


def check_done(city, failing):
    """Assert that each board is as it should be: the new version where it works, else the old one, and why."""
    for name, board in city.boards.items():
        row = city.board(name)
        way = failing.get(name, "")
        expected = {"": "healthy", "refuses": "failed", "silent": "failed"}.get(way, "returned")
        assert (row.state, bool(row.failed)) == (expected, bool(way)), (name, way, row)
        assert board.agent == ("0.2.0" if way in ("", "silent") else "0.1.0"), (name, way)
        assert bool(row.why) == bool(way), (name, row.why)


def main():
    """Bring a version to many boards."""
    parser = argparse.ArgumentParser()
    parser.add_argument("boards", type=int)
    count = parser.parse_args().boards
    files.fsync = lambda _file: None  # no power is cut here, and all boards share one disk
    failing = fails(count)
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        with closing(FleetCity(Path(folder), count, failing)) as city:
            city.begin(tolerate=20)
            begun = city.now
            slowest, told = 0.0, begun

            def watch():
                nonlocal slowest, told
                if city.now >= told + 1800:
                    told, moment = city.now, time.monotonic()
                    Rolling(Path(folder) / "log.db", ADDRESS).step(city.db, city.registry, city.now)
                    slowest = max(slowest, time.monotonic() - moment)  # of a hub that has just begun
                    print(f"{(city.now - begun) / 3600:.1f} h {city.state()} {city.counts()}", file=sys.stderr)

            city.until(city.settled, 24 * 30, watch)
            check_done(city, failing)
            print(
                json.dumps(
                    {
                        "boards": count,
                        "failing": len(failing),
                        "states": city.counts(),
                        "running": city.running(),
                        "hours": (city.now - begun) / 3600,
                        "slowest_step_s": round(slowest, 3),
                        "seconds": round(time.monotonic() - began, 1),
                    }
                )
            )


if __name__ == "__main__":
    main()
