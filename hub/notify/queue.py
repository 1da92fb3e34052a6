"""The durable queue of notifications: who is to be told of which step, whether that is done, and when to try again.

For a recipient there is one notification of one step, ever (a unique key), so no step is told twice. One moment cannot
be made safe from here: between the service taking a message and the note that it did. A notification is therefore
marked before it is sent. One found marked after a crash is sent once more and says that it may be a repetition: an
alert told twice is a nuisance, one told never is a failure. After a second crash in that moment it is left alone. What
left and was not answered is tried again and says so, too.
"""

import logging
import random
import sqlite3
from collections.abc import Callable
from datetime import datetime

from hub.alerts.book import Book, Row
from hub.config.alerts import Recipient
from hub.notify.recipients import FOLLOWS, GROUPS, is_awake, wants
from hub.registry.live import Registry
from hub.storage.database import transaction

FIRST_PAUSE, LONGEST_PAUSE = 5.0, 300.0
SHORTEST_PAUSE = 1.0
PATIENCE = 5
"""After so many attempts a message lets those behind it go first, and goes alone: it may itself be what is refused."""
MINUTE = 60.0

log = logging.getLogger("hub.notify")


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
        if self._book.one("SELECT id FROM alert_step WHERE id > ?", done) is None:
            return
        with transaction(self._db):
            steps = self._book.rows("SELECT * FROM alert_step WHERE id > ? ORDER BY id LIMIT 1000", done)
            for step in steps:
                self._choose(step, registry)
            self._db.execute("UPDATE notified SET step = ?", (steps[-1]["id"],))

    def _choose(self, step: Row, registry: Registry) -> None:
        if step["quiet"] or step["what"] not in GROUPS:
            return
        alert = self._book.rows("SELECT * FROM alert WHERE id = ?", step["alert"])[0]
        log.warning("alert %d, %s: %s", alert["id"], step["what"], step["detail"].partition("\n")[0])
        level = 0
        if step["what"] == "escalated":
            sql = "SELECT count(*) FROM alert_step WHERE alert = ? AND what = 'escalated' AND id <= ?"
            level = self._db.execute(sql, (alert["id"], step["id"])).fetchone()[0]
        for recipient in self._recipients:
            if not wants(recipient, alert, step, registry):
                continue
            knows = self._book.one(
                "SELECT 1 FROM notification WHERE alert = ? AND recipient = ? AND state <> 'dropped'",
                alert["id"],
                recipient.name,
            )
            called = recipient.level == level and step["what"] not in FOLLOWS
            if called or (knows and step["what"] != "escalated"):
                self._db.execute(
                    "INSERT OR IGNORE INTO notification (alert, step, recipient, state, due) "
                    "VALUES (?, ?, ?, 'waiting', ?)",
                    (alert["id"], step["id"], recipient.name, self._clock()),
                )

    def take(self, recipient: Recipient, registry: Registry) -> list[Row]:
        """Return what is to be sent to a recipient now, marked as being sent: one notification, or all for a digest."""
        now = self._clock()
        waiting = self._book.rows(
            # What is refused again and again must not hold up what came after it.
            f"SELECT id, attempts FROM notification WHERE recipient = ? AND state = 'waiting' "  # noqa: S608
            f"AND (due <= ? OR due > ?) ORDER BY attempts / {PATIENCE}, id",
            recipient.name,
            now,
            now + LONGEST_PAUSE,  # the clock has been set back since
        )
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
        ids = [row["id"] for row in waiting]
        if len(ids) + recent <= self._digest_above or waiting[0]["attempts"] >= PATIENCE:
            ids = ids[:1]
        self._mark(ids, "state = 'sending', attempts = attempts + 1")
        marks = ", ".join("?" * len(ids))
        return self._book.rows(
            "SELECT a.*, n.*, s.what AS step_what, s.time AS step_time, s.detail AS step_detail, "  # noqa: S608 - marks
            "s.detail_zh AS step_detail_zh, s.severity AS step_severity FROM notification n "
            f"JOIN alert a ON a.id = n.alert JOIN alert_step s ON s.id = n.step WHERE n.id IN ({marks}) ORDER BY n.id",
            *ids,
        )

    def _expire(self, recipient: Recipient, now: float) -> bool:
        """Leave out early warnings whose window is over, and their withdrawals; tell whether there were any.

        They waited for the recipient's hours or for the service. What came of them is told by the steps behind them.
        """
        with transaction(self._db):
            late = self._db.execute(
                "UPDATE notification SET state = 'dropped', error = 'its window was over before it could be sent' "
                "WHERE recipient = ? AND state = 'waiting' AND step IN (SELECT s.id FROM alert_step s "
                "JOIN alert a ON a.id = s.alert WHERE s.what = 'early' AND a.early_end < ?)",
                (recipient.name, now),
            )
            idle = self._db.execute(
                "UPDATE notification AS n SET state = 'dropped', error = 'the warning itself was never sent' "
                "WHERE recipient = ? AND state = 'waiting' AND step IN (SELECT id FROM alert_step "
                "WHERE what = 'withdrawn') AND NOT EXISTS (SELECT 1 FROM notification o WHERE o.alert = n.alert "
                "AND o.recipient = n.recipient AND o.id < n.id AND o.state <> 'dropped')",
                (recipient.name,),
            )
            return late.rowcount + idle.rowcount > 0

    def sent(self, rows: list[Row]) -> None:
        """Note that a message has been taken by its service."""
        digest = rows[0]["id"] if len(rows) > 1 else None
        self._mark(
            [row["id"] for row in rows], "state = 'sent', error = NULL, sent = ?, digest = ?", self._clock(), digest
        )

    def failed(self, rows: list[Row], error: str, *, perhaps: bool = False) -> float:
        """Note why a message was not taken; return after how long the recipient is tried again, s.

        `perhaps`: it may have been taken; the next attempt says so.
        The pauses double, and are drawn at random from their span, so that what comes back is not overrun.
        """
        attempts = max(int(row["attempts"]) for row in rows)
        span = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(attempts - 1, 10))
        pause = max(SHORTEST_PAUSE, random.uniform(0.5, 1) * span)  # noqa: S311
        due = self._clock() + pause
        with transaction(self._db):
            for row in rows:
                self._db.execute(
                    "UPDATE notification SET state = 'waiting', error = ?, "
                    "repeated = iif(? AND repeated = 0, 2, repeated) WHERE id = ?",
                    (error, perhaps, row["id"]),
                )
            # Its other messages would only fail, too.
            self._db.execute(
                "UPDATE notification SET due = max(due, ?) WHERE recipient = ? AND state = 'waiting'",
                (due, rows[0]["recipient"]),
            )
        return pause

    def _mark(self, ids: list[int], what: str, *values: object) -> None:
        with transaction(self._db):
            self._db.executemany(
                f"UPDATE notification SET {what} WHERE id = ?",  # noqa: S608 - `what` is written above
                [(*values, id_) for id_ in ids],
            )
