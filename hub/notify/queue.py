"""The durable queue of notifications: who is to be told of which step, whether that is done, and when to try again.

For a recipient there is one notification of one step, ever (a unique key), so no step is told twice. One moment cannot
be made safe from here: between the service taking a message and the note that it did. A notification is therefore
marked before it is sent. One found marked after a crash is sent once more and says that it may be a repetition: an
alert told twice is a nuisance, one told never is a failure. After a second crash in that moment it is left alone. What
left and was not answered is tried again and says so, too.
"""

import json
import logging
import random
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from hub.alerts.book import Book
from hub.alerts.records import Alert, AlertEvent, Notification
from hub.config.alerts import Recipient
from hub.notify.recipients import FOLLOWS, GROUPS, is_awake, wants
from hub.registry.live import Registry
from hub.storage.database import transaction
from hub.storage.rows import select

FIRST_PAUSE, LONGEST_PAUSE = 5.0, 300.0
SHORTEST_PAUSE = 1.0
PATIENCE = 5
"""After so many attempts a message lets those behind it go first, and goes alone: it may itself be what is refused."""
MINUTE = 60.0
MOST_CHOSEN = 1000
"""Events for which recipients are chosen in one transaction."""

log = logging.getLogger("hub.notify")


@dataclass(frozen=True, slots=True)
class Due:
    """A notification that is to be sent now: of which event of which alert."""

    notification: Notification
    alert: Alert
    event: AlertEvent


