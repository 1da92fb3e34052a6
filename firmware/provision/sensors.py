"""Settings of the usual sensors, so that a technician names a sensor and changes only what is wired otherwise."""

import copy
import json
import re
from typing import Any

from firmware.terminal.speech import FieldError
from hub.orders.desired.rules import made, wrong_sensors
from schemas.chinese import in_chinese
from schemas.domains import sensor_templates
from schemas.language import Text

Settings = dict[str, Any]

DUST_PORT = "uart:1:9600:rx=16:tx=17"
RS485_PORT = "uart:2:9600:rx=25:tx=26:de=27"
I2C_PORT = "i2c:0:sda=21:scl=22"

SHARED: dict[str, Settings] = {
    "plantower": {"name": "dust", "type": "plantower", "port": DUST_PORT, "warmup": 30},
    "pms5003t": {"name": "dust", "type": "plantower", "model": "PMS5003T", "port": DUST_PORT, "warmup": 30},
    "pms5003st": {"name": "dust", "type": "plantower", "model": "PMS5003ST", "port": DUST_PORT, "warmup": 30},
    "sds011": {"name": "dust", "type": "sds011", "port": DUST_PORT, "warmup": 30},
    "sds198": {"name": "tsp", "type": "sds011", "model": "SDS198", "port": DUST_PORT, "warmup": 30},
    "sps30": {"name": "dust", "type": "sps30", "port": "uart:1:115200:rx=16:tx=17", "warmup": 30},
    "winsen": {"name": "dust", "type": "winsen", "port": DUST_PORT, "warmup": 30},
    # `la`: its time weighting is not known; `laf` only where the transmitter's papers say F. Most measure 30 to 130 dB.
    "noise": {
        "name": "noise",
        "type": "modbus",
        "port": RS485_PORT,
        "address": 1,
        "registers": [{"channel": "la", "register": 0, "scale": 0.1, "range": [30, 130]}],
    },
    "noise-f": {
        "name": "noise",
        "type": "modbus",
        "port": RS485_PORT,
        "address": 1,
        "registers": [{"channel": "laf", "register": 0, "scale": 0.1, "range": [30, 130]}],
    },
    "microphone": {"name": "noise", "type": "i2s_mic", "port": "i2s:0:sck=14:ws=15:sd=32:rate=32000"},
    "sht3x": {"name": "weather", "type": "sht3x", "port": I2C_PORT},
    "tsp-4-20ma": {
        "name": "tsp",
        "type": "ads1115",
        "port": I2C_PORT,
        "channels": [{"channel": "tsp", "input": 0, "shunt": 150, "zero": 0, "span": 1000}],
    },
}
"""By the name that `--sensor` takes; settings as edge/drivers/README.md tells them. Domain packs add their own."""


def templates() -> dict[str, Settings]:
    """Return every template by name: those that all share, and those of domain packs."""
    return SHARED | sensor_templates()


def sensor(text: str) -> Settings:
    """Return the settings of `TEMPLATE[,KEY=VALUE...]`, such as `plantower,name=dust-2,port=uart:2:9600:rx=4:tx=5`.

    A value is read as JSON where it is JSON (`warmup=0`, `registers=[...]` has no commas outside of brackets), as a
    number where it is one in hexadecimal digits (`address=0x45`), else as text.

    Raises:
        FieldError: there is no such template, a part is no KEY=VALUE, or the driver refuses the settings.
    """
    name, *parts = _split(text)
    there = templates()
    if name not in there:
        known = ", ".join(there)
        raise FieldError(
            Text(
                f"--sensor {name}: expected one of {known}; for another sensor give --sensors-file",
                f"--sensor {name}：可选 {known}；其他传感器请用 --sensors-file",
            )
        )
    settings = copy.deepcopy(there[name])
    for part in parts:
        key, equals, value = part.partition("=")
        if not equals or not key:
            raise FieldError(
                Text(f"--sensor {text}: {part!r} is not KEY=VALUE", f"--sensor {text}：{part!r} 不是 键=值 的形式")
            )
        settings[key] = _value(value)
    check([settings])
    return settings


def check(sensors: list[Settings]) -> None:
    """Check a board's sensors by making their drivers, as the board will.

    Raises:
        FieldError: a setting is missing, wrong or not known to the driver; two sensors have one name or one channel.
    """
    found = wrong_sensors(sensors)
    if found:
        raise _wrong(*found)


def channels(settings: Settings) -> tuple[str, ...]:
    """Return the sample channels that a sensor's driver gives."""
    return tuple(made(settings, None).channels)


def _wrong(name: object, why: str) -> FieldError:
    more = "edge/drivers/README.md"
    return FieldError(Text(f"sensor {name!r}: {why} ({more})", f"传感器 {name!r}：{in_chinese(why)}（{more}）"))


def _split(text: str) -> list[str]:
    """Split at commas that stand outside of brackets."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter in "[{") - (letter in "]}")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return int(text, 16) if re.fullmatch(r"0[xX][0-9A-Fa-f]{1,4}", text) else text
