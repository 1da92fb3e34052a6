"""The keys that boards are given over the air, in compliance.db, and the file in which the hub's processes read them.

A new key is drawn here, and what a board says under it is taken before the board is told of it. From then on both are
good, until the board has been heard under the new one and `GRACE` has gone by. So whoever is killed at any moment, hub
and board have one in common. A board has one new key at a time: an order that came to nothing, as far as the hub knows,
and the next one offer the same.
"""

import secrets
import sqlite3
from pathlib import Path

import msgspec

from hub.registry.edit import replace_file
from hub.registry.rotated import FILE, Rotated, file_text, read_file
from hub.wire.sealing import disclose, enclose

GRACE = 600.0
"""So long the key before is still good once the new one was heard [s]: what was on its way then still comes."""


class BoardKey(msgspec.Struct, frozen=True):
    """A key, as its table has it (hub/orders/tables.py)."""

    id: int
    device: str
    enclosed: str
    offered: float
    heard_from: int
    shown: float | None


_COLUMNS = ", ".join(BoardKey.__struct_fields__)


class KeyBook:
    """The keys in the database behind `db`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def offer(self, device: str, base: bytes, now: float, log_end: int) -> bytes:
        """Return the new key of a board, the same until it was heard under it. `base`: its key in keys.toml."""
        for one in self._all("WHERE device = ? AND shown IS NULL ORDER BY id DESC", (device,)):
            if key := disclose(one.enclosed, base):
                return key
        key = secrets.token_bytes(32)
        self._db.execute(
            "INSERT INTO board_key (device, enclosed, offered, heard_from) VALUES (?, ?, ?, ?)",
            (device, enclose(key, base), now, log_end),
        )
        return key

    def offered(self) -> list[BoardKey]:
        """Return the keys under which no board was heard yet."""
        return self._all("WHERE shown IS NULL")

    def shown(self, key: BoardKey, now: float) -> None:
        """Note that a board was heard under a key."""
        self._db.execute("UPDATE board_key SET shown = ? WHERE id = ? AND shown IS NULL", (now, key.id))

    def rotated(self, now: float) -> dict[str, Rotated]:
        """Return what is to be in the file now."""
        found: dict[str, Rotated] = {}
        for one in self._all("ORDER BY shown IS NULL, shown, id"):
            last = found.get(one.device, Rotated("", (), (), 0.0))
            if one.shown is None:
                found[one.device] = msgspec.structs.replace(last, others=(*last.others, one.enclosed))
            else:
                good = (last.key,) if now - one.shown < GRACE else ()
                found[one.device] = Rotated(one.enclosed, good, (*last.earlier, last.key), one.shown)
        return found

    def _all(self, where: str, values: tuple[object, ...] = ()) -> list[BoardKey]:
        rows = self._db.execute(f"SELECT {_COLUMNS} FROM board_key {where}", values)  # noqa: S608 - names of columns
        return [BoardKey(*row) for row in rows]


def publish(book: KeyBook, data: Path, now: float) -> None:
    """Bring the file to what the table says.

    Raises:
        ConfigError: it cannot be written.
    """
    rotated = book.rotated(now)
    if rotated != read_file(data):
        replace_file(data / FILE, file_text(rotated), 0o600)
