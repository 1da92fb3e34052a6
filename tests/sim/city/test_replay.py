import csv
import datetime as dt
import gzip
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from schemas.errors import UserError
from sim.city.replay import Replay, align, load_recording

DATA = Path(__file__).parent.parent.parent / "data"
BEIJING = DATA / "beijing_dongsi_48h.csv"
TURBINE = DATA / "gas_turbine_2011_48h.csv"
NOISE = DATA / "noise_node_6s.csv"
START = 1_770_000_000.0


class Elsewhere:
    def value(self, channel, t):
        return -1.0


def column(path, name):
    with path.open(newline="") as file:
        return [None if row[name] == "NA" else float(row[name]) for row in csv.DictReader(file)]


@pytest.mark.parametrize(
    ("path", "step_s", "channels"),
    [
        (BEIJING, 3600, {"pm25": "PM2.5", "pm10": "PM10"}),
        (TURBINE, 3600, {"stack_nox": "NOX", "stack_co": "CO"}),
        (NOISE, 0.125, {"laf": "laeq"}),
    ],
)
def test_replay_gives_the_rows_of_the_file_and_begins_again_at_its_end(path, step_s, channels):
    recording = load_recording(path)
    replay = Replay(recording, START, 0, Elsewhere())
    assert (recording.rows, recording.step_s, set(recording.channels)) == (48, step_s, set(channels))
    for channel, name in channels.items():
        expected = column(path, name)
        assert [replay.value(channel, START + i * step_s) for i in range(96)] == expected * 2


def test_a_value_holds_for_its_whole_row():
    replay = Replay(load_recording(TURBINE), START, 0, Elsewhere())
    assert replay.value("stack_nox", START) == replay.value("stack_nox", START + 3599.9) == 81.952
    assert replay.value("stack_nox", START + 3600) == 82.377


def test_an_offset_skips_rows():
    assert Replay(load_recording(TURBINE), START, 1, Elsewhere()).value("stack_nox", START) == 82.377


def test_a_missing_value_is_a_silence():
    replay = Replay(load_recording(BEIJING), START, 0, Elsewhere())
    row = column(BEIJING, "PM2.5").index(None)
    assert replay.value("pm25", START + row * 3600) is None
    assert replay.value("pm10", START + row * 3600) == column(BEIJING, "PM10")[row]


def test_empty_and_minus_200_are_missing_too(tmp_path):
    path = tmp_path / "turbine.csv"
    path.write_text("CO,NOX\n1.5,\n-200,70\n-200.0,70\n")
    recording = load_recording(path)
    assert recording.values == {"stack_nox": (None, 70, 70), "stack_co": (1.5, None, None)}


def test_other_channels_come_from_elsewhere_but_no_pm1_is_made_up_beside_recorded_pm25():
    replay = Replay(load_recording(BEIJING), START, 0, Elsewhere())
    assert replay.value("laf", START) == -1
    assert replay.value("pm1", START) is None


@pytest.mark.parametrize("zone", ["Asia/Shanghai", "UTC", "Asia/Kolkata"])
def test_aligned_rows_play_in_their_own_local_hour(zone):
    recording = load_recording(BEIJING)
    now = dt.datetime(2026, 3, 2, 17, 40, tzinfo=ZoneInfo(zone))
    replay = Replay(recording, *align(recording, now.timestamp(), ZoneInfo(zone)), Elsewhere())
    hours = column(BEIJING, "hour")
    at_hour = dict(zip(column(BEIJING, "PM10")[:24], hours[:24], strict=True))
    for minutes in (0, 19, 20, 90):
        then = now + dt.timedelta(minutes=minutes)
        assert at_hour[replay.value("pm10", then.timestamp())] == then.hour


def test_a_recording_without_hours_is_played_from_its_first_row():
    assert align(load_recording(NOISE), START, ZoneInfo("UTC")) == (START, 0)


def test_a_gzip_file_is_the_same_recording(tmp_path):
    path = tmp_path / "station.csv.gz"
    path.write_bytes(gzip.compress(BEIJING.read_bytes()))
    assert load_recording(path) == load_recording(BEIJING)


GOOD = b"CO,NOX\n1.5,70\n"
PACKED = gzip.compress(GOOD, mtime=0)  # else each process that collects the tests would name them otherwise


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.csv", None, "a.csv: cannot be read (No such file or directory); expected a CSV file."),
        ("a.csv.gz", PACKED[:-9], "a.csv.gz: is not a whole gzip file (Compressed file ended before "),
        ("a.csv.gz", PACKED[:10] + b"\xff" * 20, "a.csv.gz: is not a whole gzip file (Error -3 while "),
        ("a.csv", gzip.compress(PACKED, mtime=0), "a.csv: is compressed twice; unpack it first"),
        (
            "a.csv",
            b'CO,NOX\n"' + b"1" * 200_000,
            "a.csv, line 2: is not valid CSV: field larger than field limit (131072)",
        ),
        (
            "a.csv",
            b"Date,LAeq\n1,2\n",
            "a.csv: is no known recording: its columns are: Date, LAeq; expected at least one set of: PM2.5, PM10, ",
        ),
        ("a.csv", b"", "a.csv: is no known recording: its columns are: none; expected"),
        ("a.csv", b"CO,NOX\n", "a.csv: has a header but no rows of data; give a recording with at least one row"),
        (
            "a.csv",
            GOOD + b"1,what\n",
            "a.csv, line 3, column NOX: 'what' is no number; expected one, or NA where it is",
        ),
        ("a.csv", GOOD + b"inf,1\n", "a.csv, line 3, column CO: 'inf' is no number; expected one, or NA where"),
        ("a.csv", GOOD + b"\n1\n", "a.csv, line 4: has 1 cells, but the header names 2; mend or cut the row"),
        ("a.csv", b"PM2.5,PM10,hour\n1,2,24\n", "a.csv, line 2, column hour: '24' is no hour of day; expected 0 to 23"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_one_sentence(tmp_path, name, content, sentence):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError) as error:
        load_recording(path)
    assert str(error.value).startswith(str(tmp_path / sentence))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "text",
    [
        "CO;NOX;CDP\r\n1,5;70,25;x\r\n—;1.234,5;x\r\n",
        "sep=\t\nCO\tNOX\n1,5\t70,25\nNA\t1 234,5\n",
        'Gas turbine of the north plant\n\n"CO","NOX"\n"1.5","70.25"\n"","1,234.5"\n',
        "ＣＯ,nox\n1.5,70.25\n<0.1,１２３４.5\n",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8-sig", "gb18030", "utf-16", "utf-16-be"])
def test_a_recording_is_read_as_any_spreadsheet_saves_it(tmp_path, text, encoding):
    path = tmp_path / "turbine.csv"
    path.write_bytes(text.encode(encoding))
    assert load_recording(path).values == {"stack_nox": (70.25, 1234.5), "stack_co": (1.5, None)}


def test_a_small_file_that_would_unpack_to_a_huge_one_is_refused(tmp_path):
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b"CO,NOX\n" + b"1" * 20_000_000))
    with pytest.raises(UserError, match="is longer than"):
        load_recording(path)


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        load_recording(tmp_path)
