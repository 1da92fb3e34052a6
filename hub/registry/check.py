"""Checks what stands in a registry, whole: each mistake is told by the entry's id, the field and what was expected."""

import datetime as dt
import difflib
import ipaddress
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from hub.config.names import EXPECTED as EXPECTED_NAME
from hub.config.names import is_own
from hub.registry.entries import (
    KINDS,
    SENDERS,
    Background,
    Badge,
    Board,
    City,
    Contact,
    District,
    Earlier,
    Instrument,
    NightWork,
    Node,
    Operation,
    Sender,
    Site,
    Station,
    Terminal,
)
from hub.registry.instruments import check_instruments
from schemas import jurisdictions_of, site_properties
from schemas.domains import site_kinds
from schemas.faults import Place

ID = "1 to 32 of a-z, 0-9 and -"
TIME = "a date and time such as 2026-12-01T22:00"
DAY = "a date such as 2026-12-01"
NAME = "a name, in quotes"
SIM = "the number of its SIM card in quotes, 6 to 20 digits"
POSITION = "[latitude, longitude] in degrees (WGS-84), such as [22.5431, 114.0579]"
DRIVERS = Path(__file__).parents[2] / "edge" / "drivers"
"""The boards' drivers, one file for each, where they are installed beside the hub."""
EXPECTED = {
    "id": ID,
    "city": ID,
    "district": ID,
    "site": ID,
    "en": NAME,
    "zh": NAME,
    "zone_class": "one of 0, 1, 2, 3, 4, 4a and 4b, in quotes",
    "position": POSITION,
    "contacts": 'a list such as [{role = "site manager", phone = "+86 20 0000 0000"}]',
    "role": "what the contact is for the site, such as site manager",
    "name": NAME,
    "phone": "a phone number, in quotes",
    "email": "an address for e-mail, in quotes",
    "night_work": 'a list such as [{from = 2026-12-01T22:00:00, to = 2026-12-02T06:00:00, permit = "2026-118"}]',
    "background": "a list such as [{level = 52.4, from = 2026-11-20T12:00:00, to = 2026-11-20T12:20:00, "
    'confirmed = "officer-2"}]',
    "level": "a level in dB(A)",
    "board": "the id of a board or station",
    "confirmed": "who confirms that the site was at rest, in quotes",
    "since": TIME,
    "until": TIME,
    "reference": "the id of a board or station",
    "outline": "a GeoJSON file beside the registry, in quotes",
    "from": TIME,
    "to": TIME,
    "permit": "the permit's number, in quotes",
    "sensors": 'a list of driver names such as ["plantower", "modbus"]',
    "installed": DAY,
    "calibration_due": DAY,
    "retired": DAY,
    "earlier": 'a list such as [{site = "old-pit", until = 2026-12-01T08:00:00}], the oldest first',
    "mn": "the number of its equipment (MN) in quotes: 1 to 32 letters, digits, _ and -",
    "profile": "the name of a profile in quotes: a to z, 0 to 9 and _",
    "addresses": 'a list of addresses or networks such as ["10.8.0.7", "10.9.0.0/16"]',
    "number": "the number that it sends, in quotes: 6 to 20 digits",
    "eui": "its DevEUI in quotes: 16 hexadecimal digits",
    "codec": "decentlab or milesight",
    "empty_mm": "what its sensor measures when the bin is empty, in mm",
    "full_mm": "what its sensor measures when the bin is full, in mm",
    "plate": "the plate of its vehicle, in quotes",
    "note": "a text, in quotes",
    "jurisdiction": "a code such as CN or CN-GD, or its name",
    "decision": "simple, guarded_acceptance or guarded_rejection",
    "instruments": 'a list such as [{of = "noise", class = "class_1", uncertainty = "1.4", source = "certificate 17"}]',
    "of": "a quantity such as pm10, or a family such as noise",
    "class": "type_approved, class_1, class_2 or indicative",
    "uncertainty": 'the expanded uncertainty (k = 2) in quotes: "1.4" in the quantity\'s unit, or "25 %"',
    "source": "where it is from, in quotes",
    "operation": 'a list such as [{state = "starting", from = 2026-12-01T05:00:00, to = 2026-12-01T09:00:00, '
    'confirmed = "officer-2"}]',
    "state": "starting, stopping or stopped",
    "properties": 'a table such as {phase = "earthworks"}',
}
TYPES: dict[str, type[City | District | Site | Sender]] = {
    "city": City,
    "district": District,
    "site": Site,
    "board": Board,
    "station": Station,
    "terminal": Terminal,
    "node": Node,
    "badge": Badge,
}

