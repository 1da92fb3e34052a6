"""A frame: `##`, the length of the segment in four digits, the segment, and its checksum in four hexadecimal digits.

`read` gives two verdicts on one frame: what can be read all the same, and each fault by the clause that it breaks.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from hub.wire.hj212.crc import crc, crc_modbus
from hub.wire.hj212.faults import ordered
from hub.wire.hj212.packet import Item, Packet
from hub.wire.hj212.secret import UnreadableError, decrypt, encrypt
from hub.wire.hj212.strict import Edition, edition_of, faults_of

MOST_SEGMENT = 1024
"""Bytes of a segment (2017, table 2)."""
MOST_DATA = 950
"""Bytes of CP (2017, table 2)."""
END = b"\r\n"

Checksum = Literal["standard", "modbus", "wrong", "missing"]
Length = Literal["right", "wrong"]

_LENGTH = re.compile(rb"#*(\d{1,6})")
_CRC = re.compile(rb"[0-9A-Fa-f]{0,4}\Z")


@dataclass(frozen=True, slots=True)
class Frame:
    """What a frame says, and what is wrong with it.

    `segment`: in plain text. `sent`: the checksum as it was sent. `edition`: None where what the frame says of it does
    not hold together. `faults`: codes of `hub.wire.hj212.faults`; none: the frame keeps to the standard.
    """

    packet: Packet
    segment: bytes
    sent: str
    crc: Checksum
    length: Length
    edition: Edition | None
    faults: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether it keeps to the standard in everything."""
        return not self.faults

    @property
    def sound(self) -> bool:
        """Whether its bytes arrived as they were sent: either checksum is right. It proves no origin."""
        return self.crc in {"standard", "modbus"}


class Plain(NamedTuple):
    """What a frame says, and how its checksum is, without a look at what it breaks."""

    packet: Packet
    crc: Checksum

    @property
    def sound(self) -> bool:
        """As in `Frame`."""
        return self.crc in {"standard", "modbus"}


def read_packet(raw: bytes) -> Plain:
    """Return what `read` would say of a frame in plain text, for a fraction of the time."""
    digits = _LENGTH.match(raw)
    segment, sent = _split(raw[digits.end() :] if digits else raw.lstrip(b"#"), int(digits[1]) if digits else None)
    return Plain(Packet.parse(segment), _check(segment, sent, set()))


def opened(raw: bytes, key: bytes | None) -> bytes:
    """Return a frame in plain text, with the length and the checksum that were sent; one in plain text as it is.

    Raises:
        UnreadableError: there is no key for it, or what is encrypted is no whole number of blocks.
    """
    digits = _LENGTH.match(raw)
    segment, sent = _split(raw[digits.end() :] if digits else raw.lstrip(b"#"), int(digits[1]) if digits else None)
    plain = decrypt(segment, key)
    return raw if plain == segment else b"##%b%b%b" % (digits[1] if digits else b"", plain, sent.encode())


def read(raw: bytes, key: bytes | None = None) -> Frame:
    """Return what a frame says, without its line ending; it never fails.

    Args:
        raw: The frame from `##` to its checksum.
        key: The station's SM4 key of 16 bytes, if it encrypts (2025 edition).
    """
    faults: set[str] = set()
    if not raw.startswith(b"##"):
        faults.add("start")
    digits = _LENGTH.match(raw)
    declared = int(digits[1]) if digits else None
    if digits is None or len(digits[1]) != 4:
        faults.add("length_digits")
    body = raw[digits.end() :] if digits else raw.lstrip(b"#")
    wire, sent = _split(body, declared)
    segment = wire
    try:
        segment = decrypt(wire, key)
    except UnreadableError:
        faults.add("encrypted")
    packet = Packet.parse(segment)
    right = declared == len(segment)
    if not right and declared is not None:
        faults.add("length_wrong")
    if len(segment) > MOST_SEGMENT:
        faults.add("length_long")
    kind = _check(segment, sent, faults)
    if packet.encoding != "utf-8":
        faults.add("encoding")
    if len((packet.area or "").encode(packet.encoding)) > MOST_DATA:
        faults.add("cp_long")
    edition = edition_of(packet)
    faults |= faults_of(packet, readable="encrypted" not in faults)
    return Frame(packet, segment, sent, kind, "right" if right else "wrong", edition, ordered(faults))


