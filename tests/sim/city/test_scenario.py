import datetime as dt
import math
from zoneinfo import ZoneInfo

import pytest

from schemas.errors import UserError
from sim.city.city import boards, city
from sim.city.scenario import WorkingDay, profiles
from tests.hub.judging import Bench

SHANGHAI = ZoneInfo("Asia/Shanghai")
MIDNIGHT = dt.datetime(2026, 3, 2, tzinfo=SHANGHAI).timestamp()
HOUR = 3600
WINDOW = 1200


def laf(profile, start_h, end_h, seed=1):
    day = WorkingDay(profile, seed)
    return [day.value("laf", MIDNIGHT + s) for s in range(int(start_h * HOUR), int(end_h * HOUR))]


def laeq(levels):
    return 10 * math.log10(sum(10 ** (level / 10) for level in levels) / len(levels))


def laeq_20min(profile, start_h, end_h):
    levels = laf(profile, start_h, end_h)
    return [laeq(levels[i : i + WINDOW]) for i in range(0, len(levels), WINDOW)]


def mean(profile, channel, start_h, end_h):
    day = WorkingDay(profile, 1)
    values = [day.value(channel, MIDNIGHT + s) for s in range(int(start_h * HOUR), int(end_h * HOUR), 10)]
    return sum(values) / len(values)


def test_pile_driving_exceeds_the_day_limit_while_the_hammer_works_and_keeps_it_at_noon():
    assert min(laeq_20min("pile_driving", 7, 11)) > 73
    assert max(laeq_20min("pile_driving", 12, 13)) < 70


def test_pile_strokes_reach_85_to_95_db_at_the_fence():
    strokes = [level for level in laf("pile_driving", 9, 10) if level > 85]
    assert len(strokes) > 100
    assert 90 < max(strokes) < 100


def test_the_hammer_is_as_loud_on_a_clock_that_samples_once_a_minute():
    levels = laf("pile_driving", 7, 11)
    assert laeq(levels[::60]) == pytest.approx(laeq(levels), abs=2)


def test_pouring_through_the_night_exceeds_both_night_limits():
    for start_h in (0, 2, 22):
        assert min(laeq_20min("night_pour", start_h, start_h + 2)) > 55
        assert max(laf("night_pour", start_h, start_h + 2)) > 70


def test_fit_out_keeps_every_limit():
    assert max(laeq_20min("fit_out", 0, 6) + laeq_20min("fit_out", 22, 24)) < 55
    assert max(laf("fit_out", 0, 6)) < 70
    assert max(laeq_20min("fit_out", 6, 22)) < 70


@pytest.mark.parametrize("profile", ["pile_driving", "earthworks", "fit_out", "boiler_house", "gas_turbine_plant"])
def test_an_idle_site_sounds_like_the_city_at_night(profile):
    assert 42 < laeq(laf(profile, 0, 4)) < 48


def test_earthworks_raise_dust_while_they_last():
    assert mean("earthworks", "pm10", 9, 10) > mean("earthworks", "pm10", 3, 4) + 150
    assert mean("boiler_house", "pm10", 9, 10) < 150


@pytest.mark.parametrize("profile", profiles())
def test_each_size_of_dust_is_part_of_the_next(profile):
    day = WorkingDay(profile, 1)
    for t in range(int(MIDNIGHT), int(MIDNIGHT) + 24 * HOUR, 97):
        pm1, pm25, pm10, tsp = (day.value(channel, t) for channel in ("pm1", "pm25", "pm10", "tsp"))
        assert 0 < pm1 <= pm25 <= pm10 <= tsp


@pytest.mark.parametrize("profile", ["boiler_house", "gas_turbine_plant"])
def test_a_stack_burns_badly_in_the_morning_then_steadily(profile):
    for channel in ("stack_nox", "stack_co", "stack_o2"):
        assert mean(profile, channel, 6.42, 6.58) > 1.1 * mean(profile, channel, 10, 11)
    assert mean(profile, "stack_o2", 2, 3) == pytest.approx(20.9)
    assert mean(profile, "stack_nox", 2, 3) == 0


def test_a_construction_site_has_no_stack():
    assert WorkingDay("earthworks", 1).value("stack_nox", MIDNIGHT) is None


def test_the_same_time_gives_the_same_value_whatever_was_asked_before():
    first, second = WorkingDay("pile_driving", 1), WorkingDay("pile_driving", 1)
    t = MIDNIGHT + 9 * HOUR
    second.value("pm10", t + 100)
    second.value("laf", t - 100)
    assert first.value("laf", t) == second.value("laf", t)
    assert first.value("laf", t) != WorkingDay("pile_driving", 2).value("laf", t)


def test_the_day_follows_the_local_clock():
    utc = WorkingDay("pile_driving", 1, ZoneInfo("UTC"))
    eight_in_shanghai = [utc.value("laf", MIDNIGHT + 8 * HOUR + s) for s in range(WINDOW)]
    assert laeq(eight_in_shanghai) < 55


def test_an_unknown_profile_is_named_with_those_there_are():
    with pytest.raises(UserError, match=r"no site profile 'piling'; expected one of: pile_driving, "):
        WorkingDay("piling", 1)


def test_an_unknown_channel_is_refused_instead_of_silent():
    with pytest.raises(ValueError, match="no channel 'pm4'"):
        WorkingDay("fit_out", 1).value("pm4", MIDNIGHT)


@pytest.mark.parametrize("day", ["2026-01-15", "2026-07-04", "2026-11-28"])
@pytest.mark.parametrize(
    ("site", "channels", "limit"),
    [
        ("logistics-park", ("tsp",), "boundary-pm"),
        ("ring-road", ("tsp",), "boundary-pm"),
        ("ceramics-works", ("stack_nox", "stack_o2"), "nox-new-gas"),
    ],
)
def test_the_morning_of_the_demo_breaks_limits_on_dust_and_emissions_and_an_hour_later_keeps_them(
    site, channels, limit, day
):
    board = next(one for one in boards(city()) if one.site.id == site)
    bench = Bench(day=day, kind=board.site.kind, zone=board.site.zone_class, **board.site.properties)
    source = WorkingDay(board.site.profile, board.number)
    for channel in channels:
        values = [source.value(channel, bench.midnight + 6 * HOUR + t) for t in range(0, 2 * HOUR, 60)]
        bench.add(channel, 6 * HOUR, 60, *values)
    assert [outcome for _, outcome in bench.told(limit)] == ["exceeded", "compliant"]
