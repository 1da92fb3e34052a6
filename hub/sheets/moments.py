"""Times as people's files write them: ISO 8601, spreadsheets, loggers, Chinese; 24:00; clocks that change."""

import re
import unicodedata
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Literal

from hub.sheets.numbers import bare

DayFirst = Literal["day", "month", ""]
"""What stands first in 03/02/2026; "": nobody knows."""

_CLOCK = (
    r"(?:(?:[T\s,]+|(?<=日))(?P<before>上午|下午|凌晨|早上|中午|晚上|am|pm)?\s*(?P<hour>\d{1,2})"
    r"(?:\s*[:时時点點h]\s*(?:(?P<minute>\d{1,2})(?:\s*[:分]\s*(?:(?P<second>\d{1,2})(?:[.,](?P<part>\d{1,9}))?)?\s*秒?)?)?"
    r"\s*分?)?\s*(?P<after>am|pm|a\.m\.|p\.m\.)?)?"
)
_OFFSET = r"\s*(?P<offset>z|utc|gmt|(?:utc|gmt)?[+-]\d{1,2}(?::?\d{2})?)?"
_YEAR_FIRST = re.compile(
    r"(?P<year>\d{4})\s*(?P<sign>[-/.年])\s*(?P<month>\d{1,2})\s*[-/.月]\s*(?P<day>\d{1,2})\s*日?" + _CLOCK + _OFFSET,
    re.IGNORECASE,
)
_YEAR_LAST = re.compile(
    r"(?P<a>\d{1,2})(?P<sign>[-/.])(?P<b>\d{1,2})(?P=sign)(?P<year>\d{4})" + _CLOCK + _OFFSET, re.IGNORECASE
)
_NAMED = re.compile(
    r"(?:(?P<day>\d{1,2})[-\s](?P<name>[a-z]{3,9})\.?|(?P<name2>[a-z]{3,9})\.?\s(?P<day2>\d{1,2}),?)[-\s](?P<year>\d{4})"
    + _CLOCK
    + _OFFSET,
    re.IGNORECASE,
)
_DIGITS = re.compile(
    r"(?P<year>(?:19|20|21)\d\d)(?P<month>\d\d)(?P<day>\d\d)"
    r"(?:[T\s]?(?P<hour>\d\d)(?P<minute>\d\d)?(?P<second>\d\d)?(?P<part>\d{3})?)?" + _OFFSET,
    re.IGNORECASE,
)
_DIGITS_CLOCK = re.compile(r"(?P<year>(?:19|20|21)\d\d)(?P<month>\d\d)(?P<day>\d\d)" + _CLOCK + _OFFSET, re.IGNORECASE)
_EPOCH = re.compile(r"(\d{10}(?:\.\d+)?|\d{13})")
_SERIAL = re.compile(r"[2-7]\d{4}(?:\.\d+)?")
_SERIAL_ZERO = datetime(1899, 12, 30)  # noqa: DTZ001 - a day of a spreadsheet, in no zone
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_ZONE = re.compile(r"(?:utc|gmt)\s*([+-]\s*\d{1,2})?(?::?(\d{2}))?|北京时间|beijing time", re.IGNORECASE)
_LATE = {"下午", "晚上", "pm", "p.m."}
_EARLY = {"上午", "凌晨", "早上", "am", "a.m."}


class NoTimeError(ValueError):
    """A text that is no time; its own text says what was expected."""


class AmbiguousDateError(NoTimeError):
    """A date such as 03/02/2026, of which nobody can tell whether it is in February or in March."""


def read_time(text: str, first: DayFirst = "") -> datetime:
    """Return the time that a text tells, with an offset only if the text has one. 24:00 is midnight of the next day.

    Raises:
        NoTimeError: it tells none.
    """
    plain = bare(text)
    if found := _DIGITS.fullmatch(plain):
        try:
            return _made(found, int(found["month"]), int(found["day"]))
        except NoTimeError:
            if not _EPOCH.fullmatch(plain):
                raise
    if _EPOCH.fullmatch(plain):
        seconds = float(plain) / (1000 if len(plain) == 13 and plain.isdigit() else 1)
        return datetime.fromtimestamp(seconds, UTC)
    if _SERIAL.fullmatch(plain):
        return _SERIAL_ZERO + timedelta(seconds=round(float(plain) * 86_400))
    if found := _YEAR_FIRST.fullmatch(plain) or _DIGITS_CLOCK.fullmatch(plain):
        return _made(found, int(found["month"]), int(found["day"]))
    if found := _YEAR_LAST.fullmatch(plain):
        return _made(found, *_month_and_day(found, first))
    if found := _NAMED.fullmatch(plain):
        name = (found["name"] or found["name2"]).casefold()[:3]
        if name in _MONTHS:
            return _made(found, _MONTHS.index(name) + 1, int(found["day"] or found["day2"]))
    raise NoTimeError


def _month_and_day(found: re.Match[str], first: DayFirst) -> tuple[int, int]:
    a, b = int(found["a"]), int(found["b"])
    if found["sign"] == "." or a > 12 or (first == "day" and b <= 12):
        return b, a
    if b > 12 or first == "month" or a == b:
        return a, b
    raise AmbiguousDateError


