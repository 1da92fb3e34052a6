"""Cuts a stream of bytes into frames, and puts packets sent in parts together. Nothing that came is left out.

Stations glue frames together, end them with LF alone or not at all, write a wrong length, and send bytes in between.
"""

import re
from typing import NamedTuple

from hub.wire.hj212.packet import Packet

MOST = 16_384
"""Bytes that wait for the end of a frame at most: an encrypted one of 1,024 bytes has five times as many."""
MOST_PARTS = 64
"""Packets that wait for their other parts, of one station."""
MOST_NUMBER = 99
"""Parts of one packet."""

_BEGIN = re.compile(rb"##\d{4}")
_CRC = re.compile(rb"[0-9A-Fa-f]{4}")
_CLOSED = re.compile(rb"(?<!CP=)&&[0-9A-Fa-f]{4}")
_END = re.compile(rb"&&[0-9A-Fa-f]{0,4}(?=\r|\n|##)|(?=\r|\n|##\d{4})")


class Piece(NamedTuple):
    """Bytes of the stream. `ending`: what ended the frame, not part of it; `junk`: it is none."""

    raw: bytes
    ending: bytes = b""
    junk: bool = False


class Splitter:
    """Takes what comes in any pieces; gives frames, and what is none, in the order in which it came."""

    def __init__(self) -> None:
        self._kept = b""
        self._at = 0  # what was given out already

    @property
    def waiting(self) -> int:
        """Bytes that wait for the end of their frame."""
        return len(self._kept) - self._at

    def feed(self, data: bytes) -> list[Piece]:
        """Take bytes; return what they complete."""
        if self._at == len(self._kept) and _is_one(data):
            return [Piece(data[:-2], data[-2:])]
        self._kept, self._at = self._kept[self._at :] + data, 0
        found = []
        while piece := self._next():
            found.append(piece)
        return found

    def rest(self) -> list[Piece]:
        """Return what waits as it is: nothing more comes, or nothing came for long enough."""
        kept, self._kept, self._at = self._kept[self._at :], b"", 0
        end = len(kept)
        if kept.startswith(b"##"):
            end = _closed(kept, 0, end)
        pieces = Piece(kept[:end], junk=not kept.startswith(b"##")), Piece(kept[end:], junk=True)
        return [piece for piece in pieces if piece.raw]

    def _next(self) -> Piece | None:
        kept, at = self._kept, self._at
        begin = kept.find(b"##", at)
        if begin < 0:
            # Half of a ## may be the end of what came.
            end = len(kept) - kept.endswith(b"#")
            return self._take(end, junk=True) if end > at else None
        while kept.startswith(b"#", begin + 2):
            begin += 1
        if begin > at:
            return self._take(begin, junk=True)
        found = self._end_of_frame(at)
        if found is not None:
            return self._take(found)
        if len(kept) - at >= MOST:
            following = kept.find(b"##", at + 2)
            return self._take(following if following > 0 else len(kept), junk=True)
        return None

    def _end_of_frame(self, at: int) -> int | None:
        """Return where the frame that begins at `at` ends; None: more has to come."""
        kept = self._kept
        if _BEGIN.match(kept, at):
            end = at + 2 + 4 + int(kept[at + 2 : at + 6])
            # The length is believed where a checksum stands there, and another frame does not begin before.
            if _CRC.match(kept, end) and kept[end - 2 : end] == b"&&" and kept.find(b"##", at + 2, end) < 0:
                return end + 4
        found = _END.search(kept, at + 2, at + MOST)
        return _closed(kept, at, found.end()) if found else None

    def _take(self, end: int, *, junk: bool = False) -> Piece:
        raw, ending = self._kept[self._at : end], b""
        if not junk:
            following = self._kept[end : end + 2]
            ending = following if following == b"\r\n" else following[:1] if following[:1] in {b"\r", b"\n"} else b""
        self._at = end + len(ending)
        return Piece(raw, ending, junk)


class Joiner:
    """Puts the parts of a station's packets together (Flag's bit 1, PNUM and PNO)."""

    def __init__(self) -> None:
        self._parts: dict[tuple[str | None, ...], dict[int, Packet]] = {}

    def add(self, packet: Packet) -> Packet | None:
        """Take a packet; return it whole, or None while parts of it are missing.

        A part that comes again takes the place of the first. Of too many beginnings the oldest is forgotten: a station
        sends again what nobody answers.
        """
        total, number = _number(packet.field("PNUM")), _number(packet.field("PNO"))
        if total is None or number is None or number > total:
            return packet
        key = tuple(packet.field(name) for name in ("QN", "MN", "ST", "CN", "PNUM"))
        known = self._parts.setdefault(key, {})
        known[number] = packet
        if len(known) < total:
            if len(self._parts) > MOST_PARTS:
                del self._parts[next(iter(self._parts))]
            return None
        del self._parts[key]
        areas = [known[part].area for part in sorted(known)]
        return known[1]._replace(area=";".join([area for area in areas if area]))


def _is_one(data: bytes) -> bool:
    """Tell whether these bytes are one frame and nothing else, right in all that splitting looks at: most are."""
    return (
        data[:2] == b"##"
        and data[2:6].isdigit()
        and int(data[2:6]) == len(data) - 12
        and data[-8:-6] == b"&&"
        and data[-2:] == b"\r\n"
        and _CRC.match(data, len(data) - 6) is not None
        and data.find(b"##", 2) < 0
    )


def _closed(kept: bytes, at: int, end: int) -> int:
    """Return where the frame in these bytes is closed, with its checksum: other bytes may follow; else their end."""
    if kept[max(at, end - 6) : end].rfind(b"&&") >= 0:
        return end
    *_, last = [end, *(found.end() for found in _CLOSED.finditer(kept, at + 2, end))]
    return last


def _number(text: str | None) -> int | None:
    if text is None or not (text.isascii() and text.isdigit()) or not 0 < int(text) <= MOST_NUMBER:
        return None
    return int(text)
