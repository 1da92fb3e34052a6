"""Things as they are kept: every edition there ever was, and which of them hold."""

import sqlite3
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import msgspec

from hub.judge.records import Edition
from hub.storage.rows import select
from hub.things.entries import Thing, plain


# gc=False: of a city's tens of thousands the garbage collector need not know, since none can be in a cycle.
class KeptEdition(msgspec.Struct, kw_only=True, gc=False):
    """A row of the table."""

    serial: int
    kind: str
    id: str
    number: int
    valid_from: int | None
    valid_until: int | None
    withdrawn: bool
    content: str
    geometry: str | None
    made: float
    """Unix s."""
    who: str
    source: str

    def thing(self) -> Thing:
        """Return what it says."""
        said: dict[str, Any] = msgspec.json.decode(self.content)
        if self.geometry is not None:
            said["geometry"] = msgspec.json.decode(self.geometry)
        ends = {"from": self.valid_from, "until": self.valid_until, "withdrawn": self.withdrawn}
        return msgspec.convert(said | ends | {"kind": self.kind, "id": self.id}, Thing)


class ThingStore:
    """The things in the compliance database behind `db`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def newest(self) -> int:
        """Return the serial number of the newest edition: while it stays the same, nothing has changed."""
        return int(self._db.execute("SELECT ifnull(max(serial), 0) FROM thing_edition").fetchone()[0])

    def rows(self, kind: str = "", id_: str = "", after: int = 0, until: int = 0) -> list[KeptEdition]:
        """Return all editions, or those of a kind, or of one thing, in the order in which they were made.

        `after`: only those with a higher serial number; `until`: none with a higher one than this.
        """
        asked = {"kind = ?": kind, "id = ?": id_, "serial > ?": after, "serial <= ?": until}
        tests = {test: value for test, value in asked.items() if value}
        where = " AND ".join(tests) or "1"
        return select(self._db, KeptEdition, f"FROM thing_edition WHERE {where} ORDER BY serial", *tests.values())

    def trail(self, before: tuple[float, int], most: int, since: float, who: str) -> list[KeptEdition]:
        """Return editions as an audit trail has them, the newest first: at most `most`, made at `since` or later.

        `before`: made earlier than that moment (Unix s), or then and with a lower serial number; `who`: by whom; empty:
        by anybody.
        """
        return select(
            self._db,
            KeptEdition,
            "FROM thing_edition WHERE (made, serial) < (?, ?) AND made >= ? AND ? IN ('', who) "
            "ORDER BY made DESC, serial DESC LIMIT ?",
            *before,
            since,
            who,
            most,
        )

    def editions(self, after: int = 0, until: int = 0, kinds: Collection[str] = ()) -> list[Edition]:
        """Return editions as judging takes them: `World(store.editions())`; `after`, `until`: as in `rows`.

        `kinds`: of these alone; none: of all.
        """
        rows = self.rows(after=after, until=until)
        return self.as_judged(row for row in rows if not kinds or row.kind in kinds)

    @staticmethod
    def as_judged(rows: Iterable[KeptEdition]) -> list[Edition]:
        """Return editions as judging takes them."""
        return [edition_of(row) for row in rows]

    def add(self, thing: Thing, made: float, who: str, source: str) -> int:
        """Keep an edition; return its number."""
        content = plain(thing)
        for name in ("kind", "id", "from", "until", "withdrawn", "geometry"):
            content.pop(name, None)
        geometry = None if thing.geometry is None else msgspec.json.encode(thing.geometry).decode()
        known = self._db.execute(
            "SELECT ifnull(max(number), 0) FROM thing_edition WHERE kind = ? AND id = ?", (thing.kind, thing.id)
        )
        number = int(known.fetchone()[0]) + 1
        self._db.execute(
            "INSERT INTO thing_edition (kind, id, number, valid_from, valid_until, withdrawn, content, geometry, made, "
            "who, source) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(thing.kind, thing.id, number, thing.from_, thing.until, thing.withdrawn),
                *(msgspec.json.encode(content).decode(), geometry, made, who, source),
            ),
        )
        return number


def edition_of(row: KeptEdition, thing: Thing | None = None) -> Edition:
    """Return an edition as judging takes it; `thing`: what it says, where that was read already."""
    thing = thing or row.thing()
    properties: Mapping[str, object] = thing.properties
    return Edition(
        kind=row.kind,
        id=row.id,
        number=row.number,
        valid_from=row.valid_from,
        valid_until=row.valid_until,
        withdrawn=row.withdrawn,
        properties=properties,
        geometry=thing.geometry,
    )


def by_thing(rows: Iterable[KeptEdition]) -> dict[tuple[str, str], list[KeptEdition]]:
    """Return editions by kind and id."""
    found: dict[tuple[str, str], list[KeptEdition]] = {}
    for row in rows:
        found.setdefault((row.kind, row.id), []).append(row)
    return found


def standing(rows: Iterable[KeptEdition]) -> dict[int | None, KeptEdition]:
    """Return of one thing's editions those that say something still, by when they begin."""
    last = {row.valid_from: row for row in sorted(rows, key=lambda row: row.number)}
    kept = [row for row in last.values() if not row.withdrawn]
    return {
        row.valid_from: row for row in sorted(kept, key=lambda row: (row.valid_from is not None, row.valid_from or 0))
    }
