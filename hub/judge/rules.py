"""Which limits are judged for a site on a local day, and the averagings that they share."""

import itertools
import math
from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from typing import NamedTuple

from hub.judge.permitted import PermittedLimit
from hub.judge.verdicts import Binds
from schemas import ZONE_CLASSES, Binding, Limit, Quantity, Standard, Step, binding, site_properties
from schemas.language import Text
from schemas.standards import Averaging, Operation

LONG = ("month", "quarter", "year")
WEATHER = ("wind_speed", "rain")
"""Quantities that may void what another board of the site has measured."""
STACK = "stack"
"""The family of quantities that permits set limits for."""
PERMIT_STEP = Step("1 h", "mean", least_valid=0.75)
PERMIT_AVERAGING = Averaging(
    (PERMIT_STEP,), "P", clause="HJ 212-2017, appendix D", source="45 valid minutes of an hour"
)
"""What permits are about: hourly means (stacks are judged by them)."""
AT_LEAST = " at least"
"""Behind a noise quantity: another one, the levels that clipped parts had for certain; see `Engine._bounded`."""
AT_REST = " at rest"
"""Behind a quantity of stacks: another one, how long it was flagged as that of a plant at rest (letter F)."""
FLOW = "stack_flow"


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """An averaging of one quantity, shared by all limits that are about it; its windows are evaluated once.

    A limit on a year has two: one up to the day, whose values are kept, and one for the year (`inner` is the former).
    """

    quantity: str
    steps: tuple[Step, ...]
    part: tuple[int, int] | None
    """The part of the day, s from 00:00, whose readings count; None where a window's start decides."""
    wind_below: float | None
    """m/s; in stronger wind a window of the first step is void."""
    dry: bool
    """A window of the first step in which it rained or snowed is void."""
    reference_o2: float | None
    """%; the first step's means are converted to it."""
    void_o2: float | None
    """%; with so much oxygen or more, a mean of the first step is void."""
    starting_void: bool
    """A window of the first step in which the plant is declared to be started or stopped is void."""
    inner: "Node | None"
    key: str
    """Names it in a database."""
    outer: "list[Node]" = field(default_factory=list, repr=False)
    """Those whose `inner` it is: they need its values kept."""
    by_permit: bool = False
    """A permit decides to which oxygen the first step's means are converted, and what they are compared with."""

    @property
    def may_be_bounded(self) -> bool:
        """Whether a level that was clipped gives its window a lower bound: what is missing can only make it higher."""
        return len(self.steps) == 1 and self.quantity in ("laeq", "lafmax")

    @property
    def companions(self) -> tuple[str, ...]:
        """Other quantities on which its value depends."""
        needed = {
            "wind_speed": self.wind_below is not None,
            "rain": self.dry,
            "stack_o2": self.reference_o2 is not None or self.by_permit,
            self.quantity + AT_LEAST: self.may_be_bounded,
        }
        return tuple(quantity for quantity, does in needed.items() if does)

    @property
    def states(self) -> tuple[str, ...]:
        """Other quantities that tell whether the plant was in operation: they decide what counts, never its value."""
        return (self.quantity + AT_REST, FLOW) if self.by_permit else ()

    @property
    def span(self) -> str:
        """The windows of its first step: what `Cell.span` says."""
        window = self.steps[0].window
        if window == "period" and self.part:
            return f"period {_clock(self.part[0])}-{_clock(self.part[1])}"
        return window


