"""Takes weighings into the things that are known: each once, a corrected one as a further edition.

A weighing is known by its weighbridge, its truck and the minute: no truck is weighed twice in one, and one list has
seconds where another one leaves them out. What comes again with the same weights and kinds changes nothing; with others
it corrects. One that was withdrawn stays so.
"""

import datetime as dt
import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from hub.registry.check import EntryError
from hub.things.change import Context, Origin
from hub.things.check import check_fields, check_references, read_moment
from hub.things.entries import Thing
from hub.things.store import ThingStore, by_thing, standing
from schemas.domains.entries import ThingKind
from schemas.errors import UserError

WEIGHING, BRIDGE, TRUCK = "weighing", "weighbridge", "refuse_truck"
"""Kinds of things, as a pack declares them."""
AT, OF, PLATE, WASTE, NET, GROSS, TARE = "weighbridge", "truck", "plate", "waste", "net_kg", "gross_kg", "tare_kg"
"""Properties; weights in kg."""
AHEAD = 600
"""A weighing may lie so far in the future, as clocks differ [s]."""
MOST_KG = 200_000.0
"""No truck weighs as much: what is more is a slip of the pen, or another unit."""
What = Literal["added", "known", "corrected", "refused"]
_TIME = re.compile(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?[ T]+(\d{1,2}):(\d{2})(?::(\d{2}))?")


class Row(NamedTuple):
    """A weighing as somebody says it; what is empty or None is not said."""

    weighbridge: str
    time: Any
    """A moment, or text of one; without an offset it is local."""
    truck: str
    """Its id or its plate."""
    waste: tuple[str, ...]
    """Kinds, by id or name."""
    net: float | None = None
    """kg, as `gross` and `tare`."""
    gross: float | None = None
    tare: float | None = None
    ticket: str = ""
    district: str = ""
    line: int = 0
    """Of a file."""


class Answer(NamedTuple):
    """What became of a weighing."""

    row: Row
    what: What
    id: str = ""
    why: str = ""
    """Why it was refused, or what was corrected: an English sentence."""
    net: float | None = None


class Sum(NamedTuple):
    """What was weighed in a time."""

    district: str
    waste: str
    """mixed: of loads of more than one kind."""
    loads: int
    tonnes: float


class WeighingBook:
    """The weighings among the things of `store`.

    Args:
        store: what is known; what calls `take` holds a transaction.
        context: by what things are checked.
        now: Unix s.
        sees: tells whether whoever enters them may do so for a district, empty: for none.

    Raises:
        UserError: no pack in use declares weighings.
    """

    def __init__(
        self, store: ThingStore, context: Context, now: float, sees: Callable[[str], bool] = lambda _: True
    ) -> None:
        missing = next((kind for kind in (WEIGHING, BRIDGE, TRUCK) if kind not in context.kinds), None)
        if missing is not None:
            raise UserError(f"no pack in use declares things of kind {missing!r}; expected one that does, see domains")
        self._store, self._context, self._now, self._sees = store, context, now, sees
        self._kind: ThingKind = context.kinds[WEIGHING]
        self._kept: dict[str, Thing | None] = {}
        self._trucks = self._there(TRUCK)
        self._bridges = self._there(BRIDGE)
        self._plates: dict[str, list[str]] = {}
        for one in self._trucks.values():
            self._plates.setdefault(_squeezed(str(one.properties.get(PLATE, ""))), []).append(one.id)
        named = self._kind.property[WASTE].values
        self._wastes = {name.casefold(): id_ for id_, said in named.items() for name in (id_, said.en, said.zh)}

    def take(self, rows: Sequence[Row], origin: Origin, *, dry_run: bool = False) -> list[Answer]:
        """Take weighings in their order; return what became of each. One that is wrong hinders no other."""
        found = []
        for row in rows:
            try:
                found.append(self._take(row, origin, dry_run=dry_run))
            except EntryError as error:
                found.append(Answer(row, "refused", why=str(error)))
            except ValueError as error:
                found.append(Answer(row, "refused", why=str(error)))
        return found

    def _take(self, row: Row, origin: Origin, *, dry_run: bool) -> Answer:
        thing = self._read(row)
        before = self._known(thing.id)
        for one in (thing, before):
            if one is not None and not self._sees(one.district or ""):
                raise ValueError(f"district {one.district or '-'!r} is not one of yours; ask an admin to enter it")
        if before is None and thing.id in self._kept:
            raise ValueError(f"weighing {thing.id} was withdrawn by hand; enter it by hand if it holds after all")
        if before is not None:
            said = {**before.properties, **thing.properties}
            if before.properties.get(NET) == thing.properties[NET] and before.properties.get("ticket"):
                said["ticket"] = before.properties["ticket"]  # the same load on a second slip
            thing = msgspec.structs.replace(before, properties=said, district=before.district or thing.district)
        net = float(thing.properties[NET])
        if thing == before:
            return Answer(row, "known", thing.id, net=net)
        if not dry_run:
            self._store.add(thing, *origin)
        self._kept[thing.id] = thing
        if before is None:
            return Answer(row, "added", thing.id, net=net)
        return Answer(row, "corrected", thing.id, _difference(before.properties, thing.properties), net)

    def _read(self, row: Row) -> Thing:
        """Return a weighing as a thing.

        Raises:
            ValueError, EntryError: it cannot be one.
        """
        bridge = self._bridges.get(row.weighbridge)
        if bridge is None:
            raise ValueError(
                f"weighbridge {row.weighbridge!r} is not known; expected one of: {_some(self._bridges)}; "
                "import it: fenceline things import FILE --kind weighbridge"
            )
        truck = self._truck(row.truck)
        t = self._moment(row.time)
        net = _net(row)
        id_ = _id(bridge.id, truck.id, dt.datetime.fromtimestamp(t, self._context.zone))
        properties: dict[str, Any] = {AT: bridge.id, OF: truck.id, WASTE: self._kinds(row.waste), NET: net}
        optional = {GROSS: row.gross, TARE: row.tare, "ticket": row.ticket or None}
        properties |= {name: value for name, value in optional.items() if value is not None}
        name = f"{dt.datetime.fromtimestamp(t, self._context.zone):%Y-%m-%d %H:%M}"
        fields: dict[str, Any] = {
            "en": f"{truck.properties.get(PLATE, truck.id)}, {name}",
            "zh": f"{truck.properties.get(PLATE, truck.id)}，{name}",
            "district": row.district or truck.district or bridge.district,
            "from": dt.datetime.fromtimestamp(t, self._context.zone),
            "until": dt.datetime.fromtimestamp(t + 1, self._context.zone),
            "properties": properties,
        }
        given = {name: value for name, value in fields.items() if value is not None}
        thing = check_fields(WEIGHING, id_, given, self._context.kinds, self._context.zone, "wgs84")
        check_references(thing, self._context.kinds, {(BRIDGE, bridge.id), (TRUCK, truck.id)}, self._context.districts)
        return thing

    def _truck(self, said: str) -> Thing:
        if said in self._trucks:
            return self._trucks[said]
        ids = self._plates.get(_squeezed(said), []) if said else []
        if len(ids) > 1:
            raise ValueError(f"truck {said!r}: {', '.join(ids)} have this plate; expected one, give the id")
        if not ids:
            raise ValueError(
                f"truck {said!r} is not known by id or plate; expected one of the registered trucks; "
                "import it: fenceline things import FILE --kind refuse_truck"
            )
        return self._trucks[ids[0]]

    def _moment(self, said: Any) -> int:
        if isinstance(said, str) and (found := _TIME.fullmatch(said.strip())):
            said = "{:0>4}-{:0>2}-{:0>2}T{:0>2}:{}:{}".format(*(part or "00" for part in found.groups()))
        if isinstance(said, str) and not re.search(r"\d:\d\d", said):
            raise ValueError(f"time {said!r}: expected a date and time such as 2026-12-01 22:05")
        t = read_moment(WEIGHING, "", "time", said, self._context.zone)
        if t > self._now + AHEAD:
            raise ValueError(f"time {said!s} lies in the future; expected when it was weighed, mend the clock")
        return t

    def _kinds(self, said: Iterable[str]) -> list[str]:
        known = self._kind.property[WASTE].values
        found = []
        for one in said:
            id_ = self._wastes.get(one.strip().casefold())
            if id_ is None:
                raise ValueError(f"waste {one!r} is no kind; expected one of: {', '.join(known)}")
            found.append(id_)
        if not found:
            raise ValueError(f"waste is missing; expected one of: {', '.join(known)}")
        return sorted(set(found), key=list(known).index)

    def _known(self, id_: str) -> Thing | None:
        if id_ not in self._kept:
            rows = self._store.rows(WEIGHING, id_)
            if not rows:
                return None
            held = next(reversed(standing(rows).values()), None)
            self._kept[id_] = held.thing() if held else None
        return self._kept[id_]

    def _there(self, kind: str) -> dict[str, Thing]:
        found = {}
        for (_, id_), rows in by_thing(self._store.rows(kind)).items():
            last = next(reversed(standing(rows).values()), None)
            if last is not None:
                found[id_] = last.thing()
        return found


def sums(store: ThingStore, since: float, until: float) -> list[Sum]:
    """Return what was weighed in `since` <= t < `until` (Unix s), by district and kind."""
    found: dict[tuple[str, str], tuple[int, float]] = {}
    for rows in by_thing(store.rows(WEIGHING)).values():
        for row in standing(rows).values():
            if row.valid_from is not None and since <= row.valid_from < until:
                key = group_of(row.thing())
                loads, kg = found.get(key, (0, 0.0))
                found[key] = loads + 1, kg + weight_of(row.thing())
    return [Sum(*key, loads, kg / 1000) for key, (loads, kg) in sorted(found.items())]


def group_of(thing: Thing) -> tuple[str, str]:
    """Return by what a weighing is added up: its district, empty for none, and its kind of waste."""
    kinds: Sequence[str] = thing.properties.get(WASTE, ())
    return thing.district or "", kinds[0] if len(kinds) == 1 else "mixed"


def weight_of(thing: Thing) -> float:
    """Return a weighing's net weight [kg]."""
    return float(thing.properties.get(NET) or 0)


def _net(row: Row) -> float:
    net = row.net
    if net is None and row.gross is not None and row.tare is not None:
        net = round(row.gross - row.tare, 3)
    if net is None:
        raise ValueError("weight is missing; expected net, or gross and tare, in kg")
    for name, value in (("net", net), ("gross", row.gross), ("tare", row.tare)):
        if value is not None and not 0 <= value <= MOST_KG:
            raise ValueError(f"{name} = {value:g} kg: expected 0 to {MOST_KG:g} kg; is it in another unit?")
    return net


def _id(bridge: str, truck: str, when: dt.datetime) -> str:
    minute = f"{when:%Y%m%d-%H%M}"
    return f"w-{minute}-{hashlib.sha256(f'{bridge}/{truck}/{minute}'.encode()).hexdigest()[:12]}"


def _squeezed(plate: str) -> str:
    return re.sub(r"[\s·.•-]", "", plate).upper()


def _some(known: Iterable[str]) -> str:
    names = sorted(known)
    return ", ".join(names[:10]) + (", ..." if len(names) > 10 else "") if names else "none yet"


def _difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return "; ".join(f"{name} {_told(before.get(name))} -> {_told(after.get(name))}" for name in names)


def _told(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return "+".join(map(str, value))
    return "-" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
