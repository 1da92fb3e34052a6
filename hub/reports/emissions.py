"""What stacks let out, as points for dashboards: hours, days and months of each outlet, permitted totals, marks.

The days that were calculated anew have numbers of their own (`emission_change`), so whatever came of them is told once
more, in whatever pieces they are read. What was taken back is removed first: a field that is known no more would stay.
"""

import sqlite3
import time
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from hub.compliance.emissions.book import EmissionBook, Total
from hub.compliance.emissions.marking import MarkBook
from hub.compliance.emissions.present import name_of
from hub.compliance.emissions.store import Change, Day, EmissionStore
from hub.judge.stacks.hours import OutletHour
from hub.judge.stacks.permits import Permits
from hub.judge.windows import DAY
from hub.registry.live import Registry
from hub.reports import points
from hub.series.erasing import Span
from hub.things.marks.records import Mark
from hub.things.marks.store import MarkStore
from hub.things.store import ThingStore
from schemas import Limit, Quantity, Standard
from schemas.domains import mark_kinds
from schemas.language import Text

BUDGET = 0.5
"""For so long at most days are told at once: other points wait meanwhile [s]. What is left comes next."""
AFTER_DEADLINE = 2 * DAY
"""So long after its deadline a mark without its proof is told again: it has become late meanwhile [s]."""
Fields = dict[str, points.Value]


def within(lines: Iterator[str], seconds: float = BUDGET) -> list[str]:
    """Return as many of what is to be told as can be made in a time."""
    began, found = time.perf_counter(), []
    for line in lines:
        found.append(line)
        if time.perf_counter() - began > seconds:
            break
    return found


class Told(NamedTuple):
    """What is told next of days that changed."""

    old: list[Span]
    """Points that are removed first."""
    lines: list[str]
    reached: int
    """Number of the newest change in it."""


