"""A board that is a process: for tests and the demo, on MicroPython's unix port or on CPython.

Its clock may run faster than real time (`clock` in the configuration: `{"start", "at", "speed"}`, simulated time is
`start + (real time - at) * speed`) and be wrong or not set for a time (`steps`). A serial line is a TCP connection to a
device server (`tcp:HOST:PORT`); the environment may say which one stands for a UART: FENCELINE_UART_1 for `uart:1:...`,
and for a sensor of pulses: FENCELINE_ECHO_5 for `echo:trigger=5:...`.
"""

import asyncio
import os
import sys
import time
from binascii import hexlify

from edge import files

try:
    from machine import unique_id  # a virtual board's
except ImportError:

    def unique_id():  # type: ignore[misc]
        """A process has no chip."""
        return b""


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
        self._led = config.get("led_pin")
        self._folder = config["folder"]
        self._hub = None  # what the hub said: Unix time less ticks, ms
        self.known = {}  # addresses that name servers gave, by name

    @property
    def clock_quality(self):
        """How good the clock is: "ntp", "hub" by the hub's word alone, or "none" while it was never set."""
        if self._offset_ms() is not None:
            return "ntp"
        return "none" if self._hub is None else "hub"

    def ticks_ms(self):
        """Return milliseconds since some moment; never set and never stepped."""
        if self._clock:
            return int((self._clock["start"] + (time.time() - self._clock["at"]) * self._clock["speed"]) * 1000)
        return int(time.time() * 1000)

    def now_ms(self):
        """Return Unix time in ms, UTC."""
        offset = self._offset_ms()
        return self.ticks_ms() + ((self._hub or 0) if offset is None else offset)

    def hear_hub(self, offset):
        """Take what the hub says: Unix time less ticks, ms. It counts while nothing else sets the clock."""
        self._hub = offset

    async def sleep_ms(self, ms):
        """Return after `ms` milliseconds of the board's time."""
        speed = self._clock["speed"] if self._clock else 1
        await asyncio.sleep(max(0, ms) / 1000 / speed)

    def _offset_ms(self):
        """Return by how much the clock is wrong, None while it is not set; `steps`: [[ticks in s, s or null], ...]."""
        offset = 0
        if self._clock:
            for begin, seconds in self._clock.get("steps", ()):
                if self.ticks_ms() >= begin * 1000:
                    offset = None if seconds is None else seconds * 1000
        return offset

    async def start(self):
        """Nothing to bring up: the host has its network and its clock."""

    async def open_serial(self, spec):
        """Return `(reader, writer)` of the serial line `tcp:HOST:PORT`, or of a UART that the environment names."""
        parts = spec.split(":")
        if parts[0] == "uart" and len(parts) > 1:
            parts = (os.getenv("FENCELINE_UART_" + parts[1]) or spec).split(":")
        if parts[0] != "tcp" or len(parts) != 3:
            raise ValueError("port '%s': expected tcp:HOST:PORT on this board" % spec)
        _, host, port = parts
        return await asyncio.open_connection(host, int(port))

    def open_bus(self, spec):
        """Return the wires of a sensor of pulses that the environment names; a host has no I2C or I2S of its own."""
        for part in spec.split(":"):
            place = os.getenv("FENCELINE_ECHO_" + part[8:]) if part.startswith("trigger=") else None
            if place:
                from edge.pulse_host import Pulse

                return Pulse(self, place)
        raise ValueError("port '%s': there is no such bus on this board" % spec)

    async def stop_asked(self):
        """Return when a file `stop` appears in the board's folder; a process cannot be switched off at a fence."""
        while not _exists(self._folder + "/stop"):
            await asyncio.sleep(0.2)

    def feed(self):
        """Nothing to feed: a process has no watchdog."""

    def rest(self):
        """Nothing to let wait: a process has no watchdog."""

    def reset_cause(self):
        """Return why the board started."""
        return "process"

    def chip(self):
        """Return the chip's own id, hexadecimal; "" for a process."""
        return hexlify(unique_id()).decode()

    def mark(self):
        """Return the mark that `set_mark` kept last, or "": it lies apart, in a file beside the board's folder."""
        try:
            with open(self._folder + ".mark") as file:
                return file.read()
        except OSError:
            return ""

    def set_mark(self, mark):
        """Keep a mark; raises OSError when it cannot."""
        files.replace(self._folder + ".mark", mark)

    def rssi(self):
        """Return the radio's signal strength in dBm, None where there is no radio."""

    def switch(self, _pin, on):
        """Move the contact of a relay; here a file `relay` holds 1 or 0."""
        with open(self._folder + "/relay", "w") as file:
            file.write("%d" % on)

    def light(self, on):
        """Switch the light at `led_pin`, here a file `light` of 1 or 0; raises ValueError where there is none."""
        if self._led is None:
            raise ValueError("identify: this board has no light that it knows; its file names the pin as led_pin")
        with open(self._folder + "/light", "w") as file:
            file.write("%d" % on)

    def reset(self):
        """End the process: whoever started it starts it again."""
        sys.exit(1)

    def runtime(self):
        """Return the interpreter's name and version."""
        name = sys.implementation.name
        version = ".".join([str(part) for part in sys.implementation.version[:3]])
        return name + " " + version
