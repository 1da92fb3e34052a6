"""What a check found."""

from dataclasses import dataclass
from enum import StrEnum

from schemas.language import Text


class FindingState(StrEnum):
    """How bad it is."""

    ok = "ok"
    warning = "warning"
    """It works now, and somebody should look at it."""
    problem = "problem"
    """The hub would not start, or would not do its work."""
    skipped = "skipped"
    """It could not be checked."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check; `name` is stable, for programs."""

    name: str
    state: FindingState
    text: Text
    remedy: Text | None = None


def ok(name: str, en: str, zh: str) -> Finding:
    """Return the finding that a thing is in order."""
    return Finding(name, FindingState.ok, Text(en, zh))


def warning(name: str, text: Text, remedy: Text) -> Finding:
    """Return the finding that a thing works for now."""
    return Finding(name, FindingState.warning, text, remedy)


def problem(name: str, text: Text, remedy: Text) -> Finding:
    """Return the finding that a thing is in the hub's way."""
    return Finding(name, FindingState.problem, text, remedy)


def skipped(name: str, en: str, zh: str) -> Finding:
    """Return that a thing could not be checked, and why."""
    return Finding(name, FindingState.skipped, Text(en, zh))
