"""`fenceline limits coverage`: for each kind of site and quantity a limit, an open one, or none."""

import json
import re
import shutil
from pathlib import Path

import pytest

import fenceline
from schemas import CatalogueError, jurisdictions_of
from schemas.catalogue import HERE
from schemas.no_limits import load_no_limits

HARBOUR = Path(__file__).parents[2] / "data" / "domains" / "harbour"
CITIES = ("Foshan", "Guangzhou", "Nanchang", "Xi'an", "Wuxi")


@pytest.fixture
def run(monkeypatch, capsys):
    """Run the command; return what it prints."""

    def run_(*arguments):
        monkeypatch.setattr("sys.argv", ["fenceline", "limits", "coverage", *arguments])
        with pytest.raises(SystemExit) as ended:
            fenceline.main()
        assert ended.value.code == 0
        return capsys.readouterr().out

    return run_


@pytest.fixture
def rows(run):
    """Return the answers for a city by kind, plant and quantity."""

    def rows_(city):
        *found, summary = map(json.loads, run(city, "--day", "2026-11-28", "--json").splitlines())
        assert summary["rows"] == len(found)
        return {(row["kind"], *(row["properties"].values() or [None]), row["quantity"]): row for row in found}

    return rows_


@pytest.mark.parametrize("city", CITIES)
def test_every_kind_of_site_and_quantity_of_the_cities_is_answered(rows, city):
    found = rows(city)
    assert {row["answer"] for row in found.values()} == {"limit", "open", "none"}
    for row in found.values():
        assert row["verified"] in ("P", "S", "U")
        assert bool(row["standards"]) == (row["answer"] != "none") == (row["none"] is None)
        assert row["none"] is None or row["none"]["source"]


@pytest.mark.parametrize(
    ("city", "key", "answer", "standards", "missing"),
    [
        ("Foshan", ("factory", "boiler", "stack_nox"), "limit", ["DB44/765-2019"], ["fuel", "value"]),
        ("Foshan", ("factory", "other", "stack_nmhc"), "limit", ["DB44/2367-2022"], []),
        ("Guangzhou", ("factory", "other", "stack_so2"), "limit", ["DB44/27-2001"], []),
        ("Wuxi", ("factory", "other", "stack_nox"), "open", ["DB32/4041-2021"], ["value"]),
        ("Wuxi", ("construction", None, "tsp"), "limit", ["DB32/4437-2022"], []),
        ("Xi'an", ("factory", "boiler", "stack_nox"), "open", ["DB61/1226-2018"], ["value"]),
        ("Xi'an", ("factory", "other", "stack_pm"), "open", ["DB61/941-2018"], ["key_industry"]),
        ("Xi'an", ("construction", None, "tsp"), "limit", ["DB61/1078-2017"], ["phase"]),
        ("Nanchang", ("construction", None, "tsp"), "limit", ["GB 16297-1996"], []),
        ("Nanchang", ("factory", "cement", "stack_pm"), "open", ["GB 4915-2013"], ["value"]),
        ("Nanchang", ("factory", "other", "stack_nmhc"), "open", ["DB36/1101-2019"], ["key_industry"]),
        ("Nanchang", ("factory", "other", "stack_so2"), "limit", ["GB 16297-1996"], []),
        ("Nanchang", ("construction", None, "so2"), "none", [], []),
        ("Foshan", ("restaurant", None, "fume"), "limit", ["GB 18483-2001"], []),
        ("Foshan", ("restaurant", None, "laeq"), "limit", ["GB 22337-2008"], ["zone_class"]),
        ("Foshan", ("restaurant", None, "lafmax"), "none", [], []),
    ],
)
def test_by_which_standard(rows, city, key, answer, standards, missing):
    row = rows(city)[key]
    assert (row["answer"], row["standards"], row["missing"]) == (answer, standards, missing)


def test_no_national_limit_stands_where_a_local_one_is_open(rows):
    for city in CITIES:
        for row in rows(city).values():
            local = [one for one in row["standards"] if one.startswith("DB")]
            assert not local or len(local) == len([one for one in row["standards"] if one != "GB 4915-2013"]), row


@pytest.mark.parametrize("by", ["", 'by = "cargo"\n'])
def test_a_pack_of_the_citys_own_says_at_what_its_quantities_are_measured(rows, monkeypatch, tmp_path, by):
    folder = shutil.copytree(HARBOUR, tmp_path / "harbour")
    text = (folder / "pack.toml").read_text("utf-8")
    (folder / "pack.toml").write_text(text.replace("[family.odour]\n", f"[family.odour]\n{by}"), "utf-8")
    monkeypatch.setenv("FENCELINE_DOMAINS", str(folder))
    found = [row for row in rows("Foshan").values() if row["kind"] == "berth" and row["quantity"] == "h2s"]
    assert [row["properties"] for row in found] == ([{"cargo": "bulk"}, {"cargo": "boxes"}] if by else [{}])
    assert [row["answer"] for row in found] == (["limit", "unanswered"] if by else ["limit"]), "its limit is on bulk"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('kinds = ["construction"]', 'kinds = ["constructoin"]', "kind 'constructoin': expected some of: construction"),
        ('quantities = ["stack_co"]', 'quantities = ["stack_c"]', "quantity 'stack_c' is not in quantities.toml"),
        ("plant = [", "plnt = [", "'plnt' is no property of a site"),
        ('plant = ["furnace"]', 'plant = ["oven"]', "'oven'"),
    ],
)
def test_what_has_no_limit_is_checked_as_limits_are(tmp_path, old, new, told):
    text = (HERE / "no_limits.toml").read_text("utf-8")
    assert old in text
    path = tmp_path / "no_limits.toml"
    path.write_text(text.replace(old, new), "utf-8")
    with pytest.raises(CatalogueError, match=re.escape(told)):
        load_no_limits(path)


def test_what_is_limited_and_not_measured_is_named_and_never_among_what_is_judged(run):
    *found, summary = map(json.loads, run("Wuxi", "--json").splitlines())
    named = {one["standard"] for one in summary["unmeasured"]}
    assert named == {"GB 37822-2019", "GB 14554-93"}
    assert not named & {standard for row in found for standard in row["standards"]}
    for one in summary["unmeasured"]:
        assert one["standard"] in run("Wuxi")


@pytest.mark.parametrize(
    ("lang", "words"), [("en", ("a limit", "open", "no limit")), ("zh", ("有限值", "待定", "无限值"))]
)
def test_people_read_it_in_their_language(run, lang, words):
    out = run("南海", "--lang", lang)
    assert all(word in out for word in words)
    assert "DB44/765-2019" in out


def test_a_city_lies_in_its_province_and_a_district_in_its_city():
    assert jurisdictions_of("Nanhai") == jurisdictions_of("佛山") == ("CN-GD-4406", "CN-GD", "CN", "WHO")
    assert jurisdictions_of("Xi'an") == ("CN-SN-6101", "CN-SN", "CN", "WHO")
