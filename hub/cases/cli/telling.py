"""What cases go by and come to: rates, codes and case standards, the calendar."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from hub.cases.cli.group import NOTHING, app
from hub.cases.cli.shown import NONE, UNCERTAIN, local, moment, say_joined
from hub.cases.rules.calendar import Unit
from hub.cases.rules.rates import By
from hub.terminal.actor import actor
from hub.terminal.commands import command, option
from hub.terminal.json_lines import print_list, print_object
from hub.terminal.options import FENCELINE, AsJson, Config, District
from hub.terminal.tables import say, table
from schemas.chinese import source_text
from schemas.errors import UserError
from schemas.language import Text, spoken, tell

if TYPE_CHECKING:
    from hub.cases.rules.rulebook import Rulebook

RATE_HEADS = (
    Text("Group", "分组"),
    Text("Accepted", "受理"),
    Text("Filed", "立案"),
    Text("Filing", "立案率"),
    Text("Due", "应结案"),
    Text("Closed", "结案"),
    Text("Closing", "结案率"),
    Text("On time", "按期"),
    Text("On time rate", "按期结案率"),
    Text("Rework", "返工率"),
    Text("Right at once", "准确派遣率"),
)
ENDS = Text("{amount:g} {unit} from {start}: {end}", "自{start}起{amount:g}{unit}：{end}")
EDITION = Text("calendar {edition}: {source} ({verified})", "日历{edition}：{source}（{verified}）")


@command(
    app,
    "rates",
    Text(
        """Rates of a period: filing, closing, on time, rework, accurate dispatch; docs/cases.md says what divides what.

        A case counts as it was at the period's end.""",
        """某一时段的立案率、结案率、按期结案率、返工率、准确派遣率，计算方法见 docs/cases.md。

        案件按时段结束时的状态计算。""",
    ),
    "fenceline cases rates",
    "fenceline cases rates --from 2026-12-01 --to 2027-01-01 --by department",
    "fenceline cases rates --by person --cases --json",
)
def rates(
    begins: Annotated[
        str,
        option(
            Text("First day, or local time.", "起始日期或当地时间。"),
            "--from",
            show_default=Text("the first of this month", "本月1日"),
        ),
    ] = "",
    ends: Annotated[
        str,
        option(
            Text("The day or local time before which it ends.", "截止日期或当地时间（不含）。"),
            "--to",
            show_default=Text("now", "现在"),
        ),
    ] = "",
    by: Annotated[By, option(Text("For each of these.", "分组。"))] = "all",
    in_district: District = "",
    cases: Annotated[
        bool,
        option(Text("With --json: the cases behind each number.", "与--json同用：列出每个数字对应的案件。"), "--cases"),
    ] = False,
    as_json: AsJson = False,
    config: Config = FENCELINE,
) -> None:
    """Show the rates of a period."""
    from hub.cases.evaluating import evaluate
    from hub.cases.opening import opened
    from hub.cases.present import percent, shown_numbers

    with opened(config, in_district, actor()) as (desk, registry, _):
        now = datetime.now(registry.zone)
        begin = moment("--from", begins, registry.zone) if begins else _first(now)
        end = moment("--to", ends, registry.zone) if ends else now.timestamp()
        if begin >= end:
            raise UserError(f"--from {begins} --to {ends}: expected the first before the second")
        groups = evaluate(desk, begin, end, by, in_district)
        joined = desk.joined
    if as_json:
        told = (shown_numbers(name, numbers, cases=cases) for name, numbers in groups.items())
        print_list(told, "groups", by=by, **{"from": begin, "to": end}, joined=joined)
        return
    rows = [
        [
            name or "-",
            *(f"{one.count('accepted')}", f"{one.count('filed')}", percent(one, "filing")),
            *(f"{one.count('due')}", f"{one.count('closed')}", percent(one, "closing")),
            *(f"{one.count('on_time')}", percent(one, "on_time"), percent(one, "rework")),
            percent(one, "accurate_dispatch"),
        ]
        for name, one in groups.items()
    ]
    if rows:
        table([tell(head) for head in RATE_HEADS], rows, numbers=range(1, 11))
    else:
        print(tell(NONE))
    say_joined(joined=joined)


