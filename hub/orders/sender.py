"""Sends orders and configurations to boards until they answer, and takes their answers from the log, in one thread.

Orders go out with QoS 0, by the same connection as acknowledgements: what the network loses is said again. Everything
that decides what becomes of an order is on the medium before, so the hub may be killed at any moment. Configurations
are retained by the broker: a board gets its own with each connection, and takes each revision once.
"""

import json
import logging
import math
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from hub.log.reader import reading_log
from hub.orders.book import AGAIN, Order, OrderBook
from hub.orders.desired.book import DesiredBook, Told
from hub.orders.keys import GRACE, BoardKey, KeyBook, publish
from hub.orders.kinds import DO, OrderError
from hub.orders.tables import PART
from hub.orders.waves.rolling import Rolling
from hub.registry.live import Registry
from hub.registry.rotated import Rotated
from hub.storage.compliance_file import open_compliance
from hub.storage.trouble import explain
from hub.wire.messages import Event, Reply, Status
from hub.wire.seal import authentic, seal
from hub.wire.sealing import disclose, enclose
from hub.wire.topics import Topic

WAVES_EVERY = 2.0
"""Between two steps of a new version on its way [s]."""
FENCE_EVERY = 5.0
"""Between two looks for what was changed at the fence [s]."""
KEYS_EVERY = 1.0
"""Between two looks at the boards' keys [s]."""
STEADY = GRACE
"""So long after the hub's start, and after a board was heard under a new key, none before is taken for over [s]."""
LOOK_EVERY = 0.5
"""Between two looks at the orders and at the log [s]."""
FIRST_PAUSE, LONGEST_PAUSE = 2.0, 30.0
"""Between two times that the same bytes are sent [s]: each pause is twice as long as the one before."""
LONGEST_CONFIG_PAUSE = 300.0
"""Between two times that a configuration is sent, which the broker keeps [s]."""
RETRY = 5.0
"""After the database could not be read or written [s]."""

log = logging.getLogger("hub.orders")


