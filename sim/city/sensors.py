"""Sensors that speak the real wire protocols, on a TCP port which stands for the serial line.

A board's drivers can't tell them from a serial device server with a real sensor behind it: the bytes, the checksums,
the silences and, if wanted, the disturbances are those of the line.
"""

import asyncio
import contextlib
import random
import struct
from abc import ABC, abstractmethod
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Literal

from sim.city.source import SimClock, Source

FRAME_GAP_S = 0.05
"""Real time after which silence ends a frame; long against the 4 ms of a 9600 baud line, because TCP may dawdle."""


class SerialLine(ABC):
    """A serial line with a sensor at its far end and any number of listeners at this one.

    ``garbage`` and ``corrupt`` disturb the line, from the next frame on and until they are set back.
    """

    def __init__(self, port: int = 0) -> None:
        self.port = port
        """TCP port on 127.0.0.1; 0 takes a free one when the line starts."""
        self.garbage = b""
        """Bytes heard before every frame, as from a line without termination."""
        self.corrupt = 0.0
        """Probability with which one byte of a frame is changed on the way."""
        self._chance = random.Random(0)  # noqa: S311 - decides about disturbances, keeps no secret
        self._server: asyncio.Server | None = None
        self._clients: dict[StreamWriter, asyncio.Task[None]] = {}

    async def start(self) -> None:
        """Listen; after `stop` it listens on the same port again."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Hang up and free the port."""
        if self._server is None:
            return
        self._server.close()
        conversations = list(self._clients.values())
        for writer in self._clients:
            writer.transport.abort()  # ends the conversation; Python 3.11 logs a traceback when one is cancelled
        await asyncio.gather(*conversations)
        await self._server.wait_closed()
        self._server = None

    @abstractmethod
    async def _listen(self, reader: StreamReader, writer: StreamWriter) -> None:
        """Answer one client until it goes away."""

    def _send(self, writer: StreamWriter, frame: bytes) -> None:
        if writer.transport.get_write_buffer_size() > 4096:
            return  # A serial line keeps nothing for a listener that has stopped reading.
        if self._chance.random() < self.corrupt:
            at = self._chance.randrange(len(frame))
            frame = frame[:at] + bytes([frame[at] ^ 0xFF]) + frame[at + 1 :]
        writer.write(self.garbage + frame)

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._clients[writer] = task
        try:
            if self._server and self._server.is_serving():
                await self._listen(reader, writer)
        except ConnectionError:
            pass  # The listener has pulled its plug; the sensor doesn't mind.
        finally:
            del self._clients[writer]
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


