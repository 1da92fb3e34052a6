"""A virtual board: a real MicroPython with flash and a REPL behind a pseudo-terminal, and what can happen to it.

The other end can't tell it from a board at a USB-serial bridge: mpremote, pyserial and `fenceline board` talk to it
unchanged. It keeps its flash in a folder, so the same board can be started again; `port` in that folder is a link to
the terminal and stays the same when the cable is pulled and plugged in again.

What differs from a chip: native code is that of this computer, memory protection is the operating system's, there is no
watchdog, and there are no DTR and RTS lines (a pseudo-terminal has none), so it can't be reset through them.
"""

import asyncio
import contextlib
import fcntl
import os
import pty
import secrets
import select
import signal
import tty
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fenceline import UserError

RUNTIME = Path(__file__).with_name("board_runtime.py")
FLASH_SIZE = 2 * 1024 * 1024  # bytes: what MicroPython leaves for files on an ESP32 with 4 MB
AWAY_S = 1.0
"""How long a pulled cable or the power stays away."""
STARTS_WITHIN_S = 20
PIECE = 64  # bytes; what goes over the line at a time, so that a fault strikes near its byte
CTRL_C = b"\x03"
IDLE, BUSY = b"\0", b"\1"
_SOFT_RESET, _SOFT_RESET_RAW, _RESET, _POWER_CUT = 10, 11, 12, 13  # exit codes of board_runtime.py
_CAUSES = {_RESET: 2, _SOFT_RESET: 5, _SOFT_RESET_RAW: 5}  # machine.reset_cause(); else 1, power
_BOOT = "rst:{cause},boot:0x13 (SPI_FAST_FLASH_BOOT)\r\nload:0x3fff0030,len:4832\r\nentry 0x400805ac\r\n"
_BOOT_CAUSES = {1: "0x1 (POWERON_RESET)", 2: "0xc (SW_CPU_RESET)"}
_INTERRUPT_GAP_S = 0.1


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong, once."""

    kind: str
    """One of `KINDS`."""
    at: int | None = None
    """See `KINDS`."""

    @classmethod
    def parse(cls, text: str) -> "Fault":
        """Read `KIND` or `KIND@N`.

        Raises:
            UserError: there is no such fault, or N is missing or not a number.
        """
        kind, _, number = text.partition("@")
        if kind not in KINDS or (number and not number.isdecimal()) or (not number and KINDS[kind] is None):
            told = "; ".join(f"{name}{'@N' if default is None else '[@N]'}" for name, default in KINDS.items())
            raise UserError(f"--fault {text}: expected one of {told}, with N a whole number.")
        return cls(kind, int(number) if number else KINDS[kind])


KINDS: Mapping[str, int | None] = {
    "cable-pull": None,
    "power-cut": None,
    "slow": 9600,
    "garbage": 0,
    "full-disk": 4096,
}
"""Faults and the N that they have without one; None where N must be given.

