"""`fenceline board flash` against chips that answer the real protocol of their ROM."""

import hashlib
import json
import os
import re
import signal
import subprocess
import time

import pytest
from esptool.targets import CHIP_DEFS

from tests.board_process import FENCELINE, BoardFork
from tests.firmware import images
from tests.json_lines import rows_of


@pytest.fixture
def chip(tmp_path):
    device = BoardFork(tmp_path / "chip", kind="chip")

    def switch_on(*options):
        device.stop()
        device.start(*options)
        return device

    yield switch_on
    device.stop()


@pytest.fixture
def firmware(tmp_path):
    def write(name="esp32", content=None, **options):
        path = tmp_path / f"{name}.bin"
        path.write_bytes(content if content is not None else images.image(name, **options))
        return path

    return write


def content_of(device):
    """Switch the chip off and return its flash."""
    device.stop()
    return (device.folder / "flash.bin").read_bytes()


def bare(device):
    flash = device.folder / "flash.bin"
    return not flash.exists() or set(flash.read_bytes()) == {0xFF}


@pytest.mark.parametrize("name", ["esp32", "esp32s3", "esp32c3", "esp32c6"])
def test_an_image_goes_on_its_chip_and_is_verified(chip, firmware, name):
    device = chip("--kind", name)
    image = firmware(name)

    done = device.run("flash", "--image", str(image), "--json")

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["chip"] == CHIP_DEFS[name].CHIP_NAME
    assert re.fullmatch(r"24:0a:c4(:[0-9a-f]{2}){3}", told["mac"])
    assert told["sent"] == told["size"] == image.stat().st_size
    start = CHIP_DEFS[name].BOOTLOADER_FLASH_OFFSET
    assert content_of(device)[start : start + told["size"]] == image.read_bytes()


def test_without_an_image_it_names_the_file_for_the_chip_and_changes_nothing(chip):
    device = chip("--kind", "esp32s3")
    answer = device.run("flash")
    assert answer.returncode == 2
    assert "is an ESP32-S3: fetch ESP32_GENERIC_S3-YYYYMMDD-vX.Y.Z.bin" in answer.stderr
    assert "micropython.org/download/ESP32_GENERIC_S3" in answer.stderr
    assert bare(device)


def test_of_a_folder_the_newest_image_for_the_chip_is_taken(chip, firmware, tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for name, kind in (
        ("ESP32_GENERIC-20241129-v1.24.1", "esp32"),
        ("ESP32_GENERIC-20250415-v1.25.0", "esp32"),
        ("ESP32_GENERIC_S3-20250809-v1.26.0", "esp32s3"),
    ):
        (folder / f"{name}.bin").write_bytes(images.image(kind, app_size=150_000 + 1000 * len(name)))
    (folder / "half.bin").write_bytes(b"\xe9 half a download")
    newest = folder / "ESP32_GENERIC-20250415-v1.25.0.bin"
    newest.write_bytes(images.image("esp32", app_size=180_000))
    device = chip()
    done = device.run("flash", "--image", str(folder), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["size"] == newest.stat().st_size
    (folder / "ESP32_GENERIC-SPIRAM-20250415-v1.25.0.bin").write_bytes(newest.read_bytes())
    assert "name the one for this board" in device.run("flash", "--image", str(folder)).stderr


def test_a_folder_without_an_image_for_the_chip_says_which_is_missing(chip, firmware, tmp_path):
    firmware("esp32s3")
    answer = chip("--kind", "esp32c3").run("flash", "--image", str(tmp_path))
    assert answer.returncode == 2
    assert "no whole image for an ESP32-C3; put ESP32_GENERIC_C3-" in answer.stderr


def test_what_is_there_already_is_not_sent_again(chip, firmware):
    image = firmware()
    device = chip()
    assert device.run("flash", "--image", str(image)).returncode == 0
    again = json.loads(device.run("flash", "--image", str(image), "--json").stdout)
    assert again["sent"] == 0


def test_an_image_for_another_chip_is_refused_before_anything_is_erased(chip, firmware):
    device = chip("--kind", "esp32c3")
    answer = device.run("flash", "--image", str(firmware("esp32s3")))
    assert answer.returncode == 2
    assert "esp32s3.bin is for ESP32-S3, and the board at" in answer.stderr
    assert "has an ESP32-C3: take the image for ESP32-C3. Nothing was changed" in answer.stderr
    device.stop()
    assert bare(device)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda image: b"PK" + image[2:], "does not begin with E9"),
        (lambda image: image[:9000], "its bootloader is damaged or cut off"),
        (lambda image: image[:40000], "it holds no application"),
        (lambda image: image[: len(image) - 5000], "its factory is damaged or cut off"),
        (lambda image: image[:100] + b"?" + image[101:], "its bootloader is damaged (checksum)"),
        (lambda image: image[:0x7005] + b"?" + image[0x7006:], "its partition table is damaged"),
        (lambda image: image[:12] + b"\xee\xee" + image[14:], "it is for chip number 61166"),
    ],
)
def test_a_damaged_image_never_touches_a_board(firmware, change, why, chip):
    device = chip()
    answer = device.run("flash", "--image", str(firmware(content=change(images.image()))))
    assert answer.returncode == 2
    assert why in answer.stderr
    device.stop()
    assert bare(device)


