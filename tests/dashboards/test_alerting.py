"""The alert rules on a real InfluxDB: when each fires, and when it does not; and the files that hold them."""

import json
import re
import time
import urllib.request

import pytest
from typer.testing import CliRunner

from dashboards import alerting
from dashboards.alerting import FOLDER, Wording
from dashboards.cli import app
from schemas import load_limits
from tests.grafana_server import DEFINITIONS

CHINESE = re.compile(r"[\u4e00-\u9fff]")
MINUTE, HOUR = 60, 3600
RULES = {rule["uid"]: rule for group in alerting.groups(Wording.EN) for rule in group.rules}


@pytest.fixture
def database(influxdb):
    influxdb.create_database("fenceline")
    return influxdb


def write(database, *lines):
    text = "\n".join(lines).encode()
    urllib.request.urlopen(f"{database.url}/write?db=fenceline&precision=s", text).close()


def state(database, name, now):
    """Evaluate a rule as Grafana does; return the labels of what fires, or what the rule makes of an empty answer."""
    rule = RULES[f"fenceline-{name}"]
    asked, values = {}, {}
    for query in rule["data"]:
        model = query["model"]
        if query["datasourceUid"] == alerting.DATASOURCE:
            begin = now - query["relativeTimeRange"]["from"]
            within = f"time >= {begin * 1000}ms and time <= {now * 1000}ms"
            asked[query["refId"]] = database.query(model["query"].replace("$timeFilter", within), "fenceline")
        elif model["type"] == "reduce":
            assert (model["reducer"], model["settings"]) == ("last", {"mode": "dropNN"})
            values[query["refId"]] = last_values(asked[model["expression"]])
        else:
            assert (model["type"], query["refId"]) == ("math", rule["condition"])
            return decide(model["expression"], values, rule["noDataState"])
    raise AssertionError("no condition")


def last_values(rows):
    """Return each series' last value by its labels; an answer's rows have one field beside time and tags."""
    found = {}
    for row in rows:
        (field,) = {"moving_average", "last", "max", "min"} & set(row)
        labels = {name: value for name, value in row.items() if name not in ("time", field)}
        if row[field] is not None:
            found[tuple(sorted(labels.items()))] = row[field]
    return found


def decide(expression, values, no_data):
    """Do a sum of Grafana's: series join by their labels, one without labels joins with every other."""
    names = re.findall(r"\$(\w+)", expression)
    if not all(values[name] for name in names):
        return no_data
    firing = []
    for labels in {labels for name in names for labels in values[name] if labels or len(names) == 1}:
        numbers = {name: values[name].get(labels, values[name].get(())) for name in names}
        if None not in numbers.values():
            python = re.sub(r"\$(\w+)", r"\1", expression).replace("&&", "and")
            if eval(python, {}, numbers):
                firing.append(dict(labels))
    return firing


def beats(now, minutes, lag=2, hub="hub-1"):
    return [f"hub,hub={hub} heartbeat=1,lag_s={lag},log_offset=5i {now - MINUTE * minute}" for minute in minutes]


def board(now, district, silent_s, device="d"):
    """Return what the fleet's samples say of a board from which nothing came for `silent_s` before `now`."""
    tags = f"fleet,district={district},site=s,device={device}"
    return [
        f"{tags} silent=0i,silent_s={silent_s - ago} {now - ago}" for ago in range(0, min(silent_s, 3600) + 1, MINUTE)
    ]


NOW = int(time.time()) // HOUR * HOUR - 37 * MINUTE


def test_a_hub_that_lives_is_not_silent(database):
    write(database, *beats(NOW, range(60)))
    assert state(database, "hub-silent", NOW) == []
    # Nor when one heartbeat comes late, or the clocks differ a little.
    assert state(database, "hub-silent", NOW + 2 * MINUTE) == []


