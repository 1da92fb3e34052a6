"""What is wrong with a file of the hub, in words that say what to do: full disk, damaged database, missing right."""

import errno
import os
import shutil
import sqlite3
from pathlib import Path
from typing import NamedTuple

from schemas.language import Text

NEXT_TO_NOTHING = 1 << 20
"""With less than this free, bytes, a disk is full: SQLite's shared memory takes 32 KB, and a write-ahead log more."""
MADE_AGAIN = ("rollups.db", "reports.db")
"""Databases that are made again, whole, from the log."""
REMEDY = Text(
    "stop the hub, run 'fenceline check', then do as docs/it.md says under 'When a database is damaged'; never "
    "delete log.db",
    "请停止数据中心，运行 fenceline check，再按 docs/it.md 中 “When a database is damaged” 处理；切勿删除 log.db",
)
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def is_damage(error: BaseException) -> bool:
    """Tell whether SQLite says that a file is damaged, or none of its own."""
    return isinstance(error, sqlite3.Error) and _code(error) in _DAMAGED


class Trouble(NamedTuple):
    """What is wrong, and what to do."""

    what: Text
    remedy: Text

    def __str__(self) -> str:
        """Return both in English, for logs and errors."""
        return f"{self.what.en}; {self.remedy.en}"


def explain(error: sqlite3.Error, path: Path) -> Trouble:
    """Return what SQLite's error about a file means."""
    code = _code(error)
    if code in _DAMAGED:
        return Trouble(Text(f"is damaged ({error})", f"已损坏（{error}）"), way_back(path))
    if code == sqlite3.SQLITE_FULL or (code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN) and is_full(path)):
        return Trouble(
            Text("cannot be written: the disk is full", "无法写入：磁盘已满"),
            Text("make room; nothing is damaged by that", "请腾出空间；数据不会因此损坏"),
        )
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return Trouble(
            Text("is held by another program", "正被其他程序占用"), Text("wait, and try again", "请稍候再试")
        )
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH):
        return Trouble(
            Text(f"cannot be opened ({error})", f"无法打开（{error}）"),
            Text(
                "give the file and its folder to this user, or run this as the hub's user",
                "请将文件及其目录的权限交给当前用户，或以数据中心的用户执行",
            ),
        )
    if code == sqlite3.SQLITE_IOERR:
        return Trouble(
            Text(f"cannot be read or written ({error})", f"无法读写（{error}）"),
            Text(
                "look at the disk's room, quota and health (dmesg), then try again",
                "请检查磁盘空间、配额和健康状况（dmesg），然后重试",
            ),
        )
    return Trouble(
        Text(f"cannot be used ({error})", f"无法使用（{error}）"),
        Text("run 'fenceline check'", "请运行 fenceline check"),
    )


def is_full(path: Path) -> bool:
    """Tell whether next to nothing is free on the disk of a file."""
    folder = next((one for one in (path, *path.absolute().parents) if one.is_dir()), Path("/"))
    try:
        return shutil.disk_usage(folder).free < NEXT_TO_NOTHING
    except OSError:
        return False


def _code(error: BaseException) -> int:
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF  # without the extended part


def no_room(error: OSError) -> bool:
    """Tell whether an error of the system means that there is no room: disk, quota, or largest file."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) or (
        error.errno == errno.EIO and error.filename is not None and is_full(Path(os.fspath(error.filename)))
    )


def means_full(error: Exception, folder: Path) -> bool:
    """Tell whether an error of SQLite or of the system means that there is no room in a folder."""
    if isinstance(error, OSError):
        return no_room(error)
    code = _code(error)
    return code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and is_full(folder))


def way_back(path: Path) -> Text:
    """Return what to do about a damaged database."""
    if path.name in MADE_AGAIN:
        return Text(
            f"move {path.name}, and what begins with its name, out of the folder: it is made again from the log",
            f"请将 {path.name} 及同名开头的文件移出该目录：将由日志重新生成",
        )
    return REMEDY
