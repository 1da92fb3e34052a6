"""Scores of a street and of what stands along it: each with its terms, on a page, and as a file."""

import sqlite3
from collections.abc import Sequence
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Depends, Response

from hub.cases.book import CaseBook
from hub.cases.patrol.scores import Name, Scored, mean, scored
from hub.cases.patrol.visits import Seen, Visits
from hub.compliance.rule_table import RuleTable
from hub.console.badges import Badge
from hub.console.cases.visit import CaseVisit, at_cases
from hub.console.parts.catalogue import Known
from hub.console.parts.sheet import MOST_CSV, csv_file
from hub.console.patrol.visit import Round, in_force
from hub.console.today import Short
from hub.console.web import NOT_FOUND, Shared
from hub.http.problems import RequestError
from hub.judge.kinds.world import SOURCE, names_in
from hub.series.periods import DAY
from hub.things.entries import Thing
from schemas import domains
from schemas.domains.entries import Patrol, Score
from schemas.language import Text

TERMS: dict[Name, Text] = {
    "document": Text("agreement", "责任书"),
    "kept": Text("duties kept", "履责"),
    "cases": Text("open cases", "未办结案件"),
    "rules": Text("rules broken", "违规"),
}
TONES = (("good", "circle"), ("good", "circle"), ("warn", "square"), ("bad", "triangle"))
"""How bands look, the best first; what is further down looks as the last."""
DOCUMENTS = ("held", "expiry")
"""Kinds of rules about documents: the document has a term of its own."""


class Line(NamedTuple):
    """A thing with its score."""

    thing: Thing
    name: str
    number: str
    scored: Scored
    badge: Badge | None
    terms: list[tuple[str, str]]
    """Each in words: what it is called, and "15 of 20 (1)"."""


def add_scores(router: APIRouter, shared: Shared) -> None:
    """Add the page and its file."""
    visitor = Depends(at_cases(shared))

    @router.get("/scores/{kind}")
    def show_scores(cases: Annotated[CaseVisit, visitor], kind: str, along: Short = "") -> Response:
        round_ = Round(cases, kind)
        score = formula(round_)
        things = [one for one in round_.all if one.properties.get(round_.patrol.along) == along]
        found = lines(round_, things)
        return cases.visit.page(
            "scores.html",
            kind=kind,
            kind_name=round_.things.kind_name(kind),
            along=along,
            along_name=round_.along_name(along) if along else "",
            rounds=[] if along else round_.along(),
            lines=found,
            mean=mean(one.scored for one in found),
            many=sum(one.scored.points is not None for one in found),
            score=score,
            bands=sorted(score.bands.items(), key=lambda one: -one[1]),
            names=[cases.visit.say(text) for text in TERMS.values()],
        )

    @router.get("/scores/{kind}/list.csv")
    def scores_as_csv(cases: Annotated[CaseVisit, visitor], kind: str, along: Short = "") -> Response:
        round_ = Round(cases, kind)
        formula(round_)
        things = [one for one in round_.all if along in ("", one.properties.get(round_.patrol.along))][:MOST_CSV]
        names = [f"{name}_{part}" for name in TERMS for part in ("points", "of", "number", "among")]
        head = ["id", "en", "zh", "along", "score", "band", *names]
        rows = [
            [one.thing.id, one.thing.en, one.thing.zh, one.thing.properties.get(round_.patrol.along)]
            + [one.scored.points, one.scored.band]
            + [part for term in one.scored.terms for part in (term.points, term.of, term.number, term.among)]
            for one in lines(round_, things)
        ]
        return csv_file(f"scores-{kind}.csv", head, rows)


def formula(round_: Round) -> Score:
    """Return the formula of a kind.

    Raises:
        RequestError: it has none.
    """
    if round_.patrol.score is None:
        raise RequestError(404, NOT_FOUND)
    return round_.patrol.score


def lines(round_: Round, things: Sequence[Thing]) -> list[Line]:
    """Return things with their scores, in the order of their ids; none has one where the pack has no formula."""
    score = round_.patrol.score
    if score is None:
        return []
    begin = round_.now - score.days * DAY
    visits = round_.visits.since(round_.kind, [one.id for one in things], begin)
    known, book = round_.things.known, round_.cases.desk.book
    grounds = Grounds(known, round_.kind, round_.patrol, book, round_.cases.visit.db, round_.now)
    found = []
    for thing in sorted(things, key=lambda one: one.id):
        result = grounds.scored(score, thing, visits.get(thing.id, []))
        number = round_.said(thing, round_.patrol.number)
        badge = band_badge(score, result.band) if result.band else None
        terms = [
            (round_.cases.visit.say(TERMS[one.name]), _told(one.points, one.of, one.number, one.among))
            for one in result.terms
        ]
        found.append(Line(thing, round_.things.name(thing), number, result, badge, terms))
    return found


class Grounds(NamedTuple):
    """What scores rest on, whoever reads them."""

    known: Known
    kind: str
    patrol: Patrol
    book: CaseBook
    compliance: sqlite3.Connection
    now: float
    """Unix s."""

    def scored(self, score: Score, thing: Thing, seen: Sequence[Seen]) -> Scored:
        """Return the score of a thing; `seen`: what visits found in the days that count."""
        begin = self.now - score.days * DAY
        held = in_force(self.known, self.patrol, thing.id, self.now)
        cases = [self.book.find(one) for one in Visits(self.book.db).cases_of(self.kind, thing.id, begin)]
        return scored(
            score,
            in_force=(held is not None) if self.patrol.document else None,
            visits=seen,
            open_cases=sum(one is not None and one.is_open for one in cases),
            breaches=self._breaches(thing, begin),
        )

    def _breaches(self, thing: Thing, begin: float) -> int | None:
        """Return how many verdicts say that it broke a rule of its sensors; None: none speaks for it."""
        rules = [rule.id for rule in domains.rules().values() if rule.of == thing.kind and rule.kind not in DOCUMENTS]
        if not rules or not names_in(thing.properties.get(SOURCE)):
            return None
        table = RuleTable(self.compliance)
        found = [one for rule in rules for one in table.between((rule, thing.kind, thing.id), begin, self.now)]
        return sum(one.outcome == "exceeded" and one.grade == "violation" for one in found)


def band_badge(score: Score, band: str) -> Badge:
    """Return how a band is shown."""
    order = [name for name, _ in sorted(score.bands.items(), key=lambda one: -one[1])]
    tone, shape = TONES[min(order.index(band), len(TONES) - 1)]
    return Badge(tone, shape, band.upper())


def _told(points: float | None, of: float, number: int, among: int | None) -> str:
    rests = f"{number}/{among}" if among is not None else f"{number}"
    return f"– ({of:g})" if points is None else f"{points:.1f}/{of:g} ({rests})"
