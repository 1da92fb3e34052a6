"""The page of a thing: what it is, from when to when, where, what refers to it, what was judged, who changed it."""

import math
from collections.abc import Sequence
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Depends, Response

from hub.alerts.records import Alert
from hub.compliance.rule_table import RuleTable
from hub.console.badges import Badge, severity_of
from hub.console.parts.catalogue import Bounds, Position
from hub.console.things.lists import list_link
from hub.console.things.places import Drawn, drawn, place_of, places
from hub.console.things.plan import Place, Plan, box_around, box_text
from hub.console.things.rulings import Ruling, rulings_of, shown
from hub.console.things.visit import Part, Things
from hub.console.things.words import EDITED, HOLDS, holds_of, now_of, states_text
from hub.console.today import Short
from hub.console.web import CSP, NOT_FOUND, Shared, Visit, visiting
from hub.http.problems import RequestError
from hub.judge.kinds.world import names_in
from hub.series.periods import DAY
from hub.things.desk import CONSOLE
from hub.things.entries import Thing
from hub.things.samples import SITE
from hub.things.store import KeptEdition
from schemas import domains
from schemas.language import Text

FIRST = 12
"""Of what refers to a thing, so many of a kind stand on its page; all of them in a list."""
RECENT = 14 * DAY
"""Verdicts of so long stand on the page [s]."""
MOST_RULINGS = 30
MOST_CITING = 20
"""Of those whom a document names, so many are looked at for verdicts that cite it."""
MOST_ALERTS = 20
ROOM = 0.35
"""Around a thing on its map."""
NEAR = 0.012
"""Around somebody on its map [degrees]."""
MOST_NAMED = 12
FORM = Text("form in the console", "管理台表单")


class Referring(NamedTuple):
    """Things of a kind whose property names the thing."""

    name: str
    many: int
    parts: list[tuple[Part, Badge]]
    more: str
    """Where all of them are; empty: here."""


class Version(NamedTuple):
    """An edition, as the history has it."""

    row: KeptEdition
    what: str
    source: str
    changes: list[tuple[str, list[Part], list[Part]]]


class Now(NamedTuple):
    """Where somebody is whom rules watch."""

    position: Position
    badge: Badge
    states: list[tuple[str, str]]


class Told(NamedTuple):
    """An alert about a thing, or about what refers to it."""

    alert: Alert
    badge: Badge
    text: str
    whom: str


def add_thing(router: APIRouter, shared: Shared) -> None:
    """Add the page."""
    visitor = Depends(visiting(shared))
    policy = CSP.replace("img-src 'self'", f"img-src 'self' {shared.config.console.tiles_origin}".rstrip())

    @router.get("/things/{kind}/{id}")
    def show_thing(visit: Annotated[Visit, visitor], kind: str, id: str, done: Short = "") -> Response:  # noqa: A002
        answer = page_of(Things(visit), kind, id, done=done)
        answer.headers["Content-Security-Policy"] = policy
        return answer


def page_of(things: Things, kind: str, id_: str, done: str = "") -> Response:
    """Return the page of a thing."""
    visit = things.visit
    found = things.known.shown(kind, id_, visit.now)
    thing = things.find(kind, id_)
    if found is None or thing is None:
        raise RequestError(404, NOT_FOUND)
    row, state = found
    picture, now = _map(things, row), _now(things, kind, id_)
    box = _box(things, row, place_of(things, row))
    return visit.page(
        "thing.html",
        thing=thing,
        row=row,
        name=things.name(thing),
        kind_name=things.kind_name(kind),
        district=things.district(thing.district),
        badge=holds_of(state, visit.lang),
        facts=things.facts(kind, thing.properties),
        drawn=picture,
        at=_mark(picture, now) if picture and now else None,
        live=f"/console/live?box={box_text(box)}" if box else "",
        now=now,
        watched=kind in things.watched,
        patrolled=kind in things.kinds and things.kinds[kind].patrol is not None,
        moves=kind in things.moving,
        referring=_referring(things, kind, id_),
        rulings=_rulings(things, thing),
        trips=_trips(things, kind, id_)[:FIRST],
        alerts=_alerts(things, kind, id_),
        versions=versions_of(things, kind, id_),
        may_change=things.may_change(thing.district),
        done=done,
    )


def _mark(picture: Drawn, now: Now) -> tuple[float, float] | None:
    fix = now.position.fix
    if fix is None or fix.lon is None or fix.lat is None:
        return None
    return picture.plan.place(fix.lon, fix.lat)


def _map(things: Things, row: KeptEdition) -> Drawn | None:
    """Return the thing on a map, with what lies around it; a moving one, where it is."""
    own = place_of(things, row)
    box = _box(things, row, own)
    if box is None:
        return None
    others = [one for one in places(things, things.visit.now) if own is None or one.link != own.link]
    plan = Plan(things.visit.shared.config.console, box, ())
    return drawn(things, plan, [*others, *([own] if own else [])], MOST_NAMED)


def _box(things: Things, row: KeptEdition, own: Place | None) -> Bounds | None:
    if own is not None:
        west, south, east, north = own.bounds
        return box_around([(west, south), (east, north)], ROOM)
    position = things.position(row.kind, row.id)
    if position is None or position.fix is None or position.fix.lon is None or position.fix.lat is None:
        return None
    return box_around([(position.fix.lon, position.fix.lat)], least=NEAR)


def _now(things: Things, kind: str, id_: str) -> Now | None:
    position = things.position(kind, id_)
    if position is None:
        return None
    ((_, state),) = things.states([position])
    badge = now_of(state, things.visit.lang)
    return Now(position, badge, states_text(position.newest.states, things.visit.lang))


