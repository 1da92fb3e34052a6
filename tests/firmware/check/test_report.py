"""What a report has beside its words: photos without what a phone remarks, a curve, a QR code, the city's head."""

import base64
import datetime as dt
import re
import struct
import zlib

import pytest

from firmware.check.curve import curve, drawn
from firmware.check.letterhead import Letterhead, read_letterhead
from firmware.check.pictures import MOST_BYTES, picture
from firmware.check.report import Commissioned, render
from firmware.notebook.boards import BoardRecord
from firmware.provision.sensors import sensor
from schemas.chinese import in_chinese
from schemas.errors import UserError
from schemas.language import Lang, Text

JPEG = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/4gHYSUNDX1BST0ZJTEUAAQEAAAHIAAAAAAQwAABtbnRyUkdCIFhZWiAH4AABAAEAAAAAAABhY3NwAAAAAAAA"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAQAA9tYAAQAAAADTLQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAlkZXNjAAAA8AAAACRyWFlaAAABFAAAABRnWFlaAAABKAAAABRiWFlaAAABPAAAABR3dHB0AAABUAAAABRyVFJDAAABZAAAAChnVFJDAAABZAAA"
    "AChiVFJDAAABZAAAAChjcHJ0AAABjAAAADxtbHVjAAAAAAAAAAEAAAAMZW5VUwAAAAgAAAAcAHMAUgBHAEJYWVogAAAAAAAAb6IAADj1AAADkFhZ"
    "WiAAAAAAAABimQAAt4UAABjaWFlaIAAAAAAAACSgAAAPhAAAts9YWVogAAAAAAAA9tYAAQAAAADTLXBhcmEAAAAAAAQAAAACZmYAAPKnAAANWQAA"
    "E9AAAApbAAAAAAAAAABtbHVjAAAAAAAAAAEAAAAMZW5VUwAAACAAAAAcAEcAbwBvAGcAbABlACAASQBuAGMALgAgADIAMAAxADb/2wBDABsSFBcU"
    "ERsXFhceHBsgKEIrKCUlKFE6PTBCYFVlZF9VXVtqeJmBanGQc1tdhbWGkJ6jq62rZ4C8ybqmx5moq6T/2wBDARweHigjKE4rK06kbl1upKSkpKSk"
    "pKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKT/wAARCAAIABADASIAAhEBAxEB/8QAFgABAQEAAAAAAAAAAAAAAAAA"
    "AAIE/8QAGhAAAgMBAQAAAAAAAAAAAAAAAAECESEDI//EABUBAQEAAAAAAAAAAAAAAAAAAAAC/8QAFhEAAwAAAAAAAAAAAAAAAAAAAAES/9oADAMB"
    "AAIRAxEAPwDZ0j5SStZlYUlSoAm2JR//2Q=="
)
"""16 x 8 pixels, as Chromium's canvas writes them: JFIF, an ICC profile, one scan."""
SECRET = b"PHONE-4711 N23.0288 E113.1427"
SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 2 2"><path d="M0 0h2v2z"/></svg>'


def segment(marker, content):
    return bytes((0xFF, marker)) + struct.pack(">H", len(content) + 2) + content


def exif(turned, order="<"):
    """Return a phone's remark: its name, and which way up the picture is."""
    head = struct.pack(f"{order}2sHI", b"II" if order == "<" else b"MM", 42, 8)
    entries = struct.pack(f"{order}HHII", 0x010F, 2, len(SECRET), 38) + struct.pack(
        f"{order}HHIHH", 0x0112, 3, 1, turned, 0
    )
    return segment(
        0xE1, b"Exif\0\0" + head + struct.pack(f"{order}H", 2) + entries + struct.pack(f"{order}I", 0) + SECRET
    )


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(*more):
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(more) + chunk(b"IDAT", zlib.compress(bytes(4))) + chunk(b"IEND", b"")


def held(tmp_path, data, name="p.jpg", **how):
    """Return the bytes of a picture as a page would hold it."""
    (tmp_path / name).write_bytes(data)
    kind, _, text = picture("--photo", tmp_path / name, **how).partition(";base64,")
    return kind, base64.b64decode(text)


def test_a_photo_keeps_its_pixels_and_nothing_of_where_and_by_what_it_was_taken(tmp_path):
    remarks = exif(1) + segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + SECRET) + segment(0xED, SECRET)
    behind = b"\xff\xd8" + exif(1) + SECRET  # a phone's second picture, or its film
    kind, content = held(tmp_path, JPEG[:2] + remarks + segment(0xFE, SECRET) + JPEG[2:] + behind)
    assert (kind, content) == ("data:image/jpeg", JPEG)
    kind, content = held(tmp_path, png(chunk(b"tEXt", SECRET), chunk(b"eXIf", SECRET), chunk(b"tIME", SECRET)) + SECRET)
    assert (kind, content) == ("data:image/png", png())
    kind, content = held(tmp_path, SVG.encode(), "logo.svg", drawn=True)
    assert (kind, content) == ("data:image/svg+xml", SVG.encode())


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("turned", [3, 6, 8])
def test_a_photo_stays_the_right_way_up(tmp_path, turned, order):
    _, content = held(tmp_path, JPEG[:2] + exif(turned, order) + JPEG[2:])
    assert SECRET not in content
    start = content.index(b"Exif\0\0") + 6
    assert content[start + 10 : start + 22] == struct.pack(">HHIHH", 0x0112, 3, 1, turned, 0)
    assert content[:2] + content[2 + 36 :] == JPEG


def test_a_picture_that_is_cut_off_anywhere_is_refused(tmp_path):
    for whole in (JPEG, png()):
        for end in range(8, len(whole)):
            (tmp_path / "p").write_bytes(whole[:end])
            with pytest.raises(UserError, match=r"is damaged: it ends in the middle; copy it again"):
                picture("--photo", tmp_path / "p")


