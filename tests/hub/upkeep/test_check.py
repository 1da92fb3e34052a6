"""`fenceline check` names what is wrong and what to do, on real brokers, certificates and stores."""

import base64
import contextlib
import datetime as dt
import hashlib
import http.server
import json
import os
import queue
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.parse

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from paho.mqtt.client import CallbackAPIVersion, Client

from hub.access.tables import PART as ACCESS
from hub.field.book import FieldBook
from hub.field.tables import FILE as FIELD
from hub.field.tables import STEPS as FIELD_STEPS
from hub.health.metrics import Metrics
from hub.http.server import Condition, Server, make_app
from hub.log.log import Log
from hub.log.tables import STEPS
from hub.storage.claims import claim
from hub.storage.compliance_file import open_compliance
from hub.storage.database import open_database, transaction
from hub.upkeep.checks import check
from hub.upkeep.checks.finding import FindingState
from schemas.language import Lang
from tests import stack
from tests.conftest import Mosquitto, require
from tests.deployed_broker import DeployedBroker
from tests.hub.helpers import Hub as Chain
from tests.hub.helpers import Speaker, execute, open_all
from tests.nats import Nats
from tests.ports import free_port as some_port

# apprise loads a module that Python 3.11 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

REGISTRY = """\
[[site]]
id = "tower"
district = "north"
kind = "construction"
en = "Clock Tower"
zh = "钟楼"

[[board]]
id = "fence-1"
site = "tower"
"""
PERSON = "json://127.0.0.1/token-of-the-tests"


class City:
    """A folder with the files of a hub, all right until a test changes one."""

    def __init__(self, folder, port):
        self.folder, self.port = folder, port
        self.data = folder / "data"
        self.file = folder / "fenceline.toml"
        self.configure()
        self.write("registry.toml", REGISTRY)
        self.write("keys.toml", f'fence-1 = "{"1f" * 32}"\n')

    def write(self, name, text, mode=0o600):
        (self.folder / name).write_text(text, "utf-8")
        (self.folder / name).chmod(mode)
        return self.folder / name

    def configure(self, broker="", rest="", top="", http=0):
        text = f'registry = "registry.toml"\nkeys = "keys.toml"\n{top}\n[broker]\n'
        self.write("fenceline.toml", f"{text}{broker or f'port = {self.port}'}\n[http]\nport = {http}\n{rest}\n")

    def check(self):
        """Return {name: (state, text, remedy)} of the last finding of each name."""
        return {f.name: (f.state, f.text.en, f.remedy.en if f.remedy else "") for f in check(self.file)}

    def problems(self):
        """Return {name: text + remedy} of what is wrong."""
        return {name: f"{text} | {mend}" for name, (state, text, mend) in self.check().items() if state == "problem"}

    def warnings(self):
        return {name: f"{text} | {mend}" for name, (state, text, mend) in self.check().items() if state == "warning"}


