"""Recorded data as a source: what a real place measured, heard again through the simulated sensors.

So the whole chain can be shown and tested on values that nobody made up, and what the hub stored can be compared with
the file, row by row.
"""

import csv
import datetime as dt
import gzip
import io
import math
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

from schemas.errors import UserError
from sim.city.source import Source


@dataclass(frozen=True)
class Layout:
    """A kind of file, recognised by its columns."""

    what: str
    columns: Mapping[str, str]
    """Column to sample channel; the column is in the channel's unit already."""
    step_s: float
    """From row to row."""
    hour: str | None = None
    """Column with the local hour of day."""
    time: str | None = None
    """Column with the time, by which the file is recognised but which is not used: rows are evenly spaced."""
    silent: frozenset[str] = frozenset()
    """Channels that were not recorded, yet would contradict the recording if they came from anywhere else."""

    @property
    def required(self) -> list[str]:
        """The columns that a file of this kind has."""
        return [*self.columns, *(name for name in (self.hour, self.time) if name)]


LAYOUTS = (
    # No PM1 was measured there, and a PM1 made up beside a recorded PM2.5 could exceed it.
    Layout("Beijing station", {"PM2.5": "pm25", "PM10": "pm10"}, 3600, hour="hour", silent=frozenset({"pm1"})),
    # A short LAeq is not an LAF. Over 125 ms, the time constant of F, it comes close: equal for steady sound, a few dB
    # higher than LAF at the onset of a sudden one, lower in its decay.
    Layout("noise node", {"laeq": "laf"}, 0.125, time="epoch"),
    Layout("gas turbine", {"NOX": "stack_nox", "CO": "stack_co"}, 3600),
)

MISSING = ("", "NA")
MISSING_NUMBER = -200.0
"""How such files write that there is no value; no channel reaches -200."""


@dataclass(frozen=True)
class Recording:
    """A file's rows by channel."""

    what: str
    values: Mapping[str, tuple[float | None, ...]] = field(repr=False)
    """Channel to its value in each row, in the channel's unit (see `Source`)."""
    step_s: float
    first_local_hour: int | None = None
    """Hour of day of the first row, where the file tells it."""
    silent: frozenset[str] = frozenset()
    """Channels which nothing else may fill in (see `Layout`)."""

    @property
    def channels(self) -> tuple[str, ...]:
        """The recorded channels."""
        return tuple(self.values)

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(next(iter(self.values.values())))


class Replay(Source):
    """A recording played from ``clock_start`` on, over and over; each value holds until the next row's time.

    Args:
        recording: what is played.
        clock_start: simulated time of the first row played, Unix seconds UTC.
        offset_rows: how many rows are skipped at first.
        fallback: where the channels come from that the recording knows nothing of.
    """

    def __init__(self, recording: Recording, clock_start: float, offset_rows: int, fallback: Source) -> None:
        self.recording = recording
        self._start = clock_start
        self._offset = offset_rows
        self._fallback = fallback

    def value(self, channel: str, t: float) -> float | None:
        """Return the value of the row that holds at ``t`` (see `Source`)."""
        if channel in self.recording.silent:
            return None
        if channel not in self.recording.values:
            return self._fallback.value(channel, t)
        row = self._offset + math.floor((t - self._start) / self.recording.step_s)
        return self.recording.values[channel][row % self.recording.rows]


def align(recording: Recording, t: float, zone: ZoneInfo) -> tuple[float, int]:
    """Return the ``clock_start`` and ``offset_rows`` for which each row plays in its own local hour of day.

    Without it a rush hour may be heard at night. A recording that does not tell its hours starts at ``t``, first row.
    """
    if recording.first_local_hour is None:
        return t, 0
    hour = dt.datetime.fromtimestamp(t, zone).replace(minute=0, second=0, microsecond=0)
    return hour.timestamp(), (hour.hour - recording.first_local_hour) % 24


def load_recording(path: Path) -> Recording:
    """Read a recording from a CSV or CSV.gz file of one of the `LAYOUTS`.

    Raises:
        UserError: there is no such file, or it cannot be used; the text says where and why.
    """
    lines = csv.reader(io.StringIO(_text(path), newline=""))
    try:
        header = next(lines, [])
        layout = _recognise(path, header)
        values: dict[str, list[float | None]] = {channel: [] for channel in layout.columns.values()}
        first_hour: int | None = None
        for place, row in _rows(path, header, lines):
            if layout.hour and first_hour is None:
                first_hour = _hour(place, layout.hour, row[layout.hour])
            for column, channel in layout.columns.items():
                values[channel].append(_number(place, column, row[column]))
    except csv.Error as error:
        raise UserError(f"{path}: line {lines.line_num} is not CSV ({error}); give a CSV or CSV.gz file") from error
    if not any(values.values()):
        raise UserError(f"{path}: has a header but no rows of data; give a recording with at least one row")
    rows = {channel: tuple(column) for channel, column in values.items()}
    return Recording(layout.what, rows, layout.step_s, first_hour, layout.silent)


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
        return (gzip.decompress(content) if path.suffix == ".gz" else content).decode("utf-8-sig")
    except FileNotFoundError as error:
        raise UserError(f"{path}: there is no such file; give the path of a CSV or CSV.gz recording") from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{path}: is not a whole gzip file ({error}); fetch it again, or unpack it first") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is not text in UTF-8 (byte {error.start}); give a CSV or CSV.gz recording") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); give a readable CSV or CSV.gz file") from error


def _recognise(path: Path, header: list[str]) -> Layout:
    for layout in LAYOUTS:
        if set(layout.required) <= set(header):
            return layout
    found = ", ".join(header) or "none"
    known = "; ".join(f"{', '.join(layout.required)} ({layout.what})" for layout in LAYOUTS)
    raise UserError(f"{path}: is no known recording: its columns are: {found}; expected at least one set of: {known}")


def _rows(path: Path, header: list[str], lines: Iterator[list[str]]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield each row with its place for messages; ``lines`` is a csv.reader that has read the header."""
    for number, cells in enumerate(lines, 2):
        place = f"{path}: line {number}"
        if not cells:
            continue
        if len(cells) != len(header):
            raise UserError(f"{place}: has {len(cells)} cells, but the header names {len(header)}; mend or cut the row")
        yield place, dict(zip(header, cells, strict=True))


def _number(place: str, column: str, text: str) -> float | None:
    if text.strip() in MISSING:
        return None
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UserError(f"{place}, column {column}: '{text}' is no number; expected one, or NA where it is missing")
    return None if number == MISSING_NUMBER else number


def _hour(place: str, column: str, text: str) -> int:
    if text.strip() not in map(str, range(24)):
        raise UserError(f"{place}, column {column}: '{text}' is no hour of day; expected 0 to 23")
    return int(text)
