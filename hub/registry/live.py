"""The city's registry: districts, sites, boards and the boards' keys; read whole, or refused with what is to be mended.

`registry.toml` is its one source of truth; the keys stand apart in `keys.toml`, which only its owner may read.
"""

import datetime as dt
import logging
import stat
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from hub.config.files import Config, ConfigError, read_document, read_toml
from hub.registry.check import Entries, EntryError, check
from hub.registry.entries import (
    Background,
    Badge,
    Board,
    City,
    Contact,
    District,
    Instrument,
    NightWork,
    Node,
    Sender,
    Site,
    Station,
    Terminal,
)
from hub.registry.rotated import FILE, Keys, read_rotated
from hub.registry.stays import site_at, sites_of
from schemas.faults import at
from schemas.language import Text

__all__ = [
    "Background",
    "Badge",
    "Board",
    "City",
    "Contact",
    "District",
    "Instrument",
    "LiveRegistry",
    "NightWork",
    "Node",
    "Registry",
    "Sender",
    "Site",
    "Station",
    "Terminal",
    "key_of",
    "load_entries",
    "load_registry",
    "read_keys",
]

LOOK_EVERY = 2.0
"""Least time between two looks at the files [s]."""

log = logging.getLogger("hub")


class Registry(msgspec.Struct, frozen=True):
    """What the hub knows of the city: sites and boards by id, the boards' keys, the local time zone."""

    sites: dict[str, Site]
    boards: dict[str, Board]
    keys: dict[str, bytes]
    zone: ZoneInfo
    cities: dict[str, City] = {}
    named_districts: dict[str, District] = {}
    stations: dict[str, Station] = {}
    terminals: dict[str, Terminal] = {}
    passwords: dict[str, str] = {}
    """What stations and terminals prove themselves with, by id; not every one has one."""
    ciphers: dict[str, bytes] = {}
    """SM4 keys of the stations that encrypt (HJ 212 of 2025), by id: 16 bytes each."""
    others: Keys = {}
    """Further keys that a board's messages may be sealed under just now: while its key is rotated."""
    earlier: Keys = {}
    """Keys that a board had before: what the log has from it may be sealed under them."""
    key_since: dict[str, float] = {}
    """When the key in force was first heard, Unix s, of boards whose key was rotated."""

    bases: dict[str, bytes] = {}
    """Boards' keys as keys.toml has them: what lies in the database for a board is enclosed under these."""
    nodes: dict[str, Node] = {}
    badges: dict[str, Badge] = {}

    def keys_of(self, device: str) -> tuple[bytes, ...]:
        """Return every key under which the log may have messages of a board, the one in force first."""
        key = self.keys.get(device)
        return () if key is None else (key, *self.others.get(device, ()), *self.earlier.get(device, ()))

    def sender(self, id_: str) -> Sender | None:
        """Return the board, station, terminal, node or badge of an id; None: there is none."""
        tables: tuple[Mapping[str, Sender], ...]
        tables = self.boards, self.stations, self.terminals, self.nodes, self.badges
        return next((table[id_] for table in tables if id_ in table), None)

    def senders(self) -> Iterator[Sender]:
        """Go through everything that sends: boards, stations, terminals, nodes, badges."""
        yield from self.boards.values()
        yield from self.stations.values()
        yield from self.terminals.values()
        yield from self.nodes.values()
        yield from self.badges.values()

    def site_of(self, device: str) -> Site:
        """Return the site of a registered board, station, terminal, node or badge."""
        sender = self.sender(device)
        if sender is None:
            raise KeyError(device)
        return self.sites[sender.site]

    def site_at(self, sender: Sender, t: float) -> Site | None:
        """Return the site where a sender of the registry stood at a moment, Unix s; None: at none."""
        site = site_at(sender, t)
        return None if site is None else self.sites[site]

    def places_of(self, sender: Sender) -> list[Site]:
        """Return the sites where a sender of the registry has stood, the first one first."""
        return [self.sites[site] for site in sites_of(sender)]

    def is_retired(self, device: str, day: dt.date) -> bool:
        """Tell whether a registered board counts no more on a local day."""
        retired = self.boards[device].retired
        return retired is not None and day >= retired

    def district_called(self, id_: str) -> Text:
        """Return the names of a district; the id of one that has none."""
        named = self.named_districts.get(id_)
        return Text(named.en, named.zh) if named else Text(id_, id_)

    @property
    def districts(self) -> tuple[str, ...]:
        """The ids of the districts that are named or have a site, sorted."""
        return tuple(sorted({*self.named_districts, *(site.district for site in self.sites.values())}))

    def owned(self, districts: Collection[str]) -> "Registry":
        """Return the registry with the sites and boards of these districts only; none named: with all."""
        if not districts:
            return self
        sites = {id_: site for id_, site in self.sites.items() if site.district in districts}
        boards = {id_: board for id_, board in self.boards.items() if board.site in sites}
        stations = {id_: station for id_, station in self.stations.items() if station.site in sites}
        terminals = {id_: terminal for id_, terminal in self.terminals.items() if terminal.site in sites}
        nodes = {id_: node for id_, node in self.nodes.items() if node.site in sites}
        badges = {id_: badge for id_, badge in self.badges.items() if badge.site in sites}
        named = {id_: one for id_, one in self.named_districts.items() if id_ in districts}
        return msgspec.structs.replace(
            self,
            sites=sites,
            boards=boards,
            stations=stations,
            terminals=terminals,
            nodes=nodes,
            badges=badges,
            named_districts=named,
        )

    def sites_in(self, district: str) -> Iterator[Site]:
        """Go through the sites of a district."""
        return (site for site in self.sites.values() if site.district == district)

    def boards_in(self, district: str) -> Iterator[Board]:
        """Go through the boards of a district, the retired ones, too."""
        return (board for board in self.boards.values() if self.sites[board.site].district == district)


