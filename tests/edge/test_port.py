"""A serial line that never falls silent, over a real connection: whoever asks there is told of it, and soon."""

import asyncio

from edge import drivers
from edge.drivers import Silent, a02yyuw, modbus, plantower, sps30, winsen
from edge.port import Port, close
from tests.edge.net import Noise

TRANSMITTER = {"address": 1, "registers": [{"channel": "laf", "register": 0, "scale": 0.1}]}
FLOOD = b"\x00\x55" * 8, 0.002  # what comes, and the s until it comes again
DRIP = b"\x55", 0.1
PATIENCE = 8  # s; whom the flood holds up never comes back, at the drip it takes 25 s and more
DRIVERS = (
    (a02yyuw.Driver, {}),
    (modbus.Driver, TRANSMITTER),
    (plantower.Driver, {}),
    (plantower.Driver, {"mode": "passive"}),
    (winsen.Driver, {"mode": "passive"}),
    (sps30.Driver, {}),
)


class Board:
    """A board with one line, to a port of this machine."""

    def __init__(self, port):
        self._port = port
        self.opened = 0

    async def open_serial(self, _spec):
        self.opened += 1
        return await asyncio.open_connection("127.0.0.1", self._port)


def at_noise(noise, *works):
    """Return what awaiting each `work(port, board)` gave, all at once, each at a line of its own with this noise."""

    async def one(line, work):
        board = Board(line.port)
        port = Port(board, "uart:1:9600:rx=16:tx=17")
        try:
            return await asyncio.wait_for(work(port, board), PATIENCE)
        finally:
            await close(port._stream[1])

    async def run():
        line = Noise(*noise)
        await line.start()
        try:
            return await asyncio.gather(*[one(line, work) for work in works])
        finally:
            await line.stop()

    return asyncio.run(run())


def sampling(driver, settings):
    async def work(port, _board):
        try:
            await driver(port, settings).sample()
        except Silent as error:
            return str(error)

    return work


def test_a_question_is_asked_though_the_line_is_never_quiet():
    async def work(port, board):
        for _ in range(2):
            port.distrust()
            await port.send(b"question")
            assert await port.receive(64, 1)
        return board.opened

    assert at_noise(FLOOD, work) == [1]  # the line is as good as before


def test_every_driver_tells_of_a_flood_instead_of_waiting_for_its_end():
    for told in at_noise(FLOOD, *[sampling(*one) for one in DRIVERS]):
        assert told, "a sample was made of noise"
        assert "bytes" in told, told


def test_every_driver_tells_of_a_drip_instead_of_waiting_until_it_is_enough_bytes():
    before = drivers.LONGEST
    drivers.LONGEST = 0.5
    try:
        for told in at_noise(DRIP, *[sampling(*one) for one in DRIVERS]):
            assert told, "a sample was made of noise"
            assert "bytes" in told, told
    finally:
        drivers.LONGEST = before
