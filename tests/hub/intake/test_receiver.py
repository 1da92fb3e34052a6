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

from hub.config.files import Broker, ConfigError
from hub.intake.broker import Problem
from hub.intake.fair_queue import HELD, OVERHEAD
from hub.intake.passing import GROUP, HANDED, TRANSFER
from hub.intake.receiver import Receiver
from hub.process import child as module

ROOT = Path(__file__).parent.parent.parent.parent
TOPIC = "fenceline/1/north/tower/fence-1/"
PATIENCE_S = 20
HUB = """
import sys, time
from hub.config.files import Broker
from hub.intake.receiver import Receiver
Receiver(Broker(port=int(sys.argv[1]))).start()
time.sleep(60)
"""


@contextmanager
def receiving(port, boards=("fence-1",)):
    receiver = Receiver(Broker(port=port, client_id="hub-under-test"), boards=boards)
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


def say(port, *payloads, topic=TOPIC + "telemetry"):
    with client(port) as (mqtt, _):
        for said in [mqtt.publish(topic, payload, 1) for payload in payloads]:
            said.wait_for_publish(PATIENCE_S)


def take(receiver, least):
    """Return what comes until there are so many and then nothing for a while; say of each part that it is durable."""
    came, deadline = [], time.monotonic() + PATIENCE_S
    while more := receiver.receive(10**6, 0.1 if len(came) < least else 0.5) or len(came) < least:
        assert time.monotonic() < deadline, f"{len(came)} of {least} messages came"
        if more is not True:
            came += more
            receiver.done()
    return came


def process_of(receiver_of=None):
    """Return the receiver's process among the children of a process (None: of this one)."""
    (found,) = [p for p in psutil.Process(receiver_of).children() if "hub.intake.passing" in command_of(p)]
    return found


def command_of(process):
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:  # it has been killed, and nobody has noticed yet
        return []


def test_what_is_durable_is_acknowledged_and_the_rest_comes_again_after_a_kill(mosquitto, monkeypatch):
    monkeypatch.setattr(module, "PAUSE", 0.1)
    with receiving(mosquitto.port) as receiver:
        say(mosquitto.port, b"1", b"2", b"3")
        take(receiver, 3)
        say(mosquitto.port, b"4", b"5")
        under_way = receiver.receive(2, PATIENCE_S)
        under_way += receiver.receive(2, 0.5) if len(under_way) < 2 else []
        assert [m.payload for m in under_way] == [b"4", b"5"]
        receiver.receive(1, 0.5)  # what was said to be done has reached the broker by now

        process_of().kill()
        again = take(receiver, 2)
        assert [(m.topic, m.payload) for m in again] == [(TOPIC + "telemetry", b"4"), (TOPIC + "telemetry", b"5")]
        assert receiver.sessions == 2
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
        receiver.done()
        process_of().kill()
        until(lambda: not receiver.connected, "it has ended")
        assert {m.payload for m in take(receiver, 4)} == {b"1", b"2"}, "once for each connection since"


def under_way(receiver):
    """Return what is handed over while nothing of it is durable."""
    came = []
    while more := receiver.receive(1, 1):
        came += more
    return came


@pytest.mark.parametrize("size", [10, 60_000])
def test_no_more_is_handed_over_or_held_than_so_many_bytes_and_all_comes_in_the_end(mosquitto, size):
    weighs = size + OVERHEAD
    everything = [b"%0*d" % (size, n) for n in range((2 * HELD + HANDED) // weighs)]
    with receiving(mosquitto.port) as receiver:
        before = process_of().memory_info().rss
        say(mosquitto.port, *everything)
        came = under_way(receiver)
        assert HANDED - weighs <= len(came) * weighs <= HANDED + TRANSFER + weighs
        assert process_of().memory_info().rss - before < 3 * (HELD + HANDED + TRANSFER)
        process_of().kill()  # what is under way is acknowledged to nobody
        again = take(receiver, len(everything))
        assert [m.payload for m in again] == everything
        assert receiver.let_go() == {}


def test_each_board_has_its_turn_before_what_one_of_them_sent_earlier(mosquitto):
    with receiving(mosquitto.port, ["fence-1", "fence-2"]) as receiver:
        say(mosquitto.port, *[b"%d" % n for n in range(5 * GROUP)])
        first = receiver.receive(1, PATIENCE_S)
        say(mosquitto.port, b"a", b"b", topic=TOPIC.replace("fence-1", "fence-2") + "telemetry")
        time.sleep(0.5)
        receiver.done()
        came = first + take(receiver, 5 * GROUP + 2 - len(first))
        payloads = [m.payload for m in came]
        assert max(payloads.index(b"a"), payloads.index(b"b")) < 4 * GROUP
        assert [p for p in payloads if p.isdigit()] == [b"%d" % n for n in range(5 * GROUP)]


def test_boards_that_are_registered_later_have_turns_of_their_own(mosquitto):
    with receiving(mosquitto.port, []) as receiver:
        receiver.use(["fence-1", "fence-2"])
        say(mosquitto.port, *[b"%d" % n for n in range(5 * GROUP)])
        first = receiver.receive(1, PATIENCE_S)
        say(mosquitto.port, b"a", topic=TOPIC.replace("fence-1", "fence-2") + "event")
        time.sleep(0.5)
        receiver.done()
        came = first + take(receiver, 5 * GROUP + 1 - len(first))
        assert [m.payload for m in came].index(b"a") < 4 * GROUP


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
        until(lambda: "refused" in receiver.problem.lasting, "it says why")
        assert receiver.problem.lasting.startswith(" for ")
        mosquitto.start()
        until(lambda: receiver.connected, "it is connected again")
        assert receiver.problem == Problem()
        assert receiver.sessions == 2
        assert receiver.is_alive()


def test_it_ends_with_the_hub_however_that_ends(mosquitto):
    hub = subprocess.Popen([sys.executable, "-c", HUB, str(mosquitto.port)], cwd=ROOT)
    until(
        lambda: any("hub.intake.passing" in command_of(p) for p in psutil.Process(hub.pid).children()),
        "it has started",
    )
    process = process_of(hub.pid)
    hub.send_signal(signal.SIGKILL)
    hub.wait()
    process.wait(PATIENCE_S)


def test_files_that_cannot_be_used_stop_the_hub_where_somebody_looks(tmp_path):
    with pytest.raises(ConfigError, match="broker: ca, certificate or key cannot be used"):
        Receiver(Broker(ca=tmp_path / "none.crt"))
