"""`fenceline board console`, `logs`, `shell`, `backup`, `restore`, `rescue`: seeing and repairing a board."""

import contextlib
import datetime as dt
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from firmware.care.rescue import Rescued, rescue
from firmware.channels import shown
from firmware.link import session
from firmware.link.errors import BoardCodeError
from firmware.link.link import Link
from firmware.link.ports import find_port
from firmware.link.session import Seen
from firmware.notebook.folder import home
from firmware.provision import backup
from firmware.provision.board import find
from firmware.terminal.options import BAUD, Baud, Home, Port, Yes
from firmware.terminal.screen import confirm, progress, say
from firmware.terminal.speech import FieldError, if_stopped
from hub.terminal.commands import alone, argument, command, option
from hub.terminal.json_lines import print_list, print_object
from hub.terminal.options import AsJson
from schemas.chinese import translated
from schemas.errors import UserError
from schemas.language import Text, tell

app = alone()

MEASURES_ON = Text("The board starts again and measures on.", "设备将重新启动并继续测量。")
CTRL_C = Text("Ctrl-C", "Ctrl-C")
FLAGS = {
    "N": Text("normal", "正常"),
    "B": Text("no communication", "无通信"),
    "D": Text("faulty", "故障"),
    "M": Text("maintenance or warming up", "维护或预热"),
    "C": Text("calibrating", "校准"),
    "T": Text("over range", "超量程"),
    "F": Text("stopped", "停运"),
    "S": Text("set by hand", "手工输入"),
}


@command(
    app,
    "console",
    Text(
        "Show what the sensors measure, live, in units and with flags. The agent works on, the network included.",
        "实时显示各传感器的测量值、单位和标记。设备程序照常工作，包括联网。",
    ),
    "fenceline board console",
    "fenceline board console --for 10 --json",
)
def console_command(
    for_seconds: Annotated[
        float | None,
        option(Text("Stop after so many s.", "若干秒后停止。"), "--for", min=0.1, show_default=CTRL_C),
    ] = None,
    with_log: Annotated[
        bool, option(Text("Show the agent's own lines, too.", "同时显示设备程序的日志。"), "--log")
    ] = False,
    port: Port = None,
    baud: Baud = BAUD,
    as_json: Annotated[
        bool,
        option(Text("Print one JSON object a second for programs.", "每秒输出一个 JSON 对象，供程序使用。"), "--json"),
    ] = False,
) -> None:
    """Show what the sensors measure, live."""
    with Link.open(port, baud=baud) as link, if_stopped(MEASURES_ON):
        session.enter(link)
        end = time.monotonic() + for_seconds if for_seconds else None
        shown = session.watch(link, log=lambda line: print(line, file=sys.stderr) if with_log else None)
        with closing(shown):
            for seen in shown:
                if as_json:
                    print_object(msgspec.to_builtins(seen))
                else:
                    print(_line(seen))
                sys.stdout.flush()
                if end and time.monotonic() > end:
                    break


def _line(seen: Seen) -> str:
    parts = []
    for name, sensor in seen.sensors.items():
        values = [shown(channel, seen.values[channel]) for channel in sensor.channels if channel in seen.values]
        # A letter alone says nothing to a newcomer; N goes without saying.
        flag = "" if sensor.flag == "N" else f" [{sensor.flag} {tell(FLAGS.get(sensor.flag, Text('?', '?')))}]"
        why = f" ({translated(sensor.why)})" if sensor.why else ""
        parts.append(f"{name}: {', '.join(values) or '-'}{flag}{why}")
    net = tell(Text("connected", "已连接") if seen.connected else Text("not connected", "未连接"))
    clock = dt.datetime.fromtimestamp(seen.t, dt.UTC).strftime("%H:%M:%SZ") if seen.t else "--:--:--"
    return f"{clock}  {'; '.join(parts)}  [{net}, {seen.next - seen.oldest}]"


