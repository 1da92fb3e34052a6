"""A technician's bench: a virtual board with software on it, and commands run on it as people type them.

Most commands run in this process, through the same command line, because starting an interpreter for each takes longer
than what is tested. tests/system/test_field.py runs them as processes of their own.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from tests import board_process
from tests.board_process import FENCELINE, BoardFork

REFERENCE = ("--instrument", "BAM 1020", "--serial", "T-77", "--certificate", "L2026-9", "--expires", "2099-01-31")
PROVISION = (
    "provision",
    *("--site", "pit", "--district", "nanhai", "--sensor", "plantower,warmup=0", "--sensor", "noise-f"),
    *("--broker", "127.0.0.1:1", "--plain", "--interval", "1", "--period", "0.2"),
)


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


def here(*arguments, lang="en", stdin=""):
    """Run `fenceline board ARGUMENTS` in this process."""
    done = board_process.here("board", *arguments, lang=lang, stdin=stdin)
    return Ended(done.returncode, done.stdout, done.stderr)


class Bench:
    """A board with software on it (`flash`: what it begins with) and the technician's own folder."""

    def __init__(self, folder: Path, flash: Path | None = None) -> None:
        self.folder = folder
        self.home = folder / "laptop"
        place = folder / "board"
        place.mkdir(parents=True)
        if flash:
            shutil.copy(flash, place / "flash.bin")
        self.board = BoardFork(place)

    def plug(self, *options):
        """Switch the board on, with sensors; again if it is on."""
        self.board.stop()
        self.board.start("--sensors", "dust,noise,stack", *options)

    def run(self, *arguments, stdin="", lang="en"):
        """Run `fenceline board ARGUMENTS` on the board."""
        os.environ["FENCELINE_HOME"] = str(self.home)
        return here(*arguments, "--port", self.board.port, stdin=stdin, lang=lang)

    def apart(self, *arguments):
        """Start `fenceline board ARGUMENTS` on the board as a process of its own; return it."""
        return subprocess.Popen(
            [*FENCELINE, "board", *map(str, arguments), "--port", self.board.port],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env=os.environ | {"FENCELINE_HOME": str(self.home), "FENCELINE_LANG": "en"},
        )

    def ok(self, *arguments, stdin=""):
        """Run a command that must succeed; return what it printed, as JSON where it was asked for."""
        done = self.run(*arguments, stdin=stdin)
        assert done.code == 0, done
        return json.loads(done.out) if "--json" in arguments else done.out

    def hold(self, **values):
        """Hold values to the sensors; none: they measure the working day again."""
        new = self.board.folder / "held.new"
        new.write_text(json.dumps(values))
        new.replace(self.board.folder / "held.json")

    def provision(self, board="pit-1", *more):
        """Make the board one of the city's."""
        return self.ok(*PROVISION, "--board", board, *more)
