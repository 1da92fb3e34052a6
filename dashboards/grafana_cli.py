"""`fenceline grafana push` and `check`: into a Grafana that runs, and whether it answers."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text as RichText

from dashboards import alerting
from dashboards.alerting import Wording
from dashboards.contact import read_contact
from dashboards.generate import files
from dashboards.grafana import Grafana, read_token
from dashboards.panel_check import Asked, ask_all, of_rules, parse_span, questions
from dashboards.push import Action, Database, Step, plan
from dashboards.texts import Lang
from schemas.errors import UserError
from schemas.language import Text, system_language

Url = Annotated[
    str,
    typer.Option("--url", envvar="GRAFANA_URL", help="Grafana's address, such as https://grafana.city.example:3000."),
]
TokenFile = Annotated[
    Path | None,
    typer.Option(
        help="File with the token of a service account; without it GRAFANA_TOKEN from the environment.",
        show_default=False,
    ),
]
Authority = Annotated[
    Path | None, typer.Option("--ca", help="Certificate of the authority that Grafana's is from.", show_default=False)
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Languages = Annotated[Wording, typer.Option("--lang", help="Whose dashboards, and the alert rules' wording.")]

ACTIONS = {
    Action.CREATE: (Text("created", "已创建"), Text("would be created", "将创建"), "green"),
    Action.UPDATE: (Text("updated", "已更新"), Text("would be updated", "将更新"), "yellow"),
    Action.KEEP: (Text("as it should be", "无需更改"), Text("as it should be", "无需更改"), "dim"),
    Action.LEAVE: (Text("left alone", "未更改"), Text("left alone", "不更改"), "cyan"),
}
KINDS = {
    "data source": Text("data source", "数据源"),
    "folder": Text("folder", "文件夹"),
    "dashboard": Text("dashboard", "看板"),
    "contact point": Text("contact point", "联络点"),
    "alert rule": Text("alert rule", "报警规则"),
    "rule group": Text("rule group", "规则组"),
    "notification policy": Text("notification policy", "通知策略"),
}
COLUMNS = (
    Text("Dashboard", "看板"),
    Text("Panel", "面板"),
    Text("Query", "查询"),
    Text("Rows", "行数"),
    Text("Time", "耗时"),
    Text("Result", "结果"),
)


PUSH = """Bring data source, dashboards and alert rules into a Grafana that runs, as often as you like.

A second push changes nothing. Dashboards, rules, contact points and policies of yours stay as they are.

Examples:

  fenceline grafana push --url https://grafana.city.example:3000 --token-file token --dry-run

  fenceline grafana push --lang zh --contact contact.toml          GRAFANA_URL and GRAFANA_TOKEN in the environment

  fenceline grafana push --store-url http://influxdb:8086 --store-user grafana --store-password-file password
"""
CHECK = """Ask a Grafana that runs whether its data source is well and every query of every panel and rule is answered.

The exit code is 1 if one is not, else 0. A panel without data is told, and is no failure.

Examples:

  fenceline grafana check --url https://grafana.city.example:3000 --token-file token --ca ca.crt

  fenceline grafana check --lang zh --from now-7d --json
