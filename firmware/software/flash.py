"""Puts MicroPython on a chip through the loader in its ROM, with Espressif's own esptool as a library.

Nothing is erased before image and chip are known to fit. The image goes in pieces of 64 KB, and a piece that is there
already (by its MD5, which the chip computes) is not sent again: so a flash that was cut off goes on where it stopped.
The first piece, which holds the bootloader, is made invalid first and written last: a chip with half an image does not
start it, but stays in its ROM, where it can be flashed.

esptool's stub, a faster loader that it can run in the chip's RAM, is not used: the ROM is what every chip has and what
`fenceline sim chip` answers like, and it costs a few seconds of a minute.
"""

import contextlib
import hashlib
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import serial  # type: ignore[import-untyped]  # pyserial ships no types
from esptool import cmds  # type: ignore[import-untyped]  # esptool ships no types
from esptool.loader import ESP_ROM_BAUD  # type: ignore[import-untyped]
from esptool.logger import log  # type: ignore[import-untyped]
from esptool.util import FatalError  # type: ignore[import-untyped]

from firmware.link import errors as link_errors
from firmware.link.ports import open_port
from firmware.software.image import Image
from firmware.terminal.speech import FieldError, if_stopped
from schemas.language import Text

PIECE = 64 * 1024
BAUD = 460800
"""For the image; the ROM is spoken to at 115200 first."""


@dataclass(frozen=True)
class ChipFound:
    """A chip in download mode."""

    chip: str
    mac: str
    flash_bytes: int | None


@dataclass(frozen=True)
class Flashed:
    """What was done; sizes in bytes."""

    chip: str
    mac: str
    size: int
    sent: int
    """Of the image; the rest was there already."""


def find_chip(port: str, attempts: int = 2) -> ChipFound:
    """Ask the loader in a chip's ROM what it is; a board with reset lines starts again afterwards.

    Raises:
        FieldError: the port can't be opened, or nothing answers.
    """
    with _connected(port, attempts) as esp:
        return ChipFound(esp.CHIP_NAME, _mac(esp), _flash_bytes(esp))


def flash(
    port: str,
    image: Image,
    *,
    erase: bool = False,
    baud: int = BAUD,
    progress: Callable[[int], None] = lambda _: None,
) -> Flashed:
    """Put an image on the chip at a port, and verify it.

    Args:
        port: of the chip.
        image: what goes on it.
        erase: the board's files, too.
        baud: of the line while the image is sent.
        progress: is called with the number of bytes of each piece that is on the chip.

    Raises:
        FieldError: image and chip do not fit (nothing is changed then), or the connection failed (go on later).
    """
    with _connected(port) as esp:
        _check(port, image, esp)
        with _translated(port):
            if baud != esp.get_baud():
                esp.change_baud(baud)
        half = Text(
            "The chip holds a part of the image and does not start it: run the same command again, it goes on from "
            "there.",
            "芯片上只有部分固件，不会启动：请再次执行同一命令，将从中断处继续。",
        )
        with if_stopped(half), _translated(port):
            sent = _write(esp, image, erase, progress)
        return Flashed(esp.CHIP_NAME, _mac(esp), len(image.content), sent)


def _write(esp: Any, image: Image, erase: bool, progress: Callable[[int], None]) -> int:
    pieces = [(begin, image.content[begin : begin + PIECE]) for begin in range(0, len(image.content), PIECE)]
    if image.files and erase:
        esp.flash_begin(image.files.size, image.files.start)
    missing = [(begin, piece) for begin, piece in pieces if not _holds(esp, image.start + begin, piece)]
    done = len(image.content) - sum(len(piece) for _, piece in missing)
    progress(done)
    if not missing:
        return 0
    if missing != pieces and missing[0][0] != 0:
        missing.insert(0, pieces[0])
        progress(-len(pieces[0][1]))
    esp.flash_begin(4096, image.start)  # erases the beginning of the bootloader
    for begin, piece in [*missing[1:], missing[0]]:
        _send(esp, image.start + begin, piece)
        progress(len(piece))
    wrong = [begin for begin, piece in pieces if not _holds(esp, image.start + begin, piece)]
    if wrong:
        raise FieldError(
            Text(
                f"the chip's flash does not keep what is written to it (at {image.start + wrong[0]:#x}): run the "
                "command again; if it stays, the flash chip is worn out or badly soldered, use another board.",
                f"芯片闪存写入后校验不符（位置{image.start + wrong[0]:#x}）：请重试；如仍出现，说明闪存已损坏或虚焊，"
                "请更换设备。",
            )
        )
    return sum(len(piece) for _, piece in missing)


def _holds(esp: Any, start: int, piece: bytes) -> bool:
    return bool(esp.flash_md5sum(start, len(piece)) == hashlib.md5(piece, usedforsecurity=False).hexdigest())


