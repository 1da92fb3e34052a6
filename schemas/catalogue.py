"""Reads the catalogue of quantities, whole or not at all: an error names the file, the entry and the field."""

import math
import re
import tomllib
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import msgspec

HERE = Path(__file__).parent

Aggregate = Literal["energy_mean", "mean", "max", "min", "vector_mean", "last", "l10", "l50", "l90"]
Family = Literal["noise", "dust", "gas", "stack", "weather", "device"]
KEY = re.compile(r"[a-z][a-z0-9_]{0,31}")

T = TypeVar("T")


class CatalogueError(Exception):
    """A catalogue file that cannot be used; its text tells the user what to mend."""


class Quantity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing that can be measured. Fields as explained at the top of ``quantities.toml``."""

    en: str
    zh: str
    unit: str
    label: str
    family: Family
    range: tuple[float, float]
    resolution: Annotated[int, msgspec.Meta(ge=0, le=6)]
    aggregate: Aggregate
    samples: tuple[str, ...] = ()
    hj212: str | None = None
    board: bool = True
    max_rate: Annotated[float, msgspec.Meta(gt=0)] | None = None
    stuck_after: Annotated[float, msgspec.Meta(gt=0)] | None = None
    floor: float | None = None
    zero_after: Annotated[float, msgspec.Meta(gt=0)] | None = None
    sentinels: tuple[float, ...] = ()

    def flag(self, value: float) -> str:
        """Return the HJ 212 letter of a value that no instrument in order gives, T above the range or D; else ""."""
        low, high = self.range
        return "T" if value > high else "" if value >= low and value not in self.sentinels else "D"

    def still_for(self, value: float) -> float | None:
        """Return for how long an instrument in order may give one value unchanged, s; None: for ever."""
        if not value:
            return self.zero_after
        return None if self.floor is not None and value <= self.floor else self.stuck_after


def load_quantities(path: Path = HERE / "quantities.toml") -> dict[str, Quantity]:
    """Return the catalogue of quantities by key.

    Raises:
        CatalogueError: the file cannot be read or an entry is wrong.
    """
    quantities = {}
    for key, entry in read_toml(path, dict[str, dict[str, object]]).items():
        if not KEY.fullmatch(key):
            raise CatalogueError(f"{path}: [{key}]: a key is a letter and then letters, digits or _, all small")
        try:
            quantity = quantities[key] = msgspec.convert(entry, Quantity)
        except msgspec.ValidationError as error:
            raise CatalogueError(f"{path}: [{key}]: {error}") from error
        low, high = quantity.range
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise CatalogueError(
                f"{path}: [{key}] range = [{low}, {high}]: expected the lowest, then the highest value"
            )
        for sentinel in quantity.sentinels:
            if not low <= sentinel <= high:
                raise CatalogueError(
                    f"{path}: [{key}] sentinels: {sentinel} lies outside the range, which flags it already"
                )
    return quantities


def read_toml(path: Path, type_: type[T]) -> T:
    """Return the content of a TOML file as `type_`.

    Raises:
        CatalogueError: it cannot be read or is something else; the text names the file.
    """
    try:
        return msgspec.convert(tomllib.loads(path.read_text("utf-8")), type_)
    except OSError as error:
        raise CatalogueError(f"{path}: cannot be read ({error.strerror}); is the installation complete?") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CatalogueError(f"{path}: is not valid TOML: {error}") from error
    except msgspec.ValidationError as error:
        raise CatalogueError(f"{path}: {error}") from error
