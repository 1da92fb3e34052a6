"""Frames of the watch protocol: `[MAKER*ID*LENGTH*CONTENT]`, the length in four hexadecimal digits.

Source: traccar's WatchProtocolDecoder and its tests: S. A length that is not the content's is no reason to refuse a
frame: there are recorded frames whose positions were shortened and whose lengths were not.
"""

import datetime as dt
import re
from typing import NamedTuple

ALARM = "AL"
POSITIONS = frozenset({"UD", "UD2", "UD_LTE", ALARM})
"""Commands that carry a position; UD2 is one that was stored."""
HEARTBEAT = "LK"
MOST = 4096
"""Bytes of a frame at most; those with positions have a few hundred."""
_FRAME = re.compile(rb"\[([A-Z0-9]{2})\*(\d{6,20})(?:\*([0-9A-Fa-f]{4}))?\*([0-9A-Fa-f]{4})\*([^\]]*)\]\Z", re.DOTALL)
_LEAST = 16
"""Members of a position before cells and Wi-Fi."""


class Piece(NamedTuple):
    """Bytes of the stream: from a bracket to its end, or `junk`, which is no frame."""

    raw: bytes
    junk: bool = False


class Splitter:
    """Takes what comes in any pieces; gives frames, and what is none, in the order in which it came."""

    def __init__(self) -> None:
        self._kept = b""

    @property
    def waiting(self) -> int:
        """Bytes that wait for the end of their frame."""
        return len(self._kept)

    def feed(self, data: bytes) -> list[Piece]:
        """Take bytes; return what they complete."""
        left, found = self._kept + data, []
        while left:
            begin, end = left.find(b"["), left.find(b"]")
            if begin < 0 or (0 <= end < begin):
                cut = end + 1 if end >= 0 else len(left)
                found.append(Piece(left[:cut], junk=True))
                left = left[cut:]
                continue
            if begin:
                found.append(Piece(left[:begin], junk=True))
                left = left[begin:]
                end -= begin
            again = left.find(b"[", 1)
            if 0 < again < (end if end > 0 else len(left)):
                # A frame begins within: the one before has no end.
                found.append(Piece(left[:again], junk=True))
                left = left[again:]
                continue
            if end < 0:
                break
            found.append(Piece(left[: end + 1]))
            left = left[end + 1 :]
        if len(left) > MOST:
            found.append(Piece(left, junk=True))
            left = b""
        self._kept = left
        return found

    def rest(self) -> list[Piece]:
        """Return what waits as it is: nothing more comes, or nothing came for long enough."""
        kept, self._kept = self._kept, b""
        return [Piece(kept, junk=True)] if kept else []


class Frame(NamedTuple):
    """One frame. `serial`: in four hexadecimal digits, as the maker ZJ has it; empty: it has none."""

    maker: str
    id: str
    serial: str
    length: int
    """As it says."""
    content: bytes

    @property
    def command(self) -> str:
        """What it is about, such as UD or AL."""
        return self.content.partition(b",")[0].decode("ascii", "replace")

    @property
    def exact(self) -> bool:
        """Whether its length is that of its content."""
        return self.length == len(self.content)

    def reply(self, content: str) -> bytes:
        """Return what is said to who sent it."""
        serial = f"*{self.serial}" if self.serial else ""
        return f"[{self.maker}*{self.id}{serial}*{len(content):04X}*{content}]".encode()


def read_frame(raw: bytes) -> Frame | None:
    """Return the frame that bytes are; None: they are none."""
    match = _FRAME.match(raw)
    if match is None:
        return None
    maker, id_, serial, length, content = match.groups()
    return Frame(maker.decode(), id_.decode(), (serial or b"").decode(), int(length, 16), content)


class Position(NamedTuple):
    """What a frame of `POSITIONS` says."""

    t: int
    """Unix s, as the badge's clock (UTC) has it."""
    lat: float | None
    """Degrees, WGS-84; None: it had no fix."""
    lon: float | None
    speed: float | None
    """km/h."""
    battery: int | None
    """%."""
    steps: int | None
    """Since midnight, or since it was switched on."""
    status: int
    """Bits: 0 battery low, 14 no power, 16 SOS, 17 alarm of the battery, 20 taken off, 21 and 22 a fall."""

    def bit(self, *numbers: int) -> bool:
        """Tell whether one of these bits is set."""
        return any(self.status >> number & 1 for number in numbers)


def read_position(frame: Frame) -> Position:
    """Return the position in a frame.

    Raises:
        ValueError: there is none that can be read.
    """
    said = [part.strip() for part in frame.content.decode("ascii", "replace").split(",")[1:]]
    if len(said) < _LEAST:
        raise ValueError(f"{frame.command}: {len(said)} members; expected {_LEAST} at least")
    date, time, valid, lat, south, lon, west, speed = said[:8]
    when = dt.datetime.strptime(date + time, "%d%m%y%H%M%S").replace(tzinfo=dt.UTC)
    where: tuple[float, float] | None = None
    if valid == "A":
        where = float(lat) * (-1 if south == "S" else 1), float(lon) * (-1 if west == "W" else 1)
        if not (abs(where[0]) <= 90 and abs(where[1]) <= 180):
            raise ValueError(f"{frame.command}: position {where[0]}, {where[1]}: is not on Earth")
    status = int(said[15], 16)
    if status < 0:
        raise ValueError(f"{frame.command}: status {said[15]!r}: expected hexadecimal digits")
    north, east = where or (None, None)
    return Position(int(when.timestamp()), north, east, _number(speed), _whole(said[12]), _whole(said[13]), status)


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"\d{1,6}(\.\d{0,6})?", text) else None


def _whole(text: str) -> int | None:
    return int(text) if re.fullmatch(r"\d{1,9}", text) else None


SOS = 16


def calls_for_help(frame: Frame) -> bool:
    """Tell whether a frame is an SOS, even where nothing else in it can be read.

    An alarm whose status cannot be read is taken for one: better a question too many.
    """
    if frame.command not in POSITIONS:
        return False
    parts = frame.content.split(b",")
    try:
        return bool(int(parts[_LEAST], 16) >> SOS & 1)
    except (IndexError, ValueError):
        return frame.command == ALARM
