"""Tells when the disk is low: before it is full, while SQLite can still write and a machine can still be mended."""

import os
from pathlib import Path

from hub.config.files import Keep

SMALLEST = 4e6
"""Less than SQLite's write-ahead log takes beside the file, bytes: of so small a disk only SQLite itself can tell."""


def short_of_room(folder: Path, keep: Keep, spare: int) -> str:
    """Return what is wrong with the room on the disk of `folder`, or nothing.

    `spare`: bytes inside the log's file that it can use again, as after pruning. They make up for three quarters of
    what has to be free at most: a transaction needs room beside the file, too.
    """
    disk = os.statvfs(folder)
    free, whole = disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize
    least = min(keep.free_mb * 1e6, whole * keep.free_percent / 100)
    if least < SMALLEST:
        return ""
    if free + min(spare, least * 3 / 4) >= least:
        return ""
    return (
        f"the disk of {folder} is low: {free / 1e6:.0f} MB are free, {least / 1e6:.0f} MB have to be "
        "([keep] free_mb, free_percent); nothing is committed and acknowledged until there is room"
    )
