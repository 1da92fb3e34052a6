"""`fenceline notify`: proves that messages reach people."""

import sqlite3
import time
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hub.terminal.actor import actor
from hub.terminal.commands import command, group, option
from hub.terminal.json_lines import print_list, print_object
from hub.terminal.options import ALL, FENCELINE, AsJson, Config
from hub.terminal.tables import Cell, say, table
from schemas.errors import UserError
from schemas.language import Text, tell

if TYPE_CHECKING:
    from hub.config.alerts import Recipient
    from hub.config.files import Config as HubConfig

TAKEN = Text("the service took the message", "服务已接收消息")
SEE = Text(
    "Taken is not yet read: look whether it arrived.",
    "“已接收”不等于“已送达”，请核实是否收到。",
)
REVIVED = Text("{n} messages that it had not taken are sent now", "此前未被接收的{n}条消息现在补发")
COLUMNS = (
    Text("Recipient", "收件人"),
    Text("Waiting", "待发送"),
    Text("Given up", "已放弃"),
    Text("Not known", "无法确认"),
    Text("Sent", "已发送"),
    Text("Last sent (UTC)", "最近发送（UTC）"),
    Text("Next attempt (UTC)", "下次尝试（UTC）"),
    Text("Why not taken", "未被接收的原因"),
)
GIVEN_UP = Text(
    "Given up: the service refused it for a day. Mend the address or the robot's settings; then 'fenceline notify "
    "test' sends it.",
    "已放弃：服务连续一天拒收。请修正地址或机器人设置，再运行 fenceline notify test 补发。",
)
NOBODY = Text(
    "there is no recipient; add a [[recipient]] to {config}, or set APPRISE_URLS",
    "没有收件人；请在{config}中添加[[recipient]]，或设置APPRISE_URLS",
)


app = group(
    Text(
        "Messages to people: DingTalk, WeCom, Feishu, e-mail, SMS gateways, web hooks and more.",
        "向人员发送消息：钉钉、企业微信、飞书、电子邮件、短信网关、网络钩子等。",
    ),
    "fenceline notify test",
    "fenceline notify list",
)


@command(
    app,
    "test",
    Text(
        """Send a test message to each recipient and say what came back. The exit code is 1 if one was not taken.

        Where it is taken, messages about alerts that the service had refused are sent, too.""",
        """向每位收件人发送测试消息并报告结果。有未被接收的消息时退出码为 1。

        测试消息被接收后，此前被拒收的告警消息随即补发。""",
    ),
    "fenceline notify test",
    "fenceline notify test --recipient night-desk --json",
)
def prove(
    recipient: Annotated[str, option(Text("Only this one.", "仅限该收件人。"), show_default=ALL)] = "",
    as_json: AsJson = False,
    config: Config = FENCELINE,
) -> None:
    """Send a test message to each recipient."""
    from hub.config.files import ConfigError, load_config
    from hub.notify.proving import prove_channel
    from hub.notify.recipients import recipients
    from hub.notify.tables import PART
    from hub.storage.compliance_file import open_compliance
    from hub.storage.database import DatabaseError

    try:
        settings = load_config(config)
        people = recipients(settings)
    except ConfigError as error:
        raise UserError(str(error)) from error
    if recipient:
        people = [_named(recipient, people)]
    if not people:
        raise UserError(tell(NOBODY).format(config=config))
    with ExitStack() as stack:
        try:
            books = [stack.enter_context(closing(open_compliance(path, PART))) for path in _compliance_files(settings)]
            proven = {one.name: prove_channel(one, books, actor(), time.time) for one in people}
        except (DatabaseError, sqlite3.Error) as error:
            raise UserError(f"{settings.data}: {error}; run fenceline check") from error
    failed = any(one.error for one in proven.values())
    if as_json:
        rows = [
            {"recipient": name, "ok": not one.error, "error": one.error or None, "sent_now": one.sent_now}
            for name, one in proven.items()
        ]
        print_object({"ok": not failed, "recipients": rows})
    else:
        for name, one in proven.items():
            say(
                Cell(f"{'✗' if one.error else '✓'} {name}: ", "red" if one.error else "green"), one.error or tell(TAKEN)
            )
            if one.sent_now:
                say(f"  {tell(REVIVED).format(n=one.sent_now)}")
        if not all(one.error for one in proven.values()):
            say(Cell(tell(SEE), "dim"))
    raise typer.Exit(1 if failed else 0)


@command(
    app,
    "list",
    Text(
        "List the recipients: what waits for them, what their service refused and why, when they were told last.",
        "列出收件人：待发送的消息、被服务拒收的消息及原因、最近一次发送时间。",
    ),
    "fenceline notify list",
    "fenceline notify list --json",
)
def list_(as_json: AsJson = False, config: Config = FENCELINE) -> None:
    """List the recipients and how it stands with their messages."""
    import msgspec

    from hub.config.files import ConfigError, load_config
    from hub.notify.queue import Line, lines
    from hub.notify.recipients import recipients
    from hub.storage.database import read_only

    try:
        settings = load_config(config)
        names = [one.name for one in recipients(settings)]
    except ConfigError as error:
        raise UserError(str(error)) from error
    rows: list[tuple[str, Line]] = []
    files = _compliance_files(settings)
    for path in files:
        district = path.parent.name if path.parent != settings.data else ""
        try:
            with closing(read_only(path)) as db:
                found = lines(db)
        except sqlite3.Error as error:
            raise UserError(f"{path}: cannot be read ({error}); run fenceline check") from error
        rows += [(district, found.get(name, Line(name))) for name in {**dict.fromkeys(names), **found}]
    rows = rows or [("", Line(name)) for name in names]
    if as_json:
        shown = (
            {"district": district} | msgspec.to_builtins(line) | {"last": _time(line.last), "next": _time(line.next)}
            for district, line in rows
        )
        print_list(shown, "recipients", refused=sum(line.refused for _, line in rows))
        return
    if not rows:
        say(tell(NOBODY).format(config=config))
        return
    cells = [
        [
            f"{district}/{line.recipient}" if district else line.recipient,
            *map(str, (line.waiting, line.refused, line.unknown, line.sent)),
            _time(line.last) or "-",
            _time(line.next) or "-",
            line.error or "-",
        ]
        for district, line in rows
    ]
    table([tell(head) for head in COLUMNS], cells, numbers=(1, 2, 3, 4), whole=(0,))
    if any(line.refused for _, line in rows):
        say(Cell(tell(GIVEN_UP), "dim"))


def _compliance_files(config: "HubConfig") -> list[Path]:
    """Return the databases with the queues: one, or one for each district that has a hub of its own."""
    from hub.storage.compliance_file import COMPLIANCE
    from hub.storage.data_folder import databases

    return [path for path in databases(config.data) if path.name == COMPLIANCE]


def _time(when: float | None) -> str | None:
    return None if when is None else f"{datetime.fromtimestamp(when, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _named(name: str, people: list["Recipient"]) -> "Recipient":
    import difflib

    found = next((one for one in people if one.name == name), None)
    if found is None:
        names = [one.name for one in people]
        near = difflib.get_close_matches(name, names, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names) or 'none'}"
        raise UserError(f"--recipient {name}: there is no such recipient; {hint}")
    return found
