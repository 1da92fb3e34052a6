"""A board becomes one of the city's: the real command line, a virtual board, its cable pulled and its power cut."""

import json
import os
from pathlib import Path

import pytest

from firmware.link.link import Link
from firmware.provision import backup
from firmware.provision.sensors import sensor, templates
from tests.deployed_broker import certificates
from tests.firmware.benchtop import PROVISION, here

GIVEN = (*PROVISION, "--board", "pit-1", "--port", "/dev/none")


def content(bench, path):
    with Link.open(bench.board.port) as link:
        return link.read(path)


def everything(folder):
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_the_key_is_on_the_board_and_waits_for_the_hub_and_is_shown_nowhere(bench):
    done = bench.run(*PROVISION, "--board", "pit-1", "--who", "Technician 7")
    assert (done.code, done.out) == (0, "pit-1 is provisioned for pit.\n")
    key = content(bench, "/key").decode()
    assert len(bytes.fromhex(key)) == 32
    assert key not in done.out + done.err
    assert key.encode() not in content(bench, "/config.json")
    config = json.loads(content(bench, "/config.json"))
    assert (config["device"], config["site"], config["interval"]) == ("pit-1", "pit", 1)
    assert [one["type"] for one in config["sensors"]] == ["plantower", "modbus"]

    waiting = bench.home / "outgoing" / "pit-1.json"
    assert json.loads(waiting.read_text())["key"] == key
    assert waiting.stat().st_mode & 0o077 == 0
    assert (bench.home / "outgoing").stat().st_mode & 0o077 == 0
    waiting.unlink()
    assert key.encode() not in everything(bench.home)

    # What it is now stays without --force; with it, the same board keeps its key and its records.
    refused = bench.run(*PROVISION, "--board", "pit-1")
    assert (refused.code, refused.err) == (
        2,
        "fenceline: this board is provisioned as pit-1; with --force it would lose: its configuration\n",
    )
    bench.ok("console", "--for", "2")
    bench.ok(*PROVISION, "--board", "pit-1", "--force", "--interval", "5")
    assert content(bench, "/key").decode() == key
    assert json.loads(content(bench, "/config.json"))["interval"] == 5

    # Another one begins anew, and what there was is in a backup.
    other = bench.run(*PROVISION, "--board", "pit-2", "--force", "--json")
    assert other.code == 0
    assert "pit-1 loses: its configuration, its identity pit-1 and its key" in other.err
    assert content(bench, "/key").decode() != key
    saved = backup.load(Path(json.loads(other.out)["backup"]))
    assert saved.manifest.board == "pit-1"
    assert saved.files["/key"].decode() == key
    assert [path for path in saved.files if path.endswith(".seg")]
    with Link.open(bench.board.port) as link:
        assert not [path for path in link.files("/outbox") if path.endswith("0001.seg") and saved.files.get(path)]


def test_the_pin_of_a_light_is_in_the_board_s_file(bench):
    bench.ok(*PROVISION, "--board", "pit-1", "--led", "48")
    assert json.loads(content(bench, "/config.json"))["led_pin"] == 48
    bench.ok(*PROVISION, "--board", "pit-1", "--force")
    assert "led_pin" not in json.loads(content(bench, "/config.json")), "as the other options: what is not said is not"


@pytest.mark.parametrize("fault", ["cable-pull@2200", "power-cut@8", "garbage@400"])
def test_after_a_fault_the_same_command_ends_well_and_the_board_was_never_half_provisioned(bench, fault):
    bench.plug("--fault", fault)
    done = bench.run(*PROVISION, "--board", "pit-1")
    assert done.code == 2
    assert done.err.startswith("fenceline: ")
    assert "Traceback" not in done.err
    bench.plug()
    with Link.open(bench.board.port) as link:
        assert link.size("/config.json") is None
    bench.provision()
    assert json.loads(content(bench, "/config.json"))["device"] == "pit-1"


def test_ctrl_c_before_the_last_file_leaves_a_board_that_is_nobody_and_says_so(bench, monkeypatch):
    write = Link.write

    def interrupted(link, path, content, progress=None):
        if path == "/config.json":
            raise KeyboardInterrupt
        write(link, path, content, progress)

    monkeypatch.setattr(Link, "write", interrupted)
    done = bench.run(*PROVISION, "--board", "pit-1")
    assert done.code == 130
    assert "Stopped. The board is not provisioned" in done.err
    assert not (bench.home / "outgoing").exists()
    monkeypatch.undo()
    bench.provision()


