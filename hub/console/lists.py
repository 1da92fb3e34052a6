"""Verdicts and the fleet as lists: searched by the address, page by page, and as CSV that no spreadsheet runs."""

from datetime import date
from operator import attrgetter
from typing import Annotated, NamedTuple, get_args
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Response

from hub.alerts.text import KIND
from hub.compliance.verdicts import KeptVerdict, VerdictTable
from hub.console.badges import OUTCOME, Badge, channel_of, outcome_of
from hub.console.parts.order import PAGE, Number, Order, Pages, matches, ordered
from hub.console.parts.sheet import MOST_CSV, csv_file
from hub.console.today import Short, district_name
from hub.console.web import Shared, Visit, visiting
from hub.judge.verdicts import REASONS, Outcome
from hub.registry.live import Sender, Site
from hub.series.periods import DAY
from schemas.language import Text

MOST_NAMED = 50
"""Sites that a search offers."""
SORTED_DAYS = 35
"""Verdicts of so many days are ordered by their value: years of them would take seconds."""
FIRST_TEXT = Text("registered, no trouble known", "已登记，无异常")
Cursor = Annotated[int | None, Query(ge=1, le=2**63 - 1)]


class Wanted(NamedTuple):
    """The filters of verdicts; they stand in the address."""

    district: str
    site: str
    """What somebody looks for in the ids and names of sites."""
    outcome: str


class Sending(NamedTuple):
    """One board, station or terminal."""

    id: str
    channel: str
    """Its name in files and topics."""
    sends: str
    """The same in words."""
    site: str
    site_name: str
    due: date | None
    troubles: str
    badge: Badge


class Found(NamedTuple):
    """A page of verdicts."""

    verdicts: list[KeptVerdict]
    following: str
    """The address of what comes behind; empty: nothing does."""


def add_lists(router: APIRouter, shared: Shared) -> None:
    """Add verdicts and fleet."""
    _add_verdicts(router, shared)
    _add_fleet(router, shared)


def _add_verdicts(router: APIRouter, shared: Shared) -> None:
    visitor = Depends(visiting(shared))

    @router.get("/verdicts")
    def show_verdicts(
        visit: Annotated[Visit, visitor],
        district: Short = "",
        site: Short = "",
        outcome: Short = "",
        before: Cursor = None,
        sort: Short = "",
        page: Number = 1,
    ) -> Response:
        wanted = _wanted(visit, district, site, outcome)
        sites = _sites(visit, wanted)
        order = _order(visit, wanted, sites, sort)
        found = Found([], "") if wanted.site and len(sites) != 1 else _page(visit, wanted, sites, order, before, page)
        return visit.page(
            "verdicts.html",
            verdicts=[
                (one, _site(visit, one), outcome_of(one.outcome, visit.lang, one.grade), _quantity(visit, one))
                for one in found.verdicts
            ],
            wanted=wanted,
            order=order,
            following=found.following,
            chosen=sites[0] if len(sites) == 1 else None,
            sites=[(one.id, visit.say(Text(one.en, one.zh))) for one in sites[:MOST_NAMED]] if len(sites) > 1 else [],
            more=max(0, len(sites) - MOST_NAMED),
            sorted_days=SORTED_DAYS,
            districts=[(id_, district_name(visit, id_)) for id_ in visit.registry.districts],
            outcomes=[(one, visit.say(OUTCOME[one][2])) for one in get_args(Outcome)],
        )

    @router.get("/verdicts.csv")
    def list_verdicts(
        visit: Annotated[Visit, visitor], district: Short = "", site: Short = "", outcome: Short = "", sort: Short = ""
    ) -> Response:
        wanted = _wanted(visit, district, site, outcome)
        sites = _sites(visit, wanted)
        order = _order(visit, wanted, sites, sort)
        known = not wanted.site or len(sites) == 1
        found = _search(visit, wanted, sites, order, most=MOST_CSV) if known else []
        return csv_file("verdicts.csv", _HEAD, [_row(visit, one) for one in found])


