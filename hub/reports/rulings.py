"""What the verdicts of packs' rules tell dashboards: each verdict that holds, each load that was carried, and papers.

A verdict's point stands at its start. Late data may move it, or take it back; then what stood where it began is
removed, and what holds there now is written. So the same points come of it in whatever pieces verdicts are read.
"""

import sqlite3
from collections.abc import Iterator, Mapping

import msgspec

from hub.compliance.rule_table import KeptRuling, RuleTable
from hub.judge.kinds import params_of
from hub.judge.kinds.haulage.balance import Params as Balance
from hub.judge.kinds.haulage.manifest import Params as Document
from hub.judge.kinds.world import NEVER, Term, names_in, terms_of
from hub.judge.records import Cited
from hub.registry.live import Registry
from hub.reports import points
from hub.series.erasing import Span
from hub.things.coordinates import gcj02_of_wgs84
from hub.things.entries import Thing
from hub.things.store import KeptEdition, ThingStore
from schemas.domains import thing_kinds
from schemas.domains.entries import Rule

ENDING = 30 * 86_400
"""A paper that holds for no longer than this is told as one that ends soon [s]; this project's choice."""
NOWHERE = "-"
"""A tag's value where it is not known: what has no value is left out of what panels group by."""


class RuleReports:
    """Reads the compliance database behind `db`; `rules`: those of all packs, by id."""

    def __init__(self, db: sqlite3.Connection, rules: Mapping[str, Rule]) -> None:
        self._table = RuleTable(db)
        self._things = ThingStore(db)
        self._rules = rules
        params = {id_: params_of(rule) for id_, rule in rules.items() if rule.kind in ("manifest", "balance")}
        self._documents = {id_: one for id_, one in params.items() if isinstance(one, Document)}
        capacities = [one.capacity for one in params.values() if isinstance(one, Balance) and one.capacity]
        self._capacity = next(iter(capacities), "")
        self._persons = {name: kind for name, kind in thing_kinds().items() if kind.personal}
        self._newest = -1
        self._terms: dict[str, list[Term]] = {}

    def last(self) -> int:
        """Return the number of the newest verdict."""
        return self._table.last()

    def after(self, number: int, most: int, registry: Registry) -> tuple[list[Span], list[str], int]:
        """Return the points that verdicts behind a number take away, those that hold instead, and the number reached.

        What they take away is removed first.
        """
        found = self._table.after(number, most)
        places = dict.fromkeys(
            (one.rule, one.subject_kind, one.subject, start)
            for one in found
            for start in (one.start, one.amends)
            if start is not None
        )
        amended = {(one.rule, one.subject_kind, one.subject, start) for one in found for start in _replaced(one)}
        old: list[Span] = []
        lines: list[str] = []
        for place in places:
            rule, kind, subject, start = place
            if place in amended:
                tags = {"rule": rule, "kind": kind, "subject": subject}
                old.append(Span("ruling", tags, start, start + 1))
                if rule in self._documents:
                    old.append(Span("load", {"kind": kind, "subject": subject}, start, start + 1))
            held = self._table.holding((rule, kind, subject), start)
            if held is not None:
                lines += self._points(held, registry)
        return old, lines, found[-1].id if found else number

    def papers(self, now: float) -> Iterator[str]:
        """Yield, of each kind of things that hold for a time, how many hold, and how many of them end soon."""
        if (newest := self._things.newest()) != self._newest:
            self._newest = newest
            things: dict[tuple[str, str], list[KeptEdition]] = {}
            for row in self._things.rows():
                things.setdefault((row.kind, row.id), []).append(row)
            self._terms = {}
            for (kind, _), rows in things.items():
                self._terms.setdefault(kind, []).extend(terms_of(self._things.as_judged(rows)))
        for kind, terms in sorted(self._terms.items()):
            if all(term.until == NEVER for term in terms):
                continue
            holding = [term.until - now for term in terms if term.since <= now < term.until]
            fields: dict[str, points.Value] = {
                "holding": len(holding),
                "ending": sum(left <= ENDING for left in holding),
            }
            yield points.point("papers", {"kind": kind}, fields, now - now % 60)

    def _points(self, v: KeptRuling, registry: Registry) -> Iterator[str]:
        rule = self._rules.get(v.rule)
        whom = self._thing(v.subject_kind, v.subject, v.start)
        company = self._company(rule, whom, v.start)
        person = self._persons.get(v.subject_kind)
        suspected = v.outcome == "exceeded" and v.grade == "suspicion"
        broken = v.outcome == "exceeded" and not suspected
        lon, lat = (v.lon, v.lat)
        gcj02 = None if lat is None or lon is None else gcj02_of_wgs84((lon, lat))
        fields: dict[str, points.Value] = {
            "outcome": v.outcome,
            "grade": v.grade,
            "reason": v.reason,
            "broken": int(broken),
            "suspected": int(suspected),
            "kept": int(v.outcome == "compliant"),
            "judged": int(v.outcome == "compliant" or broken),
            "unknown": int(v.outcome == "invalid"),
            "trips": 1 if v.rule in self._documents else None,
            "open": int(v.open),
            "value": points.number(v.value),
            "limit_value": points.number(v.limit_value),
            "unit": v.unit,
            "end": int(v.end),
            "revision": int(v.revision),
            "verified": v.verified,
            "proof": v.proof,
            "lat": lat,
            "lon": lon,
            "lat_gcj02": gcj02[1] if gcj02 else None,
            "lon_gcj02": gcj02[0] if gcj02 else None,
            "rule_en": rule.en if rule else v.rule,
            "rule_zh": rule.zh if rule else v.rule,
            # Of a person only what they are.
            "subject_en": person.en if person else whom.en if whom else v.subject,
            "subject_zh": person.zh if person else whom.zh if whom else v.subject,
            **_named("company", company),
            **points.names(registry.sites.get(v.site), registry),
        }
        tags = {"district": v.district or NOWHERE, "site": v.site, "rule": v.rule, "kind": v.subject_kind}
        tags |= {"subject": v.subject, "company": company.id if company else NOWHERE}
        yield points.point("ruling", tags, fields, v.start)
        document = self._documents.get(v.rule)
        if document is not None:
            yield self._load(v, document, whom, company, registry)

    def _load(
        self, v: KeptRuling, document: Document, whom: Thing | None, company: Thing | None, registry: Registry
    ) -> str:
        """Return the point of a load: where it was taken and left, and how much the paper says, or else fits in."""
        cited = msgspec.json.decode(v.editions, type=list[Cited])
        paper = next((self._edition(one) for one in cited if one.kind == document.by.by), None)
        said = paper.properties if paper else {}
        amount = said.get(document.amount or "")
        nominal = not isinstance(amount, (int, float))
        if nominal:
            amount = whom.properties.get(self._capacity) if whom else None
        seen = {
            end: next((self._edition(one) for one in cited if one.kind in places.kinds), None)
            for end, places in (("taken", document.trip.from_), ("left", document.trip.to))
        }
        fields: dict[str, points.Value] = {
            "amount": float(amount) if isinstance(amount, (int, float)) else None,
            "loads": 1,
            "nominal": int(nominal),
            "proven": int(v.outcome == "compliant"),
            "end": int(v.end),
            **_named("company", company),
        }
        tags: dict[str, str | None] = {"kind": v.subject_kind, "subject": v.subject}
        tags |= {"material": str(said.get(document.material or "") or NOWHERE)}
        tags |= {"company": company.id if company else NOWHERE}
        for end, place in seen.items():
            district = place.district if place and place.district else None
            tags |= {f"{end}_in": district or NOWHERE, end: place.id if place else NOWHERE}
            named = registry.district_called(district) if district else None
            fields |= _named(end, place)
            fields |= {f"{end}_in_en": named.en, f"{end}_in_zh": named.zh} if named else {}
        return points.point("load", tags, fields, v.start)

    def _company(self, rule: Rule | None, whom: Thing | None, t: int) -> Thing | None:
        """Return who answers for a subject, by the first property of it that says so."""
        if rule is None or rule.responsible is None or whom is None:
            return None
        named = (id_ for name in rule.responsible.named for id_ in names_in(whom.properties.get(name)))
        first = next(named, None)
        return self._thing(rule.responsible.kind, first, t) if first else None

    def _thing(self, kind: str, id_: str, t: int) -> Thing | None:
        """Return a thing as it was at a moment."""
        rows = self._things.rows(kind, id_)
        term = next((term for term in terms_of(self._things.as_judged(rows)) if term.since <= t < term.until), None)
        return next((row.thing() for row in rows if term and row.number == term.edition.number), None)

    def _edition(self, one: Cited) -> Thing | None:
        return next((row.thing() for row in self._things.rows(one.kind, one.id) if row.number == one.edition), None)


def _replaced(one: KeptRuling) -> tuple[int, ...]:
    """Return the starts of points of which something may stay beside what holds after a verdict."""
    return (one.start,) if one.amends is None else (one.start, one.amends)


def _named(name: str, thing: Thing | None) -> dict[str, points.Value]:
    return {f"{name}_en": thing.en, f"{name}_zh": thing.zh} if thing else {}
