"""What each act says beside its text, looked through: a wrong or missing part is refused by its name."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, get_args

from hub.access.tokens import User
from hub.cases.book import CaseBook
from hub.cases.refusal import CaseError, wrong
from hub.cases.rules.calendar import UNITS
from hub.cases.rules.records import Case, Checked, Event, Found, Shows, What
from hub.cases.rules.rulebook import Rulebook
from schemas.language import Text

MOST_ATTACHED = 50
"""Files of one case."""
STAGES = ("pre_check", "department", "leader")
"""Of the review of an appeal, in this order."""
PARTS: dict[What, tuple[str, ...]] = {
    "verify": ("found",),
    "file": ("standard", "amount", "unit"),
    "refuse": ("same_as",),
    "dispatch": ("department",),
    "ask_extension": ("amount",),
    "add_co_handler": ("department",),
    "remove_co_handler": ("department",),
    "inspect": ("result",),
    "review": ("stage",),
    "join_alert": ("alert",),
    "attach": ("sha256", "name", "media", "size", "shows"),
}
"""What an act may say beside its text; what is not here says nothing more."""


class Grounds(Protocol):
    """What the parts of an act are looked through by: the desk at which it is done."""

    book: CaseBook
    rules: Rulebook
    user: User

    def get(self, id_: int) -> Case:
        """Return a case that concerns the user."""

    def similar(self, case: Case) -> list[tuple[Case, float | None]]:
        """Return cases that may be the same."""


def checked(desk: Grounds, case: Case, what: What, given: Mapping[str, Any], text: str, now: float) -> dict[str, Any]:
    """Return what an act says, as it stands in the history.

    Raises:
        CaseError: a part is wrong, missing, or belongs to another act; or the case's course does not allow the act.
    """
    asked = {name: value for name, value in given.items() if value not in (None, "")}
    for name in asked:
        if name not in PARTS.get(what, ()):
            expected = ", ".join(("text", *PARTS.get(what, ())))
            raise wrong(name, f"{what} takes no {name}; expected: {expected}", f"此操作没有{name}，可用：{expected}")
    if stands_against := hindrance(case, what, now):
        raise stands_against
    check = _CHECKS.get(what)
    return check(desk, case, asked, text, now) if check else {}


def hindrance(case: Case, what: What, now: float) -> CaseError | None:
    """Return what in a case's course stands against an act that its state allows, whatever the act says."""
    check = _HINDRANCES.get(what)
    said = check(case, now) if check else None
    return CaseError("act", said) if said else None


def _unverified(case: Case, now: float) -> Text | None:  # noqa: ARG001
    if case.source != "citizen" or case.verified == "exists":
        return None
    return Text(
        f"case {case.id}: what the public reports is verified on site before it is filed; "
        f"ask_verification, and a collector must find that it exists (so far: {case.verified or 'nothing'})",
        f"案件{case.id}：公众举报须先现场核实，确认属实后方可立案",
    )


def _no_more_time(case: Case, now: float) -> Text | None:
    if case.asked_extra:
        return Text(f"case {case.id}: an extension is asked for already", f"案件{case.id}：已有延期申请")
    if case.deadline is not None and now > case.deadline:
        return Text(
            f"case {case.id}: its deadline has passed; an extension is asked for before",
            f"案件{case.id}：期限已过，延期须在期限前申请",
        )
    return None


def _nothing_asked(case: Case, now: float) -> Text | None:  # noqa: ARG001
    if case.asked_extra:
        return None
    return Text(f"case {case.id}: nobody asks for an extension", f"案件{case.id}：没有延期申请")


def _alone(case: Case, now: float) -> Text | None:  # noqa: ARG001
    if case.co_handlers:
        return None
    return Text(f"case {case.id}: no department handles it beside", f"案件{case.id}：没有协办部门")


def _not_passed(case: Case, now: float) -> Text | None:  # noqa: ARG001
    if case.checked == "pass":
        return None
    return Text(
        f"case {case.id}: is closed after a collector's inspection with the result pass "
        f"(so far: {case.checked or 'none'}); rework it, or a supervisor closes it with force_close",
        f"案件{case.id}：须经采集员核查通过后方可结案；请返工，或由上级强制结案",
    )


_HINDRANCES: dict[What, Callable[[Case, float], Text | None]] = {
    "file": _unverified,
    "ask_extension": _no_more_time,
    "grant_extension": _nothing_asked,
    "deny_extension": _nothing_asked,
    "remove_co_handler": _alone,
    "close": _not_passed,
}


