"""What an inspector may rely on in every panel, checked on the generated files that Grafana really gets."""

import json
import re

import pytest
from typer.testing import CliRunner

from dashboards import Lang, files
from dashboards.cli import app
from dashboards.generate import FOLDER
from schemas import load_limits, load_quantities

CHINESE = re.compile(r"[\u4e00-\u9fff]")
LEVELS = [key for key, quantity in load_quantities().items() if quantity.aggregate == "energy_mean"]


def dashboards(lang):
    return [json.loads((FOLDER / path).read_text("utf-8")) for path in files(lang)]


def panels(lang):
    return [panel for board in dashboards(lang) for panel in board["panels"]]


def statements(panel):
    return [target["query"] for target in panel["targets"]]


def override(panel, ref_id):
    return {
        entry["id"]: entry["value"]
        for rule in panel["fieldConfig"]["overrides"]
        if rule["matcher"] == {"id": "byFrameRefID", "options": ref_id}
        for entry in rule["properties"]
    }


def run(*arguments):
    return CliRunner().invoke(app, ["build", *map(str, arguments)])


def test_the_committed_files_are_current():
    assert run("--check").exit_code == 0


def test_check_names_the_file_that_is_not_current_and_leaves_it_alone(tmp_path):
    assert run("--out", tmp_path).exit_code == 0
    changed = tmp_path / "zh" / "site.json"
    changed.write_text("{}\n")

    result = run("--out", tmp_path, "--check")

    assert result.exit_code == 1
    assert str(changed) in result.stderr
    assert str(tmp_path / "en") not in result.stderr
    assert changed.read_text() == "{}\n"


def test_one_language_can_be_built_alone(tmp_path):
    assert run("--lang", "zh", "--out", tmp_path).exit_code == 0
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.glob("*/*")] == ["zh/site.json"]


def test_an_unknown_language_is_a_users_mistake():
    result = run("--lang", "fr")
    assert result.exit_code == 2
    assert "'fr'" in result.stderr


@pytest.mark.parametrize("lang", Lang)
def test_every_panel_says_what_it_is_and_in_which_unit(lang):
    for panel in panels(lang):
        assert panel["title"]
        assert len(panel["description"]) > 50
        config = panel["fieldConfig"]
        units = [
            entry["value"] for rule in config["overrides"] for entry in rule["properties"] if entry["id"] == "unit"
        ]
        assert config["defaults"].get("unit") or units, panel["title"]


def test_units_are_those_of_the_catalogue():
    quantities = load_quantities()
    for panel in panels(Lang.EN):
        for target in panel["targets"]:
            if target["refId"] in quantities:
                assert panel["fieldConfig"]["defaults"]["unit"] == f"suffix: {quantities[target['refId']].label}"


@pytest.mark.parametrize("lang", Lang)
def test_no_statement_averages_decibels(lang):
    for panel in panels(lang):
        for statement in statements(panel):
            if any(f'"{key}"' in statement for key in [*LEVELS, "lafmax", "lafmin"]):
                assert "mean(" not in statement.lower()


@pytest.mark.parametrize("lang", Lang)
def test_a_gap_is_a_gap(lang):
    for panel in panels(lang):
        if panel["type"] != "timeseries":
            continue
        custom = panel["fieldConfig"]["defaults"]["custom"]
        assert custom["spanNulls"] is False
        for target in panel["targets"]:
            if "fill(null)" in target["query"]:
                # The empty rows are there, provided that no step is shorter than the longest record.
                assert panel["interval"] == "60s"
            else:
                assert override(panel, target["refId"])["custom.insertNulls"] > 60_000


def test_the_limits_drawn_are_those_of_the_catalogue():
    noise = panels(Lang.EN)[0]
    drawn = {target["refId"]: target["query"] for target in noise["targets"] if target["refId"].endswith("_limit")}
    expected = [limit for standard, limit in load_limits() if standard.id == "GB 12523-2025"]
    assert expected
    for limit in expected:
        assert f"+ {limit.value:g} AS" in drawn[f"{limit.quantity}_limit"]


def test_flagged_readings_stand_in_a_table_of_their_own():
    asked = {
        panel["type"]: " ".join(statements(panel)) for panel in panels(Lang.EN) if "flagged" in str(panel["targets"])
    }
    assert list(asked) == ["table"]
    assert all(f'"{column}"' in asked["table"] for column in ("device", "quantity", "flag", "value", "dt"))


def texts(board):
    """Everything a person reads."""
    for item in [board, *board["panels"]]:
        yield item["title"]
        yield item["description"]
    for variable in board["templating"]["list"]:
        yield variable["label"]
    for panel in board["panels"]:
        for rule in panel["fieldConfig"]["overrides"]:
            for entry in rule["properties"]:
                if entry["id"] == "displayName":
                    yield entry["value"]
                if entry["id"] == "mappings":
                    yield from (result["text"] for result in entry["value"][0]["options"].values())
        for target in panel["targets"]:
            if "$tag_device" not in target.get("alias", "$tag_device"):
                yield target["alias"]


def test_every_text_of_the_chinese_dashboards_is_chinese():
    for board in dashboards(Lang.ZH):
        for text in texts(board):
            assert CHINESE.search(text), text


def test_no_text_of_the_english_dashboards_is_chinese():
    for board in dashboards(Lang.EN):
        assert not CHINESE.search(json.dumps(board, ensure_ascii=False))


def test_both_languages_ask_the_same():
    asked = [[statements(panel) for panel in panels(lang)] for lang in Lang]
    assert asked[0] == asked[1]


def test_files_end_with_a_newline_and_members_are_sorted():
    for lang in Lang:
        for text in files(lang).values():
            assert text.endswith("}\n")
            assert text == json.dumps(json.loads(text), ensure_ascii=False, indent=2, sort_keys=True) + "\n"
