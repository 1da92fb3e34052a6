"""mpremote's serial transport, with what it lacks for a technician: it tells what it heard when no prompt comes."""

import contextlib
import io
import time
from collections.abc import Callable
from typing import Any

import serial  # type: ignore[import-untyped]  # pyserial ships no types
from mpremote.transport import TransportError  # type: ignore[import-untyped]
from mpremote.transport_serial import SerialTransport  # type: ignore[import-untyped]

SILENCE_S = 10.0
"""How long a board may be silent while it works on something short."""
MUTE_S = 4.0
"""After which a board that has said nothing at all will say nothing."""
_RAW = b"raw REPL; CTRL-B to exit\r\n"


def is_garbage(heard: bytes | bytearray) -> bool:
    """Tell whether what was heard is no text, as at a wrong baud rate."""
    try:
        heard.decode("utf-8")
    except UnicodeDecodeError as error:
        # The beginning and the end of what is heard may lie within a character.
        strange = sum(byte >= 0x80 or (byte < 0x20 and byte not in b"\r\n\t\x01\x03\x04\x1b") for byte in heard)
        return error.start < len(heard) - 4 and strange * 4 > len(heard) > 8
    return False


class _Counted:
    """A serial port that counts what goes over it."""

    def __init__(self, port: Any) -> None:
        self.__dict__.update(_port=port, sent=0, heard=0)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._port, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ("sent", "heard"):
            self.__dict__[name] = value
        else:
            setattr(self._port, name, value)

    def read(self, size: int = 1) -> bytes:
        data: bytes = self._port.read(size)
        self.heard += len(data)
        return data

    def write(self, data: bytes) -> int | None:
        self.sent += len(data)
        written: int | None = self._port.write(data)
        return written


class Transport(SerialTransport):  # type: ignore[misc]
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
        """Whether the port is still held."""
        return bool(self.serial.is_open)

    def recently_heard(self) -> bytes:
        """Return what the board said last, at most 2 KB."""
        with contextlib.suppress(OSError, serial.SerialException):
            self._note(self.serial.read(self.serial.in_waiting))
        return bytes(self._heard)

    def send(self, data: bytes) -> None:
        """Send, and return when the last byte is with the operating system's driver."""
        self.serial.write(data)
        self.serial.flush()

    def shut(self) -> None:
        """Let go of the port, whatever state it is in."""
        with contextlib.suppress(OSError, serial.SerialException):
            self.close()

    def enter(self, seconds: float) -> bytes | None:
        """Enter the raw REPL; return None, or what was heard instead."""
        deadline = time.monotonic() + seconds
        self._heard.clear()
        while time.monotonic() < deadline:
            # Again and again: a board that is just starting misses what comes early, and one that restarts all the time
            # listens for a moment only.
            self.serial.write(b"\r\x03")
            if self.read_until(1, _RAW, timeout=0.03, timeout_overall=0.03) and b"rst:0x" in self._heard:
                for _ in range(20):
                    self.serial.write(b"\x03")
                    self.read_until(1, _RAW, timeout=0.03, timeout_overall=0.03)
            self.serial.write(b"\r\x01")
            if self.read_until(1, _RAW, timeout=0.6, timeout_overall=2).endswith(_RAW) and self._settle():
                return None
            if is_garbage(self._heard) or (not self._heard and time.monotonic() > deadline - seconds + MUTE_S):
                break
        return self.recently_heard()

    def _settle(self) -> bool:
        """Wait for what the board still says to all that was sent, and ask for one last prompt; False without one."""
        self.read_until(1, b"\0", timeout=0.05, timeout_overall=1)
        self.serial.write(b"\r\x01")
        self.in_raw_repl = self.read_until(1, _RAW, timeout=2).endswith(_RAW)
        self._heard.clear()
        return self.in_raw_repl

    def exec_raw_no_follow(self, command: str) -> None:
        """Begin to run code; what mpremote prints about a failure is left out."""
        with contextlib.redirect_stdout(io.StringIO()):
            super().exec_raw_no_follow(command)

    def restart_interpreter(self) -> None:
        """Soft-reset within the raw REPL."""
        self.read_until(1, b">", timeout=2)
        self.serial.write(b"\x04")
        for told in (b"soft reboot\r\n", _RAW):
            if not self.read_until(1, told, timeout=SILENCE_S).endswith(told):
                raise TransportError("no soft reboot")
        self._heard.clear()  # or it would be taken for a restart of the board's own

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
