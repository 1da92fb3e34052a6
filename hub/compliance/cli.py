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
SPOT_HEADS = (
    Text("Spot", "地点"),
    Text("Place (WGS-84)", "位置（WGS-84）"),
    Text("Breaches", "违规次数"),
    Text("About", "对象"),
    Text("First", "首次"),
    Text("Last", "最近"),
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


@command(
    app,
    "spots",
    Text(
        """Name the places to which breaches come back: black digs and dumps, holes in the mobile network.

        Breaches that are near each other make a spot, called by the nearest thing that people know. What several
        vehicles fall silent at is no evasion: import it as a place without signal.""",
        """列出反复发生违规的地点：黑工地、黑消纳点、无信号区域。

        相距较近的违规归为一处，以最近的已知对象命名。多辆车失联的地点并非规避监管：请导入为无信号区域。""",
    ),
    "fenceline rules spots --rule dug --rule dumped --near project",
    "fenceline rules spots --rule heard --since 2026-12-01T00:00 --json",
)
def spots(
    rule: Annotated[list[str], option(Text("Breaches of this rule; may be repeated.", "该规则的违规，可重复。"))],
    near: Annotated[
        list[str] | None,
        option(
            Text("Kinds of things by which spots are called.", "用于命名的对象类别。"),
            show_default=Text("coordinates", "坐标"),
        ),
    ] = None,
    within: Annotated[
        float,
        option(Text("Metres between two breaches of one spot, at most.", "同一地点两次违规的最大间距（米）。"), min=1),
    ] = 150.0,
    least: Annotated[int, option(Text("Breaches that make a spot.", "构成一处的违规次数。"), min=1)] = 2,
    since: Annotated[
        str,
        option(
            Text("Only what begins then or later, local time.", "仅限此时及之后开始的（当地时间）。"),
            "--since",
            metavar="TIME",
            show_default=ALL,
        ),
    ] = "",
    as_json: AsJson = False,
    district: HubOf = "",
    config: Config = FENCELINE,
) -> None:
    """Name the places to which breaches come back."""
    from hub.compliance.rule_table import RuleTable
    from hub.compliance.spots import spots_of
    from hub.compliance.tables import PART
    from hub.config.files import ConfigError, load_config
    from hub.judge.kinds.world import World
    from hub.registry.live import load_registry
    from hub.storage.compliance_file import compliance_of, open_compliance
    from hub.storage.database import DatabaseError
    from hub.terminal.tables import table
    from hub.things.store import ThingStore
    from hub.things.tables import PART as THINGS

    try:
        settings = load_config(config)
        zone = load_registry(settings).zone
        _check(rule, near or [])
        path = compliance_of(settings, district)
        if not path.exists():
            raise UserError(tell(NOT_THERE).format(path=path, config=config))
        first = int(_time(since, zone)) if since else 0
        with closing(open_compliance(path, THINGS, PART)) as db:
            verdicts = [one for id_ in dict.fromkeys(rule) for one in RuleTable(db).breaches(id_, first)]
            found = spots_of(verdicts, World(ThingStore(db).editions()), near or [], within, least)
    except (ConfigError, DatabaseError) as error:
        raise UserError(str(error)) from error
    lang = spoken()

    def when(t: int) -> datetime:
        return datetime.fromtimestamp(t, zone)

    if as_json:
        told = (
            {
                "name": one.name.into(lang),
                "lat": round(one.lat, 6),
                "lon": round(one.lon, 6),
                "radius": round(one.radius),
                "breaches": len(one.verdicts),
                "subjects": sorted({verdict.subject for verdict in one.verdicts}),
                "first": when(one.verdicts[0].start).isoformat(),
                "last": when(one.verdicts[-1].start).isoformat(),
            }
            for one in found
        )
        print_list(told, "spots")
        return
    rows = [
        (
            one.name.into(lang),
            f"{one.lat:.5f}, {one.lon:.5f}",
            str(len(one.verdicts)),
            ", ".join(sorted({verdict.subject for verdict in one.verdicts})),
            f"{when(one.verdicts[0].start):%Y-%m-%d %H:%M}",
            f"{when(one.verdicts[-1].start):%Y-%m-%d %H:%M}",
        )
        for one in found
    ]
    table([head.into(lang) for head in SPOT_HEADS], rows, numbers=(2,))


def _check(rules: list[str], kinds: list[str]) -> None:
    """Refuse what no pack in use declares."""
    from schemas import domains

    for given, known in ((rules, domains.rules()), (kinds, domains.thing_kinds())):
        wrong = next((one for one in given if one not in known), None)
        if wrong is not None:
            raise UserError(f"no pack in use declares {wrong!r}; expected one of: {', '.join(known) or 'none'}")


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
