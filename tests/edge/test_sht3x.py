"""SHT3x against a simulated one that speaks the data sheet's bytes."""

import time

from edge.drivers import Silent, Warming
from edge.drivers.sht3x import Driver, crc8
from tests.edge.streams import sampled


class Bus:
    """An I2C bus with an SHT3x at `address`, which gives `words` and spoils the byte `spoilt` of its answer."""

    def __init__(self, address, words, spoilt=None, status=0):
        self._address = address
        self._words = words
        self._spoilt = spoilt
        self._ready = None
        self._asked = None
        self.status = status

    def writeto(self, address, buf):
        if address != self._address:
            raise OSError(19)
        if bytes(buf) == b"\x30\x66":
            self.status &= ~0x2000
            return
        assert bytes(buf) in (b"\x24\x00", b"\xf3\x2d")
        self._asked = (self.status,) if bytes(buf) == b"\xf3\x2d" else self._words
        self._ready = time.time_ns() + (15500000 if self._asked is self._words else 0)

    def readfrom(self, address, nbytes):
        if address != self._address or self._ready is None or time.time_ns() < self._ready:
            raise OSError(19)  # a sensor that measures does not answer
        self._ready = None
        answer = b""
        for word in self._asked:
            content = bytes((word >> 8, word & 0xFF))
            answer += content + bytes((crc8(content),))
        answer = bytearray(answer)
        if self._spoilt is not None and self._spoilt < len(answer):
            answer[self._spoilt] ^= 0x01
        return bytes(answer[:nbytes])


def test_the_data_sheets_checksum():
    assert crc8(b"\xbe\xef") == 0x92


def test_the_ends_of_the_ranges_and_between():
    for words, temperature, humidity in (
        ((0, 0), -45, 0),
        ((0xFFFF, 0xFFFF), 130, 100),
        ((0x6666, 0x8000), 25.0, 50.00076),
    ):
        values = sampled(Driver(Bus(68, words), {}))[0]
        assert abs(values["temperature"] - temperature) < 1e-3
        assert abs(values["humidity"] - humidity) < 1e-3


def test_the_other_address():
    assert "humidity" in sampled(Driver(Bus(69, (0, 0)), {"address": 69}))[0]


def test_nobody_there_is_silence():
    assert sampled(Driver(Bus(69, (0, 0)), {})) == [Silent]


def test_a_wrong_bit_is_refused_and_counted():
    for spoilt in range(6):
        driver = Driver(Bus(68, (0x6666, 0x8000), spoilt), {})
        assert sampled(driver) == [Silent]
        assert driver.rejected == 1


def test_a_heater_that_is_on_is_switched_off_and_the_sensor_cools_before_it_counts():
    bus = Bus(68, (0x6666, 0x8000), status=0x2010)
    driver = Driver(bus, {})
    driver.COOLING = 0.3
    assert sampled(driver) == [Warming]
    assert bus.status == 0x0010
    time.sleep(0.35)
    assert "humidity" in sampled(driver)[0]
    bus.status |= 0x2000  # whatever has switched it on again
    assert sampled(driver) == [Warming]
    assert bus.status == 0x0010
