"""A firmware image as MicroPython publishes it: bootloader, partition table and application in one file.

Source: ESP-IDF, "App Image Format" and "Partition Tables" (docs.espressif.com). Everything is checked before a board is
touched: a wrong or damaged file must never cost a working board.
"""

import hashlib
import re
import struct
from dataclasses import dataclass
from pathlib import Path

from esptool.bin_image import LoadFirmwareImage  # type: ignore[import-untyped]  # esptool ships no types
from esptool.loader import ESPLoader  # type: ignore[import-untyped]
from esptool.logger import log  # type: ignore[import-untyped]
from esptool.targets import CHIP_DEFS  # type: ignore[import-untyped]
from esptool.util import FatalError  # type: ignore[import-untyped]

from firmware.terminal.speech import FieldError
from schemas.language import Text

MAGIC = 0xE9
TABLE_AT = 0x8000  # of the flash
TABLE_SIZE = 0xC00
_ENTRY = struct.Struct("<HBBII16sI")  # magic, type, subtype, offset, size, name, flags
_ENTRY_MAGIC, _MD5_MAGIC = 0x50AA, 0xEBEB
_APP, _DATA = 0, 1

CHIPS = {
    CHIP_DEFS[name].IMAGE_CHIP_ID: CHIP_DEFS[name] for name in ("esp32", "esp32s2", "esp32s3", "esp32c3", "esp32c6")
}
"""The chips that the board's software runs on, by the number in an image's header."""


@dataclass(frozen=True)
class Partition:
    """A part of the flash; places and sizes in bytes."""

    name: str
    kind: int
    start: int
    size: int


@dataclass(frozen=True)
class Image:
    """A whole firmware image, checked."""

    path: Path
    content: bytes
    chip: str
    """As esptool writes it, such as ESP32-S3."""
    start: int
    """Where it goes in the flash, bytes."""
    least_revision: int
    """Of the chip, 100 x major + minor."""
    flash_bytes: int
    """Of the flash that its headers name; on a chip with less it restarts for ever."""
    partitions: tuple[Partition, ...]

    @property
    def files(self) -> Partition | None:
        """The partition with the board's files."""
        return next((each for each in self.partitions if each.kind == _DATA and each.name == "vfs"), None)


def read_image(path: Path) -> Image:
    """Read a firmware image and check all of it.

    Raises:
        FieldError: it can't be read; it is no image, not a whole one, damaged, or for another kind of chip.
    """
    try:
        content = path.read_bytes()
        content += b"\xff" * (-len(content) % 4)  # flash is programmed by words
    except OSError as error:
        raise FieldError(
            Text(
                f"{path}: {error.strerror}; give --image a firmware file.",
                f"{path}：{error.strerror}；请用--image指定固件文件。",
            )
        ) from error
    if len(content) < 24 or content[0] != MAGIC:
        raise _refused(path, "it does not begin with E9", "开头不是E9")
    number = struct.unpack("<H", content[12:14])[0]
    if number not in CHIPS:
        known = ", ".join(chip.CHIP_NAME for chip in CHIPS.values())
        raise _refused(
            path, f"it is for chip number {number}, expected one of {known}", f"芯片编号为{number}，应为{known}之一"
        )
    chip = CHIPS[number]
    bootloader = _program(path, chip, content, "bootloader")
    start = chip.BOOTLOADER_FLASH_OFFSET
    partitions = _partitions(path, content[TABLE_AT - start :])
    apps = [each for each in partitions if each.kind == _APP and each.start - start < len(content)]
    if not apps:
        raise _refused(path, "it holds no application", "其中没有应用程序")
    programs = [bootloader, *(_program(path, chip, content[app.start - start :], app.name) for app in apps)]
    sizes = [_flash_bytes(path, chip, program) for program in programs]
    end = max(each.start + each.size for each in partitions)
    if min(sizes) < end:
        told = f"{min(sizes) >> 20} MB", f"{end >> 20} MB"
        raise _refused(
            path,
            f"its header names a flash of {told[0]}, and its partitions need {told[1]}",
            f"文件头标明闪存为{told[0]}，而分区需要{told[1]}",
        )
    return Image(path, content, chip.CHIP_NAME, start, bootloader.min_rev_full, max(sizes), partitions)


