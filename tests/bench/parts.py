"""The processes that measurements run: a broker without limits of its own, and what receives from it."""

import contextlib
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import psutil

from sim.city.account import read_only
from tests import stack
from tests.conftest import Server
from tests.ports import free_port

ROOT = Path(__file__).resolve().parent.parent.parent
PATIENCE_S = 600


def program(name: str) -> Path:
    """Return where a part of the stack is, or end with a sentence that says how to get it."""
    found = stack.PARTS[name].find()
    if found is None:
        sys.exit(f"{stack.PARTS[name].title} is missing: 'python -m tests.stack' fetches it, or says why it can't")
    return found.path


def wait_for(condition: Callable[[], bool], what: str, seconds: float = PATIENCE_S, pause: float = 0.01) -> None:
    """Wait until the condition holds; end with what was waited for when it does not."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"not within {seconds} s: {what}")
        time.sleep(pause)


class Broker(Server):
    """Mosquitto with the window of deploy/mosquitto and room for any queue, in memory only."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.log = folder / "mosquitto.log"
        port = free_port()
        (folder / "mosquitto.conf").write_text(
            f"listener {port} 127.0.0.1\nallow_anonymous true\nuser root\nlog_dest stderr\n"
            "log_type error\nlog_type warning\nlog_type subscribe\n"
            "max_inflight_messages 3000\nmax_queued_messages 0\nmax_queued_bytes 0\n"
        )
        super().__init__([program("mosquitto"), "-c", folder / "mosquitto.conf"], port, self.log)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def subscribed(self, client: str) -> bool:
        """Tell whether a client has subscribed to the last of its topics."""
        return any(line.startswith(client) or f" {client} " in line for line in self._subscriptions())

    def _subscriptions(self) -> list[str]:
        return [line for line in self.log.read_text("utf-8").splitlines() if line.endswith("/reply")]


class Receiver:
    """A process, with its children, that takes messages from the broker; leaving its `with` ends it."""

    client = "bare"

    def __init__(self, broker: Broker, folder: Path, command: list[str | Path]) -> None:
        self._broker = broker
        self.log = folder / f"{self.client}.log"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True
            )
        self.pid = self._process.pid

    def __enter__(self) -> Self:
        wait_for(lambda: self._broker.subscribed(self.client) or self.ended(), f"{self.client} subscribes", 120)
        if self.ended():
            sys.exit(f"{self.client} ended by itself:\n{self.log.read_text()}")
        time.sleep(0.5)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()

    def ended(self) -> bool:
        """Tell whether it ended by itself."""
        return self._process.poll() is not None

    def cpu_s(self) -> float:
        """Return the processor time used so far, user and system, s."""
        return sum(times.user + times.system for times in (p.cpu_times() for p in self._tree()))

    def rss_mb(self) -> list[float]:
        """Return the memory now in use, MB: of the process itself, then of each of its children."""
        return [p.memory_info().rss / 1e6 for p in self._tree()]

    def peak_rss_mb(self) -> float:
        """Return the most memory that was in use, MB."""
        lines = [line for p in self._tree() for line in Path(f"/proc/{p.pid}/status").read_text().splitlines()]
        return sum(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024 / 1e6

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold it (SIGSTOP) while messages pile up at the broker."""
        for process in self._tree():
            process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            for process in self._tree():
                process.send_signal(signal.SIGCONT)

    def wait(self, count: int) -> float:
        """Wait until `count` messages are acknowledged; return when that was (time.monotonic, s)."""
        assert self._process.stdout
        return float(self._process.stdout.readline())

    def _tree(self) -> list[psutil.Process]:
        process = psutil.Process(self.pid)
        return [process, *process.children(recursive=True)]


class HubProcess(Receiver):
    """`fenceline run`; what it has done is read from its databases."""

    client = "fenceline-hub"

    def __init__(self, broker: Broker, folder: Path, config: Path) -> None:
        self.data = folder / "data"
        super().__init__(broker, folder, [Path(sys.executable).parent / "fenceline", "run", "--config", config])

    def committed(self) -> int:
        """Return how many messages the log holds."""
        return self._number("log.db", "SELECT max(offset) FROM message")

    def stored(self) -> int:
        """Return up to which offset of the log the series store has everything."""
        return self._number("series.db", "SELECT offset FROM position")

    def wait(self, count: int) -> float:
        """Wait until `count` messages can be read from the log by another process, which is after the commit."""
        wait_for(lambda: self.committed() >= count or self.ended(), f"{count} messages in the log")
        return time.monotonic()

    def downstream_cpu_s(self) -> float:
        """Return the processor time that the log's consumers have used so far, user and system, s."""
        (process,) = (p for p in self._tree() if any("hub.run.consumers" in part for part in p.cmdline()))
        times = process.cpu_times()
        return times.user + times.system

    def wait_for_consumers(self, count: int) -> None:
        """Wait until store and compliance have the first `count` messages of the log."""
        for name in ("series.db", "compliance.db"):
            wait_for(
                lambda name=name: self._number(name, "SELECT offset FROM position") >= count or self.ended(),  # type: ignore[misc]
                f"{count} messages in {name}",
            )

    def wait_for_store(self, count: int) -> float:
        """Wait until the series store has the first `count` messages of the log; return when that was."""
        wait_for(lambda: self.stored() >= count or self.ended(), f"{count} messages in the series store")
        return time.monotonic()

    def _number(self, name: str, sql: str) -> int:
        try:
            with read_only(self.data / name) as db:
                row = db.execute(sql).fetchone()
        except sqlite3.OperationalError:  # not made yet
            return 0
        return int(row[0] or 0) if row else 0
