"""`fenceline cases`: cases looked at and worked on at the hub's machine, without the HTTP API."""

import time
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from hub.cases.rules.calendar import Unit
from hub.cases.rules.rates import By
from hub.cases.rules.records import Checked, Found, Source, StateAsked, What
from hub.cases.rules.texts import JOINED
from hub.terminal.actor import actor
from hub.terminal.commands import argument, command, group, option
from hub.terminal.json_lines import print_list, print_object
from hub.terminal.options import ALL, FENCELINE, Actor, AsJson, Config, District, HubOf
from hub.terminal.tables import say, table
from schemas.errors import UserError
from schemas.language import Text, spoken, tell

if TYPE_CHECKING:
    from collections.abc import Iterator
    from zoneinfo import ZoneInfo

    from hub.cases.desk import CaseDesk
    from hub.cases.rules.rulebook import Rulebook

app = group(
    Text(
        """Cases: what the city does about what was seen, in seven steps: report, file, dispatch, handle, feed back,
        check and close, evaluate. Whoever may write the hub's data folder may do it all, but not both judge and
        dispatch the same case.""",
        """案件：七步流程：信息收集、立案、派遣、处置、反馈、核查结案、评价。凡可写数据目录者均可执行，
        但同一人不得在同一案件中既评判又派遣。""",
    ),
    "fenceline cases from-alert 17",
    "fenceline cases act 3 file --standard construction-noise --as li",
    "fenceline cases act 3 dispatch --department greens --as wang",
    "fenceline cases list --state open",
    "fenceline cases show 3",
    "fenceline cases rates --from 2026-12-01 --to 2027-01-01 --by department",
)

MOST = 2**63 - 1
Number = Annotated[int, argument(Text("The case's number.", "案件编号。"), "CASE", min=1, max=MOST)]
Remark = Annotated[
    str,
    option(
        Text("Why, or what was done; it stands in the history.", "原因或处理情况，记入案件历史。"),
        "--text",
        show_default=Text("nothing", "无"),
    ),
]
Key = Annotated[
    str,
    option(
        Text(
            "A name of your own for this act: given again with it, it takes effect once.",
            "自定的操作标识：以同一标识重复提交，只生效一次。",
        ),
        "--key",
        show_default=Text("none", "无"),
    ),
]
NOTHING = Text("nothing", "无")
HEADS = (
    Text("No.", "编号"),
    Text("Reported", "上报时间"),
    Text("State", "状态"),
    Text("Source", "来源"),
    Text("District", "区"),
    Text("Class", "类别"),
    Text("Department", "部门"),
    Text("Deadline", "期限"),
    Text("Left", "剩余"),
)
STEPS = (
    Text("Step", "步骤"),
    Text("Time", "时间"),
    Text("By", "操作人"),
    Text("As", "岗位"),
    Text("What", "操作"),
    Text("Text", "说明"),
)
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
NONE = Text("there are no cases", "没有案件")
DONE = Text("case {id} ({number}): {state_name}", "案件{id}（{number}）：{state_name}")
ALIKE = Text("it may be the same as case {ids}", "可能与案件{ids}为同一事件")
UNCERTAIN = Text(
    "the days off are known up to {known_to}; what is due later may still move",
    "节假日安排已知至{known_to}；此后的期限可能变动",
)
ENDS = Text("{amount:g} {unit} from {start}: {end}", "自{start}起{amount:g}{unit}：{end}")
EDITION = Text("calendar {edition}: {source} ({verified})", "日历{edition}：{source}（{verified}）")


