"""What the outlets of an enterprise come to in a month: exceedances, rates, masses, marks; for ranking and report."""

import datetime as dt
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from operator import is_
from typing import NamedTuple

from hub.companies.shelf import OutletSums, Shelf
from hub.companies.things import ENTERPRISE, Held
from hub.compliance.emissions.book import EmissionBook, Total
from hub.judge.stacks.hours import Terms
from hub.judge.stacks.rates import Rates
from hub.judge.stacks.totals import Mass
from hub.registry.live import Registry
from hub.things.marks.records import Mark
from schemas import Limit, Quantity, Standard

NO_RATES = Rates(0, 0, 0)
IN_VAIN = frozenset({"late", "back_dated", "rejected"})


class PollutantMonth(NamedTuple):
    """One pollutant of one outlet in a month."""

    pollutant: str
    rates: Rates
    mass: Mass
    judged: int
    """Windows that were judged against a limit, with a value."""
    above: int
    """Of these: above it, a violation."""
    suspected: int
    marked: int
    """Windows that do not count because they are marked."""
    highest: float | None
    """mg/m3, as compared."""
    times: float
    """That as a share of its limit, at the worst; 0: nothing was judged."""


class OutletMonth(NamedTuple):
    """One outlet in a month."""

    outlet: Held
    pollutants: list[PollutantMonth]
    rates: Rates
    """Of all pollutants together."""


class EnterpriseMonth(NamedTuple):
    """An enterprise in a month."""

    enterprise: Held
    outlets: list[OutletMonth]
    rates: Rates
    above: int
    suspected: int
    judged: int
    marks: list[Mark]
    """That lie in the month or were logged in it, the earliest first."""
    mass_kg: dict[str, float]
    """Measured and replaced, by pollutant."""
    in_vain: int
    """Marks that change nothing whatever comes: late, back-dated, rejected..."""
    unproven: list[Mark]
    """...and those that might, as their proof is missing."""

    @property
    def share_above(self) -> float | None:
        """Share of the judged windows that are above their limit; None: none was judged."""
        return self.above / self.judged if self.judged else None

    def useless(self, now: float) -> int:
        """Return how many of its marks change nothing at a moment, Unix s: late, back-dated, rejected."""
        return self.in_vain + sum(one.standing(now) in IN_VAIN for one in self.unproven)


