"""I2S microphones such as ICS-43434 and INMP441: sound levels by edge/acoustics.py, one sample each 125 ms.

The port is a stream with `async readinto(buffer)` that gives the samples of one channel, as a machine.I2S in MONO
format does inside asyncio.StreamReader. Its `ibuf` should hold 100 ms (12800 bytes at 32 bits): so long may other tasks
and the garbage collector keep the driver from reading.

Channels, all A-weighted: `laeq` of the 125 ms; `lafmax`, `lafmin` and, at their end, `laf` with time weighting F.

Settings:
- `rate`: 32000, samples/s; the weighting is made for no other.
- `bits`: 32 (default) or 16, as the port delivers. The rounding to 16 bits alone is a noise of 22 dB.
- `sensitivity`: dB SPL of a full-scale sine, default 120 (-26 dBFS at 94 dB). Capsules differ by +-1 dB (ICS-43434) to
  +-3 dB (INMP441): what a 94 dB calibrator reads too low is to be added.
"""

import asyncio

from edge.acoustics import FULL_SCALE_SINE, RATE, Meter, widen
from edge.drivers import Faulty, OverRange, Silent, Warming

CHUNK = 800  # samples in memory: 25 ms, a fifth of a block
SETTLING = 8  # blocks after a start: capsule, filters and F need most of a second
LEAST = 0  # dB: no microphone is so quiet; a line that is stuck or not connected is
_CALL_AGAIN = 0.005  # s


class Overloaded(OverRange):
    """The sound was beyond what the microphone can measure: it was as loud as `least` says, or louder."""

    def __init__(self, least):
        super().__init__("samples at full scale")
        self.least = least


class Driver:
    """Reads the microphone's samples as they come."""

    BUS = "i2s"
    PACED = True
    TIMEOUT = 2  # s for the samples of 125 ms

    channels = ("laeq", "lafmax", "lafmin", "laf")
    rejected = 0  # samples have no checksum

    def __init__(self, port, settings):
        rate = settings.get("rate", RATE)
        if rate != RATE:
            raise ValueError("sensor '%s': rate %s: expected %d" % (settings.get("name"), rate, RATE))
        self._bits = settings.get("bits", 32)
        if self._bits not in (16, 32):
            raise ValueError("sensor '%s': bits %s: expected 16 or 32" % (settings.get("name"), self._bits))
        self._port = port
        self._meter = Meter(settings.get("sensitivity", FULL_SCALE_SINE))
        self._buffer = memoryview(bytearray(4 * CHUNK))
        self._wanted = CHUNK * self._bits // 8
        self._have = 0
        self._settling = SETTLING

    async def sample(self):
        """Return the levels of the next 125 ms; see the package and `Overloaded` for errors."""
        try:
            block = await asyncio.wait_for(self._block(), self.TIMEOUT)
        except asyncio.TimeoutError:
            self._restart()
            raise Silent("no samples for %s s" % self.TIMEOUT) from None
        except OSError as error:
            self._restart()
            await asyncio.sleep(self.TIMEOUT)  # a port that fails at once would be asked without pause
            raise Silent("port broken: %s" % error) from None
        if self._settling:
            self._settling -= 1
            raise Warming("settling")
        if block.pop("overload"):
            raise Overloaded(block)
        if block["laeq"] < LEAST:
            raise Faulty("%.0f dB: no microphone is so quiet; check its wires" % block["laeq"])
        return block

    async def _block(self):
        while True:
            while self._have < self._wanted:
                # A slice of the buffer only after a read that was cut short.
                buffer = self._buffer[self._have : self._wanted] if self._have or self._bits == 16 else self._buffer
                got = await self._port.readinto(buffer)
                self._have += got or 0
                if not got:
                    await asyncio.sleep(_CALL_AGAIN)
            self._have = 0
            if self._bits == 16:
                widen(self._buffer, CHUNK)
            blocks = self._meter.feed(self._buffer, CHUNK)
            if blocks:
                return blocks[0]

    def _restart(self):
        # What was read before a gap does not continue after it.
        self._have = 0
        self._settling = SETTLING