cable-pull@N: the port vanishes when the computer has sent N bytes, and is back after AWAY_S; the board keeps its power.
power-cut@N: the power fails within the Nth operation that programs or erases flash, port and all, and is back after
AWAY_S. slow@N: the line carries N baud. garbage@N: after N bytes what the board sends arrives as at a wrong baud rate.
full-disk@N: the file system has N bytes left.
"""


class VirtualBoard:
    """A board; `start` it, and `stop` it in the end.

    Args:
        folder: where it keeps its flash; made if it is not there. One board at a time can run in it.
        micropython: the interpreter.
        faults: what goes wrong, each once.
        uarts: number of a UART to the line behind it, `tcp:HOST:PORT`.
        heap: MicroPython's heap in bytes.
    """

    def __init__(
        self,
        folder: Path,
        micropython: Path,
        faults: tuple[Fault, ...] = (),
        uarts: Mapping[int, str] | None = None,
        heap: int = 160 * 1024,
    ) -> None:
        self.folder = folder.absolute()
        self.port = self.folder / "port"
        """The serial port to open."""
        self._micropython, self._heap, self._uarts = micropython, heap, uarts or {}
        self._faults = {fault.kind: fault.at or 0 for fault in faults}
        self._line: _Line | None = None
        self._baud = self._faults.get("slow", 0)
        self._heard = self._said = 0
        self._child: asyncio.subprocess.Process | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._back = asyncio.Event()
        self._stopped = asyncio.Event()
        self._lock = self._state = -1
        self._busy = False
        self._awake = asyncio.Event()

    async def start(self) -> None:
        """Plug it in, switch it on, and return when its first program or its prompt has begun.

        Raises:
            UserError: another virtual board runs in the folder.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(f"{self.folder}: another virtual board runs there; give --folder another.") from error
        with (self.folder / "flash.bin").open("ab") as image:
            image.truncate(FLASH_SIZE)
        mac = self.folder / "mac"
        if not mac.exists():
            mac.write_text("240ac4" + secrets.token_hex(3), "ascii")
        self._plug()
        self._tasks = [asyncio.create_task(self._run()), asyncio.create_task(self._from_computer())]
        await asyncio.wait_for(self._awake.wait(), STARTS_WITHIN_S)

    async def stop(self) -> None:
        """Switch it off and unplug it."""
        self._stopped.set()
        self._switch_off()
        self._pull()
        self._back.set()
        await asyncio.gather(*self._tasks)
        self._pull()
        os.close(self._lock)

    def _plug(self) -> None:
        self._line = _Line()
        new = self.port.with_name("port.new")
        new.unlink(missing_ok=True)
        new.symlink_to(self._line.name)
        new.replace(self.port)
        self._back.set()

    def _pull(self) -> None:
        self._back.clear()
        self.port.unlink(missing_ok=True)
        if self._line:
            self._line.close()
        self._line = None

    async def _pull_for_a_while(self) -> None:
        self._pull()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopped.wait(), AWAY_S)
        self._plug()

    def _switch_off(self) -> None:
        if self._child and self._child.returncode is None:
            self._child.kill()

    async def _run(self) -> None:
        """Start MicroPython, again and again, as its ends demand."""
        mode, cause = "friendly", 1
        while not self._stopped.is_set():
            if cause in _BOOT_CAUSES:
                await self._say(_BOOT.format(cause=_BOOT_CAUSES[cause]).encode())
            code = await self._live(mode, cause)
            mode, cause = "raw" if code == _SOFT_RESET_RAW else "friendly", _CAUSES.get(code, 1)
            if code == _POWER_CUT:
                del self._faults["power-cut"]
                await self._pull_for_a_while()

    async def _live(self, mode: str, cause: int) -> int:
        environment = os.environ | {"FENCELINE_MAC": (self.folder / "mac").read_text("ascii")}
        for kind, name in (("power-cut", "FENCELINE_CUT"), ("full-disk", "FENCELINE_FREE")):
            if kind in self._faults:
                environment[name] = str(self._faults[kind])
        environment |= {f"FENCELINE_UART_{number}": line for number, line in self._uarts.items()}
        self._state, told = os.pipe()
        os.set_blocking(self._state, False)
        environment["FENCELINE_STATE"] = str(told)
        command = [str(self._micropython), "-X", f"heapsize={self._heap}", str(RUNTIME), "flash.bin", mode, str(cause)]
        self._child = await asyncio.create_subprocess_exec(
            *command,
            cwd=self.folder,
            env=environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            pass_fds=(told,),
        )
        os.close(told)
        if self._stopped.is_set():
            self._switch_off()
        asyncio.get_running_loop().add_reader(self._state, self._awake_now)
        assert self._child.stdout
        last = b""
        while data := await self._child.stdout.read(PIECE):
            # A board's print() ends lines as a terminal wants them.
            await self._say((last + data).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")[len(last) :])
            last = b"\r" if data.endswith(b"\r") else b""
        code = await self._child.wait()
        asyncio.get_running_loop().remove_reader(self._state)
        os.close(self._state)
        self._busy = False
        return code

    def _awake_now(self) -> None:
        asyncio.get_running_loop().remove_reader(self._state)
        self._awake.set()

    async def _say(self, data: bytes) -> None:
        """Send to the computer; what nobody reads is lost, as at a real port."""
        for begin in range(0, len(data), PIECE):
            piece = data[begin : begin + PIECE]
            await self._pace(len(piece))
            self._said += len(piece)
            if "garbage" in self._faults and self._said > self._faults["garbage"]:
                piece = bytes((byte * 0x55 + 0x80) & 0xFF | 0x80 for byte in piece)
            if self._line:
                await self._line.write(piece)

    async def _from_computer(self) -> None:
        while not self._stopped.is_set():
            await self._back.wait()
            line = self._line
            data = await line.read() if line else b""
            if line is not self._line:
                continue
            left = self._faults.get("cable-pull", 1 << 62) - self._heard
            self._heard += len(data)
            await self._pace(len(data))
            await self._hear(data[: max(0, left)])
            if self._heard >= self._faults.get("cable-pull", 1 << 62):
                del self._faults["cable-pull"]
                await self._pull_for_a_while()

    async def _hear(self, data: bytes) -> None:
        """Give the board what the computer sent; Ctrl-C stops a program that runs, or is a key at the prompt."""
        for number, piece in enumerate(data.split(CTRL_C)):
            child = self._child
            if child is None or child.stdin is None or child.returncode is not None:
                return
            with contextlib.suppress(ConnectionError, ProcessLookupError):
                if number and self._is_busy():
                    child.send_signal(signal.SIGINT)
                    await self._until_idle()
                elif number:
                    child.stdin.write(CTRL_C)
                child.stdin.write(piece)
                await child.stdin.drain()

    def _is_busy(self) -> bool:
        """Tell whether a program runs on the board; it says so through a pipe."""
        with contextlib.suppress(BlockingIOError):
            while told := os.read(self._state, 1024):
                self._busy = told.endswith(BUSY)
        return self._busy

    async def _until_idle(self) -> None:
        """Wait for an interrupted program to end; MicroPython ends if a second SIGINT meets one still unnoticed."""
        deadline = asyncio.get_running_loop().time() + _INTERRUPT_GAP_S
        child = self._child
        while self._child is child and self._is_busy() and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.001)

    async def _pace(self, count: int) -> None:
        if self._baud:
            await asyncio.sleep(count * 10 / self._baud)


class _Line:
    """A pseudo-terminal; this end is the board's."""

    def __init__(self) -> None:
        self._end, other = pty.openpty()
        tty.setraw(other)
        self.name = os.ttyname(other)
        os.close(other)  # so that it shows whether a program has the port open
        os.set_blocking(self._end, False)
        self._closed = False

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
                await asyncio.wait_for(ready.wait(), 0.2)
        finally:
            if not self._closed:
                loop.remove_reader(self._end)
