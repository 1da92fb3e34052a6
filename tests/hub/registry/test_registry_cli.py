"""`fenceline registry` as the city's IT uses it: what it shows, what it takes, and what it never tells."""

import datetime as dt
import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from hub.config.files import load_config
from hub.registry.live import load_registry
from tests.hub.registry_files import KEYS, contents, make, run
from tests.json_lines import rows_of


@pytest.fixture(autouse=True)
def english(monkeypatch):
    monkeypatch.setenv("FENCELINE_LANG", "en")


@pytest.fixture
def city(tmp_path):
    make(tmp_path)
    return tmp_path


@pytest.fixture
def incoming(tmp_path_factory):
    """A folder for files that come from elsewhere."""
    return tmp_path_factory.mktemp("incoming")


def registry(folder):
    return load_registry(load_config(folder / "fenceline.toml"))


def command(folder, *arguments, **environment):
    """Run the installed command in a process of its own."""
    fenceline = Path(sys.executable).parent / "fenceline"
    return subprocess.run(
        [fenceline, "registry", *arguments, "--config", folder / "fenceline.toml"],
        env=os.environ | environment,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


def test_the_whole_life_of_a_board_on_the_real_command_line(city):
    site = ["--district", "nanhai", "--kind", "construction", "--en", "Station pit", "--zh", "车站基坑"]
    steps = [
        [
            "add",
            "site",
            "pit",
            *site,
            "--contact",
            "manager|Li|+86 757 0000 0000",
            "--night-work",
            "2026-12-01T22:00|2026-12-02T06:00|7",
        ],
        ["add", "board", "pit-1", "--site", "pit", "--sensors", "sds011", "--installed", "2026-11-22"],
        ["key", "pit-1", "--out", str(city / "pit-1.key")],
        ["retire", "pit-1", "--date", "2026-12-31"],
        ["export", str(city / "all.toml")],
        ["import", str(city / "all.toml"), "--replace"],
    ]
    for step in steps:
        ended = command(city, *step)
        noted = "The hub's data are not on this machine" if step[0] == "key" else ""
        assert (ended.returncode, ended.stderr[: len(noted) or None]) == (0, noted), step
    shown = json.loads(command(city, "show", "pit-1", "--json").stdout)["board"]
    key = registry(city).keys["pit-1"]
    assert (city / "pit-1.key").read_text() == f"{key.hex()}\n"
    assert stat.S_IMODE((city / "pit-1.key").stat().st_mode) == 0o600
    assert (shown["site"], shown["sensors"], shown["retired"]) == ("pit", ["sds011"], "2026-12-31")
    assert "没有变化" in command(city, "import", city / "all.toml", FENCELINE_LANG="zh").stdout


def test_a_mistake_on_the_real_command_line_is_one_sentence_and_exit_code_2(city):
    ended = command(city, "add", "board", "pit-1", "--site", "pit")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == "fenceline: board 'pit-1': there is no site 'pit'; add it or mend the name\n"
    ended = command(city, "add", "board", "fence-9", "--site", "mill", "--sensors", "plantower,modbuss")
    assert ended.returncode == 2
    assert "there is no driver 'modbuss'; did you mean 'modbus'?" in ended.stderr


def test_no_key_is_ever_printed_or_logged(city, incoming, caplog):
    given = "5c" * 32
    (incoming / "key").write_text(given.upper())
    (incoming / "bad").write_text(given[:-1])
    (incoming / "boards.csv").write_text("id,site\nfence-3,mill\n")
    outputs = [
        run(city, *arguments)
        for arguments in (
            ["add", "board", "fence-2", "--site", "mill"],
            ["add", "board", "fence-4", "--site", "mill", "--key-file", str(incoming / "key")],
            ["add", "board", "fence-5", "--site", "mill", "--key-file", str(incoming / "bad")],
            ["import", str(incoming / "boards.csv")],
            ["import", str(incoming / "boards.csv"), "--json"],
            ["key", "fence-2", "--out", str(incoming / "out")],
            ["list"],
            ["list", "--json"],
            ["show", "fence-2"],
            ["show", "fence-2", "--json"],
            ["retire", "fence-2"],
            ["export"],
            ["export", "--format", "csv"],
        )
    ]
    (city / "keys.toml").write_text((city / "keys.toml").read_text().replace("1f1f", "1f1g"))
    outputs.append(run(city, "list"))
    assert [ended.code for ended in outputs] == [0, 0, 2, *[0] * 10, 2]
    keys = re.findall(r"[0-9a-f]{64}", (city / "keys.toml").read_text())
    assert given in keys
    assert len(keys) == 4
    told = "".join(ended.out + ended.err for ended in outputs).lower() + caplog.text.lower()
    for key in (*keys, *KEYS.values()):
        assert key[:16] not in told
        assert key[-16:] not in told


def test_a_board_that_has_a_key_keeps_it(city, incoming):
    (incoming / "key").write_text("5C" * 32 + "\n")
    add = ["add", "board", "fence-2", "--site", "mill", "--key-file"]
    assert run(city, *add, str(incoming / "key")).code == 0
    assert registry(city).keys["fence-2"] == b"\x5c" * 32


@pytest.mark.parametrize(
    ("content", "told"), [("5c" * 31, "64 hexadecimal"), ("密", "cannot be read"), (None, "No such")]
)
def test_a_key_file_that_holds_no_key_changes_nothing(city, incoming, content, told):
    if content is not None:
        (incoming / "key").write_text(content, "utf-8")
    before = contents(city)
    ended = run(city, "add", "board", "fence-2", "--site", "mill", "--key-file", str(incoming / "key"))
    assert ended.code == 2
    assert told in ended.err
    assert contents(city) == before


def test_a_board_whose_id_had_another_key_is_not_given_a_second_one(city, incoming):
    with (city / "keys.toml").open("a") as file:
        file.write(f'fence-2 = "{"3d" * 32}"\n')
    (incoming / "key").write_text("5c" * 32)
    before = contents(city)
    ended = run(city, "add", "board", "fence-2", "--site", "mill", "--key-file", str(incoming / "key"))
    assert ended.code == 2
    assert "has another key for board 'fence-2' already" in ended.err
    assert contents(city) == before


def test_a_key_is_not_written_over_another_file(city, incoming):
    (incoming / "key").write_text("mine")
    ended = run(city, "key", "fence-1", "--out", str(incoming / "key"))
    assert ended.code == 2
    assert (incoming / "key").read_text() == "mine"


def test_retired_boards_and_overdue_calibrations_are_marked_in_words(city):
    today = dt.datetime.now(dt.timezone(dt.timedelta(hours=8))).date()
    text = (
        (city / "registry.toml")
        .read_text("utf-8")
        .replace("calibration_due = 2027-01-05", f"calibration_due = {today}")
    )
    (city / "registry.toml").write_text(text, "utf-8")
    lines = {line.split()[0]: line for line in run(city, "list").out.splitlines()}
    assert "CALIBRATION OVERDUE" in lines["fence-1"]
    assert "RETIRED 2026-06-30" in lines["stack-1"]
    assert "已停用 2026-06-30" in run(city, "list", "--lang", "zh").out
    states = {row["id"]: row["state"] for row in rows_of(run(city, "list", "--json").out)}
    assert states == {"fence-1": "calibration_overdue", "stack-1": "retired"}


def test_lists_are_in_the_readers_language(city):
    sites = run(city, "list", "sites", "--lang", "zh").out
    assert "北门七号地块" in sites
    assert "建筑工地" in sites
    assert "Old Mill" in run(city, "list", "sites").out
    assert "Nanhai" in run(city, "list", "districts").out
    assert rows_of(run(city, "list", "districts", "--json").out) == [
        {"id": "nanhai", "city": "foshan", "en": "Nanhai", "zh": "南海", "sites": 2, "boards": 1}
    ]


def test_a_site_is_shown_with_its_permits_and_boards(city):
    shown = run(city, "show", "gate-7").out
    for words in ("2026-118", "+86 757 0000 0000", "23.0288, 113.1427", "fence-1", "4a"):
        assert words in shown
    row = json.loads(run(city, "show", "gate-7", "--json").out)["site"]
    assert row["boards"] == ["fence-1"]
    assert row["night_work"][0]["from"] == "2026-12-01T22:00:00+08:00"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["show", "gate-8"], "there is no site or board 'gate-8'; did you mean 'gate-7'?"),
        (["list", "--district", "nanhia"], "there is no district 'nanhia'; did you mean 'nanhai'?"),
        (["retire", "fence-9"], "there is no board 'fence-9'; did you mean 'fence-1'?"),
        (["retire", "fence-1", "--date", "soon"], "--date: 'soon' is not a date such as 2026-12-01"),
        (["key", "nobody", "--out", "x"], "there is no board 'nobody'; 'fenceline registry list' shows what there is"),
        (["add", "board", "fence-1", "--site", "mill"], "there is a board 'fence-1' already"),
        (
            ["add", "board", "Fence", "--site", "mill"],
            "board 'Fence': id = 'Fence': expected 1 to 32 of a-z, 0-9 and -",
        ),
        (["add", "district", "x", "--city", "y", "--en", "X", "--zh", "X"], "district 'x': there is no city 'y'"),
        (["import", "boards.xlsx"], "boards.xlsx: cannot be read"),
    ],
)
def test_a_wrong_word_is_told_and_changes_nothing(city, arguments, sentence):
    before = contents(city)
    ended = run(city, *arguments)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(f"fenceline: {sentence}")
    assert contents(city) == before


