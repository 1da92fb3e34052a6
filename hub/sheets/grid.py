"""A table of anything: cells below the line of headings that names them, a row at a time.

For registries, things and recordings; `hub.sheets.sheet` is for readings, of which it must find out more.
"""

import csv
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from hub.sheets.columns import MOST_HEAD, SEPARATORS, rows_of, separator_said
from hub.sheets.headings import plain
from schemas.errors import UserError

MOST_CHARACTERS = 50_000_000
"""Of the cells that are kept: what a file says is compared as a whole, and takes some ten times that in memory."""
EVERY = 1000
"""Rows from one call of `progress` to the next."""


def nothing() -> None:
    """Show no progress."""


class Grid:
    """A file's table. After it is made, `rows` gives its rows; blank ones are left out.

    Titles may stand above the headings. Columns without heading or cell, as spreadsheets leave them at the right, are
    none.

    Args:
        lines: of the file.
        name: of the file, for errors.
        is_header: tells whether cells are the line of headings; where none is, it is the first that is not blank.
        most: rows at most; None: as many as there are.
        progress: called now and then.
    """

    def __init__(
        self,
        lines: Iterable[str],
        name: str,
        is_header: Callable[[Sequence[str]], bool],
        *,
        most: int | None = None,
        progress: Callable[[], None] = nothing,
    ) -> None:
        self._name, self._most, self._progress = name, most, progress
        rest = iter(lines)
        head = list(itertools.islice(rest, MOST_HEAD))
        said = separator_said(head[0]) if head else ""
        above = int(bool(said))
        found = _found(head[above:], is_header, said) or _first(head[above:], said)
        self.separator, begin, end = found
        self.line = above + begin
        """Of the headings, the first of them, from 1."""
        self._before = above + begin - 1
        self._reader = csv.reader(itertools.chain(head[self._before :], rest), delimiter=self.separator, strict=True)
        self.header = _without_ends(self._row()) if end else []

    @property
    def line_now(self) -> int:
        """The line in which the row given last ends."""
        return self._before + self._reader.line_num

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the line in which each row begins, and its cells.

        Raises:
            UserError: it is no CSV, a row has more cells than there are headings, or there are too many rows.
        """
        width = len(self.header)
        number = characters = 0
        while True:
            line = self.line_now + 1
            try:
                row = self._row()
            except StopIteration:
                return
            if not any(map(str.strip, row)):
                continue
            if len(row) > width and any(map(str.strip, row[width:])):
                raise UserError(
                    f"{self._name}, line {line}: has {len(row)} cells; expected {width}, as in line {self.line}"
                )
            number += 1
            if number % EVERY == 0:
                self._progress()
            if self._most is not None:
                characters += sum(map(len, row))
                if number > self._most or characters > MOST_CHARACTERS:
                    raise UserError(
                        f"{self._name}, line {line}: is more than is taken at once ({self._most} rows, "
                        f"{MOST_CHARACTERS} characters); is it the right file? if so, import it in parts"
                    )
            yield line, row[:width]

    def _row(self) -> list[str]:
        line = self.line_now + 1
        try:
            return next(self._reader)
        except csv.Error as error:
            raise UserError(f"{self._name}, line {line}: is not valid CSV: {error}") from None


def heading(cell: str) -> str:
    """Return a heading without what differs from hand to hand: width, capitals, quotes, blanks, a remark behind it."""
    return re.sub(r"\s*\(.*\)$", "", plain(cell)).strip("* ")


def _found(head: Sequence[str], is_header: Callable[[Sequence[str]], bool], said: str) -> tuple[str, int, int] | None:
    """Return what separates cells, and in which lines, from 1, the headings begin and end."""
    best: tuple[str, int, int] | None = None
    most = 0
    for separator in said or SEPARATORS:
        before = 0
        for end, row in rows_of(head, separator):
            if len(row) > most and is_header(row):
                best, most = (separator, before + 1, end), len(row)
            before = end
    return best


def _first(head: Sequence[str], said: str) -> tuple[str, int, int]:
    number, line = next(((number, line) for number, line in enumerate(head, 1) if line.strip()), (1, ""))
    return said or max(SEPARATORS, key=line.count), number, len(line)


def _without_ends(row: list[str]) -> list[str]:
    while row and not row[-1].strip():
        row.pop()
    return row
