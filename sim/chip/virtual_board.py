"""A virtual board: a real MicroPython with flash and a REPL behind a serial port.

The other end can't tell it from a board at a USB-serial bridge: mpremote, pyserial and `fenceline board` talk to it
unchanged. It keeps its flash in a folder, so the same board can be started again; the port's name stays the same.

What differs from a chip: native code is that of this computer, memory protection is the operating system's, there is no
watchdog, and there are no DTR and RTS lines, so it can't be reset through them.
"""

import asyncio
import contextlib
import fcntl
import os
import secrets
import signal
from collections.abc import Mapping
from pathlib import Path

from schemas.errors import UserError
from sim.chip.serial_port import PIECE, Fault, SerialPort

RUNTIME = Path(__file__).with_name("board_runtime.py")
FLASH_SIZE = 2 * 1024 * 1024  # bytes: what MicroPython leaves for files on an ESP32 with 4 MB
STARTS_WITHIN_S = 20
CTRL_C = b"\x03"
BUSY = b"\1"  # what board_runtime.py tells when a program begins
_SOFT_RESET, _SOFT_RESET_RAW, _RESET, _POWER_CUT = 10, 11, 12, 13  # exit codes of board_runtime.py
_CAUSES = {_RESET: 2, _SOFT_RESET: 5, _SOFT_RESET_RAW: 5}  # machine.reset_cause(); else 1, power
_BOOT = "rst:{cause},boot:0x13 (SPI_FAST_FLASH_BOOT)\r\nload:0x3fff0030,len:4832\r\nentry 0x400805ac\r\n"
_BOOT_CAUSES = {1: "0x1 (POWERON_RESET)", 2: "0xc (SW_CPU_RESET)"}
_INTERRUPT_GAP_S = 0.1


class VirtualBoard:
    """A board; `start` it, and `stop` it in the end.

    Args:
        folder: where it keeps its flash; made if it is not there. One board at a time can run in it.
        micropython: the interpreter.
        faults: what goes wrong, each once.
        lines: what is behind its ports, `tcp:HOST:PORT` by `uart:NUMBER` or `echo:TRIGGER_PIN`.
        heap: MicroPython's heap in bytes.
    """

    def __init__(
        self,
        folder: Path,
        micropython: Path,
        faults: tuple[Fault, ...] = (),
        lines: Mapping[str, str] | None = None,
        heap: int = 160 * 1024,
    ) -> None:
        self.folder = folder.absolute()
        self._micropython, self._heap, self._lines = micropython, heap, lines or {}
        self._faults = {fault.kind: fault.at for fault in faults}
        self.port = SerialPort(self.folder, self._faults, self._hear)
        self._child: asyncio.subprocess.Process | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._stopped = asyncio.Event()
        self._state = -1
        self._busy = False
        self._awake = asyncio.Event()
        self._lock = -1

    async def start(self) -> None:
        """Plug it in, switch it on, and return when its first program or its prompt has begun.

        Raises:
            UserError: another virtual board runs in the folder.
        """
        self._lock = lock(self.folder)
        with (self.folder / "flash.bin").open("ab") as image:
            image.truncate(FLASH_SIZE)
        mac = self.folder / "mac"
        if not mac.exists():
            mac.write_text("240ac4" + secrets.token_hex(3), "ascii")
        self.port.plug()
        works = (self._run(), self.port.serve(), self._watch())
        self._tasks = [asyncio.create_task(work) for work in works]
        async with asyncio.timeout(STARTS_WITHIN_S):
            await self._awake.wait()

    async def stop(self) -> None:
        """Switch it off and unplug it."""
        self._stopped.set()
        self._switch_off()
        self.port.stop()
        await asyncio.gather(*self._tasks)
        self.port.pull()
        if self._lock >= 0:
            os.close(self._lock)

    def _switch_off(self) -> None:
        if self._child and self._child.returncode is None:
            self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        # Not asyncio's own way: that may collect the exit code before asyncio does, which then never learns it.
        if self._child:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._child.pid, number)

    async def _run(self) -> None:
        """Start MicroPython, again and again, as its ends demand."""
        mode, cause = "friendly", 1
        while not self._stopped.is_set():
            if cause in _BOOT_CAUSES:
                await self.port.say(_BOOT.format(cause=_BOOT_CAUSES[cause]).encode())
            code = await self._live(mode, cause)
            mode, cause = "raw" if code == _SOFT_RESET_RAW else "friendly", _CAUSES.get(code, 1)
            if code == _POWER_CUT:
                del self._faults["power-cut"]
                await self.port.pull_for_a_while()

    async def _watch(self) -> None:
        """Reset a board that has locked up, as a chip's watchdog does.

        MicroPython's unix port may keep a lock when SIGINT interrupts it (seen once in 400 interrupts), and then waits
        for itself; having one thread, it never waits for a lock otherwise.
        """
        waits = 0
        while not self._stopped.is_set():
            waits = waits + 1 if self._waits_for_a_lock() else 0
            if waits > 2:
                self._signal(signal.SIGKILL)
                waits = 0
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.3):
                    await self._stopped.wait()

    def _waits_for_a_lock(self) -> bool:
        try:
            return self._child is not None and "futex" in Path(f"/proc/{self._child.pid}/wchan").read_text("ascii")
        except OSError:
            return False

    async def _live(self, mode: str, cause: int) -> int:
        environment = os.environ | {"FENCELINE_MAC": (self.folder / "mac").read_text("ascii")}
        for kind, name in (("power-cut", "FENCELINE_CUT"), ("full-disk", "FENCELINE_FREE")):
            if kind in self._faults:
                environment[name] = str(self._faults[kind])
        environment |= {f"FENCELINE_{port.replace(':', '_').upper()}": line for port, line in self._lines.items()}
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
            await self.port.say((last + data).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")[len(last) :])
            last = b"\r" if data.endswith(b"\r") else b""
        code = await self._child.wait()
        asyncio.get_running_loop().remove_reader(self._state)
        os.close(self._state)
        self._busy = False
        return code

    def _awake_now(self) -> None:
        asyncio.get_running_loop().remove_reader(self._state)
        self._awake.set()

    async def _hear(self, data: bytes) -> None:
        """Give the board what the computer sent; Ctrl-C stops a program that runs, or is a key at the prompt."""
        for number, piece in enumerate(data.split(CTRL_C)):
            child = self._child
            if child is None or child.stdin is None or child.returncode is not None:
                return
            with contextlib.suppress(ConnectionError, ProcessLookupError):
                if number and self._is_busy():
                    self._signal(signal.SIGINT)
                    await self._until_idle()
                elif number:
                    child.stdin.write(CTRL_C)
                child.stdin.write(piece)
                await child.stdin.drain()

    def _is_busy(self) -> bool:
        """Tell whether a program runs on the board; it says so through a pipe."""
        with contextlib.suppress(OSError):
            while told := os.read(self._state, 1024):
                self._busy = told.endswith(BUSY)
        return self._busy

    async def _until_idle(self) -> None:
        """Wait for an interrupted program to end; MicroPython ends if a second SIGINT meets one still unnoticed."""
        deadline = asyncio.get_running_loop().time() + _INTERRUPT_GAP_S
        child = self._child
        while self._child is child and self._is_busy() and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.001)


def lock(folder: Path) -> int:
    """Make the folder of a simulated device and claim it; return the open lock.

    Raises:
        UserError: another one runs there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    held = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(held)
        raise UserError(f"{folder}: another virtual board runs there; give --folder another.") from error
    return held