@command(
    app,
    "list",
    Text("List cases, the newest first.", "列出案件，最新的在前。"),
    "fenceline cases list --state open",
    "fenceline cases list --district nanhai --department greens --json",
)
def list_(
    state: Annotated[
        StateAsked | None,
        option(Text("Only those in this state; open: not over.", "仅限该状态；open为未结束。"), show_default=ALL),
    ] = None,
    in_district: District = "",
    code: Annotated[str, option(Text("Only of this code.", "仅限该事件代码。"), "--code", show_default=ALL)] = "",
    department: Annotated[
        str, option(Text("Only with this department.", "仅限该部门。"), "--department", show_default=ALL)
    ] = "",
    most: Annotated[
        int, option(Text("How many at most, the newest first.", "最多条数，最新的在前。"), min=1, max=100_000)
    ] = 50,
    as_json: AsJson = False,
    config: Config = FENCELINE,
) -> None:
    """List cases."""
    from hub.cases.opening import opened
    from hub.cases.present import shown

    with opened(config, in_district, actor()) as (desk, _, _):
        found = desk.book.search(state=state or "", district=in_district, code=code, department=department, limit=most)
        told = [shown(case, desk, spoken(), time.time()) for case in found]
        joined = desk.joined
    if as_json:
        print_list(told, "cases", joined=joined)
        return
    if told:
        table([tell(head) for head in HEADS], [_row(one) for one in told])
    else:
        print(tell(NONE))
    _say_joined(joined=joined)


@command(
    app,
    "show",
    Text("Show a case with its history, and cases that may be the same.", "查看案件、历史记录和可能相同的案件。"),
    "fenceline cases show 3",
    "fenceline cases show 3 --json",
)
def show(id_: Number, as_json: AsJson = False, district: HubOf = "", config: Config = FENCELINE) -> None:
    """Show a case."""
    from hub.cases.opening import opened
    from hub.cases.present import shown, shown_event, shown_similar

    with opened(config, district, actor()) as (desk, _, _):
        case = desk.get(id_)
        told = shown(case, desk, spoken(), time.time())
        told["events"] = [shown_event(event, desk, spoken()) for event in desk.book.events(id_)]
        told["similar"] = shown_similar(case, desk)
        told["joined"] = desk.joined
        known_to = desk.rules.calendar.entry.known_to
    if as_json:
        print_object(told)
        return
    table([tell(head) for head in HEADS], [_row(told)])
    say(told["text"], wrap=True)
    if told["deadline_certain"] is False:
        say(tell(UNCERTAIN).format(known_to=known_to))
    if told["similar"]:
        say(tell(ALIKE).format(ids=", ".join(f"{one['id']} ({one['state']})" for one in told["similar"])))
    rows = [
        [str(one["seq"]), _local(one["time"]), one["who"], one["position_name"], one["what_name"], _said(one)]
        for one in told["events"]
    ]
    table([tell(head) for head in STEPS], rows)
    _say_joined(joined=told["joined"])


@command(
    app,
    "open",
    Text(
        "Take a report: it becomes a case, which is then filed or refused.", "受理上报：形成案件，随后立案或不予立案。"
    ),
    "fenceline cases open --source citizen --in nanhai --code 0102 --place 'Lake Road 7' --text 'Refuse by the bins'",
    "fenceline cases open --source patrol --in nanhai --code 0302 --site tower --text 'Dust over the fence' --as li",
)
def open_(
    source: Annotated[Source, option(Text("Who saw it.", "来源。"))],
    where: Annotated[str, option(Text("In which district.", "所在区。"), "--in")],
    code: Annotated[
        str, option(Text("Of which code; 'fenceline cases codes' lists them.", "事件代码，见 fenceline cases codes。"))
    ],
    text: Annotated[str, option(Text("What was seen.", "情况描述。"))],
    site: Annotated[str, option(Text("At which site.", "所在站点。"), show_default=NOTHING)] = "",
    place: Annotated[str, option(Text("Where, in words.", "地点描述。"), show_default=NOTHING)] = "",
    lat: Annotated[float | None, option(Text("Latitude, WGS-84.", "纬度，WGS-84。"), show_default=NOTHING)] = None,
    lon: Annotated[float | None, option(Text("Longitude, WGS-84.", "经度，WGS-84。"), show_default=NOTHING)] = None,
    key: Key = "",
    who: Actor = "",
    as_json: AsJson = False,
    config: Config = FENCELINE,
) -> None:
    """Take a report."""
    from hub.cases.opening import opened

    if source == "alert":
        raise UserError(
            "--source alert: expected another source; 'fenceline cases from-alert NUMBER' opens such a case"
        )
    with opened(config, where, actor(who), make=True) as (desk, _, _):
        case = desk.report(source, where, code, text, site=site, lat=lat, lon=lon, place=place, key=key)
        _report(desk, case.id, as_json=as_json)


