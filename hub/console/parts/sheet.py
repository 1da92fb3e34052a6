"""Tables as files for spreadsheets."""

import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from fastapi import Response
from fastapi.responses import PlainTextResponse, StreamingResponse

from hub.sheets.cells import csv_text

MOST_CSV = 10_000
"""Lines in one file."""
PIECE = 50
"""Lines that are made at once: some milliseconds of work ..."""
BREATH = 0.002
"""... after which other requests get their turn [s]."""


def csv_file(name: str, head: Sequence[object], rows: Sequence[Sequence[object]]) -> Response:
    """Return a table as a file that spreadsheets open and do not run."""
    # The mark at the start tells spreadsheets that it is UTF-8.
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return PlainTextResponse(f"\ufeff{csv_text([head, *rows])}", headers=headers, media_type="text/csv")


def csv_stream(name: str, head: Sequence[object], rows: Iterable[Sequence[object]]) -> Response:
    """Return a long table as such a file, made piece by piece while it is sent."""
    lines = iter(rows)

    def pieces() -> Iterator[str]:
        yield f"\ufeff{csv_text([head])}"
        while piece := csv_text(islice(lines, PIECE)):
            yield piece
            time.sleep(BREATH)

    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(pieces(), headers=headers, media_type="text/csv")
