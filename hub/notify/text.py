"""Messages to people: one for a step of an alert, or one with a table for many."""

from collections import Counter
from dataclasses import dataclass

import apprise

from hub.alerts.book import of_lines
from hub.alerts.text import SEVERITY, Teller, amount, kind_of, severity_name, step_name
from hub.config.alerts import SEVERITIES, Alerting, Recipient
from hub.notify.pieces import Room
from hub.notify.queue import Due, DueNews, Told
from hub.notify.recipients import FOLLOWS
from hub.registry.live import Registry
from schemas import domains
from schemas.language import Lang, Text, clause_text

MOST_ROWS = 50
"""Rows of a digest's table."""
MOST_PIECES = 4
"""Messages that a digest takes, of a service that takes little in one; what is behind them is counted in the last."""

TYPES = {
    "info": apprise.NotifyType.INFO,
    "warning": apprise.NotifyType.WARNING,
    "suspicion": apprise.NotifyType.WARNING,
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
MANY_CASES = Text("{n} steps of cases at once", "{n}条案件消息汇总")
MORE_CASES = Text("... and {n} more: the console, under Cases", "……另有{n}条，见管理台“案件”")
MORE = Text(
    "... and {n} more ({counts}): fenceline alerts list, or the hub's API",
    "……另有{n}条（{counts}），请用fenceline alerts list或接口查看",
)
HEAD = Text(
    "no. | time | site | what | severity | value | limit | standard (verified)",
    "编号 | 时间 | 站点 | 事项 | 级别 | 数值 | 限值 | 标准（核实程度）",
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
        self._teller = Teller(registry)

    def message(self, recipient: Recipient, told: Told, room: Room | None = None) -> Message:
        """Return the message for one notification, or the digest for several.

        `room`: how much the recipient's service takes in one message; a digest is to take few of them.
        """
        langs = list(Lang) if recipient.lang == "both" else [Lang(recipient.lang)]
        news = [one for one in told if isinstance(one, DueNews)]
        return self._news(langs, news, room) if news else self._alerts(langs, _of_alerts(told), room)

    def _news(self, langs: list[Lang], told: list[DueNews], room: Room | None) -> Message:
        """Return the message for one step of a case, or the digest for several."""
        rows = min(len(told), MOST_ROWS)
        while True:
            parts = [_one_news(told[0], lang) if len(told) == 1 else _many_news(told, lang, rows) for lang in langs]
            title, body = " / ".join(title for title, _ in parts), "\n".join(body for _, body in parts)
            if room is None or rows == 1 or len(room.split(title, body)) <= MOST_PIECES:
                return Message(title, body, apprise.NotifyType.INFO)
            rows -= 1

    def _alerts(self, langs: list[Lang], told: list[Due], room: Room | None) -> Message:
        gravest = max((one.event.severity for one in told), key=SEVERITIES.index)
        type_ = TYPES[gravest]
        if all(one.event.what in {"resolved", "withdrawn"} for one in told):
            type_ = apprise.NotifyType.SUCCESS
        rows = min(len(told), MOST_ROWS)
        while True:
            parts = [self._one(told, lang) if len(told) == 1 else self._many(told, lang, rows) for lang in langs]
            title, body = " / ".join(title for title, _ in parts), "\n".join(body for _, body in parts)
            if room is None or rows == 1 or len(room.split(title, body)) <= MOST_PIECES:
                return Message(title, body, type_)
            rows -= 1

    def _one(self, told: list[Due], lang: Lang) -> tuple[str, str]:
        (one,) = told
        what, followed = self._what(one, lang), one.event.what in FOLLOWS
        detail = Text(one.event.detail, one.event.detail_zh).into(lang)
        parts = [detail]
        if followed:
            news = f"{what}: {detail}" if lang is Lang.en else f"{what}：{detail}"
            parts = [news, of_lines(one.alert.text).into(lang)]
        else:
            since = self._teller.span(one.alert.first, one.alert.first, "|").partition("|")[0]
            parts.append(SINCE.into(lang).format(what=what[0].upper() + what[1:], since=since))
        link = self._settings.link_to(one.alert.site, one.alert.device, one.alert.district, one.alert.id)
        parts.append(NUMBER.into(lang).format(alert=one.alert.id) + (f" {link}" if link else ""))
        parts += [REPEATED.into(lang)] if one.notification.repeated else []
        severity = severity_name(one.event.severity, one.alert.kind).into(lang)
        return f"Fenceline [{severity}] {self._place(one, lang)}: {what}", "\n".join(parts)

    def _many(self, told: list[Due], lang: Lang, rows: int) -> tuple[str, str]:
        lines = [_counts(told, lang), HEAD.into(lang)]
        # The gravest first: they must be among those that are shown.
        ranked = sorted(told, key=lambda one: -SEVERITIES.index(one.event.severity))
        for one in ranked[:rows]:
            unit, least = one.alert.unit, one.alert.limit_value
            value = "-" if one.alert.value is None else amount(one.alert.value, unit, lang)
            limit = "-" if least is None else amount(least, unit, lang, "g")
            what, severity = self._what(one, lang), severity_name(one.event.severity, one.alert.kind).into(lang)
            standard, clause = one.alert.standard, one.alert.clause
            # In older alerts a limit without a known clause has its id there, which is the end of the rule's.
            known = f" {clause_text(clause).into(lang)}" if clause and one.alert.rule != f"{standard} {clause}" else ""
            rule = domains.rules().get(one.alert.rule) if one.alert.kind == "rule" else None
            named = rule.cited.into(lang) if rule else f"{standard}{known}"
            cited = f"{named} ({one.alert.verified})" if standard else "-"
            when = f"{one.alert.id} | {self._teller.clock(one.event.time)}"
            lines.append(" | ".join((when, self._place(one, lang), what, severity, value, limit, cited)))
        if rest := ranked[rows:]:
            lines.append(MORE.into(lang).format(n=len(rest), counts=_counts(rest, lang)))
        if any(one.notification.repeated for one in told):
            lines.append(REPEATED.into(lang))
        return f"Fenceline: {MANY.into(lang).format(n=len(told))}", "\n".join(lines)

    def _what(self, one: Due, lang: Lang) -> str:
        """Return what has happened; of a trouble of the network, also which it is."""
        step = step_name(one.event.what, one.alert.kind).into(lang)
        if one.alert.kind == "limit":
            return step
        kind = kind_of(one.alert).into(lang)
        return kind if one.event.what == "firing" else f"{kind}, {step}" if lang is Lang.en else f"{kind}，{step}"

    def _place(self, one: Due, lang: Lang) -> str:
        site = self._registry.sites.get(one.alert.site)
        name = Text(site.en, site.zh).into(lang) if site else one.alert.site
        return f"{name} {one.alert.device}".strip() or HUB.into(lang)


def _of_alerts(told: Told) -> list[Due]:
    return [one for one in told if isinstance(one, Due)]


def _one_news(one: DueNews, lang: Lang) -> tuple[str, str]:
    repeated = [REPEATED.into(lang)] if one.notification.repeated else []
    return f"Fenceline: {one.news.title.into(lang)}", "\n".join([one.news.body.into(lang), *repeated])


def _many_news(told: list[DueNews], lang: Lang, rows: int) -> tuple[str, str]:
    lines = [one.news.title.into(lang) for one in told[:rows]]
    if rest := len(told) - rows:
        lines.append(MORE_CASES.into(lang).format(n=rest))
    if any(one.notification.repeated for one in told):
        lines.append(REPEATED.into(lang))
    return f"Fenceline: {MANY_CASES.into(lang).format(n=len(told))}", "\n".join(lines)


def _counts(told: list[Due], lang: Lang) -> str:
    """Return how many there are of each severity, the gravest first."""
    counts = Counter(one.event.severity for one in told)
    return ", ".join(f"{SEVERITY[name].into(lang)} {counts[name]}" for name in reversed(SEVERITIES) if counts[name])
