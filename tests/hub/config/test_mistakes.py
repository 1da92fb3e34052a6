"""A slip in a file that people write is told with line, field, value and remedy: for every field that there is."""

import copy
import datetime as dt
import os
import re
import subprocess
import sys
import typing
from pathlib import Path

import msgspec
import pytest
import tomlkit

from hub.config.files import Config, ConfigError, load_config, mistakes, read_document
from hub.intake.stations.profiles import Profile
from hub.judge.kinds import KINDS, params_type
from hub.registry.check import TYPES
from hub.things.entries import Thing
from schemas.catalogue import Quantity
from schemas.chinese import in_chinese
from schemas.domains.entries import Dashboard, Manifest, Rules, Scenario, Sensors, Things
from schemas.faults import as_type, explain, told
from schemas.limit_entries import LimitEntry
from schemas.standards import Averaging, Standard

MINIMUM = {
    "registry": "registry.toml",
    "keys": "keys.toml",
    "recipient": [{"name": "duty", "url_env": "DUTY"}],
    "lorawan": [{"name": "city"}],
    "uplink": [
        {
            "name": "province",
            "host": "10.20.0.5",
            "port": 9212,
            "password_file": "pw",
            "point": [{"device": "fence-1", "mn": "1"}],
        }
    ],
}
VALUES = (True, 3.5, -7, "1883", ["a", 1], {"x": 1}, dt.date(2026, 1, 2))
"""One of each kind that TOML knows; a field takes some of them, and refuses the others."""
MODELS = (Config, Profile, Manifest, Things, Sensors, Dashboard, Scenario, Rules, Quantity, Standard, Averaging)
OTHERS = (*MODELS, LimitEntry, Thing, *TYPES.values(), *map(params_type, KINDS))


def structs_in(type_):
    """Yield the structs that a type has within it."""
    if isinstance(type_, type) and issubclass(type_, msgspec.Struct):
        yield type_
    for part in typing.get_args(type_):
        yield from structs_in(part)


def is_list(type_):
    return typing.get_origin(type_) in (list, tuple)


def fields(model, table=()):
    """Yield (the place of its table, the field) for each field of a configuration, those in tables, too."""
    for field in msgspec.structs.fields(model):
        yield table, field
        for inner in structs_in(field.type):
            yield from fields(inner, (*table, field.encode_name, *([0] if is_list(field.type) else [])))


def document(place=()):
    """Return a configuration with the tables that lead to a place, and the table there."""
    table = whole = copy.deepcopy(MINIMUM)
    for step in place:
        table = table[step] if isinstance(step, int) else table.setdefault(step, {})
    return whole, table


def write(folder, whole):
    path = folder / "fenceline.toml"
    plain = {name: value for name, value in whole.items() if not isinstance(value, dict | list)}
    path.write_text(tomlkit.dumps(plain | whole), "utf-8")
    return path


def refusal(path):
    with pytest.raises(ConfigError) as refused:
        load_config(path)
    said = str(refused.value)
    assert len(said.splitlines()) == 1
    line, field, problem = re.fullmatch(rf"{re.escape(str(path))}:(\d+): (\S+): (.+)", said).groups()
    return path.read_text("utf-8").splitlines()[int(line) - 1], field, problem


def slips(name):
    """Return a name as it is mistyped: a letter twice, one left out, in capitals, with a hyphen."""
    return {name + name[-1], name.upper(), name.replace("_", "-"), name[:2] + name[3:] if len(name) > 5 else ""} - {
        name,
        "",
    }


def in_both(problem):
    """Return a sentence after a look at its Chinese: no three English words are left that are no value's."""
    chinese = in_chinese(problem)
    assert re.search("[\u4e00-\u9fff]", chinese), problem
    bare = re.sub(r"'[^']*'|\[[^\]]*\]|\{[^}]*\}|下列之一：.*", "", chinese)
    assert not re.search("[a-z]{2,} [a-z]{2,} [a-z]{2,}", bare), chinese
    return problem


NAMED = [pytest.param(*one, id=told((*one[0], one[1].encode_name))) for one in fields(Config)]


@pytest.mark.parametrize(("place", "field"), NAMED)
def test_a_mistyped_name_is_told_with_the_right_one(tmp_path, place, field):
    name = field.encode_name
    for slip in slips(name):
        whole, table = document(place)
        table[slip] = table.pop(name, 1)
        line, where, problem = refusal(write(tmp_path, whole))
        assert slip in line
        assert where == told((*place, slip))
        assert in_both(problem) == f"there is no such field; did you mean {name!r}?"


@pytest.mark.parametrize(("place", "field"), NAMED)
def test_a_value_of_another_kind_is_told_with_what_was_expected(tmp_path, place, field):
    refused = 0
    for value in VALUES:
        try:
            as_type(value, field.type)
        except msgspec.ValidationError:
            pass
        else:
            continue
        whole, table = document(place)
        table[field.encode_name] = value
        line, where, problem = refusal(write(tmp_path, whole))
        assert field.encode_name in line or isinstance(value, dict)  # a table's fault is what stands in it
        assert where.startswith(told((*place, field.encode_name)))
        assert "expected " in in_both(problem) or "did you mean" in problem
        refused += 1
    assert refused >= 4


