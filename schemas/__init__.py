"""The contract between the rooms: message schemas, the catalogue of quantities, the catalogue of limits."""

from schemas.catalogue import (
    CatalogueError,
    Limit,
    Quantity,
    Standard,
    load_limits,
    load_quantities,
)

__all__ = ["CatalogueError", "Limit", "Quantity", "Standard", "load_limits", "load_quantities"]
