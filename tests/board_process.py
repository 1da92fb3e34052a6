"""A virtual board in a process of its own, started by its real command line, and `fenceline` called as people do."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from sim.chip.serial_port import Fault
from sim.chip.virtual_board import VirtualBoard

FENCELINE = [sys.executable, "-c", "import fenceline; fenceline.main()"]


class BoardProcess:
    """`fenceline sim board` (or `chip`) in a folder; `with BoardProcess(folder) as board: ... board.port`."""

    def __init__(self, folder: Path, *options: str, kind: str = "board") -> None:
        self.folder = folder
        self.port = str(folder / "port")
        self._options, self._kind = options, kind
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self):
        self.start(*self._options)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, *options: str) -> None:
        """Switch it on: the same board, if the folder has one."""
        self._process = subprocess.Popen(
            [*FENCELINE, "sim", self._kind, "--folder", str(self.folder), *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self._process.stdout
        assert self._process.stdout.readline().strip() == self.port

    def stop(self) -> None:
        """Switch it off; its flash stays."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=10)

    def plugged_in(self) -> None:
        """Wait until a cable that was pulled is back."""
        deadline = time.monotonic() + 20
        while not os.path.lexists(self.port):
            assert time.monotonic() < deadline, self.port
            time.sleep(0.02)

    def run(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run `fenceline board ARGUMENTS --port PORT`; a cable that was pulled is plugged in again before."""
        if self._process is not None:
            self.plugged_in()
        return fenceline("board", *arguments, "--port", self.port, stdin=stdin)


class BoardThread:
    """A virtual board in this process, for tests that start one often; as BoardProcess, but takes faults only."""

    def __init__(self, folder: Path, micropython: Path) -> None:
        self.folder = folder
        self.port = str(folder / "port")
        self._micropython = micropython
        self._board: VirtualBoard | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def start(self, *faults: str) -> None:
        """Switch it on: the same board, if the folder has one."""
        self.stop()
        self._board = VirtualBoard(self.folder, self._micropython, tuple(map(Fault.parse, faults)))
        self._wait(self._board.start())

    def stop(self) -> None:
        """Switch it off; its flash stays."""
        board, self._board = self._board, None
        if board is not None:
            self._wait(board.stop())

    def close(self) -> None:
        """Switch it off for good."""
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _wait(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(30)


def fenceline(*arguments: str, stdin: str | None = None, lang: str = "en") -> subprocess.CompletedProcess[str]:
    """Run `fenceline ARGUMENTS` and return what it said."""
    return subprocess.run(
        [*FENCELINE, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=os.environ | {"FENCELINE_LANG": lang},
    )
