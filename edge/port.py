"""A sensor's serial line: opens by itself, and again after it broke."""

import asyncio

from edge.drivers import Silent
from edge.monotonic import ticks_diff, ticks_ms

MOST_STALE = 300  # ms for throwing away what is older than a question: noise without end must hold nobody up


async def close(writer):
    """Close a stream now: on MicroPython it is wait_closed() that closes."""
    writer.close()
    try:
        await writer.wait_closed()
    except OSError:
        pass  # it was broken already


class Port:
    """The line that `spec` names; how to open it is the board's business (`open_serial`).

    Sensors on one bus share one Port and hold its `lock` while they ask and listen.
    """

    def __init__(self, board, spec):
        self._board = board
        self._spec = spec
        self._stream = None
        self._stale = False
        self.lock = asyncio.Lock()

    async def receive(self, most, timeout):
        """Return 1 to `most` bytes; raise Silent when none came for `timeout` seconds or the line broke."""
        try:
            reader, _ = await self._open()
            data = await asyncio.wait_for(reader.read(most), timeout)
        except asyncio.TimeoutError:
            self.distrust()
            raise Silent("nothing for %s s" % timeout) from None
        except OSError as error:
            await self._lost()
            raise Silent("line broken: %s" % error) from None
        if not data:
            await self._lost()
            raise Silent("line closed")
        return data

    async def send(self, data):
        """Write `data`; raise Silent when the line is broken."""
        try:
            _, writer = await self._open()
            if self._stale:
                self._stale = False
                await self._drain_input()
            writer.write(data)
            await writer.drain()
        except OSError as error:
            await self._lost()
            raise Silent("line broken: %s" % error) from None

    def distrust(self):
        """Throw away what has come before the next question: it may answer an older one.

        On a line that is never quiet for 20 ms this ends after MOST_STALE; who then listens finds no frame in noise.
        """
        self._stale = True

    async def _drain_input(self):
        reader, _ = await self._open()
        began = ticks_ms()
        try:
            while ticks_diff(ticks_ms(), began) < MOST_STALE and await asyncio.wait_for(reader.read(64), 0.02):
                pass
        except asyncio.TimeoutError:
            pass

    async def _open(self):
        if self._stream is None:
            self._stream = await self._board.open_serial(self._spec)
        return self._stream

    async def _lost(self):
        stream, self._stream = self._stream, None
        if stream:
            await close(stream[1])
        await asyncio.sleep(0.5)  # a device server that is away would be asked without pause
