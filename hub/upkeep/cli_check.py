"""`fenceline check`: explains everything that is in the hub's way."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text as RichText

from hub.upkeep.checks import Finding, State, check
from schemas.language import Lang, Text, system_language
from schemas.language_option import LangOption

app = typer.Typer(add_completion=False)

SHOWN = {
    State.ok: (Text("ok", "正常"), "green"),
    State.warning: (Text("warning", "注意"), "yellow"),
    State.problem: (Text("PROBLEM", "问题"), "bold red"),
    State.skipped: (Text("skipped", "略过"), "dim"),
}


@app.command(
    name="check",
    help="""Explain every problem of a hub: its files, certificates, data folder, broker, store, HTTP port.

It changes nothing, sends nobody anything, and can be used while the hub runs. \
The exit code is 1 if there is a problem, else 0.

Examples: fenceline check | fenceline check --config /etc/fenceline/fenceline.toml --lang zh | fenceline check --json
""",
)
def check_command(
    config: Annotated[Path, typer.Option(help="The hub's configuration.")] = Path("fenceline.toml"),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object for programs.")] = False,
    lang: LangOption = None,
) -> None:
    """Run every check and show what was found."""
    lang = lang or system_language()
    findings = check(config)
    problems = sum(finding.state is State.problem for finding in findings)
    if as_json:
        rows = [_row(finding, lang) for finding in findings]
        print(json.dumps({"ok": not problems, "problems": problems, "findings": rows}, ensure_ascii=False))
    else:
        _show(findings, problems, lang)
    raise typer.Exit(1 if problems else 0)


def _row(finding: Finding, lang: Lang) -> dict[str, str]:
    row = {"name": finding.name, "state": finding.state.value, "text": finding.text.into(lang)}
    return row | ({"remedy": finding.remedy.into(lang)} if finding.remedy else {})


def _show(findings: list[Finding], problems: int, lang: Lang) -> None:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in findings:
        state, style = SHOWN[finding.state]
        text = finding.text.into(lang)
        if finding.remedy:
            text += f"\n-> {finding.remedy.into(lang)}"
        table.add_row(RichText(state.into(lang), style), finding.name, RichText(text, ""))
    console = Console(highlight=False)
    console.print(table)
    if problems:
        end = Text(f"{problems} problem(s); the hub needs them mended.", f"{problems} 个问题，需要处理。")
    else:
        end = Text("All is well.", "一切正常。")
    console.print(RichText(end.into(lang), "bold"))
