"""Whom an alert about a rule is about, and where the pages of that thing are."""

from typing import NamedTuple

from hub.alerts.records import Alert
from schemas import domains


class Whom(NamedTuple):
    """Whom rules watch, and an alert is about."""

    page: str
    track: str
    """Where its way is shown; empty: it does not move."""
    id: str


def whom_of(alert: Alert) -> Whom | None:
    """Return whom an alert about a rule is about, and where its way is shown; None: a site, a board, or the hub."""
    rule = domains.rules().get(alert.rule) if alert.kind == "rule" else None
    if rule is None or rule.of is None:
        return None
    kind = domains.thing_kinds().get(rule.of)
    moves = kind is not None and not kind.placed
    track = f"/console/track/{rule.of}/{alert.device}?alert={alert.id}" if moves else ""
    return Whom(f"/console/things/{rule.of}/{alert.device}", track, alert.device)