def test_a_position_on_the_command_line_is_checked(city):
    site = ["add", "site", "x", "--district", "nanhai", "--kind", "factory", "--en", "X", "--zh", "X"]
    assert "expected LATITUDE,LONGITUDE" in run(city, *site, "--position", "here").err
    assert "looks swapped" in run(city, *site, "--position", "113.1,23.0").err


SHEET = """\
id,zh,district,kind,en,latitude,longitude
kiln,砖窑,nanhai,factory,Kiln,23.1,113.2
mill,新面粉厂,nanhai,factory,Old Mill,,
"""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_spreadsheets_csv_is_taken_however_it_was_saved(city, incoming, encoding, delimiter):
    (incoming / "sites.csv").write_bytes(SHEET.replace(",", delimiter).replace("\n", "\r\n").encode(encoding))
    ended = run(city, "import", str(incoming / "sites.csv"), "--json")
    assert ended.code == 0
    changes = {change["id"]: change["what"] for change in json.loads(ended.out)["changes"]}
    assert changes == {"kiln": "added", "mill": "changed"}
    sites = registry(city).sites
    assert (sites["kiln"].zh, sites["mill"].zh) == ("砖窑", "新面粉厂")
    assert sites["kiln"].position == (23.1, 113.2)


def test_dates_are_taken_as_spreadsheets_write_them(city, incoming):
    (incoming / "boards.csv").write_text("id,installed,calibration_due\nfence-1,2026/3/1,2027-3-1 0:00\n")
    assert run(city, "import", str(incoming / "boards.csv"), "--kind", "boards").code == 0
    board = registry(city).boards["fence-1"]
    assert (board.installed, board.calibration_due) == (dt.date(2026, 3, 1), dt.date(2027, 3, 1))


