"""Judging: readings in, windows, verdicts out. No database and no clock in here; the hub and the backtest share it."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hub.judge.boards import Background, Instrument
    from hub.judge.cells import Archive, Cell, Mark, NoArchive
    from hub.judge.engine import Engine, Judgement
    from hub.judge.rules import Place, Plan, Plans, Rule

__all__ = [
    "Archive",
    "Background",
    "Cell",
    "Engine",
    "Instrument",
    "Judgement",
    "Mark",
    "NoArchive",
    "Place",
    "Plan",
    "Plans",
    "Rule",
]

_WHERE = {
    "Archive": "hub.judge.cells",
    "Background": "hub.judge.boards",
    "Instrument": "hub.judge.boards",
    "Cell": "hub.judge.cells",
    "Mark": "hub.judge.cells",
    "NoArchive": "hub.judge.cells",
    "Engine": "hub.judge.engine",
    "Judgement": "hub.judge.engine",
    "Place": "hub.judge.rules",
    "Plan": "hub.judge.rules",
    "Plans": "hub.judge.rules",
    "Rule": "hub.judge.rules",
}


def __getattr__(name: str) -> Any:
    """Load what is asked for when it is asked for: a command line that needs one of them starts without the others."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found = getattr(importlib.import_module(_WHERE[name]), name)
    return found