def image_for(chip: str, folder: Path) -> Image:
    """Return the newest image of a folder that is for a chip, such as a city's copy of those that it has tried.

    Raises:
        FieldError: there is none, or several of one release, or what the folder has cannot be used.
    """
    found = []
    for path in sorted(folder.glob("*.bin")):
        try:
            image = read_image(path)
        except FieldError:
            continue  # another program's .bin, or half a download: the ones that can be used decide
        if image.chip == chip:
            found.append(image)
    newest = max((_release(each.path) for each in found), default=())
    best = [each for each in found if _release(each.path) == newest]
    if len(best) > 1:
        names = ", ".join(each.path.name for each in best)
        raise FieldError(
            Text(
                f"--image {folder}: {names} are all for an {chip}: name the one for this board.",
                f"--image {folder}：{names} 均适用于 {chip}：请指定适合该板型的一个。",
            )
        )
    if not best:
        raise FieldError(
            Text(
                f"--image {folder}: holds no whole image for an {chip}; put {wanted(chip).en} there.",
                f"--image {folder}：其中没有适用于 {chip} 的完整固件；请放入{wanted(chip).zh}。",
            )
        )
    return best[0]


def wanted(chip: str) -> Text:
    """Name the file that MicroPython publishes for a chip on a board of no special make, and where."""
    board = "_".join(["ESP32_GENERIC", *chip.split("-")[1:]])
    name = f"{board}-YYYYMMDD-vX.Y.Z.bin"
    page = f"micropython.org/download/{board}"
    return Text(f"{name} (1.24 or newer) from {page}", f"{page} 上的 {name}（1.24 或更新）")


def _release(path: Path) -> tuple[int, ...]:
    """Return the release of MicroPython that a file's name tells; () where it tells none."""
    told = re.search(r"-v(\d+)\.(\d+)(?:\.(\d+))?", path.name)
    return tuple(int(part or 0) for part in told.groups()) if told else ()


def _flash_bytes(path: Path, chip: type[ESPLoader], program: "LoadFirmwareImage") -> int:
    """Return the size of the flash that a program's header names, bytes."""
    code = program.flash_size_freq & 0xF0
    for name, known in chip.FLASH_SIZES.items():
        if known == code and name.endswith("MB"):
            return int(name.removesuffix("MB")) << 20
    raise _refused(
        path, f"its header names a flash of unknown size ({code:02X}H)", f"文件头的闪存容量未知（{code:02X}H）"
    )


def _program(path: Path, chip: type[ESPLoader], content: bytes, name: str) -> "LoadFirmwareImage":
    """Check a program's length, checksum and SHA-256."""
    log.set_verbosity("silent")
    try:
        program = LoadFirmwareImage(chip.CHIP_NAME, content)
    except (FatalError, struct.error, RuntimeError, IndexError, TypeError) as error:
        raise _refused(path, f"its {name} is damaged or cut off", f"其{name}已损坏或不完整") from error
    if program.chip_id != chip.IMAGE_CHIP_ID:
        raise _refused(path, f"its {name} is for another chip than its bootloader", f"其{name}与引导程序的芯片不一致")
    whole = program.checksum == program.calculate_checksum()
    if not whole or (program.append_digest and program.stored_digest != program.calc_digest):
        raise _refused(path, f"its {name} is damaged (checksum)", f"其{name}已损坏（校验和不符）")
    return program


def _partitions(path: Path, table: bytes) -> tuple[Partition, ...]:
    found = []
    for begin in range(0, min(TABLE_SIZE, len(table)) - _ENTRY.size + 1, _ENTRY.size):
        magic, kind, _, start, size, name, _ = _ENTRY.unpack_from(table, begin)
        if magic == _MD5_MAGIC and table[begin + 16 : begin + 32] != _md5(table[:begin]):
            raise _refused(path, "its partition table is damaged", "其分区表已损坏")
        if magic != _ENTRY_MAGIC:
            break
        found.append(Partition(name.rstrip(b"\0").decode("ascii", "replace"), kind, start, size))
    if not found:
        raise _refused(path, "it holds no partition table, so it is not a whole image", "其中没有分区表，不是完整固件")
    return tuple(found)


def _md5(content: bytes) -> bytes:
    return hashlib.md5(content, usedforsecurity=False).digest()


def _refused(path: Path, en: str, zh: str) -> FieldError:
    return FieldError(
        Text(
            f"{path} is not a MicroPython firmware for a board: {en}. Take the .bin for the board from "
            "micropython.org/download, whole, and nothing was changed on the board.",
            f"{path}不是可用的MicroPython固件：{zh}。请从micropython.org/download下载该板型的完整.bin文件；"
            "设备未作任何改动。",
        )
    )
