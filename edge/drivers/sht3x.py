"""Sensirion SHT30, SHT31, SHT35: temperature and humidity of the air, on I2C.

`24 00` asks for one measurement of high repeatability, without clock stretching. 16 ms later the sensor gives two
words, high byte first, each with its CRC-8 (polynomial 31H, begun with FFH):
T = -45 + 175 * word / 65535 in degrees Celsius, RH = 100 * word / 65535 in %. The checksum is the one in the SPS30's
data sheet; the rest is not yet checked against the SHT3x's own.

Settings: `address` (68, default: pin ADDR low; 69: high).
"""

import asyncio

from edge.drivers import Silent

MEASURE = b"\x24\x00"


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

    PACED = False
    MEASURING = 0.02  # s; it needs 15.5 ms at most

    channels = ("temperature", "humidity")

    def __init__(self, port, settings):
        self._bus = port
        self._address = settings.get("address", 68)
        self.rejected = 0

    async def sample(self):
        """Measure once; see the package for errors."""
        try:
            self._bus.writeto(self._address, MEASURE)
            await asyncio.sleep(self.MEASURING)
            data = self._bus.readfrom(self._address, 6)
        except OSError:
            raise Silent("no answer at I2C address %d" % self._address) from None
        try:
            return decode(data)
        except ValueError as error:
            self.rejected += 1
            raise Silent(str(error)) from None
