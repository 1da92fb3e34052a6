"""What is wrong with a file of a pack: every fault of it, each with its line, the value, what was expected."""

import difflib
import re
import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec

from schemas.domains.entries import Height, Id, PlaceId, Said, Width
from schemas.errors import CatalogueError
from schemas.language import Text
from schemas.standards import Span, TimeOfDay
from schemas.toml_text import TomlError, read_toml_file

T = TypeVar("T")
Place = tuple[str | int, ...]
"""The keys and numbers that lead to a value in a file."""


class Fault(NamedTuple):
    """One thing to mend. `line` is 0 where it is not known, `field` empty where the file as a whole is meant."""

    file: Path
    line: int
    field: str
    problem: Text

    def text(self) -> Text:
        """Return it as people read it: file, line, field, what is wrong."""
        line, field = (f":{self.line}" if self.line else ""), (f"{self.field}: " if self.field else "")
        field_zh = f"{self.field}：" if self.field else ""
        at = f"{self.file}{line}: "
        return Text(f"{at}{field}{self.problem.en}", f"{at}{field_zh}{self.problem.zh}")


class Faults:
    """The faults found so far, of the file `path` unless another is named."""

    def __init__(self) -> None:
        self.found: list[Fault] = []
        self._texts: dict[Path, dict[Place, int]] = {}

    def add(self, path: Path, place: Place, problem: Text) -> None:
        """Note a fault at a place of a file."""
        self.found.append(Fault(path, self._line(path, place), told(place), problem))

    def add_told(self, path: Path, place: Place, error: Exception) -> None:
        """Note what a reader of the catalogue refused: its text begins with the file, and is in English only."""
        text = str(error).removeprefix(f"{path}: ")
        self.add(path, place, Text(text, text))

    def refuse(self) -> None:
        """Raise the first fault, if there is any.

        Raises:
            CatalogueError: there is one; the text tells file, line, field and remedy.
        """
        if self.found:
            raise CatalogueError(self.found[0].text().en)

    def _line(self, path: Path, place: Place) -> int:
        if path not in self._texts:
            try:
                self._texts[path] = lines(path.read_text("utf-8"))
            except (OSError, UnicodeDecodeError):
                self._texts[path] = {}
        known = self._texts[path]
        return next((known[place[:n]] for n in range(len(place), 0, -1) if place[:n] in known), 0)


def read(path: Path, type_: type[T], faults: Faults) -> T | None:
    """Return the content of a TOML file as a type, or None after every fault of it has been noted."""
    raw = read_table(path, faults)
    if raw is None:
        return None
    before = len(faults.found)
    for place, problem in explain(raw, type_):
        faults.add(path, place, problem)
    if len(faults.found) > before:
        return None
    return msgspec.convert(raw, type_)


def read_table(path: Path, faults: Faults) -> dict[str, Any] | None:
    """Return the content of a TOML file, or None after its fault has been noted."""
    try:
        return read_toml_file(path)
    except OSError as error:
        why = error.strerror or "?"
        faults.add(path, (), Text(f"cannot be read ({why}); put the file there", f"无法读取（{why}），请提供该文件"))
    except TomlError as error:
        line = re.search(r"line (\d+)", str(error))
        problem = Text(str(error), f"不是可用的 TOML 文件：{error}")
        faults.found.append(Fault(path, int(line[1]) if line else 0, "", problem))
    return None


def told(place: Place) -> str:
    """Return a place as people write it: ``kind.harbour.one``, ``panel[3].draw``."""
    text = ""
    for step in place:
        text += f"[{step + 1}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def explain(value: Any, type_: Any, place: Place = ()) -> Iterator[tuple[Place, Text]]:
    """Go through everything in which a value is not of a type: msgspec stops at the first."""
    if isinstance(type_, type) and issubclass(type_, msgspec.Struct):
        yield from _explain_struct(value, type_, place)
        return
    plain = typing.get_args(type_)[0] if hasattr(type_, "__metadata__") else type_
    origin, arguments = typing.get_origin(plain), typing.get_args(plain)
    if origin is dict and isinstance(value, dict):
        for key, inner in value.items():
            if not _is(key, arguments[0]):
                yield (*place, key), _not(Text(f"the name {key!r}", f"名称 {key!r}"), arguments[0])
            yield from explain(inner, arguments[1], (*place, key))
    elif origin is tuple and isinstance(value, list) and arguments[-1] is Ellipsis:
        for number, inner in enumerate(value):
            yield from explain(inner, arguments[0], (*place, number))
    elif origin in (typing.Union, types.UnionType) and len(arguments) == 2 and type(None) in arguments:
        yield from explain(value, next(one for one in arguments if one is not type(None)), place)
        return
    elif not _is(value, type_):
        shown = repr(value) if len(repr(value)) <= 80 else "..."
        yield place, _not(Text(f"{shown} does not belong here", f"{shown} 不符合要求"), type_)
        return
    if isinstance(value, (dict, list)) and hasattr(type_, "__metadata__") and not value:
        yield place, Text("is empty; expected at least one entry", "为空，至少需要一项")