def _add_fleet(router: APIRouter, shared: Shared) -> None:
    visitor = Depends(visiting(shared))

    @router.get("/fleet")
    def show_fleet(
        visit: Annotated[Visit, visitor], trouble: Short = "", q: Short = "", sort: Short = "", page: Number = 1
    ) -> Response:
        order = _fleet_order(visit, trouble, q, sort)
        fleet = _fleet(visit, trouble, q, order)
        pages = Pages(order, page, len(fleet))
        shown = [_sending(visit, *row) for row in fleet[pages.skip : pages.skip + pages.each]]
        return visit.page("fleet.html", fleet=shown, pages=pages, order=order, trouble=bool(trouble), q=q)

    @router.get("/fleet.csv")
    def list_fleet(visit: Annotated[Visit, visitor], trouble: Short = "", q: Short = "", sort: Short = "") -> Response:
        rows = [
            (one.id, one.channel, one.site, one.site_name, one.due.isoformat() if one.due else "", one.troubles)
            for one in (
                _sending(visit, *row) for row in _fleet(visit, trouble, q, _fleet_order(visit, trouble, q, sort))
            )
        ]
        return csv_file("fleet.csv", ("id", "channel", "site", "site_name", "calibration_due", "troubles"), rows)


def _wanted(visit: Visit, district: str, site: str, outcome: str) -> Wanted:
    return Wanted(
        district if district in visit.registry.districts else "",
        site.strip(),
        outcome if outcome in get_args(Outcome) else "",
    )


def _sites(visit: Visit, wanted: Wanted) -> list[Site]:
    """Return the sites that somebody looks for: the one with that id, or all that have it in their name."""
    if not wanted.site:
        return []
    if exact := visit.registry.sites.get(wanted.site):
        return [exact]
    sites = (one for one in visit.registry.sites.values() if wanted.district in {"", one.district})
    return sorted((one for one in sites if matches(wanted.site, one.id, one.en, one.zh)), key=lambda one: one.id)


def _order(visit: Visit, wanted: Wanted, sites: list[Site], sort: str) -> Order:
    """Return the order of verdicts: of one site by any column, of many always the newest first."""
    columns = {
        "start": Text("window", "时段"),
        "outcome": Text("outcome", "结论"),
        "value": Text("value", "数值"),
        "valid_share": Text("captured", "有效数据率"),
    }
    said = {key: visit.say(text) for key, text in columns.items()}
    return Order("/console/verdicts", wanted._asdict(), said, (sort if len(sites) == 1 else "") or "-start")


def _page(visit: Visit, wanted: Wanted, sites: list[Site], order: Order, before: int | None, number: int) -> Found:
    if sites:
        found = _search(visit, wanted, sites, order, skip=(number - 1) * PAGE, most=PAGE + 1)
        return Found(found[:PAGE], order.page(number + 1) if len(found) > PAGE else "")
    found = _search(visit, wanted, sites, order, before=before, most=PAGE + 1)
    asked = {name: value for name, value in wanted._asdict().items() if value}
    following = f"/console/verdicts?{urlencode(asked | {'before': found[PAGE - 1].id})}" if len(found) > PAGE else ""
    return Found(found[:PAGE], following)


def _search(
    visit: Visit,
    wanted: Wanted,
    sites: list[Site],
    order: Order,
    *,
    most: int,
    skip: int = 0,
    before: int | None = None,
) -> list[KeptVerdict]:
    table = VerdictTable(visit.db)
    if sites:
        since = None if order.by == "start" else visit.now - SORTED_DAYS * DAY
        return table.of_site(
            sites[0].id,
            districts=visit.user.districts,
            outcome=wanted.outcome,
            since=since,
            by=order.by,
            down=order.down,
            skip=skip,
            limit=most,
        )
    return table.search(
        district=wanted.district,
        districts=visit.user.districts,
        outcome=wanted.outcome,
        before=before,
        limit=most,
    )


