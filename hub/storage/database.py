"""Opens the hub's SQLite databases, all in the same safe way, and brings older ones forward.

A file has one owner, whose list of steps makes its tables (`open_database`), or several: then each package has a list
of its own, and opening the file brings forward only the tables of those who ask (`open_shared`).
"""

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from hub.storage.trouble import explain


class DatabaseError(Exception):
    """A database that this version cannot use."""


class Part(NamedTuple):
    """The tables of one owner in a file that several packages share."""

    owner: str
    """The package below `hub` that writes these tables."""
    steps: tuple[str, ...]
    """The SQL that makes version 1 of the tables where there are none, version 2 of version 1, and so on."""
    before: int = 0
    """The version that these tables have in a file in which no owner had a version of its own yet."""


PARTS = """
CREATE TABLE schema_part (        -- the version of each owner's tables in this file
    owner TEXT PRIMARY KEY,       -- empty: the version of the whole file, before each owner had one
    version INTEGER NOT NULL
) WITHOUT ROWID
"""


def open_database(
    path: Path, steps: Sequence[str], factory: type[sqlite3.Connection] = sqlite3.Connection
) -> sqlite3.Connection:
    """Open a database; writes are on the medium when a transaction has ended.

    `steps`: the SQL that makes version 1 of an empty database, version 2 of version 1, and so on. What is missing is
    done in one transaction, so a kill in the middle leaves the earlier version. `factory`: of which class it is.

    Raises:
        DatabaseError: it was made by a later version, or cannot be opened.
    """
    return _open(path, lambda db: _bring_forward(db, steps), factory)


def open_shared(
    path: Path, history: Sequence[str], *parts: Part, factory: type[sqlite3.Connection] = sqlite3.Connection
) -> sqlite3.Connection:
    """Open a database in which each of several packages has tables; bring forward those of `parts`, in this order.

    The others' tables stay as they are: so anybody may open the file first. `history`: the SQL that brought the whole
    file from version 1 to 2, and so on, before its owners had versions of their own; from then on the file's version
    stays at `shared_version(history)`, and the table `schema_part` holds those of the owners. `factory`: of which
    class the connection is.

    Raises:
        DatabaseError: it, or one of these parts, was made by a later version; or it cannot be opened.
    """
    return _open(path, lambda db: _bring_parts_forward(db, history, parts), factory)


def shared_version(history: Sequence[str]) -> int:
    """Return the schema version of a file in which each owner's tables have a version of their own."""
    return len(history) + 2


def version_of(db: sqlite3.Connection) -> int:
    """Return the schema version of a database, 0 of an empty one."""
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def part_versions(db: sqlite3.Connection) -> dict[str, int]:
    """Return the versions of the owners' tables in a file that is shared; nothing of any other."""
    if not db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'schema_part'").fetchone():
        return {}
    return dict(db.execute("SELECT owner, version FROM schema_part WHERE owner <> ''").fetchall())


def read_only(path: Path, timeout: float = 5, *, any_thread: bool = False) -> sqlite3.Connection:
    """Open a database that another thread or process writes.

    `timeout`: how long a query waits for a lock, s. `any_thread`: other threads than this one use the connection.
    """
    uri = f"{path.resolve().as_uri()}?mode=ro"
    return sqlite3.connect(uri, uri=True, timeout=timeout, check_same_thread=not any_thread)


@contextmanager
def transaction(db: sqlite3.Connection, undo: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Do all of what is inside, or nothing; no other process writes meanwhile.

    `undo`: is called when nothing was done, after the database is back where it was; it brings memory back, too.
    """
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        try:
            if db.in_transaction:
                db.execute("ROLLBACK")
        finally:
            undo()
        raise


def _open(
    path: Path, bring_forward: Callable[[sqlite3.Connection], None], factory: type[sqlite3.Connection]
) -> sqlite3.Connection:
    connection = None
    try:
        _make_private(path)
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30, factory=factory)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        bring_forward(connection)
    except OSError as error:
        problem = f"cannot be opened ({error.strerror}); mend that, or name another folder as data"
    except sqlite3.Error as error:
        problem = str(explain(error, path))
    except DatabaseError as error:
        problem = str(error)
    else:
        return connection
    if connection:
        connection.close()
    raise DatabaseError(f"{path}: {problem}")


def _make_private(path: Path) -> None:
    """Let nobody but this user read a database and the folders made for it: alerts, users and messages stand in it.

    What SQLite puts beside it has the file's rights.
    """
    make_private_folder(path.parent)
    if not path.exists():
        # Never opened where it is there: to close it would give up the locks that SQLite holds on it in this process.
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    found = path.stat()
    if found.st_uid == os.geteuid() and found.st_mode & 0o077:
        for name in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
            with suppress(FileNotFoundError):
                name.chmod(0o600)


def make_private_folder(folder: Path) -> None:
    """Make a folder, and those above it that are missing, for nobody but this user; what is there stays as it is."""
    for one in (*reversed(folder.parents), folder):
        with suppress(FileExistsError):
            if not one.exists():
                one.mkdir(mode=0o700)


def _bring_forward(db: sqlite3.Connection, steps: Sequence[str]) -> None:
    _refuse_later(version_of(db), len(steps))
    if version_of(db) < len(steps):
        with transaction(db):
            _run(db, steps[version_of(db) :])  # read again: another thread may have been quicker
            db.execute(f"PRAGMA user_version = {len(steps)}")


def _bring_parts_forward(db: sqlite3.Connection, history: Sequence[str], parts: Sequence[Part]) -> None:
    whole = shared_version(history)
    _refuse_later(version_of(db), whole)
    if version_of(db) == whole and not _behind(db, parts):
        return
    with transaction(db):
        found = version_of(db)  # read again: another thread may have been quicker
        if found < whole:
            _run(db, history[found - 1 :] if found else ())
            _run(db, (PARTS,))
            db.execute("INSERT INTO schema_part VALUES ('', ?)", (whole - 1 if found else 0,))
            db.execute(f"PRAGMA user_version = {whole}")
        for part, version in _behind(db, parts):
            _run(db, part.steps[version:])
            db.execute("INSERT OR REPLACE INTO schema_part VALUES (?, ?)", (part.owner, len(part.steps)))


def _behind(db: sqlite3.Connection, parts: Sequence[Part]) -> list[tuple[Part, int]]:
    """Return the parts whose present version is not on record in a shared file, and the version that they have."""
    known: dict[str, int] = dict(db.execute("SELECT owner, version FROM schema_part").fetchall())
    behind = []
    for part in parts:
        version = known.get(part.owner, part.before if known[""] else 0)
        _refuse_later(version, len(part.steps), f"the part {part.owner} ")
        if known.get(part.owner) != len(part.steps):
            behind.append((part, version))
    return behind


def _refuse_later(found: int, known: int, of: str = "") -> None:
    if found > known:
        raise DatabaseError(
            f"{of}has schema version {found}, this hub works with {known}; use the hub that made it, or a later"
        )


def _run(db: sqlite3.Connection, steps: Sequence[str]) -> None:
    for statement in (one for step in steps for one in _statements(step)):
        db.execute(statement)


def _statements(script: str) -> list[str]:
    """Split a script into its statements: `executescript` would end the transaction."""
    statements = [""]
    for line in script.splitlines():
        statements[-1] += line + "\n"
        if sqlite3.complete_statement(statements[-1]):
            statements.append("")
    return [statement for statement in statements if statement.strip()]
