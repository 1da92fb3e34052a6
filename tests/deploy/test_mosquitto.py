"""The files of deploy/mosquitto on a real Mosquitto: who gets in, and what each may do."""

import contextlib
import queue
import shutil
import socket
import ssl
import subprocess
import threading
from datetime import date
from zoneinfo import ZoneInfo

import msgspec
import pytest
from paho.mqtt.client import CallbackAPIVersion, Client

from deploy.access import Place, access
from hub.intake.doorkeeper import Doorkeeper
from hub.registry.live import Board, Registry, Site
from tests import stack
from tests.deployed_broker import GRACE, HUBS, DeployedBroker, certificates

BOARDS = {"b-1": "north/gate-7", "b-2": "north/gate-7", "b-3": "south/pit"}
CONNECT = bytes([16, 15, 0, 4, *b"MQTT", 4, 2, 0, 60, 0, 3, *b"b-1"])


@contextlib.contextmanager
def client(broker, name, client_id=None):
    client = Peer(broker, name, client_id or f"{name}-client")
    try:
        yield client
    finally:
        client.close()


class Peer:
    """An MQTT client with a certificate; each call returns once the broker has confirmed it."""

    def __init__(self, broker, name, client_id):
        self.heard = queue.Queue()
        self.lost = threading.Event()
        self._confirmed = queue.Queue()
        self._client = Client(CallbackAPIVersion.VERSION2, client_id=client_id, reconnect_on_failure=False)
        self._client.tls_set_context(broker.tls(name))
        self._client.on_connect = lambda *_: self._confirmed.put("connect")
        self._client.on_subscribe = lambda *arguments: self._confirmed.put([code.value for code in arguments[3]])
        self._client.on_message = lambda *arguments: self.heard.put((arguments[2].topic, arguments[2].payload))
        self._client.on_disconnect = lambda *_: self.lost.set()
        self._client.connect("127.0.0.1", broker.port)
        self._client.loop_start()
        self._confirm("connect")

    def subscribe(self, topic):
        assert self.granted(topic)

    def granted(self, topic):
        """Subscribe; return whether the broker grants it."""
        self._client.subscribe(topic, qos=1)
        (code,) = self._confirmed.get(timeout=GRACE)
        assert code in (1, 0x80)
        return code == 1

    def publish(self, topic, payload, retain=False):
        self._client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(GRACE)

    def hears(self):
        return self.heard.get(timeout=GRACE)

    def close(self):
        self._client.disconnect()
        self._client.loop_stop()
        self._client._reset_sockets()  # paho forgets some where the broker has broken off

    def _confirm(self, what):
        assert self._confirmed.get(timeout=GRACE) == what


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    found = stack.find_mosquitto()
    if found is None:
        (pytest.fail if stack.required() else pytest.skip)("no Mosquitto 2 here; `python -m tests.stack` says why")
    if shutil.which("openssl") is None:
        (pytest.fail if stack.required() else pytest.skip)("no openssl command here")
    broker = DeployedBroker(found.path, tmp_path_factory.mktemp("mosquitto"), BOARDS)
    try:
        broker.wait()
        yield broker
    finally:
        broker.stop()


@pytest.mark.parametrize("kind", ["telemetry", "status", "event", "reply"])
def test_the_hub_hears_what_a_board_says(broker, kind):
    with client(broker, "hub") as hub, client(broker, "b-1") as board:
        hub.subscribe(f"fenceline/1/+/+/+/{kind}")
        board.publish(f"fenceline/1/north/gate-7/b-1/{kind}", kind)
        assert hub.hears() == (f"fenceline/1/north/gate-7/b-1/{kind}", kind.encode())


@pytest.mark.parametrize("kind", ["ack", "config", "command"])
def test_a_board_hears_what_the_hub_says_to_it(broker, kind):
    with client(broker, "hub") as hub, client(broker, "b-1") as board:
        board.subscribe(f"fenceline/1/north/gate-7/b-1/{kind}")
        hub.publish(f"fenceline/1/north/gate-7/b-1/{kind}", kind)
        assert board.hears() == (f"fenceline/1/north/gate-7/b-1/{kind}", kind.encode())


