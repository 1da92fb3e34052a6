"""One board floods, the others go on: on a real broker, with the hub as it runs."""

import contextlib
import json
import pickle
import subprocess
import sys
import threading
import time
from pathlib import Path

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from edge import message
from hub.log.log import FLOOD
from hub.wire.seal import seal
from sim.city.account import read_only
from tests.bench import load
from tests.bench.parts import Broker, HubProcess
from tests.system.chain import until

ROOT = Path(__file__).resolve().parent.parent.parent
FLOOD_S = 20
FLOODING = 300  # messages, over and over again
RECORDS = 500  # in each: as many as the contract allows
VALUES = {"laeq": 61.25, "lafmax": 70.5, "pm25": 35.125, "pm10": 60.5, "tsp": 110.25, "humidity": 55.5}
QUIET = 20
QUIET_EVERY_S = 0.9
LONGEST_S = 23  # a third of what it was when the hub took messages in the order in which they came
AGAIN_S = 15  # as boards do
WINDOW = 100  # messages
MOST_MB = 250  # in each process of the hub
FLOODER = """
import pickle, sys, threading, time
from pathlib import Path
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
messages = pickle.loads(Path(sys.argv[1]).read_bytes())
room = threading.Semaphore(200)
mqtt = paho.Client(CallbackAPIVersion.VERSION2)
mqtt.max_inflight_messages_set(100)
mqtt.on_publish = lambda *_: room.release()
mqtt.connect("127.0.0.1", int(sys.argv[2]))
mqtt.loop_start()
end, sent = time.monotonic() + float(sys.argv[3]), 0
while time.monotonic() < end:
    room.acquire()
    mqtt.publish(*messages[sent % len(messages)], 1)
    sent += 1
mqtt.disconnect()
mqtt.loop_stop()
"""


def messages(fleet, device, count, stream, records=1):
    """Return (topic, payload) of a board's messages of so many records each, of 1 s."""
    begin = int(time.time()) - records * count
    made = []
    for first in range(0, records * count, records):
        texts = [message.record(begin + n, 1, VALUES, {}).encode() for n in range(first, first + records)]
        body = b"".join(message.telemetry(stream, first + 1, 1, 0, "ntp", texts))
        made.append((fleet.topic(device), seal(body, fleet.keys[device])))
    return made


class Board:
    """Sends messages as a board does, and hears what it may forget."""

    def __init__(self, broker, fleet, device, said, records=1):
        self.said, self._records = said, records
        self.acknowledged, self.heard = 0, {}
        self._topic = fleet.topic(device, "ack")
        self._listening = threading.Event()
        self._mqtt = paho.Client(CallbackAPIVersion.VERSION2)
        self._mqtt.max_inflight_messages_set(500)
        self._mqtt.on_subscribe = lambda *_: self._listening.set()
        self._mqtt.on_message = self._hear
        self._mqtt.connect("127.0.0.1", broker.port)
        self._mqtt.subscribe(self._topic, 1)
        self._mqtt.loop_start()
        assert self._listening.wait(20)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._mqtt.disconnect()
        self._mqtt.loop_stop()

    def _hear(self, _client, _data, heard):
        seq = json.loads(heard.payload)["seq"] // self._records
        for n in range(self.acknowledged + 1, seq + 1):
            self.heard[n] = time.monotonic()
        self.acknowledged = max(self.acknowledged, seq)

    def send(self, first, last):
        """Send the messages number `first` to `last`."""
        for topic, payload in self.said[first - 1 : last]:
            self._mqtt.publish(topic, payload, 1)

    def repeat(self, seconds):
        """Send again what is not acknowledged, a few at a time, until all is; fail when it takes too long."""
        deadline = time.monotonic() + seconds
        while self.acknowledged < len(self.said):
            assert time.monotonic() < deadline, f"{self.acknowledged} of {len(self.said)} are acknowledged"
            before, since = self.acknowledged, time.monotonic()
            last = min(before + WINDOW, len(self.said))
            self.send(before + 1, last)
            while self.acknowledged < last and time.monotonic() - since < AGAIN_S:
                time.sleep(0.05)


def counted(hub):
    """Return how many messages the log tells were let go of, by board."""
    with read_only(hub.data / "log.db") as log:
        return dict(log.execute("SELECT device, messages FROM count WHERE reason = ?", (FLOOD,)))


def told(hub):
    """Return the texts of the alerts about floods."""
    with read_only(hub.data / "compliance.db") as db:
        return [text for (text,) in db.execute("SELECT text FROM alert WHERE rule = 'board floods'")]


def test_a_flooding_board_is_slowed_and_another_ones_readings_are_acknowledged_all_the_same(tmp_path):
    fleet = load.Fleet(3)
    flood = messages(fleet, "b0", FLOODING, "00000000", RECORDS)
    packets = tmp_path / "packets"
    packets.write_bytes(pickle.dumps(flood))
    with (
        Broker(tmp_path / "broker") as broker,
        HubProcess(broker, tmp_path, fleet.write(tmp_path, broker.port)) as hub,
        Board(broker, fleet, "b1", messages(fleet, "b1", QUIET, "00000001")) as quiet,
        Board(broker, fleet, "b0", flood, RECORDS) as flooder,
        contextlib.ExitStack() as processes,
    ):
        command = [sys.executable, "-c", FLOODER, packets, str(broker.port), str(FLOOD_S)]
        flooding = processes.enter_context(subprocess.Popen(command, cwd=ROOT))
        processes.callback(flooding.kill)
        sent = {}
        for n in range(1, QUIET + 1):
            time.sleep(QUIET_EVERY_S)
            sent[n] = time.monotonic()
            quiet.send(n, n)
        deadline = time.monotonic() + 60
        while quiet.acknowledged < QUIET and time.monotonic() < deadline:
            time.sleep(0.05)
        assert flooding.wait(60) == 0
        assert quiet.acknowledged == QUIET, "without being sent again"
        waits = [quiet.heard[n] - sent[n] for n in sent]
        assert max(waits) < LONGEST_S, waits
        assert counted(hub).keys() == {"b0"}
        assert max(hub.rss_mb()) < MOST_MB, hub.rss_mb()

        flooder.repeat(180)
        with read_only(hub.data / "log.db") as log:
            kept = log.execute("SELECT topic, count(*) FROM message GROUP BY topic").fetchall()
        assert dict(kept) == {fleet.topic("b0"): FLOODING, fleet.topic("b1"): QUIET}
        until(lambda: told(hub), "people are told", 90)
        (text,) = told(hub)
        assert "board b0): the board floods: " in text
