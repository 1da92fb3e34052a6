"""HC-SR04 and copies of it: ultrasonic distance by the width of a pulse.

Source: the maker's user guide (ElecFreaks; read, P): trigger high for 10 us; the sensor sends 8 cycles of 40 kHz and
holds its echo line high until the sound is back; 2 to 400 cm, within 15 degrees, at 5 V; more than 60 ms from one
trigger to the next, or the first one's sound is heard as the second one's echo. Without an echo the line stays high for
38 ms (sellers' papers, S), with some copies far longer, or until an echo comes at last (field reports, S).

It tells a time, so the air's temperature counts: sound goes at 331.3 m/s, and 0.606 m/s more for each degree Celsius
(textbooks, S). A degree of which the board does not know makes a distance wrong by 0.18 %, 20 degrees by 3.6 %: 36 mm
of 1,000 mm. Humidity is not corrected: in air of 30 degrees that is saturated a distance is 0.7 % too short (S).

Settings: `empty_mm` and `full_mm` as in `edge.drivers.echo`; `air_celsius` (15, default), the air's temperature where
no sensor of this board has measured it in the last 5 minutes.
"""

import asyncio

from edge.drivers import Faulty, Silent
from edge.drivers.echo import Range

BLIND, FARTHEST = 20, 4000  # mm
PINGS = 5  # for one sample: the median of those that have an echo, which must be most of them
AIR = 15  # degrees Celsius, at which sound goes at the 340 m/s of the maker's own arithmetic
SPEED, PER_DEGREE = 331.3, 0.606  # m/s
LONG, NONE, STUCK = -1, -2, -3  # in place of a width; the first two as machine.time_pulse_us has them


def why(width):
    """Return the NoSample that one of the three stands for."""
    if width == NONE:
        return Silent("no pulse after the trigger: check supply, trigger and echo wire")
    if width == LONG:
        return Faulty("no echo within %d mm" % FARTHEST)
    return Faulty("the echo line is high before the trigger: a wire, or the sensor hangs; switch it off and on")


class Driver:
    """Measures each time the agent asks. `port` has `async ping()`: the echo's width in us, or LONG, NONE or STUCK.

    `latest`: the values that the board measured last, by channel, of which the temperature is taken.
    """

    BUS = "echo"
    PACED = False
    PAUSE = 0.065  # s before each ping

    rejected = 0  # pulses have no checksum

    def __init__(self, port, settings):
        self._port = port
        self._air = settings.get("air_celsius", AIR)
        self._range = Range(settings, BLIND, FARTHEST)
        self.channels = self._range.channels
        self.latest = {}

    async def sample(self):
        """Return the values of the median ping; see the package for errors."""
        speed = SPEED + PER_DEGREE * self.latest.get("temperature", self._air)
        found = []
        trouble = None
        for _ in range(PINGS):
            await asyncio.sleep(self.PAUSE)
            width = await self._port.ping()
            try:
                if width < 0:
                    raise why(width)
                distance = width * speed / 2000
                self._range.values(distance)
                found.append(distance)
            except (Faulty, Silent) as error:
                trouble = trouble or error
        if 2 * len(found) <= PINGS:
            raise trouble
        return self._range.values(sorted(found)[(len(found) - 1) // 2])
