"""What an inspector may rely on in every panel, checked on the generated files that Grafana really gets."""

import json
import re

import pytest
from typer.testing import CliRunner

from dashboards import Lang, files
from dashboards.cli import app
from dashboards.generate import FOLDER, builders
from dashboards.statements import READINGS, rolled_up
from hub.series.base import PERIODS
from hub.series.rollups import NOT_ROLLED_UP
from schemas import load_quantities
from schemas.domains import packs

CHINESE = re.compile(r"[\u4e00-\u9fff]")
LEVELS = [key for key, quantity in load_quantities().items() if quantity.unit == "dB[SPL]"]
KIND = "${__data.fields.site_kind}"
LEADS_TO = {kind: pack.dashboard.name for pack in packs() if pack.dashboard for kind in pack.manifest.kind}
SYMBOLS = {quantity.symbol for quantity in load_quantities().values()}


def dashboards(lang):
    return [json.loads((FOLDER / path).read_text("utf-8")) for path in files(lang)]


def board_of(lang, name):
    return json.loads((FOLDER / lang / f"{name}.json").read_text("utf-8"))


def panels(lang):
    """Return the panels that ask for something; a text asks for nothing."""
    return [panel for board in dashboards(lang) for panel in board["panels"] if panel["type"] != "text"]


def statements(panel):
    return [target["query"] for target in panel["targets"]]


def override(panel, ref_id):
    return {
        entry["id"]: entry["value"]
        for rule in panel.get("fieldConfig", {}).get("overrides", ())
        if rule["matcher"] == {"id": "byFrameRefID", "options": ref_id}
        for entry in rule["properties"]
    }


def overridden(panel, name):
    """Return how a field looks, by its name."""
    return {
        entry["id"]: entry["value"]
        for rule in panel.get("fieldConfig", {}).get("overrides", ())
        if rule["matcher"] == {"id": "byName", "options": name}
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
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.glob("*/*")} == {f"zh/{name}" for name in builders()}


def test_an_unknown_language_is_a_users_mistake():
    result = run("--lang", "fr")
    assert result.exit_code == 2
    assert "'fr'" in result.stderr


@pytest.mark.parametrize("lang", Lang)
def test_every_panel_says_what_it_is_and_in_which_unit(lang):
    for panel in panels(lang):
        assert panel["title"]
        assert len(panel["description"]) > (50 if lang is Lang.EN else 20), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["targets"], panel["title"]


@pytest.mark.parametrize("lang", Lang)
def test_no_panel_averages_decibels(lang):
    for panel in panels(lang):
        for statement in statements(panel):
            if any(f'"{key}"' in statement for key in LEVELS):
                assert "mean(" not in statement.lower()
                assert "median(" not in statement.lower()


@pytest.mark.parametrize("lang", Lang)
def test_a_gap_is_a_gap(lang):
    for panel in panels(lang):
        if panel["type"] not in {"timeseries", "state-timeline"}:
            continue
        assert panel["fieldConfig"]["defaults"].get("custom", {}).get("spanNulls", False) is False
        for target in panel["targets"]:
            if "fill(null)" in target["query"]:
                # The empty rows are there, provided that no step is shorter than the longest record.
                assert panel["interval"] in {"60s", "10m", "1h"}
            else:
                assert override(panel, target["refId"])["custom.insertNulls"] > 60_000


def test_no_limit_is_typed_into_a_dashboard():
    """Every red line asks for the limit with which the hub judged."""
    drawn = [
        target["query"]
        for panel in panels(Lang.EN)
        for target in panel["targets"]
        if override(panel, target["refId"]).get("color") == {"mode": "fixed", "fixedColor": "red"}
    ]
    assert len(drawn) > 8
    assert all('"limit_value"' in query and 'FROM "verdict' in query for query in drawn)
    fixed = {
        step["value"]
        for board in ("site", "factory")
        for panel in board_of(Lang.EN, board)["panels"]
        for step in panel["fieldConfig"]["defaults"].get("thresholds", {}).get("steps", ())
    }
    assert fixed <= {None, 0, 0.75, 0.8, 1.0}  # shares of a limit, or of a window


def test_flagged_readings_stand_in_panels_of_their_own():
    asked = {panel["type"] for panel in panels(Lang.EN) if any('FROM "flagged"' in one for one in statements(panel))}
    assert asked == {"table", "state-timeline"}
    for panel in panels(Lang.EN):
        sources = {'FROM "flagged"' in one for one in statements(panel)}
        assert len(sources) == 1, panel["title"]


