"""From a frame's bytes to the reading: `micropython -m tests.bench.drivers` prints one line of JSON.

Microseconds for each frame of a real sensor, found in the stream, its checksum verified, its values decoded: the median
of many measurements. What the line needs to bring the bytes is not in it.
"""

import gc
import json
import time
from binascii import unhexlify

from edge.drivers import modbus, plantower, sds011, sps30, winsen
from tests.edge import frames

TURNS = 20  # frames in one measurement
ROUNDS = 201

MODBUS = unhexlify("01030202817944")
LEVEL = [{"channel": "laf", "register": 0, "scale": 0.1}]


def framed(driver, frame):
    """Return the function that reads a frame of a dust sensor."""
    feed, decode = driver._parser.feed, driver.decode
    return lambda: decode(feed(frame)[0])


def sps30_answer(frame):
    """Return the function that reads an SPS30's answer."""
    feed = sps30.Parser().feed
    return lambda: sps30.decode(feed(frame)[0][2])


READINGS = {
    "plantower": (framed(plantower.Driver(None, {}), unhexlify(frames.PMSX003[0][0])), "pm10", 8),
    "sds011": (framed(sds011.Driver(None, {}), unhexlify(frames.SDS011[3][0])), "pm10", 261.8),
    "sps30": (sps30_answer(unhexlify(frames.SPS30[0][0])), "pm10", 13.285),
    "winsen": (framed(winsen.Driver(None, {}), unhexlify(frames.WINSEN[1][0])), "pm10", 150),
    "modbus": (lambda: modbus.decode(modbus.answer(modbus.frames(MODBUS)[0][0], 1, 3, 1), 0, LEVEL), "laf", 64.1),
}


def took(read):
    """Return the median of microseconds for one reading."""
    times = []
    for _ in range(ROUNDS):
        gc.collect()
        start = time.ticks_us()
        for _ in range(TURNS):
            read()
        times.append(time.ticks_diff(time.ticks_us(), start) / TURNS)
    return round(sorted(times)[ROUNDS // 2], 1)


def main():
    """Measure and print."""
    figures = {}
    for name, (read, channel, value) in READINGS.items():
        if abs(read()[channel] - value) > 0.001:
            raise AssertionError(name, read())
        figures[name] = took(read)
    print(json.dumps(figures))


main()
