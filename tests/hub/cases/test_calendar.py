"""The city's calendar: when a time limit ends, by hand and, for any calendar, by its properties."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.cases.rules.calendar import UNITS, Calendar, CalendarEntry, CalendarError
from hub.cases.rules.rulebook import Rulebook
from tests.hub.helpers import SHANGHAI

CITY = Rulebook(None, SHANGHAI).calendar
BERLIN = ZoneInfo("Europe/Berlin")


def at(local, zone=SHANGHAI):
    return dt.datetime.fromisoformat(local).replace(tzinfo=zone).timestamp()


def local(t, zone=SHANGHAI):
    return f"{dt.datetime.fromtimestamp(t, zone):%Y-%m-%d %H:%M}"


@pytest.mark.parametrize(
    ("start", "amount", "unit", "end"),
    [
        # Wednesday before the National Day: 16:30 leaves one hour, the rest is worked after seven days off. 8 October
        # is a Thursday.
        ("2026-09-30 16:30", 4, "work_hour", "2026-10-08 11:30"),
        # Over lunch; from before work; from Sunday; to the very end of a day.
        ("2026-11-02 11:00", 2, "work_hour", "2026-11-02 15:00"),
        ("2026-11-02 06:00", 2, "work_hour", "2026-11-02 10:30"),
        ("2026-11-01 10:00", 2, "work_hour", "2026-11-02 10:30"),
        ("2026-11-02 14:00", 3.5, "work_hour", "2026-11-02 17:30"),
        # 14 February, a Saturday, is worked for the Spring Festival; then nine days are off.
        ("2026-02-13 17:00", 1, "work_hour", "2026-02-14 09:00"),
        ("2026-02-13 10:00", 1, "work_day", "2026-02-14 17:30"),
        ("2026-02-14 10:00", 1, "work_day", "2026-02-24 17:30"),
        ("2026-11-02 23:59", 2, "work_day", "2026-11-04 17:30"),
        ("2026-11-06 10:00", 7, "work_day", "2026-11-17 17:30"),
        # Natural days run through holidays, and end at midnight.
        ("2026-09-30 16:30", 3, "natural_day", "2026-10-04 00:00"),
        ("2026-09-30 00:00", 1, "natural_day", "2026-10-02 00:00"),
        # Urgent hours are hours of the clock, day and night.
        ("2026-09-30 23:00", 2, "urgent_hour", "2026-10-01 01:00"),
    ],
)
def test_a_limit_ends_as_counted_by_hand(start, amount, unit, end):
    assert local(CITY.limit(at(start), amount, unit)) == end


def test_the_calendar_that_comes_along_says_how_well_it_is_known():
    assert (CITY.entry.verified, CITY.entry.hours_verified) == ("S", "U")
    worked = sum(CITY.is_worked(dt.date(2026, 1, 1) + dt.timedelta(days=n)) for n in range(365))
    # 261 weekdays; 33 days off of which 11 lie on weekends; 6 make-up days.
    off = {day for text in CITY.entry.off for day in span(text)}
    assert len(off) == 33
    assert worked == 261 - sum(day.isoweekday() <= 5 for day in off) + 6
    assert CITY.is_known(at("2026-12-31 23:00"))
    assert not CITY.is_known(at("2027-01-01 00:00"))


def span(text):
    first, _, last = text.partition("..")
    begin, end = dt.date.fromisoformat(first), dt.date.fromisoformat(last or first)
    return [begin + dt.timedelta(days=n) for n in range((end - begin).days + 1)]


def test_the_clock_that_is_put_forward_swallows_an_hour_of_work():
    entry = CalendarEntry(
        source="test", verified="U", known_to=dt.date(2026, 12, 31), hours=("00:00-24:00",), week=(1, 2, 3, 4, 5, 6, 7)
    )
    calendar = Calendar(entry, BERLIN)
    # 29 March 2026: from 02:00 to 03:00 there is nothing. 25 October: the hour from 02:00 comes twice.
    assert local(calendar.limit(at("2026-03-29 00:00", BERLIN), 23, "work_hour"), BERLIN) == "2026-03-30 00:00"
    assert local(calendar.limit(at("2026-10-25 00:00", BERLIN), 25, "work_hour"), BERLIN) == "2026-10-26 00:00"
    assert local(calendar.limit(at("2026-10-24 12:00", BERLIN), 1, "natural_day"), BERLIN) == "2026-10-26 00:00"


@pytest.mark.parametrize(
    "wrong",
    [
        {"hours": ("12:00-08:00",)},
        {"hours": ("08:00-12:00", "11:00-17:00")},
        {"off": ("2026-13-01",)},
        {"off": ("2026-02-10..2026-02-01",)},
        {"on": ("2026-02-30",)},
    ],
)
def test_a_calendar_that_cannot_be_is_refused(wrong):
    given_ = {"source": "test", "verified": "U", "known_to": dt.date(2026, 12, 31), "hours": ("08:00-12:00",)}
    with pytest.raises(CalendarError):
        Calendar(CalendarEntry(**(given_ | wrong)), SHANGHAI)


def test_a_calendar_that_leaves_no_day_to_work_says_so():
    years = tuple(f"{year}-01-01..{year}-12-31" for year in range(2026, 2040))
    calendar = Calendar(
        CalendarEntry(source="t", verified="U", known_to=dt.date(2026, 1, 1), hours=("08:00-12:00",), off=years),
        SHANGHAI,
    )
    for unit in ("work_hour", "work_day"):
        with pytest.raises(CalendarError, match="further than a calendar reaches"):
            calendar.limit(at("2026-01-01 08:00"), 1, unit)
    with pytest.raises(CalendarError, match="whole number"):
        calendar.limit(at("2026-01-01 08:00"), 1.5, "natural_day")


FEW = settings(max_examples=40)
DAYS = st.dates(dt.date(2026, 1, 1), dt.date(2026, 12, 31))
EDGES = st.lists(st.integers(0, 96), min_size=2, max_size=6, unique=True).map(sorted).filter(lambda n: len(n) % 2 == 0)


def clock(quarter):
    return f"{quarter // 4:02}:{quarter % 4 * 15:02}"


@st.composite
def calendars(draw, zones=(SHANGHAI, BERLIN)):
    edges = draw(EDGES)
    entry = CalendarEntry(
        source="test",
        verified="U",
        known_to=dt.date(2026, 12, 31),
        hours=tuple(f"{clock(a)}-{clock(b)}" for a, b in zip(edges[::2], edges[1::2], strict=True)),
        week=tuple(sorted(draw(st.sets(st.integers(1, 7), min_size=1)))),
        off=tuple(day.isoformat() for day in draw(st.lists(DAYS, max_size=8))),
        on=tuple(day.isoformat() for day in draw(st.lists(DAYS, max_size=8))),
    )
    return Calendar(entry, draw(st.sampled_from(zones)))


MOMENTS = st.integers(int(at("2026-01-01 00:00")), int(at("2026-12-31 00:00")))
UNIT = st.sampled_from(UNITS)
AMOUNTS = st.integers(0, 20)


@FEW
@given(calendars(), MOMENTS, AMOUNTS, UNIT)
def test_what_a_limit_adds_is_what_lies_between(calendar, start, amount, unit):
    end = calendar.limit(start, amount, unit)
    assert end >= start
    if unit == "natural_day":  # its last day ends at midnight, with which the next begins
        end -= 1
    assert calendar.measure(start, end, unit) == pytest.approx(amount)


@FEW
@given(calendars(), MOMENTS, AMOUNTS, AMOUNTS, UNIT)
def test_a_longer_limit_and_a_later_start_never_end_earlier(calendar, start, amount, more, unit):
    assert calendar.limit(start, amount, unit) <= calendar.limit(start, amount + more, unit)
    assert calendar.limit(start, amount, unit) <= calendar.limit(start + more * 3600, amount, unit)


@FEW
@given(calendars(), MOMENTS, st.integers(1, 20), AMOUNTS, st.sampled_from(["urgent_hour", "work_hour"]))
def test_hours_add_up(calendar, start, one, other, unit):
    both = calendar.limit(calendar.limit(start, one, unit), other, unit)
    assert both == pytest.approx(calendar.limit(start, one + other, unit))


@FEW
@given(calendars(), MOMENTS, st.integers(1, 20), st.sampled_from(["work_hour", "work_day"]))
def test_a_limit_in_work_ends_within_working_hours(calendar, start, amount, unit):
    end = calendar.limit(start, amount, unit)
    day = calendar.day_of(end - 1)
    assert calendar.is_worked(day)
    assert any(begin < end <= to for begin, to in calendar.hours_of(day))


@FEW
@given(calendars(), MOMENTS, st.integers(1, 20), DAYS, UNIT)
def test_a_day_off_more_never_makes_a_limit_end_earlier_nor_a_make_up_day_later(calendar, start, amount, day, unit):
    def with_(**changes):
        return Calendar(CalendarEntry(**({n: getattr(entry, n) for n in entry.__struct_fields__} | changes)), zone)

    entry, zone = calendar.entry, calendar.zone
    end = calendar.limit(start, amount, unit)
    off = with_(off=(*entry.off, day.isoformat()), on=tuple(one for one in entry.on if one != day.isoformat()))
    on = with_(on=(*entry.on, day.isoformat()))
    assert on.limit(start, amount, unit) <= end <= off.limit(start, amount, unit)
    assert (on.edition == calendar.edition) == (on.entry == entry)


@FEW
@given(calendars(), MOMENTS, st.integers(0, 10**6), st.integers(0, 10**6), UNIT)
def test_what_lies_between_adds_up(calendar, start, one, other, unit):
    middle, end = start + one, start + one + other
    whole = calendar.measure(start, end, unit)
    assert calendar.measure(start, middle, unit) + calendar.measure(middle, end, unit) == pytest.approx(whole)
