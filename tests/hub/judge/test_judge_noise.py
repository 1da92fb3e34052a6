"""Worked examples: limits on noise."""

import math

import pytest

from hub.alerts.text import number
from hub.judge.averaging import rounded
from tests.hub.judging import HOUR, MINUTE, Bench

NINE, TEN_PM = 9 * HOUR, 22 * HOUR
CONSTRUCTION, FACTORY, AREA = "GB 12523-2025", "GB 12348-2008", "GB 3096-2008"


def energy_mean(*levels):
    return 10 * math.log10(sum(10 ** (level / 10) for level in levels) / len(levels))


def test_20_minutes_of_a_construction_site_by_day():
    """10 min of 60 dB and 10 min of 70 dB: 10 lg((10^6 + 10^7) / 2) = 67.4 dB, not 65."""
    site = Bench(CONSTRUCTION).add("laeq", NINE, MINUTE, *[60.0] * 10, *[70.0] * 10)
    assert site.told("laeq-day") == [(67.4, "compliant")]


def test_20_minutes_at_night_which_one_lorry_breaks():
    """19 min of 50 dB and 1 min of 70 dB: 10 lg((19 x 10^5 + 10^7) / 20) = 57.7 dB, above 55."""
    site = Bench(CONSTRUCTION).add("laeq", TEN_PM, MINUTE, *[50.0] * 19, 70.0)
    assert site.told("laeq-night") == [(57.7, "exceeded")]


@pytest.mark.parametrize(
    ("start", "limit"),
    [(6 * HOUR - 1200, "laeq-night"), (6 * HOUR, "laeq-day"), (TEN_PM - 1200, "laeq-day"), (TEN_PM, "laeq-night")],
)
def test_at_22_and_at_6_sharp_the_other_limit_holds(start, limit):
    site = Bench(CONSTRUCTION).add("laeq", start, MINUTE, *[60.0] * 20)
    (only,) = site.judge()
    assert only.rule.limit.id == limit
    assert only.outcome == ("compliant" if limit == "laeq-day" else "exceeded")


def test_a_second_on_either_side_of_22_counts_for_its_own_side():
    site = Bench(CONSTRUCTION)
    site.add("laeq", TEN_PM - 1200, 1, *[60.0] * 1200, *[50.0] * 1200)
    assert [(one.rule.limit.id, round(one.value, 9)) for one in site.judge()] == [("laeq-day", 60), ("laeq-night", 50)]


@pytest.mark.parametrize(
    ("loudest", "minutes", "outcome"),
    [
        (70.0, 20, "compliant"),
        (70.1, 20, "exceeded"),
        (70.1, 1, "exceeded"),  # one is enough, however little was measured
        (70.0, 14, "too_little"),
        (70.0, 15, "compliant"),
    ],
)
def test_the_highest_level_at_night_may_be_15_db_above_the_limit_of_55(loudest, minutes, outcome):
    site = Bench(CONSTRUCTION).add("lafmax", TEN_PM, MINUTE, loudest, *[50.0] * (minutes - 1))
    assert site.told("lafmax-night") == [(loudest, outcome)]


def test_peaks_by_day_have_no_limit():
    assert Bench(CONSTRUCTION).add("lafmax", NINE, MINUTE, *[99.0] * 20).judge() == []


@pytest.mark.parametrize(
    ("levels", "outcome"),
    [
        ([70.0] * 20, "compliant"),  # not above it
        ([70.0] * 19 + [75.0], "compliant"),  # 70.45, told as 70.4 and compared as 70
        ([70.0] * 19 + [76.0], "exceeded"),  # 70.60, told as 70.6 and compared as 71
    ],
)
def test_a_level_is_told_to_a_tenth_and_compared_in_whole_db(levels, outcome):
    site = Bench(CONSTRUCTION).add("laeq", NINE, MINUTE, *levels)
    assert site.told("laeq-day") == [(round(energy_mean(*levels), 1), outcome)]


@pytest.mark.parametrize(("minutes", "outcome"), [(15, "exceeded"), (14, "too_little")])
def test_three_quarters_of_a_window_must_be_measured(minutes, outcome):
    site = Bench(CONSTRUCTION).add("laeq", NINE, MINUTE, *[80.0] * minutes, *[None] * (20 - minutes))
    assert site.told("laeq-day") == [(80.0, outcome)]


