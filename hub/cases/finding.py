"""Which cases there are: for lists that are filtered, ordered and read page by page, and for who is to act next.

What is filtered and ordered by stands in indexes that cover it; only the cases that are shown are read.
"""

import json
import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import msgspec

from hub.cases.book import SQL_OPEN
from hub.cases.rules.machine import RUNNING
from hub.cases.rules.records import Case
from hub.config.alerts import Position

MOST_NARROWED = 2000
"""Cases that are named one by one instead of being looked for again."""
OrderBy = Literal["id", "deadline", "state", "district", "department"]
SQL_RUNNING = "state IN ('" + "', '".join(sorted(RUNNING)) + "')"
_ALL = "1"
"""What SQL asks where nothing is looked for."""
_case = msgspec.json.Decoder(Case)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which cases are looked for; what is left out holds for all."""

    districts: Collection[str] = ()
    """That somebody may see; none named: all."""
    district: str = ""
    state: str = ""
    """`open`: not over. `late`: overdue while it is worked on."""
    code: str = ""
    """Or how codes begin."""
    department: str = ""
    source: str = ""
    text: str = ""
    """Part of the place in words, or a case's number."""
    sites: Collection[str] = ()
    """The sites that `text` stands for."""
    of_site: str = ""
    waits: Collection[Position] = ()
    """Only what waits for one of these positions."""
    departments: Collection[str] | None = None
    """Of what waits for handlers, only what is with one of these."""
    ids: Collection[int] | None = None
    """Only these, as behind a rate."""


class CaseFinder:
    """Looks for cases in the database behind `db`; `now`: Unix s."""

    def __init__(self, db: sqlite3.Connection, now: float) -> None:
        self._db, self._now = db, now

    def narrow(self, wanted: Wanted) -> Wanted:
        """Return the same, or, where a text leads to few cases, these: a text is looked for in all of them."""
        if not wanted.text or wanted.ids is not None:
            return wanted
        where, values = self._where(wanted)
        sql = f"SELECT id FROM casefile {self._index(wanted, where)} WHERE {where} LIMIT ?"  # noqa: S608
        found = [id_ for (id_,) in self._db.execute(sql, (*values, MOST_NARROWED + 1))]
        return wanted if len(found) > MOST_NARROWED else Wanted(ids=found)

    def count(self, wanted: Wanted) -> int:
        """Return how many there are."""
        where, values = self._where(wanted)
        sql = f"SELECT count(*) FROM casefile {self._index(wanted, where)} WHERE {where}"  # noqa: S608
        return int(self._db.execute(sql, values).fetchone()[0])

    def page(self, wanted: Wanted, by: OrderBy, *, down: bool, skip: int, limit: int) -> list[Case]:
        """Return a part of them in an order; those that are alike in it come newest first, without deadline last."""
        where, values = self._where(wanted)
        order, index = _order(by, down=down), self._read(wanted, by, where)
        sql = (
            f"SELECT body FROM casefile c JOIN (SELECT id AS wanted FROM casefile {index} WHERE {where} "  # noqa: S608
            f"ORDER BY {order} LIMIT ? OFFSET ?) ON c.id = wanted ORDER BY {order}"
        )
        return [_case.decode(body) for (body,) in self._db.execute(sql, (*values, limit, skip))]

    def ids(self, wanted: Wanted, by: OrderBy, *, down: bool, limit: int) -> list[int]:
        """Return the numbers of the first of them in an order, as `page` has it."""
        where, values = self._where(wanted)
        sql = f"SELECT id FROM casefile {self._read(wanted, by, where)} WHERE {where}"  # noqa: S608
        sql += f" ORDER BY {_order(by, down=down)} LIMIT ?"
        # All in one row: other threads of the hub need not wait for a step of each of thousands.
        (found,) = self._db.execute(f"SELECT group_concat(id) FROM ({sql})", (*values, limit)).fetchone()  # noqa: S608
        return [int(id_) for id_ in found.split(",")] if found else []

    @staticmethod
    def _index(wanted: Wanted, where: str) -> str:
        """Return which index is read: the one that covers all filters, unless another leads to the few that are wanted.

        Without this, a search for what is rare would read every case whole.
        """
        if wanted.ids is not None or wanted.waits or where == _ALL:
            return ""
        return "INDEXED BY casefile_looked_through"

    def _read(self, wanted: Wanted, by: OrderBy, where: str) -> str:
        """Return which index is read to have them in an order."""
        return "INDEXED BY casefile_by_id" if by == "id" and where == _ALL else self._index(wanted, where)

    def _where(self, wanted: Wanted) -> tuple[str, list[object]]:
        tests: dict[str, object] = {
            "district = ?": wanted.district,
            "department = ?": wanted.department,
            "source = ?": wanted.source,
            "site = ?": wanted.of_site,
            "code LIKE ? || '%'": wanted.code,
            "state = ?": "" if wanted.state in {"open", "late"} else wanted.state,
        }
        parts = [test for test, value in tests.items() if value]
        values = [value for value in tests.values() if value]
        if wanted.state == "open":
            parts.append(SQL_OPEN)
        if wanted.state == "late":
            parts.append(f"{SQL_RUNNING} AND deadline < ?")
            values.append(self._now)
        if wanted.districts:
            parts.append("district IN (SELECT value FROM json_each(?))")
            values.append(json.dumps(list(wanted.districts)))
        if wanted.ids is not None:
            parts.append("id IN (SELECT value FROM json_each(?))")
            values.append(json.dumps(list(wanted.ids)))
        if wanted.waits:
            parts.append("waits <> '' AND waits IN (SELECT value FROM json_each(?))")
            values.append(json.dumps(sorted({group for one in wanted.waits for group in _groups(one)})))
        if wanted.departments is not None:
            parts.append(
                "(waits NOT LIKE 'handler%' OR department IN (SELECT value FROM json_each(?)) OR EXISTS (SELECT 1 "
                "FROM json_each(body, '$.co_handlers') WHERE value IN (SELECT value FROM json_each(?))))"
            )
            values += [json.dumps(list(wanted.departments))] * 2
        if wanted.text:
            parts.append("(id = ? OR instr(place, ?) > 0 OR site IN (SELECT value FROM json_each(?)))")
            values += [_number(wanted.text), wanted.text, json.dumps(list(wanted.sites))]
        return " AND ".join(parts) or _ALL, values


def _order(by: OrderBy, *, down: bool) -> str:
    way = "DESC" if down else "ASC"
    return f"id {way}" if by == "id" else f"{by} IS NULL, {by} {way}, id DESC"


def _groups(position: Position) -> tuple[str, ...]:
    """Return the values of the column `waits` that stand for a position."""
    return (position, "handler dispatcher") if position in {"handler", "dispatcher"} else (position,)


def _number(text: str) -> int:
    """Return the case that a text names by its number: 3, or 20261102000003; 0: none."""
    digits = text.strip()
    if not digits.isascii() or not digits.isdigit() or len(digits) > 20:
        return 0
    return int(digits[8:]) if len(digits) >= 14 else int(digits)
