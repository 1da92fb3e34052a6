"""Runs one consumer of the log in a thread of its own: it may fail, fall behind and catch up without the others."""

import logging
import os
import random
import sqlite3
import threading
from collections.abc import Callable
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Protocol

from hub.log.entry import Entry
from hub.log.errors import StoreError
from hub.log.reader import READ
from hub.process.turns import Turns
from hub.storage.trouble import explain

MOST = 2000
"""Entries in memory at once; of large ones fewer, see `hub.log.reader.READ`. Judging writes each open window once a
batch: with half as many, a backlog of a thousand boards takes it nearly twice as long."""
LEAST_SHARE = 1 << 12
"""What is cut so often in half is one entry at a time."""
GROWS_AFTER = 20
"""So many batches that pass, and the next ones may be twice as large again."""
BURST = 5.0
"""For so long, s, a consumer a whole batch behind waits while the log goes on growing: a burst is taken first."""
BURST_LOOK = 0.1
"""Between two looks whether it does [s]."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
LONGEST_REQUESTED = 600.0
"""A store that asks for a longer rest is asked again nevertheless [s]."""

log = logging.getLogger("hub.consumer")


class Source(Protocol):
    """Where the entries come from."""

    def read(self, after: int, most: int, size: int) -> list[Entry]:
        """Return up to `most` entries behind the offset `after`, in order: of about `size` bytes, and one at least."""

    def end(self) -> int:
        """Return the offset of the newest message, 0 when there is none."""


class Sink(Protocol):
    """Where the entries go; it remembers by itself how far it is."""

    def position(self) -> int:
        """Return the offset up to which it is done, and stays so if the process is killed."""

    def take(self, entries: list[Entry]) -> None:
        """Take the next entries; called with none when time has passed.

        Raises:
            StoreError: not now; the same entries are given again later. Those it has taken already, it leaves out.
        """


class Portion:
    """How large the batches of one consumer are: as usual, or a half, a quarter, ... of it where that is too much.

    The file `path` tells the next process that this one ended in the middle of a batch, as one does that takes more
    memory than there is: then the next tries half of it. A power cut may lose that note, and a kill for another reason
    makes one; neither costs more than time.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.parts = 1
        """A batch is one of so many parts of what is usual."""
        self._passed = 0
        self._file = None if path is None else os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        said = b"" if self._file is None else os.pread(self._file, 100, 0)
        parts, _, under_way = said.decode("ascii", "replace").partition(" ")
        if parts.isdecimal():
            self.parts = max(1, min(int(parts), LEAST_SHARE))
            if under_way.strip() == "began":
                self.less()

    def less(self) -> None:
        """Note that a batch was too much."""
        self.parts = min(2 * self.parts, LEAST_SHARE)
        self._passed = 0
        self._note("failed")

    def began(self) -> None:
        """Note that a batch is under way."""
        self._note("began")

    def passed(self) -> None:
        """Note that a batch has passed."""
        self._passed += 1
        if self.parts > 1 and self._passed >= GROWS_AFTER:
            self.parts //= 2
            self._passed = 0
        self._note("passed")

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _note(self, what: str) -> None:
        if self._file is not None:
            with suppress(OSError):  # a full disk: it is only missed after a kill
                os.pwrite(self._file, f"{self.parts} {what}".ljust(16).encode(), 0)


