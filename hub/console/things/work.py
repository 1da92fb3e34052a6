"""The day's work as packs' rules see it: what heat allows tomorrow, rounds, levels of bins, attendance in sums.

It is made of the rules themselves: whatever pack has a rule of one of these kinds has its part here. Of attendance only
sums over several shifts are shown: no page lists or ranks people.
"""

import datetime as dt
import math
from collections.abc import Iterator
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Depends, Response

from hub.compliance.rule_table import KeptRuling, RuleTable
from hub.console.badges import Badge
from hub.console.cases.lists import Day
from hub.console.things.rulings import Ruling, shown
from hub.console.things.visit import Part, Things
from hub.console.web import Shared, Visit, visiting
from hub.http.problems import RequestError
from hub.judge.kinds import params_of
from hub.judge.kinds.level import Params as Level
from hub.judge.kinds.work.heat import Params as Heat
from hub.judge.kinds.work.heat import Plan, Work, plan_of
from hub.judge.records import Cited
from hub.judge.windows import DAY, LocalTime, Window
from hub.things.entries import Thing
from schemas import domains
from schemas.domains.entries import Rule
from schemas.language import Text

ROUNDS = ("coverage", "timetable", "deadhead")
"""Kinds of rules that judge how a round went."""
BACK = 7 * DAY
"""Attendance is added up over so long [s]..."""
FEWEST = 5
"""...and not shown of fewer shifts: who they are could be guessed."""
MOST = 100
"""Lines of a table."""
MOST_READ = 5000
"""Verdicts that are looked through for a part."""
STALE = 3 * 3600
"""A level that is older is told as such [s]."""
ADVICE: dict[str, tuple[str, str, Text]] = {
    "none": ("bad", "triangle", Text("no outdoor work", "停止户外作业")),
    "limit": ("warn", "diamond", Text("few hours, none in the hottest", "限时作业，最热时段停工")),
    "rotate": ("doubt", "square", Text("in turns, no overtime", "轮换作业，不得加班")),
    "allowed": ("good", "circle", Text("allowed", "正常作业")),
}
"""What a day's maximum allows: tone, shape, word."""
NO_DAY = Text("expected a day such as 2026-07-02", "应为日期，如2026-07-02")


class Shift(NamedTuple):
    """A shift in the plan of a day."""

    part: Part
    beat: Part
    work: Work


class Area(NamedTuple):
    """An area for which maxima are announced, on a day."""

    part: Part
    plan: Plan
    badge: Badge
    announced: list[Part]
    shifts: list[Shift]
    hours: float
    """Outdoors, as planned [h]."""
    cancelled: float
    """Of these what must be cancelled [h]."""


class Filled(NamedTuple):
    """Something with a level, such as a bin."""

    part: Part
    level: float
    t: int
    """When it was measured, Unix s."""
    full: bool
    old: bool
    what: list[Part]
    """Its properties that are a choice, such as the kind of waste."""


class Round(NamedTuple):
    """How a round went, by one rule."""

    part: Part
    ruling: Ruling
    value: str


class Levels(NamedTuple):
    """What a rule of levels watches."""

    name: str
    known: int
    full: int
    silent: int
    """Nothing was heard of them, or nothing lately."""
    lines: list[Filled]


class Attended(NamedTuple):
    """What a rule said of shifts, added up."""

    name: str
    judged: int
    kept: int
    suspected: int
    unknown: int
    few: bool


def add_work(router: APIRouter, shared: Shared) -> None:
    """Add the page."""
    visitor = Depends(visiting(shared))

    @router.get("/work")
    def show_work(visit: Annotated[Visit, visitor], day: Day = "") -> Response:
        things, local = Things(visit), LocalTime(visit.registry.zone)
        today = local.day(int(visit.now))
        window = _day(day, local) if day else (today.end, local.day(today.end).end)
        chosen = visit.page_formats.local(window[0]).date()
        rules = domains.rules().values()
        return visit.page(
            "work.html",
            day=chosen,
            days=[(chosen - dt.timedelta(1)).isoformat(), (chosen + dt.timedelta(1)).isoformat()],
            heat=[one for rule in rules if rule.kind == "heat" for one in _areas(things, rule, local, window)],
            asked=any(rule.kind == "heat" for rule in rules),
            levels=_all_levels(things),
            rounds=_rounds(things, today.start - DAY),
            attended=_attended(things, visit.now - BACK),
            fewest=FEWEST,
            may_add=visit.may("admin"),
            forecasts=sorted({_heat(rule).forecast.by for rule in rules if rule.kind == "heat"}),
        )


def _day(text: str, local: LocalTime) -> Window:
    try:
        date = dt.date.fromisoformat(text)
        start = local.instant(date, 0)
        return start, local.day(start).end
    except (ValueError, OverflowError, OSError) as error:
        raise RequestError(422, NO_DAY, "day") from error


def _heat(rule: Rule) -> Heat:
    params: Heat = params_of(rule)
    return params


