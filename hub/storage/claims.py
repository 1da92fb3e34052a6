"""Who works in a data folder: one hub, and one process that consumes its log."""

import fcntl
from pathlib import Path
from typing import IO

from hub.config.files import ConfigError
from hub.storage.data_folder import open_lock
from hub.storage.database import make_private_folder


def claim(folder: Path) -> IO[str]:
    """Take a data folder for this process until the returned file is closed, or the process ends however it ends.

    Raises:
        ConfigError: another hub works there, or the folder cannot be written.
    """
    try:
        make_private_folder(folder)
        file = open_lock(folder / "lock")
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise ConfigError(f"data = {folder}: another hub works in this folder; stop it, or name another") from None
    except OSError as error:
        raise ConfigError(f"data = {folder}: cannot be written ({error.strerror}); mend it, or name another") from error
    return file


def claim_consumers(folder: Path) -> IO[str]:
    """Wait until no earlier process consumes the log in `folder`; return the file that holds the claim."""
    file = open_lock(folder / "consumers.lock")
    fcntl.flock(file, fcntl.LOCK_EX)
    return file
