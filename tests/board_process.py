"""Virtual boards and chips in processes of their own, and `fenceline` called as people do."""

import contextlib
import io
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import fenceline as command_line

FENCELINE = [sys.executable, "-c", "import fenceline; fenceline.main()"]
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["fenceline", "typer.main", "sim.chip.board_cli"])


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

    def stop(self) -> int | None:
        """Switch it off; its flash stays. Return its exit code; None: it was off."""
        process, self._process = self._process, None
        if process is None:
            return None
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
        return process.returncode

    def run(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run `fenceline board ARGUMENTS --port PORT`; a cable that was pulled is plugged in again before."""
        if self._process is not None:
            plugged_in(self.port)
        return fenceline("board", *arguments, "--port", self.port, stdin=stdin)


class BoardFork(BoardProcess):
    """As BoardProcess, but forked from a process that has the code already, and its commands run in this one.

    An interpreter's start takes longer than most tests. `tests/sim/chip/test_virtual_board.py` and
    `tests/system/test_field.py` start both by their command lines.
    """

    def __init__(self, folder: Path, *options: str, kind: str = "board") -> None:
        super().__init__(folder, *options, kind=kind)
        self._fork: ForkServerProcess | None = None

    def start(self, *options: str) -> None:
        """Switch it on: the same board, if the folder has one."""
        self.stop()
        self._said, says = FORKS.Pipe(duplex=False)  # open as long as it runs: it says more
        arguments = (says, [self._kind, "--folder", str(self.folder), *options])
        self._fork = FORKS.Process(target=_simulate, args=arguments, daemon=True)
        self._fork.start()
        says.close()
        with open(self._said.fileno(), closefd=False) as output:
            assert output.readline().strip() == self.port

    def stop(self) -> int | None:
        """Switch it off; its flash stays. Return its exit code; None: it was off."""
        fork, self._fork = self._fork, None
        if fork is None:
            return None
        fork.terminate()
        fork.join(60)
        code = fork.exitcode
        fork.close()
        self._said.close()
        return code

    def run(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run `fenceline board ARGUMENTS --port PORT`; a cable that was pulled is plugged in again before."""
        if self._fork is not None:
            plugged_in(self.port)
        return here("board", *arguments, "--port", self.port, stdin=stdin or "")


def _simulate(says: Connection, arguments: list[str]) -> None:
    os.dup2(says.fileno(), sys.stdout.fileno())
    sys.exit(command_line._run("sim", arguments))


def plugged_in(port: str) -> None:
    """Wait until a cable that was pulled is back."""
    deadline = time.monotonic() + 20
    while not os.path.lexists(port):
        assert time.monotonic() < deadline, port
        time.sleep(0.02)


def here(*arguments: str, lang: str = "en", stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run `fenceline ARGUMENTS` in this process, through the same command line, and return what it said."""
    os.environ["FENCELINE_LANG"] = lang
    before, sys.stdin = sys.stdin, io.StringIO(stdin)
    try:
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
            code = command_line._run(arguments[0], list(map(str, arguments[1:])))
    finally:
        sys.stdin = before
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


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