def test_a_column_left_out_changes_nothing_and_an_empty_cell_takes_the_field_away(city, incoming):
    (incoming / "boards.csv").write_text("id,site,calibration_due\nfence-1,gate-7,\n")
    assert run(city, "import", str(incoming / "boards.csv")).code == 0
    board = registry(city).boards["fence-1"]
    assert board.calibration_due is None
    assert board.sensors == ("plantower", "modbus")


BOARDS = "id,site,installed,note\nfence-2,mill,2026-01-01,\n"


@pytest.mark.parametrize(
    ("text", "place", "problem"),
    [
        (BOARDS + "fence-3,mlil,,\n", ", line 3, column site: ", "board 'fence-3': there is no site 'mlil'"),
        (
            BOARDS + '\n"fence-3",mill,,"two\nlines"\nF4,mill,,\n',
            ", line 6, column id: ",
            "board 'F4': id = 'F4': expected",
        ),
        (BOARDS + "fence-3,mill,1/2/2026,\n", ", line 3, column installed: ", "'1/2/2026' is not a date such as"),
        (BOARDS + "fence-3,mill,2026-02-30,\n", ", line 3, column installed: ", "'2026-02-30' is not a date such as"),
        (BOARDS + "fence-2,mill,,\n", ", line 3, column id: ", "board 'fence-2': stands there twice; keep one of them"),
        (BOARDS + ",mill,,\n", ", line 3, column id: ", "is empty; give it an id"),
        (BOARDS + "fence-3,,,\n", ", line 3, column site: ", "board 'fence-3': site is missing; expected"),
        (BOARDS + "fence-3,mill,,a,b\n", ", line 3: ", "has 5 cells; expected 4, as in line 1"),
        (BOARDS + 'fence-3,mill,,"a" b\n', ", line 3: ", "is not valid CSV"),
        ("id,site,colour\n", ", line 1: ", "column 'colour' is not known; columns of boards: id, site, sensors"),
        ("id,site,site\n", ", line 1: ", "column 'site' stands there twice; columns of boards"),
        ("site,note\n", ", line 1: ", "there is no column id; columns of boards"),
        ("id,en\n", ", line 1: ", "cannot tell sites from boards; give --kind sites or --kind boards"),
        ("", ", line 1: ", "cannot tell sites from boards"),
        (
            "id,kind\nmill,airport\n",
            ", line 2, column kind: ",
            "site 'mill': kind = 'airport': expected construction, factory or",
        ),
        (
            "id,kind,latitude,longitude\nmill,factory,113.1,23\n",
            ", line 2, column latitude: ",
            "site 'mill': position = [113.1, 23.0] looks swapped",
        ),
        ("id,kind,latitude,longitude\nmill,factory,23,\n", ", line 2, column longitude: ", "is empty; give both"),
        (
            "id,kind,latitude,longitude\nmill,factory,23°,113\n",
            ", line 2, column latitude: ",
            "'23°' is not a number of degrees",
        ),
        ("id,kind,contacts\nmill,factory,Li\n", ", line 2, column contacts: ", "'Li' is not role|name|phone|email"),
        (
            "id,kind,contacts\nmill,factory,boss|Li|\n",
            ", line 2, column contacts: ",
            "site 'mill': contacts: 'boss' has neither",
        ),
        (
            "id,kind,night_work\nmill,factory,now|later|7\n",
            ", line 2, column night_work: ",
            "site 'mill': night_work[0].from = 'now'",
        ),
    ],
)
def test_a_bad_row_is_named_by_line_and_column_and_nothing_changes(city, incoming, text, place, problem):
    file = incoming / "new.csv"
    file.write_text(text, "utf-8")
    before = contents(city)
    ended = run(city, "import", str(file))
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(f"fenceline: {file}{place}{problem}")
    assert len(ended.err.splitlines()) == 1
    assert contents(city) == before


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[[board]]\nid = "a"\nsite = "mill"\n[[board]]\nid = "b"\nsite = "x"\n', ":6: board 'b': there is no site"),
        (
            '[[site]]\nid = "mill"\nkind = "airport"\n',
            ":3: site 'mill': kind = 'airport': expected construction, factory or restaurant",
        ),
        ('[[boards]]\nid = "a"\n', ": 'boards' is not known; expected tables [[city]], [[district]], [[site]]"),
        ('[[board]]\nsite = "mill"\n', ": board number 1 has no id"),
        ('timezone = "Asia/Tokyo"\n', ": timezone = 'Asia/Tokyo', but the registry's is 'Asia/Shanghai'"),
        ("[[board\n", ": is not valid TOML"),
    ],
)
def test_a_toml_file_with_a_mistake_changes_nothing(city, incoming, text, problem):
    file = incoming / "new.toml"
    file.write_text(text, "utf-8")
    before = contents(city)
    ended = run(city, "import", str(file))
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(f"fenceline: {file}{problem}")
    assert contents(city) == before


