"""The air quality index by HJ 633-2012 and HJ 633-2026."""

import datetime as dt
import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.judge.aqi import BREAKPOINTS, INDEX, aqi, concentrations_of_day, edition_on, iaqi, index_of_day, index_of_hour
from schemas.language import Lang

OLD, NEW = "HJ 633-2012", "HJ 633-2026"
LAST_OF_OLD, FIRST_OF_NEW = dt.date(2026, 2, 28), dt.date(2026, 3, 1)
EXAMPLES = json.loads((Path(__file__).parents[2] / "data" / "aqi_examples.json").read_text("utf-8"))


def ids(example):
    return f"{example['item']}={example['conc']}"


@pytest.mark.parametrize("example", EXAMPLES, ids=ids)
def test_the_examples_computed_from_the_tables_of_both_texts(example):
    assert iaqi(example["item"], example["conc"], OLD) == example["iaqi_hj633_2012"]
    assert iaqi(example["item"], example["conc"], NEW) == example["iaqi_hj633_2026"]


def test_an_index_by_hand():
    """PM2.5 of 50 ug/m3 lies between 35 (index 50) and, since 2026, 60 (index 100): 50 / 25 x 15 + 50 = 80."""
    assert iaqi("PM25_24h", 50, NEW) == math.ceil((100 - 50) / (60 - 35) * (50 - 35) + 50) == 80
    # Until then 75 had the index 100: 50 / 40 x 15 + 50 = 68.75, rounded up.
    assert iaqi("PM25_24h", 50, OLD) == math.ceil((100 - 50) / (75 - 35) * (50 - 35) + 50) == 69


@pytest.mark.parametrize(
    ("item", "concentration", "index"),
    [
        ("PM25_24h", 35.5, iaqi("PM25_24h", 36, NEW)),  # of two equally near ones to the even
        ("PM25_24h", 36.5, iaqi("PM25_24h", 36, NEW)),
        ("PM25_24h", 0.5, 0),
        ("CO_24h", 2.05, 50),
        ("CO_24h", 4.06, 101),
    ],
)
def test_a_concentration_is_rounded_to_the_even_before_it_is_looked_up(item, concentration, index):
    assert iaqi(item, concentration, NEW) == index


@pytest.mark.parametrize("edition", [OLD, NEW])
def test_at_every_breakpoint_stands_its_index(edition):
    for item, points in BREAKPOINTS[edition].items():
        assert [iaqi(item, point, edition) for point in points] == list(INDEX[: len(points)])


@given(st.sampled_from([OLD, NEW]), st.data())
def test_more_of_it_is_never_a_lower_index(edition, data):
    item = data.draw(st.sampled_from(sorted(BREAKPOINTS[edition])))
    top = BREAKPOINTS[edition][item][-1]
    low, high = sorted(data.draw(st.tuples(st.floats(0, top), st.floats(0, top))))
    assert 0 <= iaqi(item, low, edition) <= iaqi(item, high, edition) <= 500


def test_the_index_is_the_highest_and_names_what_makes_it():
    index = aqi({"PM25_24h": 61, "PM10_24h": 121, "O3_8h": 100}, NEW)
    assert (index.value, index.primary, index.level) == (101, ("PM25_24h", "PM10_24h"), 3)
    assert index.name.into(Lang.zh) == "轻度污染"
    assert index.parts == {"PM25_24h": 101, "PM10_24h": 101, "O3_8h": 50}
    clean = aqi({"PM25_24h": 35, "O3_8h": 20}, NEW)
    assert (clean.value, clean.primary, clean.level) == (50, (), 1)
    assert aqi({}, NEW) is None


@pytest.mark.parametrize(("value", "level"), [(0, 1), (50, 1), (51, 2), (100, 2), (151, 4), (201, 5), (301, 6)])
def test_levels(value, level):
    concentration = next(c for c in range(501) if iaqi("PM25_24h", c, NEW) >= value)
    assert aqi({"PM25_24h": concentration}, NEW).level == level


def test_the_day_chooses_the_edition():
    assert (edition_on(LAST_OF_OLD), edition_on(FIRST_OF_NEW)) == (OLD, NEW)
    hours = {"pm25": [61.0] * 24}
    assert index_of_day(hours, LAST_OF_OLD).parts == {"PM25_24h": 83}
    assert index_of_day(hours, FIRST_OF_NEW).value == 101


def test_an_hour_is_told_by_means_of_one_hour_of_particulates_too_since_2026():
    means = {"pm25": 61.0, "no2": 100.0, "laeq": 70.0}
    assert index_of_hour(means, FIRST_OF_NEW).parts == {"PM25_1h": 101, "NO2_1h": 50}
    assert index_of_hour(means, LAST_OF_OLD).parts == {"PM25_24h": 83, "NO2_1h": 50}
    assert index_of_hour(means | {"o3_8h": 100.0}, LAST_OF_OLD).parts == {"PM25_24h": 83, "NO2_1h": 50, "O3_8h": 50}
    assert index_of_hour(means | {"o3_8h": 100.0}, FIRST_OF_NEW).parts == {"PM25_1h": 101, "NO2_1h": 50}
    assert index_of_hour({"laeq": 70.0}, FIRST_OF_NEW) is None


def test_a_day_needs_20_of_its_hours():
    twenty = [60.0] * 20 + [None] * 4
    assert index_of_day({"pm25": twenty}, FIRST_OF_NEW).parts == {"PM25_24h": 100}
    assert index_of_day({"pm25": [None, *twenty[:-5], *[None] * 4]}, FIRST_OF_NEW) is None


