"""Test messages: prove that a channel reaches its people; who asked for one and what came back is kept for ever."""

import json
import sqlite3
from collections.abc import Callable, Collection, Sequence
from typing import Literal, NamedTuple

from hub.config.alerts import Recipient
from hub.notify.queue import revive
from hub.notify.sender import deliver
from hub.notify.text import TYPES, Message
from hub.storage.database import transaction
from schemas.language import Text

TITLE = Text("Fenceline: test", "Fenceline：测试")
BODY = Text("This is a test of the channel to {name}: no alert.", "这是发给{name}的通道测试，不是告警。")
What = Literal["asked", "taken", "refused"]


class Proven(NamedTuple):
    """What came of a test message."""

    error: str
    """Why the service did not take it; empty: it did."""
    sent_now: int
    """Messages about alerts that it had refused, and that are sent now."""


class ProofStep(NamedTuple):
    """A step of a test, as it is on record."""

    id: int
    time: float
    """Unix s."""
    who: str
    recipient: str
    what: What
    detail: str


def prove_channel(
    recipient: Recipient, dbs: Sequence[sqlite3.Connection], who: str, clock: Callable[[], float]
) -> Proven:
    """Send a recipient a test message on behalf of `who`; where it is taken, what the service had refused is sent, too.

    `dbs`: the compliance databases with the queues. `clock` gives Unix time in s.
    """
    for db in dbs:
        note(db, clock(), who, recipient.name, "asked")
    return finish(recipient, dbs, who, clock)


def finish(recipient: Recipient, dbs: Sequence[sqlite3.Connection], who: str, clock: Callable[[], float]) -> Proven:
    """Send what was asked for, and note what came back."""
    error = deliver(recipient, _message(recipient)).error
    sent_now = 0
    for db in dbs:
        sent_now += 0 if error else revive(db, recipient.name, clock())
        note(db, clock(), who, recipient.name, "refused" if error else "taken", error)
    return Proven(error, sent_now)


def note(db: sqlite3.Connection, now: float, who: str, recipient: str, what: What, detail: str = "") -> None:
    """Keep a step of a test on record. `now`: Unix s."""
    step = (now, who, recipient, what, detail)
    db.execute("INSERT INTO channel_test (time, who, recipient, what, detail) VALUES (?, ?, ?, ?, ?)", step)


def ask_once(db: sqlite3.Connection, now: float, who: str, recipient: str, seen: int) -> bool:
    """Note that a test is asked for; False: `who` has asked for it since the step `seen`, the form was sent twice."""
    with transaction(db):
        again = db.execute(
            "SELECT 1 FROM channel_test WHERE id > ? AND who = ? AND recipient = ? AND what = 'asked'",
            (seen, who, recipient),
        ).fetchone()
        if not again:
            note(db, now, who, recipient, "asked")
        return not again


def last_step(db: sqlite3.Connection) -> int:
    """Return the number of the newest step, 0 when there is none."""
    return int(db.execute("SELECT ifnull(max(id), 0) FROM channel_test").fetchone()[0])


def last_result(db: sqlite3.Connection, recipient: str) -> ProofStep | None:
    """Return what came of the newest test of a recipient."""
    row = db.execute(
        "SELECT id, time, who, recipient, what, detail FROM channel_test WHERE recipient = ? AND what <> 'asked' "
        "ORDER BY id DESC LIMIT 1",
        (recipient,),
    ).fetchone()
    return ProofStep(*row) if row else None


def trail(
    db: sqlite3.Connection,
    before: tuple[float, int],
    most: int,
    *,
    since: float,
    who: str = "",
    names: Collection[str] | None = None,
) -> list[ProofStep]:
    """Return at most so many steps, the newest first: those below a moment (Unix s) and number.

    `since`: then or later. `who`: only this one's. `names`: only of these recipients; None: of all.
    """
    listed = None if names is None else json.dumps(list(names))
    rows = db.execute(
        "SELECT id, time, who, recipient, what, detail FROM channel_test WHERE (time, id) < (?, ?) AND time >= ? "
        "AND ? IN ('', who) AND (? IS NULL OR recipient IN (SELECT value FROM json_each(?))) "
        "ORDER BY time DESC, id DESC LIMIT ?",
        (*before, since, who, listed, listed, most),
    )
    return [ProofStep(*row) for row in rows]


def _message(recipient: Recipient) -> Message:
    texts = {"en": [BODY.en], "zh": [BODY.zh], "both": [BODY.en, BODY.zh]}[recipient.lang]
    title = TITLE.zh if recipient.lang == "zh" else TITLE.en
    return Message(title, "\n".join(texts).format(name=recipient.name), TYPES["info"])
