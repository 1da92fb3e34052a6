"""A terminal that drives in circles and reports by JT/T 808, as those in the field do.

It registers, proves itself with its code, sends what it has until the hub has acknowledged each fix (8001), what was
not heard again in batches (0704), the longest of them in parts, and answers requests for parts (8003).
"""

import asyncio
import contextlib
import datetime as dt
import math
import random
import time
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

from hub.process.together import until_one_ends
from hub.wire.jt808 import Content, Frame, Header, Item, Position, Splitter, parts, read
from hub.wire.jt808.bodies import batches
from hub.wire.jt808.position import digits_of

AGAIN = 0.2  # s until it connects again
TIMEOUT = 15.0  # s for an answer; then all that waits is sent again
WINDOW = 16
"""Messages that are sent before the first is acknowledged."""
BATCH = 20
"""So many fixes that wait go in one batch."""
LONGEST = 3000
"""Bytes of a batch: what is longer than 1023 goes in parts."""
HEARTBEAT = 30.0  # s
RADIUS = 0.02
"""Of its circle, degrees."""

FAULTS: Mapping[str, str] = {
    "checksum": "one frame of ten has a wrong checksum",
    "part": "one part of five is not sent by itself",
    "twice": "every fix is sent twice",
    "no_fix": "one fix of ten has no position",
}


class Account(NamedTuple):
    """What became of what a terminal made: fixes."""

    made: int
    acknowledged: int
    waiting: int


class _Sent(NamedTuple):
    """A message that waits for its answers: fixes in it, and its frames that are not acknowledged, by serial."""

    fixes: tuple[int, ...]
    frames: dict[int, bytes]
    all: dict[int, bytes]


