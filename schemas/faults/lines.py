"""On which line of a TOML file something stands: readers of TOML do not tell."""

import re
from collections.abc import Mapping
from pathlib import Path

from schemas.faults.explain import Place

_HEADER = re.compile(r"\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"""\s*((?:"[^"]*"|'[^']*'|[A-Za-z0-9_-]+)(?:\s*\.\s*(?:"[^"]*"|'[^']*'|[A-Za-z0-9_-]+))*)\s*=""")
_PART = re.compile(r"""\s*(?:"([^"]*)"|'([^']*)'|([A-Za-z0-9_-]+))\s*\.?""")


def lines(text: str) -> dict[Place, int]:
    """Return on which line of a TOML file each table and key stands."""
    found: dict[Place, int] = {}
    counts: dict[Place, int] = {}
    table: Place = ()
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            table = _resolved(_parts(header[2]), counts, several=header[1] == "[[")
            _note(found, table, number)
        elif key := _KEY.match(line):
            _note(found, (*table, *_parts(key[1])), number)
    return found


def _note(found: dict[Place, int], place: Place, number: int) -> None:
    """Note a place, and the tables that it makes by being within them: [a.b] is the first that is heard of a."""
    for length in range(1, len(place) + 1):
        found.setdefault(place[:length], number)


def lines_of(path: Path) -> dict[Place, int]:
    """Return the lines of a file; none if it cannot be read."""
    try:
        return lines(path.read_text("utf-8-sig"))
    except (OSError, UnicodeDecodeError):
        return {}


def line_of(place: Place, where: Mapping[Place, int]) -> int:
    """Return the line of a place, or of the table around it; 0: it is not known. `where`: the file's lines."""
    return next((where[place[:n]] for n in range(len(place), 0, -1) if place[:n] in where), 0)


def at(path: Path, place: Place, where: Mapping[Place, int] | None = None) -> str:
    """Return where a place of a TOML file is, as editors and compilers write it: ``fenceline.toml:7``."""
    line = line_of(place, lines_of(path) if where is None else where)
    return f"{path}:{line}" if line else f"{path}"


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(one[1] or one[2] or one[3] or "" for one in _PART.finditer(dotted))


def _resolved(parts: tuple[str, ...], counts: dict[Place, int], *, several: bool) -> Place:
    """Return a header's place: a name of an array of tables is followed by the number of its newest entry."""
    place: Place = ()
    for index, part in enumerate(parts):
        place = (*place, part)
        if several and index == len(parts) - 1:
            counts[place] = counts.get(place, -1) + 1
        if place in counts:
            place = (*place, counts[place])
    return place
