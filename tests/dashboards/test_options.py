"""What each panel does with its rows: rows can be right and a picture false. Checked on what Grafana really gets.

The options are Grafana's own; where one does what is said here stands in its source of 12.2, at the name given.
"""

import itertools
import json
import re

import pytest

from dashboards import Lang
from dashboards.basemap import Basemap
from dashboards.city import CAPTURED
from dashboards.generate import FOLDER, builders, files
from dashboards.looks import room
from dashboards.statements import CLOSED
from hub.alerts.text import KIND
from schemas import site_properties
from schemas.errors import UserError

BOARDS = [(lang, name.removesuffix(".json")) for lang in Lang for name in builders()]
UNITS = {"none", "percentunit", "dthms", "dBm", "bytes", "degree"}
"""Grafana's own that are used (valueFormats/categories.ts); it takes any text for one, and shows it as it is."""
OVER = {"timeseries", "state-timeline"}


def board_of(lang, name):
    return json.loads((FOLDER / lang / f"{name}.json").read_text("utf-8"))


def panels_of(lang, name):
    return [panel for panel in board_of(lang, name)["panels"] if panel["type"] != "text"]


def panel_of(lang, name, query):
    """Return a panel by one of its queries."""
    (found,) = [one for one in panels_of(lang, name) if query in {target["refId"] for target in one["targets"]}]
    return found


def looks(panel, *matcher):
    """Return the properties of a panel's overrides, of one matcher or of all."""
    rules = panel["fieldConfig"].get("overrides", ())
    return [
        entry
        for rule in rules
        if not matcher or tuple(rule["matcher"].values()) == matcher
        for entry in rule["properties"]
    ]


def by_name(panel, field):
    return {entry["id"]: entry["value"] for entry in looks(panel, "byName", field)}


def by_name_fields(panel):
    rules = panel["fieldConfig"].get("overrides", ())
    return [rule["matcher"]["options"] for rule in rules if rule["matcher"]["id"] == "byName"]


def options_of(panel, transformation):
    return next(one["options"] for one in panel["transformations"] if one["id"] == transformation)


def selected(statement):
    """Return the names of the columns of a statement of a table, tags that it is grouped by among them."""
    listed = statement.partition(" FROM ")[0].removeprefix("SELECT ")
    columns = re.split(r", (?![^(]*\))", listed)
    names = [re.search(r'"([^"]+)"\)?$', column)[1] for column in columns]
    return {*names, *re.findall(r'"(\w+)"', statement.rpartition("GROUP BY")[2] if "GROUP BY" in statement else "")}


@pytest.mark.parametrize(("lang", "name"), BOARDS)
def test_no_panel_is_coloured_by_thresholds_that_nobody_chose(lang, name):
    """Without thresholds Grafana takes green, and red from 80, of whatever it is (getThresholds)."""
    for panel in panels_of(lang, name):
        steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
        assert steps[0]["value"] is None, panel["title"]
        assert steps[0]["color"] != "green", "nothing and no data would be green"
        values = [step["value"] for step in steps[1:]]
        assert values == sorted(values)


@pytest.mark.parametrize(("lang", "name"), BOARDS)
def test_every_unit_is_one_that_grafana_knows(lang, name):
    for panel in panels_of(lang, name):
        units = {panel["fieldConfig"]["defaults"]["unit"]} | {e["value"] for e in looks(panel) if e["id"] == "unit"}
        for unit in units:
            # Grafana sets the blank itself.
            assert unit in UNITS or re.fullmatch(r"suffix:\S.*|time:[YMDHms: -]+", unit), (panel["title"], unit)


@pytest.mark.parametrize(("lang", "name"), BOARDS)
def test_a_table_shows_the_columns_that_it_names_in_their_order(lang, name):
    """A database gives columns as it likes; what is not named would come first, or nobody knows where."""
    for panel in (one for one in panels_of(lang, name) if one["type"] == "table"):
        order = options_of(panel, "organize")["indexByName"]
        hidden = options_of(panel, "organize")["excludeByName"]
        named = {field for field in order if by_name(panel, field)}
        assert set(order) - named <= {"Time"}, panel["title"]
        assert "Time" in named or hidden.get("Time"), f"{panel['title']}: a time that says nothing"
        if "groupBy" not in {one["id"] for one in panel["transformations"]}:
            for target in panel["targets"]:
                assert selected(target["query"]) <= set(order), (panel["title"], target["refId"])
        shown = [field for field in named if not by_name(panel, field).get("custom.hidden")]
        assert all("displayName" in by_name(panel, field) for field in shown), panel["title"]
        without_width = [field for field in shown if "custom.width" not in by_name(panel, field)]
        assert len(without_width) <= 1, f"{panel['title']}: {without_width} share what is left"


