"""Prints JSON for programs: one object, or of a list one object a line and a summary as the last."""

import json
from collections.abc import Iterable
from typing import Any


def print_object(value: object) -> None:
    """Print one JSON object on a line."""
    print(json.dumps(value, ensure_ascii=False))


def print_list(rows: Iterable[dict[str, Any]], name: str, **more: object) -> None:
    """Print one JSON object a line, and as the last a summary with how many there were, as `name`, and with `more`."""
    count = 0
    for row in rows:
        print_object(row)
        count += 1
    print_object({"summary": True, name: count, **more})
