"""Reads ``no_limits.toml``: what is known to have no limit on its emission, so that an empty answer is an answer."""

from pathlib import Path

import msgspec

from schemas.catalogue import HERE, CatalogueError, load_quantities, read_toml
from schemas.standards import Kind, Verified


class NoLimit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Quantities on whose emission at sites of these kinds no standard of the catalogue sets a limit, and why."""

    kinds: tuple[Kind, ...]
    quantities: tuple[str, ...]
    en: str
    zh: str
    verified: Verified
    source: str
    plants: tuple[str, ...] = ()
    """Of factories: what the stack serves; none named: all."""


class _File(msgspec.Struct, forbid_unknown_fields=True):
    none: list[NoLimit]


def load_no_limits(path: Path = HERE / "no_limits.toml") -> list[NoLimit]:
    """Return what has no limit.

    Raises:
        CatalogueError: the file cannot be read, or names a quantity that is not in the catalogue.
    """
    known = load_quantities()
    found = read_toml(path, _File).none
    for one in found:
        for quantity in one.quantities:
            if quantity not in known:
                raise CatalogueError(f"{path}: quantity {quantity!r} is not in quantities.toml; mend the name")
    return found
