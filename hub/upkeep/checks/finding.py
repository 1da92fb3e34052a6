"""What a check found."""

from dataclasses import dataclass
from enum import StrEnum

from schemas.language import Text


class FindingState(StrEnum):
    """How bad it is."""

    ok = "ok"
    warning = "warning"
    """It works now, and somebody should look at it."""
    problem = "problem"
    """The hub would not start, or would not do its work."""
    skipped = "skipped"
    """It could not be checked."""


NAMES = {
    "config": "配置",
    "catalogue": "监测量与限值",
    "alerts": "告警",
    "registry": "登记册",
    "time zone": "时区",
    "instruments": "仪器等级",
    "terminals": "车载终端",
    "badges": "工牌",
    "lorawan": "LoRaWAN 网络服务器",
    "lorawan nodes": "LoRaWAN 节点",
    "keys": "密钥",
    "data folder": "数据目录",
    "disk": "磁盘",
    "database": "数据库",
    "messages": "报文",
    "clock": "时钟",
    "certificate": "证书",
    "certificates": "证书",
    "certificate authority": "证书机构",
    "certificate key": "证书私钥",
    "broker": "消息代理",
    "broker login": "消息代理登录",
    "broker password": "消息代理密码",
    "broker subscription": "消息代理订阅",
    "districts": "各区",
    "store": "时序库",
    "stations": "监测站",
    "uplink": "上级系统",
    "http": "HTTP",
    "sign-on": "统一身份认证",
    "map": "地图",
    "moves": "设备迁移",
    "case rules": "案件规则",
    "case calendar": "案件日历",
    "case files": "案件附件",
    "mark proofs": "标记证明",
    "permits": "排污许可证",
}
"""What is checked, in Chinese; the name of a file may follow."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check; `name` is stable, for programs."""

    name: str
    state: FindingState
    text: Text
    remedy: Text | None = None


def shown(name: str) -> Text:
    """Return what is checked, as people read it."""
    for known in sorted(NAMES, key=len, reverse=True):
        if name == known or name.startswith(f"{known} "):
            return Text(name, NAMES[known] + name[len(known) :])
    return Text(name, name)


def ok(name: str, en: str, zh: str) -> Finding:
    """Return the finding that a thing is in order."""
    return Finding(name, FindingState.ok, Text(en, zh))


def warning(name: str, text: Text, remedy: Text) -> Finding:
    """Return the finding that a thing works for now."""
    return Finding(name, FindingState.warning, text, remedy)


def problem(name: str, text: Text, remedy: Text) -> Finding:
    """Return the finding that a thing is in the hub's way."""
    return Finding(name, FindingState.problem, text, remedy)


def skipped(name: str, en: str, zh: str) -> Finding:
    """Return that a thing could not be checked, and why."""
    return Finding(name, FindingState.skipped, Text(en, zh))
