"""`fenceline backtest` over files as spreadsheets, loggers and stations write them: read, or refused with the cause."""

import csv
import gzip
import io
import json
import random
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

import fenceline
from hub.backtest.table import Table
from hub.sheets.sheet import Asked
from hub.sheets.text import Source
from schemas import load_quantities
from schemas.errors import UserError

NIGHT = [58.3, 59.3, 60.3, 61.3, 62.3, 58.3, 59.3, 60.3]
START = datetime.fromisoformat("2026-03-02T00:00:00")
HEADER = "time,dt,quantity,value"


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("FENCELINE_LANG", "en")


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Run the command on a text or bytes; return its exit code, output and errors."""

    def run_(content, *options):
        path = tmp_path / "data.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        monkeypatch.setattr("sys.argv", ["fenceline", "backtest", str(path), *map(str, options)])
        with pytest.raises(SystemExit) as ended:
            fenceline.main()
        return ended.value.code, *capsys.readouterr()

    return run_


def judged(ended):
    """Return what was judged, without the summary."""
    code, out, err = ended
    assert code == 0, err
    return [json.loads(line) for line in out.splitlines()][:-1]


def hours(values, sep=",", time="2026-03-02T{:02}:00:00+08:00", decimal="."):
    """Return the rows of a night's levels, an hour each."""
    return [
        sep.join([time.format(hour), "3600", "laeq", str(value).replace(".", decimal)])
        for hour, value in enumerate(values)
    ]


def text(*rows, header=HEADER, end="\n"):
    return end.join([header, *rows]) + end


