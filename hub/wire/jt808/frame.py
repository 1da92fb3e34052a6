"""A frame: `7E`, header, body, checksum, `7E`; between them 7E is sent as 7D 02, and 7D as 7D 01 (2013, 4.4: P).

`read` gives two verdicts on one frame: what can be read all the same, and each fault by the clause that it breaks.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from hub.wire.jt808.bodies import Content
from hub.wire.jt808.codes import MESSAGES
from hub.wire.jt808.faults import ordered

MARK = b"\x7e"
MOST_BODY = 1023
"""Bytes of a body (2013, 4.4.3)."""
LENGTH, ENCRYPTED, SPLIT, NEWER, RESERVED = 0x03FF, 0x1C00, 1 << 13, 1 << 14, 1 << 15
"""Bits of the properties (2013, 4.4.3: P; NEWER: 2019, S)."""
OLD, NEW, OF_PART = 12, 17, 4
"""Bytes of a header of 2011 and 2013, of 2019, and what a part has more."""

Checksum = Literal["right", "wrong"]
Length = Literal["right", "wrong"]

_OLD = struct.Struct(">HH6sH")
_ESCAPE = re.compile(rb"\x7d(.?)", re.DOTALL)


class Header(NamedTuple):
    """A header. `version`: the byte that names the edition since 2019; None: the header is an older one.

    `phone`: digits as they were sent, 12, since 2019 20, with zeros in front. `total`, `number`: parts of the message,
    and which one this is, from 1; 0: it is whole. `properties`: as they were sent; None: as the rest
    has it.
    """

    message: int
    phone: str
    serial: int
    version: int | None = None
    total: int = 0
    number: int = 0
    properties: int | None = None

    @property
    def size(self) -> int:
        """Its bytes."""
        return (OLD if self.version is None else NEW) + (OF_PART if self.bits & SPLIT else 0)

    @property
    def bits(self) -> int:
        """Its properties, without the length where it was not sent."""
        if self.properties is not None:
            return self.properties
        return (SPLIT if self.total else 0) | (NEWER if self.version is not None else 0)

    @property
    def terminal(self) -> str:
        """Whose it is: the number without zeros in front, which is the same in all editions."""
        return self.phone.lstrip("0")

    def encode(self, length: int) -> bytes:
        """Return its bytes before a body of so many.

        Raises:
            ValueError: a value does not fit its field.
        """
        digits = 12 if self.version is None else 20
        phone = self.phone.rjust(digits, "0")
        if len(phone) != digits:
            raise ValueError(f"phone = {self.phone!r}: expected at most {digits} digits")
        if not 0 <= length <= MOST_BODY:
            raise ValueError(f"a body of {length} bytes: expected at most {MOST_BODY}; send it in parts")
        properties = self.bits & ~LENGTH | length  # a flag that lies is kept: what was read is written as it was
        parts = [self.message.to_bytes(2), properties.to_bytes(2)]
        if self.version is not None:
            parts.append(self.version.to_bytes(1))
        parts += [bytes.fromhex(phone), self.serial.to_bytes(2)]
        if properties & SPLIT:
            parts += [self.total.to_bytes(2), self.number.to_bytes(2)]
        return b"".join(parts)


class Plain(NamedTuple):
    """A frame without its escapes: header, body, and what is wrong with them. `header` is None where there is none."""

    header: Header | None
    body: bytes
    checksum: Checksum
    length: Length
    faults: frozenset[str]

    @property
    def sound(self) -> bool:
        """Whether its bytes arrived as they were sent: checksum and length are right. It proves no origin."""
        return self.header is not None and self.checksum == "right" and self.length == "right"


@dataclass(frozen=True, slots=True)
class Frame:
    """What a frame says, and what is wrong with it.

    `edition`: 2019 where flag and header say so, else None: the older ones look alike. `faults`: codes of
    `hub.wire.jt808.faults`; none: the frame keeps to the standard.
    """

    header: Header | None
    body: bytes
    content: Content
    checksum: Checksum
    length: Length
    faults: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether it keeps to the standard in everything."""
        return not self.faults

    @property
    def edition(self) -> Literal[2019] | None:
        """See there."""
        newer = self.header is not None and self.header.version is not None and "version_flag" not in self.faults
        return 2019 if newer else None

    def encode(self) -> bytes:
        """Return the frame again, with its checksum.

        Raises:
            ValueError: there is no header.
        """
        if self.header is None:
            raise ValueError("bytes that are no frame: expected a header")
        return build(self.header, self.content)


def read_plain(raw: bytes) -> Plain:
    """Return header and body of a frame, with its marks; it never fails."""
    faults = set()
    inner = raw
    if len(raw) >= 2 and raw.startswith(MARK) and raw.endswith(MARK):
        inner = raw[1:-1]
        if MARK not in inner and (plain := _ordinary(inner)) is not None:
            return plain
    else:
        faults.add("delimiter")
        inner = raw.strip(MARK)
    if MARK in inner:
        faults.add("mark")
    if b"\x7d" in inner:
        inner, broken = _unescape(inner)
        faults |= {"escape"} if broken else set()
    if len(inner) < OLD + 1:
        return Plain(None, inner, "wrong", "wrong", frozenset({*faults, "no_frame"}))
    checksum: Checksum = "right" if check(inner[:-1]) == inner[-1] else "wrong"
    header = _header(inner, sound=checksum == "right")
    if header is None:
        return Plain(None, inner, checksum, "wrong", frozenset({*faults, "no_frame"}))
    bits = header.bits
    body = inner[header.size : -1]
    length: Length = "right" if len(body) == bits & LENGTH else "wrong"
    found = {
        "checksum": checksum == "wrong",
        "length": length == "wrong",
        "version_flag": bool(bits & NEWER) != (header.version is not None),
        "reserved": bool(bits & RESERVED),
        "encrypted": bool(bits & ENCRYPTED),
        "phone": not header.phone.isdigit(),
        "part": bool(bits & SPLIT) and not 0 < header.number <= header.total,
    }
    return Plain(header, body, checksum, length, frozenset(faults | {code for code, there in found.items() if there}))


