"""`fenceline alerts`: alerts looked at and worked on at the hub's machine, without the HTTP API."""

import json
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from hub.alerts.desk import Desk, DeskError
from hub.alerts.maintenance import check_place
from hub.alerts.presenter import Presenter, by_rule
from hub.alerts.records import Alert
from hub.alerts.states import Kind, StateAsked
from hub.alerts.tables import PART
from hub.alerts.view import View
from hub.config.files import ConfigError, load_config
from hub.registry.live import Registry, load_registry
from hub.storage.compliance_file import compliance_of, open_compliance
from hub.storage.database import DatabaseError
from hub.terminal.doer import doer
from schemas import CatalogueError, load_limits, load_quantities
from schemas.errors import UserError
from schemas.language import Lang, Text, system_language
from schemas.language_option import LangOption

app = typer.Typer(add_completion=False, no_args_is_help=True)
maintenance = typer.Typer(no_args_is_help=True, help="Spans of time in which nobody is told of what happens at a site.")
app.add_typer(maintenance, name="maintenance")

Configuration = Annotated[Path, typer.Option("--config", help="The hub's configuration.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
MOST = 2**63 - 1
"""Largest number that the database holds."""
Number = Annotated[
    int, typer.Argument(metavar="ALERT", help="The alert's number.", min=1, max=MOST, show_default=False)
]
Remark = Annotated[str, typer.Option("--text", help="What is to stand with it in the audit trail.")]
District = Annotated[
    str,
    typer.Option("--district", help="The hub of this district, where each has its own.", show_default="the only hub"),
]
Doer = Annotated[str, typer.Option("--as", help="Who does it.", show_default="the system's user")]
FENCELINE = Path("fenceline.toml")

NOT_THERE = Text(
    "{path}: there are no alerts yet; 'fenceline run --config {config}' makes them, or --config names another hub",
    "{path}：尚无告警；请先运行fenceline run --config {config}，或用--config指定其他数据中心",
)


@dataclass(frozen=True, slots=True)
class Opened:
    """The alerts of a hub, and how they are shown."""

    desk: Desk
    present: Presenter
    view: View
    registry: Registry


@app.callback()
def alerts() -> None:
    """Alerts: see, acknowledge, comment and close them. Whoever may write the hub's data folder may do it all."""


@app.command(
    "list", epilog="Examples: fenceline alerts list | fenceline alerts list --state firing --district nanhai --json"
)
def list_(
    state: Annotated[StateAsked | None, typer.Option(help="Only those in this state.", show_default="all")] = None,
    district: Annotated[str, typer.Option(help="Only those of this district.", show_default="all")] = "",
    site: Annotated[str, typer.Option(help="Only those of this site.", show_default="all")] = "",
    kind: Annotated[Kind | None, typer.Option(help="Only those about this.", show_default="all")] = None,
    most: Annotated[int, typer.Option(help="How many at most, the newest first.", min=1, max=100_000)] = 50,
    as_json: AsJson = False,
    config: Configuration = FENCELINE,
    lang: LangOption = None,
) -> None:
    """List alerts, the newest first."""
    with opened(config, lang, district) as hub:
        rows = hub.desk.book.search_alerts(
            state=state or "",
            kind=kind or "",
            district=district,
            site=site,
            limit=most,
        )
        if as_json:
            print(json.dumps([hub.present.alert(row).model_dump(mode="json") for row in rows], ensure_ascii=False))
        else:
            hub.view.table([hub.present.alert(row) for row in rows])


@app.command(epilog="Examples: fenceline alerts show 17 | fenceline alerts show 17 --json")
def show(
    id_: Number,
    as_json: AsJson = False,
    district: District = "",
    config: Configuration = FENCELINE,
    lang: LangOption = None,
) -> None:
    """Show an alert with the windows, the limit and the readings on which it rests, and all that was done."""
    with opened(config, lang, district) as hub:
        row = hub.desk.get(id_)
        detail = hub.present.detail(row, hub.desk)
        if as_json:
            print(json.dumps(detail.model_dump(mode="json"), ensure_ascii=False))
            return
        hub.view.detail(detail, hub.present.windows(row, hub.desk), hub.present.told(row, hub.desk))


@app.command(
    epilog="Examples: fenceline alerts evidence 17 | fenceline alerts evidence 17 --json > case-2026-311.jsonl"
)
def evidence(
    id_: Number,
    most: Annotated[int, typer.Option(help="How many messages at most.", min=1, max=100_000)] = 1000,
    after: Annotated[int, typer.Option(help="Only messages behind this offset of the log.", min=0, max=MOST)] = 0,
    as_json: AsJson = False,
    district: District = "",
    config: Configuration = FENCELINE,
    lang: LangOption = None,
) -> None:
    """Show what proves an alert: limit, windows and the boards' messages, and whether the MAC of each is right.

    With --json one object for each message, its `payload` verbatim. The exit code is 1 if a MAC is wrong.
    """
    with opened(config, lang, district) as hub:
        row = hub.desk.get(id_)
        page = hub.present.messages(row, hub.desk, after, most)
        if not as_json:
            hub.view.evidence(hub.present.detail(row, hub.desk), hub.present.windows(row, hub.desk), page)
    if as_json:
        for message in page.messages:
            print(json.dumps(message.model_dump(mode="json"), ensure_ascii=False))
    if any(message.authentic is False for message in page.messages):
        raise typer.Exit(1)


@app.command(epilog="Example: fenceline alerts ack 17 --text 'Inspector is on the way'")
def ack(
    id_: Number,
    text: Remark = "",
    who: Doer = "",
    district: District = "",
    config: Configuration = FENCELINE,
    lang: LangOption = None,
) -> None:
    """Take an alert in hand: it is not escalated any more."""
    with opened(config, lang, district) as hub:
        _report(hub, hub.desk.acknowledge(id_, doer(who), text))


@app.command(epilog="Example: fenceline alerts comment 17 'The foreman was informed'")
def comment(
    id_: Number,
    text: Annotated[str, typer.Argument(help="What is to be noted.", show_default=False)],
    who: Doer = "",
    district: District = "",
    config: Configuration = FENCELINE,
    lang: LangOption = None,
) -> None:
    """Add a remark to an alert."""
    with opened(config, lang, district) as hub:
        _report(hub, hub.desk.comment(id_, doer(who), text))


@app.command(epilog="Example: fenceline alerts close 17 --text 'Fined, case 2026-311'")
def close(
    id_: Number,
    text: Remark = "",
    who: Doer = "",
    district: District = "",
    config: Configuration = FENCELINE,
    lang: LangOption = None,
) -> None:
    """Put an alert away. One that is not resolved needs --text with the reason."""
    with opened(config, lang, district) as hub:
        _report(hub, hub.desk.close(id_, doer(who), text, admin=True, field="--text"))


@maintenance.command("list", epilog="Example: fenceline alerts maintenance list")
def list_maintenance(
    as_json: AsJson = False, district: District = "", config: Configuration = FENCELINE, lang: LangOption = None
) -> None:
    """List the maintenance windows that are not over, the next first."""
    with opened(config, lang, district) as hub:
        windows = [hub.present.maintenance(row) for row in hub.desk.maintenance.coming()]
        if as_json:
            print(json.dumps([one.model_dump(mode="json", by_alias=True) for one in windows], ensure_ascii=False))
        else:
            hub.view.maintenance(windows)


@maintenance.command(
    epilog="Example: fenceline alerts maintenance add tower --board fence-1 --hours 2 --reason 'Calibration'"
)
def add(
    site: Annotated[str, typer.Argument(help="Of which site.", show_default=False)],
    reason: Annotated[str, typer.Option(help="Why; it stands in the audit trail.", show_default=False)],
    hours: Annotated[float, typer.Option(help="How long.", min=0.01, max=2208)] = 2.0,
    begins: Annotated[
        str, typer.Option("--from", help="When, in local time: 2026-12-01T22:00.", show_default="now")
    ] = "",
    board: Annotated[str, typer.Option(help="Only this board.", show_default="every board of the site")] = "",
    who: Doer = "",
    district: District = "",
    config: Configuration = FENCELINE,
    lang: LangOption = None,
) -> None:
    """Tell nobody of what happens at a site for a while; it is recorded nevertheless."""
    with opened(config, lang, district) as hub:
        check_place(hub.registry, site, board)
        start = _local(begins, hub.registry) if begins else time.time()
        row = hub.desk.maintenance.add(site, board, start, start + 3600 * hours, reason, doer(who))
        hub.view.maintenance([hub.present.maintenance(row)])


@maintenance.command(epilog="Example: fenceline alerts maintenance remove 3")
def remove(
    id_: Annotated[
        int, typer.Argument(metavar="NUMBER", help="The window's number.", min=1, max=MOST, show_default=False)
    ],
    who: Doer = "",
    district: District = "",
    config: Configuration = FENCELINE,
    lang: LangOption = None,
) -> None:
    """Take a maintenance window back; it stays on record."""
    with opened(config, lang, district) as hub:
        hub.desk.maintenance.remove(id_, doer(who))
        print(hub.view.text("removed", id=id_))


@contextmanager
def opened(config: Path, lang: Lang | None, district: str = "") -> Iterator[Opened]:
    """Open the alerts of the hub at `config`; of the hub of a district, where each has its own."""
    lang = lang or system_language()
    try:
        settings = load_config(config)
        registry, quantities = load_registry(settings), load_quantities()
        limits = by_rule(load_limits(quantities=quantities))
        path = compliance_of(settings, district)
        if not path.exists():
            raise UserError(NOT_THERE.into(lang).format(path=path, config=config))
        with closing(open_compliance(path, PART)) as db:
            yield Opened(
                Desk(db, time.time), Presenter(settings, registry, limits, quantities, lang), View(lang), registry
            )
    except (ConfigError, DatabaseError, CatalogueError) as error:
        raise UserError(str(error)) from error
    except DeskError as error:
        field = {"id": "", "text": "TEXT: "}.get(error.field, f"--{error.field.lstrip('-')}: ")
        raise UserError(f"{field}{error.text.into(lang)}") from error


def _report(hub: Opened, alert: Alert) -> None:
    print(hub.view.text("done", id=alert.id, state=hub.present.alert(alert).state_name))


def _local(text: str, registry: Registry) -> float:
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise UserError(f"--from {text}: expected a local date and time such as 2026-12-01T22:00") from None
    return (when if when.tzinfo else when.replace(tzinfo=registry.zone)).timestamp()