@pytest.mark.parametrize("turned", [0, 9, 0xFFFF])
def test_a_remark_that_makes_no_sense_turns_nothing(tmp_path, turned):
    broken = segment(0xE1, b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert held(tmp_path, JPEG[:2] + broken + exif(turned) + JPEG[2:])[1] == JPEG


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is not a JPEG or PNG file"),
        (b"\0\0\0\x18ftypheic", "is not a JPEG or PNG file; phones save as JPEG if told to be compatible"),
        (SVG.encode(), "is not a JPEG or PNG file"),
        (b"\xff\xd8" + bytes(MOST_BYTES), "has more than 12 MB; save it smaller"),
    ],
)
def test_what_is_no_photo_is_refused(tmp_path, content, told):
    (tmp_path / "p").write_bytes(content)
    with pytest.raises(UserError) as refused:
        picture("--photo", tmp_path / "p")
    assert told in str(refused.value)
    assert re.search("[\u4e00-\u9fff]", in_chinese(str(refused.value)))
    with pytest.raises(UserError, match="cannot be read"):
        picture("--photo", tmp_path / "none")


def test_the_head_of_reports_is_read_from_the_technicians_folder(tmp_path):
    assert read_letterhead(tmp_path) == Letterhead()
    (tmp_path / "logo.svg").write_text(SVG)
    (tmp_path / "report.toml").write_text(
        'zh = "佛山市生态环境局"\nlogo = "logo.svg"\nconsole = "https://f.example"\n', "utf-8"
    )
    head = read_letterhead(tmp_path)
    assert (head.name, head.console) == (Text("佛山市生态环境局", "佛山市生态环境局"), "https://f.example")
    assert head.logo.startswith("data:image/svg+xml;base64,")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('lgoo = "a.png"', "report.toml:1: lgoo: there is no such field; did you mean 'logo'?"),
        ('en = "x"\nconsole = "https://f.example/console"', "report.toml:2: console: "),
        ('logo = "none.png"', "report.toml: logo"),
        ('logo = "report.toml"', "is not a JPEG, PNG or SVG file"),
    ],
)
def test_a_slip_in_the_head_of_reports_is_told(tmp_path, text, told):
    (tmp_path / "report.toml").write_text(text)
    with pytest.raises(UserError) as refused:
        read_letterhead(tmp_path)
    assert told in str(refused.value)


def report(lang=Lang.en, **changes):
    sensors = [sensor("noise-f,name=noise"), sensor("plantower,name=dust")]
    record = BoardRecord("pit-1", "pit", "nanhai", sensors, "127.0.0.1:8883", "Technician 7")
    at = dt.datetime(2026, 11, 28, tzinfo=dt.UTC)
    done = Commissioned(record, "0.2.0", "micropython 1.25.0", [], {}, [], 3, "Technician 7", at, **changes)
    return render(done, lang)


@pytest.mark.parametrize("lang", Lang)
def test_the_levels_of_the_check_are_drawn_one_curve_for_each_sensor(lang):
    courses = {"laf": [(0, 60.0), (5, 70.04), (10, 65.0)], "pm25": [(0, 9), (10, 9)], "pm10": [(0, 20), (10, 20)]}
    page = report(lang, courses=courses)
    captions = re.findall("<figcaption>(.+?)</figcaption>", page)
    assert captions == ["noise LAF: 60.0 – 70.0 dB(A)", "dust PM10: 20 – 20 µg/m³"]
    first, second = (
        [tuple(map(float, one.split(","))) for one in points.split()] for points in re.findall('points="(.+?)"', page)
    )
    assert [y for _, y in first] == [76.0, 6.0, pytest.approx(41.1, abs=0.1)], "the lowest is at the bottom"
    assert first[1][0] - first[0][0] == pytest.approx(first[2][0] - first[1][0])
    assert [y for _, y in second] == [41.0, 41.0], "what stays is a line in the middle"
    assert "curve" not in re.sub("<style>.*</style>", "", report(lang, courses={"laf": [(0, 60.0)]}), flags=re.DOTALL)


def test_a_name_in_a_curve_is_escaped():
    assert "<b>" not in curve("<b>", "laf", [(0, 1.0), (1, 2.0)], Lang.en)
    assert drawn(["no2"], {"no2": [(0, 1.0), (1, 2.0)]}) == "no2"
    assert drawn(["no2"], {}) is None


@pytest.mark.parametrize(
    ("console", "content"),
    [
        ("https://f.example", "https://f.example/console/sites/pit"),
        ("https://{district}.f.example", "https://nanhai.f.example/console/sites/pit"),
        ("", "Fenceline pit-1\npit\n2026-11-28"),
    ],
)
def test_the_code_leads_to_the_site_or_tells_the_result_in_short(console, content):
    page = report(letterhead=Letterhead(console=console))
    (said,) = re.findall(r'<figure class="code"><img src="data:image/svg\+xml[^"]+" alt="([^"]+)">', page)
    assert said.startswith(content)
    assert console or "PASSED\n№ 3" in said


def test_head_and_photos_stand_in_the_page_and_nothing_is_loaded(tmp_path):
    (tmp_path / "p.jpg").write_bytes(JPEG)
    photo = picture("--photo", tmp_path / "p.jpg")
    for lang, name in ((Lang.en, "Bureau &lt;7&gt;"), (Lang.zh, "七局")):
        page = report(lang, photos=[photo, photo], letterhead=Letterhead(Text("Bureau <7>", "七局"), photo))
        assert page.count(f'src="{photo}"') == 3
        assert name in page
        assert all(one.startswith("data:image/") for one in re.findall('src="([^"]*)"', page))
