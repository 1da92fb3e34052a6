"""Runs a part of the hub in a process of its own, and starts it again when it ends by itself.

The two sides hold the ends of one socket pair, on which messages go both ways, each with its length before it. The
first is the job, the empty one ends the process. The death of either side closes the pair, and the other notices.
"""

import logging
import os
import pickle
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

PAUSE = 5.0
"""Before a process that ended by itself is started again [s]."""
OVER = b""

log = logging.getLogger("hub.process")


class Child:
    """The process that runs `module`, as the hub sees it.

    Args:
        title: what its log lines call it.
        module: the name of the module, whose main program calls `job_of_child`.
        job: gives what it is told at each start; anything that can be pickled.
        heard: is given each message from it, by a thread of this class.
        ended: is called by that thread when the process has ended, however it did.
        patience: for so long it may go on after it was told to end; then it is killed [s].
    """

    def __init__(
        self,
        title: str,
        module: str,
        job: Callable[[], object],
        heard: Callable[[bytes], None],
        ended: Callable[[], None] = lambda: None,
        patience: float | None = None,
    ) -> None:
        self._title = title
        self._module = module
        self._job = job
        self._heard = heard
        self._ended = ended
        self._patience = patience
        self._connection: Connection | None = None
        self._writing = threading.Lock()  # so that nobody closes what is written to
        self._stop_asked = threading.Event()
        self._thread = threading.Thread(target=self._run, name=title, daemon=True)
        self.process: subprocess.Popen[bytes] | None = None
        self.starts = 0
        """How often it has been started."""

    def start(self) -> None:
        """Start the process; returns at once."""
        self._thread.start()

    def send(self, data: bytes, start: int | None = None) -> None:
        """Send a message, to the process of this start only where one is named; one that has ended gets nothing."""
        with self._writing, suppress(OSError):
            if self._connection and start in {None, self.starts}:
                self._connection.send_bytes(data)

    def offer(self, data: bytes) -> None:
        """Send a short message, unless the process has left so many unread that this would wait."""
        with self._writing, suppress(OSError):
            if self._connection and select.select([], [self._connection], [], 0)[1]:
                self._connection.send_bytes(data)

    def stop(self) -> None:
        """Let the process end after what it is doing now."""
        self._stop_asked.set()
        self.send(OVER)
        if self._thread.ident is not None:
            self._thread.join(self._patience)
            if self._thread.is_alive() and self.process:
                self.process.kill()
            self._thread.join()

    def is_alive(self) -> bool:
        """Tell whether the process is looked after."""
        return self._thread.is_alive()

    def _run(self) -> None:
        while not self._stop_asked.is_set():
            with self._writing:
                self.process, connection = begin(self._module, self._job())
                self._connection = connection
                self.starts += 1
            if self._stop_asked.is_set():
                self.send(OVER)
            with suppress(EOFError, OSError):
                while True:
                    self._heard(connection.recv_bytes())
            with self._writing:
                self._connection = None
                connection.close()
            self._ended()
            code = self.process.wait()
            if not self._stop_asked.is_set():
                log.error("%s ended by itself (code %d); it starts again in %.0f s", self._title, code, PAUSE)
                self._stop_asked.wait(PAUSE)


def begin(module: str, job: object, **how: Any) -> "tuple[subprocess.Popen[bytes], Connection]":
    """Start the process that runs `module` and tell it its job; `how`: further arguments of `subprocess.Popen`."""
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen([sys.executable, "-m", module], stdin=theirs.fileno(), **how)  # noqa: S603 - ours
    connection = Connection(ours.detach())
    with suppress(OSError):  # it has ended already
        connection.send_bytes(pickle.dumps(job))
    return process, connection


def job_of_child() -> tuple[Connection, object]:
    """Return, in such a process, the connection to the hub and the job.

    What a library prints goes to the log's stream from now on, and Ctrl-C, which reaches the whole group of processes,
    does nothing: when to end is the hub's to say.

    Raises:
        EOFError: the hub was killed before it had said what to do.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.dup2(2, 1)
    connection = Connection(os.dup(0))
    return connection, pickle.loads(connection.recv_bytes())  # noqa: S301 - from the process that started this one