def _explain_struct(value: Any, type_: type[msgspec.Struct], place: Place) -> Iterator[tuple[Place, Text]]:
    if not isinstance(value, Mapping):
        yield place, Text(f"{value!r} is no table; expected a table", f"{value!r} 不是表，应为表")
        return
    fields = {field.encode_name: field for field in msgspec.structs.fields(type_)}
    for name in value:
        if name not in fields:
            near = difflib.get_close_matches(name, [one for one in fields if one not in value], 1)
            known = ", ".join(fields)
            yield (
                (*place, name),
                Text(
                    f"there is no such field; {f'did you mean {near[0]!r}?' if near else f'expected one of: {known}'}",
                    f"没有该字段，{f'是否指 {near[0]!r}？' if near else f'可用字段：{known}'}",
                ),
            )
    for name, field in fields.items():
        if name in value:
            yield from explain(value[name], field.type, (*place, name))
        elif field.required:
            wanted = expected(field.type)
            yield (
                (*place, name),
                Text(f"is missing; add it: expected {wanted.en}", f"缺失，请补充：应为{wanted.zh}"),
            )


def _is(value: Any, type_: Any) -> bool:
    try:
        msgspec.convert(value, type_)
    except msgspec.ValidationError:
        return False
    return True


def _not(what: Text, type_: Any) -> Text:
    wanted = expected(type_)
    return Text(f"{what.en}; expected {wanted.en}", f"{what.zh}，应为{wanted.zh}")


_WANTED: tuple[tuple[Any, Text], ...] = (
    (Id, Text("1 to 32 of a-z, 0-9, - and _, a letter first", "1 至 32 个 a-z、0-9、-、_，以字母开头")),
    (PlaceId, Text("1 to 32 of a-z, 0-9 and -", "1 至 32 个 a-z、0-9、-")),
    (Said, Text("a text, in quotes", "加引号的文字")),
    (Span, Text("a window such as 20 min, 1 h, day, month or year", "统计时段，如 20 min、1 h、day、month、year")),
    (TimeOfDay, Text("a local time of day such as 06:00", "当地时刻，如 06:00")),
    (Height, Text("a whole number from 2 to 30", "2 到 30 的整数")),
    (Width, Text("a whole number from 3 to 24", "3 到 24 的整数")),
)
_PLAIN = {
    "str": Text("a text, in quotes", "加引号的文字"),
    "float": Text("a number", "数字"),
    "int": Text("a whole number", "整数"),
    "bool": Text("true or false", "true 或 false"),
    "date": Text("a date such as 2026-01-01, without quotes", "日期，如 2026-01-01，不加引号"),
    "dict": Text("a table", "表"),
    "tuple": Text("a list", "列表"),
    "list": Text("a list", "列表"),
}


def expected(type_: Any) -> Text:
    """Return what a value of a type looks like."""
    if type(None) in typing.get_args(type_):
        type_ = next(one for one in typing.get_args(type_) if one is not type(None))
    for one, text in _WANTED:
        if type_ == one:
            return text
    if hasattr(type_, "__metadata__"):
        bounds = [f"{sign} {bound}" for meta in type_.__metadata__ for sign, bound in _bounds(meta)]
        of = expected(typing.get_args(type_)[0])
        return Text(f"{of.en}, {' and '.join(bounds)}", f"{of.zh}，{'、'.join(bounds)}") if bounds else of
    if typing.get_origin(type_) is typing.Literal:
        values = ", ".join(map(str, typing.get_args(type_)))
        return Text(f"one of: {values}", f"其中之一：{values}")
    if isinstance(type_, type) and issubclass(type_, msgspec.Struct):
        return _PLAIN["dict"]
    plain = typing.get_origin(type_) or type_
    name = getattr(plain, "__name__", str(plain))
    return _PLAIN.get(name, Text(name, name))


def _bounds(meta: Any) -> Iterator[tuple[str, float]]:
    for name, sign in (("ge", ">="), ("gt", ">"), ("le", "<="), ("lt", "<")):
        bound = getattr(meta, name, None)
        if bound is not None:
            yield sign, bound


_HEADER = re.compile(r"\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"""\s*((?:"[^"]*"|'[^']*'|[A-Za-z0-9_-]+)(?:\s*\.\s*(?:"[^"]*"|'[^']*'|[A-Za-z0-9_-]+))*)\s*=""")
_PART = re.compile(r"""\s*(?:"([^"]*)"|'([^']*)'|([A-Za-z0-9_-]+))\s*\.?""")


def lines(text: str) -> dict[Place, int]:
    """Return on which line of a TOML file each table and key stands: readers of TOML do not tell."""
    found: dict[Place, int] = {}
    counts: dict[Place, int] = {}
    table: Place = ()
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            table = _resolved(_parts(header[2]), counts, several=header[1] == "[[")
            found.setdefault(table, number)
        elif key := _KEY.match(line):
            found.setdefault((*table, *_parts(key[1])), number)
    return found


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
