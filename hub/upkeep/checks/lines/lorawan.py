"""Checks what nodes of LoRaWAN need of the hub: a network server that answers, its files, calibration."""

import socket
from collections.abc import Mapping, Sequence

from hub.config.files import ConfigError, Lorawan
from hub.intake.broker import Link
from hub.registry.entries import Node
from hub.upkeep.checks.files import MOST, check_secret
from hub.upkeep.checks.finding import Finding, ok, problem, warning
from schemas.chinese import in_chinese
from schemas.language import Text

PATIENCE = 5
"""How long an answer may take [s]."""
_MEND = Text("Mend it under [[lorawan]] of fenceline.toml.", "请在 fenceline.toml 的 [[lorawan]] 中改正。")


def check_lorawan(servers: Sequence[Lorawan], nodes: Mapping[str, Node]) -> list[Finding]:
    """Look for network servers that cannot be reached, and for nodes of which nothing can come of use."""
    findings = [one for server in servers for one in _check_server(server)]
    if nodes and not servers:
        n = len(nodes)
        text = Text(
            f"{n} nodes are registered, and no network server is named", f"登记了 {n} 个节点，但未配置网络服务器"
        )
        findings.append(
            warning(
                "lorawan", text, Text("Add [[lorawan]] to fenceline.toml.", "请在 fenceline.toml 中添加 [[lorawan]]。")
            )
        )
    bare = [one.id for one in nodes.values() if one.empty_mm is None]
    if bare:
        names = ", ".join(bare[:MOST])
        text = Text(
            f"{len(bare)} nodes say nothing of how full a bin is: empty_mm and full_mm are missing ({names})",
            f"{len(bare)} 个节点无法换算满溢度：缺少 empty_mm 和 full_mm（{names}）",
        )
        mend = Text(
            "Give both in the registry, unless they are trackers or buttons.",
            "请在登记册中补充；定位器和按钮无需填写。",
        )
        findings.append(warning("lorawan nodes", text, mend))
    return findings


def _check_server(server: Lorawan) -> list[Finding]:
    where = f"{server.host}:{server.port}"
    findings: list[Finding] = []
    if server.password_file:
        findings += check_secret("lorawan", server.password_file, Text("the password", "密码"))
    if server.key:
        findings += check_secret("lorawan", server.key, Text("the hub's key", "数据中心的私钥"))
    try:
        Link(server.broker, topics=server.topics)
        socket.create_connection((server.host, server.port), timeout=PATIENCE).close()
    except ConfigError as error:
        text = Text(f"{server.name}: {error}", f"{server.name}：{in_chinese(str(error))}")
        return [*findings, problem("lorawan", text, _MEND)]
    except OSError as error:
        why = error.strerror or "no answer"
        text = Text(f"{server.name}: {where}: {why}", f"{server.name}：{where}：{why}")
        return [*findings, problem("lorawan", text, _MEND)]
    return [*findings, ok("lorawan", f"{server.name}: {where} answers", f"{server.name}：{where} 有应答")]
