"""Uplinks on a real hub from a real Mosquitto: kept verbatim, once, acknowledged after the commit, judged."""

import base64
import contextlib
import getpass
import hashlib
import time

import msgspec
import paho.mqtt.client as paho
import pytest

from hub.config.files import Lorawan, load_config
from hub.intake.admission import Admission
from hub.intake.lorawan.judging import Came, Judging
from hub.intake.lorawan.subscription import Subscription
from hub.log.reader import reading_log
from hub.registry.live import Node, Site
from hub.run.hub import Hub
from hub.wire.lorawan.logged import unpack
from tests.conftest import Server, require
from tests.hub.helpers import CITY, QUANTITIES
from tests.hub.intake.frame_hub import SITES, until
from tests.hub.wire.test_lorawan import chirpstack, things_stack
from tests.ports import free_port

EUI = "24e124136b5022%02x"
UP = "application/17a2/device/%s/event/up"
NODES = "".join(
    f'\n[[node]]\nid = "bin-{n}"\nsite = "tower"\neui = "{(EUI % n).upper()}"\ncodec = "{codec}"\n{more}'
    for n, codec, more in (
        (1, "milesight", "empty_mm = 2500\nfull_mm = 300\n"),
        (2, "decentlab", "empty_mm = 2500\nfull_mm = 300\n"),
        (3, "milesight", ""),
    )
)
PASSWORD = "s3cret"


def hashed(password):
    """Return a password as Mosquitto 2 keeps it: PBKDF2 with SHA-512 ($7$), iterations, salt, key."""
    salt = b"twelve bytes"
    key = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, 101)
    return f"$7$101${base64.b64encode(salt).decode()}${base64.b64encode(key).decode()}"


class NetworkServer:
    """The MQTT broker of a network server, which lets in the hub alone to hear, and the server that speaks there."""

    def __init__(self, folder):
        self.port = free_port()
        program = require("mosquitto")
        passwords = folder / "passwords"
        passwords.touch(0o600)
        passwords.write_text("".join(f"{user}:{hashed(PASSWORD)}\n" for user in ("hub", "server")))
        (folder / "acl").write_text(
            "user server\ntopic readwrite #\nuser hub\ntopic read application/#\ntopic read v3/#\n"
        )
        (folder / "acl").chmod(0o600)
        config = folder / "broker.conf"
        config.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous false\npassword_file {passwords}\n"
            f"acl_file {folder}/acl\nuser {getpass.getuser()}\npersistence true\npersistence_location {folder}/\n"
            "max_queued_messages 0\nlog_dest stderr\n"
        )
        self._server = Server([program, "-c", config], self.port, folder / "broker.log")
        client = self._client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        client.username_pw_set("server", PASSWORD)
        client.connect("127.0.0.1", self.port)
        client.loop_start()

    def publish(self, topic, payload):
        """Publish as network servers do that are set to QoS 1; it is with the broker when this returns."""
        self._client.publish(topic, payload, 1).wait_for_publish(60)

    def stop(self):
        self._client.disconnect()
        self._client.loop_stop()
        self._server.stop()


class BinHub:
    """A real hub in this process that subscribes to a network server; no boards' broker is needed."""

    def __init__(self, folder, server, entries=NODES):
        self.folder = folder
        (folder / "secret").touch(0o600)
        (folder / "secret").write_text(PASSWORD)
        (folder / "fenceline.toml").write_text(
            f'registry = "registry.toml"\nkeys = "keys.toml"\n[broker]\nport = {free_port()}\n[http]\nport = 0\n'
            f'[[lorawan]]\nname = "city"\nport = {server.port}\nuser = "hub"\npassword_file = "secret"\n'
            'topics = ["application/+/device/+/event/up", "v3/bins@city/devices/+/up"]\n'
        )
        (folder / "registry.toml").write_text(SITES + entries, "utf-8")
        (folder / "keys.toml").touch(0o600)
        self.hub = None

    def __enter__(self):
        self.hub = Hub(load_config(self.folder / "fenceline.toml"))
        self.hub.start()
        until(lambda: self.condition().ok, "the hub is subscribed", 60)
        return self

    def __exit__(self, *_):
        self.hub.stop()

    def condition(self):
        return next(one for one in self.hub.conditions() if one.name == "lorawan city")

    def entries(self, device=None):
        with reading_log(self.folder / "data" / "log.db") as log:
            return [one for one in log.read(0, 100_000) if device in (None, one.place.device)]

    def quarantine(self):
        with reading_log(self.folder / "data" / "log.db") as log:
            return log._db.execute("SELECT device, reason, payload FROM quarantine ORDER BY id").fetchall()

    def counts(self):
        found = {}
        with contextlib.suppress(OSError), reading_log(self.folder / "data" / "log.db") as log:
            for (_, reason), n in log.counts().items():
                found[reason] = found.get(reason, 0) + n
        return found

    def heard(self, n):
        """Wait until so many messages in all have been judged and committed."""
        until(lambda: sum(self.counts().values()) >= n, f"{n} messages are committed", 60)


@pytest.fixture
def server(tmp_path):
    (tmp_path / "broker").mkdir()
    made = NetworkServer(tmp_path / "broker")
    yield made
    made.stop()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "hub").mkdir()
    return tmp_path / "hub"