@pytest.mark.parametrize("lang", Lang)
def test_nothing_is_told_by_colour_alone(lang):
    for panel in panels(lang):
        config = panel["fieldConfig"]
        mappings = [*config["defaults"].get("mappings", ())]
        for rule in config["overrides"]:
            mappings += [one for entry in rule["properties"] if entry["id"] == "mappings" for one in entry["value"]]
        results = []
        for one in mappings:
            results += one["options"].values() if one["type"] == "value" else [one["options"]["result"]]
        texts_of = [result["text"] for result in results]
        assert all(texts_of), panel["title"]
        coloured = [result["text"] for result in results if result.get("color")]
        assert len(coloured) == len(set(coloured))


def test_links_keep_the_time_range_and_the_site():
    for name in builders():
        board = board_of(Lang.EN, name.removesuffix(".json"))
        if name == "public.json":
            assert not board.get("links")
            continue
        (link,) = board["links"]
        assert (link["keepTime"], link["includeVars"], link["tags"]) == (True, True, ["fenceline", "en"])


@pytest.mark.parametrize("lang", Lang)
def test_a_row_leads_to_its_site_in_the_same_time_range(lang):
    """Wherever a site is named; the links are filled in from the row's own fields."""
    boards = {board["uid"] for board in dashboards(lang)}
    seen = set()
    for board in dashboards(lang):
        for panel in board["panels"]:
            for rule in panel.get("fieldConfig", {}).get("overrides", ()):
                for link in (one for entry in rule["properties"] if entry["id"] == "links" for one in entry["value"]):
                    uid = link["url"].removeprefix("/d/").partition("?")[0]
                    assert {uid.replace(KIND, kind) for kind in ("site", "factory")} <= boards
                    if "from=" in link["url"]:
                        continue
                    assert "${__url_time_range}" in link["url"]
                    assert all('"district"' in statement and '"site"' in statement for statement in statements(panel))
                    if KIND in link["url"]:
                        kinds = overridden(panel, "site_kind")["mappings"][0]["options"]
                        assert {kind: to["text"] for kind, to in kinds.items()} == LEADS_TO
                    seen.add((board["uid"], panel["title"]))
    assert len(seen) >= 6


def test_the_public_dashboard_needs_no_variable_and_names_nobody():
    """Grafana's public dashboards know no variables, and their statements are filled in by its server alone."""
    for lang in Lang:
        board = board_of(lang, "public")
        assert not board.get("templating", {}).get("list")
        for panel in (one for one in board["panels"] if one["type"] != "text"):
            assert panel["datasource"]["uid"] == "fenceline"
            for statement in statements(panel):
                assert set(re.findall(r"\$\{?\w+", statement)) <= {"$timeFilter", "$__interval"}
                assert not re.search(r'"(site|device|site_en|site_zh|rule)"', statement)
            assert "$tag_site" not in json.dumps(panel)


def texts(board):
    """Everything a person reads."""
    for item in [board, *board["panels"]]:
        yield item["title"]
        yield item["description"]
    for variable in board.get("templating", {}).get("list", ()):
        yield variable["label"]
    for panel in board["panels"]:
        for rule in panel.get("fieldConfig", {}).get("overrides", ()):
            for entry in rule["properties"]:
                words = re.sub(r"\$\{[^}]*\}|[·() ]", "", str(entry["value"]))
                if entry["id"] == "displayName" and words and words not in SYMBOLS:
                    yield entry["value"]
        for target in panel.get("targets", ()):
            words = re.sub(r"\$\w+|[() :]", "", target.get("alias", ""))
            if words and words not in SYMBOLS:
                yield words


def test_every_text_of_the_chinese_dashboards_is_chinese():
    for board in dashboards(Lang.ZH):
        for text in texts(board):
            assert CHINESE.search(text), text


def test_no_text_of_the_english_dashboards_is_chinese():
    for board in dashboards(Lang.EN):
        assert not CHINESE.search(json.dumps(board, ensure_ascii=False))


def test_both_languages_ask_the_same():
    def asked(lang):
        named = [re.sub(r'AS "[^"]*"', "AS ...", one) for panel in panels(lang) for one in statements(panel)]
        return [one.replace(f"_{lang}", "_...") for one in named]

    assert asked(Lang.EN) == asked(Lang.ZH)


def test_only_the_quantities_that_the_hub_rolls_up_are_asked_for_in_rollups():
    for key, quantity in load_quantities().items():
        assert rolled_up(quantity) == (key not in NOT_ROLLED_UP)
    assert {step.suffix.removeprefix("_") for step in READINGS} - {""} == set(PERIODS.values())


def test_files_end_with_a_newline_and_members_are_sorted():
    for lang in Lang:
        for text in files(lang).values():
            assert text.endswith("}\n")
            assert text == json.dumps(json.loads(text), ensure_ascii=False, indent=2, sort_keys=True) + "\n"