def test_a_dry_run_tells_everything_and_writes_nothing(city, incoming):
    (incoming / "boards.csv").write_text("id,site,note\nfence-1,mill,moved\nfence-2,mill,\n")
    before = contents(city)
    ended = run(city, "import", str(incoming / "boards.csv"), "--dry-run")
    assert ended.code == 0
    assert contents(city) == before
    assert "+ added: Board fence-2" in ended.out
    assert '~ changed: Board fence-1: note "behind the' in ended.out
    assert 'site "gate-7" -> "mill"' in ended.out
    assert "1 added, 1 changed, 0 removed" in ended.out
    assert "--dry-run" in ended.out


def test_only_replace_removes_and_it_keeps_the_keys(city, incoming):
    (incoming / "boards.csv").write_text("id,site\nfence-1,gate-7\n")
    assert run(city, "import", str(incoming / "boards.csv")).code == 0
    assert registry(city).boards.keys() == {"fence-1", "stack-1"}
    assert "- removed: Board stack-1" in run(city, "import", str(incoming / "boards.csv"), "--replace").out
    assert registry(city).boards.keys() == {"fence-1"}
    assert KEYS["stack-1"] in (city / "keys.toml").read_text()
    assert registry(city).sites.keys() == {"gate-7", "mill"}


def test_a_site_with_boards_is_not_replaced_away(city, incoming):
    (incoming / "sites.csv").write_text("id,district\ngate-7,nanhai\n")
    before = contents(city)
    ended = run(city, "import", str(incoming / "sites.csv"), "--replace")
    assert ended.code == 2
    assert "board 'stack-1': there is no site 'mill'" in ended.err
    assert contents(city) == before


def test_what_is_imported_twice_changes_nothing_the_second_time(city, incoming):
    (incoming / "boards.csv").write_text("id,site\nfence-2,mill\n")
    assert run(city, "import", str(incoming / "boards.csv")).code == 0
    before = contents(city)
    ended = run(city, "import", str(incoming / "boards.csv"), "--json")
    assert json.loads(ended.out) == {"dry_run": False, "changes": []}
    assert contents(city) == before


@pytest.mark.parametrize("name", ["list", "show", "add", "retire", "import", "export", "key"])
def test_every_command_teaches_by_example(city, name):
    shown = [run(city, name, "--help")] if name != "add" else [run(city, "add", k, "--help") for k in ("site", "board")]
    for ended in shown:
        assert f"fenceline registry {name} " in " ".join(ended.out.split())