def test_ozone_by_its_highest_mean_of_8_hours_within_the_day():
    """From 10:00 to 18:00 there are 200 ug/m3, else 40: the mean of these 8 h is 200, that of 11:00 to 19:00 is 180."""
    hours = [40.0] * 10 + [200.0] * 8 + [40.0] * 6
    assert concentrations_of_day({"o3": hours}) == {"O3_8h": 200, "O3_1h": 200}
    # 215 (index 150) and 160 (index 100) enclose it: 50 / 55 x 40 + 100 = 136.4
    assert index_of_day({"o3": hours}, FIRST_OF_NEW).parts == {"O3_8h": 137}


def test_ozone_of_a_mean_of_8_hours_needs_6_and_of_a_day_14_of_them():
    """Without hours 0 to 4, spans from hour 3 on have 6 of their 8: 14 of 17. Without hour 5, too, only 13."""
    assert "O3_8h" in concentrations_of_day({"o3": [None] * 5 + [50.0] * 19})
    assert concentrations_of_day({"o3": [None] * 6 + [50.0] * 18}) == {}


def test_ozone_above_the_limit_counts_however_few_means_there_are():
    """From 12:00 to 20:00 there are 170 ug/m3: five means of 8 h, of which the highest is above 160."""
    hours = {"o3": [None] * 12 + [170.0] * 8 + [None] * 4}
    assert concentrations_of_day(hours) == {"O3_8h": 170}
    assert index_of_day(hours, FIRST_OF_NEW).value == 110  # 100 + 50 x 10 / 55 = 109.1
    assert index_of_day({"o3": [None] * 12 + [160.0] * 8 + [None] * 4}, FIRST_OF_NEW) is None


WHOLE = {
    "pm25": [30.0] * 24,
    "pm10": [60.0] * 24,
    "so2": [10.0] * 24,
    "no2": [20.0] * 24,
    "co": [0.8] * 24,
    "o3": [90.0] * 24,
}
"""IAQI by hand, edition of 2026: PM2.5 50 x 30 / 35 = 42.9; PM10 50 + 50 x 10 / 70 = 57.1; SO2 50 x 10 / 50 = 10;
NO2 50 x 20 / 40 = 25; CO 50 x 0.8 / 2 = 20; O3 50 x 90 / 100 = 45. Each is rounded up."""


def test_a_day_by_hand():
    index = index_of_day(WHOLE, FIRST_OF_NEW)
    assert index.parts == {"PM25_24h": 43, "PM10_24h": 58, "SO2_24h": 10, "NO2_24h": 25, "CO_24h": 20, "O3_8h": 45}
    assert (index.value, index.primary, index.level, index.missing) == (58, ("PM10_24h",), 2, ())


def test_a_day_by_the_seven_items_of_2012():
    """PM10 50 + 50 x 10 / 100 = 55; the highest hour of ozone, 50 + 50 x 20 / 40 = 75, is an item of its own."""
    index = index_of_day(WHOLE | {"o3": [90.0] * 12 + [180.0] + [90.0] * 11}, LAST_OF_OLD)
    assert (index.parts["PM10_24h"], index.parts["O3_1h"], index.parts["O3_8h"]) == (55, 75, 51)
    assert (index.value, index.primary) == (75, ("O3_1h",))
    assert len(index.parts) == 7


@pytest.mark.parametrize("missing", WHOLE)
@pytest.mark.parametrize("day", [LAST_OF_OLD, FIRST_OF_NEW])
def test_without_one_of_its_pollutants_a_day_is_not_told_unless_it_is_polluted(missing, day):
    """HJ 633-2026, 5.3.1: the missing one might be the highest."""
    rest = {quantity: means for quantity, means in WHOLE.items() if quantity != missing}
    index = index_of_day(rest, day)
    assert (index.value, index.level, index.primary, index.missing) == (None, None, (), (missing,))
    assert index.parts
    other = "pm10" if missing == "pm25" else "pm25"
    polluted = index_of_day(rest | {other: [400.0] * 24}, day)
    assert (polluted.value > 100, polluted.missing) == (True, (missing,))


@pytest.mark.parametrize(("pm25", "value"), [(60.4, None), (60.6, 101)])
def test_an_incomplete_day_begins_to_be_told_above_100(pm25, value):
    """60.4 is 60, index 100; 60.6 is 61, index 101."""
    assert index_of_day({"pm25": [pm25] * 24}, FIRST_OF_NEW).value == value


def test_above_800_the_old_edition_goes_by_the_highest_hour_and_the_new_one_says_300():
    hours = {"o3": [900.0] * 24}
    assert index_of_day(hours, FIRST_OF_NEW).value == 300
    assert index_of_day(hours, LAST_OF_OLD).parts == {"O3_1h": 350}  # 900 lies half-way from 800 to 1000


@pytest.mark.parametrize(("item", "concentration"), [("PM25_24h", -1), ("PM25_24h", math.nan), ("CO_1h", math.inf)])
def test_what_is_no_concentration_is_refused(item, concentration):
    with pytest.raises(ValueError, match=item):
        iaqi(item, concentration, NEW)


def test_an_item_that_the_edition_does_not_have_is_refused_with_those_it_has():
    with pytest.raises(LookupError, match=r"PM25_1h.*PM25_24h"):
        iaqi("PM25_1h", 10, OLD)
