"""What may be done with a case in which state and by whom, and what it comes to: a table, and a fold over the history.

Pure: neither database nor clock. `RULES` is the table of allowed transitions; nothing else allows anything.
"""

from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

import msgspec

from hub.cases.rules.calendar import Calendar
from hub.cases.rules.records import Case, Event, State, What
from hub.config.alerts import Position

POSITIONS: tuple[Position, ...] = ("collector", "officer", "dispatcher", "handler", "supervisor")
SUPERVISION: tuple[Position, ...] = ("officer", "supervisor")
"""The centre that judges, beside its collectors."""
COMMAND: tuple[Position, ...] = ("dispatcher",)
"""The centre that dispatches."""
Side = Literal["judges", "commanders", "handlers"]
"""Who does such an act in a case may do none of the other sides' in the same case (`AGAINST`)."""
AGAINST: dict[Side, tuple[Side, ...]] = {
    "judges": ("commanders", "handlers"),
    "commanders": ("judges",),
    "handlers": ("judges",),
}


class Rule(NamedTuple):
    """A row of the table."""

    before: tuple[State, ...]
    """In which states it may be done."""
    after: State | None
    """None: the state stays, or is the one that `after` tells."""
    positions: tuple[Position, ...]
    """Who may do it, beside an admin; none: the hub alone."""
    side: Side | None = None
    says_why: bool = False
    """A reason must be written."""


AT_WORK: tuple[State, ...] = ("dispatched", "handling")
FILED: tuple[State, ...] = ("filed", *AT_WORK, "fed_back", "checking", "suspended")
UNDER_WAY: tuple[State, ...] = ("reported", "verifying", *FILED, "appealed")
EVER: tuple[State, ...] = (*UNDER_WAY, "closed", "archived", "refused")
SUPERVISOR: tuple[Position, ...] = ("supervisor",)
OFFICER: tuple[Position, ...] = ("officer",)
COLLECTOR: tuple[Position, ...] = ("collector",)
DISPATCHER: tuple[Position, ...] = ("dispatcher",)
HANDLER: tuple[Position, ...] = ("handler",)

RULES: dict[What, Rule] = {
    "report": Rule((), "reported", ("collector", "officer", "supervisor")),
    "ask_verification": Rule(("reported",), "verifying", OFFICER),
    "verify": Rule(("verifying",), "reported", COLLECTOR, "judges"),
    "file": Rule(("reported",), "filed", OFFICER, "judges"),
    "refuse": Rule(("reported",), "refused", OFFICER, "judges", says_why=True),
    "send_back": Rule(("filed",), "reported", DISPATCHER, "commanders", says_why=True),
    "dispatch": Rule(("filed",), "dispatched", DISPATCHER, "commanders"),
    "return": Rule(AT_WORK, "filed", HANDLER, "handlers", says_why=True),
    "receive": Rule(("dispatched",), "handling", HANDLER, "handlers"),
    "ask_extension": Rule(AT_WORK, None, HANDLER, "handlers", says_why=True),
    "grant_extension": Rule(AT_WORK, None, DISPATCHER, "commanders"),
    "deny_extension": Rule(AT_WORK, None, DISPATCHER, "commanders", says_why=True),
    "suspend": Rule(AT_WORK, "suspended", DISPATCHER, "commanders", says_why=True),
    "resume": Rule(("suspended",), None, DISPATCHER, "commanders"),
    "add_co_handler": Rule(AT_WORK, None, DISPATCHER, "commanders"),
    "remove_co_handler": Rule(AT_WORK, None, DISPATCHER, "commanders"),
    "supervise": Rule(UNDER_WAY, None, SUPERVISOR, says_why=True),
    "feed_back": Rule(("handling",), "fed_back", HANDLER, "handlers", says_why=True),
    "send_check": Rule(("fed_back",), "checking", OFFICER, "judges"),
    "inspect": Rule(("checking",), None, COLLECTOR, "judges"),
    "rework": Rule(("fed_back", "checking"), "handling", OFFICER, "judges", says_why=True),
    "close": Rule(("checking",), "closed", OFFICER, "judges"),
    "force_close": Rule(FILED, "closed", SUPERVISOR, "judges", says_why=True),
    "appeal": Rule(("closed", "refused"), "appealed", ("officer", "handler"), says_why=True),
    "review": Rule(("appealed",), None, ("officer", "supervisor"), says_why=True),
    "uphold": Rule(("appealed",), None, SUPERVISOR, "judges", says_why=True),
    "reject_appeal": Rule(("appealed",), None, SUPERVISOR, "judges", says_why=True),
    "archive": Rule(("closed", "refused"), "archived", OFFICER),
    "comment": Rule(EVER, None, POSITIONS, says_why=True),
    "join_alert": Rule(UNDER_WAY, None, OFFICER),
    "attach": Rule((*UNDER_WAY, "closed"), None, POSITIONS),
    "move_deadline": Rule((*FILED, "appealed"), None, ()),
    "remind": Rule(("filed", *AT_WORK), None, ()),
}
RECKONED: frozenset[What] = frozenset({"file", "dispatch", "grant_extension", "resume", "rework", "uphold"})
"""After these the deadline is another."""
RUNNING: frozenset[State] = frozenset({"filed", "dispatched", "handling"})
"""States in which a deadline runs, and moves when the calendar is changed."""
NEAR = 0.25
"""Of its limit: a deadline is near when less is left."""
_NEXT: dict[State, tuple[Position, ...]] = {
    "reported": OFFICER,
    "verifying": COLLECTOR,
    "filed": DISPATCHER,
    "fed_back": OFFICER,
    "suspended": DISPATCHER,
    "appealed": SUPERVISOR,
}
"""Whose act moves a case on from a state, where that does not depend on more."""


