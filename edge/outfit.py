"""The sensors that the hub wants a board to have, in place of those of its own file: tried before they count.

Needed when the hub names sensors, and at a start with such ones; loaded then.
"""

import json
from binascii import hexlify
from hashlib import sha256

from edge import files
from edge.borrow import borrow


def mark(value):
    """Return a short text that is the same for the same settings, whatever order they have in a dict."""
    return hexlify(sha256(_plain(value).encode()).digest()[:8]).decode()


def _plain(value):
    if isinstance(value, dict):
        return "{%s}" % ",".join(["%s:%s" % (key, _plain(value[key])) for key in sorted(value)])
    if isinstance(value, (list, tuple)):
        return "[%s]" % ",".join([_plain(one) for one in value])
    return json.dumps(value)


class _Gives:
    def __init__(self, channels):
        self.channels = channels


def wrong(sensors):
    """Return why no agent could be made with these sensors' settings, as a sentence, or None.

    Each driver is made and let go of again: its lines are opened by the agent alone.
    """
    checks = borrow("sensor_checks")
    made = {}
    try:
        for settings in sensors:
            made[settings["name"]] = _Gives(checks.make(settings, None).channels)
        borrow("config").refuse_twins(made)
    except Exception as error:  # whatever a driver raises, a board goes on with what it has
        return "sensors: %s" % error
    return None


def begin(ordered, config):
    """Begin with the desired configuration that is kept; `ordered` makes the agent's Orders of marks and sensors."""
    fitted = mark(config["sensors"])
    orders = ordered(fitted, config.get("own", fitted), config["sensors"])
    if "unfit" in config:
        orders.notes.add("config", {"revision": orders.revision, "problem": config["unfit"]})


async def change(agent):
    """Begin with other sensors, or at another broker; the event of it goes before, or is kept until it can."""
    await agent.tell()
    if agent.ordered().restart:
        agent.board.reset()
    agent.tried = 0
    await agent.client.disconnect()


def dress(config):
    """Put the sensors that the hub wants into a board's configuration; `own` in it then marks those of its own file.

    They stay as they are where the hub wants none, or somebody has changed them in the file since.
    """
    own = mark(config["sensors"])
    path = config["folder"] + "/desired.json"
    try:
        desired = json.loads(files.read(path) or "{}")
        before = json.loads(files.read(path + ".own") or "{}")
    except ValueError:
        return
    if "sensors" in desired and before.get("sensors", own) == own and not borrow("checks").desired(desired):
        config["own"] = own
        config["sensors"] = desired["sensors"]