def _made(found: re.Match[str], month: int, day: int) -> datetime:
    parts = found.groupdict()
    hour, minute, second = (int(parts.get(name) or 0) for name in ("hour", "minute", "second"))
    said = {(parts.get(name) or "").casefold() for name in ("before", "after")}
    if said & (_LATE | _EARLY):
        if not 0 <= hour <= 12:
            raise NoTimeError
        hour = hour % 12 + (12 if said & _LATE else 0)
    days = 0
    if hour == 24 and not minute and not second:
        hour, days = 0, 1
    micro = int((parts.get("part") or "0").ljust(6, "0")[:6])
    try:
        time = datetime(int(parts["year"]), month, day, hour, minute, second, micro)  # noqa: DTZ001 - see below
        time += timedelta(days=days)
    except (ValueError, OverflowError):
        raise NoTimeError from None
    return time.replace(tzinfo=offset_of(parts.get("offset") or ""))


_TIME_OF_DAY = r"\d{1,2}[:：]\d{2}(?:[:：]\d{2})?"
_SPAN = re.compile(
    rf"(?P<start>.*[\dT日\s]{_TIME_OF_DAY})\s*(?P<sign>[-–—−~～]|至|到|to)\s*(?P<end>(?:\d.*[T日\s])?{_TIME_OF_DAY})\s*"
)


def span_start(text: str) -> str:
    """Return where a text such as 2026-03-01 00:00~01:00 begins; the text itself if it tells no span."""
    found = _SPAN.fullmatch(text)
    return found["start"] if found else text


def are_spans(texts: Iterable[str]) -> bool:
    """Tell whether the times of a file are spans: behind a dash may also stand an offset, which is always the same."""
    ends: set[str] = set()
    for text in texts:
        found = _SPAN.fullmatch(text)
        if found is None:
            return False
        if found["sign"] not in "-–—−" or len(found["end"]) > 8:
            return True
        ends.add(found["end"])
    return len(ends) > 1


def is_hour_24(text: str) -> bool:
    """Tell whether a time is written as 24:00 of its day."""
    return re.search(r"(?:[T\s日]|^\d{8})24(?:[:时点]?(?:00)?)*\s*$|[T\s日]24[:时点]00", text.strip()) is not None


def offset_of(text: str) -> tzinfo | None:
    """Return the offset that a text such as Z, UTC, +08:00, +0800, +8 or UTC+8 names; None for an empty one."""
    plain = text.strip().casefold().removeprefix("utc").removeprefix("gmt")
    if not text.strip():
        return None
    if plain in ("", "z"):
        return UTC
    hours, minutes = plain[1:].partition(":")[::2]
    if len(hours) > 2:
        hours, minutes = hours[:-2], hours[-2:]
    length = timedelta(hours=int(hours), minutes=int(minutes or 0))
    if length > timedelta(hours=14):
        raise NoTimeError
    return timezone(-length if plain[0] == "-" else length)


def zone_named(heading: str) -> tzinfo | None:
    """Return the offset that the heading of a column of times names, as in "Time (UTC+8)" or "时间(北京时间)"."""
    found = _ZONE.search(unicodedata.normalize("NFKC", heading))
    if not found:
        return None
    if not found[0].casefold().startswith(("utc", "gmt")):
        return timezone(timedelta(hours=8))
    try:
        return offset_of((found[1] or "").replace(" ", "") + (found[2] or "")) or UTC
    except (NoTimeError, ValueError):
        return None


def instants(local: datetime, zone: tzinfo) -> tuple[float, ...]:
    """Return the Unix times at which the clocks of a zone show a time: one, two in autumn, none in spring's gap.

    The very beginning of the gap counts as one: it is where the hour before it ends.
    """
    early = local.replace(tzinfo=zone, fold=0).timestamp()
    late = local.replace(tzinfo=zone, fold=1).timestamp()
    if early == late:
        return (early,)
    if early < late:
        return early, late
    return ()


def begins_gap(local: datetime, zone: tzinfo) -> float | None:
    """Return the Unix time at which the clocks go forward if that is when they show `local`; else None."""
    before = local - timedelta(microseconds=1)
    if not instants(local, zone) and instants(before, zone):
        return local.replace(tzinfo=zone, fold=0).timestamp()
    return None


def unfolded(times: tuple[float, float], before: float) -> float:
    """Return which of two times that a clock shows alike a row means, by the row before it (Unix s; 0: none).

    Rows go on in time: what would stand still or go back is the later of the two. In a file that runs backwards it is
    the later one first.
    """
    early, late = times
    if not before or early > before:
        return early
    if late > before:
        return late
    return late if late < before else early


def day_or_month_first(texts: Iterable[str]) -> DayFirst:
    """Return what stands first in the dates of a file, if one of them tells: a number above 12 is a day."""
    for text in texts:
        found = _YEAR_LAST.match(text.strip().strip("'\""))
        if found and found["sign"] != ".":
            if int(found["a"]) > 12:
                return "day"
            if int(found["b"]) > 12:
                return "month"
    return ""
