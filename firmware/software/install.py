"""Puts the board's software on a board over its serial port: only what differs, and verified by the board.

What it promises, at whichever byte the cable or the power is cut: the version that ran before still starts, or, on a
board that had none, the next install goes on with what is missing. The order is boot.py's: files go into the slot that
is not running; its manifest, without which a slot counts for nothing, is removed first and written last; and only then
does boot.py's state name the slot. A file that the board has in its other slot is copied there and not sent.

The new version is not put on trial, as an update over the network is: at a fence without network it could never prove
itself. Whoever installs is there to see it start.
"""

import ast
import hashlib
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edge import boot
from firmware.link import errors as link_errors
from firmware.link.errors import BoardCodeError, BoardFullError
from firmware.link.link import Link
from firmware.software.bundle import MANIFEST, Manifest
from firmware.software.identity import Identity, identify, read_state
from firmware.terminal.speech import FieldError, if_stopped
from schemas.language import Text

SLOTS = f"/{boot.FOLDER}"
MAIN = "/main.py"
MAIN_BEFORE = "/main.before.py"
"""Where a program goes that was on the board before and is not ours."""

_ON_BOARD = """
import json
def _held(p):
 for e in os.ilistdir(p):
  q = p + '/' + e[0]
  if e[1] & 0x4000:
   _held(q)
  else:
   print(q, _digest(q))
def _copy(a, b):
 _folders(b)
 f = open(a, 'rb')
 g = open(b, 'wb')
 n = f.read(512)
 while n:
  g.write(n)
  n = f.read(512)
 f.close()
 g.close()
def _wrong(p, m):
 f = open(p + m)
 n = json.load(f)['files']
 f.close()
 return [k for k in n if _digest(p + k) != n[k]['sha256']]
"""
_NEW = "manifest.new"


