"""Worked examples: quality of the air. Days of hours, years of days, running means, days that may be above."""

import datetime as dt

import pytest

from hub.judge.averaging import rounded
from tests.hub.judging import DAY, HOUR, MINUTE, Bench

OLD, NEW = "GB 3095-2012", "GB 3095-2026"
EU_OLD, EU_NEW, WHO = "EU 2008/50", "EU 2024/2881", "WHO 2021"


def hours(*groups):
    """Return values from (count, value) pairs."""
    return [value for count, value in groups for _ in range(count)]


@pytest.mark.parametrize(("minutes", "outcome"), [(45, "exceeded"), (44, "too_little")])
def test_an_hour_needs_45_minutes(minutes, outcome):
    site = Bench(NEW).add("so2", 0, MINUTE, *[501.0] * minutes, *[None] * (60 - minutes))
    assert site.told("so2-hour-transition-2") == [(501.0, outcome)]


def test_a_day_is_the_mean_of_its_hourly_means_not_of_its_minutes():
    """An hour of 45 min counts like one of 60: 12 h of 60 at full length and 12 h of 181 of which 45 min each were
    measured are (12 x 60 + 12 x 181) / 24 = 120.5, told as 120; by the minutes it would be 111.9."""
    site = Bench(NEW)
    site.add("pm10", 0, MINUTE, *[60] * 720)
    for hour in range(12, 24):
        site.add("pm10", hour * HOUR, MINUTE, *[181] * 45)
    (day,) = [one for one in site.judge() if one.rule.limit.id == "pm10-day-transition-2"]
    assert day.value == pytest.approx((12 * 60 + 12 * 181) / 24) == 120.5
    assert (rounded(day.value, 0), day.outcome) == (120, "compliant")  # of two equally near ones to the even


@pytest.mark.parametrize(("valid", "outcome"), [(24, "exceeded"), (20, "exceeded"), (19, "too_little")])
def test_a_day_needs_20_hours(valid, outcome):
    site = Bench(NEW).add("pm25", 0, HOUR, *[61] * valid, *[None] * (24 - valid))
    assert site.told("pm25-day-transition-2") == [(61, outcome)]


def test_an_hour_of_too_few_minutes_counts_as_none_towards_its_day():
    site = Bench(NEW).add("pm25", 0, HOUR, *[50] * 19)
    site.add("pm25", 19 * HOUR, MINUTE, *[50] * 44)
    assert site.told("pm25-day-transition-2") == [(50, "too_little")]


@pytest.mark.parametrize(("valid", "outcome"), [(24, "exceeded"), (23, "too_little")])
def test_tsp_needs_the_whole_day(valid, outcome):
    site = Bench(NEW).add("tsp", 0, HOUR, *[301] * valid, *[None] * (24 - valid))
    assert site.told("tsp-day-2") == [(301, outcome)]


@pytest.mark.parametrize("quantity", ["pm25", "pm10", "tsp"])
def test_particulates_have_no_limit_for_an_hour(quantity):
    site = Bench(NEW).add(quantity, 0, HOUR, 900)
    assert all(one.end - one.start >= DAY for one in site.judge())


def test_carbon_monoxide_is_in_mg_per_m3():
    site = Bench(NEW).add("co", 0, HOUR, 10.0, 10.06)
    assert site.told("co-hour-2") == [(10.0, "compliant"), (10.06, "exceeded")]  # compared as 10.1


def test_grade_1_of_a_nature_reserve_and_grade_2_elsewhere():
    for air_class, outcome in (("1", "exceeded"), ("2", "compliant")):
        site = Bench(NEW, air_class=air_class).add("o3", 0, HOUR, 180.0)
        assert site.told(f"o3-hour-{air_class}") == [(180.0, outcome)]


def test_the_air_around_a_site_informs_and_accuses_nobody():
    site = Bench(NEW).add("so2", 0, HOUR, 900.0)
    assert {one.binding for one in site.judge()} == {"informs"}


