"""The board that is an ESP32-class chip: Wi-Fi, clock by NTP, UARTs.

Configuration beyond the agent's: `wifi` = `{"ssid", "password_file"}`, `ntp` (a time server, `HOST` or `HOST:PORT`, or
a list of them; default pool.ntp.org, which is several), `led_pin` (the light that `identify` lets blink).
A serial line is `uart:NUMBER:BAUD:rx=PIN:tx=PIN[:de=PIN]`; `de` drives the transmit-enable of an RS-485 transceiver
that does not switch by itself.
"""

import asyncio
import sys
import time
from binascii import hexlify

import esp32
import machine
import network

from edge import tasks
from edge.borrow import borrow
from edge.journal import log

WATCHDOG = 60  # s
REST = 3600  # s
_EPOCH = 946684800 if time.gmtime(0)[0] == 2000 else 0  # where the chip counts from, in Unix s: most from 2000
_UNSET = 1704067200  # 2024-01-01: a clock before it was never set
NTP_EVERY = 3600  # s
NTP_AGAIN = 10  # s after no time could be had; twice as long each time, up to NTP_RARELY
NTP_RARELY = 300
LATELY = 3 * 3600  # s for which the word of a time server, or of the hub, counts


class _HalfDuplex:
    """A UART whose transceiver must be told when to talk."""

    def __init__(self, uart, pin):
        self._uart = uart
        self._pin = machine.Pin(pin, machine.Pin.OUT, value=0)

    def write(self, data):
        """Send all of `data` with the transmitter on."""
        self._pin(1)
        self._uart.write(data)
        self._uart.flush()
        self._pin(0)

    async def drain(self):
        """Nothing left to send: `write` waits for the last stop bit."""

    def close(self):
        """Switch the transmitter off."""
        self._pin(0)

    async def wait_closed(self):
        """Nothing to wait for."""


