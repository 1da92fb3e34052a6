"""Every statement of dashboards and alert rules has a form that all engines answer alike."""

import datetime as dt

import pytest

from dashboards import Lang, alerting, queries
from dashboards.generate import files
from dashboards.panel_check import of_rules, questions
from hub.reports.points import MEASUREMENTS
from hub.series.influx import of_readings
from schemas import load_quantities
from tests.dashboards.forms import differences

NOW = dt.datetime(2026, 11, 25, 12, tzinfo=dt.UTC)
MADE = {*of_readings(quantity.family for quantity in load_quantities().values()), *MEASUREMENTS}


def statements(lang):
    """Return every statement by where it stands, as the database gets it."""
    asked = queries(lang, ".*", "tower", "(tower-1|tower-2)", NOW - dt.timedelta(days=1), NOW)
    found = {(one.dashboard, one.panel, one.query): one.statement for one in asked}
    rules = of_rules(alerting.Wording(lang))
    return found | {("rules", one.panel, one.target["refId"]): one.target["query"] for one in questions(rules)}


@pytest.mark.parametrize("lang", Lang)
def test_every_statement_has_a_form_that_all_engines_answer_alike(lang):
    asked = statements(lang)
    assert len(asked) > 100
    assert {name: told for name, one in asked.items() if (told := differences(one, MADE))} == {}


def test_no_statement_is_left_out():
    asked = set(statements(Lang.EN).values())
    assert sum("moving_average" in one for one in asked) == 1
    assert len({name for name, *_ in statements(Lang.EN)}) == len(files(Lang.EN)) + 1


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        (
            'SELECT moving_average(count("heartbeat"), 5) FROM "hub" WHERE $timeFilter GROUP BY time(1m), * fill(0)',
            "of an",
        ),
        (
            'SELECT derivative(last("depth"), 1h) FROM "fleet" WHERE $timeFilter GROUP BY time(1h)',
            "of an aggregate, last",
        ),
        (
            'SELECT difference("c") FROM (SELECT count("id") FROM "alert" GROUP BY time(1d))',
            "which no statement within",
        ),
        ('SELECT "ratio" FROM "verdict" WHERE "quantity" !~ /^(stack_|laeq|lafmax)/ AND $timeFilter', "not bound"),
        ('SELECT "ratio" FROM "verdict" WHERE "quantity" =~ /^laeq|lafmax$/', "not bound at both ends"),
        ('SELECT "ratio" FROM "verdict" WHERE "site" =~ /tower/', "not bound at both ends"),
        ('SELECT count("r") FROM (SELECT "laeq" AS "r" FROM "noise"), (SELECT "pm10" AS "r" FROM "dust")', "several"),
        ('SELECT count("laeq") FROM "noise", "dust" WHERE $timeFilter', "several measurements"),
        ('SELECT count("laeq") FROM /^(noise|dust)$/ WHERE $timeFilter', "several measurements"),
        ('SELECT "x" FROM "weather_1m" WHERE $timeFilter', "does not exist until its first point"),
        ('SHOW TAG VALUES FROM "places" WITH KEY = "district"', "does not exist until its first point"),
        ('SHOW TAG VALUES WITH KEY = "district"', "no measurement is named"),
    ],
)
def test_each_form_that_engines_answer_differently_is_found(statement, told):
    assert told in "; ".join(differences(statement, MADE))


@pytest.mark.parametrize(
    "statement",
    [
        'SELECT moving_average("c", 5) FROM (SELECT count("id") AS "c" FROM "alert" GROUP BY time(1m), "kind" fill(0))',
        'SELECT sum("exceeded_s") / 3600 FROM "verdict_24h" WHERE "site" =~ /^(a|b)$/ AND "rule" = \'this, or/that\'',
        'SELECT 1 - sum("exceeded") / (sum("windows") - sum("invalid")) FROM "verdict_24h" WHERE $timeFilter',
    ],
)
def test_forms_on_which_all_agree_are_left_alone(statement):
    assert differences(statement, MADE) == []
