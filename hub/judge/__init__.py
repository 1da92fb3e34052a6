"""Judging: readings in, windows, verdicts out. No database and no clock in here; the hub and the backtest share it."""

from hub.judge.cells import Archive, Cell, Mark, NoArchive
from hub.judge.engine import Engine, Judgement
from hub.judge.rules import Place, Plan, Plans, Rule

__all__ = ["Archive", "Cell", "Engine", "Judgement", "Mark", "NoArchive", "Place", "Plan", "Plans", "Rule"]
