"""`fenceline check`: explains everything that is in the hub's way."""

from typing import TYPE_CHECKING, Annotated

import typer

from hub.terminal.commands import alone, command, option
from hub.terminal.json_lines import print_object
from hub.terminal.options import FENCELINE, AsJson, Config
from hub.terminal.tables import Cell, say, table
from schemas.language import Text, tell

if TYPE_CHECKING:
    from hub.upkeep.checks import Finding

app = alone()

SHOWN = {
    "ok": (Text("ok", "正常"), "green"),
    "warning": (Text("warning", "注意"), "yellow"),
    "problem": (Text("PROBLEM", "问题"), "bold red"),
    "skipped": (Text("skipped", "略过"), "dim"),
}


@command(
    app,
    "check",
    Text(
        """Explain every problem of a hub: its files, certificates, data folder, broker, store, HTTP port.

        It changes nothing, sends nobody anything, and can be used while the hub runs. Every page of the databases is
        read, which takes as long as reading the files. The exit code is 1 if there is a problem, else 0.""",
        """检查数据中心的全部问题：文件、证书、数据目录、消息代理、存储、HTTP 端口。

        不作任何更改，不向任何人发送消息，可在数据中心运行时使用。会读取数据库的每一页，耗时与读取文件相同。
        有问题时退出码为 1，否则为 0。""",
    ),
    "fenceline check",
    "fenceline check --config /etc/fenceline/fenceline.toml --lang zh",
    "fenceline check --quick --json",
)
def check_command(
    config: Config = FENCELINE,
    quick: Annotated[
        bool,
        option(
            Text("Of large databases, look only at the end.", "大型数据库仅检查末尾部分。"),
            "--quick",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run every check and show what was found."""
    from hub.upkeep.checks import FindingState, check

    findings = check(config, quick=quick)
    problems = sum(finding.state is FindingState.problem for finding in findings)
    if as_json:
        rows = [_row(finding) for finding in findings]
        print_object({"ok": not problems, "problems": problems, "findings": rows})
    else:
        _show(findings, problems)
    raise typer.Exit(1 if problems else 0)


def _row(finding: "Finding") -> dict[str, str]:
    row = {"name": finding.name, "state": finding.state.value, "text": tell(finding.text)}
    return row | ({"remedy": tell(finding.remedy)} if finding.remedy else {})


def _show(findings: list["Finding"], problems: int) -> None:
    from hub.upkeep.checks.finding import shown

    rows = []
    for finding in findings:
        state, style = SHOWN[finding.state.value]
        text = tell(finding.text)
        if finding.remedy:
            text += f"\n-> {tell(finding.remedy)}"
        rows.append((Cell(tell(state), style), tell(shown(finding.name)), text))
    table((), rows, whole=(0, 1))
    if problems:
        end = Text(f"{problems} problem(s); the hub needs them mended.", f"{problems} 个问题，需要处理。")
    else:
        end = Text("All is well.", "一切正常。")
    say(Cell(tell(end), "bold"))
