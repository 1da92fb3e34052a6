"""Reads and writes alerts as rows; everything that happens to one is a step of its audit trail.

Nothing here begins or ends a transaction: what belongs together is the caller's to say. Each process opens the database
for itself and keeps nothing in memory, so what one writes the others see.
"""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hub.access.names import HUB
from schemas.language import Text

OPEN = "state IN ('pending', 'firing', 'acknowledged')"
"""Of one cause there is at most one such alert; the database itself sees to it."""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Cause:
    """What an alert is about: one rule at one board of one site."""

    kind: str
    district: str
    site: str
    device: str
    rule: str


class Book:
    """Alerts in a compliance database; `clock` gives Unix time in s."""

    def __init__(self, db: sqlite3.Connection, clock: Callable[[], float]) -> None:
        self.db = db
        self.clock = clock

    def rows(self, sql: str, *values: object) -> list[Row]:
        """Return what a query gives, by column."""
        cursor = self.db.execute(sql, values)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]

    def one(self, sql: str, *values: object) -> Row | None:
        """Return the first row of a query."""
        found = self.rows(f"{sql} LIMIT 1", *values)
        return found[0] if found else None

    def alert(self, id_: int) -> Row | None:
        """Return an alert by its number."""
        return self.one("SELECT * FROM alert WHERE id = ?", id_)

    def open_alert(self, device: str, rule: str) -> Row | None:
        """Return the alert of a cause that is not over."""
        return self.one(f"SELECT * FROM alert WHERE device = ? AND rule = ? AND {OPEN}", device, rule)  # noqa: S608

    def add(self, cause: Cause, **columns: object) -> Row:
        """Make an alert; return it. Its text, state, severity, first and last must be among the columns."""
        values = {
            "kind": cause.kind,
            "district": cause.district,
            "site": cause.site,
            "device": cause.device,
            "rule": cause.rule,
            "opened": self.clock(),
            **columns,
        }
        marks = ", ".join("?" * len(values))
        sql = f"INSERT INTO alert ({', '.join(values)}) VALUES ({marks})"  # noqa: S608 - names of columns
        id_ = self.db.execute(sql, tuple(values.values())).lastrowid
        return self.rows("SELECT * FROM alert WHERE id = ?", id_)[0]

    def change(self, alert: Row, **columns: object) -> None:
        """Change an alert, in the database and in `alert`."""
        names = ", ".join(f"{name} = ?" for name in columns)
        self.db.execute(f"UPDATE alert SET {names} WHERE id = ?", (*columns.values(), alert["id"]))  # noqa: S608
        alert.update(columns)

    def step(self, alert: Row, what: str, text: Text, who: str = HUB, *, quiet: bool = False) -> None:
        """Note what has happened; `quiet`: nobody is told, as during maintenance."""
        silent = quiet or alert["maintenance"] is not None
        self.db.execute(
            "INSERT INTO alert_step (alert, time, who, what, detail, detail_zh, severity, quiet) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (alert["id"], self.clock(), who, what, text.en, text.zh, alert["severity"], silent),
        )

    def maintenance(self, site: str, device: str, begin: float, end: float) -> Row | None:
        """Return a maintenance window of a board that overlaps a span of time."""
        return self.one(
            "SELECT * FROM maintenance WHERE site = ? AND device IN ('', ?) AND begins <= ? AND ends > ? "
            "AND removed IS NULL ORDER BY ends DESC",
            site,
            device,
            end,
            begin,
        )


def lines(text: Text) -> str:
    """Return a text as two lines, English and Chinese."""
    return f"{text.en}\n{text.zh}"


def of_lines(text: str) -> Text:
    """Return what `lines` has put together."""
    en, _, zh = text.partition("\n")
    return Text(en, zh or en)
