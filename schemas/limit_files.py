"""Reads the catalogue of limits, whole or not at all: a refusal names the file, the limit, the field and the remedy.

How a file is written stands in ``limits/README.md``.
"""

import datetime as dt
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from schemas.catalogue import HERE, Quantity, load_quantities, read_toml
from schemas.domains.pack import packs, site_kinds
from schemas.errors import CatalogueError
from schemas.faults import at
from schemas.jurisdictions import JURISDICTIONS
from schemas.limit_entries import LimitEntry, check_property, convert, expanded
from schemas.standards import DAY, Averaging, Limit, Standard, Step, seconds


class _File(msgspec.Struct, forbid_unknown_fields=True):
    standard: dict[str, Any]
    averaging: dict[str, dict[str, Any]]
    limit: list[dict[str, Any]]
    defaults: dict[str, Any] = {}


Refused = Callable[[Path, tuple[str | int, ...], CatalogueError], None]
"""Is told of an entry that cannot be used: the file, where in it, and why."""


def load_limits(
    folder: Path | None = None, quantities: dict[str, Quantity] | None = None, refused: Refused | None = None
) -> list[tuple[Standard, Limit]]:
    """Return every limit with its standard, in the order of file names: what all share and what packs add, or a folder.

    With `refused` what is wrong is told there and left out.

    Raises:
        CatalogueError: a file cannot be read, an entry is wrong, editions overlap, or a limit names a quantity that is
            not in ``quantities`` or averages it in another way than the catalogue says.
    """
    known = load_quantities() if quantities is None else quantities
    folders = [folder] if folder else [HERE / "limits", *(pack.folder / "limits" for pack in packs())]
    paths = sorted((path for one in folders for path in one.glob("*.toml")), key=lambda path: path.name)
    files: dict[str, tuple[Path, Standard, _File]] = {}
    for path in paths:
        with _telling(refused, path, "standard"):
            content: _File = convert(f"{path}", read_toml(path, dict[str, Any]), _File)
            standard = _standard(path, content.standard)
            if standard.id in files:
                raise CatalogueError(
                    f"{path}: standard {standard.id!r} stands in {files[standard.id][0]} already; "
                    f"one file for each standard"
                )
            files[standard.id] = (path, standard, content)
    ends = _ends({id_: (path, standard) for id_, (path, standard, _) in files.items()}, refused)
    limits = []
    for path, standard, content in files.values():
        dated = msgspec.structs.replace(standard, ends=ends[standard.id])
        limits += [(dated, limit) for limit in _limits(path, dated, content, known, refused)]
    if not limits and not refused:
        raise CatalogueError(f"{folder}: there is no limit in it, so nothing could be judged; is it the right folder?")
    return limits


@contextmanager
def _telling(refused: Refused | None, path: Path, *place: str | int) -> Iterator[None]:
    try:
        yield
    except CatalogueError as error:
        if refused is None:
            text = str(error)
            if text.startswith(f"{path}: {place[0]} "):
                text = at(path, place) + text.removeprefix(f"{path}")
            raise CatalogueError(text) from None
        refused(path, place, error)


def _standard(path: Path, entry: dict[str, Any]) -> Standard:
    where = f"{path}: standard {entry.get('id', 'without id')!r}"
    standard: Standard = convert(where, entry, Standard)
    if standard.jurisdiction not in JURISDICTIONS:
        raise CatalogueError(
            f"{where}: jurisdiction = {standard.jurisdiction!r} is not known; expected one of CN, CN-SH, ..., EU, WHO "
            f"(schemas/jurisdictions.py)"
        )
    corrected = sorted(standard.background.minus) if standard.background else []
    if standard.background and (not corrected or not all(one.isdigit() for one in corrected)):
        raise CatalogueError(
            f"{where}: background.minus: expected what is taken off by the whole difference in dB, such as "
            f'{{ "3" = 3, "4" = 2, "5" = 2 }}; mend it'
        )
    for field in ("ends", "early", "issued"):
        date: dt.date | None = getattr(standard, field)
        if date and (date <= standard.in_force if field == "ends" else date > standard.in_force):
            side = "after" if field == "ends" else "not after"
            raise CatalogueError(
                f"{where}: {field} = {date}: expected a day {side} in_force = {standard.in_force}; mend one of the two"
            )
    return standard


def _ends(standards: dict[str, tuple[Path, Standard]], refused: Refused | None) -> dict[str, dt.date | None]:
    """Return the day on which each standard ceases; what replaces it decides, and editions must not overlap."""
    ends = {id_: standard.ends for id_, (_, standard) in standards.items()}
    for id_, (path, new) in standards.items():
        if new.replaces not in standards:
            continue
        old_path, old = standards[new.replaces]
        with _telling(refused, old_path, "standard", "ends"):
            if old.ends not in (None, new.in_force):
                raise CatalogueError(
                    f"{old_path}: standard {old.id!r}: ends = {old.ends}, but {id_!r} ({path}), which replaces it, is "
                    f"in force from {new.in_force}; leave ends out, or mend one of the two"
                )
        ends[old.id] = new.in_force
    by_series: dict[str, list[Standard]] = {}
    for _, standard in standards.values():
        by_series.setdefault(standard.series, []).append(standard)
    for editions in by_series.values():
        editions.sort(key=lambda standard: standard.in_force)
        for old, new in itertools.pairwise(editions):
            last = ends[old.id]
            path = standards[new.id][0]
            with _telling(refused, path, "standard", "in_force"):
                if last is None or last > new.in_force:
                    raise CatalogueError(
                        f"{path}: {new.id!r} and {old.id!r} ({standards[old.id][0]}) would be in force together from "
                        f"{new.in_force}; say in the newer: replaces = {old.id!r}, or in the older: ends"
                    )
    return ends


