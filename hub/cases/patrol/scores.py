"""The score of what is visited: its terms, each with what it rests on, so that whoever reads it can reckon it again.

Pure: what was found goes in, points come out. The weights are the pack's (`schemas.domains.entries.Score`).
"""

from collections.abc import Iterable
from typing import Literal, NamedTuple

from hub.cases.patrol.visits import Seen
from schemas.domains.entries import Score

Name = Literal["document", "kept", "cases", "rules"]


class Term(NamedTuple):
    """A part of a score."""

    name: Name
    points: float | None
    """None: it cannot be known, and is left out."""
    of: float
    """Points at most."""
    number: int
    """What it rests on: documents in force, answers "kept", cases that are not over, breaches."""
    among: int | None
    """Of how many answers; None: it is no share."""


class Scored(NamedTuple):
    """A score with its terms."""

    terms: tuple[Term, ...]
    points: float | None
    """Of 100; None: it was not visited."""
    band: str
    """Empty: there is no score."""


def scored(
    score: Score, *, in_force: bool | None, visits: Iterable[Seen], open_cases: int, breaches: int | None
) -> Scored:
    """Return the score of a thing.

    Args:
        score: the formula.
        in_force: whether its document is; None: none is asked for.
        visits: what was found in the days that count.
        open_cases: of patrols, that are not over.
        breaches: of rules, in those days; None: no sensor speaks for it.
    """
    answers = [one for seen in visits for one in seen.answers.values() if one != "na"]
    kept = sum(one == "pass" for one in answers)
    share = kept / len(answers) if answers else None
    terms = (
        Term(
            "document",
            None if in_force is None else score.document * in_force,
            score.document,
            int(bool(in_force)),
            None,
        ),
        Term("kept", None if share is None else score.kept * share, score.kept, kept, len(answers)),
        Term("cases", max(0.0, score.cases - score.each_case * open_cases), score.cases, open_cases, None),
        Term(
            "rules",
            None if breaches is None else max(0.0, score.rules - score.each_breach * breaches),
            score.rules,
            breaches or 0,
            None,
        ),
    )
    known = [(one.points, one.of) for one in terms if one.points is not None]
    whole = sum(of for _, of in known)
    if share is None or not whole:
        return Scored(terms, None, "")
    points = round(100 * sum(got for got, _ in known) / whole, 1)
    return Scored(terms, points, band_of(score, points))


def band_of(score: Score, points: float) -> str:
    """Return the band of a score."""
    bands = sorted(score.bands.items(), key=lambda one: -one[1])
    return next(name for name, least in bands if points >= least)


def mean(scores: Iterable[Scored]) -> float | None:
    """Return the mean of those that have a score, as a street has it; None: none has."""
    found = [one.points for one in scores if one.points is not None]
    return round(sum(found) / len(found), 1) if found else None
