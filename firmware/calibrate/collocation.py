"""Pairs a reference instrument's readings with a board's, for a calibration by collocation.

Both come as CSV with a header: `time` and a column for the value. The board's may instead be the records in its outbox.
A time is the start of its interval, in ISO 8601; without an offset it is local time of the zone given.
"""

import csv
import datetime as dt
import itertools
import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from edge import outbox
from edge.quantities import QUANTITIES
from firmware.calibrate.correction import Correction, Point
from schemas.errors import UserError

TIME_COLUMNS = ("time", "datetime", "timestamp", "date", "时间")
LEAST_COVERAGE = 0.75
"""Share of a reference interval that the board's records must fill (HJ 212-2017 appendix D asks as much of an hour)."""

Series = list[tuple[float, float, float]]
"""Start (Unix s), length (s), value."""


def read_csv(path: Path, column: str, zone: ZoneInfo) -> Series:
    """Return the intervals in a CSV file; their length is the usual distance between two times.

    Args:
        path: the file, UTF-8 or GBK, with or without a byte order mark.
        column: name of the value's column; with only one beside the time, that one.
        zone: of times without an offset.

    Raises:
        UserError: the file cannot be read, a column is missing, or a value is none.
    """
    rows = _rows(path)
    if not rows:
        raise UserError(f"{path}: is empty; expected a header with time and {column}, and a line for each interval")
    header = [name.strip().lower() for name in rows[0]]
    when = next((number for number, name in enumerate(header) if name in TIME_COLUMNS), None)
    if when is None:
        raise UserError(f"{path}: has no column {' or '.join(TIME_COLUMNS)}; found {', '.join(rows[0])}")
    others = [number for number in range(len(header)) if number != when]
    value = header.index(column.lower()) if column.lower() in header else others[0] if len(others) == 1 else None
    if value is None:
        raise UserError(f"{path}: which column is the reference's? found {', '.join(rows[0])}; name it with --column")
    points = sorted(_point(path, number, row, when, value, zone) for number, row in enumerate(rows[1:], 2) if any(row))
    readings = [(t, number) for t, number in points if number is not None]
    if len(readings) < 2:
        raise UserError(f"{path}: holds {len(readings)} readings; a collocation needs many")
    step = statistics.median(b - a for (a, _), (b, _) in itertools.pairwise(readings))
    return [(t, step, number) for t, number in readings]


def from_outbox(segments: Mapping[str, bytes], channel: str, correction: Correction, calibration: int) -> Series:
    """Return what a board's outbox holds of a channel, as it was before the correction.

    Args:
        segments: content of its files by name.
        channel: the sample channel.
        correction: the channel's correction in force.
        calibration: its id; records made under another are left out.

    Raises:
        UserError: the correction cannot be taken out of the records.
    """
    key = quantity_of(channel)
    gain, offset = correction.get("gain", 1), correction.get("offset", 0)
    readings: Series = []
    for name in sorted(segments):
        for line in segments[name].splitlines(keepends=True):
            entry = outbox.parse(line)
            parts = entry[1].split(b" ", 2) if entry else (b"", b"-", b"")
            if parts[1].startswith(b"-") or int(parts[0]) != calibration:
                continue  # damaged, without a clock, or corrected in another way
            record = json.loads(parts[2])
            if key not in record["v"] or key in record.get("f", {}):
                continue
            if key in record.get("r", {}):
                value = record["r"][key]
            elif "points" in correction or "kappa" in correction:
                raise UserError(
                    f"{channel} is corrected by points or for humidity, which cannot be taken out of records; set "
                    '"raw": true in the board\'s configuration, or give --readings with raw values'
                )
            else:
                value = (record["v"][key] - offset) / gain
            readings.append((record["t"], record["dt"], value))
    return sorted(readings)


def quantity_of(channel: str) -> str:
    """Return the quantity that a channel's records are kept under, which must be a mean."""
    for key, (sources, aggregate, _) in QUANTITIES.items():
        if channel in sources and aggregate == "mean":
            return str(key)
    raise UserError(f"{channel}: is no mean; a collocation is for concentrations")


def pairs(reference: Series, board: Series) -> list[Point]:
    """Return the board's mean beside each of the reference's intervals that the board's records fill well enough.

    Example: reference 01:00-02:00 is 80; six records of 10 min in it are 70 on average: Point(raw=70, true=80).
    """
    found = []
    for begin, length, true in reference:
        inside = [(t, dt_, value) for t, dt_, value in board if t >= begin - 0.01 and t + dt_ <= begin + length + 0.01]
        covered = sum(dt_ for _, dt_, _ in inside)
        if inside and covered >= LEAST_COVERAGE * length:
            mean = sum(dt_ * value for _, dt_, value in inside) / covered
            found.append(Point(mean, true))
    return found


def _rows(path: Path) -> list[list[str]]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); name the reference's CSV file") from error
    for encoding in ("utf-8-sig", "gbk"):
        try:
            return list(csv.reader(content.decode(encoding).splitlines()))
        except UnicodeDecodeError:
            continue
    raise UserError(f"{path}: is no text in UTF-8 or GBK; save it as CSV again")


def _point(
    path: Path, number: int, row: Sequence[Any], when: int, value: int, zone: ZoneInfo
) -> tuple[float, float | None]:
    try:
        moment = dt.datetime.fromisoformat(row[when].strip().replace("/", "-"))
        text = row[value].strip()
        read = float(text) if text and text.lower() not in ("na", "nan", "-", "--") else None
    except (ValueError, IndexError):
        raise UserError(
            f"{path}, line {number}: {','.join(row)!r}: expected a time such as 2026-11-26T08:00 and a number"
        ) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp(), read
