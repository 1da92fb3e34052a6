"""What the catalogue says of a sample channel: family, unit, plausible range, and how people write it."""

import functools

from schemas import Quantity, load_quantities

SYMBOLS = {"laeq": "LAeq", "lafmax": "LAFmax", "lafmin": "LAFmin", "laf": "LAF", "la": "LA", "pm25": "PM2.5"}
"""As the field writes them; gases and other dust sizes in capitals."""


@functools.cache
def quantity(channel: str) -> Quantity | None:
    """Return the catalogue's entry of a channel, or of the quantity that is made from it."""
    catalogue = load_quantities()
    found = catalogue.get(channel)
    return found or next((entry for entry in catalogue.values() if channel in entry.samples), None)


def family(channel: str) -> str:
    """Return the catalogue's family."""
    entry = quantity(channel)
    return str(entry.family) if entry else "device"


def unit(channel: str) -> str:
    """Return the unit as people write it."""
    entry = quantity(channel)
    return entry.label if entry else ""


def symbol(channel: str) -> str:
    """Return the channel as people write it: LAF, PM2.5, NO2; words stay words."""
    if channel in SYMBOLS:
        return SYMBOLS[channel]
    return channel.upper() if family(channel) in ("dust", "gas") else channel.replace("stack_", "stack ")


def shown(channel: str, value: float) -> str:
    """Return a value with symbol and unit, in the catalogue's resolution: PM10 373 µg/m³."""
    entry = quantity(channel)
    return f"{symbol(channel)} {value:.{entry.resolution if entry else 1}f} {unit(channel)}".rstrip()


def is_plausible(channel: str, value: float) -> bool:
    """Tell whether a value lies in the catalogue's range."""
    entry = quantity(channel)
    return entry is None or entry.range[0] <= value <= entry.range[1]
