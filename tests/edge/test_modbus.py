"""Modbus RTU against frames from makers' manuals, and a bus that misbehaves.

Frames: vendor documents as listed in tests/data/ORIGIN.md (wind and dust meters), the noise frames constructed with the
documented register map.
"""

import asyncio
from binascii import unhexlify

from edge.drivers import Faulty, Silent
from edge.drivers.modbus import Driver, answer, crc16, decode, request, runs
from tests.edge.helpers import raises

NOISE = {"address": 1, "registers": [{"channel": "laf", "register": 0, "scale": 0.1}]}


class Bus:
    """A bus that answers each request with the next of the given pieces (a list each), then with silence."""

    def __init__(self, *answers):
        self.lock = asyncio.Lock()
        self.sent = []
        self._answers = list(answers)
        self._pieces = []

    async def send(self, data):
        self.sent.append(data)
        self._pieces = self._answers.pop(0) if self._answers else []

    async def receive(self, _most, _timeout):
        if not self._pieces:
            raise Silent("nothing")
        return self._pieces.pop(0)

    def distrust(self):
        pass


def sample(bus, settings=NOISE):
    return asyncio.run(Driver(bus, settings).sample())


def test_requests_are_those_of_the_manuals():
    assert request(1, 3, 0, 1) == unhexlify("010300000001840a")
    assert request(2, 3, 0, 2) == unhexlify("020300000002c438")
    assert request(1, 4, 1, 1) == unhexlify("010400010001600a")
    assert crc16(b"\x01\x03\x00\x02\x00\x02") == 0xCB65


def test_a_noise_transmitter_reads_tenths_of_a_decibel():
    bus = Bus([unhexlify("01030202817944")])
    assert abs(sample(bus)["laf"] - 64.1) < 1e-4
    assert bus.sent == [unhexlify("010300000001840a")]


def test_an_answer_in_pieces():
    whole = unhexlify("010302034e3880")
    for cut in range(1, len(whole)):
        assert abs(sample(Bus([whole[:cut], whole[cut:]]))["laf"] - 84.6) < 1e-4


def test_registers_that_follow_each_other_are_read_at_once():
    wind = [
        {"channel": "wind_speed", "register": 0, "scale": 0.01},
        {"channel": "wind_dir", "register": 1, "scale": 0.01},
    ]
    values = sample(Bus([unhexlify("01030400c160ae0273")]), {"address": 1, "registers": wind})
    assert abs(values["wind_speed"] - 1.93) < 1e-4
    assert abs(values["wind_dir"] - 247.5) < 1e-2
    far = runs([{"channel": "a", "register": 8}, {"channel": "b", "register": 0, "kind": "u32"}])
    assert [(first, words) for first, words, _ in far] == [(0, 2), (8, 1)]


def test_kinds_of_registers():
    entries = [{"channel": "tsp", "register": 0, "kind": "u32"}, {"channel": "t", "register": 2, "kind": "s16"}]
    assert decode(unhexlify("00010002ffce"), 0, entries) == {"tsp": 65538, "t": -50}


def test_an_exception_reply_means_that_the_sensor_cannot():
    raises(Faulty, sample, Bus([unhexlify("018302c0f1")]))


def test_silence_and_foreign_or_damaged_answers_are_refused():
    good = unhexlify("01030202817944")
    raises(Silent, sample, Bus())
    for bad in (good[:-1] + b"\x00", b"\x02" + good[1:], good[:3] + b"\xff" + good[4:]):
        driver = Driver(Bus([bad], [good]), NOISE)
        raises(Silent, lambda driver=driver: asyncio.run(driver.sample()))
        assert driver.rejected == 1
        assert abs(asyncio.run(driver.sample())["laf"] - 64.1) < 1e-4  # and it is back in step


def test_an_answer_of_another_length_is_refused():
    raises(ValueError, answer, unhexlify("010304000000427a02"), 1, 3, 1)