@pytest.mark.parametrize(("lang", "name"), BOARDS)
def test_a_table_fits_into_its_panel_on_a_screen_of_1600_pixels(lang, name):
    for panel in (one for one in panels_of(lang, name) if one["type"] == "table"):
        if panel["targets"][0]["refId"] == "judged_raw":
            continue  # the list for enforcement has all there is: the first columns are what matters
        seen = [by_name(panel, field) for field in options_of(panel, "organize")["indexByName"]]
        widths = [least_width(one) for one in seen if one and not one.get("custom.hidden")]
        assert sum(widths) <= panel["gridPos"]["w"] * 1568 / 24 - 24, panel["title"]


def least_width(told):
    """Return how wide a column is at least, pixels: where nothing else is told, Grafana takes 150."""
    return told.get("custom.width", told.get("custom.minWidth", 150))


@pytest.mark.parametrize("lang", Lang)
@pytest.mark.parametrize(
    ("name", "place"),
    [
        *(("city", place) for place in ("night", "open_alerts", "nearest", "unjudged", "silent_boards")),
        *(("fleet", place) for place in ("boards", "events")),
    ],
)
def test_a_sites_long_name_has_all_the_room_that_a_screen_leaves(lang, name, place):
    """In Chinese it stands in one line: what does not fit is cut."""
    tables = [panel for panel in panels_of(lang, name) if panel["type"] == "table"]
    (panel,) = [one for one in tables if one["targets"][0]["refId"] == place]
    site = by_name(panel, f"site_{lang}")
    assert "custom.width" not in site
    assert site["custom.minWidth"] >= 115


@pytest.mark.parametrize("lang", Lang)
def test_a_list_of_what_was_chosen_says_so_where_there_is_none(lang):
    """That there is no exceedance is not that nothing was judged."""
    told = panel_of(lang, "verdicts", "judged_raw")["fieldConfig"]["defaults"]["noValue"]
    assert ("chosen" in told) or ("所选结论" in told)


@pytest.mark.parametrize(("lang", "name"), BOARDS)
def test_no_code_stands_where_a_name_is_known(lang, name):
    for panel in panels_of(lang, name):
        for field in ("district", "site", "rule", "site_kind", "site_zh" if lang is Lang.EN else "site_en"):
            if by_name(panel, field) and panel["type"] in {"table", "geomap"}:  # elsewhere it is a series of that name
                seen = by_name(panel, field)
                assert seen.get("custom.hidden") or seen.get("custom.hideFrom", {}).get("viz"), (panel["title"], field)
        if panel["type"] in OVER:
            assert not any(re.fullmatch(r".*\$tag_(site|district)\b.*", t.get("alias", "")) for t in panel["targets"])
    variables = {one["name"]: one for one in board_of(lang, name).get("templating", {}).get("list", ())}
    for variable in ("district", "site"):
        if variable in variables:
            assert f"_{lang}" in variables[variable]["query"]["query"]
            assert "(?<text>" in variables[variable]["regex"]


@pytest.mark.parametrize(("lang", "name"), BOARDS)
def test_every_series_has_a_name_for_people(lang, name):
    """An alias that begins with the column is for the overrides to find it; each such column is named by one."""
    for panel in panels_of(lang, name):
        for target in panel["targets"]:
            if not re.match(r"\$col .*\$tag_(quantity|rule)", target.get("alias", "")):
                continue
            for column in target["query"].partition(" FROM ")[0].split(", "):
                found = re.search(r"(\w+)\W*$", column)[1]
                rules = [
                    r
                    for r in panel["fieldConfig"]["overrides"]
                    if str(r["matcher"]["options"]).startswith(f"/^{found} ")
                ]
                wanted = "custom.hideFrom" if found == CLOSED else "displayName"
                assert wanted in {e["id"] for r in rules for e in r["properties"]}, (panel["title"], found)


