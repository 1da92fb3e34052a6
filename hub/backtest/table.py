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
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, time
from operator import itemgetter
from zoneinfo import ZoneInfo

from hub.sheets.moments import AmbiguousDateError, begins_gap, instants, is_hour_24, read_time, unfolded
from hub.sheets.numbers import AMBIGUOUS, NONE, SENTINEL, NoNumberError, is_sentinel, number
from hub.sheets.sheet import FOOTER, NOTHING_ASKED, ROW, Asked, Sheet, is_blank, is_footer
from schemas import Quantity
from schemas.errors import UserError

FLAGS = frozenset("NFMCDTSB")
"""The letters of HJ 212; N is normal, and only N counts."""
TOUCH = 1e-6
"""By so much rows may seem to overlap, s: fractions of a second are no round binary numbers."""
LONGEST = 366 * 86_400
"""No interval is longer [s]."""
EARLIEST, LATEST = 0, 7_258_118_400
"""Times are from 1970 on and before 2200, Unix s: what lies outside is a mistake, and no calendar goes on for ever."""
IMPLAUSIBLE = "value outside the catalogue's range, not counted"
NO_TIME = "no time, left out"
DOUBTFUL = 600
"""From this length on it matters whether a time is an interval's start or its end, s: a window has 20 min or more."""

Sum = tuple[str, float, float, float, float, float]
"""Quantity, start and end (Unix s), how much of it counts (s), the values' integral over time (of levels: of
10^(level/10)), the highest of them."""

COUNTS = Quantity("counts of levels", "声级计数", "1", "", "noise", (1, 10**15), 0, "max")
"""What a key of counts is about."""

_PLAIN = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)")
_TWO = {f"{number:02}": number for number in range(60)}
_MANY = 50_000


class _Wrong(Exception):  # noqa: N818
    """A row that cannot be used: what is wrong, what to do, and under which name it is counted."""

    def __init__(self, kind: str, problem: str, *, footer: bool = False) -> None:
        super().__init__(problem)
        self.kind = kind
        self.footer = footer
        """Whether it may be a line below the table."""