@pytest.mark.parametrize("model", OTHERS, ids=lambda one: f"{one.__module__.rpartition('.')[2]}.{one.__name__}")
def test_every_file_of_this_kind_tells_as_much(model):
    for name in {field.encode_name for _, field in fields(model)}:
        assert name.isascii()
    for field in msgspec.structs.fields(model):
        name = field.encode_name
        (first, *_) = explain({name + name[-1]: 1}, model)
        assert in_both(first[1]) == f"there is no such field; did you mean {name!r}?"
        wrong = [
            problem
            for value in VALUES
            for place, problem in explain({name: value}, model)
            if place and place[0] == name and not in_both(problem).startswith("is missing")
        ]
        assert len(wrong) >= 3, name


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "[broker]\nport = '1883'",
            ":4: broker.port: '1883' does not belong here; expected a whole number, at least 1, at most 65535",
        ),
        ("[broker]\nport = '1883'", "; write it without quotes: 1883"),
        ("[console]\naddress = 'x'", ":4: console.address: 'x' does not belong here; expected an address such as"),
        (
            "[store]\nkind = 'influx'",
            ":4: store.kind: 'influx' does not belong here; expected one of: sqlite, influxdb",
        ),
        ("[store]\nkind = 'InfluxDB'", "; did you mean 'influxdb'?"),
        ("districts = 'north'", "expected a list; put it into brackets: ['north']"),
        ("districts = ['North']", ":3: districts[1]: 'North' does not belong here; expected 1 to 32 of a-z, 0-9 and -"),
        ("[recipient]\nname = 'x'", "expected a list; write its head in double brackets: [[...]]"),
        ("[[broker]]\nport = 1", " is no table; expected a table; write [broker]"),
        ("broker = 'mqtt.city.example'", ":3: broker: 'mqtt.city.example' is no table; expected a table"),
        ("[broker]\nacknowledge_every = 5", "it belongs into the top of the file, before the first [table]"),
        ("[hj212]\nbucket = 'x'", ":4: hj212.bucket: there is no such field; it belongs into [store]"),
        ("days = 30", ":3: days: there is no such field; it belongs into [keep]"),
        ("level = 1", ":3: level: there is no such field; it belongs into [[recipient]]"),
        ("[hj212]\ncertificate = 'a.crt'", ":3: hj212: certificate and key belong together; expected both, or neither"),
        ("[broker]\nclient_id = 'proxy'", ":3: broker: client_id = 'proxy' is the name of another part"),
        ("[alerts.escalate_minutes]\nviolatoin = 3", "the name 'violatoin'; expected one of: info, warning"),
        ("[alerts.escalate_minutes]\nviolation = 0", ":4: alerts.escalate_minutes.violation: 0 does not belong here"),
        (
            "[[recipient]]\nname = 'a'\nurl_env = 'A'\n[[recipient]]\nname = 'b'\nurl_env = 'B'\nlang = 'cn'",
            ":9: recipient[2].lang: 'cn' does not belong here; expected one of: en, zh, both",
        ),
    ],
)
def test_what_somebody_most_likely_meant_is_told(tmp_path, text, sentence):
    path = tmp_path / "fenceline.toml"
    path.write_text(f"registry = 'r.toml'\nkeys = 'k.toml'\n{text}\n", "utf-8")
    with pytest.raises(ConfigError) as refused:
        load_config(path)
    assert sentence in in_both(str(refused.value))


def test_a_long_or_unknown_value_is_not_told(tmp_path):
    """It may be a secret."""
    path = write(tmp_path, MINIMUM | {"broker": {"password": "tiger-lily"}, "store": {"bucket": ["s3cret" * 20]}})
    for said in mistakes(path, read_document(path), Config):
        assert "tiger" not in said
        assert "s3cret" not in said


def test_a_byte_order_mark_moves_no_line(tmp_path):
    path = write(tmp_path, MINIMUM | {"prot": 1})
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert refusal(path)[0] == "prot = 1"


@pytest.mark.parametrize("language", [{"LANG": "zh_CN.UTF-8"}, {"FENCELINE_LANG": "zh"}])
def test_whoever_reads_chinese_is_told_in_chinese(tmp_path, language):
    path = write(tmp_path, MINIMUM | {"broker": {"prot": 1883}})
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "FENCELINE_"))}
    command = [Path(sys.executable).parent / "fenceline", "run", "--config", path]
    ended = subprocess.run(
        command, env=clean | language, capture_output=True, encoding="utf-8", timeout=120, check=False
    )
    assert ended.returncode == 2
    assert "broker.prot：没有该字段；是否为 'port'？" in ended.stderr
