"""Early warning: what is to be expected of a window while it is still open."""

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.compliance.budget import LEAST_USED, outlook
from hub.judge import Cell
from hub.registry.live import City, District
from schemas import load_limits
from tests.hub.helpers import CITY, Hub, Speaker, at, query, record

TWO = at("2026-03-02 14:00")
ELEVEN_PM = at("2026-03-02 23:00")
WINDOW, MINUTE = 1200, 60


@pytest.fixture
def hub(tmp_path):
    with Hub(tmp_path) as hub:
        yield hub


@pytest.fixture
def board():
    return Speaker("fence-1")


def minutes(start, levels, quantity="laeq"):
    return [record(start + 60 * number, 60, **{quantity: level}) for number, level in enumerate(levels)]


def hear(hub, board, records, now):
    hub.now = now
    hub.hear(board.telemetry(*records))
    hub.judge()


def opened(levels, statistic="energy_mean", start=TWO, length=WINDOW):
    """Return an open window of which so many minutes have been measured, noted minute by minute."""
    cell = Cell("20 min", start, start + length)
    for number, level in enumerate(levels):
        cell.seconds += MINUTE
        cell.total += MINUTE * (10 ** (level / 10) if statistic == "energy_mean" else level)
        cell.highest = max(cell.highest, level)
        cell.seen = start + MINUTE * (number + 1)
        cell.follow()
    return cell


def test_62_percent_of_the_noise_budget_is_used_and_the_limit_is_reached_at_about_14_12(hub, board):
    """7 min of 72.5 dB are 7 / 20 x 10^0.25 = 62.2 % of what 20 min of 70 dB allow. If it goes on, the window has 70.5
    dB, above which it is 71 in whole dB, when 20 x 10^0.05 / 10^0.25 = 12.62 min of it are over."""
    hear(hub, board, minutes(TWO, [72.5] * 7), now=TWO + 425)
    (alert,) = hub.alerts()
    assert (alert["state"], alert["rule"]) == ("pending", "GB 12523-2025 laeq-day")
    english, chinese = alert["text"].splitlines()
    for words in ("62 %", "14:00 to 14:20", "14:12", "limit 70 dB(A)", "GB 12523-2025", "verified: S", "not a verdict"):
        assert words in english
    for words in ("62 %", "14:00至14:20", "14:12", "限值70 dB(A)", "核实程度：S", "非定论"):
        assert words in chinese
    assert hub.verdicts() == []


def test_the_moment_from_which_the_limit_can_no_longer_be_kept_is_told(hub, board):
    hear(hub, board, minutes(TWO, [72.5] * 7), now=TWO + 425)
    hear(hub, board, minutes(TWO + 420, [72.5] * 6), now=TWO + 785)
    (alert,) = hub.alerts()
    english, chinese = alert["text"].splitlines()
    assert "116 %" in english
    assert "can no longer be kept" in english
    assert "已无法达标" in chinese
    assert hub.verdicts() == []


def test_each_is_told_once_though_the_hub_is_restarted_in_between(hub, board):
    for minute in range(20):
        hear(hub, board, minutes(TWO + 60 * minute, [75.0]), now=TWO + 60 * minute + 62)
        if minute % 4 == 3:
            hub.restart()
    steps = [step["what"] for step in query(hub.folder / "compliance.db", "SELECT what FROM alert_step")]
    assert steps.count("early") == 2  # expected, then certain
    assert [verdict["outcome"] for verdict in hub.verdicts()] == ["exceeded"]


def test_one_lorry_at_the_beginning_of_a_window_is_no_news(hub, board):
    """A minute of 82 dB is 79 % of the budget; but with six quiet minutes behind it, it will not be broken."""
    hear(hub, board, minutes(TWO, [82.0, *[50.0] * 6]), now=TWO + 425)
    assert hub.alerts() == []


def test_a_quiet_site_is_never_warned(hub, board):
    for minute in range(20):
        hear(hub, board, minutes(TWO + 60 * minute, [69.9]), now=TWO + 60 * minute + 62)
    assert hub.alerts() == []
    assert [verdict["outcome"] for verdict in hub.verdicts()] == ["compliant"]


def test_a_peak_at_night_is_certain_at_once(hub, board):
    hear(hub, board, [record(ELEVEN_PM, 60, laeq=45.0, lafmax=70.1)], now=ELEVEN_PM + 62)
    (alert,) = hub.alerts()
    assert (alert["rule"], alert["state"]) == ("GB 12523-2025 lafmax-night", "pending")
    assert "can no longer be kept" in alert["text"]


