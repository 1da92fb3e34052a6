"""4-20 mA loops by way of a simulated ADS1115 that speaks the data sheet's bytes."""

import asyncio
import time

from edge.drivers import Faulty, OverRange, Silent
from edge.drivers.ads1115 import Driver, configuration
from tests.edge.helpers import raises
from tests.edge.streams import sampled

SHUNT = 150  # ohm
LONGEST_MS = 68.75  # a conversion at 16 a second by an oscillator that is 10 % slow


class Chip:
    """A bus with one chip; `currents` in mA through SHUNT at each input, `stuck`: it never ends a conversion."""

    def __init__(self, currents, address=72, stuck=False):
        self.currents = list(currents)
        self._address = address
        self._stuck = stuck
        self._pointer = 0
        self._registers = {0: b"\x00\x00", 1: b"\x85\x83", 2: b"\x80\x00", 3: b"\x7f\xff"}  # as after power-up
        self._done = None

    def writeto(self, address, buf):
        self._answers(address)
        self._pointer = buf[0]
        if len(buf) == 3 and self._pointer == 1:
            assert self._done is None, "a conversion was disturbed"
            assert buf[1] & 0x80, "nothing was started"
            assert buf[1] & 0x0F == 0x03, "not +-4.096 V and one conversion"
            assert buf[2] == 0x23, "not 16 a second with the comparator off"
            self._registers[1] = bytes((buf[1] & 0x7F, buf[2]))
            self._done = time.time_ns() + int(LONGEST_MS * 1e6)

    def readfrom(self, address, nbytes):
        self._answers(address)
        if self._done and time.time_ns() >= self._done and not self._stuck:
            high, low = self._registers[1]
            number = (high >> 4 & 7) - 4  # below 0: differential
            raw = min(round(self.currents[number] * SHUNT / 0.125), 0x7FFF) & 0xFFFF
            self._registers[0] = bytes((raw >> 8, raw & 0xFF))
            self._registers[1] = bytes((high | 0x80, low))
            self._done = None
        return self._registers[self._pointer][:nbytes]

    def _answers(self, address):
        if address != self._address:
            raise OSError(19)


def loop(channel, number, zero=0, span=1000):
    return {"channel": channel, "input": number, "shunt": SHUNT, "zero": zero, "span": span}


def value(milliamperes, **ends):
    return sampled(Driver(Chip([milliamperes]), {"channels": [loop("tsp", 0, **ends)]}))[0]


def test_the_configuration_is_the_data_sheets():
    assert [configuration(n) for n in range(4)] == [b"\xc3\x23", b"\xd3\x23", b"\xe3\x23", b"\xf3\x23"]


def test_the_ends_of_the_loop_and_between():
    for milliamperes, expected in ((4, 0), (12, 500), (20, 1000), (20.5, 1031.25), (3.8, -12.5)):
        assert abs(value(milliamperes)["tsp"] - expected) < 0.1


def test_a_range_that_begins_below_zero():
    assert abs(value(4, zero=-40, span=60)["tsp"] + 40) < 0.01
    assert abs(value(12, zero=-40, span=60)["tsp"] - 10) < 0.01


def test_a_broken_wire_and_a_failed_transmitter_are_faults():
    for milliamperes in (0, -0.1, 3.5, 21.1, 25):
        assert value(milliamperes) is Faulty, milliamperes


def test_between_fault_and_scale_nothing_is_measured():
    for milliamperes in (3.61, 3.7, 3.79):
        assert value(milliamperes) is Faulty, milliamperes
    for milliamperes in (20.51, 20.8, 20.99):
        assert value(milliamperes) is OverRange, milliamperes


def test_each_channel_reads_its_own_input():
    channels = [loop("tsp", 2), loop("nmhc", 0, span=100), loop("so2", 3), loop("o3", 1)]
    driver = Driver(Chip([8, 12, 16, 20], address=75), {"address": 75, "channels": channels})
    assert driver.channels == ("tsp", "nmhc", "so2", "o3")
    got = sampled(driver)[0]
    for channel, expected in (("tsp", 750), ("nmhc", 25), ("so2", 1000), ("o3", 500)):
        assert abs(got[channel] - expected) < 0.1, channel


def test_two_sensors_on_one_chip_wait_for_each_other():
    chip = Chip([4, 20])
    drivers = [Driver(chip, {"channels": [loop("tsp", n)]}) for n in (0, 1)]

    async def run():
        return await asyncio.gather(*[driver.sample() for driver in drivers])

    first, second = asyncio.run(run())
    assert abs(first["tsp"]) < 0.1
    assert abs(second["tsp"] - 1000) < 0.1


def test_nobody_there_is_silence():
    assert sampled(Driver(Chip([4]), {"address": 73, "channels": [loop("tsp", 0)]})) == [Silent]


def test_a_conversion_that_never_ends_is_silence():
    driver = Driver(Chip([4], stuck=True), {"channels": [loop("tsp", 0)]})
    assert sampled(driver) == [Silent]
    assert driver.rejected == 1


def test_impossible_settings_are_told():
    for change, told in (({"input": 4}, "0 to 3"), ({"shunt": 250}, "195"), ({"shunt": 0}, "more than 0")):
        entry = loop("tsp", 0)
        entry.update(change)
        error = str(raises(ValueError, Driver, Chip([4]), {"channels": [entry]}))
        assert "tsp" in error
        assert told in error
