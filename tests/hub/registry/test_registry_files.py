"""Registries from other offices' spreadsheets, and for them: nothing is run, nothing is taken for something else."""

import csv
import io
import time
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.registry.exchange import MOST_BYTES
from hub.sheets.cells import csv_line, restored, safe
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


def test_more_than_any_registry_has_is_refused_at_once(city, tmp_path):  # noqa: F811
    path = tmp_path / "boards.csv"
    with path.open("wb") as file:
        file.write(b"id,site\n")
        file.truncate(100_000_000)
    begin = time.monotonic()
    ended = run(city, "import", str(path))
    assert ended.code == 2
    assert f"has more than {MOST_BYTES} bytes" in ended.err
    assert time.monotonic() - begin < 10
