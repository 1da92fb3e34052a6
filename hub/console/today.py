"""What waits for an officer, the most urgent first."""

from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple, get_args
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import RedirectResponse

from hub.alerts.records import Alert, Waiting
from hub.alerts.states import Kind, State
from hub.alerts.text import KIND, SEVERITY
from hub.config.alerts import SEVERITIES, Severity
from hub.console.alert import next_level_at
from hub.console.badges import Badge, severity_of
from hub.console.cases.visit import CaseCard, cases_of, has_cases
from hub.console.parts.order import Number, Order, Pages
from hub.console.parts.picture import name_of
from hub.console.parts.sheet import MOST_CSV, csv_file
from hub.console.web import Shared, Visit, visiting
from hub.desk.listing import listed
from schemas.language import Text

FIRST = 12
"""Alerts of a section on the first page; all of them stand on pages of its own."""
Short = Annotated[str, Query(max_length=100)]


class Card(NamedTuple):
    """One alert as the page shows it."""

    told: dict[str, object]
    """As lists of alerts tell it (`hub.desk.listing`)."""
    alert: Alert
    badge: Badge
    quantity: str
    """What people call what was measured, or the rule that is broken; empty: neither."""
    seen: int
    """The number of its newest event."""
    deadline: float | None
    """When the next level is called, Unix s."""


class Section(NamedTuple):
    """A heap of work."""

    id: str
    title: str
    cards: list[Card]
    alerts: int
    """Of all, on whichever page."""
    address: str
    """Where all of them are; empty: here."""
    pages: Pages | None
    """Of the section that is looked at alone."""


class WaitingCases(NamedTuple):
    """The cases that wait for somebody."""

    all: int
    """How many there are."""
    cards: list[CaseCard]
    """The most urgent."""


class Heap(NamedTuple):
    """What a section holds: alerts in one state, acknowledged by somebody or not."""

    title: Text
    state: State
    mine: bool | None = None
    """Only those that the visitor has acknowledged, or only those that others have."""


HEAPS = {
    "waiting": Heap(Text("Nobody has taken these in hand", "尚无人处理"), "firing"),
    "mine": Heap(Text("In your hands", "由您处理中"), "acknowledged", mine=True),
    "over": Heap(Text("Over: to be closed", "已解除，待关闭"), "resolved"),
    "early": Heap(Text("Early warnings", "预警"), "pending"),
    "others": Heap(Text("In the hands of others", "由他人处理中"), "acknowledged", mine=False),
}
"""In the order in which they should be looked at."""


class Wanted(NamedTuple):
    """The filters; they stand in the address."""

    district: str = ""
    severity: str = ""
    kind: str = ""
    whose: str = ""
    heap: str = ""
    """The only section that is shown; empty: all of them."""

    @property
    def filtered(self) -> bool:
        """Tell whether something is left out by choice."""
        return any(self[:4])

    def query(self, **other: str) -> str:
        """Return how the address says it, with other values for some of it."""
        return urlencode({name: value for name, value in self._replace(**other)._asdict().items() if value})


def add_today(router: APIRouter, shared: Shared) -> None:
    """Add the page."""
    visitor, anybody = Depends(visiting(shared)), Depends(visiting(shared, "anybody"))

    @router.get("/today")
    def show_today(
        visit: Annotated[Visit, anybody],
        district: Short = "",
        severity: Short = "",
        kind: Short = "",
        whose: Literal["", "mine"] = "",
        heap: Short = "",
        page: Number = 1,
    ) -> Response:
        if not visit.may("viewer"):
            return RedirectResponse(f"/console/companies/{visit.user.company}", 303)
        wanted = _wanted(visit, district, severity, kind, whose, heap)
        shows_cases = not wanted.filtered and not wanted.heap and has_cases(shared)
        return visit.page(
            "today.html",
            sections=sections(visit, wanted, page),
            wanted=wanted,
            districts=[(id_, district_name(visit, id_)) for id_ in visit.registry.districts],
            severities=[(one, visit.say(SEVERITY[one])) for one in reversed(SEVERITIES)],
            kinds=[(one, visit.say(text)) for one, text in KIND.items()],
            may_act=visit.may("officer"),
            cases=waiting_cases(visit) if shows_cases else None,
        )

    @router.get("/alerts.csv")
    def list_alerts(
        visit: Annotated[Visit, visitor],
        district: Short = "",
        severity: Short = "",
        kind: Short = "",
        whose: Literal["", "mine"] = "",
        heap: Short = "",
    ) -> Response:
        wanted = _wanted(visit, district, severity, kind, whose, heap)
        found = [
            one
            for id_ in HEAPS
            if wanted.heap in {"", id_}
            for one in _find(visit, HEAPS[id_], wanted, _counts(visit, wanted), 0, MOST_CSV)
        ]
        return csv_file("alerts.csv", CSV_HEAD, [_row(visit, one) for one in found[:MOST_CSV]])