"""


class Answer(StrEnum):
    """What came of a query."""

    FOUND = "ok"
    EMPTY = "empty"
    FAILED = "failed"


ANSWERS = {
    Answer.FOUND: (Text("ok", "正常"), "green"),
    Answer.EMPTY: (Text("no data", "无数据"), "yellow"),
    Answer.FAILED: (Text("FAILED", "失败"), "bold red"),
}


def push(
    url: Url,
    token_file: TokenFile = None,
    lang: Languages = Wording.BOTH,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing; show what would change.")] = False,
    store_url: Annotated[
        str, typer.Option(help="InfluxDB's address as Grafana reaches it. Without it the data source stays as it is.")
    ] = "",
    store_database: Annotated[
        str, typer.Option(help="Its database (InfluxDB 2: the bucket's DBRP name).")
    ] = "fenceline",
    store_user: Annotated[str, typer.Option(help="Who may read there.")] = "",
    store_password_file: Annotated[
        Path | None, typer.Option(help="File with that user's password.", show_default=False)
    ] = None,
    contact: Annotated[
        Path | None,
        typer.Option(help="TOML file that names whom alerts reach; deploy/README.md shows one.", show_default=False),
    ] = None,
    alerts: Annotated[bool, typer.Option(help="Bring alert rules, contact point and policy, too.")] = True,
    ca: Authority = None,
    as_json: AsJson = False,
) -> None:
    """Bring everything into a Grafana that runs."""
    database = _database(store_url, store_database, store_user, store_password_file)
    told = read_contact(contact) if contact else None
    languages = list(Lang) if lang is Wording.BOTH else [Lang(lang)]
    with Grafana(url, read_token(token_file), ca) as grafana:
        with _progress(Text("comparing", "比对"), None) as bar:
            steps = []
            for step in plan(grafana, languages, lang, database, told, alerts=alerts):
                steps.append(step)
                bar(step.name)
        waiting = [step for step in steps if step.apply is not None]
        if not dry_run:
            with _progress(Text("writing", "写入"), len(waiting)) as bar:
                for step in waiting:
                    assert step.apply is not None
                    step.apply()
                    bar(step.name)
    if as_json:
        rows = [{"kind": step.kind, "name": step.name, "action": step.action.value} for step in steps]
        print(json.dumps({"dry_run": dry_run, "grafana": grafana.version, "changes": len(waiting), "steps": rows}))
    else:
        _show_steps(grafana, steps, dry_run)


def check(
    url: Url,
    token_file: TokenFile = None,
    lang: Languages = Wording.BOTH,
    begin: Annotated[str, typer.Option("--from", help="Begin of the time range, as Grafana writes it.")] = "now-24h",
    end: Annotated[str, typer.Option("--to", help="Its end.")] = "now",
    ca: Authority = None,
    as_json: AsJson = False,
) -> None:
    """Ask every query."""
    asked_span = parse_span(begin, end, time.time())
    with Grafana(url, read_token(token_file), ca) as grafana:
        health = _health(grafana)
        boards = [*_boards(grafana, list(Lang) if lang is Wording.BOTH else [Lang(lang)]), of_rules(lang)]
        answers: list[Asked] = []
        total = sum(len(questions(board)) + len(board.get("templating", {}).get("list", ())) for board in boards)
        if not health:
            with _progress(Text("asking", "查询"), total) as bar:
                for board in boards:
                    for asked in ask_all(grafana, board, asked_span):
                        answers.append(asked)
                        bar(f"{asked.dashboard}: {asked.panel}")
    failed = sum(bool(asked.problem) for asked in answers)
    if as_json:
        rows = [asked._asdict() | {"seconds": round(asked.seconds, 3)} for asked in answers]
        ok = not health and not failed
        print(json.dumps({"ok": ok, "datasource": health or "ok", "queries": rows}, ensure_ascii=False))
    else:
        _show_answers(health, answers, failed)
    raise typer.Exit(1 if health or failed else 0)


def _database(url: str, name: str, user: str, password_file: Path | None) -> Database | None:
    if not url:
        if user or password_file:
            raise UserError(
                "--store-user and --store-password-file say nothing without --store-url; give InfluxDB's address"
            )
        return None
    if bool(user) != bool(password_file):
        raise UserError("--store-user and --store-password-file belong together; give both, or neither")
    password = ""
    if password_file is not None:
        try:
            password = password_file.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            told = error.strerror if isinstance(error, OSError) else "it is not text"
            raise UserError(f"--store-password-file {password_file}: cannot be read ({told})") from error
    return Database(url.rstrip("/"), name, user, password)


def _health(grafana: Grafana) -> str:
    """Return what is wrong with the data source; nothing if it is well."""
    uid = alerting.DATASOURCE
    if grafana.get(f"/datasources/uid/{uid}") is None:
        raise UserError(
            f"{grafana.url} has no data source with uid {uid!r}; bring it: fenceline grafana push --store-url ..."
        )
    try:
        answer = grafana.get(f"/datasources/uid/{uid}/health") or {}
    except UserError as error:
        return str(error)
    return "" if answer.get("status") == "OK" else str(answer.get("message", answer))


def _boards(grafana: Grafana, languages: list[Lang]) -> list[dict[str, Any]]:
    """Return our dashboards as Grafana keeps them."""
    boards = []
    for language in languages:
        for text in files(language).values():
            uid = json.loads(text)["uid"]
            found = grafana.get(f"/dashboards/uid/{uid}")
            if found is None:
                raise UserError(f"{grafana.url} has no dashboard with uid {uid!r}; bring it: fenceline grafana push")
            boards.append(found["dashboard"])
    return boards


@contextmanager
def _progress(what: Text, total: int | None) -> Iterator[Any]:
    # On standard error, and only on a terminal: standard output is for the result.
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        label = what.into(system_language())
        task = bar.add_task(label, total=total)
        yield lambda name: bar.update(task, advance=1, description=f"{label} {name}")


def _show_steps(grafana: Grafana, steps: list[Step], dry_run: bool) -> None:
    lang = system_language()
    table = Table(box=None, show_header=False, pad_edge=False)
    for _ in range(4):
        table.add_column(overflow="fold")
    for step in steps:
        done, would, style = ACTIONS[step.action]
        said = (would if dry_run else done).into(lang)
        note = step.note.into(lang) if step.note else ""
        table.add_row(KINDS[step.kind].into(lang), step.name, RichText(said, style), note)
    console = Console(highlight=False)
    console.print(table)
    number = sum(step.apply is not None for step in steps)
    end = Text(
        f"{number} change(s) in Grafana {grafana.version} at {grafana.url}" + (", none made" if dry_run else ""),
        f"{grafana.url}（Grafana {grafana.version}）：{number}项更改" + ("，均未执行" if dry_run else ""),
    )
    console.print(RichText(end.into(lang), "bold"))


def _show_answers(health: str, answers: list[Asked], failed: int) -> None:
    lang = system_language()
    console = Console(highlight=False)
    if health:
        told = Text(
            f"The data source is not well, so no query was asked: {health}", f"数据源异常，未执行查询：{health}"
        )
        console.print(RichText(told.into(lang), "bold red"))
        return
    table = Table(box=None, pad_edge=False)
    for number, column in enumerate(COLUMNS):
        table.add_column(column.into(lang), justify="right" if number in (3, 4) else "left", overflow="fold")
    for asked in answers:
        state = Answer.FAILED if asked.problem else Answer.FOUND if asked.rows else Answer.EMPTY
        said, style = ANSWERS[state]
        result = RichText(said.into(lang), style) + RichText(f" {asked.problem}" if asked.problem else "", "")
        table.add_row(asked.dashboard, asked.panel, asked.query, str(asked.rows), f"{asked.seconds:.2f} s", result)
    console.print(table)
    empty = sum(not asked.rows and not asked.problem for asked in answers)
    end = Text(
        f"{len(answers)} queries asked, {failed} failed, {empty} without data.",
        f"共{len(answers)}个查询，失败{failed}个，无数据{empty}个。",
    )
    console.print(RichText(end.into(lang), "bold"))