@pytest.mark.parametrize(
    "topic",
    [
        "fenceline/1/north/gate-7/b-2/telemetry",
        "fenceline/1/north/gate-8/b-1/telemetry",
        "fenceline/1/south/gate-7/b-1/telemetry",
        "fenceline/1/north/gate-7/b-1/ack",
        "fenceline/1/north/gate-7/b-2/ack",
        "fenceline/1/north/b-1/telemetry",
        "fenceline/1/north/gate-7/b-1/telemetry/more",
        "$CONTROL/dynamic-security/v1",
        "elsewhere",
    ],
)
def test_a_board_speaks_only_at_its_own_place_and_neither_for_another_nor_for_the_hub(broker, topic):
    own = "fenceline/1/north/gate-7/b-1/telemetry"
    with client(broker, "hub") as hub, client(broker, "b-1") as board, client(broker, "b-2") as other:
        hub.subscribe("fenceline/1/+/+/+/telemetry")
        board.subscribe("fenceline/1/north/gate-7/b-1/ack")
        other.subscribe("fenceline/1/north/gate-7/b-2/ack")
        board.publish(topic, "forged", retain=True)
        board.publish(own, "own")
        hub.publish("fenceline/1/north/gate-7/b-1/ack", "end")
        hub.publish("fenceline/1/north/gate-7/b-2/ack", "end")
        # The broker keeps the order, so a forged message would have come first.
        assert hub.hears() == (own, b"own")
        assert board.hears() == ("fenceline/1/north/gate-7/b-1/ack", b"end")
        assert other.hears() == ("fenceline/1/north/gate-7/b-2/ack", b"end")


@pytest.mark.parametrize(
    "wanted",
    [
        "fenceline/1/north/gate-7/b-2/ack",
        "fenceline/1/+/+/b-1/ack",
        "fenceline/1/north/gate-7/b-1/telemetry",
        "fenceline/1/north/gate-7/b-2/telemetry",
        "$share/all/fenceline/1/north/gate-7/b-1/ack",
        "$SYS/#",
        "#",
    ],
)
def test_a_board_listens_to_nothing_but_what_the_hub_says_to_it(broker, wanted):
    with client(broker, "hub") as hub, client(broker, "b-1") as board, client(broker, "b-2") as other:
        assert not board.granted(wanted)
        board.subscribe("fenceline/1/north/gate-7/b-1/ack")
        other.publish("fenceline/1/north/gate-7/b-2/telemetry", "secret")
        hub.publish("fenceline/1/north/gate-7/b-2/ack", "secret")
        hub.publish("fenceline/1/north/gate-7/b-1/ack", "own")
        assert board.hears() == ("fenceline/1/north/gate-7/b-1/ack", b"own")


def test_a_certificate_of_no_board_in_the_registry_can_say_and_hear_nothing(broker):
    certificates(broker.certificates, "retired")
    own = "fenceline/1/north/gate-7/retired"
    with client(broker, "hub") as hub, client(broker, "retired") as retired, client(broker, "b-1") as board:
        hub.subscribe("fenceline/1/+/+/+/telemetry")
        assert not retired.granted(f"{own}/ack")
        retired.publish(f"{own}/telemetry", "forged")
        board.publish("fenceline/1/north/gate-7/b-1/telemetry", "own")
        assert hub.hears()[1] == b"own"


def test_a_retired_board_is_cut_off_within_seconds_also_by_a_broker_that_has_started_again(broker):
    sites = {id_: Site(id=id_, district="north", kind="construction", en=id_, zh=id_) for id_ in ("gate-7", "pit")}
    boards = {"b-1": Board(id="b-1", site="gate-7"), "b-2": Board(id="b-2", site="gate-7")}
    city = Registry(sites, boards, {}, ZoneInfo("Asia/Shanghai"))
    retired = msgspec.structs.replace(boards["b-1"], retired=date(2026, 7, 1))
    without = msgspec.structs.replace(city, boards=boards | {"b-1": retired})
    topic = "fenceline/1/north/gate-7/{}/telemetry"

    def speaks(name):
        """Tell whether what a board says comes through."""
        with client(broker, name) as board, client(broker, "b-2") as other:
            board.publish(topic.format(name), "mine")
            other.publish(topic.format("b-2"), "end")
            first = hub.hears()[1]
            return first == b"mine" and hub.hears()[1] == b"end"

    with client(broker, "hub") as hub, client(broker, "b-1") as board:
        hub.subscribe("fenceline/1/+/+/+/telemetry")
        doorkeeper = Doorkeeper(hub.publish)
        doorkeeper.look(city, date(2026, 6, 30), 1)
        board.publish(topic.format("b-1"), "before")
        assert hub.hears()[1] == b"before"
        doorkeeper.look(without, date(2026, 6, 30), 1)  # tomorrow
        assert speaks("b-1")
    with client(broker, "hub") as hub, client(broker, "b-1") as board:
        hub.subscribe("fenceline/1/+/+/+/telemetry")
        doorkeeper = Doorkeeper(hub.publish)
        doorkeeper.look(without, date(2026, 7, 1), 1)
        assert board.lost.wait(GRACE)
        assert not speaks("b-1")
        doorkeeper.look(city, date(2026, 7, 1), 1)  # a mistake
        assert speaks("b-1")
        doorkeeper.look(without, date(2026, 7, 1), 1)
    broker.stop()
    broker.access.write_text(access({name: Place(*place.split("/")) for name, place in BOARDS.items()}, HUBS))
    broker.start()
    broker.wait()
    with client(broker, "hub") as hub, client(broker, "b-1") as board:
        hub.subscribe("fenceline/1/+/+/+/telemetry")
        doorkeeper = Doorkeeper(hub.publish)
        doorkeeper.look(without, date(2026, 7, 1), 2)
        assert board.lost.wait(GRACE)
        assert not speaks("b-1")
        doorkeeper.look(city, date(2026, 7, 1), 2)
        assert speaks("b-1")
        doorkeeper.look(msgspec.structs.replace(city, boards={"b-2": boards["b-2"]}), date(2026, 7, 1), 2)
        assert not speaks("b-1")
        doorkeeper.look(city, date(2026, 7, 1), 2)


