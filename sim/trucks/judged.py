"""How well judging finds what was planted: the same bytes as over TCP, the same rules, and no hub around them."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple
from zoneinfo import ZoneInfo

from hub.intake.terminals.profiles import Profiles
from hub.judge.kinds import course_of
from hub.judge.kinds.docket import Docket
from hub.judge.kinds.world import World
from hub.judge.records import RuleVerdict, Sample
from hub.judge.windows import LocalTime
from hub.wire.jt808 import Position
from hub.wire.terminal import moment_of
from schemas.domains.entries import Rule
from sim.trucks.night import PROFILE, Fix, Night, Planted

KIND = "vehicle"
"""What they are as things of the pack."""


class Score(NamedTuple):
    """What was found of what was planted. Repetitions count once."""

    planted: int
    found: int
    right: int
    """Finds that are of something that was planted, or that it brought about."""
    wrong: int
    missed: tuple[Planted, ...]
    false: tuple[RuleVerdict, ...]

    @property
    def recall(self) -> float:
        """Share of what was planted that was found."""
        return self.found / self.planted if self.planted else 1.0

    @property
    def precision(self) -> float:
        """Share of the finds that are right."""
        return self.right / (self.right + self.wrong) if self.right + self.wrong else 1.0


def judge_night(night: Night, rules: Mapping[str, Rule], zone: ZoneInfo) -> list[RuleVerdict]:
    """Return the breaches that hold in the end, with what comes late judged when it comes."""
    local = LocalTime(zone)
    head = Profiles().head(PROFILE)
    assert head is not None
    world = World(night.things)
    since = local.day(min(fixes[0].t for fixes in night.fixes.values())).start
    of_trucks = [rule for rule in rules.values() if rule.of == KIND]

    def samples_of(fixes: Iterable[Fix], truck: str) -> list[Sample]:
        found = []
        for one in fixes:
            position = Position.parse(one.body)
            assert position is not None
            said = moment_of(position, head)
            id_ = f"{truck}/{one.t}"
            found.append(Sample(said.t, id_, said.lat, said.lon, said.radius, said.speed, said.states))
        return found

    dockets: list[tuple[str, Docket]] = []
    for truck, fixes in night.fixes.items():
        in_time = samples_of((one for one in fixes if not one.late), truck)
        for rule in of_trucks:
            docket = Docket(rule, truck, course_of(rule, world, local, truck, since), local)
            docket.add(in_time)
            docket.judge(fixes[-1].t + 300, fixes[-1].t + 300)
            dockets.append((truck, docket))
    again = world.use([*night.things, *night.late])
    for truck, docket in dockets:
        fixes = night.fixes[truck]
        docket.again(again)
        docket.add(samples_of((one for one in fixes if one.late), truck))
        docket.judge(fixes[-1].t + 300, fixes[-1].t + 600)
    return [one for _, docket in dockets for one in docket.holding if is_find(one, docket.rule)]


def is_find(one: RuleVerdict, rule: Rule) -> bool:
    """Tell whether a verdict says that a rule was broken, as surely as the rule ever says it."""
    return one.outcome == "exceeded" and one.grade == rule.grade


def score(finds: Iterable[RuleVerdict], planted: Iterable[Planted]) -> Score:
    """Compare finds with what was planted: by truck, rule and overlap in time."""
    everything = list(planted)
    counted = [one for one in everything if not one.brought]
    met: set[Planted] = set()
    false = []
    for find in finds:
        true = [
            one
            for one in everything
            if (one.truck, one.rule) == (find.subject, find.rule) and find.start < one.end and one.start < find.end
        ]
        met.update(true)
        if not true:
            false.append(find)
    missed = tuple(one for one in counted if one not in met)
    return Score(len(counted), len(counted) - len(missed), len(met), len(false), missed, tuple(false))
