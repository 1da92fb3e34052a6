"""What all pages of patrols have in common: what is visited, along what, when it is due, what is in force for it."""

from collections.abc import Mapping
from functools import cached_property
from typing import NamedTuple

import shapely
from shapely.geometry import shape

from hub.cases.patrol.plates import Plates
from hub.cases.patrol.visits import Place, Visits
from hub.cases.refusal import wrong
from hub.cases.rules.records import Case
from hub.console.badges import Badge
from hub.console.cases.visit import CaseVisit
from hub.console.parts.catalogue import Known
from hub.console.things.visit import Fact, Things
from hub.console.web import NOT_FOUND
from hub.http.problems import RequestError
from hub.series.periods import DAY
from hub.things.entries import Thing
from schemas.domains.entries import Patrol
from schemas.language import Lang, Text

SOON = 30 * DAY
"""A document that ends so soon is shown as ending [s]."""


class Duty(NamedTuple):
    """A duty as a form asks for it."""

    id: str
    name: str
    codes: list[tuple[str, str]]
    """The classes of events that break it: code and name."""


class Stop(NamedTuple):
    """A thing on a round."""

    thing: Thing
    name: str
    number: str
    where: str
    last: float | None
    """When it was visited last, Unix s."""
    due: bool
    document: Badge | None
    """Whether its agreement is in force."""
    open: list[Case]
    """Cases of patrols that are not over: they are reported already."""


class Along(NamedTuple):
    """A round: what is visited along a street."""

    id: str
    name: str
    many: int
    due: int