@pytest.fixture
def city(tmp_path, free_port, monkeypatch):
    """A city whose broker does not run."""
    monkeypatch.setenv("APPRISE_URLS", PERSON)
    for name in ("INFLUXDB_V2_URL", "INFLUXDB_V2_TOKEN", "INFLUXDB_V2_ORG"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "city").mkdir()
    return City(tmp_path / "city", free_port())


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A broker without passwords, for all tests of this file."""
    broker = Mosquitto(require("mosquitto"), tmp_path_factory.mktemp("plain"), some_port())
    yield broker
    broker.stop()


@pytest.fixture
def well(city, plain, monkeypatch):
    """A city where nothing is wrong."""
    monkeypatch.setattr("hub.upkeep.checks.data.kernel_synchronised", lambda: True)  # of this machine nobody knows
    city.port = plain.port
    city.configure()
    return city


# Files


def test_where_all_is_well_it_says_so(well):
    found = well.check()
    assert {state for state, _, _ in found.values()} <= {FindingState.ok, FindingState.skipped}
    for name in ("config", "registry", "time zone", "keys", "catalogue", "alerts", "data folder", "disk", "clock"):
        assert found[name][0] == FindingState.ok
    assert found["broker"][0] == found["broker login"][0] == found["broker subscription"][0] == FindingState.ok
    assert found["time zone"][1].startswith("Asia/Shanghai")


TERMINAL = '[[terminal]]\nid = "truck-1"\nsite = "tower"\nphone = "013800000000"\n'


def test_it_knows_of_terminals(city, free_port):
    city.write("registry.toml", REGISTRY + TERMINAL)
    assert "1 terminals are registered, and nobody listens for them" in city.warnings()["terminals"]
    port = free_port()
    city.configure(rest=f"[jt808]\nport = {port}")
    assert city.check()["terminals"][:2] == (FindingState.ok, f"1 terminals, heard on 127.0.0.1:{port}, plain")
    city.write("registry.toml", REGISTRY + TERMINAL + 'profile = "nobody"\n')
    assert "profiles that there are not: truck-1 (nobody)" in city.problems()["terminals"]
    city.configure(rest=f'[jt808]\nport = {port}\nprofiles = "own"')
    assert "own: is no folder" in city.problems()["terminals"]
    (city.folder / "own").mkdir()
    city.write("own/nobody.toml", 'en = "x"\nzh = "x"\n[[state]]\nname = "cover"\nfrom = "E100"\n')
    assert "from = 'E100': expected status, alarm" in city.problems()["terminals"]
    city.write("own/nobody.toml", 'en = "x"\nzh = "x"\n[[state]]\nname = "cover"\nfrom = "E1"\n')
    assert city.check()["terminals"][0] == FindingState.ok


def test_it_knows_of_badges(city, free_port):
    city.write("registry.toml", REGISTRY + '[[badge]]\nid = "badge-1"\nsite = "tower"\nnumber = "8809008845"\n')
    assert "1 badges are registered, and nobody listens for them" in city.warnings()["badges"]
    port = free_port()
    city.configure(rest=f"[badges]\nport = {port}")
    assert city.check()["badges"][:2] == (FindingState.ok, f"1 badges, heard on 127.0.0.1:{port}, plain")
    with socket.create_server(("127.0.0.1", port)):
        assert "cannot listen there" in city.problems()["badges"]


NODE = '[[node]]\nid = "bin-1"\nsite = "tower"\neui = "24e124136b502217"\ncodec = "milesight"\n'


def test_it_knows_of_nodes_and_their_network_servers(city, free_port):
    city.write("registry.toml", REGISTRY + NODE)
    warnings = city.warnings()
    assert "1 nodes are registered, and no network server is named" in warnings["lorawan"]
    assert "empty_mm and full_mm are missing (bin-1)" in warnings["lorawan nodes"]
    city.write("registry.toml", REGISTRY + NODE + "empty_mm = 1180\nfull_mm = 320\n")
    port = free_port()
    city.configure(rest=f'[[lorawan]]\nname = "city"\nport = {port}')
    assert f"city: 127.0.0.1:{port}: " in city.problems()["lorawan"]
    with socket.create_server(("127.0.0.1", port)):
        assert city.check()["lorawan"][:2] == (FindingState.ok, f"city: 127.0.0.1:{port} answers")
        city.configure(rest=f'[[lorawan]]\nname = "city"\nport = {port}\nuser = "hub"\npassword_file = "none"')
        assert "password_file" in city.problems()["lorawan"]


STATED = 'instruments = [{of = "dust", class = "class_2"}, {of = "noise", class = "indicative"}]\n'


def told_by_a_laptop(city, channel, *lacks, at="2026-11-01T08:00:00Z"):
    """Leave a collocation at the hub, as a technician's laptop does."""
    entry = {"channel": channel, "method": "collocation", "at": at, "trial": {"lacks": list(lacks)} if lacks else {}}
    city.data.mkdir(exist_ok=True)
    with contextlib.closing(open_database(city.data / FIELD, FIELD_STEPS)) as db, transaction(db):
        FieldBook(db).add("fence-1", "calibration", [entry], "laptop", 1.0)


def test_it_says_how_good_the_instruments_are(well):
    assert "0 of 1 boards and stations state" in well.check()["instruments"][1]
    assert "class not stated: fence-1" in well.check()["instruments"][1]
    well.write("registry.toml", REGISTRY + STATED)
    assert "1 of 1 boards and stations state" in well.check()["instruments"][1]
    assert "indicative, suspicions only: fence-1" in well.check()["instruments"][1]


def test_a_class_that_the_newest_collocation_does_not_bear_is_warned_of(well):
    well.write("registry.toml", REGISTRY + STATED)
    told_by_a_laptop(well, "pm25", "days", "means")
    told = well.warnings()["instruments"]
    assert "board 'fence-1': the registry states class 2 for pm25, and its newest collocation does not suffice" in told
    assert 'State class = "indicative"' in told
    told_by_a_laptop(well, "pm25", at="2026-12-05T08:00:00Z")
    assert "instruments" not in well.warnings(), "a later one suffices"
    told_by_a_laptop(well, "laf", "no_demand", at="2026-12-06T08:00:00Z")
    assert "instruments" not in well.warnings(), "it is stated to be indicative"


def test_every_mistake_of_the_configuration_is_told_at_once(city):
    city.write(
        "fenceline.toml",
        "keys = 3\nacknowledge_evry = 2\n[broker]\nport = 99999\nhost = 7\n"
        '[store]\nkind = "oracle"\n[keep]\ndays = 0\n',
    )
    told = [f.text.en for f in check(city.file) if f.state == FindingState.problem]
    assert len(told) == 7
    places = ("1: keys", "2: acknowledge_evry", "4: broker.port", "5: broker.host", "7: store.kind", "9: keep.days")
    for place in places:
        assert sum(f"fenceline.toml:{place}: " in text for text in told) == 1, place
    assert sum("registry: is missing; add it: expected a path" in text for text in told) == 1


@pytest.mark.parametrize("text", ["registry = ", "\xff", "[broker\n"])
def test_a_configuration_that_is_no_toml_is_told(city, text):
    city.file.write_bytes(text.encode("latin-1"))
    assert "is not valid TOML" in city.problems()["config"]


def test_a_missing_configuration_is_told(city):
    city.file.unlink()
    assert "cannot be read (No such file or directory)" in city.problems()["config"]


def test_a_mistake_in_the_registry_is_told(well):
    well.write("registry.toml", REGISTRY.replace('site = "tower"', 'site = "towr"'))
    assert "towr" in well.problems()["registry"]


def test_a_district_without_sites_is_told(well):
    well.configure(top='districts = ["north", "nroth"]')
    assert "'nroth' | Mend the name; there are: north" in well.problems()["districts"]


