"""The list of enterprises, which is their ranking by a month, and the list of permits."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Depends, Response
from fastapi.responses import RedirectResponse

from hub.companies.figures import EnterpriseMonth
from hub.companies.things import ENTERPRISE, LIMIT, PERMIT, Held
from hub.console.companies.visit import CompanyVisit, Month, at_companies
from hub.console.parts.order import Number, Order, Pages, matches, ordered
from hub.console.parts.sheet import csv_file
from hub.console.today import Short
from hub.console.web import Shared
from schemas.language import Text

COLUMNS = {
    "above": Text("Hours above a limit", "超标小时数"),
    "product": Text("Transmission × validity", "数据传输有效率"),
    "name": Text("Enterprise", "排污单位"),
    "transmission": Text("Transmission", "传输率"),
    "validity": Text("Validity", "有效率"),
    "useless": Text("Marks without effect", "无效标记"),
}
KEYS: Mapping[str, Callable[["Line"], Any]] = {
    "above": lambda one: (-one.month.above, -one.month.suspected, one.product),
    "product": lambda one: one.month.rates.product,
    "name": lambda one: one.name,
    "transmission": lambda one: one.month.rates.transmission,
    "validity": lambda one: one.month.rates.validity,
    "useless": lambda one: one.useless,
}
HEAD = (
    *("rank", "id", "name", "outlets", "judged", "above", "suspected", "share_above", "due", "transmitted", "valid"),
    *("transmission", "validity", "product", "marks", "marks_without_effect"),
)


class Line(NamedTuple):
    """An enterprise in the ranking."""

    rank: int
    """1: the most hours above a limit in the month; of those alike the worst data."""
    name: str
    month: EnterpriseMonth
    useless: int

    @property
    def product(self) -> float:
        """Transmission rate x validity rate; what was not due counts as whole."""
        found = self.month.rates.product
        return 1.0 if found is None else found


class Permitted(NamedTuple):
    """A permit in the list."""

    permit: Held
    enterprise: Held | None
    limits: int
    holds: bool


def add_company_lists(router: APIRouter, shared: Shared) -> None:
    """Add the lists."""
    visitor = Depends(at_companies(shared))

    @router.get("/companies")
    def show_companies(
        visit: Annotated[CompanyVisit, visitor], month: Month = "", q: Short = "", sort: Short = "", page: Number = 1
    ) -> Response:
        if not visit.visit.may("viewer"):
            return RedirectResponse(f"/console/companies/{visit.visit.user.company}", 303)
        period = visit.period(month)
        lines, order = _ranking(visit, month, q, sort)
        pages = Pages(order, page, len(lines))
        return visit.visit.page(
            "companies.html",
            lines=lines[pages.skip : pages.skip + pages.each],
            pages=pages,
            order=order,
            period=period,
            months=visit.months(),
            q=q,
        )

    @router.get("/companies.csv")
    def list_companies(
        visit: Annotated[CompanyVisit, visitor], month: Month = "", q: Short = "", sort: Short = ""
    ) -> Response:
        return csv_file("enterprises.csv", HEAD, [_row(one) for one in _ranking(visit, month, q, sort)[0]])

    @router.get("/permits")
    def show_permits(visit: Annotated[CompanyVisit, visitor], page: Number = 1) -> Response:
        now = visit.visit.now
        own = {one.id: one for one in visit.desk.enterprises()}
        limits = Counter(one.names("permit") for one in visit.desk.held(LIMIT, now))
        permits = [
            Permitted(
                one,
                own.get(one.names(ENTERPRISE)),
                limits[one.id],
                (one.since is None or one.since <= now) and (one.until is None or now < one.until),
            )
            for one in visit.desk.held(PERMIT, now, ever=True)
            if one.names(ENTERPRISE) in own
        ]
        permits.sort(key=lambda one: (not one.holds, one.permit.until or 0, one.permit.id))
        pages = Pages(Order("/console/permits", {}, {"": ""}, ""), page, len(permits))
        shown = permits[pages.skip : pages.skip + pages.each]
        return visit.visit.page("permits.html", permits=shown, pages=pages, name=visit.name)


def _ranking(visit: CompanyVisit, month: str, q: str, sort: str) -> tuple[list[Line], Order]:
    period = visit.period(month)
    outlets = visit.desk.outlets()
    marks = visit.desk.marks(outlets)
    months = visit.figures.of_enterprises(visit.desk.enterprises(), outlets, marks, period.start, period.end)
    found = [Line(0, visit.name(one.enterprise), one, one.useless(visit.visit.now)) for one in months]
    ranked = [one._replace(rank=number) for number, one in enumerate(sorted(found, key=KEYS["above"]), 1)]
    columns = {name: visit.visit.say(text) for name, text in COLUMNS.items()}
    order = Order("/console/companies", {"month": month, "q": q}, columns, sort)
    shown = [one for one in ranked if matches(q, one.name, one.month.enterprise.id)]
    return ordered(shown, order, KEYS), order


def _row(one: Line) -> tuple[object, ...]:
    month, rates = one.month, one.month.rates
    shares = (rates.transmission, rates.validity, rates.product)
    return (
        *(one.rank, month.enterprise.id, one.name, len(month.outlets), month.judged, month.above, month.suspected),
        *("" if month.share_above is None else f"{month.share_above:.4f}", rates.due, rates.transmitted, rates.valid),
        *("" if share is None else f"{share:.4f}" for share in shares),
        *(len(month.marks), one.useless),
    )
