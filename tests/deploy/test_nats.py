"""deploy/nats on a real NATS server, with certificates as `fenceline deploy` makes them: who may say and hear what."""

import queue
import time

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from hub.config.files import Broker
from hub.upkeep.checks.broker import check_broker
from tests.deployed_broker import certificates
from tests.nats import Secure

GRACE = 20
OWN, OTHER = "fenceline/1/north/gate-7/fence-0001/", "fenceline/1/north/gate-7/fence-0002/"


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nats")
    certs = folder / "certs"
    certs.mkdir()
    certificates(certs, "hub", "fence-0001", "fence-0002")
    server = Secure(folder, certs)
    server.certificates = certs
    yield server
    server.stop()


class Client:
    """A client with a certificate; `heard` are the topics of what it got."""

    def __init__(self, broker, name):
        certs = broker.certificates
        self.heard, self._answers = [], queue.Queue()
        self.mqtt = paho.Client(CallbackAPIVersion.VERSION2, client_id=name)
        self.mqtt.tls_set(str(certs / "ca.crt"), str(certs / f"{name}.crt"), str(certs / f"{name}.key"))
        self.mqtt.on_connect = lambda _client, _data, _flags, reason, _properties: self._answers.put(reason)
        self.mqtt.on_subscribe = lambda _client, _data, _mid, codes, _properties: self._answers.put(codes)
        self.mqtt.on_message = lambda _client, _data, message: self.heard.append(message.topic)
        self.mqtt.connect("127.0.0.1", broker.port)
        self.mqtt.loop_start()
        self.reason = self._answers.get(timeout=GRACE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.mqtt.disconnect()
        self.mqtt.loop_stop()

    def may_hear(self, topic, qos=0):
        self.mqtt.subscribe(topic, qos)
        return not self._answers.get(timeout=GRACE)[0].is_failure

    def say(self, topic):
        self.mqtt.publish(topic, b"{}", 1).wait_for_publish(GRACE)


def test_the_hub_may_hear_all_that_it_needs(broker):
    files = {
        name: broker.certificates / f"{of}"
        for name, of in (("ca", "ca.crt"), ("certificate", "hub.crt"), ("key", "hub.key"))
    }
    found = check_broker(Broker(port=broker.port, client_id="hub", **files), hub_runs=False)
    assert [finding.name for finding in found if finding.remedy] == []
    assert found[-1].name == "broker subscription"


def test_a_board_hears_its_own_and_speaks_at_its_own_place(broker):
    with Client(broker, "hub") as hub, Client(broker, "fence-0001") as board:
        assert hub.may_hear("fenceline/1/+/+/+/telemetry", 1)
        assert all(board.may_hear(OWN + kind) for kind in ("ack", "command", "config"))
        assert not board.may_hear(OTHER + "ack")
        board.say(OTHER + "telemetry")
        board.say(OWN + "telemetry")
        hub.say(OWN + "ack")
        for _ in range(GRACE * 20):
            if hub.heard and board.heard:
                break
            time.sleep(0.05)
        assert (hub.heard, board.heard) == ([OWN + "telemetry"], [OWN + "ack"])


def test_who_is_not_on_the_list_is_not_let_in(broker):
    with Client(broker, "fence-0002") as stranger:
        assert stranger.reason.is_failure
