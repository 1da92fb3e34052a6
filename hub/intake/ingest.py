"""Takes messages: judged and committed in groups, durable first, then acknowledged to the broker, then to the boards.

All in one thread: as many messages as have come make one group, so the commit's cost is shared the more, the more there
is to do.
"""

import logging
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from hub.config.files import Keep
from hub.health.metrics import Metrics
from hub.intake.acknowledgements import Acknowledgements
from hub.intake.admission import Admission
from hub.intake.broker import Incoming
from hub.intake.doorkeeper import Doorkeeper
from hub.intake.pace import Pace
from hub.intake.passing import GROUP
from hub.intake.receiver import Receiver
from hub.log.batch import Committed
from hub.log.log import FLOOD, Log
from hub.log.outcomes import Admitted, Refused
from hub.process.clock_trust import HubClock
from hub.registry.live import LiveRegistry, Registry
from hub.storage.room import short_of_room
from hub.storage.trouble import explain
from hub.wire.messages import Status
from hub.wire.outline import NOTHING

WAIT = 0.2  # s for messages
CHORES_EVERY = 2.0  # s
LOOK_EVERY = 1.0  # s between two looks at the room on the disk
HELP_EVERY = 10  # messages of a group between two looks for calls for help
RETRY = 2.0  # s between attempts to write a log that cannot be written
REMIND = 60.0  # s between two complaints about it
PRUNING = 100.0
"""The log is pruned by at most so many seconds of it in each second, however old its clock says that it is."""
OF_TIME = ("future", "past")
"""Reasons for which a message is refused that depend on the hub's clock."""

LONGEST_TOPIC = 128  # of a board; ids have at most 32 characters


log = logging.getLogger("hub.ingest")


class LineServer(Protocol):
    """What takes messages of a channel beside the boards', in a thread of its own."""

    def take(self, most: int) -> list[Any]:
        """Return up to `most` messages that came (`came` of each), the oldest first."""

    def take_urgent(self) -> list[Any]:
        """Return what is taken whatever else is wrong, such as that the disk is low: calls for help."""

    def done(self, judged: list[Any], *, sure: bool) -> None:
        """Say that these, each with what became of it, are committed.

        `sure`: of the time; else none is acknowledged.
        """


class LineJudging(Protocol):
    """What decides on them."""

    def judge(self, came: Any) -> Any:
        """Return what becomes of one (`outcomes`); it never fails."""

    def judge_again(self, topic: str, payload: bytes) -> Admitted | Refused:
        """Return what becomes now of one that is in quarantine."""

    def use(self, registry: Registry) -> None:
        """Judge against another registry from now on."""


class Line(NamedTuple):
    """A channel beside the boards': the prefix of its topics in the log, what takes its messages, what judges them."""

    prefix: str
    server: LineServer
    judging: LineJudging