def test_a_window_of_which_nothing_counts_is_invalid():
    site = Bench(CONSTRUCTION).add("laeq", NINE, MINUTE, *[None] * 20)
    assert site.told("laeq-day") == [(None, "too_little")]


@pytest.mark.parametrize(("speed", "outcome"), [(4.9, "exceeded"), (5.0, "wind"), (9.0, "wind")])
@pytest.mark.parametrize("gauge", ["a", "b"])
def test_wind_of_5_m_per_s_or_more_voids_a_window_whichever_board_of_the_site_measures_it(speed, outcome, gauge):
    site = Bench(CONSTRUCTION).add("laeq", NINE, MINUTE, *[80.0] * 20)
    site.add("wind_speed", NINE, MINUTE, *[speed] * 20, device=gauge)
    assert site.told("laeq-day") == [(80.0, outcome)]


def test_wind_voids_peaks_too_and_only_in_its_own_window():
    site = Bench(CONSTRUCTION).add("lafmax", TEN_PM, MINUTE, *[80.0] * 40)
    site.add("wind_speed", TEN_PM, MINUTE, *[8.0] * 20, *[2.0] * 20)
    assert site.told("lafmax-night") == [(80.0, "wind"), (80.0, "exceeded")]


def test_wind_that_is_told_late_voids_the_verdict():
    site = Bench(CONSTRUCTION).add("laeq", NINE, MINUTE, *[80.0] * 20)
    later = site.midnight + NINE + HOUR
    assert site.told("laeq-day", until=later) == [(80.0, "exceeded")]
    site.add("wind_speed", NINE, MINUTE, *[8.0] * 20, device="b")
    assert site.told("laeq-day", until=later) == [(80.0, "wind")]


def test_a_window_waits_for_the_wind_of_a_board_that_is_not_done_with_it():
    site = Bench(CONSTRUCTION).add("laeq", NINE, MINUTE, *[80.0] * 20)
    site.add("wind_speed", NINE, MINUTE, *[8.0] * 10, device="b")
    end = site.midnight + NINE + 1200
    site.engine.reach("a", end)
    assert site.engine.judge("a") == []
    site.engine.reach("b", end)
    (only,) = site.engine.judge("a")
    assert only.reason == "wind"


@pytest.mark.parametrize(
    ("zone", "day", "night"),
    [("0", 50, 40), ("1", 55, 45), ("2", 60, 50), ("3", 65, 55), ("4", 70, 55), ("4b", 70, 55)],
)
def test_a_factory_by_its_zone_class_in_minutes(zone, day, night):
    site = Bench(FACTORY, kind="factory", zone=zone)
    site.add("laeq", NINE, MINUTE, day + 0.4, day + 0.6).add("laeq", TEN_PM, MINUTE, night + 0.4, night + 0.6)
    assert [one.outcome for one in site.judge()] == ["compliant", "exceeded", "compliant", "exceeded"]


@pytest.mark.parametrize(("course", "more"), [("frequent", 10), ("occasional", 15)])
def test_sudden_noise_of_a_factory_at_night(course, more):
    site = Bench(FACTORY, kind="factory", zone="2", night_noise=course)
    site.add("lafmax", TEN_PM, MINUTE, 50.0 + more, 50.1 + more)
    assert site.told(f"lafmax-night-{course}-2") == [(50.0 + more, "compliant"), (50.1 + more, "exceeded")]


def test_varying_noise_of_a_factory_is_not_judged_by_the_minute():
    assert Bench(FACTORY, kind="factory", zone="2", noise="varying").add("laeq", NINE, MINUTE, 90.0).judge() == []


def test_an_area_has_one_level_for_the_whole_day_and_one_for_the_night_over_midnight():
    """Ld: 8 h of 55 dB and 8 h of 62 dB, 10 lg((10^5.5 + 10^6.2) / 2) = 59.8. Ln: 2 h of 56 dB and 6 h of 44 dB,
    10 lg((2 x 10^5.6 + 6 x 10^4.4) / 8) = 50.7 dB, above 50."""
    site = Bench(AREA, zone="2")
    site.add("laeq", 6 * HOUR, HOUR, *[55.0] * 8, *[62.0] * 8, *[56.0] * 2, *[44.0] * 6)
    (day, night) = site.judge()
    assert (round(day.value, 1), day.outcome, day.rule.limit.id) == (59.8, "compliant", "ld-2")
    assert (round(night.value, 1), night.outcome, night.rule.limit.id) == (50.7, "exceeded", "ln-2")
    assert (night.start - site.midnight, night.end - site.midnight) == (22 * HOUR, 30 * HOUR)
    assert {day.binding, night.binding} == {"informs"}


