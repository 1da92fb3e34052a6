"""`fenceline grafana push` and `check`: into a Grafana that runs, and whether it answers."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from dashboards import alerting, basemap
from dashboards.alerting import Wording
from dashboards.contact import read_contact
from dashboards.generate import files
from dashboards.grafana import Grafana, read_token
from dashboards.panel_check import Asked, ask_all, of_rules, parse_span, questions
from dashboards.push import SECRET, Action, Database, PushStep, plan
from dashboards.texts import Lang
from hub.terminal.commands import argument, command, option
from hub.terminal.json_lines import print_object
from hub.terminal.options import FENCELINE, AsJson, Config
from hub.terminal.tables import Cell, say, table
from schemas.errors import UserError
from schemas.language import Text, tell

Url = Annotated[
    str,
    option(
        Text(
            "Grafana's address, such as https://grafana.city.example:3000.",
            "Grafana 的地址，如 https://grafana.city.example:3000。",
        ),
        "--url",
        envvar="GRAFANA_URL",
    ),
]
TokenFile = Annotated[
    Path | None,
    option(
        Text("File with the token of a service account.", "存放服务账号令牌的文件。"),
        show_default=Text("GRAFANA_TOKEN in the environment", "环境变量 GRAFANA_TOKEN"),
    ),
]
Authority = Annotated[
    Path | None,
    option(
        Text("Certificate of the authority that Grafana's is from.", "签发 Grafana 证书的机构证书。"),
        "--ca",
        show_default=Text("the system's", "系统自带"),
    ),
]
Languages = Annotated[
    Wording,
    option(Text("Whose dashboards, and the alert rules' wording.", "看板的语言，以及告警规则的用语。"), "--lang"),
]
NONE = Text("none", "无")

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
    "message template": Text("message template", "消息模板"),
    "contact point": Text("contact point", "联络点"),
    "alert rule": Text("alert rule", "告警规则"),
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


PUSH = Text(
    """Bring data source, dashboards and alert rules into a Grafana that runs, as often as you like.

    A second push changes nothing. Dashboards, rules, contact points and policies of yours stay as they are.""",
    """将数据源、看板和告警规则送入运行中的 Grafana，可重复执行。

    再次推送不会有变化。您自己的看板、规则、联络点和策略保持不变。""",
)
CHECK = Text(
    """Ask a Grafana that runs whether its data source is well and every query of every panel and rule is answered.

    The exit code is 1 if one is not, else 0. A panel without data is told, and is no failure.""",
    """检查运行中的 Grafana：数据源是否正常，各面板和规则的每个查询是否有应答。

    有未应答的查询时退出码为 1，否则为 0。无数据的面板会列出，不算失败。""",
)


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
    dry_run: Annotated[
        bool, option(Text("Change nothing; show what would change.", "不作更改，仅显示将有的更改。"), "--dry-run")
    ] = False,
    store_url: Annotated[
        str,
        option(
            Text(
                "InfluxDB's address as Grafana reaches it. Without it the data source stays as it is.",
                "Grafana 访问 InfluxDB 的地址。不提供则数据源保持不变。",
            ),
            show_default=NONE,
        ),
    ] = "",
    store_database: Annotated[
        str,
        option(
            Text("Its database (InfluxDB 2: the bucket's DBRP name).", "数据库名（InfluxDB 2：存储桶的 DBRP 名称）。")
        ),
    ] = "fenceline",
    store_user: Annotated[str, option(Text("Who may read there.", "有读取权限的用户。"), show_default=NONE)] = "",
    store_password_file: Annotated[
        Path | None, option(Text("File with that user's password.", "存放该用户密码的文件。"), show_default=NONE)
    ] = None,
    contact: Annotated[
        Path | None,
        option(
            Text(
                "TOML file that names whom alerts reach; deploy/README.md shows one.",
                "指定告警接收人的 TOML 文件，示例见 deploy/README.md。",
            ),
            show_default=NONE,
        ),
    ] = None,
    alerts: Annotated[
        bool,
        option(
            Text("Bring alert rules, contact point and policy, too.", "同时推送告警规则、联络点和策略。"),
            "--alerts/--no-alerts",
        ),
    ] = True,
    tiles: basemap.Tiles = "",
    attribution: basemap.Attribution = "",
    gcj02: basemap.Gcj02 = False,
    districts: basemap.Districts = "",
    ca: Authority = None,
    as_json: AsJson = False,
) -> None:
    """Bring everything into a Grafana that runs."""
    database = _database(store_url, store_database, store_user, store_password_file)
    told = read_contact(contact) if contact else None
    below = basemap.Basemap(tiles, attribution, gcj02, districts).checked()
    languages = list(Lang) if lang is Wording.BOTH else [Lang(lang)]
    with Grafana(url, read_token(token_file), ca) as grafana:
        with _progress(Text("comparing", "比对"), None) as bar:
            steps = []
            for step in plan(grafana, languages, lang, database, told, alerts=alerts, basemap=below):
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
        print_object({"dry_run": dry_run, "grafana": grafana.version, "changes": changes_of(steps), "steps": rows})
    else:
        _show_steps(grafana, steps, dry_run)


def check(
    url: Url,
    token_file: TokenFile = None,
    lang: Languages = Wording.BOTH,
    begin: Annotated[
        str,
        option(Text("Begin of the time range, as Grafana writes it.", "时间范围的起点，按 Grafana 的写法。"), "--from"),
    ] = "now-24h",
    end: Annotated[str, option(Text("Its end.", "时间范围的终点。"), "--to")] = "now",
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
        print_object({"ok": ok, "datasource": health or "ok", "queries": rows})
    else:
        _show_answers(health, answers, failed)
    raise typer.Exit(1 if health or failed else 0)


class Coordinates(StrEnum):
    """Which coordinates a file has."""

    WGS84 = "wgs84"
    GCJ02 = "gcj02"
    BD09 = "bd09"


def write_districts(
    file: Annotated[str, argument(Text("FILE.geojson, or - for standard output.", "文件，- 表示标准输出。"), "FILE")],
    coordinates: Annotated[
        Coordinates, option(Text("Which coordinates the outlines have.", "边界文件的坐标系。"))
    ] = Coordinates.WGS84,
    gcj02: basemap.Gcj02 = False,
    config: Config = FENCELINE,
) -> None:
    """Write the districts."""
    from dashboards.districts import districts
    from hub.config.files import load_config
    from hub.registry.live import load_entries

    settings = load_config(config)
    named = load_entries(settings).districts
    text = districts(named, settings.registry.parent, coordinates.value, gcj02=gcj02)
    if file == "-":
        sys.stdout.write(text)
        return
    try:
        Path(file).write_text(text, "utf-8")
    except OSError as error:
        raise UserError(f"{file}: {error.strerror}; name a file that can be written") from error
    print(file)


DISTRICTS = Text(
    """Write the registry's districts as GeoJSON for the map's layer of districts (push --districts).

    A district's `outline` names a GeoJSON file beside the registry. The file that is written goes where Grafana serves
    it, such as public/maps/.""",
    """将登记册中的区县导出为 GeoJSON，用作地图的区县图层（push --districts）。

    区县的 outline 指定登记册旁的 GeoJSON 边界文件。导出的文件放在 Grafana 可提供的位置，如 public/maps/。""",
)


def mount(app: typer.Typer) -> None:
    """Add the commands."""
    command(
        app,
        "push",
        PUSH,
        "fenceline grafana push --url https://grafana.city.example:3000 --token-file token --dry-run",
        "fenceline grafana push --lang zh --contact contact.toml",
        "fenceline grafana push --store-url http://influxdb:8086 --store-user grafana --store-password-file password",
        lang=False,
    )(push)
    command(
        app,
        "check",
        CHECK,
        "fenceline grafana check --url https://grafana.city.example:3000 --token-file token --ca ca.crt",
        "fenceline grafana check --lang zh --from now-7d --json",
        lang=False,
    )(check)
    command(
        app,
        "districts",
        DISTRICTS,
        "fenceline grafana districts districts.geojson",
        "fenceline grafana districts districts.geojson --coordinates gcj02 --gcj02",
    )(write_districts)


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
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    # On standard error, and only on a terminal: standard output is for the result.
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        label = tell(what)
        task = bar.add_task(label, total=total)
        yield lambda name: bar.update(task, advance=1, description=f"{label} {name}")


def changes_of(steps: list[PushStep]) -> int:
    """Return how much changes; what is only sent again because nobody can compare it is no change."""
    return sum(step.apply is not None and step.note is not SECRET for step in steps)


def _show_steps(grafana: Grafana, steps: list[PushStep], dry_run: bool) -> None:
    rows = []
    for step in steps:
        done, would, style = ACTIONS[step.action]
        said = Cell(tell(would if dry_run else done), style)
        rows.append((tell(KINDS[step.kind]), step.name, said, tell(step.note) if step.note else ""))
    table((), rows, whole=(0, 1, 2))
    number = changes_of(steps)
    end = Text(
        f"{number} change(s) in Grafana {grafana.version} at {grafana.url}" + (", none made" if dry_run else ""),
        f"{grafana.url}（Grafana {grafana.version}）：{number}项更改" + ("，均未执行" if dry_run else ""),
    )
    say(Cell(tell(end), "bold"))


def _show_answers(health: str, answers: list[Asked], failed: int) -> None:
    if health:
        told = Text(
            f"The data source is not well, so no query was asked: {health}", f"数据源异常，未执行查询：{health}"
        )
        say(Cell(tell(told), "bold red"))
        return
    rows = []
    for asked in answers:
        state = Answer.FAILED if asked.problem else Answer.FOUND if asked.rows else Answer.EMPTY
        said, style = ANSWERS[state]
        result = Cell(tell(said) + (f" {asked.problem}" if asked.problem else ""), style)
        rows.append((asked.dashboard, asked.panel, asked.query, str(asked.rows), f"{asked.seconds:.2f} s", result))
    table([tell(column) for column in COLUMNS], rows, numbers=(3, 4))
    empty = sum(not asked.rows and not asked.problem for asked in answers)
    end = Text(
        f"{len(answers)} queries asked, {failed} failed, {empty} without data.",
        f"共{len(answers)}个查询，失败{failed}个，无数据{empty}个。",
    )
    say(Cell(tell(end), "bold"))
