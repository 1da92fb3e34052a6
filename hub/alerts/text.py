"""What people are told of alerts, as a sentence in English and one in Chinese."""

from dataclasses import dataclass
from datetime import datetime

from hub.alerts.records import Alert
from hub.alerts.states import Kind, Sending, State, What
from hub.config.alerts import Severity
from hub.judge.verdicts import Verdict
from hub.judge.verdicts import Warning as Early
from hub.registry.instruments import CLASSES
from hub.registry.live import NightWork, Registry, Site
from schemas.catalogue import told_quantity
from schemas.language import Lang, Text, clause_text
from schemas.properties import told_assumed, told_missing
from schemas.standards import Verified

SEVERITY: dict[Severity, Text] = {
    "info": Text("info", "提示"),
    "warning": Text("warning", "预警"),
    "suspicion": Text("suspicion", "疑似超标"),
    "violation": Text("violation", "超标"),
    "critical": Text("critical", "严重"),
}
OF_RULES: dict[Severity, Text] = {
    "suspicion": Text("suspicion", "疑似违规"),
    "violation": Text("violation", "违规"),
}
"""What severities are called where a rule is broken that is no limit."""
STATE: dict[State, Text] = {
    "pending": Text("pending", "预警"),
    "firing": Text("firing", "持续中"),
    "acknowledged": Text("acknowledged", "已确认"),
    "resolved": Text("resolved", "已解除"),
    "closed": Text("closed", "已关闭"),
    "withdrawn": Text("withdrawn", "已撤回"),
}
WHAT: dict[What, Text] = {
    "early": Text("early warning", "预警（未定论）"),
    "counted": Text("exceeded, waiting for more windows", "已超标，待后续时段确认"),
    "firing": Text("firing, final", "告警（已定论）"),
    "released": Text("firing, final; maintenance is over", "告警（已定论）；维护已结束"),
    "suppressed": Text("suppressed: maintenance", "维护期间，不通知"),
    "raised": Text("graver now", "级别升高"),
    "escalated": Text("nobody has acknowledged", "逾时无人确认"),
    "amended": Text("amended by late data", "因迟到数据修正"),
    "acknowledged": Text("acknowledged", "已确认"),
    "comment": Text("comment", "备注"),
    "resolved": Text("resolved", "已解除"),
    "withdrawn": Text("early warning withdrawn", "预警撤回"),
    "closed": Text("closed", "已关闭"),
}
COUNTED = Text("broken, waiting for more times", "已违规，待再次确认")
"""What the step `counted` is called where a rule is broken that is no limit."""
SENDING: dict[Sending, Text] = {
    "waiting": Text("waits", "待发送"),
    "sending": Text("is being sent", "发送中"),
    "sent": Text("sent", "已发送"),
    "unknown": Text("not known whether it was sent", "是否送达未知"),
    "dropped": Text("not sent", "未发送"),
    "refused": Text("refused, given up", "被拒收，不再重试"),
}
KIND: dict[Kind, Text] = {
    "limit": Text("limit exceeded", "超过限值"),
    "rule": Text("rule broken", "违反规定"),
    "silent": Text("board silent", "设备失联"),
    "sensor": Text("sensor faulty", "传感器故障"),
    "clock": Text("clock wrong", "时钟错误"),
    "calibration": Text("calibration overdue", "校准逾期"),
    "outbox": Text("records given up", "数据丢弃"),
    "numbers": Text("record numbers used twice", "记录编号重复"),
    "flood": Text("board floods", "发送过量"),
    "unheard": Text("acknowledgements not heard", "未收到确认"),
    "lag": Text("hub lagging", "数据处理滞后"),
    "certificate": Text("the hub's certificate", "数据中心证书"),
    "station": Text("station questionable", "监测站数据存疑"),
    "sos": Text("call for help (SOS)", "SOS 求救"),
}
SECONDS = 600
"""Times from here on are told in minutes or hours [s]."""
AT_RISK = Text("limit at risk", "可能超过限值")
NO_BOARD = Text("no board heard", "全部设备失联")
VERIFIED: dict[Verified, Text] = {
    "P": Text("P (the standard's own text)", "P（标准原文）"),
    "S": Text("S (secondary source)", "S（二手来源）"),
    "U": Text("U (unverified)", "U（未核实）"),
}
"""How well the value of a limit, or how it is averaged, is known."""


