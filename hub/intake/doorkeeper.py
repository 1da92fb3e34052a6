"""Shuts boards out at the broker that are retired or gone from the registry, by Mosquitto's dynamic-security plugin.

The hub itself refuses such a board within two seconds. But its certificate is good until it ends, so it could keep its
connection and fill the broker. So the plugin is told to take the board's name out of its list: it breaks off the
connection, and whoever comes back with the certificate can say and hear nothing. A broker that has started again has
read access.json, so it is told again with each connection of the hub.
"""

import json
from collections.abc import Callable
from datetime import date

from hub.registry.live import Registry

TOPIC = "$CONTROL/dynamic-security/v1"
AT_ONCE = 20
"""Boards in one message: the broker takes 4096 bytes."""


class Doorkeeper:
    """`publish(topic, payload)` says something to the broker."""

    def __init__(self, publish: Callable[[str, bytes], None]) -> None:
        self._publish = publish
        self._session = 0
        self._shut: set[str] = set()  # as the broker has been told
        self._known: set[str] = set()

    def look(self, registry: Registry, today: date, session: int) -> None:
        """Tell the broker what is new. `session`: counts the hub's connections; 0: there was none yet."""
        gone = self._known - registry.boards.keys()
        self._known |= registry.boards.keys()
        shut = gone | {id_ for id_, board in registry.boards.items() if board.retired and board.retired <= today}
        if session != self._session:
            self._session, self._shut = session, set()
        if session:
            self._tell([{"command": "deleteClient", "username": id_} for id_ in sorted(shut - self._shut)])
            back = [{"rolename": id_} for id_ in sorted(self._shut - shut)]
            self._tell([{"command": "createClient", "username": one["rolename"], "roles": [one]} for one in back])
            self._shut = shut

    def _tell(self, commands: list[dict[str, object]]) -> None:
        for first in range(0, len(commands), AT_ONCE):
            self._publish(TOPIC, json.dumps({"commands": commands[first : first + AT_ONCE]}).encode())
