"""What the laptop lets a board's own software do: `edge/field.py` and `edge/selfcheck.py`, run through the prompt.

The board's answers are lines `#field {JSON}`; every other line is the agent's log.
"""

import json
from collections.abc import Callable, Generator
from contextlib import closing
from typing import Any, cast

import msgspec

from firmware.link.errors import BoardCodeError
from firmware.link.link import Link
from firmware.terminal.speech import FieldError
from schemas.language import Text

MARK = "#field "
CONFIG = "config.json"
SILENCE_S = 20.0
"""The agent shows itself each second, but collecting garbage and joining a Wi-Fi keep it longer."""

# boot.py stands on the board as main.py; its state says which slot runs.
_ENTER = """
import sys
def _enter():
 try:
  import main
  s = main.read(main.FOLDER)
 except ImportError:
  s = None
 if s is None:
  print('#field none')
  return
 p = main.FOLDER + '/' + (s['trial'] or s['run'])
 if p not in sys.path:
  sys.path.insert(0, p)
 from edge import VERSION
 print('#field ' + VERSION)
_enter()
"""


class SensorSeen(msgspec.Struct):
    """A sensor as the agent sees it: samples so far, HJ 212 letter, why there is none, frames refused."""

    n: int
    flag: str
    why: str
    rejected: int
    channels: list[str]


class Seen(msgspec.Struct):
    """The agent at one moment; see edge/field.py."""

    t: int
    clock: str
    interval: int
    stream: str
    first: int
    oldest: int
    next: int
    connected: bool
    problem: str
    rssi: int | None
    cal: int
    sensors: dict[str, SensorSeen]
    raw: dict[str, float]
    values: dict[str, float]

    @property
    def reached_hub(self) -> bool:
        """Whether a record of this run was acknowledged by the hub."""
        return self.oldest > self.first


def enter(link: Link) -> str:
    """Make the software that is installed on the board importable; return its version.

    Raises:
        FieldError: none is installed, or it is older than these commands.
    """
    told = link.run(_ENTER, silence=30).strip().removeprefix(MARK)
    if told == "none":
        raise FieldError(
            Text(
                "there is no Fenceline software on this board; put it there: fenceline board install",
                "设备上没有安装 Fenceline 软件；请先执行：fenceline board install",
            )
        )
    try:
        link.run("from edge import field, selfcheck", silence=30)
    except BoardCodeError as error:
        raise FieldError(
            Text(
                f"the software on the board ({told}) is older than this command: fenceline board install",
                f"设备上的软件（{told}）版本过旧：请执行 fenceline board install",
            )
        ) from error
    return told


def look(link: Link) -> dict[str, Any]:
    """Return what the board says of itself (edge/selfcheck.py); `enter` first."""
    found: dict[str, Any] = json.loads(_answer(link.run(f"selfcheck.look({CONFIG!r})", silence=60)))
    return found


def watch(
    link: Link,
    every: float = 1.0,
    flag: str = "",
    sensors: tuple[str, ...] = (),
    log: Callable[[str], None] = lambda _: None,
) -> Generator[Seen]:
    """Let the agent work and yield what it shows; closing the iterator stops it.

    Args:
        link: to the board.
        every: time between two looks, s.
        flag: M or C for what `sensors` give meanwhile; none named, all.
        sensors: names.
        log: is told the agent's own lines.
    """
    enter(link)  # again: what was stopped before may have started the board's interpreter anew
    order = f"field.run({every!r}, {flag!r}, {list(sensors)!r}, {CONFIG!r})"
    with closing(cast("Generator[str]", link.lines(order, silence=SILENCE_S))) as lines:
        for line in lines:
            try:
                if line.startswith(MARK):
                    yield msgspec.json.decode(line[len(MARK) :], type=Seen)
                    continue
            except msgspec.DecodeError:
                pass  # a disturbed line: the next one comes
            log(line)


def put_calibration(link: Link, content: dict[str, Any], who: str, reference: str) -> dict[str, Any]:
    """Put a calibration in force on the board; return it as it was read back from the board's file.

    Raises:
        FieldError: the board refuses it, with why; or what was read back is not what was sent.
    """
    enter(link)  # again, as in `watch`
    order = {"calibration": content, "who": who, "reference": reference}
    try:
        kept: dict[str, Any] = json.loads(
            _answer(link.run(f"import json\nfield.calibrate(json.loads({json.dumps(order)!r}))"))
        )
    except BoardCodeError as error:
        why = error.traceback.strip().splitlines()[-1].removeprefix("ValueError: ")
        raise FieldError(Text(f"the board refuses the calibration: {why}", f"设备拒绝该校准：{why}")) from error
    if not _alike(kept, content):
        raise FieldError(
            Text(
                f"the board kept {kept} instead of {content}: calibrate again; if it stays, its flash is worn",
                f"设备保存的内容为 {kept}，与 {content} 不符：请重新校准；如再次出现，说明闪存已损坏",
            )
        )
    return kept


def _alike(one: Any, other: Any) -> bool:
    """Compare JSON; a chip's numbers have 32 bits."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_alike(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_alike, one, other))
    if isinstance(one, (int, float)) and isinstance(other, (int, float)):
        return abs(one - other) <= 1e-5 * max(1, abs(other))
    return bool(one == other)


def _answer(output: str) -> str:
    return next((line[len(MARK) :] for line in output.splitlines() if line.startswith(MARK)), "{}")
