"""Pictures as phones take them, made by Pillow: with a place, a time and a camera in their EXIF."""

import io

from PIL import Image

SECRET = "Fenceline-Phone-4711"


def picture(kind="JPEG", size=(40, 20), turned=False, mode="RGB"):
    """Return a picture's bytes: red on the left, blue on the right; `turned`: its camera lay on its side."""
    drawn = Image.new(mode, size, "blue")
    drawn.paste(Image.new(mode, (size[0] // 2, size[1]), "red"))
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = SECRET, 6 if turned else 1
    exif.get_ifd(0x8825)[1] = "N"
    out = io.BytesIO()
    drawn.save(out, kind, exif=exif)
    return out.getvalue()


PDF = b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n"
