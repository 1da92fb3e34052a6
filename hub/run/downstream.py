"""Runs the log's consumers in a process of their own: what they compute never delays the taking of messages.

The hub starts `python -m hub.run.downstream`, gives it the configuration on standard input, then a line whenever the
log has grown, which says what the hub holds to be the time (`hub.process.clock.Held`); the end of that stream, also
when the hub was killed, ends the process. On its standard output it tells once a second how far each consumer is.
"""

import contextlib
import json
import logging
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import IO, cast

import msgspec

from hub.compliance.consumer import Compliance
from hub.config.files import Config
from hub.log.consumer import Consumer
from hub.log.feed import Feed
from hub.notify.sender import Notifier
from hub.process import logs
from hub.process.clock import Clock, Held
from hub.process.memory import settle
from hub.registry.live import LiveRegistry
from hub.reports import Law, Reports
from hub.series import InfluxStore
from hub.series.opening import open_store
from hub.series.rollups import Rollups
from hub.series.sink import StoreSink
from hub.storage.claims import claim_consumers
from hub.storage.compliance_file import COMPLIANCE
from hub.watch.consumer import Watch
from schemas import domains, load_limits, load_quantities

PAUSE = 5.0  # s before a process that ended by itself is started again
NICE = 5
"""How much the consumers leave to the taking of messages: of a busy processor they still have a third of its share."""
JUDGING = ("compliance", "watch")
"""Consumers that alarm people: taking waits for them when they are far behind."""

log = logging.getLogger("hub.downstream")


@dataclass(frozen=True, slots=True)
class Job:
    """What the process is told at its start; `clock` gives Unix time in s."""

    config: Config
    clock: Callable[[], float]
    log_format: logs.Format
    rate: float = 1.0
    """How many seconds of `clock` go by in one."""
    held: Held | None = None
    """What the hub held to be the time when the process was started."""


@dataclass(frozen=True, slots=True)
class State:
    """How a consumer is: the offset up to which it is done, and why its last attempt failed (empty: it did not)."""

    position: int
    problem: str


