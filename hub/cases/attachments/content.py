"""What a file is by its content, whatever it is called; and a picture as pages show it.

A phone writes into a photograph where it was, when, and its own serial number. The original keeps all of that; what is
shown is drawn anew from the pixels alone, turned the right way up.
"""

import io
from typing import NamedTuple

from PIL import Image, ImageOps, UnidentifiedImageError

from hub.cases.refusal import CaseError, wrong

FORMATS = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
PDF = "application/pdf"
MOST_PIXELS = {"JPEG": 120_000_000, "PNG": 40_000_000, "WEBP": 40_000_000}
"""A phone's largest photograph has 108 million; more would only fill the memory. A JPEG alone is decoded smaller."""
Image.MAX_IMAGE_PIXELS = None
# Pillow only warns of what is too large, and looks at all formats alike: MOST_PIXELS is looked at before it decodes.
LONGEST_SIDE = 1600
"""Of a picture as it is shown, pixels."""
QUALITY = 82
"""Of the JPEG that is shown."""


class Looked(NamedTuple):
    """What a file is."""

    media: str
    shown: bytes | None
    """The picture for pages; None: it is a document."""


def look_at(content: bytes) -> Looked:
    """Return what a file is.

    Raises:
        CaseError: it is no JPEG, PNG, WebP or PDF, or is damaged.
    """
    if not content:
        raise wrong("file", "the file is empty; choose one", "文件为空，请选择文件")
    if content.startswith(b"%PDF-"):
        if b"%%EOF" not in content[-1024:]:
            raise _damaged()
        return Looked(PDF, None)
    try:
        with Image.open(io.BytesIO(content), formats=tuple(FORMATS)) as picture:
            format_ = picture.format or ""
            _refuse_large(picture.width, picture.height, MOST_PIXELS[format_])
            return Looked(FORMATS[format_], _shown(picture))
    except UnidentifiedImageError:
        raise wrong(
            "file",
            "this is no JPEG, PNG, WebP or PDF, whatever it is called; phones save as JPEG if told to be compatible",
            "文件内容不是JPEG、PNG、WebP或PDF；手机可设为“兼容性最佳”以保存为JPEG",
        ) from None
    except CaseError:
        raise
    except Exception:  # noqa: BLE001 - decoders of broken pictures raise anything
        raise _damaged() from None


def _refuse_large(width: int, height: int, most: int) -> None:
    if width * height > most:
        millions = most // 1_000_000
        raise wrong(
            "file",
            f"{width} x {height} pixels; expected at most {millions} million",
            f"图像为{width}×{height}像素，最多{millions}百万像素",
        )


def _shown(picture: Image.Image) -> bytes:
    picture.draft("RGB", (LONGEST_SIDE, LONGEST_SIDE))  # of a JPEG: decoded smaller, in a fraction of the memory
    picture.load()
    upright = ImageOps.exif_transpose(picture)
    upright.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    if upright.mode in {"RGBA", "LA", "PA"} or "transparency" in upright.info:
        clear = upright.convert("RGBA")
        upright = Image.new("RGB", clear.size, "white")
        upright.paste(clear, mask=clear.getchannel("A"))
    bare = Image.new("RGB", upright.size)
    bare.paste(upright.convert("RGB"))  # pixels alone: no EXIF, no comment, no profile
    out = io.BytesIO()
    bare.save(out, "JPEG", quality=QUALITY, optimize=True)
    return out.getvalue()


def _damaged() -> CaseError:
    return wrong("file", "the file is damaged, or ends in the middle; send it again", "文件已损坏或不完整，请重新上传")
