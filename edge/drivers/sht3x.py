"""Sensirion SHT30, SHT31, SHT35: temperature and humidity of the air, on I2C.

`24 00` asks for one measurement of high repeatability, without clock stretching. 16 ms later the sensor gives two
words, high byte first, each with its CRC-8 (polynomial 31H, begun with FFH):
T = -45 + 175 * word / 65535 in degrees Celsius, RH = 100 * word / 65535 in %. The checksum is the one in the SPS30's
data sheet; the rest is not yet checked against the SHT3x's own.

`F3 2D` asks for the status, one word with its CRC. Bit 13 says that the heater is on, with which the sensor reads some
degrees too warm and far too dry: `30 66` switches it off, and the sensor is given time to cool.

Settings: `address` (68, default: pin ADDR low; 69: high).
"""

import asyncio

from edge.drivers import Silent
from edge.drivers.frames import Warmup

MEASURE = b"\x24\x00"
STATUS = b"\xf3\x2d"
HEATER_OFF = b"\x30\x66"
HEATER = 0x20  # bit 13 of the status, in its first byte


def crc8(data):
    """Return the CRC-8 that Sensirion's I2C sensors put behind each word."""
    crc = 0xFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1) ^ 0x31 if crc & 0x80 else crc << 1
        crc &= 0xFF
    return crc


def decode(data):
    """Return `{"temperature", "humidity"}` in degrees Celsius and % of a measurement's 6 bytes.

    Raises ValueError when a CRC is wrong.
    """
    if crc8(data[:2]) != data[2] or crc8(data[3:5]) != data[5]:
        raise ValueError("bad CRC")
    temperature = -45 + 175 * (data[0] << 8 | data[1]) / 65535
    return {"temperature": temperature, "humidity": 100 * (data[3] << 8 | data[4]) / 65535}


class Driver:
    """Asks for each sample. `port` is a bus with the methods of `machine.I2C`."""

    BUS = "i2c"
    PACED = False
    MEASURING = 0.02  # s; it needs 15.5 ms at most
    COOLING = 60  # s after the heater was on (this project's choice)

    channels = ("temperature", "humidity")

    def __init__(self, port, settings):
        self._bus = port
        self._address = settings.get("address", 68)
        self._cooling = None
        self.rejected = 0

    async def sample(self):
        """Measure once; see the package for errors."""
        try:
            self._bus.writeto(self._address, STATUS)
            status = self._bus.readfrom(self._address, 3)
            if crc8(status[:2]) == status[2] and status[0] & HEATER:
                self._bus.writeto(self._address, HEATER_OFF)
                self._cooling = Warmup(self.COOLING)
            self._bus.writeto(self._address, MEASURE)
            await asyncio.sleep(self.MEASURING)
            data = self._bus.readfrom(self._address, 6)
        except OSError:
            raise Silent("no answer at I2C address %d" % self._address) from None
        try:
            values = decode(data)
            if crc8(status[:2]) != status[2]:
                raise ValueError("bad CRC")
        except ValueError as error:
            self.rejected += 1
            raise Silent(str(error)) from None
        if self._cooling:
            self._cooling.check()
        return values
