"""Domain packs: what a sub-platform knows, as folders of data; ``README.md`` tells how one is written.

`packs` are those in use, `use` adds a city's own. The other functions return what the packs declare together.
"""

from schemas.domains.packs import (
    VARIABLE,
    Pack,
    assumed_kind,
    families,
    kind_name,
    packs,
    rules,
    sensor_templates,
    site_kinds,
    thing_kinds,
    use,
)

__all__ = [
    "VARIABLE",
    "Pack",
    "assumed_kind",
    "families",
    "kind_name",
    "packs",
    "rules",
    "sensor_templates",
    "site_kinds",
    "thing_kinds",
    "use",
]
