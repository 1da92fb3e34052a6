"""Nova SDS011, SDS018, SDS021 (PM2.5, PM10) and SDS198 (PM100, which is TSP): dust by light scattering.

Source: SDS011 control protocol V1.3, and captured frames. 9600 8N1. A report is `AA C0`, PM2.5 and PM10 in tenths of
ug/m3, low byte first, two bytes of identity, the sum of these six bytes modulo 256, `AB`. An SDS198's begins with
`AA CF`; its second word is TSP in ug/m3, its first is reserved. A command is `AA B4`, number, 1 to set, value, ten
zeros, the identity meant (`FF FF`: any), sum, `AB`; the sensor answers with `AA C5 ...`, for which nobody waits.

At the end of its scale, and when its fan has failed, an SDS011 reports 999.9 for PM2.5 or 1999.9 for PM10 (field
reports): then neither counts, for the same air or the same fan makes both.

Settings: `model` ("SDS011", default, or "SDS198"), `mode` (the maker calls "passive" query mode; the sensor keeps its
mode without power) and `warmup` as in `edge.drivers.frames`: 30 s the maker's own duty cycle measures before it reports
(unverified).
"""

from edge.drivers import OverRange
from edge.drivers.frames import FrameDriver, Parser, model

LENGTH = 10  # bytes of a report
PM25_END, PM10_END = 9999, 19999  # tenths of ug/m3
MODELS = {"SDS011": b"\xaa\xc0", "SDS198": b"\xaa\xcf"}


def intact(frame):
    """Return whether a frame has its sum and its tail."""
    return frame[-1] == 0xAB and sum(frame[2:-2]) & 0xFF == frame[-2]


def decode(frame):
    """Return `{"pm25", "pm10"}`, or `{"tsp"}` of an SDS198, in ug/m3."""
    first, second = frame[2] | frame[3] << 8, frame[4] | frame[5] << 8
    if frame[1] == 0xCF:
        return {"tsp": second}
    if first >= PM25_END or second >= PM10_END:
        raise OverRange("at the end of its scale, or the fan stands")
    return {"pm25": first / 10, "pm10": second / 10}


def command(number, action=0, value=0):
    """Return the frame of a command to any sensor."""
    body = bytes((number, action, value)) + bytes(10) + b"\xff\xff"
    return b"\xaa\xb4" + body + bytes((sum(body) & 0xFF, 0xAB))


class Driver(FrameDriver):
    """Waits for the sensor's reports, or asks for them."""

    READ = command(4)
    ACTIVE = command(2, 1, 0)
    PASSIVE = command(2, 1, 1)
    SLEEP = command(6, 1, 0)
    WAKE = command(6, 1, 1)

    def __init__(self, port, settings):
        head = model(settings, MODELS, "SDS011")
        super().__init__(port, settings, Parser({head: LENGTH}, intact))
        self.channels = ("tsp",) if head[1] == 0xCF else ("pm25", "pm10")

    def decode(self, frame):
        """Return the values of a report."""
        return decode(frame)
