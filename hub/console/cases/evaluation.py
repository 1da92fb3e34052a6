"""The evaluation: the rates of a period by area, department, position or person, and the cases behind each number."""

from collections.abc import Mapping
from typing import Annotated, NamedTuple, get_args
from urllib.parse import quote_plus, urlencode

from fastapi import APIRouter, Depends, Response

from hub.cases.evaluating import Period, evaluate
from hub.cases.rules.rates import RATES, By, Measure, Numbers, Rate
from hub.cases.rules.texts import BY, JOINED, MEASURE, RATE
from hub.console.cases.lists import Day, Short, group_name
from hub.console.cases.visit import CaseVisit, at_cases
from hub.console.parts.sheet import csv_file
from hub.console.web import Shared

HEAD: tuple[Measure, ...] = get_args(Measure)


class Share(NamedTuple):
    """A rate with the two numbers that it is made of, and where their cases are."""

    name: str
    value: float | None
    """0 to 1; None: there is nothing to divide by."""
    above: int
    above_link: str
    below: int
    below_link: str


class Line(NamedTuple):
    """A group."""

    name: str
    shares: list[Share]


class Evaluated(NamedTuple):
    """What was asked for, and what came out."""

    period: Period
    by: By
    district: str
    groups: dict[str, Numbers]

    @property
    def link(self) -> str:
        """Where the cases behind its numbers are, but for group and measure."""
        asked = {
            "begin": self.period.first.isoformat(),
            "end": self.period.last.isoformat(),
            "by": self.by,
            "area": self.district,
        }
        return f"/console/cases?{urlencode({name: value for name, value in asked.items() if value})}"


def add_evaluation(router: APIRouter, shared: Shared) -> None:
    """Add the page of rates."""
    visitor = Depends(at_cases(shared))

    @router.get("/evaluation")
    def show_evaluation(
        cases: Annotated[CaseVisit, visitor], begin: Day = "", end: Day = "", by: Short = "area", district: Short = ""
    ) -> Response:
        visit, found = cases.visit, _evaluated(cases, begin, end, by, district)
        link, names = found.link, {one: visit.say(RATE[one]) for one in RATES}
        query = {"begin": found.period.first, "end": found.period.last, "by": found.by, "district": found.district}
        return visit.page(
            "evaluation.html",
            found=found,
            lines=[
                Line(group_name(cases, found.by, group), _shares(names, f"{link}&group={quote_plus(group)}", numbers))
                for group, numbers in found.groups.items()
            ],
            rates=[(one, names[one], *(visit.say(MEASURE[part]) for part in RATES[one])) for one in RATES],
            bys=[(one, visit.say(text)) for one, text in BY.items()],
            districts=[(one, cases.district(one)) for one in visit.registry.districts],
            csv=f"/console/evaluation.csv?{urlencode(query)}",
            joined=visit.say(JOINED) if cases.desk.joined else "",
        )

    @router.get("/evaluation.csv")
    def list_evaluation(
        cases: Annotated[CaseVisit, visitor], begin: Day = "", end: Day = "", by: Short = "area", district: Short = ""
    ) -> Response:
        found = _evaluated(cases, begin, end, by, district)
        rows = [
            (
                *(group, group_name(cases, found.by, group)),
                *(numbers.count(one) for one in HEAD),
                *(_written(numbers, one) for one in RATES),
            )
            for group, numbers in found.groups.items()
        ]
        return csv_file("evaluation.csv", (found.by, "name", *HEAD, *(f"{one}_rate" for one in RATES)), rows)


def _evaluated(cases: CaseVisit, begin: str, end: str, by: str, district: str) -> Evaluated:
    known: By = by if by in get_args(By) else "area"  # type: ignore[assignment]
    there = district if district in cases.visit.registry.districts else ""
    period = Period.of_days(begin, end, cases.visit.registry.zone, cases.visit.now)
    remembered = cases.visit.shared.remembered
    return Evaluated(period, known, there, evaluate(cases.desk, period.begin, period.end, known, there, remembered))


def _shares(names: Mapping[Rate, str], link: str, numbers: Numbers) -> list[Share]:
    return [
        Share(
            names[rate],
            numbers.rate(rate),
            numbers.count(above),
            f"{link}&measure={above}",
            numbers.count(below),
            f"{link}&measure={below}",
        )
        for rate, (above, below) in RATES.items()
    ]


def _written(numbers: Numbers, rate: Rate) -> str:
    value = numbers.rate(rate)
    return "" if value is None else f"{value:.4f}"