class Round:
    """The things of one kind that are visited, as one visitor sees them."""

    def __init__(self, cases: CaseVisit, kind: str) -> None:
        self.cases, self.things, self.kind = cases, Things(cases.visit), kind
        declared = self.things.kind(kind)
        if declared.patrol is None:
            raise RequestError(404, NOT_FOUND)
        self.patrol: Patrol = declared.patrol
        self.along_kind = str(declared.property[self.patrol.along].of)
        self.visits = Visits(cases.desk.book.db)
        self.plates = Plates(cases.desk.book.db)
        self.now = cases.visit.now

    @cached_property
    def all(self) -> list[Thing]:
        """Whatever holds now, and the visitor sees."""
        lines = self.things.known.lines(self.kind, self.now)
        return [self.things.told(one.thing) for one in lines if one.state == "holds" and self.things.sees(one.thing)]

    @property
    def may_visit(self) -> bool:
        """Whether the visitor makes patrols."""
        return self.cases.visit.user.role in {"collector", "admin"}

    def along(self) -> list[Along]:
        """Return the rounds there are, those with most that is due first."""
        last = self.visits.last(self.kind, [one.id for one in self.all])
        counts: dict[str, list[int]] = {}
        for one in self.all:
            count = counts.setdefault(str(one.properties.get(self.patrol.along)), [0, 0])
            count[0] += 1
            count[1] += self.is_due(last.get(one.id))
        found = [Along(id_, self.along_name(id_), *count) for id_, count in counts.items()]
        return sorted(found, key=lambda one: (-one.due, one.name))

    def along_name(self, id_: str) -> str:
        """Return what a street is called."""
        thing = self.things.find(self.along_kind, id_)
        return self.things.name(thing) if thing else id_

    def stops(self, along: str) -> list[Stop]:
        """Return what is visited along a street: what is due first, each in the order of its id."""
        things = [one for one in self.all if one.properties.get(self.patrol.along) == along]
        last = self.visits.last(self.kind, [one.id for one in things])
        found = [self.stop(one, last.get(one.id)) for one in sorted(things, key=lambda one: one.id)]
        return sorted(found, key=lambda one: not one.due)

    def find(self, id_: str) -> Thing:
        """Return a thing that is visited.

        Raises:
            RequestError: there is none, or it does not concern the visitor.
        """
        thing = self.things.find(self.kind, id_)
        if thing is None:
            raise RequestError(404, NOT_FOUND)
        return thing

    def stop(self, thing: Thing, last: float | None) -> Stop:
        """Return a thing as a round shows it; `last`: when it was visited last, Unix s."""
        held = in_force(self.things.known, self.patrol, thing.id, self.now)
        return Stop(
            thing,
            self.things.name(thing),
            self.said(thing, self.patrol.number),
            self.said(thing, self.patrol.where),
            last,
            self.is_due(last),
            document_badge(held, self.now, self.cases.lang) if self.patrol.document else None,
            self.open_cases(thing.id),
        )

    def open_cases(self, id_: str) -> list[Case]:
        """Return the cases of patrols that are about a thing and not over: they are reported already."""
        days = max(self.cases.desk.rules.similar.days, self.patrol.score.days if self.patrol.score else 0)
        recent = self.visits.cases_of(self.kind, id_, self.now - days * DAY)
        return [case for one in recent if (case := self.case(one)) is not None and case.is_open]

    def case(self, id_: int) -> Case | None:
        """Return a case that concerns the visitor."""
        found = self.cases.desk.book.find(id_)
        return found if found is not None and self.cases.desk.user.sees(found.district) else None

    def is_due(self, last: float | None) -> bool:
        """Tell whether a visit is due; by days, not by the time of day."""
        formats = self.cases.visit.page_formats
        if last is None:
            return True
        return (formats.local(self.now).date() - formats.local(last).date()).days >= self.patrol.days

    def said(self, thing: Thing, name: str | None) -> str:
        """Return a property as text; empty: it is not said."""
        return str(thing.properties.get(name) or "") if name else ""

    def facts(self, thing: Thing) -> list[Fact]:
        """Return what everybody may read of a thing."""
        return self.things.facts(
            self.kind, {one: value for one, value in thing.properties.items() if self._public(one)}
        )

    def _public(self, name: str) -> bool:
        return name in self.patrol.shown

    def duties(self, district: str) -> list[Duty]:
        """Return what is looked at, with the classes of events that a district has."""
        say, rules = self.cases.visit.say, self.cases.desk.rules
        return [
            Duty(
                id_,
                say(Text(one.en, one.zh)),
                [
                    (code, say(Text(entry.en, entry.zh)))
                    for code in one.codes
                    if (entry := rules.code(code, district)) is not None
                ],
            )
            for id_, one in self.patrol.duty.items()
        ]

    def place(self, thing: Thing) -> Place:
        """Return where a thing is, for what is found there.

        Raises:
            CaseError: it belongs to no district, so nobody would be responsible for a case.
        """
        if thing.district is None:
            raise wrong(
                "district",
                f"{thing.kind} {thing.id} belongs to no district; an admin gives it one, then send again",
                f"{thing.id}未设置所属区，请管理员设置后再提交",
            )
        lat = lon = None
        if thing.geometry is not None:
            point = shapely.point_on_surface(shape(thing.geometry))
            lat, lon = float(point.y), float(point.x)
        parts = (f"{thing.zh} {thing.en}" if thing.zh != thing.en else thing.zh, self.said(thing, self.patrol.number))
        words = "，".join(filter(None, (*parts, self.said(thing, self.patrol.where))))
        return Place(thing.kind, thing.id, thing.district, words[:200], lat, lon)


def in_force(known: Known, patrol: Patrol, id_: str, now: float) -> int | None:
    """Return until when a document holds that names a thing, Unix s; None: none is in force."""
    if patrol.document is None:
        return None
    terms = known.world.held_at(patrol.document.by, patrol.document.of, id_, int(now))
    return max((term.until for term in terms), default=None)


def document_badge(until: int | None, now: float, lang: Lang) -> Badge:
    """Return how it stands with the document of a thing; `until`: until when it holds, Unix s; None: there is none."""
    if until is None:
        return Badge("bad", "triangle", Text("no agreement in force", "无有效责任书").into(lang))
    if until - now < SOON:
        return Badge("warn", "square", Text("agreement ends soon", "责任书即将到期").into(lang))
    return Badge("good", "circle", Text("agreement in force", "责任书有效").into(lang))


def patrolled(things: Things) -> Mapping[str, Patrol]:
    """Return the kinds of things that are visited."""
    return {id_: kind.patrol for id_, kind in things.kinds.items() if kind.patrol is not None}
