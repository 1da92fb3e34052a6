"""Shows alerts and their evidence to people, in English or Chinese."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from hub.alerts.text import VERIFIED, amount
from hub.terminal.tables import Cell, say, table
from schemas.language import Text, spoken, tell

if TYPE_CHECKING:
    from hub.desk import models

TEXTS = {
    "id": Text("No.", "编号"),
    "opened": Text("Opened", "时间"),
    "age": Text("Age", "持续"),
    "state": Text("State", "状态"),
    "severity": Text("Severity", "级别"),
    "site": Text("Site", "站点"),
    "board": Text("Board", "设备"),
    "what": Text("What", "事项"),
    "standard": Text("Standard", "标准"),
    "value": Text("Value", "数值"),
    "limit": Text("Limit", "限值"),
    "none": Text("no alerts", "没有告警"),
    "steps": Text("What was done", "处理记录"),
    "windows": Text("Windows", "统计时段"),
    "notifications": Text("Notifications", "通知"),
    "rests": Text("Rests on", "依据"),
    "readings": Text("{n} readings: fenceline alerts show {id} --json", "{n}条读数：fenceline alerts show {id} --json"),
    "messages": Text(
        "the boards' messages, verbatim: fenceline alerts evidence {id}", "设备原始报文：fenceline alerts evidence {id}"
    ),
    "cited": Text(
        "{standard}{clause}, {title}: {name}, limit {value:g} {unit}, averaging {averaging}",
        "{standard}《{title}》{clause}：{name}，限值{value:g} {unit}，平均方式{averaging}",
    ),
    "measured": Text("instrument: {by}", "仪器：{by}"),
    "known": Text(
        "limit verified: {value}, averaging: {averaging}; {source}",
        "限值核实程度：{value}，平均方式：{averaging}；{source}",
    ),
    "offset": Text("Log offset", "日志序号"),
    "received": Text("Received", "接收时间"),
    "records": Text("Records", "记录时间"),
    "values": Text("Values", "数值"),
    "mac": Text("MAC", "报文认证"),
    "certificate": Text("none; certificate", "无（有证书）"),
    "password": Text("none; password", "无（有密码）"),
    "not_proven": Text("none; origin not proven", "无（来源未经验证）"),
    "right": Text("right", "有效"),
    "wrong": Text("WRONG", "无效"),
    "unknown": Text("key not known", "密钥未知"),
    "no_messages": Text(
        "no messages: it rests on none, or the log has forgotten them ([keep] days; it begins at {since})",
        "没有报文：该告警无报文依据，或日志已清除（[keep] days；日志始于{since}）",
    ),
    "from": Text("From", "开始"),
    "to": Text("To", "结束"),
    "reason": Text("Reason", "原因"),
    "who": Text("By", "操作人"),
    "all_boards": Text("all", "全部"),
    "removed": Text("maintenance window {id} was taken back", "维护时段{id}已撤回"),
    "no_maintenance": Text("no maintenance windows", "没有维护时段"),
    "rest": Text("... and more: --after {after}", "……还有更多：--after {after}"),
    "done": Text("alert {id}: {state}", "告警{id}：{state}"),
    "suppressed": Text("maintenance", "维护"),
}
STYLES = {"critical": "bold red", "violation": "red", "suspicion": "dark_orange", "warning": "yellow", "info": "dim"}


class AlertsView:
    """Prints in the language of the command line."""

    def text(self, key: str, **values: object) -> str:
        """Return a text, with what stands in it."""
        return tell(TEXTS[key]).format(**values)

    def table(self, alerts: Iterable[Mapping[str, Any]]) -> None:
        """Print alerts, one in a line; each as `listed` tells it."""
        rows: list[tuple[str | Cell, ...]] = []
        for alert in alerts:
            suppressed = f" ({self.text('suppressed')})" if alert["maintenance"] else ""
            value, limit, unit = alert["value"], alert["limit"], alert["unit"]
            # A rule may have no limit, which would tell the unit of both.
            ruled = alert["kind"] == "rule" and value is not None
            numbers = (
                amount(value, unit, spoken()) if ruled else shown(value),
                "-" if limit is None else amount(limit, unit, spoken(), "g"),
            )
            standard = f"{alert['standard']} {alert['clause'] or ''}".strip() if alert["standard"] else "-"
            place = (alert["site_name"] or "-", alert["board"] or "-")
            severity = Cell(alert["severity_name"], STYLES[alert["severity"]])
            who = f", {alert['acknowledged_by']}" if alert["state"] == "acknowledged" else ""
            state = f"{alert['state_name']}{who}{suppressed}"
            begin = (str(alert["id"]), shown_time(alert["opened"]), shown_span(alert["age"]), state, severity)
            about = ": ".join(filter(None, (alert["kind_name"], alert["about"])))
            rows.append((*begin, *place, about, *numbers, standard))
        if rows:
            keys = ("id", "opened", "age", "state", "severity", "site", "board", "what", "value", "limit", "standard")
            table([self.text(key) for key in keys], rows, numbers=(0, 2, 8, 9))
        else:
            print(self.text("none"))

    def detail(
        self, alert: "models.AlertDetail", windows: "list[tuple[models.JudgedWindow, str]]", told: list[str]
    ) -> None:
        """Print an alert with all that it rests on; `windows` with what people call their outcomes, `told`: lines."""
        self.table([alert.model_dump()])
        say(f"\n{alert.text}")
        if alert.link:
            say(alert.link)
        steps = [f"{shown_time(s.time)} {s.who}: {s.what_name} | {s.detail}".rstrip(" |") for s in alert.steps]
        self._sections(("windows", windows_of(windows, alert.unit)), ("rests", self._rests_on(alert)))
        self._sections(("steps", steps), ("notifications", told))

    def evidence(
        self,
        alert: "models.AlertDetail",
        windows: "list[tuple[models.JudgedWindow, str]]",
        page: "models.Messages",
    ) -> None:
        """Print what proves an alert: its limit, its windows, and the messages, whether the MAC of each is right."""
        self.table([alert.model_dump()])
        self._sections(("windows", windows_of(windows, alert.unit)), ("rests", self._cited(alert)))
        print()
        self._messages(page)

    def _sections(self, *sections: tuple[str, list[str]]) -> None:
        for key, lines in sections:
            if lines:
                say(Cell(f"\n{self.text(key)}", "bold"))
                for line in lines:
                    say(f"  {line}")

    def _messages(self, page: "models.Messages") -> None:
        if not page.messages:
            print(self.text("no_messages", since=shown_time(page.kept_since) if page.kept_since else "-"))
            return
        rows = []
        for message in page.messages:
            key, style = {True: ("right", "green"), False: ("wrong", "bold red"), None: ("unknown", "yellow")}[
                message.authentic
            ]
            if message.proof != "mac":
                key = "not_proven" if message.proof == "none" else message.proof
            values = " ".join(f"{shown(r.value)}{'' if r.flag == 'N' else r.flag}" for r in message.readings)
            what = values or "; ".join(map(_said, message.samples)) or message.topic.rpartition("/")[2]
            times = _records(message.readings) if message.readings else _times(message.samples)
            cells = (str(message.offset), shown_time(message.received), times, what)
            rows.append((*cells, Cell(self.text(key), style)))
        heads = [self.text(key) for key in ("offset", "received", "records", "values", "mac")]
        table(heads, rows, numbers=(0,))
        if page.cursor:
            print(self.text("rest", after=page.cursor))

    def maintenance(self, windows: "list[models.Maintenance]") -> None:
        """Print maintenance windows, one in a line."""
        if not windows:
            print(self.text("no_maintenance"))
            return
        rows = []
        for one in windows:
            board = one.board or self.text("all_boards")
            times = (shown_time(one.from_), shown_time(one.to))
            rows.append((str(one.id), one.site, board, *times, one.reason, one.who))
        table([self.text(key) for key in ("id", "site", "board", "from", "to", "reason", "who")], rows)

    def _cited(self, alert: "models.AlertDetail") -> list[str]:
        lines = [self.text("measured", by=alert.measured_by)] if alert.measured_by else []
        if alert.cited:
            cited = alert.cited.model_dump(
                include={"standard", "title", "name", "value", "unit", "clause", "averaging"}
            )
            behind = Text(f", {cited['clause']}", cited["clause"]) if cited["clause"] else Text("", "")
            lines.append(self.text("cited", **cited | {"clause": tell(behind)}))
            value, averaging = (
                tell(VERIFIED[letter]) for letter in (alert.cited.verified, alert.cited.averaging_verified)
            )
            lines.append(self.text("known", value=value, averaging=averaging, source=alert.cited.source))
        return lines

    def _rests_on(self, alert: "models.AlertDetail") -> list[str]:
        lines = self._cited(alert)
        if alert.evidence:
            lines.append(self.text("readings", n=len(alert.evidence.readings), id=alert.id))
        if alert.evidence and alert.evidence.influxql:
            lines.append(alert.evidence.influxql)
        if alert.board:
            lines.append(self.text("messages", id=alert.id))
        return lines


def shown_time(time_: datetime) -> str:
    """Return a local time as people read it."""
    return f"{time_:%Y-%m-%d %H:%M:%S}"


def shown_span(seconds: float) -> str:
    """Return a span as people read it, in the two largest units that it has."""
    minutes = int(seconds) // 60
    days, hours = minutes // 1440, minutes // 60 % 24
    if days:
        return tell(Text(f"{days} d {hours} h", f"{days}天{hours}小时"))
    if hours:
        return tell(Text(f"{hours} h {minutes % 60} min", f"{hours}小时{minutes % 60}分"))
    return tell(Text(f"{minutes} min", f"{minutes}分钟"))


def shown(value: float | None) -> str:
    """Return a value as people read it."""
    return "-" if value is None else f"{value:.1f}"


def _records(readings: "list[models.EvidenceReading]") -> str:
    if not readings:
        return "-"
    end = readings[-1].t + timedelta(seconds=readings[-1].dt)
    return f"{readings[0].t:%H:%M:%S}-{end:%H:%M:%S}"


def _times(samples: "list[models.EvidenceSample]") -> str:
    return "-".join(f"{t:%H:%M:%S}" for t in dict.fromkeys(one.t for one in (*samples[:1], *samples[-1:]))) or "-"


def _said(sample: "models.EvidenceSample") -> str:
    """Return what a sample says, in a line."""
    parts = [] if sample.lat is None or sample.lon is None else [f"{sample.lat:.5f}, {sample.lon:.5f}"]
    parts += [] if sample.speed is None else [f"{sample.speed:g} km/h"]
    return " ".join([*parts, *(f"{name}={_plain(value)}" for name, value in sample.states.items())])


def _plain(value: str | float | bool | None) -> str:
    return f"{value:g}" if isinstance(value, float) else "-" if value is None else str(value).lower()


def windows_of(windows: "list[tuple[models.JudgedWindow, str]]", unit: str | None) -> list[str]:
    """Return a line for each judged window."""
    return [_window(window, outcome, unit) for window, outcome in windows]


def _window(window: "models.JudgedWindow", outcome: str, unit: str | None) -> str:
    value = "-" if window.value is None else amount(window.value, unit, spoken())
    capture = "" if window.capture is None else f", {window.capture * 100:.0f} %"
    revision = f" (#{window.revision})" if window.revision > 1 else ""
    return f"{window.start:%Y-%m-%d %H:%M}-{window.end:%H:%M} {outcome}: {value}{capture}{revision}"