_HEAD: tuple[object, ...] = (
    *("id", "district", "site", "site_name", "device", "rule", "start", "end", "outcome", "grade", "value", "compared"),
    *("limit", "unit", "capture", "verified", "proof", "revision", "reason"),
)


def _row(visit: Visit, one: KeptVerdict) -> tuple[object, ...]:
    start, end = (visit.page_formats.iso(t) for t in (one.start, one.end))
    numbers = [None if value is None else f"{value:.9g}" for value in (one.value, one.compared, one.limit_value)]
    reason = REASONS.get(one.reason, (one.reason, one.reason))[visit.lang == "zh"]
    place = (
        one.id,
        one.district,
        one.site,
        _site(visit, one),
        one.device,
        one.rule,
        start,
        end,
        one.outcome,
        one.grade,
    )
    return (*place, *numbers, one.unit, f"{one.valid_share:.3f}", one.verified, one.proof, one.revision, reason)


def _site(visit: Visit, one: KeptVerdict) -> str:
    site = visit.registry.sites.get(one.site)
    return visit.say(Text(site.en, site.zh)) if site else one.site


def _quantity(visit: Visit, one: KeptVerdict) -> str:
    found = visit.shared.quantities.get(one.quantity)
    return visit.say(Text(found.en, found.zh)) if found else one.quantity


def _fleet_order(visit: Visit, trouble: str, q: str, sort: str) -> Order:
    columns = {
        "state": Text("state, troubles first", "状态（异常在前）"),
        "id": Text("board", "设备"),
        "site": Text("site", "站点"),
        "channel": Text("comes by", "接入方式"),
        "due": Text("calibration due", "校准有效期"),
    }
    said = {key: visit.say(text) for key, text in columns.items()}
    return Order("/console/fleet", {"trouble": trouble, "q": q}, said, sort)


def _fleet(visit: Visit, trouble: str, q: str, order: Order) -> list[tuple[Sender, str, Badge]]:
    """Return what sends, its troubles in words and its badge, in an order.

    `trouble`: only what has one; `q`: what somebody looks for in ids and names.
    """
    troubles: dict[str, set[str]] = {}
    for alert in visit.desk.book.lasting_troubles():
        if alert.device and visit.user.sees(alert.district):
            troubles.setdefault(alert.device, set()).add(visit.say(KIND[alert.kind]))
    good = Badge("good", "circle", visit.say(FIRST_TEXT))
    retired = Badge("quiet", "ring", visit.say(Text("retired", "已停用")))
    today, sites = visit.page_formats.local(visit.now).date(), visit.registry.sites
    fleet = []
    for one in sorted(visit.registry.senders(), key=attrgetter("id")):
        said = ", ".join(sorted(found)) if (found := troubles.get(one.id)) else ""
        badge = retired if one.retired and one.retired <= today else Badge("warn", "square", said) if said else good
        if trouble and badge is good:
            continue
        if not q or matches(q, one.id, one.site, sites[one.site].en, sites[one.site].zh):
            fleet.append((one, said, badge))
    keys = {
        "state": lambda row: (not row[1], row[2].tone),
        "id": lambda row: row[0].id,
        "site": lambda row: visit.say(Text(sites[row[0].site].en, sites[row[0].site].zh)),
        "channel": lambda row: row[0].channel,
        "due": lambda row: _due(row[0]),
    }
    return ordered(fleet, order, keys)


def _sending(visit: Visit, one: Sender, said: str, badge: Badge) -> Sending:
    site, sends = visit.registry.sites[one.site], channel_of(one.channel, visit.lang)
    name = visit.say(Text(site.en, site.zh))
    return Sending(one.id, one.channel, sends, one.site, name, _due(one), said, badge)


def _due(one: Sender) -> date | None:
    return getattr(one, "calibration_due", None)
