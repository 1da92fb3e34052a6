"""A serial line that never falls silent, over a real connection: whoever asks there is told of it, and soon."""

import asyncio

from edge.drivers import Silent, a02yyuw, modbus, plantower, sps30, winsen
from edge.port import Port, close
from tests.edge.net import Noise

TRANSMITTER = {"address": 1, "registers": [{"channel": "laf", "register": 0, "scale": 0.1}]}
PATIENCE = 20  # s; whom noise holds up never comes back at all


class Board:
    """A board with one line, to a port of this machine."""

    def __init__(self, port):
        self._port = port
        self.opened = 0

    async def open_serial(self, _spec):
        self.opened += 1
        return await asyncio.open_connection("127.0.0.1", self._port)


def at_noise(work):
    """Return what awaiting `work(port, board)` gave, at a line on which something comes all the time."""

    async def run():
        line = Noise()
        await line.start()
        board = Board(line.port)
        port = Port(board, "uart:1:9600:rx=16:tx=17")
        try:
            return await asyncio.wait_for(work(port, board), PATIENCE)
        finally:
            await close(port._stream[1])
            await line.stop()

    return asyncio.run(run())


def test_a_question_is_asked_though_the_line_is_never_quiet():
    async def work(port, board):
        for _ in range(2):
            port.distrust()
            await port.send(b"question")
            assert await port.receive(64, 1)
        return board.opened

    assert at_noise(work) == 1  # the line is as good as before


def test_every_driver_that_asks_tells_of_the_noise_instead_of_waiting_for_its_end():
    for driver, settings in (
        (a02yyuw.Driver, {}),
        (modbus.Driver, TRANSMITTER),
        (plantower.Driver, {"mode": "passive"}),
        (winsen.Driver, {"mode": "passive"}),
        (sps30.Driver, {}),
    ):

        async def work(port, _board, driver=driver, settings=settings):
            try:
                await driver(port, settings).sample()
            except Silent as error:
                return str(error)

        told = at_noise(work)
        assert told, driver
        assert "bytes" in told, told
