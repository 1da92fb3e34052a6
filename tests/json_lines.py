"""What a command prints with --json."""

import json


def rows_of(out):
    """Return the objects of a list, whose last line is a summary that counts them."""
    *rows, summary = map(json.loads, out.splitlines())
    assert summary["summary"] is True
    assert len(rows) in summary.values()
    return rows
