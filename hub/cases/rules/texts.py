"""The words of cases in both languages, each once."""

from hub.cases.rules.calendar import Unit
from hub.cases.rules.machine import Side
from hub.cases.rules.rates import By, Measure, Rate
from hub.cases.rules.records import Checked, Found, Shows, Source, State, What
from hub.config.alerts import Position
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
    "attach": Text("attached", "添加附件"),
    "move_deadline": Text("deadline moved by the calendar", "因日历变更调整期限"),
    "remind": Text("reminded of the deadline", "临期提醒"),
}
DO: dict[What, Text] = {
    "report": Text("Take a report", "受理上报"),
    "ask_verification": Text("Ask for verification on site", "要求现场核实"),
    "verify": Text("Tell what is there", "提交核实结果"),
    "file": Text("File", "立案"),
    "refuse": Text("Refuse", "不予立案"),
    "send_back": Text("Send back to supervision", "退回监督中心"),
    "dispatch": Text("Dispatch", "派遣"),
    "return": Text("Give back", "退回"),
    "receive": Text("Receive", "接收"),
    "ask_extension": Text("Ask for more time", "申请延期"),
    "grant_extension": Text("Grant the extension", "同意延期"),
    "deny_extension": Text("Deny the extension", "不同意延期"),
    "suspend": Text("Suspend", "挂起"),
    "resume": Text("Resume", "恢复"),
    "add_co_handler": Text("Add a co-handler", "增加协办部门"),
    "remove_co_handler": Text("Take a co-handler out", "撤销协办部门"),
    "supervise": Text("Watch over it", "督办"),
    "feed_back": Text("Feed back: it is done", "反馈处置结果"),
    "send_check": Text("Send to be checked", "要求核查"),
    "inspect": Text("Tell how it is now", "提交核查结果"),
    "rework": Text("Send back to be done again", "返工"),
    "close": Text("Close", "结案"),
    "force_close": Text("Close by force", "强制结案"),
    "appeal": Text("Appeal", "申诉"),
    "review": Text("Review the appeal", "审核申诉"),
    "uphold": Text("Uphold the appeal", "申诉成立"),
    "reject_appeal": Text("Reject the appeal", "申诉不成立"),
    "archive": Text("Archive", "归档"),
    "comment": Text("Add a remark", "添加备注"),
    "join_alert": Text("Join an alert", "并入告警"),
    "attach": Text("Attach a photograph or document", "添加照片或文件"),
    "move_deadline": Text("Move the deadline", "调整期限"),
    "remind": Text("Remind", "提醒"),
}
"""What a button says."""
FOUND: dict[Found, Text] = {
    "exists": Text("it is there", "属实"),
    "not_exists": Text("it is not there", "不属实"),
    "unable": Text("cannot be told", "无法核实"),
}
CHECKED: dict[Checked, Text] = {
    "pass": Text("done", "通过"),
    "fail": Text("not done", "未通过"),
    "unable": Text("cannot be told", "无法核查"),
}
SHOWS: dict[Shows, Text] = {
    "before": Text("before", "处置前"),
    "after": Text("after", "处置后"),
    "document": Text("document", "文件"),
}
KIND: dict[str, Text] = {"event": Text("event", "事件"), "component": Text("component", "部件")}
STAGE: dict[str, Text] = {
    "pre_check": Text("pre-check", "初审"),
    "department": Text("by the department", "部门审核"),
    "leader": Text("by the leader", "领导审核"),
}
"""Of the review of an appeal."""
MEASURE: dict[Measure, Text] = {
    "accepted": Text("reported", "受理"),
    "filed": Text("filed", "立案"),
    "refused": Text("refused", "不予立案"),
    "closed_of_filed": Text("filed and closed", "立案中已结案"),
    "due": Text("due", "应结案"),
    "closed": Text("closed", "结案"),
    "on_time": Text("closed on time", "按期结案"),
    "fed_back": Text("fed back", "反馈"),
    "rework": Text("done again", "返工"),
    "dispatched": Text("dispatched", "派遣"),
    "accurate": Text("right at once", "准确派遣"),
}
RATE: dict[Rate, Text] = {
    "filing": Text("filing", "立案率"),
    "closed_of_filed": Text("closed of filed", "立案中结案比例"),
    "closing": Text("closing", "结案率"),
    "on_time": Text("on time", "按期结案率"),
    "rework": Text("rework", "返工率"),
    "accurate_dispatch": Text("accurate dispatch", "准确派遣率"),
}
BY: dict[By, Text] = {
    "all": Text("all together", "总计"),
    "area": Text("area", "区域"),
    "department": Text("department", "部门"),
    "position": Text("position", "岗位"),
    "person": Text("person", "人员"),
    "kind": Text("kind", "部件／事件"),
    "code": Text("class", "类别"),
    "source": Text("source", "来源"),
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
