"""A mistake in the hub's files stops it before it starts, with one sentence that says where and what to mend."""

import os
from pathlib import Path

import pytest

from hub.config.files import ConfigError, load_config
from hub.registry.live import load_registry
from tests.board_process import fenceline, here

CONFIG = """\
registry = "registry.toml"
keys = "keys.toml"

[broker]
host = "127.0.0.1"
port = 1883

[store]
kind = "sqlite"
"""

REGISTRY = """\
timezone = "Asia/Shanghai"

[[site]]
id = "tower"
district = "north"
kind = "construction"
en = "Clock Tower"
zh = "钟楼"

[[site]]
id = "mill"
district = "south"
kind = "factory"
en = "Old Mill"
zh = "老面粉厂"

[[board]]
id = "fence-1"
site = "tower"

[[board]]
id = "stack-1"
site = "mill"
"""

KEYS = f"""\
fence-1 = "{"1f" * 32}"
stack-1 = "{"2E" * 32}"
"""


@pytest.fixture
def city(tmp_path):
    """A folder with the three files of a hub, all right."""
    for name, text in (("fenceline.toml", CONFIG), ("registry.toml", REGISTRY), ("keys.toml", KEYS)):
        (tmp_path / name).write_text(text, "utf-8")
        (tmp_path / name).chmod(0o600)
    return tmp_path


def change(path, old, new):
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")


def load(folder):
    return load_registry(load_config(folder / "fenceline.toml"))


def refusal(folder):
    with pytest.raises(ConfigError) as refused:
        load(folder)
    return str(refused.value)


def test_a_city_is_loaded_whole(city):
    config = load_config(city / "fenceline.toml")
    assert (config.registry, config.keys, config.data) == (
        city / "registry.toml",
        city / "keys.toml",
        city / "data",
    )
    registry = load_registry(config)
    assert registry.site_of("fence-1").zh == "钟楼"
    assert registry.site_of("stack-1").district == "south"
    assert registry.keys == {"fence-1": b"\x1f" * 32, "stack-1": b"\x2e" * 32}
    assert registry.zone.key == "Asia/Shanghai"


def test_paths_are_relative_to_the_file_not_to_where_the_hub_is_started(city, monkeypatch):
    change(city / "fenceline.toml", "port = 1883", 'port = 1883\nca = "certs/ca.crt"\npassword_file = "/run/password"')
    monkeypatch.chdir(city.parent)
    config = load_config(Path(city.name) / "fenceline.toml")
    assert config.registry == city / "registry.toml"
    assert config.broker.ca == city / "certs" / "ca.crt"
    assert config.broker.password_file == Path("/run/password")
    assert load_registry(config).boards.keys() == {"fence-1", "stack-1"}


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        ("fenceline.toml", "port = 1883", "prot = 1883", ["prot", "broker"]),
        ("fenceline.toml", "port = 1883", 'port = "1883"', ["broker.port", "a whole number"]),
        ("fenceline.toml", "port = 1883", "port = 70000", ["broker.port", "65535"]),
        ("fenceline.toml", "port = 1883", "ca = true", ["broker.ca", "path"]),
        ("fenceline.toml", 'kind = "sqlite"', 'kind = "postgres"', ["store.kind", "postgres"]),
        ("fenceline.toml", "[store]", "[sotre]", ["sotre"]),
        ("fenceline.toml", 'registry = "registry.toml"\n', "", ["registry", "missing"]),
        ("fenceline.toml", 'keys = "keys.toml"', "keys = 1", ["keys", "path"]),
        ("fenceline.toml", 'keys = "keys.toml"', 'keys = "keys.toml"\nacknowledge_every = 0', ["acknowledge_every"]),
        ("fenceline.toml", "[broker]", "[broker", ["not valid TOML", "line 4"]),
        (
            "registry.toml",
            'kind = "factory"',
            'kind = "airport"',
            ["site 'mill'", "kind = 'airport'", "construction, factory or restaurant"],
        ),
        (
            "registry.toml",
            'kind = "factory"',
            'kind = "factory"\nzone = "3"',
            ["site 'mill'", "'zone'", "zone_class"],
        ),
        ("registry.toml", 'district = "south"\n', "", ["site 'mill'", "district is missing"]),
        ("registry.toml", 'district = "south"', 'district = "South"', ["site 'mill'", "district = 'South'", "a-z"]),
        ("registry.toml", 'en = "Old Mill"', "en = 3", ["site 'mill'", "en = 3", "a name"]),
        ("registry.toml", 'id = "stack-1"', 'id = "stack 1"', ["board 'stack 1'", "a-z"]),
        ("registry.toml", 'id = "stack-1"', 'id = "fence-1"', ["'fence-1'", "twice"]),
        ("registry.toml", 'id = "mill"', 'id = "tower"', ["'tower'", "twice"]),
        ("registry.toml", 'site = "mill"', 'site = "mlil"', ["'stack-1'", "'mlil'"]),
        ("registry.toml", 'id = "stack-1"', 'id = "hub"', ["'hub'"]),
        ("registry.toml", "[[board]]", "[[bord]]", ["bord"]),
        ("registry.toml", "Asia/Shanghai", "Asia/Peking", ["timezone", "'Asia/Peking'", "Asia/Shanghai"]),
        ("registry.toml", "Asia/Shanghai", "", ["timezone", "Asia/Shanghai"]),
        ("registry.toml", "Asia/Shanghai", "Asia", ["timezone", "'Asia'", "Asia/Shanghai"]),
        ("registry.toml", '"Asia/Shanghai"', "8", ["timezone", "str"]),
        ("keys.toml", "stack-1", "stack-2", ["'stack-1'", "no key", "stack-1 ="]),
        ("keys.toml", "2E2E", "2E", ["'stack-1'", "64 hexadecimal digits"]),
        ("keys.toml", "2E2E", "2E2E2E", ["'stack-1'", "64 hexadecimal digits"]),
        ("keys.toml", "2E2E", "2G2G", ["'stack-1'", "64 hexadecimal digits"]),
        ("keys.toml", "2E" * 32, "", ["'stack-1'", "64 hexadecimal digits"]),
        ("keys.toml", f'"{"2E" * 32}"', "5", ["'stack-1'"]),
    ],
)
def test_a_mistake_is_refused_with_file_and_field(city, file, old, new, told):
    change(city / file, old, new)
    refused = refusal(city)
    for words in (str(city / file), *told):
        assert words in refused
    assert len(refused.splitlines()) == 1