@command(
    app,
    "logs",
    Text(
        "Show the agent's last lines, which it keeps in memory; the board then starts again and measures on.",
        "显示设备程序在内存中保留的最近日志；随后设备重新启动并继续测量。",
    ),
    "fenceline board logs",
    "fenceline board logs --follow",
)
def logs_command(
    follow: Annotated[
        bool,
        option(
            Text("Listen without touching the board, until Ctrl-C.", "持续监听而不干预设备，直到 Ctrl-C。"), "--follow"
        ),
    ] = False,
    for_seconds: Annotated[
        float | None,
        option(
            Text("With --follow: stop after so many s.", "与 --follow 合用：若干秒后停止。"),
            "--for",
            show_default=CTRL_C,
        ),
    ] = None,
    port: Port = None,
    baud: Baud = BAUD,
    as_json: AsJson = False,
) -> None:
    """Show the agent's last lines."""
    if follow:
        _follow(find_port(port), baud, for_seconds)
        return
    with Link.open(port, baud=baud, fresh=False) as link:
        try:
            lines: list[str] = link.value("__import__('sys').modules['edge.journal'].tail(100)")
        except BoardCodeError:
            lines = []
    if as_json:
        print_list(({"line": line} for line in lines), "lines")
    elif lines:
        print("\n".join(lines))
    else:
        say(Text("The agent was not running, so it has no lines.", "设备程序未在运行，没有日志。"))


def _follow(port: str, baud: int, for_seconds: float | None) -> None:
    import serial  # type: ignore[import-untyped]

    from firmware.link import errors as link_errors

    end = time.monotonic() + for_seconds if for_seconds else None
    try:
        # DTR and RTS stay low: on many boards they are wired to reset.
        line = serial.serial_for_url(port, baudrate=baud, timeout=0.2, exclusive=True, do_not_open=True)
        line.dtr = line.rts = False
        line.open()
    except (OSError, ValueError) as error:
        raise link_errors.cannot_open(port, error) from error
    with contextlib.closing(line), link_errors.translated(port, bytes):
        while end is None or time.monotonic() < end:
            sys.stdout.write(line.read(256).decode("utf-8", "replace").replace("\r\n", "\n"))
            sys.stdout.flush()


@command(
    app,
    "shell",
    Text(
        "Open the board's own prompt, by mpremote; Ctrl-] or Ctrl-X leaves it, and the board starts again.",
        "通过 mpremote 打开设备的交互命令行；按 Ctrl-] 或 Ctrl-X 退出，设备重新启动。",
    ),
    "fenceline board shell --port /dev/ttyUSB0",
)
def shell_command(port: Port = None, baud: Baud = BAUD) -> None:
    """Open the board's own prompt."""
    if not sys.stdin.isatty():
        raise UserError("shell needs a terminal; to run one piece of code: mpremote connect PORT exec 'CODE'")
    name = find_port(port)
    with Link.open(name, baud=baud) as link:
        link.run("pass")
        # The link's port must be free for mpremote; the board stays at its prompt.
        link.release()
    say(Text("The agent stands still while you are here.", "在此期间设备程序暂停运行。"))
    command = [sys.executable, "-m", "mpremote", "connect", name, "resume", "repl"]
    code = subprocess.run(command, check=False).returncode  # noqa: S603
    with Link.open(name, baud=baud):
        pass  # closing it starts the board again
    say(MEASURES_ON)
    if code:
        raise typer.Exit(code)


