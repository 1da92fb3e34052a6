"""A chip in download mode: it answers Espressif's serial protocol as its ROM does, with flash in a file.

Source: Espressif's description of the serial protocol (docs.espressif.com/projects/esptool, "Serial Protocol"): SLIP
frames; requests `00 op size checksum data`, answers `01 op size value data status`. Registers that esptool reads (the
MAC address, the SPI controller with its flash chip) are answered from esptool's own table of each chip.

It has no processor, so it refuses the stub, a program that esptool would load into RAM. It does not pass time for
erasing and programming, which take most of a real chip's.
"""

import asyncio
import hashlib
import mmap
import os
import struct
import zlib
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Any

from esptool.targets import CHIP_DEFS  # type: ignore[import-untyped]  # esptool ships no types

from sim.chip.serial_port import Fault, SerialPort
from sim.chip.virtual_board import lock

SECTOR = 4096  # bytes, erased at a time
FLASH_ID = {2: 0x15, 4: 0x16, 8: 0x17, 16: 0x18}
"""Size in MB to the capacity byte of a Winbond chip's JEDEC id."""
WINBOND = 0x40EF
CRYSTAL = 40_000_000  # Hz
SFDP = 0x50444653  # "SFDP"
_UNSUPPORTED, _FAILED, _BAD_CHECKSUM, _DEFLATE_FAILED = 0x05, 0x06, 0x07, 0x0B
_SPI_USR = 1 << 18


class Chip(StrEnum):
    """The chips that there are."""

    esp32 = "esp32"
    esp32s3 = "esp32s3"
    esp32c3 = "esp32c3"
    esp32c6 = "esp32c6"


class PowerCutError(Exception):
    """The power has failed."""