@command(
    app,
    "from-alert",
    Text(
        "Open a case about an alert; one that has a case already shows that.",
        "由告警立案件；已有案件的告警则显示该案件。",
    ),
    "fenceline cases from-alert 17",
    "fenceline cases from-alert 17 --code 0508 --text 'Loudspeaker of the shop'",
)
def from_alert(
    alert: Annotated[int, argument(Text("The alert's number.", "告警编号。"), "ALERT", min=1, max=MOST)],
    code: Annotated[
        str,
        option(
            Text("Of which code.", "事件代码。"),
            show_default=Text("as the rulebook says for such alerts", "按规则确定"),
        ),
    ] = "",
    text: Annotated[
        str, option(Text("What it is about.", "情况描述。"), show_default=Text("the alert's own text", "告警内容"))
    ] = "",
    key: Key = "",
    who: Actor = "",
    as_json: AsJson = False,
    district: HubOf = "",
    config: Config = FENCELINE,
) -> None:
    """Open a case about an alert."""
    from hub.cases.bridge import open_from_alert
    from hub.cases.opening import opened

    with opened(config, district, actor(who), make=True) as (desk, _, compliance):
        case = open_from_alert(desk, compliance, alert, code, text, key)
        _report(desk, case.id, as_json=as_json)


@command(
    app,
    "act",
    Text(
        """Do something with a case: what is possible in its state, the table of docs/cases.md says.

        Which options belong to an act: verify --found; file --standard, or --amount, --unit and --text; refuse
        --same-as; dispatch --department; ask_extension --amount; inspect --result; review --stage; join_alert
        --alert.""",
        """对案件进行操作；各状态下可进行的操作见 docs/cases.md 的状态表。

        各操作的选项：verify --found；file --standard，或 --amount、--unit 和 --text；refuse --same-as；
        dispatch --department；ask_extension --amount；inspect --result；review --stage；join_alert --alert。""",
    ),
    "fenceline cases act 3 ask_verification",
    "fenceline cases act 3 verify --found exists --text 'Two heaps, as reported'",
    "fenceline cases act 3 file --standard exposed-refuse",
    "fenceline cases act 3 dispatch --department greens --as wang",
    "fenceline cases act 3 ask_extension --amount 4 --text 'The truck has broken down' --as zhao",
    "fenceline cases act 3 feed_back --text 'Carried away' --as zhao",
    "fenceline cases act 3 inspect --result pass",
    "fenceline cases act 3 force_close --text 'The building is gone' --seen 9",
)
def act(
    id_: Number,
    what: Annotated[What, argument(Text("What is done.", "操作。"), "ACT")],
    text: Remark = "",
    found: Annotated[
        Found | None, option(Text("verify: what is there.", "verify：现场情况。"), show_default=NOTHING)
    ] = None,
    standard: Annotated[
        str,
        option(
            Text("file: by which case standard.", "file：立案标准。"),
            show_default=Text("the only one of the code", "该代码唯一的标准"),
        ),
    ] = "",
    amount: Annotated[
        float | None,
        option(Text("file, ask_extension: so much time.", "file、ask_extension：时限。"), show_default=NOTHING),
    ] = None,
    unit: Annotated[Unit | None, option(Text("file: of this unit.", "file：时限单位。"), show_default=NOTHING)] = None,
    department: Annotated[
        str,
        option(
            Text("dispatch, co-handlers: to which.", "dispatch、协办：部门。"),
            show_default=Text("dispatch: as the responsibility table says", "dispatch：按责任表"),
        ),
    ] = "",
    result: Annotated[
        Checked | None, option(Text("inspect: whether it is done.", "inspect：核查结果。"), show_default=NOTHING)
    ] = None,
    same_as: Annotated[
        int | None,
        option(Text("refuse: the case that is the same.", "refuse：相同案件。"), min=1, max=MOST, show_default=NOTHING),
    ] = None,
    stage: Annotated[
        Literal["pre_check", "department", "leader"] | None,
        option(Text("review: at which stage of the appeal.", "review：申诉审核环节。"), show_default=NOTHING),
    ] = None,
    alert: Annotated[
        int | None,
        option(Text("join_alert: which.", "join_alert：告警编号。"), min=1, max=MOST, show_default=NOTHING),
    ] = None,
    seen: Annotated[
        int | None,
        option(
            Text(
                "The step of the history you have read: what somebody else did since is told in place of acting.",
                "已阅读到的历史步骤：此后他人有新的处理时不执行，先予提示。",
            ),
            min=1,
            max=MOST,
            show_default=Text("the newest", "最新"),
        ),
    ] = None,
    key: Key = "",
    who: Actor = "",
    as_json: AsJson = False,
    district: HubOf = "",
    config: Config = FENCELINE,
) -> None:
    """Do something with a case."""
    from hub.cases.bridge import join_alert
    from hub.cases.opening import opened

    parts: dict[str, Any] = {
        "found": found,
        "standard": standard,
        "amount": amount,
        "unit": unit,
        "department": department,
        "result": result,
        "same_as": same_as,
        "stage": stage,
        "alert": alert,
    }
    given = {name: part for name, part in parts.items() if part not in (None, "")}
    with opened(config, district, actor(who)) as (desk, _, compliance):
        if what == "join_alert" and alert is not None:
            join_alert(desk, compliance, id_, alert, seen, key, text)
        else:
            desk.act(id_, what, text, key=key, seen=seen, **given)
        _report(desk, id_, as_json=as_json)


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
    from hub.cases.opening import opened
    from hub.cases.present import percent, shown_numbers
    from hub.cases.rules.rates import rates as reckoned

    with opened(config, in_district, actor()) as (desk, registry, _):
        now = datetime.now(registry.zone)
        begin = _moment("--from", begins, registry.zone) if begins else _first(now)
        end = _moment("--to", ends, registry.zone) if ends else now.timestamp()
        if begin >= end:
            raise UserError(f"--from {begins} --to {ends}: expected the first before the second")
        districts = (in_district,) if in_district else ()
        at_the_end = (desk.book.as_of(one, end) for one in desk.book.concerned(begin, end, districts))
        groups = reckoned((one for one in at_the_end if one), begin, end, by)
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
    _say_joined(joined=joined)


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
        start = _moment("--from", begins, zone) if begins else time.time()
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
    say(tell(EDITION).format(**told))
    say(f"{', '.join(entry.hours)} ({entry.hours_verified})")
    say(tell(ENDS).format(amount=amount, unit=tell(UNIT[unit]), start=_local(moments[0]), end=_local(moments[1])))
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