def _referring(things: Things, kind: str, id_: str) -> list[Referring]:
    """Return what names a thing now, or will, by kind."""
    found = []
    for of, name in things.known.naming(things.kinds, kind):
        held = [
            (thing, state)
            for other in dict.fromkeys(term.edition.id for term in things.known.world.held_by(of, name, id_))
            if (shown_ := things.known.shown(of, other, things.visit.now)) is not None
            for thing, state in [(things.known.thing(shown_[0]), shown_[1])]
            if things.sees(thing) and id_ in names_in(thing.properties.get(name))
        ]
        if not held:
            continue
        held.sort(key=lambda one: (list(HOLDS).index(one[1]), -(one[0].from_ or 0), one[0].id))
        parts = [(things.part(of, thing.id), holds_of(state, things.visit.lang)) for thing, state in held[:FIRST]]
        called = things.kind_name(of)
        if len([one for one, _ in things.known.naming(things.kinds, kind) if one == of]) > 1:
            called = f"{called} ({things.property_name(of, name)})"
        more = list_link(of, name, id_) if len(held) > FIRST else ""
        found.append(Referring(called, len(held), parts, more))
    return found


def _rulings(things: Things, thing: Thing) -> list[Ruling]:
    """Return what was judged of late: of a thing that rules watch; or what cites it, of those whom it names."""
    now = things.visit.now
    if thing.kind in things.watched:
        found = rulings_of(things, thing.kind, thing.id, now - RECENT, now + DAY)
        return [one for one in found if one.kept.outcome != "compliant"][:MOST_RULINGS]
    begin = max(thing.from_ or 0, now - 4 * RECENT)
    until = min(thing.until or now + DAY, now + DAY)
    named = [
        (asked.of, id_)
        for name, asked in things.kinds[thing.kind].property.items()
        if asked.of in things.watched
        for id_ in names_in(thing.properties.get(name))
    ]
    found = [
        one
        for kind, id_ in named[:MOST_CITING]
        for one in rulings_of(things, str(kind), id_, begin, until)
        if any(it.kind == thing.kind and it.id == thing.id for it in one.kept.verdict().editions)
    ]
    return sorted(found, key=lambda one: -one.kept.start)[:MOST_RULINGS]


def by_trip() -> list[str]:
    """Return the rules that judge trip by trip."""
    return [rule.id for rule in domains.rules().values() if "trip" in rule.params]


def _trips(things: Things, kind: str, id_: str) -> list[Ruling]:
    """Return the trips of late, the newest first: what rules that go by trips said of each, the gravest."""
    if kind not in things.moving:
        return []
    now, table = things.visit.now, RuleTable(things.visit.db)
    found = [
        one
        for rule in by_trip()
        if domains.rules()[rule].of == kind
        for one in table.between((rule, kind, id_), now - RECENT, now + DAY)
    ]
    gravest: dict[tuple[int, int], Ruling] = {}
    for one in shown(things, found):
        key = one.kept.start, one.kept.end
        if key not in gravest or _grave(one) > _grave(gravest[key]):
            gravest[key] = one
    return list(gravest.values())


def _grave(one: Ruling) -> int:
    return {"exceeded": 3, "above_uncorrected": 2, "compliant": 1}.get(one.kept.outcome, 0)


def _alerts(things: Things, kind: str, id_: str) -> list[Told]:
    """Return the newest alerts about a thing, and about those that rules watch and that name it."""
    whom = [(kind, id_)] if kind in things.watched else []
    for of, name in things.known.naming(things.kinds, kind):
        if of in things.watched:
            whom += [(of, term.edition.id) for term in things.known.world.held_by(of, name, id_)]
    if not whom:
        return []
    visit, of_rules, asked = things.visit, domains.rules(), frozenset(whom)
    lines = {}
    for one in visit.desk.book.alerts_of(dict.fromkeys(id_ for _, id_ in whom), MOST_ALERTS * 2):
        rule = of_rules.get(one.rule)
        # Things of two kinds may have one id; an alert is about the kind that its rule watches.
        meant = rule is None or (rule.of or SITE, one.device) in asked
        if one.kind == "rule" and meant and visit.user.sees(one.district):
            text = one.text.split("\n")
            lines[one.id] = Told(
                one, severity_of(one.severity, visit.lang, one.kind), text[-1 if visit.lang == "zh" else 0], one.device
            )
    return list(lines.values())[:MOST_ALERTS]


def versions_of(things: Things, kind: str, id_: str) -> list[Version]:
    """Return the editions of a thing, the newest first, each with what it changed."""
    rows, found = things.known.rows.get((kind, id_), []), []
    for row in rows:
        thing = things.known.thing(row)
        if not things.sees(thing):
            continue
        before = _before(rows, row)
        old = things.known.thing(before) if before else None
        if old is not None and not things.sees(old):
            old = None
        same = before is not None and before.valid_from == row.valid_from
        what = "withdrawn" if row.withdrawn else "added" if before is None else "corrected" if same else "changed"
        source = things.visit.say(FORM) if row.source == CONSOLE else row.source
        found.append(Version(row, things.visit.say(EDITED[what]), source, things.changes(old, thing) if old else []))
    return found[::-1]


def _before(rows: Sequence[KeptEdition], row: KeptEdition) -> KeptEdition | None:
    """Return the edition that one corrects, else the one that it follows."""
    earlier = [one for one in rows if one.number < row.number]
    same = [one for one in earlier if one.valid_from == row.valid_from]
    if same:
        return same[-1]
    begun = [one for one in earlier if (one.valid_from or -math.inf) <= (row.valid_from or -math.inf)]
    return max(
        begun, key=lambda one: (one.valid_from or -math.inf, one.number), default=earlier[-1] if earlier else None
    )
