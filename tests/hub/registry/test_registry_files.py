"""Registries from other offices' spreadsheets, and for them: nothing is run, nothing is taken for something else."""

import csv
import gzip
import io
import json
import resource
import subprocess
import time
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.registry.exchange import MOST
from hub.sheets.cells import csv_line, restored, safe
from tests.board_process import FENCELINE
from tests.hub.registry.test_registry_edit import REGISTRY, city, empty, plain, run  # noqa: F401

FORMULAS = ['=cmd("/c calc")', "+86 757 0000 0000", "-2+3", "@SUM(A1)", "＝1+1", "'=1", "''x", "'", "'a"]
STRUCK = ["\x00", "\x1b[2J", "\x85", "\u202e"]


@given(st.text(max_size=12) | st.sampled_from(FORMULAS))
def test_a_cell_is_never_run_and_reads_back_as_it_was(text):
    cell = safe(text)
    assert restored(cell) == text
    try:
        float(cell)
    except ValueError:
        assert cell[:1] not in {*"=+-@\t\r\n＝＋－＠"}


def test_numbers_stay_numbers():
    assert [safe(one) for one in ("-5.3", "+1", "1e-3", "22.5", "")] == ["-5.3", "+1", "1e-3", "22.5", ""]
    assert csv_line(["a", 'b"c', ""]) == 'a,"b""c",\r\n'


@pytest.mark.parametrize("formula", FORMULAS)
def test_formulas_in_a_registry_are_exported_as_texts_and_come_back_equal(city, tmp_path, formula):  # noqa: F811
    quoted = formula.replace('"', '\\"')
    text = REGISTRY.replace('name = "Li"', f'name = "{quoted}"').replace('role = "site manager"', f'role = "{quoted}"')
    (city / "registry.toml").write_text(text + f'note = "{quoted}"\n', "utf-8")
    wanted = plain(city)
    other = empty(tmp_path / "other")
    for kind in ("sites", "boards"):
        out = run(city, "export", "--format", "csv", "--kind", kind).out
        for row in csv.reader(io.StringIO(out, newline="")):
            for cell in row:
                assert cell[:1] not in {*"=+@＝"}, cell
        (tmp_path / f"{kind}.csv").write_text(out, "utf-8")
        ended = run(other, "import", str(tmp_path / f"{kind}.csv"))
        assert ended.code == 0, ended.err
    assert {kind: plain(other)[kind] for kind in ("site", "board")} == {
        kind: wanted[kind] for kind in ("site", "board")
    }


@pytest.mark.parametrize("struck", STRUCK)
def test_control_characters_are_refused_in_every_form(city, tmp_path, struck):  # noqa: F811
    before = plain(city)
    (tmp_path / "sites.csv").write_text(f"id,district,zh\nmill,nanhai,工{struck}地\n", "utf-8")
    escaped = f"\\u{ord(struck[0]):04x}{struck[1:]}"
    (tmp_path / "sites.toml").write_text(
        f'[[site]]\nid = "x"\ndistrict = "nanhai"\nen = "X{escaped}"\nzh = "X"\nkind = "construction"\n', "utf-8"
    )
    for name in ("sites.csv", "sites.toml"):
        ended = run(city, "import", str(tmp_path / name))
        assert (ended.code, ended.out) == (2, "")
        assert "control character" in ended.err
    assert plain(city) == before


def test_other_separators_encodings_and_chinese_headings_are_read(city, tmp_path):  # noqa: F811
    text = "sep=;\r\n编号;纬度;经度;备注\r\nmill;22,5431;114,0579;东门\r\n"
    for number, encoding in enumerate(("utf-8", "gb18030", "utf-16")):
        path = tmp_path / f"{number}.csv"
        path.write_bytes(text.replace(";备注", "").replace(";东门", "").encode(encoding))
        assert run(city, "import", str(path), "--kind", "sites").code == 0
        site = next(one for one in tomllib.loads((city / "registry.toml").read_text())["site"] if one["id"] == "mill")
        assert site["position"] == [22.5431, 114.0579]
    path.write_bytes(b"PK\x03\x04")
    assert "is an Excel workbook" in run(city, "import", str(path)).err


