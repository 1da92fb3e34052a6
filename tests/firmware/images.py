"""Firmware images as MicroPython publishes them, with made-up programs: real headers and checksums."""

import hashlib
import random
import struct

from esptool.targets import CHIP_DEFS

APP_AT, FILES_AT = 0x10000, 0x200000


def program(chip, size, revision=0):
    """Return a program image (ESP-IDF, "App Image Format") of one segment."""
    number = CHIP_DEFS[chip].IMAGE_CHIP_ID
    header = struct.pack("<BBBBI", 0xE9, 1, 2, 0x20, 0x40080000)
    header += struct.pack("<BBBBHBHH4sB", 0xEE, 0, 0, 0, number, 0, revision, 0xFFFF, bytes(4), 1)
    # As compressible as a program is: half of it noise.
    data = random.Random(size).randbytes(size // 2) + bytes(size - size // 2)
    content = header + struct.pack("<II", 0x3FFF0000, size) + data
    content += bytes(-(len(content) + 1) % 16)
    checksum = 0xEF
    for byte in data:
        checksum ^= byte
    content += bytes([checksum])
    return content + hashlib.sha256(content).digest()


def table():
    """Return a partition table: nvs, factory, vfs."""
    entries = b""
    for kind, subtype, start, size, name in (
        (1, 2, 0x9000, 0x6000, b"nvs"),
        (0, 0, APP_AT, 0x1F0000, b"factory"),
        (1, 0x81, FILES_AT, 0x200000, b"vfs"),
    ):
        entries += struct.pack("<HBBII16sI", 0x50AA, kind, subtype, start, size, name, 0)
    entries += b"\xeb\xeb" + b"\xff" * 14 + hashlib.md5(entries, usedforsecurity=False).digest()
    return entries + b"\xff" * (0xC00 - len(entries))


def image(chip="esp32", app_size=200_000, revision=0):
    """Return a whole image: bootloader, partition table, application."""
    start = CHIP_DEFS[chip].BOOTLOADER_FLASH_OFFSET
    content = program(chip, 20_000, revision).ljust(0x8000 - start, b"\xff") + table()
    return content.ljust(APP_AT - start, b"\xff") + program(chip, app_size)
