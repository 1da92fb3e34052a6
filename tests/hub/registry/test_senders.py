"""Stations and terminals of the registry: checked as boards are, edited, imported, exported, retired."""

import datetime as dt
import json

import pytest

import fenceline
from hub.config.files import ConfigError, load_config
from hub.limits.places import Places
from hub.registry.live import load_registry
from tests.hub.registry_files import REGISTRY, make
from tests.json_lines import rows_of

SENDERS = """
[[station]] # beside the stack
id = "mill-cems"
site = "mill"
mn = "010000A8900016F000169DC0"
calibration_due = 2026-03-01

[[terminal]]
id = "truck-1"
site = "mill"
phone = "013800000000"
plate = "粤A00000"

[[badge]]
id = "badge-1"
site = "mill"
number = "8809008845"

[[node]]
id = "bin-1"
site = "mill"
eui = "24E124136B502217"
codec = "milesight"
empty_mm = 1180
full_mm = 320
"""
STATION, TERMINAL, NODE = "station 'mill-cems': ", "terminal 'truck-1': ", "node 'bin-1': "


@pytest.fixture
def config(tmp_path):
    return make(tmp_path, REGISTRY + SENDERS)


@pytest.fixture
def run(config, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("FENCELINE_LANG", "en")

    def run_(*arguments):
        line = ["fenceline", "registry", *map(str, arguments), "--config", str(config)]
        monkeypatch.setattr("sys.argv", line)
        with pytest.raises(SystemExit) as ended:
            fenceline.main()
        return ended.value.code, *capsys.readouterr()

    return run_


def test_they_stand_beside_boards_and_have_a_site(config):
    registry = load_registry(load_config(config))
    assert registry.stations["mill-cems"].mn == "010000A8900016F000169DC0"
    assert registry.terminals["truck-1"].phone == "013800000000"
    assert [registry.site_of(id_).id for id_ in ("mill-cems", "truck-1", "fence-1")] == ["mill", "mill", "gate-7"]
    assert [sender.id for sender in registry.senders()] == [
        "fence-1",
        "stack-1",
        "mill-cems",
        "truck-1",
        "bin-1",
        "badge-1",
    ]
    assert (registry.nodes["bin-1"].empty_mm, registry.site_of("bin-1").id) == (1180, "mill")
    assert registry.owned(("tianhe",)).nodes == {}
    assert registry.sender("nobody") is None
    assert registry.owned(("tianhe",)).stations == {}
    assert registry.owned(("nanhai",)).terminals.keys() == {"truck-1"}


def test_a_station_measures_the_background_of_boards_and_has_one_itself(tmp_path):
    text = REGISTRY.replace("# closes in 2027", 'reference = "mill-cems"') + SENDERS
    text = text.replace('id = "mill"\n', 'id = "mill"\nreference = "fence-1"\n', 1)
    places = Places(load_registry(load_config(make(tmp_path, text))))
    assert (places.reference("fence-1"), places.reference("mill-cems")) == ("mill-cems", "fence-1")
    assert places.referring("mill-cems") == ("fence-1",)
    assert set(places.referring("fence-1")) == {"stack-1", "mill-cems", "truck-1", "bin-1", "badge-1"}


def test_a_password_is_read_where_the_file_of_keys_has_one(config, tmp_path):
    keys = tmp_path / "keys.toml"
    keys.write_text(keys.read_text() + 'mill-cems = "123456"\n')
    registry = load_registry(load_config(config))
    assert registry.passwords == {"mill-cems": "123456"}
    assert registry.keys.keys() == {"fence-1", "stack-1"}
    keys.write_text(keys.read_text().replace('"123456"', "123456"))
    with pytest.raises(
        ConfigError, match=r"the password of 'mill-cems' is no text; write mill-cems = '\.\.\.'"
    ) as told:
        load_registry(load_config(config))
    assert "123456" not in str(told.value)
    keys.chmod(0o644)
    with pytest.raises(ConfigError, match="can be read by other users; run: chmod 600"):
        load_registry(load_config(config))


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('mn = "010000A8900016F000169DC0"\n', "", STATION + "mn is missing; expected the number of its equipment (MN)"),
        ('mn = "010000A8900016F000169DC0"', 'mn = "a b"', STATION + "mn = 'a b': expected the number of its equipment"),
        (
            'phone = "013800000000"',
            "phone = 138",
            TERMINAL + "phone = 138: expected the number of its SIM card in quotes",
        ),
        ('plate = "粤A00000"', 'paint = "red"', TERMINAL + "there is no field 'paint'; did you mean 'plate'?"),
        ('id = "truck-1"\nsite = "mill"', 'id = "truck-1"\nsite = "mil"', TERMINAL + "there is no site 'mil'; add it"),
        (
            'id = "mill-cems"',
            'id = "fence-1"',
            "station 'fence-1': a board has that id, too; give each an id of its own",
        ),
        ('id = "truck-1"', 'id = "mill-cems"', "terminal 'mill-cems': a station has that id, too"),
        ('id = "truck-1"', 'id = "hub"', "terminal 'hub': 'hub' is a name of the deployment's own"),
        ('id = "truck-1"', 'id = "Truck 1"', "terminal 'Truck 1': id = 'Truck 1': expected 1 to 32 of a-z, 0-9 and -"),
        (
            "[[terminal]]",
            '[[station]]\nid = "twin"\nsite = "mill"\nmn = "010000A8900016F000169DC0"\n[[terminal]]',
            "station 'twin': mn = '010000A8900016F000169DC0' is that of station 'mill-cems', too",
        ),
        (
            "[[terminal]]",
            '[[terminal]]\nid = "twin"\nsite = "mill"\nphone = "13800000000"\n[[terminal]]',
            "phone = '13800000000' is that of terminal 'twin', too",
        ),
        ('eui = "24E124136B502217"', 'eui = "24E1"', NODE + "eui = '24E1': expected its DevEUI in quotes"),
        ('number = "8809008845"', "number = 88", "badge 'badge-1': number = 88: expected the number that it sends"),
        ('codec = "milesight"', 'codec = "acme"', NODE + "codec = 'acme': expected decentlab or milesight"),
        ("full_mm = 320\n", "", NODE + "full_mm is missing; expected what its sensor measures when the bin is full"),
        ("full_mm = 320", "full_mm = 1180", NODE + "empty_mm = 1180: expected more than full_mm = 1180"),
        ("empty_mm = 1180", "empty_mm = -1", NODE + "empty_mm = -1: expected what its sensor measures"),
        (
            "[[node]]",
            '[[node]]\nid = "twin"\nsite = "mill"\neui = "24e124136b502217"\ncodec = "decentlab"\n[[node]]',
            "eui = '24e124136b502217' is that of node 'twin', too",
        ),
    ],
)
def test_a_mistake_is_told_by_entry_field_and_what_was_expected(tmp_path, old, new, sentence):
    assert old in SENDERS
    config = load_config(make(tmp_path, REGISTRY + SENDERS.replace(old, new, 1)))
    with pytest.raises(ConfigError) as refused:
        load_registry(config)
    assert sentence in str(refused.value)


