"""Air quality, noise and data capture of each hour, by site and district."""

import re

import pytest

from hub.registry.live import Registry
from hub.reports.air import HOUR, Hour, lines
from tests.hub.helpers import SHANGHAI, at

T = at("2026-11-24 10:00")
BEFORE_2026_EDITION = at("2026-02-24 10:00")


def hour(quantity, value, t=T, device="a1", site="tower", seconds=3600):
    """Return an hour of one board with the mean `value`, of levels the mean of their energy."""
    each = 10 ** (value / 10) if quantity == "laeq" else value
    return Hour("north", site, device, t, quantity, seconds, each * seconds)


def told(hours, t=T, measurement="district"):
    """Return the fields of the one point of a measurement for the hour at `t`."""
    found = [
        line
        for line in lines(hours, t, t + HOUR, Registry(sites={}, boards={}, keys={}, zone=SHANGHAI))
        if line.startswith(f"{measurement},")
    ]
    if not found:
        return {}
    (line,) = found
    fields = re.findall(r'(\w+)=("[^"]*"|[-0-9.e]+)', line.partition(" ")[2])
    return {name: value.strip('"') if value.startswith('"') else float(value) for name, value in fields}


def test_noise_of_a_district_is_the_mean_of_the_energy_at_all_boards():
    fields = told([hour("laeq", 50), hour("laeq", 80, device="b1", site="bridge")])
    assert fields["laeq"] == pytest.approx(77.0, abs=0.01)  # the mean of the decibels would be 65
    assert told([hour("laeq", 50)], measurement="aqi")["laeq"] == pytest.approx(50)


def test_a_district_is_the_mean_of_its_sites_however_many_boards_they_have():
    tower = [hour("pm10", value, device=f"a{value}") for value in (100, 120, 140)]
    assert told([*tower, hour("pm10", 60, device="b1", site="bridge")])["pm10"] == pytest.approx(90)


def test_an_hour_with_too_little_data_has_no_index():
    fields = told([hour("pm10", 100, seconds=2600)])
    assert fields == {"pm10_capture": pytest.approx(2600 / 3600)}


@pytest.mark.parametrize(("hours", "index"), [(24, 125), (20, 125), (19, None)])
def test_before_the_edition_of_2026_the_index_of_dust_rests_on_24_hours(hours, index):
    t = BEFORE_2026_EDITION
    fields = told([hour("pm10", 200, t - HOUR * back) for back in range(hours)], t)
    assert fields.get("aqi") == index
    assert fields["pm10"] == 200
    if index:
        assert (fields["edition"], fields["primary"]) == ("HJ 633-2012", "PM10")


@pytest.mark.parametrize(("dust", "index"), [(120, None), (121, 101)])
def test_an_hour_without_gases_is_told_above_100_only(dust, index):
    """120 ug/m3 of PM10 are an index of 100: a pollutant that was not measured might be above it."""
    fields = told([hour("pm10", dust)])
    assert (fields.get("aqi"), fields.get("level")) == (index, index and 3)
    assert fields["missing"] == "PM2.5, SO2, NO2, CO, O3"


def test_an_hour_of_all_six_pollutants_is_told():
    """PM10 60: 50 + 50 x 10 / 70 = 57.1; O3 90: 50 x 90 / 160 = 28.1."""
    air = {"pm10": 60, "pm25": 20, "so2": 10, "no2": 20, "co": 0.5, "o3": 90}
    fields = told([hour(quantity, value) for quantity, value in air.items()])
    assert (fields["aqi"], fields["primary"], fields["missing"]) == (58, "PM10", "")


def test_before_2026_ozone_is_told_by_8_hours_too():
    """170 ug/m3 in 8 h: 100 + 50 x 10 / 55 = 109.1; in 1 h 50 + 50 x 10 / 40 = 62.5."""
    t = BEFORE_2026_EDITION
    fields = told([hour("o3", 170, t - HOUR * back) for back in range(8)], t)
    assert (fields["aqi"], fields["primary"]) == (110, "O3")


def test_a_board_that_falls_silent_counts_as_nothing_for_a_day():
    speaking = [hour("laeq", 60, T - HOUR * back) for back in range(24)]
    silent = hour("laeq", 60, T - 5 * HOUR, device="a2")
    assert told([*speaking, silent])["laeq_capture"] == 0.5
    assert told([silent])["laeq_capture"] == 0
    assert told([hour("laeq", 60, T - 24 * HOUR)]) == {}
