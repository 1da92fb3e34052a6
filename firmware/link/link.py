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

from firmware.link import errors as link_errors
from firmware.link.on_board import HELPERS, HOLD_WATCHDOG
from firmware.link.ports import find_port, open_port
from firmware.link.transport import SILENCE_S, Transport
from firmware.terminal.speech import FieldError

BAUD = 115200
ENTER_S = 8.0
"""How long a board may take to stop what it does and give its prompt; a chip starts within two."""
PIECE = 4096
"""Bytes of a file sent at a time: a board holds its text, the packed and the unpacked bytes at once."""


class Link:
    """A board that has been stopped and waits at its raw REPL; close it, and what is installed on it runs again."""

    def __init__(self, port: str, transport: Transport) -> None:
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
        link = cls(name, Transport(open_port(name, baud)))
        try:
            try:
                link._begin(fresh)
            except link_errors.NoPromptError:
                raise
            except FieldError:
                link._begin(fresh)  # it was just starting, or its watchdog bit
        except BaseException:
            link._transport.shut()
            raise
        return link

    def _begin(self, fresh: bool) -> None:
        self._enter()
        self.run(HOLD_WATCHDOG, silence=3)
        if fresh:
            self.soft_reset()

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
                # Until it has said so, whoever connects next would find the prompt that is about to go.
                self._transport.read_until(1, b"soft reboot\r\n", timeout=1, timeout_overall=2)
            self._transport.shut()

    def release(self) -> None:
        """Free the port for another program; the board stays at its prompt, and what is installed does not run."""
        with contextlib.suppress(OSError, serial.SerialException):
            self._transport.send(b"\r\x03\x02")  # the prompt for people
            self._transport.read_until(1, b">>> ", timeout=1, timeout_overall=2)
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
            if not error.no_space:
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
    def sent(self) -> int:
        """Bytes that the computer has sent so far."""
        return int(self._transport.serial.sent)

    @property
    def traffic(self) -> int:
        """Bytes that went over the line so far, both ways."""
        return int(self._transport.serial.sent + self._transport.serial.heard)

    def _give_up(self, new: str) -> int:
        self._help(f"try:\n _f.close()\nexcept (NameError, OSError):\n pass\n_remove({new!r})")
        return self.free()

    def _pack(self, piece: bytes) -> str:
        if self._packs:
            packer = zlib.compressobj(9, wbits=-12)
            packed = base64.b64encode(packer.compress(piece) + packer.flush()).decode()
            return f"_put('{packed}')"
        return f"_f.write(a2b_base64('{base64.b64encode(piece).decode()}'))"

    def define(self, code: str) -> None:
        """Define names on the board that use those of on_board.py, such as `_digest`; they stay until a soft reset."""
        self._help(code)

    def _help(self, code: str) -> str:
        """Run code that needs the helpers on the board, which are sent once."""
        if not self._ready:
            self.run(HELPERS)
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
