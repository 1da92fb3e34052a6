"""Recorded data as a source: what a real place measured, heard again through the simulated sensors.

So the whole chain can be shown and tested on values that nobody made up, and what the hub stored can be compared with
the file, row by row.
"""

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

from hub.sheets.grid import Grid
from hub.sheets.headings import plain
from hub.sheets.numbers import AMBIGUOUS, NONE, NoNumberError, number
from hub.sheets.sheet import decimal_of
from hub.sheets.text import opened
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

MISSING_NUMBER = -200.0
"""How such files also write that there is no value; no channel reaches -200."""


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
    """Read a recording from a CSV or CSV.gz file of one of the `LAYOUTS`, as any spreadsheet saves it.

    Raises:
        UserError: there is no such file, or it cannot be used; the text says where and why.
    """
    with opened(path) as source:
        grid = Grid(source, str(path), lambda cells: _layout_of(cells) is not None)
        layout = _layout_of(grid.header)
        if layout is None:
            raise _unknown(path, grid.header)
        names = _names(grid.header)
        places = {column: names.index(plain(column)) for column in layout.required}
        rows = []
        for line, cells in grid.rows():
            if len(cells) != len(names):
                raise UserError(
                    f"{path}, line {line}: has {len(cells)} cells, but the header names {len(names)}; "
                    "mend or cut the row"
                )
            rows.append((line, [cells[place] for place in places.values()]))
    if not rows:
        raise UserError(f"{path}: has a header but no rows of data; give a recording with at least one row")
    columns = dict(zip(places, zip(*(cells for _, cells in rows), strict=True), strict=True))
    lines = [line for line, _ in rows]
    values = {}
    for column, channel in layout.columns.items():
        decimal = decimal_of(columns[column], grid.separator)
        values[channel] = tuple(
            _number(f"{path}, line {line}, column {column}", text, decimal)
            for line, text in zip(lines, columns[column], strict=True)
        )
    first_hour = _hour(f"{path}, line {lines[0]}", layout.hour, columns[layout.hour][0]) if layout.hour else None
    return Recording(layout.what, values, layout.step_s, first_hour, layout.silent)


def _names(header: Sequence[str]) -> list[str]:
    return [plain(name) for name in header]


def _layout_of(header: Sequence[str]) -> Layout | None:
    names = {*_names(header)}
    return next((layout for layout in LAYOUTS if {*map(plain, layout.required)} <= names), None)


def _unknown(path: Path, header: list[str]) -> UserError:
    found = ", ".join(header) or "none"
    known = "; ".join(f"{', '.join(layout.required)} ({layout.what})" for layout in LAYOUTS)
    return UserError(f"{path}: is no known recording: its columns are: {found}; expected at least one set of: {known}")


def _number(place: str, text: str, decimal: str) -> float | None:
    try:
        value = number(text, decimal)
    except NoNumberError as error:
        if error.cause in (NONE, AMBIGUOUS):
            raise UserError(f"{place}: {text!r} is no number; expected one, or NA where it is missing") from None
        return None
    return None if value == MISSING_NUMBER else value


def _hour(place: str, column: str, text: str) -> int:
    try:
        hour = number(text)
    except NoNumberError:
        hour = -1
    if hour not in range(24):
        raise UserError(f"{place}, column {column}: {text!r} is no hour of day; expected 0 to 23")
    return int(hour)
