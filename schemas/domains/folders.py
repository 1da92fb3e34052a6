"""The folders of the packs in use: those of this folder, those that the environment names, those that a city adds.

A process has one set of them.
"""

import os
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from schemas.errors import CatalogueError

HERE = Path(__file__).parent
MANIFEST = "pack.toml"
VARIABLE = "FENCELINE_DOMAINS"
"""Variable of the environment with folders of packs, separated as in PATH."""

_added: tuple[Path, ...] = ()


def use(folders: Iterable[Path]) -> None:
    """Add packs to those that are there anyway, in place of what was added before.

    Raises:
        CatalogueError: one of the folders is no pack, or a pack of its name is there already.
    """
    global _added  # noqa: PLW0603 - one process, one set of packs: what a quantity is must not depend on who asks
    chosen = tuple(folder.resolve() for folder in folders)
    _found(os.environ.get(VARIABLE, ""), chosen)
    _added = chosen


def in_use() -> tuple[Path, ...]:
    """Return the folders of the packs in use, in the order of their ids; those that were added come last.

    Raises:
        CatalogueError: a folder that the environment names is no pack.
    """
    return _found(os.environ.get(VARIABLE, ""), _added)


@lru_cache(8)
def _found(named: str, added: tuple[Path, ...]) -> tuple[Path, ...]:
    shipped = sorted(path.parent for path in HERE.glob(f"*/{MANIFEST}"))
    folders = [Path(text).resolve() for text in named.split(os.pathsep) if text]
    found: dict[str, Path] = {}
    for folder in dict.fromkeys([*shipped, *folders, *added]):
        if not (folder / MANIFEST).is_file():
            raise CatalogueError(f"{folder}: is no domain pack, there is no {MANIFEST} in it; name a pack's own folder")
        if folder.name in found:
            raise CatalogueError(f"{folder}: {found[folder.name]} has that name already; rename one of the two")
        found[folder.name] = folder
    return tuple(found.values())
