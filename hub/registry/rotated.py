"""The keys that boards have been given over the air: what the hub's processes read of them.

The file `board-keys.json` in the data folder holds each board's keys, enclosed under the one that `keys.toml` has for
it: so it tells nobody anything who has not that file, and who writes another key there, for a board that was
provisioned anew, thereby voids what was rotated before. hub/orders/keys.py makes it of a table of its own.
"""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from hub.wire.sealing import disclose

FILE = "board-keys.json"


class Rotated(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A board's keys; each enclosed, or empty for the one of `keys.toml`.

    `key`: in force. `others`: taken, too, for now: one that it was offered, the one before. `earlier`: what the log has
    from before was said under these. `since`: when the one in force was first heard, Unix s.
    """

    key: str
    others: tuple[str, ...]
    earlier: tuple[str, ...]
    since: float


Keys = dict[str, tuple[bytes, ...]]


class Opened(msgspec.Struct):
    """The keys of all boards: in force, others that are taken, earlier ones, each by board; since when, Unix s."""

    keys: dict[str, bytes]
    others: Keys = {}
    earlier: Keys = {}
    since: dict[str, float] = {}


def read_rotated(data: Path, keys: dict[str, bytes]) -> Opened:
    """Return the keys of boards; `keys`: as keys.toml has them."""
    opened = Opened(dict(keys))
    for device, one in read_file(data).items():
        base = keys.get(device)
        if base is None:
            continue
        opened.others[device] = _opened(one.others, base)
        opened.earlier[device] = _opened(one.earlier, base)
        for key in _opened((one.key,), base):  # none: it has another one in keys.toml since
            opened.keys[device] = key
            if one.since:
                opened.since[device] = one.since
    return opened


def read_file(data: Path) -> dict[str, Rotated]:
    """Return what the file holds; nothing where there is none, or one that nobody can read: the hub makes it anew."""
    try:
        return msgspec.json.decode((data / FILE).read_bytes(), type=dict[str, Rotated])
    except (OSError, msgspec.DecodeError):
        return {}


def file_text(rotated: Mapping[str, Rotated]) -> str:
    """Return what the file is to hold."""
    return msgspec.json.encode(dict(sorted(rotated.items()))).decode() + "\n"


def _opened(enclosed: tuple[str, ...], base: bytes) -> tuple[bytes, ...]:
    opened = [disclose(one, base) if one else base for one in enclosed]
    return tuple(key for key in opened if key is not None)
