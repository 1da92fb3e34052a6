"""Averaging windows: which one a moment belongs to, what its value is, what that means in law."""

import datetime as dt
import math
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.windows import Window, window_of
from schemas import Averaging, Step
from tests.hub.helpers import LIMITS, SHANGHAI, at

LAEQ_DAY, LAEQ_NIGHT, LAFMAX_NIGHT = (limit for _, limit in LIMITS)


def mean_over(window):
    return Averaging(steps=(Step(window=f"{window} s", statistic="mean", least_valid=0.75),), verified="U")


PM10_HOUR = msgspec.structs.replace(
    LAEQ_DAY, quantity="pm10", averaging=mean_over(3600), from_="00:00", to="00:00", value=150
)
DAY = 86_400
MIDNIGHT = at("2026-03-02 00:00")
TENTH = 0.051  # a value may be rounded to a tenth of a dB


@pytest.mark.parametrize(
    ("moment", "start", "end"),
    [
        ("2026-03-02 09:00", "2026-03-02 09:00", "2026-03-02 09:20"),
        ("2026-03-02 09:19:59", "2026-03-02 09:00", "2026-03-02 09:20"),
        ("2026-03-02 09:20", "2026-03-02 09:20", "2026-03-02 09:40"),
        ("2026-03-02 06:00", "2026-03-02 06:00", "2026-03-02 06:20"),
        ("2026-03-02 21:59:59", "2026-03-02 21:40", "2026-03-02 22:00"),
    ],
)
def test_the_day_is_cut_into_windows_from_local_midnight(moment, start, end):
    assert window_of(LAEQ_DAY, at(moment), SHANGHAI) == (at(start), at(end))
    assert window_of(LAEQ_NIGHT, at(moment), SHANGHAI) is None


@pytest.mark.parametrize(
    ("moment", "start", "end"),
    [
        ("2026-03-02 22:00", "2026-03-02 22:00", "2026-03-02 22:20"),
        ("2026-03-02 23:59:59", "2026-03-02 23:40", "2026-03-03 00:00"),
        ("2026-03-03 00:00", "2026-03-03 00:00", "2026-03-03 00:20"),
        ("2026-03-03 05:59:59", "2026-03-03 05:40", "2026-03-03 06:00"),
    ],
)
def test_the_night_runs_over_midnight(moment, start, end):
    assert window_of(LAEQ_NIGHT, at(moment), SHANGHAI) == (at(start), at(end))
    assert window_of(LAFMAX_NIGHT, at(moment), SHANGHAI) == (at(start), at(end))
    assert window_of(LAEQ_DAY, at(moment), SHANGHAI) is None


@given(st.integers(MIDNIGHT, MIDNIGHT + DAY - 1))
def test_every_second_is_either_day_or_night_and_lies_in_its_window(t):
    (window,) = [w for w in (window_of(limit, t, SHANGHAI) for limit in (LAEQ_DAY, LAEQ_NIGHT)) if w]
    start, end = window
    assert start <= t < end == start + 1200
    assert (start - MIDNIGHT) % 1200 == 0


@given(
    st.integers(MIDNIGHT, MIDNIGHT + DAY - 1),
    st.sampled_from([1200, 3600, 8 * 3600, DAY]),
    st.sampled_from(["Asia/Shanghai", "Asia/Kolkata", "Asia/Kathmandu", "America/St_Johns", "UTC"]),
)
def test_windows_are_cut_from_local_midnight_in_every_time_zone(t, window, zone):
    limit = msgspec.structs.replace(PM10_HOUR, averaging=mean_over(window))
    start, end = window_of(limit, t, ZoneInfo(zone))
    assert start <= t < end == start + window
    assert (start + offset(zone, start)) % window == 0


def offset(zone, t):
    return dt.datetime.fromtimestamp(t, ZoneInfo(zone)).utcoffset().total_seconds()


def filled(limit, *intervals):
    window = Window()
    for value, seconds in intervals:
        window.add(limit, value, seconds)
    return window


def test_60_db_and_70_db_half_the_time_each_are_67_4_db():
    assert filled(LAEQ_DAY, (60, 600), (70, 600)).value(LAEQ_DAY) == pytest.approx(67.4, abs=TENTH)


def test_a_level_counts_for_as_long_as_it_lasted():
    nine_to_one = filled(LAEQ_DAY, (60, 1080), (80, 120)).value(LAEQ_DAY)
    assert nine_to_one == pytest.approx(10 * math.log10(0.9 * 1e6 + 0.1 * 1e8), abs=TENTH)


def test_concentrations_are_averaged_arithmetically_and_maxima_not_at_all():
    assert filled(PM10_HOUR, (100, 1800), (200, 600)).value(PM10_HOUR) == 125
    assert filled(LAFMAX_NIGHT, (50, 60), (71.2, 1), (60, 60)).value(LAFMAX_NIGHT) == 71.2


@given(st.lists(st.tuples(st.floats(20, 140), st.sampled_from([1, 10, 60])), min_size=1, max_size=30))
def test_an_energy_mean_lies_between_the_arithmetic_mean_and_the_maximum(intervals):
    value = filled(LAEQ_DAY, *intervals).value(LAEQ_DAY)
    arithmetic = sum(level * dt for level, dt in intervals) / sum(dt for _, dt in intervals)
    assert arithmetic - TENTH <= value <= max(level for level, _ in intervals) + TENTH


@given(st.permutations([(55.0, 10), (61.3, 60), (70.2, 1), (48.9, 30), (90.0, 2)]))
def test_the_order_of_arrival_does_not_matter(intervals):
    assert filled(LAEQ_DAY, *intervals).value(LAEQ_DAY) == pytest.approx(73.09, abs=TENTH)


@pytest.mark.parametrize("limit", [LAEQ_DAY, LAEQ_NIGHT, LAFMAX_NIGHT, PM10_HOUR])
@pytest.mark.parametrize("dt", [1, 2, 5, 10, 15, 20, 30, 60])
def test_exactly_the_limit_is_compliant_and_a_tenth_more_is_not(limit, dt):
    count = limit.window // dt
    assert filled(limit, *[(limit.value, dt)] * count).outcome(limit) == "compliant"
    assert filled(limit, *[(limit.value + 0.1, dt)] * count).outcome(limit) == "exceeded"


@pytest.mark.parametrize(
    ("level", "minutes", "outcome"),
    [
        (60, 20, "compliant"),
        (60, 15, "compliant"),
        (60, 14, "invalid"),
        (80, 20, "exceeded"),
        (80, 15, "exceeded"),
        (80, 14, "invalid"),
    ],
)
def test_a_window_with_less_than_three_quarters_measured_says_nothing(level, minutes, outcome):
    assert filled(LAEQ_DAY, *[(level, 60)] * minutes).outcome(LAEQ_DAY) == outcome


def test_a_single_level_above_a_maximum_is_an_exceedance_however_little_was_measured():
    assert filled(LAFMAX_NIGHT, (70.1, 1)).outcome(LAFMAX_NIGHT) == "exceeded"
    assert filled(LAFMAX_NIGHT, (70.0, 1)).outcome(LAFMAX_NIGHT) == "invalid"
    assert filled(LAFMAX_NIGHT, (70.0, 900)).outcome(LAFMAX_NIGHT) == "compliant"


def test_an_empty_window_has_no_value():
    for limit in (LAEQ_DAY, LAFMAX_NIGHT, PM10_HOUR):
        assert Window().value(limit) is None
        assert Window().outcome(limit) == "invalid"