def after(case: Case | None, what: What) -> State:
    """Return the state to which an act that the table allows leads."""
    rule = RULES[what]
    if case is None:
        return "reported"
    if what in {"resume", "reject_appeal"}:
        assert case.before is not None, "a case is suspended or appealed from somewhere"
        return case.before
    if what == "uphold":  # what was refused is looked at again, what was closed is done again
        return "reported" if case.before == "refused" else "handling"
    return rule.after or case.state


def allowed(case: Case | None, what: What) -> bool:
    """Tell whether the table has a row for an act in the state of a case; None: there is no case yet."""
    return what == "report" if case is None else case.state in RULES[what].before


def positions(what: What, *, joined: bool) -> tuple[Position, ...]:
    """Return who may do an act; `joined`: supervision and command are one centre."""
    given = RULES[what].positions
    if not joined or not given or what in {"comment", "attach"}:
        return given
    more = COMMAND if set(given) & set(SUPERVISION) else SUPERVISION if set(given) & set(COMMAND) else ()
    return (*given, *(one for one in more if one not in given))


def places(role: str, *, joined: bool) -> tuple[Position, ...]:
    """Return in whose place somebody of a role acts; an admin in everybody's."""
    if role == "admin":
        return POSITIONS
    both = (*SUPERVISION, *COMMAND)
    others = () if not joined or role not in both else COMMAND if role in SUPERVISION else SUPERVISION
    return tuple(one for one in POSITIONS if one == role or one in others)


def conflict(case: Case, what: What, who: str, *, joined: bool) -> Side | None:
    """Return the side on which somebody has acted in this case, so that they may not do an act; None: there is none."""
    side = RULES[what].side
    for other in AGAINST[side] if side else ():
        if joined and {side, other} == {"judges", "commanders"}:
            continue
        if who in getattr(case, other):
            return other
    return None


def waits_for(case: Case) -> tuple[Position, ...]:
    """Return whose act a case waits for; nobody's: it is over."""
    if case.state in AT_WORK:
        return ("handler", "dispatcher") if case.asked_extra else ("handler",)
    if case.state == "checking":
        return OFFICER if case.checked else COLLECTOR
    return _NEXT.get(case.state, ())


def reckon(case: Case, calendar: Calendar) -> float | None:
    """Return the deadline of a case by a calendar: the limit, its extensions, and what the clock stood still."""
    if case.runs_from is None:
        return None
    still = sum(calendar.measure(begin, end, case.unit) for begin, end in case.pauses)
    return calendar.limit(case.runs_from, case.amount + case.extra + still, case.unit)


def is_near(case: Case, calendar: Calendar, now: float) -> bool:
    """Tell whether less than a quarter (`NEAR`) of a case's limit is left; `now`: Unix s, not after the deadline."""
    left = calendar.measure(now, case.deadline or now, case.unit)
    return left < NEAR * (case.amount + case.extra)


def remind_now(case: Case, calendar: Calendar, now: float) -> bool:
    """Tell whether those whose work a case is are to be reminded of its deadline now.

    Once for each deadline, when it is near, in working hours; of urgent hours, which run by night, at any hour. Where
    no hour is worked any more between today and the deadline, it is near enough. What stands still reminds nobody.
    """
    deadline = case.deadline
    if case.state not in RUNNING or deadline is None or not now < deadline or case.reminded == deadline:
        return False
    if case.unit == "urgent_hour":
        return is_near(case, calendar, now)
    if not any(begin <= now < end for begin, end in calendar.hours_of(calendar.day_of(now))):
        return False
    if is_near(case, calendar, now):
        return True
    midnight = calendar.limit(now, 0, "natural_day")
    return deadline >= midnight and calendar.measure(midnight, deadline, "work_hour") == 0


