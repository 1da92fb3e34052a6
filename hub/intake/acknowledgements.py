"""Tells boards what they may forget."""

import re
import time
from collections.abc import Iterable
from itertools import islice

import msgspec

from hub.intake.receiver import Receiver
from hub.log.streams import Stream
from hub.registry.live import Registry
from hub.wire.seal import seal
from hub.wire.topics import PREFIX, Topic

_ELSEWHERE = re.compile(rf"{PREFIX}[a-z0-9-]{{1,32}}/[a-z0-9-]{{1,32}}/[a-z0-9-]{{1,32}}/[a-z]+\Z")


class Acknowledgements:
    """Tells boards what they may forget: cumulative, to all that have something new every `every` s.

    While messages pile up it waits for longer: later, one acknowledgement says what several would have said.
    """

    LATER = 6.0
    """How much longer it waits then, s; boards send again what is not acknowledged within 15 s."""
    PIECE = 500
    """Boards told at a time, so that taking messages never pauses for long."""
    STREAMS = 16
    """Streams of one board that are due at once; a board that makes up more asks again."""

    EVENTS = 64
    """Events of one board that are due at once: it keeps fewer, and sends again what is not answered."""

    def __init__(self, receiver: Receiver, registry: Registry, every: float) -> None:
        self._receiver = receiver
        self._registry = registry
        self._every = every
        self._due: dict[str, dict[str, tuple[int, str]]] = {}  # by board and stream: number, and another topic
        self._events: dict[str, dict[int, str]] = {}  # by board and number: another topic
        self._next = 0.0

    def use(self, registry: Registry) -> None:
        """Find boards in another registry from now on."""
        self._registry = registry

    def owe(self, complete: dict[Stream, int], elsewhere: dict[Stream, str] | None = None) -> None:
        """Note, by stream, the number up to which everything is committed.

        `elsewhere`: the topics under which boards spoke that are not their own: there they listen.
        """
        for stream, seq in complete.items():
            due = self._due.setdefault(stream.device, {})
            if len(due) >= self.STREAMS and stream.name not in due:
                del due[next(iter(due))]
            due[stream.name] = seq, elsewhere.get(stream, "") if elsewhere else ""

    def owe_events(self, events: Iterable[tuple[str, int, str]]) -> None:
        """Note device, number and topic of events that are committed."""
        for device, number, topic in events:
            due = self._events.setdefault(device, {})
            if len(due) < self.EVENTS:
                due[number] = topic

    def tell_time(self, device: str, nonce: str, now: float) -> None:
        """Tell a board what time it is (Unix s) that asked with a nonce: its time servers may be out of reach."""
        self._say(device, {"time": int(now * 1000), "nonce": nonce}, "")

    def pay(self, *, busy: bool) -> bool:
        """Send what is due, when it is time; tell whether there is more of it. `busy`: messages are piling up."""
        now = time.monotonic()
        if now < self._next + (self.LATER if busy else 0):
            return False
        for device in list(islice(self._due, self.PIECE)):
            for name, (seq, topic) in self._due.pop(device).items():
                self._say(device, {"stream": name, "seq": seq}, topic)
        for device in list(islice(self._events, self.PIECE)):
            for number, topic in self._events.pop(device).items():
                self._say(device, {"events": number}, topic)
        if not self._due and not self._events:
            self._next = now + self._every
        return bool(self._due or self._events)

    def _say(self, device: str, said: dict[str, str | int], topic: str) -> None:
        """Say something on a board's `ack`; `topic`: where it spoke, if that is not where it belongs."""
        key = self._registry.keys.get(device)
        if key is None:
            return  # taken out of the registry meanwhile
        site = self._registry.site_of(device)
        ack = seal(msgspec.json.encode(said), key)
        home = str(Topic(site.district, site.id, device, "ack"))
        self._receiver.publish(home, ack)
        there = f"{topic.rpartition('/')[0]}/ack"
        if there != home and _ELSEWHERE.match(topic):  # moved in the registry, and not told so yet
            self._receiver.publish(there, ack)