class Downstream:
    """The process as the hub sees it; it is started again when it ends by itself."""

    def __init__(self, job: Job, clock: Clock) -> None:
        self._job = job
        self._clock = clock
        self._process: subprocess.Popen[bytes] | None = None
        self._stop_asked = threading.Event()
        self._thread = threading.Thread(target=self._run, name="downstream", daemon=True)
        self.states: dict[str, State] = {}
        """By consumer; empty while the process is not running."""

    def start(self) -> None:
        """Start the process; returns at once."""
        self._thread.start()

    def wake(self) -> None:
        """Say that the log has grown, and what the hub holds to be the time."""
        process = self._process
        if process and process.stdin:
            # Written whole or not at all (PIPE_BUF). Full: it is said again soon; broken: it is started again.
            with contextlib.suppress(OSError, ValueError):
                os.write(process.stdin.fileno(), msgspec.json.encode(self._clock.held) + b"\n")

    def stop(self) -> None:
        """Let the process end after what it is doing now."""
        self._stop_asked.set()
        process = self._process
        if process and process.stdin:
            with contextlib.suppress(OSError):
                process.stdin.close()
        if self._thread.ident is not None:
            self._thread.join()

    def judged(self) -> int | None:
        """Return up to where the log is judged; None: not known, or it fails, or waits for a time without doubt."""
        if self._clock.doubt:
            return None
        found = [state.position for name, state in self.states.items() if name in JUDGING and not state.problem]
        return min(found, default=None)

    def is_alive(self) -> bool:
        """Tell whether the process is looked after."""
        return self._thread.is_alive()

    def _run(self) -> None:
        while not self._stop_asked.is_set():
            self._process = self._begin()
            if self._stop_asked.is_set() and self._process.stdin:
                self._process.stdin.close()
            for line in cast("IO[bytes]", self._process.stdout):
                self.states = {name: State(**state) for name, state in json.loads(line).items()}
            self.states = {}
            code = self._process.wait()
            cast("IO[bytes]", self._process.stdout).close()
            if not self._stop_asked.is_set():
                log.error("the log's consumers have ended (code %d); they start again in %.0f s", code, PAUSE)
                self._stop_asked.wait(PAUSE)

    def _begin(self) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(
            [sys.executable, "-m", "hub.run.downstream"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        with contextlib.suppress(OSError):
            stdin = cast("IO[bytes]", process.stdin)
            give(replace(self._job, held=self._clock.held), stdin)
            os.set_blocking(stdin.fileno(), False)
        return process


class Consumers:
    """Everything that reads the log (store, rollups, compliance, watch, reports), and the notifier behind it."""

    def __init__(self, job: Job) -> None:
        config = job.config
        quantities = load_quantities()
        limits = load_limits(quantities=quantities)
        clock = self._clock = Clock(job.clock, job.rate, job.held)
        self._registry = LiveRegistry(config)
        self._districts = config.districts
        # Of the boards of other hubs' districts this one hears nothing: it must not call them silent.
        owned = self._registry.current.owned(self._districts)
        self._store = open_store(config, quantities)
        levels = max((recipient.level for recipient in config.recipients), default=0)
        self._compliance = Compliance(
            config.data / COMPLIANCE,
            self._registry.current,
            limits,
            quantities,
            clock.now,
            config.alerts,
            levels,
        )
        self._rollups = Rollups(
            config.data / "rollups.db", self._store, quantities, self._registry.current.zone, clock.now
        )
        self._feed = Feed(config.data / "log.db")
        self._watch = Watch(config.data, owned, clock.now, config.alerts, self._progress, levels, lambda: clock.held)
        self._consumers = [
            Consumer("store", self._feed.reader(), StoreSink(self._store), config.data),
            Consumer("rollups", self._feed.reader(), self._rollups, config.data),
            Consumer("compliance", self._feed.reader(), self._compliance, config.data, lambda: clock.doubt is not None),
            Consumer("watch", self._feed.reader(), self._watch, config.data),
        ]
        self._reports: Reports | None = None
        if isinstance(self._store, InfluxStore):
            law = Law(config.data / COMPLIANCE, owned, limits, quantities)
            self._reports = Reports(
                config.data,
                self._store,
                law,
                owned,
                clock.now,
                config.broker.client_id,
                60 * config.alerts.silent_minutes,
                self._progress,
            )
            self._consumers.append(Consumer("reports", self._feed.reader(), self._reports, config.data))
        self._notifier = Notifier(config, lambda: self._registry.current, clock.now)

    def start(self) -> None:
        """Start every thread."""
        for thread in (*self._consumers, self._notifier):
            thread.start()

    def hear(self, lines: bytes) -> None:
        """Take what the hub says: the log has grown, and this is the time."""
        for line in reversed(lines.splitlines()):
            with contextlib.suppress(msgspec.DecodeError):  # the last may be cut, and is told again
                self._clock.use(msgspec.json.decode(line, type=Held))
                break
        if self._registry.refresh():
            self._compliance.use(self._registry.current)
            owned = self._registry.current.owned(self._districts)
            self._watch.use(owned)
            if self._reports:
                self._reports.use(owned)
        for consumer in self._consumers:
            consumer.wake()

    def stop(self) -> None:
        """Let every thread end after what it is doing now."""
        threads: list[Consumer | Notifier] = [*self._consumers, self._notifier]
        for thread in threads:
            thread.stop()
        for thread in threads:
            thread.join()
        self._rollups.close()
        self._store.close()
        self._compliance.close()
        self._watch.close()
        if self._reports:
            self._reports.close()
        self._feed.close()

    def states(self) -> dict[str, dict[str, object]]:
        """Return how each consumer is; nothing of one that has not begun."""
        return {
            consumer.name: {"position": consumer.position, "problem": consumer.failing or ""}
            for consumer in self._consumers
            if consumer.position is not None
        }

    def _progress(self) -> dict[str, int]:
        """Return how far the consumers are that people's knowledge depends on."""
        return {
            consumer.name: consumer.position
            for consumer in self._consumers
            if consumer.name != "watch" and consumer.position is not None
        }


def give(job: Job, stdin: IO[bytes]) -> None:
    """Write to a process that was started what it has to do, with its length before it: the hub's lines follow."""
    text = pickle.dumps(job)
    stdin.write(len(text).to_bytes(8) + text)
    stdin.flush()


def take() -> Job:
    """Read from standard input what this process has to do, and nothing behind it."""
    job = pickle.loads(_exactly(int.from_bytes(_exactly(8))))  # noqa: S301 - from the process that started this one
    return cast("Job", job)


def _exactly(size: int) -> bytes:
    text = b""
    while len(text) < size:
        piece = os.read(0, size - len(text))
        if not piece:
            raise EOFError("the hub ended before it had said what to do")
        text += piece
    return text


def main() -> None:
    """Consume until standard input ends."""
    with os.fdopen(os.dup(1), "w", buffering=1) as told:
        os.dup2(2, 1)  # what a library prints must not come between
        os.nice(NICE)
        try:
            job = take()
        except EOFError:
            return  # the hub was killed
        logs.configure(job.log_format)
        domains.use(job.config.domains)
        with claim_consumers(job.config.data):
            consumers = Consumers(job)
            settle()
            consumers.start()
            over = threading.Event()

            def tell() -> None:
                while not over.wait(0.5):
                    with contextlib.suppress(OSError, MemoryError):
                        told.write(json.dumps(consumers.states()) + "\n")

            teller = threading.Thread(target=tell, name="tell", daemon=True)
            teller.start()
            while said := os.read(0, 65536):
                consumers.hear(said)
            consumers.stop()
            over.set()
            teller.join()


if __name__ == "__main__":
    import signal

    # Ctrl-C reaches the whole group of processes; when to end is the hub's to say.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    main()
