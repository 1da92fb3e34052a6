"""How well judging finds what was planted: the devices' own bytes, the hub's own rules, and no hub around them."""

from collections.abc import Mapping
from zoneinfo import ZoneInfo

from hub.intake.admission import Admission
from hub.intake.badges import judging as of_badges
from hub.intake.lorawan import judging as of_nodes
from hub.intake.terminals.profiles import Profiles
from hub.judge.kinds import course_of
from hub.judge.kinds.docket import Docket
from hub.judge.kinds.world import World
from hub.judge.records import RuleVerdict, Sample
from hub.judge.windows import LocalTime
from hub.log.entry import Entry
from hub.log.outcomes import Admitted
from hub.registry.live import Badge, Node, Registry, Site
from hub.things.samples import Speakers, samples_of
from hub.wire.badge.frame import read_frame
from hub.wire.jt808 import Position, read
from hub.wire.terminal import moment_of
from schemas import load_quantities
from schemas.domains.entries import Rule
from sim.rounds.day import EMPTY_MM, FULL_MM, OVER, RULES, Day, Sent
from sim.trucks.judged import is_find

SITE = "depot"


class Ears:
    """What hears a day's devices, as the hub does: it gives samples of what may be kept."""

    def __init__(self, day: Day, world: World, zone: ZoneInfo) -> None:
        site = Site(id=SITE, district="city", kind="depot", en="Depot", zh="环卫所")
        nodes = {
            id_: Node(id=id_, site=SITE, eui=eui, codec="milesight", empty_mm=EMPTY_MM, full_mm=FULL_MM)
            for id_, eui in day.bins.items()
        }
        badges = {id_: Badge(id=id_, site=SITE, number=number) for id_, number in day.badges.items()}
        registry = Registry(sites={SITE: site}, boards={}, keys={}, zone=zone, nodes=nodes, badges=badges)
        self._now = 0
        clock = lambda: float(self._now)  # noqa: E731
        admission = Admission(registry, load_quantities(), clock)
        self._nodes = of_nodes.Judging(admission, registry, _nothing, clock)
        self._world = world
        self._badges = of_badges.Judging(admission, registry, self._at_work, clock, b"")
        self._profile = Profiles().head(None)
        self._offset = 0

    def hear(self, sent: Sent) -> list[Sample]:
        """Return what a device says."""
        self._now = sent.t
        self._offset += 1
        if sent.way == "truck":
            position = Position.parse(read(sent.raw).content.bodies[0])
            assert position is not None
            assert self._profile is not None
            said = moment_of(position, self._profile)
            id_ = f"{sent.device}/{self._offset}"
            return [Sample(said.t, id_, said.lat, said.lon, said.radius, said.speed, said.states)]
        outcomes = (
            self._nodes.judge(of_nodes.Came(sent.raw, "certificate")).outcomes
            if sent.way == "uplink"
            else self._badges.judge(of_badges.Came(sent.raw, read_frame(sent.raw), "")).outcomes
        )
        found = []
        for one in outcomes:
            assert isinstance(one, Admitted), one
            entry = Entry(self._offset, sent.t, one.topic, one.payload, [], one.findings, settled=True, noted=one.proof)
            found += [sample for sample, _ in samples_of(entry)]
        return found

    def _at_work(self, badge: str, t: int) -> bool:
        workers = [term.edition.id for term in self._world.held_by("worker", "source", badge)]
        shifts = [term for one in workers for term in self._world.held_by("shift", "worker", one)]
        return any(term.since <= t < term.until for term in shifts)


def judge_day(day: Day, rules: Mapping[str, Rule], zone: ZoneInfo) -> list[RuleVerdict]:
    """Return the breaches that hold in the end."""
    local, world = LocalTime(zone), World(day.things)
    judged = [rule for rule in rules.values() if rule.id in RULES]
    kinds = sorted({rule.of for rule in judged if rule.of})
    speakers, ears = Speakers(world, kinds), Ears(day, world, zone)
    samples: dict[tuple[str, str], list[Sample]] = {(one.kind, one.id): [] for one in day.things if one.kind in kinds}
    for sent in day.sent:
        for sample in ears.hear(sent):
            for subject in speakers.things(sent.device, sample.t):
                samples[subject].append(sample)
    end = day.midnight + OVER + 4 * 3600
    found = []
    for (kind, id_), said in samples.items():
        since = local.day(said[0].t if said else day.midnight).start
        for rule in judged:
            if rule.of == kind:
                docket = Docket(rule, id_, course_of(rule, world, local, id_, since), local)
                docket.add(said)
                docket.judge(end, end)
                found += [one for one in docket.holding if is_find(one, rule)]
    return found


def _nothing(topic: str, most: int) -> list[bytes]:  # noqa: ARG001 - there is no log
    return []
