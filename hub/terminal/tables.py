"""Prints lines and tables for people.

rich is loaded for a terminal only. Into a file or pipe a table is plain and as wide as it needs to be, so that no cell
is folded and a line is a row.
"""

import itertools
import os
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from typing import NamedTuple

GAP = "  "


class Cell(NamedTuple):
    """A text with a style of rich's; it says nothing that the text does not say."""

    text: str
    style: str = ""


def on_terminal() -> bool:
    """Return whether a person looks at standard output, or the environment asks for a width or for colours."""
    return sys.stdout.isatty() or bool(os.environ.get("COLUMNS") or os.environ.get("FORCE_COLOR"))


def width() -> int | None:
    """Return the columns of the terminal; None where nothing needs to be folded."""
    if not on_terminal():
        return None
    from rich.console import Console

    return Console().width


def say(*parts: str | Cell, wrap: bool = False) -> None:
    """Print one line; with `wrap` a terminal breaks it between words, as prose."""
    cells = [_cell(part) for part in parts]
    if not on_terminal():
        print("".join(cell.text for cell in cells))
        return
    from rich.console import Console
    from rich.text import Text

    Console(highlight=False).print(Text.assemble(*cells), soft_wrap=not wrap)


def table(
    heads: Sequence[str],
    rows: Iterable[Sequence[str | Cell]],
    *,
    numbers: Iterable[int] = (),
    whole: Iterable[int] = (),
    styles: Sequence[str | None] = (),
    indent: int = 0,
) -> None:
    """Print a table on standard output; a terminal that is too narrow folds its cells.

    `heads` may be empty. `numbers` are the columns that stand to the right, `whole` those that are folded by no
    terminal, `styles` colour rows.
    """
    cells = [[_cell(value) for value in row] for row in rows]
    right = set(numbers)
    if on_terminal():
        _rich(heads, cells, right, set(whole), styles, indent)
    else:
        _plain(heads, cells, right, indent)


def _cell(value: str | Cell) -> Cell:
    return value if isinstance(value, Cell) else Cell(value)


def _rich(
    heads: Sequence[str],
    rows: list[list[Cell]],
    right: set[int],
    whole: set[int],
    styles: Sequence[str | None],
    indent: int,
) -> None:
    from rich.console import Console
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=None, pad_edge=False, show_header=bool(heads))
    for number in range(len(heads) or max(map(len, rows), default=0)):
        head = heads[number] if heads else ""
        shown.add_column(
            Text(head), overflow="fold", no_wrap=number in whole, justify="right" if number in right else "left"
        )
    for number, row in enumerate(rows):
        style = styles[number] if number < len(styles) else None
        shown.add_row(*(Text(cell.text, cell.style) for cell in row), style=style)
    Console(highlight=False).print(Padding(shown, (0, 0, 0, indent)) if indent else shown)


def _plain(heads: Sequence[str], rows: list[list[Cell]], right: set[int], indent: int) -> None:
    lines = [list(heads)] if heads else []
    for row in rows:
        parts = [cell.text.split("\n") for cell in row]
        lines += map(list, itertools.zip_longest(*parts, fillvalue=""))
    widths = [max(map(_columns, column)) for column in itertools.zip_longest(*lines, fillvalue="")]
    for line in lines:
        padded = []
        for number, text in enumerate(line):
            blank = " " * (widths[number] - _columns(text))
            padded.append(blank + text if number in right else text + blank)
        print((" " * indent + GAP.join(padded)).rstrip())


def _columns(text: str) -> int:
    """Return the columns that a text takes: a Chinese character takes two."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(one) else 2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in text
    )
