"""What sites come to now: the gravest of their open alerts and of what was judged in the last hours."""

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from hub.alerts.records import OpenAlerts
from hub.compliance.standing import Judged
from hub.console.badges import GRAVEST
from hub.console.web import Visit

RANKS = {state: rank for rank, state in enumerate(GRAVEST)} | {"unknown": len(GRAVEST)}
"""0: the gravest. "Compliant" stands behind all that is known to be otherwise; "unknown" must not win over it."""


class SiteState(NamedTuple):
    """One site now."""

    state: str
    """One of `hub.console.badges.OUTCOME`."""
    alerts: int
    """Open ones."""


def states_of(visit: Visit, sites: Iterable[str]) -> dict[str, SiteState]:
    """Return what each of these sites comes to now."""
    ids = list(sites)
    found, counts = dict.fromkeys(ids, "unknown"), dict.fromkeys(ids, 0)
    for site, judged in visit.shared.standing.of(visit.db, ids, visit.now).items():
        found[site] = _gravest(judged)
    for one in visit.desk.book.count_open():
        if one.site in counts:
            counts[one.site] += one.alerts
            found[one.site] = _graver(found[one.site], _of(one))
    return {id_: SiteState(found[id_], counts[id_]) for id_ in ids}


@lru_cache(1024)
def _gravest(judged: Judged) -> str:
    """Return what verdicts come to; most sites of a city have the same few."""
    state = "unknown"
    for outcome, grade in judged:
        state = _graver(state, "suspicion" if outcome == "exceeded" and grade == "suspicion" else outcome)
    return state


def _graver(one: str, other: str) -> str:
    return one if RANKS[one] <= RANKS[other] else other


def _of(open_: OpenAlerts) -> str:
    """Return what open alerts make of their site."""
    if open_.kind not in {"limit", "rule"}:
        return "trouble"
    if not open_.fired:
        return "unknown"  # an early warning: nothing was judged yet
    return "exceeded" if open_.severity in {"violation", "critical"} else "suspicion"
