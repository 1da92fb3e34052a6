"""The log: every accepted message verbatim, durable before anybody is told so. Everything downstream reads from it.

One thread commits; any number of readers each open the log for themselves (SQLite in WAL mode lets them).
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hub.admission import Admitted, Refused
from hub.database import open_database
from hub.messages import Event, Telemetry
from hub.streams import Numbers


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


class Log:
    """The log in the file `path`."""

    def __init__(self, path: Path) -> None:
        self._db = open_database(path, STEPS)
        self._numbers: dict[tuple[str, str], Numbers] = {}
        self.counts: Counter[str] = Counter()
        """Since the start: accepted, duplicate and quarantined messages."""

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def commit(self, outcomes: Iterable[Admitted | Refused], now: float) -> dict[tuple[str, str], int]:
        """Make the outcomes durable in one transaction.

        Returns:
            By (device, stream), the number up to which the board may forget.

        Raises:
            sqlite3.Error: nothing was committed.
        """
        batch = _Batch(now)
        self._db.execute("BEGIN IMMEDIATE")
        try:
            for outcome in outcomes:
                self._take(outcome, batch)
            batch.write(self._db, {key: self._numbers[key] for key in batch.changed})
            self._db.execute("COMMIT")
        except BaseException:
            self._numbers.clear()  # they are ahead of what is on the medium
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        self.counts.update(batch.counts)
        return {key: self._numbers[key].complete for key in batch.heard if self._numbers[key].complete}

    def read(self, after: int, most: int) -> list[Entry]:
        """Return up to `most` entries behind the offset `after`, in order."""
        rows = self._db.execute(
            "SELECT offset, received, topic, payload, fresh, findings, settled FROM message "
            "WHERE offset > ? ORDER BY offset LIMIT ?",
            (after, most),
        )
        return [
            Entry(
                offset, received, topic, payload, json.loads(fresh or "[]"), json.loads(findings or "[]"), bool(settled)
            )
            for offset, received, topic, payload, fresh, findings, settled in rows
        ]

    def position(self, consumer: str) -> int:
        """Return the offset up to which a consumer is done."""
        row = self._db.execute("SELECT offset FROM position WHERE consumer = ?", (consumer,)).fetchone()
        return row[0] if row else 0

    def save_position(self, consumer: str, offset: int) -> None:
        """Remember that a consumer is done up to `offset`."""
        self._db.execute("INSERT OR REPLACE INTO position VALUES (?, ?)", (consumer, offset))

    def _take(self, outcome: Admitted | Refused, batch: "_Batch") -> None:
        if isinstance(outcome, Refused):
            batch.quarantine(outcome)
            if outcome.span and outcome.device:
                stream, first, count = outcome.span
                self._done(batch, outcome.device, stream, first, first + count)
            return
        message = outcome.message
        if isinstance(message, Telemetry):
            after = message.seq + len(message.records)
            fresh = self._done(batch, outcome.device, message.stream, message.seq, after)
            # After the records: the board may have dropped these very ones since it read them for sending.
            for first, after in self._done(batch, outcome.device, message.stream, 1, message.oldest):
                batch.gaps.append((outcome.device, message.stream, first, after - 1, "", batch.now))
            if fresh:
                settled = self._numbers[outcome.device, message.stream].complete >= after - 1
                batch.message(outcome, fresh, settled)
            else:
                batch.counts["duplicate"] += 1
            return
        if isinstance(message, Event) and message.dropped:
            stream, begin, end, reason = message.dropped
            for first, after in self._done(batch, outcome.device, stream, begin, end + 1):
                batch.gaps.append((outcome.device, stream, first, after - 1, reason, batch.now))
            batch.reasons.append((reason, outcome.device, stream, begin, end))
        batch.message(outcome, [], settled=True)

    def _done(self, batch: "_Batch", device: str, stream: str, first: int, after: int) -> list[tuple[int, int]]:
        key = (device, stream)
        batch.heard.add(key)
        if key not in self._numbers:
            row = self._db.execute("SELECT ranges FROM stream WHERE device = ? AND stream = ?", key).fetchone()
            self._numbers[key] = Numbers([(a, b) for a, b in json.loads(row[0])] if row else None)
        fresh = self._numbers[key].add(first, after)
        if fresh:
            batch.changed.add(key)
        return fresh


class _Batch:
    """What one transaction writes."""

    def __init__(self, now: float) -> None:
        self.now = now
        self.heard: set[tuple[str, str]] = set()
        self.changed: set[tuple[str, str]] = set()
        self.gaps: list[tuple[str, str, int, int, str, float]] = []
        self.reasons: list[tuple[str, str, str, int, int]] = []
        self.counts: Counter[str] = Counter()
        self._messages: list[tuple[float, str, bytes, str | None, str | None, bool]] = []
        self._quarantine: list[tuple[float, str, bytes, str | None, str, str]] = []

    def message(self, outcome: Admitted, fresh: list[tuple[int, int]], settled: bool) -> None:
        self.counts["accepted"] += 1
        self._messages.append(
            (
                self.now,
                outcome.topic,
                outcome.payload,
                json.dumps(fresh) if fresh else None,
                json.dumps(outcome.findings) if outcome.findings else None,
                settled,
            )
        )

    def quarantine(self, outcome: Refused) -> None:
        self.counts["quarantined"] += 1
        self._quarantine.append(
            (self.now, outcome.topic, outcome.payload, outcome.device, outcome.reason, outcome.detail)
        )

    def write(self, db: sqlite3.Connection, numbers: dict[tuple[str, str], Numbers]) -> None:
        db.executemany(
            "INSERT INTO message (received, topic, payload, fresh, findings, settled) VALUES (?, ?, ?, ?, ?, ?)",
            self._messages,
        )
        db.executemany(
            "INSERT INTO quarantine (received, topic, payload, device, reason, detail) VALUES (?, ?, ?, ?, ?, ?)",
            self._quarantine,
        )
        db.executemany("INSERT OR IGNORE INTO gap VALUES (?, ?, ?, ?, ?, ?)", self.gaps)
        for reason in self.reasons:
            _explain(db, *reason)
        db.executemany(
            "INSERT OR REPLACE INTO stream VALUES (?, ?, ?)",
            [(device, stream, json.dumps(entry.ranges)) for (device, stream), entry in numbers.items()],
        )


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
