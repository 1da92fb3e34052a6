"""Plantower PMS5003, PMS7003, PMSA003: dust by light scattering, active mode (PMS7003 manual V2.5, appendix A).

9600 8N1. About once a second the sensor sends 32 bytes: `42 4D`, length (28), 13 words, sum of all bytes before; all
words big-endian. Words 1-3 are PM1, PM2.5 and PM10 in ug/m3 with CF=1, words 4-6 the same "under atmospheric
environment". The manual wants CF=1 in factories; outdoors the atmospheric words are the usual ones.

Settings: `cf1` (true: report words 1-3).
"""

from edge.drivers import Silent

FRAME = 32  # bytes
_HEAD = b"\x42\x4d\x00\x1c"


class Parser:
    """Finds frames in a stream of bytes, whatever was lost or added on the way."""

    def __init__(self):
        self._buffer = b""
        self.rejected = 0

    def feed(self, data):
        """Take received bytes; return the payloads (13 words as bytes) of the whole frames, oldest first."""
        buffer = self._buffer + data
        frames = []
        while True:
            start = buffer.find(_HEAD)
            if start < 0:
                # The beginning of a head may stand at the very end.
                buffer = buffer[-(len(_HEAD) - 1) :]
                break
            if len(buffer) - start < FRAME:
                buffer = buffer[start:]
                break
            frame = buffer[start : start + FRAME]
            if sum(frame[:-2]) == (frame[-2] << 8) | frame[-1]:
                frames.append(frame[4:-2])
                buffer = buffer[start + FRAME :]
            else:
                # Not the frame it seemed: the true one may begin inside it.
                self.rejected += 1
                buffer = buffer[start + 1 :]
        self._buffer = buffer
        return frames


def decode(payload, cf1=False):
    """Return `{"pm1", "pm25", "pm10"}` in ug/m3 of a frame's payload."""
    first = 0 if cf1 else 6
    pm1, pm25, pm10 = [(payload[i] << 8) | payload[i + 1] for i in range(first, first + 6, 2)]
    return {"pm1": pm1, "pm25": pm25, "pm10": pm10}


class Driver:
    """Waits for the sensor's frames."""

    PACED = True
    TIMEOUT = 3  # s without a frame; the sensor sends one each 0.2 to 1.0 s

    channels = ("pm1", "pm25", "pm10")

    def __init__(self, port, settings):
        self._port = port
        self._cf1 = settings.get("cf1", False)
        self._parser = Parser()
        self._waiting = []

    @property
    def rejected(self):
        """Frames refused since the start."""
        return self._parser.rejected

    async def sample(self):
        """Return the oldest frame not yet returned; see the package for errors."""
        while not self._waiting:
            rejected = self.rejected
            self._waiting = self._parser.feed(await self._port.receive(FRAME, self.TIMEOUT))
            if self.rejected > rejected and not self._waiting:
                raise Silent("bad checksum")
        return decode(self._waiting.pop(0), self._cf1)
