"""Tables as files that no spreadsheet runs."""

from collections.abc import Sequence

from fastapi import Response
from fastapi.responses import PlainTextResponse

from hub.sheets.cells import csv_text


def csv_answer(name: str, rows: Sequence[Sequence[object]]) -> Response:
    """Return rows as a file; the mark at its start tells spreadsheets that it is UTF-8."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return PlainTextResponse(f"\ufeff{csv_text(rows)}", headers=headers, media_type="text/csv")
