"""The connection to one board: code run on it, files read and written, its output listened to.

mpremote's own serial transport speaks to the board's raw REPL; this adds types, files written so that a cut leaves the
old or the new one, and a cause and a remedy for each way in which it can fail (link_errors.py).

    with Link.open(port) as link:
        link.write("/config.json", b"{}")
        print(link.value("1 + 1"))
"""

import ast
import base64
import contextlib
import hashlib
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any, Self

import serial  # type: ignore[import-untyped]  # pyserial ships no types
from mpremote.transport import TransportError  # type: ignore[import-untyped]
from mpremote.transport_serial import SerialTransport  # type: ignore[import-untyped]

from firmware import link_errors
from firmware.ports import find_port, open_port

BAUD = 115200
ENTER_S = 8.0
"""How long a board may take to stop what it does and give its prompt; a chip starts within two."""
MUTE_S = 4.0
"""After which a board that has said nothing at all will say nothing."""
SILENCE_S = 10.0
"""How long a board may be silent while it works on something short."""
PIECE = 4096
"""Bytes of a file sent at a time: a board holds its text, the packed and the unpacked bytes at once."""
WATCHDOG_MS = 15 * 60 * 1000
_RAW = b"raw REPL; CTRL-B to exit\r\n"

# A chip's watchdog can't be stopped, only be given another time: without that, the one that boot.py and the agent have
# set would reset the board within a minute of its agent's being interrupted.
_HOLD_WATCHDOG = f"""
if 'WATCHDOG' in globals():
 try:
  from machine import WDT as _w
  _w(timeout={WATCHDOG_MS})
 except ImportError:
  pass
"""

_HELPERS = """
import os, sys, hashlib
from binascii import a2b_base64, b2a_base64, hexlify
try:
 from deflate import DeflateIO, RAW
 from io import BytesIO
except ImportError:
 DeflateIO = None
def _digest(p):
 try:
  f = open(p, 'rb')
 except OSError:
  return None
 h = hashlib.sha256()
 b = memoryview(bytearray(512))
 n = f.readinto(b)
 while n:
  h.update(b[:n])
  n = f.readinto(b)
 f.close()
 return hexlify(h.digest()).decode()
def _size(p):
 try:
  s = os.stat(p)
 except OSError:
  return None
 return -1 if s[0] & 0x4000 else s[6]
def _tree(p, skip=()):
 for e in os.ilistdir(p or '/'):
  q = p + '/' + e[0]
  if e[1] & 0x4000:
   if q not in skip:
    print(repr((q, -1)))
    _tree(q, skip)
  else:
   print(repr((q, e[3] if len(e) > 3 else os.stat(q)[6])))
def _folders(p):
 a = ''
 for n in p.strip('/').split('/')[:-1]:
  a += '/' + n
  if _size(a) is None:
   os.mkdir(a)
def _remove(p):
 if _size(p) == -1:
  for e in os.ilistdir(p):
   _remove(p + '/' + e[0])
  os.rmdir(p)
 elif _size(p) is not None:
  os.remove(p)
def _put(s):
 _f.write(DeflateIO(BytesIO(a2b_base64(s)), RAW, 12).read())
"""


