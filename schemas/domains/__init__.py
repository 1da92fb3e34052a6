"""Domain packs: what a sub-platform knows, as folders of data; ``README.md`` tells how one is written.

`packs` are those in use, `use` adds a city's own. The other functions return what the packs declare together.
"""

import importlib
from typing import TYPE_CHECKING, Any

from schemas.domains.folders import VARIABLE, use

if TYPE_CHECKING:
    from schemas.domains.pack import (
        Pack,
        assumed_kind,
        families,
        kind_name,
        mark_kinds,
        marked_families,
        pack_at,
        packs,
        rules,
        sensor_templates,
        site_kinds,
        thing_kinds,
    )

__all__ = [
    "VARIABLE",
    "Pack",
    "assumed_kind",
    "families",
    "kind_name",
    "mark_kinds",
    "marked_families",
    "pack_at",
    "packs",
    "rules",
    "sensor_templates",
    "site_kinds",
    "thing_kinds",
    "use",
]


def __getattr__(name: str) -> Any:
    """Load what is asked for when it is asked for: a command line that asks no pack starts without their readers."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found = getattr(importlib.import_module("schemas.domains.pack"), name)
    return found