def _limits(
    path: Path, standard: Standard, content: _File, known: dict[str, Quantity], refused: Refused | None
) -> list[Limit]:
    averagings: dict[str, Averaging] = {}
    for name, table in content.averaging.items():
        with _telling(refused, path, "averaging", name):
            averagings[name] = _averaging(path, name, table)
    limits: dict[str, Limit] = {}
    for number, raw in enumerate(content.limit):
        with _telling(refused, path, "limit", number):
            where = f"{path}: limit {raw.get('id', 'without id')!r}"
            entry = convert(where, content.defaults | raw, LimitEntry)
            if entry.averaging not in content.averaging:
                raise CatalogueError(
                    f"{where}: averaging = {entry.averaging!r} is not in this file; "
                    f"expected one of: {', '.join(averagings)}; or add [averaging.{entry.averaging}]"
                )
            if entry.averaging not in averagings:
                continue  # told of there
            quantity = _check(where, entry, standard, averagings[entry.averaging], known)
            for limit in expanded(where, entry, standard, averagings[entry.averaging], quantity):
                if limit.id in limits:
                    raise CatalogueError(f"{path}: limit {limit.id!r} stands there twice; give each its own id")
                limits[limit.id] = limit
    return list(limits.values())


def _averaging(path: Path, name: str, entry: dict[str, Any]) -> Averaging:
    where = f"{path}: averaging {name!r}"
    averaging: Averaging = convert(where, entry, Averaging)
    for number, step in enumerate(averaging.steps, 1):
        _check_step(f"{where}: step {number}", step, first=number == 1)
    return averaging


def _check_step(where: str, step: Step, *, first: bool) -> None:
    length = step.seconds
    if length is not None and DAY % length:
        raise CatalogueError(
            f"{where}: window = {step.window!r} does not divide a day; choose one that does, since windows are laid "
            f"from local midnight"
        )
    slide = seconds(step.slide) if step.slide else None
    if step.slide and (length is None or slide is None or length % slide):
        raise CatalogueError(
            f"{where}: slide = {step.slide!r}: expected a length that divides the window, {step.window!r}"
        )
    if step.within_day and not step.slide:
        raise CatalogueError(f"{where}: within_day is for running windows; give slide, too, or leave it out")
    if (step.least_valid is None) == (step.least is None):
        raise CatalogueError(
            f"{where}: expected either least_valid (a share) or least (a number of values), "
            f"so that it is told how little data makes the window invalid"
        )
    if first and step.least is not None:
        raise CatalogueError(
            f"{where}: least = {step.least}: the first step takes readings, of whatever length; give least_valid"
        )
    months = (step.least_each_month, step.least_february)
    if any(months) and step.window not in ("quarter", "year"):
        raise CatalogueError(
            f"{where}: least_each_month and least_february belong to a window of a quarter or year, "
            f"not to {step.window!r}; leave them out"
        )


def _check(
    where: str, entry: LimitEntry, standard: Standard, averaging: Averaging, known: dict[str, Quantity]
) -> Quantity:
    quantity = known.get(entry.quantity)
    if quantity is None:
        raise CatalogueError(f"{where}: quantity = {entry.quantity!r} is not in quantities.toml; add it there first")
    first, *later = (step.statistic for step in averaging.steps)
    if first != quantity.aggregate:
        raise CatalogueError(
            f"{where}: averaging = {entry.averaging!r}: its first statistic is {first!r}, but {entry.quantity} is "
            f"aggregated as {quantity.aggregate!r}; choose another averaging"
        )
    if quantity.aggregate in ("energy_mean", "max") and "mean" in later:
        raise CatalogueError(
            f"{where}: averaging = {entry.averaging!r}: levels are never averaged arithmetically; use energy_mean"
        )
    if any(step.window == "period" for step in averaging.steps) and entry.from_ == entry.to:
        raise CatalogueError(f"{where}: from = to = {entry.to!r}: its window is the period between them; name both")
    in_force, ends = entry.in_force or standard.in_force, entry.ends or standard.ends
    if in_force < (standard.early or standard.in_force) or (standard.ends and ends and ends > standard.ends):
        raise CatalogueError(
            f"{where}: in_force = {in_force}, ends = {ends}: expected days within those of {standard.id!r}, "
            f"{standard.in_force} to {standard.ends}; mend them"
        )
    if later and later[-1].startswith("p") and averaging.steps[-1].window not in ("quarter", "year"):
        raise CatalogueError(
            f"{where}: averaging = {entry.averaging!r}: a percentile is one of a quarter or year; choose such a window"
        )
    if ends and ends <= in_force:
        raise CatalogueError(f"{where}: ends = {ends} is not after in_force = {in_force}; mend one of the two")
    _check_sites(where, entry)
    return quantity


def _check_sites(where: str, entry: LimitEntry) -> None:
    if unknown := [place for place in entry.places if place not in JURISDICTIONS]:
        raise CatalogueError(
            f"{where}: places = {unknown[0]!r} is not known; expected codes such as CN-GD-4406 "
            f"(schemas/jurisdictions.py)"
        )
    for number, kind in enumerate(entry.site_kinds):
        if kind not in site_kinds():
            known_kinds = ", ".join(site_kinds())
            raise CatalogueError(
                f"{where}: site_kinds[{number}] = {kind!r}: expected some of: {known_kinds} (pack.toml of each domain)"
            )
    for name, values in (("zone_class", entry.zone_classes), *entry.where.items()):
        check_property(where, name, values)