class Queue:
    """The queue in the compliance database behind `db`; `clock` gives Unix time in s.

    `digest_above`: so many messages may go to one recipient within a minute.
    """

    def __init__(
        self, db: sqlite3.Connection, recipients: list[Recipient], clock: Callable[[], float], digest_above: int
    ) -> None:
        self._book = Book(db, clock)
        self._db = db
        self._recipients = recipients
        self._clock = clock
        self._digest_above = digest_above

    def recover(self) -> None:
        """Take up what a process that was killed has left behind; forget those who are no recipients any more."""
        with transaction(self._db):
            self._db.execute(
                "UPDATE notification SET state = 'unknown', error = 'the hub was stopped while this was sent, twice' "
                "WHERE state = 'sending' AND repeated = 1"
            )
            self._db.execute("UPDATE notification SET state = 'waiting', repeated = 1 WHERE state = 'sending'")
            names = [recipient.name for recipient in self._recipients]
            marks = ", ".join("?" * len(names))
            self._db.execute(
                "UPDATE notification SET state = 'dropped', error = 'no recipient any more' "  # noqa: S608 - marks
                f"WHERE state = 'waiting' AND recipient NOT IN ({marks})",
                names,
            )

    def choose(self, registry: Registry) -> None:
        """Choose recipients for the steps since the last time."""
        done = self._db.execute("SELECT step FROM notified").fetchone()[0]
        if self._book.last_event() <= done:
            return
        with transaction(self._db):
            events = self._book.events_after(done, MOST_CHOSEN)
            alerts = self._book.find_alerts({event.alert for event in events})
            for event in events:
                self._choose(event, alerts[event.alert], registry)
            self._db.execute("UPDATE notified SET step = ?", (events[-1].id,))

    def _choose(self, event: AlertEvent, alert: Alert, registry: Registry) -> None:
        if event.quiet or event.what not in GROUPS:
            return
        log.warning("alert %d, %s: %s", alert.id, event.what, event.detail.partition("\n")[0])
        level = self._book.count_escalations(event) if event.what == "escalated" else 0
        for recipient in self._recipients:
            if not wants(recipient, alert, event, registry):
                continue
            knows = self._db.execute(
                "SELECT 1 FROM notification WHERE alert = ? AND recipient = ? AND state <> 'dropped'",
                (alert.id, recipient.name),
            ).fetchone()
            called = recipient.level == level and event.what not in FOLLOWS
            if called or (knows and event.what != "escalated"):
                self._db.execute(
                    "INSERT OR IGNORE INTO notification (alert, step, recipient, state, due) "
                    "VALUES (?, ?, ?, 'waiting', ?)",
                    (alert.id, event.id, recipient.name, self._clock()),
                )

    def take(self, recipient: Recipient, registry: Registry) -> list[Due]:
        """Return what is to be sent to a recipient now, marked as being sent: one notification, or all for a digest."""
        now = self._clock()
        waiting = self._db.execute(
            # What is refused again and again must not hold up what came after it.
            f"SELECT id, attempts FROM notification WHERE recipient = ? AND state = 'waiting' "  # noqa: S608
            f"AND (due <= ? OR due > ?) ORDER BY attempts / {PATIENCE}, id",
            (recipient.name, now, now + LONGEST_PAUSE),  # the latter: the clock has been set back since
        ).fetchall()
        if not waiting or not is_awake(recipient, datetime.fromtimestamp(now, registry.zone)):
            return []
        if self._expire(recipient, now):
            return self.take(recipient, registry)
        recent = self._db.execute(
            "SELECT count(DISTINCT ifnull(digest, id)) FROM notification WHERE recipient = ? "
            "AND sent > ? AND sent <= ?",
            (recipient.name, now - MINUTE, now),
        ).fetchone()[0]
        if recent >= self._digest_above:
            return []  # what comes meanwhile is gathered
        ids = [id_ for id_, _ in waiting]
        if len(ids) + recent <= self._digest_above or waiting[0][1] >= PATIENCE:
            ids = ids[:1]
        self._mark(ids, "state = 'sending', attempts = attempts + 1")
        rest = "FROM notification WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id"
        marked = select(self._db, Notification, rest, json.dumps(ids))
        alerts = self._book.find_alerts({one.alert for one in marked})
        events = self._book.find_events(one.step for one in marked)
        return [Due(one, alerts[one.alert], events[one.step]) for one in marked]

    def _expire(self, recipient: Recipient, now: float) -> bool:
        """Leave out early warnings whose window is over, and their withdrawals; tell whether there were any.

        They waited for the recipient's hours or for the service. What came of them is told by the events behind them.
        """
        with transaction(self._db):
            waiting = "SELECT step FROM notification WHERE recipient = ? AND state = 'waiting'"
            steps = [step for (step,) in self._db.execute(waiting, (recipient.name,))]
            late = self._db.execute(
                "UPDATE notification SET state = 'dropped', error = 'its window was over before it could be sent' "
                "WHERE recipient = ? AND state = 'waiting' AND step IN (SELECT value FROM json_each(?))",
                (recipient.name, json.dumps(self._book.outdated_warnings(steps, now))),
            )
            idle = self._db.execute(
                "UPDATE notification AS n SET state = 'dropped', error = 'the warning itself was never sent' "
                "WHERE recipient = ? AND state = 'waiting' AND step IN (SELECT value FROM json_each(?)) "
                "AND NOT EXISTS (SELECT 1 FROM notification o WHERE o.alert = n.alert "
                "AND o.recipient = n.recipient AND o.id < n.id AND o.state <> 'dropped')",
                (recipient.name, json.dumps(self._book.withdrawals(steps))),
            )
            return late.rowcount + idle.rowcount > 0

    def sent(self, told: list[Due]) -> None:
        """Note that a message has been taken by its service."""
        ids = [one.notification.id for one in told]
        digest = ids[0] if len(ids) > 1 else None
        self._mark(ids, "state = 'sent', error = NULL, sent = ?, digest = ?", self._clock(), digest)

    def failed(self, told: list[Due], error: str, *, perhaps: bool = False) -> float:
        """Note why a message was not taken; return after how long the recipient is tried again, s.

        `perhaps`: it may have been taken; the next attempt says so.
        The pauses double, and are drawn at random from their span, so that what comes back is not overrun.
        """
        attempts = max(one.notification.attempts for one in told)
        span = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(attempts - 1, 10))
        pause = max(SHORTEST_PAUSE, random.uniform(0.5, 1) * span)  # noqa: S311
        due = self._clock() + pause
        with transaction(self._db):
            for one in told:
                self._db.execute(
                    "UPDATE notification SET state = 'waiting', error = ?, "
                    "repeated = iif(? AND repeated = 0, 2, repeated) WHERE id = ?",
                    (error, perhaps, one.notification.id),
                )
            # Its other messages would only fail, too.
            self._db.execute(
                "UPDATE notification SET due = max(due, ?) WHERE recipient = ? AND state = 'waiting'",
                (due, told[0].notification.recipient),
            )
        return pause

    def _mark(self, ids: list[int], what: str, *values: object) -> None:
        with transaction(self._db):
            self._db.executemany(
                f"UPDATE notification SET {what} WHERE id = ?",  # noqa: S608 - `what` is written above
                [(*values, id_) for id_ in ids],
            )


def count_waiting(db: sqlite3.Connection) -> tuple[int, int]:
    """Count the messages about alerts that wait, and those of them whose last attempt failed."""
    waiting, failing = db.execute(
        "SELECT count(*), count(error) FROM notification WHERE state IN ('waiting', 'sending')"
    ).fetchone()
    return int(waiting), int(failing)
