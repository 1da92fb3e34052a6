"""What the hub says to terminals: acknowledgements, answers to registrations, requests for parts. Pure: frames out."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from hub.wire.jt808 import Content, Header, build

OK, FAILED, BAD, UNSUPPORTED = 0, 1, 2, 3
"""Results of 8001 (2013, table 5)."""
REGISTERED, ALREADY, NO_TERMINAL = 0, 3, 4
"""Results of 8100 (2013, table 8)."""
MOST_ASKED = 255
"""Parts that one request can name in 2013, where their number is a byte."""


class Reply(NamedTuple):
    """An answer to a frame: 8001, or 8100 with the `code` that belongs to a terminal."""

    message: Literal[0x8001, 0x8100]
    result: int
    code: str = ""


def frame_of(reply: Reply, header: Header, serial: int) -> bytes:
    """Return an answer to the frame with this header."""
    if reply.message == 0x8100:
        content = Content.make(0x8100, serial=header.serial, result=reply.result, code=reply.code)
    else:
        values = {"serial": header.serial, "message": header.message, "result": reply.result}
        content = Content.make(0x8001, **values)
    return build(_head(reply.message, header, serial), content)


def ask_for(parts: Sequence[int], first: int, header: Header, serial: int) -> bytes:
    """Return the request for parts of the message whose first part had the serial `first`."""
    edition: Literal[2013, 2019] = 2013 if header.version is None else 2019
    content = Content.make(0x8003, edition, serial=first, parts=tuple(parts[:MOST_ASKED]))
    return build(_head(0x8003, header, serial), content)


def _head(message: int, header: Header, serial: int) -> Header:
    """Return the header of an answer: of the edition that the terminal speaks."""
    return Header(message, header.phone, serial & 0xFFFF, header.version)