def test_keys_that_others_can_read_are_told_with_the_command_that_mends_it(well):
    (well.folder / "keys.toml").chmod(0o644)
    assert f"Run: chmod 600 {well.folder / 'keys.toml'}" in well.problems()["keys"]


def test_all_boards_without_a_good_key_are_told_and_no_key_is_shown(well):
    boards = "".join(f'[[board]]\nid = "fence-{n}"\nsite = "tower"\n' for n in range(2, 5))
    well.write("registry.toml", REGISTRY + boards)
    well.write("keys.toml", f'fence-1 = "{"1f" * 32}"\nfence-2 = "{"2e" * 31}"\nfence-3 = "zz"\n')
    told = well.problems()["keys"]
    assert "3 boards" in told
    assert "fence-2, fence-3, fence-4" in told
    assert "2e2e" not in told


# Data


def test_a_data_folder_that_cannot_be_made_is_told(well):
    well.write("data", "a file is in the way")
    assert "cannot be written" in well.problems()["data folder"]


def test_the_version_of_each_database_is_told(well):
    Log(well.data / "log.db").close()
    assert well.check()["database log.db"][:2] == (FindingState.ok, f"schema version {len(STEPS)}")
    execute(well.data / "log.db", "PRAGMA user_version = 99")
    assert "schema version 99" in well.problems()["database log.db"]


def test_the_versions_of_the_packages_in_one_database_are_told(well):
    path = well.data / "compliance.db"
    open_compliance(path, ACCESS).close()
    before = well.check()["database compliance.db"]
    assert before[0] == FindingState.ok
    assert "schema version 4 (access 5); the next start makes it 4 (access 5, alerts 3, compliance 14, " in before[1]
    open_all(path).close()
    assert "next start" not in well.check()["database compliance.db"][1]
    execute(path, "UPDATE schema_part SET version = 99 WHERE owner = 'alerts'")
    assert "schema version 99 of alerts, and this hub works with 3" in well.problems()["database compliance.db"]
    execute(path, "UPDATE schema_part SET version = 1")
    execute(path, "INSERT INTO schema_part VALUES ('cases', 1)")
    assert "tables of cases, which this hub does not know" in well.problems()["database compliance.db"]


def test_a_database_that_is_none_is_told(well):
    well.data.mkdir()
    (well.data / "compliance.db").write_bytes(b"no database" * 1000)
    assert "is damaged (file is not a database)" in well.problems()["database compliance.db"]


def test_a_clock_that_no_time_server_keeps_is_told(well, monkeypatch):
    monkeypatch.setattr("hub.upkeep.checks.data.kernel_synchronised", lambda: False)
    state, text, *_ = well.check()["clock"]
    assert state == FindingState.warning
    assert "no time server" in text


def test_a_clock_behind_the_log_is_told(well):
    well.data.mkdir()
    with Chain(well.data) as chain:
        chain.now = time.time() + 86_400
        chain.log.commit([chain.admission.judge(*Speaker().batch(1, 1))], chain.now)
    assert "it is after" in well.problems()["clock"]


# Addresses of alerts


def test_without_anybody_to_tell_there_is_a_warning(well, monkeypatch):
    monkeypatch.delenv("APPRISE_URLS")
    assert "nobody is sent one" in well.warnings()["alerts"]
    assert not well.problems()


def test_a_wrong_address_is_told_without_its_secret(well, monkeypatch):
    monkeypatch.setenv("APPRISE_URLS", f"{PERSON} dingtlak://s3cret-token/")
    told = well.problems()["alerts"]
    assert "APPRISE_URLS, 2: dingtlak://..." in told
    assert "s3cret" not in told


def test_a_recipient_whose_address_is_missing_wrong_or_open_to_others_is_told(well, monkeypatch):
    monkeypatch.setenv("OFFICER", "mialto://s3cret@city.example")
    well.configure(rest='[[recipient]]\nname = "officer"\nurl_env = "OFFICER"')
    told = well.problems()["alerts"]
    assert "recipient 'officer': mialto://..." in told
    assert "s3cret" not in told
    monkeypatch.delenv("OFFICER")
    assert "recipient 'officer': has no address" in well.problems()["alerts"]
    well.configure(rest='[[recipient]]\nname = "officer"\nurl_file = "address"')
    assert "recipient 'officer': has no address" in well.problems()["alerts"]
    well.write("address", PERSON, mode=0o644)
    assert "chmod 600" in well.warnings()["alerts"]
    well.write("address", PERSON)
    assert well.check()["alerts"][1] == "2 addresses of a known kind"


def test_a_mistake_within_a_list_does_not_hide_those_elsewhere(city):
    city.configure("port = 99999", rest='[[recipient]]\nname = "a b"\nurl_env = "X"\n[[recipient]]\nname = "c"\n')
    told = "\n".join(f.text.en for f in check(city.file) if f.name == "config")
    assert told.count("\n") == 2
    for words in (":5: broker.port: 99999", ":9: recipient[1].name: 'a b'", ":11: recipient[2]: recipient 'c': "):
        assert words in told


# HTTP


class Running:
    """A hub that says of itself that its log is full."""

    def dead(self):
        return []

    def conditions(self):
        return [Condition("broker", ok=True, text="connected"), Condition("log", ok=False, text="the disk is full")]