class EmissionReports:
    """Reads what was calculated of stacks in the compliance database behind `db`, which it never writes to."""

    def __init__(
        self,
        db: sqlite3.Connection,
        registry: Registry,
        limits: list[tuple[Standard, Limit]],
        quantities: Mapping[str, Quantity],
    ) -> None:
        self._store, self._things, self._marks = EmissionStore(db), ThingStore(db), MarkStore(db)
        self._now = 0.0
        self._book = EmissionBook(db, registry, limits, quantities, lambda: self._now, MarkBook(db).spans)
        self.use(registry)

    def use(self, registry: Registry) -> None:
        """Tell of the sites of another registry from now on."""
        self._registry = registry
        self._book.use(registry)
        self._names: dict[tuple[str, str], Text] = {}

    def ends(self) -> tuple[int, int]:
        """Return the numbers of the newest change of a day and of the newest event of a mark."""
        return self._store.last_change(), self._marks.newest()

    def after(self, number: int, most: int, now: float) -> Told:
        """Return what is told of days that changed behind a number; `now`: Unix s."""
        self._renew(now)
        old: list[Span] = []
        lines: list[str] = []
        months: dict[tuple[str, int], bool] = {}
        began = time.perf_counter()
        for one in self._store.changes(number, most):
            day = self._book.local.day(one.start)
            amended = one.amended > number
            if amended:
                old += [
                    Span("emission", {"outlet": one.outlet}, day.start, day.end),
                    Span("emission_24h", {"outlet": one.outlet}, day.start, day.start + 1),
                ]
            lines += self._day(one)
            month = one.outlet, self._book.local.calendar(one.start, "month")[0]
            months[month] = months.get(month, False) or amended
            number = one.number
            if time.perf_counter() - began > BUDGET:
                break
        for (outlet, start), amended in months.items():
            if amended:
                old.append(Span("emission_month", {"outlet": outlet}, start, start + 1))
            lines += self._month(outlet, start)
        return Told(old, lines, number)

    def state(self, now: float) -> Iterator[str]:
        """Yield what goes on by time alone: of this month what was due, of permitted totals the forecast, marks."""
        self._renew(now)
        start = self._book.local.calendar(int(now), "month")[0]
        for held in self._book.permits.outlets(int(now)):
            yield from self._month(held.edition.id, start)
        for total in self._book.totals(int(now)):
            yield from self._total(total, now)
        for mark in self._marks.marks():
            if mark.complete is None and now < mark.deadline + AFTER_DEADLINE:
                yield self._mark(mark)

    def marks(self, after: int, now: float) -> Iterator[str]:
        """Yield the marks of which something was logged behind an event."""
        self._renew(now)
        return (self._mark(mark) for mark in self._marks.marks() if mark.last > after)

    def permits(self, now: float) -> Permits:
        """Return the permits as they are now, Unix s: the same object as long as nothing has changed."""
        self._renew(now)
        return self._book.permits

    def _renew(self, now: float) -> None:
        self._now = now
        if self._things.newest() != self._book.things:
            self._book.renew()
            self._names.clear()

    def _day(self, change: Change) -> Iterator[str]:
        day = self._book.local.day(change.start)
        for pollutant, hours in self._book.hours(change.outlet, day.start, day.end).items():
            for hour in hours:
                tags = self._tags(change.outlet, hour.start)
                yield points.point(
                    "emission", tags | {"quantity": pollutant}, self._hour(change.outlet, hour), hour.start
                )
        for one in self._book.days(change.outlet, day.start, day.start + 1):
            tags = self._tags(one.outlet, one.start)
            yield points.point("emission_24h", tags | {"quantity": one.pollutant}, self._whole(one), one.start)

    def _hour(self, outlet: str, one: OutletHour) -> Fields:
        limit, compared = one.terms.limit, one.compared
        return {
            "raw": points.number(one.raw),
            "compared": points.number(compared),
            "limit_value": points.number(limit),
            "limit_source": one.terms.limit_source,
            "oxygen": points.number(one.oxygen),
            "reference_o2": points.number(one.terms.reference_o2),
            "flow": points.number(one.flow),
            "mass_kg": points.number(one.mass_kg),
            "state": one.state,
            "reason": one.reason,
            "gap": one.gap,
            "due": int(one.state != "stopped"),
            "transmitted": int(one.heard and one.state != "stopped"),
            "valid": int(one.valid),
            "above": int(compared is not None and limit is not None and compared > limit),
            "marks": ", ".join(one.marks),
            **self._named("outlet", outlet),
        }

    def _whole(self, one: Day) -> Fields:
        return {
            "mean": points.number(one.mean),
            "measured_kg": one.measured_kg if one.missing < one.hours else None,
            "replaced_kg": one.replaced_kg if one.unknown < one.missing else None,
            "known_kg": one.measured_kg + one.replaced_kg if one.unknown < one.hours else None,
            "hours": one.hours,
            "due": one.hours - one.stopped,
            "transmitted": one.transmitted,
            "valid": one.valid,
            "missing": one.missing,
            "unknown": one.unknown,
            **self._named("outlet", one.outlet),
        }

    def _month(self, outlet: str, start: int) -> Iterator[str]:
        end = self._book.local.calendar(start, "month")[1]
        for pollutant, (rates, mass) in self._book.sums(outlet, start, end).items():
            fields: Fields = {
                "measured_kg": mass.measured_kg if mass.missing < mass.hours else None,
                "replaced_kg": mass.replaced_kg if mass.unknown < mass.missing else None,
                "known_kg": mass.known_kg if mass.unknown < mass.hours else None,
                "hours": mass.hours,
                "due": rates.due,
                "transmitted": rates.transmitted,
                "valid": rates.valid,
                "missing": mass.missing,
                "unknown": mass.unknown,
                **self._named("outlet", outlet),
            }
            tags = self._tags(outlet, max(start, self._book.span(outlet, start, end)[0]))
            yield points.point("emission_month", tags | {"quantity": pollutant}, fields, start)

    def _total(self, one: Total, now: float) -> Iterator[str]:
        """Yield a permitted total as it stands today, once for each site of its outlets."""
        permitted, said = one.permitted, one.forecast
        day = self._book.local.day(int(now)).start
        known = one.mass.unknown < one.mass.hours
        fields: Fields = {
            "permitted_t": float(permitted.mass_t),
            "used_t": one.mass.known_kg / 1000 if known else None,
            "replaced_t": one.mass.replaced_kg / 1000 if known else None,
            "share": float(one.share) if known else None,
            "unknown": one.mass.unknown,
            "used_up": str(said.used_up or "") if said else "",
            "earliest": str(said.earliest or "") if said else "",
            "latest": str(said.latest or "") if said else "",
            "permit": permitted.number,
            **self._named("whose", permitted.subject[1], permitted.subject[0]),
        }
        tags: dict[str, str | None] = {"total": permitted.id, "quantity": permitted.pollutant}
        for site in sorted({self._book.site(outlet, int(now)) or "" for outlet in permitted.outlets}):
            yield points.point("permit_total", tags | self._at(site), fields, day)

    def _mark(self, mark: Mark) -> str:
        kind = mark_kinds().get(mark.said.kind)
        fields: Fields = {
            "id": int(mark.id),
            "kind_en": kind.en if kind else mark.said.kind,
            "kind_zh": kind.zh if kind else mark.said.kind,
            "end_ms": int(mark.end) * 1000,
            "logged_ms": int(mark.logged * 1000),
            "deadline_ms": int(mark.deadline * 1000),
            "standing": mark.standing(self._now),
            "effective": int(mark.effective),
            "proofs": len(mark.proofs),
            **self._named("outlet", mark.said.outlet),
        }
        return points.point("mark", self._tags(mark.said.outlet, mark.said.begin), fields, mark.said.begin, mark.id)

    def _tags(self, outlet: str, t: int) -> dict[str, str | None]:
        return {"outlet": outlet} | self._at(self._book.site(outlet, t) or "")

    def _at(self, site: str) -> dict[str, str | None]:
        known = self._registry.sites.get(site)
        return {"district": known.district if known else None, "site": site}

    def _named(self, name: str, id_: str, kind: str = "outlet") -> Fields:
        found = self._names.get((kind, id_))
        if found is None:
            found = self._names[kind, id_] = name_of(self._things, kind, id_)
        return {f"{name}_en": found.en, f"{name}_zh": found.zh}
