"""Runs the connection to the broker in a process of its own: an MQTT client alone keeps a processor busy.

The hub starts `python -m hub.intake.receiver` with one end of a socket pair as its standard input. On it the receiver
hands over what has come, in transfers, each board in its turn (`hub.intake.fair_queue`), and is told which transfers
are durable, whose messages it then acknowledges to the broker, and what is to be published. It keeps nothing: when it
is killed, the broker hands out again what was not acknowledged. When the hub is killed, the pair ends, and so does the
receiver.
"""

import logging
import os
import pickle
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import NamedTuple, cast

import msgspec

from hub.config.files import Broker, Id
from hub.intake.broker import Incoming, Link
from hub.intake.fair_queue import FairQueue
from hub.process import logs
from hub.process.memory import settle

GROUP = 1000  # messages in one transfer, at most
TRANSFER = 3_000_000  # bytes in one transfer, about
HANDED = 5_000_000
"""Bytes that are handed over and not durable yet; beyond, what has come waits with the receiver."""
PAUSE = 5.0  # s before a process that ended by itself is started again
WAIT = 0.2  # s between two looks at how the connection is
PATIENCE = 5.0  # s for it to end when it is told to

log = logging.getLogger("hub.receiver")


class Report(msgspec.Struct, array_like=True, gc=False):
    """From the receiver: a transfer (none: number 0) of `size` bytes, how the connection is, what was let go of.

    `let_go`: messages by board; "" for all that nobody registered.
    """

    transfer: int
    messages: list[Incoming]
    size: int
    connected: bool
    sessions: int
    let_go: dict[str, int]


class Order(msgspec.Struct, array_like=True, gc=False):
    """To the receiver: these transfers are durable; these (topic, payload) are to be published; the boards, if new."""

    done: list[int]
    publish: list[tuple[str, bytes]]
    boards: list[str] | None = None


class _Transfer(NamedTuple):
    """As it stands in the hub, with the connection to the receiver by which it came."""

    connection: Connection
    number: int
    size: int
    messages: list[Incoming]


_encode = msgspec.msgpack.Encoder().encode
_report = msgspec.msgpack.Decoder(Report).decode
_order = msgspec.msgpack.Decoder(Order).decode


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
        self._job = broker, tuple(districts), log_format
        self._boards = list(boards)
        Link(broker, districts)  # what cannot be used is said here, where somebody looks
        # The receiver never has more under way than HANDED and one transfer, so that the thread which fills this always
        # reads, and the two processes never wait for each other.
        self._came: queue.Queue[_Transfer] = queue.Queue()
        self._connection: Connection | None = None
        self._took: list[_Transfer] = []  # what `receive` returned last
        self._later: _Transfer | None = None  # of another connection than those
        self._publish: list[tuple[str, bytes]] = []
        self._let_go: Counter[str] = Counter()
        self._counting = threading.Lock()
        self._open = threading.Lock()  # held while writing, so that nobody closes what is written to
        self._process: subprocess.Popen[bytes] | None = None
        self._stop_asked = threading.Event()
        self._thread = threading.Thread(target=self._run, name="receiver", daemon=True)
        self.connected = False
        self.sessions = 0
        """How often the broker has let the hub in."""

    def start(self) -> None:
        """Start the process; returns at once."""
        self._thread.start()

    def receive(self, most: int, timeout: float) -> list[Incoming]:
        """Wait up to `timeout` s for messages; return those that have come, up to about `most` and `TRANSFER` bytes."""
        self._order(self._connection, [])
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
            if following.connection is not first.connection:
                self._later = following
                break
            self._took.append(following)
            messages += following.messages
            size += following.size
        return messages

    def done(self) -> None:
        """Acknowledge to the broker what `receive` returned last."""
        if self._took:
            self._order(self._took[0].connection, [transfer.number for transfer in self._took])
            self._took = []

    def use(self, boards: Iterable[str]) -> None:
        """Give each of these boards its turn from now on: the registry has changed."""
        self._boards = list(boards)
        if self._connection:
            self._send(self._connection, _encode(Order([], [], self._boards)))

    def let_go(self) -> dict[str, int]:
        """Return by board how many messages were let go of since the last call; "": of nobody registered."""
        with self._counting:
            gone, self._let_go = self._let_go, Counter()
        return gone

    def publish(self, topic: str, payload: bytes) -> None:
        """Publish with QoS 0 at the next `receive` or `done`; lost when there is no connection."""
        self._publish.append((topic, payload))

    def stop(self) -> None:
        """Disconnect; the broker keeps for the next session what was not acknowledged."""
        self._order(self._connection, [])
        self._stop_asked.set()
        if self._connection:
            self._send(self._connection, b"")
        if self._thread.ident is not None:
            self._thread.join(PATIENCE)
            if self._process:
                self._process.kill()
            self._thread.join()

    def is_alive(self) -> bool:
        """Tell whether the process is looked after."""
        return self._thread.is_alive()

    def _order(self, connection: Connection | None, done: list[int]) -> None:
        if not done and not self._publish:
            return
        publish, self._publish = self._publish, []
        if connection:
            self._send(connection, _encode(Order(done, publish)))

    def _send(self, connection: Connection, data: bytes) -> None:
        with self._open, suppress(OSError):  # it has ended: what is not acknowledged comes again
            connection.send_bytes(data)

    def _run(self) -> None:
        while not self._stop_asked.is_set():
            ours, theirs = socket.socketpair()
            with theirs:
                process = self._process = subprocess.Popen(
                    [sys.executable, "-m", "hub.intake.receiver"], stdin=theirs.fileno()
                )
            connection = self._connection = Connection(ours.detach())
            self._send(connection, pickle.dumps((*self._job, self._boards)))
            if self._stop_asked.is_set():
                self._send(connection, b"")
            earlier = self.sessions
            with suppress(EOFError, OSError):
                while True:
                    report = _report(connection.recv_bytes())
                    self.connected, self.sessions = report.connected, earlier + report.sessions
                    if report.messages:
                        self._came.put(_Transfer(connection, report.transfer, report.size, report.messages))
                    if report.let_go:
                        with self._counting:
                            self._let_go.update(report.let_go)
            self.connected = False
            with self._open:
                connection.close()
            code = process.wait()
            if not self._stop_asked.is_set():
                log.error("the connection to the broker has ended (code %d); it starts again in %.0f s", code, PAUSE)
                self._stop_asked.wait(PAUSE)