def load_registry(config: Config) -> Registry:
    """Read the registry and the boards' keys and check that they fit each other.

    Raises:
        ConfigError: a file is missing or wrong, or the keys can be read by others than the hub's user.
    """
    entries = load_entries(config)
    keys = read_keys(config.keys, entries.boards) if entries.boards else {}
    opened = read_rotated(config.data, keys)
    others = [*entries.stations, *entries.terminals]
    return Registry(
        entries.sites,
        entries.boards,
        opened.keys,
        entries.zone,
        entries.cities,
        entries.districts,
        entries.stations,
        entries.terminals,
        read_passwords(config.keys, others) if others and config.keys.exists() else {},
        read_ciphers(config.keys, entries.stations) if entries.stations and config.keys.exists() else {},
        opened.others,
        opened.earlier,
        opened.since,
        keys,
        entries.nodes,
        entries.badges,
    )


def load_entries(config: Config) -> Entries:
    """Read the registry without its keys.

    Raises:
        ConfigError: it is missing or wrong.
    """
    try:
        entries = check(read_toml(config.registry, dict[str, Any]))
    except EntryError as error:
        raise located(config.registry, error) from error
    if (name := config.broker.client_id) in entries.boards:
        raise ConfigError(
            f"{config.registry}: board {name!r}: has the name that [broker] client_id gives the hub, and the broker "
            "lets in one of the two; choose another for one of them"
        )
    return entries


def located(path: Path, error: EntryError) -> ConfigError:
    """Return what is wrong with an entry of a registry with the line on which it stands."""
    return ConfigError(f"{at(path, error.place(read_document(path)))}: {error}")


def read_keys(path: Path, boards: dict[str, Board]) -> dict[str, bytes]:
    """Read the keys of the boards; other keys in the file are left alone. No error tells a key.

    Raises:
        ConfigError: the file is missing or wrong, a board has no key, or others than its owner can read the file.
    """
    texts = read_toml(path, dict[str, Any])
    _refuse_public(path)
    keys = {}
    for board in boards:
        if board not in texts:
            raise ConfigError(f"{path}: board {board!r} has no key; add {board} = '<64 hexadecimal digits>'")
        key = key_of(str(texts[board]))
        if key is None:
            raise ConfigError(f"{path}: the key of board {board!r} is not 64 hexadecimal digits")
        keys[board] = key
    return keys


