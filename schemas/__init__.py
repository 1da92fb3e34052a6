"""The contract between the rooms: message schemas, the catalogue of quantities, the catalogue of limits."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from schemas.bindings import Binding, binding
    from schemas.catalogue import Quantity, load_quantities
    from schemas.errors import CatalogueError
    from schemas.jurisdictions import JURISDICTIONS, jurisdictions_of
    from schemas.limit_files import load_limits
    from schemas.properties import ZONE_CLASSES, site_properties
    from schemas.standards import Averaging, Limit, Permitted, Standard, Step, Verified, Weather

MESSAGE_BYTES = 4096
"""Bytes of the longest MQTT packet of this contract, topic included; the broker throws out who sends a longer one."""

__all__ = [
    "JURISDICTIONS",
    "MESSAGE_BYTES",
    "ZONE_CLASSES",
    "Averaging",
    "Binding",
    "CatalogueError",
    "Limit",
    "Permitted",
    "Quantity",
    "Standard",
    "Step",
    "Verified",
    "Weather",
    "binding",
    "jurisdictions_of",
    "load_limits",
    "load_quantities",
    "site_properties",
]

_WHERE = {
    "Binding": "schemas.bindings",
    "binding": "schemas.bindings",
    "CatalogueError": "schemas.errors",
    "Quantity": "schemas.catalogue",
    "load_quantities": "schemas.catalogue",
    "JURISDICTIONS": "schemas.jurisdictions",
    "jurisdictions_of": "schemas.jurisdictions",
    "load_limits": "schemas.limit_files",
    "site_properties": "schemas.properties",
    "ZONE_CLASSES": "schemas.properties",
    "Averaging": "schemas.standards",
    "Limit": "schemas.standards",
    "Permitted": "schemas.standards",
    "Standard": "schemas.standards",
    "Step": "schemas.standards",
    "Verified": "schemas.standards",
    "Weather": "schemas.standards",
}


def __getattr__(name: str) -> Any:
    """Load what is asked for when it is asked for: a command line that needs one of them starts without the others."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found = getattr(importlib.import_module(_WHERE[name]), name)
    return found
