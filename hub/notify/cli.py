"""`fenceline notify`: proves that messages reach people."""

from typing import TYPE_CHECKING, Annotated

import typer

from hub.terminal.commands import command, group, option
from hub.terminal.json_lines import print_object
from hub.terminal.options import ALL, FENCELINE, AsJson, Config
from hub.terminal.tables import Cell, say
from schemas.errors import UserError
from schemas.language import Text, tell

if TYPE_CHECKING:
    from hub.config.alerts import Recipient
    from hub.notify.text import Message

TITLE = Text("Fenceline: test", "Fenceline：测试")
BODY = Text("This is a test of the channel to {name}: no alert.", "这是发给{name}的通道测试，不是告警。")
TAKEN = Text("the service took the message", "服务已接收消息")
SEE = Text(
    "Taken is not yet read: look whether it arrived. Some chat services also answer 'ok' to a message that they drop "
    "(wrong signature, missing keyword).",
    "“已接收”不等于“已送达”，请核实是否收到。部分聊天服务对被丢弃的消息（签名错误、缺少关键词）也返回成功。",
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
)


@command(
    app,
    "test",
    Text(
        "Send a test message to each recipient and say what came back. The exit code is 1 if one was not taken.",
        "向每位收件人发送测试消息并报告结果。有未被接收的消息时退出码为 1。",
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
    from hub.notify.recipients import recipients
    from hub.notify.sender import deliver

    try:
        people = recipients(load_config(config))
    except ConfigError as error:
        raise UserError(str(error)) from error
    if recipient:
        people = [_named(recipient, people)]
    if not people:
        raise UserError(tell(NOBODY).format(config=config))
    results = {one.name: deliver(one, _message(one)).error for one in people}
    failed = any(results.values())
    if as_json:
        rows = [{"recipient": name, "ok": not problem, "error": problem or None} for name, problem in results.items()]
        print_object({"ok": not failed, "recipients": rows})
    else:
        for name, problem in results.items():
            say(Cell(f"{'✗' if problem else '✓'} {name}: ", "red" if problem else "green"), problem or tell(TAKEN))
        if not all(results.values()):
            say(Cell(tell(SEE), "dim"))
    raise typer.Exit(1 if failed else 0)


def _named(name: str, people: list["Recipient"]) -> "Recipient":
    import difflib

    found = next((one for one in people if one.name == name), None)
    if found is None:
        names = [one.name for one in people]
        near = difflib.get_close_matches(name, names, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names) or 'none'}"
        raise UserError(f"--recipient {name}: there is no such recipient; {hint}")
    return found


def _message(recipient: "Recipient") -> "Message":
    from hub.notify.text import TYPES, Message

    texts = {"en": [BODY.en], "zh": [BODY.zh], "both": [BODY.en, BODY.zh]}[recipient.lang]
    title = TITLE.zh if recipient.lang == "zh" else TITLE.en
    return Message(title, "\n".join(texts).format(name=recipient.name), TYPES["info"])
