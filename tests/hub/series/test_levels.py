"""Counts of levels, from the boards' samples to the statistics of any window: what one pass over all of them gives."""

import datetime as dt
import math
import statistics
from collections import Counter
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge import levels as board
from edge import message
from edge.aggregate import Aggregator, exceeded
from hub.judge.windows import LocalTime
from hub.series.levels import ERROR, PERCENTS, Levels, counted, unpacked
from hub.series.noise import WIND, Step, Weather, Window, noise, windows
from hub.series.noise import statistics as noise_statistics
from hub.series.rollups import counts_between, kept_from
from hub.wire.messages import TelemetryDecoder
from schemas import load_limits
from tests.hub.helpers import SHANGHAI, Speaker, at, record
from tests.hub.series.test_rollups import Journal, Keeper

START = at("2026-03-02 09:00")
LEVEL = st.floats(20, 130, width=32)


def said(t, samples, misses=(), *, counts=True, work=None):
    """Return a record as a board makes it of samples of LAF."""
    box = Aggregator(("laf",), counts)
    for sample in samples:
        box.add("laf", sample)
    for miss in misses:
        box.miss("laf", *miss)
    values, flags = box.close(work)
    return message.record(t, 10, values, flags, box.least, box.levels)


def rounded(level):
    return math.floor(2 * level + 0.5) / 2


@st.composite
def recorded(draw):
    """Draw records in any order, with gaps and flags: (start, samples, misses)."""
    places = draw(st.lists(st.integers(0, 400), unique=True, min_size=1, max_size=25))
    middle = draw(st.floats(40, 100))
    near = st.integers(-100, 100).map(lambda tenths: middle + tenths / 10)
    found = []
    for place in places:
        samples = draw(st.lists(st.one_of(near, LEVEL), max_size=30))
        misses = draw(st.sampled_from([(), (), (), [("B",)] * 2, [("D",)] * 40]))
        found.append((START + 10 * place, samples, misses))
    return found


@settings(max_examples=40, deadline=None)
@given(recorded(), st.data())
def test_what_is_merged_in_any_order_is_what_one_pass_gives(records, data):
    journal = Journal()
    for one in records:
        journal.add(said(*one), device=data.draw(st.sampled_from(["fence-1", "fence-2"])))
    with TemporaryDirectory() as folder, Keeper(folder) as keeper:
        for end in sorted(data.draw(st.sets(st.integers(1, len(journal.entries)), max_size=4))):
            keeper.take(journal.entries[:end])
            if data.draw(st.booleans()):
                keeper.kill()
            else:
                keeper.settle(journal.entries[:end])
        keeper.settle(journal.entries)
        path = keeper.folder / "rollups.db"
        first = START + 600 * data.draw(st.integers(0, 5))
        after = first + 600 * data.draw(st.integers(1, 8))
        total = Levels()
        for one in counts_between(path, "tower", "", first, after):
            if one.levels:
                total.add(one.levels)
    inside = [
        (samples, misses)
        for t, samples, misses in records
        if first <= t < after and samples and len(samples) >= 0.75 * (len(samples) + len(misses))
    ]
    every = [sample for samples, _ in inside for sample in samples]
    assert {level / 2: count for level, count in total.measured.items()} == Counter(map(rounded, every))
    assert (total.beyond, total.seconds, total.clipped) == ({}, 10 * len(inside), 0)
    if every:
        for quantity, percent in PERCENTS.items():
            exact = exceeded(percent)(every)
            assert total.statistics()[quantity] == rounded(exact)
            assert abs(rounded(exact) - exact) <= ERROR
        assert total.deviation == pytest.approx(statistics.pstdev(map(rounded, every)), abs=1e-6)
        assert abs(total.deviation - statistics.pstdev(every)) <= ERROR + 1e-6
    else:
        assert total.statistics() == {}


@given(st.lists(LEVEL, max_size=400), st.lists(LEVEL, max_size=5))
@settings(max_examples=60, deadline=None)
def test_the_hub_reads_what_the_board_writes_and_refuses_none_of_it(samples, clipped):
    text = message.record(START, 10, {"laeq": 60.0}, {}, {"laeq_least": 55.5}, board.members(samples, clipped))
    _, payload = Speaker().telemetry(text)
    (record,) = TelemetryDecoder().decode(payload).records  # the types are those of every hub that was released
    found = counted(record.r, 10, clipped=False)
    if samples or clipped:
        assert {level / 2: count for level, count in found.measured.items()} == Counter(map(rounded, samples))
        assert {level / 2: count for level, count in found.beyond.items()} == Counter(map(rounded, clipped))
        assert unpacked(found.packed()) == found
    else:
        assert found is None


@pytest.mark.parametrize(
    "reported",
    [
        {},
        {"laeq": 59.0, "laeq_least": 60.0, "h_1": 5.0, "hx_120": 3.0, "h16_120": 1.0, "h1_1200": 4.0},
        {"h1_120": -5.0},
        {"h1_120": 0.5},
        {"h1_120": 1e15},
        {"h1_120": math.inf},
        {"h1_120": math.nan},
        {"h1_100": 3.0, "h1_120": 0.0},
    ],
)
def test_what_is_no_count_counts_nothing(reported):
    assert counted(reported, 10, clipped=False) is None


