"""Checks what the registry states of instruments against what technicians found beside a reference."""

import sqlite3
from contextlib import closing
from pathlib import Path

from hub.field.book import FieldBook
from hub.field.tables import FILE
from hub.registry.instruments import CLASSES, instrument_for
from hub.registry.live import Registry
from hub.storage.database import read_only
from hub.upkeep.checks.finding import Finding, warning
from schemas.language import Text


def check_collocations(data: Path, registry: Registry) -> list[Finding]:
    """Find boards that are stated to be more than indicative while their newest collocation does not suffice."""
    path = data / FILE
    if not path.exists():
        return []
    found = []
    try:
        with closing(read_only(path)) as db:
            book = FieldBook(db)
            for board in registry.boards.values():
                for channel in _insufficient(book, board.id) if board.instruments else ():
                    stated = instrument_for(board.instruments, channel)
                    if stated and stated.class_ != "indicative":
                        found.append((board.id, channel, CLASSES[stated.class_]))
    except sqlite3.Error:
        return []  # another check says so
    return [
        warning(
            "instruments",
            Text(
                f"board {board!r}: the registry states {class_.en} for {channel}, and its newest collocation does not "
                "suffice",
                f"设备 {board!r}：登记册注明 {channel} 为{class_.zh}，而最近一次比对不满足要求",
            ),
            Text(
                'State class = "indicative" for it, or compare for longer (fenceline board calibrate collocation).',
                '请将其注明为 class = "indicative"，或延长比对（fenceline board calibrate collocation）。',
            ),
        )
        for board, channel, class_ in found
    ]


def _insufficient(book: FieldBook, board: str) -> list[str]:
    """Return the channels of a board whose newest collocation lacks something."""
    newest = {
        entry["channel"]: entry["trial"]
        for entry in book.of(board, "calibration")
        if isinstance(entry.get("channel"), str) and isinstance(entry.get("trial"), dict)
    }
    return [channel for channel, trial in newest.items() if trial.get("lacks")]
