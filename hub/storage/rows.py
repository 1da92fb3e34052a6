"""Rows of a table as typed structs: the names of a struct's fields are those of the table's columns."""

import sqlite3
from typing import TypeVar

import msgspec

Row = TypeVar("Row", bound=msgspec.Struct)


def select(db: sqlite3.Connection, kind: type[Row], rest: str, *values: object) -> list[Row]:
    """Return rows of a table.

    Args:
        db: the database.
        kind: the struct; its fields are the columns that are asked for.
        rest: the statement from FROM on: "FROM alert WHERE id = ?".
        values: stand for its question marks.
    """
    names = kind.__struct_fields__
    cursor = db.execute(f"SELECT {', '.join(names)} {rest}", values)
    # SQLite has no booleans: 0 and 1 are taken for them where the struct says so.
    return [msgspec.convert(dict(zip(names, row, strict=True)), kind, strict=False) for row in cursor]


def select_one(db: sqlite3.Connection, kind: type[Row], rest: str, *values: object) -> Row | None:
    """Return the first row of what `select` would give; None when there is none."""
    found = select(db, kind, f"{rest} LIMIT 1", *values)
    return found[0] if found else None


def insert(db: sqlite3.Connection, into: str, row: msgspec.Struct) -> int:
    """Add a row with a number of its own, its column `id`; return the number. `into`: "INSERT INTO alert"."""
    values = {name: getattr(row, name) for name in row.__struct_fields__ if name != "id"}
    marks = ", ".join("?" * len(values))
    cursor = db.execute(f"{into} ({', '.join(values)}) VALUES ({marks})", tuple(values.values()))
    assert cursor.lastrowid is not None
    return cursor.lastrowid
