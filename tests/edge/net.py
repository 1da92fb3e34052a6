"""What the tests of the board's network need, the same on both interpreters: servers over UDP on loopback."""

import asyncio
import socket

from edge import resolver_host


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


def outcome(work):
    """Return what awaiting `work` gave, or the text of the OSError that it raised."""

    async def run():
        try:
            return await work
        except OSError as error:
            return str(error)

    return run()
