"""Pairs a reference instrument's readings with a board's, for a calibration by collocation.

Both come as CSV with headings: a time and a column for the value. The board's may instead be the records in its outbox.
A time is the start of its interval unless the user says that it is the end; without an offset it is local time of the
zone given.
"""

import csv
import json
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from zoneinfo import ZoneInfo

from edge import outbox
from edge.quantities import QUANTITIES
from firmware.calibrate.correction import Correction, Point
from hub.sheets.moments import instants, read_time, unfolded
from hub.sheets.numbers import number
from hub.sheets.sheet import FOOTER, Asked, Sheet, is_blank, is_footer
from hub.sheets.text import opened
from schemas import load_quantities
from schemas.errors import UserError

LEAST_COVERAGE = 0.75
"""Share of a reference interval that the board's records must fill (HJ 212-2017 appendix D asks as much of an hour)."""

Series = list[tuple[float, float, float]]
"""Start (Unix s), length (s), value."""


def read_csv(
    path: Path,
    channel: str,
    zone: ZoneInfo,
    *,
    column: str = "",
    ending: bool | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Series:
    """Return the intervals in a CSV file, sorted; without a column dt their length is the usual distance of its times.

    What holds no number or no time is left out.

    Args:
        path: the file, as any spreadsheet or instrument writes it (see `hub.sheets`).
        channel: whose quantity the values are.
        zone: of times without an offset.
        column: name of the value's column; "": the one that is called as the quantity, or the only one.
        ending: whether a time is the end of its interval; None: nobody has said it.
        tell: told what was left out, and what was taken for what, a sentence at a time.

    Raises:
        UserError: the file cannot be read, has no such column, or fewer than two readings.
    """
    catalogue = load_quantities()
    key = quantity_of(channel)
    asked = Asked(ending, column, key, local=True)
    with opened(path) as source:
        sheet = Sheet(source, str(path), catalogue, asked)
        found, causes = _readings(sheet, key, zone)
    low, high = catalogue[key].range
    readings = [reading for reading in found if low <= reading[2] <= high]
    if len(readings) < len(found):
        causes[f"value outside {low:g} to {high:g} {catalogue[key].label}"] += len(found) - len(readings)
    counted = ", ".join(f"{count} x {cause}" for cause, count in causes.items())
    if len(readings) < 2:
        left = f"; left out: {counted}" if counted else ""
        raise UserError(f"{path}: holds {len(readings)} readings; a collocation needs many{left}")
    for sentence in sheet.told:
        tell(f"{path}: {sentence}")
    if sheet.ending is None:
        tell(f"{path}: each time is taken for the start of its interval; if it is the end, say --stamp end")
    if counted:
        tell(f"{path}: {len(readings)} readings; left out: {counted}")
    return sorted(readings)


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
            found.append(Point(mean, true, begin, length))
    return found


def _readings(sheet: Sheet, key: str, zone: ZoneInfo) -> tuple[Series, Counter[str]]:
    """Return what a table holds of a quantity, and why what else it holds could not be used."""
    rows, where, has_flag = sheet.rows()
    readings: Series = []
    causes: Counter[str] = Counter()
    before = 0.0
    try:
        for row in rows:
            if is_blank(row):
                continue
            if is_footer(row):
                causes[FOOTER] += 1
                continue
            try:
                cells = [row[n] for n in where[: 4 + has_flag]] if where else row
                time, length_text, name, text = cells[:4]
                if name != key and sheet.names.key(name) != key:
                    continue
                if has_flag and cells[4].strip() not in ("N", ""):
                    causes["flagged"] += 1
                    continue
                length, value = number(length_text), number(text)
                moment = read_time(time, sheet.day_first)
            except (ValueError, IndexError) as error:
                causes[getattr(error, "cause", "no time, or other columns")] += 1
                continue
            found = (moment.timestamp(),) if moment.tzinfo else instants(moment, sheet.zone or zone)
            if not found or length <= 0:
                causes["a time that the clocks skip, or no length"] += 1
                continue
            t = unfolded((found[0], found[1]), before) if len(found) > 1 else found[0]
            before = t
            readings.append((t - length if sheet.ending else t, length, value))
    except csv.Error as error:
        raise UserError(f"{sheet.name}, line {sheet.line_now}: is not CSV ({error}); mend the line") from None
    return readings, causes + sheet.ignored
