"""`fenceline alerts`: alerts looked at and worked on at the hub's machine, without the HTTP API."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hub.alerts.states import Kind, StateAsked
from hub.terminal.actor import actor
from hub.terminal.commands import argument, command, group, option
from hub.terminal.json_lines import print_list, print_object
from hub.terminal.options import ALL, FENCELINE, Actor, AsJson, Config, District, HubOf, Site
from schemas.errors import UserError
from schemas.language import Text, spoken, tell

if TYPE_CHECKING:
    from hub.alerts.records import Alert
    from hub.config.files import Config as Settings
    from hub.desk.desk import Desk
    from hub.desk.presenter import Presenter
    from hub.desk.view import AlertsView
    from hub.registry.live import Registry

app = group(
    Text(
        "Alerts: see, acknowledge, comment and close them. Whoever may write the hub's data folder may do it all.",
        "告警：查看、确认、备注、关闭。凡可写数据目录者均可执行。",
    ),
    "fenceline alerts list --state firing",
    "fenceline alerts show 17",
    "fenceline alerts acknowledge 17 --text 'Inspector is on the way'",
)
maintenance = group(
    Text(
        "Spans of time in which nobody is told of what happens at a site.", "维护时段：期间不就该站点的情况通知任何人。"
    ),
    "fenceline alerts maintenance add tower --hours 2 --reason 'Calibration'",
)
app.add_typer(maintenance, name="maintenance")

MOST = 2**63 - 1
"""Largest number that the database holds."""
Number = Annotated[int, argument(Text("The alert's number.", "告警编号。"), "ALERT", min=1, max=MOST)]
Remark = Annotated[
    str,
    option(
        Text("What is to stand with it in the audit trail.", "随操作记入处理记录的说明。"),
        "--text",
        show_default=Text("nothing", "无"),
    ),
]

OVER = Text("alert {id}: taken in hand by {who}; it had been resolved", "告警{id}：已由{who}确认；此前已解除")
NOT_THERE = Text(
    "{path}: there are no alerts yet; 'fenceline run --config {config}' makes them, or --config names another hub",
    "{path}：尚无告警；请先运行fenceline run --config {config}，或用--config指定其他数据中心",
)


@dataclass(frozen=True, slots=True)
class Opened:
    """The alerts of a hub, and how they are shown."""

    desk: "Desk"
    present: "Presenter"
    view: "AlertsView"
    registry: "Registry"


@command(
    app,
    "list",
    Text("List alerts, the newest first.", "列出告警，最新的在前。"),
    "fenceline alerts list",
    "fenceline alerts list --state firing --district nanhai --json",
)
def list_(
    state: Annotated[
        StateAsked | None, option(Text("Only those in this state.", "仅限该状态。"), show_default=ALL)
    ] = None,
    district: District = "",
    site: Site = "",
    kind: Annotated[Kind | None, option(Text("Only those about this.", "仅限该类事项。"), show_default=ALL)] = None,
    most: Annotated[
        int, option(Text("How many at most, the newest first.", "最多条数，最新的在前。"), min=1, max=100_000)
    ] = 50,
    as_json: AsJson = False,
    config: Config = FENCELINE,
) -> None:
    """List alerts."""
    from hub.desk.listing import as_json as json_of
    from hub.desk.listing import listed
    from hub.desk.view import AlertsView

    with _desk(config, district) as (desk, registry, _):
        now = desk.book.clock()
        found = desk.book.search_alerts(
            state=state or "",
            kind=kind or "",
            district=district,
            site=site,
            limit=most,
        )
    alerts = [listed(alert, registry, spoken(), now) for alert in found]
    if as_json:
        print_list(map(json_of, alerts), "alerts")
    else:
        AlertsView().table(alerts)


@command(
    app,
    "show",
    Text(
        "Show an alert with the windows, the limit and the readings on which it rests, and all that was done.",
        "查看告警及其依据的统计时段、限值和读数，以及全部处理记录。",
    ),
    "fenceline alerts show 17",
    "fenceline alerts show 17 --json",
)
def show(id_: Number, as_json: AsJson = False, district: HubOf = "", config: Config = FENCELINE) -> None:
    """Show an alert."""
    with opened(config, district) as hub:
        alert = hub.desk.get(id_)
        detail = hub.present.detail(alert, hub.desk)
        if as_json:
            print_object(detail.model_dump(mode="json"))
            return
        hub.view.detail(detail, hub.present.windows(alert, hub.desk), hub.present.told(alert, hub.desk))


@command(
    app,
    "evidence",
    Text(
        """Show what proves an alert: limit, windows and the boards' messages, and whether the MAC of each is right.

        With --json one object for each message, its payload verbatim. The exit code is 1 if a MAC is wrong.""",
        """查看告警的证据：限值、统计时段和设备报文，以及每条报文的 MAC 是否有效。

        使用 --json 时每条报文一个对象，payload 为原文。有无效的 MAC 时退出码为 1。""",
    ),
    "fenceline alerts evidence 17",
    "fenceline alerts evidence 17 --json > case-2026-311.jsonl",
)
def evidence(
    id_: Number,
    most: Annotated[int, option(Text("How many messages at most.", "最多报文条数。"), min=1, max=100_000)] = 1000,
    after: Annotated[
        int,
        option(Text("Only messages behind this offset of the log.", "仅限日志中此序号之后的报文。"), min=0, max=MOST),
    ] = 0,
    as_json: AsJson = False,
    district: HubOf = "",
    config: Config = FENCELINE,
) -> None:
    """Show what proves an alert."""
    with opened(config, district) as hub:
        alert = hub.desk.get(id_)
        page = hub.present.messages(alert, hub.desk, after, most)
        if not as_json:
            hub.view.evidence(hub.present.detail(alert, hub.desk), hub.present.windows(alert, hub.desk), page)
    wrong = sum(message.authentic is False for message in page.messages)
    if as_json:
        rows = (message.model_dump(mode="json") for message in page.messages)
        print_list(rows, "messages", wrong_macs=wrong, cursor=page.cursor)
    if wrong:
        raise typer.Exit(1)


@command(app, "ack", Text("As 'alerts acknowledge'.", "同 alerts acknowledge。"), hidden=True)
@command(
    app,
    "acknowledge",
    Text("Take an alert in hand: it is not escalated any more.", "确认告警：不再升级通知。"),
    "fenceline alerts acknowledge 17 --text 'Inspector is on the way'",
)
def acknowledge(
    id_: Number, text: Remark = "", who: Actor = "", district: HubOf = "", config: Config = FENCELINE
) -> None:
    """Take an alert in hand."""
    with opened(config, district) as hub:
        alert = hub.desk.acknowledge(id_, actor(who), text)
        if alert.state == "resolved":
            print(tell(OVER).format(id=alert.id, who=alert.acknowledged_by))
        else:
            _report(hub, alert)


@command(
    app,
    "comment",
    Text("Add a remark to an alert.", "为告警添加备注。"),
    "fenceline alerts comment 17 --text 'The foreman was informed'",
    "fenceline alerts comment 17 'The foreman was informed'",
)
def comment(
    id_: Number,
    given: Annotated[
        str,
        argument(Text("What is to be noted; --text says the same.", "备注内容，也可用--text给出。"), "TEXT"),
    ] = "",
    text: Remark = "",
    who: Actor = "",
    district: HubOf = "",
    config: Config = FENCELINE,
) -> None:
    """Add a remark to an alert."""
    if bool(given) == bool(text):
        raise UserError(f"alerts comment {id_}: expected the remark once, as --text or as the last argument.")
    text = text or given
    with opened(config, district) as hub:
        _report(hub, hub.desk.comment(id_, actor(who), text))


@command(
    app,
    "close",
    Text(
        "Put an alert away. One that is not resolved needs --text with the reason.",
        "关闭告警。未解除的告警须以 --text 说明原因。",
    ),
    "fenceline alerts close 17 --text 'Fined, case 2026-311'",
)
def close(id_: Number, text: Remark = "", who: Actor = "", district: HubOf = "", config: Config = FENCELINE) -> None:
    """Put an alert away."""
    with opened(config, district) as hub:
        _report(hub, hub.desk.close(id_, actor(who), text, admin=True, field="--text"))


@command(
    maintenance,
    "list",
    Text("List the maintenance windows that are not over, the next first.", "列出未结束的维护时段，最近的在前。"),
    "fenceline alerts maintenance list",
    "fenceline alerts maintenance list --json",
)
def list_maintenance(as_json: AsJson = False, district: HubOf = "", config: Config = FENCELINE) -> None:
    """List the maintenance windows."""
    with opened(config, district) as hub:
        windows = [hub.present.maintenance(window) for window in hub.desk.maintenance.coming()]
        if as_json:
            print_list((one.model_dump(mode="json", by_alias=True) for one in windows), "windows")
        else:
            hub.view.maintenance(windows)


@command(
    maintenance,
    "add",
    Text(
        "Tell nobody of what happens at a site for a while; it is recorded nevertheless.",
        "在一段时间内不就某站点的情况通知任何人；情况仍予记录。",
    ),
    "fenceline alerts maintenance add tower --board fence-1 --hours 2 --reason 'Calibration'",
    "fenceline alerts maintenance add tower --from 2026-12-01T22:00 --hours 8 --reason 'Crane work'",
)
def add(
    site: Annotated[str, argument(Text("Of which site.", "站点编号。"), "SITE")],
    reason: Annotated[str, option(Text("Why; it stands in the audit trail.", "原因，记入处理记录。"))],
    hours: Annotated[float, option(Text("How long.", "时长（小时）。"), min=0.01, max=2208)] = 2.0,
    begins: Annotated[
        str,
        option(
            Text("When, in local time: 2026-12-01T22:00.", "开始时间（当地）：2026-12-01T22:00。"),
            "--from",
            show_default=Text("now", "现在"),
        ),
    ] = "",
    board: Annotated[
        str,
        option(
            Text("Only this board.", "仅限该设备。"),
            "--board",
            show_default=Text("every board of the site", "该站点的所有设备"),
        ),
    ] = "",
    who: Actor = "",
    district: HubOf = "",
    config: Config = FENCELINE,
) -> None:
    """Tell nobody of what happens at a site for a while."""
    from hub.alerts.maintenance import check_place

    with opened(config, district) as hub:
        check_place(hub.registry, site, board)
        start = _local(begins, hub.registry) if begins else time.time()
        window = hub.desk.maintenance.add(site, board, start, start + 3600 * hours, reason, actor(who))
        hub.view.maintenance([hub.present.maintenance(window)])


@command(
    maintenance,
    "remove",
    Text("Take a maintenance window back; it stays on record.", "撤回维护时段；记录保留。"),
    "fenceline alerts maintenance remove 3",
)
def remove(
    id_: Annotated[int, argument(Text("The window's number.", "维护时段编号。"), "NUMBER", min=1, max=MOST)],
    who: Actor = "",
    district: HubOf = "",
    config: Config = FENCELINE,
) -> None:
    """Take a maintenance window back."""
    with opened(config, district) as hub:
        hub.desk.maintenance.remove(id_, actor(who))
        print(hub.view.text("removed", id=id_))


@contextmanager
def opened(config: Path, district: str = "") -> Iterator[Opened]:
    """Open the alerts of the hub at `config` with all that they rest on; of the hub of a district, if each has one."""
    from hub.desk.presenter import Presenter, by_rule
    from hub.desk.view import AlertsView
    from schemas import CatalogueError, load_limits, load_quantities

    with _desk(config, district) as (desk, registry, settings):
        try:
            quantities = load_quantities()
            limits = by_rule(load_limits(quantities=quantities))
        except CatalogueError as error:
            raise UserError(str(error)) from error
        yield Opened(desk, Presenter(settings, registry, limits, quantities, spoken()), AlertsView(), registry)


@contextmanager
def _desk(config: Path, district: str) -> "Iterator[tuple[Desk, Registry, Settings]]":
    """Open the alerts alone."""
    from hub.alerts.tables import PART
    from hub.config.files import ConfigError, load_config
    from hub.desk.desk import Desk, DeskError
    from hub.registry.live import load_registry
    from hub.storage.compliance_file import compliance_of, open_compliance
    from hub.storage.database import DatabaseError

    try:
        settings = load_config(config)
        registry = load_registry(settings)
        path = compliance_of(settings, district)
        if not path.exists():
            raise UserError(tell(NOT_THERE).format(path=path, config=config))
        with closing(open_compliance(path, PART)) as db:
            yield Desk(db, time.time), registry, settings
    except (ConfigError, DatabaseError) as error:
        raise UserError(str(error)) from error
    except DeskError as error:
        field = {"id": "", "text": "TEXT: "}.get(error.field, f"--{error.field.lstrip('-')}: ")
        raise UserError(f"{field}{tell(error.text)}") from error


def _report(hub: Opened, alert: "Alert") -> None:
    print(hub.view.text("done", id=alert.id, state=hub.present.alert(alert).state_name))


def _local(text: str, registry: "Registry") -> float:
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise UserError(f"--from {text}: expected a local date and time such as 2026-12-01T22:00") from None
    return (when if when.tzinfo else when.replace(tzinfo=registry.zone)).timestamp()