@pytest.mark.parametrize("lang", Lang)
def test_what_was_judged_window_by_window_breaks_at_its_end(lang):
    """`insertNulls` breaks one threshold after the last value, however long its window was (nullInsertThreshold)."""
    for name, query in (("site", "strip_raw"), ("factory", "strip_raw"), ("factory", "boundary_raw")):
        (target,) = [t for t in panel_of(lang, name, query)["targets"] if t["refId"] == query]
        assert f'"{CLOSED}"' in target["query"].partition(" FROM ")[0]
    for name in ("site", "fleet"):
        for panel in (one for one in panels_of(lang, name) if one["type"] == "state-timeline"):
            for target in panel["targets"]:
                if 'FROM "fleet' in target["query"]:
                    assert '"silent" = 0' in target["query"], "the last word of a silent board is not now"


@pytest.mark.parametrize("lang", Lang)
def test_the_map_shows_every_site_in_the_colour_of_its_state_and_asks_nobody(lang):
    panel = panel_of(lang, "city", "state")
    options = panel["options"]
    # GeomapPanel.initMapView: with `fit`, `zoom` is the most that it goes in.
    assert (options["view"]["id"], options["view"]["zoom"]) == ("fit", 15)
    assert options["basemap"]["type"] == "xyz"
    assert options["basemap"]["config"]["url"].startswith("data:")
    # Of signs that would cover each other those of a layer's later rows are left out (markersLayer: declutter), and
    # its later rows lie on top: so what is exceeded has a layer of its own.
    assert [layer["filterData"]["options"] for layer in options["layers"]] == ["state", "worst", "exceeded"]
    assert {target["refId"]: re.findall(r'AND "level" (. \d)', target["query"]) for target in panel["targets"]} == {
        "state": [],
        "worst": ["> 1"],
        "exceeded": ["= 3"],
    }
    for marks in options["layers"]:
        assert marks["config"]["style"]["color"]["field"] == "level"
        assert marks["config"]["showLegend"] is False
    level = by_name(panel, "level")
    assert level["color"] == {"mode": "thresholds"}
    coloured = {step["value"]: step["color"] for step in level["thresholds"]["steps"]}
    told = {int(code): result["color"] for code, result in level["mappings"][0]["options"].items()}
    assert coloured == {None if code == 0 else code: color for code, color in told.items()}
    assert {"lat", "lon", "Time"} <= {
        rule["matcher"]["options"]
        for rule in panel["fieldConfig"]["overrides"]
        if "hideFrom" in str(rule["properties"])
    }


def test_a_deployment_chooses_what_lies_below_the_sites():
    chosen = Basemap(
        "https://tiles.city.example/{z}/{x}/{y}.png", "City", gcj02=True, districts="public/maps/d.geojson"
    )
    for text in files(Lang.EN, chosen.checked()).values():
        board = json.loads(text)
        for panel in (one for one in board["panels"] if one["type"] == "geomap"):
            assert panel["options"]["basemap"]["config"]["url"] == chosen.tiles
            districts, *sites = panel["options"]["layers"]
            assert (districts["type"], districts["config"]["src"]) == ("geojson", "public/maps/d.geojson")
            for marks in sites:
                assert (marks["location"]["latitude"], marks["location"]["longitude"]) == ("lat_gcj02", "lon_gcj02")
            assert all('"lat_gcj02"' in target["query"] for target in panel["targets"])


@pytest.mark.parametrize("wrong", [{"tiles": "https://tiles/{z}.png"}, {"tiles": "x"}, {"districts": "/etc/d.geojson"}])
def test_a_base_map_that_grafana_cannot_use_is_a_users_mistake(wrong):
    with pytest.raises(UserError, match="expected"):
        Basemap(**wrong).checked()


@pytest.mark.parametrize(("lang", "name"), BOARDS)
def test_annotations_have_the_columns_that_grafana_gives_a_meaning(lang, name):
    """text, tags and timeEnd (standardAnnotationSupport); `fromAnnotations` goes a way that loses what is open."""
    for one in (a for a in board_of(lang, name).get("annotations", {}).get("list", ()) if "target" in a):
        assert "fromAnnotations" not in one["target"]
        assert set(re.findall(r'AS "(\w+)"', one["target"]["query"])) == {"text", "tags", "timeEnd"}
        assert one["iconColor"] != "red", "red is the limit's"
        assert one["filter"]["ids"], "drawn over every panel"
        assert one["enable"] is ("= 'limit'" in one["target"]["query"] and "!= 'limit'" not in one["target"]["query"])


@pytest.mark.parametrize(("lang", "name"), BOARDS)
def test_the_database_is_ours_unless_somebody_chooses(lang, name):
    """Without a value a data source variable takes the first by name."""
    variables = [v for v in board_of(lang, name).get("templating", {}).get("list", ()) if v["type"] == "datasource"]
    assert all(one["current"]["value"] == "fenceline" for one in variables)
    assert len(variables) == (name != "public")


