"""Stands for the two wires of a sensor that answers a trigger with a pulse, see pulse_esp32.py: a TCP connection.

One byte is the trigger; the answer is the width of the pulse in us as decimal digits and a line's end, or -1, -2, -3.
"""

from edge.drivers import Silent
from edge.port import Port

MOST = 16  # bytes of an answer


class Pulse:
    """The wires at `tcp:HOST:PORT`."""

    def __init__(self, board, place):
        self._line = Port(board, place)

    async def ping(self):
        """Return the width of the pulse in us, or what stands in its place; raise Silent without an answer."""
        self._line.distrust()
        await self._line.send(b"!")
        heard = b""
        while not heard.endswith(b"\n") and len(heard) < MOST:
            heard += await self._line.receive(MOST, 1)
        try:
            return int(heard)
        except ValueError:
            raise Silent("no width of a pulse: %r" % heard) from None
