"""What is known of the outlets of a city: hours, days, rates, totals; for pages, reports, commands and the HTTP API."""

import datetime as dt
import hashlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from typing import NamedTuple

import msgspec

from hub.compliance.emissions.store import NO_DAYS, Day, DaySums, EmissionStore
from hub.compliance.verdicts import KeptVerdict, VerdictTable
from hub.judge import Plans
from hub.judge.kinds.world import ALWAYS, World
from hub.judge.stacks.cells import FLOW, HOUR, OXYGEN, Cells
from hub.judge.stacks.hours import OutletHour, Span, Terms, day_mean, hours_of, merged, runs_of_gaps
from hub.judge.stacks.permits import KINDS, OUTLET, Permits, PermittedTotal
from hub.judge.stacks.rates import Rates, rates_of
from hub.judge.stacks.totals import NOTHING, Forecast, Mass, Replaced, forecast, mass_of, replaced
from hub.judge.windows import DAY, LocalTime
from hub.limits.places import place_of
from hub.registry.live import Registry
from hub.things.store import ThingStore
from schemas import Limit, Quantity, Standard

GRACE = 300
"""So long what was measured may be on its way before an hour counts as over [s]."""
CONTEXT = DAY
"""So much before and after a period is looked at to tell start-up from shut-down [s]."""
BEFORE = 120 * DAY
"""So far back valid hours are looked for that stand for those that were not measured [s]."""
FAMILY = "stack"
_encode = msgspec.msgpack.Encoder().encode

Marks = Callable[[str, str, int, int], Sequence[Span]]
"""Gives what enterprises have marked, as far as it counts: outlet, pollutant, start and end, Unix s."""


class Total(NamedTuple):
    """How much of a permitted yearly total is used up."""

    permitted: PermittedTotal
    year: int
    mass: Mass
    """Since the first of January, as far as hours are over."""
    share: float
    """Of what is permitted: measured and replaced mass; above 1 it is used up."""
    forecast: Forecast | None
    """None: too few days, or nothing is emitted."""


class RatesOf(NamedTuple):
    """Rates of a period by pollutant, and of all."""

    by_pollutant: Mapping[str, Rates]
    all: Rates


class Reckoned(NamedTuple):
    """Days as they were calculated, and which of them only have more hours than before."""

    days: list[Day]
    grown: list[Day]


class Ground(NamedTuple):
    """What a book goes by, where many read one after the other."""

    things: int
    """Number of the newest edition of a thing in it."""
    world: World
    permits: Permits
    plans: Plans
    """Of the limits of what stacks emit."""


