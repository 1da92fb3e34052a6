"""What all pages of cases have in common: the cases behind a visit, and how they are shown."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Annotated, NamedTuple

from fastapi import Depends, Request

from hub.cases.desk import CaseDesk
from hub.cases.finding import CaseFinder, Wanted
from hub.cases.present import left
from hub.cases.rules.machine import NEAR, places, positions
from hub.cases.rules.records import Case
from hub.cases.rules.texts import STATE, UNIT
from hub.cases.tables import FILE
from hub.config.alerts import Position
from hub.console.badges import Badge
from hub.console.parts.picture import name_of
from hub.console.web import Shared, Visit, acting, read_form, visiting
from schemas.language import Lang, Text


class CaseCard(NamedTuple):
    """A case as lists and Today show it."""

    case: Case
    state: str
    code: str
    place: str
    """The site's name, or the place in words."""
    district: str
    department: str
    badge: Badge | None
    """How its deadline stands; None: none runs."""


class CaseVisit:
    """A visit to the cases of the hub."""

    def __init__(self, visit: Visit, desk: CaseDesk) -> None:
        self.visit, self.desk = visit, desk
        self.finder = CaseFinder(desk.book.db, visit.now)

    @property
    def lang(self) -> Lang:
        """The visitor's language."""
        return self.visit.lang

    @cached_property
    def positions(self) -> tuple[Position, ...]:
        """In whose place the visitor may act; an admin in everybody's."""
        return places(self.desk.user.role, joined=self.desk.joined)

    @property
    def may_report(self) -> bool:
        """Whether the visitor's role takes reports."""
        return not set(positions("report", joined=self.desk.joined)).isdisjoint(self.positions)

    @property
    def waiting(self) -> Wanted:
        """What waits for the visitor."""
        desk = self.desk
        departments = desk.departments() if desk.user.role == "handler" else None
        return Wanted(districts=desk.user.districts, waits=self.positions, departments=departments)

    def card(self, case: Case) -> CaseCard:
        """Return a case as lists show it."""
        return CaseCard(
            case,
            STATE[case.state].into(self.lang),
            self.code(case),
            self.place(case),
            self.district(case.district),
            self.department(case.department),
            self.due(case),
        )

    def due(self, case: Case) -> Badge | None:
        """Return how the deadline stands: how much time is left of the city's working hours."""
        rest = left(case, self.desk, self.visit.now)
        if rest is None:
            return None
        amount, unit = f"{abs(rest):.1f}".removesuffix(".0"), UNIT[case.unit].into(self.lang)
        if case.stopped is not None:
            late = case.deadline is not None and case.stopped > case.deadline
            text = Text(f"stands still, {amount} {unit} left", f"计时停止，剩余{amount}{unit}")
            if late:
                text = Text(f"stands still, {amount} {unit} late", f"计时停止，已超期{amount}{unit}")
            return Badge("quiet", "ring", text.into(self.lang))
        if case.deadline is not None and self.visit.now > case.deadline:
            return Badge("bad", "triangle", Text(f"{amount} {unit} late", f"超期{amount}{unit}").into(self.lang))
        near = rest < NEAR * (case.amount + case.extra)
        tone, shape = ("warn", "square") if near else ("good", "circle")
        return Badge(tone, shape, Text(f"{amount} {unit} left", f"剩余{amount}{unit}").into(self.lang))

    def code(self, case: Case) -> str:
        """Return what people call a case's code."""
        entry = self.desk.rules.code(case.code, case.district)
        return Text(entry.en, entry.zh).into(self.lang) if entry else case.code

    def department(self, id_: str) -> str:
        """Return what people call a department."""
        entry = self.desk.rules.departments.get(id_)
        return Text(entry.en, entry.zh).into(self.lang) if entry else id_

    def place(self, case: Case) -> str:
        """Return where a case is, in words: site, place, else its coordinates."""
        site = self.desk.site(case.site)
        parts = [Text(site.en, site.zh).into(self.lang) if site else case.site, case.place]
        if not any(parts) and case.lat is not None and case.lon is not None:
            return f"{case.lat:.5f}, {case.lon:.5f}"
        return ", ".join(filter(None, parts))

    def district(self, id_: str) -> str:
        """Return what people call a district."""
        return name_of(self.visit.registry, id_, self.lang)


def has_cases(shared: Shared) -> bool:
    """Tell whether there are cases: pages of alerts do not make their database."""
    return (shared.config.data / FILE).exists()


@contextmanager
def cases_of(visit: Visit) -> Iterator[CaseVisit]:
    """Open the cases as a visitor sees them."""
    shared = visit.shared
    with shared.cases_pool.lend() as db:
        joined = shared.config.cases.joined
        desk = CaseDesk(db, shared.rules.current(), shared.registry(), shared.clock, visit.user, joined=joined)
        desk.follow_calendar()
        yield CaseVisit(visit, desk)


def at_cases(shared: Shared) -> Callable[..., Iterator[CaseVisit]]:
    """Return what FastAPI is to ask before a page of cases is made."""

    def visit(visit: Annotated[Visit, Depends(visiting(shared))]) -> Iterator[CaseVisit]:
        with cases_of(visit) as cases:
            yield cases

    return visit


def acting_in_cases(
    shared: Shared, read: Callable[[Request], Awaitable[dict[str, str]]] = read_form
) -> Callable[..., Iterator[CaseVisit]]:
    """Return what FastAPI is to ask before something is done with a case: by role and state the desk decides."""

    def act(visit: Annotated[Visit, Depends(acting(shared, "viewer", read))]) -> Iterator[CaseVisit]:
        with cases_of(visit) as cases:
            yield cases

    return act
