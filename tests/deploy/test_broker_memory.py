"""What stolen certificates can make the deployed broker keep: measured on a real Mosquitto, and added up.

The sum must stay below what compose.yaml gives it: the kernel ends a container at that moment, and what the broker had
written down by then would fill it again at its next start.
"""

import contextlib
import re
import resource
import time

import pytest
import yaml

from deploy.access import Place, access
from schemas import MESSAGE_BYTES
from tests.conftest import require
from tests.deploy import raw_mqtt
from tests.deploy.raw_mqtt import Attacker, handshake, heaviest, packet, publish, text
from tests.deploy.test_mosquitto import client
from tests.deployed_broker import DEPLOY, HUBS, DeployedBroker

STOLEN = 36
"""Certificates of boards in wrong hands at once that the broker must bear."""
BOARDS = {f"b-{number}": "north/gate-7" for number in range(6)}
OWN = "fenceline/1/north/gate-7/{}/{}"
KINDS = ("telemetry", "status", "event", "reply")


def setting(name):
    return int(re.search(rf"^{name} (\d+)$", (DEPLOY / "mosquitto.conf").read_text(), re.MULTILINE)[1])


def limit():
    """Return what compose.yaml gives the broker, MB."""
    compose = yaml.safe_load((DEPLOY.parent / "compose.yaml").read_text())
    given = compose["services"]["mosquitto"]["deploy"]["resources"]["limits"]["memory"]
    return int(given.removesuffix("M"))


def test_the_broker_takes_what_the_contract_allows_and_no_more():
    assert setting("max_packet_size") == MESSAGE_BYTES


@pytest.fixture
def broker(tmp_path):
    broker = DeployedBroker(require("mosquitto"), tmp_path, BOARDS)
    try:
        broker.wait()
        yield broker
    finally:
        broker.stop()


@contextlib.contextmanager
def attacker(broker, name="b-0", version=5, **options):
    one = Attacker(broker, name, version, **options)
    try:
        yield one
    finally:
        one.close()


def settled(broker):
    """Return the broker's memory once it does not grow any more, MB."""
    before = -1.0
    while (now := broker.memory()) > before:
        before = now
        time.sleep(0.5)
    return now


def subscribed_hub(broker):
    """Return a hub that has asked for everything, in a session that lasts, and reads nothing more."""
    hub = Attacker(broker, "hub", 4, clean=False)
    hub.deaf = True
    filters = b"".join(text(f"fenceline/1/+/+/+/{kind}") + b"\1" for kind in KINDS)
    hub.send(packet(raw_mqtt.SUBSCRIBE, b"\0\1" + filters))
    assert hub.receive()[0] == raw_mqtt.SUBACK
    return hub


def fill(broker, name, times):
    """Let a board send the heaviest messages."""
    with attacker(broker, name) as board:
        for mid in range(1, times + 1):
            assert board.send(heaviest(OWN.format(name, "telemetry"), MESSAGE_BYTES, mid))
        # What it sends last is answered last.
        with client(broker, "b-5") as other:
            other.publish(OWN.format("b-5", "event"), "end")