def test_a_port_that_another_program_has_is_told(well):
    with socket.create_server(("127.0.0.1", 0)) as other:
        other.settimeout(0)
        well.configure(http=other.getsockname()[1])
        assert "name another port" in well.problems()["http"].lower()


def test_a_free_port_is_fine(well, free_port):
    well.configure(http=free_port())
    assert well.check()["http"][1].endswith("is free")


def test_a_running_hub_is_asked_how_it_is_and_not_disturbed(well):
    server = Server(make_app(Running(), Metrics()), "127.0.0.1", 0)
    server.start()
    try:
        well.configure(http=server.port)
        with claim(well.data):
            found = well.check()
        assert found["http"][0] == FindingState.ok
        assert found["hub: broker"] == (FindingState.ok, "connected", "")
        assert found["hub: log"][:2] == (FindingState.problem, "the disk is full")
        assert found["broker login"][0] == FindingState.skipped
        assert "a hub of another data folder" in well.problems()["http"]
    finally:
        server.stop()


def test_a_hub_that_runs_and_does_not_answer_is_told(well, free_port):
    well.configure(http=free_port())
    with claim(well.data):
        assert "a hub runs, and does not answer" in well.problems()["http"]


def is_free(port):
    with contextlib.suppress(OSError):
        socket.create_server(("127.0.0.1", port)).close()
        return True
    return False


def test_each_district_has_a_port_of_its_own(well, free_port):
    well.write(
        "registry.toml", REGISTRY + REGISTRY.replace("tower", "mill").replace("north", "south").replace("-1", "-2")
    )
    well.write("keys.toml", "".join(f'fence-{n} = "{"1f" * 32}"\n' for n in (1, 2)))
    port = next(port for port in iter(free_port, None) if is_free(port + 1))
    well.configure(http=port, top='districts = ["north", "south"]')
    found = well.check()
    assert f":{port} " in found["http north"][1]
    assert f":{port + 1} " in found["http south"][1]
    with claim(well.data / "south"):
        found = well.check()
    assert found["broker login"][0] == FindingState.skipped
    assert "a hub runs, and does not answer" in found["http south"][1]


# The broker, plain and with passwords


def test_a_broker_that_does_not_run_is_told(city):
    assert "Connection refused | Start the broker" in city.problems()["broker"]


def test_a_name_that_nobody_knows_is_told(city):
    city.configure(broker='host = "broker.invalid"')
    assert city.problems()["broker"].startswith("broker.invalid:1883: ")


def test_the_check_leaves_no_session_at_the_broker(well, plain):
    assert not well.problems()
    answers = queue.Queue()
    client = Client(CallbackAPIVersion.VERSION2, client_id="fenceline-hub-check", clean_session=False)
    client.on_connect = lambda _client, _data, flags, _reason, _properties: answers.put(flags.session_present)
    client.connect("127.0.0.1", plain.port)
    client.loop_start()
    try:
        assert answers.get(timeout=20) is False
    finally:
        client.disconnect()
        client.loop_stop()


def test_the_boards_whose_status_may_be_heard_are_counted(well, plain):
    topic = "fenceline/1/north/tower/fence-1/status"
    client = Client(CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", plain.port)
    client.loop_start()
    try:
        client.publish(topic, b"{}", qos=1, retain=True).wait_for_publish(20)
        assert well.check()["broker subscription"][1] == "granted; 1 boards have left their status"
        client.publish(topic, b"", qos=1, retain=True).wait_for_publish(20)
    finally:
        client.disconnect()
        client.loop_stop()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """A broker with a password for user `hub`."""
    folder = tmp_path_factory.mktemp("guarded")
    # As mosquitto_passwd writes it: PBKDF2 with SHA-512, here of "right".
    salt = b"salt of test"
    code = hashlib.pbkdf2_hmac("sha512", b"right", salt, 101, 64)
    line = f"hub:$7$101${base64.b64encode(salt).decode()}${base64.b64encode(code).decode()}\n"
    (folder / "passwords").write_text(line)
    (folder / "passwords").chmod(0o600)
    broker = Guarded(require("mosquitto"), folder, some_port())
    yield broker
    broker.stop()


class Guarded(Mosquitto):
    """Mosquitto that asks for a password."""

    def start(self):
        config = self._command[-1]
        text = config.read_text().replace("allow_anonymous true", "allow_anonymous false")
        if "password_file" not in text:
            text += f"password_file {config.parent}/passwords\n"
        config.write_text(text)
        super().start()


@pytest.mark.parametrize(("password", "good"), [("right\n", True), ("wrong", False), (None, False)])
def test_a_wrong_password_is_told_and_not_shown(city, guarded, password, good):
    broker = f"port = {guarded.port}\n"
    if password:
        city.write("password", password)
        broker += 'user = "hub"\npassword_file = "password"'
    city.configure(broker)
    problems = city.problems()
    if good:
        assert problems == {}
    else:
        assert problems.keys() == {"broker login"}
        assert "Not authorized | Mend user and password_file" in problems["broker login"]
        assert "wrong" not in problems["broker login"]


def test_a_password_file_that_is_missing_is_told(city, guarded):
    city.configure(f'port = {guarded.port}\nuser = "hub"\npassword_file = "none"')
    assert "No such file" in city.problems()["broker login"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "cannot be read (No such file or directory)"),
        ("密码".encode("gb18030"), "cannot be read (it is not text)"),
        (b" \n", "is empty"),
    ],
)
def test_a_password_that_cannot_be_read_is_told_while_no_broker_answers(city, content, told):
    if content is not None:
        (city.folder / "password").write_bytes(content)
    city.configure(f'port = {city.port}\nuser = "hub"\npassword_file = "password"')
    problems = city.problems()
    assert problems.keys() == {"broker", "broker password"}
    assert f"password: {told} | Write the password into it" in problems["broker password"]


