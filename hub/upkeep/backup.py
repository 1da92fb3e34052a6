"""Saves a hub as one file, also while it runs."""

import datetime as dt
import fcntl
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from importlib.metadata import version
from pathlib import Path

from hub.config.files import Config, ConfigError
from hub.storage.damage import wal_damage
from hub.storage.data_folder import LOG, clear, databases, open_working_folder, sync
from hub.storage.database import make_private_folder
from hub.storage.trouble import explain, is_damage, no_room, way_back
from hub.upkeep.archive import FORMAT, DamagedError, Manifest, Saved, describe, read_archive, write_archive

WORK = ".fenceline-backup"
"""Folder beside the archive for what is not finished; the next backup there clears it."""
PAGES = 2000
"""Database pages between two reports of progress."""

Progress = Callable[[str, float], None]
"""Is told what is being saved, and how much of it is, 0 to 1."""


def back_up(
    config_file: Path, config: Config, target: Path, progress: Progress = lambda *_: None
) -> tuple[Path, Manifest]:
    """Save the hub to `target`: a .tar.gz, or the folder for one with the time in its name.

    The archive gets its name only when it is complete, has been read again, and is on the medium.

    Raises:
        ConfigError: something cannot be read or written, a database is damaged, or the target exists.
    """
    made = dt.datetime.now(dt.UTC).replace(microsecond=0)
    if not target.name.endswith(".tar.gz"):
        target = target / f"fenceline-{made:%Y%m%dT%H%M%SZ}.tar.gz"
    if os.path.lexists(target):
        raise ConfigError(f"{target}: it exists already; name another file, or a folder")
    if not databases(config.data):
        raise ConfigError(f"data = {config.data}: there is no database; name the hub's configuration with --config")
    try:
        with _work_folder(target.parent) as work:
            files = _collect(config_file, config, work / "files", progress)
            manifest = Manifest(FORMAT, version("fenceline"), sqlite3.sqlite_version, made, files)
            progress(target.name, 0)
            part = work / "archive"
            write_archive(part, work / "files", manifest)
            progress(target.name, 0.5)
            read_archive(part)
            part.rename(target)
            sync(target.parent)
            progress(target.name, 1)
    except sqlite3.Error as error:
        raise ConfigError(f"data = {config.data}: cannot be copied: {explain(error, target.parent)}") from error
    except OSError as error:
        remedy = "make room, or name another target" if no_room(error) else "mend that, or name another target"
        raise ConfigError(f"{error.filename or target}: {error.strerror}; {remedy}") from error
    return target, manifest


@contextmanager
def _work_folder(parent: Path) -> Iterator[Path]:
    make_private_folder(parent)
    work = parent / WORK
    handle = open_working_folder(work)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(f"{parent}: another backup is being written there; wait for it") from None
        clear(handle)  # of what a backup that was killed has left
        try:
            yield work
        finally:
            with suppress(OSError):
                clear(handle)
                work.rmdir()
    finally:
        os.close(handle)


def _collect(config_file: Path, config: Config, folder: Path, progress: Progress) -> dict[str, Saved]:
    """Copy everything into `folder` and describe it."""
    files = {}
    # `databases` gives the log's consumers first and the log last: so every consumer's copy is older than the log's,
    # and none is ahead of the log from which it is to go on.
    for source in databases(config.data):
        name = f"data/{source.relative_to(config.data).as_posix()}"
        copy = folder / name
        copy.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _refuse_damaged(source)
        try:
            _copy_database(source, copy, name, progress)
        except sqlite3.Error as error:
            if is_damage(error):
                raise ConfigError(_damaged(source, str(error))) from error
            raise
        files[name] = _described(source, copy)
    _check_positions(files)
    texts = {"registry.toml": config.registry, "keys.toml": config.keys, "fenceline.toml": config_file}
    for name, source in texts.items():
        shutil.copyfile(source, folder / name)
        files[name] = describe(folder / name)
    return files


def _refuse_damaged(source: Path) -> None:
    """Look at what a copy would not show: what the write-ahead log holds behind its damage is not seen."""
    if found := wal_damage(source):
        raise ConfigError(_damaged(source, found))


def _described(source: Path, copy: Path) -> Saved:
    try:
        return describe(copy)
    except DamagedError as error:
        raise ConfigError(_damaged(source, error.found)) from error


def _damaged(source: Path, found: str) -> str:
    return (
        f"{source}: the database is damaged ({found}); nothing was saved, and the earlier backups are as they were: "
        f"keep them; {way_back(source).en}"
    )


def _copy_database(source: Path, copy: Path, name: str, progress: Progress) -> None:
    with (
        closing(sqlite3.connect(source, isolation_level=None, timeout=30)) as live,
        closing(sqlite3.connect(copy)) as db,
    ):
        # One transaction holds the state of this moment: without it, each write of the hub would start the copy afresh.
        # In WAL mode the hub goes on writing meanwhile; only its write-ahead log grows until the copy is done.
        live.execute("BEGIN")
        live.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        live.backup(db, pages=PAGES, progress=lambda _, left, pages: progress(name, 1 - left / max(pages, 1)), sleep=0)
        db.execute("PRAGMA journal_mode = DELETE")  # one file, with nothing beside it


def _check_positions(files: dict[str, Saved]) -> None:
    for name, saved in files.items():
        log = files.get(f"{name.rpartition('/')[0]}/{LOG}")
        if not saved.position or log is None or log.first is None or log.end is None:
            continue
        if saved.position > log.end:
            raise ConfigError(
                f"{name}: has done {saved.position} entries of a log that ends at {log.end}: the two do not belong "
                "together; put an earlier backup back"
            )
        if saved.position < log.first - 1:
            # The hub removed old entries from the log after the consumer's copy was made.
            raise ConfigError(f"{name}: the log was cleared of old entries meanwhile; make the backup again")
