"""Texas Instruments ADS1115 behind 4-20 mA loops: any industrial transmitter, four to a chip.

A shunt turns the current of each loop into a voltage that the converter reads against ground, at +-4.096 V full scale
(0.125 mV a step) and 16 conversions a second, which is slow enough to quiet mains hum. Registers are 16 bits, high byte
first: writing `01` and the configuration starts a conversion; the configuration reads back as written once it is done;
register 0 then holds the result (as public drivers have it; not yet checked against data sheet SBAS444).

NAMUR NE 43: what is measured lies between 3.8 and 20.5 mA. A current above, up to 21 mA, is the end of the scale (T);
one below, down to 3.6 mA, is no measurement either (D); what lies beyond is a broken wire or a transmitter that reports
its failure (D).

Settings: `address` (72, default, to 75) and `channels`, a list of
`{"channel": "tsp", "input": 0, "shunt": 150, "zero": 0, "span": 1000}`: input 0-3, shunt in ohm (at most 195), the
channel's value at 4 mA and at 20 mA in the catalogue's unit. One broken loop makes the whole sample faulty: give
each transmitter that must not share another's fate an entry of its own among the sensors; the chip may be the same.
"""

import asyncio

from edge.drivers import Faulty, OverRange, Silent

LOWEST, LEAST, MOST, HIGHEST = 3.6, 3.8, 20.5, 21  # mA
NEAR = 0.005  # mA: steps of the converter
STEP = 0.125  # mV
LARGEST_SHUNT = 195  # ohm: 4.096 V at HIGHEST
RESULT, CONFIGURATION = b"\x00", b"\x01"

_turns = {}  # (bus, address): lock, for a chip converts one input at a time


def configuration(number):
    """Return the configuration's two bytes that start a conversion of input `number` (0-3)."""
    # Start, input against ground, +-4.096 V, one conversion; 16 a second, comparator off.
    return bytes((0x80 | (4 + number) << 4 | 0x02 | 0x01, 0x20 | 0x03))


def current(data, shunt):
    """Return the loop's current in mA of the result's two bytes and the shunt in ohm."""
    raw = data[0] << 8 | data[1]
    if raw > 0x7FFF:
        raw -= 0x10000
    return raw * STEP / shunt


def scaled(milliamperes, zero, span):
    """Return the value that a current stands for, linear between `zero` at 4 mA and `span` at 20 mA."""
    if milliamperes < LOWEST:
        raise Faulty("%.2f mA: the wire is broken, or the transmitter without power or failed" % milliamperes)
    if milliamperes > HIGHEST:
        raise Faulty("%.2f mA: the loop is shorted, or the transmitter failed" % milliamperes)
    if milliamperes > MOST + NEAR:
        raise OverRange("%.2f mA: the transmitter is at the end of its scale" % milliamperes)
    if milliamperes < LEAST - NEAR:
        raise Faulty("%.2f mA: below the transmitter's scale" % milliamperes)
    return zero + (milliamperes - 4) / 16 * (span - zero)


class Driver:
    """Converts its inputs one after the other. `port` is a bus with the methods of `machine.I2C`."""

    BUS = "i2c"
    PACED = False
    CONVERTING = 0.07  # s; 1/16 s, and the chip's oscillator may be 10 % slow
    TRIES = 5  # looks whether the conversion is done
    PAUSE = 0.01  # s between two looks

    def __init__(self, port, settings):
        self._bus = port
        self._address = settings.get("address", 72)
        self._inputs = settings["channels"]
        for entry in self._inputs:
            if entry["input"] not in (0, 1, 2, 3):
                raise ValueError("channel '%s': input %s: expected 0 to 3" % (entry["channel"], entry["input"]))
            if not 0 < entry["shunt"] <= LARGEST_SHUNT:
                raise ValueError(
                    "channel '%s': shunt %s ohm: expected more than 0 and at most %d, or 21 mA cannot be told"
                    % (entry["channel"], entry["shunt"], LARGEST_SHUNT)
                )
        self.channels = tuple([entry["channel"] for entry in self._inputs])
        self._turn = _turns.setdefault((port, self._address), asyncio.Lock())
        self.rejected = 0

    async def sample(self):
        """Measure every input once; see the package for errors."""
        values = {}
        try:
            for entry in self._inputs:
                async with self._turn:
                    result = await self._convert(configuration(entry["input"]))
                values[entry["channel"]] = scaled(current(result, entry["shunt"]), entry["zero"], entry["span"])
        except OSError:
            raise Silent("no answer at I2C address %d" % self._address) from None
        return values

    async def _convert(self, wanted):
        self._bus.writeto(self._address, CONFIGURATION + wanted)
        await asyncio.sleep(self.CONVERTING)
        for _ in range(self.TRIES):
            if self._read(CONFIGURATION) == wanted:
                return self._read(RESULT)
            await asyncio.sleep(self.PAUSE)
        self.rejected += 1
        raise Silent("the conversion did not end: is the chip's supply steady?")

    def _read(self, register):
        self._bus.writeto(self._address, register)
        return self._bus.readfrom(self._address, 2)
