"""Where those are now whom rules watch: a map without any other server, and the same as a list."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NamedTuple
from urllib.parse import urlencode

import numpy as np
from fastapi import APIRouter, Depends, Response
from markupsafe import Markup

from hub.console.badges import Badge
from hub.console.parts.catalogue import Bounds, Position
from hub.console.parts.order import Number, Order, Pages, ordered
from hub.console.parts.sheet import MOST_CSV, csv_file
from hub.console.things.places import Drawn, around, drawn, places
from hub.console.things.plan import NAMED, Place, Plan, Points, box_around, box_of, box_text, points
from hub.console.things.visit import HERE, Part, Things
from hub.console.things.words import NOW, RANKS, now_of, states_text
from hub.console.today import Short, district_name
from hub.console.web import CSP, Shared, Visit, visiting
from schemas.language import Text

LIVE = "/console/live"
NAMED_MARKS = 24
"""So many marks have their names beside them; the list has all."""
MOST_KEPT = 64
"""Pictures in memory."""
GRID = 0.02
"""Degrees: the whole city is shown up to the next line of such a grid."""
STEP = 0.5
"""A step to the side is so much of what the map shows."""


class One(NamedTuple):
    """Somebody as the list has it."""

    position: Position
    state: str
    badge: Badge
    part: Part
    kind: str
    district: str
    states: list[tuple[str, str]]
    age: float
    """Since it said something [s]."""


class Mark(NamedTuple):
    """Somebody on the map, or several near each other."""

    link: str
    id: str
    badge: Badge
    """Of the gravest."""
    many: int
    x: float
    y: float


class Wanted(NamedTuple):
    """The filters; they stand in the address."""

    kind: str = ""
    district: str = ""
    state: str = ""
    q: str = ""
    box: str = ""
    """A piece of the map; the list has what lies in it."""

    @property
    def asked(self) -> dict[str, str]:
        """The filters that are set."""
        return {name: value for name, value in self._asdict().items() if value}


class Step(NamedTuple):
    """A way to another piece of the map."""

    sign: str
    name: str
    link: str


class Ground(NamedTuple):
    """What lies under the marks of a map."""

    drawn: Drawn
    written: Markup
    """The same as a template has written it."""


class Pictures:
    """The places of late as they were drawn: for whom, of which piece of the world, as long as nothing else holds."""

    def __init__(self) -> None:
        self._places: dict[tuple[object, ...], tuple[list[Place], list[Bounds]]] = {}
        self._grounds: dict[tuple[object, ...], Ground] = {}

    def places(self, things: Things) -> tuple[list[Place], list[Bounds]]:
        """Return the places in force that the visitor sees, and the bounds of what a map should show."""
        found = self._places.get(self._key(things))
        if found is None:
            there = places(things, things.visit.now)
            found = there, around(there)
            self._keep(self._places, self._key(things), found)
        return found

    def ground(self, things: Things, plan: Plan, there: list[Place]) -> Ground:
        """Return places as they are drawn in a plan."""
        key = (*self._key(things), plan.corners)
        found = self._grounds.get(key)
        if found is None:
            shown = drawn(things, plan, there, NAMED)
            parts: Any = things.visit.shared.templates.get_template("thing_parts.html").module
            found = Ground(shown, parts.ground(shown) + parts.names(shown))
            self._keep(self._grounds, key, found)
        return found

    @staticmethod
    def _key(things: Things) -> tuple[object, ...]:
        visit, known = things.visit, things.known
        return known.serial, known.steady_until(visit.now), visit.user.districts, visit.lang

    @staticmethod
    def _keep(kept: dict[tuple[object, ...], Any], key: tuple[object, ...], found: object) -> None:
        if len(kept) >= MOST_KEPT:
            kept.clear()
        kept[key] = found


def add_live(router: APIRouter, shared: Shared) -> None:
    """Add the map and its list."""
    visitor = Depends(visiting(shared))
    console, pictures = shared.config.console, Pictures()
    policy = CSP.replace("img-src 'self'", f"img-src 'self' {console.tiles_origin}".rstrip())

    @router.get("/live")
    def show_live(
        visit: Annotated[Visit, visitor],
        kind: Short = "",
        district: Short = "",
        state: Short = "",
        q: Short = "",
        box: Short = "",
        sort: Short = "",
        page: Number = 1,
    ) -> Response:
        things = Things(visit)
        wanted = _wanted(things, kind, district, state, q, box)
        found = _found(things, wanted)
        shown = [one for one in found if wanted.state in {"", one[1]}]
        chosen = box_of(wanted.box)
        there, near = pictures.places(things)
        placed = [one for one in shown if one[0].fix]
        outside = len(shown) - len(placed)
        degrees = points([(one.fix.lon, one.fix.lat) for one, _ in placed if one.fix])
        bounds = [*near, *_around_fixes(degrees)] if chosen is None else []
        ground = pictures.ground(things, Plan(console, chosen, bounds), there)
        marks = _marks(things, ground.drawn.plan, placed, degrees, wanted)
        if chosen:
            shown = [placed[n] for n in _inside(degrees, chosen)]
        order = _order(visit, wanted, sort)
        lines = _ordered(things, shown, order)
        pages = Pages(order, page, len(lines))
        counts = Counter(one for _, one in found)
        answer = visit.page(
            "live.html",
            drawn=ground.drawn,
            ground=ground.written,
            marks=marks,
            marks_named=len(marks) <= NAMED_MARKS,
            listed=[_one(things, *one) for one in lines[pages.skip : pages.skip + pages.each]],
            pages=pages,
            order=order,
            legend=[(now_of(one, visit.lang), counts[one]) for one in NOW if counts[one]],
            outside=0 if chosen else outside,
            wanted=wanted,
            whole=f"{LIVE}?{urlencode(wanted._replace(box='').asked)}" if chosen else "",
            steps=_steps(visit, chosen, bounds, wanted),
            kinds=[(one, things.kind_name(one)) for one in sorted(things.moving)],
            districts=[(id_, district_name(visit, id_)) for id_ in visit.registry.districts],
            states=[(one, visit.say(NOW[one][2])) for one in NOW],
        )
        answer.headers["Content-Security-Policy"] = policy
        return answer

    @router.get("/live.csv")
    def list_live(
        visit: Annotated[Visit, visitor],
        kind: Short = "",
        district: Short = "",
        state: Short = "",
        q: Short = "",
        box: Short = "",
        sort: Short = "",
    ) -> Response:
        things = Things(visit)
        wanted = _wanted(things, kind, district, state, q, box)
        chosen = box_of(wanted.box)
        found = [one for one in _found(things, wanted) if wanted.state in {"", one[1]}]
        if chosen:
            found = [one for one in found if one[0].fix]
            degrees = points([(one.fix.lon, one.fix.lat) for one, _ in found if one.fix])
            found = [found[n] for n in _inside(degrees, chosen)]
        lines = _ordered(things, found, _order(visit, wanted, sort))
        rows = [_row(visit, _one(things, *one)) for one in lines[:MOST_CSV]]
        return csv_file("live.csv", HEAD, rows)


HEAD = ("kind", "id", "name", "district", "state", "heard", "lat", "lon", "position_at", "speed_kmh", "states")


def _row(visit: Visit, one: One) -> tuple[object, ...]:
    fix, iso = one.position.fix, visit.page_formats.iso
    said = "; ".join(f"{name}: {value}" for name, value in one.states)
    at = (f"{fix.lat:.6f}", f"{fix.lon:.6f}", iso(fix.t)) if fix else ("", "", "")
    speed = "" if one.position.newest.speed is None else f"{one.position.newest.speed:g}"
    heard = one.position.heard
    return heard.kind, heard.id, one.part.text, heard.district, one.state, iso(heard.heard), *at, speed, said


def _wanted(things: Things, kind: str, district: str, state: str, q: str, box: str) -> Wanted:
    return Wanted(
        kind if kind in things.moving else "",
        district if district in things.visit.registry.districts else "",
        state if state in NOW else "",
        q.strip(),
        box if box_of(box) else "",
    )


def _around_fixes(degrees: Points) -> list[Bounds]:
    """Return the piece of a map that shows nearly everybody: one that is far away must not make the others small."""
    if not len(degrees):
        return []
    low, high = np.quantile(degrees, (0.02, 0.98), axis=0).tolist()
    west, south, east, north = box_around([(low[0], low[1]), (high[0], high[1])])
    # A picture that stays as long as nobody goes far, so that it need not be drawn anew each time.
    return [
        (
            math.floor(west / GRID) * GRID,
            math.floor(south / GRID) * GRID,
            math.ceil(east / GRID) * GRID,
            math.ceil(north / GRID) * GRID,
        )
    ]


def _found(things: Things, wanted: Wanted) -> list[tuple[Position, str]]:
    """Return those whom the visitor sees and asks for, in whatever state, each with its state."""
    positions = things.positions(wanted.kind, wanted.district)
    if wanted.q:
        alike = _alike(things, wanted.q.casefold())
        positions = [one for one in positions if one.key in alike]
    return things.states(positions)


def _alike(things: Things, text: str) -> set[tuple[str, str]]:
    """Return kind and id of those that have a text in their id, names or properties."""
    words = things.known.words
    return {
        (kind, one.row.id)
        for kind in things.moving
        for one in things.known.lines(kind, things.now)
        if text in words(one.row)
    }


def _inside(degrees: Points, box: Bounds) -> list[int]:
    """Return which of positions lie in a piece of the map."""
    west, south, east, north = box
    found: list[int] = np.flatnonzero(((degrees >= (west, south)) & (degrees <= (east, north))).all(1)).tolist()
    return found


def _one(things: Things, position: Position, state: str) -> One:
    visit, heard = things.visit, position.heard
    return One(
        position,
        state,
        now_of(state, visit.lang),
        things.part(heard.kind, heard.id),
        things.kind_name(heard.kind),
        things.district(heard.district),
        states_text(position.newest.states, visit.lang),
        visit.now - position.newest.t,
    )


def _marks(
    things: Things, plan: Plan, placed: Sequence[tuple[Position, str]], degrees: Points, wanted: Wanted
) -> list[Mark]:
    worlds = points([one.world for one, _ in placed])
    heaps = plan.heaps(worlds, degrees, [RANKS[state] for _, state in placed])
    badges = {state: now_of(state, things.visit.lang) for state in NOW}
    marks = []
    for heap in heaps:
        one, state = placed[heap.first]
        link = f"{HERE}/{one.heard.kind}/{one.heard.id}"
        if heap.many > 1:
            link = f"{LIVE}?{urlencode(wanted._replace(box=box_text(heap.box)).asked)}"
        marks.append(Mark(link, one.heard.id, badges[state], heap.many, heap.x, heap.y))
    return marks


def _order(visit: Visit, wanted: Wanted, sort: str) -> Order:
    columns = {
        "state": Text("state, the gravest first", "状态（最严重在前）"),
        "id": Text("id", "编号"),
        "age": Text("heard", "最近上报"),
        "speed": Text("speed", "速度"),
        "district": Text("district", "区"),
    }
    said = {key: visit.say(text) for key, text in columns.items()}
    return Order(LIVE, wanted.asked, said, sort)


def _ordered(things: Things, found: list[tuple[Position, str]], order: Order) -> list[tuple[Position, str]]:
    if order.by == "state":  # as of ten thousand at once: by heaps, which is quicker than to sort
        heaps: dict[str, list[tuple[Position, str]]] = {state: [] for state in NOW}
        for one in found:
            heaps[one[1]].append(one)
        states = reversed(heaps) if order.down else heaps
        return [one for state in states for one in heaps[state]]
    now = things.now
    keys = {
        "id": lambda one: one[0].heard.id,
        "age": lambda one: now - one[0].newest.t,
        "speed": lambda one: one[0].newest.speed,
        "district": lambda one: one[0].heard.district,
    }
    return ordered(found, order, keys)


def _steps(visit: Visit, chosen: Bounds | None, bounds: list[Bounds], wanted: Wanted) -> list[Step]:
    """Return the ways to nearer, farther and neighbouring pieces of the map."""
    if chosen is None and not bounds:
        return []
    west, south, east, north = chosen or (
        min(one[0] for one in bounds),
        min(one[1] for one in bounds),
        max(one[2] for one in bounds),
        max(one[3] for one in bounds),
    )
    wide, high = max(east - west, 1e-4), max(north - south, 1e-4)
    moves: Mapping[str, tuple[Text, float, float, float]] = {
        "+": (Text("nearer", "放大"), 0.5, 0, 0),
        "−": (Text("farther", "缩小"), 2.0, 0, 0),
        "←": (Text("to the west", "向西"), 1.0, -STEP, 0),
        "→": (Text("to the east", "向东"), 1.0, STEP, 0),
        "↑": (Text("to the north", "向北"), 1.0, 0, STEP),
        "↓": (Text("to the south", "向南"), 1.0, 0, -STEP),
    }
    steps = []
    for sign, (name, scale, x, y) in moves.items():
        lon, lat = (west + east) / 2 + x * wide, (south + north) / 2 + y * high
        half = wide * scale / 2, high * scale / 2
        box = (
            max(lon - half[0], -180.0),
            max(lat - half[1], -85.0),
            min(lon + half[0], 180.0),
            min(lat + half[1], 85.0),
        )
        if box[0] < box[2] and box[1] < box[3]:
            link = f"{LIVE}?{urlencode(wanted._replace(box=box_text(box)).asked)}"
            steps.append(Step(sign, visit.say(name), link))
    return steps
