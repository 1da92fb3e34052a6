"""Takes messages: judged and committed in groups, durable first, then acknowledged to the broker, then to the boards.

All in one thread: as many messages as have come make one group, so the commit's cost is shared the more, the more there
is to do.
"""

import logging
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable
from itertools import islice

import msgspec

from hub.admission import PREFIX, Admission, Admitted, Refused, seal
from hub.config import Keep
from hub.link import Incoming
from hub.log import FLOOD, Committed, Log
from hub.metrics import Metrics
from hub.pace import Pace
from hub.receiver import GROUP, Receiver
from hub.registry import LiveRegistry, Registry
from hub.stream_table import Stream

WAIT = 0.2  # s for messages
CHORES_EVERY = 2.0  # s
RETRY = 2.0  # s between attempts to write a log that cannot be written
REMIND = 60.0  # s between two complaints about it

log = logging.getLogger("hub.ingest")


class Acknowledgements:
    """Tells boards what they may forget: cumulative, to all that have something new every `every` s.

    While messages pile up it waits for longer: later, one acknowledgement says what several would have said.
    """

    LATER = 6.0
    """How much longer it waits then, s; boards send again what is not acknowledged within 15 s."""
    PIECE = 500
    """So many at a time, so that taking messages never pauses for long."""

    def __init__(self, receiver: Receiver, registry: Registry, every: float) -> None:
        self._receiver = receiver
        self._registry = registry
        self._every = every
        self._due: dict[Stream, int] = {}
        self._next = 0.0

    def use(self, registry: Registry) -> None:
        """Find boards in another registry from now on."""
        self._registry = registry

    def owe(self, complete: dict[Stream, int]) -> None:
        """Note, by stream, the number up to which everything is committed."""
        self._due.update(complete)

    def pay(self, *, busy: bool) -> bool:
        """Send what is due, when it is time; tell whether there is more of it. `busy`: messages are piling up."""
        now = time.monotonic()
        if now < self._next + (self.LATER if busy else 0):
            return False
        for stream in list(islice(self._due, self.PIECE)):
            self._tell(stream, self._due.pop(stream))
        if not self._due:
            self._next = now + self._every
        return bool(self._due)

    def _tell(self, stream: Stream, seq: int) -> None:
        key = self._registry.keys.get(stream.device)
        if key is None:
            return  # taken out of the registry meanwhile
        site = self._registry.site_of(stream.device)
        body = msgspec.json.encode({"stream": stream.name, "seq": seq})
        self._receiver.publish(f"{PREFIX}{site.district}/{site.id}/{stream.device}/ack", seal(body, key))


class Ingest(threading.Thread):
    """The thread.

    `wake` tells the consumers that the log has grown, `done` how far all are, `judged` how far judging (None: unknown).
    """

    def __init__(
        self,
        receiver: Receiver,
        registry: LiveRegistry,
        admission: Admission,
        log_: Log,
        keep: Keep,
        acknowledgements: Acknowledgements,
        metrics: Metrics,
        clock: Callable[[], float],
        wake: Callable[[], None],
        done: Callable[[], int | None],
        judged: Callable[[], int | None] = lambda: None,
    ) -> None:
        super().__init__(name="ingest", daemon=True)
        self._receiver = receiver
        self._registry = registry
        self._admission = admission
        self._log = log_
        self._keep = keep
        self._acknowledgements = acknowledgements
        self._metrics = metrics
        self._clock = clock
        self._wake = wake
        self._done = done
        self._pace = Pace(log_.end, judged)
        self._stop_asked = threading.Event()
        self._statuses: dict[str, int] = {}
        self._let_go: Counter[str] = Counter()  # by board, not counted in the log yet
        self._next_chores = 0.0
        self.waiting = 0
        """Messages that came and are not committed yet."""
        self.problem = ""
        """Why the log cannot be written; empty when it can."""

    def stop(self) -> None:
        """Ask it to end after the group it is committing."""
        self._stop_asked.set()

    def run(self) -> None:
        """Work until stopped."""
        more = False
        while not self._stop_asked.is_set():
            group = self._receiver.receive(GROUP, 0 if more else WAIT)
            self.waiting = len(group)
            if group and self._commit(group):
                self._receiver.done()
                self._wake()
                self._pace.keep(group, self._stop_asked)
            self.waiting = 0
            more = self._acknowledgements.pay(busy=len(group) >= GROUP)
            if time.monotonic() > self._next_chores:
                self._next_chores = time.monotonic() + CHORES_EVERY
                self._chores()
        self._receiver.stop()

    def _commit(self, group: list[Incoming]) -> bool:
        outcomes = [self._judge(m.topic, m.payload) for m in group if not self._known_status(m)]
        reminded = -REMIND
        while not self._stop_asked.is_set():
            began = time.monotonic()
            try:
                self._report(self._log.commit(outcomes, time.time()), time.monotonic() - began)
                if any(isinstance(outcome, Refused) for outcome in outcomes):
                    self._log.keep(self._keep.quarantined)
            except sqlite3.Error as error:
                self.problem = f"the log cannot be written ({error}): nothing is acknowledged until it can"
                if began - reminded >= REMIND:
                    reminded = began
                    log.error("%s; make room or mend the medium, it goes on by itself", self.problem)  # noqa: TRY400
                self._stop_asked.wait(RETRY)
            else:
                if self.problem:
                    log.info("the log can be written again")
                    self.problem = ""
                return True
        return False

    def _report(self, committed: Committed, seconds: float) -> None:
        self._acknowledgements.owe(committed.complete)
        refused = dict(committed.messages)
        accepted, duplicate = refused.pop("accepted", 0), refused.pop("duplicate", 0)
        refused.pop("replayed", None)
        self._metrics.committed(seconds, accepted, duplicate, refused, committed.records)

    def _judge(self, topic: str, payload: bytes) -> Admitted | Refused:
        try:
            return self._admission.judge(topic, payload)
        except Exception as error:
            # One message that shows a mistake of ours must not keep all the others from being heard.
            log.exception("a message on %s could not be judged; it is in quarantine", topic)
            return Refused(topic, payload, None, "internal", repr(error))

    def _known_status(self, message: Incoming) -> bool:
        """Tell whether it is a retained status that has been seen: the broker repeats them at each connection."""
        if not message.topic.endswith("/status"):
            return False
        said = hash(message.payload)
        known = message.retained and self._statuses.get(message.topic) == said
        if known or message.topic in self._statuses or len(self._statuses) < 2 * len(self._registry.current.boards):
            self._statuses[message.topic] = said
        return known

    def _chores(self) -> None:
        """Do what is not urgent: changes of the registry, the quarantine's replays, pruning."""
        known = self._registry.current.boards
        new: set[str] = set()
        if self._registry.refresh():
            self._admission.use(self._registry.current)
            self._acknowledgements.use(self._registry.current)
            self._receiver.use(self._registry.current.boards)
            new = set(self._registry.current.boards) - set(known)
        self._let_go.update(self._receiver.let_go())
        try:
            if self._let_go:
                self._log.count(FLOOD, self._let_go, time.time())
                self._metrics.let_go(self._let_go.total())
                self._let_go.clear()
            for device in new:  # what it said before somebody registered it
                self._log.ask(device=device, reason="unknown_board")
            began = time.monotonic()
            again = self._log.replay(self._judge, time.time())
            if again.messages:
                self._report(again, time.monotonic() - began)
                self._wake()
            done = self._done()
            if done is not None:
                self._log.prune(self._clock() - self._keep.days * 86_400, done)
        except sqlite3.Error as error:
            log.warning("chores are put off: %s", error)
