"""A frame of HJ 212 as it stands in the log: one line of how the hub understood its station, then the verbatim bytes.

The line is what was in force of the station's profile when the frame came, as far as this frame needs it. So what the
log says of a frame never changes, whatever becomes of profiles, and anybody can check the frame's own bytes.
"""

import datetime as dt
import hashlib
import re
from functools import lru_cache
from typing import Literal, NamedTuple

import msgspec

from hub.wire.hj212 import Joiner, Packet, Splitter, read_packet
from hub.wire.hj212.packet import BEIJING, Cut, moment
from hub.wire.hj212.readings import MOST_FORM, Kind, form_of
from hub.wire.said import Measured, Moment, Observed, Record
from hub.wire.station_kinds import OF_COMMAND, STATE

Counts = Literal["realtime", "minute", "hour"]
MEANS: tuple[Kind, ...] = ("avg", "data")
"""Kinds of values that say what an interval was, the best first; of real-time data `rtd` does."""
REPORTED: dict[str, str] = {"realtime": "_rtd", "minute": "_min", "hour": "_hour", "day": "_day"}
"""Ends of keys in a record's `r` under which values stand that do not count, since others do."""

_DIGITS = len("YYYYMMDDhhmmss")
_LONGEST = 32
"""Characters of a number or time that is remembered."""
_NUMBER = re.compile(r"[+-]?\d{1,12}(\.\d{0,9})?\Z")
_LETTERS = frozenset("FMCDTSB")
_OLD = {"P": "F"}
"""Letters of 2005 (U): P, a power failure."""


class Head(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The line before a frame."""

    codes: dict[str, tuple[str, float]] = {}
    """By factor code as it was sent: quantity, and by what its value is multiplied for the catalogue's unit."""
    counts: Counts = "minute"
    """The data that count as measured; the others are kept beside."""
    length: int = 60
    """How long an interval of that data lasts [s]."""
    utc: int = 480
    """Minutes by which the station's time is ahead of UTC."""
    ends: bool = False
    """DataTime is the end of an interval, not its start."""
    profile: str = ""
    sealed: int = 0
    """Bytes at the end that are the frame as it came, encrypted; before them it stands in plain text."""


class Logged(NamedTuple):
    """What stands in the log: frames in plain text, and one as it was sent, where that was encrypted."""

    head: Head
    frames: bytes
    sealed: bytes = b""


class _Plan(NamedTuple):
    """What becomes of the values of a form: their numbers in it, those of their letters, and by what to multiply.

    `best`: by quantity the value that says what the interval was. `others`: by key of a record's `r`.
    """

    best: tuple[tuple[str, int, int | None, float], ...]
    others: tuple[tuple[str, int, float], ...]


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Head).decode
_SPANS = {"hour": 3600, "day": 86_400}


def line_of(head: Head) -> bytes:
    """Return what stands before a frame, without the end of the line."""
    return _encode(head)


def pack(line: bytes, frames: bytes, sealed: bytes = b"") -> bytes:
    """Return what is put into the log."""
    return b"%b\n%b%b" % (line, frames, sealed)


def unpack(payload: bytes) -> Logged:
    """Return what was put into the log.

    Raises:
        msgspec.DecodeError, ValueError: it is none.
    """
    line, rest = _parted(payload)
    head = head_of(line)
    end = len(rest) - head.sealed
    return Logged(head, rest[:end], rest[end:])


def _parted(payload: bytes) -> tuple[bytes, bytes]:
    line, newline, rest = payload.partition(b"\n")
    if not newline:
        raise ValueError("no line before the frame; expected what the hub understood of the station, as JSON")
    return line, rest


@lru_cache(512)
def head_of(line: bytes) -> Head:
    """Return what a line before a frame says.

    Raises:
        msgspec.DecodeError: it is none.
    """
    return _decode(line)


def packet_of(frames: bytes) -> Packet | None:
    """Return what one frame says, or several that are the parts of one; None: parts are missing, or it is none."""
    if frames.find(b"##", 2) < 0:
        return read_packet(frames).packet
    joiner, found = Joiner(), None
    splitter = Splitter()
    for piece in [*splitter.feed(frames), *splitter.rest()]:
        if not piece.junk:
            found = joiner.add(read_packet(piece.raw).packet)
    return found


