"""Runs the connection to the broker in a process of its own: an MQTT client alone keeps a processor busy.

The hub starts `python -m hub.receiver` with one end of a socket pair as its standard input. On it the receiver hands
over what has come, in groups, and is told how many messages are durable, which it then acknowledges to the broker, and
what is to be published. It keeps nothing: when it is killed, the broker hands out again what was not acknowledged. When
the hub is killed, the pair ends, and so does the receiver.
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
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import cast

import msgspec

from hub import logs
from hub.config import Broker, Id
from hub.link import Incoming, Link
from hub.process import settle

GROUP = 1000  # messages in one transfer, about
AHEAD = 4 * GROUP
"""Messages that are handed over and not durable yet; beyond, nothing more is read from the broker."""
PAUSE = 5.0  # s before a process that ended by itself is started again
WAIT = 0.2  # s between two looks at how the connection is
PATIENCE = 5.0  # s for it to end when it is told to

log = logging.getLogger("hub.receiver")


class Report(msgspec.Struct, array_like=True, gc=False):
    """From the receiver: what has come, and how the connection is."""

    messages: list[Incoming]
    connected: bool
    sessions: int


class Order(msgspec.Struct, array_like=True, gc=False):
    """To the receiver: so many of the oldest messages are durable; these (topic, payload) are to be published."""

    done: int
    publish: list[tuple[str, bytes]]


_encode = msgspec.msgpack.Encoder().encode
_report = msgspec.msgpack.Decoder(Report).decode
_order = msgspec.msgpack.Decoder(Order).decode


class Receiver:
    """The process as the hub sees it; it is started again when it ends by itself. Used by one thread.

    Raises:
        ConfigError: the broker's files cannot be used.
    """

    def __init__(self, broker: Broker, districts: Iterable[Id] = (), log_format: logs.Format = "text") -> None:
        self._job = broker, tuple(districts), log_format
        Link(broker, districts)  # what cannot be used is said here, where somebody looks
        # Each transfer with the connection it came by. The receiver never has more under way than AHEAD, so that the
        # thread which fills this always reads, and the two processes never wait for each other.
        self._came: queue.Queue[tuple[Connection | None, list[Incoming]]] = queue.Queue()
        self._connection: Connection | None = None
        self._took: Connection | None = None  # by which what `receive` returned last had come
        self._later: tuple[Connection | None, list[Incoming]] | None = None  # of another than `_took`
        self._publish: list[tuple[str, bytes]] = []
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
        """Wait up to `timeout` s for messages; return those that have come, up to about `most`."""
        self._order(self._connection, 0)
        try:
            self._took, messages = self._later or self._came.get(timeout=timeout)
        except queue.Empty:
            return []
        self._later = None
        while len(messages) < most and self._later is None:
            try:
                following = self._came.get_nowait()
            except queue.Empty:
                break
            if following[0] is self._took:
                messages += following[1]
            else:
                self._later = following
        return messages

    def done(self, messages: list[Incoming]) -> None:
        """Acknowledge to the broker what `receive` returned last."""
        self._order(self._took, len(messages))

    def publish(self, topic: str, payload: bytes) -> None:
        """Publish with QoS 0 at the next `receive` or `done`; lost when there is no connection."""
        self._publish.append((topic, payload))

    def stop(self) -> None:
        """Disconnect; the broker keeps for the next session what was not acknowledged."""
        self._order(self._connection, 0)
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

    def _order(self, connection: Connection | None, done: int) -> None:
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
                    [sys.executable, "-m", "hub.receiver"], stdin=theirs.fileno()
                )
            connection = self._connection = Connection(ours.detach())
            self._send(connection, pickle.dumps(self._job))
            if self._stop_asked.is_set():
                self._send(connection, b"")
            earlier = self.sessions
            with suppress(EOFError, OSError):
                while True:
                    report = _report(connection.recv_bytes())
                    self.connected, self.sessions = report.connected, earlier + report.sessions
                    if report.messages:
                        self._came.put((connection, report.messages))
            self.connected = False
            with self._open:
                connection.close()
            code = process.wait()
            if not self._stop_asked.is_set():
                log.error("the connection to the broker has ended (code %d); it starts again in %.0f s", code, PAUSE)
                self._stop_asked.wait(PAUSE)


def pass_on(link: Link, hub: Connection) -> None:
    """Hand over what comes and do what is ordered, until the hub says that it is over."""
    under_way: deque[Incoming] = deque()
    told = None
    while True:
        messages = []
        if len(under_way) < AHEAD:
            messages = link.receive(GROUP, WAIT, hub)
            under_way += messages
        else:
            hub.poll(WAIT)
        state = link.connected, link.sessions
        if messages or state != told:
            told = state
            hub.send_bytes(_encode(Report(messages, *state)))
        while hub.poll():
            received = hub.recv_bytes()
            if not received:
                return
            order = _order(received)
            link.done([under_way.popleft() for _ in range(order.done)])
            for topic, payload in order.publish:
                link.publish(topic, payload)


def main() -> None:
    """Serve the hub at the other end of the socket that standard input is."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; when to end is the hub's to say
    with Connection(os.dup(0)) as hub:
        broker, districts, log_format = cast(
            "tuple[Broker, tuple[Id, ...], logs.Format]",
            pickle.loads(hub.recv_bytes()),  # noqa: S301 - from the process that started this one
        )
        logs.configure(log_format)
        link = Link(broker, districts)
        settle()
        with suppress(EOFError, OSError):  # the hub was killed
            pass_on(link, hub)
        link.close()


if __name__ == "__main__":
    main()