def _split(body: bytes, declared: int | None) -> tuple[bytes, str]:
    """Return segment and checksum: behind the last `&&`, else where the length says, else the last four digits."""
    end = body.rfind(b"&&") + 2
    if end >= 2 and _CRC.match(body, end):
        return body[:end], body[end:].decode()
    if declared is not None and len(body) == declared + 4 and _CRC.match(body, declared):
        return body[:declared], body[declared:].decode()
    found = re.search(rb"[0-9A-Fa-f]{4}\Z", body)
    return (body[: found.start()], found[0].decode()) if found else (body, "")


def _check(segment: bytes, sent: str, faults: set[str]) -> Checksum:
    if not sent:
        faults.add("crc_missing")
        return "missing"
    if len(sent) < 4:
        faults.add("crc_digits")
    if int(sent, 16) == crc(segment):
        return "standard"
    if int(sent, 16) == crc_modbus(segment):
        faults.add("crc_modbus")
        return "modbus"
    faults.add("crc_wrong")
    return "wrong"


def build(
    packet: Packet,
    checksum: Literal["standard", "modbus"] = "standard",
    key: bytes | None = None,
    *,
    lower: bool = False,
) -> bytes:
    """Return a packet as a frame, without its line ending.

    Args:
        packet: What it says.
        checksum: Which one: stations that only know CRC-16/MODBUS are answered in it.
        key: The SM4 key of 16 bytes that encrypts the data area; length and checksum are of the plain text (2025, S).
        lower: The checksum's letters are small.

    Raises:
        ValueError: the segment is too long for four digits.
    """
    segment = packet.segment()
    if len(segment) > 9999:
        raise ValueError(f"a segment of {len(segment)} bytes: expected at most {MOST_SEGMENT}; send it in parts")
    value = crc(segment) if checksum == "standard" else crc_modbus(segment)
    wire = encrypt(segment, key) if key else segment
    return b"##%04d%s%s" % (len(segment), wire, (f"{value:04x}" if lower else f"{value:04X}").encode())


def parts(packet: Packet) -> Iterator[Packet]:
    """Split a packet whose CP is too long between factors, with PNUM, PNO and their bit in Flag (2017, table 3).

    Raises:
        ValueError: the items of one factor alone are too long, or Flag is missing.
    """
    size = len((packet.area or "").encode(packet.encoding))
    if size <= MOST_DATA:
        yield packet
        return
    flag = packet.field("Flag")
    if flag is None or not flag.isdigit():
        raise ValueError(f"Flag = {flag!r}: expected a number, since a packet in parts says so in it")
    numbered = (Item("Flag", str(int(flag) | 2)), Item("PNUM", "99"), Item("PNO", "99"))
    most = min(MOST_DATA, MOST_SEGMENT - len(packet.with_fields(numbered)._replace(area="").segment()))
    areas: list[list[str]] = [[]]
    left = most
    for group in packet.area.split(";") if packet.area else ():
        length = len(group.encode(packet.encoding)) + 1
        if length > most:
            first, _, _ = group.partition(",")
            raise ValueError(f"{first}, ...: {length} bytes; expected at most {most} for one factor")
        if length > left:
            areas.append([])
            left = most
        areas[-1].append(group)
        left -= length
    for number, area in enumerate(areas, 1):
        changed = (numbered[0], Item("PNUM", str(len(areas))), Item("PNO", str(number)))
        yield packet.with_fields(changed)._replace(area=";".join(area))