@dataclass(frozen=True)
class Installed:
    """What was done; sizes in bytes."""

    version: str
    slot: str
    files: int
    sent_files: int
    copied_files: int
    sent_bytes: int
    """Of files."""
    wire_bytes: int
    """That went over the line, both ways."""
    seconds: float
    set_aside: str | None
    """Where a main.py that was not ours is now."""

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON can carry it."""
        return asdict(self)


@dataclass(frozen=True)
class Plan:
    """What has to be done to a board; paths are on the board."""

    slot: str
    version: str
    manifest: bytes
    put: dict[str, bytes]
    """What has to be sent."""
    copy: dict[str, str]
    """Where to, and where from."""
    remove: list[str]
    complete: bool
    """The slot is whole already."""
    state: dict[str, Any]
    """Of boot.py, when all is there."""
    foreign_main: bool
    """Whether the program that starts now is not ours."""

    @property
    def size(self) -> int:
        """Bytes to send."""
        return sum(map(len, self.put.values()))


def install(
    link: Link, bundle: Path, main: bytes, progress: Callable[[int, int], None] = lambda _done, _all: None
) -> Installed:
    """Install a bundle.

    Args:
        link: to the board.
        bundle: folder with the manifest and its files.
        main: content of boot.py.
        progress: is called with bytes sent so far and bytes in all.

    Raises:
        FieldError: the bundle is damaged or not for this board, the board is full, or the connection failed.
    """
    began = time.monotonic()
    board = identify(link)
    content, manifest = read_bundle(bundle)
    _check(link.port, board, manifest)
    plan = _plan(link, board, content, manifest, bundle, main)
    running = board.fenceline or "-"
    unfinished = Text(
        f"The board starts what it had before ({running}); what has arrived is kept. Run the same command again.",
        f"设备仍将启动原有版本（{running}），已传输的内容会保留。请再次执行同一命令。",
    )
    with if_stopped(unfinished):
        try:
            _carry_out(link, plan, progress)
        except (BoardFullError, BoardCodeError) as error:
            if isinstance(error, BoardCodeError) and not error.no_space:
                raise
            link.remove(f"{SLOTS}/{plan.slot}")  # gives back what it took; the other slot starts
            needed = sum(file["size"] for file in manifest["files"].values())
            raise link_errors.full(link.port, f"{SLOTS}/{plan.slot}", needed, link.free()) from error
    return Installed(
        version=plan.version,
        slot=plan.slot,
        files=len(manifest["files"]) + 1,
        sent_files=len(plan.put),
        copied_files=len(plan.copy),
        sent_bytes=plan.size,
        wire_bytes=link.traffic,
        seconds=round(time.monotonic() - began, 2),
        set_aside=MAIN_BEFORE if plan.foreign_main else None,
    )


def read_bundle(bundle: Path) -> tuple[bytes, Manifest]:
    """Return the manifest of a bundle, as bytes and read, after checking every file of it.

    Raises:
        FieldError: it is no bundle, or a file is missing or changed.
    """
    try:
        content = (bundle / MANIFEST).read_bytes()
        manifest: Manifest = json.loads(content)
        found = {name: hashlib.sha256((bundle / name).read_bytes()).hexdigest() for name in manifest["files"]}
        changed = [name for name, file in manifest["files"].items() if found[name] != file["sha256"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FieldError(
            Text(
                f"{bundle} is not a whole bundle ({error}); build it again with 'fenceline board bundle'.",
                f"{bundle}不是完整的软件包（{error}）；请用 fenceline board bundle 重新生成。",
            )
        ) from error
    if changed:
        raise FieldError(
            Text(
                f"{bundle}: {changed[0]} is not what the manifest says; build it again with 'fenceline board bundle'.",
                f"{bundle}：{changed[0]}与清单不符；请用 fenceline board bundle 重新生成。",
            )
        )
    return content, manifest


def _check(port: str, board: Identity, manifest: Manifest) -> None:
    if manifest["arch"] != board.arch or manifest["mpy"].split(".")[0] != str(board.mpy):
        raise FieldError(
            Text(
                f"the bundle is for {manifest['arch']} with .mpy format {manifest['mpy']}, and the board at {port} is "
                f"{board.arch} with {board.mpy}: leave out --bundle, or take the one for this board. Nothing was "
                "changed.",
                f"软件包适用于{manifest['arch']}（.mpy {manifest['mpy']}），"
                f"而{port}上的设备为{board.arch}（{board.mpy}）：请去掉--bundle或选用适合该设备的软件包。"
                "未作任何改动。",
            )
        )


def _plan(link: Link, board: Identity, content: bytes, manifest: Manifest, bundle: Path, main: bytes) -> Plan:
    wanted = {name: file["sha256"] for name, file in manifest["files"].items()}
    link.define(_ON_BOARD)
    listed = link.run(f"_held({SLOTS!r})", silence=60).splitlines() if link.size(SLOTS) is not None else []
    held = dict(line.rsplit(" ", 1) for line in listed)
    state = board.state or {"run": boot.SLOTS[0], "trial": "", "starts": 0}
    whole = {slot: _is_whole(slot, wanted, content, held) for slot in boot.SLOTS}
    running = state["trial"] or state["run"]
    slot = running if whole[running] else boot.other(running)
    if f"{SLOTS}/{running}/{MANIFEST}" not in held:
        slot = running  # nothing is there that could start
    folder = f"{SLOTS}/{slot}/"
    keep = {folder + name for name in wanted} | {folder + MANIFEST}
    remove = [path for path in held if path.startswith(folder) and path not in keep]
    sources = {digest: path for path, digest in held.items() if path not in remove}
    missing = {name: digest for name, digest in wanted.items() if held.get(folder + name) != digest}
    put = {folder + name: (bundle / name).read_bytes() for name, digest in missing.items() if digest not in sources}
    foreign = False
    if link.digest(MAIN) != hashlib.sha256(main).hexdigest():
        put[MAIN] = main
        foreign = link.size(MAIN) is not None and link.value(f"'MOST_STARTS' not in open({MAIN!r}).read()")
    return Plan(
        slot=slot,
        version=manifest["version"],
        manifest=content,
        put=put,
        copy={folder + name: sources[digest] for name, digest in missing.items() if digest in sources},
        remove=remove,
        complete=whole[slot],
        state={**state, "run": slot, "trial": "", "starts": 0, "version": manifest["version"], "why": "", "last": ""},
        foreign_main=foreign,
    )


def _is_whole(slot: str, wanted: dict[str, str], manifest: bytes, held: dict[str, str]) -> bool:
    folder = f"{SLOTS}/{slot}/"
    return held.get(folder + MANIFEST) == hashlib.sha256(manifest).hexdigest() and all(
        held.get(folder + name) == digest for name, digest in wanted.items()
    )


def _carry_out(link: Link, plan: Plan, progress: Callable[[int, int], None]) -> None:
    folder = f"{SLOTS}/{plan.slot}/"
    done = 0

    def more(count: int) -> None:
        nonlocal done
        done += count
        progress(done, plan.size)

    progress(0, plan.size)
    if not plan.complete:
        link.remove(folder + MANIFEST)
    for path in plan.remove:
        link.remove(path)
    if plan.copy:
        pairs = [(source, target) for target, source in plan.copy.items()]
        link.run(f"for a, b in {pairs!r}: _copy(a, b)", silence=120)
    if plan.foreign_main:
        link.remove(MAIN_BEFORE)
        link.run(f"os.rename({MAIN!r}, {MAIN_BEFORE!r})")
    # Until boot.py stands there as main.py, what starts is what started before.
    for path, content in sorted(plan.put.items(), key=lambda each: each[0] == MAIN):
        link.write(path, content, more)
    if not plan.complete:
        link.write(folder + _NEW, plan.manifest)
        _verify(link, folder)
        link.run(f"os.rename({folder + _NEW!r}, {folder + MANIFEST!r})")
    _write_state(link, plan.state)


def _verify(link: Link, folder: str) -> None:
    """Let the board compare every file with the manifest, as boot.py does before it starts a version."""
    wrong = ast.literal_eval(link.run(f"print(_wrong({folder!r}, {_NEW!r}))", silence=60))
    if wrong:
        raise FieldError(
            Text(
                f"{wrong[0]} is not in {folder} of the board as it should be ({len(wrong)} files): run the same "
                "command again; if it stays, the board's flash is worn out, use another board.",
                f"设备上{folder}中的{wrong[0]}校验不符（共{len(wrong)}个文件）：请再次执行同一命令；如仍出现，"
                "说明闪存已损坏，请更换设备。",
            )
        )


def _write_state(link: Link, state: dict[str, Any]) -> None:
    """Write boot.py's state, by its own code, unless the board has it already."""
    before = read_state(link)
    if before is not None and all(before.get(key) == value for key, value in state.items() if key != "seq"):
        return
    with tempfile.TemporaryDirectory() as folder:
        state = {**state, "seq": (before or {}).get("seq", 0)}
        boot.write(folder, state)
        name = boot.STATES[state["seq"] % 2]
        link.write(f"{SLOTS}/{name}", Path(folder, name).read_bytes())
