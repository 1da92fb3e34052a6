"""Every query of every panel, as Grafana sends it, on a real InfluxDB that the real hub has filled for a week.

`pytest tests/dashboards/test_week.py -s` prints the panels with the rows that each returned.
"""

import contextlib
import datetime as dt
import functools
import json
import math
import os
import random
import re
import threading
import time
import urllib.parse
import urllib.request
from collections import defaultdict

import pytest
from rich.console import Console
from rich.table import Table

from dashboards import Lang, alerting, queries
from dashboards.generate import FOLDER
from dashboards.statements import READINGS
from hub.reports.points import MEASUREMENTS
from hub.series.influx import of_readings
from schemas import load_quantities
from tests.bench.dashboards import chosen
from tests.conftest import InfluxDB, InfluxDBv2, require, rows_of
from tests.dashboards import week
from tests.dashboards.week import CALIBRATED, DAY, GAP, HOUR, LOUD_DAY, MINUTE, NOW, START, TODAY, YESTERDAY
from tests.influx_gateway import Gateway
from tests.ports import free_port

RANGES = {"24 h": (DAY, "1m"), "7 d": (7 * DAY, "10m"), "30 d": (30 * DAY, "1h"), "1 y": (365 * DAY, "1d")}
"""Ranges that an inspector chooses, with the step that Grafana then does."""
NOT_IN_THIS_CITY = {"pm10_limit_raw", "pm10_limit_24h"}
"""Only some provinces limit PM10 at construction sites."""
NAMES = {"site_en", "site_zh", "site_kind", "district_en", "district_zh", "rule_en", "rule_zh"}
"""Fields that the README names once for all measurements."""
WELL = ("factory", "alerts_boards")
"""The factory's boards give no trouble."""
NO_BOARD = ("factory", "Flow of stack gas", "烟气流量")
"""Only stations measure it, and this city has none: the dashboard, the panel in English and in Chinese."""
NO_OUTLET = {"mass_raw", "mass_24h", "mass_month", "totals", "rates", "marks"}
"""Nor has it outlets with permits (tests/hub/reports/test_reports_emissions.py)."""
OF_PACKS = {
    *("ruling", "load", "papers", "weighed"),
    *("emission", "emission_24h", "emission_month", "permit_total", "mark"),
}
"""What only packs write of which this city has none (tests/hub/reports/)."""
TAGS = {"time", "district", "site", "device", "kind", "standard", "rule", "quantity", "flag", "reason", "hub"}
PLACES = {"site": ("north", "tower"), "factory": ("south", "mill")}
"""District and site that are chosen on a dashboard; on the others: all."""


class Named:
    """The server that INFLUXQL_URL names, with a database of its own."""

    def __init__(self):
        self.url, self.token = os.environ["INFLUXQL_URL"].rstrip("/"), os.environ.get("INFLUXQL_TOKEN", "any:token")
        self.name = f"fenceline_{time.time_ns()}"
        self.query(f"CREATE DATABASE {self.name} {os.environ.get('INFLUXQL_WITH', '')}")

    def query(self, influxql, db=""):
        query = urllib.parse.urlencode({"q": influxql, "db": db and self.name, "epoch": "s"}).encode()
        request = urllib.request.Request(f"{self.url}/query", query, {"Authorization": f"Token {self.token}"})
        with urllib.request.urlopen(request) as answer:
            return rows_of(influxql, json.load(answer))

    def drop(self):
        self.query(f"DROP DATABASE {self.name}")


