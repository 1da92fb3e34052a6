"""Plantower frames as real sensors sent them, and everything a line can do to them.

Frames and values: avaldebe/PyPMS, tests/captured_data (MIT), captured from a PMSx003.
"""

import asyncio
from binascii import unhexlify

from edge.drivers import Silent
from edge.drivers.plantower import Driver, Parser, decode
from tests.edge.helpers import raises

CAPTURED = (
    ("424d001c00000008000800000008000800d20046002d001e00000000970002c5", {"pm1": 0, "pm25": 8, "pm10": 8}),
    ("424d001c00000007000700000007000700bd003f002a001b000000009700029f", {"pm1": 0, "pm25": 7, "pm10": 7}),
    ("424d001c000000050005000000050005008a002e0017000f0000000097000234", {"pm1": 0, "pm25": 5, "pm10": 5}),
)
FRAMES = [unhexlify(text) for text, _ in CAPTURED]
VALUES = [values for _, values in CAPTURED]


def decoded(parser, data):
    return [decode(payload) for payload in parser.feed(data)]


class Line:
    """A serial line that gives the pieces it was made with, then nothing."""

    def __init__(self, *pieces):
        self._pieces = list(pieces)

    async def receive(self, _most, _timeout):
        if not self._pieces:
            raise Silent("end")
        return self._pieces.pop(0)


def test_captured_frames_decode_to_their_known_values():
    assert decoded(Parser(), b"".join(FRAMES)) == VALUES


def test_cf1_words_are_the_first_three():
    payload = bytes([0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6] + [0] * 14)
    assert decode(payload, cf1=True) == {"pm1": 1, "pm25": 2, "pm10": 3}
    assert decode(payload) == {"pm1": 4, "pm25": 5, "pm10": 6}


def test_frames_in_pieces_of_any_size():
    for size in range(1, 40):
        parser = Parser()
        stream = b"".join(FRAMES)
        got = []
        for i in range(0, len(stream), size):
            got += decoded(parser, stream[i : i + size])
        assert got == VALUES, size


def test_a_lost_byte_costs_one_frame():
    for lost in range(32):
        parser = Parser()
        assert decoded(parser, FRAMES[0][:lost] + FRAMES[0][lost + 1 :] + FRAMES[1] + FRAMES[2]) == VALUES[1:], lost


def test_a_wrong_bit_costs_one_frame():
    for byte in range(32):
        parser = Parser()
        bad = FRAMES[0][:byte] + bytes([FRAMES[0][byte] ^ 0x10]) + FRAMES[0][byte + 1 :]
        assert decoded(parser, bad + FRAMES[1]) == VALUES[1:2], byte


def test_garbage_that_looks_like_a_head_is_passed_over():
    parser = Parser()
    assert decoded(parser, b"\x42\x4d\x42\x42\x4d\x00\x1c\x01" + FRAMES[0] + FRAMES[1]) == VALUES[:2]
    assert parser.rejected == 1


def test_the_driver_gives_one_frame_at_a_time_and_counts_what_it_refused():
    bad = FRAMES[0][:-1] + b"\x00"
    driver = Driver(Line(FRAMES[0] + FRAMES[1][:10], FRAMES[1][10:], bad, FRAMES[2]), {})

    async def run():
        assert await driver.sample() == VALUES[0]
        assert await driver.sample() == VALUES[1]
        try:
            await driver.sample()
            raise AssertionError("a bad checksum passed")
        except Silent:
            assert driver.rejected == 1
        assert await driver.sample() == VALUES[2]

    asyncio.run(run())
    raises(Silent, lambda: asyncio.run(driver.sample()))
