"""`fenceline board console`, `logs`, `shell`, `backup`, `restore`, `rescue`: seeing and repairing a board."""

import contextlib
import datetime as dt
import json
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
from firmware.terminal.options import BAUD, AsJson, Baud, Home, Port, Yes
from firmware.terminal.screen import confirm, progress, say
from firmware.terminal.speech import FieldError, LangOption, if_stopped, tell
from schemas.errors import UserError
from schemas.language import Text

MEASURES_ON = Text("The board starts again and measures on.", "设备将重新启动并继续测量。")
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


def console_command(
    for_seconds: Annotated[
        float | None, typer.Option("--for", help="Stop after so many s.", min=0.1, show_default="Ctrl-C")
    ] = None,
    with_log: Annotated[bool, typer.Option("--log", help="Show the agent's own lines, too.")] = False,
    port: Port = None,
    baud: Baud = BAUD,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a second for programs.")] = False,
    lang: LangOption = None,  # noqa: ARG001 - its callback chooses
) -> None:
    """Show what the sensors measure, live, in units and with flags. The agent works on, the network included."""
    with Link.open(port, baud=baud) as link, if_stopped(MEASURES_ON):
        session.enter(link)
        end = time.monotonic() + for_seconds if for_seconds else None
        shown = session.watch(link, log=lambda line: print(line, file=sys.stderr) if with_log else None)
        with closing(shown):
            for seen in shown:
                print(json.dumps(msgspec.to_builtins(seen)) if as_json else _line(seen), flush=True)
                if end and time.monotonic() > end:
                    break


def _line(seen: Seen) -> str:
    parts = []
    for name, sensor in seen.sensors.items():
        values = [shown(channel, seen.values[channel]) for channel in sensor.channels if channel in seen.values]
        # A letter alone says nothing to a newcomer; N goes without saying.
        flag = "" if sensor.flag == "N" else f" [{sensor.flag} {tell(FLAGS.get(sensor.flag, Text('?', '?')))}]"
        why = f" ({sensor.why})" if sensor.why else ""
        parts.append(f"{name}: {', '.join(values) or '-'}{flag}{why}")
    net = tell(Text("connected", "已连接") if seen.connected else Text("not connected", "未连接"))
    clock = dt.datetime.fromtimestamp(seen.t, dt.UTC).strftime("%H:%M:%SZ") if seen.t else "--:--:--"
    return f"{clock}  {'; '.join(parts)}  [{net}, {seen.next - seen.oldest}]"


def logs_command(
    follow: Annotated[bool, typer.Option("--follow", help="Listen without touching the board, until Ctrl-C.")] = False,
    for_seconds: Annotated[
        float | None, typer.Option("--for", help="With --follow: stop after so many s.", show_default="Ctrl-C")
    ] = None,
    port: Port = None,
    baud: Baud = BAUD,
    as_json: AsJson = False,
    lang: LangOption = None,  # noqa: ARG001 - its callback chooses
) -> None:
    """Show the agent's last lines, which it keeps in memory; the board then starts again and measures on."""
    if follow:
        _follow(find_port(port), baud, for_seconds)
        return
    with Link.open(port, baud=baud, fresh=False) as link:
        try:
            lines: list[str] = link.value("__import__('sys').modules['edge.journal'].tail(100)")
        except BoardCodeError:
            lines = []
    if as_json:
        print(json.dumps(lines, ensure_ascii=False))
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


def shell_command(port: Port = None, baud: Baud = BAUD, lang: LangOption = None) -> None:  # noqa: ARG001
    """Open the board's own prompt, by mpremote; Ctrl-] or Ctrl-X leaves it, and the board starts again."""
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


def backup_command(
    out: Annotated[
        Path | None, typer.Option(help="File (.tar.gz) or folder.", show_default="backups/ in your folder")
    ] = None,
    port: Port = None,
    baud: Baud = BAUD,
    home_folder: Home = None,
    as_json: AsJson = False,
    lang: LangOption = None,  # noqa: ARG001 - its callback chooses
) -> None:
    """Save a board's configuration, key, calibration and unsent records in a file that you alone can read.

    From a dying board as much is taken as it gives; then the exit code is 1, and what is missing is named.
    """
    with Link.open(port, baud=baud) as link, progress(Text("Saving", "正在备份"), 1) as more:
        unharmed = Text("Nothing was written; the board is unharmed.", "未写入备份；设备未受影响。")
        with if_stopped(unharmed):
            saved = backup.save(link, out or home(home_folder) / "backups", dt.datetime.now(dt.UTC), more)
    manifest = saved.manifest
    if as_json:
        done = {"path": str(saved.path), "board": manifest.board, "files": len(manifest.files)}
        print(json.dumps(done | {"unreadable": manifest.unreadable}))
    else:
        print(tell(Text(f"{saved.path}: {len(manifest.files)} files", f"{saved.path}：{len(manifest.files)} 个文件")))
    if manifest.unreadable:
        names = ", ".join(manifest.unreadable)
        say(Text(f"could not be read: {names} ({saved.trouble})", f"无法读取：{names}（{saved.trouble}）"))
        raise typer.Exit(1)


def restore_command(
    archive: Annotated[Path, typer.Argument(help="A file that `fenceline board backup` made.", show_default=False)],
    force: Annotated[
        bool, typer.Option("--force", help="Also on a board that is provisioned; says what is lost.")
    ] = False,
    yes: Yes = False,
    port: Port = None,
    baud: Baud = BAUD,
    as_json: AsJson = False,
    lang: LangOption = None,  # noqa: ARG001 - its callback chooses
) -> None:
    """Put a backup on a board: another chip goes on as that board, with its key and its unsent records.

    What it measures from now on gets a stream of its own, so nothing that the first one has sent since is overwritten.
    The first one must never run again: the broker lets in one board of an identity at a time.
    """
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
        print(json.dumps({"board": board, "files": len(content.files), "unreadable": content.manifest.unreadable}))
    else:
        print(tell(Text(f"The board is {board} again.", f"设备已恢复为 {board}。")))


def rescue_command(
    archive: Annotated[
        Path | None, typer.Argument(help="A backup.", show_default="the board at the port, saved first")
    ] = None,
    broker: Annotated[
        str | None, typer.Option(help="HOST:PORT as reached from here.", show_default="the board's own")
    ] = None,
    port: Port = None,
    baud: Baud = BAUD,
    home_folder: Home = None,
    as_json: AsJson = False,
    lang: LangOption = None,  # noqa: ARG001 - its callback chooses
) -> None:
    """Bring a dying board's records to the hub, as that board and under its own key, and count them.

    A record counts as rescued when the hub has acknowledged it. The board itself is not changed; what it sends again
    later the hub drops. The exit code is 1 if the hub has not acknowledged every whole record, or some are damaged.
    """
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
        print(json.dumps(_report(result, archive)))
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
