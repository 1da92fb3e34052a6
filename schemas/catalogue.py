"""Reads the catalogue of quantities, whole or not at all: an error names the file, the entry and the field."""

import math
import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import msgspec

from schemas.domains.pack import Pack, families, packs
from schemas.errors import CatalogueError
from schemas.faults import as_type, at, explain, told
from schemas.language import Text
from schemas.toml_text import TomlError, read_toml_file

HERE = Path(__file__).parent

Aggregate = Literal["energy_mean", "mean", "max", "min", "vector_mean", "last", "l5", "l10", "l50", "l90", "l95", "lsd"]
KEY = re.compile(r"[a-z][a-z0-9_]{0,31}")

T = TypeVar("T")


class Quantity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing that can be measured. Fields as explained at the top of ``quantities.toml``."""

    en: str
    zh: str
    unit: str
    label: str
    family: str
    range: tuple[float, float]
    resolution: Annotated[int, msgspec.Meta(ge=0, le=6)]
    aggregate: Aggregate
    samples: tuple[str, ...] = ()
    symbol: str | None = None
    hj212: str | None = None
    board: bool = True
    max_rate: Annotated[float, msgspec.Meta(gt=0)] | None = None
    stuck_after: Annotated[float, msgspec.Meta(gt=0)] | None = None
    floor: float | None = None
    zero_after: Annotated[float, msgspec.Meta(gt=0)] | None = None
    sentinels: tuple[float, ...] = ()

    @property
    def called(self) -> Text:
        """What a sentence calls it: its symbol, else its name."""
        return Text(self.symbol or self.en, self.symbol or self.zh)

    def flag(self, value: float) -> str:
        """Return the HJ 212 letter of a value that no instrument in order gives, T above the range or D; else ""."""
        low, high = self.range
        return "T" if value > high else "" if value >= low and value not in self.sentinels else "D"

    def still_for(self, value: float) -> float | None:
        """Return for how long an instrument in order may give one value unchanged, s; None: for ever."""
        if not value:
            return self.zero_after
        return None if self.floor is not None and value <= self.floor else self.stuck_after


def load_quantities(path: Path | None = None) -> dict[str, Quantity]:
    """Return the catalogue of quantities by key: what all share, then what packs add; or that of one file.

    Raises:
        CatalogueError: a file cannot be read, an entry is wrong, or two files name the same quantity.
    """
    added = (pack.folder / "quantities.toml" for pack in packs()) if path is None else ()
    known = families()
    quantities: dict[str, Quantity] = {}
    for file in (path or HERE / "quantities.toml", *(file for file in added if file.exists())):
        for key, entry in read_toml(file, dict[str, dict[str, object]]).items():
            if key in quantities:
                raise CatalogueError(f"{file}: [{key}]: another file has a quantity of that key; choose another key")
            quantities[key] = quantity_of(f"{file}: [{key}]", key, entry, known)
    return quantities


def told_quantity(key: str) -> Text:
    """Return what a sentence calls a quantity; one that is in no catalogue by its key."""
    known = _catalogue(packs()).get(key)
    return known.called if known else Text(key, key)


@lru_cache(2)
def _catalogue(among: tuple[Pack, ...]) -> Mapping[str, Quantity]:  # noqa: ARG001 - packs may be added
    return load_quantities()


def quantity_of(where: str, key: str, entry: dict[str, object], families: Collection[str]) -> Quantity:
    """Return the quantity of an entry.

    Raises:
        CatalogueError: it is wrong; the text begins with `where`.
    """
    if not KEY.fullmatch(key):
        raise CatalogueError(f"{where}: a key is a letter and then letters, digits or _, all small")
    for place, problem in explain(entry, Quantity, (key,)):
        raise CatalogueError(f"{where}: {told(place[1:])}: {problem}")
    quantity = msgspec.convert(entry, Quantity)
    if quantity.family not in families:
        raise CatalogueError(f"{where} family = {quantity.family!r}: expected one of: {', '.join(families)}")
    low, high = quantity.range
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise CatalogueError(f"{where} range = [{low}, {high}]: expected the lowest, then the highest value")
    for sentinel in quantity.sentinels:
        if not low <= sentinel <= high:
            raise CatalogueError(f"{where} sentinels: {sentinel} lies outside the range, which flags it already")
    return quantity


def read_toml(path: Path, type_: type[T]) -> T:
    """Return the content of a TOML file as `type_`.

    Raises:
        CatalogueError: it cannot be read or is something else; the text names the file.
    """
    try:
        raw = read_toml_file(path)
    except OSError as error:
        raise CatalogueError(f"{path}: cannot be read ({error.strerror}); is the installation complete?") from error
    except TomlError as error:
        raise CatalogueError(f"{path}: {error}") from None
    for place, problem in explain(raw, type_):
        raise CatalogueError(f"{at(path, place)}: {told(place)}: {problem}")
    return as_type(raw, type_)
