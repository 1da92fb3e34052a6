"""The `fenceline` command: mounts each room's sub-commands and loads only the room that is called.

A user's mistake is a `UserError`: one sentence on standard error and exit code 2, never a traceback.
"""

import importlib
import itertools
import os
import sys

from schemas.errors import UserError
from schemas.language import Lang, Text, speak, tell

COMMANDS = {
    "demo": (
        "sim.city.cli",
        Text(
            "Run a simulated city on this machine: sensors, boards, broker and hub.",
            "在本机运行模拟城市：传感器、设备、消息代理和数据中心。",
        ),
    ),
    "run": (
        "hub.run.cli",
        Text(
            "Run the hub: take the boards' messages, keep, judge and pass on.",
            "运行数据中心：接收、保存、判定并转发设备消息。",
        ),
    ),
    "check": (
        "hub.upkeep.cli_check",
        Text(
            "Explain every problem of a hub: files, certificates, broker, store.",
            "检查数据中心的全部问题：文件、证书、代理、存储。",
        ),
    ),
    "backup": (
        "hub.upkeep.cli_backup",
        Text(
            "Save a hub, also while it runs, as one verified file.", "备份数据中心为一个已校验的文件，可在运行时进行。"
        ),
    ),
    "restore": ("hub.upkeep.cli_restore", Text("Put a backup back.", "恢复备份。")),
    "registry": (
        "hub.registry.cli",
        Text(
            "The city's registry: districts, sites and boards; import, export, retire.",
            "全市登记册：区、站点和设备；导入、导出、停用。",
        ),
    ),
    "things": (
        "hub.things.cli",
        Text(
            "What domain packs declare: vehicles, permits, areas, routes; import, export, history.",
            "领域包声明的对象：车辆、许可证、区域、路线；导入、导出、历史。",
        ),
    ),
    "backtest": (
        "hub.backtest.cli",
        Text("Judge recorded data by the law, without a hub.", "按标准判定历史数据，无需数据中心。"),
    ),
    "limits": (
        "hub.limits.cli",
        Text(
            "The limits of the law: list, show, explain which bind a site.",
            "法定限值：列出、查看、说明哪些约束某站点。",
        ),
    ),
    "quarantine": (
        "hub.intake.cli",
        Text(
            "What the hub could not accept, why, and another chance for it.",
            "数据中心未接受的消息、原因，以及重新判定。",
        ),
    ),
    "alerts": (
        "hub.desk.cli",
        Text("Alerts: list, show, acknowledge, comment, close.", "告警：列出、查看、确认、备注、关闭。"),
    ),
    "notify": ("hub.notify.cli", Text("Prove that alerts reach people.", "验证告警能够送达。")),
    "access": (
        "hub.access.cli",
        Text("Who may use the HTTP API: make and revoke tokens.", "HTTP 接口的访问权限：创建和撤销令牌。"),
    ),
    "board": (
        "firmware.cli",
        Text(
            "The technician's toolkit: from a bare board to a calibrated one.",
            "技术员工具：从空白设备到校准完成。",
        ),
    ),
    "sim": (
        "sim.chip.board_cli",
        Text(
            "Simulated parts to try things out: a board, a chip in download mode.",
            "供试用的模拟部件：设备、下载模式的芯片。",
        ),
    ),
    "grafana": (
        "dashboards.cli",
        Text("Dashboards and alert rules as code: build, push, check.", "以代码管理看板和报警规则：生成、推送、检查。"),
    ),
    "deploy": (
        "deploy.cli",
        Text("A city on one machine: certificates, passwords, tokens.", "单机部署：证书、密码、令牌。"),
    ),
}
"""Where each command is, and what it is for."""

TITLE = Text(
    "Fenceline: noise, dust and emissions at the fence, from the sensor's bytes to the law's clause.",
    "Fenceline：厂界与工地边界的噪声、扬尘和排放监测，从传感器字节到法规条款。",
)
USAGE = Text("Usage: fenceline COMMAND [OPTIONS]", "用法：fenceline 命令 [选项]")
TRY = (
    ("fenceline demo", Text("a simulated city, here, now", "立即在本机运行模拟城市")),
    ("fenceline run --config FILE", Text("the hub", "数据中心")),
    ("fenceline COMMAND --help", Text("everything about one command", "某个命令的全部说明")),
    ("fenceline --lang zh", Text("this help in Chinese", "中文帮助（--lang en：英文）")),
    ("fenceline --install-completion", Text("complete commands and options in your shell", "在终端中自动补全")),
)


def main() -> None:
    """Run the sub-command that the command line names."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["--lang"]:  # before the command it means the same
        arguments = [*arguments[2:], *arguments[:2]]
    elif arguments and arguments[0].startswith("--lang="):
        arguments = [*arguments[1:], arguments[0]]
    # The command's texts are needed before its options are read.
    speak(_language(arguments))
    name = arguments[0] if arguments else "--help"
    if name in ("--install-completion", "--show-completion") or "_FENCELINE_COMPLETE" in os.environ:
        sys.exit(_complete(arguments))
    if name in ("-h", "--help") or name.startswith("--lang"):
        print(_help())
    elif name == "--version":
        from importlib.metadata import version

        print(f"fenceline {version('fenceline')}")
    elif name in COMMANDS:
        sys.exit(_run(name, arguments[1:]))
    else:
        import difflib

        near = difflib.get_close_matches(name, COMMANDS, 1)
        hint = f"did you mean '{near[0]}'?" if near else f"expected one of: {', '.join(COMMANDS)}."
        sys.exit(_refuse(f"there is no command '{name}'; {hint} See 'fenceline --help'."))


def _language(arguments: list[str]) -> Lang | None:
    """Return the language that a command line asks for; what is no language is refused with the other options."""
    for argument, following in itertools.pairwise([*arguments, ""]):
        wanted = following if argument == "--lang" else argument.removeprefix("--lang=")
        if argument.startswith("--lang") and wanted in set(Lang):
            return Lang(wanted)
    return None


def _complete(arguments: list[str]) -> int:
    import fenceline_completion

    try:
        return fenceline_completion.run(arguments)
    except UserError as error:
        return _refuse(str(error))


def _run(name: str, arguments: list[str]) -> int:
    import typer
    from typer.main import get_command

    command = get_command(importlib.import_module(COMMANDS[name][0]).app)
    try:
        return int(command(args=arguments, prog_name=f"fenceline {name}", standalone_mode=False) or 0)
    except UserError as error:
        return _refuse(str(error))
    except typer.TyperException as error:
        if not error.format_message():
            return 2  # a command group called without a command has shown its help
        given = _value_given(error, arguments)
        return _refuse(f"{name}: {error.format_message().rstrip('.')}{given}; see 'fenceline {name} --help'.")
    except typer.Abort:
        return 130


def _value_given(error: Exception, arguments: list[str]) -> str:
    """Return what the user wrote behind the option that is wrong, since the parser's message may leave it out."""
    for option in getattr(getattr(error, "param", None), "opts", ()):
        for argument, following in itertools.pairwise([*arguments, ""]):
            if argument == option:
                return f" (given: {following})"
            if argument.startswith(f"{option}="):
                return f" (given: {argument[len(option) + 1 :]})"
    return ""


def _refuse(sentence: str) -> int:
    print(f"fenceline: {sentence}", file=sys.stderr)
    return 2


def _help() -> str:
    rows = "\n".join(f"  {name:<10} {tell(text)}" for name, (_, text) in COMMANDS.items())
    tries = "\n".join(f"  {line:<30} {tell(text)}" for line, text in TRY)
    return f"{tell(TITLE)}\n\n{tell(USAGE)}\n\n{rows}\n\n{tell(Text('Try:', '试试：'))}\n{tries}"
