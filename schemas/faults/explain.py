"""In what a value is not of a type: all of it, where msgspec stops at the first and speaks to programmers."""

import datetime as dt
import difflib
import re
import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")
Place = tuple[str | int, ...]
"""The keys and numbers that lead to a value in a file."""
Homes = Mapping[str, list[str]]
"""By a field's name, the tables that have it; '' is the top of the file."""

MOST_SHOWN = 80
"""Characters of a value that are shown: a longer one is not; of a longer name its beginning."""
_PLAIN = {
    str: "a text, in quotes",
    float: "a number",
    int: "a whole number",
    bool: "true or false",
    dt.date: "a date such as 2026-01-01, without quotes",
    dt.datetime: "a date and time such as 2026-01-01T08:00:00+08:00, without quotes",
    dict: "a table",
    tuple: "a list",
    list: "a list",
    Path: "a path, in quotes",
}
_BOUNDS = (
    ("ge", "at least {}"),
    ("gt", "above {}"),
    ("le", "at most {}"),
    ("lt", "below {}"),
    ("min_length", "not shorter than {}"),
    ("max_length", "not longer than {}"),
)
_NUMBER = re.compile(r"[+-]?[\d_]+(\.\d+)?")


def takes(said: str) -> dict[str, Any]:
    """Return the `extra` of a `msgspec.Meta` that says what its pattern takes; `schemas.chinese` knows the sentence."""
    return {"takes": said}


def as_type(value: Any, type_: type[T]) -> T:
    """Return what TOML or JSON holds as a type; a path is a text there.

    Raises:
        msgspec.ValidationError: it is none; `explain` tells why.
    """
    return msgspec.convert(value, type_, dec_hook=_path)


def told(place: Place) -> str:
    """Return a place as people write it: ``kind.harbour.one``, ``panel[3].draw``."""
    text = ""
    for step in place:
        name = step if isinstance(step, int) or len(step) <= MOST_SHOWN else f"{step[:MOST_SHOWN]}..."
        text += f"[{name + 1}]" if isinstance(name, int) else f".{name}" if text else name
    return text


def explain(value: Any, type_: Any, place: Place = ()) -> Iterator[tuple[Place, str]]:
    """Go through everything in which a value is not of a type, in the order of the file's tables."""
    homes: dict[str, list[str]] = {}
    if not place:  # of a part of a file nobody knows what is around it
        _collect(type_, "", homes)
    yield from _explain(value, type_, place, homes)


def expected(type_: Any) -> str:
    """Return what a value of a type looks like."""
    kinds = _said_kinds(type_)
    if len(kinds) > 1:
        return " or ".join(dict.fromkeys(map(expected, kinds)))
    (type_,) = kinds
    if hasattr(type_, "__metadata__"):
        metas = [one for one in type_.__metadata__ if isinstance(one, msgspec.Meta)]
        for meta in metas:
            if meta.extra and "takes" in meta.extra:
                return str(meta.extra["takes"])
        bounds = [
            said.format(bound) for meta in metas for name, said in _BOUNDS if (bound := getattr(meta, name)) is not None
        ]
        return ", ".join([expected(typing.get_args(type_)[0]), *bounds])
    if typing.get_origin(type_) is typing.Literal:
        return f"one of: {', '.join(map(str, typing.get_args(type_)))}"
    if _is_struct(type_):
        return _PLAIN[dict]
    plain = typing.get_origin(type_) or type_
    return _PLAIN.get(plain, getattr(plain, "__name__", str(plain)))


def _explain(value: Any, type_: Any, place: Place, homes: Homes) -> Iterator[tuple[Place, str]]:
    if _is_struct(type_):
        yield from _explain_struct(value, type_, place, homes)
        return
    plain = typing.get_args(type_)[0] if hasattr(type_, "__metadata__") else type_
    origin, arguments = typing.get_origin(plain), typing.get_args(plain)
    kinds = _said_kinds(plain)
    if origin is dict and isinstance(value, dict):
        for key, inner in value.items():
            if not _is(key, arguments[0]):
                yield (*place, key), f"the name {key!r}; {_wanted(key, arguments[0])}"
            yield from _explain(inner, arguments[1], (*place, key), homes)
    elif isinstance(value, list) and (origin is list or (origin is tuple and arguments[-1] is Ellipsis)):
        for number, inner in enumerate(value):
            yield from _explain(inner, arguments[0], (*place, number), homes)
    elif origin in (typing.Union, types.UnionType) and len(kinds) == 1:
        yield from _explain(value, kinds[0], place, homes)
        return
    elif not _is(value, type_):
        yield place, f"{shown(value)} does not belong here; {_wanted(value, type_)}"
        return
    if isinstance(value, (dict, list)) and hasattr(type_, "__metadata__") and not value:
        yield place, "is empty; expected at least one entry"


