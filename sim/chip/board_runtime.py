"""What makes MicroPython's unix port a board: flash with littlefs, a REPL on a serial line, boot.py and main.py.

Runs on MicroPython, started by virtual_board.py: `micropython board_runtime.py IMAGE MODE CAUSE`. IMAGE is the flash's
file, MODE `friendly` or `raw` (the REPL that the last one was left in), CAUSE the number for `machine.reset_cause()`.
Environment: FENCELINE_MAC (12 hexadecimal digits), FENCELINE_CUT (flash operations until the power is cut),
FENCELINE_FREE (bytes that a full file system has left), FENCELINE_STATE (a file descriptor: 1 is written to it when a
program begins, 0 when the prompt is back). It ends with one of the codes below.

The unix port has no raw REPL before 1.27, so the protocol of MicroPython's shared/runtime/pyexec.c is spoken here; what
is run by it, and everything that it runs on, is MicroPython's own.

Ctrl-C stops a program as SIGINT: MicroPython raises KeyboardInterrupt where its byte code jumps. The flash's methods
have no jumps: an interrupt within littlefs would leave its tables in two minds, which no chip's driver does.
"""

import io
import os
import sys

import ffi  # type: ignore[import-not-found]  # MicroPython's
import vfs  # type: ignore[import-not-found]

SOFT_RESET, SOFT_RESET_RAW, RESET, POWER_CUT = 10, 11, 12, 13
SIZE, BLOCKS = 4096, 512  # the file system of an ESP32 with 4 MB
WINDOW = 128  # bytes that raw-paste lets the other side send ahead, as on the ESP32

_stdin = sys.stdin.buffer
_kept: "list[bytes]" = []
_state = open(int(os.getenv("FENCELINE_STATE") or 2), "wb")  # noqa: SIM115 (for life)
_libc = ffi.open("libc.so.6")
_exit = _libc.func("v", "_exit", "i")


