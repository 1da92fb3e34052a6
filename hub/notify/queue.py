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

import msgspec

from hub.alerts.book import Book
from hub.alerts.records import Alert, AlertEvent, Notification
from hub.config.alerts import Recipient
from hub.notify.answers import Why
from hub.notify.news import News, NewsSource, wants_news
from hub.notify.recipients import FOLLOWS, GROUPS, is_awake, wants
from hub.registry.live import Registry
from hub.storage.database import transaction
from hub.storage.rows import select

FIRST_PAUSE, LONGEST_PAUSE = 5.0, 300.0
LIMITED_PAUSE, LONGEST_LIMITED = 60.0, 600.0
"""After "too many": DingTalk and WeCom count by the minute, and DingTalk is said to refuse for ten (S)."""
LONGEST_WAIT = 3600.0
"""Between attempts at what only a person can mend, and at most for a service that names a time itself."""
GIVE_UP = 86_400.0
"""What was refused for so long for a reason that only a person can mend is left alone [s]."""
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


@dataclass(frozen=True, slots=True)
class DueNews:
    """A notification that is to be sent now: of which step of which case."""

    notification: Notification
    news: News


Told = list[Due] | list[DueNews]
"""What goes to a recipient in one message: all of it is about alerts, or all about cases."""


class Queue:
    """The queue in the compliance database behind `db`; `clock` gives Unix time in s.

    `digest_above`: so many messages may go to one recipient within a minute. `calls`: another process sends all but
    calls for help (True), or those (False); None: all is sent by this one.
    """

    def __init__(
        self,
        db: sqlite3.Connection,
        recipients: list[Recipient],
        clock: Callable[[], float],
        digest_above: int,
        source: NewsSource | None = None,
        *,
        calls: bool | None = None,
    ) -> None:
        self._only = calls
        self._book = Book(db, clock)
        self._db = db
        self._recipients = recipients
        self._clock = clock
        self._digest_above = digest_above
        self._source = source

    def recover(self) -> None:
        """Take up what a process that was killed has left behind; forget those who are no recipients any more."""
        left = self._db.execute(
            "SELECT id, repeated, subject, alert FROM notification WHERE state = 'sending'"
        ).fetchall()
        calls = set(self._calls(left))
        left = [one for one in left if self._only is None or (one[0] in calls) == self._only]
        # A call for help told three times is better than one told never.
        twice = [one[0] for one in left if one[1] == 1 and one[0] not in calls]
        chosen = "WHERE state = 'sending' AND id IN (SELECT value FROM json_each(?))"
        with transaction(self._db):
            self._db.execute(
                "UPDATE notification SET state = 'unknown', error = 'the hub was stopped while this was sent, twice' "  # noqa: S608
                f"{chosen}",
                (json.dumps(twice),),
            )
            self._db.execute(
                f"UPDATE notification SET state = 'waiting', repeated = 1 {chosen}",  # noqa: S608
                (json.dumps([one[0] for one in left]),),
            )
            names = [recipient.name for recipient in self._recipients]
            marks = ", ".join("?" * len(names))
            self._db.execute(
                "UPDATE notification SET state = 'dropped', error = 'no recipient any more' "  # noqa: S608 - marks
                f"WHERE state = 'waiting' AND recipient NOT IN ({marks})",
                names,
            )
            # Whoever has mended the address starts the hub anew, and waits for what was not told.
            self._db.execute(
                "UPDATE notification SET due = min(due, ?) WHERE state = 'waiting' AND error IS NOT NULL",
                (self._clock(),),
            )

    def choose(self, registry: Registry) -> bool:
        """Choose recipients for the steps since the last time; tell whether there are more of them."""
        step = "SELECT step FROM notified"
        last = self._book.last_event()
        if last <= self._db.execute(step).fetchone()[0]:
            return False
        with transaction(self._db):
            # Read here: the other process that sends chooses, too.
            events = self._book.events_after(self._db.execute(step).fetchone()[0], MOST_CHOSEN)
            if not events:
                return False
            alerts = self._book.find_alerts({event.alert for event in events})
            for event in events:
                self._choose(event, alerts[event.alert], registry)
            self._db.execute("UPDATE notified SET step = ?", (events[-1].id,))
        return events[-1].id < last

    def choose_news(self, registry: Registry) -> None:
        """Choose recipients for the steps of cases since the last time; those of alerts never wait for them."""
        if self._source is None:
            return
        done = self._db.execute("SELECT case_step FROM notified").fetchone()[0]
        begun = done if done >= 0 else self._source.begin(self._clock())
        steps = self._source.after(begun, MOST_CHOSEN)
        if not steps and done >= 0:
            return
        with transaction(self._db):
            for news in steps:
                for recipient in self._recipients:
                    if wants_news(recipient, news, registry):
                        self._db.execute(
                            "INSERT OR IGNORE INTO notification (subject, alert, step, recipient, state, due) "
                            "VALUES ('case', ?, ?, ?, 'waiting', ?)",
                            (news.subject, news.step, recipient.name, self._clock()),
                        )
            self._db.execute("UPDATE notified SET case_step = ?", (steps[-1].step if steps else begun,))

    def _choose(self, event: AlertEvent, alert: Alert, registry: Registry) -> None:
        if event.quiet or event.what not in GROUPS:
            return
        log.warning("alert %d, %s: %s", alert.id, event.what, event.detail.partition("\n")[0])
        level = self._book.count_escalations(event) if event.what == "escalated" else 0
        for recipient in self._recipients:
            if not wants(recipient, alert, event, registry):
                continue
            knows = self._db.execute(
                "SELECT 1 FROM notification WHERE subject = 'alert' AND alert = ? AND recipient = ? "
                "AND state <> 'dropped'",
                (alert.id, recipient.name),
            ).fetchone()
            called = recipient.level == level and event.what not in FOLLOWS
            if called or (knows and event.what != "escalated"):
                self._db.execute(
                    "INSERT OR IGNORE INTO notification (alert, step, recipient, state, due) "
                    "VALUES (?, ?, ?, 'waiting', ?)",
                    (alert.id, event.id, recipient.name, self._clock()),
                )

    def take(self, recipient: Recipient, registry: Registry) -> Told:
        """Return what is to be sent to a recipient now, marked as being sent: one notification, or all for a digest.

        What is about alerts goes before what is about cases; calls for help go a way of their own (`take_call`).
        """
        now = self._clock()
        waiting = self._waiting(recipient, now)
        calls = set(self._calls(waiting))
        waiting = [one for one in waiting if one[0] not in calls]
        subject = waiting[0][2] if waiting else ""
        waiting = [one for one in waiting if one[2] == subject]
        if subject == "case" and self._source is None:
            return []
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
        ids = [one[0] for one in waiting]
        if len(ids) + recent <= self._digest_above or waiting[0][1] >= PATIENCE:
            ids = ids[:1]
        rest = "FROM notification WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id"
        if subject == "case" and self._source is not None:
            chosen = select(self._db, Notification, rest, json.dumps(ids))
            news = self._source.find(one.step for one in chosen)  # before it is marked: cases.db may not answer
            self._mark(ids, "state = 'sending', attempts = attempts + 1")
            marked = select(self._db, Notification, rest, json.dumps(ids))
            return [DueNews(one, news[one.step]) for one in marked]
        return self._due(ids)

    def take_call(self, recipient: Recipient) -> Told:
        """Return a call for help that is to be sent to a recipient now, marked as being sent.

        At any hour, however much was sent, and whatever of other messages is on its way or was refused.
        """
        return self._due(self._calls(self._waiting(recipient, self._clock()))[:1])

    def _waiting(self, recipient: Recipient, now: float) -> list[tuple[int, int, str, int]]:
        """Return id, attempts, subject and the number of that of what may be sent to a recipient now."""
        return self._db.execute(
            # What is refused again and again must not hold up what came after it.
            f"SELECT id, attempts, subject, alert FROM notification WHERE recipient = ? AND state = 'waiting' "  # noqa: S608
            f"AND (due <= ? OR due > ?) ORDER BY attempts / {PATIENCE}, subject, id",
            (recipient.name, now, now + LONGEST_WAIT),  # the latter: the clock has been set back since
        ).fetchall()

    def _calls(self, waiting: list[tuple[int, int, str, int]]) -> list[int]:
        """Return which of what waits are calls for help."""
        of = {id_: alert for id_, _, subject, alert in waiting if subject == "alert"}
        calls = self._book.calls_for_help(of.values()) if of else set()
        return [id_ for id_, alert in of.items() if alert in calls]

    def _due(self, ids: list[int]) -> list[Due]:
        """Mark notifications about alerts as being sent, and return them."""
        rest = "FROM notification WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id"
        self._mark(ids, "state = 'sending', attempts = attempts + 1")
        marked = select(self._db, Notification, rest, json.dumps(ids)) if ids else []
        alerts = self._book.find_alerts({one.alert for one in marked})
        events = self._book.find_events(one.step for one in marked)
        return [Due(one, alerts[one.alert], events[one.step]) for one in marked]

    def _expire(self, recipient: Recipient, now: float) -> bool:
        """Leave out early warnings whose window is over, and their withdrawals; tell whether there were any.

        They waited for the recipient's hours or for the service. What came of them is told by the events behind them.
        """
        with transaction(self._db):
            waiting = "SELECT step FROM notification WHERE subject = 'alert' AND recipient = ? AND state = 'waiting'"
            steps = [step for (step,) in self._db.execute(waiting, (recipient.name,))]
            late = self._db.execute(
                "UPDATE notification SET state = 'dropped', error = 'its window was over before it could be sent' "
                "WHERE subject = 'alert' AND recipient = ? AND state = 'waiting' "
                "AND step IN (SELECT value FROM json_each(?))",
                (recipient.name, json.dumps(self._book.outdated_warnings(steps, now))),
            )
            idle = self._db.execute(
                "UPDATE notification AS n SET state = 'dropped', error = 'the warning itself was never sent' "
                "WHERE subject = 'alert' AND recipient = ? AND state = 'waiting' "
                "AND step IN (SELECT value FROM json_each(?)) "
                "AND NOT EXISTS (SELECT 1 FROM notification o WHERE o.subject = 'alert' AND o.alert = n.alert "
                "AND o.recipient = n.recipient AND o.id < n.id AND o.state <> 'dropped')",
                (recipient.name, json.dumps(self._book.withdrawals(steps))),
            )
            return late.rowcount + idle.rowcount > 0

    def sent(self, told: Told) -> None:
        """Note that a message has been taken by its service."""
        ids = [one.notification.id for one in told]
        digest = ids[0] if len(ids) > 1 else None
        self._mark(ids, "state = 'sent', error = NULL, sent = ?, digest = ?", self._clock(), digest)
        _forget_refusals(self._db, json.dumps(ids))

    def failed(
        self, told: Told, error: str, *, perhaps: bool = False, why: Why = "again", wait: float = 0.0
    ) -> float | None:
        """Note why a message was not taken; return after how long the recipient is tried again, s; None: never.

        `perhaps`: it may have been taken; the next attempt says so. `wait`: the service asked for so long a pause, s.
        The pauses double, and are drawn at random from their span, so that what comes back is not overrun.
        """
        attempts = max(one.notification.attempts for one in told)
        first, longest = FIRST_PAUSE, LONGEST_WAIT if why == "wrong" else LONGEST_PAUSE
        call = any(isinstance(one, Due) and one.alert.kind == "sos" for one in told)
        if call and why == "again":
            longest = FIRST_PAUSE  # somebody waits for help: it is tried again and again
        if why == "limited":
            first, longest = LIMITED_PAUSE, LONGEST_LIMITED
        span = min(longest, first * 2.0 ** min(attempts - 1, 10))
        share = random.uniform(0.5, 1) if why != "limited" else 1.0  # noqa: S311
        pause = max(SHORTEST_PAUSE, share * span, min(wait, LONGEST_WAIT))
        now = self._clock()
        ids, name = json.dumps([one.notification.id for one in told]), told[0].notification.recipient
        with transaction(self._db):
            if why == "wrong":
                self._db.execute(
                    "INSERT OR IGNORE INTO refusal SELECT value, ? FROM json_each(?)",
                    (now, ids),
                )
            else:
                _forget_refusals(self._db, ids)
            since = self._db.execute(
                "SELECT max(since) FROM refusal WHERE notification IN (SELECT value FROM json_each(?))", (ids,)
            ).fetchone()[0]
            over = why == "wrong" and now - since > GIVE_UP
            self._db.execute(
                "UPDATE notification SET state = ?, error = ?, repeated = iif(? AND repeated = 0, 2, repeated) "
                "WHERE id IN (SELECT value FROM json_each(?))",
                ("refused" if over else "waiting", error, perhaps, ids),
            )
            # Its other messages would only fail, too; a call for help is tried all the same.
            others = "recipient = ? AND state = 'waiting' AND id NOT IN (SELECT value FROM json_each(?))"
            waiting = self._db.execute(f"SELECT id, 0, subject, alert FROM notification WHERE {others}", (name, ids))  # noqa: S608
            calls = self._calls(waiting.fetchall())
            self._db.execute(
                f"UPDATE notification SET due = max(due, ?) WHERE {others}",  # noqa: S608
                (now + pause, name, json.dumps(calls)),
            )
        return None if over else pause

    def _mark(self, ids: list[int], what: str, *values: object) -> None:
        with transaction(self._db):
            self._db.executemany(
                f"UPDATE notification SET {what} WHERE id = ?",  # noqa: S608 - `what` is written above
                [(*values, id_) for id_ in ids],
            )