def _explain_struct(value: Any, type_: type[msgspec.Struct], place: Place, homes: Homes) -> Iterator[tuple[Place, str]]:
    if not isinstance(value, Mapping):
        head = f"; write [{told(place)}]" if isinstance(value, list) else ""
        yield place, f"{shown(value)} is no table; expected a table{head}"
        return
    fields = {field.encode_name: field for field in msgspec.structs.fields(type_)}
    found = 0
    for name in value:
        if name not in fields:
            found += 1
            yield (*place, name), f"there is no such field; {_meant(name, [*fields], value, homes)}"
    for name, field in fields.items():
        if name in value:
            for one in _explain(value[name], field.type, (*place, name), homes):
                found += 1
                yield one
        elif field.required:
            found += 1
            yield (*place, name), f"is missing; add it: expected {expected(field.type)}"
    if not found:  # each by itself is right: the struct itself says what does not fit together
        try:
            as_type(value, type_)
        except msgspec.ValidationError as error:
            yield place, str(error).partition(" - at `$")[0]


def shown(value: Any) -> str:
    """Return a value as it may be told: as TOML writes it, and not if it is long."""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = value.isoformat() if isinstance(value, dt.date | dt.time) else repr(value)
    return text if len(text) <= MOST_SHOWN else "..."


def _meant(name: str, fields: list[str], there: Mapping[str, Any], homes: Homes) -> str:
    """Return what somebody may have meant by a field that there is not."""
    word = name.lower().replace("-", "_")
    if len(word) <= MOST_SHOWN:  # nobody mistypes a longer one, and to compare it takes time
        least = 0.8 if name in homes else 0.6  # what is right elsewhere is rather in the wrong place than mistyped
        near = difflib.get_close_matches(word, [one for one in fields if one not in there], 1, least)
        if near:
            return f"did you mean {near[0]!r}?"
        close = [name] if name in homes else difflib.get_close_matches(word, homes, 1, 0.8)
        if close:
            places = [f"[{one}]" if one else "the top of the file, before the first [table]" for one in homes[close[0]]]
            return f"it belongs into {' or '.join(places)}"
    return f"expected one of: {', '.join(fields)}"


def _wanted(value: Any, type_: Any) -> str:
    """Return what was expected in the place of a value, and how to come from the one to the other if that is clear."""
    said = f"expected {expected(type_)}"
    kinds = [_bare(one) for one in _kinds(type_)]
    choices = [str(one) for kind in kinds if typing.get_origin(kind) is typing.Literal for one in typing.get_args(kind)]
    if isinstance(value, str):
        near = difflib.get_close_matches(value.lower(), choices, 1) if len(value) <= MOST_SHOWN else []
        if near:
            return f"{said}; did you mean {near[0]!r}?"
        bare = value.strip()
        number = ({int, float} & {*kinds}) and _NUMBER.fullmatch(bare)
        if number or (bool in kinds and bare in ("true", "false")):
            return f"{said}; write it without quotes: {bare}"
    origins = {typing.get_origin(kind) or kind for kind in kinds}
    if not isinstance(value, list | dict) and {list, tuple} & origins:
        return f"{said}; put it into brackets: [{shown(value)}]"
    if isinstance(value, dict) and {list, tuple} & origins:
        return f"{said}; write its head in double brackets: [[...]]"
    return said


def _collect(type_: Any, table: str, homes: dict[str, list[str]]) -> None:
    """Note in which table each field of a type stands; tables in lists have double brackets of their own."""
    for kind in _kinds(type_):
        plain = _bare(kind)
        arguments = typing.get_args(plain)
        if _is_struct(plain):
            for field in msgspec.structs.fields(plain):
                homes.setdefault(field.encode_name, []).append(table)
                if not table:  # deeper ones have no name that could be told in one word
                    _collect(field.type, field.encode_name, homes)
        elif typing.get_origin(plain) in (list, tuple) and arguments and table and not table.startswith("["):
            _collect(arguments[0], f"[{table}]", homes)


def _kinds(type_: Any) -> tuple[Any, ...]:
    """Return the types of a union, or the one there is."""
    union = typing.get_origin(type_) in (typing.Union, types.UnionType)
    return typing.get_args(type_) if union else (type_,)


def _said_kinds(type_: Any) -> list[Any]:
    """Return the types that a person can write: None and unset are what stands nowhere."""
    return [one for one in _kinds(type_) if one not in (type(None), msgspec.UnsetType)]


def _bare(type_: Any) -> Any:
    return typing.get_args(type_)[0] if hasattr(type_, "__metadata__") else type_


def _is_struct(type_: Any) -> bool:
    return isinstance(type_, type) and issubclass(type_, msgspec.Struct)


def _is(value: Any, type_: Any) -> bool:
    try:
        as_type(value, type_)
    except msgspec.ValidationError:
        return False
    return True


def _path(type_: type, value: object) -> object:
    if type_ is object:  # whatever it is: somebody else will look at it
        return value
    if type_ is Path and isinstance(value, str):
        return Path(value)
    raise ValueError(f"{shown(value)} is no path; expected a path, in quotes")
