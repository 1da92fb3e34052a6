"""Judges recorded data without a hub: a CSV file in, the judgements of the hub's own engine out.

Rows go straight into windows, so memory grows with the windows (about 1 kB for each and its verdicts), not with the
rows.
"""

import csv
import difflib
import math
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from fenceline import UserError
from hub.judge import Engine, Judgement, NoArchive, Place, Plans
from hub.windows import LocalTime
from schemas import Limit, Quantity, Standard

COLUMNS = ("time", "dt", "quantity", "value")
FLAGS = frozenset("NFMCDTSB")
"""The letters of HJ 212; N is normal, and only N counts."""
NORMAL = ("N", "")
REPORT_EVERY = 20_000
TOUCH = 1e-6
"""By so much rows may seem to overlap, s: fractions of a second are no round binary numbers."""
_POINT = "backtest"
_PLAIN = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)")
_TWO = {f"{number:02}": number for number in range(60)}
_MOST = 1e300
_END = 1 << 60


@dataclass(frozen=True, slots=True)
class Result:
    """What a backtest found."""

    judgements: list[Judgement]
    """Sorted by start."""
    rows: int
    repairs: Mapping[str, int]
    """With `lenient`: what was mended, and how often."""


def backtest(
    lines: Iterable[str],
    *,
    name: str,
    place: Place,
    zone: ZoneInfo,
    limits: list[tuple[Standard, Limit]],
    quantities: Mapping[str, Quantity],
    named: Collection[str] | None = None,
    lenient: bool = False,
    progress: Callable[[], None] = lambda: None,
) -> Result:
    """Judge the rows of a CSV file with the columns `COLUMNS` and, if there is one, `flag`.

    Args:
        lines: of the file, with its header.
        name: of the file, for errors.
        place: what limits ask of the site.
        zone: of the local time.
        limits: as `load_limits` gives them.
        quantities: the catalogue of quantities.
        named: the standards to judge by; None: all that bind the site or inform about it.
        lenient: mend or leave out wrong rows instead of refusing the file.
        progress: called every 20,000 rows.

    Raises:
        UserError: a row is wrong; the text names file and line.
    """
    local = LocalTime(zone)
    engine = Engine(Plans(limits, quantities, named, open_too=True), local, _Alone(place), NoArchive())
    table = _Table(name, quantities, zone, lenient=lenient)
    rows = 0
    add = engine.add
    for quantity, t, dt, value in table.read(lines):
        add(_POINT, quantity, t, dt, value)
        rows += 1
        if not rows % REPORT_EVERY:
            progress()
    engine.reach(_POINT, _END)
    judgements = engine.judge(_POINT)
    judgements.sort(key=lambda one: (one.start, one.end, one.rule.id))
    return Result(judgements, rows, table.repairs)


class _Alone:
    """A city of one site with one board."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def place(self, device: str) -> Place | None:  # noqa: ARG002
        return self._place

    def neighbours(self, device: str) -> tuple[str, ...]:
        return (device,)


class _Wrong(Exception):  # noqa: N818
    """A row that cannot be used: what is wrong, what to do, and under which name it is counted."""

    def __init__(self, kind: str, problem: str) -> None:
        super().__init__(problem)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class _Columns:
    """Where a row has what; `flag` None: it has none."""

    time: int
    dt: int
    quantity: int
    value: int
    flag: int | None
    width: int


@dataclass(slots=True)
class _Track:
    """What has been covered of one quantity's time."""

    start: float = -math.inf
    end: float = -math.inf
    """Of the row before."""
    line: int = 0
    starts: list[float] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)
    """With lenient: covered spans, joined where they touch."""


