"""The log: every accepted message verbatim, durable before anybody is told so. Everything downstream reads from it.

One thread commits; any number of readers each open the log for themselves (SQLite in WAL mode lets them).
"""

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from hub.admission import Admitted, Refused
from hub.database import open_database
from hub.messages import Event, Telemetry
from hub.stream_table import Stream, StreamTable, decode_ranges

STEPS = (
    """
CREATE TABLE message (
    offset INTEGER PRIMARY KEY,   -- counts up by one; a consumer's position is the offset it has done
    received REAL NOT NULL,       -- Unix s
    topic TEXT NOT NULL,
    payload BLOB NOT NULL,        -- verbatim: its MAC can be checked for ever
    fresh TEXT,                   -- telemetry: [[first, after the last), ...] of the record numbers that are new
    findings TEXT,                -- telemetry: [[index, quantity, flag], ...] of implausible values
    settled INTEGER NOT NULL      -- telemetry: 1 when no older record of the stream is still to come
);
CREATE TABLE stream (
    device TEXT, stream TEXT,
    ranges TEXT NOT NULL,         -- [[first, after the last), ...] of the record numbers done with
    PRIMARY KEY (device, stream)
) WITHOUT ROWID;
CREATE TABLE gap (                -- records that will never come
    device TEXT, stream TEXT, first INTEGER, last INTEGER,
    reason TEXT NOT NULL,         -- as the board gave it, else empty
    noted REAL NOT NULL,
    PRIMARY KEY (device, stream, first)
) WITHOUT ROWID;
CREATE TABLE quarantine (
    id INTEGER PRIMARY KEY,
    received REAL NOT NULL,
    topic TEXT NOT NULL,
    payload BLOB NOT NULL,
    device TEXT,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE INDEX quarantine_by_device ON quarantine (device, reason);
CREATE TABLE position (consumer TEXT PRIMARY KEY, offset INTEGER NOT NULL) WITHOUT ROWID
""",
    """
ALTER TABLE quarantine ADD COLUMN fresh TEXT;  -- telemetry with a good MAC: the record numbers that it took, as above
ALTER TABLE quarantine ADD COLUMN asked INTEGER NOT NULL DEFAULT 0;  -- 1: somebody wants it judged again
CREATE INDEX quarantine_asked ON quarantine (id) WHERE asked = 1;
CREATE INDEX message_said ON message (topic) WHERE fresh IS NULL;  -- to know events and replies that come again
CREATE TABLE count (              -- messages since the log was made, whatever has been pruned
    device TEXT,                  -- empty: not of a registered board, or of all (accepted, duplicate, replayed)
    reason TEXT,                  -- accepted, duplicate, replayed, flood (let go of), or why it was refused
    messages INTEGER NOT NULL,
    last REAL NOT NULL,           -- when the last one came, Unix s
    PRIMARY KEY (device, reason)
) WITHOUT ROWID;
INSERT INTO count SELECT iif(reason = 'unknown_board', '', ifnull(device, '')), reason, count(*), max(received)
    FROM quarantine GROUP BY 1, 2;
INSERT INTO count SELECT '', 'accepted', count(*), max(received) FROM message HAVING count(*) > 0
""",
    """
INSERT INTO position SELECT 'streams', ifnull(max(offset), 0) FROM message  -- up to here the table stream is complete
""",
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One message in the log; `fresh`, `findings` and `settled` as in its table."""

    offset: int
    received: float
    topic: str
    payload: bytes
    fresh: list[tuple[int, int]]
    findings: list[tuple[int, str, str]]
    settled: bool


FLOOD = "flood"
"""Reason in the table `count` of messages that were let go of, neither kept nor acknowledged: they come again."""
READ = 2_000_000
"""What one `read` gives, bytes of the messages, about; decoded they take up to twelve times as much."""
_FOUND = 10
"""How much more room findings need than their text in the table."""

decode_findings = msgspec.json.Decoder(list[tuple[int, str, str]]).decode


class Log:
    """The log in the file `path`."""

    def __init__(self, path: Path) -> None:
        self._db = open_database(path, STEPS)
        self._streams = StreamTable(self._db)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def commit(self, outcomes: Iterable[Admitted | Refused], now: float) -> "Committed":
        """Make the outcomes durable in one transaction.

        Raises:
            sqlite3.Error: nothing was committed.
        """
        batch = _Batch(now)
        with self._transaction():
            self._streams.recover()
            for outcome in outcomes:
                self._take(outcome, batch)
            self._write(batch)
        return self._committed(batch)

    def refuse(self, outcome: Refused, now: float) -> None:
        """Put one message into quarantine: a consumer found that it cannot be used."""
        batch = _Batch(now)
        batch.quarantine(outcome, [])
        with self._transaction():
            batch.write(self._db)

    def replay(self, judge: Callable[[str, bytes], Admitted | Refused], now: float, most: int = 500) -> "Committed":
        """Judge again what somebody asked for with `ask`; what is admitted now leaves the quarantine.

        Raises:
            sqlite3.Error: nothing was committed.
        """
        batch = _Batch(now)
        rows = self._db.execute(
            "SELECT id, topic, payload, fresh FROM quarantine WHERE asked = 1 ORDER BY id LIMIT ?", (most,)
        ).fetchall()
        if not rows:
            return Committed()
        with self._transaction():
            self._streams.recover()
            for id_, topic, payload, fresh in rows:
                outcome = judge(topic, payload)
                if isinstance(outcome, Refused):
                    self._db.execute(
                        "UPDATE quarantine SET asked = 0, reason = ?, detail = ? WHERE id = ?",
                        (outcome.reason, outcome.detail, id_),
                    )
                    continue
                if fresh:  # the board was told that these are done with; here they are after all
                    batch.message(outcome, decode_ranges(fresh), settled=False)
                else:
                    self._take(outcome, batch)
                self._db.execute("DELETE FROM quarantine WHERE id = ?", (id_,))
                batch.counts["", "replayed"] += 1
            self._write(batch)
        return self._committed(batch)

    def ask(self, ids: Iterable[int] | None = None, device: str = "", reason: str = "") -> int:
        """Ask for messages of the quarantine to be judged again; return how many.

        All of them, or only these `ids`, of this board, with this reason.
        """
        return self._db.execute(
            "UPDATE quarantine SET asked = 1 WHERE :device IN ('', device) AND :reason IN ('', reason) "
            "AND (:ids IS NULL OR id IN (SELECT value FROM json_each(:ids)))",
            {"device": device, "reason": reason, "ids": encode(list(ids)) if ids else None},
        ).rowcount

    def asked(self) -> int:
        """Return how many messages still wait for what `ask` asked for."""
        return int(self._db.execute("SELECT count(*) FROM quarantine WHERE asked = 1").fetchone()[0])

    def keep(self, quarantined: int) -> None:
        """Remove from the quarantine all but the newest `quarantined` messages; they stay counted."""
        self._db.execute("DELETE FROM quarantine WHERE id <= (SELECT max(id) FROM quarantine) - ?", (quarantined,))

    def prune(self, before: float, done: int, most: int = 2000) -> int:
        """Remove messages received before `before` (Unix s) whose offset every consumer has done (`done` at most).

        Returns:
            How many were removed, at most `most` at once. The newest always stays: offsets count on from it.
        """
        oldest = self._db.execute("SELECT offset, received FROM message ORDER BY offset LIMIT ?", (most,)).fetchall()
        end = self.end()
        done = min(done, end - 1)
        last = max((offset for offset, received in oldest if received < before and offset <= done), default=None)
        if last is None:
            return 0
        with self._transaction():
            if self._streams.checkpoint(end) < last:
                self._streams.checkpoint(end, least=1)
            return self._db.execute("DELETE FROM message WHERE offset <= ?", (last,)).rowcount

    def checkpoint(self) -> None:
        """Write what the next start would otherwise have to find out from the newest messages."""
        with self._transaction():
            self._streams.checkpoint(self.end(), least=1)

    def read(self, after: int, most: int, size: int = READ) -> list[Entry]:
        """Return up to `most` entries behind the offset `after`, in order: of about `size` bytes, and one at least."""
        rows = self._db.execute(
            "SELECT offset, received, topic, payload, fresh, findings, settled FROM message "
            "WHERE offset > ? ORDER BY offset LIMIT ?",
            (after, most),
        )
        entries = []
        for offset, received, topic, payload, fresh, findings, settled in rows:
            entries.append(
                Entry(
                    offset,
                    received,
                    topic,
                    payload,
                    decode_ranges(fresh) if fresh else [],
                    decode_findings(findings) if findings else [],
                    settled == 1,
                )
            )
            size -= len(payload)
            if findings:
                size -= _FOUND * len(findings)
            if size <= 0:
                break
        rows.close()  # else the file's journal cannot be cut while nobody asks for the rest
        return entries

    def end(self) -> int:
        """Return the offset of the newest message, 0 when there is none."""
        return self._db.execute("SELECT max(offset) FROM message").fetchone()[0] or 0

    def received(self, after: int) -> float | None:
        """Return when the first message behind the offset `after` was received; None when there is none."""
        row = self._db.execute("SELECT received FROM message WHERE offset > ? ORDER BY offset LIMIT 1", (after,))
        found = row.fetchone()
        return found[0] if found else None

    def counts(self) -> dict[tuple[str, str], int]:
        """Return the messages since the log was made by (device, reason), as the table `count` has them."""
        return {
            (device, reason): n for device, reason, n in self._db.execute("SELECT device, reason, messages FROM count")
        }

    def count(self, reason: str, messages: Mapping[str, int], now: float) -> None:
        """Count messages by board ("": not of a registered one) that were not kept, for a reason of the table `count`.

        Raises:
            sqlite3.Error: nothing was counted.
        """
        with self._transaction():
            _count(self._db, {(device, reason): n for device, n in messages.items()}, now)

    def heard(self, since: float) -> int:
        """Return from how many boards records have come since `since` (Unix s), as far as this process has heard."""
        return self._streams.heard(since)

    def position(self, consumer: str) -> int:
        """Return the offset up to which a consumer is done."""
        row = self._db.execute("SELECT offset FROM position WHERE consumer = ?", (consumer,)).fetchone()
        return row[0] if row else 0

    def save_position(self, consumer: str, offset: int) -> None:
        """Remember that a consumer is done up to `offset`."""
        self._db.execute("INSERT OR REPLACE INTO position VALUES (?, ?)", (consumer, offset))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            self._streams.forget()  # they are ahead of what is on the medium
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def _take(self, outcome: Admitted | Refused, batch: "_Batch") -> None:
        if isinstance(outcome, Refused):
            fresh = []
            if outcome.span and outcome.device:
                name, first, count = outcome.span
                stream = self._streams.find(outcome.device, name)
                fresh = self._streams.add(stream, first, first + count)
                batch.hear(stream)
                batch.untold.add(stream)
            batch.quarantine(outcome, fresh)
            return
        message = outcome.message
        if isinstance(message, Telemetry):
            stream, after = self._streams.find(outcome.device, message.stream), message.seq + len(message.records)
            batch.hear(stream)
            fresh = self._streams.add(stream, message.seq, after)
            # After the records: the board may have dropped these very ones since it read them for sending.
            self._give_up(stream, 1, message.oldest, "", batch)
            if fresh:
                batch.message(outcome, fresh, settled=stream.complete >= after - 1)
            else:
                batch.counts["", "duplicate"] += 1
            return
        if outcome.kind != "status" and self._was_said(outcome, batch):
            batch.counts["", "duplicate"] += 1
            return
        if isinstance(message, Event) and message.dropped:
            name, begin, last, reason = message.dropped
            stream = self._streams.find(outcome.device, name)
            batch.hear(stream)
            self._give_up(stream, begin, last + 1, reason, batch)
            batch.reasons.append((reason, outcome.device, name, begin, last))
        batch.message(outcome, [], settled=True)

    def _give_up(self, stream: Stream, first: int, after: int, reason: str, batch: "_Batch") -> None:
        """Mark records as done that will never come."""
        for begin, end in self._streams.add(stream, first, after):
            batch.gaps.append((stream.device, stream.name, begin, end - 1, reason, batch.now))
            batch.untold.add(stream)

    def _was_said(self, outcome: Admitted, batch: "_Batch") -> bool:
        """Tell whether an event or reply is in the log already: the broker hands it out again after a lost PUBACK."""
        if (outcome.topic, outcome.payload) in batch.said:
            return True
        batch.said.add((outcome.topic, outcome.payload))
        row = self._db.execute(
            "SELECT 1 FROM message WHERE topic = ? AND fresh IS NULL AND payload = ?", (outcome.topic, outcome.payload)
        )
        return row.fetchone() is not None

    def _write(self, batch: "_Batch") -> None:
        batch.write(self._db)
        self._streams.write(batch.untold)
        self._streams.checkpoint(self.end())

    def _committed(self, batch: "_Batch") -> "Committed":
        complete = {stream: stream.complete for stream in batch.heard if stream.complete}
        return Committed(complete, batch.records, batch.by_reason())


@dataclass(frozen=True, slots=True)
class Committed:
    """What a commit did.

    `complete`: by stream, the number up to which the board may forget. `records`: telemetry records that
    were new. `messages`: by reason as in the table `count`.
    """

    complete: dict[Stream, int] = field(default_factory=dict)
    records: int = 0
    messages: dict[str, int] = field(default_factory=dict)


class _Batch:
    """What one transaction writes."""

    def __init__(self, now: float) -> None:
        self.now = now
        self.heard: set[Stream] = set()
        self.untold: set[Stream] = set()
        """Streams of which numbers are done with that no message in the log tells."""
        self.said: set[tuple[str, bytes]] = set()
        self.gaps: list[tuple[str, str, int, int, str, float]] = []
        self.reasons: list[tuple[str, str, str, int, int]] = []
        self.counts: Counter[tuple[str, str]] = Counter()
        self.records = 0
        self._messages: list[tuple[float, str, bytes, str | None, str | None, bool]] = []
        self._quarantine: list[tuple[float, str, bytes, str | None, str, str, str | None]] = []

    def hear(self, stream: Stream) -> None:
        stream.heard = self.now
        self.heard.add(stream)

    def message(self, outcome: Admitted, fresh: list[tuple[int, int]], *, settled: bool) -> None:
        findings = encode(outcome.findings) if outcome.findings else None
        for first, after in fresh:
            self.records += after - first
        ranges = encode(fresh) if fresh else None
        self._messages.append((self.now, outcome.topic, outcome.payload, ranges, findings, settled))

    def quarantine(self, outcome: Refused, fresh: list[tuple[int, int]]) -> None:
        # Names that nobody registered are not counted one by one: anybody could make up more of them.
        device = outcome.device if outcome.device and outcome.reason != "unknown_board" else ""
        self.counts[device, outcome.reason] += 1
        self._quarantine.append(
            (
                self.now,
                outcome.topic,
                outcome.payload,
                outcome.device,
                outcome.reason,
                outcome.detail,
                encode(fresh) if fresh else None,
            )
        )

    def by_reason(self) -> dict[str, int]:
        found: Counter[str] = Counter()
        for (_, reason), messages in self.counts.items():
            found[reason] += messages
        return found

    def write(self, db: sqlite3.Connection) -> None:
        if self._messages:
            self.counts["", "accepted"] += len(self._messages)
        db.executemany(
            "INSERT INTO message (received, topic, payload, fresh, findings, settled) VALUES (?, ?, ?, ?, ?, ?)",
            self._messages,
        )
        db.executemany(
            "INSERT INTO quarantine (received, topic, payload, device, reason, detail, fresh) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            self._quarantine,
        )
        db.executemany("INSERT OR IGNORE INTO gap VALUES (?, ?, ?, ?, ?, ?)", self.gaps)
        for reason in self.reasons:
            _explain(db, *reason)
        _count(db, self.counts, self.now)


def _count(db: sqlite3.Connection, counts: Mapping[tuple[str, str], int], now: float) -> None:
    db.executemany(
        "INSERT INTO count VALUES (?, ?, ?, ?) "
        "ON CONFLICT (device, reason) DO UPDATE SET messages = messages + excluded.messages, last = excluded.last",
        [(device, reason, messages, now) for (device, reason), messages in counts.items()],
    )


def encode(pairs: object) -> str:
    """Return JSON text for one of the log's columns."""
    return msgspec.json.encode(pairs).decode()


def _explain(db: sqlite3.Connection, reason: str, device: str, stream: str, first: int, last: int) -> None:
    """Write the board's reason to the part `first`..`last` of the gaps that were noted without one."""
    unexplained = db.execute(
        "SELECT first, last, noted FROM gap "
        "WHERE device = ? AND stream = ? AND first <= ? AND last >= ? AND reason = ''",
        (device, stream, last, first),
    ).fetchall()
    for begin, end, noted in unexplained:
        low, high = max(begin, first), min(end, last)
        parts = [(begin, low - 1, ""), (low, high, reason), (high + 1, end, "")]
        db.executemany(
            "INSERT OR REPLACE INTO gap VALUES (?, ?, ?, ?, ?, ?)",
            [(device, stream, a, b, why, noted) for a, b, why in parts if a <= b],
        )
