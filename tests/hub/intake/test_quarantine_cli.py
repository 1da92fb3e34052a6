"""`fenceline quarantine` as the city's IT uses it: what is there, what is the boards' own, and what is let go."""

import contextlib
import io
import json

import pytest

import fenceline
from hub.log.log import Log
from tests.hub.helpers import CITY, Hub, Speaker, query
from tests.hub.registry_files import Ended
from tests.json_lines import rows_of

REGISTRY = """\
timezone = "Asia/Shanghai"
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


@pytest.fixture
def city(tmp_path):
    (tmp_path / "fenceline.toml").write_text('registry = "registry.toml"\nkeys = "keys.toml"\n')
    (tmp_path / "registry.toml").write_text(REGISTRY, "utf-8")
    (tmp_path / "keys.toml").touch(0o600)
    (tmp_path / "keys.toml").write_text(f'fence-1 = "{CITY.keys["fence-1"].hex()}"\n')
    (tmp_path / "data").mkdir()
    board = Speaker()
    with Hub(tmp_path / "data") as hub:
        for _ in range(3):
            hub.hear(board.unusable(1, 2))
        hub.hear((board.topic + "telemetry", b"{}"), board.say("telemetry", '{"stream":"9f3a12c4","seq":3,"x":inf}'))
    return tmp_path


def run(city, *arguments):
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        code = fenceline._run("quarantine", [*arguments, "--config", str(city / "fenceline.toml")])
    return Ended(code, out.getvalue(), err.getvalue())


def left(city):
    return [row["id"] for row in query(city / "data" / "log.db", "SELECT id FROM quarantine ORDER BY id")]


def test_the_list_says_what_is_authentic_and_how_often_it_came(city):
    rows = rows_of(run(city, "list", "--json").out)
    assert [(row["id"], row["reason"], row["authentic"], row["times"]) for row in rows] == [
        (3, "schema", True, 1),
        (2, "bad_mac", False, 1),
        (1, "unknown_quantity", True, 3),
    ]
    for lang, words in (("en", ("authentic", "  yes  ")), ("zh", ("可信", "  是  "))):
        told = run(city, "list", "--lang", lang).out
        assert all(word in told for word in words), told
    shown = json.loads(run(city, "show", "1", "--json").out)
    assert (shown["authentic"], shown["times"], shown["records done with"]) == (True, 3, "[[1,3]]")


def test_what_is_released_is_written_whole_first(city):
    file = city / "released.jsonl"
    ended = run(city, "release", "--reason", "unknown_quantity", "--to", str(file), "--yes", "--json")
    assert (ended.code, json.loads(ended.out)) == (0, {"released": 1, "authentic": 1, "to": str(file)})
    (said,) = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    assert (said["device"], said["reason"], said["times"], said["done_with"]) == (
        "fence-1",
        "unknown_quantity",
        3,
        [[1, 3]],
    )
    assert bytes.fromhex(said["payload_hex"]) == Speaker().unusable(1, 2)[1]
    assert left(city) == [2, 3]


def test_nothing_is_released_unasked(city):
    for arguments, words in (
        (["release"], "say which messages"),
        (["release", "--all"], "give --yes"),
        (["release", "--all", "--yes", "--to", str(city / "fenceline.toml")], "nothing was released"),
        (["release", "--all", "--yes", "--to", str(city / "no" / "file")], "nothing was released"),
    ):
        ended = run(city, *arguments)
        assert (ended.code, words in ended.err) == (2, True), ended
    assert left(city) == [1, 2, 3]
    assert json.loads(run(city, "release", "--reason", "future", "--json").out)["released"] == 0


def test_single_messages_can_be_released(city):
    assert run(city, "release", "2", "3", "--yes").code == 0
    assert left(city) == [1]


def test_replay_without_a_hub_leaves_what_is_still_refused(city):
    told = json.loads(run(city, "replay", "--all", "--json").out)
    assert told == {"asked": 3, "admitted": 0, "refused": 3, "waiting": 0}
    assert left(city) == [1, 2, 3]
    log = Log(city / "data" / "log.db")
    assert log.asked() == 0
    assert log.read(0, 10) == []
    log.close()
