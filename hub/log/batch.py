"""What one transaction of the log writes, and what it did."""

import hashlib
import sqlite3
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain, groupby
from typing import Any

import msgspec

from hub.log.outcomes import Admitted, Refused
from hub.log.streams import Stream
from hub.wire.channels import Measured


@dataclass(frozen=True, slots=True)
class Committed:
    """What a commit did.

    `complete`: by stream, the number up to which the board may forget. `records`: telemetry records that
    were new. `messages`: by reason as in the table `count`. `elsewhere`: by stream, the topic under which its board
    spoke where that is not its own. `events`: device, number and topic of the events that boards may forget.
    """

    complete: dict[Stream, int] = field(default_factory=dict)
    records: int = 0
    messages: dict[str, int] = field(default_factory=dict)
    elsewhere: dict[Stream, str] = field(default_factory=dict)
    events: list[tuple[str, int, str]] = field(default_factory=list)


_USUAL = "INSERT INTO message (offset, received, topic, payload, fresh, settled, before, findings"
_MESSAGE = {
    8: (f"{_USUAL}) VALUES ", "(?, ?, ?, ?, ?, ?, ?, nullif(?, ''))"),
    11: (f"{_USUAL}, branch, proof, digest) VALUES ", "(?, ?, ?, ?, ?, ?, ?, nullif(?, ''), ?, ?, ?)"),
}
"""By the width of a row. Most messages have only the first columns: each None takes a tenth of the time of a row."""
_AT_ONCE = 64
"""Rows of one statement. Between two statements Python may let another thread in, which takes longer than a row."""

_QUARANTINE = (
    "INSERT INTO quarantine (received, topic, payload, device, reason, detail, fresh, authentic, digest, proof) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_AGAIN = (  # what is known of a message that came before is worth more than that it came again
    " ON CONFLICT (digest) WHERE digest IS NOT NULL DO UPDATE SET times = times + 1, last = excluded.received, "
    "fresh = ifnull(fresh, excluded.fresh), "
    "reason = iif(excluded.reason IN ('not_compared', 'other_content', 'holes'), reason, excluded.reason), "
    "detail = iif(excluded.reason IN ('not_compared', 'other_content', 'holes'), detail, excluded.detail)"
)


AGAIN = "again"
"""Reason in the table `count` of a board's messages whose records the hub had all; they are duplicates, too."""


