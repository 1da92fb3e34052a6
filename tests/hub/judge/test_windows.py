"""Averaging windows on the local clock: where each begins and ends, also when clocks change and in leap years."""

import datetime as dt
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hub.judge.windows import LocalTime
from tests.hub.helpers import SHANGHAI, at

MINUTE, HOUR, DAY = 60, 3600, 86_400
LENGTHS = (MINUTE, 5 * MINUTE, 15 * MINUTE, 20 * MINUTE, HOUR, 8 * HOUR)
DAYTIME, NIGHT = (6 * HOUR, 22 * HOUR), (22 * HOUR, 6 * HOUR)
ZONES = sorted(available_timezones() - {"localtime"})
SHIFTY = ("America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "America/St_Johns", "America/Santiago")
NOW = 1_790_000_000  # in September 2026
LOCAL = LocalTime(SHANGHAI)
KNOWN = {}


def local(zone):
    return KNOWN.setdefault(zone, LocalTime(ZoneInfo(zone)))


def moment(zone, text, fold=0):
    """Return the Unix time of a local date and time; `fold` 1: the second time that the clock shows it."""
    return int(dt.datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp())


def shown(zone, t):
    return f"{dt.datetime.fromtimestamp(t, ZoneInfo(zone)):%Y-%m-%d %H:%M}"


def all_windows(zone, day, length):
    """Return the windows of a local day, one after the other."""
    clock = local(zone)
    start, end = clock.calendar(moment(zone, f"{day} 12:00"), "day")
    found = []
    while start < end:
        found.append(clock.fixed(start, length))
        start = found[-1][1]
    return found


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2026-03-02 09:00", "2026-03-02 09:00", "2026-03-02 09:20"),
        ("2026-03-02 09:19:59", "2026-03-02 09:00", "2026-03-02 09:20"),
        ("2026-03-02 09:20", "2026-03-02 09:20", "2026-03-02 09:40"),
        ("2026-03-02 05:59:59", "2026-03-02 05:40", "2026-03-02 06:00"),
        ("2026-03-02 06:00", "2026-03-02 06:00", "2026-03-02 06:20"),
        ("2026-03-02 21:59:59", "2026-03-02 21:40", "2026-03-02 22:00"),
        ("2026-03-02 22:00", "2026-03-02 22:00", "2026-03-02 22:20"),
        ("2026-03-02 23:59:59", "2026-03-02 23:40", "2026-03-03 00:00"),
        ("2026-03-03 00:00", "2026-03-03 00:00", "2026-03-03 00:20"),
    ],
)
def test_the_day_is_cut_into_windows_from_local_midnight(text, start, end):
    assert LOCAL.fixed(at(text), 20 * MINUTE) == (at(start), at(end))


@pytest.mark.parametrize(
    ("text", "part", "start", "end"),
    [
        ("2026-03-02 06:00", DAYTIME, "2026-03-02 06:00", "2026-03-02 22:00"),
        ("2026-03-02 21:59:59", DAYTIME, "2026-03-02 06:00", "2026-03-02 22:00"),
        ("2026-03-02 22:00", NIGHT, "2026-03-02 22:00", "2026-03-03 06:00"),
        ("2026-03-03 00:00", NIGHT, "2026-03-02 22:00", "2026-03-03 06:00"),
        ("2026-03-03 05:59:59", NIGHT, "2026-03-02 22:00", "2026-03-03 06:00"),
    ],
)
def test_the_day_ends_at_22_sharp_and_the_night_runs_over_midnight_to_6_sharp(text, part, start, end):
    assert LOCAL.period(at(text), *part) == (at(start), at(end))
    assert LOCAL.period(at(text), *(NIGHT if part is DAYTIME else DAYTIME)) is None


@given(st.sampled_from(ZONES), st.integers(NOW, NOW + 2 * 366 * DAY))
def test_every_moment_is_either_day_or_night(zone, t):
    clock = local(zone)
    (period,) = [found for found in (clock.period(t, *DAYTIME), clock.period(t, *NIGHT)) if found]
    assert period[0] <= t < period[1]


@given(st.sampled_from(ZONES), st.integers(NOW, NOW + 2 * 366 * DAY), st.sampled_from(LENGTHS))
def test_in_every_zone_a_window_holds_its_moment_and_begins_where_the_clock_shows_a_multiple_of_its_length(
    zone, t, length
):
    clock = local(zone)
    start, end = clock.fixed(t, length)
    assert start <= t < end
    assert clock.fixed(start, length) == clock.fixed(end - 1, length) == (start, end)
    assert clock.fixed(end, length)[0] == end
    day = clock.day(t)
    assert day.start <= start
    assert end <= day.end
    if day.plain:
        assert end - start == length
        assert (start - day.start) % length == 0


@given(st.sampled_from(ZONES), st.integers(NOW, NOW + 2 * 366 * DAY))
def test_in_every_zone_the_days_follow_on_each_other_and_the_clock_agrees(zone, t):
    clock, now = local(zone), dt.datetime.fromtimestamp(t, ZoneInfo(zone))
    day = clock.day(t)
    assert day.start <= t < day.end
    assert day.date == now.date()
    assert clock.time_of_day(t) == now.hour * HOUR + now.minute * MINUTE + now.second
    assert clock.day(day.end).start == day.end
    assert clock.calendar(t, "day") == (day.start, day.end)


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("America/New_York", "2026-03-08", 23),
        ("America/New_York", "2026-11-01", 25),
        ("Europe/Berlin", "2026-03-29", 23),
        ("Europe/Berlin", "2026-10-25", 25),
        ("Australia/Lord_Howe", "2026-10-04", 23.5),
        ("Australia/Lord_Howe", "2026-04-05", 24.5),
        ("Asia/Shanghai", "2026-03-29", 24),
        ("Asia/Kathmandu", "2026-03-29", 24),
    ],
)
def test_a_day_on_which_clocks_change_is_shorter_or_longer(zone, day, hours):
    start, end = local(zone).calendar(moment(zone, f"{day} 12:00"), "day")
    assert (end - start) / HOUR == hours
    assert shown(zone, start) == f"{day} 00:00"


