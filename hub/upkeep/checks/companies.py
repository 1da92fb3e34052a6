"""Checks what enterprises rest on: is each proof of a mark kept, and does each outlet have a permit that holds."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from hub.cases.attachments.store import stored
from hub.config.files import Config
from hub.judge.kinds.world import World
from hub.judge.stacks.permits import ENTERPRISE, KINDS, PERMIT, Permits
from hub.storage.compliance_file import COMPLIANCE
from hub.storage.data_folder import databases
from hub.storage.database import read_only
from hub.things.marks.store import MarkStore
from hub.things.store import ThingStore
from hub.upkeep.checks.finding import Finding, ok, problem, warning
from schemas.language import Text

SHOWN = 5
"""Ids that are named at most."""


def check_companies(config: Config, now: float | None = None) -> list[Finding]:
    """Check outlets and marks; of a hub without any, nothing. `now`: Unix s, if not as the clock says."""
    findings: list[Finding] = []
    for path in databases(config.data):
        if path.name == COMPLIANCE:
            try:
                with closing(read_only(path)) as db:
                    findings += [*_proofs(db, path.parent), *_permits(db, int(time.time() if now is None else now))]
            except sqlite3.Error:
                continue  # another check says so, or the next start makes the tables
    return findings


def _proofs(db: sqlite3.Connection, folder: Path) -> Iterator[Finding]:
    marks = MarkStore(db).marks()
    if not marks:
        return
    kept, _ = stored(folder)
    without = [str(mark.id) for mark in marks if any(one.sha256 not in kept for one in mark.proofs)]
    if without:
        text = Text(
            f"{len(without)} marks name proofs that are not kept: {_listed(without)}",
            f"{len(without)}个标记所列证明文件未保存：{_listed(without)}",
        )
        remedy = Text(
            "Put a backup back that has attachments.db beside compliance.db, or ask the enterprises for the documents.",
            "请恢复含 attachments.db 的备份，或请排污单位重新提供证明文件。",
        )
        yield problem("mark proofs", text, remedy)
        return
    count = sum(len(mark.proofs) for mark in marks)
    yield ok("mark proofs", f"{len(marks)} marks, {count} proofs", f"{len(marks)}个标记，{count}份证明文件")


def _permits(db: sqlite3.Connection, now: int) -> Iterator[Finding]:
    things = ThingStore(db)
    world = World(things.as_judged(row for kind in KINDS for row in things.rows(kind)))
    outlets = Permits(world).outlets(now)
    if not outlets:
        return
    without = [
        one.edition.id
        for one in outlets
        if not world.held_at(PERMIT, ENTERPRISE, str(one.edition.properties.get(ENTERPRISE)), now)
    ]
    if without:
        text = Text(
            f"{len(without)} of {len(outlets)} outlets have no permit in force: {_listed(without)}",
            f"{len(outlets)}个排放口中有{len(without)}个没有有效的排污许可证：{_listed(without)}",
        )
        remedy = Text(
            "Import the enterprises' permits ('fenceline things import'): until then the standard's limits bind there.",
            "请导入排污单位的许可证（fenceline things import）；在此之前按标准限值判定。",
        )
        yield warning("permits", text, remedy)
        return
    yield ok("permits", f"{len(outlets)} outlets, each with a permit", f"{len(outlets)}个排放口均有有效许可证")


def _listed(ids: list[str]) -> str:
    return ", ".join(ids[:SHOWN]) + (", ..." if len(ids) > SHOWN else "")