class Board:
    """What the agent needs of its surroundings; board_host.Board is the same for a process."""

    def __init__(self, config):
        self._wifi = config["wifi"]
        self._led = config.get("led_pin")
        ntp = config.get("ntp", "pool.ntp.org")
        self._ntp = [ntp] if isinstance(ntp, str) else ntp
        self._last_ticks = time.ticks_ms()
        self._ticks = 0
        self._watchdog = None
        self._heard_ntp = None  # ticks of the last time that a time server gave
        self._hub = None  # what the hub said: Unix time less ticks, and the ticks when it did, ms
        self.known = {}  # addresses that name servers gave, by name
        self.clock_quality = "rtc" if self.now_ms() > _UNSET * 1000 else "none"

    def ticks_ms(self):
        """Return milliseconds since some moment; never set or stepped, and without the chip's wrap of 12 days."""
        ticks = time.ticks_ms()
        self._ticks += time.ticks_diff(ticks, self._last_ticks)
        self._last_ticks = ticks
        return self._ticks

    def now_ms(self):
        """Return Unix time in ms, UTC. Whole numbers: a float of the chip cannot hold it."""
        return time.time_ns() // 1000000 + _EPOCH * 1000

    async def sleep_ms(self, ms):
        """Return after `ms` milliseconds."""
        await asyncio.sleep_ms(max(0, ms))

    async def start(self):
        """Begin to join the network and to keep the time; neither is waited for."""
        # The loop keeps its tasks on MicroPython.
        asyncio.create_task(tasks.keep("network", self._keep_network, pause=20))  # noqa: RUF006
        asyncio.create_task(tasks.keep("clock", self._keep_time, pause=NTP_AGAIN))  # noqa: RUF006

    async def open_serial(self, spec):
        """Return `(reader, writer)` of a UART."""
        parts = spec.split(":")
        if parts[0] != "uart" or len(parts) < 3:
            raise ValueError("port '%s': expected uart:NUMBER:BAUD:rx=PIN:tx=PIN" % spec)
        pins = {part.split("=")[0]: int(part.split("=")[1]) for part in parts[3:]}
        uart = machine.UART(int(parts[1]), baudrate=int(parts[2]), rx=pins["rx"], tx=pins["tx"], rxbuf=512)
        stream = asyncio.StreamReader(uart)
        return stream, _HalfDuplex(uart, pins["de"]) if "de" in pins else stream

    def open_bus(self, spec):
        """Return what stands at pins without a UART.

        `i2c:NUMBER:sda=PIN:scl=PIN`, `i2s:NUMBER:sck=PIN:ws=PIN:sd=PIN:rate=HZ`, `echo:trigger=PIN:echo=PIN`.
        """
        parts = spec.split(":")
        pins = {part.split("=")[0]: int(part.split("=")[1]) for part in parts if "=" in part}
        if parts[0] == "i2c":
            return machine.I2C(int(parts[1]), sda=machine.Pin(pins["sda"]), scl=machine.Pin(pins["scl"]), freq=100000)
        if parts[0] == "i2s":
            return asyncio.StreamReader(
                machine.I2S(
                    int(parts[1]),
                    sck=machine.Pin(pins["sck"]),
                    ws=machine.Pin(pins["ws"]),
                    sd=machine.Pin(pins["sd"]),
                    mode=machine.I2S.RX,
                    bits=32,
                    format=machine.I2S.MONO,
                    rate=pins["rate"],
                    ibuf=32768,
                )
            )
        if parts[0] == "echo":
            from edge.pulse_esp32 import Pulse

            return Pulse(pins["trigger"], pins["echo"])
        raise ValueError("port '%s': expected uart:, i2c:, i2s: or echo:" % spec)

    async def stop_asked(self):
        """Never return: a board measures until its power goes."""
        await asyncio.Event().wait()

    def feed(self):
        """Feed the watchdog; the first time, set it to WATCHDOG instead of the time that boot.py gave it."""
        if self._watchdog is None:
            self._watchdog = machine.WDT(timeout=WATCHDOG * 1000)
        self._watchdog.feed()

    def rest(self):
        """Let the watchdog wait for REST seconds: a technician is at the prompt, where nobody feeds it."""
        machine.WDT(timeout=REST * 1000)

    def reset_cause(self):
        """Return why the board started."""
        causes = {
            machine.PWRON_RESET: "power",
            machine.HARD_RESET: "reset",
            machine.WDT_RESET: "watchdog",
            machine.DEEPSLEEP_RESET: "sleep",
            machine.SOFT_RESET: "software",
        }
        return causes.get(machine.reset_cause(), "brownout")

    def chip(self):
        """Return the chip's own id, hexadecimal."""
        return hexlify(machine.unique_id()).decode()

    def mark(self):
        """Return the mark that `set_mark` kept last, or "": it lies apart from the files, in the chip's NVS."""
        kept = bytearray(16)
        try:
            return kept[: esp32.NVS("fenceline").get_blob("mark", kept)].decode()
        except OSError:
            return ""

    def set_mark(self, mark):
        """Keep a mark of at most 16 characters; raises OSError when it cannot."""
        store = esp32.NVS("fenceline")
        store.set_blob("mark", mark.encode())
        store.commit()

    def rssi(self):
        """Return the radio's signal strength in dBm, None while it is not connected."""
        wlan = network.WLAN(network.STA_IF)
        try:
            return wlan.status("rssi") if wlan.isconnected() else None
        except OSError:
            return None  # the connection went between the two

    def switch(self, pin, on):
        """Move the contact of the relay at a pin; without a pin nothing moves."""
        if pin is not None:
            machine.Pin(pin, machine.Pin.OUT)(on)

    def light(self, on):
        """Switch the light at `led_pin`; raises ValueError where there is none."""
        if self._led is None:
            raise ValueError("identify: this board has no light that it knows; its file names the pin as led_pin")
        machine.Pin(self._led, machine.Pin.OUT)(on)

    def reset(self):
        """Start again from power-up."""
        machine.reset()

    def runtime(self):
        """Return the interpreter's name and version."""
        return sys.implementation.name + " " + ".".join([str(part) for part in sys.implementation.version[:3]])

    async def _keep_network(self):
        wlan = network.WLAN(network.STA_IF)
        wlan.active(True)
        with open(self._wifi["password_file"]) as file:
            password = file.read().strip()
        while True:
            if not wlan.isconnected():
                wlan.connect(self._wifi["ssid"], password)
            await asyncio.sleep(20)

    def hear_hub(self, offset):
        """Take what the hub says: Unix time less ticks, ms. It sets the clock where no time server was heard lately."""
        self._hub = offset, self.ticks_ms()
        if not self._lately(self._heard_ntp):
            self._set(offset, "hub")

    def _lately(self, ticks):
        return ticks is not None and self.ticks_ms() - ticks < LATELY * 1000

    def _set(self, offset, quality):
        """Set the clock, unless it is right to half a second, to `offset` ms more than the ticks."""
        t = offset + self.ticks_ms()
        before = self.now_ms()
        if abs(t - before) > 500:
            year, month, day, hour, minute, second, weekday = time.gmtime(t // 1000 - _EPOCH)[:7]
            machine.RTC().datetime((year, month, day, weekday, hour, minute, second, t % 1000 * 1000))
            log("clock: set by %d ms (%s)" % (t - before, quality))
        self.clock_quality = quality

    async def _keep_time(self):
        pause = NTP_AGAIN
        while True:
            ntp = borrow("ntp")
            own = None if self.clock_quality == "none" else self.now_ms() - self.ticks_ms()
            hub = self._hub[0] if self._hub and self._lately(self._hub[1]) else None
            try:
                offset = await ntp.offset(self, self._ntp, own, hub)
            except OSError as error:
                log("clock: %s" % error)
                if self.clock_quality == "ntp" and not self._lately(self._heard_ntp):
                    self.clock_quality = "rtc"
                del ntp
                await asyncio.sleep(pause)
                pause = min(2 * pause, NTP_RARELY)
            else:
                self._heard_ntp = self.ticks_ms()
                self._set(offset, "ntp")
                del ntp
                await asyncio.sleep(NTP_EVERY)
                pause = NTP_AGAIN
