"""Finds damage in the hub's databases.

SQLite keeps no checksum of its pages, so damage shows only where a page is read and makes no sense. What the hub reads
all day is near the end of its files; bytes that flip elsewhere lie there until an index or an old page is needed. So
the start looks through small files whole and at the end of large ones, and `fenceline check` through everything. What
flips inside a message makes sense to SQLite: there the message's MAC does not fit any more.
"""

import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from hub.config.files import ConfigError
from hub.storage.data_folder import databases
from hub.storage.database import read_only
from hub.storage.trouble import explain, is_damage, way_back

SMALL = 64 << 20
"""Up to so many bytes a database is looked through whole at the start: half a second."""
TAIL = 5000
"""Of a larger one so many rows at the end of each table."""
MOST_OF_WAL = 16 << 20
"""So many bytes of a write-ahead log are looked through: SQLite writes it back from 4 MB on."""
_WAL_HEAD, _FRAME_HEAD = 32, 24


def refuse_damaged(data: Path) -> None:
    """Keep a hub from working on with damaged databases: what it acknowledges on them may be lost.

    Raises:
        ConfigError: one is damaged, or cannot be read.
    """
    for path in databases(data):
        try:
            found = damage(path)
        except sqlite3.Error as error:
            raise ConfigError(f"{path}: {explain(error, path)}") from error
        if found:
            raise ConfigError(f"{path}: the database is damaged ({found}); {way_back(path).en}")


def damage(path: Path, *, whole: bool = False) -> str:
    """Return what is damaged in a database, or nothing; a file that is not there is not.

    `whole`: every page is read, which takes as long as reading the file; else only those of a small file, or the end.

    Raises:
        sqlite3.Error: it cannot be looked at for another reason.
    """
    if wal_damage(path) and (found := wal_damage(path)):  # looked at twice: a hub at work may just have begun it anew
        return found
    if not path.exists() or path.stat().st_size == 0:
        return ""
    try:
        with closing(read_only(path, timeout=30)) as db:
            db.execute("PRAGMA trusted_schema = OFF")
            if whole or path.stat().st_size <= SMALL:
                return _first(db.execute("PRAGMA quick_check(1)"))
            return _tail_damage(db)
    except sqlite3.Error as error:
        if is_damage(error):
            return str(error)
        raise


def _first(rows: sqlite3.Cursor) -> str:
    (said,) = rows.fetchone()
    return "" if said == "ok" else " ".join(str(said).split())


def _tail_damage(db: sqlite3.Connection) -> str:
    """Look through the small tables and the end of the large ones; what makes no sense raises SQLite's error."""
    tables = db.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND rootpage > 0").fetchall()
    for name, sql in tables:
        order = "" if "WITHOUT ROWID" in (sql or "").upper() else "ORDER BY rowid DESC"
        for _ in db.execute(f'SELECT * FROM "{name}" {order} LIMIT {TAIL}'):  # noqa: S608 - its own names
            pass
    return ""


def wal_damage(path: Path) -> str:
    """Return what is damaged in the write-ahead log beside a database.

    SQLite takes a frame with a wrong checksum for the end of the log, and forgets without a word what was committed
    behind it. A power cut leaves such a frame only in the last transaction, since each is on the medium before the next
    begins: where a commit and one more frame stand behind it, each with the checksum that follows from the one before
    it, bytes have changed.
    """
    try:
        with path.with_name(f"{path.name}-wal").open("rb") as file:
            content = file.read(MOST_OF_WAL)
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"its write-ahead log cannot be read: {error.strerror}"
    if len(content) < _WAL_HEAD:
        return ""
    magic, _, size, _, salts = *struct.unpack(">4I", content[:16]), content[16:24]
    if magic & ~1 != 0x377F0682 or not 512 <= size <= 65_536:
        # An emptied log begins with zeros.
        return "its write-ahead log has no head" if any(content[:_WAL_HEAD]) else ""
    words = ">" if magic & 1 else "<"
    running = _sums(words, content[:24], (0, 0))
    if running != struct.unpack(">2I", content[24:32]):
        return "the head of its write-ahead log is damaged"
    bad = strange = 0
    later = False  # whether a commit stands behind the frame that is wrong
    for number, frame in enumerate(_frames(content, size), 1):
        head, page = frame[:_FRAME_HEAD], frame[_FRAME_HEAD:]
        of_this_round, commits = head[8:16] == salts, any(head[4:8])
        stored = struct.unpack(">2I", head[16:24])
        fits = of_this_round and _sums(words, page, _sums(words, head[:8], running)) == stored
        running = stored
        if fits and later:
            return f"frame {bad} of its write-ahead log is damaged, and what was committed behind it is not seen"
        if fits or bad:
            later = later or (bad > 0 and fits and commits)
        else:
            bad, later = number, of_this_round and commits
        strange += not of_this_round
        if strange > 3:
            break  # frames of an earlier round: here it ends
    return ""


def _frames(content: bytes, size: int) -> Iterator[bytes]:
    step = _FRAME_HEAD + size
    for at in range(_WAL_HEAD, len(content) - step + 1, step):
        yield content[at : at + step]


def _sums(order: str, data: bytes, sums: tuple[int, int]) -> tuple[int, int]:
    """Return the checksum of the write-ahead log's format (sqlite.org/fileformat2.html, 4.2) over more data."""
    first, second = sums
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for even, odd in zip(words[::2], words[1::2], strict=True):
        first = (first + even + second) & 0xFFFFFFFF
        second = (second + odd + first) & 0xFFFFFFFF
    return first, second