def replay(events: Iterable[Event]) -> Case | None:
    """Return the case to which a history adds up."""
    case = None
    for event in events:
        case = apply(case, event)
    return case


def apply(case: Case | None, event: Event) -> Case:
    """Return a case after one more event of its history."""
    data, t = event.data, event.time
    if case is None:
        return Case(
            id=event.casefile,
            reported=t,
            reported_by=event.who,
            reported_as=event.position,
            updated=t,
            text=event.text,
            **{**data, "alerts": tuple(data.get("alerts", ()))},
        )
    changes: dict[str, Any] = {"state": event.after, "seq": event.seq, "updated": t}
    changes |= _changes(case, event)
    if "deadline" in data:
        changes |= {"deadline": data["deadline"], "calendar": data["calendar"]}
    side = RULES[event.what].side
    if side and event.who not in getattr(case, side):
        changes[side] = (*getattr(case, side), event.who)
    return msgspec.structs.replace(case, **changes)


def _changes(case: Case, event: Event) -> dict[str, Any]:  # noqa: C901, PLR0912 - one line for each act
    """Return what an act changes beside the state."""
    data, t, who, position = event.data, event.time, event.who, event.position
    match event.what:
        case "verify":
            return {"verified": data["found"], "verified_by": who}
        case "file":
            filed = {"filed": t, "filed_by": who, "filed_as": position, "runs_from": t, "pauses": (), "extra": 0}
            return filed | {name: data[name] for name in ("standard", "amount", "unit")}
        case "refuse":
            return {"refused": t}
        case "send_back":
            return {"filed": None, "runs_from": None, "deadline": None, "calendar": "", "standard": "", "amount": 0}
        case "dispatch":
            first = {} if case.dispatched else {"dispatched": t, "dispatched_by": who, "dispatched_as": position}
            again = {"runs_from": t, "pauses": (), "extra": 0, "asked_extra": 0, "co_handlers": ()}
            return first | again | {"department": data["department"], "dispatches": case.dispatches + 1}
        case "return":
            return {"returned": case.returned + 1, "asked_extra": 0}
        case "receive":
            return {"handled_by": who, "handled_as": position}
        case "ask_extension":
            return {"asked_extra": data["amount"]}
        case "grant_extension":
            return {"extra": case.extra + case.asked_extra, "asked_extra": 0}
        case "deny_extension":
            return {"asked_extra": 0}
        case "suspend":
            return {"before": case.state, "stopped": t, "deadline": None}
        case "resume":
            return {"before": None} | _goes_on(case, t)
        case "add_co_handler":
            return {"co_handlers": (*case.co_handlers, data["department"])}
        case "remove_co_handler":
            return {"co_handlers": tuple(one for one in case.co_handlers if one != data["department"])}
        case "supervise":
            return {"supervised": case.supervised or t}
        case "feed_back":
            done = {"finished": t, "stopped": t, "asked_extra": 0, "handled_by": who, "handled_as": position}
            return done | {"fed_back": case.fed_back or t, "checked": None}
        case "inspect":
            return {"checked": data["result"]}
        case "rework":
            return {"rework": case.rework + 1, "finished": None, "checked": None} | _goes_on(case, t)
        case "close":
            return {"closed": t}
        case "force_close":
            stopped = case.stopped or t
            return {"closed": t, "forced": True, "finished": case.finished or stopped, "stopped": stopped} | {
                "before": None,
                "asked_extra": 0,
            }
        case "appeal":
            return {"before": case.state, "appeals": case.appeals + 1}
        case "uphold":
            if case.before == "refused":
                return {"before": None, "refused": None}
            undone = {"before": None, "closed": None, "forced": False, "finished": None, "checked": None}
            return undone | {"rework": case.rework + 1} | _goes_on(case, t)
        case "reject_appeal":
            return {"before": None}
        case "remind":
            return {"reminded": data["until"]}
        case "join_alert":
            return {"alerts": (*case.alerts, data["alert"])}
    return {}


def _goes_on(case: Case, t: float) -> dict[str, Any]:
    """Return what lets a limit run on that stood still."""
    assert case.stopped is not None, "it stood still"
    return {"stopped": None, "pauses": (*case.pauses, (case.stopped, t))}
