"""What states look like: each has a colour, a shape and a word, so that none of them carries the meaning alone."""

from typing import NamedTuple

from hub.access.tokens import Role
from hub.alerts.facts import RULED
from hub.alerts.text import severity_name
from hub.config.alerts import Severity
from hub.judge.verdicts import Outcome
from hub.wire.proof import Proof
from schemas.language import Lang, Text


class Badge(NamedTuple):
    """How something is shown; tone and shape are names of the style sheet and of the templates' icons."""

    tone: str
    shape: str
    text: str


TONES: dict[Severity, tuple[str, str]] = {
    "critical": ("critical", "triangle"),
    "violation": ("bad", "triangle"),
    "suspicion": ("doubt", "diamond"),
    "warning": ("warn", "square"),
    "info": ("quiet", "ring"),
}
OUTCOME: dict[str, tuple[str, str, Text]] = {
    "exceeded": ("bad", "triangle", Text("exceeded", "超标")),
    "above_uncorrected": ("doubt", "diamond", Text("above, background not measured", "超过限值，背景未测")),
    "suspicion": ("doubt", "diamond", Text("suspected", "疑似超标")),
    "trouble": ("warn", "square", Text("trouble", "设备异常")),
    "open": ("quiet", "ring", Text("open", "待定")),
    "invalid": ("quiet", "ring", Text("not enough valid data", "有效数据不足")),
    "unknown": ("quiet", "ring", Text("nothing judged", "暂无判定")),
    "compliant": ("good", "circle", Text("within limits", "达标")),
}
"""By a verdict's outcome, and by what a site comes to: tone, shape, word. The gravest first."""
GRAVEST = tuple(OUTCOME)
OF_RULES: dict[str, tuple[str, str, Text]] = {
    "violation": ("bad", "triangle", Text("breaks a rule", "违规")),
    "suspicion": ("doubt", "diamond", Text("suspected", "疑似违规")),
}
"""The same of whom a rule watches that is no limit."""
PROOF: dict[Proof, Text] = {
    "mac": Text("proven: sealed with the board's own key (MAC)", "已证实：由设备自身密钥签封（MAC）"),
    "certificate": Text("proven by certificate, the message itself not sealed", "由证书证实，报文本身未签封"),
    "password": Text("by password alone: whoever knows it could have sent it", "仅凭密码：知道密码者均可发送"),
    "none": Text("not proven", "未经证实"),
}
ROLE: dict[Role, Text] = {
    "viewer": Text("inspector: reads", "检查员（只读）"),
    "technician": Text("technician: reads here, registers boards", "技术人员（在此只读，可登记设备）"),
    "officer": Text(
        "officer: takes in hand, comments, closes what is over", "执法人员（确认、备注、关闭已解除的告警）"
    ),
    "collector": Text("collector: verifies and inspects cases on site", "采集员（现场核实、核查案件）"),
    "dispatcher": Text("dispatcher: sends cases to departments", "派遣员（派遣案件）"),
    "handler": Text("handler: works on cases", "处置人员（处置案件）"),
    "supervisor": Text("supervisor: watches over cases", "值班长（督办、强制结案、决定申诉）"),
    "admin": Text("admin: everything", "管理员（全部权限）"),
    "company": Text("enterprise: sees and marks its own outlets", "排污单位（查看和标记本单位排放口）"),
}
CHANNEL = {
    "board": Text("board (MQTT)", "设备（MQTT）"),
    "hj212": Text("station (HJ 212)", "监测站（HJ 212）"),
    "jt808": Text("terminal (JT/T 808)", "车载终端（JT/T 808）"),
    "badge": Text("badge (watch protocol)", "工牌（手表协议）"),
    "lorawan": Text("node (LoRaWAN)", "节点（LoRaWAN）"),
}
"""By the channel by which something sends."""
SENT = {
    "sent": "good",
    "waiting": "quiet",
    "sending": "quiet",
    "unknown": "doubt",
    "dropped": "quiet",
    "refused": "bad",
}
"""Tone by the state of a notification."""


def severity_of(severity: Severity, lang: Lang, kind: str = "limit") -> Badge:
    """Return how the severity of an alert of a kind is shown."""
    return Badge(*TONES[severity], severity_name(severity, kind).into(lang))


def window_of(outcome: str, kind: str, severity: Severity) -> tuple[str, str, Text]:
    """Return how a window is shown by which an alert of a kind and severity was judged: tone, shape, word."""
    if kind != "rule":
        return OUTCOME[outcome]
    word = severity if outcome == "exceeded" and severity in {"suspicion", "warning"} else outcome
    tone, shape, text = OUTCOME["suspicion" if word == "warning" else word]
    return tone, shape, RULED.get(word, text)


def channel_of(channel: str, lang: Lang) -> str:
    """Return how something sends, in words; a channel of somebody else's by its name."""
    return CHANNEL[channel].into(lang) if channel in CHANNEL else channel


def outcome_of(outcome: Outcome | str, lang: Lang, grade: str = "") -> Badge:
    """Return how an outcome is shown; `grade`: of the verdict."""
    tone, shape, text = OUTCOME["suspicion" if outcome == "exceeded" and grade == "suspicion" else outcome]
    return Badge(tone, shape, text.into(lang))
