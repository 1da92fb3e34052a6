"""What the hub says while it runs: lines for people, or JSON for a log collector."""

import logging
from typing import Literal

from pythonjsonlogger.json import JsonFormatter

Format = Literal["text", "json"]


def configure(format_: Format = "text", level: int = logging.INFO) -> None:
    """Send every logger's messages to standard error.

    "json" gives one object a line: `time` (UTC, ISO 8601), `level`, `logger`, `message`, whatever was given as `extra`,
    and for an exception its traceback in `exc_info`.
    """
    handler = logging.StreamHandler()
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
