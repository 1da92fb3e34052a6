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

from bisect import insort
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
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
    """The numbers of one group; `cases`: the numbers of the cases behind each measure, where there are any."""

    cases: Mapping[Measure, Sequence[int]]

    def behind(self, measure: Measure) -> Sequence[int]:
        """Return the numbers of the cases behind a measure."""
        return self.cases.get(measure, ())

    def count(self, measure: Measure) -> int:
        """Return how many cases are behind a measure."""
        return len(self.behind(measure))

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


class Tally:
    """The numbers of a period by group, in which cases are counted, and counted again when they have changed.

    By person and by position each number goes to who answers for it: reports to who reported, dispatches to who
    dispatched first, all else to who handled, or, until somebody has, to nobody ("").

    Args:
        cases: as they were at the end of the period, by number.
        begin: of the period, Unix s.
        end: the moment before which it ends.
        by: what the groups are.
    """

    def __init__(self, cases: Iterable[Counted], begin: float, end: float, by: By) -> None:
        self._begin, self._end, self._group_of = begin, end, _GROUPS[by]
        self._groups: defaultdict[str, defaultdict[Measure, list[int]]] = defaultdict(lambda: defaultdict(list))
        for case in cases:
            id_ = case.id
            for measure in measures(case, begin, end):
                self._groups[self._group_of[measure](case)][measure].append(id_)

    def amend(self, before: Counted | None, after: Counted | None) -> None:
        """Count a case as it is instead of as it was; None: it does, or did, not concern the period."""
        for measure in measures(before, self._begin, self._end) if before else ():
            self._groups[self._group_of[measure](before)][measure].remove(before.id)  # type: ignore[arg-type, union-attr]
        for measure in measures(after, self._begin, self._end) if after else ():
            insort(self._groups[self._group_of[measure](after)][measure], after.id)  # type: ignore[arg-type, union-attr]

    def numbers(self) -> dict[str, Numbers]:
        """Return the numbers of each group in which a case counts."""
        found = {
            group: Numbers({measure: list(ids) for measure, ids in counted.items() if ids})
            for group, counted in sorted(self._groups.items())
        }
        return {group: numbers for group, numbers in found.items() if numbers.cases}


def rates(cases: Iterable[Counted], begin: float, end: float, by: By = "all") -> dict[str, Numbers]:
    """Return the numbers of a period by group, as `Tally` has them."""
    return Tally(cases, begin, end, by).numbers()


def _answering(reports: str, dispatches: str, all_else: str) -> dict[Measure, Callable[[Counted], str]]:
    """Return for each measure what gives the group of a case, by the name of a field."""
    fields = {measure: reports if measure in _REPORTERS else all_else for measure in _MEASURES}
    fields |= dict.fromkeys(_DISPATCHERS, dispatches)
    return {measure: attrgetter(field) for measure, field in fields.items()}


_GROUPS: dict[By, dict[Measure, Callable[[Counted], str]]] = {
    "all": dict.fromkeys(_MEASURES, lambda _case: ""),
    "area": _answering("district", "district", "district"),
    "department": _answering("department", "department", "department"),
    "position": _answering("reported_as", "dispatched_as", "handled_as"),
    "person": _answering("reported_by", "dispatched_by", "handled_by"),
    "kind": _answering("kind", "kind", "kind"),
    "code": _answering("code", "code", "code"),
    "source": _answering("source", "source", "source"),
}
