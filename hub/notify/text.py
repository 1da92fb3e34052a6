"""Messages to people: one for a step of an alert, or one with a table for many."""

from collections import Counter
from dataclasses import dataclass

import apprise

from hub.alerts.book import Row, of_lines
from hub.alerts.text import SEVERITY, WHAT, Teller, kind_of
from hub.config.alerts import SEVERITIES, Alerting, Recipient
from hub.notify.recipients import FOLLOWS
from hub.registry.live import Registry
from schemas.language import Lang, Text

MOST_ROWS = 50
"""Rows of a digest's table; chat services refuse longer messages."""

TYPES = {
    "info": apprise.NotifyType.INFO,
    "warning": apprise.NotifyType.WARNING,
    "violation": apprise.NotifyType.FAILURE,
    "critical": apprise.NotifyType.FAILURE,
}
REPEATED = Text(
    "Possibly repeated: whether an earlier attempt arrived is not known.", "可能重复：此前一次发送是否送达无法确认。"
)
HUB = Text("the hub", "数据中心")
NUMBER = Text("Alert no. {alert}.", "告警编号：{alert}。")
SINCE = Text("{what}, since {since}.", "{what}，自{since}起。")
MANY = Text("{n} messages of alerts at once", "{n}条告警消息汇总")
MORE = Text(
    "... and {n} more: fenceline alerts list, or the hub's API", "……另有{n}条，请用fenceline alerts list或接口查看"
)
HEAD = Text(
    "no. | time | site | what | severity | value | limit | standard (verified)",
    "编号 | 时间 | 场所 | 事项 | 级别 | 数值 | 限值 | 标准（核实程度）",
)


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent."""

    title: str
    body: str
    type: apprise.NotifyType


class Composer:
    """Writes messages; local times are the registry's."""

    def __init__(self, settings: Alerting, registry: Registry) -> None:
        self._settings = settings
        self._registry = registry
        self._teller = Teller(registry.zone)

    def message(self, recipient: Recipient, rows: list[Row]) -> Message:
        """Return the message for one notification, or the digest for several.

        A row holds a notification (`repeated`), its alert's columns, and its step as `step_what`, `step_time`,
        `step_detail`, `step_detail_zh` and `step_severity`.
        """
        langs = list(Lang) if recipient.lang == "both" else [Lang(recipient.lang)]
        write = self._one if len(rows) == 1 else self._many
        parts = [write(rows, lang) for lang in langs]
        gravest = max((row["step_severity"] for row in rows), key=SEVERITIES.index)
        type_ = TYPES[gravest]
        if all(row["step_what"] in {"resolved", "withdrawn"} for row in rows):
            type_ = apprise.NotifyType.SUCCESS
        return Message(" / ".join(title for title, _ in parts), "\n".join(body for _, body in parts), type_)

    def _one(self, rows: list[Row], lang: Lang) -> tuple[str, str]:
        (row,) = rows
        what, followed = self._what(row, lang), row["step_what"] in FOLLOWS
        detail = Text(row["step_detail"], row["step_detail_zh"]).into(lang)
        parts = [detail]
        if followed:
            parts = [f"{what}: {detail}" if lang is Lang.en else f"{what}：{detail}", of_lines(row["text"]).into(lang)]
        else:
            since = self._teller.span(row["first"], row["first"], "|").partition("|")[0]
            parts.append(SINCE.into(lang).format(what=what[0].upper() + what[1:], since=since))
        link = self._settings.link_to(row["site"], row["device"], row["district"], row["alert"])
        parts.append(NUMBER.into(lang).format(alert=row["alert"]) + (f" {link}" if link else ""))
        parts += [REPEATED.into(lang)] if row["repeated"] else []
        severity = SEVERITY[row["step_severity"]].into(lang)
        return f"Fenceline [{severity}] {self._place(row, lang)}: {what}", "\n".join(parts)

    def _many(self, rows: list[Row], lang: Lang) -> tuple[str, str]:
        counts = Counter(row["step_severity"] for row in rows)
        told = [f"{SEVERITY[name].into(lang)} {counts[name]}" for name in reversed(SEVERITIES) if counts[name]]
        lines = [", ".join(told), HEAD.into(lang)]
        # The gravest first: they must be among those that are shown.
        shown = sorted(rows, key=lambda row: -SEVERITIES.index(row["step_severity"]))[:MOST_ROWS]
        for row in shown:
            value = "-" if row["value"] is None else f"{row['value']:.1f} {row['unit']}"
            limit = "-" if row["limit_value"] is None else f"{row['limit_value']:g} {row['unit']}"
            what, severity = self._what(row, lang), SEVERITY[row["step_severity"]].into(lang)
            cited = f"{row['standard']} {row['clause']} ({row['verified']})" if row["standard"] else "-"
            when = f"{row['alert']} | {self._teller.clock(row['step_time'])}"
            lines.append(" | ".join((when, self._place(row, lang), what, severity, value, limit, cited)))
        if len(rows) > MOST_ROWS:
            lines.append(MORE.into(lang).format(n=len(rows) - MOST_ROWS))
        if any(row["repeated"] for row in rows):
            lines.append(REPEATED.into(lang))
        return f"Fenceline: {MANY.into(lang).format(n=len(rows))}", "\n".join(lines)

    def _what(self, row: Row, lang: Lang) -> str:
        """Return what has happened; of a trouble of the network, also which it is."""
        step = WHAT[row["step_what"]].into(lang)
        if row["kind"] == "limit":
            return step
        kind = kind_of(row).into(lang)
        return kind if row["step_what"] == "firing" else f"{kind}, {step}" if lang is Lang.en else f"{kind}，{step}"

    def _place(self, row: Row, lang: Lang) -> str:
        site = self._registry.sites.get(row["site"])
        name = Text(site.en, site.zh).into(lang) if site else row["site"]
        return f"{name} {row['device']}".strip() or HUB.into(lang)
