"""What the hub says while it runs: lines for people, or JSON for a log collector."""

import logging
import re
import time
from collections.abc import Callable
from typing import Literal

from pythonjsonlogger.json import JsonFormatter

Format = Literal["text", "json"]


FREELY = 5
"""So many lines that differ only in numbers are written as they come, ..."""
EVERY = 60.0
"""... then one of them in so many seconds, which says how many there were."""
MOST_KINDS = 1000
"""Kinds of lines that are counted at once."""
_NUMBERS = re.compile(r"\d+(\.\d+)?")


class Limiter(logging.Filter):
    """Lets a line that comes again and again through once a minute: a fault must not fill the disk with its own words.

    `clock` gives seconds that only go on.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._seen: dict[tuple[str, int, str], tuple[float, int, int]] = {}
        """By logger, level and text: when the present minute began, lines written in it, lines left out since."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether a line is written; of one that stands for others, say so in it."""
        text = record.getMessage()
        kind = (record.name, record.levelno, _NUMBERS.sub("0", text[:500]))
        now = self._clock()
        began, written, left_out = self._seen.pop(kind, (now, 0, 0))
        again = now - began >= EVERY
        if again and not left_out:
            began, written = now, 0
        passes = written < FREELY or again
        if passes and left_out:
            record.msg, record.args = f"{text} (and {left_out} more like it in the last {now - began:.0f} s)", ()
            began = now
        self._seen[kind] = (began, written + 1, 0) if passes else (began, written, left_out + 1)
        if len(self._seen) > MOST_KINDS:
            del self._seen[next(iter(self._seen))]  # the one that came longest ago
        return passes


def configure(format_: Format = "text", level: int = logging.INFO) -> None:
    """Send every logger's messages to standard error.

    Lines that come again and again are counted instead (`Limiter`). "json" gives one object a line: `time` (UTC, ISO
    8601), `level`, `logger`, `message`, whatever was given as `extra`, and for an exception its traceback in
    `exc_info`.
    """
    handler = logging.StreamHandler()
    handler.addFilter(Limiter())
    if format_ == "json":
        handler.setFormatter(
            JsonFormatter(
                ["levelname", "name", "message"],
                rename_fields={"levelname": "level", "name": "logger"},
                timestamp="time",
                json_ensure_ascii=False,
            )
        )
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s"))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("uvicorn").setLevel(max(level, logging.WARNING))  # its start and stop are the hub's to tell
