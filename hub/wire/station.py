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

from hub.wire.hj212 import Joiner, Packet, Splitter, read_packet, readings
from hub.wire.hj212.packet import BEIJING, moment
from hub.wire.hj212.readings import Kind
from hub.wire.said import Measured, Moment, Observed, Record
from hub.wire.station_kinds import OF_COMMAND, STATE

Counts = Literal["realtime", "minute", "hour"]
MEANS: tuple[Kind, ...] = ("avg", "data")
"""Kinds of values that say what an interval was, the best first; of real-time data `rtd` does."""
REPORTED: dict[str, str] = {"realtime": "_rtd", "minute": "_min", "hour": "_hour", "day": "_day"}
"""Ends of keys in a record's `r` under which values stand that do not count, since others do."""

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


class Logged(NamedTuple):
    """What stands in the log."""

    head: Head
    frames: bytes


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Head).decode
_SPANS = {"hour": 3600, "day": 86_400}


def line_of(head: Head) -> bytes:
    """Return what stands before a frame."""
    return _encode(head) + b"\n"


def pack(head: Head, frames: bytes) -> bytes:
    """Return what is put into the log."""
    return line_of(head) + frames


def unpack(payload: bytes) -> Logged:
    """Return what was put into the log.

    Raises:
        msgspec.DecodeError, ValueError: it is none.
    """
    line, newline, frames = payload.partition(b"\n")
    if not newline:
        raise ValueError("no line before the frame; expected what the hub understood of the station, as JSON")
    return Logged(_head(line), frames)


@lru_cache(512)
def _head(line: bytes) -> Head:
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
    head, frames = unpack(payload)
    packet = packet_of(frames)
    if packet is None or (packet.field("PNO") is not None and frames.find(b"##", 2) < 0):
        return Observed([])
    return meaning(packet, head)


def meaning(packet: Packet, head: Head) -> Measured | Observed:
    """Return what a packet says, by what is known of its station.

    Raises:
        ValueError: values without a time.
    """
    kind = kind_of(packet)
    if kind == STATE:
        when = at_of(packet, head)
        return Observed([Moment(when, states=_states(packet))] if when is not None else [])
    found = moment(packet.item("DataTime"))
    if found is None:
        raise ValueError("values without a DataTime; expected DataTime=YYYYMMDDhhmmss in CP")
    length = head.length if kind == head.counts else _SPANS.get(kind, head.length if kind == "minute" else 1)
    when = unix_of(found, head.utc) - (length if head.ends and kind != "realtime" else 0)
    record = _record(packet, head, kind, when, length)
    return Measured(kind, when, [record])


def _record(packet: Packet, head: Head, kind: str, when: int, length: int) -> Record:
    best = ("rtd",) if kind == "realtime" else MEANS
    values: dict[str, float] = {}
    flags: dict[str, str] = {}
    others: dict[str, float] = {}
    ranks: dict[str, int] = {}
    for one in readings(packet):
        meant = head.codes.get(one.code)
        if meant is None:
            continue
        quantity, factor = meant
        value = float(one.value) * factor if _NUMBER.match(one.value) else None
        if one.kind not in best:
            if value is not None:
                others[f"{quantity}{REPORTED[kind]}_{one.kind}"] = value
            continue
        rank = best.index(one.kind)
        if ranks.get(quantity, len(best)) <= rank:
            continue
        ranks[quantity] = rank
        flags.pop(quantity, None)
        values.pop(quantity, None)
        if value is not None:
            values[quantity] = round(value, 9)
        letter = one.letter or "N"
        letter = _OLD.get(letter, letter)
        if value is None or letter != "N":
            flags[quantity] = letter if letter in _LETTERS else "D"
    if kind != head.counts:
        normal = {key: value for key, value in values.items() if key not in flags}
        return Record(when, length, {}, {}, {**others, **{key + REPORTED[kind]: x for key, x in normal.items()}})
    return Record(when, length, values, flags, others)


def _states(packet: Packet) -> dict[str, str | float | bool | None]:
    states: dict[str, str | float | bool | None] = {}
    for item in packet.items():
        name, value = item.name.strip(), (item.value or "").strip()
        if item.value is not None and name.upper() not in {"PW", "NEWPW", "DATATIME"}:
            states[name] = float(value) if _NUMBER.match(value) else value
    return states


def identity(payload: bytes) -> tuple[bytes, bytes]:
    """Return by what a logged frame is known when it comes again: what it is about, and what it says of it.

    Values of a time are known by command and DataTime, whatever the exchange: what was asked for once more is a
    repeat. The rest is known by its exchange (QN), too.
    """
    _, frames = unpack(payload)
    packet = packet_of(frames)
    return (frames, b"") if packet is None else identity_of(packet, whole=frames.find(b"##", 2) >= 0)


def identity_of(packet: Packet, *, whole: bool = False) -> tuple[bytes, bytes]:
    """Return the `identity` of a packet; `whole`: its parts are put together, if it came in some."""
    when, cn = packet.item("DataTime"), packet.field("CN") or ""
    more = []
    if cn not in OF_COMMAND or when is None or (not whole and packet.field("PNO") is not None):
        more = [packet.field(name) or "" for name in ("QN", "PNO")]
    said = sorted([f"{name}={value}" for group in packet.data or () for name, value in group if name != "DataTime"])
    return about(cn, when or "", *more), _hash("\n".join(said))


def about(command: str, when: str, *more: str) -> bytes:
    """Return what values of a command and a DataTime are about."""
    return _hash("\n".join([command, when[:14], *more]))


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def local_text(unix: float, utc: int) -> str:
    """Return a time (Unix s) as a station's clock shows it, in 14 digits."""
    return f"{dt.datetime.fromtimestamp(unix, dt.timezone(dt.timedelta(minutes=utc))):%Y%m%d%H%M%S}"


assert BEIJING.utcoffset(None) == dt.timedelta(minutes=Head().utc)