def test_levels_of_both_servers_are_in_the_log_verbatim_and_once(server, folder):
    now = int(time.time()) - 600
    first = chirpstack("01755C04824408050000", 1, now, EUI % 1)
    late = chirpstack("01755C04824408050000", 1, now + 2, EUI % 1, more="0016c001f153a14d")
    other = things_stack("02012f000304d200010bb1", 9, now, EUI % 2)
    anew = chirpstack("01755C04824408050000", 1, now + 400, EUI % 1)
    tilted = chirpstack("04824408050001", 2, now + 500, EUI % 1)
    with BinHub(folder, server) as hub:
        for payload in (first, first, late, anew, tilted):
            server.publish(UP % (EUI % 1), payload)
        server.publish("v3/bins@city/devices/bin-2/up", other)
        hub.heard(6)
        assert hub.counts() == {"accepted": 4, "duplicate": 2}
        assert [unpack(one.payload)[1] for one in hub.entries("bin-1")] == [first, anew, tilted]
        assert [unpack(one.payload)[1] for one in hub.entries("bin-2")] == [other]
        assert {(one.topic, one.proof) for one in hub.entries("bin-1")} == {
            ("lorawan/1/north/tower/bin-1/uplink", "none")
        }
        levels = [(one.t, one.values, one.flagged) for entry in hub.entries("bin-1") for one in entry.intervals]
        known = {"distance": 2116.0, "fill": 17.5}
        assert levels == [
            (now, known, {}),
            (now + 400, known, {}),
            (now + 500, {}, {"distance": ("D", 2116.0), "fill": ("D", 17.5)}),
        ]


def test_what_a_killed_hub_had_not_committed_is_handed_out_again(server, folder):
    now = int(time.time()) - 3600
    frames = [chirpstack("04824408050000", n, now + n, EUI % 1) for n in range(1, 41)]
    hub = BinHub(folder, server)
    # Received, and neither committed nor acknowledged: as when the hub is killed just then.
    (settings,) = load_config(folder / "fenceline.toml").lorawan
    killed = Subscription(settings)
    killed.start()
    until(lambda: killed.connected, "it is subscribed", 60)
    for frame in frames[:20]:
        server.publish(UP % (EUI % 1), frame)
    taken = []
    until(lambda: taken.extend(killed.take(100)) or len(taken) == 20, "all are received", 60)
    killed.stop()
    for frame in frames[10:]:
        server.publish(UP % (EUI % 1), frame)
    with hub:
        hub.heard(50)
        assert hub.counts() == {"accepted": 40, "duplicate": 10}
        assert sorted(one.t for entry in hub.entries() for one in entry.intervals) == [now + n for n in range(1, 41)]


def test_what_is_not_understood_is_kept_and_taken_when_it_is(server, folder):
    now = int(time.time()) - 60
    stranger = chirpstack("04824408", 7, now, EUI % 9)
    broken = chirpstack("09AA01", 1, now, EUI % 1)
    early = chirpstack("04824408", 2, now + 90_000, EUI % 1)
    with BinHub(folder, server) as hub:
        for payload in (stranger, broken, early, b"no uplink", b"\xff"):
            server.publish(UP % "x", payload)
        hub.heard(5)
        assert sorted(hub.quarantine(), key=repr) == sorted(
            [
                (EUI % 9, "unknown_board", stranger),
                ("bin-1", "schema", broken),
                ("bin-1", "future", early),
                (None, "no_frame", b"no uplink"),
                (None, "no_frame", b"\xff"),
            ],
            key=repr,
        )
        registry = folder / "registry.toml"
        new = f'\n[[node]]\nid = "bin-9"\nsite = "tower"\neui = "{EUI % 9}"\ncodec = "milesight"\n'
        registry.write_text(registry.read_text("utf-8") + new, "utf-8")
        until(lambda: hub.entries("bin-9"), "what came before is taken", 60)
        (entry,) = hub.entries("bin-9")
        assert unpack(entry.payload)[1] == stranger
        assert entry.intervals[0].values == {"distance": 2116.0}


def test_a_wrong_password_is_said(server, folder):
    (folder / "secret").write_text("wrong")
    settings = Lorawan(name="city", port=server.port, user="hub", password_file=folder / "secret")
    subscription = Subscription(settings)
    subscription.start()
    try:
        until(lambda: "it refuses the hub" in subscription.state, "it is refused", 60)
        assert not subscription.connected
    finally:
        subscription.stop()


def test_a_node_of_another_district_is_another_hubs(tmp_path):
    site = Site(id="depot", district="south", kind="construction", en="Depot", zh="环卫所")
    node = Node(id="bin-1", site="depot", eui=EUI % 1, codec="milesight")
    registry = msgspec.structs.replace(CITY, sites={"depot": site}, nodes={"bin-1": node})
    admission = Admission(registry, QUANTITIES, time.time)
    came = Came(chirpstack("04824408", 1, int(time.time()), EUI % 1), "certificate")
    taken = {
        districts: Judging(admission, registry, lambda topic, most: [], time.time, districts).judge(came).outcomes
        for districts in ((), ("south",), ("north",))
    }
    assert [len(outcomes) for outcomes in taken.values()] == [1, 1, 0]
    assert taken[()][0].proof == "certificate"