class Passing:
    """What the receiver's process does between the broker and the hub."""

    def __init__(self, link: Link, hub: Connection, boards: Iterable[str]) -> None:
        self._link = link
        self._hub = hub
        self._waiting = FairQueue(frozenset(boards))
        self._handed: dict[int, tuple[int, list[Incoming]]] = {}  # by number: size, messages
        self._size = 0  # of those
        self._number = 0
        self._let_go: Counter[str] = Counter()
        self._told: tuple[bool, int] | None = None

    def run(self) -> None:
        """Hand over what comes and do what is ordered, until the hub says that it is over."""
        waiting = self._waiting
        while True:
            if waiting.full():
                self._shed()
            if waiting.full():
                self._hub.poll(WAIT)
            else:
                waiting.add(self._link.receive(GROUP, WAIT, self._hub), time.monotonic())
            while waiting.size and self._size < HANDED:
                self._hand_over()
            if self._told != (self._link.connected, self._link.sessions):
                self._report(0, [], 0)
            while self._hub.poll():
                received = self._hub.recv_bytes()
                if not received:
                    return
                self._do(_order(received))

    def _shed(self) -> None:
        """Let go of what floods, so that the others are read: the broker is told that it came, the board is not."""
        for device, messages in self._waiting.let_go(time.monotonic()).items():
            self._let_go[device] += len(messages)
            self._link.done(messages)

    def _hand_over(self) -> None:
        self._number += 1
        before = self._waiting.size
        messages = self._waiting.take(GROUP, TRANSFER, time.monotonic())
        size = before - self._waiting.size
        self._handed[self._number] = size, messages
        self._size += size
        self._report(self._number, messages, size)

    def _report(self, transfer: int, messages: list[Incoming], size: int) -> None:
        self._told = self._link.connected, self._link.sessions
        self._hub.send_bytes(_encode(Report(transfer, messages, size, *self._told, self._let_go)))
        self._let_go = Counter()

    def _do(self, order: Order) -> None:
        for number in order.done:
            size, messages = self._handed.pop(number)
            self._size -= size
            self._link.done(messages)
        for topic, payload in order.publish:
            self._link.publish(topic, payload)
        if order.boards is not None:
            self._waiting.use(frozenset(order.boards))


def main() -> None:
    """Serve the hub at the other end of the socket that standard input is."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; when to end is the hub's to say
    with Connection(os.dup(0)) as hub:
        broker, districts, log_format, boards = cast(
            "tuple[Broker, tuple[Id, ...], logs.Format, list[str]]",
            pickle.loads(hub.recv_bytes()),  # noqa: S301 - from the process that started this one
        )
        logs.configure(log_format)
        link = Link(broker, districts)
        settle()
        with suppress(EOFError, OSError):  # the hub was killed
            Passing(link, hub, boards).run()
        link.close()


if __name__ == "__main__":
    main()
