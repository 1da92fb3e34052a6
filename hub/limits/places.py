"""The registry as the judging engine sees it: what limits ask of each board's site, and which boards stand together."""

import datetime as dt
from collections.abc import Mapping
from functools import lru_cache

from hub.judge import Background, Instrument, Place
from hub.judge.boards import NEVER
from hub.registry.instruments import instrument_for, uncertainty_of
from hub.registry.live import City, District, Registry, Site, Terminal
from schemas import jurisdictions_of

COUNTRY = "CN"
"""Where a city lies that does not say."""


class Places:
    """The sites of a registry's boards, stations and terminals (`hub.judge.boards.Sites`)."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        boards: dict[str, list[str]] = {}
        for sender in registry.senders():
            boards.setdefault(sender.site, []).append(sender.id)
        self._boards = {site: tuple(sorted(devices)) for site, devices in boards.items()}
        self._place = lru_cache(4096)(self._place_of)
        self.starting = lru_cache(4096)(self._starting_of)
        """See `hub.judge.boards.Sites`."""
        self.instrument = lru_cache(4096)(self._instrument_of)
        """See `hub.judge.boards.Sites`."""
        self.backgrounds = lru_cache(4096)(self._backgrounds_of)
        """See `hub.judge.boards.Sites`."""
        self._referring: dict[str, list[str]] = {}
        for sender in registry.senders():
            measuring = [self.reference(sender.id), *(one.board for one in self.backgrounds(sender.id))]
            for board in dict.fromkeys(filter(None, measuring)):
                self._referring.setdefault(board, []).append(sender.id)

    def site(self, device: str) -> Site | None:
        """Return a board's site; None: the board is not registered."""
        board = self._registry.sender(device)
        return self._registry.sites.get(board.site) if board else None

    def group(self, device: str) -> str:
        """Return what the boards of a site have in common: its id; of a board that is not registered, its own."""
        board = self._registry.sender(device)
        return board.site if board else device

    def place(self, device: str) -> Place | None:
        """See `hub.judge.boards.Sites`."""
        board = self._registry.sender(device)
        return self._place(board.site) if board else None

    def neighbours(self, device: str) -> tuple[str, ...]:
        """See `hub.judge.boards.Sites`."""
        board = self._registry.sender(device)
        return self._boards[board.site] if board else (device,)

    def reference(self, device: str) -> str | None:
        """See `hub.judge.boards.Sites`."""
        site = self.site(device)
        if site is None:
            return None
        district = self._registry.named_districts.get(site.district)
        found = site.reference or (district.reference if district else None)
        return found if found and found != device and self._registry.sender(found) else None

    def referring(self, device: str) -> tuple[str, ...]:
        """See `hub.judge.boards.Sites`."""
        return tuple(self._referring.get(device, ()))

    def _backgrounds_of(self, device: str) -> tuple[Background, ...]:
        site = self.site(device)
        return tuple(
            Background(
                "laeq",
                one.level,
                _second(one.from_, 0),
                _second(one.since or one.from_, 0),
                _second(one.until, NEVER),
                one.board or "",
            )
            for one in (site.background if site else ())
            if one.board is None or self._registry.sender(one.board)
        )

    def _starting_of(self, device: str) -> tuple[tuple[int, int], ...]:
        site = self.site(device)
        declared = site.operation if site else ()
        return tuple((int(one.from_.timestamp()), int(one.to.timestamp())) for one in declared)

    def _instrument_of(self, device: str, quantity: str) -> Instrument:
        sender, site = self._registry.sender(device), self.site(device)
        if sender is None or site is None or isinstance(sender, Terminal):
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

    def _place_of(self, site_id: str) -> Place:
        registry = self._registry
        return place_of(registry.sites[site_id], registry.named_districts, registry.cities)


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