@dataclass(frozen=True, slots=True)
class Rule:
    """A limit with the standard that sets it; `id` is what verdicts and alerts cite."""

    id: str
    standard: Standard
    limit: Limit
    unit: str
    """As people write it."""
    decimals: int
    """Of the quantity: people are told the value with them; it is compared with them unless the limit has others."""
    node: Node
    hours: tuple[int, int] | None
    """The part of the day, s from 00:00, in which its windows begin; None: any."""
    editions: tuple[tuple[str, str, int], ...] = ()
    """Of the permit that sets it, and of what belongs to it: kind, id, number."""

    def applies(self, time_of_day: int) -> bool:
        """Tell whether it applies to a window that begins at this time of day (s from 00:00)."""
        return within(self.hours, time_of_day)

    @property
    def compared_with(self) -> tuple[float, int]:
        """The limit's value, and to how many decimals what is compared with it is rounded.

        Raises:
            ValueError: the limit's value is not known.
        """
        if self.limit.value is None:
            raise ValueError(f"{self.id}: the value of this limit is not known, so nothing can be compared with it")
        return self.limit.value, self.decimals if self.limit.decimals is None else self.limit.decimals

    @property
    def part(self) -> tuple[int, int] | None:
        """The part of the day that it is about, s from 00:00; None: all of it."""
        return self.hours or self.node.part

    def warns(self, time_of_day: int) -> bool:
        """Tell whether one window above its value, which begins at this time of day, breaks it for certain."""
        certain = self.limit.value is not None and self.limit.permitted is None and not self.limit.above_background
        return certain and self.applies(time_of_day)


class Bound(NamedTuple):
    """A rule as it is judged at a site."""

    rule: Rule
    binds: Binds
    floor: float | None = None
    """Several limits may hold, the rule is the laxest, and this is the value of the strictest: what lies between them
    is open. None: it is the only one."""
    missing: str = ""
    """What of the site, or of the limit, is not known."""
    assumed: str = ""
    """What nobody has said of the site and is assumed."""


def within(part: tuple[int, int] | None, time_of_day: int) -> bool:
    """Tell whether a time of day lies in a part of the day (both in s from 00:00); None is all of it."""
    if part is None:
        return True
    from_, to = part
    return from_ <= time_of_day < to if from_ < to else time_of_day >= from_ or time_of_day < to


class Place(NamedTuple):
    """What limits ask of a site."""

    kind: str
    zone_class: str | None = None
    jurisdictions: tuple[str, ...] = ("CN", "WHO")
    """As `schemas.jurisdictions_of` gives them."""
    properties: tuple[tuple[str, str], ...] = ()
    permitted: tuple[str, ...] = ()
    """Quantities for which a permit sets a limit, at some time, where the board measures."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is judged at one site on one local day."""

    rules: Mapping[Node, tuple[Bound, ...]]
    nodes: Mapping[str, tuple[Node, ...]]
    """Those that readings feed, by quantity."""
    companions: Mapping[str, tuple[Node, ...]]
    """Nodes whose value depends on another quantity, by that quantity: wind, oxygen."""


