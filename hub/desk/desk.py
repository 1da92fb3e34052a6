"""What people do with alerts: acknowledge, comment, close. Every act is on record."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from hub.access.names import HUB
from hub.alerts.book import Book
from hub.alerts.records import Alert, AlertEvent
from hub.alerts.refusal import DeskError, as_written
from hub.alerts.states import What
from hub.alerts.text import STATE
from hub.storage.database import transaction
from schemas.language import Text

__all__ = ["Desk", "DeskError", "NewsError"]


class NewsError(DeskError):
    """What another officer did with an alert in the meantime, and must be read first."""

    def __init__(self, id_: int, news: list[AlertEvent]) -> None:
        who = ", ".join(sorted({event.who for event in news}))
        told = Text(
            f"alert {id_}: {who} did something meanwhile; read it, then decide",
            f"告警{id_}：{who}已有新的处理，请先查看再决定",
        )
        super().__init__("seen", told)
        self.news = news


class Desk:
    """Works on the compliance database behind `db`, each act in a transaction; `clock` gives Unix time in s.

    `districts`: for whoever works sees alerts of these alone, and for the others there is none; none named: all.
    An act may say up to which event of the alert the officer had read (`seen`): what another officer did since then is
    told in place of acting (`NewsError`), and an act that was sent twice is done once.
    """

    def __init__(self, db: sqlite3.Connection, clock: Callable[[], float], districts: tuple[str, ...] = ()) -> None:
        self.districts = districts
        self.book = Book(db, clock)
        self.maintenance = self.book.maintenance

    def acknowledge(self, id_: int, who: str, comment: str = "", seen: int | None = None) -> Alert:
        """Say that somebody has taken an alert in hand: it is no longer escalated.

        Raises:
            DeskError: there is no such alert, or it has not fired, was acknowledged or closed.
        """
        with self._changing(id_) as alert:
            if self._is_done(alert, "acknowledged", who, comment, seen):
                return alert
            self._refuse_unread(alert, who, seen)
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

    def comment(self, id_: int, who: str, comment: str, seen: int | None = None) -> Alert:
        """Add a remark to an alert.

        Raises:
            DeskError: there is no such alert, or nothing was written.
        """
        with self._changing(id_) as alert:
            if self._is_done(alert, "comment", who, comment, seen):
                return alert
            self.book.add_event(alert, "comment", as_written(comment, needed="text"), who)
        return alert

    def close(
        self,
        id_: int,
        who: str,
        reason: str = "",
        *,
        admin: bool = False,
        field: str = "text",
        seen: int | None = None,
    ) -> Alert:
        """Put an alert away. One that is not resolved only an admin closes, with a reason.

        `field`: the name that the caller's interface gives to the reason, for error texts.

        Raises:
            DeskError: there is no such alert, it is closed, or not resolved.
        """
        with self._changing(id_) as alert:
            if self._is_done(alert, "closed", who, reason, seen):
                return alert
            self._refuse_unread(alert, who, seen)
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
        if alert is None or (self.districts and alert.district not in self.districts):
            raise DeskError("id", Text(f"there is no alert {id_}", f"没有编号为{id_}的告警"), 404)
        return alert

    def _is_done(self, alert: Alert, what: What, who: str, said: str, seen: int | None) -> bool:
        """Tell whether this very act is on record since the event that the officer had read: it was sent twice."""
        if seen is None:
            return False
        return any(
            (event.what, event.who, event.detail) == (what, who, said.strip())
            for event in self.book.events_of(alert.id)
            if event.id > seen
        )

    def _refuse_unread(self, alert: Alert, who: str, seen: int | None) -> None:
        """Refuse to go on if another officer has done something that this one has not read."""
        if seen is None:
            return
        news = [one for one in self.book.events_of(alert.id) if one.id > seen and one.who not in {who, HUB}]
        if news:
            raise NewsError(alert.id, news)

    @contextmanager
    def _changing(self, id_: int) -> Iterator[Alert]:
        with transaction(self.book.db):
            yield self.get(id_)