def _areas(things: Things, rule: Rule, local: LocalTime, window: Window) -> Iterator[Area]:
    """Yield what a day's announced maximum allows, area by area, as far as the visitor sees them."""
    params, world = _heat(rule), things.known.world
    for term in sorted(world.holding(rule.of or "", window[0]), key=lambda one: one.edition.id):
        if things.find(rule.of or "", term.edition.id) is None:
            continue
        plan = plan_of(params, world, local, term.edition.id, window)
        tone, shape, text = ADVICE[plan.advice]
        shifts = [
            Shift(_part(things, one.shift.cited), _part(things, one.beat.cited), one)
            for one in plan.work
            if things.find(*one.beat.cited[:2]) is not None
        ]
        yield Area(
            _part(things, term.cited),
            plan,
            Badge(tone, shape, things.visit.say(text)),
            [_part(things, one.cited) for one in plan.announced],
            shifts[:MOST],
            sum(one.work.end - one.work.begin for one in shifts) / 3600,
            sum(one.work.cancelled for one in shifts) / 3600,
        )


def _part(things: Things, one: Cited) -> Part:
    return things.part(one.kind, one.id)


def _all_levels(things: Things) -> list[Levels]:
    """Return how full everything is that rules of levels watch: once for each kind, by the first rule that asks."""
    first: dict[str, Rule] = {}
    for rule in domains.rules().values():
        if rule.kind == "level" and rule.of in things.kinds:
            first.setdefault(rule.of or "", rule)
    return [_levels(things, kind, params_of(rule)) for kind, rule in first.items()]


def _levels(things: Things, kind: str, params: Level) -> Levels:
    now = things.now
    heard = {one.heard.id: one.newest for one in things.catalogue.positions(things.visit.db) if one.heard.kind == kind}
    lines, known, silent = [], 0, 0
    for one in things.known.lines(kind, now):
        if one.state != "holds" or not things.sees(one.thing):
            continue
        known += 1
        sample = heard.get(one.thing.id)
        level = sample.states.get(params.state) if sample else None
        if sample is None or isinstance(level, (bool, str)) or level is None or not math.isfinite(level):
            silent += 1
            continue
        old = now - sample.t > STALE
        silent += old
        part = things.part(kind, one.thing.id)
        lines.append(Filled(part, level, sample.t, level >= params.full and not old, old, _choices(things, one.thing)))
    lines.sort(key=lambda one: (one.old, -one.level, one.part.text))
    return Levels(things.kind_name(kind), known, sum(one.full for one in lines), silent, lines[:MOST])


def _choices(things: Things, thing: Thing) -> list[Part]:
    declared = things.kinds[thing.kind].property
    return [
        part
        for name, asked in declared.items()
        if asked.type == "choice" and name in thing.properties
        for part in things.parts(thing.properties[name], asked)
    ]


def _verdicts(things: Things, rule: Rule, since: float) -> list[KeptRuling]:
    """Return what holds of what a rule said of whatever began at a moment or later, as far as the visitor sees it."""
    table = RuleTable(things.visit.db)
    recent = table.search(tests=[("rule = ?", rule.id), ("start >= ?", since)], limit=MOST_READ)
    subjects = dict.fromkeys((one.subject_kind, one.subject) for one in recent)
    return [
        one
        for kind, id_ in subjects
        for one in table.between((rule.id, kind, id_), since, things.now)
        if one.start >= since and things.visit.user.sees(one.district)
    ]


def _of_persons(things: Things, rule: Rule) -> bool | None:
    """Tell whether a rule watches persons; None: it watches sites, or what no pack declares."""
    kind = things.kinds.get(rule.of or "")
    return kind.personal if kind else None


def _rounds(things: Things, since: float) -> list[Round]:
    """Return how the rounds since a moment went, the newest first: those of people are none."""
    found = [
        one
        for rule in domains.rules().values()
        if rule.kind in ROUNDS and _of_persons(things, rule) is False
        for one in _verdicts(things, rule, since)
    ]
    told = shown(things, found)[:MOST]
    return [Round(things.part(one.kept.subject_kind, one.kept.subject), one, _value(things, one.kept)) for one in told]


def _value(things: Things, one: KeptRuling) -> str:
    """Return what a rule of rounds found, in words."""
    if one.value is None:
        return "–"
    if one.kind == "coverage":
        return things.visit.say(Text(f"{one.value:.0%} done", f"完成{one.value:.0%}"))
    if one.kind == "timetable":
        return things.visit.say(Text(f"{one.value:.0f} stops otherwise", f"{one.value:.0f}处不符"))
    return things.visit.say(Text(f"{one.value / 1000:.1f} km driven", f"行驶{one.value / 1000:.1f}km"))


def _attended(things: Things, since: float) -> list[Attended]:
    """Return what rules of presence said of people since a moment, added up."""
    found = []
    for rule in domains.rules().values():
        if rule.kind != "presence" or not _of_persons(things, rule):
            continue
        said = _verdicts(things, rule, since)
        kept = sum(one.outcome == "compliant" for one in said)
        broken = sum(one.outcome == "exceeded" for one in said)
        name = things.visit.say(Text(rule.en, rule.zh))
        few = len(said) < FEWEST
        found.append(Attended(name, len(said), kept, broken, len(said) - kept - broken, few))
    return found
