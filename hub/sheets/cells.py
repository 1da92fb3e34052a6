"""CSV for spreadsheets: what a cell says is never run as a formula, and reads back as it was."""

import csv
import io
import re
from collections.abc import Iterable, Sequence

_RUN = "=+-@\t\r\n＝＋－＠"
"""What begins a formula in a spreadsheet, or is dropped in front of one."""
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)


def safe(text: str) -> str:
    """Return a cell's text with an apostrophe in front if a spreadsheet would run it; a number stays as it is."""
    begins = text[1:2] if text.startswith("'") else text[:1]
    runs = begins and (begins in _RUN or (text.startswith("''")))
    return f"'{text}" if runs and not _NUMBER.fullmatch(text) else text


def restored(text: str) -> str:
    """Return the text that `safe` was given."""
    return text[1:] if text.startswith("'") and text[1:2] and text[1] in f"{_RUN}'" else text


def csv_line(cells: Sequence[str]) -> str:
    """Return one line of CSV (RFC 4180) with its end; the cells are as they are to stand there."""
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\r\n").writerow(cells)
    return out.getvalue()


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    """Return rows as CSV; None is an empty cell."""
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\r\n").writerows(map(_written, row) for row in rows)
    return out.getvalue()


def _written(cell: object) -> str:
    if isinstance(cell, int):  # a number is never run
        return str(cell)
    return "" if cell is None else safe(str(cell))
