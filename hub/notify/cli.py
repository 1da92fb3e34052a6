"""`fenceline notify`: proves that messages reach people."""

import difflib
import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text as RichText

from hub.config.alerts import Recipient
from hub.config.files import ConfigError, load_config
from hub.notify.recipients import recipients
from hub.notify.sender import deliver
from hub.notify.text import TYPES, Message
from schemas.errors import UserError
from schemas.language import Text, system_language
from schemas.language_option import LangOption

app = typer.Typer(add_completion=False, no_args_is_help=True)

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


@app.callback()
def notify() -> None:
    """Messages to people: DingTalk, WeCom, Feishu, e-mail, SMS gateways, web hooks and more."""


@app.command("test", epilog="Examples: fenceline notify test | fenceline notify test --recipient night-desk --json")
def prove(
    recipient: Annotated[str, typer.Option(help="Only this one.", show_default="all")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object for programs.")] = False,
    config: Annotated[Path, typer.Option("--config", help="The hub's configuration.")] = Path("fenceline.toml"),
    lang: LangOption = None,
) -> None:
    """Send a test message to each recipient and say what came back. The exit code is 1 if one was not taken."""
    lang = lang or system_language()
    try:
        people = recipients(load_config(config))
    except ConfigError as error:
        raise UserError(str(error)) from error
    if recipient:
        people = [_named(recipient, people)]
    if not people:
        raise UserError(NOBODY.into(lang).format(config=config))
    results = {one.name: deliver(one, _message(one)).error for one in people}
    failed = any(results.values())
    if as_json:
        rows = [{"recipient": name, "ok": not problem, "error": problem or None} for name, problem in results.items()]
        print(json.dumps({"ok": not failed, "recipients": rows}, ensure_ascii=False))
    else:
        console = Console(highlight=False, soft_wrap=True)
        for name, problem in results.items():
            console.print(RichText(f"{'✗' if problem else '✓'} {name}: ", "red" if problem else "green"), end="")
            console.print(RichText(problem or TAKEN.into(lang)))
        if not all(results.values()):
            console.print(RichText(SEE.into(lang), "dim"))
    raise typer.Exit(1 if failed else 0)


def _named(name: str, people: list[Recipient]) -> Recipient:
    found = next((one for one in people if one.name == name), None)
    if found is None:
        names = [one.name for one in people]
        near = difflib.get_close_matches(name, names, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names) or 'none'}"
        raise UserError(f"--recipient {name}: there is no such recipient; {hint}")
    return found


def _message(recipient: Recipient) -> Message:
    texts = {"en": [BODY.en], "zh": [BODY.zh], "both": [BODY.en, BODY.zh]}[recipient.lang]
    title = TITLE.zh if recipient.lang == "zh" else TITLE.en
    return Message(title, "\n".join(texts).format(name=recipient.name), TYPES["info"])