def test_a_sound_beyond_the_instrument_makes_a_lower_bound_where_it_reaches():
    found = Levels()
    for t, samples, misses in [(START, [60.0] * 80, ()), (START + 10, [70.0] * 72, [("T", 100.0)] * 8)]:
        _, payload = Speaker().telemetry(said(t, samples, misses))
        (record,) = TelemetryDecoder().decode(payload).records
        found.add(counted(record.r, 10, clipped=record.f.get("l50") == "T"))
    assert (found.seconds, found.clipped, found.samples) == (10, 10, 160)
    # 8 of 160 samples are 5 %: the one behind them is 70 dB. Of the highest it is known only that it was 100 dB or more
    assert found.statistics() == {"l5": 70.0, "l10": 70.0, "l50": 60.0, "l90": 60.0, "l95": 60.0}
    assert found.is_certain(70.0)
    found.add(Levels(beyond={200: 1}))
    assert found.exceeded(5) == 100.0
    assert not found.is_certain(100.0)
    assert found.deviation is None


@pytest.fixture
def keeper(tmp_path):
    with Keeper(tmp_path) as keeper:
        yield keeper


def spoken(keeper, first, after, step=Step.all, site="tower", device=""):
    local = LocalTime(keeper.zone)
    found = counts_between(keeper.folder / "rollups.db", site, device, first, after)
    return list(noise_statistics(found, windows(local, first, after, step), local))


def test_the_store_gets_the_percentiles_of_the_hour_and_not_a_mean_of_those_of_intervals(keeper):
    journal = Journal()
    # Six intervals of 60 dB and one of 90 dB: 14 % of the hour's levels are 90 dB
    journal.add(*(said(START + 600 * n, [60.0] * 80) for n in range(5)), said(START + 10, [60.0] * 80))
    journal.add(said(START + 20, [90.0] * 80))
    keeper.settle(journal.entries)
    assert keeper.rows()["fence-1", "l10", 3600, START] == (90.0, 70 / 3600, None, None)
    assert [keeper.value(q, 3600, START) for q in ("l5", "l50", "l90", "l95")] == [90.0, 60.0, 60.0, 60.0]
    # six of seven are 60 dB: 30 * sqrt(1/7 * 6/7)
    assert keeper.value("lsd", 3600, START) == pytest.approx(30 * math.sqrt(6 / 49))
    assert keeper.value("l10", 600, START + 600) == 60.0


def test_a_board_that_counts_no_levels_has_no_percentiles_of_an_hour(keeper):
    journal = Journal()
    journal.add(*(said(START + 10 * n, [60.0] * 80, counts=False) for n in range(6)))
    keeper.settle(journal.entries)
    assert {quantity for _, quantity, _, _ in keeper.rows()} == {"laeq", "lafmax", "lafmin"}
    (one,) = spoken(keeper, START, START + 600)
    assert one.laeq == pytest.approx(60)
    assert (one.levels, one.counted) == ({}, 0)
    assert one.capture == pytest.approx(60 / 600)
    # Half of it after an update of the agent: told of that half, and how much it is
    journal.add(*(said(START + 60 + 10 * n, [70.0] * 80) for n in range(6)))
    keeper.settle(journal.entries)
    (one,) = spoken(keeper, START, START + 600)
    assert (one.levels["l50"], one.counted, one.capture) == (70.0, pytest.approx(0.1), pytest.approx(0.2))


def test_what_somebody_worked_at_does_not_count(keeper):
    journal = Journal()
    journal.add(said(START, [94.0] * 80, work={"laf": "C"}), said(START + 10, [60.0] * 80))
    # A record that says flag C and gives counts all the same is no record of our agent's
    journal.add(message.record(START + 20, 10, {}, {"l50": "C"}, None, board.members([94.0] * 80)))
    keeper.settle(journal.entries)
    (one,) = spoken(keeper, START, START + 600)
    assert set(one.levels.values()) == {60.0, 0.0}


def test_a_minute_that_was_only_clipped_is_there(keeper):
    journal = Journal()
    journal.add(*(said(START + 10 * n, [110.0] * 40, [("T", 120.0)] * 40) for n in range(6)))
    keeper.settle(journal.entries)
    (one,) = spoken(keeper, START, START + 600)
    assert (one.laeq, one.levels["l10"], one.levels["l90"], one.at_least) == (None, 120.0, 110.0, ["l5", "l10"])
    assert one.counted == pytest.approx(0.1)
    assert keeper.rows()["fence-1", "l10", 600, START][:2] == (120.0, 0.0)


