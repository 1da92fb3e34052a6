"""The data segment of a frame as fields and items, without loss: what is written again is what was read.

`QN=...;ST=...;CN=...;PW=...;MN=...;Flag=...;CP=&&a34004-Rtd=39,a34004-Flag=N;...&&`: fields by semicolons; in CP,
semicolons between factors and commas between the items of one (HJ 212-2017, 6.3.3).
"""

import datetime as dt
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple, Self

BEIJING = dt.timezone(dt.timedelta(hours=8))
"""The zone of every time in a frame."""
FIELDS = ("QN", "ST", "CN", "PW", "MN", "Flag", "PNUM", "PNO", "RF")
"""Fields before CP in their order (2017, table 3; RF, data sent again: 2025)."""


_new = tuple.__new__
"""A quarter of the time that a named tuple's own takes, and most of what a frame is made of."""


class Item(NamedTuple):
    """A name and its value as they were sent; `value` is None where there is no ``=``."""

    name: str
    value: str | None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return what a piece of text between two separators says."""
        name, equals, value = text.partition("=")
        return _new(cls, (name, value if equals else None))

    def __str__(self) -> str:
        """Return the text as it was sent."""
        return self.name if self.value is None else f"{self.name}={self.value}"


_VALUE = re.compile("=([^;,]*)")

Group = tuple[Item, ...]
"""Items between two semicolons of CP, most often those of one factor."""


MOST_FIELDS = 128
"""Characters of fields that are remembered."""


class Cut(NamedTuple):
    """A data area cut at its values: what is between them, which a station always sends the same, and they."""

    form: str
    values: list[str]


class Packet(NamedTuple):
    """A data segment. `area`: the text between the ``&&`` of CP; None: there is no CP.

    `opening`, `closing`: what stands for ``&&`` around it. `behind`: what follows the closing; `encoding`: in which the
    text's bytes are read.
    """

    fields: tuple[Item, ...]
    area: str | None
    opening: str = "&&"
    closing: str = "&&"
    behind: str = ""
    encoding: str = "utf-8"

    @classmethod
    def make(cls, data: str, **fields: str) -> Self:
        """Return a packet of fields by name, in the standard's order, and the text between the ``&&`` of CP."""
        order = sorted(fields.items(), key=lambda field: FIELDS.index(field[0]))
        return cls(tuple(Item(name, value) for name, value in order), data)

    @classmethod
    def parse(cls, segment: bytes) -> Self:
        """Return what a segment says; it never fails."""
        text, encoding = decode(segment)
        before, cp, after = text.partition("CP=")
        if cp and before and not before.endswith(";"):  # inside of a value
            before, cp, after = text, "", ""
        if not cp:
            body = before.removesuffix("&&")
            return cls(parse_fields(body), None, "", before[len(body) :], "", encoding)
        opening = "&&" if after.startswith("&&") else "&" if after.startswith("&") else ""
        inner, closing, behind = after[len(opening) :].rpartition("&&")
        if not closing:
            inner, behind = behind, ""
        return cls(parse_fields(before.removesuffix(";")), inner, opening, closing, behind, encoding)

    def text(self) -> str:
        """Return the segment as text."""
        fields = ";".join(map(str, self.fields))
        if self.area is None:
            return fields + self.closing
        return f"{fields}{';' * bool(self.fields)}CP={self.opening}{self.area}{self.closing}{self.behind}"

    def segment(self) -> bytes:
        """Return the segment as bytes."""
        return self.text().encode(self.encoding)

    @property
    def data(self) -> tuple[Group, ...] | None:
        """The groups of items in CP; None: there is no CP."""
        return None if self.area is None else parse_data(self.area)

    def cut(self) -> Cut:
        """Return what stands in CP as its form and its values; without CP there is nothing."""
        pieces = _VALUE.split(self.area or "")
        return Cut("=".join(pieces[::2]), pieces[1::2])

    def field(self, name: str) -> str | None:
        """Return the first field of this name, whatever its letters' case."""
        upper = name.upper()
        for key, value in self.fields:
            if value is not None and (key == name or key.upper() == upper):
                return value
        return None

    def named(self) -> dict[str, str]:
        """Return the fields by name in capitals: of each the first that has a value, as `field` gives it."""
        return {key.upper(): value for key, value in reversed(self.fields) if value is not None}

    def items(self) -> Iterator[Item]:
        """Go through the items of CP."""
        for group in self.data or ():
            yield from group

    def item(self, name: str) -> str | None:
        """Return the value of the first item of this name in CP, whatever its letters' case."""
        upper = name.upper()
        for text in (self.area or "").replace(",", ";").split(";"):
            key, equals, value = text.partition("=")
            if key == name or key.strip().upper() == upper:
                return value if equals else None
        return None

    def with_fields(self, changes: Iterable[Item]) -> Self:
        """Return the packet with these fields in place of those of the same names, or behind the others."""
        new = {item.name: item for item in changes}
        kept = [new.pop(item.name, item) for item in self.fields]
        return self._replace(fields=(*kept, *new.values()))


def parse_fields(text: str) -> tuple[Item, ...]:
    """Return the fields before CP; behind QN, a sender has the same in each of its frames."""
    first, more, others = text.partition(";")
    if not text:
        return ()
    if not more:
        return (Item.parse(first),)
    return (Item.parse(first), *(_fields if len(others) <= MOST_FIELDS else _fields.__wrapped__)(others))


@lru_cache(8192)
def _fields(text: str) -> tuple[Item, ...]:
    return tuple([Item.parse(piece) for piece in text.split(";")])


def parse_data(text: str) -> tuple[Group, ...]:
    """Return the groups of items in a data area."""
    return tuple([tuple(map(Item.parse, group.split(","))) for group in text.split(";")]) if text else ()


def decode(data: bytes) -> tuple[str, str]:
    """Return bytes as text that gives the same bytes again, and its encoding: UTF-8, GB 18030 (GBK), or Latin-1."""
    if data.isascii():
        return data.decode("ascii"), "utf-8"
    for encoding in ("utf-8", "gb18030"):
        try:
            text = data.decode(encoding)
            if text.encode(encoding) == data:
                return text, encoding
        except UnicodeError:
            continue
    return data.decode("latin-1"), "latin-1"


def moment(text: str | None) -> dt.datetime | None:
    """Return a time of 14 digits or more, of which those behind the seconds are left out; None where it is none."""
    if text is None or not text.isascii() or not text[:14].isdigit() or len(text) < len("20260101000000"):
        return None
    try:
        day = int(text[:4]), int(text[4:6]), int(text[6:8])
        return dt.datetime(*day, int(text[8:10]), int(text[10:12]), int(text[12:14]), tzinfo=BEIJING)
    except ValueError:
        return None
