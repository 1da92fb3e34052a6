"""What rules said of somebody, as pages show it: outcome, clause, who answers for it, how well it is proven."""

from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import urlencode

from hub.alerts.facts import RULED
from hub.compliance.rule_table import KeptRuling, RuleTable
from hub.console.badges import PROOF, Badge, outcome_of
from hub.console.things.visit import Part, Things
from hub.judge.records import RuleVerdict, why
from schemas import domains
from schemas.domains.entries import Rule
from schemas.language import Text

AROUND = 600
"""So long before and behind what was judged its way is shown [s]."""


class Ruling(NamedTuple):
    """A verdict of a rule."""

    kept: KeptRuling
    name: str
    """What its rule asks for."""
    badge: Badge
    why: str
    citation: str
    cited: list[tuple[str, Part, int]]
    """The things that it rests on, as they were: kind, which, number of the edition."""
    evidence: int
    """How many messages it rests on."""
    proof: str
    alert: int | None
    track: str
    """Where the way of that time is shown; empty: its subject does not move."""


def said_of(things: Things, kind: str, id_: str, since: float, until: float) -> list[KeptRuling]:
    """Return what holds of what was said of somebody between two moments (Unix s), the newest first."""
    table = RuleTable(things.visit.db)
    found = [
        kept
        for rule in domains.rules().values()
        if rule.of == kind
        for kept in table.between((rule.id, kind, id_), since, until)
    ]
    return sorted(found, key=lambda one: (-one.start, one.rule))


def rulings_of(things: Things, kind: str, id_: str, since: float, until: float) -> list[Ruling]:
    """Return the same as pages show it, as far as the visitor sees it."""
    return shown(things, said_of(things, kind, id_, since, until))


def shown(things: Things, found: Iterable[KeptRuling]) -> list[Ruling]:
    """Return verdicts as pages show them, those that the visitor sees, the newest first."""
    seen = [one for one in found if things.visit.user.sees(one.district)]
    alerts = things.visit.desk.book.alerts_on({(one.subject, one.rule, one.start) for one in seen})
    return [
        _shown(things, one, alerts.get((one.subject, one.rule, one.start)))
        for one in sorted(seen, key=lambda one: (-one.start, one.rule))
    ]


def _shown(things: Things, one: KeptRuling, alert: int | None) -> Ruling:
    visit = things.visit
    rule: Rule | None = domains.rules().get(one.rule)
    said: RuleVerdict = one.verdict()
    badge = outcome_of(one.outcome, visit.lang, one.grade)
    named = "suspicion" if one.outcome == "exceeded" and one.grade == "suspicion" else one.outcome
    if named in RULED:
        badge = badge._replace(text=visit.say(RULED[named]))
    return Ruling(
        one,
        visit.say(Text(rule.en, rule.zh)) if rule else one.rule,
        badge,
        visit.say(why(one.reason)),
        visit.say(rule.cited) if rule else one.citation,
        [(things.kind_name(it.kind), things.part(it.kind, it.id), it.edition) for it in said.editions],
        one.samples,
        visit.say(PROOF[one.proof]),
        alert,
        _track(things, one) if one.subject_kind in things.moving else "",
    )


def _track(things: Things, one: KeptRuling) -> str:
    formats = things.visit.page_formats
    since, until = (f"{formats.local(t):%Y-%m-%dT%H:%M:%S}" for t in (one.start - AROUND, one.end + AROUND))
    return f"/console/track/{one.subject_kind}/{one.subject}?{urlencode({'since': since, 'until': until})}"
