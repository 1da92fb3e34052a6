"""Counts what became of every record: what the boards made against what the series store holds.

What a board made stands in its outbox's segments, kept after the hub's acknowledgement for this purpose; a station
remembers it.
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Collection, Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from edge.outbox import KEPT, SEGMENT, parse, segments
from hub.storage import database

Made = tuple[str, int, int, tuple[tuple[str, float], ...]]
"""A record as it can be compared: device, start (Unix s), length (s), values by quantity."""


@dataclass(frozen=True)
class Account:
    """`lost`: made and not stored. `duplicated`: stored more often than made, or never made at all."""

    made: int
    stored: int
    lost: int
    duplicated: int


def account(
    board_folders: dict[str, Path], series: Path, others: Iterable[Made] = (), apart: Collection[str] = ()
) -> Account:
    """Compare the boards' outboxes (by board id), and what `others` made, with the embedded series store.

    `apart`: senders that are counted elsewhere.
    """
    made = Counter(record for device, folder in board_folders.items() for record in made_by(device, folder))
    made.update(others)
    stored = stored_in(series, apart)
    return Account(made.total(), stored.total(), (made - stored).total(), (stored - made).total())


def made_by(device: str, folder: Path) -> list[Made]:
    """Return the records a board made; `folder` is its outbox's."""
    found: dict[tuple[str, int], Made] = {}
    for suffix in (KEPT, SEGMENT):
        for _, stream, path in segments(str(folder), suffix):
            for line in Path(path).read_bytes().splitlines(keepends=True):
                entry = parse(line)
                if entry:
                    record = json.loads(entry[1].split(b" ", 2)[2])
                    found[stream, entry[0]] = (device, record["t"], record["dt"], tuple(sorted(record["v"].items())))
    return list(found.values())


def stored_in(series: Path, apart: Collection[str] = ()) -> Counter[Made]:
    """Return the records in the embedded series store, each put together again from its readings.

    `apart`: senders whose records are left out.
    """
    records: dict[tuple[str, str, int], tuple[int, int, dict[str, float]]] = {}
    with read_only(series) as db:
        for device, stream, seq, t, dt, quantity, value in db.execute(
            "SELECT device, stream, seq, t, dt, quantity, value FROM reading"
        ):
            if device in apart:
                continue
            values = records.setdefault((device, stream, seq), (t, dt, {}))[2]
            if value is not None:
                values[quantity] = value
    return Counter(
        (device, t, dt, tuple(sorted(values.items()))) for (device, _, _), (t, dt, values) in records.items()
    )


def made_count(folder: Path) -> int:
    """Return how many records a board has made so far, as quickly as that can be told."""
    found = segments(str(folder)) if folder.exists() else []
    newest = {stream: (int(first), path) for first, stream, path in found}
    return sum(first - 1 + Path(path).read_bytes().count(b"\n") for first, path in newest.values())


def read_only(path: Path) -> closing[sqlite3.Connection]:
    """Open a database that another process writes; use it in a `with` statement."""
    return closing(database.read_only(path))