def test_a_password_without_a_user_is_told_while_no_broker_answers(city):
    city.write("password", "right")
    city.configure(f'port = {city.port}\npassword_file = "password"')
    assert "without user: it is not used | Name the user" in city.problems()["broker password"]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ('certificate = "none.crt"\nkey = "none.key"', "certificate, key, ca: cannot be used ([Errno 2] No such"),
        ('certificate = "keys.toml"\nkey = "keys.toml"', "expected PEM files"),
        ('profiles = "none"', "none: is no folder; make it"),
        ('profiles = "profiles"', "profiles/mill.toml:1: cods: there is no such field; did you mean 'codes'?"),
        ('host = "192.0.2.1"', "host = '192.0.2.1', port ="),
    ],
)
def test_what_stations_need_is_looked_at_while_no_broker_answers(city, free_port, settings, told):
    (city.folder / "profiles").mkdir()
    city.write("profiles/mill.toml", 'cods = {a01001 = "pm10"}\n')
    city.configure(rest=f"[hj212]\nport = {free_port()}\n{settings}")
    problems = city.problems()
    assert problems.keys() == {"broker", "stations"}
    assert told in problems["stations"]


def test_a_profile_that_there_is_not_and_a_certificate_that_has_expired_are_told(city, free_port):
    station = '[[station]]\nid = "mill-1"\nsite = "tower"\nmn = "88888880000001"\nprofile = "{}"\n'
    city.write("registry.toml", REGISTRY + station.format("modern"))
    city.configure(rest=f"[hj212]\nport = {free_port()}")
    assert "station 'mill-1': there is no profile 'modern'; expected one of: " in city.problems()["stations"]
    city.write("registry.toml", REGISTRY)
    old = made(city.folder, "old", 1)
    ended = x509.load_pem_x509_certificate(old.read_bytes())
    key = serialization.load_pem_private_key(old.with_suffix(".key").read_bytes(), None)
    builder = x509.CertificateBuilder(ended.issuer, ended.subject, ended.public_key(), ended.serial_number)
    builder = builder.not_valid_before(dt.datetime(2025, 1, 1, tzinfo=dt.UTC)).not_valid_after(
        dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    )
    old.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    city.configure(rest=f'[hj212]\nport = {free_port()}\ncertificate = "old.crt"\nkey = "old.key"')
    assert "old.crt: ended on " in city.problems()["stations"]
    made(city.folder, "old", 100)
    state, text, _ = city.check()["stations"]
    assert (state, text.endswith(", TLS")) == (FindingState.ok, True)


def test_a_password_that_others_can_read_is_warned_of(city, guarded):
    city.write("password", "right", mode=0o644)
    city.configure(f'port = {guarded.port}\nuser = "hub"\npassword_file = "password"')
    assert "chmod 600" in city.warnings()["broker password"]


# The broker with TLS, as deployed


@pytest.fixture(scope="module")
def deployed(tmp_path_factory):
    program = require("mosquitto")
    if shutil.which("openssl") is None:
        (pytest.fail if stack.required() else pytest.skip)("no openssl command here")
    broker = DeployedBroker(program, tmp_path_factory.mktemp("deployed"), {"fence-1": "north/tower"})
    broker.wait()
    yield broker
    broker.stop()


@pytest.fixture
def secure(city, deployed):
    """A city with the deployed broker; `secure.tls(...)` changes the configuration."""

    def tls(host="127.0.0.1", **files):
        names = {"ca": "ca.crt", "certificate": "hub.crt", "key": "hub.key"} | files
        lines = [f'{name} = "{deployed.certificates / file}"' for name, file in names.items() if file]
        city.configure("\n".join([f'host = "{host}"', f"port = {deployed.port}", 'client_id = "hub"', *lines]))

    city.tls = tls
    tls()
    return city


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


def made(folder, name, days, ca=None, subject="hub"):
    """Make a key and a certificate; return the certificate's path."""
    key, certificate = folder / f"{name}.key", folder / f"{name}.crt"
    signer = ["-CA", ca / "ca.crt", "-CAkey", ca / "ca.key"] if ca else []
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-subj", f"/CN={subject}",
            "-days", str(days), "-keyout", key, "-out", certificate, *signer)  # fmt: skip
    return certificate


def test_with_tls_all_is_well(secure):
    assert secure.problems() == {}
    found = secure.check()
    assert "good until" in found["certificate"][1]
    assert "good until" in found["certificate authority"][1]
    assert "both certificates are accepted" in found["broker TLS"][1]