class Flash:
    """A flash chip in a file; after `left` operations that change it the power is cut, half-way through one."""

    def __init__(self, path: str, left: int) -> None:
        self._file = open(path, "r+b")  # noqa: SIM115 (for life)
        self._left = left
        self._answers = {4: self._count, 5: self._size, 6: self._erase}
        self._steps = (self._cut, self._keep_on)

    def readblocks(self, number: int, buffer: bytearray, offset: int = 0) -> None:
        """Read from a block."""
        self._file.seek(number * SIZE + offset)
        self._file.readinto(buffer)

    def writeblocks(self, number: int, buffer: bytes, offset: int = 0) -> None:
        """Program a part of a block."""
        self._file.seek(number * SIZE + offset)
        self._left -= 1
        self._steps[self._left > 0](buffer)
        self._file.write(buffer)

    def ioctl(self, operation: int, argument: int) -> int:
        """Answer what a file system asks of a block device."""
        return self._answers.get(operation, self._nothing)(argument)

    def _count(self, _argument: int) -> int:
        return BLOCKS

    def _size(self, _argument: int) -> int:
        return SIZE

    def _nothing(self, _argument: int) -> int:
        return 0

    def _erase(self, number: int) -> int:
        self._left -= 1
        self._file.seek(number * SIZE)
        self._steps[self._left > 0](ERASED)
        self._file.write(ERASED)
        return 0

    def _keep_on(self, _buffer: bytes) -> None:
        pass

    def _cut(self, buffer: bytes) -> None:
        self._file.write(memoryview(buffer)[: len(buffer) // 2])
        _exit(POWER_CUT)


ERASED = b"\xff" * SIZE


class Machine:
    """The module `machine` as far as a process can have it; the causes are the ESP32's."""

    PWRON_RESET, HARD_RESET, WDT_RESET, DEEPSLEEP_RESET, SOFT_RESET = 1, 2, 3, 4, 5

    def __init__(self, cause: int, mac: bytes) -> None:
        self._cause, self._mac = cause, mac

    def reset(self) -> None:
        """Start again from power-up."""
        _exit(RESET)

    def soft_reset(self) -> None:
        """Start the interpreter again."""
        raise SystemExit

    def reset_cause(self) -> int:
        """Return why the board started."""
        return self._cause

    def unique_id(self) -> bytes:
        """Return the MAC address, as an ESP32 does."""
        return self._mac


class Repl:
    """The prompt at the serial line, friendly or raw, as MicroPython's boards have it."""

    def __init__(self, raw: bool) -> None:
        self._raw = raw
        self._names = {"__name__": "__main__"}

    def start(self) -> None:
        """Run boot.py and, unless a computer holds the raw REPL, main.py."""
        self.run_file("boot.py")
        if not self._raw:
            self.run_file("main.py")

    def run_file(self, name: str) -> None:
        """Run a file of the board if it is there."""
        try:
            os.stat(name)
        except OSError:
            return
        try:
            with open(name) as file:
                text = file.read()
            self._names["__file__"] = name
            failure = self._execute(text, name, "exec")
        except OSError as error:
            failure = error
        if failure is not None:
            _say(_traceback(failure))

    def serve(self) -> None:
        """Answer at the prompt for ever."""
        if not self._raw:
            self._banner()
        while True:
            if self._raw:
                self._serve_raw()
            else:
                self._serve_friendly()

    def _serve_raw(self) -> None:
        _say("raw REPL; CTRL-B to exit\r\n")
        while True:
            _say(">")
            code = self._read_raw()
            if code is None:
                return
            if code == b"":
                _say("\r\n")
                self._soft_reset()
            if code is not PASTED:
                _say("OK")
            else:
                code = self._pasted
            self._answer(code)

    def _read_raw(self) -> "bytes | None":
        """Return what is to be executed, PASTED when it came by raw-paste, None when the prompt begins anew."""
        code = bytearray()
        while True:
            byte = _read()
            if byte == b"\x01":
                if bytes(code) == b"\x05A":
                    return self._paste()
                return None
            if byte == b"\x02":
                self._raw = False
                self._banner()
                return None
            if byte == b"\x04":
                return bytes(code)
            if byte == b"\x03":
                code = bytearray()
            elif byte == b"\x05" and code:
                pass
            elif byte != b"\r" or code:
                code += byte

    def _paste(self) -> bytes:
        sys.stdout.buffer.write(b"R\x01" + bytes((WINDOW, 0)))
        code = bytearray()
        while True:
            byte = _read()
            if byte == b"\x04":
                _say("\x04")
                self._pasted = bytes(code)
                return PASTED
            if byte == b"\x03":  # given up, as after a pulled cable: nothing of it is executed
                _say("\x04")
                self._pasted = b"raise KeyboardInterrupt"
                return PASTED
            code += byte
            if len(code) % WINDOW == 0:
                _say("\x01")

    def _answer(self, code: bytes) -> None:
        """Run code; what it prints is followed by 04, what it fails with by another."""
        failure = self._execute(code, "<stdin>", "exec")
        _say("\x04")
        if failure is not None:
            _say(_traceback(failure))
        _say("\x04")

    def _execute(self, code: "bytes | str", name: str, kind: str) -> "BaseException | None":
        """Run code and return what it failed with."""
        try:
            _state.write(b"\1")
            exec(compile(code, name, kind), self._names)  # noqa: S102 (this is an interpreter)
            _state.write(b"\0")
        except SystemExit:
            _state.write(b"\0")
            if self._raw:
                _say("\x04\x04")
            self._soft_reset()
        except BaseException as error:  # noqa: BLE001 (KeyboardInterrupt leads to the prompt, too)
            _state.write(b"\0")
            return error
        return None

    def _serve_friendly(self) -> None:
        while not self._raw:
            _say(">>> ")
            lines = self._read_lines()
            if lines:
                self._execute_line(lines)

    def _read_lines(self) -> str:
        """Return one line, or several where the first opens a block, or "" when the prompt begins anew."""
        lines, line = [], ""
        while True:
            char = _read().decode()
            if char == "\r":
                _say("\r\n")
                lines.append(line)
                block = len(lines) > 1 or line.rstrip().endswith((":", "\\", "(", "[", "{"))
                if not (block and line.strip()):
                    return "\n".join(lines)
                line = ""
                _say("... ")
            elif char == "\x03":
                _say("\r\n")
                return ""
            elif char in "\x01\x02\x05" or (char == "\x04" and not line and not lines):
                return self._control(char)
            elif char in "\x08\x7f":
                if line:
                    line = line[:-1]
                    _say("\x08 \x08")
            elif char >= " " or char == "\t":
                line += char
                _say(char)

    def _control(self, char: str) -> str:
        """Do what a control character asks for; return the text to execute, mostly none."""
        if char == "\x01":
            self._raw = True
        elif char == "\x02":
            self._banner()
        elif char == "\x05":
            return self._read_paste()
        else:
            _say("\r\n")
            self._soft_reset()
        return ""

    def _read_paste(self) -> str:
        _say("\r\npaste mode; Ctrl-C to cancel, Ctrl-D to finish\r\n=== ")
        text = ""
        while True:
            char = _read().decode()
            if char == "\x03":
                _say("\r\n")
                return ""
            if char == "\x04":
                _say("\r\n")
                return text + "\n\n"
            text += "\n" if char == "\r" else char
            _say("\r\n=== " if char == "\r" else char)

    def _execute_line(self, text: str) -> None:
        failure = self._execute(text, "<stdin>", "exec" if text.endswith("\n\n") else "single")
        if failure is not None:
            _say(_traceback(failure))

    def _soft_reset(self) -> None:
        _say("MPY: soft reboot\r\n")
        _exit(SOFT_RESET_RAW if self._raw else SOFT_RESET)

    def _banner(self) -> None:
        version = sys.version.split("; ")[-1]
        _say('%s; virtual board\r\nType "help()" for more information.\r\n' % version)


PASTED = b"\x00"


def _say(text: str) -> None:
    sys.stdout.write(text)


def _read() -> bytes:
    """Return the next byte that the computer has sent; a SIGINT that comes too late for its program is a Ctrl-C."""
    byte = b""
    try:
        byte = _kept.pop() if _kept else _stdin.read(1)
        if byte:
            return byte
    except KeyboardInterrupt:
        if byte:
            _kept.append(byte)
        return b"\x03"
    _exit(0)  # the other end has gone
    return b""


def _traceback(error: BaseException) -> str:
    """Return what a board prints, which does not show how this file came to run the program."""
    text = io.StringIO()
    sys.print_exception(error, text)  # type: ignore[attr-defined]
    return "".join(line + "\r\n" for line in text.getvalue().splitlines() if "board_runtime.py" not in line)


def _mount(path: str) -> None:
    flash = Flash(path, int(os.getenv("FENCELINE_CUT") or 1 << 29))
    vfs.umount("/")
    try:
        vfs.mount(vfs.VfsLfs2(flash), "/")
    except OSError:  # as a new board does
        vfs.VfsLfs2.mkfs(flash)
        vfs.mount(vfs.VfsLfs2(flash), "/")
    os.chdir("/")
    sys.path[:] = ["", ".frozen", "/lib"]
    if os.getenv("FENCELINE_FREE"):
        _fill(int(os.getenv("FENCELINE_FREE") or 0))


def _fill(free: int) -> None:
    """Leave `free` bytes of the file system, in whole blocks, as a forgotten recording does."""
    with open("recording.raw", "ab") as file:
        for _ in range(max(0, os.statvfs("/")[3] - free // SIZE - 8)):
            file.write(ERASED)
        file.flush()
        try:
            while os.statvfs("/")[3] * SIZE > free:
                file.write(ERASED)
                file.flush()
        except OSError:  # the last block is the file system's own: fuller it does not get
            pass


_mount(sys.argv[1])
sys.modules["machine"] = Machine(int(sys.argv[3]), bytes.fromhex(os.getenv("FENCELINE_MAC") or "00" * 6))  # type: ignore[assignment]
_repl = Repl(sys.argv[2] == "raw")
_repl.start()
_state.write(b"\0")
_repl.serve()
