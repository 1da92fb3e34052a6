"""Things as lists, kind by kind: searched by the address, page by page, as CSV that no spreadsheet runs, as GeoJSON."""

from typing import Annotated, Any, NamedTuple
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Response
from fastapi.responses import PlainTextResponse

from hub.config.files import ConfigError
from hub.console.badges import Badge
from hub.console.parts.catalogue import Line
from hub.console.parts.order import Number, Order, Pages, ordered
from hub.console.parts.sheet import MOST_CSV
from hub.console.things.visit import HERE, Part, Things
from hub.console.things.words import HOLDS, holds_of
from hub.console.today import Short
from hub.console.web import Shared, Visit, visiting
from hub.http.problems import RequestError
from hub.judge.kinds.world import names_in
from hub.things.entries import Thing
from hub.things.exchange import to_csv, to_geojson
from schemas.chinese import in_chinese
from schemas.language import Text

COLUMNS = 4
"""Properties of a kind that stand in its list; the page of a thing has all."""


class Kindly(NamedTuple):
    """A kind as the first page shows it."""

    id: str
    name: str
    many: int
    """That hold now."""
    coming: int


class Wanted(NamedTuple):
    """The filters; they stand in the address."""

    q: str = ""
    district: str = ""
    state: str = ""
    of: str = ""
    """A property..."""
    named: str = ""
    """...and the id that it names."""

    @property
    def asked(self) -> dict[str, str]:
        """The filters that are set."""
        return {name: value for name, value in self._asdict().items() if value}


class Row(NamedTuple):
    """A thing in a list."""

    thing: Thing
    name: str
    district: str
    badge: Badge
    cells: list[list[Part]]


def _asked(q: Short = "", district: Short = "", state: Short = "", of: Short = "", named: Short = "") -> Wanted:
    """Return the filters as the address has them."""
    return Wanted(q, district, state, of, named)


def add_lists_of_things(router: APIRouter, shared: Shared) -> None:
    """Add the kinds, and the list of each with its files."""
    visitor = Depends(visiting(shared))

    @router.get("/things")
    def show_kinds(visit: Annotated[Visit, visitor]) -> Response:
        things = Things(visit)
        return visit.page("things.html", kinds=_kinds(things), may_import=visit.may("admin"))

    @router.get("/things/{kind}")
    def show_list(
        visit: Annotated[Visit, visitor],
        kind: str,
        asked: Annotated[Wanted, Depends(_asked)],
        sort: Short = "",
        page: Number = 1,
    ) -> Response:
        things = Things(visit)
        declared = things.kind(kind)
        wanted = _wanted(things, kind, asked)
        columns = _columns(things, kind)
        order = _order(things, kind, wanted, sort)
        lines = _ordered(things, _found(things, kind, wanted), order)
        pages = Pages(order, page, len(lines))
        shown = lines[pages.skip : pages.skip + pages.each]
        return visit.page(
            "thing_list.html",
            kind=kind,
            name=things.kind_name(kind),
            columns=[(name, things.property_name(kind, name)) for name in columns],
            rows=[_row(things, one, columns) for one in shown],
            pages=pages,
            order=order,
            wanted=wanted,
            reference=_reference(things, kind, wanted),
            placed=bool(declared.geometry),
            validity=declared.validity,
            moves=kind in things.moving,
            patrolled=declared.patrol is not None,
            districts=[(id_, things.district(id_)) for id_ in visit.registry.districts],
            states=[(one, visit.say(HOLDS[one][2])) for one in HOLDS],
            may_add=visit.may("admin"),
        )

    @router.get("/things/{kind}/list.csv")
    def list_as_csv(
        visit: Annotated[Visit, visitor],
        kind: str,
        asked: Annotated[Wanted, Depends(_asked)],
        sort: Short = "",
    ) -> Response:
        things = Things(visit)
        things.kind(kind)
        wanted = _wanted(things, kind, asked)
        lines = _ordered(things, _found(things, kind, wanted), _order(things, kind, wanted, sort))[:MOST_CSV]
        try:
            text = to_csv((things.told(one.thing) for one in lines), kind, things.kinds, visit.registry.zone)
        except ConfigError as error:
            raise RequestError(422, Text(str(error), in_chinese(str(error)))) from error
        return _file(f"{kind}.csv", f"\ufeff{text}", "text/csv")

    @router.get("/things/{kind}/list.geojson")
    def list_as_geojson(
        visit: Annotated[Visit, visitor],
        kind: str,
        asked: Annotated[Wanted, Depends(_asked)],
    ) -> Response:
        things = Things(visit)
        things.kind(kind)
        lines = _found(things, kind, _wanted(things, kind, asked))[:MOST_CSV]
        text = to_geojson((things.told(one.thing) for one in lines), visit.registry.zone)
        return _file(f"{kind}.geojson", text, "application/geo+json")


