"""Reads and checks the CSV file of a backtest: rows in, sums over a few minutes of each quantity out.

A million rows take a few times as long as the csv module alone takes. So a row costs a handful of look-ups: texts that
come again (lengths, values, all of a time but minute and second) are read once, and what lies in one stretch of
`grain` seconds is added up here, not row by row in the windows.
"""

import csv
import difflib
import math
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any
from zoneinfo import ZoneInfo

from schemas import Quantity
from schemas.errors import UserError

COLUMNS = ("time", "dt", "quantity", "value")
FLAGS = frozenset("NFMCDTSB")
"""The letters of HJ 212; N is normal, and only N counts."""
TOUCH = 1e-6
"""By so much rows may seem to overlap, s: fractions of a second are no round binary numbers."""
LONGEST = 366 * 86_400
"""No interval is longer, s."""
EARLIEST, LATEST = 0, 7_258_118_400
"""Times are from 1970 on and before 2200, Unix s: what lies outside is a mistake, and no calendar goes on for ever."""
IMPLAUSIBLE = "value outside the catalogue's range, not counted"

Sum = tuple[str, float, float, float, float, float]
"""Quantity, start and end (Unix s), how much of it counts (s), the values' integral over time (of levels: of
10^(level/10)), the highest of them."""

_PLAIN = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)")
_TWO = {f"{number:02}": number for number in range(60)}
_MANY = 50_000


class _Wrong(Exception):  # noqa: N818
    """A row that cannot be used: what is wrong, what to do, and under which name it is counted."""

    def __init__(self, kind: str, problem: str) -> None:
        super().__init__(problem)
        self.kind = kind


class _Track:
    """One quantity: what its texts mean, what has been covered of its time, the sum that is being made."""

    __slots__ = (
        *("end", "ends", "energy", "first", "flag", "highest", "line", "quantity"),
        *("seconds", "start", "starts", "total", "until", "values"),
    )

    def __init__(self, key: str, quantity: Quantity) -> None:
        self.quantity = key
        self.energy = quantity.aggregate == "energy_mean"
        self.flag = quantity.flag
        self.values: dict[str, tuple[float, float]] = {}
        """Values that have come, with what each second of them adds to an integral."""
        self.start: float = 0
        self.line = 0
        """Start and line of the row before."""
        self.starts: list[float] = []
        self.ends: list[float] = []
        """With lenient: covered spans, joined where they touch."""
        self.end: float = -math.inf
        """Where the stretch that is being summed ends."""
        self.first, self.until = math.inf, -math.inf
        """From when until when rows have come in it; in a file that must be in order also: until when at all."""
        self.seconds = self.total = 0.0
        self.highest = -math.inf

    def sum(self) -> Sum:
        """Return what has been added up."""
        return self.quantity, self.first, self.until, self.seconds, self.total, self.highest

    def begin(self, start: float, until: float, grain: int) -> None:
        """Begin another sum with a row."""
        self.first, self.until = start, until
        self.seconds = self.total = 0.0
        self.highest = -math.inf
        begin = start // grain * grain
        # What lies across two stretches is a sum of its own, which nothing joins.
        self.end = begin + grain if until <= begin + grain else begin


