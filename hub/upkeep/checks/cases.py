"""Checks what the city's cases go by: can the rulebook be used, and how far is the calendar known."""

import datetime as dt
from zoneinfo import ZoneInfo

from hub.cases.rules.rulebook import Rulebook
from hub.cases.tables import FILE
from hub.config.files import Config, ConfigError
from hub.storage.data_folder import databases
from hub.upkeep.checks.finding import Finding, ok, problem, warning
from schemas.language import Text

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
    return findings
