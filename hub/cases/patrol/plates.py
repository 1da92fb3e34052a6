"""The plates on things, as shops have one: each an address with a code that nobody guesses, exchanged when one is lost.

The code says nothing of the thing, and is kept in plain: it hangs on a wall. Whoever knows it may read what the public
may read, and nothing more.
"""

import secrets
import sqlite3
from collections.abc import Collection

import msgspec

from hub.storage.rows import select

LENGTH = 16
"""Bytes of a code: of so many that nobody ever meets one by chance."""


class Plate(msgspec.Struct, frozen=True):
    """A plate, as it hangs or hung."""

    code: str
    kind: str
    thing: str
    made: float
    """Unix s."""
    who: str
    ended: float | None
    """When it was exchanged, Unix s; None: it holds."""
    ended_by: str | None
    why: str | None


class Plates:
    """The plates in the database of cases behind `db`; who changes something begins and ends the transaction."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def find(self, code: str) -> Plate | None:
        """Return the plate of a code, one that was exchanged too."""
        return next(iter(self._rows("code = ?", code)), None)

    def of(self, kind: str, thing: str) -> list[Plate]:
        """Return all plates that a thing ever had, the newest first."""
        return self._rows("kind = ? AND thing = ? ORDER BY made DESC, ended IS NOT NULL", kind, thing)

    def codes(self, kind: str) -> dict[str, str]:
        """Return the codes of the plates that hold, by thing."""
        return dict(self._db.execute("SELECT thing, code FROM plate WHERE kind = ? AND ended IS NULL", (kind,)))

    def issue(self, kind: str, things: Collection[str], now: float, who: str) -> int:
        """Give a code to each of these things that has none; return to how many."""
        have = self.codes(kind)
        new = [one for one in dict.fromkeys(things) if one not in have]
        for thing in new:
            self._add(kind, thing, now, who)
        return len(new)

    def exchange(self, code: str, now: float, who: str, why: str) -> bool:
        """Let a plate hold no more and give its thing another code; tell whether it was one that held."""
        plate = self.find(code)
        if plate is None or plate.ended is not None:
            return False
        self._db.execute("UPDATE plate SET ended = ?, ended_by = ?, why = ? WHERE code = ?", (now, who, why, code))
        self._add(plate.kind, plate.thing, now, who)
        return True

    def _add(self, kind: str, thing: str, now: float, who: str) -> None:
        self._db.execute(
            "INSERT INTO plate (code, kind, thing, made, who) VALUES (?, ?, ?, ?, ?)",
            (secrets.token_urlsafe(LENGTH), kind, thing, now, who),
        )

    def _rows(self, where: str, *values: object) -> list[Plate]:
        return select(self._db, Plate, f"FROM plate WHERE {where}", *values)
