"""What is wrong with a board's configuration, as a sentence with field, value and remedy, or None.

The same check runs where a configuration is written (`fenceline board provision`) and on the board before it works by
it. Needed once at each start; the module is let go of then.
"""

import json
import os
import sys
from binascii import unhexlify

from edge import files
from edge.borrow import borrow

checks = borrow("checks")

MOST_SENSORS = 16
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789-"


def _is_whole(value, low, high):
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _is_number(value, low, high):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high  # NaN is not


def _is_text(value, most=256):
    # Half of a character of two (JSON can say so) is text for nobody.
    wrong = isinstance(value, str) and [one for one in value if one < " " or 0xD800 <= ord(one) < 0xE000]
    return isinstance(value, str) and 0 < len(value) <= most and not wrong


def _is_id(value):
    return _is_text(value, 32) and not [letter for letter in value if letter not in _LETTERS]


def _is_host(value):
    return _is_text(value) and not [letter for letter in value if letter in " :/@," or letter > "~"]


def _is_digits(text, high):
    return 0 < len(text) < 9 and not [digit for digit in text if digit not in "0123456789"] and int(text) <= high


def _is_server(value):
    """Tell whether it is `HOST` or `HOST:PORT`."""
    if not isinstance(value, str):
        return False
    host, colon, port = value.partition(":")
    return _is_host(host) and (not colon or (_is_digits(port, 65535) and int(port) > 0))


def _is_port(value):
    """Tell whether it is a line that board_esp32 or board_host opens."""
    if not _is_text(value):
        return False
    parts = value.split(":")
    if parts[0] == "tcp":
        return len(parts) == 3 and _is_server("%s:%s" % (parts[1], parts[2]))
    fixed = {"uart": 3, "i2c": 2, "i2s": 2, "echo": 1}.get(parts[0], 0)
    needed = {
        "uart": ["rx", "tx"],
        "i2c": ["sda", "scl"],
        "i2s": ["sck", "ws", "sd", "rate"],
        "echo": ["trigger", "echo"],
    }.get(parts[0])
    if not fixed or len(parts) < fixed or (fixed > 1 and not _is_digits(parts[1], 3)):
        return False
    if fixed == 3 and not (_is_digits(parts[2], 5000000) and int(parts[2]) >= 300):
        return False
    named = {}
    for part in parts[fixed:]:
        key, equals, number = part.partition("=")
        if not equals or key in named or not _is_digits(number, 200000 if key == "rate" else 99):
            return False
        if key != "rate" and int(number) in [int(named[other]) for other in named if other != "rate"]:
            return False  # one pin for two
        named[key] = number
    return not [key for key in needed if key not in named] and not [
        key for key in named if key not in needed and key != "de"
    ]


def _is_relay(value):
    return checks.relay(value) is None


def _is_outbox(value):
    return (
        isinstance(value, dict)
        and not [key for key in value if key not in ("segment_records", "max_bytes", "keep")]
        and _is_whole(value.get("segment_records", 128), 1, 10000)
        and _is_whole(value.get("max_bytes", 16384), 1024, 1 << 40)
        and isinstance(value.get("keep", False), bool)
    )


def _is_wifi(value):
    return (
        isinstance(value, dict)
        and sorted(value) == ["password_file", "ssid"]
        and _is_text(value["ssid"], 32)
        and _is_text(value["password_file"])
    )


def _is_clock(value):
    if not isinstance(value, dict) or [key for key in value if key not in ("start", "at", "speed", "steps")]:
        return False
    steps = value.get("steps", [])
    return (
        _is_number(value.get("start"), 0, 1e11)
        and _is_number(value.get("at"), 0, 1e11)
        and _is_number(value.get("speed"), 1e-3, 1e5)
        and isinstance(steps, (list, tuple))
        and all(_is_step(step) for step in steps)
    )


def _is_step(step):
    return (
        isinstance(step, (list, tuple))
        and len(step) == 2
        and _is_number(step[0], 0, 1e11)
        and (step[1] is None or _is_number(step[1], -1e11, 1e11))
    )


def _are_servers(value):
    servers = value if isinstance(value, list) else [value]
    return 0 < len(servers) < 9 and all(_is_server(server) for server in servers)


