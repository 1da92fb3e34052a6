"""The hub's clock is set wrong and right again: nothing is lost, and law is done as if it had not been."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import closing
from pathlib import Path

import paho.mqtt.client as paho
import psutil
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from edge import message
from hub.wire.seal import authentic
from tests.conftest import require
from tests.hub.helpers import CITY, QUIET_TOML, query, record
from tests.system.chain import until as wait_until
from tests.wrong_clock import WrongClock, clean_up

ROOT = Path(__file__).resolve().parent.parent.parent
DAY = 86_400
WINDOW = 1200  # of the noise limit, s
BOARDS = ("fence-1", "fence-2", "stack-1")


def until(condition, seconds=60):
    """Wait until a condition holds."""
    wait_until(condition, "what the line above says", seconds)


class City:
    """Three boards that send when they are told to, and a hub whose clock can be set."""

    def __init__(self, folder, broker, port):
        self.folder, self.broker, self.port = folder, broker, port
        self.clock = WrongClock(require("faketime"), folder)
        self.acknowledged, self._next = {}, dict.fromkeys(BOARDS, 1)
        self.sent = 0
        self.times = {}
        self._outbox = []  # (device, last number, topic, payload)
        (folder / "fenceline.toml").write_text(
            'registry = "registry.toml"\nkeys = "keys.toml"\ndata = "data"\nacknowledge_every = 0.2\n'
            f"[broker]\nport = {broker.port}\n[http]\nport = {port}\n[keep]\nquarantined = 1000\ndays = 0.5\n"
        )
        text = 'timezone = "Asia/Shanghai"\n'
        for site in CITY.sites.values():
            text += (
                f'[[site]]\nid = "{site.id}"\ndistrict = "{site.district}"\nkind = "{site.kind}"\n'
                f'en = "{site.en}"\nzh = "{site.zh}"\n{QUIET_TOML}'
            )
        text += "".join(f'[[board]]\nid = "{board.id}"\nsite = "{board.site}"\n' for board in CITY.boards.values())
        (folder / "registry.toml").write_text(text, "utf-8")
        (folder / "keys.toml").touch(0o600)
        (folder / "keys.toml").write_text("".join(f'{id_} = "{key.hex()}"\n' for id_, key in CITY.keys.items()))
        self._mqtt = paho.Client(CallbackAPIVersion.VERSION2, client_id="boards")
        self._mqtt.max_queued_messages_set(0)
        self._mqtt.on_message = self._hear
        self._mqtt.connect("127.0.0.1", broker.port)
        self._mqtt.subscribe("fenceline/1/+/+/+/ack", 1)
        self._mqtt.loop_start()
        self.hub = None

    def close(self):
        if self.hub:
            self.kill()
        self._mqtt.disconnect()
        self._mqtt.loop_stop()

    def start(self, wrong=0):
        self.clock.set(wrong)
        command = [Path(sys.executable).parent / "fenceline", "run", "--config", self.folder / "fenceline.toml"]
        environment = os.environ | {"PYTHONPATH": str(ROOT)} | self.clock.environment
        with (self.folder / "hub.log.log").open("ab") as log:
            self.hub = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        until(lambda: self.ready("broker"), 40)

    def kill(self):
        processes = [self.hub, *psutil.Process(self.hub.pid).children()]
        self.hub.kill()
        self.hub.wait()
        for process in processes:
            clean_up(process.pid)
        self.hub = None

    def say(self, device, t, count=1, **values):
        """Let a board send records of 10 s from `t` on, in messages of at most 100."""
        while count:
            some = min(count, 100)
            texts = [record(t + 10 * n, **values).encode() for n in range(some)]
            oldest = self.acknowledged.get(device, 0) + 1
            body = b"".join(message.telemetry("9f3a12c4", self._next[device], oldest, 3, "ntp", texts)).decode()
            site = CITY.site_of(device)
            topic = f"fenceline/1/{site.district}/{site.id}/{device}/telemetry"
            payload = message.Signer(CITY.keys[device]).seal(body)
            self._mqtt.publish(topic, payload, 1).wait_for_publish(20)
            self._next[device] += some
            self._outbox.append((device, self._next[device] - 1, topic, payload))
            count, t, self.sent = count - some, t + 10 * some, self.sent + some

    def ready(self, name):
        """Tell whether the hub says that a part of it is in order."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5) as answer:
                status = json.load(answer)
        except urllib.error.HTTPError as error:
            status = json.load(error)
        except OSError:
            return None
        return {check["name"]: check["ok"] for check in status["checks"]}[name]

    def done(self):
        """Return how many records boards may forget."""
        return sum(self.acknowledged.values())

    def all_done(self):
        """Tell whether boards may forget all; let them send again what they may not, as boards do every few seconds."""
        if self.done() == self.sent:
            return True
        for device, last, topic, payload in self._outbox:
            if last > self.acknowledged.get(device, 0):
                self._mqtt.publish(topic, payload, 1).wait_for_publish(20)
        time.sleep(1)
        return False

    def messages(self):
        return query(self.folder / "data" / "log.db", "SELECT received, payload FROM message")

    def compliance(self, sql):
        return query(self.folder / "data" / "compliance.db", sql)

    def said(self):
        return (self.folder / "hub.log.log").read_text()

    def _hear(self, _client, _data, heard):
        device = heard.topic.split("/")[4]
        told = json.loads(heard.payload)
        if "time" in told:
            assert authentic(heard.payload, CITY.keys[device])
            self.times[told["nonce"]] = told["time"] / 1000 - time.time()
            return
        self.acknowledged[device] = max(self.acknowledged.get(device, 0), told["seq"])

    def ask(self, device, nonce):
        """Let a board say a status that asks for the time; `times` has by nonce how far the answer was from it, s."""
        site = CITY.site_of(device)
        status = message.Signer(CITY.keys[device]).seal(message.status(True, 0, nonce=nonce))
        self._mqtt.publish(f"fenceline/1/{site.district}/{site.id}/{device}/status", status, 1).wait_for_publish(20)


