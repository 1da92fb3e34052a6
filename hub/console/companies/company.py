"""The page of one enterprise, and its report of a month, on the screen and on paper."""

import functools
import importlib.util
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Depends, Path, Response

from hub.companies.figures import EnterpriseMonth
from hub.companies.things import LIMIT, PERMIT, Held, of_enterprise
from hub.compliance.emissions.book import Total
from hub.console.companies.visit import CompanyVisit, Month, Period, at_companies
from hub.console.parts.paper import pdf_of
from hub.console.web import Shared
from hub.http.problems import RequestError
from schemas.language import Text

Id = Annotated[str, Path(pattern=r"^[a-z0-9-]{1,32}$")]
MOST_MARKS = 10
"""Marks on the page; the list has all."""
NO_PDF = Text(
    "This hub makes no PDF files: install it with fenceline[pdf], or print the page from the browser.",
    "本系统未安装PDF功能：请安装fenceline[pdf]，或用浏览器打印该页面。",
)


class Permit(NamedTuple):
    """A permit with what it allows."""

    permit: Held
    limits: list[tuple[Held, str, str]]
    """Each with the names of its outlet and pollutant."""


class Used(NamedTuple):
    """How much of a permitted total is used up."""

    total: Total
    pollutant: str
    whose: str
    """Name of the outlet; empty: the whole enterprise."""
    tone: str


def add_company(router: APIRouter, shared: Shared) -> None:
    """Add the page of an enterprise and its report."""
    visitor = Depends(at_companies(shared))

    @router.get("/companies/{id}")
    def show_company(visit: Annotated[CompanyVisit, visitor], id: Id, month: Month = "") -> Response:  # noqa: A002
        facts = _facts(visit, visit.desk.enterprise(id), visit.period(month))
        marks = visit.desk.marks(facts["outlets"].values())
        lines = [visit.line(one, facts["outlets"]) for one in marks[:MOST_MARKS]]
        return visit.visit.page("company.html", **(facts | {"lines": lines, "all_marks": len(marks)}))

    @router.get("/companies/{id}/report")
    def show_report(visit: Annotated[CompanyVisit, visitor], id: Id, month: Month = "") -> Response:  # noqa: A002
        return visit.visit.page("company_report.html", **_report(visit, id, month))

    @router.get("/companies/{id}/report.pdf")
    def give_report(visit: Annotated[CompanyVisit, visitor], id: Id, month: Month = "") -> Response:  # noqa: A002
        if not has_pdf():
            raise RequestError(404, NO_PDF)
        told = _report(visit, id, month)
        page = visit.visit.page("company_report_paper.html", **told)
        name = f'inline; filename="report-{id}-{told["period"].value}.pdf"'
        content = pdf_of(bytes(page.body).decode(), shared.statics)
        return Response(content, media_type="application/pdf", headers={"Content-Disposition": name})


@functools.cache
def has_pdf() -> bool:
    """Tell whether the package that makes PDF files is installed."""
    return importlib.util.find_spec("weasyprint") is not None


def _facts(visit: CompanyVisit, enterprise: Held, period: Period) -> dict[str, Any]:
    """Return what page and report have in common."""
    outlets = visit.desk.outlets(enterprise.id)
    marks = visit.desk.marks(outlets)
    month = visit.figures.of_enterprise(enterprise, outlets, marks, period.start, period.end)
    at = min(period.end - 1, int(visit.visit.now))
    return {
        "enterprise": enterprise,
        "title": visit.name(enterprise),
        "name": visit.name,
        "quantity": visit.quantity,
        "outlets": {one.id: one for one in outlets},
        "month": month,
        "terms": visit.terms_of(period),
        "period": period,
        "months": visit.months(),
        "permits": _permits(visit, enterprise, outlets, at),
        "totals": _totals(visit, month, outlets, at),
        "useless": month.useless(visit.visit.now),
        "may_mark": visit.may_mark,
        "has_pdf": has_pdf(),
    }


def _report(visit: CompanyVisit, id_: str, month: str) -> dict[str, Any]:
    facts = _facts(visit, visit.desk.enterprise(id_), visit.period(month))
    marks = facts["month"].marks
    return facts | {"lines": [visit.line(one, facts["outlets"]) for one in marks], "all_marks": len(marks)}


def _permits(visit: CompanyVisit, enterprise: Held, outlets: list[Held], at: float) -> list[Permit]:
    own = of_enterprise(visit.desk.held(PERMIT, at), enterprise.id)
    ids = {one.id for one in own}
    limits = [one for one in visit.desk.held(LIMIT, at) if one.names("permit") in ids]
    names = {one.id: visit.name(one) for one in outlets}
    return [
        Permit(
            permit,
            [
                (one, names.get(one.names("outlet"), one.names("outlet")), visit.quantity(one.names("pollutant")))
                for one in limits
                if one.names("permit") == permit.id
            ],
        )
        for permit in own
    ]


def _totals(visit: CompanyVisit, month: EnterpriseMonth, outlets: list[Held], at: int) -> list[Used]:
    names = {one.id: visit.name(one) for one in outlets}
    found = []
    for one in visit.figures.totals(month.enterprise.id, at):
        warned = any(100 * one.share >= share for share in one.permitted.warn_at)
        tone = "bad" if one.share > 1 else "warn" if warned else "good"
        whose = "" if one.permitted.whole else names.get(one.permitted.outlets[0], one.permitted.outlets[0])
        found.append(Used(one, visit.quantity(one.permitted.pollutant), whose, tone))
    return found