class Figures:
    """What outlets come to, from the compliance database behind `db`."""

    def __init__(
        self,
        db: sqlite3.Connection,
        registry: Registry,
        limits: list[tuple[Standard, Limit]],
        quantities: dict[str, Quantity],
        clock: Callable[[], float],
        shelf: Shelf,
    ) -> None:
        spans, self._ground = shelf.effects(db).spans, shelf.ground(db)
        self.book = EmissionBook(db, registry, limits, quantities, clock, spans, self._ground)
        self._db, self._shelf, self._registry = db, shelf, registry

    def month(self, day: dt.date) -> tuple[int, int]:
        """Return the local month that holds a day, Unix s."""
        return self.book.month(day)

    def of_enterprise(
        self, enterprise: Held, outlets: Iterable[Held], marks: Sequence[Mark], start: int, end: int
    ) -> EnterpriseMonth:
        """Return an enterprise in a month; `outlets`, `marks`: of which its own are taken."""
        own = [one for one in outlets if one.names(ENTERPRISE) == enterprise.id]
        months = list(self._of_outlets(own, start, end).values())
        return self._enterprise(enterprise, months, marks, start, end)

    def of_enterprises(
        self, enterprises: Iterable[Held], outlets: Iterable[Held], marks: Iterable[Mark], start: int, end: int
    ) -> list[EnterpriseMonth]:
        """Return enterprises in a month, each with those of `outlets` and `marks` that are its own."""
        every = list(outlets)
        whose = {one.id: one.names(ENTERPRISE) for one in every}
        months: dict[str, list[OutletMonth]] = {}
        for id_, month in self._of_outlets(every, start, end).items():
            months.setdefault(whose[id_], []).append(month)
        of_marks: dict[str, list[Mark]] = {}
        for mark in marks:
            if mark.said.outlet in whose:
                of_marks.setdefault(whose[mark.said.outlet], []).append(mark)
        kept = self._shelf.enterprises(start, end)
        found = []
        for one in enterprises:
            own, own_marks = months.get(one.id, []), of_marks.get(one.id, [])
            by = one, *own, *own_marks
            before = kept.get(one.id)
            if before is None or len(before[0]) != len(by) or not all(map(is_, before[0], by)):
                before = kept[one.id] = by, self._enterprise(one, own, own_marks, start, end)
            found.append(before[1])
        return found

    def _enterprise(
        self, enterprise: Held, months: list[OutletMonth], marks: Sequence[Mark], start: int, end: int
    ) -> EnterpriseMonth:
        ids = {month.outlet.id for month in months}
        mass: dict[str, float] = {}
        for one in (one for month in months for one in month.pollutants):
            mass[one.pollutant] = mass.get(one.pollutant, 0.0) + one.mass.known_kg
        own_marks = sorted(
            (
                one
                for one in marks
                if one.said.outlet in ids and ((one.said.begin < end and start < one.end) or start <= one.logged < end)
            ),
            key=lambda one: (one.said.begin, one.id),
        )
        return EnterpriseMonth(
            enterprise,
            months,
            _together(month.rates for month in months),
            sum(one.above for month in months for one in month.pollutants),
            sum(one.suspected for month in months for one in month.pollutants),
            sum(one.judged for month in months for one in month.pollutants),
            own_marks,
            mass,
            sum(one.complete is not None and one.standing(one.complete) in IN_VAIN for one in own_marks),
            [one for one in own_marks if one.complete is None],
        )

    def of_outlet(self, outlet: Held, start: int, end: int) -> OutletMonth:
        """Return an outlet in a month."""
        return self._of_outlets([outlet], start, end)[outlet.id]

    def _of_outlets(self, outlets: list[Held], start: int, end: int) -> dict[str, OutletMonth]:
        """Return outlets in a month: as they were calculated last, as long as they come to the same."""
        sums = self._shelf.sums(self._db, [one.id for one in outlets], start, end)
        over = self.book.over
        found = {}
        for outlet in outlets:
            own = sums[outlet.id]
            by = outlet, self._registry, self._ground
            known = own.told is not None and own.told[0] == over and all(map(is_, own.told[1], by))
            if own.told is None or not known:
                own.told = over, by, self._outlet(outlet, own, start, end)
            found[outlet.id] = own.told[2]
        return found

    def _outlet(self, outlet: Held, own: OutletSums, start: int, end: int) -> OutletMonth:
        days, tallies = own.days, own.tallies
        judged_of = {one.quantity for one in tallies if one.quantity in self._pollutants}
        found = []
        for pollutant, (rates, mass) in self.book.sums(outlet.id, start, end, judged_of, days).items():
            about = [one for one in tallies if one.quantity == pollutant]
            judged = [one for one in about if one.outcome not in {"invalid", "open"}]
            found.append(
                PollutantMonth(
                    pollutant,
                    rates,
                    mass,
                    sum(one.windows for one in judged),
                    sum(one.windows for one in judged if one.outcome == "exceeded" and one.grade != "suspicion"),
                    sum(one.windows for one in judged if one.outcome == "exceeded" and one.grade == "suspicion"),
                    sum(one.windows for one in about if one.reason == "marked"),
                    max((one.highest for one in judged if one.highest is not None), default=None),
                    max((one.times for one in judged), default=0.0),
                )
            )
        return OutletMonth(outlet, found, _together(one.rates for one in found))

    def terms(self, outlet: str, pollutant: str, start: int, end: int) -> Terms:
        """Return what holds of a pollutant at an outlet at the end of a month, or, while it lasts, now."""
        return self.book.terms(outlet, pollutant, max(start, min(end, self.book.over) - 1))

    @property
    def _pollutants(self) -> set[str]:
        return set(self.book.pollutants)

    def totals(self, enterprise: str, t: int, outlet: str = "") -> list[Total]:
        """Return the permitted totals of an enterprise, or of one outlet of it, in the year of a moment, Unix s."""
        return list(self.book.totals(t, enterprise, outlet))


def _together(rates: Iterable[Rates]) -> Rates:
    """Return the rates of several, as if all their hourly values were of one."""
    found = NO_RATES
    for one in rates:
        found = Rates(found.due + one.due, found.transmitted + one.transmitted, found.valid + one.valid)
    return found
