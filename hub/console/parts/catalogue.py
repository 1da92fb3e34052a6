"""All things and where those that rules watch are now, kept in memory and read on from where reading ended.

Editions are only ever added, each with a higher number than those before. Whom something was heard of is another moment
in its row. So whoever asks reads what has changed since, and every answer is of the last commit.
"""

import math
import sqlite3
import threading
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from itertools import islice
from typing import NamedTuple

import shapely
from shapely.geometry import shape

from hub.compliance.rule_table import Heard, Samples
from hub.judge.kinds.world import World
from hub.judge.records import Sample
from hub.things.entries import Thing
from hub.things.store import KeptEdition, ThingStore, edition_of
from schemas.domains.entries import ThingKind

MOVING_KMH = 3.0
"""What is slower stands: receivers give some km/h at rest."""
LOOKED_BACK = 200
"""Samples that are looked through for the last position of somebody who has none now."""
Key = tuple[str, str]
"""Kind and id of a thing."""
Bounds = tuple[float, float, float, float]


class Line(NamedTuple):
    """A thing as lists have it: the edition that holds now, else the one that will, else the last one."""

    thing: Thing
    row: KeptEdition
    state: str
    """holds, coming, over"""


class Read(NamedTuple):
    """What was read from editions, which stays as it is whatever comes: by serial number."""

    things: dict[int, Thing]
    words: dict[int, str]
    bounds: dict[int, Bounds]


class Known:
    """The things as they are up to one edition."""

    def __init__(self, serial: int, rows: Mapping[Key, list[KeptEdition]], world: World, read: "Read") -> None:
        self.serial, self.rows, self.world = serial, rows, world
        self._read = read
        self._lines: tuple[float, float, dict[str, list[Line]]] = (math.inf, -math.inf, {})

    def thing(self, row: KeptEdition) -> Thing:
        """Return what an edition says."""
        found = self._read.things.get(row.serial)
        if found is None:
            found = self._read.things[row.serial] = row.thing()
        return found

    def edition(self, kind: str, id_: str, number: int) -> KeptEdition | None:
        """Return an edition by its number."""
        return next((row for row in self.rows.get((kind, id_), ()) if row.number == number), None)

    def shown(self, kind: str, id_: str, now: float) -> tuple[KeptEdition, str] | None:
        """Return the edition that holds, else the next one, else the last one, and which of these it is."""
        return _shown(self.rows.get((kind, id_), ()), now)

    def lines(self, kind: str, now: float) -> list[Line]:
        """Return the things of a kind, in the order in which they became known; nobody may change the list."""
        since, until, lines = self._lines
        if not since <= now < until:
            lines = {}
            self._lines = now, self.steady_until(now), lines
        if kind not in lines:
            found = [(rows, _shown(rows, now)) for rows in self._by_kind.get(kind, ())]
            lines[kind] = [Line(self.thing(one[0]), *one) for _, one in found if one is not None]
        return lines[kind]

    def steady_until(self, now: float) -> float:
        """Return the next moment at which something begins or ends to hold, Unix s."""
        moments = self._moments
        return moments[bisect_right(moments, now)] if moments and now < moments[-1] else math.inf

    @cached_property
    def _moments(self) -> list[int]:
        every = (row for rows in self.rows.values() for row in rows)
        return sorted({t for row in every for t in (row.valid_from, row.valid_until) if t is not None})

    @cached_property
    def _by_kind(self) -> dict[str, list[list[KeptEdition]]]:
        found: dict[str, list[list[KeptEdition]]] = {}
        for (kind, _), rows in self.rows.items():
            found.setdefault(kind, []).append(rows)
        return found

    def words(self, row: KeptEdition) -> str:
        """Return what is searched of an edition: id, names and properties, in small letters."""
        found = self._read.words.get(row.serial)
        if found is None:
            thing = self.thing(row)
            said = [thing.id, thing.en, thing.zh, *(str(one) for one in thing.properties.values())]
            found = self._read.words[row.serial] = "\n".join(said).casefold()
        return found

    def holding(self, kind: str, t: int) -> Iterator[KeptEdition]:
        """Go through the editions of a kind that hold at a moment."""
        for term in self.world.holding(kind, t):
            row = self.edition(kind, term.edition.id, term.edition.number)
            if row is not None:
                yield row

    def bounds(self, row: KeptEdition) -> Bounds:
        """Return west, south, east and north of an edition's place, degrees."""
        found = self._read.bounds.get(row.serial)
        if found is None:
            west, south, east, north = shapely.bounds(shape(self.thing(row).geometry)).tolist()
            found = self._read.bounds[row.serial] = west, south, east, north
        return found

    def naming(self, kinds: Mapping[str, ThingKind], of: str) -> list[tuple[str, str]]:
        """Return the kinds, and their properties, that name things of a kind."""
        return [
            (kind, name)
            for kind, declared in kinds.items()
            for name, asked in declared.property.items()
            if asked.type == "thing" and asked.of == of
        ]


