"""`fenceline backtest --noise`: statistics of noise of recorded data."""

import datetime as dt
import json
import random

import pytest

import fenceline
from edge import levels as board
from tests.hub.helpers import SHANGHAI, at

TEN_PM = at("2026-03-02 22:00")


@pytest.fixture
def ask(tmp_path, monkeypatch, capsys):
    def ask(rows, *arguments):
        path = tmp_path / "noise.csv"
        path.write_text("\n".join(["time,dt,quantity,value,flag", *rows]) + "\n", "utf-8")
        monkeypatch.setattr("sys.argv", ["fenceline", "backtest", str(path), "--noise", *arguments])
        code = 0
        try:
            fenceline.main()
        except SystemExit as end:
            code = end.code
        said = capsys.readouterr()
        return code, said.out, said.err

    return ask


def row(t, dt_, quantity, value, flag="N"):
    return f"{dt.datetime.fromtimestamp(t, SHANGHAI).isoformat()},{dt_},{quantity},{value},{flag}"


def told(answer):
    code, out, _ = answer
    assert code == 0
    *found, summary = map(json.loads, out.splitlines())
    assert summary == {"summary": True, "windows": len(found), "error_db": 0.25}
    return found


def recorded(start, count, seed):
    """Return rows of `count` records of 10 s, 80 levels each, and all of the levels."""
    dice, rows, every = random.Random(seed), [], []
    for n in range(count):
        levels = [dice.gauss(60, 12) for _ in range(80)]
        every += levels
        for member in board.members(levels).split(","):
            key, digits = member.split(":")
            rows.append(row(start + 10 * n, 10, key.strip('"'), digits))
    return rows, every


def test_counts_of_many_records_make_the_levels_of_one_pass_over_all_of_them(ask):
    """Half an hour at night and one by day, together and each for itself."""
    (night, by_night), (day, by_day) = recorded(TEN_PM, 180, 1), recorded(TEN_PM + 9 * 3600, 180, 2)
    rows = sorted([*night, *day])
    (both,) = told(ask(rows, "--by", "all", "--json"))
    first, second = told(ask(rows, "--by", "part", "--json"))
    for one, levels in ((both, by_night + by_day), (first, by_night), (second, by_day)):
        falling = sorted((int(2 * level + 0.5) / 2 for level in levels), reverse=True)
        for name, percent in (("l5", 5), ("l10", 10), ("l50", 50), ("l90", 90), ("l95", 95)):
            assert one[name] == falling[len(falling) * percent // 100], name
    assert (both["laeq"], both["capture"], first["counted"]) == (None, 0, round(180 * 10 / (8 * 3600), 4))


def test_ld_ln_and_ldn_of_levels_by_the_minute_without_its_windy_and_wet_parts(ask):
    """By day 60 dB and once 90 in the wind, at night 50 and once 90 in the rain.

    LAeq: 10 lg((950 * 10^6 + 470 * 10^5) / 1420) = 58.46 dB. Ldn: 10 lg((16 * 10^6 + 8 * 10^(5 + 1)) / 24) = 60 dB.
    """
    morning = at("2026-03-02 06:00")
    rows = []
    for n in range(24 * 60):
        t, by_day = morning + 60 * n, n < 16 * 60
        rows.append(row(t, 60, "laeq", 90 if n // 10 in (3, 120) else 60 if by_day else 50))
        rows.append(row(t, 60, "wind_speed", 5.0 if n // 10 == 3 else 4.9))
        rows.append(row(t, 60, "rain", 0.1 if n == 1205 else 0))
    (one,) = told(ask(rows, "--by", "day", "--json"))
    assert (one["laeq"], one["ld"], one["ln"], one["ldn"]) == (58.46, 60, 50, 60)
    assert (one["left_out"], one["capture"], one["l10"]) == (round(20 / 1440, 4), round(1420 / 1440, 4), None)


def test_a_file_of_seconds_has_its_levels_from_laeq_and_says_so(ask):
    rows = [row(TEN_PM + n, 1, "laeq", 80 if n < 60 else 60) for n in range(600)]
    (one,) = told(ask(rows, "--by", "10m", "--json"))
    assert (one["l5"], one["l10"], one["l50"], one["counted"]) == (80, 60, 60, 1)
    _, out, err = ask(rows, "--by", "10m")
    assert "no counts of levels in the file: L5 to L95 and SD are those of LAeq of intervals of 1 s or shorter" in err
    assert "80.0" in out


def test_flags_do_not_count_and_what_was_clipped_is_a_lower_bound(ask):
    rows = [row(TEN_PM, 10, "h2_120", 80), row(TEN_PM + 10, 10, "h2_180", 80, "D"), row(TEN_PM + 20, 10, "c2_200", 80)]
    (one,) = told(ask(rows, "--by", "all", "--json"))
    assert (one["l5"], one["l95"], one["at_least"], one["lsd"]) == (100, 60, ["l5", "l10"], None)


@pytest.mark.parametrize(
    ("value", "arguments", "sentence"),
    [
        ("0", (), "line 2: value = '0': expected a whole number"),
        ("12.5", (), "line 2: value = '12.5': expected a whole number"),
        ("12", ("--by", "year"), "--by year: of noise expected all, 10m, hour, part or day"),
        ("12", ("--aqi",), "--noise: expected none of --aqi, --csv and --worst beside it"),
    ],
)
def test_a_mistake_is_one_sentence(ask, value, arguments, sentence):
    code, out, err = ask([row(TEN_PM, 10, "h1_134", value)], *arguments)
    assert (code, out) == (2, "")
    assert sentence in err


def test_nothing_measured_is_no_error(ask):
    assert told(ask([row(TEN_PM, 10, "pm10", 20)], "--json")) == []
