"""The data segment of a frame as fields and items, without loss: what is written again is what was read.

`QN=...;ST=...;CN=...;PW=...;MN=...;Flag=...;CP=&&a34004-Rtd=39,a34004-Flag=N;...&&`: fields by semicolons; in CP,
semicolons between factors and commas between the items of one (HJ 212-2017, 6.3.3).
"""

import datetime as dt
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Self

BEIJING = dt.timezone(dt.timedelta(hours=8))
"""The zone of every time in a frame."""
FIELDS = ("QN", "ST", "CN", "PW", "MN", "Flag", "PNUM", "PNO", "RF")
"""Fields before CP in their order (2017, table 3; RF, data sent again: 2025)."""


class Item(NamedTuple):
    """A name and its value as they were sent; `value` is None where there is no ``=``."""

    name: str
    value: str | None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return what a piece of text between two separators says."""
        name, equals, value = text.partition("=")
        return cls(name, value if equals else None)

    def __str__(self) -> str:
        """Return the text as it was sent."""
        return self.name if self.value is None else f"{self.name}={self.value}"


Group = tuple[Item, ...]
"""Items between two semicolons of CP, most often those of one factor."""


class Packet(NamedTuple):
    """A data segment. `data` is None where there is no CP; `opening`, `closing`: what stands for ``&&`` around it.

    `behind`: what follows the closing; `encoding`: in which the text's bytes are read.
    """

    fields: tuple[Item, ...]
    data: tuple[Group, ...] | None
    opening: str = "&&"
    closing: str = "&&"
    behind: str = ""
    encoding: str = "utf-8"

    @classmethod
    def make(cls, data: str, **fields: str) -> Self:
        """Return a packet of fields by name, in the standard's order, and the text between the ``&&`` of CP."""
        order = sorted(fields.items(), key=lambda field: FIELDS.index(field[0]))
        return cls(tuple(Item(name, value) for name, value in order), parse_data(data))

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
        return cls(parse_fields(before.removesuffix(";")), parse_data(inner), opening, closing, behind, encoding)

    def text(self) -> str:
        """Return the segment as text."""
        fields = ";".join(map(str, self.fields))
        if self.data is None:
            return fields + self.closing
        return f"{fields}{';' * bool(self.fields)}CP={self.opening}{self.data_text()}{self.closing}{self.behind}"

    def data_text(self) -> str:
        """Return what stands between the ``&&`` of CP."""
        return ";".join(",".join(map(str, group)) for group in self.data or ())

    def segment(self) -> bytes:
        """Return the segment as bytes."""
        return self.text().encode(self.encoding)

    def field(self, name: str) -> str | None:
        """Return the first field of this name, whatever its letters' case."""
        upper = name.upper()
        for key, value in self.fields:
            if value is not None and (key == name or key.upper() == upper):
                return value
        return None

    def items(self) -> Iterator[Item]:
        """Go through the items of CP."""
        for group in self.data or ():
            yield from group

    def item(self, name: str) -> str | None:
        """Return the value of the first item of this name in CP, whatever its letters' case."""
        upper = name.upper()
        for group in self.data or ():
            for key, value in group:
                if key == name or key.strip().upper() == upper:
                    return value
        return None

    def with_fields(self, changes: Iterable[Item]) -> Self:
        """Return the packet with these fields in place of those of the same names, or behind the others."""
        new = {item.name: item for item in changes}
        kept = [new.pop(item.name, item) for item in self.fields]
        return self._replace(fields=(*kept, *new.values()))


def parse_fields(text: str) -> tuple[Item, ...]:
    """Return the fields before CP."""
    return tuple(map(Item.parse, text.split(";"))) if text else ()


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