class Link:
    """A board that has been stopped and waits at its raw REPL; close it, and what is installed on it runs again."""

    def __init__(self, port: str, transport: "_Transport") -> None:
        self.port = port
        self._transport = transport
        self._ready = False
        self._packs = True

    @classmethod
    def open(cls, port: str | None = None, *, baud: int = BAUD, fresh: bool = True) -> Self:
        """Connect to the board at `port`, or to the only one there is, and stop what it does.

        Args:
            port: as `fenceline board list` shows it; None to find it.
            baud: of the line.
            fresh: start its interpreter again, so that its memory is free; else the agent's names stay reachable.

        Raises:
            FieldError: no port, no permission, another program, garbage, silence, a boot loop, no MicroPython.
        """
        name = find_port(port)
        link = cls(name, _Transport(open_port(name, baud)))
        try:
            link._enter()
            link.run(_HOLD_WATCHDOG)
            if fresh:
                link.soft_reset()
        except BaseException:
            link._transport.shut()
            raise
        return link

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let the board start again, so that its agent measures, and free the port."""
        if self._transport.is_open:
            with contextlib.suppress(OSError, serial.SerialException):
                # Whatever it is doing ends; the raw REPL is left; Ctrl-D restarts the interpreter and its main.py.
                self._transport.send(b"\r\x03\x02\r\x04")
                time.sleep(0.05)  # the port must not close before the last byte has left
            self._transport.shut()

    def release(self) -> None:
        """Free the port for another program; the board stays at its prompt, and what is installed does not run."""
        self._transport.shut()

    def run(self, code: str, *, silence: float = SILENCE_S, on_output: Callable[[bytes], None] | None = None) -> str:
        """Run code on the board and return what it printed.

        Args:
            code: Python. Names defined by it stay until the next soft reset.
            silence: s without any output after which the board counts as lost.
            on_output: is called with each byte as it comes; then nothing is returned.

        Raises:
            BoardCodeError: the code raised an exception on the board.
            FieldError: the connection was lost, the board was reset, or it is silent.
        """
        with link_errors.translated(self.port, self._transport.recently_heard):
            output, error = self._transport.exec_raw(code, timeout=silence, data_consumer=on_output)
        if error:
            raise link_errors.BoardCodeError(self.port, error.decode("utf-8", "replace"))
        return output.decode("utf-8", "replace").replace("\r\n", "\n") if output and on_output is None else ""

    def value(self, expression: str) -> Any:
        """Return the value of an expression that is a number, text, bytes, None, or a container of such."""
        return ast.literal_eval(self.run(f"print(repr({expression}))").strip())

    def lines(self, code: str, *, silence: float = SILENCE_S) -> Iterator[str]:
        """Run code on the board and yield each line it prints as it comes; leaving the loop stops the code.

        Raises:
            BoardCodeError, FieldError: as `run`.
        """
        transport, line, done = self._transport, bytearray(), False
        with link_errors.translated(self.port, transport.recently_heard):
            transport.exec_raw_no_follow(code)
        try:
            while not done:
                with link_errors.translated(self.port, transport.recently_heard):
                    byte = transport.read_until(1, b"\n", timeout=silence, stop=b"\x04")
                line += byte
                done = line.endswith(b"\x04")
                if not line.endswith((b"\n", b"\x04")):
                    raise link_errors.silent(self.port, transport.recently_heard())
                if text := line.rstrip(b"\r\n\x04"):
                    yield text.decode("utf-8", "replace")
                line.clear()
            with link_errors.translated(self.port, transport.recently_heard):
                error = transport.read_until(1, b"\x04", timeout=silence).rstrip(b"\x04")
        finally:
            if not done:
                self.interrupt()
        if error:
            raise link_errors.BoardCodeError(self.port, error.decode("utf-8", "replace"))

    def interrupt(self) -> None:
        """Stop what the board does and come back to its prompt; its names stay."""
        self._enter()

    def soft_reset(self) -> None:
        """Start the board's interpreter again; boot.py runs, main.py does not."""
        with link_errors.translated(self.port, self._transport.recently_heard):
            self._transport.restart_interpreter()
        self._ready = False

    def reset(self) -> None:
        """Start the board again as from power-up; afterwards the connection is closed."""
        self._transport.exec_raw_no_follow("import machine; machine.reset()")
        time.sleep(0.05)
        self._transport.shut()

    def files(self, folder: str = "/", skip: Sequence[str] = ()) -> dict[str, int]:
        """Return all files below a folder with their sizes in bytes; folders are there with -1.

        Args:
            folder: absolute; if it is missing there are no files.
            skip: folders that are not looked into.
        """
        root = folder.rstrip("/")
        if self.size(root or "/") is None:
            return {}
        listing = self._help(f"_tree({root!r}, {tuple(skip)!r})")
        return dict(ast.literal_eval(line) for line in listing.splitlines())

    def size(self, path: str) -> int | None:
        """Return a file's size in bytes, -1 for a folder, None if there is no such thing."""
        return None if path == "" else ast.literal_eval(self._help(f"print(_size({path!r}))").strip())

    def digest(self, path: str) -> str | None:
        """Return a file's SHA-256 in hexadecimal digits, computed by the board; None if it can't be read."""
        return ast.literal_eval(self._help(f"print(repr(_digest({path!r})))").strip())  # type: ignore[no-any-return]

    def digests(self, paths: Sequence[str]) -> dict[str, str | None]:
        """Return the SHA-256 of several files, as `digest`."""
        listing = self._help(f"for p in {list(paths)!r}:\n print(repr((p, _digest(p))))")
        return dict(ast.literal_eval(line) for line in listing.splitlines())

    def read(self, path: str, progress: Callable[[int], None] | None = None) -> bytes:
        """Return a file's content; `progress` is called with the number of bytes of each piece.

        Raises:
            BoardCodeError: there is no such file.
        """
        content = bytearray()
        self._help(f"_f = open({path!r}, 'rb')")
        while piece := base64.b64decode(self.run(f"print(b2a_base64(_f.read({PIECE})).decode())")):
            content += piece
            if progress:
                progress(len(piece))
        self.run("_f.close()")
        expected = self.digest(path)
        if hashlib.sha256(content).hexdigest() != expected:
            raise link_errors.garbled(self.port, path)
        return bytes(content)

    def write(self, path: str, content: bytes, progress: Callable[[int], None] | None = None) -> None:
        """Write a file and the folders it needs; whatever happens, the board has the old file or the whole new one.

        The content stands in `path`.new until the board has computed its SHA-256.

        Raises:
            FieldError: the board is full; the new content arrived damaged; or as `run`.
        """
        new = path + ".new"
        try:
            self._help(f"_folders({path!r})\n_f = open({new!r}, 'wb')")
            for begin in range(0, len(content), PIECE):
                piece = content[begin : begin + PIECE]
                self.run(f"{self._pack(piece)}")
                if progress:
                    progress(len(piece))
            self.run("_f.close()")
            if self.digest(new) != hashlib.sha256(content).hexdigest():
                raise link_errors.garbled(self.port, path)
            self.run(f"os.rename({new!r}, {path!r})")
        except link_errors.BoardCodeError as error:
            if "ENOSPC" not in error.traceback:
                raise
            free = self._give_up(new)
            raise link_errors.full(self.port, path, len(content), free) from error

    def remove(self, path: str) -> None:
        """Remove a file, or a folder with all that is in it; it may be missing."""
        self._help(f"_remove({path!r})")

    def free(self) -> int:
        """Return how many bytes the board's file system has left."""
        return int(self.value("(lambda s: s[0] * s[3])(__import__('os').statvfs('/'))"))

    @property
    def traffic(self) -> int:
        """Bytes that went over the line so far, both ways."""
        count: int = self._transport.serial.count
        return count

    def _give_up(self, new: str) -> int:
        self._help(f"try:\n _f.close()\nexcept OSError:\n pass\n_remove({new!r})")
        return self.free()

    def _pack(self, piece: bytes) -> str:
        if self._packs:
            packer = zlib.compressobj(9, wbits=-12)
            packed = base64.b64encode(packer.compress(piece) + packer.flush()).decode()
            return f"_put('{packed}')"
        return f"_f.write(a2b_base64('{base64.b64encode(piece).decode()}'))"

    def _help(self, code: str) -> str:
        """Run code that needs the helpers on the board, which are sent once."""
        if not self._ready:
            self.run(_HELPERS)
            self._packs = self.value("DeflateIO is not None")
            self._ready = True
        return self.run(code, silence=60)

    def _enter(self) -> None:
        """Stop what the board does and enter its raw REPL."""
        transport = self._transport
        with link_errors.translated(self.port, transport.recently_heard):
            heard = transport.enter(ENTER_S)
        if heard is not None:
            raise link_errors.no_prompt(self.port, heard)


