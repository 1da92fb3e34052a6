"""Profiles of terminals: how the frames of one kind of terminal are understood, whole or refused with the remedy."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec

from hub.config.files import ConfigError, read_toml
from hub.wire.terminal import Head, Meaning

HERE = Path(__file__).resolve().parents[3] / "schemas" / "terminals"
STANDARD = "standard"
_SOURCE = re.compile(r"(?:status|alarm|[0-9A-F]{2})\Z")

Bit = Annotated[int, msgspec.Meta(ge=0, le=63)]


class State(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """Where a state stands. Fields as explained in ``schemas/terminals/README.md``."""

    name: Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]{0,31}\Z")]
    from_: str
    bit: Bit = 0
    width: Annotated[int, msgspec.Meta(ge=0, le=32)] = 1
    values: tuple[str, ...] = ()
    factor: float = 0.0
    offset: Annotated[int, msgspec.Meta(ge=0, le=254)] = 0
    size: Annotated[int, msgspec.Meta(ge=0, le=8)] = 0
    fault: Annotated[int, msgspec.Meta(ge=-1, le=63)] = -1

    def meaning(self) -> Meaning:
        """Return it as it stands before a frame in the log."""
        return Meaning(
            self.name,
            self.from_,
            self.bit,
            self.width,
            self.values,
            self.factor,
            self.offset,
            self.size,
            self.fault,
        )


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One kind of terminal. Fields as explained in ``schemas/terminals/README.md``."""

    en: str
    zh: str
    utc: Annotated[int, msgspec.Meta(ge=-720, le=840)] = 480
    radius: Annotated[float, msgspec.Meta(gt=0, le=1000)] = 15.0
    state: tuple[State, ...] = ()


class Profiles:
    """All profiles by name.

    Raises:
        ConfigError: a file of the folder cannot be used.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._heads: dict[str, Head] = {}
        for path in (*_files(HERE), *_files(folder)):
            profile = read_toml(path, Profile)
            _check(path, profile)
            states = tuple(state.meaning() for state in profile.state)
            self._heads[path.stem] = Head(states, profile.utc, profile.radius, path.stem)

    def __iter__(self) -> Iterator[str]:
        """Go through the names."""
        return iter(self._heads)

    def head(self, name: str | None) -> Head | None:
        """Return how the frames of a profile are understood; no name: those of the standard. None: there is none."""
        return self._heads.get(name or STANDARD)


def _files(folder: Path | None) -> list[Path]:
    if folder is None:
        return []
    if not folder.is_dir():
        raise ConfigError(f"{folder}: is no folder; make it, or take [jt808] profiles out of the configuration")
    return sorted(folder.glob("*.toml"))


def _check(path: Path, profile: Profile) -> None:
    names = [state.name for state in profile.state]
    for state in profile.state:
        if not _SOURCE.match(state.from_):
            raise ConfigError(
                f"{path}: state {state.name!r}: from = {state.from_!r}: expected status, alarm, or the id of an "
                "item in two hexadecimal digits, such as E8"
            )
        if names.count(state.name) > 1:
            raise ConfigError(f"{path}: state {state.name!r} stands there twice; keep one of them")
        if len(state.values) > 1 << max(state.width, 1):
            raise ConfigError(
                f"{path}: state {state.name!r}: has {len(state.values)} values; {state.width} bits are at most "
                f"{1 << max(state.width, 1)} of them"
            )
