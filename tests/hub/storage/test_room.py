"""The disk is low before it is full, by what is free on a real one."""

import os
import shutil

import msgspec
import pytest

from hub.config.files import Keep
from hub.storage.room import short_of_room

BALLAST = 400_000_000


def keep(**settings):
    return msgspec.convert(settings, Keep)


def test_room_is_missed_and_found_again(tmp_path):
    free_mb = (shutil.disk_usage(tmp_path).free - BALLAST / 2) / 1e6
    settings = keep(free_mb=free_mb, free_percent=100)
    assert short_of_room(tmp_path, settings, 0) == ""
    ballast = tmp_path / "ballast"
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, BALLAST)
    told = short_of_room(tmp_path, settings, 0)
    assert f"the disk of {tmp_path} is low" in told
    assert f"{free_mb:.0f} MB have to be" in told
    assert short_of_room(tmp_path, settings, BALLAST) == "", "the log has as much room inside"
    ballast.unlink()
    assert short_of_room(tmp_path, settings, 0) == ""


@pytest.mark.parametrize(("settings", "low"), [({}, False), ({"free_mb": 0}, False), ({"free_percent": 0}, False)])
def test_either_limit_can_be_lifted(tmp_path, settings, low):
    whole = {"free_mb": 1e9, "free_percent": 100}
    assert bool(short_of_room(tmp_path, keep(**whole), 0))
    assert bool(short_of_room(tmp_path, keep(**(whole | settings if settings else {})), 0)) is low