PLAIN = text(*hours(NIGHT))
EXCEL = text(*hours(NIGHT, time="2026/3/2 {}:00"))
GERMAN = text(*hours(NIGHT, ";", decimal=","), header=HEADER.replace(",", ";"))
WORDS = text(*(f"{row},Valid" for row in hours(NIGHT)), header=HEADER + ",flag")
SAME = {
    "a Chinese spreadsheet's dates": (EXCEL, ("--tz", "Asia/Shanghai")),
    "... in UTF-16 with tabs, as 'Unicode text'": (
        EXCEL.replace(",", "\t").encode("utf-16"),
        ("--tz", "Asia/Shanghai"),
    ),
    "... without a mark": (EXCEL.replace(",", "\t").encode("utf-16-le"), ("--tz", "Asia/Shanghai")),
    "... with times of day": (
        text(*hours(NIGHT, time="2026年3月2日 {}时")).replace("time", "监测时间"),
        ("--tz", "Asia/Shanghai"),
    ),
    "a German spreadsheet": (GERMAN, ()),
    "... with what it says itself of the separator": ("sep=;\r\n" + GERMAN.replace("\n", "\r\n"), ()),
    "GBK": (
        text(*(f"{row},正常" for row in hours(NIGHT)), header=HEADER + ",备注").encode("gbk"),
        (),
    ),
    "Latin letters": (
        text(*(f"{row};Bürgerstraße 5 °C" for row in hours(NIGHT, ";")), header="time;dt;quantity;value;Straße").encode(
            "cp1252"
        ),
        (),
    ),
    "a mark, old line ends": (("\ufeff" + PLAIN).replace("\n", "\r").encode(), ()),
    "headings of two lines": (
        '"Time","LAeq\n[dB(A)]","Remark\nof ours"\n'
        + "".join(f"2026-03-02T0{n}:00+08:00,{v},x\n" for n, v in enumerate(NIGHT)),
        (),
    ),
    "lines above, a mean and empty rows below": (
        f"Station: Gate 7\nSerial;0815,x\n\n{PLAIN},,,\nAverage,,,60.0\n共8行\n",
        (),
    ),
    "names as people write them": (PLAIN.replace("laeq", "LAeq"), ()),
    "names in Chinese": (PLAIN.replace("laeq", "等效声级"), ()),
    "headings in Chinese": ("监测时间,时长,监测因子,监测值\n" + PLAIN.partition("\n")[2], ()),
    "a column for it with its unit": (
        "时间;LAeq [dB(A)];温度(℃)\n"
        + "".join(f"2026-03-02 0{n}:00;{str(v).replace('.', ',')};5,5\n" for n, v in enumerate(NIGHT)),
        ("--tz", "Asia/Shanghai"),
    ),
    "units in a row of their own": (
        "Time,LAeq,Temp\n,dB(A),°C\n" + "".join(f"2026-03-02T0{n}:00+08:00,{v},5\n" for n, v in enumerate(NIGHT)),
        (),
    ),
    "the zone in the heading": (
        "Time (UTC),LAeq\n"
        + "".join(
            f"{(START - timedelta(hours=8)) + timedelta(hours=n):%Y-%m-%d %H:%M},{v}\n" for n, v in enumerate(NIGHT)
        ),
        (),
    ),
    "date and hour apart": (
        "date,hour,laeq\n" + "".join(f"20260302,{n},{v}\n" for n, v in enumerate(NIGHT)),
        ("--tz", "Asia/Shanghai"),
    ),
    "year, month, day and hour apart": (
        "year,month,day,hour,laeq\n" + "".join(f"2026,3,2,{n},{v}\n" for n, v in enumerate(NIGHT)),
        ("--tz", "Asia/Shanghai"),
    ),
    "date and clock apart": (
        "Date;Time;Leq\n" + "".join(f"02.03.2026;0{n}:00:00;{v}\n" for n, v in enumerate(NIGHT)),
        ("--tz", "Asia/Shanghai"),
    ),
    "start and end": (
        "start,end,quantity,value\n"
        + "".join(f"2026-03-02T0{n}:00+08:00,2026-03-02T0{n + 1}:00+08:00,laeq,{v}\n" for n, v in enumerate(NIGHT)),
        (),
    ),
    "the end alone": (
        "end time,laeq\n" + "".join(f"2026-03-02T0{n + 1}:00+08:00,{v}\n" for n, v in enumerate(NIGHT)),
        (),
    ),
    "a column for each station": (
        "time,1001A,1002A\n" + "".join(f"2026-03-02T0{n}:00+08:00,{v},99\n" for n, v in enumerate(NIGHT)),
        ("--column", "1001a", "--quantity", "噪声"),
    ),
    "a column for each station, a row for each quantity": (
        "date,hour,type,1001A,1002A\n"
        + "".join(f"20260302,{n},laeq,{v},99\n20260302,{n},temperature,5,6\n" for n, v in enumerate(NIGHT)),
        ("--tz", "Asia/Shanghai", "--column", "1001A"),
    ),
    "the serial number of a spreadsheet's day": (
        "time,laeq\n" + "".join(f"{46083 + n / 24:.6f},{v}\n" for n, v in enumerate(NIGHT)),
        ("--tz", "Asia/Shanghai"),
    ),
    "Unix time": ("epoch,laeq\n" + "".join(f"{1772380800 + 3600 * n},{v}\n" for n, v in enumerate(NIGHT)), ()),
}


@pytest.mark.parametrize("name", SAME)
def test_what_a_file_says_is_read_however_it_says_it(run, name):
    content, options = SAME[name]
    wanted = judged(run(PLAIN, "--json"))
    assert len(wanted) == 24
    assert judged(run(content, "--json", *options)) == wanted


def test_a_local_time_is_refused_until_its_zone_is_named(run):
    code, _, err = run(EXCEL)
    assert code == 2
    assert "line 2: time = '2026/3/2 0:00' has no offset" in err
    assert "--tz Asia/Shanghai" in err


def test_when_no_row_can_be_used_it_is_said_with_the_counts(run):
    code, out, err = run(WORDS, "--lenient")
    assert (code, out) == (2, "")
    assert "none of 8 rows could be used: 8 x unknown flag, left out." in err
    assert run("time,dt,quantity,value\nx,1,laeq,1\ny,1,lead,1\n", "--lenient", "--aqi")[2].endswith(
        "none of 2 rows could be used: 2 x no time, left out.\n"
    )


