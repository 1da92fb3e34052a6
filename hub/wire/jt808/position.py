"""What a terminal says of one moment: the body of 0200, which 0201 and 0704 carry, too (2013, tables 23 to 27: P).

Items are what vendors differ most in: some are no TLV, some overrun the body, some stand there twice. What can be read
is read, and the rest is kept as `tail`.
"""

import datetime as dt
import struct
from collections import Counter
from typing import NamedTuple, Self

from hub.wire.jt808.codes import FIXED, ITEMS, SHIFTED, SOUTH, WEST

BEIJING = dt.timezone(dt.timedelta(hours=8))
"""The zone of every time in a frame (2013, table 23: P)."""
SIZE = 28
"""Bytes of a position without items. Table 23 prints the time's offset as 21; it is 22."""
MICRO = 1e6

_HEAD = struct.Struct(">IIIIHHH6s")


class Item(NamedTuple):
    """An additional item."""

    id: int
    value: bytes

    @property
    def number(self) -> float | None:
        """Its number in its unit (`ITEMS`), where it is one and as long as the standard has it."""
        known = ITEMS.get(self.id)
        if known is None or known.factor is None or len(self.value) not in known.sizes:
            return None
        return round(int.from_bytes(self.value) * known.factor, 1)


class Position(NamedTuple):
    """A position with its alarm and status, as it was sent. `tail`: what follows the last item that is whole."""

    alarm: int
    status: int
    latitude: int
    """1e-6 degrees, without sign: `lat` is with it."""
    longitude: int
    altitude: int
    """m"""
    speed: int
    """0.1 km/h"""
    direction: int
    """Degrees from north, clockwise."""
    time: str
    """YYMMDDhhmmss in the terminal's time, GMT+8 by the standard."""
    items: tuple[Item, ...] = ()
    tail: bytes = b""

    @classmethod
    def parse(cls, body: bytes) -> Self | None:
        """Return what a body says; None: it is too short."""
        if len(body) < SIZE:
            return None
        alarm, status, latitude, longitude, altitude, speed, direction, time = _HEAD.unpack_from(body)
        items, at, end = [], SIZE, len(body)
        while end - at >= 2:
            after = at + 2 + body[at + 1]
            if after > end:
                break
            items.append(Item(body[at], body[at + 2 : after]))
            at = after
        return cls(alarm, status, latitude, longitude, altitude, speed, direction, time.hex(), tuple(items), body[at:])

    def encode(self) -> bytes:
        """Return the body.

        Raises:
            ValueError: a number is too large for its field, or the time is not of twelve digits.
        """
        try:
            head = _HEAD.pack(*self[:7], bytes.fromhex(self.time))
        except struct.error as error:
            raise ValueError(f"position: {error}") from None
        if len(self.time) != 12:
            raise ValueError(f"time = {self.time!r}: expected twelve digits YYMMDDhhmmss")
        if long := next((item for item in self.items if len(item.value) > 255), None):
            raise ValueError(f"item {long.id:02X} of {len(long.value)} bytes: expected at most 255")
        return head + b"".join(bytes((item.id, len(item.value))) + item.value for item in self.items) + self.tail

    @property
    def lat(self) -> float:
        """Degrees, negative in the south."""
        return _degrees(self.latitude, negative=bool(self.status & SOUTH))

    @property
    def lon(self) -> float:
        """Degrees, negative in the west."""
        return _degrees(self.longitude, negative=bool(self.status & WEST))

    @property
    def speed_kmh(self) -> float:
        """Speed in km/h."""
        return self.speed / 10

    @property
    def located(self) -> bool:
        """Whether the terminal stands behind its position: a fix, in WGS-84, on the Earth and not at 0, 0."""
        there = abs(self.lat) <= 90 and abs(self.lon) <= 180 and bool(self.latitude or self.longitude)
        return there and self.status & (FIXED | SHIFTED) == FIXED

    @property
    def when(self) -> dt.datetime | None:
        """The time, with GMT+8 as its zone; None: it is none."""
        return moment(self.time)

    def faults(self) -> set[str]:
        """Return what is wrong with it, by the codes of `FAULTS`."""
        found = {
            "latitude": abs(self.lat) > 90,
            "longitude": abs(self.lon) > 180,
            "negative": max(self.latitude, self.longitude) >= 1 << 31,
            "direction": self.direction > 359,
            "time": self.when is None,
            "item_overrun": bool(self.tail),
            "item_twice": any(times > 1 for times in Counter(item.id for item in self.items).values()),
            "item_length": any(
                known.sizes and len(item.value) not in known.sizes
                for item in self.items
                if (known := ITEMS.get(item.id)) is not None
            ),
        }
        return {code for code, there in found.items() if there}


def moment(digits: str) -> dt.datetime | None:
    """Return the time that YYMMDDhhmmss means in GMT+8; None: it is none."""
    if len(digits) != 12 or not (digits.isascii() and digits.isdigit()):
        return None
    year, month, day, hour, minute, second = (int(digits[at : at + 2]) for at in range(0, 12, 2))
    try:
        return dt.datetime(2000 + year, month, day, hour, minute, second, tzinfo=BEIJING)
    except ValueError:
        return None


def digits_of(when: dt.datetime) -> str:
    """Return a time as YYMMDDhhmmss in GMT+8."""
    return f"{when.astimezone(BEIJING):%y%m%d%H%M%S}"


def _degrees(raw: int, *, negative: bool) -> float:
    # Some encoders send a negative number beside the bit, or in place of it.
    value = abs(raw - (1 << 32) if raw >= 1 << 31 else raw)
    return (-value if negative or raw >= 1 << 31 else value) / MICRO
