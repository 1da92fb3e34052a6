"""What a board says of itself: its chip, its interpreter, which of our versions it runs and where it belongs."""

import ast
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge import boot
from edge.update import ARCHS
from firmware.link.link import Link
from firmware.software.bundle import Arch
from firmware.terminal.speech import FieldError
from schemas.language import Text

_READ = """
def _all(p):
 try:
  f = open(p, 'rb')
 except OSError:
  return b''
 b = f.read()
 f.close()
 return b
"""
_STATE = f"[_all('/{boot.FOLDER}/' + n) for n in {boot.STATES!r}]"
_ASK = f"""
import json, os, sys
from binascii import hexlify
{_READ}
def _of(p, *keys):
 try:
  d = json.loads(_all(p))
  return [d.get(k) for k in keys]
 except (ValueError, AttributeError):
  return [None for k in keys]
try:
 import machine
 _mac = hexlify(machine.unique_id()).decode()
except (ImportError, AttributeError):
 _mac = ''
_i = sys.implementation
print(repr({{'name': _i.name, 'version': tuple(_i.version[:3]), 'machine': getattr(_i, '_machine', sys.platform),
 'mpy': getattr(_i, '_mpy', 0), 'mac': _mac, 'platform': sys.platform, 'state': {_STATE},
 'place': _of('/config.json', 'device', 'site'),
 'versions': {{s: _of('/{boot.FOLDER}/' + s + '/{boot.MANIFEST}', 'version')[0] for s in {boot.SLOTS!r}}}}}))
"""


@dataclass(frozen=True)
class Identity:
    """A board, as it answers at its prompt."""

    chip: str
    mac: str
    """As 24:0a:c4:01:02:03; "" where there is none."""
    micropython: str
    """Release, such as 1.25.0."""
    arch: Arch | None
    """What native code must be compiled for; None if we know no compiler for it."""
    mpy: int
    """Version of compiled modules that it loads."""
    fenceline: str | None
    """Our version that starts next; None if there is none."""
    slot: str | None
    trial: bool
    """Whether that version still has to prove itself."""
    state: dict[str, Any] | None
    """Of boot.py, as `edge.boot.read` gives it."""
    device: str | None
    site: str | None

    def runs(self) -> str:
        """Return what runs on it, in one line."""
        ours = f"Fenceline {self.fenceline}{' (trial)' if self.trial else ''}" if self.fenceline else "-"
        return f"MicroPython {self.micropython}, {ours}"


def identify(link: Link) -> Identity:
    """Ask a board who it is.

    Raises:
        FieldError: it is not MicroPython, or the connection failed.
    """
    told = ast.literal_eval(link.run(_ASK).strip())
    if told["name"] != "micropython":
        raise FieldError(
            Text(
                f"the board at {link.port} runs {told['name']}, not MicroPython: 'fenceline board flash --image FILE'.",
                f"{link.port}上的设备运行的是{told['name']}，不是MicroPython：请执行 fenceline board flash --image "
                "文件。",
            )
        )
    arch = ARCHS.get(told["mpy"] >> 10 & 0x0F)
    state = state_of(told["state"])
    slot = None if state is None else state["trial"] or state["run"]
    return Identity(
        chip=told["machine"].rsplit(" with ", 1)[-1] if told["platform"] == "esp32" else told["platform"],
        mac=":".join(told["mac"][n : n + 2] for n in range(0, len(told["mac"]), 2)),
        micropython=".".join(map(str, told["version"])),
        arch=None if arch is None else Arch(arch),
        mpy=told["mpy"] & 0xFF,
        fenceline=told["versions"].get(slot),
        slot=slot,
        trial=bool(state and state["trial"]),
        state=state,
        device=told["place"][0],
        site=told["place"][1],
    )


def read_state(link: Link) -> dict[str, Any] | None:
    """Return the state of boot.py on a board, None if there is none."""
    return state_of(ast.literal_eval(link.run(f"{_READ}print(repr({_STATE}))").strip()))


def state_of(files: list[bytes]) -> dict[str, Any] | None:
    """Return the state in the two files of boot.py, read by boot.py's own code."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in zip(boot.STATES, files, strict=True):
            Path(folder, name).write_bytes(content)
        state: dict[str, Any] | None = boot.read(folder)
        return state
