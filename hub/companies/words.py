"""What marks come to, in words; and marks as programs are told of them."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from hub.companies.desk import DECIDE_S
from hub.things.marks.records import Mark, MarkEvent, Standing, What
from schemas.domains import mark_kinds
from schemas.language import Lang, Text

STANDING: dict[Standing, Text] = {
    "counts": Text("counts, not looked at yet", "有效，待审核"),
    "accepted": Text("accepted", "已认可"),
    "awaits_proof": Text("waits for its proof, changes nothing yet", "待补证明，尚未生效"),
    "rejected": Text("rejected: changes nothing", "不予认可，无效"),
    "late": Text("after the deadline: changes nothing", "超过时限，无效"),
    "back_dated": Text("begins too long before it was logged: changes nothing", "所标时段早于登记时间过多，无效"),
    "withdrawn": Text("withdrawn by the enterprise", "排污单位已撤回"),
}
ACT: dict[What, Text] = {
    "mark": Text("logged", "登记标记"),
    "proof": Text("proof added", "上传证明"),
    "end": Text("ended earlier", "提前结束"),
    "withdraw": Text("withdrawn", "撤回"),
    "accept": Text("accepted", "认可"),
    "reject": Text("rejected", "不予认可"),
}


def kind_of(mark: Mark) -> Text:
    """Return the reason of a mark as people call it; one that no pack declares any more by its id."""
    found = mark_kinds().get(mark.said.kind)
    return Text(found.en, found.zh) if found else Text(mark.said.kind, mark.said.kind)


def shown(mark: Mark, zone: ZoneInfo, lang: Lang, now: float) -> dict[str, Any]:
    """Return what programs are told of a mark; times are local, with their offset."""

    def time(t: float | None) -> str | None:
        return None if t is None else datetime.fromtimestamp(t, zone).isoformat(timespec="seconds")

    standing = mark.standing(now)
    return {
        "id": mark.id,
        "outlet": mark.said.outlet,
        "kind": mark.said.kind,
        "kind_name": kind_of(mark).into(lang),
        "begin": time(mark.said.begin),
        "end": time(mark.end),
        "quantities": list(mark.said.quantities),
        "reason": mark.reason,
        "who": mark.who,
        "logged": time(mark.logged),
        "earliest": time(mark.earliest),
        "deadline": time(mark.deadline),
        "decide_by": time(mark.end + DECIDE_S),
        "standing": standing,
        "standing_name": STANDING[standing].into(lang),
        "effective": mark.effective,
        "proofs": [
            {"name": one.name, "sha256": one.sha256, "size": one.size, "logged": time(one.logged)}
            for one in mark.proofs
        ],
        "decision": None
        if mark.decision is None
        else {
            "what": mark.decision.what,
            "who": mark.decision.who,
            "time": time(mark.decision.when),
            "text": mark.decision.text,
        },
        "last": mark.last,
    }


def shown_event(event: MarkEvent, zone: ZoneInfo, lang: Lang) -> dict[str, Any]:
    """Return what programs are told of an event."""
    when = datetime.fromtimestamp(event.logged, zone).isoformat(timespec="seconds")
    return {
        "id": event.id,
        "logged": when,
        "who": event.who,
        "what": event.what,
        "what_name": ACT[event.what].into(lang),
        "text": event.text,
    }