class _Counted:
    """A serial port that counts what goes over it."""

    def __init__(self, port: Any) -> None:
        self.__dict__.update(_port=port, count=0)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._port, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "count":
            self.__dict__[name] = value
        else:
            setattr(self._port, name, value)

    def read(self, size: int = 1) -> bytes:
        data: bytes = self._port.read(size)
        self.count += len(data)
        return data

    def write(self, data: bytes) -> int | None:
        self.count += len(data)
        written: int | None = self._port.write(data)
        return written


class _Transport(SerialTransport):  # type: ignore[misc]
    """mpremote's transport on a port that is open already; it remembers what the board said last."""

    def __init__(self, port: Any) -> None:
        self.in_raw_repl = False
        self.use_raw_paste = True
        self.device_name = port.port
        self.mounted = False
        self.is_pty = False
        self.serial = _Counted(port)
        self._heard = bytearray()

    @property
    def is_open(self) -> bool:
        return bool(self.serial.is_open)

    def recently_heard(self) -> bytes:
        """Return what the board said last, at most 2 KB."""
        with contextlib.suppress(OSError, serial.SerialException):
            self._note(self.serial.read(self.serial.in_waiting))
        return bytes(self._heard)

    def send(self, data: bytes) -> None:
        self.serial.write(data)
        self.serial.flush()

    def shut(self) -> None:
        with contextlib.suppress(OSError, serial.SerialException):
            self.close()

    def enter(self, seconds: float) -> bytes | None:
        """Enter the raw REPL; return None, or what was heard instead."""
        deadline = time.monotonic() + seconds
        self._heard.clear()
        while time.monotonic() < deadline:
            # Again and again, because a board that is just starting misses what comes early.
            self.serial.write(b"\r\x03")
            time.sleep(0.02)
            self.serial.write(b"\r\x01")
            if self.read_until(1, _RAW, timeout=0.6, timeout_overall=2).endswith(_RAW):
                self.in_raw_repl = True
                return None
            if not self._heard and time.monotonic() > deadline - seconds + MUTE_S:
                break
        return self.recently_heard()

    def restart_interpreter(self) -> None:
        """Soft-reset within the raw REPL."""
        self.read_until(1, b">", timeout=2)
        self.serial.write(b"\x04")
        for told in (b"soft reboot\r\n", _RAW):
            if not self.read_until(1, told, timeout=SILENCE_S).endswith(told):
                raise TransportError("no soft reboot")

    def read_until(
        self,
        min_num_bytes: int,
        ending: bytes,
        timeout: float | None = SILENCE_S,
        data_consumer: Callable[[bytes], None] | None = None,
        timeout_overall: float | None = None,
        stop: bytes | None = None,
    ) -> bytes:
        """Read as mpremote does, but wait in the operating system instead of sleeping; `stop` ends it, too."""
        del min_num_bytes
        data = bytearray()
        begin = time.monotonic()
        while not data.endswith(ending) and not (stop and data.endswith(stop)):
            left = None if timeout_overall is None else begin + timeout_overall - time.monotonic()
            waits = [each for each in (timeout, left) if each is not None]
            self.serial.timeout = max(0.0, min(waits)) if waits else None
            byte = self.serial.read(1)
            self.serial.timeout = SILENCE_S
            if not byte:
                break
            self._note(byte)
            if data_consumer:
                data_consumer(byte)
                data[:] = byte
            else:
                data += byte
        return bytes(data)

    def _note(self, data: bytes) -> None:
        self._heard += data
        del self._heard[:-2048]
