"""Drivers: one file for one protocol, found by the `type` that a sensor's configuration names.

A driver is a class `Driver(port, settings)` with

- `channels`: names of the sample channels it gives (`laf`, `pm10`, ...), in the catalogue's units;
- `async sample()`: the next sample as `{channel: value}`, or a `NoSample` that says why there is none;
- `rejected`: how many frames were refused since the start (bad checksum, wrong length);
- `PACED`: True when the sensor sets the pace by sending on its own, False when the agent asks.
"""


class NoSample(Exception):
    """There is no sample; `flag` is the HJ 212 letter that says why."""

    flag = "D"


class Silent(NoSample):
    """No whole answer came from the sensor."""

    flag = "B"


class Faulty(NoSample):
    """The sensor itself says that it cannot measure, or what it says makes no sense."""


class Warming(NoSample):
    """The sensor is warming up, or asleep because it was told to be."""

    flag = "M"


def make(settings, port):
    """Return the driver for one sensor's settings.

    Raises ValueError naming the type when there is no such driver.
    """
    name = settings["type"]
    try:
        module = __import__("edge.drivers." + name, None, None, ("Driver",))
    except ImportError:
        raise ValueError("sensor '%s': no driver of type '%s'" % (settings.get("name"), name)) from None
    return module.Driver(port, settings)