def waiting_cases(visit: Visit) -> WaitingCases:
    """Return the cases that wait for the visitor, the most urgent first."""
    with cases_of(visit) as cases:
        if not cases.positions:
            return WaitingCases(0, [])
        found = cases.finder.page(cases.waiting, "deadline", down=False, skip=0, limit=FIRST)
        return WaitingCases(cases.finder.count(cases.waiting), [cases.card(one) for one in found])


def _wanted(visit: Visit, district: str, severity: str, kind: str, whose: str, heap: str) -> Wanted:
    return Wanted(
        district if district in visit.registry.districts else "",
        severity if severity in SEVERITIES else "",
        kind if kind in get_args(Kind) else "",
        whose,
        heap if heap in HEAPS else "",
    )


def district_name(visit: Visit, id_: str) -> str:
    """Return what people call a district."""
    return name_of(visit.registry, id_, visit.lang)


def sections(visit: Visit, wanted: Wanted, page: int = 1) -> list[Section]:
    """Return what waits, in the order in which it should be looked at."""
    counts = _counts(visit, wanted)
    found: list[tuple[str, list[Alert], int, Pages | None]] = []
    for id_, heap in HEAPS.items():
        count = sum(_counted(heap, wanted, counts).values())
        if not count or wanted.heap not in {"", id_}:
            continue
        pages = Pages(Order("/console/today", wanted._asdict(), {"": ""}, ""), page, count) if wanted.heap else None
        skip, limit = (pages.skip, pages.each) if pages else (0, FIRST)
        found.append((id_, _find(visit, heap, wanted, counts, skip, limit), count, pages))
    seen = visit.desk.book.last_events(one.id for _, alerts, _, _ in found for one in alerts)
    levels = max((recipient.level for recipient in visit.shared.config.recipients), default=0)
    return [
        Section(
            id_,
            visit.say(HEAPS[id_].title),
            [_card(visit, one, seen, levels) for one in alerts],
            count,
            f"/console/today?{wanted.query(heap=id_)}" if pages is None and count > FIRST else "",
            pages,
        )
        for id_, alerts, count, pages in found
    ]


def _scope(visit: Visit, wanted: Wanted) -> Sequence[str]:
    # Not even what an address names widens the scope.
    return [wanted.district] if wanted.district and visit.user.sees(wanted.district) else visit.user.districts


def _counts(visit: Visit, wanted: Wanted) -> dict[Waiting, int]:
    return visit.desk.book.count_waiting(kind=wanted.kind, districts=_scope(visit, wanted), by=visit.user.name)


def _counted(heap: Heap, wanted: Wanted, counts: dict[Waiting, int]) -> dict[Severity, int]:
    """Return how many alerts a heap has of each severity, the gravest first."""
    mine = [True] if heap.mine or wanted.whose else [False] if heap.mine is False else [True, False]
    if heap.mine is False and wanted.whose:
        mine = []
    return {
        severity: count
        for severity in reversed(SEVERITIES)
        if wanted.severity in {"", severity}
        and (count := sum(counts.get(Waiting(heap.state, severity, one), 0) for one in mine))
    }


def _find(visit: Visit, heap: Heap, wanted: Wanted, counts: dict[Waiting, int], skip: int, limit: int) -> list[Alert]:
    """Return a part of a heap: the gravest first, of these what fired first."""
    found: list[Alert] = []
    for severity, count in _counted(heap, wanted, counts).items():
        if skip < count and len(found) < limit:
            found += visit.desk.book.find_waiting(
                heap.state,
                severity,
                kind=wanted.kind,
                districts=_scope(visit, wanted),
                by=visit.user.name if heap.mine or wanted.whose else "",
                not_by=visit.user.name if heap.mine is False else "",
                skip=skip,
                limit=limit - len(found),
            )
        skip = max(0, skip - count)
    return found


CSV_HEAD = (
    *("id", "district", "site", "site_name", "board", "kind", "what", "rule", "state", "severity", "opened", "fired"),
    *("acknowledged", "acknowledged_by", "resolved", "value", "limit", "unit"),
)


def _row(visit: Visit, alert: Alert) -> tuple[object, ...]:
    told = listed(alert, visit.shared.registry(), visit.lang, visit.now)
    times = {
        name: told[name].isoformat() if told[name] else "" for name in ("opened", "fired", "acknowledged", "resolved")
    }
    what = Text(": ", "：").into(visit.lang).join(filter(None, (str(told["kind_name"]), str(told["about"]))))
    return tuple((told | times | {"what": what})[name] for name in CSV_HEAD)


def _card(visit: Visit, alert: Alert, seen: dict[int, int], levels: int) -> Card:
    minutes = visit.shared.config.alerts.escalate_minutes.get(alert.severity)
    told = listed(alert, visit.shared.registry(), visit.lang, visit.now)
    badge = severity_of(alert.severity, visit.lang, alert.kind)
    known = visit.shared.quantities.get(alert.quantity or "")
    quantity = (known.symbol if known else None) or str(told["about"])
    return Card(told, alert, badge, quantity, seen.get(alert.id, 0), next_level_at(alert, minutes, levels))