def test_the_night_of_new_year_is_judged_by_the_edition_of_its_own_day():
    """GB 12523-2025 holds from 2026-01-01: windows up to midnight are judged by that of 2011."""
    site = Bench(day="2025-12-31").add("laeq", 24 * HOUR - 1200, MINUTE, *[60.0] * 40)
    assert [one.rule.id for one in site.judge()] == ["GB 12523-2011 laeq-night", "GB 12523-2025 laeq-night"]


def test_in_the_night_in_which_clocks_go_back_the_doubled_hour_is_judged_twice():
    """25 hours of one day are 75 windows of 20 min."""
    site = Bench(CONSTRUCTION, day="2026-10-25", tz="Europe/Berlin").add("laeq", 0, MINUTE, *[50.0] * 25 * 60)
    found = site.judge()
    assert len(found) == 75
    assert {one.end - one.start for one in found} == {1200}
    assert (
        sum(one.rule.limit.id == "laeq-night" for one in found) == 3 * 9
    )  # 00:00 to 06:00 are 7 h, and 22:00 to 24:00


def test_in_the_night_in_which_clocks_go_forward_an_hour_is_missing():
    site = Bench(CONSTRUCTION, day="2026-03-29", tz="Europe/Berlin").add("laeq", 0, MINUTE, *[50.0] * 23 * 60)
    assert len(site.judge()) == 69


def test_on_a_leap_day_as_on_any_other():
    site = Bench(CONSTRUCTION, day="2028-02-29").add("laeq", 0, MINUTE, *[50.0] * 24 * 60)
    found = site.judge()
    assert len(found) == 72
    assert found[-1].end == site.at("2028-03-01")


@pytest.mark.parametrize(
    ("value", "decimals", "told"),
    [
        (70.05, 1, 70.0),  # of two equally near ones the even
        (70.15, 1, 70.2),
        (70.05 - 1e-12, 1, 70.0),  # a sum's last digit is no reason for another verdict
        (70.05 + 1e-12, 1, 70.0),
        (70.0501, 1, 70.1),
        (120.5, 0, 120),
        (121.5 - 1e-10, 0, 122),
        (-0.05, 1, 0.0),
        (67.4036, 1, 67.4),
    ],
)
def test_rounding_as_gb_t_8170_has_it(value, decimals, told):
    assert rounded(value, decimals) == told
    assert float(number(value, decimals)) == told  # what people are told is what was compared


def test_rain_at_any_board_of_the_site_voids_the_noise_and_nothing_else():
    site = Bench("GB 12523-2025", "GB 3095-2026")
    site.add("laeq", NINE, 20 * MINUTE, 75.0, 75.0).add("no2", NINE, HOUR, 250)
    site.add("rain", NINE, MINUTE, *[0.0] * 19, 0.1, *[0.0] * 20, device="b")
    judged = [one for one in site.judge() if "hour" in one.rule.id or "laeq" in one.rule.id]
    found = [(one.rule.limit.quantity, one.reason or one.outcome) for one in judged]
    assert sorted(found) == [("laeq", "exceeded"), ("laeq", "rain"), ("no2", "exceeded")]


def test_of_a_night_the_wet_hours_are_left_out_and_the_others_judged():
    """Seven dry hours of 40 dB and a wet one of 60 dB: the night is 40 dB, not 51."""
    site = Bench("GB 3096-2008", zone="2").add("laeq", 22 * HOUR, HOUR, 60.0, *[40.0] * 7)
    site.add("rain", 22 * HOUR, HOUR, 2.0, *[0.0] * 7)
    (night,) = [one for one in site.judge() if one.rule.limit.id == "ln-2"]
    assert (round(night.value, 6), night.outcome) == (40.0, "compliant")


def test_rain_that_is_told_late_takes_a_verdict_back():
    site = Bench("GB 12523-2025").add("laeq", NINE, 20 * MINUTE, 75.0)
    assert [one.outcome for one in site.judge(until=site.midnight + 10 * HOUR)] == ["exceeded"]
    site.add("rain", NINE, MINUTE, 1.5, device="b")
    assert [(one.outcome, one.reason) for one in site.judge()] == [("invalid", "rain")]