@pytest.mark.parametrize("zone", SHIFTY)
@pytest.mark.parametrize("length", LENGTHS[1:])
def test_the_windows_of_every_day_of_a_year_fill_it_without_gap_or_overlap(zone, length):
    clock = local(zone)
    t, end = clock.calendar(moment(zone, "2026-06-01 12:00"), "year")
    while t < end:
        start, until = clock.fixed(t, length)
        assert start == t
        t = until
    assert t == end


def test_the_hour_that_the_clock_shows_twice_is_two_windows_of_an_hour():
    berlin = "Europe/Berlin"
    first, second = moment(berlin, "2026-10-25 02:30"), moment(berlin, "2026-10-25 02:30", fold=1)
    assert second == first + HOUR
    assert local(berlin).fixed(first, HOUR) == (first - 1800, first + 1800)
    assert local(berlin).fixed(second, HOUR) == (second - 1800, second + 1800)
    assert [shown(berlin, start)[11:] for start, _ in all_windows(berlin, "2026-10-25", HOUR)][1:5] == [
        *("01:00", "02:00", "02:00", "03:00"),
    ]
    assert len(all_windows(berlin, "2026-10-25", HOUR)) == 25


def test_the_hour_that_the_clock_leaves_out_is_no_window():
    new_york = "America/New_York"
    hours = [shown(new_york, start)[11:] for start, _ in all_windows(new_york, "2026-03-08", HOUR)]
    assert hours[:4] == ["00:00", "01:00", "03:00", "04:00"]
    assert len(hours) == 23


def test_a_clock_that_changes_by_half_an_hour_cuts_one_window_short_and_doubles_another():
    """Lord Howe: at 02:00 to 02:30 in October, at 02:00 back to 01:30 in April."""
    zone = "Australia/Lord_Howe"

    def shape(day):
        windows = all_windows(zone, day, HOUR)[1:4]
        return [(shown(zone, start)[11:], (end - start) // MINUTE) for start, end in windows]

    assert shape("2026-10-04") == [("01:00", 60), ("02:30", 30), ("03:00", 60)]
    assert shape("2026-04-05") == [("01:00", 90), ("02:00", 60), ("03:00", 60)]


@pytest.mark.parametrize(
    ("day", "hours"),
    [("2026-03-28", 7), ("2026-10-24", 9), ("2026-07-01", 8)],
)
def test_a_night_in_which_clocks_change_is_still_from_22_to_6_on_the_clock(day, hours):
    berlin = "Europe/Berlin"
    start, end = local(berlin).period(moment(berlin, f"{day} 23:00"), *NIGHT)
    assert (end - start) / HOUR == hours
    assert (shown(berlin, start)[11:], shown(berlin, end)[11:]) == ("22:00", "06:00")


@pytest.mark.parametrize(
    ("unit", "text", "start", "end"),
    [
        ("day", "2028-02-29 12:00", "2028-02-29", "2028-03-01"),
        ("month", "2028-02-29 12:00", "2028-02-01", "2028-03-01"),
        ("month", "2026-12-31 23:59:59", "2026-12-01", "2027-01-01"),
        ("quarter", "2028-02-29 12:00", "2028-01-01", "2028-04-01"),
        ("quarter", "2026-12-31 23:59:59", "2026-10-01", "2027-01-01"),
        ("year", "2028-12-31 23:59:59", "2028-01-01", "2029-01-01"),
        ("year", "2027-01-01 00:00", "2027-01-01", "2028-01-01"),
    ],
)
def test_months_quarters_and_years_are_those_of_the_local_calendar(unit, text, start, end):
    assert LOCAL.calendar(at(text), unit) == (at(f"{start} 00:00"), at(f"{end} 00:00"))


def test_a_leap_year_has_366_days_and_its_february_29():
    def days(year):
        return LOCAL.days(*LOCAL.calendar(at(f"{year}-06-01 00:00"), "year"))

    assert [len(days(year)) for year in (2026, 2027, 2028, 2100)] == [365, 365, 366, 365]
    assert sum(day.date.month == 2 for day in days(2028)) == 29


@given(st.sampled_from(SHIFTY), st.integers(NOW, NOW + 366 * DAY), st.sampled_from(["month", "quarter", "year"]))
def test_calendar_periods_begin_and_end_at_local_midnight(zone, t, unit):
    start, end = local(zone).calendar(t, unit)
    assert start <= t < end
    # Where the clock jumps over midnight, the day begins when the clock shows 01:00.
    assume(local(zone).time_of_day(start) == 0)
    assert local(zone).calendar(end, unit)[0] == end


def test_a_zone_without_midnight_on_a_day_begins_it_where_the_clock_first_shows_it():
    """Santiago: on 2026-09-06 the clock goes from 24:00 to 01:00."""
    santiago = "America/Santiago"
    start, end = local(santiago).calendar(moment(santiago, "2026-09-06 12:00"), "day")
    assert shown(santiago, start) == "2026-09-06 01:00"
    assert (end - start) / HOUR == 23
    assert shown(santiago, all_windows(santiago, "2026-09-06", HOUR)[0][0]) == "2026-09-06 01:00"
