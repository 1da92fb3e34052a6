"""What people do with alerts: acknowledge, comment, close. Every act is on record."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from hub.alerts.book import Book
from hub.alerts.records import Alert
from hub.alerts.refusal import DeskError, as_written
from hub.alerts.text import STATE
from hub.storage.database import transaction
from schemas.language import Text

__all__ = ["Desk", "DeskError"]


class Desk:
    """Works on the compliance database behind `db`, each act in a transaction; `clock` gives Unix time in s."""

    def __init__(self, db: sqlite3.Connection, clock: Callable[[], float]) -> None:
        self.book = Book(db, clock)
        self.maintenance = self.book.maintenance

    def acknowledge(self, id_: int, who: str, comment: str = "") -> Alert:
        """Say that somebody has taken an alert in hand: it is no longer escalated.

        Raises:
            DeskError: there is no such alert, or it has not fired, was acknowledged or closed.
        """
        with self._changing(id_) as alert:
            state = alert.state
            if alert.acknowledged is not None:
                by = alert.acknowledged_by
                raise DeskError("id", Text(f"alert {id_} was acknowledged by {by}", f"告警{id_}已由{by}确认"))
            if state not in {"firing", "resolved"}:
                told = Text(
                    f"alert {id_} is {state}; only what has fired and is not closed is acknowledged",
                    f"告警{id_}{STATE[state].zh}；只有已触发且未关闭的告警可以确认",
                )
                raise DeskError("id", told)
            columns = {"state": "acknowledged"} if state == "firing" else {}
            self.book.change_alert(alert, acknowledged=self.book.clock(), acknowledged_by=who, **columns)
            self.book.add_event(alert, "acknowledged", as_written(comment), who)
        return alert

    def comment(self, id_: int, who: str, comment: str) -> Alert:
        """Add a remark to an alert.

        Raises:
            DeskError: there is no such alert, or nothing was written.
        """
        with self._changing(id_) as alert:
            self.book.add_event(alert, "comment", as_written(comment, needed="text"), who)
        return alert

    def close(self, id_: int, who: str, reason: str = "", *, admin: bool = False, field: str = "text") -> Alert:
        """Put an alert away. One that is not resolved only an admin closes, with a reason.

        `field`: the name that the caller's interface gives to the reason, for error texts.

        Raises:
            DeskError: there is no such alert, it is closed, or not resolved.
        """
        with self._changing(id_) as alert:
            if alert.state in {"closed", "withdrawn"}:
                state = STATE[alert.state]
                raise DeskError("id", Text(f"alert {id_} is {state.en} already", f"告警{id_}{state.zh}，无需再关闭"))
            if alert.state != "resolved":
                if not admin:
                    told = Text(
                        f"alert {id_} is {alert.state}; wait until it is resolved, or let an admin close it",
                        f"告警{id_}{STATE[alert.state].zh}；请等待解除，或由管理员关闭",
                    )
                    raise DeskError("id", told, 403)
                as_written(reason, needed=field)
            self.book.change_alert(alert, state="closed", closed=self.book.clock())
            self.book.add_event(alert, "closed", as_written(reason), who)
        return alert

    def get(self, id_: int) -> Alert:
        """Return an alert.

        Raises:
            DeskError: there is no such alert.
        """
        alert = self.book.find_alert(id_)
        if alert is None:
            raise DeskError("id", Text(f"there is no alert {id_}", f"没有编号为{id_}的告警"), 404)
        return alert

    @contextmanager
    def _changing(self, id_: int) -> Iterator[Alert]:
        with transaction(self.book.db):
            yield self.get(id_)
