"""Starts the process that is connected to the broker (`hub.intake.passing`), and takes what it hands over."""

import queue
import threading
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from hub.config.files import Broker, Id
from hub.intake.broker import Incoming, Link, Problem
from hub.intake.passing import TRANSFER, Job, Order, Report
from hub.process import logs
from hub.process.child import Child

PATIENCE = 5.0
"""For so long the process may take to disconnect [s]."""


class _Transfer(NamedTuple):
    """As it stands in the hub; `start`: of the process that handed it over."""

    start: int
    number: int
    size: int
    messages: list[Incoming]


_encode = msgspec.msgpack.Encoder().encode
_report = msgspec.msgpack.Decoder(Report).decode


class Receiver:
    """The process as the hub sees it; it is started again when it ends by itself. Used by one thread.

    Raises:
        ConfigError: the broker's files cannot be used.
    """

    def __init__(
        self,
        broker: Broker,
        districts: Iterable[Id] = (),
        log_format: logs.Format = "text",
        boards: Iterable[str] = (),
    ) -> None:
        self._boards = list(boards)
        Link(broker, districts)  # what cannot be used is said here, where somebody looks
        # The receiver never has more under way than HANDED and one transfer, so that the thread which fills this always
        # reads, and the two processes never wait for each other.
        self._came: queue.Queue[_Transfer] = queue.Queue()
        self._took: list[_Transfer] = []  # what `receive` returned last
        self._later: _Transfer | None = None  # of another start of the process than those
        self._publish: list[tuple[str, bytes, bool]] = []
        self._let_go: Counter[str] = Counter()
        self._counting = threading.Lock()
        self._earlier = 0  # sessions of the process's earlier starts
        self._child = Child(
            "the process that is connected to the broker",
            "hub.intake.passing",
            lambda: Job(broker, tuple(districts), log_format, self._boards),
            self._hear,
            self._lose,
            PATIENCE,
        )
        self.connected = False
        self.problem = Problem()
        """Why it is not."""
        self.sessions = 0
        """How often the broker has let the hub in."""

    def start(self) -> None:
        """Start the process; returns at once."""
        self._child.start()

    def receive(self, most: int, timeout: float) -> list[Incoming]:
        """Wait up to `timeout` s for messages; return those that have come, up to about `most` and `TRANSFER` bytes."""
        self._order([])
        self._took = []
        try:
            first = self._later or self._came.get(timeout=timeout)
        except queue.Empty:
            return []
        self._later = None
        self._took = [first]
        messages, size = first.messages, first.size
        while len(messages) < most and size < TRANSFER:
            try:
                following = self._came.get_nowait()
            except queue.Empty:
                break
            if following.start != first.start:
                self._later = following
                break
            self._took.append(following)
            messages += following.messages
            size += following.size
        return messages

    def done(self) -> None:
        """Acknowledge to the broker what `receive` returned last."""
        if self._took:
            self._order([transfer.number for transfer in self._took], self._took[0].start)
            self._took = []

    def use(self, boards: Iterable[str]) -> None:
        """Give each of these boards its turn from now on: the registry has changed."""
        self._boards = list(boards)
        self._child.send(_encode(Order([], [], self._boards)))

    def let_go(self) -> dict[str, int]:
        """Return by board how many messages were let go of since the last call; "": of nobody registered."""
        with self._counting:
            gone, self._let_go = self._let_go, Counter()
        return gone

    def publish(self, topic: str, payload: bytes, *, retained: bool = False) -> None:
        """Publish with QoS 0 at the next `receive` or `done`; lost when there is no connection.

        `retained`: the broker keeps it, and gives it to whoever subscribes later.
        """
        self._publish.append((topic, payload, retained))

    def stop(self) -> None:
        """Disconnect; the broker keeps for the next session what was not acknowledged."""
        self._order([])
        self._child.stop()

    def is_alive(self) -> bool:
        """Tell whether the process is looked after."""
        return self._child.is_alive()

    def _order(self, done: list[int], start: int | None = None) -> None:
        if not done and not self._publish:
            return
        publish, self._publish = self._publish, []
        self._child.send(_encode(Order(done, publish)), start)

    def _hear(self, data: bytes) -> None:
        report = _report(data)
        self.connected, self.problem = report.connected, report.problem
        self.sessions = self._earlier + report.sessions
        if report.messages:
            self._came.put(_Transfer(self._child.starts, report.transfer, report.size, report.messages))
        if report.let_go:
            with self._counting:
                self._let_go.update(report.let_go)

    def _lose(self) -> None:
        self.connected, self._earlier = False, self.sessions