def _verify(desk: Grounds, case: Case, asked: Mapping[str, Any], text: str, now: float) -> dict[str, Any]:  # noqa: ARG001
    return {"found": _one_of("found", asked, get_args(Found))}


def _file(desk: Grounds, case: Case, asked: Mapping[str, Any], text: str, now: float) -> dict[str, Any]:
    alike = [other for other, _ in desk.similar(case) if other.state != "refused"]
    going = [other.id for other in alike if other.is_open]
    if going and not text:
        numbers = ", ".join(map(str, going))
        raise wrong(
            "text",
            f"case {numbers} may be the same (class, distance, time); refuse this one with same_as, "
            "or file it with a text that says why it is another",
            f"案件{numbers}可能为同一事件（类别、距离、时间）；请以same_as不予立案，或说明为何是另一事件",
        )
    limit = _limit(desk, case, asked, text, now)
    return limit | {"similar": [other.id for other in alike]}


def _limit(desk: Grounds, case: Case, asked: Mapping[str, Any], text: str, now: float) -> dict[str, Any]:
    """Return standard, amount and unit of a case's time limit."""
    day = dt.datetime.fromtimestamp(now, desk.rules.calendar.zone).date()
    standards = {one.id: one for one in desk.rules.standards_for(case.code, case.district, day)}
    names = ", ".join(standards) or "-"
    if "amount" in asked or "unit" in asked:
        if "standard" in asked or not text:
            raise wrong(
                "amount",
                "a limit of its own takes amount, unit and a text that says why, and no standard",
                "自定期限须给出amount、unit和理由，不得同时给出standard",
            )
        unit = _one_of("unit", asked, UNITS)
        return {"standard": "", "amount": _amount(asked, unit), "unit": unit, "basis": None}
    if "standard" in asked:
        chosen = standards.get(str(asked["standard"]))
        if chosen is None:
            raise wrong(
                "standard",
                f"{asked['standard']!r} is no case standard for {case.code} in {case.district}; expected: {names}",
                f"{asked['standard']!r}不是{case.district}{case.code}的立案标准，可用：{names}",
            )
    elif len(standards) == 1:
        (chosen,) = standards.values()
    else:
        raise wrong(
            "standard",
            f"{case.code} has {len(standards)} case standards in {case.district} ({names}); name one, "
            "or give amount, unit and a text that says why",
            f"{case.district}的{case.code}有{len(standards)}项立案标准（{names}）；请指定，或给出amount、unit和理由",
        )
    of_law = ("edition", "edition_zh", "source", "source_zh", "verified")
    of_it = ("condition_en", "condition_zh", "close_en", "close_zh")
    basis = {name: getattr(chosen, name) for name in (*of_law, *of_it)}
    return {"standard": chosen.id, "amount": chosen.amount, "unit": chosen.unit, "basis": basis}


def _refuse(desk: Grounds, case: Case, asked: Mapping[str, Any], text: str, now: float) -> dict[str, Any]:  # noqa: ARG001
    if "same_as" not in asked:
        return {}
    other = desk.get(_number("same_as", asked))
    if other.id == case.id:
        raise wrong("same_as", f"case {case.id} is this one", f"案件{case.id}就是本案")
    return {"same_as": other.id}


def _dispatch(desk: Grounds, case: Case, asked: Mapping[str, Any], text: str, now: float) -> dict[str, Any]:  # noqa: ARG001
    named = desk.rules.responsible_for(case.code, case.district, case.site)
    if "department" in asked:
        chosen = _department(desk, asked)
        return {"department": chosen, "by_table": chosen == named}
    if named is None:
        raise wrong(
            "department",
            f"the responsibility table names no department for {case.code} in {case.district}; name one",
            f"责任表中没有{case.district}{case.code}的责任部门，请指定",
        )
    return {"department": named, "by_table": True}


def _ask_extension(desk: Grounds, case: Case, asked: Mapping[str, Any], text: str, now: float) -> dict[str, Any]:  # noqa: ARG001
    return {"amount": _amount(asked, case.unit)}


def _decided(desk: Grounds, case: Case, asked: Mapping[str, Any], text: str, now: float) -> dict[str, Any]:  # noqa: ARG001
    return {"amount": case.asked_extra}


def _add_co_handler(desk: Grounds, case: Case, asked: Mapping[str, Any], text: str, now: float) -> dict[str, Any]:  # noqa: ARG001
    department = _department(desk, asked)
    if department in (case.department, *case.co_handlers):
        raise wrong("department", f"{department} handles case {case.id} already", f"{department}已在处置案件{case.id}")
    return {"department": department}


