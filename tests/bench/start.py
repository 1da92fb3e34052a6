"""Measures how soon a command answers: CPU time (user and system) of a whole process, beside Python with typer alone.

    make bench-start

The last line is JSON. Each figure is the best of several runs, taken in turn so that a busy machine disturbs all alike.
Modules are compiled by the first run, as pip does when it installs them:

- `bare_ms`: `python -c "import typer, rich"`, the floor under every command line made with typer;
- `help`: `fenceline --help`, as a multiple of it;
- `lists`: the lists of a small city (two sites, three boards, a few alerts), each as a multiple of it.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from hub.log.log import Log
from hub.log.outcomes import Refused
from tests.board_process import FENCELINE
from tests.hub.alerting import NINE, WINDOW, AlertCity, run, write_files

LISTS = ("registry", "limits", "alerts", "quarantine", "access")
HELP_MOST, LIST_MOST = 1.5, 2.5


def main() -> None:
    """Measure; exit code 1 if a command takes longer than it may."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=15)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        small_city(folder)
        commands = {"bare": [sys.executable, "-c", "import typer, rich"], "help": [*FENCELINE, "--help"]}
        commands |= {one: [*FENCELINE, one, "list"] for one in LISTS}
        best = measure(commands, folder, runs)
    bare = best.pop("bare")
    ratios = {one: round(seconds / bare, 2) for one, seconds in best.items()}
    helped = ratios.pop("help")
    ok = helped <= HELP_MOST and max(ratios.values()) <= LIST_MOST
    print(json.dumps({"ok": ok, "bare_ms": round(bare * 1000, 1), "help": helped, "lists": ratios}))
    sys.exit(not ok)


def small_city(folder: Path) -> None:
    """Make the configuration, registry and data of a hub that has run."""
    write_files(folder)
    (folder / "data").mkdir()
    with AlertCity(folder / "data") as city:
        for number in range(5):
            city.judge(74.0, start=NINE + number * 3 * WINDOW)
            city.judge(60.0, start=NINE + (number * 3 + 1) * WINDOW)
            city.judge(60.0, start=NINE + (number * 3 + 2) * WINDOW)
    log = Log(folder / "data" / "log.db")
    boards = [f"z{number}" for number in range(5)]
    log.commit([Refused(f"fenceline/1/x/y/{one}/telemetry", b"{}", one, "unknown_board", "?") for one in boards], NINE)
    log.close()
    run(folder, "access", "add", "officer-1", "--role", "officer")


def measure(commands: dict[str, list[str]], folder: Path, runs: int) -> dict[str, float]:
    """Return the least CPU time of each command, s."""
    best: dict[str, float] = {}
    for _ in range(runs):
        for name, command in commands.items():
            best[name] = min(best.get(name, 1e9), cpu(command, folder))
    return best


def cpu(command: list[str], folder: Path) -> float:
    """Return the CPU time of one run, s."""
    environment = os.environ | {"FENCELINE_LANG": "en", "PYTHONPYCACHEPREFIX": str(folder / "compiled")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr
    told = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stderr.close()
    if process.returncode:
        sys.exit(f"{command}: exit code {process.returncode}: {told}")
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