@command(
    app,
    "codes",
    Text(
        "List the event codes of a district and their case standards, each with source and letter.",
        "列出某区的事件代码和立案标准，附来源和核实程度。",
    ),
    "fenceline cases codes --district nanhai",
    "fenceline cases codes --json",
)
def codes(
    in_district: Annotated[
        str, option(Text("As they hold in this district.", "该区适用的代码。"), "--district", show_default=NOTHING)
    ] = "",
    as_json: AsJson = False,
    config: Config = FENCELINE,
) -> None:
    """List codes and standards."""
    with _rules(config) as rules:
        today = datetime.now(rules.calendar.zone).date()
        told: list[dict[str, Any]] = [
            {
                "code": one.code,
                "full_code": rules.full_code(one.code, in_district),
                "name": Text(one.en, one.zh).into(spoken()),
                "kind": one.kind,
                "edition": one.edition,
                "source": one.source,
                "verified": one.verified,
                "standards": [
                    {
                        "id": std.id,
                        "amount": std.amount,
                        "unit": std.unit,
                        "source": std.source,
                        "verified": std.verified,
                    }
                    for std in rules.standards_for(one.code, in_district, today)
                ],
                "department": rules.responsible_for(one.code, in_district, ""),
            }
            for one in rules.codes_in(in_district)
        ]
    if as_json:
        print_list(told, "codes")
        return
    heads = (
        Text("Code", "代码"),
        Text("Name", "名称"),
        Text("Verified", "核实程度"),
        Text("Case standards", "立案标准"),
        Text("Department", "责任部门"),
    )
    rows = [
        [
            one["full_code"] or one["code"],
            one["name"],
            one["verified"],
            "; ".join(f"{std['id']}: {std['amount']:g} {std['unit']} ({std['verified']})" for std in one["standards"])
            or "-",
            one["department"] or "-",
        ]
        for one in told
    ]
    table([tell(head) for head in heads], rows)


@command(
    app,
    "calendar",
    Text("Show the city's calendar, and when a time limit ends by it.", "查看城市日历，并推算期限截止时间。"),
    "fenceline cases calendar",
    "fenceline cases calendar --from 2026-09-30T16:30 --amount 4 --unit work_hour",
)
def calendar(
    begins: Annotated[
        str, option(Text("When the limit begins.", "期限起算时间。"), "--from", show_default=Text("now", "现在"))
    ] = "",
    amount: Annotated[float, option(Text("So much time.", "时限。"), min=0, max=10_000)] = 1,
    unit: Annotated[Unit, option(Text("Of this unit.", "时限单位。"))] = "work_day",
    as_json: AsJson = False,
    config: Config = FENCELINE,
) -> None:
    """Show the calendar."""
    from hub.cases.rules.calendar import CalendarError
    from hub.cases.rules.texts import UNIT

    with _rules(config) as rules:
        zone, entry = rules.calendar.zone, rules.calendar.entry
        start = moment("--from", begins, zone) if begins else time.time()
        try:
            end = rules.calendar.limit(start, amount, unit)
        except CalendarError as error:
            raise UserError(f"--amount {amount:g} --unit {unit}: {error}") from error
        moments = [datetime.fromtimestamp(t, zone).isoformat(timespec="seconds") for t in (start, end)]
        told = {
            "edition": rules.calendar.edition,
            "source": entry.source,
            "verified": entry.verified,
            "known_to": entry.known_to.isoformat(),
            "hours": list(entry.hours),
            "hours_verified": entry.hours_verified,
            "from": moments[0],
            "amount": amount,
            "unit": unit,
            "ends": moments[1],
            "certain": rules.calendar.is_known(end),
        }
    if as_json:
        print_object(told)
        return
    say(tell(EDITION).format(**told | {"source": tell(source_text(entry.source))}))
    say(f"{', '.join(entry.hours)} ({entry.hours_verified})")
    say(tell(ENDS).format(amount=amount, unit=tell(UNIT[unit]), start=local(moments[0]), end=local(moments[1])))
    if not told["certain"]:
        say(tell(UNCERTAIN).format(known_to=entry.known_to))


@contextmanager
def _rules(config: Path) -> "Iterator[Rulebook]":
    from hub.cases.rules.rulebook import Rulebook
    from hub.config.files import ConfigError, load_config
    from hub.registry.live import load_registry

    try:
        settings = load_config(config)
        yield Rulebook(settings.cases.folder, load_registry(settings).zone)
    except ConfigError as error:
        raise UserError(str(error)) from error


def _first(now: datetime) -> float:
    return now.replace(day=1, hour=0, minute=0, second=0, microsecond=0).timestamp()