def test_a_window_that_is_over_is_judged_and_not_warned_of(hub, board):
    hear(hub, board, minutes(TWO, [80.0] * 12), now=TWO + WINDOW + 5)
    assert hub.alerts() == []


def test_flagged_readings_use_up_no_budget(hub, board):
    loud = [record(TWO + 60 * n, 60, {"laeq": "M"}, laeq=100.0) for n in range(7)]
    hear(hub, board, loud, now=TWO + 425)
    assert hub.alerts() == []


@pytest.mark.parametrize(("speed", "warned"), [(4.9, True), (5.0, False)])
def test_in_wind_that_voids_the_measurement_nobody_is_warned(hub, speed, warned):
    """The wind gauge is on another board of the site."""
    gauge = [record(TWO + 60 * n, 60, wind_speed=speed) for n in range(7)]
    hear(hub, Speaker("fence-2"), gauge, now=TWO + 421)
    hear(hub, Speaker("fence-1"), minutes(TWO, [80.0] * 7), now=TWO + 425)
    assert bool(hub.alerts()) is warned


def test_dust_has_a_budget_too(tmp_path):
    """40 min of 1.2 mg/m3 are 40 x 1.2 / 60 = 80 % of an hour of 1.0; the rest lasts for (60 - 48) / 1.2 = 10 min."""
    limits = [(s, n) for s, n in load_limits() if s.id == "GB 16297-1996"]
    with Hub(tmp_path, limits) as hub:
        hear(hub, Speaker("fence-1"), minutes(TWO, [1200] * 40, "tsp"), now=TWO + 2405)
        (alert,) = hub.alerts()
        assert "80 %" in alert["text"]
        assert "14:50" in alert["text"]


def test_where_some_windows_are_permitted_or_a_background_is_taken_off_nobody_is_warned(tmp_path):
    for place, standard in (("CN-SH", "DB31/964-2016"), ("CN-HE", "DB13/2934-2019")):
        folder = tmp_path / place
        folder.mkdir()
        with Hub(folder, [(s, n) for s, n in load_limits() if s.id == standard], in_province(place)) as hub:
            hear(hub, Speaker("fence-1"), minutes(TWO, [5000] * 14, "tsp"), now=TWO + 845)
            assert hub.alerts() == []


def in_province(code):
    return msgspec.structs.replace(
        CITY,
        cities={"c": City(id="c", en="C", zh="城", jurisdiction=code)},
        named_districts={"north": District(id="north", city="c", en="North", zh="北区")},
    )


def test_the_last_minutes_decide_what_is_expected():
    """10 min of 70 dB and 2 of 76 have used 90 %; as in the last 5 min (3 of 70, 2 of 76), the rest lasts for 62 s."""
    cell = opened([70.0] * 10 + [76.0] * 2)
    found = outlook("energy_mean", 70, 1, cell)
    assert found.reached_at is not None
    rate = (180 * 1e7 + 120 * 10**7.6) / 300
    left = 1200 * 10**7.005 - (600 * 1e7 + 120 * 10**7.6)
    assert left / rate == pytest.approx(62, abs=0.5)
    assert found.reached_at == pytest.approx(cell.seen + left / rate, abs=1)


@given(st.lists(st.floats(30, 100), min_size=1, max_size=19))
def test_what_is_certain_stays_so_whatever_follows(levels):
    cell = opened(levels)
    now = outlook("energy_mean", 70, 1, cell)
    silent = 10 * math.log10(cell.total / WINDOW)
    assert now.certain == (silent > 70.05)
    if now.certain:
        later = opened([*levels, 30.0])
        assert outlook("energy_mean", 70, 1, later).certain


@given(st.floats(60, 90), st.integers(1, 19))
def test_a_steady_level_is_expected_to_break_the_limit_exactly_if_its_own_value_does(level, measured):
    found = outlook("energy_mean", 70, 1, opened([level] * measured))
    if abs(level - 70.05) > 1e-6:
        assert (found.certain or found.reached_at is not None) == (level > 70.05)


def test_the_warning_comes_well_before_the_end_of_the_window():
    """At 73 dB half the budget, from which on people are told, is used up after 5 of the 20 min."""
    minutes_ = next(n for n in range(20) if outlook("energy_mean", 70, 1, opened([73.0] * n)).used >= LEAST_USED)
    assert minutes_ == 6
