"""What a serial line can do to frames, the same for every driver that finds frames in a stream of bytes."""

import asyncio
from binascii import unhexlify

from edge.drivers import Silent

GARBAGE = b"\x00\xff\x42\x4d\xaa\xc0\xff\x86\x42\x42\x4d\x00\x1c\x07\xff\xff\x86\x01\xaa\xaa\xc0\x7d"
"""Noise with the beginnings of every protocol's frames in it."""


def withstand(feeder, frames, values):
    """Assert that whatever happens to the first of `frames`, the others are decoded, and nothing untrue is.

    Args:
        feeder: makes a fresh parser and returns its function: bytes to the list of values decoded.
        frames: at least four good frames, as bytes.
        values: what they decode to.
    """
    stream = b"".join(frames)
    assert feeder()(stream) == values
    _in_pieces_of_every_size(feeder, stream, values)
    rest = b"".join(frames[1:])
    for at in range(len(frames[0])):
        before, byte, behind = frames[0][:at], frames[0][at], frames[0][at + 1 :]
        _back_in_step(feeder, before + behind + rest, values, ("lost byte", at))
        _back_in_step(feeder, before + bytes((byte, byte)) + behind + rest, values, ("doubled byte", at))
        for bit in range(8):
            _back_in_step(feeder, before + bytes((byte ^ 1 << bit,)) + behind + rest, values, ("wrong bit", at, bit))
    for begin in range(len(GARBAGE)):
        assert feeder()(GARBAGE[begin:] + stream) == values, ("garbage before", begin)
        assert feeder()(frames[0] + GARBAGE[begin:] + rest) == values, ("garbage between", begin)
    for begin in range(1, len(frames[0])):
        _back_in_step(feeder, frames[0][begin:] + rest, values, ("listening from the middle", begin))


def _in_pieces_of_every_size(feeder, stream, values):
    for size in range(1, len(stream)):
        feed = feeder()
        got = []
        for start in range(0, len(stream), size):
            got += feed(stream[start : start + size])
        assert got == values, size


def _back_in_step(feeder, stream, values, what):
    """Only the damaged frame may be missing, and nothing is there that was not sent."""
    got = feeder()(stream)
    assert got in (values, values[1:]), what


class Line:
    """A serial line: gives the pieces it was made with, then `answers[bytes sent]`, then nothing."""

    def __init__(self, *pieces, **answers):
        self.lock = asyncio.Lock()
        self.sent = []
        self.pieces = list(pieces)
        self.answers = {unhexlify(sent): answer for sent, answer in answers.get("answers", {}).items()}
        self._stale = False

    async def receive(self, _most, _timeout):
        if not self.pieces:
            raise Silent("nothing")
        await asyncio.sleep(0)
        return self.pieces.pop(0)

    async def send(self, data):
        if self._stale:
            self._stale = False
            self.pieces = []
        self.sent.append(data)
        answer = self.answers.get(data, b"")
        if isinstance(answer, list):  # one after the other
            answer = answer.pop(0) if answer else b""
        if answer:
            self.pieces.append(answer)

    def distrust(self):
        self._stale = True


def sampled(driver, times=1):
    """Return what `times` samples gave: values, or the class of the reason why there are none."""

    async def run():
        got = []
        for _ in range(times):
            try:
                got.append(await driver.sample())
            except Exception as error:  # noqa: BLE001 - the test says which it expects
                got.append(error.__class__)
        return got

    return asyncio.run(run())
