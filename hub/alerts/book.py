"""Reads and writes alerts; everything that happens to one is an event of its audit trail.

Nothing here begins or ends a transaction: what belongs together is the caller's to say. Each process opens the database
for itself and keeps nothing in memory, so what one writes the others see.
"""

import json
import sqlite3
from collections.abc import Callable, Collection, Iterable

import msgspec

from hub.access.names import HUB
from hub.alerts.maintenance import MaintenanceBook
from hub.alerts.records import Alert, AlertEvent, AlertWindow, OpenAlerts, Waiting
from hub.alerts.states import SQL_OPEN, SQL_WAITING, State, What
from hub.config.alerts import Severity
from hub.judge.verdicts import SQL_ABOVE, Verdict
from hub.storage.rows import insert, select, select_one
from schemas.language import Text


class Book:
    """Alerts in a compliance database; `clock` gives Unix time in s."""

    def __init__(self, db: sqlite3.Connection, clock: Callable[[], float]) -> None:
        self.db = db
        self.clock = clock
        self.maintenance = MaintenanceBook(db, clock)

    def find_alert(self, id_: int) -> Alert | None:
        """Return an alert by its number."""
        return select_one(self.db, Alert, "FROM alert WHERE id = ?", id_)

    def find_alerts(self, ids: Iterable[int]) -> dict[int, Alert]:
        """Return the alerts that have these numbers, by number and in its order."""
        rest = "FROM alert WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id"
        return {alert.id: alert for alert in select(self.db, Alert, rest, _json(ids))}

    def find_open_alert(self, device: str, rule: str, site: str = "") -> Alert | None:
        """Return the alert of a cause that is not over; of one that belongs to a site, at that site."""
        rest = f"FROM alert WHERE device = ? AND rule = ? AND ? IN ('', site) AND {SQL_OPEN}"
        return select_one(self.db, Alert, rest, device, rule, site)

    def find_latest_alert(self, device: str, rule: str) -> Alert | None:
        """Return the newest alert of a cause, whether it is over or not."""
        return select_one(self.db, Alert, "FROM alert WHERE device = ? AND rule = ? ORDER BY id DESC", device, rule)

    def open_alerts(self) -> list[Alert]:
        """Return all alerts that are not over."""
        return select(self.db, Alert, f"FROM alert WHERE {SQL_OPEN} ORDER BY id")

    def broken_now(self) -> list[tuple[str, str, str, Severity]]:
        """Return the open alerts about rules that have fired: which rule, whose, in which district, and how grave."""
        broken = f"kind = 'rule' AND {SQL_OPEN} AND fired IS NOT NULL"
        return self.db.execute(f"SELECT rule, device, district, severity FROM alert WHERE {broken}").fetchall()  # noqa: S608

    def alerts_of(self, devices: Iterable[str], limit: int) -> list[Alert]:
        """Return the newest alerts of these boards, or of whom rules watch, at most `limit`."""
        rest = "FROM alert WHERE device IN (SELECT value FROM json_each(?)) ORDER BY id DESC LIMIT ?"
        return select(self.db, Alert, rest, _json(devices), limit)

    def lasting_troubles(self) -> list[Alert]:
        """Return the alerts about the network whose cause is not over, though somebody may have closed them."""
        network = "kind NOT IN ('limit', 'rule')"
        open_ = select(self.db, Alert, f"FROM alert WHERE {network} AND {SQL_OPEN}")
        lasting = "FROM alert INDEXED BY alert_lasting WHERE state = 'closed' AND resolved IS NULL"
        closed = select(self.db, Alert, f"{lasting} AND {network}")
        return sorted(open_ + closed, key=lambda alert: alert.id)

    def unacknowledged_alerts(self, fired_before: float, below: int) -> list[Alert]:
        """Return what fired then (Unix s) or earlier, nobody has acknowledged, and was escalated to less than a level.

        Those whose recipients are told nothing, because of maintenance, are left out.
        """
        return select(
            self.db,
            Alert,
            "FROM alert WHERE state IN ('firing', 'resolved') AND fired <= ? "
            "AND acknowledged IS NULL AND maintenance IS NULL AND escalation < ? ORDER BY id",
            fired_before,
            below,
        )

    def search_alerts(
        self,
        *,
        state: str = "",
        kind: str = "",
        district: str = "",
        districts: Collection[str] = (),
        site: str = "",
        standard: str = "",
        severity: str = "",
        since: float | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> list[Alert]:
        """Return alerts, the newest first: at most `limit`, with numbers below `before`.

        `state` "open" stands for all that is not over. `districts`: of one of them; none named: of all. `since`: opened
        then or later, Unix s.
        """
        wanted: dict[str, object] = {"district = ?": district, "site = ?": site, "standard = ?": standard}
        wanted |= {"severity = ?": severity, "kind = ?": kind, "state = ?": "" if state == "open" else state}
        tests = {test: value for test, value in wanted.items() if value}
        if districts:
            tests["district IN (SELECT value FROM json_each(?))"] = _json(districts)
        if since is not None:
            tests["opened >= ?"] = since
        if before is not None:
            tests["id < ?"] = before
        where = " AND ".join([*tests, *([SQL_OPEN] if state == "open" else [])]) or "1"
        return select(self.db, Alert, f"FROM alert WHERE {where} ORDER BY id DESC LIMIT ?", *tests.values(), limit)

    def find_waiting(
        self,
        state: State,
        severity: str,
        *,
        kind: str = "",
        districts: Collection[str] = (),
        by: str = "",
        not_by: str = "",
        skip: int = 0,
        limit: int = 100,
    ) -> list[Alert]:
        """Return alerts of one state and severity that nobody has put away, what fired first standing first.

        At most `limit` behind the first `skip`. `districts`: of one of them; none named: of all. `by`, `not_by`: who
        has, and who has not, acknowledged them; empty: whoever.
        """
        where, values = _waiting(kind, districts)
        tests = f"{where} AND state = ? AND severity = ? AND ? IN ('', acknowledged_by) AND acknowledged_by IS NOT ?"
        rows = self.db.execute(
            f"SELECT id FROM alert INDEXED BY alert_waiting WHERE {tests} ORDER BY fired, opened, id LIMIT ? OFFSET ?",  # noqa: S608 - our words
            (*values, state, severity, by, not_by, limit, skip),
        )
        ids = [id_ for (id_,) in rows]
        found = self.find_alerts(ids)
        return [found[id_] for id_ in ids]

    def count_waiting(self, *, kind: str = "", districts: Collection[str] = (), by: str = "") -> dict[Waiting, int]:
        """Return how many alerts nobody has put away, by state, severity and whether `by` has acknowledged them."""
        where, values = _waiting(kind, districts)
        rows = self.db.execute(
            "SELECT state, severity, acknowledged_by IS ?, count(*) "  # noqa: S608 - our words
            f"FROM alert INDEXED BY alert_waiting WHERE {where} GROUP BY 1, 2, 3",
            (by, *values),
        )
        return {Waiting(state, severity, bool(mine)): count for state, severity, mine, count in rows}

    def count_open(self) -> list[OpenAlerts]:
        """Return how many alerts are not over, by site and by what they say of it."""
        rows = self.db.execute(
            "SELECT site, kind, severity, fired IS NOT NULL, count(*) FROM alert INDEXED BY alert_waiting "  # noqa: S608
            f"WHERE {SQL_WAITING} AND {SQL_OPEN} GROUP BY 1, 2, 3, 4"
        )
        return [OpenAlerts(site, kind, severity, bool(fired), count) for site, kind, severity, fired, count in rows]

    def count_open_by_site(self) -> dict[str, int]:
        """Return how many alerts about limits are not over, by site."""
        sql = f"SELECT site, count(*) FROM alert WHERE {SQL_OPEN} AND kind = 'limit' GROUP BY site"  # noqa: S608
        return dict(self.db.execute(sql).fetchall())

    def calls_for_help(self, alerts: Iterable[int]) -> set[int]:
        """Return which of these alerts are calls for help."""
        rows = self.db.execute(
            "SELECT id FROM alert WHERE kind = 'sos' AND id IN (SELECT value FROM json_each(?))",
            (json.dumps(list(alerts)),),
        )
        return {id_ for (id_,) in rows}

    def count_firing(self) -> int:
        """Return how many alerts fire and nobody has acknowledged."""
        return int(self.db.execute("SELECT count(*) FROM alert WHERE state = 'firing'").fetchone()[0])

    def add_alert(self, alert: Alert) -> Alert:
        """Make an alert; return it with its number."""
        alert.id = insert(self.db, "INSERT INTO alert", alert)
        return alert

    def change_alert(self, alert: Alert, **columns: object) -> None:
        """Change an alert, in the database and in `alert`."""
        names = ", ".join(f"{name} = ?" for name in columns)
        self.db.execute(f"UPDATE alert SET {names} WHERE id = ?", (*columns.values(), alert.id))  # noqa: S608 - fields
        for name, value in columns.items():
            setattr(alert, name, value)

    def add_event(self, alert: Alert, what: What, text: Text, who: str = HUB, *, quiet: bool = False) -> None:
        """Note what has happened; `quiet`: nobody is told, as during maintenance."""
        event = AlertEvent(
            alert=alert.id,
            time=self.clock(),
            who=who,
            what=what,
            detail=text.en,
            detail_zh=text.zh,
            severity=alert.severity,
            quiet=quiet or alert.maintenance is not None,
        )
        insert(self.db, "INSERT INTO alert_step", event)

    def find_events(self, ids: Iterable[int]) -> dict[int, AlertEvent]:
        """Return the events that have these numbers, by number."""
        rest = "FROM alert_step WHERE id IN (SELECT value FROM json_each(?))"
        return {event.id: event for event in select(self.db, AlertEvent, rest, _json(ids))}

    def events_of(self, alert: int) -> list[AlertEvent]:
        """Return an alert's audit trail, the oldest event first."""
        return select(self.db, AlertEvent, "FROM alert_step WHERE alert = ? ORDER BY id", alert)

    def events_after(self, id_: int, most: int) -> list[AlertEvent]:
        """Return the next events of all alerts behind a number, at most `most`, in their order."""
        return select(self.db, AlertEvent, "FROM alert_step WHERE id > ? ORDER BY id LIMIT ?", id_, most)

    def trail(
        self, before: tuple[float, int], most: int, *, since: float, who: str = "", districts: Collection[str] = ()
    ) -> list[tuple[AlertEvent, str]]:
        """Return at most so many acts of people and each one's site, the newest first.

        `before`: only those below this moment (Unix s) and number. `since`: then or later. `who`: only this one's.
        `districts`: on alerts of one of them; none named: of all.
        """
        by, of = ("AND s.who = ? ", (who,)) if who else ("", ())
        chosen = self.db.execute(
            f"SELECT s.id, a.site FROM alert_step s JOIN alert a ON a.id = s.alert WHERE s.who <> 'hub' {by}"  # noqa: S608
            "AND (s.time, s.id) < (?, ?) AND s.time >= ? "
            "AND (? = '[]' OR a.district IN (SELECT value FROM json_each(?))) ORDER BY s.time DESC, s.id DESC LIMIT ?",
            (*of, *before, since, *[_json(districts)] * 2, most),
        ).fetchall()
        events = self.find_events(id_ for id_, _ in chosen)
        return [(events[id_], site) for id_, site in chosen]

    def last_events(self, alerts: Iterable[int]) -> dict[int, int]:
        """Return the number of the newest event of each of these alerts, by the alert's number."""
        sql = "SELECT alert, max(id) FROM alert_step WHERE alert IN (SELECT value FROM json_each(?)) GROUP BY alert"
        return dict(self.db.execute(sql, (_json(alerts),)).fetchall())

    def last_event(self) -> int:
        """Return the number of the newest event, 0 when there is none."""
        return int(self.db.execute("SELECT ifnull(max(id), 0) FROM alert_step").fetchone()[0])

    def count_escalations(self, event: AlertEvent) -> int:
        """Return how often an alert had been escalated when this happened, this event included."""
        sql = "SELECT count(*) FROM alert_step WHERE alert = ? AND what = 'escalated' AND id <= ?"
        return int(self.db.execute(sql, (event.alert, event.id)).fetchone()[0])

    def told_first(self, alert: Alert) -> float | None:
        """Return when recipients could first act on an alert that has fired, Unix s: never during maintenance."""
        sql = "SELECT max(time) FROM alert_step WHERE alert = ? AND what IN ('firing', 'released')"
        told: float | None = self.db.execute(sql, (alert.id,)).fetchone()[0]
        return told

    def outdated_warnings(self, events: Iterable[int], now: float) -> list[int]:
        """Return those of these events that are early warnings of a window that is over at `now`, Unix s."""
        rows = self.db.execute(
            "SELECT s.id FROM alert_step s JOIN alert a ON a.id = s.alert "
            "WHERE s.id IN (SELECT value FROM json_each(?)) AND s.what = 'early' AND a.early_end < ?",
            (_json(events), now),
        )
        return [id_ for (id_,) in rows]

    def withdrawals(self, events: Iterable[int]) -> list[int]:
        """Return those of these events that withdraw an early warning."""
        sql = "SELECT id FROM alert_step WHERE id IN (SELECT value FROM json_each(?)) AND what = 'withdrawn'"
        return [id_ for (id_,) in self.db.execute(sql, (_json(events),))]

    def note_window(self, alert: Alert, v: Verdict) -> None:
        """Note that an alert rests on a judged window, or that this was judged again."""
        self.db.execute(
            "INSERT OR REPLACE INTO alert_window VALUES (?, ?, ?, ?, ?, ?, ?)",
            (alert.id, v.start, v.end, v.revision, v.outcome, v.value, v.capture),
        )

    def replace_window(self, window: AlertWindow, start: int) -> None:
        """Note a judged window in place of the one that began at `start`, Unix s."""
        self.db.execute("DELETE FROM alert_window WHERE alert = ? AND start = ?", (window.alert, start))
        self.db.execute(
            "INSERT OR REPLACE INTO alert_window VALUES (?, ?, ?, ?, ?, ?, ?)", msgspec.structs.astuple(window)
        )

    def windows_of(self, alert: int) -> list[AlertWindow]:
        """Return the judged windows on which an alert rests, in their order."""
        return select(self.db, AlertWindow, "FROM alert_window WHERE alert = ? ORDER BY start", alert)

    def find_window(self, device: str, rule: str, start: int, site: str = "") -> AlertWindow | None:
        """Return a judged window on which an alert rests, of the newest of several; `site`: of those at a site."""
        return select_one(
            self.db,
            AlertWindow,
            "FROM alert_window WHERE start = ? AND alert IN (SELECT id FROM alert WHERE device = ? AND rule = ? "
            "AND ? IN ('', site)) "
            "ORDER BY alert DESC",
            start,
            device,
            rule,
            site,
        )

    def alerts_on(self, windows: Collection[tuple[str, str, int]]) -> dict[tuple[str, str, int], int]:
        """Return the newest alert that rests on each of some judged windows: of device, rule and start; by these."""
        asked = list(windows)
        rows = self.db.execute(
            "SELECT one.key, max(w.alert) FROM json_each(?) one CROSS JOIN alert a ON "
            "a.device = json_extract(one.value, '$[0]') AND a.rule = json_extract(one.value, '$[1]') "
            "CROSS JOIN alert_window w ON w.alert = a.id AND w.start = json_extract(one.value, '$[2]') "
            "GROUP BY one.key",
            (json.dumps(asked),),
        )
        return {asked[number]: alert for number, alert in rows}

    def worst_window(self, alert: Alert) -> AlertWindow | None:
        """Return the window of an alert with the highest value of those above the limit, as judged last."""
        rest = f"FROM alert_window WHERE alert = ? AND {SQL_ABOVE} ORDER BY value DESC"
        return select_one(self.db, AlertWindow, rest, alert.id)


def _waiting(kind: str, districts: Collection[str]) -> tuple[str, list[object]]:
    """Return the words by which the index `alert_waiting` is asked, and what stands for their question marks."""
    tests: dict[str, object] = {"kind = ?": kind} if kind else {}
    if districts:
        tests["district IN (SELECT value FROM json_each(?))"] = _json(districts)
    return " AND ".join([SQL_WAITING, *tests]), list(tests.values())


def lines(text: Text) -> str:
    """Return a text as two lines, English and Chinese."""
    return f"{text.en}\n{text.zh}"


def of_lines(text: str) -> Text:
    """Return what `lines` has put together."""
    en, _, zh = text.partition("\n")
    return Text(en, zh or en)


def _json(ids: Iterable[object]) -> str:
    return json.dumps(list(ids))