def _send(esp: Any, start: int, piece: bytes) -> None:
    packed = zlib.compress(piece, 9)
    esp.flash_defl_begin(len(piece), len(packed), start)
    for number, begin in enumerate(range(0, len(packed), esp.FLASH_WRITE_SIZE)):
        esp.flash_defl_block(packed[begin : begin + esp.FLASH_WRITE_SIZE], number, timeout=10)


def _check(port: str, image: Image, esp: Any) -> None:
    """Refuse an image that is not for this chip; so far nothing has been changed on it."""
    if image.chip != esp.CHIP_NAME:
        raise FieldError(
            Text(
                f"{image.path.name} is for {image.chip}, and the board at {port} has an {esp.CHIP_NAME}: take the "
                f"image for {esp.CHIP_NAME}. Nothing was changed on the board.",
                f"{image.path.name}适用于{image.chip}，而{port}上的设备是{esp.CHIP_NAME}：请选用{esp.CHIP_NAME}的固件。"
                "设备未作任何改动。",
            )
        )
    with _translated(port):
        cmds.attach_flash(esp)
        revision, size = esp.get_chip_revision(), _flash_bytes(esp)
        locked = esp.get_secure_boot_enabled() or esp.get_flash_encryption_enabled()
        if size:
            esp.flash_set_parameters(size)
    if revision < image.least_revision:
        raise FieldError(
            Text(
                f"{image.path.name} needs revision {_revision(image.least_revision)} of {image.chip}, and the chip "
                f"at {port} is {_revision(revision)}: take an older image. Nothing was changed on the board.",
                f"{image.path.name}要求{image.chip}版本{_revision(image.least_revision)}，而{port}上的芯片为"
                f"{_revision(revision)}：请选用旧版固件。设备未作任何改动。",
            )
        )
    if locked:
        raise FieldError(
            Text(
                f"the chip at {port} has secure boot or flash encryption switched on, and would never start a plain "
                "image again: use another board. Nothing was changed on it.",
                f"{port}上的芯片已启用安全启动或闪存加密，写入普通固件后将无法启动：请更换设备。设备未作任何改动。",
            )
        )
    parts = [each.start + each.size for each in image.partitions]
    end = max([image.start + len(image.content), image.flash_bytes, *parts])
    if size is not None and end > size:
        raise FieldError(
            Text(
                f"{image.path.name} needs {end >> 20} MB of flash, and the board at {port} has {size >> 20} MB: take "
                "an image for that size. Nothing was changed on the board.",
                f"{image.path.name}需要{end >> 20} MB闪存，而{port}上的设备只有{size >> 20} MB：请选用相应容量的固件。"
                "设备未作任何改动。",
            )
        )


@contextlib.contextmanager
def _connected(port: str, attempts: int = 3) -> Iterator[Any]:
    """Connect to the loader in the chip's ROM; in the end the chip is reset, if the port has lines for that."""
    log.set_verbosity("silent")
    open_port(port, 115200).close()  # says why not, better than esptool
    esp = (
        _detect(port, ESP_ROM_BAUD, "default-reset", 1)
        or _detect(port, BAUD, "no-reset", 1)
        or _detect(port, ESP_ROM_BAUD, "default-reset", attempts)
    )
    if esp is None:
        raise FieldError(
            Text(
                f"no chip in download mode answers at {port}: hold the button BOOT, press RESET (or EN), let go of "
                "both, and run the command again. If it stays silent, try another cable.",
                f"{port}上没有处于下载模式的芯片：请按住BOOT键，按一下RESET（或EN）键后松开，再重新执行该命令。"
                "如仍无应答，请更换数据线。",
            )
        )
    try:
        yield esp
        with contextlib.suppress(FatalError, serial.SerialException, OSError):
            if esp.get_baud() != ESP_ROM_BAUD:  # for a port without reset lines, where it goes on listening
                esp.change_baud(ESP_ROM_BAUD)
            esp.hard_reset()
    finally:
        with contextlib.suppress(serial.SerialException, OSError):
            esp._port.close()  # noqa: SLF001 - as its own context manager does


def _detect(port: str, baud: int, reset: str, attempts: int) -> Any:
    """Connect to a chip, or return None; one that was left in the middle still talks at BAUD."""
    try:
        return cmds.detect_chip(port, baud, reset, connect_attempts=attempts)
    except (FatalError, serial.SerialException, OSError):
        return None


@contextlib.contextmanager
def _translated(port: str) -> Iterator[None]:
    try:
        yield
    except (serial.SerialException, OSError) as error:
        raise link_errors.lost_while_flashing(port) from error
    except FatalError as error:
        raise link_errors.lost_while_flashing(port, str(error).splitlines()[0]) from error


def _mac(esp: Any) -> str:
    return ":".join(f"{byte:02x}" for byte in esp.read_mac("BASE_MAC"))


def _flash_bytes(esp: Any) -> int | None:
    found = cmds.detect_flash_size(esp)
    return None if found is None else int(found.removesuffix("MB")) << 20 if found.endswith("MB") else None


def _revision(number: int) -> str:
    return f"v{number // 100}.{number % 100}"