class Plans:
    """The rules of a catalogue, and the plan for each kind of site on each local day.

    Args:
        limits: as `load_limits` gives them.
        quantities: the catalogue of quantities.
        named: standards that are judged even where it is open whether they bind; None: all standards, and those of
            which that is open only because they were applied early in some places, for information.
    """

    def __init__(
        self,
        limits: Iterable[tuple[Standard, Limit]],
        quantities: Mapping[str, Quantity],
        named: Collection[str] | None = None,
        *,
        open_too: bool = False,
    ) -> None:
        self._limits = [(s, n) for s, n in limits if named is None or s.id in named]
        self._open_too = open_too
        self._named = named is not None
        self.quantities = quantities
        self.nodes: dict[str, Node] = {}
        """By key."""
        self.rules = {rule.id: rule for rule in (self._rule(s, n) for s, n in self._limits)}
        self.permitted = {key: self._permit_node(key) for key, one in quantities.items() if one.family == STACK}
        """Nodes that are judged by permits, by quantity."""
        self.deducted = {rule.node for rule in self.rules.values() if rule.limit.above_background}
        """Nodes from whose values the background of the area is taken off."""
        self.corrected = {rule.node for rule in self.rules.values() if rule.limit.correction}
        """Nodes whose values are corrected by the background of noise."""
        # What binds changes on these days only, so that one plan does for all the days between two of them.
        changes = {day for s, n in self._limits for day in (s.early, s.in_force, s.ends, n.in_force, n.ends) if day}
        self._changes = sorted(changes)
        self._plan = lru_cache(1024)(self._make)

    def plan(self, place: Place, day: date) -> Plan:
        """Return what is judged at a site on a local day."""
        epoch = bisect_right(self._changes, day)
        return self._plan(place, self._changes[epoch - 1] if epoch else date.min)

    def grain(self, place: Place, offsets: int) -> int:
        """Return the largest step, in seconds, on which every window at this site begins and ends, on any day.

        Args:
            place: the site.
            offsets: the largest step on which the local clock's offsets from UTC lie [s].
        """
        lengths = [offsets]
        for day in (date.min, *self._changes):
            for node in itertools.chain.from_iterable(self.plan(place, day).nodes.values()):
                lengths += [node.steps[0].seconds or offsets, *(node.part or ())]
        return math.gcd(*lengths)

    def bindings(self, place: Place, day: date) -> list[Binding]:
        """Return for every limit whether it binds a site on a local day."""
        return binding(
            self._limits,
            kind=place.kind,
            zone=place.zone_class,
            jurisdictions=place.jurisdictions,
            day=day,
            properties=dict(place.properties),
        )

    def _make(self, place: Place, day: date) -> Plan:
        rules: dict[Node, list[Bound]] = {}
        undecided: dict[tuple[object, ...], list[Binding]] = {}
        for one in self.bindings(place, day):
            status = self._status(one)
            if status and one.limit.value is not None:
                rule = self._rule_of(one)
                assumed = ", ".join(f"{name}={value}" for name, value in one.assumed.items())
                rules.setdefault(rule.node, []).append(Bound(rule, status, assumed=assumed))
            elif one.status == "open" and one.missing and one.standard.nature == "emission":
                alike = (self._rule_of(one).node, one.limit.from_, one.limit.to, one.limit.permitted, one.missing)
                undecided.setdefault((one.standard.id, *alike), []).append(one)
        for found in undecided.values():
            if bound := self._laxest(found):
                rules.setdefault(bound.rule.node, []).append(bound)
        for quantity in place.permitted:
            if quantity in self.permitted:
                rules.setdefault(self.permitted[quantity], [])
        fed: dict[str, list[Node]] = {}
        companions: dict[str, list[Node]] = {}
        for node in dict.fromkeys(node.inner or node for node in rules):
            fed.setdefault(node.quantity, []).append(node)
            for quantity in (*node.companions, *node.states):
                companions.setdefault(quantity, []).append(node)
        return Plan(
            {node: tuple(bounds) for node, bounds in rules.items()},
            {quantity: tuple(nodes) for quantity, nodes in fed.items()},
            {quantity: tuple(nodes) for quantity, nodes in companions.items()},
        )

    def _rule_of(self, one: Binding) -> Rule:
        return self.rules[f"{one.standard.id} {one.limit.id}"]

    def _laxest(self, found: list[Binding]) -> Bound | None:
        """Return how limits are judged of which one holds, and it is not known which; None: not at all.

        They must be all that there are, whatever the site turns out to be: only then do the laxest and the strictest of
        them say anything.
        """
        missing = found[0].missing
        if missing == "value":
            return Bound(self._rule_of(found[0]), "binds", missing=missing)
        zone = missing == "zone_class"
        said = {value for one in found for value in (one.limit.zone_classes if zone else one.limit.where[missing])}
        values = [one.limit.value for one in found if one.limit.value is not None]
        if not said.issuperset(ZONE_CLASSES if zone else site_properties()[missing].values) or len(values) < len(found):
            return None
        laxest = max(found, key=lambda one: one.limit.value or 0.0)
        return Bound(self._rule_of(laxest), "binds", min(values), missing)

    def _status(self, one: Binding) -> Binds | None:
        """Return as what a limit is judged; None: not at all."""
        if one.status == "binds":
            return "binds"
        early = one.reason == "staged" and one.standard.nature != "emission"
        judged = one.status == "informs" or (one.status == "open" and self._open_too and (self._named or early))
        return "informs" if judged else None

    def _permit_node(self, quantity: str) -> Node:
        steps = (PERMIT_STEP,)
        key = f"{quantity}|{_told(PERMIT_STEP)}|by permit"
        node = Node(quantity, steps, None, None, False, None, None, True, None, key, by_permit=True)
        self.nodes[key] = node
        return node

    def permit_rule(self, permit: PermittedLimit, day: date) -> Rule:
        """Return the rule that a permit sets; `day`: the local day from which it holds."""
        quantity = self.quantities[permit.pollutant]
        standard, limit = law_of_permit(permit, quantity, day)
        return Rule(
            f"{standard.id} {limit.id}",
            standard,
            limit,
            quantity.label,
            quantity.resolution,
            self.permitted[permit.pollutant],
            None,
            permit.cited,
        )

    def _rule(self, standard: Standard, limit: Limit) -> Rule:
        quantity = self.quantities[limit.quantity]
        weather = standard.weather if quantity.family == "noise" else None
        part = None if limit.whole_day else (_second(limit.from_), _second(limit.to))
        by_start = len(limit.steps) == 1 and limit.steps[0].window != "period"
        node = self._node(
            limit.quantity,
            limit.steps,
            None if by_start else part,
            weather.wind_below if weather else None,
            limit.reference_o2,
            standard.oxygen.void_from if standard.oxygen and limit.reference_o2 is not None else None,
            dry=weather is not None and weather.dry,
            starting_void=standard.operation is not None and quantity.family == "stack",
        )
        hours = part if by_start else None
        return Rule(f"{standard.id} {limit.id}", standard, limit, quantity.label, quantity.resolution, node, hours)

    def _node(
        self,
        quantity: str,
        steps: tuple[Step, ...],
        part: tuple[int, int] | None,
        wind_below: float | None,
        reference_o2: float | None,
        void_o2: float | None,
        *,
        dry: bool,
        starting_void: bool,
    ) -> Node:
        inner = None
        for index, (before, after) in enumerate(itertools.pairwise(steps), 1):
            if before.window == "day" and after.window in LONG:
                inner = self._node(
                    quantity,
                    steps[:index],
                    part,
                    wind_below,
                    reference_o2,
                    void_o2,
                    dry=dry,
                    starting_void=starting_void,
                )
                break
        key = "|".join(
            [
                quantity,
                *(_told(step) for step in steps),
                *([f"in {_clock(part[0])}-{_clock(part[1])}"] if part else []),
                *([f"wind<{wind_below:g}"] if wind_below is not None else []),
                *(["dry"] if dry else []),
                *([f"o2={reference_o2:g}"] if reference_o2 is not None else []),
                *([f"void>={void_o2:g}"] if void_o2 is not None else []),
                *(["starting void"] if starting_void else []),
            ]
        )
        if key not in self.nodes:
            node = self.nodes[key] = Node(
                quantity, steps, part, wind_below, dry, reference_o2, void_o2, starting_void, inner, key
            )
            if inner:
                inner.outer.append(node)
        return self.nodes[key]