def test_day_and_night_are_those_of_the_city(keeper):
    journal = Journal()
    day, night = at("2026-03-02 06:00"), at("2026-03-02 22:00")
    for t, level in [(day - 10, 50.0), (day, 70.0), (night - 10, 70.0), (night, 55.0), (night + 8 * 3600 - 10, 55.0)]:
        journal.add(said(t, [level] * 80))
    keeper.settle(journal.entries)
    (one,) = spoken(keeper, day, day + 86400, Step.day)
    assert (one.ld, one.ln) == (pytest.approx(70), pytest.approx(55))
    # (16 * 10^7.0 + 8 * 10^6.5) / 24 = 7.7208e6, of which 10 lg is 68.877
    assert one.ldn == pytest.approx(68.877, abs=0.001)
    parts = spoken(keeper, day - 3600, day + 86400, Step.part)
    assert [(one.start, one.end, one.levels["l50"]) for one in parts] == [
        (day - 3600, day, 50.0),
        (day, night, 70.0),
        (night, day + 86400, 55.0),
    ]


def test_of_a_site_with_two_boards_each_is_told_and_both_together(keeper):
    journal = Journal()
    journal.add(said(START, [60.0] * 80))
    journal.add(said(START, [70.0] * 80), device="fence-2")
    keeper.settle(journal.entries)
    found = spoken(keeper, START, START + 600)
    assert [(one.board, one.levels["l10"], one.levels["l90"]) for one in found] == [
        ("fence-1", 60.0, 60.0),
        ("fence-2", 70.0, 70.0),
        ("", 70.0, 60.0),
    ]
    assert found[2].laeq == pytest.approx(67.404, abs=1e-3)
    assert found[2].counted == pytest.approx(10 / 600)
    assert [one.board for one in spoken(keeper, START, START + 600, site="", device="fence-2")] == ["fence-2"]


def test_what_is_too_old_to_change_is_let_go_of(keeper):
    journal = Journal()
    journal.add(said(START, [60.0] * 80))
    keeper.settle(journal.entries)
    journal.add(said(START + 50 * 86400, [60.0] * 80))
    keeper.settle(journal.entries)
    path = keeper.folder / "rollups.db"
    assert kept_from(path) > START
    assert counts_between(path, "", "", 0, START + 600) == []


def test_windows_follow_the_clock_also_when_it_is_changed():
    local = LocalTime(ZoneInfo("Europe/Berlin"))
    start = local.instant(dt.date(2026, 3, 28), 6 * 3600)
    found = list(windows(local, start, start + 47 * 3600, Step.part))
    assert [(w.end - w.start) / 3600 for w in found] == [16, 7, 16, 8]
    assert list(windows(LocalTime(SHANGHAI), START, START + 1800, Step.all)) == [Window(START, START + 1800)]


def measured(start, count, **values):
    """Return a record of a minute for each of `count`."""
    return [record(start + 60 * n, 60, **values) for n in range(count)]


def test_wind_and_rain_at_any_board_of_the_site_leave_out_their_10_minutes_and_no_others(keeper):
    """An hour at 60 dB: in the second 10 min 90 dB in a wind of 6 m/s, in the third 80 dB in a minute of rain.

    In the fourth, gusts, with a mean of 4.9 m/s: it counts, with its 70 dB: 10 lg((3 * 10^6 + 10^7) / 4) = 65.1 dB.
    """
    journal = Journal()
    journal.add(*[said_ for n, level in enumerate((60, 90, 80, 70, 60, 60)) for said_ in loud(n, level)])
    journal.add(*measured(START + 600, 10, wind_speed=6.0), device="fence-2")
    journal.add(*measured(START + 1200, 10, rain=0.0), device="fence-2")
    journal.add(*measured(START + 3060, 1, rain=0.2), device="stack-1")  # of another site
    journal.add(*measured(START + 1320, 1, rain=0.2), device="fence-2")
    journal.add(*measured(START + 1800, 5, wind_speed=0.9), device="fence-2")
    journal.add(*measured(START + 2100, 5, wind_speed=8.9), device="fence-2")
    keeper.settle(journal.entries)
    path, local = keeper.folder / "rollups.db", LocalTime(keeper.zone)
    for place in (("tower", ""), ("", "fence-1")):
        (found,) = noise(path, local, place, Window(START, START + 3600), Step.all)
        assert (round(found.laeq, 1), round(found.ld, 1)) == (65.1, 65.1)
        assert (found.capture, found.left_out, found.counted) == (4 / 6, 2 / 6, 4 / 6)
        assert (found.levels["l5"], found.levels["l50"]) == (70, 60)
        (every,) = noise(path, local, place, Window(START, START + 3600), Step.all, Weather.all)
        assert (every.capture, every.left_out, every.levels["l5"]) == (1, 0, 90)
    (windy,) = noise(path, local, ("tower", ""), Window(START + 600, START + 1200), Step.all)
    assert (windy.laeq, windy.ld, windy.levels, windy.capture, windy.left_out) == (None, None, {}, 0, 1)


def loud(number, level):
    return [said(START + 600 * number + 10 * n, [float(level)] * 80) for n in range(60)]


def test_wind_and_rain_void_here_what_they_void_in_verdicts():
    assert {one.weather.wind_below for one, _ in load_limits() if one.weather} == {WIND}