def _report(desk: "CaseDesk", id_: int, *, as_json: bool) -> None:
    from hub.cases.present import shown, shown_similar

    case = desk.get(id_)
    told = shown(case, desk, spoken(), time.time())
    alike = shown_similar(case, desk)
    if as_json:
        print_object(told | {"similar": alike})
        return
    print(tell(DONE).format(**told))
    if case.state == "reported" and alike:
        print(tell(ALIKE).format(ids=", ".join(str(one["id"]) for one in alike)))


def _row(told: dict[str, Any]) -> list[str]:
    remaining = "-" if told["left"] is None else f"{told['left']:g} {told['unit_name']}"
    return [
        str(told["id"]),
        _local(told["reported"]),
        told["state_name"],
        told["source_name"],
        told["district"],
        f"{told['code']} {told['code_name']}",
        told["department_name"] or "-",
        _local(told["deadline"]) if told["deadline"] else "-",
        remaining,
    ]


def _said(event: dict[str, Any]) -> str:
    """Return what an event says beside its name, for people."""
    parts = [event["text"]] if event["text"] else []
    for name, value in event["data"].items():
        if (
            name in {"found", "result", "standard", "department", "stage", "amount", "unit", "same_as", "alert"}
            and value
        ):
            parts.append(f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}")
        if name in {"deadline", "was"} and value:
            parts.append(f"{name} {_local(value)}")
    return "; ".join(parts) or "-"


def _say_joined(*, joined: bool) -> None:
    if joined:
        say(tell(JOINED), wrap=True)


def _local(moment: str) -> str:
    return moment[:16].replace("T", " ")


def _first(now: datetime) -> float:
    return now.replace(day=1, hour=0, minute=0, second=0, microsecond=0).timestamp()


def _moment(option_: str, text: str, zone: "ZoneInfo") -> float:
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise UserError(f"{option_} {text}: expected a date such as 2026-12-01, or 2026-12-01T08:00") from None
    return (when if when.tzinfo else when.replace(tzinfo=zone)).timestamp()
