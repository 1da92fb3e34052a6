"""A serial port that the computer opens and a simulated device serves, and what can go wrong with it.

It is a pseudo-terminal behind a link in a folder, so that its name stays the same when the cable is pulled and plugged
in again. A pseudo-terminal has no DTR and RTS lines; a wrong baud rate garbles what goes over it, as on a wire.
"""

import asyncio
import contextlib
import os
import pty
import select
import termios
import tty
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from schemas.errors import UserError

AWAY_S = 0.5
"""How long a pulled cable or the power stays away."""
LATE_S = 0.02
"""By how much this process may wake too late, and the line counts as never having been idle."""
PIECE = 64  # bytes; what goes over the line at a time, so that a fault strikes near its byte
_SPEEDS = {getattr(termios, name): int(name[1:]) for name in dir(termios) if name[0] == "B" and name[1:].isdigit()}


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong, once."""

    kind: str
    """One of `KINDS`."""
    at: int
    """See `KINDS`."""

    @classmethod
    def parse(cls, text: str) -> "Fault":
        """Read `KIND` or `KIND@N`.

        Raises:
            UserError: there is no such fault, or N is missing or not a number.
        """
        kind, _, number = text.partition("@")
        default = KINDS.get(kind)
        if kind not in KINDS or (number and not number.isdecimal()) or (not number and default is None):
            told = "; ".join(f"{name}{'@N' if default is None else '[@N]'}" for name, default in KINDS.items())
            raise UserError(f"--fault {text}: expected one of {told}, with N a whole number.")
        return cls(kind, int(number) if number else default or 0)


KINDS: Mapping[str, int | None] = {
    "cable-pull": None,
    "power-cut": None,
    "slow": 9600,
    "garbage": 0,
    "full-disk": 4096,
}
"""Faults and the N that they have without one; None where N must be given.

cable-pull@N: the port vanishes when the computer has sent N bytes and is back after AWAY_S; the device keeps its power.
power-cut@N: the power fails within the Nth operation that programs or erases flash, port and all, and is back after
AWAY_S. slow@N: the line carries N baud, whatever the port is set to. garbage@N: after N bytes, what the device sends
arrives as at a wrong baud rate. full-disk@N: the file system has N bytes left.
"""


class SerialPort:
    """The device's side of a port.

    Args:
        folder: where the link `port` to it stands.
        faults: kind to N, of which the line's are taken care of here.
        hear: is called with what the computer sends.
    """

    def __init__(self, folder: Path, faults: dict[str, int], hear: Callable[[bytes], Awaitable[None]]) -> None:
        self.path = folder / "port"
        """What the computer opens."""
        self.baud = 115200
        """Of the device; set it when the device changes it."""
        self._faults, self._hear = faults, hear
        self._line: _Line | None = None
        self._heard = self._said = 0
        self._busy_until: dict[str, float] = {}
        self._back, self._stopped = asyncio.Event(), asyncio.Event()

    def plug(self) -> None:
        """Make the port appear."""
        self._line = _Line()
        new = self.path.with_name("port.new")
        new.unlink(missing_ok=True)
        new.symlink_to(self._line.name)
        new.replace(self.path)
        self._back.set()

    def pull(self) -> None:
        """Make the port vanish."""
        self._back.clear()
        self.path.unlink(missing_ok=True)
        if self._line:
            self._line.close()
        self._line = None

    async def pull_for_a_while(self) -> None:
        """Make the port vanish for AWAY_S."""
        self.pull()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(AWAY_S):
                await self._stopped.wait()
        self.plug()

    def stop(self) -> None:
        """Let `serve` end."""
        self._stopped.set()
        self.pull()
        self._back.set()

    async def serve(self) -> None:
        """Give what the computer sends to `hear`, until `stop`."""
        while not self._stopped.is_set():
            await self._back.wait()
            line = self._line
            data = await line.read() if line else b""
            if line is not self._line or line is None:
                continue
            left = self._faults.get("cable-pull", 1 << 62) - self._heard
            self._heard += len(data)
            await self._pace("in", len(data))
            data = data[: max(0, left)]
            await self._hear(data if line.speed() == self.baud else _garbled(data))
            if self._heard >= self._faults.get("cable-pull", 1 << 62):
                del self._faults["cable-pull"]
                await self.pull_for_a_while()

    async def say(self, data: bytes) -> None:
        """Send to the computer; what nobody reads is lost, as at a real port."""
        for begin in range(0, len(data), PIECE):
            piece = data[begin : begin + PIECE]
            await self._pace("out", len(piece))
            self._said += len(piece)
            if self._line:
                noisy = "garbage" in self._faults and self._said > self._faults["garbage"]
                await self._line.write(_garbled(piece) if noisy or self._line.speed() != self.baud else piece)

    async def _pace(self, way: str, count: int) -> None:
        """Wait until the line has carried `count` bytes more one way: a start bit, eight bits and a stop bit each."""
        if "slow" in self._faults:
            now, free = asyncio.get_running_loop().time(), self._busy_until.get(way, 0.0)
            begin = free if now - free < LATE_S else now
            self._busy_until[way] = begin + count * 10 / self._faults["slow"]
            await asyncio.sleep(self._busy_until[way] - now)


def _garbled(data: bytes) -> bytes:
    return bytes((byte * 0x55 + 0x80) & 0xFF | 0x80 for byte in data)


class _Line:
    """A pseudo-terminal; this end is the device's."""

    def __init__(self) -> None:
        self._end, other = pty.openpty()
        tty.setraw(other)
        self.name = os.ttyname(other)
        os.close(other)  # so that it shows whether a program has the port open
        os.set_blocking(self._end, False)
        self._closed = False

    def speed(self) -> int:
        """Return the baud rate that the computer has set."""
        return 0 if self._closed else _SPEEDS.get(termios.tcgetattr(self._end)[5], 0)

    async def read(self) -> bytes:
        """Return what the computer has sent, waiting for it; b"" when the cable has gone."""
        while not self._closed:
            if self._is_open():
                with contextlib.suppress(BlockingIOError, OSError):
                    return os.read(self._end, PIECE)
                await self._ready()
            else:
                await asyncio.sleep(0.01)
        return b""

    async def write(self, data: bytes) -> None:
        """Send; what does not fit for a second, or nobody listens to, is lost."""
        deadline = asyncio.get_running_loop().time() + 1
        while data and not self._closed and self._is_open() and asyncio.get_running_loop().time() < deadline:
            try:
                data = data[os.write(self._end, data) :]
            except BlockingIOError:
                await asyncio.sleep(0.001)
            except OSError:
                return

    def close(self) -> None:
        """Pull the cable."""
        self._closed = True
        asyncio.get_running_loop().remove_reader(self._end)
        os.close(self._end)

    def _is_open(self) -> bool:
        poll = select.poll()
        poll.register(self._end, select.POLLIN)
        return not any(event & select.POLLHUP for _, event in poll.poll(0))

    async def _ready(self) -> None:
        loop, ready = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self._end, ready.set)
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.2):
                    await ready.wait()
        finally:
            if not self._closed:
                loop.remove_reader(self._end)
