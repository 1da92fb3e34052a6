"""The evidence of an alert: the boards' messages as they stand in the log, each with its MAC."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from hub.alerts.book import Row
from hub.log.entry import COLUMNS, Entry, Interval
from hub.wire.seal import authentic
from hub.wire.times import MOST_AHEAD
from hub.wire.topics import Topic

SETTLING = 1800
"""A message of a window comes at most so long after its end; later ones have amended a verdict, s."""
BEFORE_AMENDMENT = 900
"""And those came within so long before it was amended, s."""
SMALL = 1_000_000
"""A log of so many messages is looked through as a whole (0.5 s); in a larger one only where the messages can be."""
STEP = 500


class Evidence(NamedTuple):
    """One message. `records` are those of its records that lie in the alert's windows."""

    entry: Entry
    records: list[Interval]
    authentic: bool | None
    """Whether the MAC is the one of the board's key; None: that key is not known any more."""


def messages(
    log: Path, alert: Row, judged: list[float], key: bytes | None, after: int, most: int
) -> tuple[list[Evidence], float | None]:
    """Return the messages behind the log's offset `after` that an alert rests on, in their order, at most `most`.

    `judged`: when the verdicts on the alert's windows were given, Unix s. Also returns when the oldest message that the
    log still keeps was received, Unix s: it forgets them after `keep.days`.
    """
    if not alert["device"] or not log.exists():
        return [], None
    with closing(sqlite3.connect(f"file:{log}?mode=ro", uri=True, timeout=5)) as db:
        oldest = db.execute("SELECT received FROM message ORDER BY offset LIMIT 1").fetchone()
        found = []
        for entry in _entries(db, alert, judged, after):
            records = [i for i in entry.intervals if _counts(i, alert)]
            if records or alert["kind"] != "limit":  # in a board's own trouble, everything that it said meanwhile
                found.append(Evidence(entry, records, authentic(entry.payload, key) if key else None))
            if len(found) == most:
                break
    return found, oldest and oldest[0]


def _entries(db: sqlite3.Connection, alert: Row, judged: list[float], after: int) -> Iterator[Entry]:
    """Go through the board's messages that were received when the alert's windows were measured or amended."""
    kinds = ("telemetry",) if alert["kind"] == "limit" else ("telemetry", "event", "status")
    topics = [str(Topic(alert["district"], alert["site"], alert["device"], kind)) for kind in kinds]
    done = after
    for begin, until in _spans(db, alert, judged):
        at, stop = max(done, begin), until
        while rows := db.execute(
            f"SELECT {COLUMNS} FROM message "  # noqa: S608 - columns and marks
            f"WHERE offset > ? AND offset < ? AND topic IN ({', '.join('?' * len(topics))}) "
            "ORDER BY offset LIMIT ?",
            (at, stop, *topics, STEP),
        ).fetchall():
            yield from map(Entry.of_row, rows)
            at = rows[-1][0]
        done = max(done, at, stop - 1)


def _spans(db: sqlite3.Connection, alert: Row, judged: list[float]) -> list[tuple[int, int]]:
    """Return spans of offsets, behind the first and before the second, among which an alert's messages are."""
    low, high = db.execute("SELECT ifnull(min(offset), 1), ifnull(max(offset), 0) FROM message").fetchone()
    if alert["kind"] == "limit" and high - low < SMALL:
        return [(low - 1, high + 1)]
    end = alert["last"] + SETTLING
    times = [(alert["first"] - MOST_AHEAD, end), *((at - BEFORE_AMENDMENT, at) for at in sorted(judged) if at > end)]
    # Offsets count up with the time of reception.
    return [(_first(db, begin) - 1, _first(db, until + 1)) for begin, until in times]


def _first(db: sqlite3.Connection, time: float) -> int:
    """Return the offset of the first message received at `time` (Unix s) or later; one behind the last if none was."""
    low, high = db.execute("SELECT ifnull(min(offset), 1), ifnull(max(offset), 0) + 1 FROM message").fetchone()
    while low < high:
        middle = (low + high) // 2
        offset, received = db.execute(
            "SELECT offset, received FROM message WHERE offset >= ? ORDER BY offset LIMIT 1", (middle,)
        ).fetchone()
        if received < time:
            low = offset + 1
        else:
            high = middle
    return int(low)


def _counts(i: Interval, alert: Row) -> bool:
    return alert["first"] <= i.t < alert["last"] and (alert["quantity"] in i.values or alert["quantity"] in i.flagged)
