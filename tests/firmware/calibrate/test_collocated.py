"""Pairing a reference's file with a board's records: times, gaps, flags, and a correction that is taken out again."""

import json
from zoneinfo import ZoneInfo

import pytest

from edge.outbox import line
from firmware.calibrate.collocation import from_outbox, pairs, read_csv
from firmware.calibrate.correction import Point
from schemas.errors import UserError

SHANGHAI = ZoneInfo("Asia/Shanghai")
T0 = 1795651200  # 2026-11-26 00:00 UTC, 08:00 in Shanghai


def test_a_chinese_instrument_s_file_with_local_times_is_read(tmp_path):
    path = tmp_path / "参比.csv"
    text = "时间,颗粒物(ug/m3)\n2026/11/26 08:00:00,71\n2026/11/26 09:00:00,--\n2026/11/26 10:00:00,80\n"
    path.write_bytes((text + "2026/11/26 11:00:00,82.5\n").encode("gbk"))
    assert read_csv(path, "pm10", SHANGHAI) == [(T0, 3600, 71), (T0 + 7200, 3600, 80), (T0 + 10800, 3600, 82.5)]


def test_a_time_with_an_offset_is_taken_as_it_says(tmp_path):
    path = tmp_path / "bam.csv"
    path.write_text("\ufeffTime,flow,PM10\n2026-11-26T00:00Z,16,71\n2026-11-26T09:00+08:00,16,72\n", "utf-8")
    assert read_csv(path, "pm10", SHANGHAI) == [(T0, 3600, 71), (T0 + 3600, 3600, 72)]


def test_an_interval_counts_when_the_board_s_records_fill_three_quarters_of_it():
    reference = [(T0, 600, 80), (T0 + 600, 600, 90)]
    board = [(T0 + n, 60, 40 + n / 60) for n in range(0, 600, 60)] + [(T0 + 600 + n, 60, 50) for n in range(0, 420, 60)]
    assert pairs(reference, board) == [Point(44.5, 80)]
    assert pairs(reference, [*board, (T0 + 1140, 60, 66)]) == [Point(44.5, 80), Point(52, 90)]


def outbox(*records, calibration=2):
    """Return the files of an outbox with these records."""
    lines = [line(n, f"{calibration} ntp {json.dumps(record)}".encode()) for n, record in enumerate(records, 1)]
    return {"a.seg": b"".join(lines) + b"torn"}


def test_the_correction_in_force_is_taken_out_and_what_is_flagged_or_older_left_out():
    files = outbox(
        {"t": T0, "dt": 10, "v": {"pm10": 85}},
        {"t": T0 + 10, "dt": 10, "v": {"pm10": 99}, "f": {"pm10": "C"}},
        {"t": T0 + 20, "dt": 10, "v": {"pm10": 85}, "r": {"pm10": 66}},
    )
    correction = {"gain": 1.2, "offset": 1}
    assert from_outbox(files, "pm10", correction, 2) == [(T0, 10, 70), (T0 + 20, 10, 66)]
    assert from_outbox(files, "pm10", correction, 3) == []
    with pytest.raises(UserError, match='set "raw": true'):
        from_outbox(files, "pm10", {"points": [[0, 1], [10, 12]]}, 2)
    with pytest.raises(UserError, match="is no mean"):
        from_outbox(files, "laf", {}, 2)


HOURS = [40, 47, 54, 61, 68, 40, 47, 54, 61, 68, 40, 47]


def reference(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "reference.csv"
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("时间,pm10\n" + "".join(f"2026/3/2 {8 + n}:00,{v}\n" for n, v in enumerate(HOURS)), "gbk"),
        (
            "Datum;Uhrzeit;PM10 [mg/m³]\n".replace("Uhrzeit", "Time")
            + "".join(f"02.03.2026;{8 + n:02}:00;0,0{v}\n" for n, v in enumerate(HOURS)),
            "cp1252",
        ),
        (
            "BAM 1020\nSerial;1\n\nTime\tConc\n"
            + "".join(f"2026-03-02 {8 + n:02}:00\t{v}\n" for n, v in enumerate(HOURS))
            + "Mean\t52\n",
            "utf-16",
        ),
        (
            "time,dt,quantity,value,flag\n"
            + "".join(
                f"2026-03-02T{8 + n:02}:00:00+08:00,3600,pm10,{v},N\n2026-03-02T{8 + n:02}:00:00+08:00,3600,laeq,60,N\n"
                for n, v in enumerate(HOURS)
            ),
            "utf-8",
        ),
    ],
    ids=["Chinese", "German", "instrument", "hub"],
)
def test_a_reference_is_read_as_its_spreadsheet_saved_it(tmp_path, text, encoding):
    start = 1772409600  # 2026-03-02 08:00 in Shanghai
    wanted = [(start + 3600 * n, 3600, value) for n, value in enumerate(HOURS)]
    assert read_csv(reference(tmp_path, text, encoding), "pm10", SHANGHAI) == wanted


@pytest.mark.parametrize("cell", ["—", "Invalid", "", "--", "NA", "<2", "-999", "9999", "停机", "99999.9"])
def test_an_hour_without_a_number_costs_itself_and_is_told(tmp_path, cell):
    rows = [f"2026-03-02 {8 + n:02}:00,{cell if n == 3 else 40 + n}\n" for n in range(12)]
    told = []
    path = reference(tmp_path, "time,pm10\n" + "".join(rows))
    readings = read_csv(path, "pm10", SHANGHAI, ending=False, tell=told.append)
    assert len(readings) == 11
    assert {length for _, length, _ in readings} == {3600}
    assert "11 readings; left out: 1 x " in told[-1]


def test_hours_that_are_named_by_their_end_are_shifted_when_it_is_said_and_asked_for_otherwise(tmp_path):
    rows = "".join(f"2026-03-02 {8 + n:02}:00,{40 + n}\n" for n in range(12))
    path = reference(tmp_path, "time,pm10\n" + rows)
    told = []
    start = read_csv(path, "pm10", SHANGHAI, tell=told.append)
    end = read_csv(path, "pm10", SHANGHAI, ending=True)
    assert [t for t, _, _ in end] == [t - 3600 for t, _, _ in start]
    assert any("--stamp end" in sentence for sentence in told)


def test_of_several_columns_one_is_named_and_what_cannot_be_used_is_counted(tmp_path):
    path = reference(tmp_path, "time,BAM,TEOM\n2026-03-02 08:00,1,2\n2026-03-02 09:00,3,4\n")
    with pytest.raises(UserError, match="Name it by --column; found: BAM, TEOM"):
        read_csv(path, "pm10", SHANGHAI)
    assert [value for _, _, value in read_csv(path, "pm10", SHANGHAI, column="teom")] == [2, 4]
    path = reference(tmp_path, "time,pm10\n2026-03-02 08:00,loud\n2026-03-02 09:00,--\n2026-03-02 10:00,5\n")
    with pytest.raises(UserError, match=r"holds 1 readings; .* left out: 1 x value is no number, 1 x no value there"):
        read_csv(path, "pm10", SHANGHAI)
