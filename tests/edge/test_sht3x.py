"""SHT3x against a simulated one that speaks the data sheet's bytes."""

import time

from edge.drivers import Silent
from edge.drivers.sht3x import Driver, crc8
from tests.edge.streams import sampled


class Bus:
    """An I2C bus with an SHT3x at `address`, which gives `words` and spoils the byte `spoilt` of its answer."""

    def __init__(self, address, words, spoilt=None):
        self._address = address
        self._words = words
        self._spoilt = spoilt
        self._ready = None

    def writeto(self, address, buf):
        if address != self._address:
            raise OSError(19)
        assert bytes(buf) == b"\x24\x00"
        self._ready = time.time_ns() + 15500000

    def readfrom(self, address, nbytes):
        if address != self._address or self._ready is None or time.time_ns() < self._ready:
            raise OSError(19)  # a sensor that measures does not answer
        self._ready = None
        answer = b""
        for word in self._words:
            content = bytes((word >> 8, word & 0xFF))
            answer += content + bytes((crc8(content),))
        answer = bytearray(answer)
        if self._spoilt is not None:
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
