"""A virtual board in a process of its own, started by its real command line, and `fenceline` called as people do."""

import os
import signal
import subprocess
import sys
from pathlib import Path

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

    def run(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run `fenceline board ARGUMENTS --port PORT`."""
        return fenceline("board", *arguments, "--port", self.port, stdin=stdin)


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
