"""Worked cases of a pack: what was said of a subject, and the verdicts that a rule must give of it."""

import datetime as dt
from typing import Any

import msgspec

from hub.judge.kinds import course_of
from hub.judge.kinds.docket import Docket
from hub.judge.kinds.world import World
from hub.judge.records import Edition, RuleVerdict, Sample, Value
from hub.judge.verdicts import Grade, Outcome
from hub.judge.windows import DAY, LocalTime
from schemas.domains.entries import Id, Rule, Said


class CaseThing(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """An edition of a thing; those of one thing are numbered in their order."""

    kind: Id
    id: str
    from_: dt.datetime | None = None
    until: dt.datetime | None = None
    properties: dict[str, Any] = {}
    geometry: dict[str, Any] | None = None
    """GeoJSON, WGS-84."""


class CaseSample(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was said of one instant; times without an offset are local."""

    t: dt.datetime
    lat: float | None = None
    lon: float | None = None
    radius: float = 0.0
    speed: float | None = None
    states: dict[str, Value] = {}
    source: Id | None = None
    """Who said it, where the rule asks for it: a thing names it in its property `source`."""


class CaseVerdict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """A verdict that is expected."""

    from_: dt.datetime
    to: dt.datetime
    """The first moment after it."""
    outcome: Outcome
    grade: Grade = "violation"
    reason: str = ""


class Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of ``cases/``."""

    rule: Id
    what: Said
    """What happens, in a sentence."""
    subject: str
    until: dt.datetime
    """When it is judged: nothing else is heard up to then."""
    expected: tuple[CaseVerdict, ...]
    thing: tuple[CaseThing, ...] = ()
    sample: tuple[CaseSample, ...] = ()


def judge_case(case: Case, rule: Rule, local: LocalTime) -> list[RuleVerdict]:
    """Return the verdicts of a rule on a case, by their starts.

    Raises:
        RuleError: the rule's params are not what its kind asks for.
    """

    def unix(when: dt.datetime | None) -> int | None:
        return None if when is None else int((when if when.tzinfo else when.replace(tzinfo=local.zone)).timestamp())

    counted: dict[tuple[str, str], int] = {}
    editions = []
    for one in case.thing:
        number = counted[one.kind, one.id] = counted.get((one.kind, one.id), 0) + 1
        editions.append(
            Edition(
                kind=one.kind,
                id=one.id,
                number=number,
                valid_from=unix(one.from_),
                valid_until=unix(one.until),
                properties=one.properties,
                geometry=one.geometry,
            )
        )
    samples = [
        Sample(
            unix(one.t) or 0,
            f"{one.source}/{number}" if one.source else str(number),
            one.lat,
            one.lon,
            one.radius,
            one.speed,
            one.states,
        )
        for number, one in enumerate(case.sample)
    ]
    until = unix(case.until) or 0
    since = local.day(min([one.t for one in samples], default=until - DAY)).start
    course = course_of(rule, World(editions), local, case.subject, since)
    docket = Docket(rule, case.subject, course, local)
    docket.add(samples)
    return sorted(docket.judge(until, until), key=lambda one: (one.start, one.end))


def shown(found: list[RuleVerdict], local: LocalTime) -> list[CaseVerdict]:
    """Return verdicts as cases write them."""

    def when(t: int) -> dt.datetime:
        return dt.datetime.fromtimestamp(t, local.zone)

    return [CaseVerdict(when(one.start), when(one.end), one.outcome, one.grade, one.reason) for one in found]


def differs(case: Case, found: list[RuleVerdict], local: LocalTime) -> bool:
    """Tell whether verdicts are others than those that a case expects."""

    def plain(one: CaseVerdict) -> tuple[object, ...]:
        times = [(t if t.tzinfo else t.replace(tzinfo=local.zone)).timestamp() for t in (one.from_, one.to)]
        return (*times, one.outcome, one.grade, one.reason)

    wanted = [plain(one) for one in case.expected]
    return sorted(wanted, key=repr) != sorted(map(plain, shown(found, local)), key=repr)


def told(verdicts: tuple[CaseVerdict, ...] | list[CaseVerdict]) -> str:
    """Return verdicts in one line."""
    lines = [
        f"{one.from_:%Y-%m-%d %H:%M:%S} to {one.to:%Y-%m-%d %H:%M:%S} {one.outcome} {one.grade} {one.reason}".strip()
        for one in verdicts
    ]
    return "; ".join(lines) or "none"