def test_hour_24_is_midnight_of_the_next_day(run):
    rows = [f"2026-03-02T{hour:02}:00:00+08:00,3600,pm25,30" for hour in range(1, 25)]
    code, out, err = run(text(*rows), "--json", "--stamp", "end", "--standards", "GB 3095-2026")
    (day,) = [one for one in judged((code, out, err)) if "day" in one["limit"]]
    assert (day["start"], day["capture"], err) == ("2026-03-02T00:00:00+08:00", 1, "")
    _, _, err = run(text(*rows), "--json")
    assert "there is a 24:00, which ends an hour" in err
    assert "--stamp end" in err


def test_times_that_may_be_ends_are_not_taken_for_starts_without_a_word(run):
    """70 dB of 21 to 22 h is by day, of 5 to 6 h by night."""
    levels = [45.0] * 24
    levels[5] = levels[21] = 70.0
    rows = [f"2026-03-02T{hour + 1:02}:00:00+08:00,3600,laeq,{level}" for hour, level in enumerate(levels)]
    code, out, err = run(text(*rows), "--json", "--stamp", "end", "--standards", "GB 12523-2025", "--background", "40")
    over = [one["start"][11:16] for one in judged((code, out, err)) if one["exceeded"]]
    assert (over, err) == (["05:00", "05:20", "05:40"], "")
    assert run(text(*rows), "--json", "--stamp", "start")[2] == ""
    assert "each time was taken for the start of its interval" in run(text(*rows), "--json")[2]


def autumn(*times, offset=""):
    rows = [f"{time}{offset},3600,laeq,{50 + n}" for n, time in enumerate(times)]
    return text(*rows)


def spans(ended):
    return [(one["start"], one["value"]) for one in judged(ended)]


def test_an_hour_that_the_clocks_show_twice_is_two_hours(run):
    """Berlin, 2025-10-26: 02:00 stands twice, first in summer time."""
    day = [f"2025-10-26 0{hour}:00:00" for hour in (0, 1, 2, 2, 3, 4, 5)]
    options = ("--tz", "Europe/Berlin", "--json", "--kind", "factory", "--zone", "2", "--standards", "GB 12348-2008")
    code, out, err = run(autumn(*day), *options)
    minutes = spans((code, out, err))
    assert [value for _, value in minutes[::60]] == [50, 51, 52, 53, 54, 55, 56]
    assert minutes[120][0] == "2025-10-26T02:00:00+02:00"
    assert minutes[180][0] == "2025-10-26T02:00:00+01:00"
    assert "left out" not in err
    backwards = autumn(*day).splitlines()
    code, out, err = run("\n".join([backwards[0], *backwards[:0:-1]]), *options, "--lenient")
    assert spans((code, out, err)) == minutes
    ends = [f"2025-10-26 0{hour}:00:00" for hour in (1, 2, 2, 3, 4, 5, 6)]
    assert spans(run(autumn(*ends), *options, "--stamp", "end")) == minutes


def test_half_hours_that_stand_twice_are_told_apart_and_an_hour_the_clocks_skip_is_refused(run):
    rows = [
        f"2025-10-26 02:{minute},1800,laeq,{level}"
        for minute, level in (("00", 50), ("30", 51), ("00", 52), ("30", 53))
    ]
    options = ("--tz", "Europe/Berlin", "--json", "--kind", "factory", "--zone", "2", "--standards", "GB 12348-2008")
    assert [value for _, value in spans(run(text(*rows), *options))[::30]] == [50, 51, 52, 53]
    skipped = text("2026-03-29 01:30:00,1800,laeq,50", "2026-03-29 02:30:00,1800,laeq,50")
    code, _, err = run(skipped, *options)
    assert code == 2
    assert "does not exist in Europe/Berlin" in err
    assert "Etc/GMT-1" in err
    assert "1 x a time that the clocks skip in spring, left out" in run(skipped, *options, "--lenient")[2]
    # 02:00 is where the hour before the gap ends.
    ended = run(text("2026-03-29 02:00:00,3600,laeq,50"), *options, "--stamp", "end")
    assert spans(ended)[0][0] == "2026-03-29T01:00:00+01:00"


