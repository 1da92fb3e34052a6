"""The words of cases in both languages, each once."""

from hub.cases.rules.calendar import Unit
from hub.cases.rules.machine import Position, Side
from hub.cases.rules.records import Source, State, What
from schemas.language import Text

STATE: dict[State, Text] = {
    "reported": Text("reported", "已上报"),
    "verifying": Text("being verified", "核实中"),
    "filed": Text("filed", "已立案"),
    "dispatched": Text("dispatched", "已派遣"),
    "handling": Text("being handled", "处置中"),
    "fed_back": Text("fed back", "已反馈"),
    "checking": Text("being checked", "核查中"),
    "closed": Text("closed", "已结案"),
    "archived": Text("archived", "已归档"),
    "refused": Text("refused", "不予立案"),
    "suspended": Text("suspended", "已挂起"),
    "appealed": Text("appealed", "申诉中"),
}
SOURCE: dict[Source, Text] = {
    "alert": Text("alert", "告警"),
    "citizen": Text("citizen", "公众举报"),
    "patrol": Text("patrol", "巡查"),
    "department": Text("other department", "部门转办"),
}
ACT: dict[What, Text] = {
    "report": Text("reported", "上报"),
    "ask_verification": Text("verification asked", "要求核实"),
    "verify": Text("verified", "核实"),
    "file": Text("filed", "立案"),
    "refuse": Text("refused", "不予立案"),
    "send_back": Text("sent back to supervision", "退回监督中心"),
    "dispatch": Text("dispatched", "派遣"),
    "return": Text("returned", "退回"),
    "receive": Text("received", "接收"),
    "ask_extension": Text("extension asked", "申请延期"),
    "grant_extension": Text("extension granted", "同意延期"),
    "deny_extension": Text("extension denied", "不同意延期"),
    "suspend": Text("suspended", "挂起"),
    "resume": Text("resumed", "恢复"),
    "add_co_handler": Text("co-handler added", "增加协办部门"),
    "remove_co_handler": Text("co-handler removed", "撤销协办部门"),
    "supervise": Text("supervised", "督办"),
    "feed_back": Text("fed back", "反馈"),
    "send_check": Text("sent to be checked", "要求核查"),
    "inspect": Text("inspected", "核查"),
    "rework": Text("to be done again", "返工"),
    "close": Text("closed", "结案"),
    "force_close": Text("closed by force", "强制结案"),
    "appeal": Text("appealed", "申诉"),
    "review": Text("appeal reviewed", "申诉审核"),
    "uphold": Text("appeal upheld", "申诉成立"),
    "reject_appeal": Text("appeal rejected", "申诉不成立"),
    "archive": Text("archived", "归档"),
    "comment": Text("remark", "备注"),
    "join_alert": Text("alert joined", "并入告警"),
    "move_deadline": Text("deadline moved by the calendar", "因日历变更调整期限"),
}
POSITION: dict[Position, Text] = {
    "collector": Text("collector", "采集员"),
    "officer": Text("acceptor", "受理员"),
    "dispatcher": Text("dispatcher", "派遣员"),
    "handler": Text("handler", "处置人员"),
    "supervisor": Text("supervisor", "值班长"),
}
SIDE: dict[Side, Text] = {
    "judges": Text("judged", "进行立案、核查或结案"),
    "commanders": Text("dispatched", "进行派遣"),
    "handlers": Text("handled", "进行处置"),
}
UNIT: dict[Unit, Text] = {
    "urgent_hour": Text("urgent hours", "紧急工时"),
    "work_hour": Text("working hours", "工作时"),
    "work_day": Text("working days", "工作日"),
    "natural_day": Text("natural days", "自然日"),
}
JOINED = Text(
    "Supervision and command are one centre here (joined = true): who judges may also dispatch.",
    "本市监督与指挥合一（joined = true）：评判者也可派遣。",
)
