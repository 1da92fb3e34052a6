"""A board that is a process: for tests and the demo, on MicroPython's unix port or on CPython.

Its clock may run faster than real time (`clock` in the configuration: `{"start", "at", "speed"}`, simulated time is
`start + (real time - at) * speed`), and a serial line is a TCP connection to a device server (`tcp:HOST:PORT`).
"""

import asyncio
import os
import sys
import time


def _exists(path):
    try:
        os.stat(path)
    except OSError:
        return False
    return True


class Board:
    """What the agent needs of its surroundings; board_esp32.Board is the same for the chip."""

    def __init__(self, config):
        self._clock = config.get("clock")
        self._folder = config["folder"]

    clock_quality = "ntp"  # the host's own clock

    def now(self):
        """Return Unix time in s, UTC."""
        if self._clock:
            return self._clock["start"] + (time.time() - self._clock["at"]) * self._clock["speed"]
        return time.time()

    async def sleep_until(self, t):
        """Return when the clock has reached `t` (Unix s)."""
        speed = self._clock["speed"] if self._clock else 1
        await asyncio.sleep(max(0, (t - self.now()) / speed))

    async def start(self):
        """Nothing to bring up: the host has its network and its clock."""

    async def open_serial(self, spec):
        """Return `(reader, writer)` of the serial line `tcp:HOST:PORT`."""
        kind, host, port = spec.split(":")
        if kind != "tcp":
            raise ValueError("port '%s': expected tcp:HOST:PORT on this board" % spec)
        return await asyncio.open_connection(host, int(port))

    async def stop_asked(self):
        """Return when a file `stop` appears in the board's folder; a process cannot be switched off at a fence."""
        while not _exists(self._folder + "/stop"):
            await asyncio.sleep(0.2)

    def reset(self):
        """End the process: whoever started it starts it again."""
        sys.exit(1)

    def runtime(self):
        """Return the interpreter's name and version."""
        name = sys.implementation.name
        version = ".".join([str(part) for part in sys.implementation.version[:3]])
        return name + " " + version