def test_more_than_any_registry_has_is_refused_in_seconds_and_bounded_memory(city, tmp_path):  # noqa: F811
    path = tmp_path / "boards.csv"
    block = "".join(f"b-{number},mill,a board at the north fence\n" for number in range(10_000)).encode()
    with path.open("wb") as file:
        file.write(b"id,site,note\n")
        while file.tell() < 100_000_000:
            file.write(block)
    begin = time.monotonic()
    done = subprocess.run(
        [*FENCELINE, "registry", "import", path, "--config", city / "fenceline.toml"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (600_000_000, 600_000_000)),
    )
    assert time.monotonic() - begin < 30
    assert done.returncode == 2
    assert done.stderr.startswith(f"fenceline: {path}, line {MOST + 2}: is more than is taken at once ({MOST} rows, ")
    assert done.stderr.count("\n") == 1


def test_a_long_file_of_few_entries_is_taken(city, tmp_path):  # noqa: F811
    path = tmp_path / "boards.csv.gz"  # as a spreadsheet saves a sheet whose empty rows were touched
    path.write_bytes(gzip.compress(b"id,site,note,,\r\nb-900,mill,east,,\r\n" + b",,,,\r\n" * 1_000_000))
    ended = run(city, "import", str(path))
    assert ended.code == 0, ended.err
    assert "1 added" in ended.out


@pytest.mark.parametrize(
    "text",
    [
        "区县设备登记表,,,\n2026年3月1日,,,\n\n编号,站点,备注,\nb-900,mill,东门,\n",
        "设备登记表\n编号;站点;备注\nb-900;mill;东门\n",
        "＂ＩＤ＂\t站点（编号）\tNote\nb-900\tmill\t东门\n",
        '"编号*","站点*","备注 (选填)"\r\n"b-900","mill","东门"\r\n',
        "编号|站点|备注\rb-900|mill|东门\r",
    ],
)
def test_registers_as_offices_keep_them_are_read(city, tmp_path, text):  # noqa: F811
    for number, encoding in enumerate(("utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-be")):
        path = tmp_path / f"{number}.csv"
        try:
            path.write_bytes(text.encode(encoding))
        except UnicodeEncodeError:
            continue
        ended = run(city, "import", str(path), "--dry-run", "--json")
        assert ended.code == 0, (encoding, ended.err)
        change = json.loads(ended.out)["changes"][0]
        assert (change["kind"], change["id"]) == ("board", "b-900"), encoding
        assert change["fields"]["note"][1] == "东门"


@pytest.mark.parametrize("date", ["46082", "2026年3月1日", "2026/3/1 0:00", "13/3/2026", "2026.03.01", "20260301"])
def test_dates_and_ids_are_read_as_spreadsheets_leave_them(city, tmp_path, date):  # noqa: F811
    path = tmp_path / "boards.csv"
    path.write_text(f"id,site,installed\nｂ-９00\u200b,mill\u00a0,{date}\n", "utf-8")
    ended = run(city, "import", str(path), "--json")
    assert ended.code == 0, ended.err
    (change,) = json.loads(ended.out)["changes"]
    assert (change["id"], change["fields"]["site"][1]) == ("b-900", "mill")
    assert change["fields"]["installed"][1] == ("2026-03-13" if date.startswith("13") else "2026-03-01")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"id,site,note\nb-900,mill,{'x' * 20_000}\n", "note: has 20000 characters; expected 10000 at most"),
        ("id,site,installed\nb-900,mill,1/2/2026\n", "column installed: '1/2/2026' is not a date"),
        ("id,site,installed\nb-900,mill,2026-03-01 12:30\n", "column installed: '2026-03-01 12:30' is not a date"),
        ("id,site\nb-900,mill,x\n", "line 2: has 3 cells; expected 2, as in line 1"),
        ('id,site\nb-900,"mill\n', "line 2: is not valid CSV"),
        ("id,site,id\nb-900,mill,x\n", "line 1: column 'id' stands there twice"),
        ("\n\nid,sites\nb-900,mill\n", "line 3: cannot tell sites from boards"),
        ("", "line 1: cannot tell sites from boards"),
    ],
)
def test_what_is_wrong_in_a_register_is_told_with_its_line(city, tmp_path, text, told):  # noqa: F811
    path = tmp_path / "boards.csv"
    path.write_text(text, "utf-8")
    ended = run(city, "import", str(path))
    assert (ended.code, ended.out) == (2, "")
    assert told in ended.err
