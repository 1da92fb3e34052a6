"""Checks whether verdicts were given at a site where, as the registry has it now, their board was not."""

import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

from hub.registry.live import Registry, Sender
from hub.registry.stays import has_moved, stays_of
from hub.storage.compliance_file import COMPLIANCE
from hub.storage.database import read_only
from hub.upkeep.checks.finding import Finding, warning
from schemas.language import Text


def check_moves(data: Path, registry: Registry) -> list[Finding]:
    """Name what was judged in the time between a board's move and the registry's hearing of it."""
    path = data / COMPLIANCE
    moved = [sender for sender in registry.senders() if has_moved(sender)]
    if not moved or not path.exists():
        return []
    try:
        with closing(read_only(path)) as db:
            return [finding for sender in moved for finding in _misplaced(db, sender, registry)]
    except sqlite3.Error:
        return []  # the check of the database says it


def _misplaced(db: sqlite3.Connection, sender: Sender, registry: Registry) -> list[Finding]:
    stays = stays_of(sender)
    findings = []
    for (site,) in db.execute("SELECT DISTINCT site FROM verdict WHERE device = ?", (sender.id,)).fetchall():
        there = [(stay.until, stay.since) for stay in stays if stay.site == site]
        absent = " AND ".join(["NOT (start < ? AND end > ?)"] * len(there)) or "1"
        sql = f"SELECT count(*), min(start), max(end) FROM verdict WHERE device = ? AND site = ? AND {absent}"  # noqa: S608
        row = db.execute(sql, (sender.id, site, *(t for stay in there for t in stay)))
        count, first, last = row.fetchone()
        if count:
            span = [datetime.fromtimestamp(t, registry.zone) for t in (first, last)]
            findings.append(_finding(sender.id, site, count, span))
    return findings


def _finding(device: str, site: str, count: int, span: list[datetime]) -> Finding:
    begin, end = (f"{t:%Y-%m-%d %H:%M}" for t in span)
    told = Text(
        f"{count} verdicts on {device} were given at {site}, {begin} to {end}: by the registry it was not there then",
        f"{device}在{site}有{count}条判定（{begin}至{end}），而登记册显示当时设备不在该站点",
    )
    remedy = Text(
        "The move was told late. These verdicts, and the readings of that time in the series, do not speak of that "
        "site; close the alerts that rest on them. If the move is wrong, mend since and earlier in the registry.",
        "搬迁登记过迟：这些判定及该时段的读数不代表该站点，请关闭由此产生的告警。"
        "若搬迁登记有误，请更正登记册中的 since 和 earlier。",
    )
    return warning(f"moves {device}", told, remedy)
