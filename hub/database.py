"""Opens the hub's SQLite databases, all in the same safe way."""

import sqlite3
from pathlib import Path


class DatabaseError(Exception):
    """A database that this version cannot use."""


def open_database(path: Path, schema: str, version: int) -> sqlite3.Connection:
    """Open a database, made with `schema` if it is new; writes are on the medium when a transaction has ended.

    Raises:
        DatabaseError: it was made by another version, or cannot be opened.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        found = connection.execute("PRAGMA user_version").fetchone()[0]
        if found == 0:
            connection.executescript(f"BEGIN IMMEDIATE; {schema}; PRAGMA user_version = {version}; COMMIT")
    except (OSError, sqlite3.Error) as error:
        raise DatabaseError(f"{path}: cannot be opened: {error}") from error
    if found not in (0, version):
        connection.close()
        raise DatabaseError(f"{path}: has schema version {found}, this hub works with {version}")
    return connection
