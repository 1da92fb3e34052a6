"""What the tests of the board's network and lines need, the same on both interpreters: servers on loopback."""

import asyncio
import socket

from edge import resolver_host
from edge.port import close


class Udp:
    """A server at `ip` that answers each datagram with what `answer(question)` returns: bytes, several, or None."""

    def __init__(self, answer, ip="127.0.0.1", port=0):
        self.asked = []
        self._answer = answer
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for place in [port] if port else range(42200, 42400):
            try:
                self._socket.bind(resolver_host.address(ip, place))
                self.port = place
                break
            except OSError:
                pass  # taken
        self._socket.setblocking(False)
        self._task = asyncio.create_task(self._serve())

    async def _serve(self):
        while True:
            await asyncio.sleep(0.005)
            try:
                question, who = self._socket.recvfrom(512)
            except OSError:
                continue
            self.asked.append(question)
            told = self._answer(question)
            for datagram in told if isinstance(told, list) else [told]:
                if datagram is not None:
                    self._socket.sendto(datagram, who)

    def close(self):
        self._task.cancel()
        self._socket.close()


class Noise:
    """A device server whose line is never quiet: it says something again and again, whatever it is asked."""

    def __init__(self, said, pause):
        self._said, self._pause = said, pause
        self._server = None
        self._heard_by = 0
        self.port = 0

    async def start(self):
        """Listen at the first port that is free; MicroPython cannot tell which one port 0 became."""
        for port in range(42400, 42600):
            try:
                self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)
            except OSError:
                continue
            self.port = port
            return

    async def _serve(self, _reader, writer):
        self._heard_by += 1
        try:
            while True:
                writer.write(self._said)
                await writer.drain()
                await asyncio.sleep(self._pause)
        except OSError:
            pass  # it has hung up
        await close(writer)
        self._heard_by -= 1

    async def stop(self):
        """Listen no more; return when everybody has hung up."""
        self._server.close()
        while self._heard_by:
            await asyncio.sleep(0.01)


def outcome(work):
    """Return what awaiting `work` gave, or the text of the OSError that it raised."""

    async def run():
        try:
            return await work
        except OSError as error:
            return str(error)

    return run()