@dataclass(frozen=True, slots=True)
class Teller:
    """Makes the sentences; local times and the names of districts are those of `registry`."""

    registry: Registry

    def exceeded(self, v: Verdict, site: Site, permit: NightWork | None) -> Text:
        """Return what is above a limit: site, value, limit, window, capture, clause, how well it is verified."""
        place = told_place(self.registry, site, v.device)
        least = ("at least ", "至少") if v.reason == "at_least" else ("", "")
        en = (
            f"{place.en}: {least[0]}{told(v, 0)}, limit {v.limit_value:g} {v.unit}. {v.limit.en}, "
            f"{self.span(v.start, v.end, ' to ')}, data capture {v.capture * 100:.0f} %. {cited(v, 0)}."
        )
        zh = (
            f"{place.zh}：{least[1]}{told(v, 1)}，限值{v.limit_value:g} {v.unit}。{v.limit.zh}，"
            f"{self.span(v.start, v.end, '至')}，有效数据率{v.capture * 100:.0f} %。{cited(v, 1)}。"
        )
        if v.outcome == "above_uncorrected":
            en += " A suspicion, no violation: the background was not measured; measure it with the site at rest."
            zh += "疑似超标，尚不构成违法认定：未测背景噪声，请在停工时测量背景值。"
        elif v.grade == "suspicion":
            doubt = _doubt(v)
            en, zh = f"{en} {doubt.en}", zh + doubt.zh
        if not v.instrument:
            en += " The instrument's class is not stated."
            zh += "仪器等级未注明。"
        elif v.grade != "suspicion" or v.outcome == "above_uncorrected":
            off = "" if v.uncertainty is None else f", ±{v.uncertainty:.3g} {v.unit} (k = 2)"
            zh_off = "" if v.uncertainty is None else f"，±{v.uncertainty:.3g} {v.unit}（k = 2）"
            en += f" Instrument: {CLASSES[v.instrument].en}{off}."
            zh += f"仪器：{CLASSES[v.instrument].zh}{zh_off}。"
        if v.missing:
            what = told_missing(v.missing)
            en += f" Not known: {what.en}. This is the laxest of the limits that may hold."
            zh += f"未注明：{what.zh}，此处按可能适用的最宽限值判定。"
        if v.assumed:
            what = told_assumed(v.assumed)
            en += f" Assumed of the site: {what.en}."
            zh += f"站点情况按假定：{what.zh}。"
        if permit:
            en += f" Night-work permit {permit.permit}: work at night is allowed, the limit still binds."
            zh += f"夜间施工许可{permit.permit}：允许夜间施工，但限值仍须遵守。"
        return Text(en, zh)

    def early(self, w: Early, site: Site) -> Text:
        """Return what is to be expected of an open window."""
        place = told_place(self.registry, site, w.device)
        window = (self.span(w.start, w.end, " to "), self.span(w.start, w.end, "至"))
        used = f"{w.used * 100:.0f} %"
        if w.certain:
            hope = Text("the limit can no longer be kept", "已无法达标")
        elif w.reached_at is not None:
            at = self.clock(w.reached_at)
            hope = Text(f"if it goes on, the limit is reached at about {at}", f"若持续，预计{at}左右达到限值")
        else:
            hope = Text("the limit is at risk", "存在超标风险")
        if w.limit.correction:
            hope = Text(f"{hope.en}, the background not taken off", f"{hope.zh}（未扣除背景）")
        return Text(
            f"{place.en}: {used} of what {window[0]} allows is used; {hope.en}. "
            f"{w.limit.en}, limit {w.limit_value:g} {w.unit}. {cited(w, 0)}. Early: not a verdict.",
            f"{place.zh}：{window[1]}的允许量已用{used}，{hope.zh}。"
            f"{w.limit.zh}，限值{w.limit_value:g} {w.unit}。{cited(w, 1)}。预警，非定论。",
        )

    def span(self, start: float, end: float, to: str) -> str:
        """Return a span of local time; the day of its end only where it is another."""
        from_, until = (datetime.fromtimestamp(t, self.registry.zone) for t in (start, end))
        short = until.date() == from_.date() or (end - start) < 86_400
        return f"{from_:%Y-%m-%d %H:%M}{to}{until:{'%H:%M' if short else '%Y-%m-%d %H:%M'}}"

    def clock(self, t: float) -> str:
        """Return the local time of day."""
        return f"{datetime.fromtimestamp(t, self.registry.zone):%H:%M}"


def _doubt(v: Verdict) -> Text:
    """Return why a value that is above its limit is no violation, and what is to be done."""
    if v.limit.screening:
        return Text(
            "A suspicion, no violation: screened, not measured by the standard's method; have it measured by that.",
            "疑似超标，尚不构成违法认定：仅为筛查，未按标准规定的方法测量，请按标准方法监测。",
        )
    if v.instrument == "indicative":
        return Text(
            "A suspicion, no violation: the instrument is indicative; measure with a better one.",
            "疑似超标，尚不构成违法认定：仪器为指示性，请用更高等级仪器测量。",
        )
    within = "" if v.uncertainty is None else f" (±{v.uncertainty:.3g} {v.unit}, k = 2)"
    inside = "" if v.uncertainty is None else f"（±{v.uncertainty:.3g} {v.unit}，k = 2）"
    return Text(
        f"A suspicion, no violation: within the uncertainty of the instrument{within}; measure with a better one.",
        f"疑似超标，尚不构成违法认定：在仪器不确定度{inside}之内，请用更准确的仪器测量。",
    )