class Plantower(SerialLine):
    """A Plantower PMS5003 or PMS7003: reports by itself, or on request after it was made passive.

    ``period_s`` is the simulated time between two reports. It is silent while the source has no PM2.5 or PM10.
    """

    SIZE = 7
    """Bytes of a command: 42 4D, command, two of data, two of checksum."""
    VERSION = 0x9700
    """Last word before the checksum, as captured: firmware version 97, error code 00."""
    NOT_MEASURED = 0xFFFF
    """PM1 where only PM2.5 and PM10 were recorded. The frame has no way to leave a word out. 0, or the PM2.5 again,
    would be stored as a measurement; this lies outside the catalogue's range, so it is flagged and never counts."""

    def __init__(self, source: Source, clock: SimClock, period_s: float = 1.0, *, port: int = 0) -> None:
        super().__init__(port)
        self._source = source
        self._clock = clock
        self._period_s = period_s
        self._passive = False
        self._asleep = False
        self._reporter: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen and begin to report; a sensor that was without power is awake and active again."""
        await super().start()
        self._passive = self._asleep = False
        self._reporter = asyncio.create_task(self._report())

    async def stop(self) -> None:
        """Fall silent and hang up."""
        await super().stop()
        if self._reporter:
            self._reporter.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reporter

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(self._period_s / self._clock.speed)
            if not self._passive and not self._asleep and (frame := self._measure()):
                for writer in self._clients:
                    self._send(writer, frame)

    def _measure(self) -> bytes | None:
        t = self._clock.now()
        pm1, pm25, pm10 = (self._source.value(channel, t) for channel in ("pm1", "pm25", "pm10"))
        if pm25 is None or pm10 is None:
            return None
        # CF=1 and atmospheric alike: the factory's conversion from one to the other is not published.
        mass = [self.NOT_MEASURED if pm1 is None else pm1, pm25, pm10]
        return plantower_frame([*mass, *mass, *particle_counts(pm25, pm10), self.VERSION])

    async def _listen(self, reader: StreamReader, writer: StreamWriter) -> None:
        async for command in _frames(reader, self.SIZE, _is_plantower_command):
            code, data = command[2], command[4]
            if code == 0xE4:
                self._asleep = data == 0
            elif code == 0xE1:
                self._passive = data == 0
            elif code == 0xE2 and self._passive and not self._asleep and (frame := self._measure()):
                self._send(writer, frame)
            if code in (0xE1, 0xE4) and data == 0:
                # Only what ends the stream is acknowledged; otherwise the next frame says enough.
                self._send(writer, _with_sum(bytes([0x42, 0x4D, 0x00, 0x04, code, data])))


def plantower_frame(words: Sequence[float]) -> bytes:
    """Return the 32-byte frame of 13 words: 3 mass CF=1, 3 mass atmospheric (µg/m3), 6 counts per 0.1 L, version."""
    return _with_sum(struct.pack(">2sH13H", b"BM", 28, *(min(max(round(word), 0), 0xFFFF) for word in words)))


def particle_counts(pm25: float, pm10: float) -> list[float]:
    """Return plausible counts per 0.1 L above 0.3, 0.5, 1, 2.5, 5 and 10 µm for masses in µg/m3.

    Proportions as in the captured frames; each count includes the larger particles, so they never rise with size.
    """
    coarse = max(pm10 - pm25, 0)
    return list(accumulate((0.02 * coarse, 0.1 * coarse, 3.3 * pm25, 1.5 * pm25, 4.1 * pm25, 17.8 * pm25)))[::-1]


class Ultrasonic(SerialLine):
    """A DFRobot A02YYUW in the lid of a bin: reports by itself how far the refuse is below it.

    ``period_s`` is the simulated time between two reports. It is silent while the source has no ``distance``.
    """

    def __init__(self, source: Source, clock: SimClock, period_s: float = 0.3, *, port: int = 0) -> None:
        super().__init__(port)
        self._source = source
        self._clock = clock
        self._period_s = period_s

    async def _listen(self, reader: StreamReader, writer: StreamWriter) -> None:
        while not reader.at_eof():
            distance = self._source.value("distance", self._clock.now())
            if distance is not None:
                self._send(writer, ultrasonic_frame(distance))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._period_s / self._clock.speed):
                    while await reader.read(64):
                        pass  # it takes no commands


def ultrasonic_frame(distance: float) -> bytes:
    """Return the report of a distance in mm: FF, high byte, low byte, low byte of their sum."""
    head = b"\xff" + min(max(round(distance), 0), 0xFFFF).to_bytes(2, "big")
    return head + bytes([sum(head) & 0xFF])


class EchoPulse(SerialLine):
    """An HC-SR04 in the lid of a bin: a byte triggers it, the answer is the width of its pulse (edge/pulse_host.py).

    The sound goes as fast as in air of the source's ``temperature``, 15 degrees where it has none. Without a
    ``distance`` no pulse comes; what is farther than 4 m has no echo.
    """

    def __init__(self, source: Source, clock: SimClock, *, port: int = 0) -> None:
        super().__init__(port)
        self._source = source
        self._clock = clock

    async def _listen(self, reader: StreamReader, writer: StreamWriter) -> None:
        while await reader.read(64):
            now = self._clock.now()
            distance, celsius = (self._source.value(channel, now) for channel in ("distance", "temperature"))
            self._send(writer, b"%d\n" % pulse_width(distance, 15 if celsius is None else celsius))


def pulse_width(distance: float | None, celsius: float) -> int:
    """Return the width of the pulse in us for a distance in mm; -1: no echo, -2: no pulse."""
    if distance is None:
        return -2
    return -1 if distance > 4000 else round(2000 * distance / (331.3 + 0.606 * celsius))


@dataclass(frozen=True)
class Register:
    """A measured value in a device's registers: ``raw = round(value / scale)``, cut off at the ends of its kind."""

    address: int
    """Of its first register; a u32 takes two, high word first."""
    channel: str
    scale: float
    """The channel's unit in one step of the raw number."""
    kind: Literal["u16", "s16", "u32"] = "u16"

    def words(self, value: float | None) -> dict[int, bytes | None]:
        """Return register address to its two bytes, or to None while there is no value."""
        count, low, high = {"u16": (1, 0, 0xFFFF), "s16": (1, -0x8000, 0x7FFF), "u32": (2, 0, 0xFFFFFFFF)}[self.kind]
        if value is None:
            return dict.fromkeys(range(self.address, self.address + count))
        raw = min(max(round(value / self.scale), low), high).to_bytes(2 * count, "big", signed=low < 0)
        return {self.address + n: raw[2 * n : 2 * n + 2] for n in range(count)}