def test_what_stands_for_no_value_is_counted_by_cause_and_costs_only_itself(run):
    cells = ["58,3", "", "--", "<0,5", "-999", "9999", "Invalid", "停机", "1.234,5", "loud", "60,0"]
    content = "time;PM10 (mg/m³)\n" + "".join(f"2026-03-02 {hour:02}:00;{cell}\n" for hour, cell in enumerate(cells))
    _, _, err = run(content, "--tz", "Asia/Shanghai", "--lenient", "--json")
    counts = {
        line.partition(" x ")[2]: int(line.split(" x ")[0].split()[-1]) for line in err.splitlines() if " x " in line
    }
    assert counts == {
        "no value there": 4,
        "below what the instrument detects (<): a limit, no value": 1,
        "a number that stands for no value, such as -999 or 9999, not counted": 2,
        "value outside the catalogue's range, not counted": 3,
        "value is no number, left out": 1,
    }


def day_mean(run, header, cell, *options):
    rows = "".join(f"2026-03-02T{hour:02}:00+08:00{cell}\n" for hour in range(24))
    code, out, err = run(f"{header}\n{rows}", "--json", "--standards", "GB 3095-2026", *options)
    (day,) = {one["value"] for one in judged((code, out, err)) if "day" in one["limit"]}
    return day, err


@pytest.mark.parametrize(
    ("header", "cell", "value"),
    [
        ("time,PM10 (µg/m3)", ",80", 80),
        ("time,PM10_mg_m3", ",0.08", 80),
        ("time,PM10[ug/m³]", ",80", 80),
        ("time;可吸入颗粒物(mg/m3)", ";0,08", 80),
        ("time,a34002-Avg,x", ",80,1", 80),
        ("time,dt (min),quantity,value,unit", ",60,pm10,0.08,mg/m3", 80),
        ("time,dt,quantity,value (mg/m3)", ",3600,PM 10,0.08", 80),
        ("time,CO (ug/m3)", ",1200", 1.2),
    ],
)
def test_units_that_are_certain_are_converted(run, header, cell, value):
    assert day_mean(run, header, cell)[0] == value


def test_a_unit_that_is_not_certain_is_asked_for(run):
    for header, unit in (("time,SO2 (ppb)", "ppb"), ("time,LAeq dB(C)", "dbc"), ("time,PM10 (lb/ft3)", "lbft3")):
        code, _, err = run(f"{header}\n2026-03-02T00:00Z,8\n2026-03-02T01:00Z,8\n")
        assert code == 2
        assert unit in err
        assert "convert it, and write" in err
    assert "the file names no unit" in day_mean(run, "time,PM10", ",80")[1]