def test_a_board_cannot_throw_the_hub_out_by_taking_its_client_id(broker):
    with client(broker, "hub", client_id="hub") as hub, client(broker, "b-1", client_id="hub") as board:
        hub.subscribe("fenceline/1/+/+/+/event")
        board.publish("fenceline/1/north/gate-7/b-1/event", "here")
        assert hub.hears()[1] == b"here"
        assert not hub.lost.is_set()


def test_the_hub_of_one_district_hears_and_speaks_there_only(broker):
    with client(broker, "hub-north") as hub, client(broker, "b-1") as board, client(broker, "b-3") as southern:
        for district in ("+", "south"):
            assert not hub.granted(f"fenceline/1/{district}/+/+/event")
        hub.subscribe("fenceline/1/north/+/+/event")
        board.subscribe("fenceline/1/north/gate-7/b-1/ack")
        southern.subscribe("fenceline/1/south/pit/b-3/ack")
        southern.publish("fenceline/1/south/pit/b-3/event", "far")
        board.publish("fenceline/1/north/gate-7/b-1/event", "near")
        hub.publish("fenceline/1/south/pit/b-3/ack", "forged")
        hub.publish("fenceline/1/north/gate-7/b-1/ack", "mine")
        assert hub.hears()[1] == b"near"
        assert board.hears()[1] == b"mine"
        assert southern.heard.empty()


def test_a_board_gets_the_configuration_that_was_sent_while_it_was_away(broker):
    with client(broker, "hub") as hub:
        hub.publish("fenceline/1/north/gate-7/b-2/config", "interval=10", retain=True)
    with client(broker, "b-2") as board:
        board.subscribe("fenceline/1/north/gate-7/b-2/config")
        assert board.hears()[1] == b"interval=10"


def answer_to_connect(broker, context):
    """Return what the broker says to an MQTT CONNECT; nothing if it closes or breaks off."""
    with socket.create_connection(("127.0.0.1", broker.port), GRACE) as plain:
        try:
            with context.wrap_socket(plain, server_hostname="127.0.0.1") as secure:
                secure.sendall(CONNECT)
                return secure.recv(4)
        except (ssl.SSLError, ConnectionError):
            return b""


def test_a_client_with_a_certificate_gets_in(broker):
    assert answer_to_connect(broker, broker.tls("b-1")) == bytes([32, 2, 0, 0])


def test_a_client_without_a_certificate_is_refused(broker):
    assert answer_to_connect(broker, broker.tls()) == b""


def test_a_certificate_of_another_authority_is_refused(broker, tmp_path):
    certificates(tmp_path, "b-1")
    context = broker.tls()
    context.load_cert_chain(tmp_path / "b-1.crt", tmp_path / "b-1.key")
    assert answer_to_connect(broker, context) == b""


def test_a_client_without_tls_is_refused(broker):
    with socket.create_connection(("127.0.0.1", broker.port), GRACE) as plain, contextlib.suppress(ConnectionError):
        plain.sendall(CONNECT)
        assert plain.recv(4) != bytes([32, 2, 0, 0])


def test_a_boards_certificate_cannot_pass_for_the_brokers(broker):
    purpose = ["openssl", "verify", "-purpose", "sslserver", "-CAfile", broker.certificates / "ca.crt"]
    assert (
        subprocess.run([*purpose, broker.certificates / "broker.crt"], capture_output=True, check=False).returncode == 0
    )
    assert subprocess.run([*purpose, broker.certificates / "b-1.crt"], capture_output=True, check=False).returncode != 0


def test_the_health_check_hears_that_the_broker_lives_and_nothing_of_any_board(broker):
    with client(broker, "health") as health, client(broker, "b-1") as board:
        assert not health.granted("#")
        board.publish("fenceline/1/north/gate-7/b-1/telemetry", "secret")
        # What is retained comes at once; the broker keeps the order, so a board's message would have come first.
        health.subscribe("$SYS/broker/uptime")
        assert health.hears()[0] == "$SYS/broker/uptime"