def read_passwords(path: Path, ids: Iterable[str]) -> dict[str, str]:
    """Read what stations and terminals prove themselves with, where the file of keys has it. No error tells one.

    Raises:
        ConfigError: the file is wrong, others than its owner can read it, or a password is empty or no text.
    """
    texts = read_toml(path, dict[str, Any])
    _refuse_public(path)
    found = {}
    for id_ in ids:
        if id_ in texts:
            text = texts[id_]
            if not isinstance(text, str) or not text.strip():
                raise ConfigError(f"{path}: the password of {id_!r} is no text; write {id_} = '...', or leave it out")
            found[id_] = text
    return found


def read_ciphers(path: Path, ids: Iterable[str]) -> dict[str, bytes]:
    """Read the SM4 keys of stations, which stand in a table [sm4] of the file of keys. No error tells one.

    Raises:
        ConfigError: the file is wrong, or a key is none.
    """
    texts = read_toml(path, dict[str, Any]).get("sm4")
    if not isinstance(texts, dict):
        return {}
    found = {}
    for id_ in ids:
        if id_ in texts:
            key = cipher_of(str(texts[id_]))
            if key is None:
                raise ConfigError(
                    f"{path}: [sm4] {id_}: is no SM4 key; expected 16 characters, or 32 hexadecimal digits"
                )
            found[id_] = key
    return found


def _refuse_public(path: Path) -> None:
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(f"{path}: the boards' keys can be read by other users; run: chmod 600 {path}")


def key_of(text: str) -> bytes | None:
    """Return the key that 64 hexadecimal digits stand for, or None if they are none."""
    try:
        key = bytes.fromhex(text)
    except ValueError:
        return None
    return key if len(key) == 32 else None


def cipher_of(text: str) -> bytes | None:
    """Return the SM4 key that 16 characters or 32 hexadecimal digits stand for, or None if they are none."""
    try:
        key = bytes.fromhex(text) if len(text) == 32 else text.encode()
    except ValueError:
        return None
    return key if len(key) == 16 else None


class LiveRegistry:
    """The registry as its files say it now. `clock` gives monotonic time in s.

    Raises:
        ConfigError: at the start, the registry cannot be used.
    """

    def __init__(self, config: Config, clock: Callable[[], float] = time.monotonic) -> None:
        self._config = config
        self._clock = clock
        self._looked = clock()
        self._seen = self._signature()
        self.current = load_registry(config)
        """The last good one. It is never changed, only replaced, so any thread may take it."""
        self.problem: str | None = None
        """Why the files as they are now cannot be used."""

    def refresh(self, *, at_once: bool = False) -> bool:
        """Read the files again if they have changed; tell whether `current` is another.

        It looks every 2 s at most, or `at_once`.

        Files that cannot be used are reported once, and the last good registry stays in use.
        """
        now = self._clock()
        if now - self._looked < LOOK_EVERY and not at_once:
            return False
        self._looked = now
        signature = self._signature()
        if signature == self._seen:
            return False
        self._seen = signature  # taken before reading: what changes meanwhile is seen the next time
        try:
            self.current = load_registry(self._config)
        except ConfigError as error:
            if str(error) != self.problem:
                self.problem = str(error)
                log.error("%s; the registry in use stays the one before", error)  # noqa: TRY400
            return False
        self.problem = None
        log.info("the registry has changed: %d sites, %d boards", len(self.current.sites), len(self.current.boards))
        return True

    def _signature(self) -> tuple[object, ...]:
        return tuple(_stat(path) for path in (self._config.registry, self._config.keys, self._config.data / FILE))


def _stat(path: Path) -> tuple[int, ...] | None:
    try:
        s = path.stat()
    except OSError:
        return None
    # ctime sees a chmod, too, which alone makes keys usable or not.
    return s.st_dev, s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns
