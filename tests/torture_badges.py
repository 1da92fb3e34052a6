"""Kills the hub at random moments while badges and sensors of bins send, and counts: `make torture-badges`.

    make torture-badges ARGS="--kills 200 --json"

Badges of workers at work, and of some who are not, send positions to `fenceline run`, and others call for help; a
network server publishes uplinks of bins. The hub is ended by SIGKILL, or its consumers alone, and the network
server's broker is stopped and started now and then. Then all send what they have, and the log is compared.

`made`: positions, calls and uplinks. `acknowledged`: of those; a call by `AL`, a position by a heartbeat behind it that
is answered, an uplink by the broker (PUBACK). `lost`: acknowledged and not in the log with its own bytes. `duplicated`:
more often in the log than they were made. `exposed`: positions outside a shift of which a byte is anywhere in the data
folder. `untold`: calls that nobody was told of. `late`: told more than 5 s of a running hub after they were in the
log, times the machine's load where that is above 1; `worst`: the longest of these times [s]. JSON comes last; ends with
1 if any of these, or what waits, is not 0.
"""

import asyncio
import base64
import contextlib
import datetime as dt
import json
import math
import os
import random
import re
import struct
import time
from collections import Counter
from contextlib import closing

import msgspec
import paho.mqtt.client as paho

from hub.log.reader import reading_log
from hub.storage.compliance_file import COMPLIANCE, open_compliance
from hub.things.entries import Thing
from hub.things.store import ThingStore
from hub.things.tables import PART as THINGS
from hub.wire.badge import logged as badge_logged
from hub.wire.badge.kinds import FIX
from hub.wire.badge.kinds import PREFIX as BADGES
from hub.wire.lorawan import logged as lorawan_logged
from hub.wire.lorawan.kinds import PREFIX as LORAWAN
from sim.badges.badge import SOS, Account, SimBadge, frame, position
from sim.city.account import read_only
from tests.conftest import Server, require
from tests.hub.alerting import a_hook
from tests.ports import free_port
from tests.torture_frames import HubUnderFire, besiege, command, settled, write_files

WITHIN = 5.0
OUTSIDE = 23.98
"""Degrees: positions outside a shift lie from here to 0.01 farther north, and no other does."""
TEXT = re.compile(rb"(?<!\d)(?=(23\.98\d{4}))")
BIG, LITTLE = re.compile(rb"(?s)(?=(\x40\x37[\xfa-\xfd].{5}))"), re.compile(rb"(?s)(?=(.{5}[\xfa-\xfd]\x37\x40))")
"""How such latitudes begin as text and as numbers of 64 bits."""
BACK_S = 86_400  # so long ago shifts begin, and badges with them
CALLS_EVERY = 1.5  # s
BROKER_TOO = 0.2
"""Share of the kills at which the network server's broker is stopped, too."""
SUBSCRIBED_S = 30  # so long it may take to
BINS = 4
BAD = ("lost", "duplicated", "waiting", "exposed", "untold", "late", "tracebacks")


