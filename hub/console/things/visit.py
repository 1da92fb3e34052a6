"""What all pages of things have in common: what a visitor sees of them, and how names and properties are written.

A thing that belongs to a district is seen by those whose district it is; one that belongs to none is the city's, as
companies and trucks are that drive everywhere, and everybody who is signed in reads it. Where somebody is, and what was
judged of it, is seen by those in whose district it was heard.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple

import msgspec

from hub.console.parts.catalogue import Catalogue, Known, Position
from hub.console.things.words import RANKS
from hub.console.today import district_name
from hub.console.web import NOT_FOUND, Visit
from hub.http.problems import RequestError
from hub.things.entries import Thing, plain
from hub.things.samples import SITE
from schemas import domains
from schemas.domains.entries import ThingKind, ThingProperty
from schemas.language import Text

SILENT_S = 900.0
"""Who was heard last so long ago is shown as silent [s]."""
HERE = "/console/things"
KNOW_PEOPLE = frozenset({"collector", "officer", "dispatcher", "handler", "supervisor", "admin"})
"""The roles that work with those who answer for things, and are told who they are where that is private."""


class Part(NamedTuple):
    """A piece of a value as it is shown; `link`: the page of what it names; empty: it names nothing."""

    text: str
    link: str


class Fact(NamedTuple):
    """A property as people read it."""

    name: str
    parts: list[Part]


class Things:
    """The things of a hub, as one visitor sees them."""

    def __init__(self, visit: Visit) -> None:
        self.visit = visit
        self.catalogue: Catalogue = visit.shared.catalogue
        self.known: Known = self.catalogue.known(visit.db)
        self.now = visit.now

    @cached_property
    def kinds(self) -> Mapping[str, ThingKind]:
        """What packs declare, by name."""
        found: Mapping[str, ThingKind] = domains.thing_kinds()
        return found

    @cached_property
    def watched(self) -> frozenset[str]:
        """The kinds of things that rules watch."""
        return frozenset(rule.of for rule in domains.rules().values() if rule.of)

    @cached_property
    def moving(self) -> frozenset[str]:
        """Those of them that have no place of their own: where they are, they say themselves. No persons."""
        kinds = self.kinds
        shown = (kind for kind in self.watched if kind in kinds and not kinds[kind].personal)
        return frozenset(kind for kind in shown if not kinds[kind].placed)

    def kind(self, name: str) -> ThingKind:
        """Return a kind.

        Raises:
            RequestError: no pack declares it.
        """
        found = self.kinds.get(name)
        if found is None:
            raise RequestError(404, NOT_FOUND)
        return found

    def kind_name(self, name: str) -> str:
        """Return what a kind is called; one that no pack declares any more by its id."""
        found = self.kinds.get(name)
        return self.visit.say(Text(found.en, found.zh)) if found else name

    def sees(self, thing: Thing) -> bool:
        """Tell whether the visitor sees a thing."""
        return thing.district is None or self.visit.user.sees(thing.district)

    def may_change(self, district: str | None) -> bool:
        """Tell whether the visitor changes things of a district; None: of none."""
        return self.visit.may("admin") and self.visit.user.sees(district or "")

    def find(self, kind: str, id_: str) -> Thing | None:
        """Return a thing as it is shown, if the visitor sees it."""
        found = self.known.shown(kind, id_, self.visit.now)
        if found is None:
            return None
        thing = self.known.thing(found[0])
        return self.told(thing) if self.sees(thing) else None

    def told(self, thing: Thing) -> Thing:
        """Return a thing without what the visitor is not told of it: who answers for it, where that is private."""
        kind = self.kinds.get(thing.kind)
        private = kind is None or kind.people_private
        if not thing.people or not private or self.visit.user.role in KNOW_PEOPLE:
            return thing
        return msgspec.structs.replace(thing, people=())

    def name(self, thing: Thing) -> str:
        """Return what people call a thing."""
        return self.visit.say(Text(thing.en, thing.zh))

    def part(self, kind: str, id_: str) -> Part:
        """Return a thing as it is named elsewhere: with a link, if the visitor sees it."""
        thing = self.find(kind, id_)
        if thing is None:
            return Part(id_, "")
        name = self.name(thing)
        return Part(name if id_ in name else f"{name} ({id_})", f"{HERE}/{kind}/{id_}")

    def facts(self, kind: str, properties: Mapping[str, Any]) -> list[Fact]:
        """Return properties in the order in which the pack declares them, by name and in words."""
        declared = self.kinds[kind].property if kind in self.kinds else {}
        names = [
            *(name for name in declared if name in properties),
            *(one for one in properties if one not in declared),
        ]
        return [
            Fact(self.property_name(kind, name), self.parts(properties[name], declared.get(name))) for name in names
        ]

    def property_name(self, kind: str, name: str) -> str:
        """Return what a property, or a field that all things have, is called."""
        declared = self.kinds[kind].property if kind in self.kinds else {}
        asked = declared.get(name)
        if asked is None:
            return self.visit.say(FIELD[name]) if name in FIELD else name
        return self.visit.say(Text(asked.en, asked.zh))

    def parts(self, value: Any, asked: ThingProperty | None) -> list[Part]:
        """Return a property's value in words, each of several by itself."""
        return [self._part(one, asked) for one in (value if isinstance(value, (list, tuple)) else [value])]

    def _part(self, value: Any, asked: ThingProperty | None) -> Part:
        if isinstance(value, bool):
            return Part(self.visit.say(Text("yes", "是") if value else Text("no", "否")), "")
        if asked is None:
            return Part(str(value), "")
        if asked.type == "thing" and asked.of:
            return self.part(asked.of, str(value))
        if asked.type == "choice" and value in asked.values:
            named = asked.values[value]
            return Part(self.visit.say(Text(named.en, named.zh)), "")
        if asked.type in ("number", "integer"):
            return Part(f"{round(value, 3):.12g} {asked.unit or ''}".rstrip(), "")
        if asked.type == "time":
            return Part(self.visit.page_formats.full(datetime.fromisoformat(str(value)))[:16], "")
        return Part(str(value), "")

    def district(self, id_: str | None) -> str:
        """Return what people call a district; of none: the whole city."""
        return district_name(self.visit, id_) if id_ else self.visit.say(Text("whole city", "全市"))

    def changes(self, before: Thing | None, after: Thing) -> list[tuple[str, list[Part], list[Part]]]:
        """Return what an edition changed: the name of each field, what was there and what is."""
        old, new = (_flat(self.told(before)) if before else {}), _flat(self.told(after))
        declared = self.kinds[after.kind].property if after.kind in self.kinds else {}
        found = []
        for name in dict.fromkeys([*new, *old]):
            if old.get(name) != new.get(name):
                asked = declared.get(name.removeprefix("properties."))
                called = self.property_name(after.kind, name.removeprefix("properties."))
                found.append((called, self._told(name, old.get(name), asked), self._told(name, new.get(name), asked)))
        return found

    def _told(self, name: str, value: Any, asked: ThingProperty | None) -> list[Part]:
        say = self.visit.say
        if value is None:
            return []
        if name in ("from", "until"):
            return [Part(self.visit.page_formats.full(value)[:16], "")]
        if name == "geometry":
            return [Part(f"{value['type']}, {count_of(value['coordinates'])} {say(Text('positions', '个点'))}", "")]
        if name == "district":
            return [Part(self.district(value), "")]
        if name == "people":
            return [Part(", ".join(str(part) for part in one.values()), "") for one in value]
        return self.parts(value, asked)

    def position(self, kind: str, id_: str) -> Position | None:
        """Return where somebody is whom rules watch, if the visitor may know."""
        found = self.catalogue.position(self.visit.db, kind, id_) if kind in self.moving else None
        return found if found and self.visit.user.sees(found.heard.district) else None

    def positions(self, kind: str = "", district: str = "") -> list[Position]:
        """Return those whom rules watch and of whom something was heard, as far as the visitor may know.

        `kind`, `district`: only of these.
        """
        moving, own = {kind} & self.moving if kind else self.moving, self.visit.user.districts
        found = [one for one in self.catalogue.positions(self.visit.db) if one.heard.kind in moving]
        if district:
            found = [one for one in found if one.heard.district == district]
        return [one for one in found if one.heard.district in own] if own else found

    def breaking(self) -> dict[tuple[str, str], str]:
        """Return who (kind and id) breaks a rule just now, and how grave that is: a state of `NOW`."""
        found: dict[tuple[str, str], str] = {}
        rules = domains.rules()
        for rule, device, district, severity in self.visit.desk.book.broken_now():
            if rule in rules and self.visit.user.sees(district):
                state = "violation" if severity in {"violation", "critical"} else "suspicion"
                whom = rules[rule].of or SITE, device  # things of two kinds may have one id
                found[whom] = min(found.get(whom, state), state, key=RANKS.__getitem__)
        return found

    def states(self, positions: Iterable[Position]) -> list[tuple[Position, str]]:
        """Return each with how it is now, as `NOW` has it."""
        breaking, silent = self.breaking(), self.now - SILENT_S
        return [(one, breaking.get(one.key) or ("silent" if one.newest.t < silent else one.does)) for one in positions]


FIELD = {
    "en": Text("English name", "英文名称"),
    "zh": Text("Chinese name", "中文名称"),
    "district": Text("District", "区"),
    "from": Text("Holds from", "生效时间"),
    "until": Text("Holds until", "失效时间"),
    "withdrawn": Text("withdrawn", "已撤销"),
    "people": Text("People responsible", "责任人"),
    "note": Text("Note", "备注"),
    "geometry": Text("Place", "位置"),
}


def _flat(thing: Thing) -> dict[str, Any]:
    said = plain(thing)
    for name in ("kind", "id"):
        said.pop(name)
    properties = said.pop("properties", {})
    return said | {f"properties.{name}": value for name, value in properties.items()}


def count_of(coordinates: Any) -> int:
    """Return how many positions GeoJSON coordinates have."""
    if coordinates and isinstance(coordinates[0], (int, float)):
        return 1
    return sum(count_of(one) for one in coordinates)


def joined(parts: Iterable[Part]) -> str:
    """Return values in one line."""
    return ", ".join(one.text for one in parts)
