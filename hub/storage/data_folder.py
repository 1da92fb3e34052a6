"""What lies in the hub's data folder, and how it is worked on without being led out of it.

Who may write where a backup is made or put back could leave a link there under a name that is known beforehand: what is
written, removed or opened to all would then be another folder's. So no link is followed below the folder that a person
has named, and a folder that somebody else has prepared is refused.
"""

import os
import shutil
import stat
from contextlib import suppress
from pathlib import Path
from typing import IO

from hub.config.files import ConfigError

LOG = "log.db"
ASIDE = "before-restore-"
"""Beginning of the name of a folder with what a restore has replaced."""
RESTORING = ".restoring"
"""Folder that is there while a restore puts the files in their places."""


def databases(data: Path) -> list[Path]:
    """Return all databases to back up; in each folder the log comes last, so no consumer's copy is ahead of it.

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


def refuse_detours(base: Path, path: Path) -> None:
    """Go down from `base`, which a person has named, to `path` below it, and refuse what leads elsewhere.

    Raises:
        ConfigError: on that way lies a link, or a folder of somebody else's.
    """
    owners = {os.geteuid(), base.stat().st_uid} if base.exists() else {os.geteuid()}
    at = base
    for part in path.relative_to(base).parts:
        if part == "..":
            raise ConfigError(f"{path}: leads out of {base}; name a place in it")
        at /= part
        try:
            found = at.lstat()
        except FileNotFoundError:
            return
        if stat.S_ISLNK(found.st_mode):
            raise ConfigError(
                f"{at}: is a link, which is not followed here; put the folder or file itself in its place"
            )
        if stat.S_ISDIR(found.st_mode) and found.st_uid not in owners:
            raise ConfigError(f"{at}: belongs to another user (id {found.st_uid}); find out who made it, and remove it")


def make_below(base: Path, folder: Path) -> None:
    """Make a folder and those above it, up to `base`, for nobody but their owner; what is there stays as it is.

    Raises:
        ConfigError: a link lies on the way, or a folder of somebody else's.
    """
    refuse_detours(base, folder)
    at = base
    for part in folder.relative_to(base).parts:
        at /= part
        with suppress(FileExistsError):
            at.mkdir(mode=0o700)
    refuse_detours(base, folder)


def open_working_folder(path: Path) -> int:
    """Open a folder under a name known beforehand, made if it is missing, for nobody but this user.

    Returns:
        Its descriptor, which stays the folder's whatever is put in its place.

    Raises:
        ConfigError: a link, a file, or a folder of somebody else's has that name.
    """
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
    try:
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except NotADirectoryError as error:  # of a link, too
        raise ConfigError(f"{path}: is a link or a file, where a folder is worked in; remove it") from error
    if (owner := os.fstat(handle).st_uid) != os.geteuid():
        os.close(handle)
        raise ConfigError(f"{path}: belongs to another user (id {owner}); find out who made it, and remove it")
    os.fchmod(handle, 0o700)
    return handle


def clear(handle: int) -> None:
    """Remove everything in an open folder; links are removed, not followed."""
    for name in os.listdir(handle):
        if stat.S_ISDIR(os.stat(name, dir_fd=handle, follow_symlinks=False).st_mode):
            shutil.rmtree(name, dir_fd=handle)
        else:
            os.unlink(name, dir_fd=handle)


def remove_working_folder(path: Path) -> None:
    """Remove a folder that an earlier run has left behind, if there is one.

    Raises:
        ConfigError: a link, a file, or a folder of somebody else's has that name.
    """
    if not os.path.lexists(path):
        return
    handle = open_working_folder(path)
    try:
        clear(handle)
    finally:
        os.close(handle)
    path.rmdir()


def open_lock(path: Path) -> IO[str]:
    """Open a lock file, made if it is missing; OSError if a link has its name."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600), "w")


def sync(folder: Path) -> None:
    """Return when the names in a folder are on the medium."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
