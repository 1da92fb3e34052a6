"""Takes uplinks from a network server's MQTT broker. The broker hears that one has come (PUBACK) after the commit.

So a hub that is killed at any moment is handed out again what it had not committed: the session is persistent. LoRaWAN
itself has nothing to acknowledge; what a network server publishes with QoS 0 is lost while the hub is away.
"""

import threading
import time
from collections import deque
from typing import NamedTuple

from hub.config.files import Lorawan
from hub.intake.broker import Incoming, Link
from hub.intake.lorawan.judging import Came, Judged

WAIT = 0.05
"""Between two looks at what is committed [s]."""
MOST_WAITING = 1000
"""Uplinks that are not committed yet; beyond, the broker keeps them."""


class Waiting(NamedTuple):
    """An uplink that came, and the broker's message."""

    message: Incoming
    came: Came


class Subscription(threading.Thread):
    """The thread.

    Raises:
        ConfigError: a file of it cannot be used.
    """

    def __init__(self, settings: Lorawan) -> None:
        super().__init__(name=f"lorawan {settings.name}", daemon=True)
        self._settings = settings
        self._link = Link(settings.broker, topics=settings.topics)
        self._proof: Came = Came(b"", "certificate" if settings.ca else "none")
        self._waiting: deque[Waiting] = deque()
        self._done: deque[Incoming] = deque()
        self._flying = 0  # received, and not acknowledged
        self._stop_asked = threading.Event()

    @property
    def connected(self) -> bool:
        """Whether it is subscribed."""
        return self._link.connected

    @property
    def state(self) -> str:
        """How it stands, in words."""
        where = f"{self._settings.host}:{self._settings.port}"
        return f"connected to {where}" if self.connected else f"not connected to {where}{self._link.problem.lasting}"

    def run(self) -> None:
        """Receive until stopped."""
        while not self._stop_asked.is_set():
            if self._flying < MOST_WAITING:
                for message in self._link.receive(MOST_WAITING - self._flying, WAIT):
                    self._flying += 1
                    self._waiting.append(Waiting(message, self._proof._replace(payload=message.payload)))
            else:
                time.sleep(WAIT)
            done = [self._done.popleft() for _ in range(len(self._done))]
            self._flying -= len(done)
            self._link.done(done)
        self._link.done(self._done)
        self._link.close()

    def stop(self) -> None:
        """Disconnect; the broker keeps for the next session what was not acknowledged."""
        self._stop_asked.set()
        if self.is_alive():
            self.join()

    def take(self, most: int) -> list[Waiting]:
        """See `hub.intake.ingest.LineServer`."""
        return [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]

    def take_urgent(self) -> list[Waiting]:
        """See `hub.intake.ingest.LineServer`: nothing is."""
        return []

    def done(self, judged: list[tuple[Waiting, Judged]], *, sure: bool) -> None:  # noqa: ARG002 - committed is committed
        """See `hub.intake.ingest.LineServer`: the broker may forget them; no device hears of it."""
        self._done.extend(waiting.message for waiting, _ in judged)
