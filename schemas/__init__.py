"""The contract between the rooms: message schemas, the catalogue of quantities, the catalogue of limits."""

from schemas.binding import Binding, binding
from schemas.catalogue import CatalogueError, Quantity, load_quantities
from schemas.jurisdictions import JURISDICTIONS, jurisdictions_of
from schemas.limit_files import load_limits
from schemas.properties import PROPERTIES, ZONE_CLASSES
from schemas.standards import Averaging, Limit, Permitted, Standard, Step, Verified, Weather

MESSAGE_BYTES = 4096
"""Bytes of the longest MQTT packet of this contract, topic included; the broker throws out who sends a longer one."""

__all__ = [
    "JURISDICTIONS",
    "MESSAGE_BYTES",
    "PROPERTIES",
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
]
