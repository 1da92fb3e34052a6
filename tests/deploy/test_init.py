"""`fenceline deploy`: what it makes, what it never touches, and what it renews."""

import datetime as dt
import json
import os
import pwd
import shutil
import ssl
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from typer.testing import CliRunner

from dashboards.alerting import NOBODY, TEXT_OF
from deploy import certificates
from deploy.cli import app
from deploy.files import OWNERS
from schemas.errors import UserError

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
HOST = "fenceline.city.example"
SECRET = ("influxdb-admin-password", "influxdb-admin-token", "influxdb-read-password", "grafana-admin-password")


@pytest.fixture
def folder(tmp_path):
    """The folder of compose.yaml, where nothing has been made yet."""
    place = tmp_path / "deploy"
    shutil.copytree(DEPLOY, place, ignore=shutil.ignore_patterns("__pycache__", "*.py"))
    return place


def run(*arguments, lang="en"):
    return CliRunner().invoke(app, [str(part) for part in arguments], env={"FENCELINE_LANG": lang, "COLUMNS": "200"})


def init(folder, *arguments, host=HOST):
    result = run("init", "--host", host, "--folder", folder, *arguments)
    assert result.exit_code == 0, f"{result.output}\n{result.exception}"
    return result


def told(folder, *arguments, host=HOST):
    """Run init; return what became of each file by its path in the folder."""
    files = json.loads(init(folder, "--json", *arguments, host=host).stdout)["files"]
    return {os.path.relpath(file["path"], folder): file["done"] for file in files}


def refused(result):
    assert isinstance(result.exception, UserError), result.output
    return str(result.exception)


def content(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def cut_short(folder, name, days):
    """Put a certificate in place that ends in so many days, as time would."""
    key = serialization.load_pem_private_key((folder / "authority" / "ca.key").read_bytes(), None)
    old = certificates.read(folder / "certs" / f"{name}.crt")
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder(old.issuer, old.subject, old.public_key(), old.serial_number)
    builder = builder.not_valid_before(now - dt.timedelta(days=9)).not_valid_after(
        now + dt.timedelta(days=days, hours=1)
    )
    for extension in old.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    pem = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    (folder / "certs" / f"{name}.crt").write_bytes(pem)


def test_a_first_run_makes_everything_and_a_second_one_changes_nothing(folder):
    assert set(told(folder).values()) == {"made"}
    before = content(folder)
    assert set(told(folder).values()) == {"kept"}
    assert content(folder) == before


def test_secrets_are_strong_different_and_never_shown(folder):
    shown = init(folder).output
    values = [(folder / "secrets" / name).read_text() for name in SECRET]
    assert len(set(values)) == len(values)
    assert all(len(value) >= 32 for value in values)
    assert not any(value in shown for value in values)
    assert "BEGIN" not in shown


def test_files_are_readable_by_those_alone_who_must_read_them(folder):
    old = os.umask(0)
    try:
        init(folder)
    finally:
        os.umask(old)
    for name, owner in OWNERS.items():
        state = (folder / name).stat()
        assert stat.S_IMODE(state.st_mode) & 0o007 == 0, name
        if os.geteuid() == 0:
            assert (state.st_uid, state.st_gid, stat.S_IMODE(state.st_mode)) == (owner.user, owner.group, owner.mode)
    # A container's user may be somebody's login here: nobody else comes into what holds secrets.
    for name in ("authority", "certs", "secrets"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "authority" / "ca.key").stat().st_mode) == 0o600


