"""Measures what a technician waits for: `python -m tests.bench.field` (`make bench-field`); one JSON line last.

A virtual board behind a line of 115200 baud (the line is paced, so each byte takes 87 µs; the time that a chip's flash
takes to erase and program is not). The same files are copied to an equal board by mpremote, to compare with.

`seconds` are those of whole commands, with the start of Python. `wire_bytes` went over the line, both ways.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from firmware.software.bundle import Arch, build
from firmware.software.cli import EDGE
from sim.interpreter import interpreter_name
from tests.bench.parts import program
from tests.board_process import BoardProcess, fenceline
from tests.ports import free_port
from tests.system.field import FieldCity

LINE = ("--fault", "slow@115200")


def main() -> None:
    """Measure, tell people on standard error and programs on standard output."""
    micropython = interpreter_name(program("micropython"))
    arch = Arch.X86 if "32-bit" in micropython else Arch.X64
    with tempfile.TemporaryDirectory() as folder:
        results = {"micropython": micropython, **_measure(Path(folder), arch), **_whole_way(Path(folder, "city"))}
    for name, value in results.items():
        print(f"{name:<28}{value}", file=sys.stderr)
    print(json.dumps(results))


def _measure(folder: Path, arch: Arch) -> dict[str, Any]:
    build(EDGE, folder / "bundle", arch)
    size = sum(path.stat().st_size for path in (folder / "bundle").rglob("*.mpy"))
    with BoardProcess(folder / "copied", *LINE) as board:
        copying = _mpremote(board, folder / "bundle")
    with BoardProcess(folder / "board", *LINE) as board:
        first, first_s = _install(board)
        again, again_s = _install(board)
        change, change_s = _install(board, *_changed(folder, arch))
    return {
        "bundle_bytes": size,
        "install_seconds": first_s,
        "install_wire_bytes": first["wire_bytes"],
        "install_wire_per_bundle_byte": round(first["wire_bytes"] / size, 2),
        "mpremote_copy_seconds": copying,
        "mpremote_copy_to_install": round(copying / first_s, 2),
        "unchanged_seconds": again_s,
        "unchanged_wire_bytes": again["wire_bytes"],
        "change_seconds": change_s,
        "change_sent_files": change["sent_files"],
        "change_wire_bytes": change["wire_bytes"],
    }


def _whole_way(folder: Path) -> dict[str, Any]:
    """Take a bare board to a passed check, with a broker with TLS and a hub, as a technician with a network does."""
    folder.mkdir()
    seconds = {}
    with FieldCity(folder, free_port(), *LINE) as city:
        city.start_hub()
        for name, step in (
            ("install", lambda: city.run("install")),
            ("provision", lambda: city.provision(*city.hub)),
            ("check", lambda: city.run("check", "--who", "bench")),
        ):
            began = time.monotonic()
            done = step()
            seconds[name] = time.monotonic() - began
            if done.returncode:
                sys.exit(done.stdout + done.stderr)
    return {
        "bare_to_check_seconds": round(sum(seconds.values()), 1),
        **{f"way_{name}_seconds": round(value, 1) for name, value in seconds.items()},
    }


def _install(board: BoardProcess, *options: str) -> tuple[dict[str, Any], float]:
    began = time.monotonic()
    done = board.run("install", "--json", *options)
    seconds = round(time.monotonic() - began, 2)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout), seconds


def _mpremote(board: BoardProcess, bundle: Path) -> float:
    began = time.monotonic()
    command = [sys.executable, "-m", "mpremote", "connect", board.port, "fs", "cp", "-r", str(bundle), ":"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    return round(time.monotonic() - began, 2)


def _changed(folder: Path, arch: Arch) -> tuple[str, ...]:
    """Change one line of one module, and return the options to install it from a signed bundle."""
    source = folder / "source" / "edge"
    shutil.copytree(EDGE, source, ignore=shutil.ignore_patterns("__pycache__"))
    relay = source / "relay.py"
    relay.write_text(relay.read_text("utf-8") + "\nCHANGED = 1\n", "utf-8")
    key = folder / "bundle.key"
    for arguments in (
        ("bundle-key", "--out", str(key)),
        ("bundle", "--arch", arch, "--source", str(source), "--out", str(folder / "changed"), "--sign", str(key)),
    ):
        done = fenceline("board", *arguments)
        if done.returncode:
            sys.exit(done.stderr)
    return "--bundle", str(folder / "changed"), "--trusted", str(key.with_suffix(".pub"))


if __name__ == "__main__":
    main()
