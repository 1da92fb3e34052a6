"""Sensors that talk in frames: a head that says how long the frame is, and a checksum.

`Parser` finds such frames in a stream of bytes. `FrameDriver` is the driver of a dust sensor that sends them by itself
or when asked, that can sleep, and that needs time to warm up. A maker's driver adds the maker's bytes.
"""

import asyncio
from binascii import hexlify

from edge.drivers import Silent, Warming, late
from edge.monotonic import ticks_diff, ticks_ms


class Parser:
    """Finds frames in a stream of bytes, whatever was lost or added on the way; no good frame is lost with a bad one.

    `lengths`: {head: length of the whole frame in bytes}; `intact(frame)`: whether a frame's checksum is right.
    """

    def __init__(self, lengths, intact):
        self._lengths = lengths
        self._longest_head = max([len(head) for head in lengths])
        self._intact = intact
        self._buffer = b""
        self.rejected = 0

    def feed(self, data):
        """Take received bytes; return the whole frames, oldest first."""
        buffer = self._buffer + data
        frames = []
        while True:
            start, length = self._find(buffer)
            if start < 0:
                # The beginning of a head may stand at the very end.
                buffer = buffer[-(self._longest_head - 1) :]
                break
            if len(buffer) < start + length:
                buffer = buffer[start:]
                break
            frame = buffer[start : start + length]
            if self._intact(frame):
                frames.append(frame)
                buffer = buffer[start + length :]
            else:
                # Not the frame it seemed: the true one may begin inside it.
                self.rejected += 1
                buffer = buffer[start + 1 :]
        self._buffer = buffer
        return frames

    def forget(self):
        """Drop the beginning of a frame that has come so far."""
        self._buffer = b""

    def _find(self, buffer):
        first, length = -1, 0
        for head in self._lengths:
            at = buffer.find(head)
            if at >= 0 and (first < 0 or at < first):
                first, length = at, self._lengths[head]
        return first, length

    def hint(self, data):
        """Return how a frame of no known length begins in bytes in which none was found."""
        for head in self._lengths:
            at = data.find(head[:2])
            if at >= 0:
                return ", one begins " + hexlify(data[at : at + 4]).decode().upper()
        return ""


WARMUP = 30  # s, until fan and laser have settled and the values are those of the air


class Warmup:
    """The time a sensor needs after it was switched on, on a clock that nobody sets."""

    def __init__(self, seconds):
        self._length = int(seconds * 1000)  # ms
        self.restart()

    def restart(self):
        """The sensor was switched on just now."""
        self._since = ticks_ms()
        self._over = False

    def check(self):
        """Raise Warming until the time is over."""
        # The chip's clock comes round: what seems to lie in the future began long ago.
        if not self._over and not 0 <= ticks_diff(ticks_ms(), self._since) < self._length:
            self._over = True
        if not self._over:
            raise Warming("warming up")


def model(settings, models, default):
    """Return what `models` holds under the setting `model`."""
    chosen = settings.get("model", default)
    if chosen not in models:
        names = ", ".join(sorted(models))
        raise ValueError("sensor '%s': model '%s': expected one of %s" % (settings.get("name"), chosen, names))
    return models[chosen]


class FrameDriver:
    """What the dust sensors' drivers share.

    Settings: `mode` ("active", default: the sensor reports by itself; "passive": it is asked for each sample) and
    `warmup` (s after start and wake during which samples are flagged as maintenance; default 30; 0: none).

    A sensor that falls silent is woken and told its mode again before the next sample: it may have been without power,
    or come from another board that had left it asleep or in the other mode. Its warm-up then begins again.
    """

    READ = ACTIVE = PASSIVE = SLEEP = WAKE = b""  # the maker's commands
    TIMEOUT = 3  # s without a byte from an active sensor; they report about once a second
    ANSWER = 1  # s for the answer of a passive sensor
    PAUSE = 0.1  # s between two commands
    NOISE = 256  # bytes without a frame, after which what comes is no sensor's talk

    channels = ()  # type: tuple

    def __init__(self, port, settings, parser):
        self.PACED = settings.get("mode", "active") == "active"
        self._port = port
        self._parser = parser
        self._warmup = Warmup(settings.get("warmup", WARMUP))
        self._waiting = []
        self._told = self.PACED  # an active sensor is one as it comes from the factory
        self._asleep = False

    @property
    def rejected(self):
        """Frames refused since the start."""
        return self._parser.rejected

    def decode(self, frame):
        """Return `{channel: value}` of a frame; every maker's driver has its own."""
        raise NotImplementedError

    async def sample(self):
        """Return the oldest frame's values not yet returned, or those asked for; see the package for errors."""
        if self._asleep:
            await asyncio.sleep(1)  # nobody else sets the pace now
            raise Warming("asleep")
        if not self._told:
            await self.wake()
        if not self.PACED:
            # What came unasked is older than the question, or answers a command.
            self._port.distrust()
            self._parser.forget()
            self._waiting = []
            await self._port.send(self.READ)
        await self._listen()
        # Of several answers the last is the one to this question.
        values = self.decode(self._waiting.pop(0 if self.PACED else -1))
        self._warmup.check()
        return values

    async def sleep(self):
        """Switch laser and fan off until `wake`; their life is what ends first in such a sensor."""
        await self._port.send(self.SLEEP)
        self._asleep = True

    async def wake(self):
        """Switch the sensor on and tell it its mode; it warms up from now."""
        await self._port.send(self.WAKE)
        await asyncio.sleep(self.PAUSE)
        await self._port.send(self.ACTIVE if self.PACED else self.PASSIVE)
        await asyncio.sleep(self.PAUSE)
        self._told = True
        self._asleep = False
        self._warmup.restart()

    async def _listen(self):
        heard = 0
        began = ticks_ms()
        before = data = b""
        while not self._waiting:
            if heard >= self.NOISE or late(began):
                raise Silent("no frame in %d bytes%s" % (heard, self._parser.hint(before + data)))
            before = data
            rejected = self.rejected
            try:
                data = await self._port.receive(64, self.TIMEOUT if self.PACED else self.ANSWER)
            except Silent:
                self._told = False
                raise
            heard += len(data)
            self._waiting = self._parser.feed(data)
            if self.rejected > rejected and not self._waiting:
                raise Silent("bad checksum")
