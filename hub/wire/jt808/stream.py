"""Cuts a stream of bytes into frames, and puts messages sent in parts together. Nothing that came is left out.

Every 7E may begin or end a frame: what stands between two of them is one, or noise. So a receiver that lost its place,
or was sent the text frames of another protocol in between, finds the next frame by itself.
"""

from typing import NamedTuple

from hub.wire.jt808.frame import MARK, Header

MOST = 4096
"""Bytes that wait for the end of a frame at most: the longest one, with each byte escaped, has 2090."""
MOST_PARTS = 16
"""Messages that wait for their other parts, of one terminal."""
MOST_NUMBER = 512
"""Parts of one message."""


class Piece(NamedTuple):
    """Bytes of the stream; a frame with both its marks, or `junk`, which is none."""

    raw: bytes
    junk: bool = False


class Splitter:
    """Takes what comes in any pieces; gives frames, and what is none, in the order in which it came."""

    def __init__(self) -> None:
        self._kept = b""
        self._begun = False  # a mark stood before what is kept

    @property
    def waiting(self) -> int:
        """Bytes that wait for the end of their frame, without marks."""
        return len(self._kept)

    def feed(self, data: bytes) -> list[Piece]:
        """Take bytes; return what they complete."""
        *whole, rest = (self._kept + data).split(MARK)
        found = []
        for chunk in whole:
            if chunk:
                found.append(Piece(MARK + chunk + MARK) if self._begun else Piece(chunk, junk=True))
            self._begun = True
        if len(rest) > MOST:
            found.append(Piece(rest, junk=True))
            self._begun, rest = False, b""
        self._kept = rest
        return found

    def rest(self) -> list[Piece]:
        """Return what waits as it is: nothing more comes, or nothing came for long enough."""
        kept, self._kept, self._begun = self._kept, b"", False
        return [Piece(kept, junk=True)] if kept else []


class Joiner:
    """Puts the bodies of one terminal's messages together."""

    def __init__(self) -> None:
        self._parts: dict[tuple[int, int, int], dict[int, bytes]] = {}

    def add(self, header: Header, body: bytes) -> bytes | None:
        """Take a part; return the whole body, or None while parts of it are missing.

        A part that comes again takes the place of the first. Of too many beginnings the oldest is forgotten: a terminal
        sends again what nobody answers.
        """
        if not 0 < header.number <= header.total <= MOST_NUMBER:
            return None
        key = key_of(header)
        known = self._parts.setdefault(key, {})
        known[header.number] = body
        if len(known) < header.total:
            if len(self._parts) > MOST_PARTS:
                del self._parts[next(iter(self._parts))]
            return None
        del self._parts[key]
        return b"".join(known[index] for index in sorted(known))

    def missing(self, header: Header) -> tuple[int, ...]:
        """Return the numbers of the parts that are missing of a part's message."""
        known = self._parts.get(key_of(header), {})
        return tuple(index for index in range(1, header.total + 1) if index not in known) if known else ()


def key_of(header: Header) -> tuple[int, int, int]:
    """Return by what the parts of one message belong together: message, serial of the first part, number of parts."""
    return header.message, (header.serial - header.number + 1) & 0xFFFF, header.total