def law_of_permit(permit: PermittedLimit, quantity: Quantity, day: date) -> tuple[Standard, Limit]:
    """Return what a permit says, as a standard and a limit of it; `day`: the local day from which it holds."""
    called = Text(f"outlet {permit.outlet_number}", f"排放口{permit.outlet_number}")
    standard = Standard(
        id=permit.number,
        en="Pollutant discharge permit",
        zh="排污许可证",
        jurisdiction="CN",
        nature="emission",
        in_force=day,
        verified="P",
        source=f"permit {permit.number}",
        operation=Operation("void", "U", source="as the standards for stacks have it"),
    )
    limit = Limit(
        id=permit.id,
        en=f"{quantity.en}, {called.en}",
        zh=f"{called.zh}{quantity.zh}",
        quantity=permit.pollutant,
        averaging=PERMIT_AVERAGING,
        value=permit.value,
        stated=f"{permit.value:g} {quantity.unit}",
        verified="P",
        in_force=day,
        reference_o2=permit.reference_o2,
        source=f"permit {permit.number}",
    )
    return standard, limit


def _told(step: Step) -> str:
    least = f"{step.least_valid:g}" if step.least_valid is not None else f"{step.least}"
    months = f"/{step.least_each_month}/{step.least_february}" if step.least_each_month else ""
    slide = f" every {step.slide}{' within day' if step.within_day else ''}" if step.slide else ""
    return f"{step.window} {step.statistic}{slide} >={least}{months}"


def _second(clock: str) -> int:
    return int(clock[:2]) * 3600 + int(clock[3:]) * 60


def _clock(second: int) -> str:
    return f"{second // 3600:02}:{second // 60 % 60:02}"
