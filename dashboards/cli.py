"""`fenceline grafana`: writes dashboards and alert rules, tells whether they are current, brings them to a Grafana."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from dashboards import alerting, basemap, generate, grafana_cli
from dashboards.alerting import Wording
from dashboards.texts import Lang
from hub.terminal.commands import command, group, option
from schemas.errors import UserError
from schemas.language import Text

app = group(
    Text("Dashboards and alert rules as code, in English and Chinese.", "以代码管理的看板和告警规则，中英双语。"),
    "fenceline grafana push --url https://grafana.city.example:3000 --token-file token",
    "fenceline grafana check",
)

grafana_cli.mount(app)


@command(
    app,
    "build",
    Text(
        "Write the dashboards and the alert rules as JSON files for Grafana's provisioning.",
        "将看板和告警规则写成供 Grafana 自动加载的 JSON 文件。",
    ),
    "fenceline grafana build",
    "fenceline grafana build --lang zh --out city --alert-rules city-alerts",
    "fenceline grafana build --check",
    "fenceline grafana build --out city --tiles https://tiles.city.example/{z}/{x}/{y}.png --gcj02",
    lang=False,
)
def build(
    lang: Annotated[
        Lang | None,
        option(Text("Only the dashboards in this language.", "仅限该语言的看板。"), show_default=Text("all", "全部")),
    ] = None,
    out: Annotated[
        Path,
        option(
            Text("Folder that gets en/ and zh/.", "存放 en/ 和 zh/ 的目录。"),
            show_default=Text("dashboards/generated", "dashboards/generated"),
        ),
    ] = generate.FOLDER,
    alert_rules: Annotated[
        Path,
        option(
            Text(
                "Folder that gets en/, zh/ and both/ with Grafana's alerting.",
                "存放 Grafana 告警配置 en/、zh/ 和 both/ 的目录。",
            ),
            show_default=Text("dashboards/provisioning", "dashboards/provisioning"),
        ),
    ] = alerting.FOLDER,
    tiles: basemap.Tiles = "",
    attribution: basemap.Attribution = "",
    gcj02: basemap.Gcj02 = False,
    districts: basemap.Districts = "",
    check: Annotated[
        bool,
        option(
            Text("Write nothing; exit code 1 names what is not current.", "不写入；有过期文件时列出，退出码为 1。"),
            "--check",
        ),
    ] = False,
) -> None:
    """Write the dashboards and the alert rules."""
    below = basemap.Basemap(tiles, attribution, gcj02, districts).checked()
    languages = [lang] if lang else Lang
    texts = {out / path: text for one in languages for path, text in generate.files(one, below).items()}
    if out == generate.FOLDER or alert_rules != alerting.FOLDER:
        for wording in [Wording(lang)] if lang else Wording:
            texts |= {alert_rules / path: text for path, text in alerting.files(wording).items()}
    try:
        stale = [path for path, text in texts.items() if not path.exists() or path.read_text("utf-8") != text]
        if not check:
            for path in stale:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(texts[path], "utf-8")
    except OSError as error:
        raise UserError(f"{error.filename}: {error.strerror}; give --out a folder that can be written.") from error
    for path in stale:
        if check:
            print(f"{path} is not what the code gives: run `fenceline grafana build`", file=sys.stderr)
        else:
            print(f"{path} written")
    if check and stale:
        raise typer.Exit(1)