def body_of(raw: bytes, message: int) -> bytes | None:
    """Return the body of a frame that was found right before, if it is of this message, whole, and with no flag set.

    None: it is not, or it takes a closer look (`read_plain`). The checksum is not asked again.
    """
    if raw.count(MARK) != 2 or not (raw.startswith(MARK) and raw.endswith(MARK)):
        return None
    inner = raw[1:-1]
    if b"\x7d" in inner:
        inner, broken = _unescape(inner)
        if broken:
            return None
    length = len(inner) - OLD - 1
    if length < 0 or inner[:4] != message.to_bytes(2) + length.to_bytes(2):
        return None
    return inner[OLD:-1]


def _ordinary(inner: bytes) -> Plain | None:
    """Return what nearly all frames are: whole, with the header of 2013, and nothing wrong. None: look closer."""
    if b"\x7d" in inner:
        inner, broken = _unescape(inner)
        if broken:
            return None
    length = len(inner) - OLD - 1
    if length < 0 or check(inner[:-1]) != inner[-1]:
        return None
    message, properties, phone, serial = _OLD.unpack_from(inner)
    digits = phone.hex()
    if properties != length or not digits.isdigit():  # no flag is set
        return None
    return Plain(Header(message, digits, serial, None, 0, 0, properties), inner[OLD:-1], "right", "right", frozenset())


def read(raw: bytes) -> Frame:
    """Return what a frame says, with its marks; it never fails."""
    plain = read_plain(raw)
    header, faults = plain.header, set(plain.faults)
    if header is None:
        return Frame(None, plain.body, Content(-1, None, {}, plain.body), plain.checksum, plain.length, ordered(faults))
    if header.bits & (ENCRYPTED | SPLIT):
        content = Content(header.message, None, {}, plain.body)  # a part alone, or a secret, says nothing
        faults |= set() if header.message in MESSAGES else {"message_unknown"}
    else:
        content, more = Content.parse(header.message, plain.body, newer=header.version is not None)
        faults |= more
    return Frame(header, plain.body, content, plain.checksum, plain.length, ordered(faults))


def build(header: Header, content: Content | bytes = b"") -> bytes:
    """Return a frame with its marks, length and checksum.

    Raises:
        ValueError: a value does not fit its field, or the body is too long.
    """
    body = content if isinstance(content, bytes) else content.encode()
    try:
        inner = header.encode(len(body)) + body
    except OverflowError as error:
        raise ValueError(f"{header}: {error}") from None
    return escape(inner + bytes((check(inner),)))


def parts(header: Header, content: Content | bytes) -> Iterator[bytes]:
    """Return a message as one frame, or, where its body is too long, as several with serials that follow on.

    Raises:
        ValueError: as `build`.
    """
    body = content if isinstance(content, bytes) else content.encode()
    if len(body) <= MOST_BODY:
        yield build(header, body)
        return
    pieces = [body[at : at + MOST_BODY] for at in range(0, len(body), MOST_BODY)]
    for at, piece in enumerate(pieces, 1):
        serial = (header.serial + at - 1) & 0xFFFF
        yield build(header._replace(serial=serial, total=len(pieces), number=at), piece)


def escape(inner: bytes) -> bytes:
    """Return what stands between the marks as it is sent, with them."""
    return MARK + inner.replace(b"\x7d", b"\x7d\x01").replace(MARK, b"\x7d\x02") + MARK


def check(inner: bytes) -> int:
    """Return the checksum: all bytes, each by exclusive or (2013, 4.4.4)."""
    number, half = int.from_bytes(inner), 1
    while half < len(inner):
        half *= 2
    while half > 1:  # the upper half is laid upon the lower one
        half //= 2
        number = number >> 8 * half ^ number & (1 << 8 * half) - 1
    return number


def _unescape(inner: bytes) -> tuple[bytes, bool]:
    """Return bytes without escapes; and whether one of them is none, which is left as it is."""
    broken = False

    def one(found: re.Match[bytes]) -> bytes:
        nonlocal broken
        match found[1]:
            case b"\x01":
                return b"\x7d"
            case b"\x02":
                return MARK
            case _:
                broken = True
                return found[0]

    return _ESCAPE.sub(one, inner), broken


def _header(inner: bytes, *, sound: bool) -> Header | None:
    """Return the header: of the edition that the flag names, or of the other one if only with that the length fits.

    Terminals of 2013 set the flag of 2019. None: there is no room for a header.
    """
    properties = int.from_bytes(inner[2:4])
    newer = bool(properties & NEWER)
    more = OF_PART if properties & SPLIT else 0

    def fits(size: int) -> bool:
        return len(inner) - size - more - 1 == properties & LENGTH

    if newer and not fits(NEW) and (fits(OLD) or len(inner) < NEW + more + 1):
        newer = False
    elif not newer and not fits(OLD) and fits(NEW) and sound:
        newer = True
    at = 5 if newer else 4
    end = at + (10 if newer else 6)
    if len(inner) < end + 2 + more + 1:
        return None
    total = int.from_bytes(inner[end + 2 : end + 4]) if more else 0
    number = int.from_bytes(inner[end + 4 : end + 6]) if more else 0
    return Header(
        int.from_bytes(inner[:2]),
        inner[at:end].hex(),
        int.from_bytes(inner[end : end + 2]),
        inner[4] if newer else None,
        total,
        number,
        properties,
    )
