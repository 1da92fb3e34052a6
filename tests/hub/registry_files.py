"""A small city's files, with everything that a registry may hold and the comments that people write."""

import contextlib
import io
from pathlib import Path
from typing import NamedTuple

import fenceline

CONFIG = 'registry = "registry.toml"\nkeys = "keys.toml"\n'

REGISTRY = """\
# The city. Ask the third floor before you change it.
timezone = "Asia/Shanghai"

[[city]]
id = "foshan"
en = "Foshan"
zh = "佛山"

[[district]]
id = "nanhai"
city = "foshan"
en = "Nanhai"
zh = "南海"

# --- north ---

[[site]]
id = "gate-7" # beside the canal
district = "nanhai"
kind = "construction"
en = "North Gate, lot 7"
zh = "北门七号地块"
zone_class = "4a"
position = [23.0288, 113.1427]
contacts = [{role = "site manager", name = "Li", phone = "+86 757 0000 0000"}, {role = "duty", email = "a@b.example"}]
night_work = [{from = 2026-12-01T22:00:00, to = "2026-12-02T06:00+08:00", permit = "2026-118", note = "pour"}]
# closes in 2027

[[board]]
id = "fence-1"
site = "gate-7"
sensors = ["plantower", "modbus"]
installed = 2026-01-05
calibration_due = 2027-01-05
note = 'behind the "blue" hut; ask'

# --- south ---

[[site]]
id = "mill"
district = "nanhai"
kind = "factory"
en = "Old Mill"
zh = "老面粉厂"

[[board]]
id = "stack-1"
site = "mill"
retired = 2026-06-30

# end of file
"""

KEYS = {"fence-1": "1f" * 32, "stack-1": "2e" * 32}


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


def make(folder: Path, registry: str = REGISTRY) -> Path:
    """Write a hub's files; return the configuration's path."""
    (folder / "fenceline.toml").write_text(CONFIG, "utf-8")
    (folder / "registry.toml").write_text(registry, "utf-8")
    (folder / "keys.toml").touch(0o600)
    (folder / "keys.toml").write_text("".join(f'{id_} = "{key}"\n' for id_, key in KEYS.items()), "utf-8")
    return folder / "fenceline.toml"


def run(folder: Path, *arguments: str) -> Ended:
    """Run `fenceline registry ...` on the city in `folder`, in this process."""
    config = () if "--help" in arguments else ("--config", str(folder / "fenceline.toml"))
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        code = fenceline._run("registry", [*arguments, *config])
    return Ended(code, out.getvalue(), err.getvalue())


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file's bytes."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
