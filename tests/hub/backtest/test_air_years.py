"""Years of air quality indices: levels, primary pollutants, NA days and percentiles, by either edition."""

import csv
import datetime as dt
import json

import pytest

import fenceline
from tests.hub.backtest.test_beijing import DATA, recorded


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    def run_(rows, *options):
        path = tmp_path / "air.csv"
        with path.open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow(["time", "dt", "quantity", "value"])
            table.writerows(rows)
        monkeypatch.setattr("sys.argv", ["fenceline", "backtest", str(path), "--aqi", *options])
        with pytest.raises(SystemExit) as ended:
            fenceline.main()
        out, err = capsys.readouterr()
        assert (ended.value.code, err) == (0, "")
        return out

    return run_


CLEAN = {"pm25": 20, "pm10": 40, "so2": 10, "no2": 20, "co": 0.5, "o3": 60}


def days(first, *changes):
    """Return rows of whole days of clean air, each with what is different in it; None: nothing is measured of it."""
    for number, change in enumerate(changes):
        day = dt.date.fromisoformat(first) + dt.timedelta(number)
        for hour in range(24):
            for quantity, value in (CLEAN | change).items():
                if value is not None:
                    yield f"{day}T{hour:02}:00:00+08:00", 3600, quantity, value


def years(out):
    *lines, summary = map(json.loads, out.splitlines())
    assert summary == {"summary": True, "years": len(lines)}
    return lines


YEAR = ({}, {"pm25": 75}, {"pm25": 76}, {"pm10": 140}, {"so2": None}, {"so2": None, "pm25": 200}, {"no2": None})


def test_a_week_by_the_edition_of_2012_by_hand(run):
    """20 is 29; 75 is 100: good; 76 is 102; PM10 140 is 95; without SO2 NA, but not with 200, which is 250."""
    (year,) = years(run(days("2016-02-26", *YEAR), "--by", "year", "--json"))
    assert (year["year"], year["edition"], year["days"], year["without"]) == (2016, "HJ 633-2012", 7, 2)
    assert year["levels"] == [1, 2, 1, 0, 1, 0]
    assert year["polluted"] == 2
    assert year["primary"] == {"PM25_24h": 3, "PM10_24h": 1}


def test_the_same_week_by_the_edition_of_2026(run):
    """75 is 114, 76 is 115, PM10 140 is 108: three days more are polluted; a leap day is a day as any other."""
    (year,) = years(run(days("2016-02-26", *YEAR), "--by", "year", "--edition", "2026", "--json"))
    assert (year["year"], year["edition"], year["days"], year["without"]) == (2016, "HJ 633-2026", 7, 2)
    assert year["levels"] == [1, 0, 3, 0, 1, 0]


def test_percentiles_lie_between_the_nearest_ranks_and_few_days_are_no_year(run):
    """PM10 10, 20 .. 110: the 95th is at rank 1 + 10 x 0.95 = 10.5: 105. Ozone's 90th is at rank 10: 100."""
    values = [{"pm10": 10 * n, "o3": 10 * n} for n in range(1, 12)]
    (year,) = years(run(days("2026-04-01", *values), "--by", "year", "--json"))
    assert year["figures"]["PM10_24h"] == {"days": 11, "mean": 60, "percent": 95, "percentile": 105, "valid": False}
    assert year["figures"]["O3_8h"] == {"days": 11, "mean": None, "percent": 90, "percentile": 100, "valid": False}


def test_324_days_are_enough(run):
    (year,) = years(run(days("2025-01-01", *[{}] * 324), "--by", "year", "--json"))
    assert {one["valid"] for one in year["figures"].values()} == {True}
    (year,) = years(run(days("2025-01-01", *[{}] * 323), "--by", "year", "--json"))
    assert {one["valid"] for one in year["figures"].values()} == {False}


def test_a_year_that_has_both_editions_is_told_in_two_rows(run):
    rows = list(days("2026-02-27", *[{}] * 4))
    found = years(run(rows, "--by", "year", "--json"))
    assert [(one["edition"], one["days"]) for one in found] == [("HJ 633-2012", 2), ("HJ 633-2026", 2)]


def test_people_get_two_tables_in_their_language(run, monkeypatch):
    rows = list(days("2016-02-26", *YEAR))
    assert "Enough days" in run(rows, "--by", "year", "--lang", "en")
    assert "首要污染物（天数）" in run(rows, "--by", "year", "--lang", "zh")


def test_recorded_days_by_the_other_edition_differ_only_where_the_tables_do(run):
    """Beijing: PM2.5 of 96 ug/m3 on 2013-03-03 is an index of 127 by 2012 and of 133 by 2026, computed by hand."""
    assert (DATA / "beijing_wanshouxigong_72h.csv").exists()
    values = recorded("beijing_wanshouxigong_72h.csv")
    rows = sorted((f"{d}T{h:02}:00:00+08:00", 3600, q, v) for (q, d, h), v in values.items() if v is not None)
    rows.sort(key=lambda row: row[0])
    found = {}
    for edition in ("2012", "2026"):
        lines = map(json.loads, run(rows, "--edition", edition, "--json").splitlines())
        found[edition] = {one["day"]: one.get("iaqi", {}).get("PM25_24h") for one in lines if "day" in one}
    # 100 + (96 - 75) x 50 / (115 - 75) = 126.25 and 100 + (96 - 60) x 50 / (115 - 60) = 132.7, both rounded up.
    assert (found["2012"]["2013-03-03"], found["2026"]["2013-03-03"]) == (127, 133)