def test_all_that_stolen_certificates_can_fill_together_stays_below_the_brokers_limit(broker):
    """Each part is held while the next one is measured, so that none fills what another has left free."""
    most, queued, inflight = (
        setting(f"max_{name}") for name in ("connections", "queued_messages", "inflight_messages")
    )
    broker.stop()
    others = {f"fence-{number:05}": Place("nanhai", f"site-{number}") for number in range(most)}
    broker.access.write_text(access(others | {name: Place("north", "gate-7") for name in BOARDS}, HUBS))
    broker.start()
    broker.wait()
    empty = broker.memory()

    # Connections that have not said who they are, each in the middle of its first word.
    idle = [handshake(broker, "b-0") for _ in range(300)]
    for one in idle:
        one.sendall(bytes([raw_mqtt.CONNECT]) + raw_mqtt.varint(MESSAGE_BYTES - 3) + b"\0\4MQTT")
    connections = settled(broker)
    connection = (connections - empty) / len(idle)

    # What a board leaves behind: messages of the heaviest kind, retained, and a last will.
    will = (OWN.format("b-4", "status"), "x" * 3000)
    with attacker(broker, "b-4", clean=False, will=will) as board:
        for kind in KINDS:
            board.send(heaviest(OWN.format("b-4", kind), MESSAGE_BYTES, retain=True))
        retained = settled(broker)
        left = retained - connections

        # Clients that ask and never read: the answers wait for them, each as long as one packet can make it.
        question = packet(raw_mqtt.UNSUBSCRIBE, b"\0\1\0" + b"\0\1a" * ((MESSAGE_BYTES - 6) // 3))
        deaf = Attacker(broker, "b-2")
        deaf.deaf = True
        assert deaf.send(question, queued + 5000)  # the kernel's buffers take some thousand
        asked = settled(broker)
        unread = asked - retained

        # The hub is connected and takes nothing: what it may hold comes on top of what waits, twice.
        hub = subscribed_hub(broker)
        for name in ("b-0", "b-1"):
            fill(broker, name, (queued + 2 * inflight) // 2 + 500)
        queue = settled(broker) - asked
        before = broker.memory()

    total = empty + queue + STOLEN * (unread + left) + most * connection
    told = f"{empty=:.1f} {queue=:.0f} {unread=:.2f} {left=:.2f} {connection=:.4f} MB: {total:.0f} of {limit()} MB"
    assert total < 0.9 * limit(), told
    print(told)
    for one in (*idle, deaf, hub):
        one.close()

    # It comes back with what it has written down, still below, and does its work.
    broker.stop()
    broker.start()
    broker.wait()
    assert broker.memory() < before
    with client(broker, "hub", client_id="hub") as hub, client(broker, "b-5") as board:
        hub.subscribe("fenceline/1/+/+/+/telemetry")
        board.publish(OWN.format("b-5", "telemetry"), "still here")
        while hub.hears() != (OWN.format("b-5", "telemetry"), b"still here"):
            pass


def test_a_message_that_is_too_long_throws_out_only_who_sends_it(broker):
    with attacker(broker, "b-0", 4) as board, client(broker, "b-1") as other, client(broker, "hub") as hub:
        hub.subscribe("fenceline/1/+/+/+/event")
        board.send(publish(OWN.format("b-0", "event"), payload=bytes(MESSAGE_BYTES)))
        assert board.is_thrown_out()
        other.publish(OWN.format("b-1", "event"), "here")
        assert hub.hears() == (OWN.format("b-1", "event"), b"here")


def test_a_message_as_long_as_the_contract_allows_arrives(broker):
    topic = OWN.format("b-0", "event")
    room = MESSAGE_BYTES - len(publish(topic, payload=bytes(200))) + 200
    with client(broker, "hub") as hub, attacker(broker, "b-0", 4) as board:
        hub.subscribe("fenceline/1/+/+/+/event")
        board.send(publish(topic, payload=b"x" * room))
        assert hub.hears() == (topic, b"x" * room)


@pytest.mark.parametrize("version", [4, 5])
def test_retained_messages_under_places_without_end_are_not_kept(broker, version):
    before = broker.memory()
    with attacker(broker, "b-0", version) as board:
        for number in range(20_000):
            topic = f"fenceline/1/d{number}/{'/'.join('s' * 60)}/b-0/status"
            board.send(publish(topic, payload=b"x" * 2000, properties=b"" if version == 5 else None, retain=True))
            board.send(publish(f"fenceline/1/north/{number}/b-0/status", payload=b"x" * 2000,
                               properties=b"" if version == 5 else None, retain=True))  # fmt: skip
        assert settled(broker) < before + 10


@pytest.mark.parametrize("share", ["", "$share/g{}/"])
def test_subscriptions_without_end_are_not_kept(broker, share):
    """A session that lasts would bring them back after each restart."""
    before = broker.memory()
    deep = "/".join("a" * 150)
    with attacker(broker, "b-0", 4, clean=False) as board:
        for number in range(2000):
            filters = [f"{share.format(number)}{number}/{other}/{deep}" for other in range(10)]
            assert board.send(packet(raw_mqtt.SUBSCRIBE, b"\0\1" + b"".join(text(one) + b"\1" for one in filters)))
        assert settled(broker) < before + 10


def test_a_message_in_two_steps_is_refused(broker):
    with attacker(broker, "b-0", 4) as board:
        board.send(publish(OWN.format("b-0", "event"), qos=2))
        assert board.is_thrown_out()


@pytest.mark.parametrize("keepalive", [0, 301, 65535])
def test_nobody_may_stay_silent_for_ever(broker, keepalive):
    one = handshake(broker, "b-0")
    body = text("MQTT") + bytes([4, 2]) + keepalive.to_bytes(2, "big") + text("b-0")
    one.sendall(packet(raw_mqtt.CONNECT, body))
    assert one.recv(4)[3] != 0
    one.close()


def test_the_number_of_connections_is_bounded(broker, tmp_path):
    """As many as the test's own files allow; the deployed number is checked against what a container may open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    compose = yaml.safe_load((DEPLOY.parent / "compose.yaml").read_text())
    assert compose["services"]["mosquitto"]["ulimits"]["nofile"] > setting("max_connections") + 100
    file = tmp_path / "mosquitto.conf"
    file.write_text(file.read_text().replace("max_connections 2000", "max_connections 20"))
    assert soft > 100
    broker.stop()
    broker.start()
    broker.wait()
    held = [handshake(broker, "b-0") for _ in range(20)]
    with pytest.raises((ConnectionError, OSError)):
        handshake(broker, "b-1")
    for one in held:
        one.close()
    with client(broker, "b-1") as board:
        board.publish(OWN.format("b-1", "event"), "in")
