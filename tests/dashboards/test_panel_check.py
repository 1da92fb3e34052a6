"""`fenceline grafana check`: every query through Grafana's own query interface, on a real InfluxDB."""

import json
import time
import urllib.request

import pytest

from dashboards.panel_check import chosen, fill, parse_span, questions
from schemas.errors import UserError

OFFERED = 'choice_en="Gate 7 (gate-7)",choice_district_en="North (1) (north)"'
STORE = ("--store-url", "http://influxdb:8086")


@pytest.fixture
def pushed(server, influxdb, run):
    """A Grafana with our dashboards, in front of a database that has the rollups of one site."""
    server.engine = influxdb.url
    influxdb.create_database("fenceline")
    now = int(time.time())
    place = "district=north,site=gate-7,device=a1"
    lines = [
        f"place,district=north,site=gate-7,kind=construction boards=1i,{OFFERED} {now - 60}",
        f"state,district=north,site=gate-7,kind=construction level=1i,{OFFERED} {now - 60}",
        f"noise_10m,{place} laeq=61.5,lafmax=74.2 {now - 600}",
        f"dust_10m,{place} pm10=81,pm25=35 {now - 600}",
    ]
    urllib.request.urlopen(f"{influxdb.url}/write?db=fenceline&precision=s", "\n".join(lines).encode()).close()
    assert run("push", server.url, *STORE).exit_code == 0
    return server


def test_every_query_is_asked_with_values_that_the_database_has(pushed, run):
    result = run("check", pushed.url, "--lang", "en", "--json")

    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["ok"]
    site = [one for one in told["queries"] if one["dashboard"] == "Construction site"]
    rows = {(one["panel"], one["query"]): one["rows"] for one in site}
    assert rows["$site", "site"] >= 1
    assert rows["Noise at the boundary", "noise_10m"] == 1
    assert rows["Dust at the boundary", "dust_10m"] >= 1
    assert rows["Flagged readings", "flagged"] == 0
    rules = {one["query"] for one in told["queries"] if one["dashboard"] == "Fenceline"}
    assert rules == {"ask_beats", "ask_late", "ask_silent"}


def test_the_table_tells_what_has_no_data_in_the_readers_language(pushed, run):
    shown = run("check", pushed.url, "--lang", "zh", FENCELINE_LANG="zh").stdout
    assert "无数据" in shown
    assert "失败0个" in shown


def test_a_statement_that_the_database_refuses_is_named_and_is_a_failure(pushed, run):
    board = pushed.dashboards["fenceline-site-en"]["dashboard"]
    board["panels"][0]["targets"][0]["query"] = 'SELEKT "laeq" FROM "noise"'

    result = run("check", pushed.url, "--lang", "en")

    assert result.exit_code == 1
    assert "FAILED" in result.stdout
    assert "SELEKT" in result.stdout
    assert "1 failed" in result.stdout


def test_a_database_that_is_away_is_told_once(pushed, run, influxdb):
    influxdb.stop()
    result = run("check", pushed.url)
    assert result.exit_code == 1
    assert "no query was asked" in result.stdout
    assert json.loads(run("check", pushed.url, "--json").stdout)["ok"] is False


def test_what_was_never_pushed_is_told_with_the_remedy(server, run):
    result = run("check", server.url)
    assert isinstance(result.exception, UserError)
    assert "fenceline grafana push" in str(result.exception)


@pytest.mark.parametrize(
    ("begin", "end", "hours"),
    [("now-24h", "now", 24), ("now-7d", "now-1d", 144), ("1000000000000", "1000003600000", 1)],
)
def test_a_time_range_is_written_as_grafana_writes_it(begin, end, hours):
    asked = parse_span(begin, end, 1_800_000_000)
    assert asked.end - asked.begin == hours * 3_600_000
    assert asked.step == max(60_000, hours * 3600)


@pytest.mark.parametrize(("begin", "end"), [("yesterday", "now"), ("now", "now-1h"), ("now-24", "now"), ("-1", "now")])
def test_another_time_range_is_refused(server, run, begin, end):
    result = run("check", server.url, f"--from={begin}", "--to", end)
    assert isinstance(result.exception, UserError)
    assert "--from" in str(result.exception)


def test_queries_are_found_in_folded_rows_and_annotations():
    target = {"refId": "A", "query": "q"}
    board = {
        "panels": [{"type": "row", "title": "r", "panels": [{"title": "p", "targets": [target]}]}],
        "annotations": {"list": [{"builtIn": 1, "name": "x", "query": "-"}, {"name": "alerts", "query": "a"}]},
    }
    assert [(question.panel, question.target["query"]) for question in questions(board)] == [
        ("p", "q"),
        ("@alerts", "a"),
    ]


def test_a_variable_offers_names_and_asks_with_ids():
    regex = r"/^(?<text>.*) \((?<value>[^()]*)\)$/"
    assert chosen("North (old town) (north)", regex) == "north"
    assert chosen("GB 12523-2025", "") == "GB 12523-2025"


def test_variables_are_filled_in_however_they_are_written():
    values = {"site": "pit", "__from": "1"}
    text = fill('"site" =~ /^$site$/ AND ${site:regex} [[site]] ${__from}ms $timeFilter $__interval', values)
    assert text == '"site" =~ /^pit$/ AND pit pit 1ms $timeFilter $__interval'
