"""Where a technician's laptop keeps what must not be lost: ledger, registrations to be sent, backups.

A folder of its own for each user, `$XDG_DATA_HOME/fenceline` or `~/.local/share/fenceline` (XDG Base Directory
Specification); `--home` or FENCELINE_HOME name another.
"""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hub.config.names import EXPECTED, is_own
from schemas.errors import UserError

ID = re.compile(r"[a-z0-9-]{1,32}")


def home(given: Path | None = None) -> Path:
    """Return the folder, made if it is not there, and closed to other users.

    Raises:
        UserError: it cannot be made.
    """
    base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    folder = given or Path(os.environ.get("FENCELINE_HOME") or base / "fenceline")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder}: {error.strerror}; name another folder with --home or FENCELINE_HOME") from error
    return folder


def write_secret(path: Path, content: bytes) -> None:
    """Make `content` that of a file, whole or not at all, which only its owner can read.

    Raises:
        UserError: it cannot be written.
    """
    new = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; make room, or name another folder") from error


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep other processes out of what is done to a file meanwhile."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; make it writable for yourself") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def checked_id(name: str, what: str) -> str:
    """Return a name that may stand in topics.

    Raises:
        UserError: it may not.
    """
    if not ID.fullmatch(name) or is_own(name):
        raise UserError(f"{what} {name!r}: expected 1 to 32 of a-z, 0-9 and -, and {EXPECTED}")
    return name