def _file(name: str, text: str, media_type: str) -> Response:
    return PlainTextResponse(
        text, headers={"Content-Disposition": f'attachment; filename="{name}"'}, media_type=media_type
    )


def _kinds(things: Things) -> list[Kindly]:
    counts: dict[str, list[int]] = {kind: [0, 0] for kind in things.kinds}
    for kind, count in counts.items():
        for one in things.known.lines(kind, things.visit.now):
            if one.state != "over" and things.sees(one.thing):
                count[one.state == "coming"] += 1
    return [Kindly(kind, things.kind_name(kind), *count) for kind, count in counts.items()]


def _wanted(things: Things, kind: str, asked: Wanted) -> Wanted:
    """Return what the address asks for, as far as there is any such thing."""
    reference = things.kinds[kind].property.get(asked.of)
    is_one = reference is not None and reference.type == "thing"
    return Wanted(
        asked.q.strip(),
        asked.district if asked.district in things.visit.registry.districts else "",
        asked.state if asked.state in HOLDS else "",
        asked.of if is_one else "",
        asked.named if is_one else "",
    )


def _reference(things: Things, kind: str, wanted: Wanted) -> tuple[str, Part] | None:
    """Return what the list is narrowed down to: a property, and what it names."""
    asked = things.kinds[kind].property.get(wanted.of)
    if asked is None or not asked.of:
        return None
    return things.property_name(kind, wanted.of), things.part(asked.of, wanted.named)


def _found(things: Things, kind: str, wanted: Wanted) -> list[Line]:
    text = wanted.q.casefold()
    return [
        one
        for one in things.known.lines(kind, things.visit.now)
        if things.sees(one.thing)
        and (not text or text in things.known.words(one.row))
        and wanted.district in {"", one.thing.district}
        and wanted.state in {"", one.state}
        and (not wanted.of or wanted.named in names_in(one.thing.properties.get(wanted.of)))
    ]


def _columns(things: Things, kind: str) -> list[str]:
    declared = things.kinds[kind].property
    needed = [name for name, asked in declared.items() if asked.required]
    return [*needed, *(name for name in declared if name not in needed)][:COLUMNS]


def _order(things: Things, kind: str, wanted: Wanted, sort: str) -> Order:
    say = things.visit.say
    columns = {
        "id": say(Text("id", "编号")),
        "name": say(Text("name", "名称")),
        "district": say(Text("district", "区")),
    }
    columns |= {name: things.property_name(kind, name) for name in _columns(things, kind) if name not in columns}
    if things.kinds[kind].validity:
        columns |= {"until": say(Text("holds until", "失效时间"))}
    return Order(f"{HERE}/{kind}", wanted.asked, columns, sort)


def _ordered(things: Things, lines: list[Line], order: Order) -> list[Line]:
    def of_property(line: Line) -> Any:
        value = line.thing.properties.get(order.by)
        if isinstance(value, (list, tuple)):
            return ", ".join(map(str, value)) or None
        return value

    keys = dict.fromkeys(order.columns, of_property) | {
        "id": lambda one: one.thing.id,
        "name": lambda one: things.name(one.thing),
        "district": lambda one: one.thing.district,
        "until": lambda one: one.thing.until,
    }
    return ordered(lines, order, keys)


def _row(things: Things, line: Line, columns: list[str]) -> Row:
    thing, declared = line.thing, things.kinds[line.thing.kind].property
    cells = [
        things.parts(thing.properties[name], declared[name]) if name in thing.properties else [] for name in columns
    ]
    badge = holds_of(line.state, things.visit.lang)
    return Row(thing, things.name(thing), things.district(thing.district), badge, cells)


def list_link(kind: str, of: str, named: str) -> str:
    """Return the address of the things of a kind whose property names a thing."""
    return f"{HERE}/{kind}?{urlencode({'of': of, 'named': named})}"
