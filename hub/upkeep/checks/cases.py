"""Checks what the city's cases go by: can the rulebook be used, and how far is the calendar known."""

import datetime as dt
from contextlib import closing
from zoneinfo import ZoneInfo

from hub.cases.attachments.store import attached, stored
from hub.cases.book import CaseBook
from hub.cases.opening import open_cases
from hub.cases.patrol.visits import Visits
from hub.cases.rules.rulebook import Rulebook
from hub.cases.tables import FILE
from hub.config.files import Config, ConfigError
from hub.storage.data_folder import databases
from hub.upkeep.checks.finding import Finding, ok, problem, warning
from schemas.language import Text

NEARLY = 0.9
"""Of the room for files, from which on it is told."""
SOON = dt.timedelta(days=20)
"""Days off of a year are published in the November before; deadlines reach further than this."""


def check_cases(config: Config, zone: ZoneInfo, today: dt.date | None = None) -> list[Finding]:
    """Check the rulebook; of a hub without cases and rules of its own, nothing. `today`: if not as the clock says."""
    try:
        rules = Rulebook(config.cases.folder, zone)
    except ConfigError as error:
        remedy = Text("Mend the file; docs/cases.md shows what stands in it.", "请更正该文件；其内容见 docs/cases.md。")
        return [problem("case rules", Text(str(error), str(error)), remedy)]
    if config.cases.folder is None and not any(path.name == FILE for path in databases(config.data)):
        return []
    joined = (
        Text("one centre for both", "监督与指挥合一") if config.cases.joined else Text("two centres", "监督与指挥分离")
    )
    told = (len(rules.codes), len(rules.standards), len(rules.departments))
    findings = [
        ok(
            "case rules",
            "{} codes, {} case standards, {} departments; {}".format(*told, joined.en),
            "{}个代码，{}项立案标准，{}个部门；{}".format(*told, joined.zh),
        )
    ]
    known_to = rules.calendar.entry.known_to
    if (today or dt.datetime.now(zone).date()) + SOON > known_to:
        text = Text(f"days off are known up to {known_to}", f"节假日安排已知至{known_to}")
        remedy = Text(
            "Put the next year's days off and make-up days into a file with [calendar] in [cases] folder.",
            "请将下一年的节假日和调休安排写入 [cases] folder 中含 [calendar] 的文件。",
        )
        findings.append(warning("case calendar", text, remedy))
    return findings + _attachments(config)


def _attachments(config: Config) -> list[Finding]:
    """Tell how much room there is for files, and of files that cases name and that are not kept."""
    findings = []
    for path in databases(config.data):
        if path.name != FILE:
            continue
        with closing(open_cases(path.parent)) as db:
            named = {one.sha256 for one in attached(CaseBook(db).events_of_kind("attach"))} | Visits(db).photos()
        known, used = stored(path.parent)
        if missing := sorted(named - known):
            text = Text(
                f"{len(missing)} files that cases or patrols name are not kept, as {missing[0]}",
                f"案件或巡查所列附件中有{len(missing)}个未保存，如{missing[0]}",
            )
            remedy = Text(
                "Put a backup back that has attachments.db beside cases.db.", "请恢复含 attachments.db 的备份。"
            )
            findings.append(problem("case files", text, remedy))
        share = used / (config.cases.attachments_mb * 1e6) if config.cases.attachments_mb else 1.0
        if used and share > NEARLY:
            text = Text(
                f"{used / 1e6:,.0f} MB of {config.cases.attachments_mb:,.0f} MB are used",
                f"已用{used / 1e6:,.0f} MB，共{config.cases.attachments_mb:,.0f} MB",
            )
            remedy = Text(
                "Raise [cases] attachments_mb, and see that the disk has it.",
                "请调高 [cases] attachments_mb 并确保磁盘空间。",
            )
            findings.append(warning("case files", text, remedy))
        elif used and not missing:
            findings.append(
                ok(
                    "case files",
                    f"{len(known)} files, {used / 1e6:,.1f} MB",
                    f"{len(known)}个文件，{used / 1e6:,.1f} MB",
                )
            )
    return findings
