"""What technicians did at boards, as their laptops tell it: calibrations and repairs, each kept once and for good."""

import hashlib
import json
import sqlite3
from collections.abc import Sequence
from typing import Any, Literal

from hub.http.guard import JsonError, strict_json

Kind = Literal["calibration", "repair"]


class FieldBook:
    """The entries in the database behind `db`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def add(self, board: str, kind: Kind, contents: Sequence[dict[str, Any]], sender: str, now: float) -> int:
        """Keep entries that are not known yet; return how many those were."""
        before = self._db.total_changes
        for content in contents:
            text = json.dumps(content, ensure_ascii=False, sort_keys=True)
            mark = hashlib.sha256(f"{board}\n{kind}\n{text}".encode()).hexdigest()
            self._db.execute(
                "INSERT OR IGNORE INTO entry (board, kind, hash, content, sender, received) VALUES (?, ?, ?, ?, ?, ?)",
                (board, kind, mark, text, sender, now),
            )
        return self._db.total_changes - before

    def of(self, board: str, kind: Kind) -> list[dict[str, Any]]:
        """Return a board's entries of a kind in the order in which they came."""
        rows = self._db.execute("SELECT content FROM entry WHERE board = ? AND kind = ? ORDER BY id", (board, kind))
        return [_told(content) for (content,) in rows]


def _told(content: str) -> dict[str, Any]:
    """Return an entry; one that no answer can hold, which earlier versions took, as its text."""
    try:
        told: dict[str, Any] = strict_json(content.encode())
    except JsonError:
        return {"content": content}
    return told
