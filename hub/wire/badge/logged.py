"""A frame of a badge as it stands in the log: a line of JSON, then the frame's own bytes, if they may be kept.

Outside a shift nothing of what a badge says is kept but that it said something: the line then has a digest of the
frame, and no bytes follow.
"""

import hashlib
import hmac

import msgspec

from hub.wire.badge.frame import POSITIONS, Frame, calls_for_help, read_frame, read_position
from hub.wire.said import Moment, Observed

RADIUS = 15.0
"""Error radius of a position [m], this project's choice: badges do not tell theirs."""
OFF = 300
"""An SOS whose time is further from the hub's than this counts as of when it came [s]."""


class Head(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The line before the bytes."""

    digest: str = ""
    """Of a frame that is not kept: HMAC-SHA-256 with the hub's own secret; up to version 0.1 plain SHA-256."""
    came: int = 0
    """When it came, Unix s, of an SOS, whose own time may be wrong or unreadable, and of what tells no time."""


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Head).decode


def pack(head: Head, raw: bytes = b"") -> bytes:
    """Return what is put into the log."""
    return _encode(head) + b"\n" + raw


def withheld(raw: bytes, secret: bytes) -> bytes:
    """Return what is put into the log of a frame that may not be kept; nobody without the secret can guess it."""
    return pack(Head(hmac.new(secret, raw, hashlib.sha256).hexdigest()))


def unpack(logged: bytes) -> tuple[Head, bytes]:
    """Return what was put into the log.

    Raises:
        msgspec.DecodeError, ValueError: it is none.
    """
    line, newline, raw = logged.partition(b"\n")
    if not newline:
        raise ValueError("no line before the frame; expected a JSON object")
    return _decode(line), raw


def _frame(raw: bytes) -> Frame:
    frame = read_frame(raw)
    if frame is None:
        raise ValueError("no frame of the watch protocol; expected [MAKER*ID*LENGTH*CONTENT]")
    return frame


def decode(logged: bytes) -> Observed:
    """Return what a logged frame says.

    Raises:
        msgspec.DecodeError, ValueError: it is none.
    """
    head, raw = unpack(logged)
    return Observed([]) if head.digest else meaning(head, _frame(raw))


def meaning(head: Head, frame: Frame) -> Observed:
    """Return what a frame says.

    Raises:
        ValueError: it cannot be read; an SOS always can.
    """
    if frame.command not in POSITIONS:
        return Observed([])
    sos = calls_for_help(frame)
    try:
        position = read_position(frame)
    except ValueError:
        if not sos:
            raise
        return Observed([Moment(head.came, states={"sos": True})])
    states: dict[str, str | float | bool | None] = {
        "sos": sos,
        "worn": not position.bit(20),
        "fell": position.bit(21, 22),
        "battery_low": position.bit(0, 17),
        "battery": position.battery,
        "steps": position.steps,
    }
    when = head.came if sos and abs(position.t - head.came) > OFF else position.t
    return Observed([Moment(when, position.lat, position.lon, RADIUS, position.speed, states)])


def identity(logged: bytes) -> tuple[bytes, bytes]:
    """Return by what a logged frame is known when it comes again: what it is about, and what it says of it."""
    head, raw = unpack(logged)
    if head.digest:
        digest = bytes.fromhex(head.digest)
        return _hash(digest), digest
    return identity_of(_frame(raw), head.came)


def identity_of(frame: Frame, came: int = 0) -> tuple[bytes, bytes]:
    """Return the `identity` of a frame: a position by its time and what it says, whichever command it came with.

    What tells no time, and an SOS whose time is wrong, is another one each time that it comes.
    """
    _, _, said = frame.content.partition(b",")
    if came and not _in_time(frame, came):
        return _hash(b"%d\n%b" % (came, frame.content)), _hash(said)
    return _hash(b"fix\n" + b",".join(said.split(b",")[:2])), _hash(said)


def _in_time(frame: Frame, came: int) -> bool:
    """Tell whether a frame says when it was made, and that this was about when it came."""
    if frame.command not in POSITIONS:
        return False
    try:
        return abs(read_position(frame).t - came) <= OFF
    except ValueError:
        return False


def _hash(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()
