"""What may be done with a case now, each as a form with the parts that the act takes (`hub.cases.asked.PARTS`)."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from hub.cases.asked import PARTS, next_stage
from hub.cases.refusal import wrong
from hub.cases.rules.calendar import UNITS
from hub.cases.rules.machine import RULES
from hub.cases.rules.records import Case, Event, What
from hub.cases.rules.texts import CHECKED, DO, FOUND, STAGE, STATE, UNIT
from hub.console.cases.visit import CaseVisit
from schemas.language import Text

Kind = Literal["choice", "number", "hidden", "text"]
MOVES: tuple[What, ...] = (
    *("file", "verify", "dispatch", "receive", "feed_back", "send_check", "inspect", "close"),
    *("resume", "uphold", "grant_extension"),
)
"""What moves a case on stands first, open; of the rest each is folded away."""
GRAVE: tuple[What, ...] = ("refuse", "force_close", "reject_appeal", "deny_extension")
NUMBERS = {"same_as", "alert"}
AMOUNTS = {"amount"}


class Field(NamedTuple):
    """A part of an act beside its text."""

    name: str
    label: str
    kind: Kind
    value: str
    options: Sequence[tuple[str, str]] = ()
    needed: bool = False
    hint: str = ""


class Form(NamedTuple):
    """An act that the visitor may do now."""

    what: What
    button: str
    fields: list[Field]
    text: str
    """What was written in it before it was refused."""
    text_needed: bool
    text_hint: str
    moves: bool
    grave: bool
    open: bool


def forms_of(
    cases: CaseVisit, case: Case, history: Sequence[Event], refused: str = "", written: Mapping[str, str] | None = None
) -> list[Form]:
    """Return what the visitor may do with a case; of the act that was refused, what was `written` stands in it."""
    forms = []
    for what in cases.desk.may(case):
        if what == "attach":
            continue  # a form of its own: it brings a file
        given = written or {} if what == refused else {}
        fields = [_FIELDS[part](cases, case, what, history) for part in PARTS.get(what, ())]
        hint = cases.visit.say(_TEXT_HINTS[what]) if what in _TEXT_HINTS else ""
        form = Form(
            what,
            cases.visit.say(DO[what]),
            [one._replace(value=given.get(one.name, one.value)) for one in fields],
            given.get("text", ""),
            RULES[what].says_why,
            hint,
            what in MOVES,
            what in GRAVE,
            what == refused,
        )
        forms.append(form)
    return sorted(forms, key=lambda one: (not one.moves, one.grave, list(RULES).index(one.what)))


def given_in(form: Mapping[str, str], what: What) -> dict[str, Any]:
    """Return the parts of an act as a form says them.

    Raises:
        CaseError: what is to be a number is none.
    """
    given: dict[str, Any] = {}
    for name in PARTS.get(what, ()):
        text = form.get(name, "").strip()
        if not text:
            continue
        if name in NUMBERS | AMOUNTS and not text.isascii():
            raise wrong(name, f"{text!r}: expected a number", f"{text!r}：应为数字")
        if name in NUMBERS and (not text.isdigit() or len(text) > 18):
            raise wrong(name, f"{text!r}: expected a number", f"{text!r}：应为编号")
        try:
            given[name] = int(text) if name in NUMBERS else float(text) if name in AMOUNTS else text
        except ValueError:
            raise wrong(name, f"{text!r}: expected a number", f"{text!r}：应为数字") from None
    return given


def _found(cases: CaseVisit, case: Case, what: What, history: Sequence[Event]) -> Field:  # noqa: ARG001
    options = [(one, cases.visit.say(text)) for one, text in FOUND.items()]
    return Field("found", cases.visit.say(Text("What is there", "现场情况")), "choice", "", options, needed=True)


def _result(cases: CaseVisit, case: Case, what: What, history: Sequence[Event]) -> Field:  # noqa: ARG001
    options = [(one, cases.visit.say(text)) for one, text in CHECKED.items()]
    return Field("result", cases.visit.say(Text("Is it done", "核查结果")), "choice", "", options, needed=True)


def _standard(cases: CaseVisit, case: Case, what: What, history: Sequence[Event]) -> Field:  # noqa: ARG001
    say, rules = cases.visit.say, cases.desk.rules
    day = dt.datetime.fromtimestamp(cases.visit.now, rules.calendar.zone).date()
    options = []
    for one in rules.standards_for(case.code, case.district, day):
        limit = f"{one.amount:g} {say(UNIT[one.unit])} ({one.verified})"
        options.append((one.id, f"{say(Text(one.condition_en, one.condition_zh))}{say(Text(': ', '：'))}{limit}"))
    value = options[0][0] if len(options) == 1 else ""
    return Field("standard", say(Text("Case standard", "立案标准")), "choice", value, options)


def _amount(cases: CaseVisit, case: Case, what: What, history: Sequence[Event]) -> Field:  # noqa: ARG001
    say = cases.visit.say
    if what == "file":
        hint = say(Text("Instead of a standard; then say why.", "不采用立案标准时填写，并须说明理由。"))
        return Field("amount", say(Text("A limit of its own", "自定期限")), "number", "", hint=hint)
    label = f"{say(Text('How much more', '延长'))} ({say(UNIT[case.unit])})"
    return Field("amount", label, "number", "", needed=True)


def _unit(cases: CaseVisit, case: Case, what: What, history: Sequence[Event]) -> Field:  # noqa: ARG001
    options = [(one, cases.visit.say(UNIT[one])) for one in UNITS]
    return Field("unit", cases.visit.say(Text("Its unit", "期限单位")), "choice", "", options)


def _same_as(cases: CaseVisit, case: Case, what: What, history: Sequence[Event]) -> Field:  # noqa: ARG001
    say = cases.visit.say
    hint = say(Text("If it is the same as another case.", "与其他案件为同一事件时填写。"))
    alike = [other for other, _ in cases.desk.similar(case) if cases.desk.user.sees(other.district)]
    if alike:
        options = [(str(one.id), f"{one.number} ({say(STATE[one.state])})") for one in alike]
        return Field("same_as", say(Text("Same as case", "相同案件")), "choice", "", options, hint=hint)
    return Field("same_as", say(Text("Same as case no.", "相同案件编号")), "text", "", hint=hint)


def _department(cases: CaseVisit, case: Case, what: What, history: Sequence[Event]) -> Field:  # noqa: ARG001
    say, rules = cases.visit.say, cases.desk.rules
    handling = (case.department, *case.co_handlers)
    if what == "remove_co_handler":
        chosen: Sequence[str] = case.co_handlers
    else:
        chosen = [one for one in rules.departments if what == "dispatch" or one not in handling]
    options = [(one, cases.department(one)) for one in chosen]
    label, value, hint = say(Text("Department", "部门")), "", ""
    if what == "dispatch":
        value = rules.responsible_for(case.code, case.district, case.site) or ""
        hint = say(Text("The responsibility table names the one chosen.", "已按责任表选定。")) if value else ""
    return Field("department", label, "choice", value, options, needed=True, hint=hint)


def _stage(cases: CaseVisit, case: Case, what: What, history: Sequence[Event]) -> Field:  # noqa: ARG001
    stage = next_stage(history)
    label = cases.visit.say(Text("Stage", "环节"))
    return Field("stage", label, "hidden", stage, [(stage, cases.visit.say(STAGE[stage]))])


def _alert(cases: CaseVisit, case: Case, what: What, history: Sequence[Event]) -> Field:  # noqa: ARG001
    return Field("alert", cases.visit.say(Text("Alert no.", "告警编号")), "text", "", needed=True)


_FIELDS: dict[str, Callable[[CaseVisit, Case, What, Sequence[Event]], Field]] = {
    "found": _found,
    "standard": _standard,
    "amount": _amount,
    "unit": _unit,
    "same_as": _same_as,
    "department": _department,
    "result": _result,
    "stage": _stage,
    "alert": _alert,
}
_TEXT_HINTS: dict[What, Text] = {
    "file": Text(
        "Needed beside a similar case that is not over, and with a limit of its own: say why.",
        "存在未结束的相似案件或自定期限时必填，请说明理由。",
    ),
    "feed_back": Text("What was done.", "处置情况。"),
    "uphold": Text("What was refused is looked at again, what was closed is done again.", "撤销原决定，重新办理。"),
}