@pytest.mark.parametrize("lang", Lang)
def test_what_is_bad_is_not_green(lang):
    for name, query in (("city", "by_day"), ("verdicts", "alerts_by_day")):
        assert panel_of(lang, name, query)["fieldConfig"]["defaults"]["color"] == {"mode": "fixed", "fixedColor": "red"}
    hours = by_name(panel_of(lang, "factory", "hours"), "hours")["thresholds"]["steps"]
    assert [step["color"] for step in hours] == ["#8e8e8e", "red"]
    for key in CAPTURED:
        poor = by_name(panel_of(lang, "city", "capture"), f"{key}_capture")["thresholds"]["steps"]
        assert [(step["value"], step["color"]) for step in poor[:2]] == [(None, "#8e8e8e"), (0, "red")]
        assert poor[2]["value"] == 0.75
    assert panel_of(lang, "factory", "boundary_raw")["fieldConfig"]["defaults"]["custom"]["axisSoftMax"] > 1


@pytest.mark.parametrize("lang", Lang)
def test_an_old_picture_is_red_and_so_is_one_of_which_nothing_is_known(lang):
    panel = panel_of(lang, "city", "hub")
    assert panel["options"]["colorMode"] == "background"
    steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
    assert steps[0]["color"] == steps[-1]["color"] == "red"
    words = next(e["value"] for e in looks(panel, "byFrameRefID", "word") if e["id"] == "mappings")
    assert [one["options"]["to"] for one in words[:2]] == [steps[2]["value"], steps[3]["value"]]


@pytest.mark.parametrize("lang", Lang)
def test_each_number_of_the_morning_leads_to_its_windows(lang):
    for name in ("today", "yesterday", "week"):
        (links,) = [e["value"] for e in looks(panel_of(lang, "city", name)) if e["id"] == "links"]
        assert links[0]["url"].startswith(f"/d/fenceline-verdicts-{lang}?var-outcome=exceeded&from=now")
    for query in ("night", "open_alerts", "unjudged", "silent_boards", "nearest"):
        assert len(by_name(panel_of(lang, "city", query), f"site_{lang}")["links"]) == 2


@pytest.mark.parametrize("lang", Lang)
def test_nothing_grows_with_the_number_of_boards_but_pages(lang):
    """A curve for each of a thousand boards is no picture: tables have pages, curves the worst and the middle."""
    for name in ("city", "fleet", "verdicts"):
        for panel in panels_of(lang, name):
            if panel["type"] == "table":
                assert panel["options"]["footer"]["enablePagination"], panel["title"]
            for target in panel["targets"] if panel["type"] == "timeseries" else ():
                assert '"device"' not in target["query"].partition("GROUP BY")[2], panel["title"]


@pytest.mark.parametrize("lang", Lang)
def test_the_publics_headline_is_words_and_can_be_read(lang):
    (now,) = [
        one for one in panels_of(lang, "public") if one["type"] == "table" and one["targets"][0]["refId"] == "aqi"
    ]
    order = options_of(now, "organize")["indexByName"]
    assert sorted(order, key=order.get) == ["Time", f"district_{lang}", "aqi", f"level_{lang}"]
    seen = [by_name(now, field) for field in (f"district_{lang}", "aqi", f"level_{lang}")]
    assert sum(one.get("custom.width", one.get("custom.minWidth")) for one in seen) <= 340, "a phone shows the word"
    assert by_name(now, "aqi")["custom.cellOptions"]["valueDisplayMode"] == "text", "yellow on white cannot be read"
    assert options_of(now, "sortBy")["sort"] == [{"field": "aqi", "desc": True}], "the worst district first"
    assert now["timeFrom"] == "3h"


@pytest.mark.parametrize("lang", Lang)
def test_a_few_bars_do_not_fill_a_panel_and_a_single_one_keeps_its_name(lang):
    """BarGaugePanel gives a single bar no name unless the panel has one for all (clearNameForSingleSeries)."""
    budget = panel_of(lang, "site", "budget")
    assert (budget["options"]["sizing"], budget["options"]["namePlacement"]) == ("manual", "top")
    assert budget["options"]["maxVizHeight"] <= 60
    # And what the overrides find the series by is that name, filled in.
    filled = re.sub(r"\$\{__field\.labels\.(\w+)\}", r"$tag_\1", budget["fieldConfig"]["defaults"]["displayName"])
    assert filled == budget["targets"][0]["alias"].replace("$col", "used")