@pytest.mark.parametrize("silence", [6 * MINUTE, HOUR, 23 * HOUR])
def test_a_hub_that_is_gone_is_silent_and_stays_so(database, silence):
    write(database, *beats(NOW, range(60)))
    assert state(database, "hub-silent", NOW + silence) == [{"hub": "hub-1"}]


def test_one_silent_hub_of_two_is_named(database):
    write(database, *beats(NOW, range(60)), *beats(NOW, range(30, 60), hub="hub-2"))
    assert state(database, "hub-silent", NOW) == [{"hub": "hub-2"}]


def test_a_hub_that_never_spoke_fires(database):
    assert state(database, "hub-silent", NOW) == "Alerting"


def test_heartbeats_without_tags_will_do(database):
    write(database, *(f"hub heartbeat=1,lag_s=1 {NOW - MINUTE * minute}" for minute in range(60)))
    assert state(database, "hub-silent", NOW) == []
    assert state(database, "hub-silent", NOW + HOUR) == [{"hub": ""}]


@pytest.mark.parametrize(("lag", "fires"), [(2, False), (599, False), (601, True), (90_000, True)])
def test_a_database_far_behind_the_hubs_log_is_not_being_written(database, lag, fires):
    write(database, *beats(NOW, range(30), lag))
    assert state(database, "store-behind", NOW) == ([{"hub": "hub-1"}] if fires else [])


def test_each_failure_has_one_rule_that_speaks_of_it(database):
    # A silent hub is the first rule's; a database that gives no answer the second's; never both, and never the third's.
    assert state(database, "store-behind", NOW) == "OK"
    assert state(database, "district-silent", NOW) == "OK"
    errors = {uid: rule["execErrState"] for uid, rule in RULES.items()}
    assert [uid for uid, what in errors.items() if what != "OK"] == ["fenceline-store-behind"]


def test_a_district_whose_boards_all_fell_silent_is_named(database):
    write(database, *beats(NOW, range(30)), *board(NOW, "north", 30), *board(NOW, "south", 40 * MINUTE))
    write(database, *board(NOW, "south", 3 * HOUR, "d2"), *board(NOW, "east", 2 * HOUR), *board(NOW, "east", 60, "d2"))
    # One board of the east still says something, so the east is not silent.
    assert state(database, "district-silent", NOW) == [{"district": "south"}]


@pytest.mark.parametrize("silence", [36 * MINUTE, 23 * HOUR, 72 * HOUR])
def test_a_district_stays_silent_until_something_comes(database, silence):
    write(database, *beats(NOW, range(30)), *board(NOW, "south", silence))
    assert state(database, "district-silent", NOW) == [{"district": "south"}]


def test_a_district_whose_boards_were_never_heard_does_not_count(database):
    write(
        database, *beats(NOW, range(30)), *(f"fleet,district=west,device=d silent=1i {NOW - ago}" for ago in (60, 120))
    )
    assert state(database, "district-silent", NOW) == "OK"


def test_a_district_may_pause_for_half_an_hour(database):
    write(database, *beats(NOW, range(30)), *board(NOW, "north", 30 * MINUTE))
    assert state(database, "district-silent", NOW) == []


def test_districts_are_not_called_silent_for_what_is_the_hubs_or_the_databases(database):
    write(database, *board(NOW, "north", 2 * HOUR))
    assert state(database, "district-silent", NOW) == "OK"
    write(database, *beats(NOW, range(30), lag=5000))
    assert state(database, "district-silent", NOW) == []
    write(database, *beats(NOW, range(30), lag=1))
    assert state(database, "district-silent", NOW) == [{"district": "north"}]


def test_no_threshold_of_the_law_stands_in_a_rule():
    quantities = {limit.quantity for _, limit in load_limits()}
    for rule in RULES.values():
        expression = rule["data"][-1]["model"]["expression"]
        assert not {name for name in re.findall(r"\w+", expression) if name in quantities}


