"""Drivers: one file for one protocol, found by the `type` that a sensor's configuration names.

A driver is a class `Driver(port, settings)` with

- `channels`: names of the sample channels it gives (`laf`, `pm10`, ...), in the catalogue's units;
- `async sample()`: the next sample as `{channel: value}`, or a `NoSample` that says why there is none;
- `rejected`: how many frames were refused since the start (bad checksum, wrong length);
- `PACED`: True when the sensor sets the pace by sending on its own, False when the agent asks;
- `BUS`, where it is not a serial line: "i2c", "i2s" or "echo";
- `latest`, where it needs what other sensors measure: a dict, for which the recorder puts its own, `{channel: value}`;
- `ends`, where there are any: `{channel: value}` at and above which the sensor's scale has ended. Such samples are
  flagged T, and so is the interval that they are part of.

A value that the sensor does not have, while it has the others of its sample, is NaN.
"""

from edge.borrow import borrow
from edge.monotonic import ticks_diff, ticks_ms

# For so many s a driver listens for one answer: 256 bytes at 300 baud take 9, and noise that drips must hold nobody up.
LONGEST = 10


class NoSample(Exception):
    """There is no sample; `flag` is the HJ 212 letter that says why.

    `least`: what is certain all the same, `{channel: level in dB}`, of a sound beyond what the sensor can measure.
    """

    flag = "D"
    least = None  # type: dict


class Silent(NoSample):
    """No whole answer came from the sensor."""

    flag = "B"


class Faulty(NoSample):
    """The sensor itself says that it cannot measure, or what it says makes no sense."""


class OverRange(NoSample):
    """What is measured lies beyond the end of the sensor's scale."""

    flag = "T"


class Warming(NoSample):
    """The sensor is warming up, or asleep because it was told to be."""

    flag = "M"


def late(began):
    """Tell whether what began at these ticks (ms) has lasted longer than an answer can take."""
    return ticks_diff(ticks_ms(), began) > LONGEST * 1000


def make(settings, port):
    """Return the driver for one sensor's settings.

    Raises ValueError naming sensor, field, value and what was expected when there is no such driver, or it can do
    nothing with a setting.
    """
    return borrow("sensor_checks").make(settings, port)
