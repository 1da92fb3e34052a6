"""What sites come to now: the gravest of their open alerts and of what was judged in the last hours."""

from collections.abc import Iterable
from typing import NamedTuple

from hub.alerts.records import Alert
from hub.compliance.verdicts import VerdictTable
from hub.console.badges import GRAVEST
from hub.console.web import Visit

RECENT = 3 * 3600
"""Verdicts on windows that begin earlier say nothing of now [s]."""
MOST_ALERTS = 2000


class SiteState(NamedTuple):
    """One site now."""

    state: str
    """One of `hub.console.badges.OUTCOME`."""
    alerts: int
    """Open ones."""


def states_of(visit: Visit, sites: Iterable[str]) -> dict[str, SiteState]:
    """Return what each of these sites comes to now."""
    ids = list(sites)
    found = dict.fromkeys(ids, "unknown")
    table = VerdictTable(visit.db)
    for site, outcome, grade in table.latest_of(ids, visit.now - RECENT):
        found[site] = _graver(found[site], "suspicion" if outcome == "exceeded" and grade == "suspicion" else outcome)
    counts = dict.fromkeys(ids, 0)
    for alert in visit.desk.book.search_alerts(state="open", districts=visit.user.districts, limit=MOST_ALERTS):
        if alert.site in counts:
            counts[alert.site] += 1
            found[alert.site] = _graver(found[alert.site], _of(alert))
    return {id_: SiteState(found[id_], counts[id_]) for id_ in ids}


def _graver(one: str, other: str) -> str:
    # "Compliant" stands last, so that anything that is known to be otherwise wins; "unknown" must not win over it.
    known = [state for state in (one, other) if state != "unknown"]
    return min(known, key=GRAVEST.index, default="unknown")


def _of(alert: Alert) -> str:
    """Return what an open alert makes of its site."""
    if alert.kind not in {"limit", "rule"}:
        return "trouble"
    if alert.fired is None:
        return "unknown"  # an early warning: nothing was judged yet
    return "exceeded" if alert.severity in {"violation", "critical"} else "suspicion"