def test_they_are_listed_and_shown(run):
    code, out, err = run("list", "stations", "--json")
    assert (code, err) == (0, "")
    (row,) = rows_of(out)
    assert (row["id"], row["district"], row["state"], row["password"]) == (
        "mill-cems", "nanhai", "calibration_overdue", False,
    )  # fmt: skip
    _, out, _ = run("list", "terminals", "--site", "mill")
    assert "truck-1" in out
    assert "013800000000" in out
    assert "none: its origin is not proven" in out
    _, out, _ = run("list", "nodes")
    assert "24E124136B502217" in out
    assert "by its network server" in out
    _, out, _ = run("show", "truck-1", "--lang", "zh")
    assert "车载终端" in out
    assert "粤A00000" in out
    _, out, _ = run("show", "mill-cems", "--json")
    assert json.loads(out)["station"]["mn"] == "010000A8900016F000169DC0"


def test_they_are_added_and_retired_and_the_rest_of_the_file_stays(run, tmp_path):
    before = (tmp_path / "registry.toml").read_text("utf-8")
    assert run("add", "station", "gate-noise", "--site", "gate-7", "--mn", "LD13")[0] == 0
    assert run("add", "terminal", "truck-2", "--site", "mill", "--phone", "13900000000", "--plate", "粤B1",
               "--profile", "trwy")[0] == 0  # fmt: skip
    assert run("add", "node", "bin-2", "--site", "mill", "--eui", "24e124136b502218", "--codec", "decentlab",
               "--empty-mm", "1200", "--full-mm", "300.5")[0] == 0  # fmt: skip
    assert run("retire", "bin-1")[0] == 0
    assert run("add", "badge", "badge-2", "--site", "mill", "--number", "8809008846")[0] == 0
    assert "8809008846" in run("list", "badges")[1]
    assert run("retire", "mill-cems", "--date", "2026-06-30")[0] == 0
    after = (tmp_path / "registry.toml").read_text("utf-8")
    assert [line for line in before.splitlines() if line not in after.splitlines()] == []
    registry = load_registry(load_config(tmp_path / "fenceline.toml"))
    assert registry.stations.keys() == {"mill-cems", "gate-noise"}
    assert (registry.terminals["truck-2"].plate, registry.terminals["truck-2"].profile) == ("粤B1", "trwy")
    assert registry.stations["mill-cems"].retired == dt.date(2026, 6, 30)
    assert (registry.nodes["bin-2"].full_mm, registry.nodes["bin-2"].codec) == (300.5, "decentlab")
    code, _, err = run("add", "terminal", "gate-noise", "--site", "mill", "--phone", "13700000000")
    assert code == 2
    assert "terminal 'gate-noise': a station has that id, too" in err


def test_they_go_out_as_csv_and_come_back_the_same(run, tmp_path):
    changes = {"stations": ("A8900016F", "A8900016E"), "terminals": ("粤A00000", "粤A00001"), "nodes": ("1180", "1190")}
    changes["badges"] = ("8809008845", "8809008847")
    for kind, change in changes.items():
        file = tmp_path / f"{kind}.csv"
        assert run("export", file, "--kind", kind)[0] == 0
        code, out, _ = run("import", file, "--dry-run", "--json")
        assert (code, json.loads(out)["changes"]) == (0, []), "its columns tell what it holds"
        file.write_text(file.read_text("utf-8-sig").replace(*change), "utf-8")
        assert run("import", file)[0] == 0
    registry = load_registry(load_config(tmp_path / "fenceline.toml"))
    assert registry.stations["mill-cems"].mn == "010000A8900016E000169DC0"
    assert registry.terminals["truck-1"].plate == "粤A00001"
    assert registry.nodes["bin-1"].empty_mm == 1190
    assert registry.badges["badge-1"].number == "8809008847"
    bad = tmp_path / "bad.csv"
    bad.write_text("id,site,phone\ntruck-9,mill,12\n", "utf-8")
    code, _, err = run("import", bad)
    assert code == 2
    assert f"{bad}, line 2, column phone: terminal 'truck-9': phone = '12': expected the number of its SIM card" in err
