"""Tables as files for spreadsheets."""

from collections.abc import Sequence

from fastapi import Response
from fastapi.responses import PlainTextResponse

from hub.sheets.cells import csv_text

MOST_CSV = 10_000
"""Lines in one file."""


def csv_file(name: str, head: Sequence[object], rows: Sequence[Sequence[object]]) -> Response:
    """Return a table as a file that spreadsheets open and do not run."""
    # The mark at the start tells spreadsheets that it is UTF-8.
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return PlainTextResponse(f"\ufeff{csv_text([head, *rows])}", headers=headers, media_type="text/csv")