class Network:
    """A network server: its broker, which keeps what it has, and the server that publishes there."""

    def __init__(self, folder):
        self.port = free_port()
        config = folder / "network.conf"
        config.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence true\n"
            f"persistence_location {folder}/\nautosave_interval 1\nmax_queued_messages 0\nuser root\n"
            "log_dest stderr\nlog_type error\nlog_type subscribe\n"
        )
        self._log = folder / "network.log"
        self._server = Server([require("mosquitto"), "-c", config], self.port, self._log)
        self.acknowledged, self.made = [], []
        self._sent = {}
        client = self._client = paho.Client(paho.CallbackAPIVersion.VERSION2, "server", clean_session=False)
        client.max_queued_messages_set(0)
        client.reconnect_delay_set(1, 1)
        client.on_publish = lambda _client, _data, mid, *_: self._done(mid)
        client.connect("127.0.0.1", self.port)
        client.loop_start()

    def _done(self, mid):
        payload = self._sent.pop(mid, None)
        if payload is not None:
            self.acknowledged.append(payload)

    def heard(self):
        """Return how often the hub has subscribed: no broker keeps what came before the first time."""
        return self._log.read_text("utf-8", "replace").count("fenceline-hub-lorawan")

    def again(self):
        """Stop the broker and start it: what it has queued it keeps."""
        self._server.stop()
        self._server.start()

    def close(self):
        self._client.disconnect()
        self._client.loop_stop()
        self._server.stop()

    def account(self):
        return Account(len(self.made), len(self.acknowledged), len(self._sent))

    async def measure(self, every):
        """Publish an uplink of each bin in turn."""
        await settled(lambda: not self.heard(), every=0.1)
        for counter in range(1, 1_000_000):
            payload = uplink(counter % BINS, counter // BINS + 1, time.time())
            info = self._client.publish(f"application/1/device/{eui(counter % BINS)}/event/up", payload, 1)
            self._sent[info.mid] = payload
            self.made.append(payload)
            await asyncio.sleep(every)


def eui(n):
    return f"24e124136b5022{n:02x}"


def uplink(n, counter, t):
    """Return what ChirpStack publishes of a level."""
    data = bytes.fromhex("0367f600" + "0482") + (500 + counter % 900).to_bytes(2, "little")
    when = dt.datetime.fromtimestamp(t, dt.UTC).isoformat()
    said = {"time": when, "deviceInfo": {"devEui": eui(n)}, "devAddr": "00189440", "fPort": 85, "fCnt": counter}
    return json.dumps(said | {"data": base64.b64encode(data).decode()}).encode()


class HubKilled(HubUnderFire):
    """And the network server's broker beside it. It remembers when it ran."""

    def __init__(self, folder, port, network, dice):
        super().__init__(folder, port)
        self._network, self._dice = network, dice
        self.ran = []
        """From when to when it took connections, Unix s."""
        self._since = None
        self._heard = 0  # how often it had subscribed when it was killed last

    async def listens(self):
        await super().listens()
        self._since = self._since or time.time()
        before, first = self._heard, self._heard == 0
        if first or self._dice.random() < 0.3:  # else it is killed before
            await settled(lambda: self._network.heard() == before, SUBSCRIBED_S, 0.05)

    def kill(self):
        super().kill()
        self._note()
        self._heard = self._network.heard()
        if self._dice.random() < BROKER_TOO:
            self._network.again()
            self.kills["broker"] += 1

    def stop(self):
        self._note()
        super().stop()

    def _note(self):
        if self._since is not None:
            self.ran.append((self._since, time.time()))
        self._since = None

    def time_between(self, since, until):
        """Return for how long it ran between two moments [s]."""
        return sum(max(0.0, min(end, until) - max(begin, since)) for begin, end in self.ran)


def number_of(n):
    return f"88{n:08d}"


def write_hub(folder, badges, callers, network_port, hook):
    """Write the files of a hub with so many badges, of whom every third wearer is not at work; return its port."""
    entries = "".join(
        f'\n[[badge]]\nid = "b{n}"\nsite = "tower"\nnumber = "{number_of(n)}"\n' for n in range(badges + callers)
    )
    entries += "".join(
        f'\n[[node]]\nid = "bin-{n}"\nsite = "tower"\neui = "{eui(n)}"\ncodec = "milesight"\nempty_mm = 1500\n'
        "full_mm = 300\n"
        for n in range(BINS)
    )
    port = write_files(folder, "badges", entries, "")
    (folder / "url").touch(0o600)
    (folder / "url").write_text(hook.url())
    with (folder / "fenceline.toml").open("a") as file:
        file.write(f'[[lorawan]]\nname = "city"\nport = {network_port}\n')
        file.write('[[recipient]]\nname = "duty"\nurl_file = "url"\n')
    (folder / "data").mkdir(mode=0o700)
    now = int(time.time())
    with closing(open_compliance(folder / "data" / COMPLIANCE, THINGS)) as db:
        store = ThingStore(db)
        for n in range(badges):
            said = [("worker", f"w{n}", {"source": f"b{n}"}, None, None)]
            if at_work(n):
                said.append(("shift", f"s{n}", {"worker": f"w{n}"}, now - BACK_S, now + BACK_S))
            for kind, id_, properties, since, until in said:
                fields = {"kind": kind, "id": id_, "en": id_, "zh": id_, "properties": properties}
                fields |= {"from": since, "until": until}
                store.add(msgspec.convert(fields, Thing), 0.0, "torture", "")
    return port


def at_work(n):
    return n % 3 != 2


async def walk(badge, n, every):
    """Let a badge send positions; outside the shift from where nobody may know."""
    t = int(time.time()) - BACK_S + 60
    for k in range(1_000_000):
        outside = not at_work(n) or k % 5 == 4
        when = t + k if at_work(n) and not outside else t - 7200 - k
        lat = OUTSIDE + (n * 1000 + k) % 9999 / 1e6 if outside else 23.1 + k % 1000 / 1e5
        badge.add(position("UD2" if k % 7 == 6 else "UD", when, lat, 113.1, steps=k))
        await asyncio.sleep(every)


async def call(fleet, callers):
    """Let one badge after the other call for help, once each."""
    for n in callers:
        await asyncio.sleep(CALLS_EVERY)
        fleet[f"b{n}"].add(position("AL", int(time.time()), 23.2, 113.2, SOS, steps=n))


def in_log(folder):
    """Return how often each frame (badge, content without its command) and each uplink is in the log."""
    found, calls = Counter(), {}
    with reading_log(folder / "data" / "log.db") as log:
        offset = 0
        while entries := log.read(offset, 5000):
            offset = entries[-1].offset
            for entry in entries:
                if entry.topic.startswith(LORAWAN):
                    found[lorawan_logged.unpack(entry.payload)[1]] += 1
                elif entry.topic.startswith(BADGES) and entry.place.kind == FIX:
                    _, raw = badge_logged.unpack(entry.payload)
                    found[raw] += 1
                    if entry.said.moments[0].states.get("sos"):
                        calls[entry.place.device] = entry.received
    return found, calls


def told(folder):
    """Return when somebody was told of each badge's call, Unix s."""
    sql = (
        "SELECT alert.device, min(sent) FROM notification JOIN alert ON alert.id = notification.alert "
        "WHERE alert.kind = 'sos' AND notification.subject = 'alert' AND sent IS NOT NULL GROUP BY 1"
    )
    with contextlib.suppress(OSError), read_only(folder / "data" / COMPLIANCE) as db:
        return dict(db.execute(sql).fetchall())
    return {}


def exposed(folder, fleet):
    """Return of how many positions outside a shift a latitude is in any file, as text or as a number."""
    outside = {
        content.split(",")[4]
        for badge in fleet.values()
        for content in badge.made
        if content.split(",")[4].startswith(f"{OUTSIDE:.2f}")
    }
    numbers = {struct.pack(order + "d", float(lat)): lat for lat in outside for order in "<>"}
    there = set()
    for path in (folder / "data").rglob("*"):
        data = path.read_bytes() if path.is_file() else b""
        there |= outside & {text.decode() for text in TEXT.findall(data)}
        there |= {numbers[packed] for packed in (*LITTLE.findall(data), *BIG.findall(data)) if packed in numbers}
    return len(outside), len(there)


def figures(folder, fleet, network, hub, badges):
    """Count what was made against what is there."""
    at = {id_: [*one.made] for id_, one in fleet.items()}
    kept = lambda content: not content.split(",")[4].startswith(f"{OUTSIDE:.2f}")  # noqa: E731
    raw = lambda one, content: frame(one.number, content)  # noqa: E731
    made = Counter(raw(fleet[id_], content) for id_, said in at.items() for content in said if kept(content))
    made.update(network.made)
    safe = Counter(raw(one, content) for one in fleet.values() for content in one.acknowledged if kept(content))
    safe.update(network.acknowledged)
    there, calls = in_log(folder)
    heard = told(folder)
    waits = [hub.time_between(since, heard[id_]) for id_, since in calls.items() if id_ in heard]
    allowed = WITHIN * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    outside, seen = exposed(folder, fleet)
    return {
        "kills": sum(hub.kills.values()),
        "by_kind": dict(hub.kills),
        "badges": badges,
        "made": made.total() + outside,
        "outside": outside,
        "acknowledged": sum(len(one.acknowledged) for one in fleet.values()) + len(network.acknowledged),
        "uplinks": len(network.made),
        "waiting": sum(one.account().waiting for one in (*fleet.values(), network)),
        "lost": (safe - there).total(),
        "duplicated": (there - made).total(),
        "exposed": seen,
        "calls": len(calls),
        "untold": len(calls.keys() - heard.keys()),
        "late": sum(one > allowed for one in waits),
        "worst": round(max(waits, default=0.0), 1),
        "tracebacks": hub.tracebacks(),
    }


async def run(folder, kills, badges, seed, every=0.2, longest=math.inf):
    """Run the city and return the figures; `longest`: no more kills after so long [s]."""
    callers = range(badges, badges + 2 * kills + 10)
    network = Network(folder)
    try:
        with a_hook() as hook:
            port = write_hub(folder, badges, len(callers), network.port, hook)
            fleet = {f"b{n}": SimBadge(port, number_of(n)) for n in range(badges + len(callers))}
            hub = HubKilled(folder, port, network, random.Random(seed))
            makers = [walk(fleet[f"b{n}"], n, every) for n in range(badges)]
            makers += [call(fleet, callers), network.measure(every)]

            async def settle():
                uplinks = lambda: sum(n for one, n in in_log(folder)[0].items() if not one.startswith(b"[3G"))  # noqa: E731
                await settled(lambda: network.account().waiting or uplinks() < len(network.made))
                await settled(hub.store_is_behind)
                await settled(lambda: in_log(folder)[1].keys() - told(folder).keys(), 60)

            await besiege(hub, fleet, makers, settle, kills, seed, longest)
            return figures(folder, fleet, network, hub, badges)
    finally:
        network.close()


if __name__ == "__main__":
    command(__doc__, "badges", run, BAD)
