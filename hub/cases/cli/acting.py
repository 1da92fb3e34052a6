"""Cases worked on: taken, opened about alerts, and every act."""

from typing import Annotated, Any, Literal

from hub.cases.cli.group import MOST, NOTHING, Key, Number, Remark, Seen, app
from hub.cases.cli.shown import report
from hub.cases.rules.calendar import Unit
from hub.cases.rules.records import Checked, Found, Source, What
from hub.terminal.actor import actor
from hub.terminal.commands import argument, command, option
from hub.terminal.options import FENCELINE, Actor, AsJson, Config, HubOf
from schemas.errors import UserError
from schemas.language import Text


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
        report(desk, case.id, as_json=as_json)


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
        report(desk, case.id, as_json=as_json)


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
    seen: Seen = None,
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
        report(desk, id_, as_json=as_json)
