"""Finds a real MicroPython, so that simulated boards and tests can run the board's code as a board would."""

import os
import shutil
import subprocess
from pathlib import Path

OLDEST = (1, 24)
FETCHED = Path(__file__).resolve().parent.parent / ".cache" / "micropython" / "bin" / "micropython"

HOW_TO_GET_IT = (
    "'make micropython' fetches one into the project's folder, or install your system's package micropython, or name "
    "one in FENCELINE_MICROPYTHON"
)

_NAMES = {"cpython": "CPython", "micropython": "MicroPython"}
_PROBE = "import sys; i = sys.implementation; print(i.name, *i.version[:3], 64 if sys.maxsize > 2**31 else 32)"


def find_micropython() -> Path | None:
    """Return a MicroPython that runs here and is new enough, or None.

    Looked for in this order: what the environment variable FENCELINE_MICROPYTHON names, the one that
    `python -m tests.stack` fetched into the project, and `micropython` on the PATH.
    """
    for place in (os.environ.get("FENCELINE_MICROPYTHON"), FETCHED, shutil.which("micropython")):
        if place:
            name, version, _ = _probe(Path(place)) or ("", (), 0)
            if name == "micropython" and version >= OLDEST:
                return Path(place)
    return None


def interpreter_name(path: Path) -> str:
    """Return what a person calls this interpreter: "MicroPython 1.25.0 (32-bit)" or "CPython 3.11.7"."""
    probe = _probe(path)
    if probe is None:
        return f"{path} (does not run)"
    name, version, bits = probe
    word_size = f" ({bits}-bit)" if name == "micropython" else ""
    return f"{_NAMES.get(name, name)} {'.'.join(map(str, version))}{word_size}"


def _probe(path: Path) -> tuple[str, tuple[int, ...], int] | None:
    """Ask an interpreter for its name, its version and the bits in its word; None if it doesn't answer."""
    try:
        answer = subprocess.run([path, "-c", _PROBE], capture_output=True, text=True, timeout=10, check=True)  # noqa: S603
        name, *version, bits = answer.stdout.split()
        return name, tuple(int(number) for number in version), int(bits)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