@contextlib.contextmanager
def ours(folder):
    """The tests' own InfluxDB behind the gateway for v2 writes."""
    (folder / "influxdb").mkdir()
    engine = InfluxDB(require("influxdb"), folder / "influxdb", free_port(), free_port())
    with Gateway(engine.url, InfluxDBv2.token, InfluxDBv2.org) as gateway:
        threading.Thread(target=gateway.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        try:
            engine.create_database("fenceline")
            yield engine, (gateway.url, InfluxDBv2.token, InfluxDBv2.org), "fenceline"
        finally:
            gateway.shutdown()
            engine.stop()


@contextlib.contextmanager
def named():
    """The server that INFLUXQL_URL names: openGemini, or an InfluxDB of 1.8 or later; INFLUXQL_WITH: how to make it."""
    engine = Named()
    try:
        yield engine, (engine.url, engine.token, "any"), engine.name
    finally:
        engine.drop()


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """An engine of InfluxQL in which the hub has written for a week."""
    folder = tmp_path_factory.mktemp("week")
    with (
        pytest.MonkeyPatch.context() as patch,
        named() if "INFLUXQL_URL" in os.environ else ours(folder) as (engine, writes, bucket),
    ):
        for name, value in zip(("URL", "TOKEN", "ORG"), writes, strict=True):
            patch.setitem(os.environ, f"INFLUXDB_V2_{name}", value)
        with week.live(folder, bucket) as hub:
            assert all(hub.sinks[name].position() == hub.log.end() for name in hub.sinks)
        deadline = time.monotonic() + 30  # openGemini shows what was written some seconds later
        for name in ("budget", "fleet", "hub", "state"):
            while not engine.query(f'SELECT * FROM "{name}" WHERE time >= {NOW}s LIMIT 1', "fenceline"):
                assert time.monotonic() < deadline, f"nothing can be read of {name}"
                time.sleep(0.2)
        yield engine


def asked_at(length, interval="1m", lang=Lang.EN, end=NOW + 2 * MINUTE, device=".*"):
    """Return every query for a range of `length` seconds, with the places that are chosen on its dashboard."""
    start, end = (dt.datetime.fromtimestamp(t, week.SHANGHAI) for t in (end - length, end))
    asked = []
    for name in ("city", "site", "factory", "verdicts", "fleet", "public"):
        chosen_ = (*PLACES.get(name, (".*", ".*")), device)
        asked += [one for one in queries(lang, *chosen_, start, end, interval) if one.dashboard == name]
    return asked


@functools.cache
def ask(database, length, interval="1m", lang=Lang.EN, **more):
    """Return the rows of every query by dashboard, panel and query, for a range of `length` seconds; asked once."""
    found = defaultdict(dict)
    for one in asked_at(length, interval, lang, **more):
        rows = database.query(one.statement, "fenceline")
        found[one.dashboard, one.panel][one.query] = [row for row in rows if any(values(row))]
    return found


def values(row):
    """Yield for each value of a row whether there is one: what it is grouped by is none, and an empty step has none."""
    yield from (value is not None for name, value in row.items() if name not in TAGS)


def without_board(board, panel):
    return board == NO_BOARD[0] and panel in NO_BOARD[1:]


@pytest.fixture(scope="module")
def day(database):
    return ask(database, DAY)


@pytest.mark.parametrize("lang", Lang)
@pytest.mark.parametrize("name", RANGES)
def test_no_panel_is_empty(database, name, lang):
    length, interval = RANGES[name]
    found = ask(database, length, interval, lang)
    table = Table("dashboard", "panel", "rows", title=f"{name}, {lang}")
    for (board, panel), asked in found.items():
        table.add_row(
            board, panel, ", ".join(f"{query} {len(rows)}" for query, rows in asked.items() if rows) or "none"
        )
    Console(width=160).print(table)
    empty = {
        (board, query)
        for (board, panel), asked in found.items()
        if not any(asked.values()) and not without_board(board, panel)
        for query in asked
        if query not in NO_OUTLET
    }
    assert empty <= {WELL}


@pytest.mark.parametrize("name", ["24 h", "7 d", "1 y"])
def test_every_query_that_is_meant_for_the_range_finds_rows(database, name):
    found = ask(database, *RANGES[name])
    for one in asked_at(*RANGES[name]):
        known = one.query in NOT_IN_THIS_CITY | NO_OUTLET or (one.dashboard, one.query) == WELL
        if chosen(one.statement) and not known and not without_board(one.dashboard, one.panel):
            assert found[one.dashboard, one.panel][one.query], f"{one.panel}: {one.query}"


def rules(database):
    """Return the rows of each alert rule's queries, asked in the week's last minute."""
    found = {}
    for group in alerting.groups(alerting.Wording.EN):
        for query in (query for rule in group.rules for query in rule["data"]):
            if query["datasourceUid"] == alerting.DATASOURCE:
                begin = NOW + MINUTE - query["relativeTimeRange"]["from"]
                within = f"time >= {begin * 1000}ms and time <= {(NOW + MINUTE) * 1000}ms"
                statement = query["model"]["query"].replace("$timeFilter", within)
                found[query["refId"]] = database.query(statement, "fenceline")
    return found


def test_every_query_of_the_alert_rules_finds_rows(database):
    found = rules(database)
    assert found.keys() == {"ask_beats", "ask_late", "ask_silent"}
    for name, rows in found.items():
        assert any(any(values(row)) for row in rows), name
    assert {row["hub"] for row in found["ask_beats"]} == {"hub-1"}
    assert {row["district"] for row in found["ask_silent"]} == {"north", "south"}


def test_short_ranges_show_single_readings(database):
    noise = ask(database, 6 * HOUR)["site", "Noise at the boundary"]
    assert len(noise["noise_raw"]) == 2 * 6 * 60 - 4  # two boards, one record a minute up to now
    assert not any(noise[f"noise{step.suffix}"] for step in READINGS[1:])


def test_each_range_is_read_at_one_coarseness_only(database):
    for length, interval in RANGES.values():
        for panel, asked in ask(database, length, interval).items():
            steps = [query.rpartition("_") for query, rows in asked.items() if rows]
            stems = [stem for stem, _, suffix in steps if suffix in {"raw", "10m", "1h", "24h"}]
            assert len(stems) == len(set(stems)), panel


def of(rows, **tags):
    return [row for row in rows if all(row[name] == value for name, value in tags.items())]


def test_exceedances_are_counted_by_local_days(day):
    panels = ("Windows exceeded today", "Windows exceeded yesterday", "The same day a week ago")
    counted = {name: rows for panel in panels for name, rows in day["city", panel].items()}
    # Today 2 windows of 20 min in the morning, 2 at noon and 3 h of the stack; on the others 2, and 2 in the night.
    assert {name: rows[0]["sum"] for name, rows in counted.items()} == {"today": 7, "yesterday": 4, "week": 4}
    by_day = {row["time"]: row["exceeded"] for row in day["city", "Exceedances of the last days"]["by_day"]}
    assert (by_day[TODAY], by_day[YESTERDAY], by_day[START]) == (7, 4, 4)


def test_the_map_knows_where_it_is_worst_and_where_nothing_is_known(day):
    states = {row["site"]: row for row in day["city", "Sites by their worst verdict now"]["state"]}
    assert {site: row["level"] for site, row in states.items()} == {"tower": 3, "bridge": 0, "mill": 1}
    assert (states["tower"]["lat"], states["tower"]["lon"]) == (30.25, 120.15)
    assert states["tower"]["rule_en"] == "Day, 20 min LAeq"
    assert states["tower"]["district_en"] == "North Bank"


def test_boards_online_and_silent(day):
    online = day["city", "Boards online"]
    assert (online["online"][0]["sum"], online["boards"][0]["count"]) == (4, 5)
    assert day["fleet", "Silent boards"]["silent"][0]["sum"] == 1
    boards = {row["device"]: row for row in day["fleet", "Boards"]["boards"]}
    assert boards["bridge-1"]["silent"] == 1
    assert (boards["tower-2"]["agent"], boards["tower-2"]["clock"]) == ("0.0.9", "rtc")
    assert boards["tower-2"]["cal_due_days"] < 0 < boards["mill-1"]["cal_due_days"]


def test_the_morning_tells_last_night_as_one_span(day):
    (night,) = day["city", "Last night, 22:00 to 06:00"]["night"]
    assert (night["site_en"], night["district_en"], night["rule_en"]) == (
        "Clock Tower",
        "North Bank",
        "Night, 20 min LAeq",
    )
    assert night["time"] == YESTERDAY + 22 * HOUR
    # From 22:00 on for 40 min at about 58 dB(A), where 55 are permitted.
    assert (night["exceeded"], night["exceeded_s"]) == (2, 2400)
    assert night["margin"] == pytest.approx(3, abs=0.5)


def test_the_morning_tells_what_nobody_has_taken_and_of_whom_nothing_is_known(day):
    rows = day["city", "Open alerts about limits, the oldest first"]["open_alerts"]
    assert [row["acknowledged_by"] for row in rows] == ["officer-2", None]
    assert [row["age"] for row in rows] == sorted((row["age"] for row in rows), reverse=True)
    assert day["city", "Alerts not taken"]["waiting"][0]["sum"] == 1
    assert [row["site_en"] for row in day["city", "Sites without a verdict now"]["unjudged"]] == ["New Bridge"]
    silent = day["city", "Silent boards"]["silent_boards"]
    assert [(row["site_en"], row["device"]) for row in silent] == [("New Bridge", "bridge-1")]
    assert silent[0]["silent_s"] == pytest.approx(9.8 * HOUR, abs=HOUR)


@pytest.mark.parametrize("later", [0, HOUR, 2 * DAY])
def test_the_picture_tells_how_old_it_is(database, later):
    told = ask(database, DAY, end=NOW + 2 * MINUTE + later)["city", "How old this picture is"]
    for query in ("word", "hub", "heard"):
        assert [*told[query][0].values()][-1] == pytest.approx(later, abs=3 * MINUTE)


def test_a_lane_breaks_where_nothing_was_judged(day):
    """At each end of a window stands a row without a verdict, unless the next window begins there."""
    rows = of(day["site", "Verdicts"]["strip_raw"], device="tower-1", rule="laeq-day")
    drawn = {row["time"]: row["outcome"] for row in rows}
    last = max(t for t in drawn if t <= GAP[0])
    assert (last, drawn[last]) == (GAP[0], None)
    assert not any(GAP[0] < t < GAP[1] for t in drawn)
    assert drawn[YESTERDAY + 22 * HOUR] is None, "by day up to 22:00"


def test_limits_follow_the_day(day):
    noise = day["site", "Noise at the boundary"]
    laeq = {row["time"]: row["min"] for row in noise["laeq_limit_raw"]}
    assert laeq[YESTERDAY + 21 * HOUR + 40 * MINUTE] == 70
    assert laeq[YESTERDAY + 22 * HOUR] == laeq[TODAY + 5 * HOUR] == 55
    assert laeq[TODAY + 6 * HOUR] == 70
    lafmax = {row["time"]: row["min"] for row in noise["lafmax_limit_raw"]}
    assert lafmax[TODAY + 5 * HOUR] == 70
    assert TODAY + 6 * HOUR not in lafmax  # by day there is none


def test_a_gap_is_a_gap(day):
    shown = of(day["site", "Noise at the boundary"]["noise_10m"], device="tower-1")
    assert [row for row in shown if GAP[0] <= row["time"] < GAP[1]] == []
    assert all(row["LAeq"] is not None for row in shown)


def test_a_rollup_of_levels_is_one_of_sound_energy(database):
    """LAeq of an hour that changes from quiet to loud: the arithmetic mean would be several dB lower."""
    rows = ask(database, 10 * DAY, "1h")["site", "Noise at the boundary"]["noise_1h"]
    (shown,) = [row["LAeq"] for row in of(rows, device="tower-1") if row["time"] == START + LOUD_DAY[0]]
    chance = random.Random(1)
    loud, quiet = 77.0, week.measured("tower-2", START + LOUD_DAY[0], chance).values["laeq"]
    mean = 10 * math.log10((40 * 10 ** (loud / 10) + 20 * 10 ** (quiet / 10)) / 60)
    assert shown == pytest.approx(mean, abs=0.4)
    assert shown > (2 * loud + quiet) / 3 + 2


def test_flagged_readings_stand_apart(database):
    found = ask(database, 7 * DAY, "10m")
    curves = (
        found["factory", "Stack gas as measured"]["stack_1h"] or found["factory", "Stack gas as measured"]["stack_10m"]
    )
    assert curves
    lanes = of(found["factory", "Flags"]["flags"], flag="C", quantity="stack_nox")
    assert sum(row["dt"] or 0 for row in lanes) == 8 * (CALIBRATED[1] - CALIBRATED[0]) - 1800  # 7 of the 8 mornings
    listed = of(found["factory", "Flagged readings"]["flagged"], quantity="stack_nox")
    assert {row["flag"] for row in listed} == {"C"}


def test_stack_values_are_those_judged_at_reference_oxygen(day):
    rows = day["factory", "NOx at reference oxygen"]
    judged = max(row["value"] for row in rows["judged"] if row["value"] is not None)
    assert judged == pytest.approx(520 * (21 - 3.5) / (21 - 4.5), rel=0.02)
    assert {row["limit_value"] for row in rows["limit_raw"]} == {400, None}  # None: the end of a window


def test_hours_in_exceedance_of_the_month(database):
    hours = ask(database, 25 * DAY, "1h")["factory", "Exceeded this month"]["hours"]
    assert {row["rule"]: row["hours"] for row in hours if row["hours"]} == {"nox-in-use-gas": 3}


def test_the_budget_of_the_open_window(day):
    used = {row["device"]: row["used"] for row in day["site", "Noise budget of the open window"]["budget"]}
    assert used["tower-1"] > 1 > used["tower-2"]


def test_alerts_tell_who_took_them_and_how_long_it_took(database):
    found = ask(database, 7 * DAY)
    (taken,) = [
        row for row in found["verdicts", "Alerts"]["alerts"] if row["acknowledged_by"] and "LAeq" in row["text_en"]
    ]
    assert (taken["acknowledged_by"], taken["state"]) == ("officer-2", "resolved")
    assert taken["acknowledged_after_s"] > 0
    open_ = {row["kind"]: row["sum"] for row in found["verdicts", "Open alerts by kind"]["open"]}
    assert open_ == {"limit": 2, "silent": 1, "calibration": 1}
    drawn = found["site", "@Alerts about limits"]["alerts_limit"]
    assert {row["timeEnd"] is None for row in drawn} == {True, False}, "open ones, and ended ones"
    assert all(row["text"] and row["tags"] for row in drawn)


def test_what_happened_to_the_fleet(database):
    found = ask(database, 7 * DAY)
    events = {row["event"] for row in found["fleet", "Events"]["events"]}
    assert events == {"relay", "dropped", "calibration", "config", "update"}
    refused = {row["reason"]: row["total"] for row in found["fleet", "Quarantine by reason"]["quarantine"]}
    assert refused == {"schema": 1, "bad_mac": 1}
    switched = [row["relay"] for row in found["site", "Dust suppression"]["relay_1h"] if row["relay"] is not None]
    assert set(switched) == {0, 1}


def test_what_the_public_sees_names_no_site_and_no_board(day):
    for (name, panel), asked in day.items():
        for rows in asked.values() if name == "public" else ():
            assert rows
            for row in rows:
                assert set(row) - {"time"} <= {"district", "last", "max", "sum_sum"} or "site" not in row, panel
                assert not {"site", "device", "site_en", "site_zh"} & set(row)


def test_one_board_can_be_chosen(database):
    noise = ask(database, 6 * HOUR, device="tower-2")["site", "Noise at the boundary"]["noise_raw"]
    assert {row["device"] for row in noise} == {"tower-2"}


def test_all_that_is_written_to_is_made_at_the_start_where_that_is_needed(database):
    made = {*of_readings(quantity.family for quantity in load_quantities().values()), *MEASUREMENTS}
    written = {row["name"] for row in database.query("SHOW MEASUREMENTS", "fenceline")}
    assert written <= made
    assert set(MEASUREMENTS) - OF_PACKS <= written, "made and never written to"


def test_the_data_model_is_written_down(database):
    """Every measurement, tag and field that the hub has written stands in dashboards/README.md."""
    text = (FOLDER.parent / "README.md").read_text("utf-8")
    families = {quantity.family for quantity in load_quantities().values()}
    for row in database.query("SHOW MEASUREMENTS", "fenceline"):
        measurement = row["name"]
        if measurement.partition("_")[0] in families:
            continue
        assert f"`{measurement}`" in text
        (line,) = [line for line in text.splitlines() if line.startswith("|") and f"`{measurement}`" in line]
        words = set(re.findall(r"\w+", line)) | NAMES
        for key in database.query(f'SHOW TAG KEYS FROM "{measurement}"', "fenceline"):
            assert key["tagKey"] in words or "the same" in line, (measurement, key)
        for key in database.query(f'SHOW FIELD KEYS FROM "{measurement}"', "fenceline"):
            if key["fieldKey"] == "made":
                continue
            name = re.sub(r"^backlog_.*", "backlog_CONSUMER", key["fieldKey"])
            assert name in words or "the same" in line, (measurement, key)
