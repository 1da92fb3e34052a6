"""Cases looked at: the list, and one with its history."""

import time
from typing import Annotated, Any

from hub.cases.cli.group import Number, app
from hub.cases.cli.shown import ALIKE, HEADS, NONE, UNCERTAIN, local, row, say_joined
from hub.cases.rules.records import StateAsked
from hub.terminal.actor import actor
from hub.terminal.commands import command, option
from hub.terminal.json_lines import print_list, print_object
from hub.terminal.options import ALL, FENCELINE, AsJson, Config, District, HubOf
from hub.terminal.tables import say, table
from schemas.language import Text, spoken, tell

STEPS = (
    Text("Step", "步骤"),
    Text("Time", "时间"),
    Text("By", "操作人"),
    Text("As", "岗位"),
    Text("What", "操作"),
    Text("Text", "说明"),
)


@command(
    app,
    "list",
    Text("List cases, the newest first.", "列出案件，最新的在前。"),
    "fenceline cases list --state open",
    "fenceline cases list --district nanhai --department greens --json",
)
def list_(
    state: Annotated[
        StateAsked | None,
        option(Text("Only those in this state; open: not over.", "仅限该状态；open为未结束。"), show_default=ALL),
    ] = None,
    in_district: District = "",
    code: Annotated[str, option(Text("Only of this code.", "仅限该事件代码。"), "--code", show_default=ALL)] = "",
    department: Annotated[
        str, option(Text("Only with this department.", "仅限该部门。"), "--department", show_default=ALL)
    ] = "",
    most: Annotated[
        int, option(Text("How many at most, the newest first.", "最多条数，最新的在前。"), min=1, max=100_000)
    ] = 50,
    as_json: AsJson = False,
    config: Config = FENCELINE,
) -> None:
    """List cases."""
    from hub.cases.opening import opened
    from hub.cases.present import shown

    with opened(config, in_district, actor()) as (desk, _, _):
        found = desk.book.search(state=state or "", district=in_district, code=code, department=department, limit=most)
        told = [shown(case, desk, spoken(), time.time()) for case in found]
        joined = desk.joined
    if as_json:
        print_list(told, "cases", joined=joined)
        return
    if told:
        table([tell(head) for head in HEADS], [row(one) for one in told])
    else:
        print(tell(NONE))
    say_joined(joined=joined)


@command(
    app,
    "show",
    Text("Show a case with its history, and cases that may be the same.", "查看案件、历史记录和可能相同的案件。"),
    "fenceline cases show 3",
    "fenceline cases show 3 --json",
)
def show(id_: Number, as_json: AsJson = False, district: HubOf = "", config: Config = FENCELINE) -> None:
    """Show a case."""
    from hub.cases.opening import opened
    from hub.cases.present import history_digest, shown, shown_event, shown_similar

    with opened(config, district, actor()) as (desk, _, _):
        case = desk.get(id_)
        told = shown(case, desk, spoken(), time.time())
        history = desk.book.events(id_)
        told["events"] = [shown_event(event, desk, spoken()) for event in history]
        told["history_sha256"] = history_digest(history)
        told["similar"] = shown_similar(case, desk)
        told["joined"] = desk.joined
        known_to = desk.rules.calendar.entry.known_to
    if as_json:
        print_object(told)
        return
    table([tell(head) for head in HEADS], [row(told)])
    say(told["text"], wrap=True)
    if told["deadline_certain"] is False:
        say(tell(UNCERTAIN).format(known_to=known_to))
    if told["similar"]:
        say(tell(ALIKE).format(ids=", ".join(f"{one['id']} ({one['state']})" for one in told["similar"])))
    rows = [
        [str(one["seq"]), local(one["time"]), one["who"], one["position_name"], one["what_name"], _said(one)]
        for one in told["events"]
    ]
    table([tell(head) for head in STEPS], rows)
    say_joined(joined=told["joined"])


def _said(event: dict[str, Any]) -> str:
    """Return what an event says beside its name, for people."""
    parts = [event["text"]] if event["text"] else []
    for name, value in event["data"].items():
        if (
            name in {"found", "result", "standard", "department", "stage", "amount", "unit", "same_as", "alert"}
            and value
        ):
            parts.append(f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}")
        if name in {"deadline", "was"} and value:
            parts.append(f"{name} {local(value)}")
    return "; ".join(parts) or "-"