def _shown(rows: "list[KeptEdition] | tuple[()]", now: float) -> tuple[KeptEdition, str] | None:
    if len(rows) == 1:  # as of nearly all
        row = rows[0]
        if row.withdrawn:
            return row, "over"
        begun = row.valid_from is None or row.valid_from <= now
        over = row.valid_until is not None and row.valid_until <= now
        return row, "over" if over else "holds" if begun else "coming"
    last: dict[int | None, KeptEdition] = {}
    for row in rows:
        last[row.valid_from] = row
    standing = sorted((row for row in last.values() if not row.withdrawn), key=_begins)
    begun_ones = [row for row in standing if row.valid_from is None or row.valid_from <= now]
    if begun_ones and (begun_ones[-1].valid_until is None or begun_ones[-1].valid_until > now):
        return begun_ones[-1], "holds"
    coming = next((row for row in standing if row.valid_from is not None and row.valid_from > now), None)
    if coming is not None:
        return coming, "coming"
    return (standing[-1] if standing else rows[-1], "over") if rows else None


def _begins(row: KeptEdition) -> float:
    return -1e18 if row.valid_from is None else row.valid_from


class Position(NamedTuple):
    """Somebody whom rules watch, as it was heard last."""

    heard: Heard
    newest: Sample
    """What it said last."""
    fix: Sample | None
    """Its last sample with a position."""
    world: tuple[float, float]
    """Where that lies in the world that maps draw; without one it means nothing."""
    key: Key
    does: str
    """lost, moving or standing: as it was when it was heard last."""


class Catalogue:
    """What pages of things are made from; any thread may ask. `db`: the compliance database.

    `project`: tells where a position (longitude, latitude) lies in the world that maps draw.
    """

    def __init__(self, project: Callable[[float, float], tuple[float, float]]) -> None:
        self._lock = threading.Lock()
        self._project = project
        self._known = _nothing()
        self._positions: dict[Key, Position] = {}
        self._state: tuple[int, float, float] | None = None
        self._all: list[Position] = []

    def known(self, db: sqlite3.Connection) -> Known:
        """Return the things as they are now."""
        with self._lock:
            store = ThingStore(db)
            newest = store.newest()
            if newest != self._known.serial:
                if newest < self._known.serial:  # another database, as after a restore
                    self._known = _nothing()
                new = store.rows(after=self._known.serial, until=newest)
                made: dict[Key, list[KeptEdition]] = {}
                for row in new:
                    made.setdefault((row.kind, row.id), []).append(row)
                before = self._known.rows
                rows = {**before, **{key: [*before.get(key, ()), *of_one] for key, of_one in made.items()}}
                read = self._known._read  # noqa: SLF001 - its own kind
                things = {row.serial: row.thing() for row in new}
                read.things.update(things)
                world = self._known.world.followed_by(edition_of(row, things[row.serial]) for row in new)
                self._known = Known(newest, rows, world, read)
            return self._known

    def position(self, db: sqlite3.Connection, kind: str, id_: str) -> Position | None:
        """Return where somebody is whom rules watch; None: nothing was heard of it."""
        samples = Samples(db)
        with self._lock:
            return next((self._read_on(samples, one) for one in samples.heard(kind, id_)), None)

    def positions(self, db: sqlite3.Connection) -> list[Position]:
        """Return all of whom something was heard; nobody may change the list."""
        samples = Samples(db)
        with self._lock:
            state = samples.state()
            if state != self._state:
                found = (self._read_on(samples, one) for one in samples.heard())
                self._all = [one for one in found if one is not None]
                self._state = state
            return self._all

    def _read_on(self, samples: Samples, heard: Heard) -> Position | None:
        key = heard.kind, heard.id
        known = self._positions.get(key)
        if known is not None and known.heard == heard:
            return known
        newest = next(samples.newest(*key), None)
        if newest is None:
            return None
        fix = newest if newest.lat is not None else _last_fix(samples, key) or (known.fix if known else None)
        lon, lat = (fix.lon, fix.lat) if fix else (None, None)
        world = (0.0, 0.0) if lon is None or lat is None else self._project(lon, lat)
        does = "lost" if newest.lat is None else "moving" if (newest.speed or 0.0) >= MOVING_KMH else "standing"
        found = self._positions[key] = Position(heard, newest, fix, world, key, does)
        return found


def _last_fix(samples: Samples, key: Key) -> Sample | None:
    return next((one for one in islice(samples.newest(*key), LOOKED_BACK) if one.lat is not None), None)


def _nothing() -> Known:
    return Known(0, {}, World(), Read({}, {}, {}))
