"""Reads TOML from outside: what would take the reader's time, memory or stack is refused in one sentence."""

import re
from pathlib import Path
from typing import Any

import tomli

MOST_BYTES = 16_000_000
"""A registry of 50,000 boards has 10 MB."""
MOST_PARTS = 16
"""Parts of a dotted key: tomli takes time and memory with their square."""
MOST_DEPTH = 16
"""Tables and lists in each other; no file of ours has more than 5."""

_PART = r"(?:[A-Za-z0-9_-]+|\"(?:\\.|[^\"\\\n])*\"|'[^'\n]*')"
_DOTTED = re.compile(rf"{_PART}(?:[ \t]*\.[ \t]*{_PART}){{{MOST_PARTS},}}")
_STRING = re.compile(r"\"(?:\\.|[^\"\\\n])*\"|'[^'\n]*'")


class TomlError(ValueError):
    """A text that is no TOML, or more of it than anybody needs; its own text says where and what to do."""


def parse_toml(data: bytes | str) -> dict[str, Any]:
    """Return the content of a TOML document; a byte order mark, as Notepad writes it, is left out.

    Raises:
        TomlError: it is no TOML, no UTF-8, or too large, too deep, or has too many digits or dots.
    """
    if len(data) > MOST_BYTES:
        raise TomlError(f"has {len(data)} bytes; expected {MOST_BYTES} at most: is it the right file?")
    text = data if isinstance(data, str) else _decoded(data)
    text = text.removeprefix("\ufeff")
    for number, line in enumerate(text.split("\n"), 1):
        if line.count(".") >= MOST_PARTS and _has_long_key(line):
            raise TomlError(f"has a key of more than {MOST_PARTS} parts with dots between (line {number}); shorten it")
    try:
        content = tomli.loads(text)
    except RecursionError:
        raise TomlError(f"is nested too deeply; expected {MOST_DEPTH} tables and lists in each other at most") from None
    except tomli.TOMLDecodeError as error:
        raise TomlError(f"is not valid TOML: {error}") from None
    except ValueError as error:  # a number with thousands of digits
        raise TomlError(f"is not valid TOML: {error}") from None
    _refuse_depth(content)
    return content


def read_toml_file(path: Path) -> dict[str, Any]:
    """Return the content of a TOML file.

    Raises:
        OSError: it cannot be read.
        TomlError: see `parse_toml`.
    """
    with path.open("rb") as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise TomlError(f"has more than {MOST_BYTES} bytes: is it the right file?")
    return parse_toml(data)


def _decoded(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise TomlError("is not valid TOML: it is saved as UTF-16; save it as UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise TomlError(
            f"is not valid TOML: it is not UTF-8 (line {line}, byte {error.start}), perhaps GBK; save it as UTF-8"
        ) from None


def _has_long_key(line: str) -> bool:
    """Tell whether a line has a long dotted key outside of its strings, or one made of strings."""
    bare = _STRING.sub('""', line).partition("#")[0]
    return _DOTTED.search(bare) is not None


def _refuse_depth(content: dict[str, Any]) -> None:
    level: list[Any] = [content]
    for _ in range(MOST_DEPTH + 1):
        level = [
            part
            for one in level
            for part in (one.values() if isinstance(one, dict) else one)
            if isinstance(part, dict | list)
        ]
        if not level:
            return
    raise TomlError(f"is nested too deeply; expected {MOST_DEPTH} tables and lists in each other at most")