class SimTerminal:
    """One terminal. `clock` gives Unix time [s]; `seed` makes its way. `code`: None: whatever the hub tells it."""

    def __init__(
        self,
        port: int,
        phone: str,
        code: str | None = None,
        *,
        host: str = "127.0.0.1",
        newer: bool = False,
        plate: str = "粤A00001",
        faults: Collection[str] = (),
        clock: Callable[[], float] = time.time,
        seed: int = 0,
    ) -> None:
        self._host, self._port = host, port
        self._phone, self._code, self._newer, self._plate = phone, code, newer, plate
        self._faults = frozenset(faults)
        self._clock = clock
        self._dice = random.Random(f"{phone} {seed}")  # noqa: S311 - a way through the city
        self._centre = 23.0 + self._dice.random() / 5, 113.0 + self._dice.random() / 5
        self._serial = self._dice.randrange(0x10000)
        self._fixes: dict[int, bytes] = {}
        self._unsent: dict[int, None] = {}
        self._flying: list[_Sent] = []
        self._some = asyncio.Event()
        self.acknowledged: set[int] = set()
        """Times (Unix s) of the fixes that the hub has said (8001) that it has."""

    def account(self) -> Account:
        """Return how it stands."""
        return Account(len(self._fixes), len(self.acknowledged), len(self._unsent))

    def fixes(self) -> dict[int, bytes]:
        """Return all that it made: by time (Unix s) the body of its 0200."""
        return dict(self._fixes)

    def make(self, t: int) -> None:
        """Make the fix of a moment (Unix s)."""
        angle, (lat, lon) = t / 300, self._centre
        status = 3 | (0b11 << 8 if t // 1800 % 2 else 0)
        if "no_fix" in self._faults and t % 10 == 0:
            status &= ~2
        place = round((lat + RADIUS * math.sin(angle)) * 1e6), round((lon + RADIUS * math.cos(angle)) * 1e6)
        when = digits_of(dt.datetime.fromtimestamp(t, dt.UTC))
        heading = round(math.degrees(math.atan2(-math.sin(angle), math.cos(angle)))) % 360
        items = Item(1, (t % 0xFFFFFF).to_bytes(4)), Item(0x31, bytes((self._dice.randint(6, 14),)))
        speed = self._dice.randint(200, 500)
        self.add(t, Position(0, status, *place, 12, speed, heading, when, items).encode())

    def add(self, t: int, body: bytes) -> None:
        """Take the body of the 0200 of a moment (Unix s) as its own."""
        self._fixes[t] = body
        self._unsent[t] = None
        self._some.set()

    async def drive(self, every: float = 10.0, step: int = 10) -> None:
        """Make fix after fix; `every`: real seconds from one to the next, `step`: those of its own clock."""
        t = int(self._clock())
        while True:
            self.make(t)
            t += step
            await asyncio.sleep(every)

    async def run(self) -> None:
        """Send and answer, over one connection after the other, until cancelled."""
        while True:
            with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
                reader, writer = await asyncio.open_connection(self._host, self._port)
                try:
                    await self._talk(_Line(reader, writer))
                finally:
                    writer.close()
            self._flying.clear()
            await asyncio.sleep(AGAIN)

    async def _talk(self, line: "_Line") -> None:
        async with asyncio.timeout(TIMEOUT):
            if self._code is None:
                await self._register(line)
            line.say(self._frames(0x0102, self._authentication()))
            if not await self._accepted(line, 0x0102):
                return
        await until_one_ends(self._listen(line), self._send(line))

    async def _register(self, line: "_Line") -> None:
        content = Content.make(
            0x0100,
            2019 if self._newer else 2013,
            province=44,
            city=101,
            maker="SIMUL",
            model="CIRCLE",
            terminal=self._phone[-7:],
            colour=2,
            plate=self._plate,
        )
        line.say(self._frames(0x0100, content.encode()))
        while True:
            content = (await line.hear()).content
            if content.message == 0x8100:
                if content.number("result"):
                    raise ConnectionResetError
                self._code = content.text("code")
                return

    def _authentication(self) -> bytes:
        code = self._code or ""
        if self._newer:
            return Content.make(0x0102, 2019, code=code, imei=self._phone.rjust(15, "0")[-15:], software="1").encode()
        return Content.make(0x0102, code=code).encode()

    async def _accepted(self, line: "_Line", message: int) -> bool:
        while True:
            content = (await line.hear()).content
            if content.message == 0x8001 and content.number("message") == message:
                return content.number("result") == 0

    async def _send(self, line: "_Line") -> None:
        while True:
            flying = {t for one in self._flying for t in one.fixes}
            waiting = [t for t in self._unsent if t not in flying]
            while waiting and len(self._flying) < WINDOW:
                if len(waiting) < BATCH:
                    group, message, body = waiting[:1], 0x0200, self._fixes[waiting[0]]
                else:
                    several = batches([self._fixes[t] for t in waiting], LONGEST)[0]
                    group, message = waiting[: len(several)], 0x0704
                    body = Content.make(0x0704, kind=1, bodies=several).encode()
                waiting = waiting[len(group) :]
                frames = self._frames(message, body)
                for _ in range(2 if "twice" in self._faults else 1):
                    line.say({serial: one for serial, one in frames.items() if not self._left_out(frames)})
                self._flying.append(_Sent(tuple(group), dict(frames), frames))
            await line.drain()
            self._some.clear()
            before = len(self.acknowledged)
            try:
                async with asyncio.timeout(TIMEOUT if self._flying else HEARTBEAT):
                    await self._some.wait()
            except TimeoutError:
                if before == len(self.acknowledged):
                    self._flying.clear()  # all of it once more
                line.say(self._frames(0x0002, b""))

    def _left_out(self, frames: Mapping[int, bytes]) -> bool:
        return "part" in self._faults and len(frames) > 1 and self._dice.random() < 0.2

    async def _listen(self, line: "_Line") -> None:
        while True:
            frame = await line.hear()
            content = frame.content
            if content.message == 0x8001 and content.number("result") == 0:
                self._heard(content.number("serial"), content.number("message"))
            elif content.message == 0x8003:
                self._send_again(line, content)
            elif content.message in {0x8103, 0x8104, 0x8300}:
                header = frame.header
                assert header is not None
                values = {"serial": header.serial, "message": content.message, "result": 3}
                line.say(self._frames(0x0001, Content.make(0x0001, **values).encode()))

    def _heard(self, serial: int, message: int) -> None:
        if message not in {0x0200, 0x0704}:
            return
        for sent in [*self._flying]:
            if sent.frames.pop(serial, None) is not None and not sent.frames:
                self._flying.remove(sent)
                self.acknowledged.update(sent.fixes)
                for t in sent.fixes:
                    self._unsent.pop(t, None)
                self._some.set()
                return

    def _send_again(self, line: "_Line", content: Content) -> None:
        first, numbers = content.number("serial"), content.values["parts"]
        assert isinstance(numbers, tuple)
        for sent in self._flying:
            if first in sent.all:
                serials = [(first + number - 1) & 0xFFFF for number in numbers if isinstance(number, int)]
                line.say({serial: sent.all[serial] for serial in serials if serial in sent.all})

    def _frames(self, message: int, body: bytes) -> dict[int, bytes]:
        """Return the frames of a message by their serials."""
        header = Header(message, self._phone, (self._serial + 1) & 0xFFFF, 1 if self._newer else None)
        frames = list(parts(header, body))
        self._serial = (self._serial + len(frames)) & 0xFFFF
        if "checksum" in self._faults and message in {0x0200, 0x0704}:
            frames = [_spoilt(one) if self._dice.random() < 0.1 else one for one in frames]
        return {(header.serial + number) & 0xFFFF: one for number, one in enumerate(frames)}


class _Line:
    """A connection, in frames."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._splitter = Splitter()
        self._waiting: list[Frame] = []

    def say(self, frames: Mapping[int, bytes]) -> None:
        """Send frames.

        Raises:
            ConnectionResetError: nobody hears them.
        """
        if self._writer.is_closing():
            raise ConnectionResetError
        self._writer.write(b"".join(frames.values()))

    async def drain(self) -> None:
        """Wait until they are on their way."""
        await self._writer.drain()

    async def hear(self) -> Frame:
        """Return the next frame of the hub's.

        Raises:
            ConnectionResetError: nothing more comes.
        """
        while not self._waiting:
            data = await self._reader.read(65_536)
            if not data:
                raise ConnectionResetError
            self._waiting += [read(piece.raw) for piece in self._splitter.feed(data) if not piece.junk]
        return self._waiting.pop(0)


def _spoilt(frame: bytes) -> bytes:
    """Return a frame whose last byte before the mark is another one, and no mark and no escape."""
    return frame[:-2] + (b"\x01" if frame[-2:-1] != b"\x01" else b"\x03") + frame[-1:]
