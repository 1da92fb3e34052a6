"""`fenceline limits` as people and programs use it."""

import json

import pytest

import fenceline
from schemas import load_limits
from tests.json_lines import rows_of

REGISTRY = """
timezone = "Asia/Shanghai"
[[site]]
id = "mill"
district = "nanhai"
kind = "factory"
en = "Old Mill"
zh = "老面粉厂"
zone_class = "3"
"""


PROVINCE = """
timezone = "Asia/Shanghai"
[[city]]
id = "xian"
en = "Xi'an"
zh = "西安"
jurisdiction = "Shaanxi"
[[district]]
id = "yanta"
city = "xian"
en = "Yanta"
zh = "雁塔"
[[site]]
id = "pit"
district = "yanta"
kind = "construction"
en = "Pit"
zh = "基坑"
properties = {phase = "structure"}
"""


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("FENCELINE_LANG", "en")


@pytest.fixture
def run(monkeypatch, capsys):
    """Run a command; return its exit code, output and errors."""

    def run_(*arguments):
        monkeypatch.setattr("sys.argv", ["fenceline", "limits", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            fenceline.main()
        return ended.value.code, *capsys.readouterr()

    return run_


@pytest.fixture
def config(tmp_path):
    (tmp_path / "registry.toml").write_text(REGISTRY, "utf-8")
    path = tmp_path / "fenceline.toml"
    path.write_text('registry = "registry.toml"\nkeys = "keys.toml"\n', "utf-8")
    return path


def test_the_list_tells_value_rule_dates_and_letters(run):
    code, out, err = run("list", "--standard", "gb12523-2025")
    assert (code, err) == (0, "")
    for words in (
        "laeq-night",
        "55 dB(A)",
        "20 min energy mean",
        "22:00-06:00",
        "from 2026-01-01",
        "S/U",
        "unverified",
    ):
        assert words in out
    assert "GB 12348" not in out


def test_the_list_in_chinese(run):
    _, out, _ = run("list", "--standard", "GB 12523-2025", "--lang", "zh")
    for words in ("夜间20分钟等效声级", "20分钟能量平均", "建筑工地", "未核实"):
        assert words in out


def test_the_list_is_narrowed_by_quantity_place_and_day(run):
    def listed(*options):
        return {(one["standard"], one["id"]) for one in rows_of(run("list", "--json", *options)[1])}

    everything = listed()
    shanghai = listed("--quantity", "tsp", "--jurisdiction", "Shanghai", "--day", "2026-02-28")
    assert ("DB31/964-2016", "pm-high") in shanghai
    assert ("GB 3095-2012", "tsp-day-2") in shanghai
    assert shanghai < everything
    assert not {id_ for id_, _ in shanghai} & {"GB 3095-2026", "DB44/27-2001", "EU 2008/50", "GB 12523-2025"}
    assert ("GB 3095-2026", "tsp-day-2") in listed("--quantity", "tsp", "--day", "2026-03-01")


def test_json_tells_the_whole_limit(run):
    (limit,) = rows_of(run("list", "--json", "--standard", "DB13/2934-2019")[1])
    assert limit["value"] == 80
    assert limit["permitted"] == {"count": 2, "per": "day"}
    (step,) = limit["averaging"]["steps"]
    assert (step["window"], step["statistic"], step["least_valid"]) == ("1 h", "mean", 0.75)


def test_a_standard_is_shown_whole_with_its_sources(run):
    code, out, _ = run("show", "gb 13271-2014")
    assert code == 0
    for words in ("Emission standard of air pollutants for boilers", "zglvche.com", "GB 13271-2001", "at 3.5 % O2"):
        assert words in out
    _, out, _ = run("show", "GB 12523-2025")
    assert "wind of 5 m/s or more" in out
    assert "5.4.2" in out
    told = json.loads(run("show", "GB 3095-2012", "--json")[1])
    assert told["standard"]["ends"] == "2026-03-01"
    assert len(told["limits"]) == 54


def test_the_limits_of_a_site_of_the_registry_are_explained(run, config):
    code, out, _ = run("explain", "mill", "--config", config, "--day", "2026-11-22")
    assert code == 0
    binding = out.split("For information")[0]
    assert "GB 12348-2008" in binding
    assert "laeq-night-3" in binding
    assert "laeq-night-2" not in binding
    assert "GB 12523-2025: for a construction site only (limits: 3)" in out
    assert "depends on plant" in out.split("Open:")[1]


def test_the_city_and_the_properties_of_a_site_of_the_registry_count(run, tmp_path):
    (tmp_path / "registry.toml").write_text(PROVINCE, "utf-8")
    config = tmp_path / "fenceline.toml"
    config.write_text('registry = "registry.toml"\nkeys = "keys.toml"\n', "utf-8")

    def bound(*options):
        told = rows_of(run("explain", "pit", "--config", config, "--day", "2026-11-22", "--json", *options)[1])
        return {f"{one['standard']} {one['limit']}" for one in told if one["status"] == "binds"}

    assert {"DB61/1078-2017 tsp-structure", "GB 12523-2025 laeq-day"} <= bound()
    assert not any(rule.startswith("GB 16297") for rule in bound())
    # What if it were elsewhere, or at another phase?
    assert "GB 16297-1996 boundary-pm" in bound("--jurisdiction", "CN-JX")
    assert "DB61/1078-2017 tsp-earthworks" in bound("--property", "phase=earthworks")


def test_what_is_for_other_classes_is_one_line_for_each_standard(run):
    _, out, _ = run("explain", "--kind", "construction", "--zone", "2", "--day", "2026-11-22")
    assert out.count("GB 3096-2008: for zone class") == 1
    assert "GB 3096-2008: for zone class 0, 1, 3, 4a, 4b; this site: 2 (limits: 15)" in out
    assert "WHO 2021: for who_target = IT1, IT2, IT3, IT4; this site: AQG (limits: 26)" in out


def test_a_narrow_terminal_still_tells_how_each_limit_is_averaged(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    _, out, _ = run("show", "GB 12523-2025")
    assert max(map(len, out.splitlines())) <= 80
    assert "Averaging: 20 min energy mean (≥ 75 %): laeq-day, laeq-night" in out


def test_the_limits_of_any_site_are_explained_without_a_registry(run):
    options = ("--kind", "construction", "--zone", "2", "--jurisdiction", "CN-SH", "--day", "2025-12-31")
    told = {(one["standard"], one["limit"]): one for one in rows_of(run("explain", *options, "--json")[1])}
    assert told["GB 12523-2011", "laeq-day"]["status"] == "binds"
    assert told["GB 12523-2025", "laeq-day"] | {"why": ""} == {
        "standard": "GB 12523-2025",
        "limit": "laeq-day",
        "status": "no",
        "reason": "not_yet",
        "missing": "",
        "assumed": {},
        "why": "",
        "quantity": "laeq",
        "value": 70,
        "stated": "70 dB(A)",
        "verified": "S",
        "averaging_verified": "U",
    }
    assert "2026-01-01" in told["GB 12523-2025", "laeq-day"]["why"]
    assert told["DB31/964-2016", "pm-low"]["status"] == "binds"
    assert told["GB 16297-1996", "boundary-pm"]["reason"] == "displaced"


def test_properties_of_a_site_may_be_given(run):
    options = ("--kind", "factory", "--zone", "3", "--property", "plant=gas_turbine", "--property", "fuel=gas")
    bound = {one["limit"] for one in rows_of(run("explain", *options, "--json")[1]) if one["status"] == "binds"}
    assert "turbine-nox" in bound


def test_the_explanation_in_chinese(run):
    _, out, _ = run("explain", "--kind", "construction", "--zone", "2", "--lang", "zh")
    for words in ("有约束力", "仅供参考", "建筑工地排放限值", "不适用"):
        assert words in out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("explain",), ["SITE", "--kind"]),
        (("explain", "mill", "--kind", "factory"), ["SITE", "--kind"]),
        (("explain", "--kind", "farm"), ["farm", "construction", "factory"]),
        (("explain", "--kind", "factory", "--zone", "5"), ["--zone 5", "4a"]),
        (("explain", "--kind", "factory", "--jurisdiction", "Shangai"), ["Shangai", "CN-SH"]),
        (("explain", "--kind", "factory", "--property", "fule=gas"), ["fule", "'fuel'"]),
        (("explain", "--kind", "factory", "--property", "fuel=wood"), ["fuel=wood", "coal, oil, gas"]),
        (("explain", "--kind", "factory", "--day", "31.12.2025"), ["31.12.2025", "2026-03-01"]),
        (("explain", "mill", "--config", "nowhere.toml"), ["nowhere.toml", "cannot be read"]),
        (("show", "GB 3095"), ["GB 3095", "GB 3095-2026"]),
        (("list", "--quantity", "pm11"), ["pm11", "pm1"]),
        (("list", "--standard", "??"), ["??", "limits list"]),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(run, arguments, told):
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    for words in told:
        assert words in err


def test_an_unknown_site_is_refused_with_the_nearest(run, config):
    code, _, err = run("explain", "mil", "--config", config)
    assert code == 2
    assert "did you mean 'mill'" in err


@pytest.mark.parametrize(("lang", "words"), [("en", "98th percentile"), ("zh", "第98百分位数")])
def test_the_whole_catalogue_is_listed_and_every_standard_shown_in_both_languages(run, lang, words):
    code, out, err = run("list", "--lang", lang)
    assert (code, err, words in out) == (0, "", True)
    for id_ in {standard.id for standard, _ in load_limits()}:
        code, out, err = run("show", id_, "--lang", lang)
        assert (code, err, id_ in out) == (0, "", True)


def test_a_site_says_what_is_missing_and_assumed(run):
    told = rows_of(run("explain", "--kind", "construction", "--jurisdiction", "Shaanxi", "--json")[1])
    missing = {f"{one['standard']} {one['limit']}": one["missing"] for one in told if one["missing"]}
    assert missing["DB61/1078-2017 tsp-earthworks"] == "phase"
    (day,) = [one for one in told if (one["standard"], one["limit"]) == ("GB 12523-2025", "laeq-day")]
    assert day["assumed"] == {"sensitive": "near", "works": "planned"}
