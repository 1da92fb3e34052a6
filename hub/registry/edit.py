"""Changes the registry's files: all or nothing, one editor at a time, and what people wrote beside it stays."""

import fcntl
import itertools
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import tomlkit
from tomlkit.exceptions import TOMLKitError

from hub.config.files import Config, ConfigError
from hub.registry.check import EntryError, check
from hub.registry.entries import KINDS
from hub.registry.live import key_of, load_entries, read_keys
from schemas.toml_text import TomlError, parse_toml

Plain = dict[str, dict[str, dict[str, Any]]]
"""Entries as TOML knows them, by kind and id."""

EMPTY = 'timezone = "Asia/Shanghai"\n'


class Change(msgspec.Struct, frozen=True):
    """What becomes of one entry. `fields`: what was there and what will be, None for nothing."""

    kind: str
    id: str
    what: str
    """added, changed or removed"""
    fields: dict[str, tuple[Any, Any]]


class Editor:
    """The registry while it is changed: put other entries into `entries`, then `commit`."""

    def __init__(self, config: Config) -> None:
        self._config = config
        there = config.registry.exists()
        found = load_entries(config) if there else check({})
        self._text = config.registry.read_text("utf-8-sig") if there else EMPTY
        if found.boards:
            read_keys(config.keys, found.boards)
        self.zone = found.zone
        self._before = found.plain()
        self.entries = {kind: dict(entries) for kind, entries in self._before.items()}

    def commit(self, given: dict[str, str] | None = None, *, dry_run: bool = False) -> list[Change]:
        """Check the whole, then write it; return what has changed.

        New boards get the key `given` (hexadecimal) for them, or the one that stands in the file, or a new one.

        Raises:
            ConfigError: the keys or the files cannot be used.
            EntryError: an entry is wrong; nothing has changed.
        """
        raw: dict[str, Any] = {kind: [dict(entry) for entry in self.entries[kind].values()] for kind in KINDS}
        after = check({"timezone": self.zone.key} | raw).plain()
        changes = _compare(self._before, after)
        text = amend(self._text, changes)
        if _read(text) != after:
            raise ConfigError(f"{self._config.registry}: {_BY_HAND}")
        keys = self._new_keys(
            [change.id for change in changes if change.kind == "board" and change.what == "added"], given or {}
        )
        if dry_run or not changes:
            return changes
        if keys:  # first, so that no board is ever without its key
            replace_file(self._config.keys, keys, 0o600)
        replace_file(self._config.registry, text, 0o644)
        return changes

    def _new_keys(self, boards: list[str], given: dict[str, str]) -> str:
        """Return the new text of the keys' file, or nothing if no key is missing there."""
        path = self._config.keys
        text = ""
        if path.exists():
            read_keys(path, {})  # refuses what others can read
            text = path.read_text("utf-8-sig")
        known = parse_toml(text)
        for board, key in given.items():
            if board in known and str(known[board]).lower() != key.lower():
                raise ConfigError(f"{path}: has another key for board {board!r} already; remove that line first")
        for board in boards:
            if board in known and key_of(str(known[board])) is None:
                raise ConfigError(f"{path}: the key of board {board!r} is not 64 hexadecimal digits; remove that line")
        new = [f'{board} = "{given.get(board) or secrets.token_hex(32)}"\n' for board in boards if board not in known]
        if not new:
            return ""
        text += "" if not text or text.endswith("\n") else "\n"
        return text + "".join(new)


@contextmanager
def editing(config: Config) -> Iterator[Editor]:
    """Keep other editors out while this one works.

    Raises:
        ConfigError: another editor is at work, or the registry as it stands cannot be used.
    """
    folder = config.registry.resolve().parent
    try:
        lock = os.open(folder, os.O_RDONLY)  # the folder itself: no file is left behind
    except OSError as error:
        raise ConfigError(f"{folder}: {error.strerror}; name the registry's folder in --config") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield Editor(config)
    except BlockingIOError:
        raise ConfigError(f"{config.registry}: another command is changing it; try again when it has ended") from None
    finally:
        os.close(lock)


def replace_file(path: Path, text: str, mode: int) -> None:
    """Put `text` in the place of a file at one stroke; its owner stays, and its mode, unless `mode` is stricter.

    Raises:
        ConfigError: the file or its folder cannot be written.
    """
    path = path.resolve()
    new = path.with_name(f"{path.name}.new")
    try:
        new.unlink(missing_ok=True)  # of an editor that was killed
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
            if path.exists():
                old = path.stat()
                mode &= old.st_mode
                if (old.st_uid, old.st_gid) != (os.geteuid(), os.getegid()):
                    os.fchown(file.fileno(), old.st_uid, old.st_gid)
            os.fchmod(file.fileno(), mode)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        with suppress(OSError):
            new.unlink(missing_ok=True)
        raise ConfigError(f"{path}: cannot be written ({error.strerror}); run it as the file's owner") from error