def test_what_can_be_read_in_two_ways_is_asked_for(run):
    asked = {
        "time,laeq\n03/02/2026 08:00,60\n04/02/2026 08:00,61\n": "which is the day, which the month?",
        'time,tsp\n2026-03-02T00:00Z,"1,234"\n2026-03-02T01:00Z,"1,235"\n': "may be a decimal sign or part thousands",
        "time,1001A,1002A\n2026-03-02T00:00Z,1,2\n": "'dt' is missing",
        "time,type,1001A,1002A\n2026-03-02T00:00Z,laeq,1,2\n": "Name it by --column; found: 1001A, 1002A",
        "time,PM10,PM10 (mg/m3)\n2026-03-02T00:00Z,1,2\n": "several columns are pm10: PM10, PM10 (mg/m3)",
        "time,laeq\n2026-03-02T00:00Z,60\n": "--dt",
    }
    for content, told in asked.items():
        code, out, err = run(content, "--tz", "Asia/Shanghai")
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert told in err
    # One date with a day above 12 tells it of the whole file.
    told = "time,laeq\n03/02/2026 00:00,60\n13/02/2026 00:00,61\n"
    assert judged(run(told, "--tz", "Asia/Shanghai", "--json"))[0]["start"].startswith("2026-02-03T00:00")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"PK\x03\x04\x14\x00", "is an Excel workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "old kind (.xls)"),
        (b"\x1f\x8b\x08\x00", "is not a whole gzip file"),
        (gzip.compress(gzip.compress(PLAIN.encode()), mtime=0), "is compressed twice"),
        (b"  <html><table>", "is a web page"),
        (PLAIN.encode() + b"\x00", "line 10: holds the control character \\x00"),
        (PLAIN.replace("laeq", "la\x1beq").encode(), "line 2: holds the control character \\x1b"),
        (PLAIN.replace("laeq", "等效声级").encode() + b"\xff\xff", "is not UTF-8 any more"),
        (b"time," + b"x" * 3_000_000, "is longer than 1048576 characters"),
        (HEADER.encode() + b'\n"' + b"x\n" * 200_000, "is not CSV (field larger than field limit"),
    ],
)
def test_what_is_no_table_is_named_in_one_sentence(run, content, told):
    code, out, err = run(content)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert told in err


def test_the_worst_windows_come_first(run):
    levels = [60, 71, 85, 72]
    rows = [
        f"{(START + timedelta(hours=9) + timedelta(minutes=20 * n)).isoformat()}+08:00,1200,laeq,{level}"
        for n, level in enumerate(levels)
    ]
    tsp = [f"2026-03-02T{hour:02}:00:00+08:00,3600,tsp,301" for hour in range(24)]
    _, out, _ = run(text(*rows, *tsp), "--worst", "3", "--stamp", "start", "--background", "40")
    table = out[out.index("Worst, from") :]
    assert [line.split()[1] for line in table.splitlines()[1:]] == ["09:40", "10:00", "09:20"]
    for background, outcome in ((["--background", "40"], "exceeded"), ([], "above_uncorrected")):
        worst = run(text(*rows), "--worst", "2", "--json", "--stamp", "start", *background)[1].splitlines()
        assert [json.loads(line).get("value") for line in worst] == [85, 72, None]
        assert json.loads(worst[-1])[outcome] == 3
    for options in (("--csv", "--json"), ("--csv", "--aqi"), ("--worst", "2", "--aqi"), ("--worst", "0")):
        assert run(text(*rows), *options)[0] == 2


def test_verdicts_as_csv_for_a_spreadsheet(run):
    _, out, _ = run(PLAIN, "--csv", "--stamp", "start")
    assert out.startswith("\ufeffstandard,limit,")
    rows = list(csv.DictReader(io.StringIO(out.removeprefix("\ufeff"))))
    assert len(rows) == 24
    assert list(rows[0].values()) == [
        *("GB 12523-2025", "laeq-night", "laeq", "2026-03-02T00:00:00+08:00", "2026-03-02T00:20:00+08:00"),
        *("58.3", "55", "dB(A)", "1.0", "above_uncorrected", "suspicion", "58"),
    ]


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_80_columns_show_the_day_of_each_air_quality_index(run, monkeypatch, lang):
    monkeypatch.setenv("COLUMNS", "80")
    keys = {"pm25": 61, "pm10": 90, "so2": 20, "no2": 50, "co": 1, "o3": 100}
    rows = [f"2026-03-02T{h:02}:00:00+08:00,3600,{key},{value}" for key, value in keys.items() for h in range(24)]
    _, out, _ = run(text(*rows), "--aqi", "--lang", lang)
    assert "2026-03-02" in out
    assert "PM25_24h 101" in out.replace("\n", " ")


