"""What waits for an officer, the most urgent first."""

from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple, get_args
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Response

from hub.alerts.records import Alert
from hub.alerts.states import Kind, State
from hub.alerts.text import KIND, SEVERITY
from hub.config.alerts import SEVERITIES
from hub.console.alert import next_level_at
from hub.console.badges import Badge, severity_of
from hub.console.web import Shared, Visit, visiting
from hub.desk.listing import listed
from schemas.language import Text

MOST = 50
"""Alerts of one section; more are counted as "and more"."""
STATES: tuple[State, ...] = ("firing", "pending", "acknowledged", "resolved")
"""Of what is not put away."""


class Card(NamedTuple):
    """One alert as the page shows it."""

    told: dict[str, object]
    """As lists of alerts tell it (`hub.desk.listing`)."""
    alert: Alert
    badge: Badge
    quantity: str
    """What people call what was measured; empty: nothing was."""
    seen: int
    """The number of its newest event."""
    deadline: float | None
    """When the next level is called, Unix s."""


class Section(NamedTuple):
    """A heap of work."""

    id: str
    title: str
    cards: list[Card]
    more: bool


class Wanted(NamedTuple):
    """The filters; they stand in the address."""

    district: str = ""
    severity: str = ""
    kind: str = ""
    whose: str = ""


def add_today(router: APIRouter, shared: Shared) -> None:
    """Add the page."""

    @router.get("/today")
    def show_today(
        visit: Annotated[Visit, Depends(visiting(shared))],
        district: str = "",
        severity: str = "",
        kind: str = "",
        whose: Literal["", "mine"] = "",
    ) -> Response:
        wanted = Wanted(
            district if district in visit.registry.districts else "",
            severity if severity in SEVERITIES else "",
            kind if kind in get_args(Kind) else "",
            whose,
        )
        return visit.page(
            "today.html",
            sections=sections(visit, wanted),
            wanted=wanted,
            filtered=any(wanted),
            districts=[(id_, district_name(visit, id_)) for id_ in visit.registry.districts],
            severities=[(one, visit.say(SEVERITY[one])) for one in reversed(SEVERITIES)],
            kinds=[(one, visit.say(text)) for one, text in KIND.items()],
            may_act=visit.may("officer"),
            query=urlencode({name: value for name, value in wanted._asdict().items() if value}),
        )


def district_name(visit: Visit, id_: str) -> str:
    """Return what people call a district."""
    named = visit.registry.named_districts.get(id_)
    return visit.say(Text(named.en, named.zh)) if named else id_


def sections(visit: Visit, wanted: Wanted) -> list[Section]:
    """Return what waits, in the order in which it should be looked at."""
    found = {state: _search(visit, state, wanted) for state in STATES}
    mine = [one for one in found["acknowledged"] if one.acknowledged_by == visit.user.name]
    others = [one for one in found["acknowledged"] if one.acknowledged_by != visit.user.name]
    heaps = (
        ("waiting", Text("Nobody has taken these in hand", "尚无人处理"), found["firing"]),
        ("mine", Text("In your hands", "由您处理中"), mine),
        ("over", Text("Over: to be closed", "已解除，待关闭"), found["resolved"]),
        ("early", Text("Early warnings", "预警"), found["pending"]),
        ("others", Text("In the hands of others", "由他人处理中"), others),
    )
    seen = visit.desk.book.last_events(one.id for _, _, heap in heaps for one in heap)
    levels = max((recipient.level for recipient in visit.shared.config.recipients), default=0)
    return [
        Section(id_, visit.say(title), [_card(visit, one, seen, levels) for one in heap[:MOST]], len(heap) > MOST)
        for id_, title, heap in heaps
        if heap
    ]


def _search(visit: Visit, state: State, wanted: Wanted) -> list[Alert]:
    found = visit.desk.book.search_alerts(
        state=state,
        kind=wanted.kind,
        district=wanted.district,
        districts=visit.user.districts,
        severity=wanted.severity,
        limit=MOST + 1,
    )
    if wanted.whose == "mine":
        found = [one for one in found if one.acknowledged_by == visit.user.name]
    return _by_urgency(found)


def _by_urgency(alerts: Sequence[Alert]) -> list[Alert]:
    return sorted(alerts, key=lambda one: (-SEVERITIES.index(one.severity), one.fired or one.opened))


def _card(visit: Visit, alert: Alert, seen: dict[int, int], levels: int) -> Card:
    minutes = visit.shared.config.alerts.escalate_minutes.get(alert.severity)
    told = listed(alert, visit.shared.registry(), visit.lang, visit.now)
    badge = severity_of(alert.severity, visit.lang)
    known = visit.shared.quantities.get(alert.quantity or "")
    quantity = known.symbol or visit.say(Text(known.en, known.zh)) if known else ""
    return Card(told, alert, badge, quantity, seen.get(alert.id, 0), next_level_at(alert, minutes, levels))