@pytest.mark.parametrize("lang", Lang)
def test_a_dashboard_of_one_site_begins_with_the_worst(lang):
    """Grafana takes the first of a list that it does not sort itself."""
    for name in ("site", "factory"):
        for variable in (v for v in board_of(lang, name)["templating"]["list"] if v["name"] in ("district", "site")):
            assert variable["sort"] == 0
            assert 'FROM "state"' in variable["query"]["query"]
            assert "ORDER BY time DESC" in variable["query"]["query"]
    for variable in (v for v in board_of(lang, "city")["templating"]["list"] if v["name"] == "district"):
        assert variable["sort"] == 1, "where all are shown, by name"


@pytest.mark.parametrize("lang", Lang)
def test_a_phone_shows_whose_row_it_is(lang):
    """At 390 pixels there is room for about 330 of a table."""
    for name in ("city", "verdicts", "fleet"):
        for panel in (one for one in panels_of(lang, name) if one["type"] == "table"):
            order = options_of(panel, "organize")["indexByName"]
            if f"site_{lang}" not in order:
                continue
            without = options_of(panel, "organize")["excludeByName"]
            shown = [
                c
                for c in sorted(order, key=order.get)
                if c not in without and not by_name(panel, c).get("custom.hidden")
            ]
            until = shown[: shown.index(f"site_{lang}") + 1]
            assert sum(least_width(by_name(panel, field)) for field in until) <= 340, panel["title"]


@pytest.mark.parametrize("lang", Lang)
def test_a_phone_shows_how_far_above_its_limit_a_site_was_last_night(lang):
    order = options_of(panel_of(lang, "city", "night"), "organize")["indexByName"]
    first = sorted(order, key=order.get)[:3]
    assert first == [f"site_{lang}", "margin", "exceeded_s"]
    assert sum(least_width(by_name(panel_of(lang, "city", "night"), field)) for field in first) <= 340


@pytest.mark.parametrize(("lang", "name"), BOARDS)
def test_a_sentence_is_not_folded_into_a_phones_narrowest_column(lang, name):
    """A row as high as the panel shows nothing but its own blank; 150 pixels are the least that Grafana takes."""
    for panel in (one for one in panels_of(lang, name) if one["type"] == "table"):
        if told := by_name(panel, f"text_{lang}"):
            assert least_width(told) >= 300, panel["title"]


@pytest.mark.parametrize(("lang", "name"), BOARDS)
def test_chinese_is_not_wrapped_in_a_table(lang, name):
    """How high a row must be Grafana counts by blanks (uwrap): lines of Chinese would lie over the next row."""
    for panel in (one for one in panels_of(lang, name) if one["type"] == "table"):
        for field in by_name_fields(panel):
            seen = by_name(panel, field)
            assert lang is Lang.EN or not seen.get("custom.wrapText"), (panel["title"], field)
            assert field != f"text_{lang}" or seen.get("custom.wrapText") or seen["custom.inspect"], (
                "cut, and no way to it"
            )


@pytest.mark.parametrize(("lang", "name"), BOARDS)
def test_the_name_of_no_column_is_cut(lang, name):
    for panel in (one for one in panels_of(lang, name) if one["type"] == "table"):
        searched = panel["fieldConfig"]["defaults"]["custom"]["filterable"]
        for field in options_of(panel, "organize")["indexByName"]:
            seen = by_name(panel, field)
            if "custom.width" in seen and "displayName" in seen:
                assert seen["custom.width"] >= room(seen["displayName"], searched=searched), (panel["title"], field)


@pytest.mark.parametrize(
    ("title", "searched", "cut", "whole"),
    [
        ("Exceeded", False, 80, 85),
        ("Exceeded for", False, 95, 110),
        ("Number", True, 85, None),
        ("Signal", True, 75, None),
    ],
)
def test_a_name_needs_the_room_that_grafana_showed(title, searched, cut, whole):
    """Widths at which names were cut, and whole, in Grafana 12.2."""
    assert cut < room(title, searched=searched) <= (whole or 120)


