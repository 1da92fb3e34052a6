"""Stations over TLS, with certificates of a real authority: what each proves, and who is not let in."""

import socket
import ssl

import pytest

import deploy.certificates
from deploy.certificates import CLIENT, SERVER, Authority, Pair
from hub.config.files import Config, ConfigError, Hj212
from hub.intake.stations.server import StationServer
from hub.registry.live import load_entries
from hub.upkeep.checks.lines.stations import check_stations
from tests.hub.intake.stations.station import PASSWORD, SITES, Station, StationHub, minute_of, registry, until
from tests.ports import free_port

STATIONS = registry("a", "b")
FILES = 'certificate = "hub.crt"\nkey = "hub.key"\nca = "ca.crt"\n'


def issue(folder, file, name, side=CLIENT, hosts=()):
    """Write a certificate and its key; return where they are."""
    pair = Pair(folder / f"{file}.crt", folder / f"{file}.key")
    Authority(folder).issue(pair, name, side, hosts)
    return pair


def speaking(folder, file=None, of=None):
    """Return how a station speaks that trusts the hub's authority; `file`: of its certificate, if it has one."""
    context = ssl.create_default_context(cafile=folder / "ca.crt")
    if file:
        context.load_cert_chain((of or folder) / f"{file}.crt", (of or folder) / f"{file}.key")
    return context


@pytest.fixture(scope="module")
def city(tmp_path_factory):
    folder, stranger = tmp_path_factory.mktemp("tls"), tmp_path_factory.mktemp("stranger")
    for one in (folder, stranger):
        Authority(one).make()
    issue(folder, "hub", "hub", SERVER, ["127.0.0.1"])
    issue(folder, "a", "MN-A")
    issue(stranger, "a", "MN-A")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deploy.certificates, "DAYS", 0)
        issue(folder, "old", "MN-A")
    return folder, stranger


@pytest.fixture(scope="module")
def hub(city):
    with StationHub(city[0], STATIONS, f'a = "{PASSWORD}"\nb = "{PASSWORD}"\n', FILES) as made:
        yield made


def proofs(hub, frame):
    return [one.proof for one in hub.entries() if frame in one.payload]


@pytest.mark.parametrize(
    ("file", "password", "proof"), [("a", "any", "certificate"), (None, PASSWORD, "password")], ids=["shown", "none"]
)
def test_a_certificate_of_the_station_is_a_better_proof_than_its_password(hub, city, file, password, proof):
    with Station(hub.port, "MN-A", password, tls=speaking(city[0], file)) as a:
        frame = a.minute(minute_of(10 if file else 20), 31.0)
        assert a.hear_of("9014", 30)
    assert proofs(hub, frame) == [proof]


def test_a_certificate_of_another_station_proves_nothing_whatever_the_password(hub, city):
    with Station(hub.port, "MN-B", PASSWORD, tls=speaking(city[0], "a")) as b:
        frame = b.minute(minute_of(10))
        until(lambda: ("b", "bad_certificate", frame) in hub.quarantine(), "in quarantine", 30)
        assert b.hear_of("9014", 0.3) is None
    assert proofs(hub, frame) == []


def refused(port, tls):
    """Tell whether a station that speaks so is not heard: the handshake fails, or the first read."""
    try:
        with Station(port, "MN-A", PASSWORD, tls=tls) as a:
            a.minute(minute_of(30), 99.0)
            return a.hear_of("9014", 30) is None
    except (ssl.SSLError, ConnectionError):
        return True


@pytest.mark.parametrize("which", ["expired", "of another authority"])
def test_a_certificate_that_is_not_good_is_not_let_in_and_others_are(hub, city, which):
    folder, stranger = city
    bad = speaking(folder, "old") if which == "expired" else speaking(folder, "a", stranger)
    assert refused(hub.port, bad)
    with Station(hub.port, "MN-A", PASSWORD, tls=speaking(folder)) as a:
        frame = a.minute(minute_of(40 if which == "expired" else 50), 32.0)
        assert a.hear_of("9014", 30)
    assert proofs(hub, frame) == ["password"]
    assert not [one for one in hub.entries() if b"a34004-Avg=99.0" in one.payload]


def test_plain_text_on_the_port_of_tls_is_not_heard_and_keeps_nobody_waiting(hub, city):
    with socket.create_connection(("127.0.0.1", hub.port), 20) as silent, Station(hub.port, "MN-A", PASSWORD) as plain:
        plain.minute(minute_of(60), 99.0)
        with Station(hub.port, "MN-A", PASSWORD, tls=speaking(city[0])) as a:
            a.minute(minute_of(70), 33.0)
            assert a.hear_of("9014", 30)
        assert plain.hear(30) is None
        assert silent.fileno() > 0
    assert not [one for one in hub.entries() if b"a34004-Avg=99.0" in one.payload]


def test_where_a_certificate_is_required_a_password_is_not_enough(city):
    folder, port = city[0], free_port()
    files = {"certificate": folder / "hub.crt", "key": folder / "hub.key", "ca": folder / "ca.crt"}
    server = StationServer(Hj212(port=port, require_certificate=True, **files))
    server.start()
    try:
        assert refused(port, speaking(folder))
        with Station(port, "MN-A", PASSWORD, tls=speaking(folder, "a")) as a:
            frame = a.minute(minute_of(10), 34.0)
            ((_, came),) = until(lambda: server.take(10), "a frame", 30)
        assert (came.raw, came.certified) == (frame, "MN-A")
    finally:
        server.stop()


def test_check_tells_of_profiles_and_of_a_certificate_before_a_station_does(city, tmp_path):
    folder = city[0]
    (tmp_path / "registry.toml").write_text(SITES + registry("a", "b", b={"profile": "nobody"}), "utf-8")
    files = {"key": folder / "hub.key", "ca": folder / "ca.crt"}
    hj212 = Hj212(port=1, certificate=folder / "hub.crt", **files)
    stations = load_entries(Config(tmp_path / "registry.toml", tmp_path / "keys.toml", hj212=hj212)).stations

    def found(hj212):
        return check_stations(hj212, stations, hub_runs=True)

    profile, *others = found(hj212)
    assert (profile.state, others[-1].state) == ("problem", "ok")
    assert "'nobody'" in profile.text.en
    assert "good until" in others[-1].text.en
    for file, told in [("hub.key", "cannot be used"), ("nowhere.crt", "cannot be used")]:
        assert told in found(Hj212(port=1, certificate=folder / file, **files))[1].text.en
    old = Hj212(port=1, certificate=folder / "old.crt", key=folder / "old.key")
    assert any("ended on" in finding.text.en for finding in found(old))
    assert found(Hj212()) == []


def test_files_that_cannot_be_used_are_named(city, tmp_path):
    folder = city[0]
    (tmp_path / "no.key").write_text("no key")
    with pytest.raises(ConfigError, match="certificate, key, ca: cannot be used"):
        StationServer(Hj212(port=1, certificate=folder / "hub.crt", key=tmp_path / "no.key"))
    with pytest.raises(ValueError, match="require_certificate needs ca"):
        Hj212(require_certificate=True)