class Ingest(threading.Thread):
    """The thread.

    `wake` tells the consumers that the log has grown, `done` how far all are, `judged` how far judging (None: unknown).
    `outgoing`: what is to be published beside acknowledgements since the last call: topic, payload,
    and whether the broker is to keep it for the topic (retained). `lines`: channels beside the boards'.
    """

    def __init__(
        self,
        receiver: Receiver,
        registry: LiveRegistry,
        admission: Admission,
        log_: Log,
        data: Path,
        keep: Keep,
        acknowledgements: Acknowledgements,
        metrics: Metrics,
        clock: HubClock,
        wake: Callable[[], None],
        done: Callable[[], int | None],
        judged: Callable[[], int | None] = lambda: None,
        outgoing: Callable[[], Iterable[tuple[str, bytes, bool]]] = tuple,
        lines: Sequence[Line] = (),
        doorkeeper: Doorkeeper | None = None,
    ) -> None:
        super().__init__(name="ingest", daemon=True)
        self._receiver = receiver
        self._registry = registry
        self._admission = admission
        self._log = log_
        self._data = data
        self._keep = keep
        self._acknowledgements = acknowledgements
        self._metrics = metrics
        self._clock = clock
        self._lines = lines
        self._doorkeeper = doorkeeper
        self._wake = wake
        self._done = done
        self._outgoing = outgoing
        self._pace = Pace(log_.end, judged)
        self._stop_asked = threading.Event()
        self._statuses: dict[str, int] = {}
        self._let_go: Counter[str] = Counter()  # by board, not counted in the log yet
        self._next_chores = self._next_look = 0.0
        self._short = ""  # what is wrong with the room on the disk
        self._pruned = clock.steady()
        self._asked = False  # for what the registry has come to know while the hub did not run
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
            # With little room the broker and the boards keep what there is, as they do when the hub does not run.
            room = self._has_room()
            group = self._receiver.receive(GROUP, 0 if more else WAIT) if room else self._rest()
            came = [line.server.take(GROUP) if room else line.server.take_urgent() for line in self._lines]
            self.waiting = len(group) + sum(map(len, came))
            if self.waiting and self._commit(group, came):
                self._receiver.done()
                self._wake()
                self._pace.keep(group, self._stop_asked)
            self.waiting = 0
            more = self._clock.doubt is None and self._acknowledgements.pay(busy=len(group) >= GROUP)
            more = more or any(len(one) >= GROUP for one in came)
            for topic, payload, retained in self._outgoing():
                self._receiver.publish(topic, payload, retained=retained)
            if time.monotonic() > self._next_chores:
                self._next_chores = time.monotonic() + CHORES_EVERY
                self._chores()
        self._receiver.stop()

    def _has_room(self) -> bool:
        """Tell whether there is room on the disk; it is looked at once a second."""
        if time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + LOOK_EVERY
            short = short_of_room(self._data, self._keep, self._log.spare())
            if short and not self._short:
                log.error("%s; it goes on by itself", short)
            elif self._short and not short:
                log.info("there is room on the disk again")
            self.problem = self._short = short
        return not self._short

    def _rest(self) -> list[Incoming]:
        self._stop_asked.wait(WAIT)
        return []

    def _commit(self, group: list[Incoming], came: list[list[Any]]) -> bool:
        """Judge and commit what came; `came`: by line."""
        outcomes, asked = self._judge_all(group)
        lines = list(zip(self._lines, came, strict=True))
        judged = [[(one, line.judging.judge(one.came)) for one in of_line] for line, of_line in lines]
        outcomes += [outcome for of_line in judged for _, verdict in of_line for outcome in verdict.outcomes]
        reminded = -REMIND
        while not self._stop_asked.is_set():
            began = time.monotonic()
            try:
                self._report(self._log.commit(outcomes, self._clock.now()), time.monotonic() - began)
                if any(isinstance(outcome, Refused) and not outcome.authentic for outcome in outcomes):
                    self._log.keep(self._keep.quarantined, int(self._keep.quarantined_mb * 1e6))
            except sqlite3.Error as error:
                what, remedy = explain(error, self._data)
                self.problem = f"the log {what.en}: nothing is acknowledged until it can be written"
                if began - reminded >= REMIND:
                    reminded = began
                    log.error("%s; %s; it goes on by itself", self.problem, remedy.en)  # noqa: TRY400
                self._stop_asked.wait(RETRY)
            else:
                if self.problem:
                    log.info("the log can be written again")
                    self.problem = ""
                self._tell_time(asked)
                for line, of_line in zip(self._lines, judged, strict=True):
                    if of_line:
                        line.server.done(of_line, sure=self._clock.doubt is None)
                return True
        return False

    def _help(self) -> None:
        """Commit the calls for help that have come while a group is judged: in a flood that takes seconds."""
        came = [line.server.take_urgent() for line in self._lines]
        if any(came) and self._commit([], came):
            self._wake()

    def _judge_all(self, group: list[Incoming]) -> tuple[list[Admitted | Refused], list[tuple[str, str]]]:
        """Return what becomes of the messages; and of boards that ask for the time in a status: device and nonce."""
        judge = self._judge if self._clock.doubt else self._admission.judge
        outcomes: list[Admitted | Refused] = []
        asked: list[tuple[str, str]] = []
        for n, message in enumerate(group):
            if n % HELP_EVERY == 0:
                self._help()
            if not message.topic.endswith("/status"):
                outcomes.append(judge(message.topic, message.payload))
            elif not self._known_status(message):
                outcome = judge(message.topic, message.payload)
                outcomes.append(outcome)
                if message.retained or isinstance(outcome, Refused) or not isinstance(outcome.message, Status):
                    continue
                nonce = outcome.message.nonce
                if isinstance(nonce, str) and outcome.message.online:
                    asked.append((outcome.device, nonce))
        return outcomes, asked

    def _tell_time(self, asked: list[tuple[str, str]]) -> None:
        """Answer boards that asked for the time, by device and nonce; in doubt of its own the hub tells none."""
        for device, nonce in asked if self._clock.doubt is None else ():
            self._acknowledgements.tell_time(device, nonce, self._clock.now())

    def _report(self, committed: Committed, seconds: float) -> None:
        self._acknowledgements.owe(committed.complete, committed.elsewhere)
        self._acknowledgements.owe_events(committed.events)
        refused = dict(committed.messages)
        accepted = refused.pop("accepted", 0) + refused.pop("other_content", 0)
        duplicate = refused.pop("duplicate", 0)
        refused.pop("replayed", None)
        self._metrics.committed(seconds, accepted, duplicate, refused, committed.records)

    def _judge(self, topic: str, payload: bytes) -> Admitted | Refused:
        judging = next((line.judging for line in self._lines if topic.startswith(line.prefix)), None)
        outcome = judging.judge_again(topic, payload) if judging else self._admission.judge(topic, payload)
        if self._clock.doubt and isinstance(outcome, Refused) and outcome.reason in OF_TIME:
            return replace(
                outcome, outline=NOTHING, event=0
            )  # it may be right, and the hub wrong: its board keeps it, too
        return outcome

    def _known_status(self, message: Incoming) -> bool:
        """Tell whether a status is retained and has been seen: the broker repeats them at each connection."""
        if len(message.topic) > LONGEST_TOPIC:
            return False
        said = hash(message.payload)
        known = message.retained and self._statuses.get(message.topic) == said
        if known or message.topic in self._statuses or len(self._statuses) < 2 * len(self._registry.current.boards):
            self._statuses[message.topic] = said
        return known

    def _watch_clock(self) -> None:
        """Compare the hub's time with the boards'; what was refused in doubt is judged again when that is over."""
        doubted = self._clock.doubt is not None
        self._clock.look(self._admission.ends())
        if doubted and self._clock.doubt is None:
            for reason in OF_TIME:
                self._log.ask(reason=reason)
        self._wake()  # the other process may not have had room to hear of it the last time

    def _prune(self) -> None:
        """Remove what is old, never much at a time: what a wrong clock calls old would be lost for ever."""
        done, now = self._done(), self._clock.steady()
        before = self._clock.now() - self._keep.days * 86_400
        if done is not None and self._clock.may_prune:
            self._log.prune(before, done, PRUNING * (now - self._pruned))
        self._pruned = now

    def _chores(self) -> None:
        """Do what is not urgent: changes of the registry, the quarantine's replays, pruning."""
        try:
            self._watch_clock()
        except sqlite3.Error as error:
            log.warning("chores are put off: the log %s", explain(error, self._data))
        if self._registry.refresh():
            self._admission.use(self._registry.current)
            self._acknowledgements.use(self._registry.current)
            for line in self._lines:
                line.judging.use(self._registry.current)
            self._receiver.use(self._registry.current.boards)
            self._asked = False
        if self._doorkeeper and self._clock.doubt is None:
            self._doorkeeper.look(self._registry.current, self._today(), self._receiver.sessions)
        self._let_go.update(self._receiver.let_go())
        try:
            if self._let_go:
                self._log.count(FLOOD, self._let_go, self._clock.now())
                self._metrics.let_go(self._let_go.total())
                self._let_go.clear()
            if not self._asked:
                self._ask_again()
            began = time.monotonic()
            again = Committed() if self._short else self._log.replay(self._judge, self._clock.now())
            if again.messages:
                self._report(again, time.monotonic() - began)
                self._wake()
            self._prune()
        except sqlite3.Error as error:
            log.warning("chores are put off: the log %s", explain(error, self._data))

    def _today(self) -> date:
        return datetime.fromtimestamp(self._clock.now(), self._registry.current.zone).date()

    def _ask_again(self) -> None:
        """Ask for what boards said before somebody registered them, or said where they stand, or while retired."""
        registry, today = self._registry.current, self._today()
        known = registry.boards.keys() & registry.keys.keys()
        heard = known | {one.mn[:32] for one in registry.stations.values()}
        heard |= {one.phone.lstrip("0")[:32] for one in registry.terminals.values()}
        heard |= {one.eui.lower() for one in registry.nodes.values()}
        heard |= {one.number[:32] for one in registry.badges.values()}
        others = registry.stations.keys() | registry.terminals.keys() | registry.nodes.keys() | registry.badges.keys()
        self._log.ask_for("unknown_board", lambda device: device in heard)
        for reason in ("wrong_topic", "nowhere", "other_district"):
            self._log.ask_for(reason, lambda device: device in known or device in others)
        self._log.ask_for("retired_board", lambda device: device in known and not registry.is_retired(device, today))
        self._asked = True