def render(entries: Plain, timezone: str) -> str:
    """Return a whole registry as TOML."""
    blocks = [_block(kind, entry) for kind in KINDS for entry in entries[kind].values()]
    return "\n".join([f'timezone = "{timezone}"\n', *blocks])


def _read(text: str) -> Plain | None:
    try:
        return check(parse_toml(text)).plain()
    except (TomlError, EntryError):
        return None


def _compare(before: Plain, after: Plain) -> list[Change]:
    changes = []
    for kind in KINDS:
        for id_ in before[kind] | after[kind]:
            old, new = before[kind].get(id_, {}), after[kind].get(id_, {})
            if old != new:
                fields = {name: (old.get(name), new.get(name)) for name in old | new if old.get(name) != new.get(name)}
                what = "added" if not old else "changed" if new else "removed"
                changes.append(Change(kind, id_, what, fields))
    return changes


_BY_HAND = "is written in a way that no command can change; write each entry as a [[table]] of its own, or edit it"
_HEADER = re.compile(rf"^[ \t]*\[\[[ \t]*({'|'.join(KINDS)})[ \t]*\]\]", re.MULTILINE)
_ENTRY = re.compile(r"(?s:.*)^[ \t]*[^#\s][^\n]*\n(?:[ \t]*#[^\n]*\n)*", re.MULTILINE)
"""An entry up to the comments that follow it closely; what stands behind a blank line belongs to the next one."""


def amend(text: str, changes: list[Change]) -> str:
    """Return a registry's text with the changes in it. Each entry is changed by itself: the rest stays as it is.

    Raises:
        ConfigError: the entries do not stand in [[tables]] of their own.
    """
    text += "" if text.endswith("\n") else "\n"
    starts = [match.start() for match in _HEADER.finditer(text)] + [len(text)]
    parts = [text[: starts[0]]] + [text[a:b] for a, b in itertools.pairwise(starts)]
    kinds = [""] + [match[1] for match in _HEADER.finditer(text)]
    raw = parse_toml(text)
    place: dict[tuple[str, str], int] = {}
    for kind in KINDS:
        numbers = [number for number, name in enumerate(kinds) if name == kind]
        ids = [entry["id"] for entry in raw.get(kind, [])]
        if len(numbers) != len(ids):
            raise ConfigError(f"registry: {_BY_HAND}")
        place |= {(kind, id_): number for id_, number in zip(ids, numbers, strict=True)}
    for change in changes:
        if change.what != "added":
            number = place[change.kind, change.id]
            parts[number] = _changed(parts[number], change)
    for kind in KINDS:
        new = [_block(kind, _new(change)) for change in changes if change.what == "added" and change.kind == kind]
        if new:
            last = max((number for number, name in enumerate(kinds) if name == kind), default=len(parts) - 1)
            entry, rest = _split(parts[last])
            parts[last] = "\n".join([entry, *new]) + rest
    return "".join(parts)


def _split(block: str) -> tuple[str, str]:
    match = _ENTRY.match(block)
    end = match.end() if match else len(block)
    return block[:end], block[end:]


def _changed(block: str, change: Change) -> str:
    entry, rest = _split(block)
    if change.what == "removed":
        return rest.lstrip("\n")
    try:
        document = tomlkit.parse(entry)
        table: Any = document[change.kind]
        for field, (_, new) in change.fields.items():
            if new is None:
                del table[0][field]
            else:
                table[0][field] = item(new)
    except TOMLKitError:
        raise ConfigError(f"registry: {change.kind} {change.id!r} {_BY_HAND}") from None
    return document.as_string() + rest


def _new(change: Change) -> dict[str, Any]:
    return {field: new for field, (_, new) in change.fields.items()}


def _block(kind: str, entry: dict[str, Any]) -> str:
    table = tomlkit.table()
    for field, value in entry.items():
        table.add(field, item(value))
    return f"[[{kind}]]\n{table.as_string()}"


def item(value: Any) -> Any:
    """Return a value as tomlkit writes it: tables inline, lists of tables a line each."""
    if isinstance(value, dict):
        table = tomlkit.inline_table()
        for field, part in value.items():
            table.add(field, item(part))
        return table
    if isinstance(value, list):
        array = tomlkit.array()
        for part in value:
            array.append(item(part))
        return array.multiline(bool(value) and isinstance(value[0], dict))
    return tomlkit.item(value)