@pytest.mark.parametrize(("lang", "name"), BOARDS)
def test_a_panel_without_rows_says_so_in_the_readers_language(lang, name):
    """Grafana's own words are in the language of its menus (PanelDataErrorView)."""
    for panel in panels_of(lang, name):
        said = panel["fieldConfig"]["defaults"]["noValue"]
        assert said in {"–", "0"} or bool(re.search(r"[\u4e00-\u9fff]", said)) is (lang is Lang.ZH), panel["title"]
        for field in by_name_fields(panel) if panel["type"] == "table" else ():
            seen = by_name(panel, field)
            if "displayName" in seen and field != "Time":
                assert seen["noValue"] == "–", "an empty cell is not an empty table"


@pytest.mark.parametrize("lang", Lang)
def test_no_curve_of_several_quantities_has_the_red_of_limits(lang):
    for name, query in (("site", "dust_raw"), ("factory", "stack_raw")):
        found = [one for one in panels_of(lang, name) if query in {target["refId"] for target in one["targets"]}]
        colours = [e["value"] for panel in found for e in looks(panel) if e["id"] == "color"]
        hues = [one["fixedColor"] for one in colours if one["mode"] == "shades"]
        assert len(hues) == len(set(hues)) >= 3
        assert not {"red", "dark-red"} & {*hues}


@pytest.mark.parametrize("lang", Lang)
def test_a_lane_is_known_by_the_end_of_its_name(lang):
    """A phone cuts the begin: what remains is what it is about, and the end of the board's label before it."""
    for query in ("strip_raw", "flags"):
        names = [e["value"] for e in looks(panel_of(lang, "site", query)) if e["id"] == "displayName"]
        assert names
        assert all(re.fullmatch(r"\$\{__field\.labels\.device\} · .+", name) for name in names)


@pytest.mark.parametrize("lang", Lang)
def test_only_calibrations_that_are_due_are_listed(lang):
    """Of a thousand boards that are in order nobody turns over 300 pages."""
    panel = panel_of(lang, "fleet", "calibration")
    assert '"cal_due_days" < 30' in panel["targets"][0]["query"]
    assert panel["fieldConfig"]["defaults"]["noValue"].startswith("✔")


@pytest.mark.parametrize("lang", Lang)
def test_when_a_calibration_is_due_is_told_by_a_sign_too(lang):
    told = [by_name(panel, "due")["mappings"] for panel in panels_of(lang, "fleet") if by_name(panel, "due")]
    assert len(told) == 2
    for mappings in told:
        assert [one["options"]["result"]["text"][0] for one in mappings] == ["✖", "▲", "✔"]


@pytest.mark.parametrize("lang", Lang)
def test_a_flag_is_told_by_the_name_of_its_lane(lang):
    panel = panel_of(lang, "site", "flags")
    assert panel["options"]["showValue"] == "never", "an hour is too short for a word"
    names = [e["value"] for e in looks(panel, "byRegexp", "/^dt pm10 D /")]
    assert any(("faulty" if lang is Lang.EN else "故障") in str(name) for name in names)


@pytest.mark.parametrize("lang", Lang)
def test_wind_has_the_names_of_its_directions(lang):
    (panel,) = [
        one
        for one in panels_of(lang, "site")
        if any("wind_dir" in target["query"] for target in one.get("targets", ()))
    ]
    (mappings,) = [e["value"] for e in looks(panel) if e["id"] == "mappings"]
    ranges = [(one["options"]["from"], one["options"]["to"]) for one in mappings]
    assert ranges[0][0] == 0
    assert ranges[-1][1] == 8
    assert all(re.search(r'"wind_dir" / 45 AS', target["query"]) for target in panel["targets"])
    assert all(before[1] == after[0] for before, after in itertools.pairwise(ranges))
    words = [one["options"]["result"]["text"] for one in mappings]
    assert words[0] == words[-1] == ("N" if lang is Lang.EN else "北")
    assert len(set(words)) == 8


@pytest.mark.parametrize("lang", Lang)
def test_every_code_of_a_kind_or_an_assumption_has_words(lang):
    kinds = by_name(panel_of(lang, "verdicts", "alerts"), "kind")["mappings"][0]["options"]
    assert set(kinds) == set(KIND)
    judged = panel_of(lang, "verdicts", "judged_raw")
    assumed = by_name(judged, "assumed")["mappings"][0]["options"]
    assert {"sensitive=near, works=planned", "works=planned", "operation=running"} <= set(assumed)
    missing = by_name(judged, "missing")["mappings"][0]["options"]
    assert {"value", "zone_class", *site_properties()} == set(missing)
    if lang is Lang.ZH:
        assert all(re.search(r"[\u4e00-\u9fff]", one["text"]) for one in (*assumed.values(), *missing.values()))
