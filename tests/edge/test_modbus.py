"""Modbus RTU against frames from makers' manuals, and a bus that misbehaves.

Frames: vendor documents as listed in tests/data/ORIGIN.md (wind and dust meters), the noise frames constructed with the
documented register map.
"""

import asyncio
from binascii import unhexlify

from edge.drivers import Faulty, Silent
from edge.drivers.modbus import Driver, crc16, decode, request, runs, sealed
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
    for bad in (good[:-1] + b"\x00", sealed(b"\x02" + good[1:-2]), good[:3] + b"\xff" + good[4:]):
        driver = Driver(Bus([bad], [good]), NOISE)
        raises(Silent, lambda driver=driver: asyncio.run(driver.sample()))
        assert driver.rejected == 1
        assert abs(asyncio.run(driver.sample())["laf"] - 64.1) < 1e-4  # and it is back in step


def test_an_answer_of_another_length_address_or_function_is_named():
    for text, told in (
        ("010304000000427a02", "(1, 3, 4), expected (1, 3, 2)"),
        (sealed(b"\x02\x03\x02\x02\x81").hex(), "(2, 3, 2), expected (1, 3, 2)"),
        (sealed(b"\x01\x04\x02\x02\x81").hex(), "(1, 4, 2), expected (1, 3, 2)"),
    ):
        error = raises(Silent, sample, Bus([unhexlify(text)]))
        assert str(error) == "an answer of address, function, bytes " + told


def test_the_right_answer_is_found_behind_a_foreign_one():
    late = sealed(b"\x02\x03\x02\xff\x00")
    assert abs(sample(Bus([late + unhexlify("01030202817944")]))["laf"] - 64.1) < 1e-4


def test_a_receiver_that_hears_the_question_first():
    heard = unhexlify("010300000001840a" + "010302028cb881")
    assert abs(sample(Bus([heard]))["laf"] - 65.2) < 1e-4
    for cut in range(1, len(heard)):
        assert abs(sample(Bus([heard[:cut], heard[cut:]]))["laf"] - 65.2) < 1e-4
    assert str(raises(Silent, sample, Bus([heard[:8]]))) == "nothing", "the echo alone is no answer"


def test_stray_bytes_before_and_behind_an_answer():
    whole = unhexlify("010302028cb881")
    for stray in (b"\x00", b"\xff", b"\x01", b"\x01\x03", b"\x01\x83", b"\x01\x03\x02", bytes(40), b"\xff" * 200):
        assert abs(sample(Bus([stray + whole]))["laf"] - 65.2) < 1e-4, stray
        assert abs(sample(Bus([stray, whole + stray]))["laf"] - 65.2) < 1e-4, stray


def is_none(value):
    return value != value


def test_numbers_by_which_devices_say_that_they_have_none():
    for kind, bits in (
        ("u16", "ffff"),
        ("s16", "7fff"),
        ("s16", "8000"),
        ("u32", "ffffffff"),
        ("s32", "7fffffff"),
        ("s32", "80000000"),
        ("f32", "7fc00000"),
    ):
        values = decode(unhexlify(bits), 0, [{"channel": "laf", "register": 0, "kind": kind, "scale": 0.1}])
        assert is_none(values["laf"]), kind
    entry = {"channel": "pm10", "register": 0, "missing": [9999]}
    assert is_none(decode(unhexlify("270f"), 0, [entry])["pm10"])
    assert decode(unhexlify("270e"), 0, [entry])["pm10"] == 9998


def test_one_register_without_a_value_costs_itself_only():
    both = [{"channel": "laf", "register": 0, "scale": 0.1}, {"channel": "pm10", "register": 1}]
    values = sample(Bus([sealed(b"\x01\x03\x04\xff\xff\x00\x50")]), {"address": 1, "registers": both})
    assert is_none(values["laf"])
    assert values["pm10"] == 80


def test_floats_and_signed_doubles():
    entries = [{"channel": "tsp", "register": 0, "kind": "f32"}, {"channel": "co", "register": 2, "kind": "s32"}]
    values = decode(unhexlify("42f6e979fffffffe"), 0, entries)
    assert abs(values["tsp"] - 123.456) < 1e-3
    assert values["co"] == -2


def test_far_below_its_scale_an_instrument_measures_nothing():
    entry = {"channel": "laf", "register": 0, "scale": 0.1, "range": [30, 130]}
    assert is_none(decode(unhexlify("00f0"), 0, [entry])["laf"])  # 24.0
    assert abs(decode(unhexlify("012b"), 0, [entry])["laf"] - 29.9) < 1e-4
    assert Driver(Bus(), {"address": 1, "registers": [entry]}).ends == {"laf": 130}


class Slow:
    """A device that answers one question after the other, each after `delays` s (then at once): what it holds."""

    def __init__(self, *delays):
        self.lock = asyncio.Lock()
        self._delays = list(delays)
        self._free = 0.0
        self._coming = []  # when, bytes
        self._now = 0.0
        self._stale = False

    async def send(self, data):
        if self._stale:
            self._coming = [answer for answer in self._coming if answer[0] > self._now]
        self._stale = False
        self._free = max(self._free, self._now) + (self._delays.pop(0) if self._delays else 0.03)
        value = 500 if data[2:4] == b"\x00\x00" else 3333
        self._coming.append((self._free, sealed(bytes((2, 3, 2, value >> 8, value & 255)))))

    async def receive(self, _most, timeout):
        if self._coming and self._coming[0][0] <= self._now + timeout:
            when, data = self._coming.pop(0)
            self._now = max(self._now, when)
            return data
        self._now += timeout
        raise Silent("nothing")

    def distrust(self):
        self._stale = True

    def wait(self, until):
        self._now = max(self._now, until)


def test_a_late_answer_costs_its_sample_and_is_never_taken_for_another():
    registers = [
        {"channel": channel, "register": n, "scale": 0.1} for channel, n in (("stack_nox", 0), ("stack_so2", 10))
    ]
    for lateness in (0.4, 0.49, 0.51, 0.7, 0.96, 0.99, 1.01, 1.2, 1.5, 2.3, 3.1, 7.7):
        for which in range(4):
            line = Slow(*([0.03] * which + [lateness]))
            driver = Driver(line, {"address": 2, "registers": registers})
            good = 0
            for second in range(12):
                line.wait(float(second))
                try:
                    values = asyncio.run(driver.sample())
                except Silent:
                    continue
                good += 1
                assert abs(values["stack_nox"] - 50) < 1e-3, (lateness, which, second)
                assert abs(values["stack_so2"] - 333.3) < 1e-3, (lateness, which, second)
            assert good >= 11 - int(lateness), (lateness, which, good)