def told_place(registry: Registry, site: Site, device: str) -> Text:
    """Return where something is by its names: the site, its district, and which board, station, terminal or node."""
    district = registry.district_called(site.district)
    what = (
        Text("station", "监测站")
        if device in registry.stations
        else Text("terminal", "终端")
        if device in registry.terminals
        else Text("node", "节点")
        if device in registry.nodes
        else Text("badge", "工牌")
        if device in registry.badges
        else Text("board", "设备")
    )
    return Text(f"{site.en} ({district.en}, {what.en} {device})", f"{site.zh}（{district.zh}，{what.zh}{device}）")


def cited(judged: Verdict | Early, lang: int) -> str:
    """Return what sets the limit, and how well its value and averaging are verified."""
    standard, limit = judged.standard, judged.limit
    value, averaging = VERIFIED[limit.verified], VERIFIED[limit.averaging.verified]
    # Where the clause is not known, nothing stands for it: the limit's name has been told, its id tells nobody more.
    clause = clause_text(limit.clause or "")
    if lang:
        return f"{standard.id}《{standard.zh}》{clause.zh}；限值核实程度：{value.zh}，平均方式：{averaging.zh}"
    where = f", {clause.en}" if limit.clause else ""
    return f"{standard.id}{where}; limit verified: {value.en}, averaging: {averaging.en}"


def told(v: Verdict, lang: int) -> str:
    """Return a value with its unit, and what was compared with the limit where that is another number."""
    value = f"{number(v.value, v.decimals)} {v.unit}"
    if v.value is None or v.compared is None or number(v.value, v.decimals) == number(v.compared, v.decimals):
        return value
    least = v.decimals if v.limit.decimals is None else v.limit.decimals
    compared = f"{v.compared:.{least}f} {v.unit}"
    if lang:
        background = "" if v.background is None else f"（背景值{number(v.background, v.decimals)} {v.unit}）"
        return f"{value}，按{compared}评价{background}"
    background = "" if v.background is None else f" (background {number(v.background, v.decimals)} {v.unit})"
    return f"{value}, judged as {compared}{background}"


def number(value: float | None, decimals: int) -> str:
    """Return a value as it was judged: rounded to the quantity's decimals."""
    from hub.judge.averaging import rounded  # a list of alerts needs the texts and nothing of judging

    return "?" if value is None else f"{rounded(value, decimals):.{decimals}f}"


def step_name(what: What, kind: str) -> Text:
    """Return what a step is called, of alerts of a kind."""
    return COUNTED if what == "counted" and kind == "rule" else WHAT[what]


def severity_name(severity: Severity, kind: str) -> Text:
    """Return what a severity is called, of alerts of a kind."""
    return (OF_RULES if kind == "rule" else SEVERITY).get(severity, SEVERITY[severity])


def about(alert: Alert) -> Text:
    """Return what an alert is about beside its kind: what was measured, or the rule that is broken; empty: no more."""
    if alert.kind == "rule":
        from schemas import domains  # packs take a while, and most lists have no rule of theirs

        rule = domains.rules().get(alert.rule)
        return Text(rule.en, rule.zh) if rule else Text(alert.rule, alert.rule)
    # A trouble of a sensor has no quantity of its own; its cause ends with the one that is concerned.
    quantity = alert.rule.rpartition(" ")[2] if alert.kind == "sensor" else alert.quantity
    return told_quantity(quantity) if quantity else Text("", "")


def amount(value: float, unit: str | None, lang: Lang, digits: str = ".1f") -> str:
    """Return a value with its unit as people write it: a number or share without one, a long time in minutes or hours.

    `digits`: how a value of any other unit is written.
    """
    if not unit or unit == "1":
        return f"{value:.3g}" if unit else f"{value:{digits}}"
    if unit == "d":
        return Text(f"{value:.3g} days", f"{value:.3g}天").into(lang)
    if unit != "s":
        return f"{value:{digits}} {unit}"
    if abs(value) < SECONDS:
        return f"{value:.3g} s"
    minutes, hours = f"{value / 60:.3g}", f"{value / 3600:.3g}"
    found = Text(f"{minutes} min", f"{minutes}分钟") if abs(value) < 2 * 3600 else Text(f"{hours} h", f"{hours}小时")
    return found.into(lang)


def kind_of(alert: Alert) -> Text:
    """Return what an alert is about."""
    if alert.kind == "limit" and not alert.exceeded and alert.fired is None:
        return AT_RISK
    return NO_BOARD if alert.kind == "silent" and not alert.device else KIND[alert.kind]
