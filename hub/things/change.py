"""Puts what a file says beside what is known, checks the whole, and adds the editions that are missing."""

import datetime as dt
import reprlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from hub.registry.check import EntryError
from hub.things.check import check_fields, check_kinds, check_references, read_moment
from hub.things.coordinates import System
from hub.things.entries import Change, Said, Thing, plain
from hub.things.store import KeptEdition, ThingStore, by_thing, standing
from schemas.domains.entries import ThingKind


class Context(NamedTuple):
    """What things are checked by."""

    kinds: Mapping[str, ThingKind]
    districts: Collection[str]
    """Of the registry; none: any may be named."""
    zone: ZoneInfo


class Origin(NamedTuple):
    """Where editions come from."""

    made: float
    """Unix s."""
    who: str
    source: str


class WrongThingError(Exception):
    """A mistake in one entry of a file; `others`: those that were found beside it."""

    def __init__(self, error: EntryError, said: Said | None) -> None:
        super().__init__(str(error))
        self.error = error
        self.said = said
        self.others: tuple[WrongThingError, ...] = ()


def apply(
    store: ThingStore,
    said: Sequence[Said],
    context: Context,
    origin: Origin,
    *,
    since: int,
    replace: Collection[str] = (),
    system: System = "wgs84",
    dry_run: bool = False,
    correct: bool = False,
) -> list[Change]:
    """Add what is new in entries; return what that is. Call it in a transaction.

    What an entry leaves out stays as it is in the edition that it corrects or follows. An entry without `from` says
    what holds from `since` on; of a thing that is new, what has held always.

    Args:
        store: what is known.
        said: the entries.
        context: what they are checked by.
        origin: who made the editions, when, from what.
        since: from when changes hold whose entries do not say so, Unix s.
        replace: kinds of which the entries are the whole: what they leave out ends at `since`.
        system: coordinates of the entries' geometries.
        dry_run: add nothing.
        correct: entries without `from` correct the edition that began last.

    Raises:
        WrongThingError: an entry is wrong; nothing may be kept of what was added before.
    """
    _check_packs(context.kinds)
    known = by_thing(store.rows())
    new: list[tuple[Thing, KeptEdition | None, Said | None]] = []
    wrong: list[WrongThingError] = []
    seen: set[tuple[str, str, int | None]] = set()
    for one in said:
        try:
            thing, base = _merged(one, known.get((one.kind, one.id), []), context, since, system, correct=correct)
        except EntryError as error:
            wrong.append(WrongThingError(error, one))
            continue
        if (one.kind, one.id, thing.from_) in seen:
            twice = EntryError("stands there twice; keep one of them", one.kind, one.id, "id")
            wrong.append(WrongThingError(twice, one))
        seen.add((one.kind, one.id, thing.from_))
        if base is None or base.thing() != thing:
            new.append((thing, base, one))
    named = {(one.kind, one.id) for one in said}
    for key, rows in known.items():
        if key[0] in replace and key not in named:
            new += [(thing, row, None) for thing, row in _ended(rows, since)]
    there = {key for key, rows in known.items() if standing(rows)} | named
    for thing, _, origin_of in new:
        try:
            check_references(thing, context.kinds, there, context.districts)
        except EntryError as error:
            wrong.append(WrongThingError(error, origin_of))
    if wrong:
        wrong[0].others = tuple(wrong[1:])
        raise wrong[0]
    return [_add(store, thing, base, one, known, origin, dry_run=dry_run) for thing, base, one in new]


def _check_packs(kinds: Mapping[str, ThingKind]) -> None:
    try:
        check_kinds(kinds)
    except EntryError as error:
        raise WrongThingError(error, None) from None


def _merged(
    one: Said, rows: Sequence[KeptEdition], context: Context, since: int, system: System, *, correct: bool
) -> tuple[Thing, KeptEdition | None]:
    """Return what holds by an entry, and the edition that it is compared with: the one that it corrects or follows."""
    terms = standing(rows)
    last = next(reversed(terms.values()), None)
    if one.fields.get("from") is not None:
        start = read_moment(one.kind, one.id, "from", one.fields["from"], context.zone)
        earlier = [row for began, row in terms.items() if began is None or began <= start]
        base = earlier[-1] if earlier else last
        if one.fields.get("withdrawn") and start not in terms:
            raise EntryError("nothing begins then that could be withdrawn", one.kind, one.id, "from")
        return _over(one, base, start, context, system), base
    if last is None:
        return _over(one, None, None, context, system), None
    thing = _over(one, last, last.valid_from, context, system)
    if (
        correct
        or thing == last.thing()
        or thing.withdrawn
        or (last.valid_from is not None and last.valid_from >= since)
    ):
        return thing, last
    return _over(one, last, since, context, system), last


def _over(one: Said, base: KeptEdition | None, start: int | None, context: Context, system: System) -> Thing:
    """Return an entry as an edition from `start` on, with what it leaves out as it was in another edition."""
    given = dict(one.fields)
    kept: dict[str, Any] = plain(base.thing()) if base else {}
    for name in ("kind", "id", "from", "withdrawn"):
        kept.pop(name, None)
    until = kept.pop("until", None)
    if "from" in given and base is not None and base.valid_from != start:
        until = None  # that was another edition's end
    elif until is not None:
        kept["until"] = dt.datetime.fromtimestamp(until, context.zone)
    said = given.pop("properties", None)
    if said is not None and not isinstance(said, Mapping):
        problem = f"properties = {reprlib.repr(said)}: expected a table of what the kind asks for"
        raise EntryError(problem, one.kind, one.id, "properties")
    properties = kept.pop("properties", {}) | (said or {})
    # A geometry that is kept is in WGS-84 already.
    system = system if given.get("geometry") is not None else "wgs84"
    fields = kept | given | {"properties": properties}
    fields["from"] = None if start is None else dt.datetime.fromtimestamp(start, context.zone)
    return check_fields(one.kind, one.id, fields, context.kinds, context.zone, system)


def _add(
    store: ThingStore,
    thing: Thing,
    base: KeptEdition | None,
    said: Said | None,
    known: Mapping[tuple[str, str], Sequence[KeptEdition]],
    origin: Origin,
    *,
    dry_run: bool,
) -> Change:
    before = plain(base.thing()) if base else {}
    after = plain(thing)
    if dry_run:
        number = max((row.number for row in known.get((thing.kind, thing.id), ())), default=0) + 1
    else:
        number = store.add(thing, *origin)
    if thing.withdrawn:
        what = "withdrawn"
    elif base is None:
        what = "added"
    elif said is None:
        what = "ended"
    else:
        what = "corrected" if base.valid_from == thing.from_ else "changed"
    names = [name for name in before | after if before.get(name) != after.get(name)]
    return Change(thing.kind, thing.id, what, number, {name: (before.get(name), after.get(name)) for name in names})


def _ended(rows: Sequence[KeptEdition], since: int) -> list[tuple[Thing, KeptEdition]]:
    """Return the editions that end a thing: the one that holds ends now, those to come are withdrawn."""
    found = []
    for start, row in standing(rows).items():
        thing = row.thing()
        if start is not None and start >= since:
            found.append((msgspec.structs.replace(thing, withdrawn=True), row))
        elif row.valid_until is None or row.valid_until > since:
            found.append((msgspec.structs.replace(thing, until=since), row))
    return found
