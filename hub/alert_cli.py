"""`fenceline alerts`: alerts looked at and worked on at the hub's machine, without the HTTP API."""

import getpass
import json
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text as RichText

from fenceline import UserError
from hub.alert_book import Row
from hub.alert_desk import Desk, DeskError
from hub.alert_present import Presenter, by_rule
from hub.compliance import STEPS
from hub.config import ConfigError, load_config
from hub.database import DatabaseError, open_database
from hub.language import Lang, LangOption, Text, system_language
from hub.registry import load_registry
from schemas import load_limits, load_quantities

app = typer.Typer(add_completion=False, no_args_is_help=True)

Configuration = Annotated[Path, typer.Option("--config", help="The hub's configuration.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Number = Annotated[int, typer.Argument(metavar="ALERT", help="The alert's number.", show_default=False)]
Remark = Annotated[str, typer.Option("--text", help="What is to stand with it in the audit trail.")]
Doer = Annotated[str, typer.Option("--as", help="Who does it.", show_default="the system's user")]
FENCELINE = Path("fenceline.toml")

TEXTS = {
    "id": Text("No.", "编号"),
    "opened": Text("Opened", "时间"),
    "state": Text("State", "状态"),
    "severity": Text("Severity", "级别"),
    "site": Text("Site", "场所"),
    "board": Text("Board", "设备"),
    "rule": Text("Rule", "规则"),
    "value": Text("Value", "数值"),
    "limit": Text("Limit", "限值"),
    "none": Text("no alerts", "没有告警"),
    "steps": Text("What was done", "处理记录"),
    "windows": Text("Windows", "评价时段"),
    "notifications": Text("Notifications", "通知"),
    "readings": Text("{n} readings: fenceline alerts show {id} --json", "{n}条读数：fenceline alerts show {id} --json"),
    "done": Text("alert {id}: {state}", "告警{id}：{state}"),
    "suppressed": Text("maintenance", "维护"),
}
STYLES = {"critical": "bold red", "violation": "red", "warning": "yellow", "info": "dim"}


class State(StrEnum):
    """State of an alert; open: not over yet."""

    open = "open"
    pending = "pending"
    firing = "firing"
    acknowledged = "acknowledged"
    resolved = "resolved"
    closed = "closed"
    withdrawn = "withdrawn"


@dataclass(frozen=True, slots=True)
class Opened:
    """The alerts of a hub, and how they are shown."""

    desk: Desk
    present: Presenter
    lang: Lang

    def text(self, key: str) -> str:
        """Return a text in the language."""
        return TEXTS[key].into(self.lang)


@app.callback()
def alerts() -> None:
    """Alerts: see, acknowledge, comment and close them. Whoever may write the hub's data folder may do it all."""


@app.command(
    "list", epilog="Examples: fenceline alerts list | fenceline alerts list --state firing --district nanhai --json"
)
def list_(
    state: Annotated[State | None, typer.Option(help="Only those in this state.", show_default="all")] = None,
    district: Annotated[str, typer.Option(help="Only those of this district.", show_default="all")] = "",
    site: Annotated[str, typer.Option(help="Only those of this site.", show_default="all")] = "",
    most: Annotated[int, typer.Option(help="How many at most, the newest first.", min=1)] = 50,
    as_json: AsJson = False,
    config: Configuration = FENCELINE,
    lang: LangOption = None,
) -> None:
    """List alerts, the newest first."""
    with opened(config, lang) as hub:
        rows = hub.desk.find(state=state.value if state else "", district=district, site=site, limit=most)
        if as_json:
            print(json.dumps([hub.present.alert(row).model_dump(mode="json") for row in rows], ensure_ascii=False))
        elif rows:
            _print_table(hub, rows)
        else:
            print(hub.text("none"))


@app.command(epilog="Examples: fenceline alerts show 17 | fenceline alerts show 17 --json")
def show(id_: Number, as_json: AsJson = False, config: Configuration = FENCELINE, lang: LangOption = None) -> None:
    """Show an alert with the windows, the limit and the readings on which it rests, and all that was done."""
    with opened(config, lang) as hub:
        row = hub.desk.get(id_)
        detail = hub.present.detail(row, hub.desk)
        if as_json:
            print(json.dumps(detail.model_dump(mode="json"), ensure_ascii=False))
            return
        console = _console()
        _print_table(hub, [row])
        console.print(RichText(f"\n{detail.text}"), soft_wrap=True)
        if detail.link:
            console.print(RichText(detail.link), soft_wrap=True)
        for key, lines in (
            ("windows", [f"{w.start:%m-%d %H:%M} {w.outcome} {_shown(w.value)}" for w in detail.windows]),
            ("steps", [f"{_when(s.time)} {s.who}: {s.what_name}. {s.detail}".rstrip() for s in detail.steps]),
            ("notifications", [_told(one.recipient, one.step, one.state, one.error) for one in detail.notifications]),
        ):
            if lines:
                console.print(RichText(f"\n{hub.text(key)}", "bold"))
                console.print(RichText("\n".join(f"  {line}" for line in lines)), soft_wrap=True)
        if detail.evidence and detail.evidence.readings is not None:
            n = len(detail.evidence.readings)
            console.print(RichText("\n" + hub.text("readings").format(n=n, id=id_), "dim"), soft_wrap=True)


@app.command(epilog="Example: fenceline alerts ack 17 --text 'Inspector is on the way'")
def ack(
    id_: Number, text: Remark = "", who: Doer = "", config: Configuration = FENCELINE, lang: LangOption = None
) -> None:
    """Take an alert in hand: it is not escalated any more."""
    with opened(config, lang) as hub:
        _report(hub, hub.desk.acknowledge(id_, _doer(who), text))


@app.command(epilog="Example: fenceline alerts comment 17 'The foreman was informed'")
def comment(
    id_: Number,
    text: Annotated[str, typer.Argument(help="What is to be noted.", show_default=False)],
    who: Doer = "",
    config: Configuration = FENCELINE,
    lang: LangOption = None,
) -> None:
    """Add a remark to an alert."""
    with opened(config, lang) as hub:
        _report(hub, hub.desk.comment(id_, _doer(who), text))


@app.command(epilog="Example: fenceline alerts close 17 --text 'Fined, case 2026-311'")
def close(
    id_: Number, text: Remark = "", who: Doer = "", config: Configuration = FENCELINE, lang: LangOption = None
) -> None:
    """Put an alert away. One that is not resolved needs --text with the reason."""
    with opened(config, lang) as hub:
        _report(hub, hub.desk.close(id_, _doer(who), text, admin=True))


@contextmanager
def opened(config: Path, lang: Lang | None) -> Iterator[Opened]:
    """Open the alerts of the hub at `config`."""
    lang = lang or system_language()
    try:
        settings = load_config(config)
        registry, quantities = load_registry(settings), load_quantities()
        limits = by_rule(load_limits(quantities=quantities))
        with closing(open_database(settings.data / "compliance.db", STEPS)) as db:
            yield Opened(Desk(db, time.time), Presenter(settings, registry, limits, quantities, lang), lang)
    except (ConfigError, DatabaseError) as error:
        raise UserError(str(error)) from error
    except DeskError as error:
        field = {"id": "", "text": "TEXT: ", "reason": "--text: "}.get(error.field, f"{error.field}: ")
        raise UserError(f"{field}{error.text.into(lang)}") from error


def _doer(given: str) -> str:
    return given.strip() or getpass.getuser()


def _report(hub: Opened, row: Row) -> None:
    print(hub.text("done").format(id=row["id"], state=hub.present.alert(row).state_name))


def _print_table(hub: Opened, rows: list[Row]) -> None:
    table = Table(box=None, pad_edge=False)
    for key in ("id", "opened", "state", "severity", "site", "board", "rule", "value", "limit"):
        table.add_column(hub.text(key), overflow="fold", justify="right" if key in {"id", "value", "limit"} else "left")
    for row in rows:
        alert = hub.present.alert(row)
        state = f"{alert.state_name} ({hub.text('suppressed')})" if alert.maintenance else alert.state_name
        limit = "-" if alert.limit is None else f"{alert.limit:g} {alert.unit}"
        cells = (str(alert.id), _when(alert.opened), state)
        rest = (alert.site_name, alert.board, alert.rule, _shown(alert.value), limit)
        severity = RichText(alert.severity_name, STYLES[alert.severity])
        table.add_row(*map(RichText, cells), severity, *map(RichText, rest))
    _console().print(table)


def _console() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=200)


def _when(time_: datetime) -> str:
    return f"{time_:%Y-%m-%d %H:%M:%S}"


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _told(recipient: str, step: int, state: str, error: str | None) -> str:
    return f"{recipient}: #{step} {state}{f' ({error})' if error else ''}"