@pytest.fixture
def city(tmp_path, mosquitto, free_port):
    with closing(City(tmp_path, mosquitto, free_port())) as city:
        yield city


def boundary():
    """Return the end of the last whole window, Unix s; windows of 20 min lie the same way on every local clock."""
    return int(time.time()) // WINDOW * WINDOW


def lately(ago=20):
    """Return when a record of 10 s began that lies so far back, Unix s.

    It never ends where a window does: it would be the window's last, which is judged at once, whatever the clock says.
    """
    begin = (int(time.time()) - ago) // 10 * 10
    return begin - 10 if (begin + 10) % WINDOW == 0 else begin


@pytest.mark.parametrize("jump", [9 * DAY, pytest.param(500 * DAY, marks=pytest.mark.long), -DAY, 7200])
def test_a_clock_that_jumps_and_comes_back_changes_no_verdict_and_loses_no_message(city, jump):
    city.start()
    end = boundary()
    for device in ("fence-2", "stack-1"):
        city.say(device, lately(), laeq=60.0)
    city.say("fence-1", end - WINDOW, WINDOW // 10 - 6, laeq=95.0)
    until(lambda: city.done() == city.sent)
    logged = len(city.messages())

    city.clock.set(jump)
    until(lambda: city.ready("clock") is False)
    # The process that judges has heard of it, too, once it has raised the alert.
    until(lambda: city.compliance("SELECT 1 FROM alert WHERE kind = 'clock'"))
    verdicts = city.compliance("SELECT * FROM verdict")
    for n in range(6):
        city.say("fence-1", end - 60 + 10 * n, laeq=95.0)
        city.say("fence-2", lately(), laeq=60.0)
    until(lambda: len(city.messages()) == logged + 12)
    time.sleep(3)  # so many chores, looks and takes
    assert city.done() == city.sent - 12, "nothing is acknowledged meanwhile"
    assert city.compliance("SELECT * FROM verdict") == verdicts, "nothing is judged meanwhile"
    assert all(v["end"] <= time.time() and abs(v["judged"] - time.time()) < 120 for v in verdicts)
    assert "fence-1" not in {v["device"] for v in verdicts}, "its last minute is not there yet"
    (alert,) = city.compliance("SELECT * FROM alert WHERE kind = 'clock'")
    assert (alert["state"], alert["severity"]) == ("firing", "critical")
    assert "jumped" in alert["text"]
    assert "时钟" in alert["text"]

    city.clock.set(0)
    until(lambda: city.ready("clock"))
    until(city.all_done)
    assert len(city.messages()) == logged + 12
    now = time.time()
    assert all(abs(row["received"] - now) < 120 for row in city.messages())
    city.say("fence-1", end, laeq=95.0)
    rule = "rule = 'GB 12523-2025 laeq-day'" if 6 <= hour(end - WINDOW) < 22 else "rule = 'GB 12523-2025 laeq-night'"
    until(lambda: city.compliance(f"SELECT * FROM verdict WHERE {rule} AND end = {end}"))
    verdicts = city.compliance(f"SELECT * FROM verdict WHERE {rule} AND device = 'fence-1' AND end = {end}")
    assert [(v["outcome"], v["revision"], v["valid_share"]) for v in verdicts] == [("exceeded", 1, 1.0)]
    until(lambda: city.compliance(f"SELECT * FROM alert WHERE {rule} AND state = 'firing'"))
    # Another look of the hub ends it than the one that judges.
    until(lambda: [one["state"] for one in city.compliance("SELECT * FROM alert WHERE kind = 'clock'")] == ["resolved"])
    assert query(city.folder / "data" / "log.db", "SELECT * FROM quarantine") == []


def test_a_hub_tells_boards_the_time_and_none_while_it_doubts_its_own(city):
    city.start()
    city.ask("fence-1", "00000000000000a1")
    until(lambda: "00000000000000a1" in city.times, 20)
    city.clock.set(7200)
    until(lambda: city.ready("clock") is False)
    city.ask("fence-1", "00000000000000a2")
    time.sleep(2)
    city.clock.set(0)
    until(lambda: city.ready("clock"))
    city.ask("fence-1", "00000000000000a3")
    until(lambda: "00000000000000a3" in city.times, 20)
    assert sorted(city.times) == ["00000000000000a1", "00000000000000a3"]
    assert all(abs(wrong) < 3 for wrong in city.times.values()), city.times


def hour(t):
    return (t // 3600 + 8) % 24


def test_a_hub_that_starts_a_day_behind_doubts_itself_and_loses_nothing(city):
    city.start(wrong=-DAY)
    for _ in range(5):
        for device in BOARDS:
            city.say(device, lately(2000), 200, laeq=60.0)
            time.sleep(0.2)
    until(lambda: city.ready("clock") is False)
    done = city.done()
    for device in BOARDS:
        city.say(device, lately(2000), 200, laeq=60.0)
    time.sleep(3)
    assert city.done() == done, "nothing is acknowledged meanwhile"
    assert "boards say that it is about" in city.said()
    until(lambda: [a["state"] for a in city.compliance("SELECT * FROM alert WHERE kind = 'clock'")] == ["firing"])

    city.clock.set(0)
    until(lambda: city.ready("clock"))
    for device in BOARDS:
        city.say(device, lately(), laeq=60.0)
    until(city.all_done)
    data = city.folder / "data" / "log.db"
    until(lambda: query(data, "SELECT count(*) AS n FROM quarantine")[0]["n"] == 0)
    assert sum(len(json.loads(row["payload"])["records"]) for row in city.messages()) == city.sent


def test_a_hub_killed_under_a_wrong_clock_knows_that_it_is_wrong(city):
    city.start()
    for device in BOARDS:
        city.say(device, lately(), laeq=60.0)
    until((city.folder / "data" / "clock.json").exists)
    city.kill()
    city.start(wrong=500 * DAY)
    assert city.ready("clock") is False
    city.say("fence-1", lately(), laeq=60.0)
    until(lambda: len(city.messages()) == 4)
    time.sleep(3)
    assert len(city.messages()) == 4
    city.clock.set(0)
    until(city.all_done)
