"""The registry as the judging engine sees it: what limits ask of each board's site, and which boards stand together."""

import datetime as dt
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from hub.judge import Background, Instrument, Place
from hub.judge.boards import NEVER, Marked
from hub.judge.permitted import PermittedLimit
from hub.registry.instruments import instrument_for, uncertainty_of
from hub.registry.live import Badge, City, District, Node, Registry, Site, Terminal
from hub.registry.stays import has_moved, sites_of
from schemas import jurisdictions_of

if TYPE_CHECKING:
    from hub.judge.stacks.permits import Permits

AT = "@"
"""Stands in a key between a board's id and the site; no id has it."""
COUNTRY = "CN"
"""Where a city lies that does not say."""


class Marks(Protocol):
    """What those who are watched have marked as invalid at their boards and stations."""

    def marked(self, device: str, quantity: str, start: int, end: int) -> tuple[Marked, ...]:
        """See `hub.judge.boards.Sites`; `device`: an id."""

    def starting(self, device: str) -> tuple[tuple[int, int], ...]:
        """Return when a plant was started or stopped by their own marks: spans of Unix s; `device`: an id."""


class Places:
    """The sites of a registry's boards, stations and terminals (`hub.judge.boards.Sites`).

    What is judged has a key: the id of a board, or, of one that has moved, for every site but its first ``ID@SITE``. So
    the windows of one site hold nothing that was measured at another, and go on when late records come. `permits`: what
    permits allow; None: of none is anything known. `marks`: what those who are watched have marked as invalid.
    """

    def __init__(self, registry: Registry, permits: "Permits | None" = None, marks: Marks | None = None) -> None:
        self._registry = registry
        self._permits = permits
        self._marks = marks
        self._first: dict[str, str] = {}  # by id of what has moved, its first site
        boards: dict[str, list[str]] = {}
        for sender in registry.senders():
            sites = sites_of(sender)
            if has_moved(sender):
                self._first[sender.id] = sites[0]
            for site in sites:
                boards.setdefault(site, []).append(self.key(sender.id, site))
        self._boards = {site: tuple(sorted(keys)) for site, keys in boards.items()}
        self._place = lru_cache(4096)(self._place_of)
        self._permitted = lru_cache(4096)(self._permitted_of)
        self._declared = lru_cache(4096)(self._declared_of)
        self.instrument = lru_cache(4096)(self._instrument_of)
        """See `hub.judge.boards.Sites`."""
        self.backgrounds = lru_cache(4096)(self._backgrounds_of)
        """See `hub.judge.boards.Sites`."""
        self._referring: dict[str, list[str]] = {}
        for keys in self._boards.values():
            for key in keys:
                measuring = [self.reference(key), *(one.board for one in self.backgrounds(key))]
                for board in dict.fromkeys(filter(None, measuring)):
                    self._referring.setdefault(board, []).append(key)

    def key(self, device: str, site: str) -> str:
        """Return by what is judged what a board measures at a site."""
        first = self._first.get(device, site)
        return device if first == site else f"{device}{AT}{site}"

    def keys(self, device: str) -> tuple[str, ...]:
        """Return by what is judged what a board has measured, at whatever site."""
        sender = self._registry.sender(device)
        return tuple(self.key(device, site) for site in sites_of(sender)) if sender else ()

    def site(self, device: str) -> Site | None:
        """Return the site that a key stands for; None: its board is not registered."""
        id_, _, site = device.partition(AT)
        board = self._registry.sender(id_)
        return self._registry.sites.get(site or self._first.get(id_, board.site)) if board else None

    def group(self, device: str) -> str:
        """Return what the boards of a site have in common: its id; of a board that is not registered, its own."""
        site = self.site(device)
        return site.id if site else device

    def place(self, device: str) -> Place | None:
        """See `hub.judge.boards.Sites`."""
        site = self.site(device)
        return self._permitted(site.id, self._ever(device)) if site else None

    def permit(self, device: str, quantity: str, t: int) -> PermittedLimit | None:
        """See `hub.judge.boards.Sites`."""
        return self._permits.at(device_of(device), quantity, t) if self._permits else None

    def permitted(self) -> dict[str, frozenset[str]]:
        """Return for which quantities permits set limits, by the keys of the boards that measure there."""
        ever = {key: self._ever(key) for keys in self._boards.values() for key in keys}
        return {key: quantities for key, quantities in ever.items() if quantities}

    def _ever(self, device: str) -> frozenset[str]:
        return self._permits.ever(device_of(device)) if self._permits else frozenset()

    def neighbours(self, device: str) -> tuple[str, ...]:
        """See `hub.judge.boards.Sites`."""
        site = self.site(device)
        # A key of a site where the registry no longer has it stands alone.
        return self._boards.get(site.id, (device,)) if site else (device,)

    def reference(self, device: str) -> str | None:
        """See `hub.judge.boards.Sites`."""
        site = self.site(device)
        if site is None:
            return None
        district = self._registry.named_districts.get(site.district)
        found = site.reference or (district.reference if district else None)
        return self._standing(found) if found and found != device_of(device) else None

    def referring(self, device: str) -> tuple[str, ...]:
        """See `hub.judge.boards.Sites`."""
        return tuple(self._referring.get(device, ()))

    def marked(self, device: str, quantity: str, start: int, end: int) -> tuple[Marked, ...]:
        """See `hub.judge.boards.Sites`."""
        return self._marks.marked(device_of(device), quantity, start, end) if self._marks else ()

    def _standing(self, id_: str) -> str | None:
        """Return the key of a board where it stands now; None: it is not registered."""
        sender = self._registry.sender(id_)
        return self.key(sender.id, sender.site) if sender else None

    def _backgrounds_of(self, device: str) -> tuple[Background, ...]:
        site = self.site(device)
        return tuple(
            Background(
                "laeq",
                one.level,
                _second(one.from_, 0),
                _second(one.since or one.from_, 0),
                _second(one.until, NEVER),
                (self._standing(one.board) if one.board else None) or "",
            )
            for one in (site.background if site else ())
            if one.board is None or self._standing(one.board)
        )

    def starting(self, device: str) -> tuple[tuple[int, int], ...]:
        """See `hub.judge.boards.Sites`."""
        marked = self._marks.starting(device_of(device)) if self._marks else ()
        return self._declared(device) + marked

    def _declared_of(self, device: str) -> tuple[tuple[int, int], ...]:
        site = self.site(device)
        declared = site.operation if site else ()
        return tuple((int(one.from_.timestamp()), int(one.to.timestamp())) for one in declared)

    def _instrument_of(self, device: str, quantity: str) -> Instrument:
        sender, site = self._registry.sender(device_of(device)), self.site(device)
        if sender is None or site is None or isinstance(sender, Terminal | Node | Badge):
            return Instrument()
        district = self._registry.named_districts.get(site.district)
        city = self._registry.cities.get(district.city) if district else None
        rule = city.decision if city else "simple"
        stated = instrument_for(sender.instruments, quantity)
        if stated is None:
            return Instrument(rule=rule)
        if stated.uncertainty is None:
            return Instrument(stated.class_, rule=rule)
        return Instrument(stated.class_, *uncertainty_of(stated.uncertainty), rule)

    def _permitted_of(self, site_id: str, quantities: frozenset[str]) -> Place:
        place = self._place(site_id)
        return place._replace(permitted=tuple(sorted(quantities))) if quantities else place

    def _place_of(self, site_id: str) -> Place:
        registry = self._registry
        return place_of(registry.sites[site_id], registry.named_districts, registry.cities)


def device_of(key: str) -> str:
    """Return the id of the board whose readings are judged by a key (`Places`)."""
    return key.partition(AT)[0]


def _second(when: dt.datetime | None, otherwise: int) -> int:
    return otherwise if when is None else int(when.timestamp())


def place_of(site: Site, districts: Mapping[str, District], cities: Mapping[str, City]) -> Place:
    """Return what limits ask of a site; the city of its district says where it lies.

    Args:
        site: the site.
        districts: those that have a name, by id.
        cities: by id.
    """
    district = districts.get(site.district)
    city = cities.get(district.city) if district else None
    where = city.jurisdiction if city else COUNTRY
    return Place(site.kind, site.zone_class, jurisdictions_of(where), tuple(sorted(site.properties.items())))