@command(
    app,
    "backup",
    Text(
        """Save a board's configuration, key, calibration and unsent records in a file that you alone can read.

        From a dying board as much is taken as it gives; then the exit code is 1, and what is missing is named.""",
        """将设备的配置、密钥、校准和未发送记录备份到仅您可读的文件。

        对濒临损坏的设备尽量读取；此时退出码为 1，并列出缺失的内容。""",
    ),
    "fenceline board backup",
    "fenceline board backup --out pit-1.tar.gz",
)
def backup_command(
    out: Annotated[
        Path | None,
        option(
            Text("File (.tar.gz) or folder.", "文件（.tar.gz）或目录。"),
            show_default=Text("backups/ in your folder", "您的目录下的 backups/"),
        ),
    ] = None,
    port: Port = None,
    baud: Baud = BAUD,
    home_folder: Home = None,
    as_json: AsJson = False,
) -> None:
    """Save a board."""
    with Link.open(port, baud=baud) as link, progress(Text("Saving", "正在备份"), 1) as more:
        unharmed = Text("Nothing was written; the board is unharmed.", "未写入备份；设备未受影响。")
        with if_stopped(unharmed):
            saved = backup.save(link, out or home(home_folder) / "backups", dt.datetime.now(dt.UTC), more)
    manifest = saved.manifest
    if as_json:
        done = {"path": str(saved.path), "board": manifest.board, "files": len(manifest.files)}
        print_object(done | {"unreadable": manifest.unreadable})
    else:
        print(tell(Text(f"{saved.path}: {len(manifest.files)} files", f"{saved.path}：{len(manifest.files)} 个文件")))
    if manifest.unreadable:
        names = ", ".join(manifest.unreadable)
        say(Text(f"could not be read: {names} ({saved.trouble})", f"无法读取：{names}（{saved.trouble}）"))
        raise typer.Exit(1)


@command(
    app,
    "restore",
    Text(
        """Put a backup on a board: another chip goes on as that board, with its key and its unsent records.

        What it measures from now on gets a stream of its own, so nothing that the first one has sent since is
        overwritten. The first one must never run again: the broker lets in one board of an identity at a time.""",
        """将备份恢复到设备：另一块芯片以该设备的身份、密钥和未发送记录继续运行。

        此后测得的数据使用单独的数据流，不会覆盖原设备在此期间发送的数据。原设备不得再次运行：
        消息代理同一时间只允许一台设备以同一身份连接。""",
    ),
    "fenceline board restore pit-1.tar.gz",
)
def restore_command(
    archive: Annotated[
        Path,
        argument(
            Text("A file that 'fenceline board backup' made.", "由 fenceline board backup 生成的文件。"), "ARCHIVE"
        ),
    ],
    force: Annotated[
        bool,
        option(
            Text("Also on a board that is provisioned; says what is lost.", "设备已配置时也恢复，并说明将丢失的内容。"),
            "--force",
        ),
    ] = False,
    yes: Yes = False,
    port: Port = None,
    baud: Baud = BAUD,
    as_json: AsJson = False,
) -> None:
    """Put a backup on a board."""
    content = backup.load(archive)
    board = str(content.config.get("device", "?"))
    with Link.open(port, baud=baud) as link:
        found = find(link)
        if found.config is not None:
            lost = found.losses(board) if found.board != board else [Text("its records and settings", "其记录和设置")]
            en, zh = ", ".join(text.en for text in lost), "、".join(text.zh for text in lost)
            if not force:
                raise FieldError(
                    Text(
                        f"this board is provisioned as {found.board or '?'}; with --force it would lose: {en}",
                        f"该设备已配置为 {found.board or '?'}；使用 --force 将丢失：{zh}",
                    )
                )
            say(Text(f"{found.board or '?'} loses: {en}", f"{found.board or '?'} 将丢失：{zh}"))
        once = Text(
            f"The board that {board} was must never run again. Go on?", f"原来的 {board} 不得再次运行。是否继续？"
        )
        if not confirm(once, yes=yes):
            raise typer.Abort
        unfinished = Text(
            "The board is not provisioned: config.json comes last. Restore again.",
            "设备尚未配置完成：config.json 最后写入。请重新恢复。",
        )
        with if_stopped(unfinished), progress(Text("Restoring", "正在恢复"), 1) as more:
            backup.restore(link, content, found, more)
    if as_json:
        print_object({"board": board, "files": len(content.files), "unreadable": content.manifest.unreadable})
    else:
        print(tell(Text(f"The board is {board} again.", f"设备已恢复为 {board}。")))


@command(
    app,
    "rescue",
    Text(
        """Bring a dying board's records to the hub, as that board and under its own key, and count them.

        A record counts as rescued when the hub has acknowledged it. The board itself is not changed; what it sends
        again later the hub drops. The exit code is 1 if the hub has not acknowledged every whole record, or some are
        damaged.""",
        """以设备自身的身份和密钥，将濒临损坏的设备中的记录送到数据中心并计数。

        数据中心确认后才算救回。设备本身不作更改；其以后重复发送的记录由数据中心丢弃。
        完好的记录未全部得到确认，或有损坏的记录时，退出码为 1。""",
    ),
    "fenceline board rescue",
    "fenceline board rescue pit-1.tar.gz",
)
def rescue_command(
    archive: Annotated[
        Path | None,
        argument(
            Text("A backup.", "备份文件。"),
            "ARCHIVE",
            show_default=Text("the board at the port, saved first", "先备份所连接的设备"),
        ),
    ] = None,
    broker: Annotated[
        str | None,
        option(
            Text("HOST:PORT as reached from here.", "从本机访问的 主机:端口。"),
            show_default=Text("the board's own", "设备自身的配置"),
        ),
    ] = None,
    port: Port = None,
    baud: Baud = BAUD,
    home_folder: Home = None,
    as_json: AsJson = False,
) -> None:
    """Bring a dying board's records to the hub."""
    if archive is None:
        with Link.open(port, baud=baud) as link, progress(Text("Saving", "正在备份"), 1) as more:
            saved = backup.save(link, home(home_folder) / "backups", dt.datetime.now(dt.UTC), more)
        archive = saved.path
        say(Text(f"saved: {archive}", f"已备份：{archive}"))
    content = backup.load(archive)
    host, broker_port = _broker(broker, content.config)
    with progress(Text("Bringing records to the hub", "正在发送记录"), 1) as more:
        done = 0

        def told(acknowledged: int, total: int) -> None:
            nonlocal done
            more((acknowledged - done) / max(1, total), f"{acknowledged}/{total}")
            done = acknowledged

        result = rescue(content, host, broker_port, told)
    if as_json:
        print_object(_report(result, archive))
    else:
        print(tell(_outcome(result)))
    if result.acknowledged < result.records or result.damaged or content.manifest.unreadable:
        raise typer.Exit(1)


def _report(result: Rescued, archive: Path) -> dict[str, Any]:
    return {
        "board": result.board,
        "archive": str(archive),
        "records": result.records,
        "acknowledged": result.acknowledged,
        "damaged": result.damaged,
        "without_clock": result.without_clock,
        "problem": result.problem,
    }


def _outcome(result: Rescued) -> Text:
    en = f"{result.board}: {result.acknowledged} of {result.records} records are at the hub, {result.damaged} damaged"
    zh = f"{result.board}：{result.records} 条记录中 {result.acknowledged} 条已到达数据中心，{result.damaged} 条损坏"
    if result.without_clock:
        en += f"; {result.without_clock} were made without a clock and are placed by this computer's"
        zh += f"；{result.without_clock} 条在时钟未设置时产生，按本机时间推定"
    if result.problem:
        en += f". Not all: {result.problem}; run it again"
        zh += f"。未全部完成：{result.problem}；请重试"
    return Text(en, zh)


def _broker(text: str | None, config: dict[str, Any]) -> tuple[str, int]:
    if text is None:
        return str(config["broker"]["host"]), int(config["broker"]["port"])
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise UserError(f"--broker {text}: expected HOST:PORT, such as mqtt.city.example:8883")
    return host, int(port)
