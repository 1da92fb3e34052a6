"""A frame of JT/T 808 as it stands in the log: one line of how the hub understood its terminal, then verbatim bytes.

The line is what was in force of the terminal's profile when the frame came. So what the log says of a fix never
changes, whatever becomes of profiles. Each fix of a batch (0704) stands by itself, with its own bytes and the name of
its batch, and the batch beside: so a fix that came by itself before is known when it comes again in a batch.
"""

import datetime as dt
import hashlib
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

import msgspec

from hub.wire.jt808 import Content, Header, Joiner, Position, Splitter, read_plain
from hub.wire.jt808.bodies import shown
from hub.wire.jt808.frame import body_of
from hub.wire.jt808.position import moment
from hub.wire.said import Moment, Observed

POSITION, ASKED, BATCHED, CARD, WAYBILL = 0x0200, 0x0201, 0x0704, 0x0702, 0x0701
MARK = b"\x7e"

Value = str | float | bool | None


class Meaning(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """Where a state stands in a fix, and what it says.

    `source`: status, alarm, or the id of an item in two hexadecimal digits, of which `size` bytes from `offset` on are
    taken (0: all). Of that number `width` bits from `bit` on count (0: all).
    """

    name: str
    source: str
    bit: int = 0
    width: int = 1
    values: tuple[str, ...] = ()
    """By number; "" and what is beyond: it cannot be known. None given: true or false, or the number times `factor`."""
    factor: float = 0.0
    offset: int = 0
    size: int = 0
    fault: int = -1
    """A bit of the same number that says that the sensor is faulty: then it cannot be known."""

    def read(self, position: Position, items: Mapping[int, bytes | None]) -> Value:
        """Return what a fix, with its items by id, says of it; None: it cannot be known."""
        number = position.status if self.source == "status" else self._number(position, items)
        if number is None or (self.fault >= 0 and number >> self.fault & 1):
            return None
        if self.width:
            number = number >> self.bit & ((1 << self.width) - 1)
        if self.factor:
            return round(number * self.factor, 6)
        if self.values:
            return (self.values[number] if number < len(self.values) else "") or None
        return bool(number)

    def _number(self, position: Position, items: Mapping[int, bytes | None]) -> int | None:
        if self.source == "alarm":
            return position.alarm
        value = items.get(int(self.source, 16))
        if value is None:
            return None
        data = value[self.offset : self.offset + self.size] if self.size else value[self.offset :]
        return int.from_bytes(data) if data and (not self.size or len(data) == self.size) else None


class Of(msgspec.Struct, frozen=True, array_like=True):
    """The batch that a fix came in: the terminal's number, the batch's serial, the fix's number in it from 0."""

    phone: str
    serial: int
    number: int


class Head(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The line before the bytes."""

    states: tuple[Meaning, ...] = ()
    utc: int = 480
    """Minutes by which the terminal's time is ahead of UTC."""
    radius: float = 15.0
    """Error radius of its positions [m]."""
    profile: str = ""
    of: Of | None = None
    """The bytes are those of one fix of a batch; None: they are frames."""
    code: str = ""
    """Of a session: the digest of the code that was used."""


class Logged(NamedTuple):
    """What stands in the log."""

    head: Head
    data: bytes


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Head).decode


def pack(head: Head, data: bytes) -> bytes:
    """Return what is put into the log."""
    return _encode(head) + b"\n" + data


def unpack(payload: bytes) -> Logged:
    """Return what was put into the log.

    Raises:
        msgspec.DecodeError, ValueError: it is none.
    """
    line, newline, data = payload.partition(b"\n")
    if not newline:
        raise ValueError("no line before the frame; expected what the hub understood of the terminal, as JSON")
    return Logged(_head(line), data)


@lru_cache(512)
def _head(line: bytes) -> Head:
    return _decode(line)


def whole_of(frames: bytes) -> tuple[Header, bytes] | None:
    """Return header and body of one frame, or of several that are the parts of one message; None: it is neither."""
    joiner, splitter, first = Joiner(), Splitter(), None
    for piece in splitter.feed(frames):
        plain = read_plain(piece.raw)
        if plain.header is None:
            return None
        first = first or plain.header
        if not plain.header.total:
            return plain.header, plain.body
        body = joiner.add(plain.header, plain.body)
        if body is not None:
            return first._replace(total=0, number=0), body
    return None


def position_of(logged: Logged) -> Position | None:
    """Return the position in logged bytes; None: there is none."""
    if logged.head.of is not None:
        return Position.parse(logged.data)
    # Nearly all are one frame of 0200, whose body is the position.
    body = body_of(logged.data, POSITION)
    if body is not None:
        return Position.parse(body)
    found = whole_of(logged.data)
    if found is None:
        return None
    content, _ = Content.parse(found[0].message, found[1], newer=found[0].version is not None)
    return next(iter(content.positions), None)


def decode_fix(payload: bytes) -> Observed:
    """Return what a logged fix says.

    Raises:
        msgspec.DecodeError, ValueError: it is none.
    """
    logged = unpack(payload)
    position = position_of(logged)
    if position is None:
        raise ValueError("no position in it; expected a frame of 0200 or 0201, or one fix of a batch")
    return Observed([moment_of(position, logged.head)])


def moment_of(position: Position, head: Head) -> Moment:
    """Return what a fix says.

    Raises:
        ValueError: it has no time.
    """
    when = unix_of(position.time, head.utc)
    if when is None:
        raise ValueError(f"time {position.time}: expected YYMMDDhhmmss")
    there = position.located
    items: dict[int, bytes | None] = {}
    for id_, value in position.items:
        # Of an item that stands there twice nobody knows which one holds.
        items[id_] = None if id_ in items else value
    return Moment(
        when,
        position.lat if there else None,
        position.lon if there else None,
        head.radius,
        position.speed_kmh,
        {meaning.name: meaning.read(position, items) for meaning in head.states},
    )


def decode_state(payload: bytes) -> Observed:
    """Return what else a terminal said: of a driver's card who drives; of the rest nothing that rules could use.

    Raises:
        msgspec.DecodeError, ValueError: it is none.
    """
    logged = unpack(payload)
    found = whole_of(logged.data)
    if found is None or found[0].message != CARD:
        return Observed([])
    content, _ = Content.parse(CARD, found[1], newer=found[0].version is not None)
    time = content.values.get("time")
    when = unix_of(time, logged.head.utc) if isinstance(time, str) else None
    if when is None:
        return Observed([])
    there = content.number("status") == 1
    states: dict[str, Value] = {"card": "in" if there else "out"}
    if there:
        states["driver"] = shown(content.text("licence")) or None
    return Observed([Moment(when, states=states)])


def decode_nothing(payload: bytes) -> Observed:
    """Return nothing: what it says stands elsewhere in the log.

    Raises:
        msgspec.DecodeError, ValueError: it is none.
    """
    unpack(payload)
    return Observed([])


@lru_cache(4096)
def unix_of(digits: str, utc: int) -> int | None:
    """Return what a terminal's clock shows as Unix time [s]; `utc`: minutes by which it is ahead. None: no time."""
    when = moment(digits)
    return None if when is None else int(when.replace(tzinfo=dt.UTC).timestamp()) - 60 * utc


def identity(payload: bytes) -> tuple[bytes, bytes]:
    """Return by what a logged message is known when it comes again: what it is about, and what it says of it.

    A fix is known by its time and the bytes of its body, by whatever message it came; the rest by its bytes without
    the serial, a part of a message by its place in it, too.
    """
    logged = unpack(payload)
    if logged.head.code:
        return identity_of_session(logged.head.code)
    if logged.head.of is not None:
        return identity_of_fix(logged.data)
    found = whole_of(logged.data)
    if found is not None and found[0].message in {POSITION, ASKED}:
        return identity_of_fix(found[1] if found[0].message == POSITION else found[1][2:])
    if found is not None:
        return identity_of(found[0], found[1])
    plain = read_plain(logged.data)
    return identity_of(plain.header, plain.body) if plain.header else (_hash(logged.data), _hash(b""))


def identity_of_fix(body: bytes) -> tuple[bytes, bytes]:
    """Return the `identity` of a fix by the body of its 0200."""
    return _hash(b"fix\n" + body[22:28]), _hash(body)


def identity_of_session(code: str) -> tuple[bytes, bytes]:
    """Return the `identity` of the first session with a code, by the code's digest."""
    return _hash(b"session"), _hash(code.encode())


def identity_of(header: Header, body: bytes) -> tuple[bytes, bytes]:
    """Return the `identity` of another message."""
    place = f"{header.message:04x}\n"
    if header.total:
        place += f"{(header.serial - header.number + 1) & 0xFFFF}/{header.total}/{header.number}"
    return _hash(place.encode()), _hash(body)


def _hash(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def digest_of(code: str) -> str:
    """Return by what a code is known without being told."""
    return _hash(b"code\n" + code.encode()).hex()[:16]