def kind_of(packet: Packet) -> str:
    """Return under which kind a packet stands in the log, whole."""
    return OF_COMMAND.get(packet.field("CN") or "", STATE)


def at_of(packet: Packet, head: Head) -> int | None:
    """Return the time that a packet's values are of (DataTime), else that of its exchange (QN); None: it has none."""
    found = moment(packet.item("DataTime")) or moment(packet.field("QN"))
    return None if found is None else unix_of(found, head.utc)


def unix_of(local: dt.datetime, utc: int) -> int:
    """Return what a station's clock shows as Unix time [s]; `utc`: minutes by which it is ahead."""
    return int(local.replace(tzinfo=dt.UTC).timestamp()) - 60 * utc


def decode(payload: bytes) -> Measured | Observed:
    """Return what a logged frame says.

    Raises:
        msgspec.DecodeError, ValueError: it is none.
    """
    line, rest = _parted(payload)
    frames = rest[: len(rest) - head_of(line).sealed]
    packet = packet_of(frames)
    if packet is None or (packet.field("PNO") is not None and frames.find(b"##", 2) < 0):
        return Observed([])
    return meaning(packet, line)


def meaning(packet: Packet, line: bytes, cut: Cut | None = None) -> Measured | Observed:
    """Return what a packet says, by the line before it; `cut`: its data area, where somebody has cut it already.

    Raises:
        ValueError: values without a time.
    """
    kind, head = kind_of(packet), head_of(line)
    if kind == STATE:
        when = at_of(packet, head)
        return Observed([Moment(when, states=_states(packet))] if when is not None else [])
    form, values = cut or packet.cut()
    place = form_of(form).time
    text = "" if place is None else values[place]
    when = (_unix if len(text) <= _LONGEST else _unix.__wrapped__)(text, head.utc)
    if when is None:
        raise ValueError("values without a DataTime; expected DataTime=YYYYMMDDhhmmss in CP")
    length = head.length if kind == head.counts else _SPANS.get(kind, head.length if kind == "minute" else 1)
    if head.ends and kind != "realtime":
        when -= length
    plan = (_plan if len(form) <= MOST_FORM else _plan.__wrapped__)(line, form, kind)
    return Measured(kind, when, [_record(plan, values, head, kind, when, length)])


@lru_cache(1024)
def _unix(text: str, utc: int) -> int | None:
    """Return a DataTime as Unix time [s]: stations all send the same ones."""
    found = moment(text)
    return None if found is None else unix_of(found, utc)


def _value(text: str) -> float | None:
    text = text.strip()
    return float(text) if _NUMBER.match(text) else None


@lru_cache(4096)
def _rounded(text: str, factor: float) -> float | None:
    """Return a number in the catalogue's unit: instruments have few digits, so the same come again and again."""
    value = _value(text)
    return None if value is None else round(value * factor, 9)


@lru_cache(1024)
def _plan(line: bytes, form: str, kind: str) -> _Plan:
    codes, ranked = head_of(line).codes, ("rtd",) if kind == "realtime" else MEANS
    best: dict[str, tuple[int, tuple[str, int, int | None, float]]] = {}
    others = []
    for one in form_of(form).places:
        meant = codes.get(one.code)
        if meant is None:
            continue
        quantity, factor = meant
        if one.kind not in ranked:
            others.append((f"{quantity}{REPORTED[kind]}_{one.kind}", one.at, factor))
            continue
        rank = ranked.index(one.kind)
        if quantity not in best or rank < best[quantity][0]:
            best[quantity] = rank, (quantity, one.at, one.letter, factor)
    return _Plan(tuple(chosen for _, chosen in best.values()), tuple(others))


