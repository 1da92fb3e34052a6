"""`fenceline backtest` as people and programs use it."""

import io
import json
import os
import pty
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest

import fenceline

FENCELINE = Path(sys.executable).parent / "fenceline"
HEADER = "time,dt,quantity,value"
NINE = datetime.fromisoformat("2026-03-02T09:00:00+08:00")


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("FENCELINE_LANG", "en")


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Run the command on a text; return its exit code, output and errors."""

    def run_(text, *options, name="data.csv", **background):
        path = tmp_path / name
        path.write_text(text, "utf-8")
        return call(path, *options, **background)

    def call(*arguments, background="20"):
        # So quiet a background that nothing is taken off, where a test names no other.
        given = ("--background", background) if background else ()
        monkeypatch.setattr("sys.argv", ["fenceline", "backtest", *map(str, arguments), *given])
        with pytest.raises(SystemExit) as ended:
            fenceline.main()
        return ended.value.code, *capsys.readouterr()

    run_.call = call
    return run_


def table(*rows, header=HEADER):
    return "\n".join([header, *rows]) + "\n"


def minutes(*levels, start=NINE, quantity="laeq", flags=""):
    """Return a row for each level, a minute each, from `start` on; with `flags` a letter for each."""
    rows = [
        f"{(start + timedelta(minutes=number)).isoformat()},60,{quantity},{level}"
        for number, level in enumerate(levels)
    ]
    return [f"{row},{flag}" for row, flag in zip(rows, flags, strict=True)] if flags else rows


def verdicts(out):
    *lines, summary = map(json.loads, out.splitlines())
    return lines, summary


def test_one_json_object_for_each_verdict_and_a_summary_at_the_end(run):
    code, out, err = run(table(*minutes(*[60] * 10, *[70] * 10)), "--standards", "GB 12523-2025", "--json")
    assert (code, err) == (0, "")
    first, summary = out.splitlines()
    assert first == (
        '{"standard":"GB 12523-2025","limit":"laeq-day","quantity":"laeq","start":"2026-03-02T09:00:00+08:00",'
        '"end":"2026-03-02T09:20:00+08:00","value":67.4,"compared":67,"limit_value":70,"unit":"dB(A)","verified":"U",'
        '"rounding":"S","capture":1.0,"outcome":"compliant","grade":"","instrument":"",'
        '"uncertainty":null,"decision":"simple","reason":"","missing":"",'
        '"assumed":"sensitive=near, works=planned","valid":true,"exceeded":false}'
    )
    assert summary == (
        '{"summary":true,"verdicts":1,"exceeded":0,"above_uncorrected":0,"open":0,"invalid":0,"left_open":[]}'
    )


@pytest.mark.parametrize(
    ("options", "outcome", "grade", "reason"),
    [
        (("--uncertainty", "1.4"), "exceeded", "violation", ""),
        (("--uncertainty", "1.4", "--decision", "guarded_rejection"), "exceeded", "suspicion", "guard_band"),
        (("--uncertainty", "0.9", "--decision", "guarded_rejection"), "exceeded", "violation", ""),
        (("--instrument", "indicative"), "exceeded", "suspicion", "indicative"),
    ],
)
def test_what_the_instrument_cannot_tell_is_a_suspicion(run, options, outcome, grade, reason):
    """71 dB are 1 dB above the limit."""
    ((one,), summary) = verdicts(run(table(*minutes(*[71] * 20)), "--json", *options)[1])
    assert (one["outcome"], one["grade"], one["reason"]) == (outcome, grade, reason)
    assert summary["exceeded"] == 1
    assert summary.get("suspected", 0) == (grade == "suspicion")
    out = run(table(*minutes(*[71] * 20)), *options)[1]
    assert ("1 suspected" in out) == (grade == "suspicion")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--decision", "guarded_acceptance"), "needs an uncertainty"),
        (("--uncertainty", "much"), "expected a number such as"),
        (("--uncertainty", "0"), "expected a number such as"),
    ],
)
def test_an_uncertainty_that_says_nothing_is_refused(run, options, told):
    code, out, err = run(table(*minutes(*[71] * 20)), *options)
    assert (code, out) == (2, "")
    assert told in err


@pytest.mark.parametrize(
    ("background", "outcome", "compared"),
    [("", "above_uncorrected", 75), ("66", "exceeded", 74), ("73", "invalid", 75)],
)
def test_noise_above_a_limit_is_corrected_by_the_background(run, background, outcome, compared):
    """75 - 66 = 9 dB: 1 dB is taken off; 75 - 73 = 2 dB: it cannot be judged."""
    ((one,), summary) = verdicts(run(table(*minutes(*[75] * 20)), "--json", background=background)[1])
    assert (one["outcome"], one["compared"], one["value"]) == (outcome, compared, 75)
    assert summary[outcome] == 1


def test_what_is_open_is_told_in_json_too(run):
    """700 and 800 ug/m3 of TSP by the phase of the works, which nobody has said."""
    rows = minutes(*[750] * 60, quantity="tsp")
    (lines, summary) = verdicts(run(table(*rows), "--jurisdiction", "Shaanxi", "--json")[1])
    (one,) = [line for line in lines if line["standard"] == "DB61/1078-2017"]
    assert (one["outcome"], one["missing"], one["exceeded"]) == ("open", "phase", False)
    assert summary["open"] == 1
    assert not [line for line in lines if line["standard"] == "GB 16297-1996"]
    lines, summary = verdicts(run(table(*rows), "--kind", "factory", "--jurisdiction", "Xi'an", "--json")[1])
    assert "DB61/1078-2017" not in {line["standard"] for line in lines}


def test_verdicts_are_sorted_by_start_and_counted(run):
    rows = [
        *minutes(*[80] * 40, *[60] * 5),
        *minutes(*[301] * 60 * 24, start=NINE - timedelta(hours=9), quantity="tsp"),
        *minutes(*[90] * 20, start=NINE + timedelta(hours=14), quantity="lafmax"),
    ]
    lines, summary = verdicts(run(table(*rows), "--json")[1])
    assert [one["start"] for one in lines] == sorted(one["start"] for one in lines)
    assert summary == {
        "summary": True,
        "verdicts": len(lines),
        "exceeded": sum(one["exceeded"] for one in lines),
        "above_uncorrected": 0,
        "open": 0,
        "invalid": sum(not one["valid"] for one in lines),
        "left_open": summary["left_open"],
    }
    assert {one["missing"] for one in summary["left_open"]} == {"zone_class"}
    told = {(one["limit"], one["valid"], one["exceeded"]) for one in lines}
    assert {("laeq-day", True, True), ("laeq-day", False, False), ("tsp-day-2", True, True)} <= told
    assert ("lafmax-night", True, True) in told


def test_too_little_data_is_invalid_and_a_window_without_any_has_no_value(run):
    rows = minutes(*[80] * 34, flags="N" * 14 + "D" * 20)
    lines, summary = verdicts(run(table(*rows, header=HEADER + ",flag"), "--json")[1])
    assert [(one["value"], one["capture"], one["valid"], one["exceeded"]) for one in lines] == [
        (80, 0.7, False, False),
        (None, 0, False, False),
    ]
    assert summary["invalid"] == 2


def test_only_flag_n_counts_and_no_flag_is_n(run):
    for flag in "FMCDTSB":
        rows = minutes(*[60] * 15, *[120] * 5, flags="N" * 15 + flag * 5)
        ((one,), _) = verdicts(run(table(*rows, header=HEADER + ",flag"), "--json")[1])
        assert (one["value"], one["capture"], one["exceeded"]) == (60, 0.75, False)
    rows = [row + "," for row in minutes(*[80] * 20)]
    ((one,), _) = verdicts(run(table(*rows, header=HEADER + ",flag"), "--json")[1])
    assert one["exceeded"]


def test_columns_may_stand_in_any_order_with_others_among_them(run):
    rows = [f"fence,{row.split(',')[3]},laeq,60,{row.split(',')[0]}" for row in minutes(*[80] * 20)]
    ((one,), _) = verdicts(run(table(*rows, header="board,Value,quantity, DT ,time"), "--json")[1])
    assert one["exceeded"]


@pytest.mark.parametrize("header", [",flag,note", ",note", ",note,flag"])
def test_there_may_be_more_columns_behind(run, header):
    more = ",N" * header.count(",")
    ((one,), _) = verdicts(
        run(table(*(row + more for row in minutes(*[80] * 20)), header=HEADER + header), "--json")[1]
    )
    assert one["exceeded"]


def test_the_excel_way_of_saving_utf_8_is_read(run):
    ((one,), _) = verdicts(run("\ufeff" + table(*minutes(*[80] * 20)).replace("\n", "\r\n"), "--json")[1])
    assert one["exceeded"]


def test_times_may_have_any_offset_and_fractions(run):
    rows = []
    for number in range(40):
        time = (NINE + timedelta(seconds=30 * number)).astimezone(None if number % 2 else NINE.tzinfo)
        rows.append(f"{time.isoformat(timespec='milliseconds')},30,laeq,{70 if number < 20 else 60}")
    ((one,), _) = verdicts(run(table(*rows), "--json")[1])
    assert (one["start"], one["value"], one["capture"]) == ("2026-03-02T09:00:00+08:00", 67.4, 1)


@pytest.mark.parametrize("seconds", [0.5, 1, 7, 10, 60, 90, 1200, 3600])
def test_the_length_of_the_intervals_does_not_matter(run, seconds):
    count = round(3600 / seconds) if 3600 % seconds == 0 else int(3600 / seconds)
    rows = [f"{(NINE + timedelta(seconds=seconds * n)).isoformat()},{seconds},laeq,71.5" for n in range(count)]
    lines, _ = verdicts(run(table(*rows), "--json")[1])
    assert [(one["value"], one["exceeded"]) for one in lines] == [(71.5, True)] * 3
    assert all(one["capture"] > 0.99 for one in lines)


def test_a_value_that_no_instrument_in_order_gives_does_not_count_and_is_told(run):
    code, out, err = run(table(*minutes(*[60] * 15, 141, 200, -5, 19.9, 140)), "--json")
    ((one,), _) = verdicts(out)
    assert (code, one["capture"]) == (0, 0.8)
    assert err.endswith("data.csv: 4 x value outside the catalogue's range, not counted\n")


@pytest.mark.parametrize(
    ("rows", "line", "told"),
    [
        (["2026-03-02T09:00:00,60,laeq,60"], 2, ["2026-03-02T09:00:00", "no offset", "+08:00", "--lenient"]),
        (["2 March,60,laeq,60"], 2, ["'2 March'", "ISO 8601"]),
        (["2026-03-02T09:60:00+08:00,60,laeq,60"], 2, ["09:60", "ISO 8601"]),
        (["2026-02-29T09:00:00+08:00,60,laeq,60"], 2, ["2026-02-29", "ISO 8601"]),
        (["9999-12-31T23:59:59+08:00,60,laeq,60"], 2, ["9999-12-31", "before 2200"]),
        (["0001-01-01T00:00:00+08:00,60,laeq,60"], 2, ["0001-01-01", "from 1970"]),
        ([*minutes(60), "2026-03-02T09:01:00+08:00,1e300,laeq,60"], 3, ["dt = '1e300'", "a year at most"]),
        ([*minutes(60, 60), "2026-03-02T09:02:00+08:00,-60,laeq,60"], 4, ["dt = '-60'", "above 0"]),
        ([*minutes(60), "2026-03-02T09:01:00+08:00,0,laeq,60"], 3, ["dt = '0'", "above 0"]),
        ([*minutes(60), "2026-03-02T09:01:00+08:00,nan,laeq,60"], 3, ["dt = 'nan'", "above 0"]),
        ([*minutes(60), "2026-03-02T09:01:00+08:00,a minute,laeq,60"], 3, ["dt = 'a minute'", "above 0"]),
        (minutes(60, quantity="laq"), 2, ["'laq'", "did you mean 'laeq'"]),
        (minutes(60, quantity="phlogiston"), 2, ["'phlogiston'", "expected one of", "pm25"]),
        (minutes(60, "n/a"), 3, ["value = 'n/a'", "number", "flag"]),
        (minutes(60, "nan"), 3, ["value = 'nan'", "number"]),
        (minutes(60, "1e999"), 3, ["value = '1e999'", "number"]),
        (minutes(60, ""), 3, ["value = ''", "number"]),
        ([*minutes(60, 60), *minutes(60, start=NINE)], 4, ["before", "line 3", "sort", "--lenient"]),
        (
            [*minutes(60), "2026-03-02T09:00:30+08:00,60,laeq,60"],
            3,
            ["overlaps", "line 2", "2026-03-02T09:01:00+08:00", "--lenient"],
        ),
        ([*minutes(60), "2026-03-02T09:01:00+08:00,60,laeq"], 3, ["expected 4 columns, found 3"]),
        ([*minutes(60), "2026-03-02T09:01:00+08:00,60,laeq,60,N"], 3, ["expected 4 columns, found 5"]),
        (["", *minutes(60), "", "x"], 5, ["expected 4 columns, found 1"]),
    ],
)
def test_a_wrong_row_is_refused_with_its_line_and_what_to_do(run, rows, line, told):
    code, out, err = run(table(*rows), "--json")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert f"data.csv, line {line}: " in err
    for words in told:
        assert words in err


def test_an_unknown_flag_is_refused(run):
    code, _, err = run(table(*minutes(60, 60, flags="NX"), header=HEADER + ",flag"))
    assert code == 2
    assert "line 3: flag = 'X': expected one of B, C, D, F, M, N, S, T" in err


def test_rows_of_different_quantities_need_not_be_sorted_among_each_other(run):
    rows = [*minutes(*[80] * 20), *minutes(*[500] * 60, quantity="tsp")]
    code, out, _ = run(table(*rows), "--json")
    assert code == 0
    assert {one["quantity"] for one in verdicts(out)[0]} >= {"laeq", "tsp"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", ["line 1", "'time' is missing", HEADER]),
        ("time,dt,quantity\n", ["line 1", "'value' is missing"]),
        ("2026-03-02T09:00:00+08:00,60,laeq,60\n", ["line 1", "header"]),
        (HEADER + '\n"2026', ["line 2", "columns"]),
    ],
)
def test_a_file_without_its_header_is_refused(run, text, told):
    code, _, err = run(text)
    assert code == 2
    for words in told:
        assert words in err


def test_lenient_mends_what_it_can_and_counts_it(run):
    rows = [
        *minutes(*[80] * 10, start=NINE + timedelta(minutes=10)),
        *minutes(*[80] * 10),  # in front of the others
        "2026-03-02T09:20:00,60,laeq,60",  # local time
        "2026-03-02T09:21:00,60,laeq,60",
        "2026-03-02T09:05:30+08:00,60,laeq,130",  # on top of another
        "some day,60,laeq,60",
        "2026-03-02T09:22:00+08:00,-1,laeq,60",
        "2026-03-02T09:22:00+08:00,60,lead,60",
        "2026-03-02T09:22:00+08:00,60,laeq,loud",
        "2026-03-02T09:22:00+08:00,60,laeq",
    ]
    code, out, err = run(table(*rows), "--lenient", "--json")
    (first, second), summary = verdicts(out)
    assert code == 0
    assert (first["value"], first["capture"], first["exceeded"]) == (80, 1, True)
    assert (second["start"], second["capture"], second["valid"]) == ("2026-03-02T09:20:00+08:00", 0.1, False)
    assert (summary["verdicts"], summary["exceeded"], summary["invalid"]) == (2, 1, 1)
    counted = {line.partition(" x ")[2]: int(line.split(" x ")[0].split()[-1]) for line in err.splitlines()}
    assert counted == {
        "out of order, put in its place": 1,
        "time without offset, taken as local time": 2,
        "overlapping, left out": 1,
        "no time, left out": 1,
        "dt is no positive number, left out": 1,
        "unknown quantity, left out": 1,
        "value is no number, left out": 1,
        "other number of columns, left out": 1,
    }


def test_lenient_gives_of_shuffled_rows_the_verdicts_of_sorted_ones(run):
    rows = minutes(*(50 + number * 7 % 40 for number in range(180)))
    sorted_, _ = verdicts(run(table(*rows), "--json")[1])
    mixed, _ = verdicts(run(table(*(rows[n * 77 % 180] for n in range(180))), "--json", "--lenient")[1])
    assert mixed == sorted_


def test_lenient_takes_local_times_in_the_zone_of_the_site(run):
    rows = [f"2026-03-02 22:{minute:02}:00,60,laeq,60" for minute in range(20)]
    options = ("--lenient", "--json", "--tz", "Europe/Berlin", "--standards", "GB 12523-2025")
    ((one,), _) = verdicts(run(table(*rows), *options)[1])
    assert (one["limit"], one["start"]) == ("laeq-night", "2026-03-02T22:00:00+01:00")


def test_standard_input(monkeypatch, run):
    text = "\ufeff" + table(*minutes(*[80] * 20))
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    code, out, err = run.call("-", "--json")
    assert (code, err) == (0, "")
    assert verdicts(out)[1]["exceeded"] == 1
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"time\n")))
    assert "-, line 1: the column 'dt' is missing" in run.call("-")[2]


def test_the_site_decides_by_what_it_is_judged(run):
    text = table(*minutes(*[58] * 20, *[480] * 0), *minutes(*[1100] * 120, quantity="tsp"))

    def judged(*options):
        return {one["limit"] for one in verdicts(run(text, "--json", *options)[1])[0]}

    assert {"laeq-day", "boundary-pm"} <= judged()
    assert {"laeq-day", "pm-low", "pm-high"} <= judged("--jurisdiction", "Shanghai")
    assert "boundary-pm" not in judged("--jurisdiction", "上海")
    assert "laeq-day-1" in judged("--kind", "factory", "--zone", "1")
    assert "tsp-earthworks" in judged("--jurisdiction", "CN-SN", "--property", "phase=earthworks")
    assert judged("--standards", "gb12523-2025, DB31/964-2016", "--jurisdiction", "CN-SH") == {
        *("laeq-day", "pm-low", "pm-high"),
    }


def test_the_day_of_each_row_chooses_the_edition(run):
    rows = [
        *minutes(*[70] * 1440, start=datetime.fromisoformat("2026-02-28T00:00:00+08:00"), quantity="pm25"),
        *minutes(*[70] * 1440, start=datetime.fromisoformat("2026-03-01T00:00:00+08:00"), quantity="pm25"),
    ]
    lines, _ = verdicts(run(table(*rows), "--json", "--standards", "GB 3095-2012,GB 3095-2026")[1])
    days = [(one["standard"], one["limit_value"], one["exceeded"]) for one in lines if "day" in one["limit"]]
    assert days == [("GB 3095-2012", 75, False), ("GB 3095-2026", 60, True)]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--standards", "GB 12523"), ["'GB 12523'", "did you mean", "GB 12523-2025"]),
        (("--standards", "??"), ["'??'", "fenceline limits list"]),
        (("--standards", ","), ["--standards", "separated by commas"]),
        (("--jurisdiction", "Shangai"), ["--jurisdiction", "'Shangai'", "CN-SH"]),
        (("--tz", "Asia/Peking"), ["--tz", "'Asia/Peking'", "Asia/Shanghai"]),
        (("--tz", ""), ["--tz", "Asia/Shanghai"]),
        (("--kind", "farm"), ["--kind", "farm", "construction", "factory"]),
        (("--zone", "5"), ["--zone", "5", "4a"]),
        (("--property", "fule=gas"), ["fule", "'fuel'"]),
        (("--property", "fuel=wood"), ["fuel=wood", "coal, oil, gas"]),
    ],
)
def test_a_mistake_in_an_option_is_one_sentence_and_exit_code_2(run, options, told):
    code, out, err = run(table(*minutes(60)), *options)
    assert (code, out, err.count("\n")) == (2, "", 1)
    for words in told:
        assert words in err


def test_a_file_that_is_not_there_is_one_sentence_and_exit_code_2(run, tmp_path):
    for path in (tmp_path / "nowhere.csv", tmp_path):
        code, out, err = run.call(path)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert str(path) in err


def test_people_get_a_table_with_how_well_each_limit_is_verified(run):
    code, out, _ = run(table(*minutes(*[80] * 40)), "--zone", "2")
    assert code == 0
    for words in ("GB 12523-2025", "Day, 20 min LAeq", "70 dB(A)", "80.0", "2026-03-02 09:00", "unverified"):
        assert words in out
    assert "GB 3096-2008*" in out
    assert "40 rows, 3 verdicts: 2 exceeded, 0 above the limit without a background, 0 open, 1 invalid." in out


def test_people_get_it_in_chinese(run):
    _, out, _ = run(table(*minutes(*[80] * 40)), "--lang", "zh")
    for words in (
        "昼间20分钟等效声级",
        "超标",
        "未核实",
        "40行数据，2项判定：2项超标，0项超过限值但未扣除背景，0项待定，0项无效。",
    ):
        assert words in out


def test_people_are_told_what_must_be_known_before_more_can_be_judged(run):
    _, out, _ = run(table(*minutes(*[60] * 40)), "--kind", "factory")
    assert "40 rows, 40 verdicts: 0 exceeded, 0 above the limit without a background, 40 open, 0 invalid." in out
    assert "GB 3096-2008: depends on the zone class; give the site its zone class" in out


def test_a_program_that_gets_no_verdict_gets_the_reason_on_standard_error(run):
    code, out, err = run(table(*minutes(*[80] * 60, quantity="stack_nox")), "--kind", "factory", "--json")
    (lines, summary) = verdicts(out)
    assert (code, lines, summary["verdicts"]) == (0, [], 0)
    assert {one["missing"] for one in summary["left_open"]} == {"plant"}
    assert "GB 13271-2014: depends on plant" in err
    assert "No limit" in run(table(*minutes(*[20] * 40, quantity="temperature")), "--json")[2]


def test_people_are_told_that_no_limit_is_about_it(run):
    _, out, _ = run(table(*minutes(*[20] * 40, quantity="temperature")))
    assert "No limit of these standards" in out
    assert "fenceline limits explain" in out


def test_the_air_quality_index_of_each_day(run):
    def day(start, pm25, hours=24):
        return [f"{start}T{hour:02}:00:00+08:00,3600,pm25,{pm25}" for hour in range(hours)]

    text = table(*day("2026-02-28", 61), *day("2026-03-01", 61), *day("2026-03-02", 61, hours=19))
    code, out, _ = run(text, "--aqi", "--json")
    assert code == 0
    *days, summary = map(json.loads, out.splitlines())
    assert days[1] == {
        "day": "2026-03-01",
        "edition": "HJ 633-2026",
        "aqi": 101,
        "level": 3,
        "primary": ["PM25_24h"],
        "missing": ["pm10", "so2", "no2", "co", "o3"],
        "iaqi": {"PM25_24h": 101},
        "concentrations": {"PM25_24h": 61},
    }
    assert [(one["edition"], one["aqi"]) for one in days] == [
        ("HJ 633-2012", None),  # 83, and what was not measured might be higher
        ("HJ 633-2026", 101),
        ("HJ 633-2026", None),
    ]
    assert summary == {"summary": True, "days": 3, "without": 2}
    _, out, _ = run(text, "--aqi", "--lang", "zh")
    for words in ("2026-03-01", "101", "轻度污染", "数据不足"):
        assert words in out


def test_a_long_file_shows_how_far_it_is_on_a_terminal(tmp_path):
    path = tmp_path / "long.csv"
    with path.open("w") as file:
        file.write(HEADER + ",flag,note\n")
        time, note = NINE, "x" * 200
        while file.tell() < 21_000_000:
            file.write(f"{time.isoformat()},60,laeq,60,N,{note}\n")
            time += timedelta(minutes=1)
    reader, writer = pty.openpty()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "80"}
    with subprocess.Popen(
        [FENCELINE, "backtest", path, "--json"], stdout=subprocess.PIPE, stderr=writer, env=environment
    ) as process:
        os.close(writer)
        out = process.stdout.read()
    shown = b""
    while chunk := _read(reader):
        shown += chunk
    os.close(reader)
    assert process.returncode == 0, shown.decode()
    assert b"long.csv" in shown
    assert b"%" in shown
    assert json.loads(out.splitlines()[-1])["summary"]


def _read(file):
    try:
        return os.read(file, 65536)
    except OSError:  # Linux's way to say that the other end is closed
        return b""


def test_a_pipe_gets_no_progress_bar(run, monkeypatch):
    monkeypatch.setattr("hub.terminal.progress.LONG", 1)
    assert run(table(*minutes(*[80] * 20)), "--json")[2] == ""


MIDNIGHT = datetime.fromisoformat("2026-03-02T00:00:00+08:00")


def day_of_pm10(run, *values):
    """Return value and outcome of the day's mean of PM10 by GB 3095-2026, class 2, and what else was told."""
    rows = minutes(*values, start=MIDNIGHT, quantity="pm10")
    _, out, err = run(table(*rows), "--standards", "GB 3095-2026", "--json")
    (one,) = [one for one in verdicts(out)[0] if one["limit"] == "pm10-day-transition-2"]
    return one["value"], one["valid"], one["exceeded"], err


