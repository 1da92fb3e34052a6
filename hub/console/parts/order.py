"""Long tables: in which order, and which page of them. Both stand in the address, so a link keeps them."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, TypeVar
from urllib.parse import urlencode

from fastapi import Query

PAGE = 50
"""Lines of a page."""

Number = Annotated[int, Query(ge=1, le=1_000_000)]
"""Of a page, from 1."""
Row = TypeVar("Row")


class Order:
    """The order of a table: by one of its columns, `-` in front of it: from the end.

    Args:
        path: of the page.
        asked: what else stands in its address, without the number of the page.
        columns: by which it can be ordered, and what people call them; the first one is taken where none is asked for.
        wanted: what the address says.
    """

    def __init__(self, path: str, asked: Mapping[str, str], columns: Mapping[str, str], wanted: str) -> None:
        self._path, self.columns = path, columns
        self._asked = {name: value for name, value in asked.items() if value}
        by, down = wanted.removeprefix("-"), wanted.startswith("-")
        self.by, self.down = (by, down) if by in columns else (next(iter(columns)), False)

    @property
    def value(self) -> str:
        """What the address says; empty: what it would be anyhow."""
        is_usual = not self.down and self.by == next(iter(self.columns))
        return "" if is_usual else self._written(self.by, down=self.down)

    @property
    def query(self) -> str:
        """What stands behind the path of the same table as a file, or on another page."""
        return urlencode(self._asked | ({"sort": self.value} if self.value else {}))

    def link(self, by: str) -> str:
        """Return the address at which the table is ordered by a column; of the one by which it is, the other way."""
        down = by == self.by and not self.down
        return f"{self._path}?{urlencode(self._asked | {'sort': self._written(by, down=down)})}"

    def page(self, number: int) -> str:
        """Return the address of a page."""
        query = "&".join(part for part in (self.query, f"page={number}" if number > 1 else "") if part)
        return f"{self._path}?{query}" if query else self._path

    def choices(self) -> list[tuple[str, str]]:
        """Return every order as the address says it, and in words, for those who see no headings."""
        return [
            (self._written(by, down=down), f"{text} {'▼' if down else '▲'}")
            for by, text in self.columns.items()
            for down in (False, True)
        ]

    @staticmethod
    def _written(by: str, *, down: bool) -> str:
        return f"-{by}" if down else by


class Pages:
    """One page of a list: `number`, from 1, of so many lines in all."""

    def __init__(self, order: Order, number: int, lines: int, each: int = PAGE) -> None:
        self.last = max(1, math.ceil(lines / each))
        self.number, self.lines, self.each = min(number, self.last), lines, each
        self._order = order

    @property
    def skip(self) -> int:
        """Lines before this page."""
        return (self.number - 1) * self.each

    @property
    def before(self) -> str:
        """The address of the page before; empty: there is none."""
        return self._order.page(self.number - 1) if self.number > 1 else ""

    @property
    def behind(self) -> str:
        """The address of the next page; empty: there is none."""
        return self._order.page(self.number + 1) if self.number < self.last else ""


def ordered(rows: Sequence[Row], order: Order, keys: Mapping[str, Callable[[Row], Any]]) -> list[Row]:
    """Return lines in an order; those that are alike in it stay as they are, what is not known stands last."""
    key = keys[order.by]
    known = [row for row in rows if key(row) is not None]
    return sorted(known, key=key, reverse=order.down) + [row for row in rows if key(row) is None]


def matches(text: str, *names: str) -> bool:
    """Tell whether one of these names has what somebody looks for in it."""
    wanted = text.strip().casefold()
    return any(wanted in name.casefold() for name in names)
