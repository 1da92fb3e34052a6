"""A case as the seven steps of digital urban management: which are done, when and by whom, and which one it is at."""

from collections.abc import Sequence
from typing import NamedTuple

from hub.cases.rules.records import Case, Event, State
from hub.cases.rules.texts import CHECKED, FOUND, SOURCE
from hub.console.cases.visit import CaseVisit
from schemas.language import Text


class Step(NamedTuple):
    """One of the seven."""

    name: str
    state: str
    """done, now, or coming."""
    time: float | None
    who: str
    said: str
    """What came of it, in words."""


NAMES = (
    Text("Report", "信息收集"),
    Text("File", "立案"),
    Text("Dispatch", "派遣"),
    Text("Handle", "处置"),
    Text("Feed back", "反馈"),
    Text("Check and close", "核查结案"),
    Text("Evaluate", "评价"),
)
AT: dict[State, int] = {
    "reported": 1,
    "verifying": 1,
    "filed": 2,
    "dispatched": 3,
    "handling": 3,
    "suspended": 3,
    "fed_back": 5,
    "checking": 5,
    "closed": 7,
    "archived": 7,
    "refused": 7,
    "appealed": 6,
}
"""The number of the step (from 0) that comes next in each state; 7: all are done."""


def steps_of(cases: CaseVisit, case: Case, history: Sequence[Event]) -> list[Step]:
    """Return the seven steps of a case."""
    last = {event.what: event for event in history}
    say = cases.visit.say
    received, checked = last.get("receive"), last.get("inspect")
    closing = last.get("force_close" if case.forced else "close")
    times_and_people = (
        (case.reported, case.reported_by, say(SOURCE[case.source])),
        _filed(cases, case, last.get("refuse")),
        (
            _time(last.get("dispatch")),
            _who(last.get("dispatch")),
            cases.department(case.department),
        ),
        (_time(received), _who(received), ""),
        (case.finished, _who(last.get("feed_back")) if case.finished else "", ""),
        (
            case.closed,
            _who(closing) if case.closed else "",
            _checked(cases, case, checked, forced=case.forced),
        ),
        (case.closed, "", _evaluated(cases, case)),
    )
    at = AT[case.state]
    skipped = case.refused is not None  # what was refused goes none of the further steps
    steps = []
    for n, (time, who, said) in enumerate(times_and_people):
        state = "done" if n < at else "now" if n == at else "coming"
        if skipped and n > 1:
            steps.append(Step(say(NAMES[n]), "coming", None, "", ""))
        else:
            steps.append(Step(say(NAMES[n]), state, time if state != "coming" else None, who, said))
    return steps


def _filed(cases: CaseVisit, case: Case, refused: Event | None) -> tuple[float | None, str, str]:
    say = cases.visit.say
    if case.refused is not None and refused is not None:
        return case.refused, refused.who, say(Text("refused", "不予立案"))
    found = ""
    if case.verified:
        on_site = say(FOUND[case.verified])
        found = f"{say(Text('verified on site', '现场核实'))}{say(Text(': ', '：'))}{on_site} ({case.verified_by})"
    return case.filed, case.filed_by, found


def _checked(cases: CaseVisit, case: Case, checked: Event | None, *, forced: bool) -> str:
    say = cases.visit.say
    if forced:
        return say(Text("closed by force", "强制结案"))
    if case.checked is None or checked is None:
        return ""
    return f"{say(Text('inspected', '核查'))}{say(Text(': ', '：'))}{say(CHECKED[case.checked])} ({checked.who})"


def _evaluated(cases: CaseVisit, case: Case) -> str:
    say = cases.visit.say
    parts = []
    if case.is_on_time is not None:
        parts.append(say(Text("on time", "按期")) if case.is_on_time else say(Text("late", "超期")))
    if case.rework:
        parts.append(say(Text(f"done again {case.rework} times", f"返工{case.rework}次")))
    if case.returned:
        parts.append(say(Text(f"given back {case.returned} times", f"退回{case.returned}次")))
    return say(Text(", ", "，")).join(parts)


def _time(event: Event | None) -> float | None:
    return event.time if event else None


def _who(event: Event | None) -> str:
    return event.who if event else ""