class Batch:
    """What one transaction writes; `end` is the offset of the log's newest message before it."""

    def __init__(self, now: float, end: int) -> None:
        self.now = now
        self._before = end
        self.heard: set[Stream] = set()
        self.answers: dict[Stream, int] = {}
        """By stream, what its board may forget of numbers that no stream has."""
        self.elsewhere: dict[Stream, str] = {}
        self.events: list[tuple[str, int, str]] = []
        """Device, number and topic of events that are done with."""
        self.walked: Counter[str] = Counter()
        """By board, the messages that were looked at to compare its repeats."""
        self.foreign = self.foreign_bytes = 0
        self.untold: set[Stream] = set()
        """Streams whose row must be written now: no message in the log records the change (refused messages, gaps)."""
        self.said: set[tuple[str, bytes]] = set()
        self.taken: set[bytes] = set()
        """Digests of messages of channels without numbers."""
        self.known: dict[bytes, list[tuple[bytes, bytes]]] = {}
        """Digests and payloads of the log's messages by what they are about, as far as it was looked for."""
        self.stated: dict[bytes, list[Measured]] = {}
        """By what they are about, messages of channels that know them by it."""
        self.gaps: list[tuple[str, str, int, int, str, float]] = []
        self.reasons: list[tuple[str, str, str, int, int]] = []
        self.counts: Counter[tuple[str, str]] = Counter()
        self.records = 0
        self._abouts: dict[tuple[str, bytes], bytes] = {}
        self._messages: list[tuple[Any, ...]] = []
        self._quarantine: list[tuple[Any, ...]] = []

    def end(self) -> int:
        """Return the offset of the log's newest message, with those of this transaction."""
        return self._before + len(self._messages)

    def there(self, offset: int) -> tuple[bytes, str, int, int | None] | None:
        """Return payload, fresh, `before` and branch of a message of this transaction; None if it is not one."""
        if offset <= self._before:
            return None
        _, _, _, payload, fresh, _, before, _, *more = self._messages[offset - self._before - 1]
        return payload, fresh, before, more[0] if more else None

    def about(self, topic: str, about: bytes) -> bytes:
        """Return `digest_parts`, which is asked for several times."""
        found = self._abouts.get((topic, about))
        if found is None:
            found = self._abouts[topic, about] = digest_parts(topic, about)
        return found

    def hear(self, stream: Stream, outcome: Admitted) -> None:
        """Note that the board of a stream was heard; one that has moved listens where it speaks."""
        self.heard.add(stream)
        if outcome.also:
            self.elsewhere[stream] = outcome.topic

    def say_where(self, stream: Stream, outcome: Refused) -> None:
        """Note where the board of a stream listens, if that is not where it belongs."""
        if outcome.reason == "wrong_topic":
            self.elsewhere[stream] = outcome.topic

    def message(
        self,
        outcome: Admitted,
        fresh: list[tuple[int, int]],
        before: int,
        branch: int | None = None,
        *,
        settled: bool,
        digest: bytes | None = None,
    ) -> int:
        """Add a message; return its offset. `digest`: by which it is known when it comes again."""
        for first, after in fresh:
            self.records += after - first
        ranges = encode(fresh) if fresh else None
        messages = self._messages
        offset = self._before + len(messages) + 1
        findings = encode(outcome.findings) if outcome.findings else ""
        row = (offset, self.now, outcome.topic, outcome.payload, ranges, int(settled), before, findings)
        messages.append((*row, branch, outcome.proof, digest) if branch or outcome.proof or digest else row)
        return offset

    def count(self, outcome: Refused) -> None:
        """Count a refused message."""
        # Names that nobody registered are not counted one by one: anybody could make up more of them.
        device = outcome.device if outcome.device and outcome.reason != "unknown_board" else ""
        self.counts[device, outcome.reason] += 1

    def quarantine(self, outcome: Refused, fresh: list[tuple[int, int]], *, counted: bool = True) -> None:
        """Add a refused message; `fresh`: the record numbers that it took."""
        if counted:
            self.count(outcome)
        digest = None
        if outcome.authentic:
            digest = digest_of(outcome)
        else:
            self.foreign += 1
            self.foreign_bytes += len(outcome.payload) + 2 * len(outcome.topic) + len(outcome.detail)
        self._quarantine.append(
            (
                self.now,
                outcome.topic,
                outcome.payload,
                outcome.device,
                outcome.reason,
                outcome.detail,
                encode(fresh) if fresh else None,
                outcome.authentic,
                digest,
                outcome.proof,
            )
        )

    def by_reason(self) -> dict[str, int]:
        """Return how many messages there were, by reason."""
        found: Counter[str] = Counter()
        for (_, reason), messages in self.counts.items():
            if reason != AGAIN:
                found[reason] += messages
        return found

    def write(self, db: sqlite3.Connection) -> None:
        """Write everything; inside the caller's transaction."""
        for width, rows in groupby(self._messages, len):
            _insert(db, width, [*rows])
        db.executemany(_QUARANTINE + _AGAIN, self._quarantine)
        db.executemany("INSERT OR IGNORE INTO gap VALUES (?, ?, ?, ?, ?, ?)", self.gaps)
        for reason in self.reasons:
            _explain(db, *reason)
        add_counts(db, self.counts, self.now)


def _insert(db: sqlite3.Connection, width: int, rows: list[tuple[Any, ...]]) -> None:
    """Write rows of the table `message`."""
    sql, row = _MESSAGE[width]
    whole = len(rows) // _AT_ONCE * _AT_ONCE
    many = sql + ", ".join([row] * _AT_ONCE)
    for first in range(0, whole, _AT_ONCE):
        db.execute(many, [*chain.from_iterable(rows[first : first + _AT_ONCE])])
    db.executemany(sql + row, rows[whole:])


def digest_of(outcome: Admitted | Refused, topic: str = "") -> bytes:
    """Return by what a message is known when it comes again; `topic`: under another one than its own."""
    return hashlib.sha256((topic or outcome.topic).encode() + b"\0" + outcome.payload).digest()


def digest_parts(topic: str, about: bytes) -> bytes:
    """Return the first half of the digest of a message that is known by what it is about."""
    return hashlib.sha256(topic.encode() + b"\0" + about).digest()[:16]


def add_counts(db: sqlite3.Connection, counts: Mapping[tuple[str, str], int], now: float) -> None:
    """Add messages, by board and reason, to the table `count`."""
    db.executemany(
        "INSERT INTO count VALUES (?, ?, ?, ?) "
        "ON CONFLICT (device, reason) DO UPDATE SET messages = messages + excluded.messages, last = excluded.last",
        [(device, reason, messages, now) for (device, reason), messages in counts.items()],
    )


_json = msgspec.json.Encoder().encode


def encode(pairs: object) -> str:
    """Return JSON text for one of the log's columns."""
    return _json(pairs).decode()


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