def test_certificates_are_made_with_the_city_s_authority_or_taken_from_the_office(bench, tmp_path):
    certs = tmp_path / "certs"
    certificates(certs, "pit-1", "pit-9")
    plain = [part for part in PROVISION if part != "--plain"]
    ca = ("--ca", certs / "ca.crt")
    office = (*ca, "--certificate", certs / "pit-1.crt", "--certificate-key", certs / "pit-1.key")
    bench.ok(*plain, "--board", "pit-1", *office)
    assert content(bench, "/board.crt") == (certs / "pit-1.crt").read_bytes()
    assert json.loads(content(bench, "/config.json"))["broker"]["tls"] == {
        "ca": "ca.crt",
        "certificate": "board.crt",
        "key": "board.key",
    }
    for wrong, why in (
        ((*ca, "--certificate", certs / "pit-9.crt", "--certificate-key", certs / "pit-9.key"), "not for 'pit-1'"),
        ((*ca, "--certificate", certs / "pit-1.crt", "--certificate-key", certs / "pit-9.key"), "is not the key of"),
        (("--ca", certs / "pit-1.key", *office[2:]), "is no certificate in PEM"),
        (("--ca", certs / "none.crt", *office[2:]), "cannot be read"),
        (("--authority", tmp_path), "cannot be read"),
        (ca, "give --ca, --certificate and --certificate-key"),
    ):
        done = here(*plain, "--board", "pit-1", *wrong, "--port", "/dev/none")
        assert done.code == 2
        assert why in done.err


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (("--board", "Pit 1"), "board 'Pit 1': expected 1 to 32 of a-z, 0-9 and -"),
        (("--board", "hub"), "not broker, ca, grafana, health, hub"),
        (("--interval", "7"), "--interval 7: expected one of 1, 2, 5"),
        (("--sensor", "sps31"), "--sensor sps31: expected one of plantower"),
        (("--sensor", "sps30"), "sensor 'dust': each sensor needs a name of its own"),
        (("--sensor", "sps30,name"), "'name' is not KEY=VALUE"),
        (("--sensor", 'tsp-4-20ma,channels=[{"channel":"tsp","input":7}]'), "sensor 'tsp'"),
        (
            ("--sensor", 'noise,name=n,registers=[{"channel":"laf","register":0,"kind":"f64"}]'),
            "sensor 'n': channel 'laf': kind 'f64': expected one of f32, s16, s32, u16, u32",
        ),
        (
            ("--sensor", 'noise,name=n,registers=[{"channel":"noise","register":0,"scale":0.1}]'),
            "sensor 'n': channel 'noise': expected one of co, distance, fill, fume, hood_fan, humidity, la, laeq",
        ),
        (
            ("--sensor", 'sht3x,address="0x45"'),
            "address '0x45': expected a whole number from 8 to 119, without quotes: 69",
        ),
        (("--sensor", "sht3x,address=0x99"), "address 153: expected a whole number from 8 to 119"),
        (
            ("--sensor", "sps30,name=n,warmpu=30"),
            "warmpu is not known to sps30; expected one of name, port, type, warmup",
        ),
        (("--sensor", "sps30,name=n,port=i2c:0"), "port 'i2c:0': expected a line such as uart:1"),
        (("--sensor", "sps30,name=n,type=frames"), "type 'frames': expected the name of a driver"),
        (("--position", "113,23.0"), "--position '113,23.0': is not on Earth"),
        (("--position", "north"), "expected LATITUDE,LONGITUDE"),
        (("--broker", "mqtt:x"), "--broker mqtt:x: expected HOST or HOST:PORT"),
        (("--hub", "http://hub.city.example", "--token-file", "{token}"), "keys are not sent over plain http"),
        (("--hub", "https://hub.city.example"), "--hub needs --token-file"),
        (("--hub", "https://h", "--token-file", "/none"), "--token-file /none: cannot be read"),
        (("--wifi", "fence", "--wifi-password-file", "/none"), "--wifi-password-file /none: cannot be read"),
        (("--ca", "x"), "--plain and certificates exclude each other"),
        ((), "there is no port /dev/none"),
    ],
)
def test_a_mistake_is_told_before_the_board_is_touched(tmp_path, more, why):
    token = tmp_path / "token"
    token.touch(mode=0o600)
    token.write_text("officer-2.secret")
    done = here(*GIVEN, *(part.format(token=token) if "token" in part else part for part in more))
    assert done.code == 2
    assert why in done.err
    assert not (tmp_path / "laptop" / "outgoing").exists()


def test_a_token_that_others_can_read_is_refused(tmp_path):
    token = tmp_path / "token"
    token.write_text("officer-2.secret")
    token.chmod(0o644)
    done = here("sync", "--hub", "https://hub.city.example", "--token-file", token)
    assert (done.code, done.err) == (
        2,
        f"fenceline: --token-file {token}: other users can read it; run: chmod 600 {token}\n",
    )


def test_mistakes_are_told_in_chinese_too():
    done = here(*GIVEN, "--sensor", "sps31", lang="zh")
    assert done.err.startswith("fenceline: --sensor sps31：可选 plantower")
    assert os.environ["FENCELINE_LANG"] == "zh"


@pytest.mark.parametrize("name", templates())
def test_every_template_is_what_its_driver_takes(name):
    assert sensor(name)["type"] == templates()[name]["type"]


def test_a_template_s_settings_are_changed_by_name():
    changed = sensor('noise,name=noise-2,address=7,registers=[{"channel":"laf","register":3,"scale":0.01}]')
    assert (changed["name"], changed["address"], changed["registers"][0]["register"]) == ("noise-2", 7, 3)
    assert sensor("plantower,port=uart:1:9600:rx=4:tx=5")["port"] == "uart:1:9600:rx=4:tx=5"
    assert sensor("sht3x,address=0x45")["address"] == 69
    float_ = sensor('noise,registers=[{"channel":"laf","register":0,"kind":"f32"}]')
    assert float_["registers"] == [{"channel": "laf", "register": 0, "kind": "f32"}]
