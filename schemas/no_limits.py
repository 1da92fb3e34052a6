"""Reads ``no_limits.toml``: what has no limit on its emission, and what is limited and not measured by anything here.

So an empty answer is an answer.
"""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from schemas.catalogue import HERE, load_quantities, read_toml
from schemas.domains.pack import site_kinds
from schemas.errors import CatalogueError
from schemas.limit_entries import check_property
from schemas.standards import Verified


class NoLimit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Quantities on whose emission at sites of these kinds no standard of the catalogue sets a limit, and why."""

    kinds: tuple[str, ...]
    quantities: tuple[str, ...]
    en: str
    zh: str
    verified: Verified
    source: str
    where: dict[str, tuple[str, ...]] = {}
    """Only at what has one of these values of a property, such as the plant that a stack serves; none named: at all."""

    def says(self, kind: str, properties: Mapping[str, str], quantity: str) -> bool:
        """Tell whether it is about a quantity at sites of a kind, measured at what has these properties."""
        here = all(properties.get(name) in values for name, values in self.where.items())
        return here and kind in self.kinds and quantity in self.quantities


class Unmeasured(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A standard that limits what nothing of the packs measures, and what that is: nobody may think it were judged."""

    standard: str
    en: str
    zh: str
    verified: Verified
    source: str


class _File(msgspec.Struct, forbid_unknown_fields=True):
    none: list[NoLimit]
    unmeasured: list[Unmeasured] = []


def load_no_limits(path: Path = HERE / "no_limits.toml") -> list[NoLimit]:
    """Return what has no limit.

    Raises:
        CatalogueError: the file cannot be read, or names a quantity, kind or property that there is not.
    """
    known = load_quantities()
    found = read_toml(path, _File).none
    for one in found:
        for quantity in one.quantities:
            if quantity not in known:
                raise CatalogueError(f"{path}: quantity {quantity!r} is not in quantities.toml; mend the name")
        for kind in one.kinds:
            if kind not in site_kinds():
                raise CatalogueError(f"{path}: kind {kind!r}: expected some of: {', '.join(site_kinds())}")
        for name, values in one.where.items():
            check_property(str(path), name, values)
    return found


def load_unmeasured(path: Path = HERE / "no_limits.toml") -> list[Unmeasured]:
    """Return the standards that limit what nothing of the packs measures.

    Raises:
        CatalogueError: the file cannot be read.
    """
    return read_toml(path, _File).unmeasured