class Consumer(threading.Thread):
    """Feeds `sink` from the log until it is stopped. What fails is tried again, at most `longest` s later.

    While `waits` says so, the sink is given nothing, and not even told that time has passed. `turns`: those that a sink
    takes which only computes; None for one that waits for another machine.

    The pauses are drawn at random from a span that doubles ("full jitter"), so that several hubs do not all come back
    to a recovering server at the same moment. A batch for which there is no memory is cut smaller until it passes, down
    to one entry; `notes`: the folder of the file that says so to the next process.
    """

    def __init__(
        self,
        name: str,
        source: Source,
        sink: Sink,
        notes: Path | None = None,
        waits: Callable[[], bool] = lambda: False,
        turns: Turns | None = None,
        longest: float | None = None,
    ) -> None:
        super().__init__(name=name, daemon=True)
        self._longest = LONGEST_PAUSE if longest is None else longest
        self.position: int | None = None
        """The offset up to which the sink is done; None until that is known."""
        self.failing: str | None = None
        """Why the sink takes nothing just now; None when it does."""
        self._source = source
        self._sink = sink
        self._waits = waits
        self._turns = turns
        self._notes = notes
        self._portion = Portion(notes and notes / f"{name}.batch")
        self._entries: list[Entry] = []  # given to the sink and not taken yet
        self._read: int | None = None  # the last offset that was read
        self._burst = BURST  # how long a burst may still keep the sink waiting, s
        self._wake = threading.Event()
        self._stop_asked = threading.Event()

    def wake(self) -> None:
        """Say that the log has grown."""
        self._wake.set()

    def stop(self) -> None:
        """Ask it to end after what it is doing now."""
        self._stop_asked.set()
        self._wake.set()

    def run(self) -> None:
        """Work until stopped."""
        try:
            self._work()
        finally:
            self._portion.close()

    def _work(self) -> None:
        failures = 0
        while not self._stop_asked.is_set():
            self._wake.clear()
            try:
                self._begin()
                idle = self._waits() or not self._step()
            except StoreError as error:
                self.failing = str(error)
                pause = pause_after(failures, error.retry_after, self._longest)
                failures += 1
                log.warning("%s: %s; trying again in %.0f s", self.name, error, pause)
                self._stop_asked.wait(pause)
            except MemoryError:
                self._entries, self._read = [], None
                self._portion.less()
                self.failing = f"there is no memory for a batch of the log; 1/{self._portion.parts} of one is tried"
                pause = pause_after(failures, longest=self._longest)
                failures += 1
                log.warning("%s: %s", self.name, self.failing)
                self._stop_asked.wait(pause)
            except sqlite3.Error as error:
                self.failing = str(error) if self._notes is None else f"{self._notes}: {explain(error, self._notes)}"
                self._entries, self._read = [], None
                pause = pause_after(failures, longest=self._longest)
                failures += 1
                log.error("%s: %s; trying again in %.0f s", self.name, self.failing, pause)  # noqa: TRY400
                self._stop_asked.wait(pause)
            except Exception as error:
                self.failing = repr(error)
                self._entries, self._read = [], None  # how far it came, only the sink knows
                pause = pause_after(failures, longest=self._longest)
                failures += 1
                log.exception("%s: failed; trying again in %.0f s", self.name, pause)
                self._stop_asked.wait(pause)
            else:
                failures, self.failing = 0, None
                if idle:
                    self._wake.wait(1)

    def _begin(self) -> None:
        if self._read is None:
            self._read = self.position = self._sink.position()

    def _step(self) -> bool:
        """Give the sink what comes next; return whether there was anything."""
        assert self._read is not None
        parts = self._portion.parts
        if not self._entries:
            self._entries = self._source.read(self._read, max(1, MOST // parts), READ // parts)
        found = bool(self._entries)
        if not found or self._source.end() - self._entries[0].offset < MOST:
            self._burst = BURST
        elif self._burst > 0:
            self._let_burst_pass()
        if found:
            self._read = self._entries[-1].offset
            self._portion.began()
        with self._turns.one() if self._turns else nullcontext():
            self._sink.take(self._entries)
        if found:
            self._portion.passed()
        self._entries = []
        self.position = self._sink.position()
        return found

    def _let_burst_pass(self) -> None:
        """Leave the processor to the taking of messages, as long as that uses it and `BURST` lasts."""
        before = None
        while self._burst > 0 and before != (before := self._source.end()) and not self._stop_asked.wait(BURST_LOOK):
            self._burst -= BURST_LOOK


def pause_after(failures: int, requested: float = 0, longest: float | None = None) -> float:
    """Return how long to wait after one more failure, s; `requested`: at least so long, the store said."""
    span = min(LONGEST_PAUSE if longest is None else longest, FIRST_PAUSE * 2 ** min(failures, 10))
    return min(requested, LONGEST_REQUESTED) + random.uniform(0, span)  # noqa: S311
