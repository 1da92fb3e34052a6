"""A frame as JSON for programs.

Members: `ok` (it keeps to the standard), `edition` (2005, 2017, 2025, or null where what it says of it does not hold
together), `st`, `cn`, `command` (its name, null where it is not known), `mn`, `qn`, `flag`, `time` (DataTime, ISO
8601), `crc` (standard, modbus, wrong, missing), `length` (right, wrong), `faults` (codes of `hub.wire.hj212.faults`),
`readings` (`code`, `quantity`, `kind`, `value` as it was sent, `unit`, `flag`), `items` (of CP, by name, what are no
readings). The password stands nowhere.
"""

from collections.abc import Callable, Mapping
from typing import Any

from hub.wire.hj212.codes import COMMANDS
from hub.wire.hj212.frame import Frame
from hub.wire.hj212.readings import SUFFIXES, parse_name, readings, time_of

STACKS = frozenset({"27", "31", "51"})
"""Systems (ST) that measure in a stack: the same gas is another quantity there than in the open air."""
_HIDDEN = frozenset({"PW", "NEWPW"})


def quantity_of(catalogue: Mapping[str, tuple[str | None, str]]) -> Callable[[str, str], str | None]:
    """Return a function that gives the catalogue's key of a factor code under a system (ST).

    Args:
        catalogue: By key, the factor's code and the family of the quantity; the family `stack` is measured in stacks.
    """
    known: dict[tuple[bool, str], str] = {}
    for key, (code, family) in catalogue.items():
        if code:
            known.setdefault((family == "stack", code), key)
    return lambda system, code: known.get((system in STACKS, code), known.get((system not in STACKS, code)))


def described(frame: Frame, quantity: Callable[[str, str], str | None] = lambda _st, _code: None) -> dict[str, Any]:
    """Return a frame as a JSON object."""
    packet = frame.packet
    when, cn = time_of(packet), packet.field("CN")
    command = COMMANDS.get(cn or "")
    return {
        "ok": frame.ok,
        "edition": frame.edition,
        "st": packet.field("ST"),
        "cn": cn,
        "command": command.en if command else None,
        "mn": packet.field("MN"),
        "qn": packet.field("QN"),
        "flag": packet.field("Flag"),
        "time": when.isoformat() if when else None,
        "crc": frame.crc,
        "length": frame.length,
        "faults": list(frame.faults),
        "readings": [
            {
                "code": one.code,
                "quantity": one.quantity,
                "kind": one.kind,
                "value": one.value,
                "unit": one.unit,
                "flag": one.letter,
            }
            for one in readings(packet, quantity)
        ],
        "items": {
            item.name.strip(): item.value
            for item in packet.items()
            if item.value is not None
            and item.name.strip().upper() not in _HIDDEN
            and parse_name(item.name).suffix not in _OF_READINGS
        },
    }


_OF_READINGS = {suffix for suffix, kind in SUFFIXES.items() if kind is not None} | {"Flag"}
