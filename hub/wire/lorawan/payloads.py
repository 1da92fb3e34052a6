"""Reads the bytes that devices of LoRaWAN send: level sensors of bins, trackers, buttons. One function for each maker.

Sources: Milesight-IoT/SensorDecoders (EM400-MUD/UDL/TLD, EM310-UDL, AT101, WS101): P. Decentlab DL-MBX, its decoder in
the repository of The Things Network: P.
"""

import struct
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import msgspec


class Fix(NamedTuple):
    """Where a device was: degrees, WGS-84; `t`: when, Unix s; None: when it sent this."""

    lat: float
    lon: float
    t: int | None = None


class Payload(msgspec.Struct):
    """What a device says."""

    distance: float | None = None
    """From the sensor to the nearest echo, mm; None: it does not say, or there was none."""
    tilted: bool | None = None
    """It does not hang as it was installed: the lid is open, or it lies on its side."""
    fixes: list[Fix] = []
    states: dict[str, str | float | bool | None] = {}
    """What else it says of that instant, such as a button that was pressed."""
    figures: dict[str, float] = {}
    """Measured beside: battery_percent, battery_v, temperature_c."""

    @property
    def observes(self) -> bool:
        """Whether it is a tracker or a button: it tells of an instant, and measures no level."""
        return bool(self.fixes or self.states)


_NO_ECHO = frozenset({0, 0xFFFF})
_NO_FIX = -1
"""Latitude and longitude of a tracker without a fix: all bits set."""
_BUTTON = {1: "short", 2: "long", 3: "double"}
_MOTION = ("", "start", "moving", "stop")
_FENCE = ("inside", "outside")
_ABOUT_ITSELF = {0x01: 1, 0x09: 2, 0x0A: 2, 0x0B: 1, 0x0F: 1, 0x16: 8, 0xFE: 1, 0xFF: 2}
"""Bytes of what a Milesight device says of itself when it joins (channel FF): versions, serial number, class."""
_ALARM = 0x80
"""Set in the channel of a value that is out of the bounds set in the device: a byte that says so follows."""


def milesight(data: bytes) -> Payload:
    """Return what a device of Milesight says: channel, type, value, little-endian, one after the other.

    Raises:
        ValueError: it cannot be read to its end; the length of what is not known is not known, either.
    """
    found = Payload()
    for channel, type_, value in _values(data):
        _milesight_value(found, channel, type_, value)
    return found


def _values(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield channel, type and bytes of each value."""
    at = 0
    while at < len(data):
        if at + 2 > len(data):
            raise ValueError(f"byte {at}: expected a channel and its type, the payload ends")
        channel, type_ = data[at], data[at + 1]
        size = _size_of(channel, type_)
        if size is None:
            raise ValueError(f"byte {at}: channel {channel:02x}, type {type_:02x}: none that is known")
        at += 2
        if at + size > len(data):
            raise ValueError(f"byte {at}: channel {channel:02x} has {len(data) - at} bytes; expected {size}")
        yield channel, type_, data[at : at + size]
        at += size


def _size_of(channel: int, type_: int) -> int | None:
    if channel == 0xFF:
        return 1 if type_ == 0x2E else _ABOUT_ITSELF.get(type_)
    if (channel, type_) == (0x20, 0xCE):
        return 12
    if type_ in {0x67, 0x82}:
        return 3 if channel & _ALARM else 2
    return {0x75: 1, 0x00: 1, 0x88: 9, 0xD9: 9}.get(type_)


def _milesight_value(found: Payload, channel: int, type_: int, value: bytes) -> None:
    number = int.from_bytes(value[:2], "little")
    if (channel, type_) == (0xFF, 0x2E):
        found.states["button"] = _BUTTON.get(number)
    elif channel == 0xFF:
        return
    elif type_ == 0x75:
        found.figures["battery_percent"] = number
    elif type_ == 0x67:
        found.figures["temperature_c"] = int.from_bytes(value[:2], "little", signed=True) / 10
    elif type_ == 0x82:
        found.distance = None if number in _NO_ECHO else float(number)
    elif type_ == 0x00 and channel == 0x07:
        found.states["removed"] = bool(number)
    elif type_ == 0x00:
        found.tilted = bool(number)
    else:
        _tracked(found, type_, value)


def _tracked(found: Payload, type_: int, value: bytes) -> None:
    """Take what a tracker says of where it is, or was."""
    if type_ == 0x88:
        lat, lon, status = struct.unpack("<iiB", value)
        if (lat, lon) != (_NO_FIX, _NO_FIX):
            found.fixes.append(_fix(lat, lon))
        motion, fence = status & 15, status >> 4
        found.states["motion"] = (_MOTION[motion] if motion < len(_MOTION) else "") or None
        found.states["fence"] = _FENCE[fence] if fence < len(_FENCE) else None
    elif type_ == 0xCE:
        when, lon, lat = struct.unpack("<Iii", value)
        found.fixes.append(_fix(lat, lon)._replace(t=when))


def _fix(lat: int, lon: int) -> Fix:
    where = Fix(lat / 1e6, lon / 1e6)
    if not (abs(where.lat) <= 90 and abs(where.lon) <= 180):
        raise ValueError(f"position {where.lat}, {where.lon}: is not on Earth")
    return where


def decentlab(data: bytes) -> Payload:
    """Return what a DL-MBX of Decentlab says: version 2, device, flags, then words, big-endian, as the flags say.

    Raises:
        ValueError: it is no such payload.
    """
    if len(data) < 5 or data[0] != 2 or len(data) % 2 == 0:
        raise ValueError(f"{len(data)} bytes: expected version 2, a device, flags, and words of 2 bytes")
    _, flags, *words = struct.unpack(f">{len(data) // 2}H", data[1:])
    expected = 2 * bool(flags & 1) + bool(flags & 2)
    if flags > 3 or len(words) != expected:
        raise ValueError(f"flags {flags:04x} with {len(words)} words; expected flags up to 3, here {expected} words")
    found = Payload()
    if flags & 1:
        distance, samples, *words = words
        found.distance = float(distance) if samples and distance not in _NO_ECHO else None
    if words:
        found.figures["battery_v"] = words[0] / 1000
    return found


CODECS: Mapping[str, Callable[[bytes], Payload]] = {"decentlab": decentlab, "milesight": milesight}
"""By the name that a node's `codec` has in the registry."""
