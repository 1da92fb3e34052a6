"""What all pages of enterprises have in common: whose they are, figures of a month, how marks are shown."""

import datetime as dt
from collections.abc import Awaitable, Callable
from functools import cached_property
from typing import Annotated, NamedTuple

from fastapi import Depends, Query, Request

from hub.access.tokens import Needed
from hub.companies.desk import CompanyDesk
from hub.companies.figures import Figures
from hub.companies.things import Held
from hub.companies.words import STANDING, kind_of
from hub.console.badges import Badge
from hub.console.web import Shared, Visit, acting, read_form, visiting
from hub.judge.stacks.hours import Terms
from hub.things.marks.records import Mark, Standing
from schemas.language import Text

Month = Annotated[str, Query(max_length=7, description="such as 2026-12")]
TONES: dict[Standing, tuple[str, str]] = {
    "counts": ("warn", "square"),
    "accepted": ("good", "circle"),
    "awaits_proof": ("doubt", "diamond"),
    "rejected": ("bad", "triangle"),
    "late": ("bad", "triangle"),
    "back_dated": ("bad", "triangle"),
    "withdrawn": ("quiet", "ring"),
}
MONTHS = 13
"""How many months can be chosen."""


class MarkLine(NamedTuple):
    """A mark as lists show it."""

    mark: Mark
    kind: str
    outlet: str
    """Its name."""
    badge: Badge


class Period(NamedTuple):
    """A month that is looked at."""

    value: str
    """As addresses have it: 2026-12."""
    start: int
    """Unix s, as `end`."""
    end: int
    over: bool
    """All of it lies in the past."""


class CompanyVisit:
    """A visit to enterprises."""

    def __init__(self, visit: Visit) -> None:
        self.visit = visit
        shared = visit.shared
        self.desk = CompanyDesk(
            visit.db,
            shared.config,
            shared.registry(),
            shared.quantities,
            shared.clock,
            visit.user,
            shared.doubt,
            shared.shelf,
        )

    @cached_property
    def figures(self) -> Figures:
        """What outlets come to."""
        shared = self.visit.shared
        limits = list(shared.limits.values())
        return Figures(self.visit.db, shared.registry(), limits, shared.quantities, shared.clock, shared.shelf)

    @property
    def may_mark(self) -> bool:
        """Whether the visitor logs marks."""
        return self.visit.may("company")

    def name(self, thing: Held) -> str:
        """Return what people call a thing."""
        return self.visit.say(Text(thing.en, thing.zh))

    def quantity(self, key: str) -> str:
        """Return what people call a pollutant."""
        known = self.visit.shared.quantities.get(key)
        if known is None:
            return key
        # One letter, as that of a flow, says nothing to most people.
        symbol = known.symbol or ""
        return symbol if len(symbol) > 1 else self.visit.say(Text(known.en, known.zh))

    def line(self, mark: Mark, outlets: dict[str, Held]) -> MarkLine:
        """Return a mark as lists show it."""
        standing = mark.standing(self.visit.now)
        named = outlets.get(mark.said.outlet)
        badge = Badge(*TONES[standing], self.visit.say(STANDING[standing]))
        return MarkLine(mark, self.visit.say(kind_of(mark)), self.name(named) if named else mark.said.outlet, badge)

    def period(self, month: str) -> Period:
        """Return the month that an address names; where it names none, the present one."""
        today = self.visit.page_formats.local(self.visit.now).date()
        try:
            day = dt.date.fromisoformat(f"{month}-01")
        except ValueError:
            day = today
        if not dt.date(2000, 1, 1) <= day <= today:
            day = today
        start, end = self.figures.month(day)
        return Period(f"{day:%Y-%m}", start, end, end <= self.figures.book.over)

    def terms_of(self, period: Period) -> Callable[[str, str], Terms]:
        """Return what tells of an outlet and a pollutant, by their ids, by what they are judged in a month."""
        return lambda outlet, pollutant: self.figures.terms(outlet, pollutant, period.start, period.end)

    def months(self) -> list[str]:
        """Return the months that can be chosen, the newest first."""
        day = self.visit.page_formats.local(self.visit.now).date().replace(day=1)
        found = []
        for _ in range(MONTHS):
            found.append(f"{day:%Y-%m}")
            day = (day - dt.timedelta(days=1)).replace(day=1)
        return found


def at_companies(shared: Shared, needed: Needed = "anybody") -> Callable[..., CompanyVisit]:
    """Return what FastAPI is to ask before a page of enterprises is made; the desk decides who sees which."""

    def visit(visit: Annotated[Visit, Depends(visiting(shared, needed))]) -> CompanyVisit:
        return CompanyVisit(visit)

    return visit


def acting_at_companies(
    shared: Shared, read: Callable[[Request], Awaitable[dict[str, str]]] = read_form
) -> Callable[..., CompanyVisit]:
    """Return what FastAPI is to ask before something is done with a mark; the desk decides who may."""

    def act(visit: Annotated[Visit, Depends(acting(shared, "anybody", read))]) -> CompanyVisit:
        return CompanyVisit(visit)

    return act