@pytest.mark.parametrize("file", ["fenceline.toml", "registry.toml", "keys.toml"])
def test_a_missing_file_is_named(city, file):
    (city / file).unlink()
    refused = refusal(city)
    assert str(city / file) in refused
    assert "No such file" in refused


@pytest.mark.parametrize("file", ["fenceline.toml", "registry.toml", "keys.toml"])
def test_a_file_in_another_encoding_is_named(city, file):
    with (city / file).open("ab") as text:
        text.write("# 钟楼\n".encode("gb18030"))
    assert str(city / file) in refusal(city)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_keys_that_others_can_read_are_refused_with_the_remedy(city, mode):
    (city / "keys.toml").chmod(mode)
    assert f"chmod 600 {city / 'keys.toml'}" in refusal(city)


def test_no_key_is_ever_told(city):
    change(city / "keys.toml", "2E2E", "2E2G")
    assert "2E2G" not in refusal(city)


@pytest.fixture
def run(monkeypatch):
    """Start the hub in a folder, by its command line; it must refuse, so it ends."""
    for name in os.environ:
        if name.startswith("INFLUXDB_V2_"):
            monkeypatch.delenv(name)
    return lambda folder, how=here: how("run", "--config", str(folder / "fenceline.toml"))


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        ("fenceline.toml", "port = 1883", "prot = 1883", ["fenceline.toml", "prot"]),
        ("fenceline.toml", "registry.toml", "city.toml", ["city.toml", "No such file"]),
        ("fenceline.toml", "[broker]", 'data = "keys.toml"\n[broker]', ["data =", "keys.toml"]),
        ("fenceline.toml", "port = 1883", 'ca = "ca.crt"', ["broker", "ca", "No such file"]),
        ("fenceline.toml", "port = 1883", 'user = "hub"\npassword_file = "secret"', ["password_file", "secret"]),
        ("fenceline.toml", 'kind = "sqlite"', 'kind = "influxdb"', ["store", "INFLUXDB_V2_URL"]),
        ("registry.toml", "Asia/Shanghai", "Asia/Peking", ["registry.toml", "timezone", "Asia/Peking"]),
        ("keys.toml", "stack-1", "stack-2", ["keys.toml", "stack-1"]),
    ],
)
def test_fenceline_run_refuses_with_one_sentence_and_exit_code_2(run, city, file, old, new, told):
    change(city / file, old, new)
    ended = run(city, fenceline if old == "port = 1883" else here)  # a broker is tried by a hub that holds its folder
    assert "Traceback" not in ended.stderr
    assert ended.returncode == 2
    assert ended.stdout == ""
    (line,) = ended.stderr.splitlines()
    assert line.startswith("fenceline: ")
    for words in told:
        assert words in line


def test_fenceline_run_refuses_a_log_that_is_none(run, city):
    (city / "data").mkdir()
    (city / "data" / "log.db").write_text("67.2 dB(A)\n" * 1000)
    ended = run(city)
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert str(city / "data" / "log.db") in line


def test_fenceline_run_without_a_configuration_names_the_file_it_wants(run, tmp_path):
    ended = run(tmp_path)
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert str(tmp_path / "fenceline.toml") in line


def test_a_secret_may_stand_in_a_file_that_the_environment_names(tmp_path, monkeypatch):
    (tmp_path / "fenceline.toml").write_text(CONFIG)
    (tmp_path / "token").write_text("from the file\n")
    for name in ("INFLUXDB_V2_TOKEN", "APPRISE_URLS"):
        monkeypatch.setenv(name, "")  # so that the test's end takes back what is put there
    monkeypatch.setenv("INFLUXDB_V2_TOKEN_FILE", str(tmp_path / "token"))
    load_config(tmp_path / "fenceline.toml")
    assert os.environ["INFLUXDB_V2_TOKEN"] == "from the file"
    assert os.environ["APPRISE_URLS"] == ""

    # What stands in the environment itself goes before a file.
    monkeypatch.setenv("INFLUXDB_V2_TOKEN", "given")
    load_config(tmp_path / "fenceline.toml")
    assert os.environ["INFLUXDB_V2_TOKEN"] == "given"

    monkeypatch.setenv("APPRISE_URLS_FILE", str(tmp_path / "missing"))
    with pytest.raises(ConfigError, match=r"APPRISE_URLS_FILE: .*missing cannot be read"):
        load_config(tmp_path / "fenceline.toml")
