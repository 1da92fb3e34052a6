"""The rates by which departments and people are evaluated, for any period, and the cases behind each number.

A case counts as it was at the period's end, whatever became of it since. Each rate divides by what was due:

- filing: of the cases reported in the period, those filed.
- closed of filed: of those filed, those closed.
- closing: of the cases whose deadline lay in the period, those closed. Later deadlines are in neither number.
- on time: of the same, those closed whose department was done by the deadline.
- rework: of the cases fed back in the period for the first time, those sent back to be done again.
- accurate dispatch: of the cases dispatched in the period for the first time, those sent to no other department since.

So every case is due in one month, whichever: months add up to the quarter. Definitions and the examples that hold them:
Tianmen 2016-12 and Xuancheng (P), by the cities' own reports; those of rework and dispatch follow the fields of a
vendor's program (S).
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal, get_args

from hub.cases.rules.records import Counted

Measure = Literal[
    "accepted",
    "filed",
    "refused",
    "closed_of_filed",
    "due",
    "closed",
    "on_time",
    "fed_back",
    "rework",
    "dispatched",
    "accurate",
]
Rate = Literal["filing", "closed_of_filed", "closing", "on_time", "rework", "accurate_dispatch"]
RATES: dict[Rate, tuple[Measure, Measure]] = {
    "filing": ("filed", "accepted"),
    "closed_of_filed": ("closed_of_filed", "filed"),
    "closing": ("closed", "due"),
    "on_time": ("on_time", "due"),
    "rework": ("rework", "fed_back"),
    "accurate_dispatch": ("accurate", "dispatched"),
}
"""What each rate divides by what."""
By = Literal["all", "area", "department", "position", "person", "kind", "code", "source"]

_MEASURES: tuple[Measure, ...] = get_args(Measure)
_REPORTERS: frozenset[Measure] = frozenset({"accepted", "filed", "refused", "closed_of_filed"})
_DISPATCHERS: frozenset[Measure] = frozenset({"dispatched", "accurate"})


@dataclass
class Numbers:
    """The numbers of one group: for each measure, the cases behind it."""

    cases: dict[Measure, list[int]] = field(default_factory=lambda: {one: [] for one in _MEASURES})

    def count(self, measure: Measure) -> int:
        """Return how many cases are behind a measure."""
        return len(self.cases[measure])

    def rate(self, rate: Rate) -> float | None:
        """Return a rate, 0 to 1; None: there is nothing to divide by."""
        above, below = (self.count(one) for one in RATES[rate])
        return above / below if below else None


def measures(case: Counted, begin: float, end: float) -> Iterator[Measure]:  # noqa: C901 - the table of measures
    """Go through the measures in which a case counts; `case`: as it was at the end of the period [begin, end)."""
    if begin <= case.reported < end:
        yield "accepted"
        if case.filed is not None:
            yield "filed"
            if case.closed is not None:
                yield "closed_of_filed"
        if case.refused is not None:
            yield "refused"
    if case.deadline is not None and begin <= case.deadline < end:
        yield "due"
        if case.closed is not None:
            yield "closed"
            if case.is_on_time:
                yield "on_time"
    if case.fed_back is not None and begin <= case.fed_back < end:
        yield "fed_back"
        if case.rework:
            yield "rework"
    if case.dispatched is not None and begin <= case.dispatched < end:
        yield "dispatched"
        if case.dispatches == 1 and not case.returned:
            yield "accurate"


def rates(cases: Iterable[Counted], begin: float, end: float, by: By = "all") -> dict[str, Numbers]:
    """Return the numbers of a period by group; `cases`: as they were at its end.

    By person and by position each number goes to who answers for it: reports to who reported, dispatches to who
    dispatched first, all else to who handled, or, until somebody has, to nobody ("").
    """
    groups: dict[str, Numbers] = {}
    group_of = _GROUPS[by]
    for case in cases:
        for measure in measures(case, begin, end):
            group = group_of(case, measure)
            numbers = groups.get(group)
            if numbers is None:
                numbers = groups[group] = Numbers()
            numbers.cases[measure].append(case.id)
    return dict(sorted(groups.items()))


def _person(case: Counted, measure: Measure) -> str:
    if measure in _REPORTERS:
        return case.reported_by
    return case.dispatched_by if measure in _DISPATCHERS else case.handled_by


def _position(case: Counted, measure: Measure) -> str:
    if measure in _REPORTERS:
        return case.reported_as
    return case.dispatched_as if measure in _DISPATCHERS else case.handled_as


_GROUPS: dict[By, Callable[[Counted, Measure], str]] = {
    "all": lambda _case, _measure: "",
    "area": lambda case, _: case.district,
    "department": lambda case, _: case.department,
    "position": _position,
    "person": _person,
    "kind": lambda case, _: case.kind,
    "code": lambda case, _: case.code,
    "source": lambda case, _: case.source,
}
