"""What boards would refuse: their own rules, asked before anybody is told."""

import difflib
import json
from typing import Any

from edge import checks
from edge.borrow import borrow
from schemas.generate import channel_ranges

Settings = dict[str, Any]
MOST_BYTES = 3600
"""Of a board's whole configuration: with topic and MAC it has to fit into a packet of 4096 bytes."""


def wrong(settings: Settings) -> tuple[str, str] | None:
    """Return the key that a board would refuse, and why as a sentence; None: it takes all of them."""
    told = checks.desired({"revision": 1} | settings)
    if told:
        return told.partition(":")[0].partition("[")[0].strip("'"), told
    if "sensors" in settings:
        found = wrong_sensors(settings["sensors"])
        if found:
            return "sensors", f"sensors: sensor {found[0]!r}: {found[1]}"
    size = len(json.dumps(settings).encode())
    if size > MOST_BYTES:
        key = max(settings, key=lambda one: len(json.dumps(settings[one])))
        return key, f"{key}: {size} bytes in all; expected at most {MOST_BYTES}"
    return None


def wrong_sensors(sensors: list[Any]) -> tuple[Any, str] | None:
    """Return the name of a sensor whose settings its driver would refuse, and why; None: all are well.

    Drivers are made as a board with the quantities of the packs in use makes them; what a driver never asks for is
    refused, too, since it was meant for something.
    """
    names: set[str] = set()
    givers: dict[str, str] = {}
    for settings in sensors:
        name = settings.get("name", "?") if isinstance(settings, dict) else "?"
        if not isinstance(name, str) or name in names:
            return name, "each sensor needs a name of its own; give name=..."
        names.add(name)
        try:
            driver = made(settings, settings.get("port") if isinstance(settings, dict) else None)
            read = _Read(settings)
            type(driver)(settings["port"], read)
        except KeyError as error:
            return name, f"{error.args[0]} is missing"
        except (ValueError, TypeError) as error:
            return name, str(error).removeprefix(f"sensor '{name}': ")
        unknown = sorted(settings.keys() - read.known)
        if unknown:
            near = difflib.get_close_matches(unknown[0].lower(), read.known - settings.keys(), 1)
            expected = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(sorted(read.known))}"
            return name, f"{unknown[0]} is not known to {settings['type']}; {expected}"
        for channel in driver.channels:
            if channel in givers:
                return name, f"{channel} comes from {givers[channel]}, too; leave one out"
            givers[channel] = name
    return None


def made(settings: Settings, port: object) -> Any:
    """Make a sensor's driver as a board with the quantities of the packs in use does.

    Raises:
        ValueError, KeyError, TypeError: it would refuse them.
    """
    sensor_checks = borrow("sensor_checks")
    sensor_checks.RANGES = channel_ranges()
    return sensor_checks.make(settings, port)


class _Read(dict[str, Any]):
    """Settings that remember what a driver asks for: that is what it knows."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.known = {"name", "type", "port"}

    def __getitem__(self, key: str) -> Any:
        self.known.add(key)
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        """Return a setting, or `default`."""
        self.known.add(key)
        return super().get(key, default)