_ID = "expected 1 to 32 of a-z, 0-9 and -, as in the city's registry"
_FILE = "expected the name of a file"
_FIELDS = {
    "district": (_is_id, _ID),
    "site": (_is_id, _ID),
    "device": (_is_id, _ID),
    "key_file": (_is_text, "expected the name of the file with the board's key, such as key"),
    "folder": (_is_text, "expected the name of the folder for the outbox, such as outbox"),
    "broker": (lambda value: isinstance(value, dict), "expected an object with host and port"),
    "sensors": (lambda value: isinstance(value, list), "expected a list of sensors' settings"),
    "interval": (
        lambda value: _is_whole(value, 1, 60) and value in checks.INTERVALS,
        "expected one of %s s" % (checks.INTERVALS,),
    ),
    "period": (lambda value: _is_number(value, 0.1, 60), "expected 0.1 to 60 s"),
    "raw": (lambda value: isinstance(value, bool), "expected true or false"),
    "levels": (lambda value: isinstance(value, bool), "expected true or false"),
    "outbox": (_is_outbox, "expected segment_records 1 to 10000, max_bytes 1024 or more, keep true or false"),
    "led_pin": (lambda value: _is_whole(value, 0, 99), "expected the number of a pin"),
    "relay_pin": (lambda value: _is_whole(value, 0, 99), "expected the number of a pin"),
    "relay": (_is_relay, "expected a rule, as docs/technician.md tells it"),
    "wifi": (_is_wifi, "expected ssid (1 to 32 characters) and password_file"),
    "ntp": (_are_servers, "expected a time server, HOST or HOST:PORT, or a list of at most 8"),
    "clock": (_is_clock, "expected start, at, speed and steps, in a simulation alone"),
}
_BROKER = {
    "host": (_is_host, "expected the name or address of the broker, without port"),
    "port": (lambda value: _is_whole(value, 1, 65535), "expected 1 to 65535, usually 8883"),
    "user": (_is_text, "expected 1 to 256 characters"),
    "password": (_is_text, "expected 1 to 256 characters"),
    "tls": (lambda value: isinstance(value, dict), "expected an object with ca, certificate and key"),
}
_TLS = {"ca": (_is_text, _FILE), "certificate": (_is_text, _FILE), "key": (_is_text, _FILE)}
_SENSOR = {
    "name": (lambda value: _is_text(value, 32), "expected 1 to 32 characters"),
    "type": (
        lambda value: _is_text(value, 32) and not value.strip("abcdefghijklmnopqrstuvwxyz0123456789_"),
        "expected the name of a driver, as edge/drivers/README.md has them",
    ),
    "port": (
        _is_port,
        "expected uart:NUMBER:BAUD:rx=PIN:tx=PIN, i2c:NUMBER:sda=PIN:scl=PIN, i2s:..., echo:... or tcp:HOST:PORT",
    ),
}
_DESIRED = {
    "raw": _FIELDS["raw"],
    "outbox": (
        lambda value: _is_outbox(value) and list(value) == ["max_bytes"],
        "expected max_bytes, 1024 or more",
    ),
    "brokers": (
        lambda value: isinstance(value, list) and len(value) < 5 and _are_servers(value),
        "expected a list of 1 to 4 brokers, each HOST or HOST:PORT",
    ),
    "sensors": _FIELDS["sensors"],
}
NEEDED = ("district", "site", "device", "key_file", "folder", "broker", "sensors")


def _shown(value):
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _fields(content, fields, needed, where, others=False):
    """Return what is wrong with an object; `others`: it may have fields that somebody else checks."""
    for key in needed:
        if key not in content:
            return "%s%s: missing; %s" % (where, key, fields[key][1])
    for key, value in content.items():
        if key in fields:
            check, expected = fields[key]
            if key == "relay":
                told = checks.relay(value)
                if told:
                    return told
            if not check(value):
                return "%s%s: %s; %s" % (where, key, _shown(value), expected)
        elif not others:
            return "%s%s: not known here; expected one of %s" % (where, _shown(key), ", ".join(sorted(fields)))
    return None


def load(path):
    """Return the configuration in the file `path`, and the board's key; raises ValueError with what is wrong."""
    try:
        text = files.read(path)
        config = None if text is None else json.loads(text)
    except ValueError as error:  # torn, no JSON, no UTF-8
        raise ValueError("%s: cannot be read (%s); provision the board again" % (path, error)) from None
    if config is None:
        raise ValueError("%s: there is none; provision the board: fenceline board provision" % path)
    told = wrong(config, sys.platform == "esp32")
    if told:
        raise ValueError("%s: %s" % (path, told))
    folder = config["folder"]
    try:
        os.mkdir(folder)
    except OSError:
        pass  # it is there
    try:
        os.listdir(folder)
    except OSError as error:
        told = (path, folder, error)
        raise ValueError("%s: folder: %s cannot be made (%s); expected a name such as outbox" % told) from None
    return config, _key(config["key_file"])


def _key(path):
    try:
        with open(path, "rb") as file:
            key = unhexlify(file.read(200).strip())
    except (OSError, ValueError) as error:
        raise ValueError("key_file %s: cannot be read (%s); provision the board again" % (path, error)) from None
    if len(key) != 32:
        raise ValueError("key_file %s: %d bytes; expected 64 hexadecimal digits" % (path, len(key)))
    return key


def refuse_twins(sensors):
    """Raise ValueError where two of the drivers (by name) give one channel: nobody could say what was measured."""
    givers = {}
    for name, driver in sensors.items():
        for channel in driver.channels:
            if channel in givers:
                raise ValueError("sensor %s: %s comes from %s, too; leave one out" % (name, channel, givers[channel]))
            givers[channel] = name


def wrong(config, chip=False):
    """Return what is wrong with a configuration, or None. `chip`: a board that has no network but Wi-Fi."""
    if not isinstance(config, dict):
        return "configuration: expected an object"
    told = _fields(config, _FIELDS, NEEDED + (("wifi",) if chip else ()), "")
    told = told or _fields(config["broker"], _BROKER, ("host", "port"), "broker.")
    tls = config["broker"].get("tls") if not told else None
    if tls is not None:
        told = _fields(tls, _TLS, ("ca", "certificate", "key"), "broker.tls.")
    return told or _sensors(config["sensors"])


def wrong_desired(more):
    """Return what is wrong with what the hub wants beside what `checks.desired` looks at itself, or None."""
    told = _fields(more, _DESIRED, (), "")
    return told or (_sensors(more["sensors"]) if "sensors" in more else None)


def _sensors(sensors):
    if not 0 < len(sensors) <= MOST_SENSORS:
        return "sensors: %d; expected 1 to %d" % (len(sensors), MOST_SENSORS)
    names = []
    for place, settings in enumerate(sensors):
        where = "sensors[%d]" % place
        if not isinstance(settings, dict):
            return "%s: %s; expected an object with name, type and port" % (where, _shown(settings))
        told = _fields(settings, _SENSOR, ("name", "type", "port"), where + ".", others=True)
        if told:
            return told
        if settings["name"] in names:
            return "%s.name: %s is taken; each sensor needs a name of its own" % (where, settings["name"])
        names.append(settings["name"])
    return None
