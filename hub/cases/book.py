"""Reads and writes cases; nothing here begins or ends a transaction, nor asks what is allowed."""

import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from hub.cases.rules.calendar import Calendar
from hub.cases.rules.machine import RUNNING, apply, replay, waits_for
from hub.cases.rules.records import OVER, Case, Counted, Event, What

SQL_OPEN = "state NOT IN ('" + "', '".join(sorted(OVER)) + "')"
_COLUMNS = ", ".join(name for name in Event.__struct_fields__)
_LOOKED_FOR = (
    "seq",
    "state",
    "district",
    "code",
    "department",
    "reported",
    "dispatched",
    "fed_back",
    "deadline",
    "updated",
    "source",
    "site",
    "place",
)
"""What of a case is a column of its row, too."""
_case = msgspec.json.Decoder(Case)
_counted = msgspec.json.Decoder(list[Counted])
_encode = msgspec.json.Encoder().encode


class CaseBook:
    """The cases in the database behind `db`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db

    def find(self, id_: int) -> Case | None:
        """Return a case by its number."""
        row = self.db.execute("SELECT body FROM casefile WHERE id = ?", (id_,)).fetchone()
        return _case.decode(row[0]) if row else None

    def find_all(self, ids: Sequence[int]) -> list[Case]:
        """Return cases by their numbers, in this order."""
        rows = self.db.execute(
            "SELECT body FROM json_each(?) wanted JOIN casefile c ON c.id = wanted.value ORDER BY wanted.key",
            (json.dumps(list(ids)),),
        )
        return [_case.decode(body) for (body,) in rows]

    def find_of_alert(self, alert: int) -> Case | None:
        """Return the case that is about an alert."""
        row = self.db.execute("SELECT casefile FROM casefile_alert WHERE alert = ?", (alert,)).fetchone()
        return self.find(row[0]) if row else None

    def next_id(self) -> int:
        """Return the number that the next case gets."""
        return int(self.db.execute("SELECT ifnull(max(id), 0) + 1 FROM casefile").fetchone()[0])

    def add(self, case: Case | None, event: Event) -> Case:
        """Add an event to the history of a case (None: its first); return the case as it is then."""
        values = msgspec.structs.asdict(event) | {"id": None, "data": json.dumps(event.data, ensure_ascii=False)}
        marks = ", ".join("?" * len(values))
        self.db.execute(f"INSERT INTO casefile_event ({_COLUMNS}) VALUES ({marks})", tuple(values.values()))  # noqa: S608
        changed = apply(case, event)
        row = {"body": _encode(changed).decode(), "counted": _encode(changed.counted).decode()}
        row |= {name: getattr(changed, name) for name in _LOOKED_FOR}
        row["waits"] = " ".join(waits_for(changed))
        if case is None:
            marks = ", ".join("?" * len(row))
            sql = f"INSERT INTO casefile ({', '.join(row)}, id) VALUES ({marks}, ?)"  # noqa: S608 - columns
        else:
            sql = f"UPDATE casefile SET {', '.join(f'{name} = ?' for name in row)} WHERE id = ?"  # noqa: S608 - columns
        self.db.execute(sql, (*row.values(), changed.id))
        for alert in changed.alerts[len(case.alerts) if case else 0 :]:
            self.db.execute("INSERT INTO casefile_alert (alert, casefile) VALUES (?, ?)", (alert, changed.id))
        return changed

    def events(self, id_: int) -> list[Event]:
        """Return the history of a case, the oldest event first."""
        return list(self._events("casefile = ? ORDER BY seq", id_))

    def events_of_kind(self, what: What) -> list[Event]:
        """Return all events of one kind, of all cases."""
        return list(self._events("what = ? ORDER BY id", what))

    def events_after(self, id_: int, most: int) -> list[Event]:
        """Return the next events of all cases behind a number, at most `most`, in their order."""
        return list(self._events("id > ? ORDER BY id LIMIT ?", id_, most))

    def changed_after(self, id_: int) -> list[int]:
        """Return the numbers of the cases to which events behind a number belong."""
        # Without DISTINCT, for which SQLite would go through an index of all events.
        rows = self.db.execute("SELECT casefile FROM casefile_event WHERE id > ?", (id_,))
        return sorted({case for (case,) in rows})

    def last_event(self, before: float | None = None) -> int:
        """Return the number of the newest event of all cases, or of those before a moment, Unix s; 0: there is none."""
        sql = "SELECT ifnull(max(id), 0) FROM casefile_event"
        if before is None:
            return int(self.db.execute(sql).fetchone()[0])
        return int(self.db.execute(f"{sql} WHERE time < ?", (before,)).fetchone()[0])

    def events_by_id(self, ids: Iterable[int]) -> list[Event]:
        """Return events by their numbers, in their order."""
        return list(self._events("id IN (SELECT value FROM json_each(?)) ORDER BY id", json.dumps(list(ids))))

    def find_act(self, who: str, key: str) -> Event | None:
        """Return what somebody has done under a key of theirs."""
        return next(self._events("who = ? AND key = ?", who, key), None) if key else None

    def search(
        self,
        *,
        state: str = "",
        district: str = "",
        districts: Collection[str] = (),
        code: str = "",
        department: str = "",
        before: int | None = None,
        limit: int = 100,
    ) -> list[Case]:
        """Return cases, the newest first: at most `limit`, with numbers below `before`.

        `state` "open" stands for all that is not over. `districts`: of one of them; none named: of all.
        """
        wanted: dict[str, object] = {"district = ?": district, "code = ?": code, "department = ?": department}
        wanted |= {"state = ?": "" if state == "open" else state}
        tests = {test: value for test, value in wanted.items() if value}
        if before is not None:
            tests["id < ?"] = before
        return list(self._cases([*([SQL_OPEN] if state == "open" else [])], tests, districts, "id DESC LIMIT ?", limit))

    def alike(self, code: str, district: str, since: float) -> list[Case]:
        """Return the cases of a class in a district that were reported since, Unix s; the newest first."""
        tests: dict[str, object] = {"code = ?": code, "district = ?": district, "reported >= ?": since}
        return list(self._cases([], tests, (), "id DESC LIMIT ?", 1000))

    def running(self) -> list[Case]:
        """Return the cases whose deadline runs."""
        states = ", ".join(f"'{state}'" for state in sorted(RUNNING))
        return list(self._cases([f"state IN ({states})"], {}, (), "id LIMIT ?", -1))

    def unreminded(self, now: float) -> list[Case]:
        """Return the cases whose deadline runs, is to come, and of which nobody has been reminded; `now`: Unix s."""
        states = ", ".join(f"'{state}'" for state in sorted(RUNNING))
        new = "ifnull(json_extract(body, '$.reminded'), 0) <> deadline"
        return list(self._cases([f"state IN ({states})", new], {"deadline > ?": now}, (), "id LIMIT ?", -1))

    def concerned(
        self, begin: float, end: float, districts: Collection[str] = (), among: Collection[int] | None = None
    ) -> list[Counted]:
        """Return the cases that a period may count, as they were at its end, by number; in Unix s.

        `among`: of these cases alone, also those in which the period counts nothing.
        """
        if among is None:
            # Each by its own index, which a list of "or" would not use.
            inside = " UNION ".join(
                f"SELECT id FROM casefile WHERE {name} >= ?1 AND {name} < ?2"  # noqa: S608 - columns
                for name in ("reported", "deadline", "dispatched", "fed_back")
            )
            inside += " UNION SELECT id FROM casefile WHERE updated >= ?2"
        else:
            inside = "SELECT value FROM json_each(?4)"
        # All in one row: other threads of the hub need not wait for a step of each of thousands.
        sql = (
            "SELECT group_concat(iif(updated < ?2, nullif(counted, ''), NULL)), "  # noqa: S608
            "group_concat(iif(updated < ?2 AND counted <> '', NULL, id)) FROM casefile "
            f"WHERE id IN ({inside}) AND reported < ?2 AND (?3 = '[]' OR district IN (SELECT value FROM json_each(?3)))"
        )
        lists = [json.dumps(list(districts)), *([] if among is None else [json.dumps(list(among))])]
        as_they_are, others = self.db.execute(sql, (begin, end, *lists)).fetchone()
        found: list[Counted] = _counted.decode(f"[{as_they_are or ''}]")
        for id_ in map(int, others.split(",") if others else ()):
            case = self.find(id_)
            if case and case.updated >= end:
                case = replay(self._events("casefile = ? AND time < ? ORDER BY seq", id_, end))
            if case:
                found.append(case)
        return sorted(found, key=lambda case: case.id)

    def counts(self) -> dict[str, int]:
        """Return how many cases there are in each state."""
        return dict(self.db.execute("SELECT state, count(*) FROM casefile GROUP BY state").fetchall())

    def calendar_in_use(self) -> str:
        """Return the edition of the calendar by which deadlines were reckoned last; empty: by none yet."""
        row = self.db.execute("SELECT edition FROM calendar_edition ORDER BY id DESC LIMIT 1").fetchone()
        return row[0] if row else ""

    def use_calendar(self, calendar: Calendar, now: float) -> None:
        """Keep on record that deadlines are reckoned by a calendar from now on, Unix s."""
        content = _encode({"zone": calendar.zone.key, "calendar": calendar.entry}).decode()
        sql = "INSERT INTO calendar_edition (edition, since, content) VALUES (?, ?, ?)"
        self.db.execute(sql, (calendar.edition, now, content))

    def unnoted(self) -> list[tuple[int, int]]:
        """Return alerts with a case of which the alert's audit trail may not tell yet, and the case's number."""
        rows = self.db.execute("SELECT alert, casefile FROM casefile_alert WHERE noted = 0 ORDER BY alert")
        return [(alert, id_) for alert, id_ in rows]

    def noted(self, alert: int) -> None:
        """Keep that an alert's audit trail tells of its case."""
        self.db.execute("UPDATE casefile_alert SET noted = 1 WHERE alert = ?", (alert,))

    def _cases(
        self, tests: Iterable[str], values: Mapping[str, object], districts: Collection[str], rest: str, limit: int
    ) -> Iterator[Case]:
        where, given = [*values, *tests], [*values.values()]
        if districts:
            where.append("district IN (SELECT value FROM json_each(?))")
            given.append(json.dumps(list(districts)))
        sql = f"SELECT body FROM casefile WHERE {' AND '.join(where) or '1'} ORDER BY {rest}"  # noqa: S608 - columns
        return (_case.decode(body) for (body,) in self.db.execute(sql, (*given, limit)))

    def _events(self, rest: str, *values: object) -> Iterator[Event]:
        sql = f"SELECT {_COLUMNS} FROM casefile_event WHERE {rest}"  # noqa: S608 - `rest` is written above
        for row in self.db.execute(sql, values):
            named: dict[str, Any] = dict(zip(Event.__struct_fields__, row, strict=True))
            named["data"] = json.loads(named["data"])
            yield msgspec.convert(named, Event, strict=False)
