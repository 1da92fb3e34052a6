"""Checks whom else the hub speaks with: the addresses of alerts, its own HTTP port."""

import json
import os
import urllib.error
import urllib.request
from collections.abc import Sequence
from typing import Any

import apprise

from hub.config.alerts import Recipient
from hub.config.files import ConfigError, Http
from hub.http.server import SERVICE, listen
from hub.upkeep.checks.files import check_secret
from hub.upkeep.checks.finding import Finding, ok, problem, skipped, warning
from schemas.language import Text

PATIENCE = 2
"""How long the hub on this machine may take to answer [s]."""


def check_people(recipients: Sequence[Recipient] = ()) -> list[Finding]:
    """Check that apprise knows the kind of each address to which alerts go; nothing is sent."""
    findings: list[Finding] = []
    addresses = [(f"APPRISE_URLS, {n}", url) for n, url in enumerate(os.environ.get("APPRISE_URLS", "").split(), 1)]
    for recipient in recipients:
        try:
            addresses.append((f"recipient {recipient.name!r}", _address(recipient)))
        except (OSError, UnicodeError, KeyError) as error:
            why = Text(
                f"recipient {recipient.name!r}: has no address ({error})",
                f"接收人 {recipient.name!r}：没有地址（{error}）",
            )
            mend = Text(
                "Set the variable url_env names, or write the file url_file names.",
                "请设置 url_env 所指的变量，或写好 url_file 所指的文件。",
            )
            findings.append(problem("alerts", why, mend))
        if recipient.url_file:
            findings += check_secret("alerts", recipient.url_file, Text("an address of alerts", "告警地址"))
    if not addresses and not findings:
        text = Text(
            "there are no addresses: alerts are kept, and nobody is sent one",
            "未设置接收地址：告警会保存，但不会发送给任何人",
        )
        return [
            warning(
                "alerts",
                text,
                Text("Say to whom alerts go (docs/officer.md).", "请设置告警接收地址（见 docs/officer.zh.md）。"),
            )
        ]
    for where, url in addresses:
        if not apprise.Apprise().add(url):
            scheme = url.split("://")[0][:20] if "://" in url else "?"  # the rest holds secrets
            text = Text(
                f"{where}: {scheme}://... is no address that apprise knows",
                f"{where}：{scheme}://... apprise 无法识别",
            )
            mend = Text("Mend it; apprise's documentation lists the forms.", "请改正；格式见 apprise 文档。")
            findings.append(problem("alerts", text, mend))
    n = len(addresses)
    return findings or [ok("alerts", f"{n} addresses of a known kind", f"{n} 个地址，格式正确")]


def _address(recipient: Recipient) -> str:
    if recipient.url_file:
        return recipient.url_file.read_text("utf-8").strip()
    return os.environ[recipient.url_env or ""]


def check_http(http: Http, *, hub_runs: bool) -> list[Finding]:
    """Check that the port is free, or that the running hub answers there and is ready."""
    if http.port == 0:
        return [skipped("http", "port = 0: no HTTP", "port = 0：不提供 HTTP")]
    where = f"http://{http.host}:{http.port}"
    status = _ask(http)
    if status and status.get("service") == SERVICE:
        if not hub_runs:
            text = Text(f"a hub of another data folder answers at {where}", f"{where} 由另一个数据文件夹的数据中心占用")
            return [problem("http", text, _ANOTHER_PORT)]
        return [
            ok("http", f"the hub answers at {where}", f"数据中心在 {where} 应答"),
            *map(_condition, status["checks"]),
        ]
    if hub_runs:
        text = Text(f"a hub runs, and does not answer at {where}", f"数据中心正在运行，但在 {where} 没有应答")
        return [problem("http", text, Text("Look into its log; restart it.", "请查看其日志并重新启动。"))]
    try:
        listen(http.host, http.port).close()
    except ConfigError as error:
        return [problem("http", Text(str(error), f"端口不可用：{error}"), _ANOTHER_PORT)]
    return [ok("http", f"{where} is free", f"{where} 空闲")]


_ANOTHER_PORT = Text(
    "Name another port under [http], or stop what listens there.", "请在 [http] 中改用其他端口，或停止占用它的程序。"
)


def _ask(http: Http) -> dict[str, Any] | None:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(http.host, http.host)  # noqa: S104
    host = f"[{host}]" if ":" in host else host
    try:
        with urllib.request.urlopen(f"http://{host}:{http.port}/readyz", timeout=PATIENCE) as answer:
            body = answer.read()
    except urllib.error.HTTPError as error:
        with error:
            body = error.read()
    except (OSError, ValueError):
        return None
    try:
        status = json.loads(body)
    except ValueError:
        return None
    return status if isinstance(status, dict) else None


def _condition(condition: dict[str, Any]) -> Finding:
    name, text = f"hub: {condition['name']}", Text(condition["text"], condition["text"])
    if condition["ok"]:
        return ok(name, *text)
    return problem(
        name, text, Text("The running hub says so; its log says more.", "正在运行的数据中心如此报告；详见其日志。")
    )