def test_what_a_logger_writes_for_no_value_does_not_count(run):
    values = [9999 if 600 <= n < 620 else 38 + n % 5 for n in range(1440)]
    value, valid, exceeded, err = day_of_pm10(run, *values)
    assert (value, valid, exceeded) == (40, True, False)
    assert "20 x a number that stands for no value" in err


def test_clean_air_a_little_below_zero_counts(run):
    values = [(-2.3, -0.6, 0.3, 14.6, -12.5, 0)[n % 6] for n in range(1440)]
    value, valid, exceeded, err = day_of_pm10(run, *values)
    assert (value, valid, exceeded, err) == (0, True, False, "")


def test_a_dust_sensor_that_is_dead_at_zero_keeps_no_limit(run):
    value, valid, exceeded, err = day_of_pm10(run, *[0] * 1440)
    assert (value, valid, exceeded) == (None, False, False)
    assert "dead instrument, not counted" in err
    hours = [f"{(MIDNIGHT + timedelta(hours=n)).isoformat()},3600,pm10,0" for n in range(24)]
    lines, _ = verdicts(run(table(*hours), "--standards", "GB 3095-2026", "--json")[1])
    assert not any(one["valid"] for one in lines)


def test_some_hours_of_zeros_and_then_life_count(run):
    value, valid, _, err = day_of_pm10(run, *[0] * 300, *[40] * 840, *[0] * 300)
    assert (value, valid, err) == (pytest.approx(23, abs=1), True, "")
