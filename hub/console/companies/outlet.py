"""The page of one outlet: its hours against their limit, state, validity, rates, mass against what is permitted."""

import datetime as dt
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Depends, Path, Query, Response

from hub.companies.things import ENTERPRISE
from hub.compliance.emissions.present import gap_text, reason_text, state_text
from hub.console.badges import Badge
from hub.console.companies.visit import CompanyVisit, Month, at_companies
from hub.console.parts.sheet import csv_file
from hub.console.plot import Plot, plot
from hub.console.today import Short
from hub.console.web import Shared
from hub.desk.models import EvidenceReading, JudgedWindow
from hub.judge.stacks.cells import HOUR
from hub.judge.stacks.hours import OutletHour
from hub.judge.windows import DAY
from schemas.language import Text

Id = Annotated[str, Path(pattern=r"^[a-z0-9-]{1,32}$")]
Day = Annotated[str, Query(max_length=10, description="such as 2026-12-01")]
DAYS = 7
"""Days of the picture."""
MOST_MARKS = 10
HEAD = (
    *("start", "pollutant", "state", "valid", "reason", "raw", "oxygen", "reference_o2", "corrected", "compared"),
    *("limit", "limit_source", "flow_m3_s", "mass_kg", "gap", "marks"),
)


class Hour(NamedTuple):
    """An hour as the table shows it."""

    hour: OutletHour
    state: str
    reason: str
    gap: str
    badge: Badge
    marks: list[int]
    """Numbers of those that lie in it."""


def add_outlet(router: APIRouter, shared: Shared) -> None:
    """Add the page, and its hours as a file."""
    visitor = Depends(at_companies(shared))

    @router.get("/outlets/{id}")
    def show_outlet(
        visit: Annotated[CompanyVisit, visitor],
        id: Id,  # noqa: A002
        pollutant: Short = "",
        day: Day = "",
        month: Month = "",
    ) -> Response:
        outlet = visit.desk.outlet(id)
        chosen = _day(visit, day)
        first, last = _span(visit, chosen)
        measured = visit.figures.book.measured(id, first, last)
        known = pollutant if pollutant in measured else next(iter(measured), "")
        shown = visit.figures.book.hours(id, first, last, (known,)).get(known, []) if known else []
        period = visit.period(month)
        of_month = visit.figures.of_outlet(outlet, period.start, period.end)
        marks = visit.desk.marks([outlet])
        enterprise = next((one for one in visit.desk.enterprises() if one.id == outlet.names(ENTERPRISE)), None)
        begin = visit.figures.book.local.instant(chosen, 0)
        return visit.visit.page(
            "outlet.html",
            outlet=outlet,
            title=visit.name(outlet),
            enterprise=enterprise,
            name=visit.name,
            quantity=visit.quantity,
            pollutants=measured,
            pollutant=known,
            day=chosen,
            plot=_plot(visit, shown, first, last),
            limit=next((one.terms for one in reversed(shown) if one.terms.limit is not None), None),
            hours=[_shown(visit, one) for one in shown if one.start >= begin],
            month=of_month,
            terms=visit.terms_of(period),
            period=period,
            months=visit.months(),
            totals=[
                (one, visit.quantity(one.permitted.pollutant))
                for one in visit.figures.totals(outlet.names(ENTERPRISE), int(visit.visit.now), id)
            ],
            lines=[visit.line(one, {outlet.id: outlet}) for one in marks[:MOST_MARKS]],
            may_mark=visit.may_mark,
            may_see_site=visit.visit.may("viewer") and outlet.names("site") in visit.visit.registry.sites,
        )

    @router.get("/outlets/{id}/hours.csv")
    def list_hours(visit: Annotated[CompanyVisit, visitor], id: Id, month: Month = "") -> Response:  # noqa: A002
        visit.desk.outlet(id)
        period = visit.period(month)
        iso = visit.visit.page_formats.iso
        rows = [
            (
                *(iso(one.start), one.pollutant, one.state, "yes" if one.valid else "no", one.reason, one.raw),
                *(one.oxygen, one.terms.reference_o2, one.converted, one.compared, one.terms.limit),
                *(one.terms.limit_source, one.flow, one.mass_kg, one.gap, " ".join(one.marks)),
            )
            for hours in visit.figures.book.hours(id, period.start, period.end).values()
            for one in hours
        ]
        return csv_file(f"outlet-{id}-{period.value}.csv", HEAD, rows)


def _day(visit: CompanyVisit, day: str) -> dt.date:
    today = visit.visit.page_formats.local(visit.visit.now).date()
    try:
        chosen = dt.date.fromisoformat(day)
    except ValueError:
        return today
    return chosen if dt.date(2000, 1, 1) <= chosen <= today else today


def _span(visit: CompanyVisit, day: dt.date) -> tuple[int, int]:
    """Return the days that the picture shows, up to the end of one, Unix s."""
    local = visit.figures.book.local
    end = local.day(local.instant(day, 0)).end
    return local.day(end - DAYS * DAY).start, end


def _plot(visit: CompanyVisit, hours: list[OutletHour], first: int, last: int) -> Plot | None:
    """Return the picture: what is compared with the limit; what does not count only as a band."""
    if not hours:
        return None
    local = visit.visit.page_formats.local
    readings = [
        EvidenceReading(t=local(one.start), dt=HOUR, value=one.compared, flag="N" if one.counts else _letter(one))
        for one in hours
        if one.heard
    ]
    windows = [
        JudgedWindow(
            start=local(one.start),
            end=local(one.start + HOUR),
            outcome="exceeded" if _above(one) else "compliant",
            value=one.compared,
            capture=one.share,
            revision=1,
        )
        for one in hours
        if _above(one)
    ]
    limit = next((one.terms.limit for one in reversed(hours) if one.terms.limit is not None), None)
    return plot(readings, windows, limit, local(first), local(min(last, hours[-1].start + HOUR)))


def _letter(one: OutletHour) -> str:
    """Return by what an hour that does not count is shown: its longest flag; M for what the enterprise has marked."""
    if one.reason == "marked":
        return "M"
    return max(one.letters, key=lambda letter: one.letters[letter], default="F" if one.state != "running" else "D")


def _above(one: OutletHour) -> bool:
    return one.compared is not None and one.terms.limit is not None and one.compared > one.terms.limit


def _shown(visit: CompanyVisit, one: OutletHour) -> Hour:
    say = visit.visit.say
    if _above(one):
        badge = Badge("bad", "triangle", say(Text("above", "超标")))
    elif one.counts and one.terms.limit is not None:
        badge = Badge("good", "circle", say(Text("kept", "达标")))
    else:
        badge = Badge("quiet", "ring", say(Text("does not count", "不参与评价")))
    marks = [int(name.removeprefix("mark/")) for name in one.marks if name.startswith("mark/")]
    return Hour(one, say(state_text(one)), say(reason_text(one)), say(gap_text(one)), badge, marks)
