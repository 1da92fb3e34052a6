"""The schema versions of the hub's databases: of each file, and in compliance.db of each package's tables."""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field

import hub.access.tables
import hub.alerts.tables
import hub.cases.attachments.tables
import hub.cases.tables
import hub.compliance.tables
import hub.field.tables
import hub.intake.badges.secret
import hub.log.tables
import hub.notify.tables
import hub.orders.tables
import hub.reports.sink
import hub.series.rollups
import hub.series.sqlite
import hub.things.marks.tables
import hub.things.tables
import hub.uplink.tables
import hub.watch.tables
from hub.storage.compliance_file import COMPLIANCE
from hub.storage.compliance_history import HISTORY
from hub.storage.data_folder import LOG
from hub.storage.database import part_versions, shared_version, version_of
from schemas.language import Text

PARTS = (
    hub.access.tables.PART,
    hub.alerts.tables.PART,
    hub.compliance.tables.PART,
    hub.intake.badges.secret.PART,
    hub.notify.tables.PART,
    hub.orders.tables.PART,
    hub.things.tables.PART,
    hub.things.marks.tables.PART,
    hub.watch.tables.PART,
)
"""All that is in compliance.db. Whoever opens it needs only some of them."""


@dataclass(frozen=True, slots=True)
class Versions:
    """The versions of one file."""

    schema: int
    parts: Mapping[str, int] = field(default_factory=dict)
    """By owner, where several packages have tables in the file."""

    def later(self, known: "Versions") -> Text | None:
        """Return what of it was made by a later hub than one that works with `known`; None: nothing."""
        if self.schema > known.schema:
            return Text(
                f"schema version {self.schema}, and this hub works with {known.schema}",
                f"结构版本 {self.schema}，而本程序使用 {known.schema}",
            )
        for owner, version in self.parts.items():
            if owner not in known.parts:
                return Text(f"tables of {owner}, which this hub does not know", f"本程序不认识的 {owner} 数据表")
            if version > known.parts[owner]:
                return Text(
                    f"schema version {version} of {owner}, and this hub works with {known.parts[owner]}",
                    f"{owner} 的结构版本 {version}，而本程序使用 {known.parts[owner]}",
                )
        return None

    def shown(self) -> str:
        """Return them as people read them: "4 (access 1, alerts 2)"."""
        parts = ", ".join(f"{owner} {version}" for owner, version in sorted(self.parts.items()))
        return f"{self.schema} ({parts})" if parts else f"{self.schema}"


KNOWN = {
    LOG: Versions(len(hub.log.tables.STEPS)),
    COMPLIANCE: Versions(shared_version(HISTORY), {part.owner: len(part.steps) for part in PARTS}),
    "rollups.db": Versions(len(hub.series.rollups.STEPS)),
    "series.db": Versions(len(hub.series.sqlite.STEPS)),
    "reports.db": Versions(len(hub.reports.sink.STEPS)),
    hub.cases.attachments.tables.FILE: Versions(len(hub.cases.attachments.tables.STEPS)),
    hub.cases.tables.FILE: Versions(len(hub.cases.tables.STEPS)),
    hub.field.tables.FILE: Versions(len(hub.field.tables.STEPS)),
    hub.uplink.tables.FILE: Versions(len(hub.uplink.tables.STEPS)),
}
"""What this hub works with, by the file's name."""


def versions_of(db: sqlite3.Connection) -> Versions:
    """Return the versions of an open database."""
    return Versions(version_of(db), part_versions(db))
