"""Sensirion SPS30 on its UART: PM1, PM2.5 and PM10 by light scattering (data sheet of March 2020, section 5, SHDLC).

115200 8N1; the sensor's pin SEL stays open. A question is `7E`, address 0, command, length, data, checksum, `7E`; the
answer has a state byte after the command. The checksum is the inverted low byte of the sum of what stands between the
delimiters; 7E, 7D, 11 and 13 in there become 7D and the byte with bit 5 inverted. The state's highest bit says that
fan or laser have failed, the others why a command was refused. Values are ten big-endian floats, once a second: PM1,
PM2.5, PM4 and PM10 in ug/m3, numbers of particles, typical size.

Settings: `warmup` (s after start and wake during which samples are flagged as maintenance; default 30: in clean air the
sensor needs that long to settle; 0: until the first value comes).
"""

import asyncio
from struct import unpack

from edge.drivers import Faulty, Silent, Warming, late
from edge.drivers.frames import WARMUP, Warmup
from edge.monotonic import ticks_ms

START, STOP, READ = 0x00, 0x01, 0x03
AS_FLOATS = b"\x01\x03"
WRONG_MOMENT = 0x43  # the state's code for a command that makes no sense now
LONGEST = 256  # bytes between two delimiters; more is no frame
_DELIMITER = b"\x7e"
_STUFFED = b"\x7e\x7d\x11\x13"


def question(command, data=b""):
    """Return the frame that sends a command."""
    body = bytes((0, command, len(data))) + data
    stuffed = bytearray(_DELIMITER)
    for byte in body + bytes((~sum(body) & 0xFF,)):
        if byte in _STUFFED:
            stuffed.append(0x7D)
            stuffed.append(byte ^ 0x20)
        else:
            stuffed.append(byte)
    return bytes(stuffed) + _DELIMITER


def answer(stuffed):
    """Return `(command, state, data)` of what stands between two delimiters, None when it is no whole answer."""
    body = bytearray()
    inverted = 0
    for byte in stuffed:
        if byte == 0x7D and not inverted:
            inverted = 0x20
        else:
            body.append(byte ^ inverted)
            inverted = 0
    if inverted or len(body) < 5 or len(body) != 5 + body[3] or sum(body) & 0xFF != 0xFF:
        return None
    return body[1], body[2], bytes(body[4:-1])


def decode(data):
    """Return `{"pm1", "pm25", "pm10"}` in ug/m3 of a measurement's ten floats."""
    if len(data) != 40:
        raise Faulty("a measurement of %d bytes, expected 40; switch the sensor off and on" % len(data))
    pm1, pm25, _, pm10 = unpack(">4f", data[:16])
    for value in (pm1, pm25, pm10):
        if not 0 <= value < 1e6:
            raise Faulty("a mass concentration of %s ug/m3" % value)
    return {"pm1": pm1, "pm25": pm25, "pm10": pm10}


class Parser:
    """Finds answers in a stream of bytes, whatever was lost or added on the way."""

    def __init__(self):
        self._buffer = b""
        self.rejected = 0
        # What stands in a question as it goes over the line: a receiver that stays on hears it before the answer.
        self.echo = b""

    def feed(self, data):
        """Take received bytes; return the whole answers as `(command, state, data)`, oldest first."""
        pieces = (self._buffer + data).split(_DELIMITER)
        self._buffer = pieces.pop()[-LONGEST:]
        answers = []
        for piece in pieces:
            if piece and piece != self.echo:
                found = answer(piece)
                if found:
                    answers.append(found)
                else:
                    self.rejected += 1
        return answers

    def forget(self):
        """Drop the beginning of an answer that has come so far."""
        self._buffer = b""


class Driver:
    """Starts the sensor and asks for each sample."""

    PACED = False
    ANSWER = 0.5  # s for an answer; the data sheet says 20 ms
    PAUSE = 0.2  # s until it is asked again for a value that is not there yet
    TRIES = 10  # questions without a value after which a sensor that did measure is taken to have stopped

    channels = ("pm1", "pm25", "pm10")

    def __init__(self, port, settings):
        self._port = port
        self._parser = Parser()
        self._warmup = Warmup(settings.get("warmup", WARMUP))
        self._started = False
        self._has_measured = False
        self._asleep = False

    @property
    def rejected(self):
        """Frames refused since the start."""
        return self._parser.rejected

    async def sample(self):
        """Return the next values; see the package for errors."""
        if self._asleep:
            raise Warming("asleep")
        if not self._started:
            await self.wake()
        for _ in range(self.TRIES):
            state, data = await self._ask(READ)
            if state == WRONG_MOMENT:
                self._started = False
                raise Warming("not measuring; it will be started")
            if data:
                values = decode(data)
                self._has_measured = True
                self._warmup.check()
                return values
            if not self._has_measured:
                raise Warming("no value yet")
            await asyncio.sleep(self.PAUSE)
        self._started = False
        raise Silent("no new value")

    async def sleep(self):
        """Stop fan and laser until `wake`; their life is what ends first in such a sensor."""
        await self._ask(STOP)
        self._asleep = True

    async def wake(self):
        """Start fan, laser and measurement; the sensor warms up from now."""
        state, _ = await self._ask(START, AS_FLOATS)
        if state != WRONG_MOMENT:  # else it has been measuring all the while
            self._warmup.restart()
        self._started = True
        self._has_measured = False
        self._asleep = False

    async def _ask(self, command, data=b""):
        async with self._port.lock:  # sleep and wake come from elsewhere than sample
            return await self._converse(command, data)

    async def _converse(self, command, data):
        self._port.distrust()
        self._parser.forget()
        asked = question(command, data)
        self._parser.echo = asked[1:-1]
        await self._port.send(asked)
        rejected = self.rejected
        heard = 0
        began = ticks_ms()
        while heard <= LONGEST and not late(began):
            try:
                received = await self._port.receive(64, self.ANSWER)
            except Silent:
                if self.rejected > rejected:
                    raise Silent("bad checksum") from None
                self._started = False  # it may have been without power
                raise
            heard += len(received)
            for answered, state, values in self._parser.feed(received):
                if answered == command:
                    return self._judged(state), values
        raise Silent("no answer in %d bytes" % heard)

    def _judged(self, state):
        if state & 0x80:
            raise Faulty("fan or laser have failed: clean or change the sensor")
        if state not in (0, WRONG_MOMENT):
            raise Faulty("command refused with code %d" % state)
        return state