class EmissionBook:
    """What is known of outlets, from the compliance database behind `db`.

    Args:
        db: the database.
        registry: sites and senders.
        limits: as `load_limits` gives them.
        quantities: the catalogue of quantities.
        clock: gives Unix time in s.
        marks: what enterprises have marked.
        ground: what it goes by; None: it reads that from the database.
    """

    def __init__(
        self,
        db: sqlite3.Connection,
        registry: Registry,
        limits: list[tuple[Standard, Limit]],
        quantities: Mapping[str, Quantity],
        clock: Callable[[], float],
        marks: Marks = lambda _outlet, _pollutant, _start, _end: (),
        ground: Ground | None = None,
    ) -> None:
        self._store = EmissionStore(db)
        self._verdicts = VerdictTable(db)
        self._things = ThingStore(db)
        self._quantities = quantities
        self._clock = clock
        self._marks = marks
        self.pollutants = sorted(of_stacks(quantities) - {OXYGEN, FLOW})
        """Keys of what stacks emit."""
        self.things = ground.things if ground else 0
        """Number of the newest edition of a thing by which is gone."""
        self.world = ground.world if ground else World()
        self.permits = ground.permits if ground else Permits(self.world)
        self._plans = ground.plans if ground else plans_of(limits, quantities)
        self.use(registry)
        if ground is None:
            self.renew()

    def use(self, registry: Registry) -> None:
        """Go by another registry from now on."""
        self._registry = registry
        self.local = LocalTime(registry.zone)
        self._standard = lru_cache(4096)(self._standard_of)

    def renew(self) -> int:
        """Take notice of things as they are now; return the earliest moment from which something is others than before.

        `hub.judge.kinds.world.NEVER`: nothing is.
        """
        newest = self._things.newest()
        change = self.world.add(self._things.editions(self.things, newest, KINDS))
        self.things = newest
        if change.things:
            self.permits = Permits(self.world)
            self._standard.cache_clear()
        return change.since

    @property
    def over(self) -> int:
        """Up to when hours are over, Unix s."""
        return self.local.fixed(int(self._clock()) - GRACE, HOUR)[0]

    def site(self, outlet: str, t: int) -> str | None:
        """Return the site of an outlet at a moment: the one that it names, or that of what measures it."""
        held = self.permits.outlet(outlet, t)
        named = held.edition.properties.get("site") if held else None
        if named is not None:
            return str(named)
        senders = (self._registry.sender(source) for source in self.permits.sources(outlet, t))
        return next((sender.site for sender in senders if sender), None)

    def begins(self, outlet: str) -> int | None:
        """Return from when on hourly values of an outlet are due, Unix s; None: nothing was ever due.

        When its things say from when on it is there, then; otherwise since something of it was first heard.
        """
        terms = self.world.terms(OUTLET, outlet)
        if terms and terms[0].since != ALWAYS:
            return terms[0].since
        sources = {source for term in terms for source in self.permits.sources(outlet, max(term.since, 0))}
        heard = [first for source in sources if (first := self._store.first_hour(source)) is not None]
        return min(heard, default=None)

    def span(self, outlet: str, start: int, end: int) -> tuple[int, int]:
        """Return the part of a period, Unix s, of which hourly values were due: empty where none were."""
        begins = self.begins(outlet)
        if begins is None:
            return start, start
        first = self.local.fixed(max(start, begins), HOUR)[0]
        return max(start, first), max(start, first, min(end, self.over))

    def hours(self, outlet: str, start: int, end: int, pollutants: Iterable[str] = ()) -> dict[str, list[OutletHour]]:
        """Return the hours of an outlet in a period, Unix s, by pollutant; none named: all that are to be measured.

        Only hours that are over and were due; also those of which nothing came.
        """
        first, last = self.span(outlet, start, end)
        if first >= last:
            return {}
        cells = self._cells(outlet, first - CONTEXT, min(last + CONTEXT, self.over))
        wanted = list(pollutants) or self._wanted(outlet, cells, first, last)
        declared = self._declared(outlet, first)
        o2 = self._quantities[OXYGEN].resolution
        found = {}
        for pollutant in wanted:
            decimals = self._quantities[pollutant].resolution, o2
            spans = [*declared, *self._marks(outlet, pollutant, first - CONTEXT, last + CONTEXT)]
            every = hours_of(cells, pollutant, partial(self.terms, outlet, pollutant), decimals, spans)
            found[pollutant] = [one for one in every if first <= one.start < last]
        return found

    def measured(self, outlet: str, start: int, end: int) -> list[str]:
        """Return the pollutants that are to be measured at an outlet in a period, Unix s: those of `hours`."""
        first, last = self.span(outlet, start, end)
        return self._wanted(outlet, self._cells(outlet, first, last), first, last) if first < last else []

    def _wanted(self, outlet: str, cells: Mapping[int, Cells], first: int, last: int) -> list[str]:
        heard = {name for one in cells.values() for name in one.quantities}
        return sorted((heard & set(self.pollutants)) | self.permits.pollutants(outlet, first, last))

    def terms(self, outlet: str, pollutant: str, t: int) -> Terms:
        """Return what holds of a pollutant at an outlet at a moment: by its permit or by the standard that binds."""
        terms = self.permits.terms(outlet, pollutant, t)
        if terms.limit is not None:
            return terms
        found = self._standard(self.site(outlet, t), pollutant, self.local.day(t).date)
        if found is None:
            return terms
        own = found.reference_o2 if terms.reference_o2 is None else terms.reference_o2
        return msgspec.structs.replace(terms, limit=found.limit, limit_source=found.limit_source, reference_o2=own)

    def days(self, outlet: str, start: int, end: int, pollutant: str = "") -> list[Day]:
        """Return the local days of an outlet in a period, Unix s, as far as they were calculated."""
        return self._store.days(outlet, start, end, pollutant)

    def rates(self, outlet: str, start: int, end: int) -> RatesOf:
        """Return transmission and validity of a period, Unix s."""
        hours = self.hours(outlet, start, end)
        by_pollutant = {pollutant: rates_of(found) for pollutant, found in hours.items()}
        return RatesOf(by_pollutant, rates_of(one for found in hours.values() for one in found))

    def mass(self, outlet: str, pollutant: str, start: int, end: int) -> Mass:
        """Return the mass of whole local days in a period, Unix s; hours of which nothing is known are counted, too."""
        return self._mass(outlet, self.days(outlet, start, end, pollutant), start, end)

    def _mass(self, outlet: str, days: Iterable[Day], start: int, end: int) -> Mass:
        found = NOTHING
        for one in days:
            found += Mass(one.measured_kg, one.replaced_kg, one.hours, one.missing, one.unknown)
        first, last = self.span(outlet, start, end)
        silent = max(0, (last - first) // HOUR - found.hours)
        return found + Mass(0.0, 0.0, silent, silent, silent)

    def sums(
        self,
        outlet: str,
        start: int,
        end: int,
        more: Iterable[str] = (),
        days: Mapping[str, DaySums] | None = None,
    ) -> dict[str, tuple[Rates, Mass]]:
        """Return rates and mass of whole local days in a period, Unix s, by pollutant.

        Of those that were measured, that permits name, and `more`; hours of which nothing came at all are counted, too.
        `days`: what the days of the outlet in the period come to, where they were read before.
        """
        first, last = self.span(outlet, start, end)
        known = self._store.sums(outlet, start, end) if days is None else days
        wanted = {*known, *more, *(self.permits.pollutants(outlet, first, last) if first < last else ())}
        found = {}
        for pollutant in sorted(wanted):
            own = known.get(pollutant, NO_DAYS)
            silent = max(0, (last - first) // HOUR - own.hours)
            hours, missing, unknown = own.hours + silent, own.missing + silent, own.unknown + silent
            rates = Rates(own.hours - own.stopped + silent, own.transmitted, own.valid)
            found[pollutant] = rates, Mass(own.measured_kg, own.replaced_kg, hours, missing, unknown)
        return found

    def totals(self, t: int, enterprise: str = "", outlet: str = "") -> Iterator[Total]:
        """Go through the permitted totals of the calendar year of a moment, Unix s; of all, or of one that is named."""
        for permitted in self.permits.totals(t, enterprise):
            if not outlet or outlet in permitted.outlets:
                yield self.total(permitted, t)

    def total(self, permitted: PermittedTotal, t: int) -> Total:
        """Return how much of a total is used up in the calendar year of a moment, Unix s."""
        start, end = self.local.calendar(t, "year")
        today = self.local.day(min(t, end - 1))
        mass = NOTHING
        by_day: dict[int, float] = {}
        usable: dict[int, int] = {}
        for outlet in permitted.outlets:
            days = self.days(outlet, start, end, permitted.pollutant)
            mass += self._mass(outlet, days, start, end)
            for one in (day for day in days if day.start < today.start):
                by_day[one.start] = by_day.get(one.start, 0.0) + one.measured_kg + one.replaced_kg
                usable[one.start] = usable.get(one.start, 0) + (
                    one.unknown == 0 and one.until - one.start >= DAY - HOUR
                )
        used = sum(by_day.values())
        whole = [by_day[day] for day in sorted(by_day) if usable[day] == len(permitted.outlets)]
        total_kg = 1000 * permitted.mass_t
        share = mass.known_kg / total_kg if total_kg else (2.0 if mass.known_kg else 0.0)
        return Total(permitted, today.date.year, mass, share, forecast(whole, used, total_kg, today.date))

    def verdicts(self, outlet: str, start: int, end: int) -> list[KeptVerdict]:
        """Return the verdicts on an outlet's windows that begin in a period, Unix s; of each the newest revision."""
        found: dict[tuple[str, str, int], KeptVerdict] = {}
        for source in self.permits.sources(outlet, start) or self.permits.sources(outlet, end - 1):
            for one in self._verdicts.search(device=source, since=start, until=end, limit=100_000):
                key = one.device, one.rule, one.start
                if one.quantity in self.pollutants and (key not in found or found[key].revision < one.revision):
                    found[key] = one
        return sorted(found.values(), key=lambda one: (one.start, one.rule))

    def reckon(self, outlet: str, start: int, end: int) -> Reckoned:
        """Return the days of a quarter, calculated from its hours; `start`, `end`: of the quarter, Unix s."""
        before = {(one.pollutant, one.start): one for one in self.days(outlet, start, end)}
        found: list[Day] = []
        grown: list[Day] = []
        for pollutant, hours in self.hours(outlet, start, end).items():
            instead = self.replacements(outlet, pollutant, hours, start)
            by_day: dict[int, list[OutletHour]] = {}
            for one in hours:
                by_day.setdefault(self.local.day(one.start).start, []).append(one)
            for day, of_day in by_day.items():
                rates, mean, mass = rates_of(of_day), day_mean(of_day), mass_of(of_day, instead)
                found.append(
                    Day(
                        outlet=outlet,
                        pollutant=pollutant,
                        start=day,
                        until=of_day[-1].start + HOUR,
                        hours=len(of_day),
                        stopped=mean.stopped,
                        transmitted=rates.transmitted,
                        valid=rates.valid,
                        mean=mean.mean,
                        measured_kg=mass.measured_kg,
                        replaced_kg=mass.replaced_kg,
                        missing=mass.missing,
                        unknown=mass.unknown,
                        differs=sum(one.own_differs for one in of_day),
                        digest=_digest(of_day),
                    )
                )
                old, new = before.get((pollutant, day)), found[-1]
                less = old is not None and old.mean is not None and new.mean is None
                if old and not less and old.hours < new.hours and old.digest == _digest(of_day[: old.hours]):
                    grown.append(new)
        return Reckoned(found, grown)

    def replacements(self, outlet: str, pollutant: str, quarter: Sequence[OutletHour], start: int) -> list[Replaced]:
        """Return what stands for hours of a quarter that have no mass; `start`: of the quarter, Unix s."""
        if not runs_of_gaps(quarter):
            return []
        earlier = self.hours(outlet, start - BEFORE, start, (pollutant,)).get(pollutant, [])
        return replaced(quarter, [one.mass_kg for one in earlier if one.valid and one.mass_kg is not None])

    def quarter(self, t: int) -> tuple[int, int]:
        """Return the local quarter that holds a moment, Unix s."""
        return self.local.calendar(t, "quarter")

    def month(self, day: dt.date) -> tuple[int, int]:
        """Return the local month that holds a day, Unix s."""
        return self.local.calendar(self.local.instant(day, 0), "month")

    def _cells(self, outlet: str, start: int, end: int) -> dict[int, Cells]:
        """Return all hours of an outlet in a period, of whatever measured it then; some may be empty."""
        kept: dict[str, dict[int, Cells]] = {}
        found: dict[int, Cells] = {}
        t = self.local.fixed(start, HOUR)[0]
        while t < end:
            of_hour = []
            for source in self.permits.sources(outlet, t):
                if source not in kept:
                    kept[source] = self._store.hours(source, start, end)
                of_hour.append(kept[source].get(t, Cells({})))
            found[t] = merged(of_hour)
            t = self.local.fixed(t, HOUR)[1]
        return found

    def _declared(self, outlet: str, t: int) -> list[Span]:
        site = self._registry.sites.get(self.site(outlet, t) or "")
        return [
            Span(int(one.from_.timestamp()), int(one.to.timestamp()), one.state, f"registry/{one.state}")
            for one in (site.operation if site else ())
        ]

    def _standard_of(self, site_id: str | None, pollutant: str, day: dt.date) -> Terms | None:
        """Return limit and reference oxygen of the standard that binds a site; None: none does."""
        site = self._registry.sites.get(site_id or "")
        if site is None:
            return None
        place = place_of(site, self._registry.named_districts, self._registry.cities)
        for node, bounds in self._plans.plan(place, day).rules.items():
            if node.quantity != pollutant or node.span != "1 h" or len(node.steps) != 1:
                continue
            for one in bounds:
                if one.binds == "binds" and not one.missing and one.rule.limit.value is not None:
                    return Terms(reference_o2=node.reference_o2, limit=one.rule.limit.value, limit_source=one.rule.id)
        return None


def of_stacks(quantities: Mapping[str, Quantity]) -> set[str]:
    """Return the keys of what is measured in stacks."""
    return {key for key, one in quantities.items() if one.family == FAMILY}


def plans_of(limits: Iterable[tuple[Standard, Limit]], quantities: Mapping[str, Quantity]) -> Plans:
    """Return what standards say of stacks."""
    measured = of_stacks(quantities)
    return Plans([one for one in limits if one[1].quantity in measured], quantities)


def _digest(hours: Sequence[OutletHour]) -> int:
    """Return a number that is another where anything is said otherwise of hours."""
    return int.from_bytes(hashlib.blake2b(_encode(hours), digest_size=8).digest(), signed=True)