def test_an_image_for_a_larger_flash_or_a_newer_chip_is_refused(chip, firmware):
    device = chip("--megabytes", "2")
    answer = device.run("flash", "--image", str(firmware()))
    assert answer.returncode == 2
    assert "needs 4 MB of flash, and the board at" in answer.stderr
    answer = device.run("flash", "--image", str(firmware(revision=300)))
    assert answer.returncode == 2
    assert "needs revision v3.0 of ESP32, and the chip at" in answer.stderr


def with_flash_size(code):
    """Return an image whose headers name another flash: `code` in the high half of byte 3, hashes right."""
    plain = images.program

    def program(*arguments):
        content = bytearray(plain(*arguments)[:-32])
        content[3] = code
        return bytes(content) + hashlib.sha256(content).digest()

    images.program = program
    try:
        return images.image(app_size=60_000)
    finally:
        images.program = plain


def test_an_image_whose_header_names_a_larger_flash_is_refused(chip, firmware):
    device = chip("--megabytes", "4")
    for code, size in ((0x30, 8), (0x40, 16)):
        answer = device.run("flash", "--image", str(firmware(content=with_flash_size(code))))
        assert answer.returncode == 2
        assert f"needs {size} MB of flash, and the board at" in answer.stderr
    device.stop()
    assert bare(device)


@pytest.mark.parametrize(
    ("code", "why"),
    [(0x10, "names a flash of 2 MB, and its partitions need 4 MB"), (0xF0, "a flash of unknown size (F0H)")],
)
def test_an_image_that_contradicts_itself_is_refused(chip, firmware, code, why):
    device = chip()
    answer = device.run("flash", "--image", str(firmware(content=with_flash_size(code))))
    assert answer.returncode == 2
    assert why in answer.stderr
    device.stop()
    assert bare(device)


@pytest.mark.parametrize(
    "fault", ["cable-pull@2000", "cable-pull@60000", "cable-pull@90000", "power-cut@9", "power-cut@90"]
)
def test_a_flash_that_was_cut_off_goes_on_where_it_stopped(chip, firmware, fault):
    image = firmware()
    device = chip("--fault", fault)

    cut = device.run("flash", "--image", str(image))

    assert cut.returncode == 2, cut.stdout
    assert "run the same command again" in cut.stderr or "no chip in download mode" in cut.stderr
    again = device.run("flash", "--image", str(image), "--json")
    assert again.returncode == 0, again.stderr
    told = json.loads(again.stdout)
    if fault == "cable-pull@90000":
        assert told["sent"] < told["size"]
    assert content_of(device)[0x1000 : 0x1000 + told["size"]] == image.read_bytes()


def test_half_an_image_over_an_old_one_is_never_started(chip, firmware):
    """Neither the old bootloader with a new application, nor the other way round."""
    device = chip()
    assert device.run("flash", "--image", str(firmware(app_size=150_000))).returncode == 0
    device = chip("--fault", "cable-pull@70000")
    assert device.run("flash", "--image", str(firmware(app_size=200_000))).returncode == 2
    assert content_of(device)[0x1000] != 0xE9


def test_ctrl_c_says_in_what_state_the_chip_is(chip, firmware):
    device = chip("--fault", "slow@115200")
    process = subprocess.Popen(
        [*FENCELINE, "board", "flash", "--image", str(firmware()), "--port", device.port],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"FENCELINE_LANG": "zh"},
    )
    deadline = time.monotonic() + 20
    while (device.folder / "flash.bin").read_bytes()[0x12000] == 0xFF:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "已停止。 芯片上只有部分固件，不会启动：请再次执行同一命令" in told


def test_erase_takes_the_boards_files_with_it_and_without_it_they_stay(chip, firmware):
    device = chip()
    assert device.run("flash", "--image", str(firmware())).returncode == 0
    content = bytearray(content_of(device))
    content[images.FILES_AT : images.FILES_AT + 5] = b"files"
    (device.folder / "flash.bin").write_bytes(content)
    device = chip()
    assert device.run("flash", "--image", str(firmware())).returncode == 0
    assert content_of(device)[images.FILES_AT : images.FILES_AT + 5] == b"files"
    device = chip()
    assert device.run("flash", "--image", str(firmware()), "--erase").returncode == 0
    assert content_of(device)[images.FILES_AT : images.FILES_AT + 5] == b"\xff" * 5


def test_a_board_that_is_not_in_download_mode_is_told_how_to_get_there(plug, firmware):
    board = plug()
    answer = board.run("flash", "--image", str(firmware()))
    assert answer.returncode == 2
    assert "hold the button BOOT" in answer.stderr
    assert board.run("list", "--json").returncode == 0


def test_list_shows_a_chip_that_has_no_firmware_yet(chip):
    device = chip("--kind", "esp32c6")
    listed = rows_of(device.run("list", "--json").stdout)
    assert [(each["port"], each["chip"], each["runs"]) for each in listed] == [
        (device.port, "ESP32-C6", "nothing yet: in download mode")
    ]
