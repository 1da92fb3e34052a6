"""The recorded air of Beijing against GB 3095, day by day, computed a second time with nothing but sums."""

import csv
import json
from collections import defaultdict
from pathlib import Path

import pytest

import fenceline

DATA = Path(__file__).parents[2] / "data"
COLUMNS = {"PM2.5": "pm25", "PM10": "pm10", "SO2": "so2", "NO2": "no2", "CO": "co", "O3": "o3"}
GRADE_2 = {
    "GB 3095-2012": {"pm25": 75, "pm10": 150, "so2": 150, "no2": 80, "co": 4},
    "GB 3095-2026": {"pm25": 60, "pm10": 120, "so2": 150, "no2": 80, "co": 4},
}
HOUR_2 = {"so2": 500, "no2": 200, "co": 10, "o3": 200}
DECIMALS = {"pm25": 0, "pm10": 0, "so2": 0, "no2": 0, "co": 1, "o3": 0}


def recorded(name, shift=0):
    """Return the hourly values by (quantity, day, hour), None where there is none; CO in mg/m3."""
    with (DATA / name).open(newline="") as file:
        return {
            (quantity, f"{int(row['year']) + shift}-{int(row['month']):02}-{int(row['day']):02}", int(row["hour"])): (
                None if row[column] == "NA" else float(row[column]) / (1000 if quantity == "co" else 1)
            )
            for row in csv.DictReader(file)
            for column, quantity in COLUMNS.items()
        }


def written(path, values):
    """Write them as a file for the backtest: what is missing is flagged D."""
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["time", "dt", "quantity", "value", "flag"])
        for (quantity, day, hour), value in values.items():
            missing = ["", "D"] if value is None else [value, "N"]
            table.writerow([f"{day}T{hour:02}:00:00+08:00", 3600, quantity, *missing])
    return path


def expected(values, limits):
    """Return {(limit, start): (value, valid, exceeded)} of days and hours."""
    days = defaultdict(dict)
    for (quantity, day, hour), value in values.items():
        days[quantity, day][hour] = value
    found = {}
    for (quantity, day), hours in days.items():
        known = {hour: value for hour, value in hours.items() if value is not None}
        for hour in hours if quantity in HOUR_2 else ():
            value = known.get(hour)
            over = value is not None and round(value, DECIMALS[quantity]) > HOUR_2[quantity]
            found[f"{quantity}-hour", f"{day}T{hour:02}"] = (value, value is not None, over)
        if quantity == "o3":
            spans = [[known[hour] for hour in range(end - 8, end) if hour in known] for end in range(8, 25)]
            means = [sum(span) / len(span) for span in spans if len(span) >= 6]
            top = max(means, default=None)
            over = top is not None and round(top) > 160
            found["o3-8h", f"{day}T00"] = (top, len(means) >= 14 or over, over)
        else:
            mean = sum(known.values()) / len(known) if known else None
            valid = len(known) >= 20
            over = valid and round(mean, DECIMALS[quantity]) > limits[quantity]
            found[f"{quantity}-day", f"{day}T00"] = (mean, valid, over)
    return found


@pytest.mark.parametrize("station", ["beijing_wanshouxigong_72h.csv", "beijing_dongsi_48h.csv"])
@pytest.mark.parametrize(("standard", "shift"), [("GB 3095-2012", 0), ("GB 3095-2026", 14)])
def test_the_air_of_beijing_day_by_day(station, standard, shift, tmp_path, monkeypatch, capsys):
    """Also as if it were 14 years later, when the days of the week are the same and the new edition holds."""
    values = recorded(station, shift)
    path = written(tmp_path / "air.csv", values)
    monkeypatch.setattr("sys.argv", ["fenceline", "backtest", str(path), "--standards", standard, "--json"])
    with pytest.raises(SystemExit) as ended:
        fenceline.main()
    out, err = capsys.readouterr()
    assert (ended.value.code, err) == (0, "")
    *lines, summary = map(json.loads, out.splitlines())
    wanted = expected(values, GRADE_2[standard])
    told = {}
    for one in lines:
        name = one["limit"].removesuffix("-2").removesuffix("-transition")
        if not name.endswith("year") and "-p9" not in name:
            told[name, one["start"][:13]] = (one["value"], one["valid"], one["exceeded"])
    assert set(told) == set(wanted)
    for key, (value, valid, exceeded) in wanted.items():
        decimals = DECIMALS[key[0].partition("-")[0]]
        assert told[key][1:] == (valid, exceeded), key
        if value is None or told[key][0] is None:
            assert told[key][0] is value, key
        else:
            assert told[key][0] == pytest.approx(value, abs=0.5 * 10**-decimals + 1e-9), key
    assert summary["exceeded"] == sum(one["exceeded"] for one in lines)


def test_the_first_days_of_march_2013_by_hand(tmp_path, monkeypatch, capsys):
    """PM2.5 at Wanshouxigong: the 24 values of each day add up to 193, 742 and 2304 ug/m3; 96 is above 75."""
    path = written(tmp_path / "air.csv", recorded("beijing_wanshouxigong_72h.csv"))
    monkeypatch.setattr("sys.argv", ["fenceline", "backtest", str(path), "--standards", "GB 3095-2012", "--json"])
    with pytest.raises(SystemExit):
        fenceline.main()
    lines = map(json.loads, capsys.readouterr().out.splitlines())
    days = {one["start"][:10]: (one["value"], one["exceeded"]) for one in lines if one.get("limit") == "pm25-day-2"}
    assert days == {
        "2013-03-01": (round(193 / 24), False),
        "2013-03-02": (round(742 / 24), False),
        "2013-03-03": (round(2304 / 24), True),
    }