def test_what_waits_for_a_stopped_hub_still_waits_after_the_check(secure, deployed):
    """The deployed broker gives the check the hub's own session: not one message may be taken or dropped from it."""

    def client(name, **options):
        one = Client(CallbackAPIVersion.VERSION2, client_id=name, **options)
        one.tls_set_context(deployed.tls(name))
        return one

    connected, heard = queue.Queue(), queue.Queue()
    topic = "fenceline/1/north/tower/fence-1/telemetry"

    @contextlib.contextmanager
    def peer(name, **options):
        one = client(name, **options)
        one.on_connect = lambda _client, _data, flags, *_: connected.put(flags.session_present)
        one.on_subscribe = lambda *_: connected.put("subscribed")
        one.on_message = lambda *arguments: heard.put(arguments[2].payload)
        one.connect("127.0.0.1", deployed.port)
        one.loop_start()
        yield one, connected.get(timeout=20)
        one.disconnect()
        one.loop_stop()

    with peer("hub", clean_session=False) as (hub, _):
        hub.subscribe(topic, 1)
        assert connected.get(timeout=20) == "subscribed"
    with peer("fence-1") as (board, _):
        for n in range(3):
            board.publish(topic, str(n).encode(), qos=1).wait_for_publish(20)
    assert secure.problems() == {}
    with peer("hub", clean_session=False) as (_, present):
        assert present, "the session is still there"
        assert {heard.get(timeout=20) for _ in range(3)} == {b"0", b"1", b"2"}


def test_a_broker_that_wants_a_certificate_is_told(secure):
    secure.tls(certificate=None, key=None)
    assert "certificate required" in secure.problems()["broker TLS"]


def test_a_broker_of_another_authority_is_told(secure, tmp_path):
    secure.tls(ca=made(tmp_path, "other", 100), certificate=None, key=None)
    assert "is not accepted" in secure.problems()["broker TLS"]


def test_a_name_that_is_not_in_the_brokers_certificate_is_told(secure):
    secure.tls(host="localhost")
    told = secure.problems()["broker TLS"]
    assert "Hostname mismatch" in told
    assert "host must be a name that stands in it" in told


def test_tls_at_a_plain_port_is_told(secure, plain, deployed):
    secure.configure(f'port = {plain.port}\nca = "{deployed.certificates / "ca.crt"}"')
    assert secure.problems().keys() == {"broker TLS"}


def test_no_tls_at_a_tls_port_is_told(city, deployed):
    city.configure(f"port = {deployed.port}")
    assert "perhaps it expects TLS" in city.problems()["broker login"]


# Certificates


def test_a_key_of_another_certificate_is_told(secure):
    secure.tls(key="fence-1.key")
    assert "is not the key of" in secure.problems()["certificate"]


def test_a_missing_file_is_told(secure):
    secure.tls(certificate="none.crt")
    assert "none.crt: cannot be read (No such file or directory)" in secure.problems()["certificate"]
    secure.tls(ca="none.crt")
    assert "none.crt" in secure.problems()["certificate authority"]


def test_a_key_behind_a_password_is_told_and_nobody_is_asked(secure, deployed, tmp_path):
    openssl("pkey", "-in", deployed.certificates / "hub.key", "-aes256", "-passout", "pass:x", "-out", tmp_path / "key")
    secure.tls(key=tmp_path / "key")
    assert "locked by a password" in secure.problems()["certificate"]


def test_a_certificate_of_another_authority_is_told(secure, tmp_path):
    certificate = made(tmp_path, "alien", 100)
    secure.tls(certificate=certificate, key=certificate.with_suffix(".key"))
    assert "refuses it" in secure.problems()["certificate"]


def test_a_certificate_that_has_ended_is_told(secure, deployed, tmp_path):
    (tmp_path / "index").touch()
    (tmp_path / "serial").write_text("01")
    (tmp_path / "ca.cnf").write_text(
        f"[ca]\ndefault_ca = it\n[it]\ndatabase = {tmp_path}/index\nserial = {tmp_path}/serial\n"
        f"new_certs_dir = {tmp_path}\ndefault_md = sha256\npolicy = names\n[names]\ncommonName = supplied\n"
    )
    key, request, certificate = (tmp_path / f"old.{kind}" for kind in ("key", "csr", "crt"))
    openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-subj", "/CN=hub",
            "-keyout", key, "-out", request)  # fmt: skip
    openssl("ca", "-batch", "-notext", "-config", tmp_path / "ca.cnf", "-in", request, "-out", certificate,
            "-cert", deployed.certificates / "ca.crt", "-keyfile", deployed.certificates / "ca.key",
            "-startdate", "20250101000000Z", "-enddate", "20260101000000Z")  # fmt: skip
    secure.tls(certificate=certificate, key=key)
    assert "certificate has expired" in secure.problems()["certificate"]


def test_a_certificate_that_ends_soon_is_warned_of(secure, deployed, tmp_path):
    certificate = made(tmp_path, "soon", 10, deployed.certificates)
    secure.tls(certificate=certificate, key=certificate.with_suffix(".key"))
    assert "ends in 10 days" in secure.warnings()["certificate"]
    assert secure.problems() == {}


def test_a_key_that_others_can_read_is_warned_of(secure, deployed, tmp_path):
    key = tmp_path / "open.key"
    shutil.copy(deployed.certificates / "hub.key", key)
    key.chmod(0o644)
    secure.tls(key=key)
    assert f"chmod 600 {key}" in secure.warnings()["certificate key"]


def test_half_a_pair_is_told(secure):
    secure.tls(key=None)
    assert "belong together" in secure.problems()["certificate"]
    secure.tls(ca=None)
    assert "without ca" in secure.problems()["certificates"]


