"""`fenceline domain` as people and programs use it."""

import json
import shutil
from pathlib import Path

import pytest

import fenceline
from schemas import domains
from tests.json_lines import rows_of

HARBOUR = Path(__file__).resolve().parents[2] / "data" / "domains" / "harbour"


@pytest.fixture(autouse=True)
def plain(monkeypatch, tmp_path):
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("FENCELINE_LANG", "en")
    monkeypatch.chdir(tmp_path)
    yield
    domains.use(())


@pytest.fixture
def run(monkeypatch, capsys):
    """Run a command; return its exit code, output and errors."""

    def run_(*arguments):
        monkeypatch.setattr("sys.argv", ["fenceline", "domain", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            fenceline.main()
        return ended.value.code, *capsys.readouterr()

    return run_


@pytest.fixture
def config(tmp_path):
    """A city with a pack of its own."""
    shutil.copytree(HARBOUR, tmp_path / "packs" / "harbour")
    path = tmp_path / "fenceline.toml"
    path.write_text('registry = "registry.toml"\nkeys = "keys.toml"\ndomains = ["packs/harbour"]\n', "utf-8")
    return path


def test_the_list_has_the_citys_own_packs(run, config):
    code, out, err = run("list", "--config", config)
    assert (code, err) == (0, "")
    packs = ["construction", "factory", "merchants", "muck", "sanitation", "harbour"]
    assert [line.split()[0] for line in out.splitlines()[1:]] == packs
    _, out, _ = run("list", "--json", "--config", config)
    assert [row["id"] for row in rows_of(out)] == packs
    assert json.loads(out.splitlines()[-1]) == {"summary": True, "packs": 6}


def test_a_pack_is_shown_by_its_id_or_its_folder(run, tmp_path):
    for name in (HARBOUR, "factory"):
        code, out, _ = run("show", name, "--json")
        told = json.loads(out)
        assert code == 0
        assert told["kinds_declared"] == ["berth" if name == HARBOUR else "factory"]
    code, out, _ = run("show", HARBOUR, "--lang", "zh")
    assert code == 0
    assert "港口" in out
    assert "h2s" in out
    code, out, err = run("show", "harbor")
    assert (code, out) == (2, "")
    assert "there is no domain pack 'harbor'; expected the folder of one, or one of: construction, factory" in err


def test_a_whole_pack_is_told_to_be_well_also_one_in_use(run, config):
    for arguments in ((HARBOUR,), (config.parent / "packs" / "harbour", "--config", config)):
        code, out, err = run("check", *arguments)
        assert (code, out, err) == (0, "All is well.\n", "")


def test_a_wrong_pack_is_explained_whole_in_both_languages(run, config):
    folder = config.parent / "packs" / "harbour"
    for name, old, new in (("pack.toml", "one = ", "oen = "), ("scenario.toml", 'kind = "berth"', 'kind = "bert"')):
        path = folder / name
        path.write_text(path.read_text("utf-8").replace(old, new), "utf-8")
    code, out, err = run("check", folder, "--config", config)
    assert (code, err) == (2, "")
    assert f"{folder}/pack.toml:8: kind.berth.oen: there is no such field; did you mean 'one'?" in out
    assert f"{folder}/pack.toml:5: kind.berth.one: is missing; add it: expected a text, in quotes" in out
    assert out.endswith("2 fault(s).\n")
    code, out, _ = run("check", folder, "--json", "--lang", "zh")
    rows = rows_of(out)
    assert code == 2
    assert {(Path(row["file"]).name, row["line"], row["field"]) for row in rows} == {
        ("pack.toml", 5, "kind.berth.one"),
        ("pack.toml", 8, "kind.berth.oen"),
    }
    assert {row["problem"] for row in rows} == {
        "没有该字段；是否为 'one'？",
        "缺失，请补充：应为文本，写在引号中",
    }


def test_a_configuration_with_a_wrong_pack_is_refused(run, config):
    (config.parent / "packs" / "harbour" / "pack.toml").unlink()
    code, out, err = run("list", "--config", config)
    assert (code, out) == (2, "")
    assert "is no domain pack, there is no pack.toml in it; name a pack's own folder" in err
    assert "\n" not in err.strip()


def test_wrong_params_of_a_rule_and_a_case_that_gives_something_else_are_told(run, config, tmp_path):
    pack = tmp_path / "packs" / "harbour"
    rules, case = pack / "rules" / "work.toml", pack / "cases" / "gate.toml"
    rules.write_text(rules.read_text("utf-8").replace("within = 600", 'within = "soon"'), "utf-8")
    case.write_text(case.read_text("utf-8").replace('outcome = "exceeded"', 'outcome = "compliant"'), "utf-8")
    code, out, _ = run("check", pack, "--config", config, "--json")
    found = {Path(row["file"]).name: row for row in rows_of(out)}
    assert code == 2
    assert set(found) == {"work.toml", "full-sump.toml", "gate.toml"}
    assert found["work.toml"]["field"] == "rule[5].params"
    assert "within" in found["work.toml"]["problem"]
    assert "'sump-emptied'" in found["full-sump.toml"]["problem"]
    gave = found["gate.toml"]["problem"]
    assert "gave: 2026-03-03 10:00:00 to 2026-03-03 10:00:01 exceeded violation" in gave
    assert "expected: 2026-03-03 10:00:00 to 2026-03-03 10:00:01 compliant violation" in gave
    assert "应为" in run("check", pack, "--config", config, "--lang", "zh")[1]
