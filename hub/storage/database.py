"""Opens the hub's SQLite databases, all in the same safe way, and brings older ones forward."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


class DatabaseError(Exception):
    """A database that this version cannot use."""


def open_database(path: Path, steps: Sequence[str]) -> sqlite3.Connection:
    """Open a database; writes are on the medium when a transaction has ended.

    `steps`: the SQL that makes version 1 of an empty database, version 2 of version 1, and so on. What is missing is
    done in one transaction, so a kill in the middle leaves the earlier version.

    Raises:
        DatabaseError: it was made by a later version, or cannot be opened.
    """
    connection = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        found = _version(connection)
        if found < len(steps):
            _bring_forward(connection, steps)
        if found <= len(steps):
            return connection
        problem = f"has schema version {found}, this hub works with {len(steps)}; use the hub that made it, or a later"
    except (OSError, sqlite3.Error) as error:
        problem = f"cannot be opened: {error}"
    if connection:
        connection.close()
    raise DatabaseError(f"{path}: {problem}")


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _bring_forward(connection: sqlite3.Connection, steps: Sequence[str]) -> None:
    try:
        connection.execute("BEGIN IMMEDIATE")
        missing = steps[_version(connection) :]  # read again: another thread may have been quicker
        for statement in (one for step in missing for one in _statements(step)):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(steps)}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _statements(script: str) -> list[str]:
    """Split a script into its statements: `executescript` would end the transaction."""
    statements = [""]
    for line in script.splitlines():
        statements[-1] += line + "\n"
        if sqlite3.complete_statement(statements[-1]):
            statements.append("")
    return [statement for statement in statements if statement.strip()]


def read_only(path: Path) -> sqlite3.Connection:
    """Open a database that another thread or process writes."""
    return sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """Do all of what is inside, or nothing; no other process writes meanwhile."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