class _Track:
    """One quantity: what its texts mean, what has been covered of its time, the sum that is being made."""

    __slots__ = (
        *("counts", "end", "ends", "energy", "first", "flag", "highest", "line", "quantity"),
        *("seconds", "start", "starts", "total", "until", "values"),
    )

    def __init__(self, key: str, quantity: Quantity) -> None:
        self.quantity = key
        self.energy = quantity.aggregate == "energy_mean"
        self.counts = quantity is COUNTS
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

    def begin(self, start: float, until: float, grain: float) -> None:
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
        asked: what the user says of the file.
        is_count: tells of a quantity that is not in the catalogue whether its values are counts of levels.
    """

    def __init__(
        self,
        name: str,
        quantities: Mapping[str, Quantity],
        zone: ZoneInfo,
        *,
        lenient: bool = False,
        grain: float = 60,
        asked: Asked = NOTHING_ASKED,
        is_count: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self._name = name
        self._quantities = quantities
        self._zone = zone
        self._lenient = lenient
        self._grain = grain
        self._is_count = is_count
        self._tracks: dict[str, _Track] = {}
        self._lengths: dict[str, float] = {}
        self._tails: dict[str, dict[str, int]] = {}
        self._asked = asked
        self._sheet: Sheet | None = None
        self._local_text = ""
        self._local: tuple[float, tuple[float, float] | None] = 0.0, None
        """The last time without an offset, and what it is."""
        self._hour_24 = False
        self._first, self._last, self._length = math.inf, -math.inf, 0.0
        self.rows = 0
        """How many were read so far."""
        self.notes: Counter[str] = Counter()
        """What was mended or does not count, and how often."""
        self.told: list[str] = []
        """What was taken for what, where the file could have meant something else: sentences for people."""

    @property
    def quantities(self) -> frozenset[str]:
        """Those of which there were rows."""
        return frozenset(track.quantity for track in self._tracks.values())

    def sums(self, lines: Iterable[str]) -> Iterator[Sum]:
        """Go through the file; every row is part of one sum.

        Raises:
            UserError: a row is wrong, or none can be used; the text names file and line.
        """
        sheet = self._sheet = Sheet(lines, self._name, self._quantities, self._asked)
        try:
            yield from self._read(sheet)
        except csv.Error as error:
            raise UserError(f"{self._name}, line {sheet.line_now}: is not CSV ({error}); mend the line.") from None
        finally:
            self.told += sheet.told
            for cause, count in sheet.ignored.items():
                self.notes[cause] += count
        if self.rows and not any(track.first < math.inf for track in self._tracks.values()):
            causes = ", ".join(f"{count} x {cause}" for cause, count in self.notes.items())
            raise UserError(f"{self._name}: none of {self.rows} rows could be used: {causes}.")
        if doubt := self._doubt(sheet):
            self.told.append(doubt)
        for track in dict.fromkeys(self._tracks.values()):
            if track.first < math.inf:
                yield track.sum()

    def _read(self, sheet: Sheet) -> Iterator[Sum]:  # noqa: C901, PLR0912, PLR0915 - a call costs as much as a row
        """Go through the rows. What is usual stands in the loop itself; the methods see to the rest."""
        reader, columns, has_flag = sheet.rows()
        width = sheet.width if columns else len(ROW) + 1
        pick = None if columns in (None, tuple(range(width + (not has_flag)))) else itemgetter(*columns or ())
        tracks, grain, strict, ending = self._tracks, self._grain, not self._lenient, bool(sheet.ending)
        before_text = before_length = ""
        t: float = 0
        twice: tuple[float, float] | None = None
        length: float = 0
        hour_text, hour = "", 0.0  # of 2026-03-02T09:00:00+08:00, what ends before the minute
        tails: dict[str, int] = {}  # what begins there, with s after the full hour
        rows = 0
        for line, row in enumerate(reader, sheet.line + 1):
            if not row:
                continue
            rows += 1
            try:
                if len(row) != width:
                    _mend_width(row, width, sheet.width)
                if not has_flag:
                    row.append("N")
                text, length_text, key, value_text, flag = pick(row) if pick else row
                if text != before_text:
                    second = tails.get(text[14:])
                    if second is None or text[:14] != hour_text:
                        t, twice = self._moment(text, ending=ending)
                        tails = self._tails.get(text[19:], {})
                        second = tails.get(text[14:])
                        hour_text, hour = ("", 0.0) if second is None else (text[:14], t - second)
                        before_text = "" if second is None else text
                    else:
                        t, twice = hour + second, None
                        before_text = text
                if length_text != before_length:
                    length = _length(length_text)
                    before_length = length_text
                track = tracks.get(key) or self._track(key)
                if flag == "N":
                    value = track.values.get(value_text) or self._value(track, value_text)
                else:
                    value = self._flagged(track, flag, value_text)
                start = t
                if twice:
                    start = unfolded(twice, track.start and track.start + (length if ending else 0))
                if ending:
                    start -= length
                until = start + length
                if not strict or start < track.until:
                    self._place(track, start, until)
            except _Wrong as wrong:
                before_text = before_length = ""
                if is_blank(row[:width]):
                    rows -= 1
                    continue
                if wrong.footer and is_footer(row):
                    self.notes[FOOTER] += 1
                    rows -= 1
                    continue
                if strict:
                    raise UserError(f"{self._name}, line {sheet.line_now}: {wrong}.") from None
                self.notes[wrong.kind] += 1
                continue
            track.start, track.line = start, line
            if until > track.end or (not strict and start < track.end - grain):
                if track.first < math.inf:
                    yield track.sum()
                track.begin(start, until, grain)
            elif strict:
                track.until = until
            else:
                track.first, track.until = min(start, track.first), max(until, track.until)
            if value is not None:
                number, weight = value
                track.seconds += length
                track.total += length * weight
                if number > track.highest:  # noqa: PLR1730 - max() costs a call for each row
                    track.highest = number
            if start < self._first:  # noqa: PLR1730 - as above
                self._first = start
            if until > self._last:  # noqa: PLR1730
                self._last = until
            self._length = length
        self.rows = rows

    def _moment(self, text: str, *, ending: bool) -> tuple[float, tuple[float, float] | None]:
        """Return the Unix time of a row, and both if the clocks show it twice.

        Notes how it ends, so that only the first in an hour needs to come here.
        """
        if text == self._local_text:
            return self._local
        time = self._parsed(text)
        if not EARLIEST <= time.replace(tzinfo=time.tzinfo or UTC).timestamp() < LATEST:
            raise _Wrong(NO_TIME, f"time = {text!r:.80}: expected a time from 1970 on and before 2200", footer=True)
        if time.tzinfo is not None:
            if _PLAIN.fullmatch(text) and text[11:13] != "24":
                self._tails.setdefault(text[19:], {})[text[14:]] = 60 * time.minute + time.second
            return time.timestamp(), None
        zone = (self._sheet.zone if self._sheet else None) or self._zone
        if zone is self._zone and not self._asked.local:
            if not self._lenient:
                raise _Wrong(
                    "",
                    f"time = {text!r:.80} has no offset from UTC; write it, as in "
                    f"{text.strip():.40}+08:00, name the zone by --tz, as in --tz {self._zone.key}, or use --lenient",
                )
            self.notes["time without offset, taken as local time"] += 1
        found = instants(time, zone)
        gap = begins_gap(time, zone) if not found and ending else None
        if not found and gap is None:
            raise _Wrong(
                "a time that the clocks skip in spring, left out",
                f"time = {text!r:.80} does not exist in {zone}, where the clocks go forward then; if the file keeps "
                "winter time all year, say it by --tz, as in --tz Etc/GMT-1",
            )
        self._local = (found[0] if found else gap or 0.0), (found[0], found[1]) if len(found) > 1 else None
        self._local_text = text
        return self._local

    def _parsed(self, text: str) -> datetime:
        try:
            if _PLAIN.fullmatch(text) and text[11:13] != "24":
                return datetime.fromisoformat(text)
            time = read_time(text, self._sheet.day_first if self._sheet else "")
        except AmbiguousDateError:
            raise _Wrong(
                "a date whose day and month cannot be told apart, left out",
                f"time = {text!r:.80}: which is the day, which the month? write the year first, as in 2026-03-02",
            ) from None
        except ValueError:
            raise _Wrong(
                NO_TIME,
                f"time = {text!r:.80}: expected ISO 8601 with offset, such as 2026-03-02T09:00:00+08:00",
                footer=True,
            ) from None
        self._hour_24 = self._hour_24 or ("24" in text and is_hour_24(text))
        return time

    def _doubt(self, sheet: Sheet) -> str:
        """Return what to tell of times that may name an interval by its end, as stations do; "" without doubt."""
        if sheet.ending is not None or not self.rows or self._length < DOUBTFUL:
            return ""
        begins, ends = (datetime.fromtimestamp(t, self._zone).time() for t in (self._first, self._last))
        if begins == ends == time() and not self._hour_24:
            return ""
        first = datetime.fromtimestamp(self._first - self._length, self._zone).time()
        last = datetime.fromtimestamp(self._last - self._length, self._zone).time()
        if time() not in (first, last) and not self._hour_24 and not self._asked.people:
            return ""
        why = "there is a 24:00, which ends an hour: " if self._hour_24 else ""
        return (
            f"{why}each time was taken for the start of its interval; stations often name an hour by its end: if this "
            "file does, say --stamp end; if not, --stamp start"
        )

    def _track(self, name: str) -> _Track:
        """Return the track of a quantity by any of its names."""
        key = name if name in self._quantities else (self._sheet.names.key(name) if self._sheet else None)
        if key is None and self._is_count(name):
            track = self._tracks[name] = _Track(name, COUNTS)
            return track
        if key is None:
            near = difflib.get_close_matches(name, self._quantities, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"expected one of: {', '.join(self._quantities)}"
            raise _Wrong("unknown quantity, left out", f"quantity = {name!r:.80} is not in the catalogue; {hint}")
        track = self._tracks.get(key) or _Track(key, self._quantities[key])
        self._tracks[key] = self._tracks[name] = track
        return track

    def _value(self, track: _Track, text: str) -> tuple[float, float] | None:
        """Return a value and what a second of it adds to the integral; None: no instrument in order gives it."""
        value = _number(text)
        if track.counts:
            if not 0 < value < COUNTS.range[1] or value != int(value):
                raise _Wrong("no counts of levels, left out", f"value = {text!r:.80}: expected a whole number")
            return value, value
        if not math.isfinite(value) or not text.isascii() or "_" in text or ("99" in text and is_sentinel(text)):
            try:
                value = number(text)
            except NoNumberError as error:
                self._without(text, error.cause)
                return None
        if track.flag(value):
            self.notes[IMPLAUSIBLE] += 1  # the hub flags it with D or T
            return None
        if len(track.values) > _MANY:
            track.values.clear()
        known = track.values[text] = value, 10 ** (value / 10) if track.energy else value
        return known

    def _without(self, text: str, cause: str) -> None:
        """Count or refuse a cell without a number; a table with a column for each quantity is expected to have some."""
        if cause == SENTINEL:
            self.notes[f"{SENTINEL}, not counted"] += 1
            return
        if self._sheet and self._sheet.wide and cause not in (NONE, AMBIGUOUS):
            self.notes[cause] += 1
            return
        expected = "a number, or a flag that says why there is none"
        if cause == AMBIGUOUS:
            expected = "a number without that comma: it may be a decimal sign or part thousands off"
        raise _Wrong(f"{cause}, left out", f"value = {text!r:.80}: expected {expected}")

    def _flagged(self, track: _Track, flag: str, text: str) -> tuple[float, float] | None:
        """Return the value of a row whose flag is not a plain N; None: it does not count."""
        if flag.strip() in ("N", ""):
            return track.values.get(text) or self._value(track, text)
        if flag not in FLAGS:
            raise _Wrong(
                "unknown flag, left out",
                f"flag = {flag!r:.80}: expected one of {', '.join(sorted(FLAGS))}; N is normal",
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


def _mend_width(row: list[str], width: int, told: int) -> None:
    """Take away empty cells behind the last column; refuse a row of another width."""
    if len(row) > width and is_blank(row[width:]):
        del row[width:]
    if len(row) != width:
        found = len(row) if len(row) != width + 1 or told == width else len(row) - 1
        raise _Wrong("other number of columns, left out", f"expected {told} columns, found {found}", footer=True)


def _length(text: str) -> float:
    length = _number(text)
    if not 0 < length <= LONGEST:
        raise _Wrong(
            "dt is no positive number, left out",
            f"dt = {text!r:.80}: expected a length above 0 in s, and of a year at most",
        )
    return length


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