class RomLoader:
    """What a chip's ROM makes of a request. `answer` takes a frame's content and returns those of its answers.

    Args:
        chip: which one it is.
        flash: the content of its flash, changed in place.
        mac: its address, 6 bytes.
        cut_after: operations on flash until the power fails.
        set_baud: is called when the computer asks for another baud rate.
    """

    def __init__(
        self,
        chip: Chip,
        flash: bytearray | mmap.mmap,
        mac: bytes,
        cut_after: int = 1 << 62,
        set_baud: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._chip: Any = CHIP_DEFS[chip.value]
        self._flash, self._left, self._set_baud = flash, cut_after, set_baud
        self._registers = {
            self._chip.CHIP_DETECT_MAGIC_REG_ADDR: self._chip.MAGIC_VALUE or 0,
            self._chip.UART_CLKDIV_REG: CRYSTAL // 115200,
            **self._factory_registers(mac),
        }
        self._at = 0
        self._inflate: Any = None
        self._commands: dict[int, Callable[[bytes], tuple[int, bytes]]] = {
            0x02: self._begin,
            0x03: self._write,
            0x04: self._nothing,
            0x08: self._sync,
            0x09: self._write_register,
            0x0A: self._read_register,
            0x0B: self._nothing,  # SPI_SET_PARAMS
            0x0D: self._nothing,  # SPI_ATTACH
            0x0F: self._change_baud,
            0x10: self._begin_deflated,
            0x11: self._write_deflated,
            0x12: self._nothing,
            0x13: self._md5,
        }
        if not self._chip.USES_MAGIC_VALUE:
            self._commands[0x14] = self._security_info

    def answer(self, request: bytes) -> list[bytes]:
        """Return the answers to one request; none to what is no request.

        Raises:
            PowerCutError: the power has failed within it.
        """
        if len(request) < 8 or request[0] != 0:
            return []
        _, op, size, checksum = struct.unpack("<BBHI", request[:8])
        data = request[8:]
        value, payload, status = 0, b"", 0
        if len(data) != size:
            return []
        if op not in self._commands:
            status = _UNSUPPORTED
        elif op in (0x03, 0x11) and checksum != self._chip.checksum(data[16:]):
            status = _BAD_CHECKSUM
        else:
            try:
                value, payload = self._commands[op](data)
            except (zlib.error, IndexError):
                status = _DEFLATE_FAILED if op == 0x11 else _FAILED
        body = payload + bytes((status != 0, status, 0, 0))
        frame = struct.pack("<BBHI", 1, op, len(body), value) + body
        return [frame] * (8 if op == 0x08 else 1)

    def _sync(self, _data: bytes) -> tuple[int, bytes]:
        return 0x20120707, b""

    def _nothing(self, _data: bytes) -> tuple[int, bytes]:
        return 0, b""

    def _security_info(self, _data: bytes) -> tuple[int, bytes]:
        return 0, struct.pack("<I8BII", 0, *[0] * 8, self._chip.IMAGE_CHIP_ID, 0)

    def _read_register(self, data: bytes) -> tuple[int, bytes]:
        return self._registers.get(struct.unpack("<I", data)[0], 0), b""

    def _write_register(self, data: bytes) -> tuple[int, bytes]:
        for address, value, _, _ in struct.iter_unpack("<IIII", data):
            self._registers[address] = value
            if address == self._chip.SPI_REG_BASE and value & _SPI_USR:
                self._registers[address] = 0
                self._registers[self._chip.SPI_REG_BASE + self._chip.SPI_W0_OFFS] = self._ask_flash()
        return 0, b""

    def _ask_flash(self) -> int:
        """Return what the flash chip answers to the command in the SPI controller's registers."""
        chip = self._chip
        command = self._registers.get(chip.SPI_REG_BASE + chip.SPI_USR2_OFFS, 0) & 0xFF
        if command == 0x9F:
            return FLASH_ID[len(self._flash) >> 20] << 16 | WINBOND
        address = self._registers.get(chip.SPI_REG_BASE + 4, 0)
        return SFDP if command == 0x5A and address == 0 else 0

    def _factory_registers(self, mac: bytes) -> dict[int, int]:
        high, low = struct.unpack(">HI", mac)
        if self._chip.CHIP_NAME == "ESP32":
            first = self._chip.EFUSE_RD_REG_BASE + 4
            # The ROM measures its crystal against the RC oscillator; esptool corrects the baud rate by it.
            megahertz = 32
            measured = CRYSTAL * 40 // (15625 * megahertz)
            calibration = {self._chip.EFUSE_RD_REG_BASE + 16: megahertz, self._chip.RTCCALICFG1: measured << 7}
            return {first: low, first + 4: high, **calibration}
        return {self._chip.MAC_EFUSE_REG: low, self._chip.MAC_EFUSE_REG + 4: high}

    def _change_baud(self, data: bytes) -> tuple[int, bytes]:
        self._set_baud(struct.unpack("<II", data)[0])
        return 0, b""

    def _begin(self, data: bytes) -> tuple[int, bytes]:
        size, _, _, self._at = struct.unpack("<IIII", data[:16])
        if self._at + size > len(self._flash):
            raise IndexError
        for sector in range(self._at // SECTOR, -(-(self._at + size) // SECTOR)):
            self._change(sector * SECTOR, b"\xff" * SECTOR)
        return 0, b""

    def _begin_deflated(self, data: bytes) -> tuple[int, bytes]:
        self._inflate = zlib.decompressobj()
        return self._begin(data)

    def _write(self, data: bytes) -> tuple[int, bytes]:
        self._program(data[16:])
        return 0, b""

    def _write_deflated(self, data: bytes) -> tuple[int, bytes]:
        self._program(self._inflate.decompress(data[16:]))
        return 0, b""

    def _program(self, content: bytes) -> None:
        """Program what was erased: bits only go from 1 to 0."""
        before = self._flash[self._at : self._at + len(content)]
        if len(before) < len(content):
            raise IndexError
        self._change(self._at, bytes(old & new for old, new in zip(before, content, strict=True)))
        self._at += len(content)

    def _change(self, start: int, content: bytes) -> None:
        self._left -= 1
        if self._left <= 0:
            self._flash[start : start + len(content) // 2] = content[: len(content) // 2]
            raise PowerCutError
        self._flash[start : start + len(content)] = content

    def _md5(self, data: bytes) -> tuple[int, bytes]:
        start, size, _, _ = struct.unpack("<IIII", data)
        return 0, hashlib.md5(self._flash[start : start + size], usedforsecurity=False).hexdigest().encode()


class VirtualChip:
    """A chip in download mode at a serial port; `start` it, and `stop` it in the end.

    Args:
        folder: where its flash is kept; made if it is not there.
        chip: which one it is.
        faults: what goes wrong, each once.
        megabytes: of flash.
    """

    def __init__(self, folder: Path, chip: Chip, faults: tuple[Fault, ...] = (), megabytes: int = 4) -> None:
        self.folder = folder.absolute()
        self._chip, self._megabytes = chip, megabytes
        self._faults = {fault.kind: fault.at for fault in faults}
        self.port = SerialPort(self.folder, self._faults, self._hear)
        self._frame = bytearray()
        self._flash: mmap.mmap | None = None
        self._lock = -1
        self._task: asyncio.Task[None] | None = None
        self._next_baud = 0

    async def start(self) -> None:
        """Plug it in.

        Raises:
            UserError: another device runs in the folder.
        """
        self._lock = lock(self.folder)
        image = self.folder / "flash.bin"
        if not image.exists():
            image.write_bytes(b"\xff" * (self._megabytes << 20))
        with image.open("r+b") as file:
            self._flash = mmap.mmap(file.fileno(), 0)
        self._reset()
        self.port.plug()
        self._task = asyncio.create_task(self.port.serve())

    async def stop(self) -> None:
        """Unplug it; its flash stays."""
        self.port.stop()
        if self._task:
            await self._task
        if self._flash:
            self._flash.close()
        if self._lock >= 0:
            os.close(self._lock)

    def _reset(self) -> None:
        assert self._flash is not None
        mac = bytes.fromhex("240ac4") + hashlib.sha256(self._chip.encode()).digest()[:3]
        cut = self._faults.get("power-cut", 1 << 62)
        self._rom = RomLoader(self._chip, self._flash, mac, cut, self._set_baud)
        self._next_baud = self.port.baud = 115200
        self._frame.clear()

    def _set_baud(self, baud: int) -> None:
        self._next_baud = baud

    async def _hear(self, data: bytes) -> None:
        for byte in data:
            if byte != 0xC0:
                self._frame.append(byte)
                continue
            request = bytes(self._frame).replace(b"\xdb\xdc", b"\xc0").replace(b"\xdb\xdd", b"\xdb")
            self._frame.clear()
            try:
                answers = self._rom.answer(request)
            except PowerCutError:
                del self._faults["power-cut"]
                self._reset()
                await self.port.pull_for_a_while()
                return
            for answer in answers:
                escaped = answer.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc")
                await self.port.say(b"\xc0" + escaped + b"\xc0")
            self.port.baud = self._next_baud
