"""What lies in the hub's data folder."""

import os
from pathlib import Path

from hub.config import ConfigError

LOG = "log.db"
ASIDE = "before-restore-"
"""Beginning of the name of a folder with what a restore has replaced."""
RESTORING = ".restoring"
"""Folder that is there while a restore puts the files in their places."""


def databases(data: Path) -> list[Path]:
    """Return the databases below a data folder: in each folder the log's consumers first, and its log last.

    Folders of replaced data, and those whose name begins with a dot, hold copies.
    """
    found = [
        path
        for path in data.rglob("*.db")
        if not any(part.startswith((".", ASIDE)) for part in path.relative_to(data).parts)
    ]
    return sorted(found, key=lambda path: (path.parent, path.name == LOG, path.name))


def refuse_half_restored(data: Path) -> None:
    """Keep a hub from starting on the data of a restore that was killed, there or in the folder of all its districts.

    Raises:
        ConfigError: that is so.
    """
    for folder in (data, data.parent):
        if (folder / RESTORING).exists():
            raise ConfigError(f"data = {folder}: a restore was broken off; run fenceline restore again, with --force")


def sync(folder: Path) -> None:
    """Return when the names in a folder are on the medium."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