def test_without_root_it_says_what_root_has_to_do(folder, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    commands = json.loads(init(folder, "--json").stdout)["to_do"]
    assert f"sudo chown 10001:10001 {folder / 'city' / 'keys.toml'}" in commands
    assert len(commands) == len(OWNERS)
    assert "sudo chown 472:1000" in init(folder).stdout


def test_without_containers_one_user_of_this_machine_has_it_all(folder):
    user = pwd.getpwnam("daemon")
    commands = json.loads(init(folder, "--owner", user.pw_name, "--json").stdout)["to_do"]
    again = run("access", "--folder", folder, "--owner", user.pw_name, "--json")
    if os.geteuid() == 0:
        assert commands == json.loads(again.stdout)["to_do"] == []
        for name, owner in OWNERS.items():
            state = (folder / name).stat()
            assert (state.st_uid, state.st_gid) == (user.pw_uid, user.pw_gid), name
            assert stat.S_IMODE(state.st_mode) == owner.mode, name
        assert (folder / "secrets").stat().st_uid == user.pw_uid
    else:
        assert f"sudo chown {user.pw_uid}:{user.pw_gid} {folder / 'certs' / 'hub.key'}" in commands
    told = refused(run("init", "--host", HOST, "--folder", folder, "--owner", "no-such-user"))
    assert told == "--owner 'no-such-user': this machine has no such user; make it first, or name another"


def test_git_sees_nothing_of_what_was_made(folder):
    before = set(content(DEPLOY)) and {path.relative_to(folder).parts[0] for path in content(folder)}
    init(folder)
    made = {path.relative_to(folder).parts[0] for path in content(folder)} - before
    ignored = {line.strip("/") for line in (DEPLOY / ".gitignore").read_text().splitlines() if line.startswith("/")}
    assert made <= ignored
    assert {"authority", "certs", "city", "secrets", ".env", "contact.toml", "grafana.env"} == made


def test_a_server_is_known_by_every_name_and_a_client_is_no_server(folder):
    init(folder, "--host", "203.0.113.7")
    names = certificates.hosts_of(certificates.read(folder / "certs" / "broker.crt"))
    assert names == {HOST, "203.0.113.7", "mosquitto", "localhost", "127.0.0.1"}
    uses = {}
    for name in ("broker", "grafana", "proxy", "hub", "health"):
        certificate = certificates.read(folder / "certs" / f"{name}.crt")
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        uses[name] = [one._name for one in usage]
        assert certificates.fits(certificates.Pair(folder / "certs" / f"{name}.crt", folder / "certs" / f"{name}.key"))
    assert uses == {
        "broker": ["serverAuth"],
        "grafana": ["serverAuth"],
        "proxy": ["serverAuth"],
        "hub": ["clientAuth"],
        "health": ["clientAuth"],
    }


@pytest.mark.parametrize(("days", "done"), [(120, "kept"), (30, "renewed"), (-1, "renewed")])
def test_a_certificate_that_ends_soon_is_renewed_and_the_old_one_put_aside(folder, days, done):
    init(folder)
    cut_short(folder, "broker", days)
    before = (folder / "certs" / "broker.crt").read_bytes()

    result = told(folder)

    assert result.pop("certs/broker.crt") == done
    assert set(result.values()) == {"kept"}
    if done == "renewed":
        assert certificates.days_left(certificates.read(folder / "certs" / "broker.crt")) > 1000
        assert (folder / "certs" / "broker.crt.old").read_bytes() == before
        assert HOST in certificates.hosts_of(certificates.read(folder / "certs" / "broker.crt"))


def test_a_further_host_renews_the_servers_and_keeps_the_earlier_names(folder):
    init(folder)
    done = told(folder, host="mqtt.other.example")
    assert {name for name, what in done.items() if what == "renewed"} == {
        "certs/broker.crt",
        "certs/grafana.crt",
        "certs/proxy.crt",
    }
    names = certificates.hosts_of(certificates.read(folder / "certs" / "broker.crt"))
    assert {HOST, "mqtt.other.example"} <= names


def test_an_authority_that_is_put_away_is_asked_for_only_when_it_must_sign(folder, tmp_path):
    init(folder)
    shutil.move(folder / "authority", tmp_path / "safe")
    assert set(told(folder).values()) == {"kept"}
    assert "bring it back" in refused(run("init", "--host", "further.example", "--folder", folder))
    done = told(folder, "--authority", tmp_path / "safe", host="further.example")
    assert done["certs/broker.crt"] == "renewed"
    assert not (folder / "authority").exists()


def test_another_authority_is_refused(folder, tmp_path):
    init(folder)
    other = certificates.Authority(tmp_path / "other")
    other.make()
    assert "another authority" in refused(
        run("init", "--host", HOST, "--folder", folder, "--authority", tmp_path / "other")
    )


def test_the_authority_is_renewed_and_what_it_has_signed_stays_good(folder):
    init(folder)
    assert run("board-certificate", "fence-0001", "--folder", folder).exit_code == 0
    own = folder / "certs" / "boards" / "fence-0001"
    before = certificates.read(folder / "authority" / "ca.crt")
    board = (own / "board.crt").read_bytes()
    files = json.loads(run("renew-authority", "--folder", folder, "--json").stdout)["files"]
    assert [(Path(file["path"]).name, file["done"]) for file in files] == [("ca.crt", "renewed")] * 2
    after = certificates.read(folder / "authority" / "ca.crt")
    assert (after.serial_number, after.public_key()) != (before.serial_number, before.public_key())
    assert (after.subject, after.public_key()) == (before.subject, before.public_key())
    assert certificates.read(folder / "authority" / "ca.crt.old") == before
    assert certificates.read(folder / "certs" / "ca.crt") == after
    assert (folder / "certs" / "ca.crt").stat().st_mode & 0o777 == 0o644
    assert set(told(folder).values()) == {"kept"}
    # A board's certificate stays; the new authority lies beside it, to be sent to the board.
    result = run("board-certificate", "fence-0001", "--folder", folder)
    assert str(own) in result.stdout
    assert (own / "board.crt").read_bytes() == board
    assert certificates.read(own / "ca.crt") == after
    # Each side may still have the authority's old certificate.
    for authority in (before, after):
        for path in (own / "board.crt", folder / "certs" / "broker.crt"):
            certificates.read(path).verify_directly_issued_by(authority)


def test_an_authority_whose_key_is_elsewhere_is_renewed_there(folder, tmp_path):
    init(folder)
    shutil.move(folder / "authority", tmp_path / "safe")
    assert "there is no authority" in refused(run("renew-authority", "--folder", folder))
    assert run("renew-authority", "--folder", folder, "--authority", tmp_path / "safe").exit_code == 0
    (tmp_path / "safe" / "ca.key").unlink()
    assert "is not here" in refused(run("renew-authority", "--folder", folder, "--authority", tmp_path / "safe"))


def test_half_a_pair_is_told(folder):
    init(folder)
    (folder / "certs" / "hub.key").unlink()
    assert "hub.crt is there without its other half" in refused(run("init", "--host", HOST, "--folder", folder))


def test_a_key_that_belongs_to_another_certificate_is_replaced(folder):
    init(folder)
    shutil.copy(folder / "certs" / "hub.key", folder / "certs" / "health.key")
    assert told(folder)["certs/health.crt"] == "renewed"
    context = ssl.create_default_context(cafile=folder / "certs" / "ca.crt")
    context.load_cert_chain(folder / "certs" / "health.crt", folder / "certs" / "health.key")


@pytest.mark.parametrize("host", ["", "mqtt://city", "a b", "-x", "city:8883x"])
def test_a_host_that_is_none_is_refused(folder, host):
    assert "expected a name" in refused(run("init", "--host", host, "--folder", folder))
    assert not (folder / "certs").exists()


def test_a_folder_without_compose_file_that_holds_something_else_is_told_and_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    assert "there is no compose.yaml" in refused(run("init", "--host", HOST, "--folder", tmp_path))
    assert list(tmp_path.iterdir()) == [tmp_path / "thesis.txt"]


def test_grafanas_contact_point_follows_the_operators_file(folder):
    assert "reaches nobody yet" in init(folder).stdout
    points = folder / "secrets" / "contact-points.json"
    (before,) = json.loads(points.read_text())["contactPoints"]
    settings = before["receivers"][0]["settings"]
    assert (settings["addresses"], settings["message"]) == (NOBODY["settings"]["addresses"], TEXT_OF)

    (folder / "contact.toml").write_text('type = "dingding"\nsettings = {url = "https://robot.example/?token=a$b"}\n')
    assert told(folder)["secrets/contact-points.json"] == "renewed"
    (after,) = json.loads(points.read_text())["contactPoints"]
    # Grafana fills in variables where it reads a $, and reads $$ as one.
    assert after["receivers"][0]["settings"]["url"] == "https://robot.example/?token=a$$b"
    assert after["name"] == before["name"]
    assert told(folder)["secrets/contact-points.json"] == "kept"


def test_it_speaks_chinese(folder):
    shown = run("init", "--host", HOST, "--folder", folder, lang="zh").stdout
    assert "已生成" in shown
    assert "请将其移至本机以外的安全位置" in shown


def test_a_board_gets_three_files_that_are_put_on_it_as_they_are(folder):
    init(folder)
    result = run("board-certificate", "fence-0001", "fence-0002", "--folder", folder)
    assert result.exit_code == 0
    own = folder / "certs" / "boards" / "fence-0001"
    assert sorted(path.name for path in own.iterdir()) == ["board.crt", "board.key", "ca.crt"]
    assert str(own) in result.stdout
    subject = certificates.read(own / "board.crt").subject.rfc4514_string()
    assert subject == "CN=fence-0001"
    before = content(own)
    again = json.loads(run("board-certificate", "fence-0001", "--folder", folder, "--json").stdout)
    assert [file["done"] for file in again["files"]] == ["kept"]
    assert content(own) == before


@pytest.mark.parametrize(
    "id_", ["hub", "broker", "ca", "health", "grafana", "proxy", "hub-north", "B1", "a b", "x" * 33, "../x"]
)
def test_no_board_can_be_called_what_another_is_or_what_is_no_id(folder, id_):
    init(folder)
    assert "expected 1 to 32" in refused(run("board-certificate", id_, "--folder", folder))
    assert not (folder / "certs" / "boards").exists()


def test_boards_of_the_registry_get_certificates_but_for_the_retired(folder):
    init(folder)
    shutil.copy(folder / "registry.example.toml", folder / "city" / "registry.toml")
    registry = folder / "city" / "registry.toml"
    registry.write_text(registry.read_text().replace("# retired =", "retired ="))
    keys = "".join(f'fence-000{number} = "{os.urandom(32).hex()}"\n' for number in (1, 2))
    (folder / "city" / "keys.toml").write_text(keys)
    made = json.loads(run("board-certificate", "--registry", "--folder", folder, "--json").stdout)["files"]
    assert [Path(file["path"]).parent.name for file in made] == ["fence-0001"]
    assert "no board is named" in refused(run("board-certificate", "--folder", folder))


def test_a_districts_own_hub_gets_a_certificate_of_its_own(folder):
    done = told(folder, "--district", "north", "--district", "south")
    assert done["certs/hub-north.crt"] == done["certs/hub-south.crt"] == "made"
    assert certificates.read(folder / "certs" / "hub-north.crt").subject.rfc4514_string() == "CN=hub-north"
    assert stat.S_IMODE((folder / "certs" / "hub-north.key").stat().st_mode) & 0o077 == 0
    assert "expected 1 to 28" in refused(run("init", "--host", HOST, "--folder", folder, "--district", "North"))


def test_boards_wait_for_the_authority(folder):
    assert "fenceline deploy init" in refused(run("board-certificate", "fence-0001", "--folder", folder))


def allowed(folder):
    """Return what access.json allows, by name: sets of (kind of rule, topic)."""
    roles = json.loads((folder / "mosquitto" / "access.json").read_text())["roles"]
    assert all(rule["allow"] for role in roles for rule in role["acls"])
    return {role["rolename"]: {(rule["acltype"], rule["topic"]) for rule in role["acls"]} for role in roles}


REGISTRY = """
[[site]]
id = "gate-7"
district = "north"
kind = "construction"
zone_class = "2"
en = "Gate 7"
zh = "七号门"

[[board]]
id = "fence-1"
site = "gate-7"

[[board]]
id = "fence-2"
site = "gate-7"
retired = 2026-01-01

[[board]]
id = "fence-3"
site = "gate-7"
retired = 2999-01-01
"""


def test_the_broker_lets_each_board_of_the_registry_speak_where_it_stands(folder):
    made = told(folder)
    assert made["mosquitto/access.json"] == "made"
    assert allowed(folder).keys() == {"hub", "health"}
    registry = folder / "city" / "registry.toml"
    registry.write_text(REGISTRY)

    result = run("access", "--folder", folder)

    assert "docker compose restart mosquitto" in result.output
    assert allowed(folder).keys() == {"hub", "health", "fence-1", "fence-3"}
    own = "fenceline/1/north/gate-7/fence-1"
    says = {("publishClientSend", f"{own}/{kind}") for kind in ("telemetry", "status", "event", "reply")}
    hears = {
        (how, f"{own}/{kind}")
        for kind in ("ack", "config", "command")
        for how in ("subscribeLiteral", "publishClientReceive")
    }
    assert allowed(folder)["fence-1"] == says | hears
    assert "docker compose" not in run("access", "--folder", folder).output
    registry.write_text(REGISTRY.replace('"north"', '"south"'))
    assert told(folder, "--district", "south")["mosquitto/access.json"] == "renewed"
    assert ("publishClientSend", "fenceline/1/south/gate-7/fence-1/event") in allowed(folder)["fence-1"]
    assert ("subscribePattern", "fenceline/1/south/+/+/event") in allowed(folder)["hub-south"]


def test_a_registry_that_is_wrong_leaves_the_brokers_list_as_it_is(folder):
    init(folder)
    before = (folder / "mosquitto" / "access.json").read_bytes()
    (folder / "city" / "registry.toml").write_text("[[board]]\nid = 'b'\nsite = 'none'\n")
    assert "registry.toml" in refused(run("access", "--folder", folder))
    assert (folder / "mosquitto" / "access.json").read_bytes() == before


@pytest.mark.parametrize("name", ["certs/hub.key", "secrets/apprise-urls", "city", "certs/boards/fence-1"])
def test_nothing_is_given_away_through_a_link(folder, tmp_path, name):
    init(folder)
    outside = tmp_path / "outside"
    if (folder / name).is_dir():
        (folder / name).rename(outside)
    else:
        outside.write_text("of somebody else")
        outside.chmod(0o644)
        (folder / name).unlink(missing_ok=True)
        (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).symlink_to(outside)
    before = outside.stat()
    assert f"{name}: a link lies on the way" in refused(run("access", "--folder", folder))
    assert (outside.stat().st_uid, outside.stat().st_mode) == (before.st_uid, before.st_mode)
