"""Checks a sensor's settings where they are read, with an error that names sensor, field, value and what was expected.

`edge.drivers.make` leaves its work to it and lets go of it. What settings of one name mean is the same for all drivers;
what only one driver has, such as its models, it checks itself.
"""

from edge.borrow import borrow

RANGES = borrow("ranges").RANGES

KINDS = ("f32", "s16", "s32", "u16", "u32")
FIELDS = {
    "registers": ("channel", "register", "kind", "scale", "range", "missing"),
    "channels": ("channel", "input", "shunt", "zero", "span"),
}
LINES = {
    "i2c": "i2c:0:sda=21:scl=22",
    "i2s": "i2s:0:sck=14:ws=15:sd=32",
    "echo": "echo:trigger=5:echo=18",
    "": "uart:1:9600:rx=16:tx=17",
}


def refuse(settings, field, value, expected):
    """Raise the ValueError that says so."""
    told = "is missing" if value is None else "'%s'" % value if isinstance(value, str) else str(value)
    raise ValueError("sensor '%s': %s %s: expected %s" % (settings.get("name"), field, told, expected))


def is_number(value):
    """Tell whether a value is a finite number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value - value == 0


def whole(settings, field, value, low, high):
    """Check that a value is a whole number from `low` to `high`."""
    if is_number(value) and value == int(value) and low <= value <= high:
        return
    expected = "a whole number from %d to %d" % (low, high)
    try:
        meant = int(value, 0) if isinstance(value, str) else -1
    except ValueError:
        meant = -1
    if low <= meant <= high:
        expected += ", without quotes: %d" % meant
    refuse(settings, field, value, expected)


def number(settings, field, value, low, high):
    """Check that a value is a number from `low` to `high`."""
    if not is_number(value) or not low <= value <= high:
        refuse(settings, field, value, "a number from %g to %g" % (low, high))


def make(settings, port):
    """See `edge.drivers.make`."""
    if not isinstance(settings, dict):
        raise ValueError("sensor %s: expected an object with name, type and port" % (settings,))
    for key in ("name", "type", "port"):
        value = settings.get(key)
        if not isinstance(value, str) or not value:
            refuse(settings, key, value, "text")
    try:
        driver = __import__("edge.drivers." + settings["type"], None, None, ("Driver",)).Driver
    except (ImportError, AttributeError, ValueError):
        refuse(settings, "type", settings["type"], "the name of a driver")
    check(settings, getattr(driver, "BUS", ""))
    try:
        return driver(port, settings)
    except KeyError as error:
        refuse(settings, error.args[0], None, "a setting of that name")


def check(settings, bus):
    """Check the settings that several drivers have; `bus`: what the driver talks on, of LINES, "" for serial."""
    port = settings["port"]
    line = port.split(":")[0]
    if (line if line in LINES else "") != bus:
        refuse(settings, "port", port, "a line such as " + LINES[bus])
    for key, low, high in (("warmup", 0, 3600), ("sensitivity", 90, 160), ("air_celsius", -50, 70)):
        if key in settings:
            number(settings, key, settings[key], low, high)
    if "address" in settings:
        whole(settings, "address", settings["address"], *((8, 119) if bus == "i2c" else (1, 247)))
    mode = settings.get("mode", "active")
    if mode not in ("active", "passive"):
        refuse(settings, "mode", mode, "active or passive")
    whole(settings, "function", settings.get("function", 3), 3, 4)
    for key, kind, told in (("cf1", bool, "true or false"), ("model", str, "text")):
        if not isinstance(settings.get(key, kind()), kind):
            refuse(settings, key, settings[key], told)
    for key in FIELDS:
        if key in settings:
            entries(settings, key)


def entries(settings, key):
    """Check a list of objects, each about one channel."""
    found, fields = settings[key], FIELDS[key]
    if not isinstance(found, list) or not found:
        refuse(settings, key, found, "a list of one or more objects")
    channels = []
    for entry in found:
        if not isinstance(entry, dict):
            refuse(settings, key, entry, "an object with %s" % ", ".join(fields))
        channel = entry.get("channel")
        if not isinstance(channel, str) or channel not in RANGES:
            refuse(settings, "channel", channel, "one of %s" % ", ".join(sorted(RANGES)))
        if channel in channels:
            refuse(settings, "channel", channel, "each channel once")
        channels.append(channel)
        where = "channel '%s': " % channel
        for field in entry:
            if field not in fields:
                refuse(settings, where + "field", field, "one of %s" % ", ".join(fields))
        if key == "registers":
            register(settings, where, entry)
        else:
            loop(settings, where, entry)


def register(settings, where, entry):
    """Check one register of a Modbus device."""
    kind = entry.get("kind", "u16")
    if not isinstance(kind, str) or kind not in KINDS:
        refuse(settings, where + "kind", kind, "one of %s" % ", ".join(KINDS))
    whole(settings, where + "register", entry.get("register"), 0, 65536 - int(kind[1:]) // 16)
    scale = entry.get("scale", 1)
    if not is_number(scale) or not scale:
        refuse(settings, where + "scale", scale, "a number other than 0")
    ends = entry.get("range", [0, 1])
    good = isinstance(ends, list) and len(ends) == 2 and is_number(ends[0]) and is_number(ends[1])
    if not good or ends[0] >= ends[1]:
        refuse(settings, where + "range", ends, "the scale's lower and upper end, such as [30, 130]")
    missing = entry.get("missing", [])
    if not isinstance(missing, list) or not all(is_number(raw) for raw in missing):
        refuse(settings, where + "missing", missing, "a list of numbers as they stand in the register")


def loop(settings, where, entry):
    """Check one loop behind a converter; the driver knows which shunts it can read."""
    whole(settings, where + "input", entry.get("input"), 0, 3)
    number(settings, where + "shunt", entry.get("shunt"), 0, 1000)
    for key in ("zero", "span"):
        if not is_number(entry.get(key)):
            refuse(settings, where + key, entry.get(key), "the value at %d mA" % (4 if key == "zero" else 20))
    if entry["zero"] == entry["span"]:
        refuse(settings, where + "span", entry["span"], "another value than at 4 mA")