def revive(db: sqlite3.Connection, recipient: str, now: float) -> int:
    """Send at once what a recipient's service has refused so far: it takes messages again; return how many there are.

    `now`: Unix s.
    """
    with transaction(db):
        chosen = "recipient = ? AND (state = 'refused' OR (state = 'waiting' AND error IS NOT NULL))"
        ids = [id_ for (id_,) in db.execute(f"SELECT id FROM notification WHERE {chosen}", (recipient,))]  # noqa: S608
        listed = json.dumps(ids)
        _forget_refusals(db, listed)
        db.execute(
            "UPDATE notification SET state = 'waiting', due = ?, attempts = 0 "
            "WHERE id IN (SELECT value FROM json_each(?))",
            (now, listed),
        )
        return len(ids)


def _forget_refusals(db: sqlite3.Connection, ids: str) -> None:
    """Begin the day anew after which a notification is given up; `ids`: a JSON list."""
    db.execute("DELETE FROM refusal WHERE notification IN (SELECT value FROM json_each(?))", (ids,))


class Line(msgspec.Struct):
    """How it stands with the messages to one recipient."""

    recipient: str
    waiting: int = 0
    """To be sent, or on their way."""
    refused: int = 0
    """Refused for a day for a reason that only a person can mend, and left alone."""
    unknown: int = 0
    """Twice the hub was stopped while they were sent."""
    sent: int = 0
    last: float | None = None
    """When one was sent last, Unix s."""
    next: float | None = None
    """When the next one is tried, Unix s."""
    error: str | None = None
    """Why the newest of those that wait or are left alone was not taken."""


