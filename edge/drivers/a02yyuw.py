"""DFRobot A02YYUW, and others that talk as it does (ME007YS): ultrasonic distance over a serial line.

Source: the maker's pages (wiki.dfrobot.com, SEN0311; read, P): 9600 8N1; `FF`, the distance in mm with the high byte
first, the low byte of the sum of these three. It reports by itself, every 100 to 300 ms while its RX floats or is
high, as a board's transmitter leaves it. Blind zone 3 cm, range 450 cm. The maker's example takes 30 mm and less for
"below the lower limit" (S); what it says without an echo is not known (U): only what lies within the range counts.

It is not corrected for temperature here: it measures no time, but tells a distance, and its maker does not say at which
speed of sound (U). At 340 m/s, 10 degrees are 1.8 % of the distance.

Settings: `empty_mm` and `full_mm` as in `edge.drivers.echo`.
"""

from edge.drivers import Silent, late
from edge.drivers.echo import Range
from edge.drivers.frames import Parser
from edge.monotonic import ticks_ms

BLIND, FARTHEST = 30, 4500  # mm
NOISE = 256  # bytes without a frame, after which what comes is no sensor's talk
TIMEOUT = 3  # s without a byte


def intact(frame):
    """Return whether a frame has its sum; a high byte of FF is the beginning of another frame."""
    return frame[1] != 0xFF and sum(frame[:3]) & 0xFF == frame[3]


class Driver:
    """Listens for the next report each time the agent asks: an interval needs no more of them."""

    PACED = False

    def __init__(self, port, settings):
        self._port = port
        self._parser = Parser({b"\xff": 4}, intact)
        self._range = Range(settings, BLIND, FARTHEST)
        self.channels = self._range.channels

    @property
    def rejected(self):
        """Frames refused since the start."""
        return self._parser.rejected

    async def sample(self):
        """Return the next report's values; see the package for errors."""
        self._port.distrust()
        self._parser.forget()
        await self._port.send(b"")  # it throws away what came since the last sample
        heard = 0
        began = ticks_ms()
        while heard < NOISE and not late(began):
            data = await self._port.receive(64, TIMEOUT)
            heard += len(data)
            frames = self._parser.feed(data)
            if frames:
                frame = frames[-1]
                return self._range.values(frame[1] << 8 | frame[2])
        raise Silent("no frame in %d bytes" % heard)
