"""How cases are told on the screen."""

import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

from hub.cases.rules.texts import JOINED
from hub.terminal.json_lines import print_object
from hub.terminal.tables import say
from schemas.errors import UserError
from schemas.language import Text, spoken, tell

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from hub.cases.desk import CaseDesk

HEADS = (
    Text("No.", "编号"),
    Text("Reported", "上报时间"),
    Text("State", "状态"),
    Text("Source", "来源"),
    Text("District", "区"),
    Text("Class", "类别"),
    Text("Department", "部门"),
    Text("Deadline", "期限"),
    Text("Left", "剩余"),
)
NONE = Text("there are no cases", "没有案件")
DONE = Text("case {id} ({number}): {state_name}", "案件{id}（{number}）：{state_name}")
ALIKE = Text("it may be the same as case {ids}", "可能与案件{ids}为同一事件")
UNCERTAIN = Text(
    "the days off are known up to {known_to}; what is due later may still move",
    "节假日安排已知至{known_to}；此后的期限可能变动",
)


def report(desk: "CaseDesk", id_: int, *, as_json: bool) -> None:
    """Tell how a case stands after something was done with it."""
    from hub.cases.present import shown, shown_similar

    case = desk.get(id_)
    told = shown(case, desk, spoken(), time.time())
    alike = shown_similar(case, desk)
    if as_json:
        print_object(told | {"similar": alike})
        return
    print(tell(DONE).format(**told))
    if case.state == "reported" and alike:
        print(tell(ALIKE).format(ids=", ".join(str(one["id"]) for one in alike)))


def row(told: dict[str, Any]) -> list[str]:
    """Return a case as a row of the table under `HEADS`."""
    remaining = "-" if told["left"] is None else f"{told['left']:g} {told['unit_name']}"
    return [
        str(told["id"]),
        local(told["reported"]),
        told["state_name"],
        told["source_name"],
        told["district"],
        f"{told['code']} {told['code_name']}",
        told["department_name"] or "-",
        local(told["deadline"]) if told["deadline"] else "-",
        remaining,
    ]


def say_joined(*, joined: bool) -> None:
    """Say, if it is so, that supervision and command are one centre."""
    if joined:
        say(tell(JOINED), wrap=True)


def local(iso: str) -> str:
    """Return a moment to the minute, as people read it."""
    return iso[:16].replace("T", " ")


def moment(option_: str, text: str, zone: "ZoneInfo") -> float:
    """Return a local day or time that an option names, as Unix s."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise UserError(f"{option_} {text}: expected a date such as 2026-12-01, or 2026-12-01T08:00") from None
    return (when if when.tzinfo else when.replace(tzinfo=zone)).timestamp()
