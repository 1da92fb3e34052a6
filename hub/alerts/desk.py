"""What people do with alerts: acknowledge, comment, close; and maintenance windows. Every act is on record."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from hub.alerts.book import OPEN, Book, Row
from hub.alerts.text import STATE
from hub.registry.live import Registry
from hub.storage.database import transaction
from schemas.language import Text

MOST_TEXT = 2000
"""Longest comment or reason, characters."""
LONGEST_MAINTENANCE = 92 * 86_400
"""s."""
FURTHEST = 366 * 86_400
"""How far in the future maintenance may begin, s."""


class DeskError(Exception):
    """Something that cannot be done with an alert as it is. `field` names what is wrong, `status` is as in HTTP."""

    def __init__(self, field: str, text: Text, status: int = 409) -> None:
        super().__init__(text.en)
        self.field = field
        self.text = text
        self.status = status


class Desk:
    """Works on the compliance database behind `db`, each act in a transaction; `clock` gives Unix time in s."""

    def __init__(self, db: sqlite3.Connection, clock: Callable[[], float]) -> None:
        self.book = Book(db, clock)

    def acknowledge(self, id_: int, who: str, comment: str = "") -> Row:
        """Say that somebody has taken an alert in hand: it is no longer escalated.

        Raises:
            DeskError: there is no such alert, or it has not fired, was acknowledged or closed.
        """
        with self._changing(id_) as alert:
            state = alert["state"]
            if alert["acknowledged"] is not None:
                by = alert["acknowledged_by"]
                raise DeskError("id", Text(f"alert {id_} was acknowledged by {by}", f"告警{id_}已由{by}确认"))
            if state not in {"firing", "resolved"}:
                told = Text(
                    f"alert {id_} is {state}; only what has fired and is not closed is acknowledged",
                    f"告警{id_}{STATE[state].zh}；只有已触发且未关闭的告警可以确认",
                )
                raise DeskError("id", told)
            columns = {"state": "acknowledged"} if state == "firing" else {}
            self.book.change(alert, acknowledged=self.book.clock(), acknowledged_by=who, **columns)
            self.book.step(alert, "acknowledged", _as_written(comment), who)
        return alert

    def comment(self, id_: int, who: str, comment: str) -> Row:
        """Add a remark to an alert.

        Raises:
            DeskError: there is no such alert, or nothing was written.
        """
        with self._changing(id_) as alert:
            self.book.step(alert, "comment", _as_written(comment, needed="text"), who)
        return alert

    def close(self, id_: int, who: str, reason: str = "", *, admin: bool = False, field: str = "text") -> Row:
        """Put an alert away. One that is not resolved only an admin closes, with a reason.

        `field`: how the caller calls the reason.

        Raises:
            DeskError: there is no such alert, it is closed, or not resolved.
        """
        with self._changing(id_) as alert:
            if alert["state"] in {"closed", "withdrawn"}:
                state = STATE[alert["state"]]
                raise DeskError("id", Text(f"alert {id_} is {state.en} already", f"告警{id_}{state.zh}，无需再关闭"))
            if alert["state"] != "resolved":
                if not admin:
                    told = Text(
                        f"alert {id_} is {alert['state']}; wait until it is resolved, or let an admin close it",
                        f"告警{id_}{STATE[alert['state']].zh}；请等待解除，或由管理员关闭",
                    )
                    raise DeskError("id", told, 403)
                _as_written(reason, needed=field)
            self.book.change(alert, state="closed", closed=self.book.clock())
            self.book.step(alert, "closed", _as_written(reason), who)
        return alert

    def add_maintenance(self, site: str, device: str, begins: float, ends: float, reason: str, who: str) -> Row:
        """Tell nobody of what happens at a site, or one board of it (`device`), from `begins` to `ends` (Unix s).

        Raises:
            DeskError: it ends before it begins, or in the past, is too long or too far away, or has no reason.
        """
        if ends <= begins:
            raise DeskError("to", Text("must be later than from", "须晚于开始时间"), 422)
        if ends <= self.book.clock():
            raise DeskError("to", Text("lies in the past", "已是过去时间"), 422)
        if ends - begins > LONGEST_MAINTENANCE:
            days = f"{LONGEST_MAINTENANCE / 86_400:.0f}"
            raise DeskError(
                "to",
                Text(
                    f"must be at most {days} days after from: what is forgotten must not keep a site silent for ever",
                    f"最长{days}天：以免遗忘后场所长期不告警",
                ),
                422,
            )
        if begins > self.book.clock() + FURTHEST:
            raise DeskError("from", Text("must lie within a year", "须在一年以内"), 422)
        _as_written(reason, needed="reason")
        with self._transaction():
            id_ = self.book.db.execute(
                "INSERT INTO maintenance (site, device, begins, ends, reason, who, made) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (site, device, begins, ends, reason, who, self.book.clock()),
            ).lastrowid
            return self.book.rows("SELECT * FROM maintenance WHERE id = ?", id_)[0]

    def remove_maintenance(self, id_: int, who: str) -> None:
        """Take a maintenance window back; it stays on record.

        Raises:
            DeskError: there is no such window.
        """
        with self._transaction():
            changed = self.book.db.execute(
                "UPDATE maintenance SET removed = ?, removed_by = ? WHERE id = ? AND removed IS NULL",
                (self.book.clock(), who, id_),
            ).rowcount
        if not changed:
            raise DeskError("id", Text(f"there is no maintenance window {id_}", f"没有维护时段{id_}"), 404)

    def maintenance(self) -> list[Row]:
        """Return the maintenance windows that are not over or taken back, the next first."""
        return self.book.rows(
            "SELECT * FROM maintenance WHERE removed IS NULL AND ends > ? ORDER BY begins, id", self.book.clock()
        )

    def get(self, id_: int) -> Row:
        """Return an alert.

        Raises:
            DeskError: there is no such alert.
        """
        alert = self.book.alert(id_)
        if alert is None:
            raise DeskError("id", Text(f"there is no alert {id_}", f"没有编号为{id_}的告警"), 404)
        return alert

    def steps(self, id_: int) -> list[Row]:
        """Return an alert's audit trail, the oldest step first."""
        return self.book.rows("SELECT * FROM alert_step WHERE alert = ? ORDER BY id", id_)

    def windows(self, id_: int) -> list[Row]:
        """Return the judged windows on which an alert rests, in their order."""
        return self.book.rows("SELECT * FROM alert_window WHERE alert = ? ORDER BY start", id_)

    def judged(self, alert: Row) -> list[float]:
        """Return when each verdict on the windows of an alert was given, Unix s; that of an amended one, too."""
        rows = self.book.rows(
            "SELECT v.judged FROM alert_window w JOIN verdict v ON v.device = ? AND v.rule = ? AND v.start = w.start "
            "WHERE w.alert = ?",
            alert["device"],
            alert["rule"],
            alert["id"],
        )
        return [row["judged"] for row in rows]

    def find(
        self,
        *,
        state: str = "",
        kind: str = "",
        district: str = "",
        site: str = "",
        standard: str = "",
        severity: str = "",
        since: float | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> list[Row]:
        """Return alerts, the newest first: at most `limit`, with numbers below `before`.

        `state` "open" stands for pending, firing and acknowledged. `since`: opened then or later, Unix s.
        """
        wanted: dict[str, object] = {"district = ?": district, "site = ?": site, "standard = ?": standard}
        wanted |= {"severity = ?": severity, "kind = ?": kind, "state = ?": "" if state == "open" else state}
        tests = {test: value for test, value in wanted.items() if value}
        if since is not None:
            tests["opened >= ?"] = since
        if before is not None:
            tests["id < ?"] = before
        where = " AND ".join([*tests, *([OPEN] if state == "open" else [])]) or "1"
        sql = f"SELECT * FROM alert WHERE {where} ORDER BY id DESC LIMIT ?"  # noqa: S608 - tests are the ones above
        return self.book.rows(sql, *tests.values(), limit)

    @contextmanager
    def _changing(self, id_: int) -> Iterator[Row]:
        with self._transaction():
            yield self.get(id_)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with transaction(self.book.db):
            yield


def check_place(registry: Registry, site: str, board: str) -> None:
    """Refuse a site, or a board (empty: all of the site's), that the registry does not have there.

    Raises:
        DeskError: it has not.
    """
    board_site = registry.boards[board].site if board in registry.boards else None
    if site not in registry.sites:
        raise DeskError("site", Text(f"the registry has no site {site!r}", f"登记册中没有场所{site!r}"), 422)
    if board and board_site != site:
        text = Text(f"the site {site!r} has no board {board!r}", f"登记册中场所{site!r}没有设备{board!r}")
        raise DeskError("board", text, 422)


def _as_written(text: str, *, needed: str = "") -> Text:
    """Return what a user wrote, in both languages as it is.

    Raises:
        DeskError: it is too long, or empty although it is needed (then the field's name).
    """
    text = text.strip()
    if needed and not text:
        raise DeskError(needed, Text("must not be empty", "不能为空"), 422)
    if len(text) > MOST_TEXT:
        raise DeskError(
            needed or "text", Text(f"must not be longer than {MOST_TEXT} characters", f"不能超过{MOST_TEXT}字"), 422
        )
    return Text(text, text)
