"""Winsen ZH03B, ZH06, ZH07: dust by light scattering (ZH06 manual).

9600 8N1. By itself the sensor reports in Plantower's layout, words 4-6; a ZH03B in frames of 24 bytes, the others of 32
(both are taken). Asked with `FF 01 86 ...` it answers `FF 86`, PM2.5, PM10, PM1 in ug/m3, high byte first, and a byte
that makes the sum of all but the first 0 modulo 256. Commands have that checksum too.

Settings: `mode` (the maker calls "passive" question and answer mode) and `warmup` as in `edge.drivers.frames`.
"""

from edge.drivers import plantower
from edge.drivers.frames import FrameDriver, Parser

LENGTHS = {b"\xff\x86": 9, b"\x42\x4d\x00\x1c": 32, b"\x42\x4d\x00\x14": 24}  # bytes


def intact(frame):
    """Return whether a frame's checksum is right."""
    if frame[0] != 0xFF:
        return plantower.intact(frame)
    return sum(frame[1:]) & 0xFF == 0


def decode(frame):
    """Return `{"pm1", "pm25", "pm10"}` in ug/m3 of a report or an answer."""
    if frame[0] != 0xFF:
        return plantower.masses(frame)
    return {"pm1": frame[6] << 8 | frame[7], "pm25": frame[2] << 8 | frame[3], "pm10": frame[4] << 8 | frame[5]}


def command(number, data=0):
    """Return the frame of a command."""
    body = bytes((1, number, data, 0, 0, 0, 0))
    return b"\xff" + body + bytes((-sum(body) & 0xFF,))


class Driver(FrameDriver):
    """Waits for the sensor's reports, or asks for them."""

    READ = command(0x86)
    ACTIVE = command(0x78, 0x40)
    PASSIVE = command(0x78, 0x41)
    SLEEP = command(0xA7, 1)
    WAKE = command(0xA7, 0)

    channels = ("pm1", "pm25", "pm10")

    def __init__(self, port, settings):
        super().__init__(port, settings, Parser(LENGTHS, intact))

    def decode(self, frame):
        """Return the values of a report or an answer."""
        return decode(frame)