def lines(db: sqlite3.Connection) -> dict[str, Line]:
    """Return how it stands with each recipient that was ever to be told of anything."""
    # What a city has sent in years is counted in an index, never read.
    rows = db.execute(
        "SELECT recipient, sum(n * (state IN ('waiting', 'sending'))), sum(n * (state = 'refused')), "
        "sum(n * (state = 'unknown')), sum(n * (state = 'sent')), "
        "(SELECT max(sent) FROM notification e WHERE e.recipient = c.recipient AND e.sent IS NOT NULL), "
        "(SELECT min(due) FROM notification e WHERE e.recipient = c.recipient AND e.state = 'waiting'), "
        "(SELECT error FROM notification e WHERE e.recipient = c.recipient AND e.error IS NOT NULL "
        "AND e.state IN ('waiting', 'sending', 'refused', 'unknown') ORDER BY e.id DESC LIMIT 1) "
        "FROM (SELECT recipient, state, count(*) AS n FROM notification GROUP BY recipient, state) c "
        "GROUP BY recipient ORDER BY recipient"
    ).fetchall()
    return {row[0]: Line(*row) for row in rows}


def count_waiting(db: sqlite3.Connection) -> dict[str, int]:
    """Count the messages about alerts: waiting; failing: those of them whose last attempt failed; refused: given up."""
    waiting, failing, refused = db.execute(
        "SELECT ifnull(sum(state <> 'refused'), 0), count(iif(state <> 'refused', error, NULL)), "
        "ifnull(sum(state = 'refused'), 0) FROM notification WHERE state IN ('waiting', 'sending', 'refused')"
    ).fetchone()
    return {"waiting": int(waiting), "failing": int(failing), "refused": int(refused)}
