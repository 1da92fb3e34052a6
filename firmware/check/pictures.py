"""Photos and a logo for the report: read whole or refused, and without what a camera writes beside the picture.

A phone notes where it was, when, and its own serial number. Of that the report keeps only which way up the picture
is. JPEG: ITU-T T.81 (segments), Exif 2.32 (orientation, tag 0x0112). PNG: W3C PNG, third edition (chunks).
"""

import base64
import struct
from collections.abc import Iterator
from pathlib import Path

from schemas.errors import UserError

MOST_BYTES = 12_000_000
"""Of one picture; a phone's has 2 to 8 MB."""
MOST_PHOTOS = 4
"""More make no report, but an album."""

_JPEG, _PNG = b"\xff\xd8", b"\x89PNG\r\n\x1a\n"
_START, _END, _SCAN, _COMMENT = 0xD8, 0xD9, 0xDA, 0xFE
_KEPT = (0xE0, 0xEE)
"""JFIF and Adobe: how the colours are to be read. Beside them an ICC profile (0xE2), which is of a kind of screen."""
_CHUNKS = (b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"pHYs", b"sBIT", b"cICP")


class BrokenPictureError(ValueError):
    """A file that ends in the middle, or is none of what its first bytes say."""


def picture(option: str, path: Path, *, drawn: bool = False) -> str:
    """Return a picture as a page holds it within itself (a data: address). `drawn`: it may be SVG, too.

    Raises:
        UserError: it cannot be read, is too large, or is no JPEG or PNG.
    """
    expected = "a JPEG, PNG or SVG file" if drawn else "a JPEG or PNG file"
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise UserError(f"{option} {path}: cannot be read ({error.strerror}); name {expected}") from error
    if len(data) > MOST_BYTES:
        raise UserError(f"{option} {path}: has more than {MOST_BYTES // 1_000_000} MB; save it smaller")
    try:
        kind, content = _bare(data, drawn=drawn)
    except BrokenPictureError:
        raise UserError(f"{option} {path}: is damaged: it ends in the middle; copy it again") from None
    if not kind:
        raise UserError(f"{option} {path}: is not {expected}; phones save as JPEG if told to be compatible")
    return address(kind, content)


def address(kind: str, content: bytes) -> str:
    """Return what a page needs to show a picture without loading anything."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _bare(data: bytes, *, drawn: bool) -> tuple[str, bytes]:
    """Return the kind of a picture and its bytes without remarks; no kind: it is none."""
    if data.startswith(_JPEG):
        return "jpeg", _bare_jpeg(data)
    if data.startswith(_PNG):
        return "png", _PNG + b"".join(_chunks(data))
    if drawn and data.lstrip(b"\xef\xbb\xbf \r\n\t").startswith((b"<svg", b"<?xml")) and b"<svg" in data:
        return "svg+xml", data  # as a picture it runs no script and loads nothing
    return "", b""


def _bare_jpeg(data: bytes) -> bytes:
    parts, turned = [], 1
    for marker, part in _segments(data):
        content = part[4:]
        if marker == 0xE1 and content.startswith(b"Exif\0\0"):
            turned = _orientation(content[6:])
        kept = marker not in range(0xE0, 0xF0) or marker in _KEPT or (marker == 0xE2 and content.startswith(b"ICC_"))
        if kept and marker != _COMMENT:
            parts.append(part)
    if turned != 1:
        parts.insert(1, _exif(turned))
    return b"".join(parts)


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the markers and bytes of a JPEG up to its end; what phones append behind it is another file."""
    at = 0
    while True:
        if at + 2 > len(data) or data[at] != 0xFF:
            raise BrokenPictureError
        marker = data[at + 1]
        if marker == 0xFF:  # a filler
            at += 1
            continue
        if marker in (_START, _END):
            yield marker, data[at : at + 2]
            if marker == _END:
                return
            at += 2
            continue
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        end = at + 2 + length
        if marker == _SCAN:
            end = _scan_end(data, end)
        if length < 2 or end > len(data):
            raise BrokenPictureError
        yield marker, data[at:end]
        at = end


def _scan_end(data: bytes, at: int) -> int:
    """Return where the compressed picture that begins at `at` ends: at the first marker that is none of its own."""
    while (at := data.find(b"\xff", at)) >= 0 and at + 1 < len(data):
        if data[at + 1] not in (0x00, 0xFF, *range(0xD0, 0xD8)):
            return at
        at += 1 if data[at + 1] == 0xFF else 2
    raise BrokenPictureError


def _orientation(tiff: bytes) -> int:
    """Return which way up a picture is, 1 to 8 as Exif counts; 1 where that cannot be read."""
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    try:
        if order is None:
            return 1
        (start,) = struct.unpack_from(f"{order}I", tiff, 4)
        (count,) = struct.unpack_from(f"{order}H", tiff, start)
        for number in range(count):
            tag, kind = struct.unpack_from(f"{order}HH", tiff, start + 2 + 12 * number)
            (value,) = struct.unpack_from(f"{order}H", tiff, start + 10 + 12 * number)
            if (tag, kind) == (0x0112, 3):
                return value if 1 <= value <= 8 else 1
    except struct.error:
        pass
    return 1


def _exif(turned: int) -> bytes:
    """Return a segment that says nothing but which way up the picture is."""
    tiff = struct.pack(">2sHIHHHIHHI", b"MM", 42, 8, 1, 0x0112, 3, 1, turned, 0, 0)
    content = b"Exif\0\0" + tiff
    return b"\xff\xe1" + struct.pack(">H", len(content) + 2) + content


def _chunks(data: bytes) -> Iterator[bytes]:
    """Yield the chunks of a PNG that belong to the picture itself, up to its end."""
    at = len(_PNG)
    while True:
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        kind = data[at + 4 : at + 8]
        if len(kind) < 4 or end > len(data):
            raise BrokenPictureError
        if kind in _CHUNKS:
            yield data[at:end]
        if kind == b"IEND":
            return
        at = end