class _Table:
    """Reads and checks rows."""

    def __init__(self, name: str, quantities: Mapping[str, Quantity], zone: ZoneInfo, *, lenient: bool) -> None:
        self._name = name
        self._quantities = quantities
        self._zone = zone
        self._lenient = lenient
        self._tracks: dict[str, _Track] = {}
        self._hours: dict[str, float] = {}
        self._lengths: dict[str, float] = {}
        self._before = "", 0.0  # time of the row before, as text and as Unix s
        self.repairs: Counter[str] = Counter()

    def read(self, lines: Iterable[str]) -> Iterator[tuple[str, float, float, float | None]]:
        """Yield quantity, start (Unix s), length (s), value (None: it does not count) of each row."""
        reader = csv.reader(lines)
        try:
            at = _columns(self._name, next(reader, []))
            for row in reader:
                if not row:
                    continue
                try:
                    found = self._row(row, at, reader.line_num)
                except _Wrong as wrong:
                    if not self._lenient:
                        raise UserError(f"{self._name}, line {reader.line_num}: {wrong}.") from None
                    self.repairs[wrong.kind] += 1
                    continue
                yield found
        except csv.Error as error:
            raise UserError(f"{self._name}, line {reader.line_num}: is not CSV ({error}); mend the line.") from None
        except UnicodeDecodeError as error:
            raise UserError(
                f"{self._name}, after line {reader.line_num}: is not UTF-8 ({error.reason}); save it as UTF-8."
            ) from None

    def _row(self, row: list[str], at: "_Columns", line: int) -> tuple[str, float, float, float | None]:
        if len(row) != at.width:
            raise _Wrong("other number of columns, left out", f"expected {at.width} columns, found {len(row)}")
        text = row[at.time]
        t = self._before[1] if text == self._before[0] else self._moment(text)
        length = self._lengths.get(row[at.dt])
        if length is None:
            length = self._lengths[row[at.dt]] = _length(row[at.dt])
        quantity = row[at.quantity]
        track = self._tracks.get(quantity) or self._track(quantity)
        value = None
        if at.flag is None or row[at.flag] in NORMAL:
            value = _value(row[at.value])
        else:
            _check_flag(row[at.flag])
        if t >= track.end - TOUCH and not self._lenient:  # the usual case
            track.start, track.end, track.line = t, t + length, line
        else:
            self._place(track, t, length)
        return quantity, t, length, value

    def _moment(self, text: str) -> float:
        # Of 2026-03-02T09:00:00+08:00, hour and offset are mostly those of the row before.
        minute, second = _TWO.get(text[14:16]), _TWO.get(text[17:19])
        hour = self._hours.get(text[:14] + text[19:]) if text[16:17] == ":" else None
        if hour is None or minute is None or second is None:
            self._before = text, self._time(text)
        else:
            self._before = text, hour + 60 * minute + second
        return self._before[1]

    def _time(self, text: str) -> float:
        try:
            time = datetime.fromisoformat(text.strip())
        except ValueError:
            raise _Wrong(
                "no time", f"time = {text!r}: expected ISO 8601 with offset, such as 2026-03-02T09:00:00+08:00"
            ) from None
        if time.tzinfo is None:
            if not self._lenient:
                raise _Wrong(
                    "",
                    f"time = {text!r} has no offset from UTC; write it, as in {text.strip()}+08:00, or use --lenient",
                )
            self.repairs["time without offset, taken as local time"] += 1
            return time.replace(tzinfo=self._zone).timestamp()
        t = time.timestamp()
        if _PLAIN.fullmatch(text):
            if len(self._hours) > 1000:
                self._hours.clear()
            self._hours[text[:14] + text[19:]] = t - 60 * time.minute - time.second
        return t

    def _track(self, quantity: str) -> _Track:
        if quantity not in self._quantities:
            near = difflib.get_close_matches(quantity, self._quantities, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"expected one of: {', '.join(self._quantities)}"
            raise _Wrong("unknown quantity, left out", f"quantity = {quantity!r} is not in the catalogue; {hint}")
        track = self._tracks[quantity] = _Track()
        return track

    def _place(self, track: _Track, t: float, length: float) -> None:
        """Find a row's place where it is not simply behind the row before; refuse it if something is there already."""
        if not self._lenient:
            if t < track.start:
                raise _Wrong(
                    "",
                    f"begins before the row of its quantity in line {track.line}; "
                    "sort the file by time, or use --lenient",
                )
            raise _Wrong(
                "",
                f"overlaps the row of its quantity in line {track.line}, which lasts until "
                f"{datetime.fromtimestamp(track.end, self._zone).isoformat()}; mend time or dt, or use --lenient",
            )
        end = t + length
        starts, ends = track.starts, track.ends
        index = bisect_right(starts, t)
        if (index and ends[index - 1] > t + TOUCH) or (index < len(starts) and starts[index] < end - TOUCH):
            raise _Wrong("overlapping, left out", "overlaps another row of its quantity")
        if t < track.start:
            self.repairs["out of order, put in its place"] += 1
        if index and abs(ends[index - 1] - t) <= TOUCH:
            ends[index - 1] = end
        else:
            starts.insert(index, t)
            ends.insert(index, end)
        track.start, track.end = t, end


def _columns(name: str, header: list[str]) -> _Columns:
    names = [column.strip().lower() for column in header]
    missing = [column for column in COLUMNS if column not in names]
    if missing:
        raise UserError(
            f"{name}, line 1: the column {missing[0]!r} is missing; expected a header with "
            "time,dt,quantity,value and, if you have flags, flag."
        )
    flag = names.index("flag") if "flag" in names else None
    time, dt, quantity, value = (names.index(column) for column in COLUMNS)
    return _Columns(time, dt, quantity, value, flag, len(names))


def _value(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not -_MOST < value < _MOST:
        raise _Wrong(
            "value is no number, left out",
            f"value = {text!r}: expected a number, or a flag that says why there is none",
        )
    return value


def _length(text: str) -> float:
    try:
        length = float(text)
    except ValueError:
        length = math.nan
    if not 0 < length < math.inf:
        raise _Wrong("dt is no positive number, left out", f"dt = {text!r}: expected a length above 0 in s")
    return length


def _check_flag(flag: str) -> None:
    """Check a flag other than N."""
    if flag not in FLAGS:
        raise _Wrong(
            "unknown flag, left out", f"flag = {flag!r}: expected one of {', '.join(sorted(FLAGS))}; N is normal"
        )