@dataclass(frozen=True)
class ModbusDevice:
    """A device on the bus and what its registers hold."""

    address: int
    registers: tuple[Register, ...]


def noise_transmitter(address: int = 1) -> ModbusDevice:
    """Return a noise transmitter of the usual kind: 0000H = level x10, dB(A)."""
    return ModbusDevice(address, (Register(0x0000, "laf", 0.1),))


def modbus_device(settings: Mapping[str, Any]) -> ModbusDevice:
    """Return the device that a Modbus sensor's settings (``edge/drivers/README.md``) are for."""
    registers = (
        Register(one["register"], one["channel"], one.get("scale", 1), one.get("kind", "u16"))
        for one in settings["registers"]
    )
    return ModbusDevice(settings.get("address", 1), tuple(registers))


class ModbusBus(SerialLine):
    """An RS-485 bus with Modbus RTU devices that answer functions 03 and 04.

    As on a real bus, a request with a wrong CRC or to an absent address gets no answer; nor does one for a value that
    the source does not have.
    """

    SIZE = 8
    """Bytes of a read request: address, function, two each of first register, count and CRC."""
    READ = (0x03, 0x04)
    ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE = 1, 2, 3

    def __init__(self, source: Source, clock: SimClock, devices: Iterable[ModbusDevice], *, port: int = 0) -> None:
        super().__init__(port)
        self._devices = {device.address: device for device in devices}
        self._source = source
        self._clock = clock

    async def _listen(self, reader: StreamReader, writer: StreamWriter) -> None:
        async for request in _frames(reader, self.SIZE, _has_crc):
            if reply := self._reply(request):
                self._send(writer, reply)

    def _reply(self, request: bytes) -> bytes | None:
        address, function, first, count = struct.unpack(">BBHH", request[:6])
        device = self._devices.get(address)
        if device is None:
            return None
        if function not in self.READ:
            return _with_crc(bytes([address, function | 0x80, self.ILLEGAL_FUNCTION]))
        if not 1 <= count <= 125:
            return _with_crc(bytes([address, function | 0x80, self.ILLEGAL_VALUE]))
        t = self._clock.now()
        held: dict[int, bytes | None] = {}
        for register in device.registers:
            held |= register.words(self._source.value(register.channel, t))
        wanted = range(first, first + count)
        if not held.keys() >= set(wanted):
            return _with_crc(bytes([address, function | 0x80, self.ILLEGAL_ADDRESS]))
        words = [word for n in wanted if (word := held[n]) is not None]
        if len(words) < count:
            return None
        return _with_crc(bytes([address, function, 2 * count]) + b"".join(words))


def crc16_modbus(content: bytes) -> int:
    """Return the CRC-16/MODBUS; it goes over the line low byte first."""
    crc = 0xFFFF
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc


def _with_crc(content: bytes) -> bytes:
    return content + crc16_modbus(content).to_bytes(2, "little")


def _has_crc(frame: bytes) -> bool:
    return _with_crc(frame[:-2]) == frame


def _with_sum(content: bytes) -> bytes:
    return content + sum(content).to_bytes(2, "big")


def _is_plantower_command(frame: bytes) -> bool:
    return frame.startswith(b"BM") and _with_sum(frame[:-2]) == frame


async def _frames(reader: StreamReader, size: int, is_valid: Callable[[bytes], bool]) -> AsyncIterator[bytes]:
    """Yield the valid frames of ``size`` bytes; skip what lies between them, drop what silence has cut short."""
    heard = bytearray()
    while True:
        try:
            async with asyncio.timeout(FRAME_GAP_S if heard else None):
                chunk = await reader.read(256)
        except TimeoutError:
            heard.clear()
            continue
        if not chunk:
            return
        heard += chunk
        while len(heard) >= size:
            frame = bytes(heard[:size])
            valid = is_valid(frame)
            del heard[: size if valid else 1]
            if valid:
                yield frame