class Table:
    """A file of recorded data.

    Args:
        name: of the file, for errors.
        quantities: the catalogue of quantities.
        zone: of the times without offset that `lenient` takes.
        lenient: mend or leave out wrong rows instead of refusing the file.
        grain: stretches of so many seconds are summed, s; every window begins and ends at a multiple of it.
    """

    def __init__(
        self, name: str, quantities: Mapping[str, Quantity], zone: ZoneInfo, *, lenient: bool = False, grain: int = 60
    ) -> None:
        self._name = name
        self._quantities = quantities
        self._zone = zone
        self._lenient = lenient
        self._grain = grain
        self._tracks: dict[str, _Track] = {}
        self._lengths: dict[str, float] = {}
        self._tails: dict[str, dict[str, int]] = {}
        self.rows = 0
        """How many were read so far."""
        self.notes: Counter[str] = Counter()
        """What was mended or does not count, and how often."""

    @property
    def quantities(self) -> frozenset[str]:
        """Those of which there were rows."""
        return frozenset(self._tracks)

    def sums(self, lines: Iterable[str]) -> Iterator[Sum]:
        """Go through the file; every row is part of one sum.

        Raises:
            UserError: a row is wrong; the text names file and line.
        """
        reader = csv.reader(lines)
        try:
            yield from self._read(reader)
        except csv.Error as error:
            raise UserError(f"{self._name}, line {reader.line_num}: is not CSV ({error}); mend the line.") from None
        except UnicodeDecodeError as error:
            raise UserError(
                f"{self._name}, after line {reader.line_num}: is not UTF-8 ({error.reason}); save it as UTF-8."
            ) from None
        for track in self._tracks.values():
            if track.first < math.inf:
                yield track.sum()

    def _read(self, reader: Any) -> Iterator[Sum]:  # noqa: C901, PLR0912, PLR0915 - a call costs as much as a row
        """Go through the rows. What is usual stands in the loop itself; the methods see to the rest."""
        width, columns, has_flag = _columns(self._name, next(reader, []))
        as_they_are = columns == tuple(range(width + (not has_flag)))
        pick = None if as_they_are else itemgetter(*columns)
        tracks, grain, strict = self._tracks, self._grain, not self._lenient
        before_text = before_length = ""
        t: float = 0
        length: float = 0
        hour_text, hour = "", 0.0  # of 2026-03-02T09:00:00+08:00, what ends before the minute
        tails: dict[str, int] = {}  # what begins there, with s after the full hour
        rows = 0
        for line, row in enumerate(reader, 2):
            try:
                if len(row) != width:
                    if not row:
                        continue
                    _refuse_width(row, width)
                if not has_flag:
                    row.append("N")
                text, length_text, key, value_text, flag = pick(row) if pick else row
                rows += 1
                if text != before_text:
                    second = tails.get(text[14:])
                    if second is None or text[:14] != hour_text:
                        t = self._moment(text)
                        tails = self._tails.get(text[19:], {})
                        second = tails.get(text[14:])
                        hour_text, hour = ("", 0.0) if second is None else (text[:14], t - second)
                        before_text = "" if second is None else text
                    else:
                        t = hour + second
                        before_text = text
                if length_text != before_length:
                    length = _length(length_text)
                    before_length = length_text
                track = tracks.get(key) or self._track(key)
                if flag == "N":
                    value = track.values.get(value_text) or self._value(track, value_text)
                else:
                    value = self._flagged(track, flag, value_text)
                until = t + length
                if not strict or t < track.until:
                    self._place(track, t, until)
            except _Wrong as wrong:
                before_text = before_length = ""
                if strict:
                    raise UserError(f"{self._name}, line {reader.line_num}: {wrong}.") from None
                self.notes[wrong.kind] += 1
                continue
            track.start, track.line = t, line
            if until > track.end or (not strict and t < track.end - grain):
                if track.first < math.inf:
                    yield track.sum()
                track.begin(t, until, grain)
            elif strict:
                track.until = until
            else:
                track.first, track.until = min(t, track.first), max(until, track.until)
            if value is not None:
                number, weight = value
                track.seconds += length
                track.total += length * weight
                if number > track.highest:  # noqa: PLR1730 - max() costs a call for each row
                    track.highest = number
        self.rows = rows

    def _moment(self, text: str) -> float:
        """Return the Unix time of a row, and note how it ends, so that only the first in an hour needs to come here."""
        try:
            time = datetime.fromisoformat(text.strip())
        except ValueError:
            raise _Wrong(
                "no time, left out",
                f"time = {text!r}: expected ISO 8601 with offset, such as 2026-03-02T09:00:00+08:00",
            ) from None
        if not EARLIEST <= time.replace(tzinfo=time.tzinfo or UTC).timestamp() < LATEST:
            raise _Wrong("no time, left out", f"time = {text!r}: expected a time from 1970 on and before 2200")
        if time.tzinfo is None:
            if not self._lenient:
                raise _Wrong(
                    "",
                    f"time = {text!r} has no offset from UTC; write it, as in {text.strip()}+08:00, or use --lenient",
                )
            self.notes["time without offset, taken as local time"] += 1
            return time.replace(tzinfo=self._zone).timestamp()
        if _PLAIN.fullmatch(text):
            self._tails.setdefault(text[19:], {})[text[14:]] = 60 * time.minute + time.second
        return time.timestamp()

    def _track(self, key: str) -> _Track:
        if key not in self._quantities:
            near = difflib.get_close_matches(key, self._quantities, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"expected one of: {', '.join(self._quantities)}"
            raise _Wrong("unknown quantity, left out", f"quantity = {key!r} is not in the catalogue; {hint}")
        track = self._tracks[key] = _Track(key, self._quantities[key])
        return track

    def _value(self, track: _Track, text: str) -> tuple[float, float] | None:
        """Return a value and what a second of it adds to the integral; None: no instrument in order gives it."""
        value = _number(text)
        if not math.isfinite(value):
            raise _Wrong(
                "value is no number, left out",
                f"value = {text!r}: expected a number, or a flag that says why there is none",
            )
        if track.flag(value):
            self.notes[IMPLAUSIBLE] += 1  # the hub flags it with D or T
            return None
        if len(track.values) > _MANY:
            track.values.clear()
        known = track.values[text] = value, 10 ** (value / 10) if track.energy else value
        return known

    def _flagged(self, track: _Track, flag: str, text: str) -> tuple[float, float] | None:
        """Return the value of a row whose flag is not a plain N; None: it does not count."""
        if flag.strip() in ("N", ""):
            return track.values.get(text) or self._value(track, text)
        if flag not in FLAGS:
            raise _Wrong(
                "unknown flag, left out", f"flag = {flag!r}: expected one of {', '.join(sorted(FLAGS))}; N is normal"
            )
        return None

    def _place(self, track: _Track, t: float, until: float) -> None:
        """Find a row's place where it is not simply behind the row before; refuse it if something is there already."""
        if not self._lenient:
            if t >= track.until - TOUCH:
                return
            if t < track.start:
                raise _Wrong(
                    "",
                    f"begins before the row of its quantity in line {track.line}; "
                    "sort the file by time, or use --lenient",
                )
            lasts = datetime.fromtimestamp(track.until, self._zone).isoformat()
            raise _Wrong(
                "",
                f"overlaps the row of its quantity in line {track.line}, which lasts until {lasts}; "
                "mend time or dt, or use --lenient",
            )
        starts, ends = track.starts, track.ends
        index = bisect_right(starts, t)
        if (index and ends[index - 1] > t + TOUCH) or (index < len(starts) and starts[index] < until - TOUCH):
            raise _Wrong("overlapping, left out", "overlaps another row of its quantity")
        if t < track.start:
            self.notes["out of order, put in its place"] += 1
        if index and abs(ends[index - 1] - t) <= TOUCH:
            ends[index - 1] = until
        else:
            starts.insert(index, t)
            ends.insert(index, until)


def _columns(name: str, header: list[str]) -> tuple[int, tuple[int, ...], bool]:
    """Return how many columns there are, where time, dt, quantity, value and flag stand, and whether flags do."""
    names = [column.strip().lower() for column in header]
    missing = [column for column in COLUMNS if column not in names]
    if missing:
        raise UserError(
            f"{name}, line 1: the column {missing[0]!r} is missing; expected a header with "
            "time,dt,quantity,value and, if you have flags, flag."
        )
    has_flag = "flag" in names
    where = *(names.index(column) for column in COLUMNS), names.index("flag") if has_flag else len(names)
    return len(names), where, has_flag


def _refuse_width(row: list[str], width: int) -> None:
    raise _Wrong("other number of columns, left out", f"expected {width} columns, found {len(row)}")


def _length(text: str) -> float:
    length = _number(text)
    if not 0 < length <= LONGEST:
        raise _Wrong(
            "dt is no positive number, left out",
            f"dt = {text!r}: expected a length above 0 in s, and of a year at most",
        )
    return length


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
