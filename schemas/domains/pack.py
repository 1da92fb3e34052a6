"""The packs in use, and what they declare together.

Each file of a pack is read when something of it is asked for.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, TypeVar

from schemas.domains.entries import (
    Boards,
    Dashboard,
    Manifest,
    MarkKind,
    Marks,
    Names,
    PropertyEntry,
    Rule,
    Rules,
    Scenario,
    Sensors,
    SiteKind,
    ThingKind,
    Things,
)
from schemas.domains.faults import Faults, read
from schemas.domains.folders import MANIFEST, in_use
from schemas.errors import CatalogueError
from schemas.language import Text

FAMILIES = ("noise", "dust", "gas", "weather", "device")
"""The families of quantities that all share; packs declare the others."""

T = TypeVar("T")
Titles = dict[str, dict[str, Names]]
"""Texts by table and name, as in ``dashboards/texts.toml``."""


class Pack:
    """One pack. What is asked of it raises CatalogueError when the file that says it is wrong."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def id(self) -> str:
        """Its id: the name of its folder."""
        return self.folder.name

    @cached_property
    def manifest(self) -> Manifest:
        """What ``pack.toml`` says."""
        path = self.folder / MANIFEST
        found = self._read(MANIFEST, Manifest)
        if found is None or found.id != self.id:
            said = found.id if found else None
            raise CatalogueError(f"{path}: id = {said!r}: expected {self.id!r}, the name of its folder")
        return found

    @cached_property
    def things(self) -> dict[str, ThingKind]:
        """Its kinds of things by name."""
        found = self._read("things.toml", Things)
        return found.thing if found else {}

    @cached_property
    def marks(self) -> Marks | None:
        """For what reasons data may be marked as invalid by those who are watched."""
        return self._read("marks.toml", Marks)

    @cached_property
    def rules(self) -> dict[str, Rule]:
        """Its rules by id."""
        rules: dict[str, Rule] = {}
        for path in sorted((self.folder / "rules").glob("*.toml")):
            found = self._read(f"rules/{path.name}", Rules)
            for rule in found.rule if found else ():
                if rule.id in rules:
                    raise CatalogueError(f"{path}: rule {rule.id!r} stands there twice; give each an id of its own")
                rules[rule.id] = rule
        return rules

    @cached_property
    def sensors(self) -> dict[str, dict[str, object]]:
        """Its templates of sensors by name."""
        found = self._read("sensors.toml", Sensors)
        return found.sensor if found else {}

    @cached_property
    def boards(self) -> dict[str, Any]:
        """How boards at its sites are to work, by key of a board's configuration."""
        found = self._read("boards.toml", Boards)
        return dict(found.board) if found else {}

    @cached_property
    def dashboard(self) -> Dashboard | None:
        """What a site of it shows."""
        return self._read("panels.toml", Dashboard)

    @cached_property
    def texts(self) -> Titles:
        """Texts of its panels."""
        return self._read("texts.toml", Titles) or {}

    @cached_property
    def scenario(self) -> Scenario:
        """Its simulated sites and their days."""
        return self._read("scenario.toml", Scenario) or Scenario({})

    def _read(self, name: str, type_: type[T]) -> T | None:
        """Return what a file of the pack says; None: there is none."""
        path = self.folder / name
        if name != MANIFEST and not path.exists():
            return None
        faults = Faults()
        found = read(path, type_, faults)
        faults.refuse()
        return found


_tried: tuple[Pack, ...] | None = None


def packs() -> tuple[Pack, ...]:
    """Return the packs in use, in the order of their ids; those that were added come last.

    Raises:
        CatalogueError: a folder that the environment names is no pack.
    """
    return _tried or _packs(in_use())


@contextmanager
def trying(folder: Path) -> Iterator[Pack]:
    """Use a folder as a pack for a while, in place of one of its name."""
    global _tried  # noqa: PLW0603 - see `use`
    before, pack = _tried, Pack(folder)
    _tried = (*(one for one in packs() if one.id != pack.id), pack)
    try:
        yield pack
    finally:
        _tried = before


@lru_cache(8)
def _packs(folders: tuple[Path, ...]) -> tuple[Pack, ...]:
    return tuple(Pack(folder) for folder in folders)


def together(what: str, among: Iterable[Pack], of: Callable[[Pack], Mapping[str, T]]) -> dict[str, T]:
    """Return what several packs declare, by id.

    Raises:
        CatalogueError: two of them declare the same id.
    """
    found: dict[str, T] = {}
    owner: dict[str, Pack] = {}
    for pack in among:
        for id_, one in of(pack).items():
            if id_ in found:
                raise CatalogueError(
                    f"{pack.folder}: {what} {id_!r} is declared by the pack {owner[id_].id!r} already; rename it in one"
                )
            found[id_], owner[id_] = one, pack
    return found


# What is asked for with each limit of each site is put together once for a set of packs.
@lru_cache(2)
def _site_kinds(among: tuple[Pack, ...]) -> dict[str, SiteKind]:
    return together("the kind of sites", among, lambda pack: pack.manifest.kind)


def site_kinds() -> dict[str, SiteKind]:
    """Return the kinds of sites by id."""
    return _site_kinds(packs())


def properties_declared(among: Iterable[Pack]) -> dict[str, PropertyEntry]:
    """Return what packs let a limit ask of a site; what all share stands in ``schemas/properties.py``."""
    return together("the property", among, lambda pack: pack.manifest.property)


def families() -> tuple[str, ...]:
    """Return the families of quantities: those that all share first."""
    return (*FAMILIES, *together("the family", packs(), lambda pack: pack.manifest.family))


def thing_kinds() -> dict[str, ThingKind]:
    """Return the kinds of things by id."""
    return together("the kind of things", packs(), lambda pack: pack.things)


def mark_kinds() -> dict[str, MarkKind]:
    """Return the reasons for which periods may be marked as invalid, by id."""
    return together("the mark", packs(), lambda pack: pack.marks.mark if pack.marks else {})


def marked_families() -> frozenset[str]:
    """Return the families of quantities of which periods may be marked as invalid."""
    return frozenset(family for pack in packs() if pack.marks for family in pack.marks.families)


def rules() -> dict[str, Rule]:
    """Return the rules by id."""
    return together("the rule", packs(), lambda pack: pack.rules)


def sensor_templates() -> dict[str, dict[str, object]]:
    """Return the templates of sensors by name."""
    return together("the template", packs(), lambda pack: pack.sensors)


def pack_at(kind: str) -> Pack | None:
    """Return the pack that declares a kind of sites; None: none does any more."""
    return next((pack for pack in packs() if kind in pack.manifest.kind), None)


def assumed_kind() -> str | None:
    """Return the kind of sites that commands assume where nobody names one, if a pack says so."""
    return next((id_ for id_, kind in site_kinds().items() if kind.assumed), None)


def kind_name(kind: str) -> Text:
    """Return what a kind of sites is called; one that no pack declares any more is called by its id."""
    found = site_kinds().get(kind)
    return Text(found.en, found.zh) if found else Text(kind, kind)
