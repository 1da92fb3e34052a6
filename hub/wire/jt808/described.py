"""A frame as JSON for programs.

Members: `ok` (it keeps to the standard), `message` ("0200"), `name` (null: unknown), `phone` (digits as sent),
`serial`, `part` (number and total; null: whole), `header` (its bytes: 12, 17, with a part 4 more; null: there is none),
`edition` (2019 or null), `checksum` and `length` (right, wrong), `faults` (codes of `hub.wire.jt808.faults`), `values`
(of the fields, by name), `fixes` (of 0200, 0201 and 0704), `body` (hex, where it is not understood).

A fix has `lat`, `lon` (degrees, as sent, with the signs of their bits), `located` (the terminal stands behind them),
`altitude` (m), `speed_kmh`, `direction`, `time` (ISO 8601, +08:00; null: none), `alarms` (names of the bits), `states`
(by name; of bits without a name those that are set), `items` (`id`, `name`, `value` in `unit`, `hex`), `tail` (hex,
what is no item). Authentication codes stand nowhere.
"""

from typing import Any

from hub.wire.jt808.bodies import Parameter, Value, shown
from hub.wire.jt808.codes import ALARMS, ITEMS, LOAD, MESSAGES, STATUS
from hub.wire.jt808.frame import Frame
from hub.wire.jt808.position import Item, Position

_HIDDEN = frozenset({"code", "position", "bodies"})


def described(frame: Frame) -> dict[str, Any]:
    """Return a frame as a JSON object."""
    header, content = frame.header, frame.content
    name = MESSAGES.get(header.message) if header else None
    found: dict[str, Any] = {
        "ok": frame.ok,
        "message": f"{header.message:04X}" if header else None,
        "name": name.en if name else None,
        "phone": header.phone if header else None,
        "serial": header.serial if header else None,
        "part": [header.number, header.total] if header and header.total else None,
        "header": header.size if header else None,
        "edition": frame.edition,
        "checksum": frame.checksum,
        "length": frame.length,
        "faults": list(frame.faults),
        "values": {name: _told(name, value) for name, value in content.values.items() if name not in _HIDDEN},
        "fixes": [_fix(one) for one in content.positions],
    }
    if content.edition is None or content.rest:
        found["body"] = frame.body.hex().upper()
    return found


def states_of(status: int) -> dict[str, bool | str]:
    """Return what the bits of a status say, by name."""
    found: dict[str, bool | str] = {name: bool(status >> bit & 1) for bit, name in STATUS.items()}
    found["load"] = LOAD[status >> 8 & 3]
    unnamed = [bit for bit in range(32) if bit not in STATUS and bit not in {8, 9}]
    return found | {f"bit_{bit}": True for bit in unnamed if status >> bit & 1}


def alarms_of(alarm: int) -> list[str]:
    """Return the names of the alarms that are set."""
    return [name for bit, name in enumerate(ALARMS) if alarm >> bit & 1]


def _fix(one: Position) -> dict[str, Any]:
    when = one.when
    return {
        "lat": one.lat,
        "lon": one.lon,
        "located": one.located,
        "altitude": one.altitude,
        "speed_kmh": one.speed_kmh,
        "direction": one.direction,
        "time": when.isoformat() if when else None,
        "alarms": alarms_of(one.alarm),
        "states": states_of(one.status),
        "items": [_item(item) for item in one.items],
    } | ({"tail": one.tail.hex().upper()} if one.tail else {})


def _item(item: Item) -> dict[str, Any]:
    known = ITEMS.get(item.id)
    found: dict[str, Any] = {"id": f"{item.id:02X}", "name": known.name if known else None}
    if item.number is not None and known:
        found |= {"value": item.number, "unit": known.unit}
    return found | {"hex": item.value.hex().upper()}


def _told(name: str, value: Value) -> Any:
    if name == "message" and isinstance(value, int):
        return f"{value:04X}"
    if isinstance(value, bytes):
        return value.hex().upper()
    if isinstance(value, tuple):
        return [
            {"id": f"{one.id:04X}", "hex": one.value.hex().upper()} if isinstance(one, Parameter) else one
            for one in value
        ]
    return shown(value) if isinstance(value, str) else value
