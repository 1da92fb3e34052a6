"""`fenceline rules`: verdicts of packs' rules at the hub's machine, the same that /api/v1/rule-verdicts shows."""

from contextlib import closing
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

from hub.terminal.commands import command, group, option
from hub.terminal.json_lines import print_list
from hub.terminal.options import ALL, FENCELINE, AsJson, Config, HubOf, Site
from schemas.errors import UserError
from schemas.language import Text, spoken, tell

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from hub.compliance import models

app = group(
    Text(
        "Verdicts of packs' rules that are no limits: areas, routes, hours, states, levels and the like.",
        "领域包中非限值规则的判定：区域、路线、时段、状态、液位等。",
    ),
    "fenceline rules list --since 2026-12-01T00:00",
)


class Outcome(StrEnum):
    """As `hub.judge.verdicts.Outcome`."""

    compliant = "compliant"
    exceeded = "exceeded"
    above_uncorrected = "above_uncorrected"
    open = "open"
    invalid = "invalid"


OUTCOMES = {
    "compliant": Text("kept", "达标"),
    "exceeded": Text("broken", "违反"),
    "above_uncorrected": Text("suspected", "疑似"),
    "open": Text("cannot be judged", "无法判定"),
    "invalid": Text("not known", "无效"),
}
GRADES = {"violation": Text("violation", "违规"), "suspicion": Text("suspicion", "疑似")}
HEADS = (
    Text("No.", "编号"),
    Text("From", "开始"),
    Text("To", "结束"),
    Text("Site", "站点"),
    Text("About", "对象"),
    Text("Rule", "规则"),
    Text("Outcome", "结论"),
    Text("Value", "数值"),
    Text("Limit", "限值"),
    Text("Revision", "修订"),
    Text("Alert", "告警"),
)
NOT_THERE = Text(
    "{path}: nothing has been judged yet; 'fenceline run --config {config}' does it, or --config names another hub",
    "{path}：尚无判定；请先运行fenceline run --config {config}，或用--config指定其他数据中心",
)
NOT_JUDGED = Text("{about}: nothing can be said: {why}", "{about}：无法判定：{why}")
GOES_ON = Text("goes on", "持续中")


@command(
    app,
    "list",
    Text(
        "List verdicts of packs' rules, the newest first, and of whom nothing can be said.",
        "列出领域包规则的判定（最新的在前），以及无法判定的对象。",
    ),
    "fenceline rules list --since 2026-12-01T00:00 --outcome exceeded",
    "fenceline rules list --site depot --json",
)
def list_(
    site: Site = "",
    subject: Annotated[
        str, option(Text("Only about this thing or site.", "仅限该对象或站点。"), "--subject", show_default=ALL)
    ] = "",
    rule: Annotated[str, option(Text("Only by this rule.", "仅限该规则。"), "--rule", show_default=ALL)] = "",
    outcome: Annotated[
        Outcome | None, option(Text("Only with this outcome.", "仅限该结论。"), show_default=ALL)
    ] = None,
    since: Annotated[
        str,
        option(
            Text("Only what begins then or later, local time.", "仅限此时及之后开始的（当地时间）。"),
            "--since",
            metavar="TIME",
            show_default=ALL,
        ),
    ] = "",
    most: Annotated[
        int, option(Text("How many at most, the newest first.", "最多条数，最新的在前。"), min=1, max=100_000)
    ] = 50,
    as_json: AsJson = False,
    district: HubOf = "",
    config: Config = FENCELINE,
) -> None:
    """List verdicts of rules."""
    from hub.alerts.book import Book
    from hub.alerts.tables import PART as ALERTS
    from hub.compliance.present import not_judged, present_ruling
    from hub.compliance.rule_table import RuleTable
    from hub.compliance.tables import PART
    from hub.config.files import ConfigError, load_config
    from hub.registry.live import load_registry
    from hub.storage.compliance_file import compliance_of, open_compliance
    from hub.storage.database import DatabaseError

    try:
        settings = load_config(config)
        registry = load_registry(settings)
        path = compliance_of(settings, district)
        if not path.exists():
            raise UserError(tell(NOT_THERE).format(path=path, config=config))
        asked = {"site": site, "subject": subject, "rule": rule, "outcome": str(outcome or "")}
        tests: list[tuple[str, object]] = [(f"{name} = ?", value) for name, value in asked.items() if value]
        if since:
            tests.append(("start >= ?", _time(since, registry.zone)))
        with closing(open_compliance(path, ALERTS, PART)) as db:
            book = Book(db, lambda: 0.0)
            found = RuleTable(db).search(tests=tests, limit=most)
            shown = [present_ruling(one, book, registry, spoken()) for one in found]
            silent = not_judged(db, spoken())
    except (ConfigError, DatabaseError) as error:
        raise UserError(str(error)) from error
    if as_json:
        told = [one.model_dump(mode="json") for one in silent]
        print_list((one.model_dump(mode="json") for one in shown), "verdicts", not_judged=told)
    else:
        _print(shown, silent)


def _print(shown: "list[models.RuleVerdict]", silent: "list[models.NotJudged]") -> None:
    from hub.terminal.tables import say, table

    lang = spoken()

    def told(one: "models.RuleVerdict") -> tuple[str, ...]:
        outcome = OUTCOMES[one.outcome].into(lang)
        if one.outcome == "exceeded" and one.grade in GRADES:
            outcome = GRADES[one.grade].into(lang)
        value, limit = ("-" if part is None else f"{part:g} {one.unit}".strip() for part in (one.value, one.limit))
        end = GOES_ON.into(lang) if one.open else f"{one.end:%Y-%m-%d %H:%M}"
        return (
            *(str(one.id), f"{one.start:%Y-%m-%d %H:%M}", end, one.site or "-", f"{one.subject_kind} {one.subject}"),
            one.rule_name,
            ": ".join(filter(None, (outcome, one.reason))),
            *(value, limit, str(one.revision), "-" if one.alert is None else str(one.alert)),
        )

    table([head.into(lang) for head in HEADS], [told(one) for one in shown])
    for one in silent:
        about = " ".join(filter(None, (one.subject_kind, one.subject, one.rule)))
        say(NOT_JUDGED.into(lang).format(about=about, why=one.why), wrap=True)


def _time(text: str, zone: "ZoneInfo") -> float:
    """Return the Unix time of a date and time; without an offset it is local time of the registry."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise UserError(f"--since {text!r}: expected a date and time such as 2026-12-01T08:00") from None
    return (when if when.tzinfo else when.replace(tzinfo=zone)).timestamp()