# The store


@pytest.fixture
def influx(well, influxdb_v2, monkeypatch):
    """A city that stores in a real InfluxDB."""
    influxdb_v2.create_bucket("city")
    monkeypatch.setenv("INFLUXDB_V2_URL", influxdb_v2.url)
    monkeypatch.setenv("INFLUXDB_V2_TOKEN", influxdb_v2.token)
    monkeypatch.setenv("INFLUXDB_V2_ORG", influxdb_v2.org)
    well.configure(rest='[store]\nkind = "influxdb"\nbucket = "city"')
    return well


def test_influxdb_is_tried_and_nothing_is_written(influx, influxdb_v2):
    assert "takes writes to bucket 'city'" in influx.check()["store"][1]
    assert influxdb_v2.query("SHOW MEASUREMENTS", "city") == []


def test_each_way_in_which_influxdb_refuses_is_told_apart(influx, influxdb_v2, monkeypatch, free_port):
    influx.configure(rest='[store]\nkind = "influxdb"\nbucket = "none"')
    assert "Make the bucket" in influx.problems()["store"]
    influx.configure(rest='[store]\nkind = "influxdb"\nbucket = "city"')
    with monkeypatch.context() as wrong:
        wrong.setenv("INFLUXDB_V2_ORG", "nobody")
        assert 'organization name "nobody" not found' in influx.problems()["store"]
    with monkeypatch.context() as wrong:
        wrong.setenv("INFLUXDB_V2_TOKEN", "wr0ng-token")
        told = influx.problems()["store"]
        assert "INFLUXDB_V2_TOKEN" in told
        assert "wr0ng" not in told
    for url in (f"http://127.0.0.1:{free_port()}", "influx", "http://127.0.0.1:none"):
        with monkeypatch.context() as wrong:
            wrong.setenv("INFLUXDB_V2_URL", url)
            assert "Mend INFLUXDB_V2_URL" in influx.problems()["store"].replace("or mend", "Mend")
    monkeypatch.delenv("INFLUXDB_V2_TOKEN")
    assert "not set in the environment: INFLUXDB_V2_TOKEN" in influx.problems()["store"]


OPEN_GEMINI = {
    "SHOW DATABASES DETAIL": (["name", "ReplicaN", "Tag Attribute"], [["city", 1, "default"], ["other", 3, "default"]]),
    "SHOW CLUSTER": (["nodeID", "nodeType"], [[n, kind] for n in (1, 2, 3) for kind in ("meta", "data")]),
    "SHOW CONFIGS": (["name", "value"], [["common.ha-policy", "write-available-first"], ["http.auth-enabled", True]]),
}
"""What three stores of openGemini 1.5 answer, in a database as it is made without further words."""
FORBIDDEN = "error authorizing query: no user provided"


class OpenGemini(http.server.BaseHTTPRequestHandler):
    """Says what openGemini 1.5 was heard to say; no package brings one. `server.answers`: rows, or a refusal."""

    def do_GET(self):
        path, _, query = self.path.partition("?")
        if path == "/ping":
            self._send(204, b"")
            return
        found = self.server.answers[urllib.parse.parse_qs(query)["q"][0]]
        refused = isinstance(found, str)
        told = {"error": found} if refused else {"series": [{"columns": found[0], "values": found[1]}]}
        self._send(200, json.dumps({"results": [{"statement_id": 0, **told}]}).encode())

    def do_POST(self):
        assert self.headers["Authorization"] == "Token hub:secret"
        known = "bucket=city&" in f"{self.path}&"
        self._send(204, b"") if known else self._send(404, b'{"error":"database not found: \\"none\\""}')

    def _send(self, status, body):
        self.send_response(status)
        self.send_header("X-Geminidb-Version", "v1.5.2")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Keep the test's output to the test."""


