"""Kinds of rules beside the limit: where, when, in which state, how full, how fast, by which document.

Each kind is one module with `Params`, what a rule of it says in a pack, and `course`, which judges by them. No
database, no clock, no screen. `hub.judge.kinds.docket` puts what came into order, and amends what late data changes:

    docket = Docket(rule, "truck-7", course_of(rule, world, local, "truck-7", since))
    docket.add(samples)
    verdicts = docket.judge(until=now, now=now)
"""

import importlib
from typing import TYPE_CHECKING, Any

import msgspec

from schemas.domains.entries import Rule
from schemas.faults import as_type, explain, told

if TYPE_CHECKING:
    from hub.judge.kinds.course import Course
    from hub.judge.kinds.world import World
    from hub.judge.windows import LocalTime

_HAULAGE = ("speed", "manifest", "balance", "quota", "credible", "expiry", "signed", "weighed", "held")
_WORK = ("timetable", "deadhead", "heat")
_FOLDERS = dict.fromkeys(_HAULAGE, "haulage.") | dict.fromkeys(_WORK, "work.")
KINDS = ("area", "route", "hours", "state", "level", "coverage", "presence", "gap", "checklist", *_WORK, *_HAULAGE)
"""Each is the module of its name in here, or in the folder of those like it."""


class RuleError(Exception):
    """A rule that cannot be judged: its id, what is wrong, what was expected."""


def params_type(kind: str) -> type[msgspec.Struct]:
    """Return the struct that the params of a kind of rules are read into.

    Raises:
        RuleError: there is no such kind.
    """
    if kind not in KINDS:
        raise RuleError(f"kind = {kind!r}: expected one of {', '.join(KINDS)}")
    found: type[msgspec.Struct] = _module(kind).Params
    return found


def _module(kind: str) -> Any:
    return importlib.import_module(f"hub.judge.kinds.{_FOLDERS.get(kind, '')}{kind}")


def params_of(rule: Rule) -> Any:
    """Return what a rule asks for, as its kind reads it.

    Raises:
        RuleError: the rule's kind is not known, or its params are not what the kind asks for.
    """
    try:
        kind = params_type(rule.kind)
    except RuleError as error:
        raise RuleError(f"rule {rule.id!r}: {error}") from None
    for place, problem in explain(rule.params, kind, ("params",)):
        raise RuleError(f"rule {rule.id!r}: kind {rule.kind!r}: {told(place)}: {problem}")
    return as_type(rule.params, kind)


def course_of(rule: Rule, world: "World", local: "LocalTime", subject: str, since: int, params: Any = None) -> "Course":
    """Return what judges a subject (the id of a thing, board or site) by a rule, from the moment `since` on.

    `params`: the rule's, where `params_of` has read them already.

    Raises:
        RuleError: the rule's kind is not known, or its params are not what the kind asks for.
    """
    from hub.judge.kinds.course import Setting, answering

    params = params_of(rule) if params is None else params
    setting = Setting(rule, world, local, subject, max(since, local.instant(rule.in_force, 0)))
    found: Course = _module(rule.kind).course(params, setting)
    found.asks = params
    if rule.responsible is not None:
        found.also = answering(rule.responsible, setting)
    return found