def _record(plan: _Plan, texts: list[str], head: Head, kind: str, when: int, length: int) -> Record:
    values: dict[str, float] = {}
    flags: dict[str, str] = {}
    for quantity, at, lettered, factor in plan.best:
        text, letter = texts[at], "N" if lettered is None else texts[lettered]
        value = _rounded(text, factor) if len(text) <= _LONGEST else _rounded.__wrapped__(text, factor)
        if value is not None:
            values[quantity] = value
            if letter == "N":
                continue
        letter = letter.strip() or "N"
        letter = _OLD.get(letter, letter)
        if value is None or letter != "N":
            flags[quantity] = letter if letter in _LETTERS else "D"
    others = {}
    for key, at, factor in plan.others:
        value = _value(texts[at])
        if value is not None:
            others[key] = value * factor
    if kind != head.counts:
        end = REPORTED[kind]
        others |= {key + end: value for key, value in values.items() if key not in flags}
        return Record(when, length, {}, {}, others)
    return Record(when, length, values, flags, others)


def _states(packet: Packet) -> dict[str, str | float | bool | None]:
    states: dict[str, str | float | bool | None] = {}
    for item in packet.items():
        name, value = item.name.strip(), (item.value or "").strip()
        if item.value is not None and name.upper() not in {"PW", "NEWPW", "DATATIME"}:
            # A serial number may begin with zeros.
            number = _NUMBER.match(value) and not name.endswith("-SN")
            states[name] = float(value) if number else value
    return states


def identity(payload: bytes) -> tuple[bytes, bytes]:
    """Return by what a logged frame is known when it comes again: what it is about, and what it says of it.

    Values of a time are known by command and DataTime, whatever the exchange: what was asked for once more is a
    repeat. The rest is known by its exchange (QN), too.
    """
    frames = unpack(payload).frames
    packet = packet_of(frames)
    return (frames, b"") if packet is None else identity_of(packet, whole=frames.find(b"##", 2) >= 0)


def identity_of(packet: Packet, cut: Cut | None = None, *, whole: bool = False) -> tuple[bytes, bytes]:
    """Return the `identity` of a packet; `whole`: its parts are put together; `cut`: as of `meaning`."""
    form, values = cut or packet.cut()
    meant, cn = form_of(form), packet.field("CN") or ""
    when = None if meant.time is None else values[meant.time]
    more = []
    if cn not in OF_COMMAND or when is None or (not whole and packet.field("PNO") is not None):
        more = [packet.field(name) or "" for name in ("QN", "PNO")]
    order = _order(form) if len(form) <= MOST_FORM else None
    if order is None:
        said = "\n".join(sorted(_stated(packet.area or "")))
    else:
        said = order.text % tuple([values[at] for at in order.places])
    when = (when or "")[:_DIGITS]
    return (about if not more and len(when) == _DIGITS else about.__wrapped__)(cn, when, *more), _hash(said)


def _stated(area: str) -> list[str]:
    """Return the items of a data area but DataTime, those without a value as the log has known them from the first."""
    pieces = area.replace(",", ";").split(";") if area else []
    kept = [piece for piece in pieces if not piece.startswith("DataTime=") and piece != "DataTime"]
    return [piece if "=" in piece else f"{piece}=None" for piece in kept]


class _Order(NamedTuple):
    """The items of a form but DataTime, sorted: as a text with places for their values, and the numbers of these."""

    text: str
    places: tuple[int, ...]


@lru_cache(1024)
def _order(form: str) -> _Order | None:
    """Return how the items of a form are sorted; None: that depends on their values, since names come twice."""
    meant = form_of(form)
    if meant.bare or len(set(meant.names)) < len(meant.names):
        return None
    found = sorted((f"{name}=", at) for at, name in enumerate(meant.names) if name != "DataTime")
    return _Order("\n".join([name.replace("%", "%%") + "%s" for name, _ in found]), tuple(at for _, at in found))


@lru_cache(1024)
def about(command: str, when: str, *more: str) -> bytes:
    """Return what values of a command and a DataTime, of 14 digits, are about."""
    return _hash("\n".join([command, when, *more]))


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def local_text(unix: float, utc: int) -> str:
    """Return a time (Unix s) as a station's clock shows it, in 14 digits."""
    return f"{dt.datetime.fromtimestamp(unix, dt.timezone(dt.timedelta(minutes=utc))):%Y%m%d%H%M%S}"


assert BEIJING.utcoffset(None) == dt.timedelta(minutes=Head().utc)