@pytest.fixture
def gemini(well, monkeypatch):
    """A city that stores in what answers as openGemini does."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), OpenGemini) as server:
        server.answers = dict(OPEN_GEMINI)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        monkeypatch.setenv("INFLUXDB_V2_URL", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("INFLUXDB_V2_TOKEN", "hub:secret")
        monkeypatch.setenv("INFLUXDB_V2_ORG", "nobody")
        well.configure(rest='[store]\nkind = "influxdb"\nbucket = "city"')
        yield well, server.answers
        server.shutdown()


def test_what_answers_is_told_and_that_it_knows_no_organisations(gemini):
    city, _ = gemini
    told = city.check()["store"]
    assert told[0] == FindingState.ok
    assert "openGemini v1.5.2" in told[1]
    assert "INFLUXDB_V2_ORG=nobody says nothing there" in told[1]
    city.configure(rest='[store]\nkind = "influxdb"\nbucket = "none"')
    assert 'database not found: "none" | Make the bucket' in city.problems()["store"]


def test_an_open_gemini_cluster_that_keeps_one_copy_is_a_problem(gemini):
    city, answers = gemini
    told = city.problems()["store copies"]
    assert "keeps 1 copies of each point on 3 stores, ha-policy 'write-available-first'" in told
    assert "CREATE DATABASE city REPLICAS 3" in told
    assert "without an error" in told
    answers["SHOW DATABASES DETAIL"] = (["name", "ReplicaN"], [["city", 3]])
    assert "ha-policy 'write-available-first'" in city.problems()["store copies"]
    answers["SHOW CONFIGS"] = (["name", "value"], [["common.ha-policy", "replication"]])
    assert city.problems() == {}
    assert "3 copies of each point" in city.check()["store copies"][1]


def test_of_one_store_no_copies_are_asked(gemini):
    city, answers = gemini
    answers["SHOW CLUSTER"] = (["nodeID", "nodeType"], [[1, "meta"], [2, "data"]])
    assert city.problems() == {}
    assert "what its disk loses is gone" in city.check()["store copies"][1]


def test_what_only_an_admin_may_see_is_not_guessed(gemini):
    city, answers = gemini
    answers |= {"SHOW CLUSTER": FORBIDDEN, "SHOW CONFIGS": FORBIDDEN}
    assert city.problems() == {}
    assert "keeps 1 copies of each point: while" in city.warnings()["store copies"]
    answers["SHOW DATABASES DETAIL"] = (["name", "ReplicaN"], [["city", 3]])
    assert city.check()["store copies"][0] == FindingState.ok
    answers["SHOW DATABASES DETAIL"] = FORBIDDEN
    assert city.check()["store copies"][0] == FindingState.skipped


# A broker with limits


NATS = """
accounts {
  CITY { jetstream: enabled, users: [
    { user: wide, password: right }
    { user: deaf, password: right, permissions: { subscribe: [
        "fenceline.1.*.*.*.telemetry", "fenceline.1.*.*.*.status", "fenceline.1.*.*.*.event", "$MQTT.sub.>"] } } ] }
  SMALL { jetstream: { max_consumers: 3 }, users: [{ user: small, password: right }] }
}
"""


def nats_city(city, broker, user):
    city.write("password", "right")
    city.configure(f'port = {broker.port}\nuser = "{user}"\npassword_file = "password"')
    return city


@pytest.fixture(scope="module")
def nats(tmp_path_factory):
    """A NATS server with a user for each trouble."""
    broker = Nats(tmp_path_factory.mktemp("nats"), NATS, mqtt="max_ack_pending: 10000")
    yield broker
    broker.stop()


def test_a_nats_server_that_lets_the_hub_hear_all_is_well(city, nats):
    nats_city(city, nats, "wide")
    assert city.problems() == {}
    assert city.check()["broker subscription"][0] == FindingState.ok


def test_a_permission_that_is_missing_is_told_apart_from_a_limit(city, nats):
    nats_city(city, nats, "deaf")
    told = city.problems()["broker subscription"]
    assert "does not let the hub hear: reply | Let the hub read" in told
    nats_city(city, nats, "small")
    told = city.problems()["broker subscription"]
    assert "a limit of the broker, not its ACL, is in the way of the hub's subscriptions at QoS 1: reply" in told
    assert "max_consumers" in told
    assert "at most 16,383" in told


def test_more_pending_than_a_session_may_have_is_told_as_a_limit(city, tmp_path):
    (tmp_path / "nats").mkdir()
    broker = Nats(tmp_path / "nats", NATS, mqtt="max_ack_pending: 20000")
    try:
        nats_city(city, broker, "wide")
        assert "a limit of the broker, not its ACL" in city.problems()["broker subscription"]
    finally:
        broker.stop()


def test_each_district_is_tried_as_its_own_hub(city, nats):
    nats_city(city, nats, "wide")
    city.write(
        "registry.toml", REGISTRY + REGISTRY.replace("tower", "mill").replace("north", "south").replace("-1", "-2")
    )
    city.write("keys.toml", "".join(f'fence-{n} = "{"1f" * 32}"\n' for n in (1, 2)))
    broker = f'port = {nats.port}\nuser = "wide"\npassword_file = "password"'
    city.configure(broker, top='districts = ["north", "south"]')
    assert city.problems() == {}  # eight filters in one session would be more than NATS allows
    found = city.check()
    assert found["broker subscription north"][0] == found["broker subscription south"][0] == FindingState.ok


# The command


def fenceline(*arguments):
    program = [sys.executable, "-c", "import fenceline; fenceline.main()", "check", *arguments]
    environment = os.environ | {"COLUMNS": "200"}
    return subprocess.run(program, capture_output=True, text=True, timeout=120, check=False, env=environment)


def test_the_command_ends_with_0_if_all_is_well(well):
    done = fenceline("--config", well.file)
    assert (done.returncode, done.stderr) == (0, "")
    assert "All is well." in done.stdout
    assert "\x1b" not in done.stdout, "no colours where nobody sees them"


def test_the_command_ends_with_1_and_tells_people_and_programs(city):
    done = fenceline("--config", city.file, "--lang", "zh")
    assert done.returncode == 1
    assert "请启动代理" in done.stdout
    done = fenceline("--config", city.file, "--json")
    assert done.returncode == 1
    told = json.loads(done.stdout)
    assert (told["ok"], told["problems"]) == (False, 1)
    assert [f["name"] for f in told["findings"] if f["state"] == "problem"] == ["broker"]


def test_a_mistake_on_the_command_line_ends_with_2(city):
    assert fenceline("--lang", "latin").returncode == 2


def test_every_finding_is_told_in_chinese_too(city):
    (city.folder / "keys.toml").chmod(0o644)
    for finding in check(city.file):
        if finding.remedy:
            assert any("一" <= letter <= "鿿" for letter in finding.remedy.into(Lang.zh)), finding