@pytest.mark.parametrize(
    ("name", "province"),
    [("Guangzhou", "CN-GD"), ("广州", "CN-GD"), ("Beijing", "CN-BJ"), ("北京市", "CN-BJ"), ("xi'an", "CN-SN")],
)
def test_a_city_is_known_by_its_name(run, name, province):
    options = ("--json", "--stamp", "start", "--jurisdiction")
    assert run(PLAIN, *options, name) == run(PLAIN, *options, province)


def test_a_name_that_two_cities_have_is_asked_for(run):
    _, _, err = run(PLAIN, "--jurisdiction", "Suzhou")
    assert "several cities 'Suzhou'; expected '宿州' (CN-AH) or '苏州' (CN-JS)" in err


def test_a_long_wide_file_takes_little_memory(tmp_path):
    """40 MB of semicolons and decimal commas in less memory than the file has bytes, program and all: it streams."""
    path = tmp_path / "long.csv"
    row = ";".join(["58,3"] * 3) + ";" + "x" * 2000
    start = START
    with path.open("w") as file:
        file.write("time;laeq;pm10;pm25;note\n")
        for n in range(20_000):
            file.write(f"{start + timedelta(minutes=n):%Y-%m-%d %H:%M};{row}\n")
    script = (
        "import re, sys, fenceline\n"
        "options = ['--tz', 'Asia/Shanghai', '--standards', 'GB 3095-2026', '--json']\n"
        "sys.argv = ['fenceline', 'backtest', sys.argv[1], *options]\n"
        "try:\n    fenceline.main()\nexcept SystemExit as ended:\n    assert not ended.code, ended.code\n"
        "print(re.search('VmHWM: *([0-9]+)', open('/proc/self/status').read().expandtabs(1))[1], file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, check=True, timeout=120)
    assert int(done.stderr.split()[-1]) < 40_000
    assert json.loads(done.stdout.splitlines()[-1])["verdicts"] > 20
    assert Path(path).stat().st_size > 40_000_000


PIECES = [
    *(b",", b";", b"\t", b'"', b"\n", b"\r", b"time", b"date", b"end", b"value", b"quantity", b"unit", b"dt", b"\xff"),
    *(
        b"-999",
        b"24:00",
        b"=1",
        b"sep=,\n",
        b"year",
        b"hour",
        b"9" * 20,
        b"e999",
        b"NaN",
        b"mg/m3",
        b"flag",
        b"1970-01-01",
    ),
]


@pytest.mark.parametrize("seed", range(4))
def test_whatever_is_broken_in_a_file_is_one_sentence(seed):
    """Files that are read, with pieces put in, taken out and doubled: what comes is a sum or one sentence."""
    draw = random.Random(seed)
    pool = [content if isinstance(content, bytes) else content.encode() for content, _ in SAME.values()]
    quantities, read, refusals = load_quantities(), 0, []
    for _ in range(150):
        data = bytearray(draw.choice(pool))
        for _ in range(draw.choice((1, 2, 4, 10))):
            at, much = draw.randrange(len(data) + 1), draw.randrange(6)
            data[at : at + draw.choice((0, much))] = draw.choice((b"", draw.choice(PIECES), data[much : 8 * much]))
        asked = Asked(draw.choice((None, True, False)), local=draw.random() < 0.5)
        zone = ZoneInfo(draw.choice(("Asia/Shanghai", "Europe/Berlin")))
        table = Table("x", quantities, zone, lenient=draw.random() < 0.5, asked=asked)
        try:
            for _, start, end, seconds, *_ in table.sums(Source(io.BytesIO(data), "x")):
                assert end > start
                assert seconds >= 0
                read += 1
        except UserError as error:
            refusals.append(str(error))
    assert read > 20
    assert all("\n" not in told and len(told) < 1000 for told in refusals)