@pytest.mark.parametrize(
    ("day", "limit", "outcome"),
    [
        ("2026-02-28", "GB 3095-2012 pm25-day-2", "compliant"),
        ("2026-03-01", "GB 3095-2026 pm25-day-transition-2", "exceeded"),
        ("2030-12-31", "GB 3095-2026 pm25-day-transition-2", "exceeded"),
        ("2031-01-01", "GB 3095-2026 pm25-day-final-2", "exceeded"),
    ],
)
def test_the_day_of_the_observation_chooses_the_edition_and_its_stage(day, limit, outcome):
    """70 ug/m3 of PM2.5: below 75 (2012), above 60 (2026 in transition) and 50 (from 2031)."""
    site = Bench(OLD, NEW, day=day).add("pm25", 0, HOUR, *[70] * 24)
    assert [(one.rule.id, one.outcome) for one in site.judge() if "day" in one.rule.id] == [(limit, outcome)]


def test_ozone_is_the_highest_mean_of_8_consecutive_hours():
    """13:00 to 21:00: 8 h of 161 ug/m3; one hour earlier or later one of them is 40: (7 x 161 + 40) / 8 = 145.9."""
    site = Bench(NEW).add("o3", 0, HOUR, *hours((13, 40.0), (8, 161.0), (3, 40.0)))
    assert site.told("o3-8h-2") == [(161.0, "exceeded")]


def test_means_of_8_hours_lie_within_their_day():
    """From 20:00 to 04:00 there are 200 ug/m3, in either day at most 4 of 8 hours: (4 x 200 + 4 x 40) / 8 = 120."""
    site = Bench(NEW).add("o3", 0, HOUR, *hours((20, 40.0), (8, 200.0), (20, 40.0)))
    assert site.told("o3-8h-2") == [(120.0, "compliant"), (120.0, "compliant")]


def test_in_europe_they_belong_to_the_day_in_which_they_end():
    """The same ozone: the mean of 20:00 to 04:00, 200 ug/m3, is the second day's."""
    site = Bench(EU_OLD, where="EU", tz="Europe/Berlin", day="2026-06-02")
    site.add("o3", -DAY, HOUR, *hours((20, 40.0), (8, 200.0), (20, 40.0)))
    assert [value for value, _ in site.told("o3-8h")] == [120.0, 200.0]


def test_a_mean_of_8_hours_needs_6_of_them_and_a_day_14_such_means():
    """Without 00:00 to 05:00, the spans from that of 03:00 to 11:00 on have 6 of their 8 hours: 14 of 17."""
    assert Bench(NEW).add("o3", 0, HOUR, *hours((5, None), (19, 100.0))).told("o3-8h-2") == [(100.0, "compliant")]
    assert Bench(NEW).add("o3", 0, HOUR, *hours((6, None), (18, 100.0))).told("o3-8h-2") == [(100.0, "too_little")]


def test_a_single_mean_of_8_hours_above_the_limit_is_one_too_many_however_little_else_was_measured():
    site = Bench(NEW).add("o3", 0, HOUR, *hours((12, None), (6, 170.0), (6, None)))
    assert site.told("o3-8h-2") == [(170.0, "exceeded")]


def test_a_year_is_the_mean_of_its_days():
    """200 days of 20 and 165 of 42: (200 x 20 + 165 x 42) / 365 = 29.9, told as 30, which is the limit."""
    site = Bench(NEW).days("pm25", "2027-01-01", *[20] * 200, *[42] * 165)
    assert site.told("pm25-year-transition-2") == [(30, "compliant")]


def year_without(*missing, year=2027):
    first = dt.date(year, 1, 1)
    days = (dt.date(year + 1, 1, 1) - first).days
    gone = {dt.date.fromisoformat(day) for day in missing}
    return Bench(NEW).days(
        "pm25", f"{year}-01-01", *[None if first + dt.timedelta(n) in gone else 20 for n in range(days)]
    )


@pytest.mark.parametrize(
    ("missing", "outcome"),
    [
        (["2027-03-01", "2027-03-02", "2027-03-03", "2027-03-04"], "compliant"),  # March has 27
        (["2027-03-01", "2027-03-02", "2027-03-03", "2027-03-04", "2027-03-05"], "too_little"),
        (["2027-02-01", "2027-02-02", "2027-02-03"], "compliant"),  # February has 25
        (["2027-02-01", "2027-02-02", "2027-02-03", "2027-02-04"], "too_little"),
    ],
)
def test_a_year_needs_27_days_of_every_month_and_25_of_february(missing, outcome):
    assert year_without(*missing).told("pm25-year-transition-2") == [(20, outcome)]