class OrderSender(threading.Thread):
    """The thread.

    `compliance`, `log_file`: the two databases. `registry`: gives the registry as it is now. `clock`: Unix time in s.
    `doubted`: tells whether the hub's time is in doubt: then nothing is signed by it, and nothing expires.
    `bundles`: where boards fetch new versions; empty: none are brought.
    """

    def __init__(
        self,
        compliance: Path,
        log_file: Path,
        registry: Callable[[], Registry],
        clock: Callable[[], float],
        doubted: Callable[[], bool],
        bundles: str = "",
    ) -> None:
        super().__init__(name="orders", daemon=True)
        self._compliance = compliance
        self._log_file = log_file
        self._registry = registry
        self._clock = clock
        self._doubted = doubted
        self._rolling = Rolling(log_file, bundles)
        self._next_wave = self._next_keys = 0.0
        self._published: dict[str, Rotated] | None = None  # what the file of keys holds
        self._next_fence = 0.0
        self._key_shown = time.monotonic()  # or the start of the hub
        self._fenced: int | None = None  # the log's offset up to which changes at the fence were taken over
        self._keys_heard = 0  # the log's offset up to which boards were listened to for their new keys
        self._sealed: dict[str, bytes] = {}  # the keys under which boards were told their configurations
        self._ready: queue.SimpleQueue[tuple[str, bytes, bool]] = queue.SimpleQueue()
        self._revised: tuple[int, Registry] | None = None  # what the configurations in force were made of
        self._listened = 0  # the log's offset up to which boards' words on their configurations have been taken
        self._configured: dict[tuple[str, int], tuple[float, float]] = {}  # as `_told`, by board and revision
        self._told: dict[str, tuple[float, float]] = {}  # by id of a command: when it is told again, pause after that
        self._told_all = False
        self._stop_asked = threading.Event()

    def stop(self) -> None:
        """Ask it to end after what it is doing now."""
        self._stop_asked.set()

    def outgoing(self) -> Iterator[tuple[str, bytes, bool]]:
        """Yield what is to be published since the last call: topic, payload, whether the broker is to keep it."""
        while not self._ready.empty():
            yield self._ready.get()

    def run(self) -> None:
        """Work until stopped."""
        while not self._stop_asked.is_set():
            try:
                with closing(open_compliance(self._compliance, PART)) as db:
                    book, desired = OrderBook(db), DesiredBook(db)
                    while not self._stop_asked.wait(LOOK_EVERY):
                        self.step(book)
                        self.rotate(book.keys)
                        self.take_over(desired)
                        self.configure(desired)
                        self.roll(db)
            except sqlite3.Error as error:
                log.error("orders wait: the database %s", explain(error, self._compliance))  # noqa: TRY400
            except Exception:
                log.exception("orders wait for %.0f s", RETRY)
            else:
                continue
            self._stop_asked.wait(RETRY)

    def step(self, book: OrderBook) -> None:
        """Take the answers that have come, end what is over, and tell boards what is due."""
        self._hear(book)
        if self._doubted():
            return
        now = self._clock()
        book.expire(now)
        told = {}
        for order in book.next_of_each():
            signed = self._signed(book, order, now)
            if signed is not None:
                told[signed.command_id] = self._tell(signed)
        self._told = told

    def rotate(self, keys: KeyBook) -> None:
        """Hear which boards work under their new keys, and let all parts of the hub know the keys as they are now.

        Not while the hub's time is in doubt: the key before must not be taken for over.
        """
        if self._doubted() or time.monotonic() < self._next_keys:
            return
        self._next_keys = time.monotonic() + KEYS_EVERY
        if offered := keys.offered():
            self._hear_keys(keys, offered)
        # A clock that jumps ahead must not end what is still on its way: as much time has to go by here, too.
        steady = time.monotonic() - self._key_shown >= STEADY
        now = self._clock() if steady else 0.0
        rotated = keys.rotated(now)
        if rotated != self._published:
            publish(keys, self._compliance.parent, now)
            self._published = rotated

    def _hear_keys(self, keys: KeyBook, offered: list[BoardKey]) -> None:
        registry = self._registry()
        new, topics = {}, []
        for one in offered:
            board, base = registry.boards.get(one.device), registry.bases.get(one.device)
            key = disclose(one.enclosed, base) if base else None
            if board and key:
                new[one.device] = one, key
                for site in registry.places_of(board):
                    topics += [str(Topic(site.district, site.id, one.device, kind)) for kind in ("reply", "status")]
        after = max(self._keys_heard, min(one.heard_from for one in offered))
        with reading_log(self._log_file) as entries:
            end = entries.end()
            said = list(entries.said(topics, after)) if topics else []
        for entry in said:
            one, key = new[entry.place.device]
            if authentic(entry.payload, key):
                keys.shown(one, self._clock())
                self._key_shown = time.monotonic()
                log.info("board %s works under its new key", one.device)
                del new[entry.place.device]
                if not new:
                    break
        self._keys_heard = end

    def roll(self, db: sqlite3.Connection) -> None:
        """Bring a new version further on its way."""
        if self._doubted() or time.monotonic() < self._next_wave:
            return
        self._next_wave = time.monotonic() + WAVES_EVERY
        self._rolling.step(db, self._registry(), self._clock())

    def configure(self, desired: DesiredBook) -> None:
        """Make new revisions where boards are to work otherwise, tell boards theirs, and take what they say of it."""
        registry = self._registry()
        if unanswered := desired.unanswered():
            self._listen(desired, unanswered)
        newest = desired.newest()
        if (self._revised is None or self._revised[0] != newest or self._revised[1] is not registry) and (
            newest and not self._doubted()
        ):
            desired.revise(registry, self._clock(), self._log_end)
            self._revised = newest, registry
        now, due = time.monotonic(), {}
        new = {id_ for id_, key in self._sealed.items() if registry.keys.get(id_, key) != key}
        for one in desired.unanswered() if self._told_all and not new else desired.all_told():
            key = registry.keys.get(one.device)
            if self._told_all and one.state == "in_force" and one.device not in new:
                continue
            moment, pause = self._configured.get((one.device, one.revision), (now, FIRST_PAUSE))
            if one.device in new:  # what the broker keeps is under the key before, which the board soon forgets
                moment = now
            if key is not None and now >= moment:
                site = registry.site_of(one.device)
                body = json.dumps({"revision": one.revision} | json.loads(one.settings)).encode()
                topic = Topic(site.district, site.id, one.device, "config")
                self._ready.put((str(topic), seal(body, key), True))
                self._sealed[one.device] = key
                # What is in force is told once for each start of the hub: the broker may have lost it.
                moment, pause = now + pause, min(2 * pause, LONGEST_CONFIG_PAUSE)
            due[one.device, one.revision] = (moment if one.state == "pending" else math.inf), pause
        self._configured, self._told_all = due, True

    def take_over(self, desired: DesiredBook) -> None:
        """Take over what was changed at the fence, so that nobody's work there is undone."""
        now = time.monotonic()
        if now < self._next_fence:
            return
        self._next_fence = now + FENCE_EVERY
        registry = self._registry()
        boards = [one.device for one in desired.all_told() if one.device in registry.boards]
        if not boards:
            return
        places = [(registry.site_of(id_), id_) for id_ in boards]
        topics = [str(Topic(site.district, site.id, id_, "event")) for site, id_ in places]
        if self._fenced is None:
            self._fenced = desired.heard()
        with reading_log(self._log_file) as entries:
            end, said = entries.end(), list(entries.said(topics, self._fenced))
        told = [(entry.place.device, entry.said) for entry in said]
        words = [
            (device, event.detail)
            for device, event in told
            if isinstance(event, Event) and event.event == "config" and isinstance(event.detail, dict)
        ]
        for device, detail in words:
            try:
                if changes := desired.take_over(registry, device, detail, self._clock()):
                    log.info("board %s was changed at the fence: %s", device, changes)
            except OrderError as error:
                log.warning("board %s was changed at the fence, and that cannot be taken over: %s", device, error)
        for device, detail in {device: detail for device, detail in words if "own" not in detail}.items():
            desired.gave_up(device, detail, self._clock())
        if said:
            desired.heard_to(end)
        self._fenced = max(self._fenced, end)

    def _listen(self, desired: DesiredBook, boards: list[Told]) -> None:
        """Take what these boards have said of their configurations since the last look."""
        registry = self._registry()
        topics = []
        for one in boards:
            if one.device in registry.boards:
                site = registry.site_of(one.device)
                topics += [str(Topic(site.district, site.id, one.device, kind)) for kind in ("event", "status")]
        after = max(self._listened, min(one.heard_from for one in boards))
        with reading_log(self._log_file) as entries:
            end = entries.end()
            said = list(entries.said(topics, after))
        for entry in said:
            if isinstance(entry.said, Event | Status):
                desired.hear(entry.place.device, entry.said, self._clock())
        self._listened = max(end, said[-1].offset) if said else end

    def _log_end(self) -> int:
        with reading_log(self._log_file) as entries:
            return entries.end()

    def _hear(self, book: OrderBook) -> None:
        waiting = book.listening(self._clock())
        if not waiting:
            return
        topics: dict[str, list[Order]] = {}
        for order in waiting:
            given_at = Topic(order.district, order.site, order.device, "reply")
            for topic in {str(given_at), str(self._topic(order, "reply"))}:
                topics.setdefault(topic, []).append(order)
        after = min(order.heard_from or 0 for order in waiting)
        with reading_log(self._log_file) as entries:
            said = list(entries.said(list(topics), after))
        for entry in said:
            if isinstance(entry.said, Reply):
                answered = book.answer(topics[entry.topic], entry.said, self._clock())
                if answered is not None:
                    log.info("order %d to %s: %s: %s", answered.id, answered.device, answered.state, answered.answer)

    def _signed(self, book: OrderBook, order: Order, now: float) -> Order | None:
        """Return an order with what is to be sent; None: nothing, just now."""
        if order.command is not None:
            return order
        if now >= order.expires or (order.signed is not None and 0 <= now - order.signed < AGAIN):
            return None
        secret = None
        if order.what in DO:
            secret = self._secret(book.keys, order, now)
            if secret is None:
                return None
        return book.sign(order, now, self._log_end(), secret)

    def _secret(self, keys: KeyBook, order: Order, now: float) -> str | None:
        """Return what is enclosed in an order under its board's key; None: not yet."""
        registry = self._registry()
        base, key = registry.bases.get(order.device), registry.keys.get(order.device)
        if base is None or key is None:
            return None  # it is not in the registry just now
        if order.what == "rotate-key":
            content: bytes | None = keys.offer(order.device, base, now, self._log_end())
            if content not in registry.others.get(order.device, ()):
                return None  # what the board says under it would be refused
        else:
            content = disclose(json.loads(order.settings)["sealed"], base)
        return None if content is None else enclose(content, key)

    def _tell(self, order: Order) -> tuple[float, float]:
        """Tell a board its order, if it is time; return when it is told again, and the pause after that."""
        now = time.monotonic()
        due, pause = self._told.get(order.command_id, (now, FIRST_PAUSE))
        if now < due:
            return due, pause
        key = self._registry().keys.get(order.device)
        if key is not None and order.command is not None:  # else it was taken out of the registry, and may come back
            command = self._enclosed_anew(order.command, order.device, key)
            self._ready.put((str(self._topic(order, "command")), seal(command.encode(), key), False))
        return now + pause, min(2 * pause, LONGEST_PAUSE)

    def _enclosed_anew(self, command: str, device: str, key: bytes) -> str:
        """Return a command with what is enclosed in it under the key in force now.

        The board may have been heard under a new key since it was signed, and opens with that under which it is told.
        """
        said = json.loads(command)
        sealed = said.get("sealed")
        if sealed is None or disclose(sealed, key) is not None:
            return command
        for before in self._registry().keys_of(device):
            if (content := disclose(sealed, before)) is not None:
                return json.dumps(said | {"sealed": enclose(content, key)}, ensure_ascii=False)
        return command

    def _topic(self, order: Order, kind: str) -> Topic:
        """Return a board's topic where it belongs now; where it belonged, if it is not in the registry any more."""
        registry = self._registry()
        if order.device not in registry.boards:
            return Topic(order.district, order.site, order.device, kind)
        site = registry.site_of(order.device)
        return Topic(site.district, site.id, order.device, kind)
