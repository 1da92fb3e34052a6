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
    assert read_csv(path, "pm10", SHANGHAI) == [(T0, 5400, 71), (T0 + 7200, 5400, 80), (T0 + 10800, 5400, 82.5)]


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