def test_a_year_needs_324_days_though_every_month_has_enough():
    """Four days short in seven months of 31 days, three in four of 30 and in February are 43: 322 are left."""
    lengths = {1: 31, 2: 28, 3: 31, 4: 30, 5: 31, 6: 30, 7: 31, 8: 31, 9: 30, 10: 31, 11: 30, 12: 31}
    missing = [
        f"2027-{month:02}-{day:02}"
        for month, days in lengths.items()
        for day in range(1, days - (25 if month == 2 else 27) + 1)
    ]
    assert len(missing) == 43
    assert year_without(*missing).told("pm25-year-transition-2") == [(20, "too_little")]
    assert year_without(*missing[2:]).told("pm25-year-transition-2") == [(20, "compliant")]


def test_a_leap_year_has_its_february_29():
    site = year_without("2028-02-26", "2028-02-27", "2028-02-28", "2028-02-29", year=2028)
    (year,) = [one for one in site.judge() if one.rule.limit.id == "pm25-year-transition-2"]
    assert (year.outcome, year.capture) == ("compliant", pytest.approx(362 / 366))


def test_lead_by_the_quarter():
    site = Bench(NEW).days("pb", "2026-07-01", *[0.8] * 46, *[1.3] * 46)
    assert site.told("pb-quarter-2") == [(1.05, "exceeded")]
    assert Bench(NEW).days("pb", "2026-07-01", *[0.8] * 40).told("pb-quarter-2") == [
        (0.8, "too_little")
    ]  # none in September


def test_europe_permits_35_days_of_a_year_above_50():
    site = Bench(EU_OLD, where="EU", tz="Europe/Berlin").days("pm10", "2025-01-01", *[51] * 36, 50, 51)
    found = [one for one in site.judge() if one.rule.limit.id == "pm10-day"]
    assert [one.outcome for one in found] == ["compliant"] * 35 + ["exceeded", "compliant", "exceeded"]
    assert sum(one.permitted for one in found) == 35


def test_the_permitted_days_are_counted_anew_every_year():
    site = Bench(EU_NEW, where="EU", tz="Europe/Berlin").days("pm10", "2030-12-13", *[46] * 20)
    outcomes = [outcome for _, outcome in site.told("pm10-day")]
    assert outcomes == ["compliant"] * 18 + ["exceeded"] + ["compliant"]  # the 20th day is January 1


def test_a_day_of_23_hours_is_measured_as_fully_as_any_other():
    site = Bench(EU_NEW, where="EU", tz="Europe/Berlin").days("no2", "2030-03-31", 50.0)
    (day,) = [one for one in site.judge() if one.rule.limit.id == "no2-day"]
    assert (day.end - day.start, day.capture, day.outcome) == (23 * HOUR, 1, "compliant")


@pytest.mark.parametrize(("target", "outcome"), [("AQG", "exceeded"), ("IT4", "exceeded"), ("IT3", "compliant")])
def test_who_by_the_target_that_is_aimed_at(target, outcome):
    """Four days of 30 ug/m3 of PM2.5, of which three are permitted: above 15 and 25, not above 37.5."""
    site = Bench(WHO, who_target=target).days("pm25", "2026-06-01", *[30] * 4)
    assert [outcome for _, outcome in site.told(f"pm25-day-{target.lower()}")][-1] == outcome


def test_late_hours_amend_their_day():
    """20 h of 56 ug/m3 are a valid day; with 4 h of 86 it has (20 x 56 + 4 x 86) / 24 = 61."""
    site = Bench(NEW).add("pm25", 0, HOUR, *[56] * 20)
    end = site.at("2026-06-02")
    assert site.told("pm25-day-transition-2", until=end) == [(56, "compliant")]
    site.add("pm25", 20 * HOUR, HOUR, *[86] * 4)
    assert site.told("pm25-day-transition-2", until=end) == [(61, "exceeded")]


def test_a_late_day_amends_its_year():
    site = Bench(NEW).days("pm25", "2027-01-01", *[20] * 364)
    end = site.at("2028-01-01")
    assert site.told("pm25-year-transition-2", until=end) == [(20, "compliant")]
    site.days("pm25", "2027-12-31", 4000)
    (year,) = [one for one in site.judge(until=end) if one.rule.limit.id == "pm25-year-transition-2"]
    assert (year.value, year.outcome, year.first) == (pytest.approx((364 * 20 + 4000) / 365), "exceeded", False)