def test_the_committed_files_are_current(tmp_path):
    assert CliRunner().invoke(app, ["build", "--check"]).exit_code == 0
    out = ("--out", str(tmp_path / "d"), "--alert-rules", str(tmp_path / "a"))
    assert CliRunner().invoke(app, ["build", *out]).exit_code == 0
    (tmp_path / "a" / "zh" / "rules.json").write_text("{}")
    stale = CliRunner().invoke(app, ["build", *out, "--check"])
    assert stale.exit_code == 1
    assert str(tmp_path / "a" / "zh" / "rules.json") in stale.stderr


def read(wording, name):
    return json.loads((FOLDER / wording / name).read_text("utf-8"))


def texts(wording):
    for group in read(wording, "rules.json")["groups"]:
        for rule in group["rules"]:
            yield rule["title"]
            yield from rule["annotations"].values()


def test_each_wording_is_in_its_language_and_asks_the_same():
    assert all(CHINESE.search(text) for text in texts("zh"))
    assert not any(CHINESE.search(text) for text in texts("en"))
    for zh, en, both in zip(texts("zh"), texts("en"), texts("both"), strict=True):
        assert both in (f"{zh} / {en}", f"{zh}\n{en}")

    def asked(wording):
        return [rule["data"] for group in read(wording, "rules.json")["groups"] for rule in group["rules"]]

    assert asked("en") == asked("zh") == asked("both")
    for name in ("contact-points.json", "policies.json"):
        assert read("en", name) == read("zh", name) == read("both", name)


def test_the_files_fit_each_other_as_grafana_reads_them():
    """Grafana starts only if every receiver that a policy names exists, and every rule has what it needs."""
    (point,) = read("both", "contact-points.json")["contactPoints"]
    (policy,) = read("both", "policies.json")["policies"]
    (route,) = policy["routes"]
    assert route["receiver"] == policy["receiver"] == point["name"]
    for group in read("both", "rules.json")["groups"]:
        assert re.fullmatch(r"\d+s", group["interval"])
        assert group["folder"]
        for rule in group["rules"]:
            needed = set(DEFINITIONS["ProvisionedAlertRule"]["required"]) - {"orgID", "folderUID", "ruleGroup"}
            assert needed <= set(rule)
            matched = [rule["labels"].get(name) == value for name, _, value in route["object_matchers"]]
            assert all(matched)
            # After a restart Grafana does not fill in the texts of an alert without data: people would get braces.
            assert not any("{{" in text or "$" in text for text in rule["annotations"].values())


@pytest.mark.parametrize("wording", Wording)
def test_the_template_is_the_same_in_the_file_and_by_the_api(wording):
    """A `$` in a provisioning file would be taken for a variable of the environment (values.go)."""
    (one,) = read(wording, "templates.json")["templates"]
    assert (one["name"], one["template"]) == (alerting.MESSAGE, alerting.template(wording))
    assert "$" not in one["template"]
    for named in (alerting.TITLE_OF, alerting.TEXT_OF):
        assert named.replace("template", "define").replace(" . }}", "") in one["template"]
    both = {"zh": "已恢复", "en": "over", "both": "已恢复 / over"}
    assert f"✔ {both[wording]}:" in one["template"]
    opened = re.findall(r"{{ (?:if|range|with|define) ", one["template"])
    assert len(re.findall(r"{{-? end", one["template"])) == len(opened)


def test_every_place_of_what_fires_is_told_by_the_template():
    """No text of a rule has labels in it, so each by which a rule's answer is told apart stands in the message."""
    asked = [query["model"].get("query", "") for rule in RULES.values() for query in rule["data"]]
    grouped = [one.rpartition("GROUP BY")[2] for one in asked if "GROUP BY" in one]
    apart = {label for one in grouped for label in re.findall(r'"(\w+)"', one)}
    assert apart == {"hub", "district"}
    for label in apart:
        assert f"{{{{ with .Labels.{label} }}}}" in alerting.template(Wording.EN)
