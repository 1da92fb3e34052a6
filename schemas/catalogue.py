"""Reads the catalogues, whole or not at all: an error names the file, the entry, the field and what was expected."""

import datetime as dt
import math
import re
import tomllib
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import msgspec

HERE = Path(__file__).parent

Aggregate = Literal["energy_mean", "mean", "max", "min", "vector_mean", "last", "l10", "l50", "l90"]
Family = Literal["noise", "dust", "gas", "stack", "weather", "device"]
Verified = Literal["P", "S", "U"]
"""P: read in the standard's own text. S: secondary source. U: unverified."""

TimeOfDay = Annotated[str, msgspec.Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d\Z")]
"""Local time of day, ``HH:MM``."""

DAY = 86_400
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


class Standard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A published standard: citation, where and when it is in force, and how well its text is known."""

    id: str
    en: str
    zh: str
    jurisdiction: str
    in_force: dt.date
    verified: Verified
    source: str
    issued: dt.date | None = None
    ends: dt.date | None = None
    """First day on which it is no longer in force."""
    replaces: str | None = None


class Limit(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """One limit of a standard.

    ``window`` is the averaging period in seconds, aligned to local midnight. ``from_``..``to`` is the part of the local
    day in which the limit applies (``22:00``..``06:00`` runs over midnight). ``least_valid`` is the share of the window
    that must be measured with flag N; with less, the verdict is "invalid", never "compliant".
    """

    id: str
    en: str
    zh: str
    site_kinds: tuple[Literal["construction", "factory"], ...]
    quantity: str
    statistic: Literal["energy_mean", "mean", "max"]
    window: Annotated[int, msgspec.Meta(gt=0, le=DAY)]
    value: float
    least_valid: Annotated[float, msgspec.Meta(gt=0, le=1)]
    verified: Verified
    from_: TimeOfDay = "00:00"
    to: TimeOfDay = "00:00"
    zone_classes: tuple[str, ...] = ()
    exceedances_permitted: Annotated[int, msgspec.Meta(ge=0)] = 0
    clause: str | None = None
    note: str = ""


class _LimitFile(msgspec.Struct, forbid_unknown_fields=True):
    standard: Standard
    limit: list[Limit]


def load_quantities(path: Path = HERE / "quantities.toml") -> dict[str, Quantity]:
    """Return the catalogue of quantities by key.

    Raises:
        CatalogueError: the file cannot be read or an entry is wrong.
    """
    quantities = {}
    for key, entry in _read(path, dict[str, dict[str, object]]).items():
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
    return quantities


def load_limits(
    folder: Path = HERE / "limits", quantities: dict[str, Quantity] | None = None
) -> list[tuple[Standard, Limit]]:
    """Return every limit with its standard, in the order of file names.

    Raises:
        CatalogueError: a file cannot be read, an entry is wrong, or a limit names a quantity that is not in
            ``quantities`` or averages it in another way than the catalogue says.
    """
    known = load_quantities() if quantities is None else quantities
    limits: list[tuple[Standard, Limit]] = []
    standards: dict[str, Path] = {}
    for path in sorted(folder.glob("*.toml")):
        content = _read(path, _LimitFile)
        id_ = content.standard.id
        if id_ in standards:
            raise CatalogueError(
                f"{path}: standard {id_!r} stands in {standards[id_]} already; one file for each standard"
            )
        standards[id_] = path
        seen: set[str] = set()
        for limit in content.limit:
            _check(path, limit, known)
            if limit.id in seen:
                raise CatalogueError(f"{path}: limit {limit.id!r} stands there twice; give each its own id")
            seen.add(limit.id)
            limits.append((content.standard, limit))
    if not limits:
        raise CatalogueError(f"{folder}: there is no limit in it, so nothing could be judged; is it the right folder?")
    return limits


def _check(path: Path, limit: Limit, known: dict[str, Quantity]) -> None:
    where = f"{path}: limit {limit.id!r}"
    quantity = known.get(limit.quantity)
    if quantity is None:
        raise CatalogueError(f"{where}: quantity = {limit.quantity!r} is not in quantities.toml; add it there first")
    if limit.statistic != quantity.aggregate:
        raise CatalogueError(
            f"{where}: statistic = {limit.statistic!r}, but {limit.quantity} is aggregated as {quantity.aggregate!r}"
        )
    if limit.exceedances_permitted:
        raise CatalogueError(
            f"{where}: exceedances_permitted = {limit.exceedances_permitted}: not judged yet; expected 0"
        )
    if not math.isfinite(limit.value):
        raise CatalogueError(f"{where}: value = {limit.value}: nothing can be compared with it; expected a number")
    if DAY % limit.window:
        raise CatalogueError(f"{where}: window = {limit.window} s does not divide a day of {DAY} s")


def _read(path: Path, type_: type[T]) -> T:
    try:
        return msgspec.convert(tomllib.loads(path.read_text("utf-8")), type_)
    except OSError as error:
        raise CatalogueError(f"{path}: cannot be read ({error.strerror}); is the installation complete?") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CatalogueError(f"{path}: is not valid TOML: {error}") from error
    except msgspec.ValidationError as error:
        raise CatalogueError(f"{path}: {error}") from error