def _remove_co_handler(desk: Grounds, case: Case, asked: Mapping[str, Any], text: str, now: float) -> dict[str, Any]:  # noqa: ARG001
    return {"department": _one_of("department", asked, case.co_handlers)}


def _inspect(desk: Grounds, case: Case, asked: Mapping[str, Any], text: str, now: float) -> dict[str, Any]:  # noqa: ARG001
    return {"result": _one_of("result", asked, get_args(Checked))}


def _review(desk: Grounds, case: Case, asked: Mapping[str, Any], text: str, now: float) -> dict[str, Any]:  # noqa: ARG001
    stage, following = _one_of("stage", asked, STAGES), next_stage(desk.book.events(case.id))
    if stage != following:
        expected = following or "uphold or reject_appeal"
        raise wrong("stage", f"case {case.id}: expected next: {expected}", f"案件{case.id}：下一步应为{expected}")
    return {"stage": stage}


def next_stage(history: Sequence[Event]) -> str:
    """Return which review of the appeal comes next, by the history of a case that is appealed; empty: none."""
    begun = max(n for n, event in enumerate(history) if event.what == "appeal")
    done = sum(event.what == "review" for event in history[begun:])
    return STAGES[done] if done < len(STAGES) else ""


def _attach(desk: Grounds, case: Case, asked: Mapping[str, Any], text: str, now: float) -> dict[str, Any]:  # noqa: ARG001
    if "sha256" not in asked:
        raise wrong(
            "sha256",
            "a file is attached by sending it: 'fenceline cases attach', POST /api/v1/cases/ID/attachments, or the "
            "page of the case",
            "附件须通过上传添加：fenceline cases attach、POST /api/v1/cases/编号/attachments 或案件页面",
        )
    shows = _one_of("shows", asked, get_args(Shows))
    known = [event.data for event in desk.book.events(case.id) if event.what == "attach"]
    if any(one["sha256"] == asked["sha256"] for one in known):
        raise CaseError("file", Text(f"case {case.id}: has this very file already", f"案件{case.id}：已有此文件"))
    if len(known) >= MOST_ATTACHED:
        raise wrong("file", f"a case has at most {MOST_ATTACHED} files", f"每个案件最多{MOST_ATTACHED}个附件")
    return {name: asked[name] for name in ("sha256", "name", "media", "size")} | {"shows": shows}


def _join_alert(desk: Grounds, case: Case, asked: Mapping[str, Any], text: str, now: float) -> dict[str, Any]:  # noqa: ARG001
    alert = _number("alert", asked)
    known = desk.book.find_of_alert(alert)
    if known is not None:
        shown = f"{known.id}" if desk.user.sees(known.district) else "?"
        raise CaseError("alert", Text(f"alert {alert} has case {shown} already", f"告警{alert}已有案件{shown}"))
    return {"alert": alert}


_CHECKS: dict[What, Callable[[Grounds, Case, Mapping[str, Any], str, float], dict[str, Any]]] = {
    "verify": _verify,
    "file": _file,
    "refuse": _refuse,
    "dispatch": _dispatch,
    "ask_extension": _ask_extension,
    "grant_extension": _decided,
    "deny_extension": _decided,
    "add_co_handler": _add_co_handler,
    "remove_co_handler": _remove_co_handler,
    "inspect": _inspect,
    "review": _review,
    "join_alert": _join_alert,
    "attach": _attach,
}


def _one_of(name: str, asked: Mapping[str, Any], expected: tuple[str, ...]) -> str:
    value = asked.get(name, "")
    if value not in expected:
        shown = ", ".join(expected) or "-"
        raise wrong(name, f"{value!r}: expected one of: {shown}", f"{value!r}：应为其中之一：{shown}")
    return str(value)


def _amount(asked: Mapping[str, Any], unit: str) -> float:
    amount = asked.get("amount")
    whole = unit.endswith("_day")
    if not isinstance(amount, int | float) or not 0 < amount <= 10_000 or (whole and amount != int(amount)):
        what, what_zh = ("a whole number", "整数") if whole else ("a number", "数")
        raise wrong(
            "amount", f"{amount!r}: expected {what} above 0, in {unit}", f"{amount!r}：应为大于0的{what_zh}（{unit}）"
        )
    return float(amount)


def _number(name: str, asked: Mapping[str, Any]) -> int:
    value = asked.get(name)
    if not isinstance(value, int) or not 0 < value < 2**63:
        raise wrong(name, f"{value!r}: expected a number", f"{value!r}：应为编号")
    return value


def _department(desk: Grounds, asked: Mapping[str, Any]) -> str:
    return _one_of("department", asked, tuple(desk.rules.departments))