T = TypeVar("T", City, District, Site, Board, Station, Terminal, Node, Badge)


class EntryError(Exception):
    """A mistake in one entry (`kind`, `id`) and `field`, or, without them, in the registry as a whole.

    `number`: which of its kind an entry without an id is, from 0 on.
    """

    def __init__(
        self, problem: str, kind: str = "", id_: str = "", field: str = "", number: tuple[str, int] | None = None
    ) -> None:
        super().__init__(f"{kind} {id_!r}: {problem}" if kind else problem)
        self.problem = problem
        self.kind = kind
        self.id = id_
        self.field = field
        self.number = number

    def place(self, raw: Mapping[str, Any]) -> Place:
        """Return where in the registry's file, as TOML reads it, the mistake is."""
        entries = raw.get(self.kind) if self.kind else None
        number = next(
            (n for n, one in enumerate(entries if isinstance(entries, list) else ()) if _id_of(one) == self.id), None
        )
        at: Place = self.number or (() if number is None else (self.kind, number))
        return (*at, self.field) if self.field else at


class Entries(msgspec.Struct, frozen=True):
    """A registry's entries by id, checked, and its local time zone."""

    cities: dict[str, City]
    districts: dict[str, District]
    sites: dict[str, Site]
    boards: dict[str, Board]
    zone: ZoneInfo
    stations: dict[str, Station] = {}
    terminals: dict[str, Terminal] = {}
    nodes: dict[str, Node] = {}
    badges: dict[str, Badge] = {}

    def plain(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Return the entries as TOML knows them, by kind and id; what is equal in them means the same."""
        senders: tuple[dict[str, Any], ...] = (self.boards, self.stations, self.terminals, self.nodes, self.badges)
        tables: tuple[dict[str, Any], ...] = (self.cities, self.districts, self.sites, *senders)
        dates = (dt.date, dt.datetime)
        return {
            kind: {id_: _lists(msgspec.to_builtins(entry, builtin_types=dates)) for id_, entry in table.items()}
            for kind, table in zip(KINDS, tables, strict=True)
        }


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    city: list[City] = []
    district: list[District] = []
    site: list[Site] = []
    board: list[Board] = []
    station: list[Station] = []
    terminal: list[Terminal] = []
    node: list[Node] = []
    badge: list[Badge] = []
    timezone: str = "Asia/Shanghai"


_Packed = tuple[
    list[City], list[District], list[Site], list[Board], list[Station], list[Terminal], list[Node], list[Badge], str
]


def _id_of(entry: object) -> str | None:
    return str(entry.get("id")) if isinstance(entry, dict) else None


def check(raw: dict[str, Any]) -> Entries:
    """Return the entries that the content of a ``registry.toml`` describes. Clears `raw` to save memory.

    Raises:
        EntryError: something in it is wrong.
    """
    file = _pack(_checked(raw))
    raw.clear()
    return _unpack(file)


def _checked(raw: dict[str, Any]) -> Entries:
    for table in (table for kind in ("site", *SENDERS) for table in _tables(raw, kind)):
        _read_times(table)
    try:
        file = msgspec.convert(raw, _File)
    except msgspec.ValidationError as error:
        raise _explain(str(error), raw) from None
    _refuse_controls(raw)
    zone = _zone(file.timezone)
    cities, districts = _by_id("city", file.city), _by_id("district", file.district)
    sites, boards = _by_id("site", file.site), _by_id("board", file.board)
    for city in file.city:
        _check_city(city)
    for district in file.district:
        _check_name("district", district.id)
        if district.city not in cities:
            raise EntryError(_missing("city", district.city), "district", district.id, "city")
    for site in file.site:
        _check_name("site", site.id)
        if is_own(site.district):
            raise EntryError(_TAKEN.format(name=site.district), "site", site.id, "district")
        if districts and site.district not in districts:
            raise EntryError(_missing("district", site.district), "site", site.id, "district")
        _check_site(site, zone)
    stations, terminals = _by_id("station", file.station), _by_id("terminal", file.terminal)
    nodes, badges = _by_id("node", file.node), _by_id("badge", file.badge)
    senders: dict[str, Mapping[str, Sender]]
    senders = {"board": boards, "station": stations, "terminal": terminals, "node": nodes, "badge": badges}
    _check_senders(senders, sites, zone)
    _check_references(file, {id_: one for table in senders.values() for id_, one in table.items()})
    return Entries(cities, districts, sites, boards, zone, stations, terminals, nodes, badges)


def _check_references(file: _File, senders: Mapping[str, Sender]) -> None:
    found = [("district", one.id, one.reference) for one in file.district]
    found += [("site", one.id, one.reference) for one in file.site]
    for kind, id_, reference in found:
        if reference is not None and reference not in senders:
            raise EntryError(_missing("board", reference), kind, id_, "reference")
    for site in file.site:
        for board in filter(None, (one.board for one in site.background)):
            if board not in senders:
                raise EntryError(f"background: {_missing('board', board)}", "site", site.id, "background")
            if senders[board].site == site.id:
                problem = f"background: board {board!r} stands at the site itself and hears it; name one elsewhere"
                raise EntryError(problem, "site", site.id, "background")


def _pack(entries: Entries) -> bytes:
    """Return the entries in one piece: where they lie now, TOML's reader left holes of twice their own size."""
    senders = entries.boards, entries.stations, entries.terminals, entries.nodes, entries.badges
    tables: tuple[dict[str, Any], ...] = (entries.cities, entries.districts, entries.sites, *senders)
    return msgspec.json.encode([*(list(table.values()) for table in tables), str(entries.zone)])


def _unpack(packed: bytes) -> Entries:
    """Return the entries, side by side, and with what many boards share only once."""
    cities, districts, sites, boards, stations, terminals, nodes, badges, zone = msgspec.json.decode(
        packed, type=_Packed
    )
    entries = Entries(
        _by_id("city", cities),
        _by_id("district", districts),
        _by_id("site", sites),
        {},
        ZoneInfo(zone),
        _by_id("station", stations),
        _by_id("terminal", terminals),
        _by_id("node", nodes),
        _by_id("badge", badges),
    )
    shared: dict[object, object] = {}
    for board in boards:
        msgspec.structs.force_setattr(board, "site", entries.sites[board.site].id)
        for field in ("sensors", "installed", "calibration_due", "retired", "note", "instruments"):
            value = getattr(board, field)
            if value:
                msgspec.structs.force_setattr(board, field, shared.setdefault(value, value))
        entries.boards[board.id] = board
    return entries


def check_entry(kind: str, entry: dict[str, Any], zone: ZoneInfo) -> None:
    """Check one entry by itself, without what it refers to.

    Raises:
        EntryError: a field of it is wrong.
    """
    _read_times(entry)
    try:
        found = msgspec.convert(entry, TYPES[kind])
    except msgspec.ValidationError as error:
        text = str(error)
        text = text.replace("`$", f"`$.{kind}[0]", 1) if " - at `$" in text else f"{text} - at `$.{kind}[0]`"
        raise _explain(text, {kind: [entry]}) from None
    if isinstance(found, District | Site | Sender):
        _check_name(kind, found.id)
    _refuse_control(kind, entry)
    if isinstance(found, Site):
        _check_site(found, zone)
    if isinstance(found, Board):
        check_sensors(found.id, found.sensors)
    if isinstance(found, Board | Station):
        _check_instruments(found)
    if isinstance(found, Node):
        _check_levels(found)
    if isinstance(found, Sender):
        _check_stays(found, zone)


def _check_stays(sender: Sender, zone: ZoneInfo) -> None:
    """Check that what is said of a sender's places follows one upon the other."""
    _local_times(sender, ("since",), zone)
    before: dt.datetime | None = None
    problem = ""
    for one in sender.earlier:
        _local_times(one, ("from_", "until"), zone)
        begins = one.from_ or before
        if before is not None and begins is not None and begins < before:
            problem = f"at {one.site!r} from = {begins}: it was elsewhere until {before}; expected the oldest first"
        elif begins is not None and one.until <= begins:
            problem = f"at {one.site!r} until = {one.until}: expected a time later than {begins}, when it came there"
        before = one.until
    if not problem and before is not None and sender.since is not None and sender.since < before:
        problem = f"it was at {sender.earlier[-1].site!r} until {before}: expected 'since' = {sender.since} to be later"
    if problem:
        raise EntryError(f"earlier: {problem}", type(sender).__name__.lower(), sender.id, "earlier")


def _check_instruments(sender: Board | Station) -> None:
    try:
        check_instruments(sender.instruments)
    except ValueError as error:
        kind = type(sender).__name__.lower()
        raise EntryError(f"instruments: {error}", kind, sender.id, "instruments") from None


@cache
def _drivers(folder: Path) -> list[str]:
    return sorted(file.stem for file in folder.glob("*.py") if "\nclass Driver" in file.read_text("utf-8"))


def check_sensors(board: str, sensors: Iterable[str]) -> None:
    """Check what is written of a board's sensors: that there are such drivers, where this machine has them.

    Raises:
        EntryError: there is none of such a name.
    """
    known = _drivers(DRIVERS)
    for name in sensors:
        if known and name not in known:
            near = difflib.get_close_matches(name, known, 1)
            told = f"did you mean {near[0]!r}?" if near else f"expected one of: {', '.join(known)}"
            raise EntryError(f"sensors: there is no driver {name!r}; {told}", "board", board, "sensors")


MOST_CHARACTERS = 10_000
"""Of a text: what is longer is no note on a board, and would be carried about with each change."""
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""What no name has, and what makes a text look like another one: in a message to people, on a screen, in a URL."""


def _refuse_controls(raw: dict[str, Any]) -> None:
    for kind in KINDS:
        for table in _tables(raw, kind):
            _refuse_control(kind, table)


def _refuse_control(kind: str, entry: dict[str, Any]) -> None:
    for field, value in entry.items():
        parts: list[Any] = [value]
        while parts:
            part = parts.pop()
            if isinstance(part, dict):
                parts += part.values()
            elif isinstance(part, (list, tuple)):
                parts += part
            elif isinstance(part, str):
                if len(part) > MOST_CHARACTERS:
                    problem = f"{field}: has {len(part)} characters; expected {MOST_CHARACTERS} at most, shorten it"
                    raise EntryError(problem, kind, str(entry.get("id", ""))[:32], field)
                found = _CONTROL.search(part) or (field != "note" and re.search(r"[\t\n]", part))
                if found:
                    problem = f"{field}: holds the control character U+{ord(found[0]):04X}; take it out"
                    raise EntryError(problem, kind, str(entry.get("id", "")), field)


def _lists(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _lists(part) for key, part in value.items()}
    return [_lists(part) for part in value] if isinstance(value, (list, tuple)) else value


def _tables(raw: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    tables = raw.get(kind)
    return [table for table in tables if isinstance(table, dict)] if isinstance(tables, list) else []


def _read_times(entry: dict[str, Any]) -> None:
    """Turn ISO 8601 texts of permits, stays and so on into times: msgspec takes only those with seconds and offset."""
    found = [entry.get(field) for field in ("night_work", "background", "operation", "earlier")]
    for one in [entry, *(one for some in found if isinstance(some, list) for one in some)]:
        for end in ("from", "to", "since", "until"):
            if isinstance(one, dict) and isinstance(one.get(end), str):
                try:
                    one[end] = dt.datetime.fromisoformat(one[end])
                except ValueError:
                    continue  # msgspec refuses it and says where it stands


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise EntryError(f"timezone = {name!r} is not an IANA zone such as Asia/Shanghai") from None


def _by_id(kind: str, entries: list[T]) -> dict[str, T]:
    found = {entry.id: entry for entry in entries}
    if len(found) < len(entries):
        twice = Counter(entry.id for entry in entries).most_common(1)[0][0]
        raise EntryError(f"stands there twice; give each {kind} an id of its own", kind, twice, "id")
    return found


def _missing(kind: str, id_: str) -> str:
    return f"there is no {kind} {id_!r}; add it or mend the name"


def _check_city(city: City) -> None:
    try:
        jurisdictions_of(city.jurisdiction)
    except LookupError as error:
        problem = f"jurisdiction = {city.jurisdiction!r}: {error.args[0]}"
        raise EntryError(problem, "city", city.id, "jurisdiction") from None


def _check_site(site: Site, zone: ZoneInfo) -> None:
    if site.kind not in site_kinds():
        raise EntryError(f"kind = {site.kind!r}: expected {_kinds()}", "site", site.id, "kind")
    _check_properties(site)
    if site.position is not None:
        _check_position(site, *site.position)
    for contact in site.contacts:
        if not (contact.phone or contact.email):
            problem = f"contacts: {contact.role!r} has neither phone nor email; give one of them"
            raise EntryError(problem, "site", site.id, "contacts")
    for level in site.background:
        _check_background(site, level, zone)
    _check_permits(site, zone)
    for one in site.operation:
        _local_times(one, ("from_", "to"), zone)
        if one.to <= one.from_:
            problem = f"operation: to = {one.to}: expected a time later than from = {one.from_}"
            raise EntryError(problem, "site", site.id, "operation")


def _local_times(entry: msgspec.Struct, fields: Iterable[str], zone: ZoneInfo) -> None:
    """Take times without an offset for local ones."""
    for field in fields:
        when = getattr(entry, field)
        if when is not None and when.tzinfo is None:
            msgspec.structs.force_setattr(entry, field, when.replace(tzinfo=zone))


def _check_permits(site: Site, zone: ZoneInfo) -> None:
    for permit in site.night_work:
        _local_times(permit, ("from_", "to"), zone)
        if permit.to <= permit.from_:
            problem = f"night_work: permit {permit.permit!r} ends before it begins; expected 'to' later than 'from'"
            raise EntryError(problem, "site", site.id, "night_work")


def _check_properties(site: Site) -> None:
    known = site_properties()
    for name, value in site.properties.items():
        allowed = known[name].values if name in known else ()
        if value not in allowed:
            near = f"one of: {', '.join(allowed)}" if allowed else f"one of the properties {', '.join(known)}"
            problem = f"properties: {name} = {value!r}: expected {near}"
            raise EntryError(problem, "site", site.id, "properties")


def _kinds() -> str:
    *others, last = site_kinds()
    return f"{', '.join(others)} or {last}" if others else last


def _check_background(site: Site, one: Background, zone: ZoneInfo) -> None:
    _local_times(one, ("from_", "to", "since", "until"), zone)
    measured = {"level": one.level, "from": one.from_, "to": one.to}
    since = one.since or one.from_
    problem = ""
    if one.board is not None:
        if given := [name for name, value in measured.items() if value is not None]:
            problem = f"board = {one.board!r} measures it all the time; leave out {' and '.join(given)}"
    elif missing := next((name for name, value in measured.items() if value is None), ""):
        problem = f"{missing} is missing; expected {EXPECTED[missing]}"
        if missing == "level":
            problem += f", or board = {EXPECTED['board']} elsewhere that measures it"
    elif one.from_ and one.to and one.to <= one.from_:
        problem = f"to = {one.to}: expected a time later than from = {one.from_}"
    elif one.level is not None and not 0 < one.level < 150:
        problem = f"level = {one.level:g}: expected {EXPECTED['level']}"
    if not problem and since is not None and one.until is not None and one.until <= since:
        problem = f"until = {one.until}: expected a time later than that from which on it holds"
    if problem:
        raise EntryError(f"background: {problem}", "site", site.id, "background")


def _check_position(site: Site, latitude: float, longitude: float) -> None:
    told = f"position = [{latitude}, {longitude}]"
    if abs(latitude) > 90 >= abs(longitude) and abs(latitude) <= 180:
        problem = f"{told} looks swapped; expected {POSITION}"
    elif not (abs(latitude) <= 90 and abs(longitude) <= 180):  # said so that a NaN is refused, too
        problem = f"{told} is not on Earth; expected {POSITION}"
    elif latitude == longitude == 0:
        problem = f"{told} is what a receiver without a fix gives; expected {POSITION}, or leave it out"
    else:
        return
    raise EntryError(problem, "site", site.id, "position")


def _check_senders(by_kind: Mapping[str, Mapping[str, Sender]], sites: dict[str, Site], zone: ZoneInfo) -> None:
    """Check what sends: its site, and that its id and the number by which it is known are its own."""
    ids: dict[str, str] = {}
    numbers: dict[tuple[str, str], str] = {}
    for kind, senders in by_kind.items():
        for id_, sender in senders.items():
            _check_name(kind, id_)
            if sender.site not in sites:
                raise EntryError(_missing("site", sender.site), kind, id_, "site")
            for one in sender.earlier:
                if one.site not in sites:
                    problem = f"{_missing('site', one.site)}; a site stays in the registry while something was there"
                    raise EntryError(f"earlier: {problem}", kind, id_, "earlier")
            _check_stays(sender, zone)
            if id_ in ids:
                raise EntryError(f"a {ids[id_]} has that id, too; give each an id of its own", kind, id_, "id")
            ids[id_] = kind
            _check_own(sender)
            number = _number(sender)
            if number is not None and (other := numbers.setdefault(number, id_)) != id_:
                field, value = number
                problem = f"{field} = {value!r} is that of {kind} {other!r}, too; each is known by a number of its own"
                raise EntryError(problem, kind, id_, field)


def _check_own(sender: Sender) -> None:
    """Check what only senders of a kind have."""
    if isinstance(sender, Board | Station):
        _check_instruments(sender)
    if isinstance(sender, Station):
        _check_addresses(sender)
    if isinstance(sender, Node):
        _check_levels(sender)


def _check_addresses(station: Station) -> None:
    for text in station.addresses:
        try:
            ipaddress.ip_network(text)
        except ValueError as error:
            problem = f"addresses: {text!r}: {error}; expected {EXPECTED['addresses']}"
            raise EntryError(problem, "station", station.id, "addresses") from None


def _check_levels(node: Node) -> None:
    """Check that the levels of an empty and a full bin are both there, or none, and the right way round."""
    given = node.empty_mm, node.full_mm
    problem = ""
    if given.count(None) == 1:
        field = "empty_mm" if node.empty_mm is None else "full_mm"
        problem = f"{field} is missing; expected {EXPECTED[field]}, or neither of the two"
    elif node.empty_mm is not None and node.full_mm is not None and node.empty_mm <= node.full_mm:
        problem = f"empty_mm = {node.empty_mm:g}: expected more than full_mm = {node.full_mm:g}: the sensor looks down"
    if problem:
        raise EntryError(problem, "node", node.id, "empty_mm")


def _number(sender: Sender) -> tuple[str, str] | None:
    """Return the field and the value by which a channel knows a sender; of a board it is the id."""
    if isinstance(sender, Station):
        return "mn", sender.mn
    if isinstance(sender, Node):
        return "eui", sender.eui.lower()
    if isinstance(sender, Badge):
        return "number", sender.number.lstrip("0")
    return ("phone", sender.phone.lstrip("0")) if isinstance(sender, Terminal) else None


_TAKEN = f"{{name!r}} is a name of the deployment's own; choose another, {EXPECTED_NAME}"


def _check_name(kind: str, id_: str) -> None:
    if is_own(id_):
        raise EntryError(_TAKEN.format(name=id_), kind, id_, "id")


_WHERE = re.compile(r"(.*?)(?: - at `\$\.?(.*?)`)?\Z", re.DOTALL)


def _explain(told: str, raw: dict[str, Any]) -> EntryError:
    """Turn what msgspec says (``... - at `$.site[3].kind```) into the entry's own name, the value and the remedy."""
    match = _WHERE.fullmatch(told)
    what, where = (match[1], match[2] or "") if match else (told, "")
    entry = re.fullmatch(r"(\w+)\[(\d+)\]\.?(.*)", where)
    if not entry or entry[1] not in KINDS:
        unknown = re.search(r"unknown field `(.*?)`", what)
        return EntryError(_of_the_file(what, where), field=unknown[1] if unknown else where)
    kind, number, path = entry[1], int(entry[2]), entry[3]
    value: Any = raw[kind][number]
    id_ = value.get("id") if isinstance(value, dict) else None
    field, error = _field_problem(what, path, value, kind)
    if id_ is None:
        return EntryError(f"{kind} number {number + 1}: {error}", number=(kind, number))
    return EntryError(error, kind, str(id_), field)


def _of_the_file(what: str, where: str) -> str:
    unknown = re.search(r"unknown field `(.*?)`", what)
    if unknown:
        return f"there is no table or key {unknown[1]!r} here{_near(unknown[1], [*KINDS, 'timezone'])}"
    return f"{where}: {what}; expected [[{where}]] tables" if where in KINDS else f"{where}: {what}"


def _field_problem(what: str, path: str, value: Any, kind: str) -> tuple[str, str]:
    """Return the name of the wrong field and what is wrong with it."""
    for step in re.findall(r"\w+", path):
        value = value[int(step)] if isinstance(value, list) else value[step]
    names = re.findall(r"[a-z_]+", path)
    place = path + "." if path else ""
    unknown = re.search(r"unknown field `(.*?)`", what)
    if unknown:
        fields = _fields(kind, names[0] if names else "")
        return unknown[1], f"there is no field '{place}{unknown[1]}'{_near(unknown[1], fields)}"
    missing = re.search(r"missing required field `(.*?)`", what)
    if missing:
        return names[0] if names else missing[
            1
        ], f"{place}{missing[1]} is missing; expected {_expected(kind, missing[1])}"
    if not names:
        return "", f"{what}; expected a table"
    shown = str(value) if isinstance(value, (dt.date, dt.datetime)) else repr(value)
    return names[0], f"{path} = {shown}: expected {_expected(kind, names[-1])}"


def _expected(kind: str, field: str) -> str:
    if field == "kind":
        return _kinds()
    return SIM if (kind, field) == ("terminal", "phone") else EXPECTED[field]


def _fields(kind: str, inner: str) -> list[str]:
    of: Callable[[Any], tuple[Any, ...]] = msgspec.structs.fields
    inside = {"background": Background, "contacts": Contact, "night_work": NightWork, "instruments": Instrument}
    inside |= {"operation": Operation, "earlier": Earlier}
    struct: Any = inside.get(inner, TYPES[kind])
    return [field.encode_name for field in of(struct)]


def _near(name: str, names: list[str]) -> str:
    near = difflib.get_close_matches(name, names, 1)
    return f"; did you mean {near[0]!r}?" if near else f"; expected one of: {', '.join(names)}"
