"""The connection to the broker in a process of its own, on a real broker: nothing is lost, whoever is killed."""

import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import paho.mqtt.client as paho
import psutil
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from hub import receiver as module
from hub.config import Broker, ConfigError
from hub.receiver import AHEAD, GROUP, Receiver

ROOT = Path(__file__).parent.parent.parent
TOPIC = "fenceline/1/north/tower/fence-1/"
PATIENCE_S = 20
HUB = """
import sys, time
from hub.config import Broker
from hub.receiver import Receiver
Receiver(Broker(port=int(sys.argv[1]))).start()
time.sleep(60)
"""


@contextmanager
def receiving(port):
    receiver = Receiver(Broker(port=port, client_id="hub-under-test"))
    receiver.start()
    try:
        until(lambda: receiver.connected, "it is connected")
        yield receiver
    finally:
        receiver.stop()


@contextmanager
def client(port, topic=None):
    """Give an MQTT client, and what comes to it on a topic."""
    heard, subscribed = [], []
    mqtt = paho.Client(CallbackAPIVersion.VERSION2)
    mqtt.max_queued_messages_set(0)
    mqtt.max_inflight_messages_set(1000)
    mqtt.on_message = lambda _client, _data, message: heard.append((message.topic, message.payload))
    mqtt.on_subscribe = lambda *_: subscribed.append(True)
    mqtt.connect("127.0.0.1", port)
    mqtt.loop_start()
    if topic:
        mqtt.subscribe(topic, 1)
        until(lambda: subscribed, "the client has subscribed")
    try:
        yield mqtt, heard
    finally:
        mqtt.disconnect()
        mqtt.loop_stop()


def until(condition, what):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def say(port, *payloads):
    with client(port) as (mqtt, _):
        for said in [mqtt.publish(TOPIC + "telemetry", payload, 1) for payload in payloads]:
            said.wait_for_publish(PATIENCE_S)


def take(receiver, least, most=10**6):
    """Return what comes until there are so many and then nothing for a while."""
    came, deadline = [], time.monotonic() + PATIENCE_S
    while len(came) < least or (more := receiver.receive(most, 0.5)):
        came += receiver.receive(most, 0.1) if len(came) < least else more
        assert time.monotonic() < deadline, f"{len(came)} of {least} messages came"
    return came


def process_of(receiver_of=None):
    """Return the receiver's process among the children of a process (None: of this one)."""
    (found,) = [p for p in psutil.Process(receiver_of).children() if "hub.receiver" in p.cmdline()]
    return found


def test_what_is_durable_is_acknowledged_and_the_rest_comes_again_after_a_kill(mosquitto, monkeypatch):
    monkeypatch.setattr(module, "PAUSE", 0.1)
    with receiving(mosquitto.port) as receiver:
        say(mosquitto.port, b"1", b"2", b"3")
        receiver.done(take(receiver, 3))
        say(mosquitto.port, b"4", b"5")
        under_way = take(receiver, 2)
        assert [m.payload for m in under_way] == [b"4", b"5"]
        receiver.receive(1, 0.5)  # what was said to be done has reached the broker by now

        process_of().kill()
        again = take(receiver, 2)
        assert [(m.topic, m.payload) for m in again] == [(TOPIC + "telemetry", b"4"), (TOPIC + "telemetry", b"5")]
        assert receiver.sessions == 2
        receiver.done(again)
        say(mosquitto.port, b"6")
        assert [m.payload for m in take(receiver, 1)] == [b"6"]


def test_what_came_by_a_connection_that_has_ended_acknowledges_nothing_of_the_next(mosquitto, monkeypatch):
    monkeypatch.setattr(module, "PAUSE", 0.1)
    with receiving(mosquitto.port) as receiver:
        say(mosquitto.port, b"1", b"2")
        until(lambda: not receiver._came.empty(), "it is handed over")
        process_of().kill()
        until(lambda: not receiver.connected, "it has ended")
        until(lambda: receiver.connected, "it is connected again")
        first = receiver.receive(10, 1)
        assert [m.payload for m in first] == [b"1", b"2"], "and not those of the next connection in the same group"
        receiver.done(first)
        process_of().kill()
        until(lambda: not receiver.connected, "it has ended")
        assert {m.payload for m in take(receiver, 4)} == {b"1", b"2"}, "once for each connection since"


def test_no_more_is_taken_from_the_broker_than_the_hub_can_keep_up_with(mosquitto):
    with receiving(mosquitto.port) as receiver:
        everything = [b"%d" % n for n in range(AHEAD + 3 * GROUP)]
        say(mosquitto.port, *everything)
        came = take(receiver, AHEAD)
        assert AHEAD <= len(came) <= AHEAD + GROUP
        receiver.done(came)
        came += take(receiver, len(everything) - len(came))
        assert [m.payload for m in came] == everything


def test_it_publishes_what_it_is_told(mosquitto):
    with client(mosquitto.port, TOPIC + "ack") as (_, heard), receiving(mosquitto.port) as receiver:
        receiver.publish(TOPIC + "ack", b"{}")
        receiver.publish(TOPIC + "ack", b"[]")
        receiver.receive(1, 0)
        until(lambda: len(heard) == 2, "both are published")
        assert heard == [(TOPIC + "ack", b"{}"), (TOPIC + "ack", b"[]")]


def test_it_waits_for_a_broker_that_is_away_and_says_how_it_is(mosquitto):
    with receiving(mosquitto.port) as receiver:
        mosquitto.stop()
        until(lambda: not receiver.connected, "it has noticed")
        mosquitto.start()
        until(lambda: receiver.connected, "it is connected again")
        assert receiver.sessions == 2
        assert receiver.is_alive()


def test_it_ends_with_the_hub_however_that_ends(mosquitto):
    hub = subprocess.Popen([sys.executable, "-c", HUB, str(mosquitto.port)], cwd=ROOT)
    until(lambda: any("hub.receiver" in p.cmdline() for p in psutil.Process(hub.pid).children()), "it has started")
    process = process_of(hub.pid)
    hub.send_signal(signal.SIGKILL)
    hub.wait()
    process.wait(PATIENCE_S)


def test_files_that_cannot_be_used_stop_the_hub_where_somebody_looks(tmp_path):
    with pytest.raises(ConfigError, match="broker: ca, certificate or key cannot be used"):
        Receiver(Broker(ca=tmp_path / "none.crt"))
