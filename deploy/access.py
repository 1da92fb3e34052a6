"""Who may say and hear what at the broker, as its plugin reads it: mosquitto/access.json, made from the registry.

Each board may publish on its own four topics and subscribe to its own three, word for word, and to nothing else; one
that has moved, on those of its earlier places, too. With a
placeholder for district and site a single certificate could leave retained messages and subscriptions under names
without end, and the broker keeps each of them in memory and on disk; with an ACL file instead of this plugin, Mosquitto
2.0 refuses no subscription at all. The price: a board that is new, moved or retired changes this file, and the broker
reads it when it starts. One that is retired the hub has shut out before that.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

PREFIX = "fenceline/1"
SAYS = ("telemetry", "status", "event", "reply")
"""The kinds of messages that boards publish."""
HEARS = ("ack", "config", "command")
"""The kinds of messages that the hub publishes."""
CONTROL = "$CONTROL/dynamic-security/v1"
"""Where hubs tell the broker to shut out a board that is retired (hub/intake/doorkeeper.py)."""
UPTIME = "$SYS/broker/uptime"
"""What the health check of compose.yaml listens to."""


class Place(NamedTuple):
    """Where a board is, by the registry."""

    district: str
    site: str


def access(
    boards: Mapping[str, Place], hubs: Mapping[str, str], earlier: Mapping[str, Collection[Place]] | None = None
) -> str:
    """Return the file's text.

    Args:
        boards: places by the name in the board's certificate.
        hubs: districts by the name in the hub's certificate, "+" for all.
        earlier: where boards that have moved stood before: until it is told its new place, a board speaks from there.
    """
    clients = {"health": _rules("subscribeLiteral", [UPTIME]) + _rules("publishClientReceive", [UPTIME])}
    for name, district in hubs.items():
        heard = [f"{PREFIX}/{district}/+/+/{kind}" for kind in SAYS]
        said = [f"{PREFIX}/{district}/+/+/{kind}" for kind in HEARS]
        # As a pattern: it may also ask for single districts of its own.
        clients[name] = _rules("subscribePattern", heard) + _rules("publishClientReceive", heard)
        clients[name] += _rules("publishClientSend", [*said, CONTROL])
    for name, place in boards.items():
        places = dict.fromkeys([place, *(earlier or {}).get(name, ())])
        own = [f"{PREFIX}/{place.district}/{place.site}/{name}" for place in places]
        heard = [f"{topic}/{kind}" for topic in own for kind in HEARS]
        clients[name] = _rules("publishClientSend", [f"{topic}/{kind}" for topic in own for kind in SAYS])
        clients[name] += _rules("subscribeLiteral", heard) + _rules("publishClientReceive", heard)
    # What is not allowed below is refused; to unsubscribe harms nobody.
    content = {
        "defaultACLAccess": {
            "publishClientSend": False,
            "publishClientReceive": False,
            "subscribe": False,
            "unsubscribe": True,
        },
        "clients": [{"username": name, "roles": [{"rolename": name}]} for name in clients],
        "roles": [{"rolename": name, "acls": rules} for name, rules in clients.items()],
    }
    return json.dumps(content, indent=1) + "\n"


def _rules(kind: str, topics: Iterable[str]) -> list[dict[str, object]]:
    return [{"acltype": kind, "topic": topic, "allow": True} for topic in topics]
