"""The city as a map that is drawn here, without any other server: districts as areas, sites by colour and shape."""

from bisect import bisect
from collections import Counter
from datetime import date, datetime, time, timedelta
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Depends, Response
from markupsafe import Markup

from hub.alerts.text import VERIFIED
from hub.compliance.verdicts import VerdictTable
from hub.console.badges import GRAVEST, Badge, channel_of, outcome_of
from hub.console.parts.order import Number, Order, Pages, matches, ordered
from hub.console.parts.picture import WIDTH, Picture, Pictures
from hub.console.parts.sheet import csv_file
from hub.console.state import SiteState, states_of
from hub.console.today import Short, district_name
from hub.console.web import CSP, NOT_FOUND, Shared, Visit, visiting
from hub.desk.listing import listed
from hub.http.problems import RequestError
from hub.registry.live import Site
from hub.series.periods import DAY, Calendar
from schemas.domains import site_kinds
from schemas.language import Text

_PLACES = {state: place for place, state in enumerate(GRAVEST)}
MANY = 300
"""With more sites their marks are small."""
NAMED = 40
"""So many sites have their names beside them; more would cover each other, and the list has them."""
DAYS = 35
"""Days of a site's calendar."""


class Line(NamedTuple):
    """A site in the list."""

    site: Site
    name: str
    district: str
    """As people call it."""
    state: SiteState
    badge: Badge


class Day(NamedTuple):
    """A day of a site's calendar."""

    day: date
    badge: Badge
    judged: bool
    """Whether anything was."""


def add_city(router: APIRouter, shared: Shared) -> None:
    """Add the map and the page of a site."""
    visitor = Depends(visiting(shared))

    console = shared.config.console
    pictures = Pictures(console, shared.config.registry.parent)
    # Pictures of a tile server are loaded by this page alone.
    policy = CSP.replace("img-src 'self'", f"img-src 'self' {console.tiles_origin}".rstrip())

    @router.get("/map")
    def show_map(
        visit: Annotated[Visit, visitor], district: Short = "", q: Short = "", sort: Short = "", page: Number = 1
    ) -> Response:
        chosen = district if district in visit.registry.districts else ""
        sites = [one for one in visit.registry.sites.values() if not chosen or one.district == chosen]
        states = states_of(visit, [site.id for site in sites])
        counts = Counter(state.state for state in states.values())
        picture = pictures.of(visit.shared.registry(), (visit.user.districts, chosen, visit.lang), sites)
        order = _order(visit, chosen, q, sort)
        listed = _listed(visit, sites, states, q, order)
        pages = Pages(order, page, len(listed))
        shown = visit.page(
            "map.html",
            marks=_marks(visit, picture, sites, states),
            many=len(picture.spots) > MANY,
            areas=picture.areas,
            tiles=picture.tiles,
            credit=console.tiles_credit,
            width=WIDTH,
            height=picture.height,
            listed=_lines(visit, listed[pages.skip : pages.skip + pages.each], states),
            pages=pages,
            order=order,
            legend=[(outcome_of(state, visit.lang), counts[state]) for state in GRAVEST if counts[state]],
            chosen=chosen,
            q=q,
            districts=[(id_, district_name(visit, id_)) for id_ in visit.registry.districts],
            unplaced=len(sites) - len(picture.spots),
        )
        shown.headers["Content-Security-Policy"] = policy
        return shown

    @router.get("/sites.csv")
    def list_sites(visit: Annotated[Visit, visitor], district: Short = "", q: Short = "", sort: Short = "") -> Response:
        chosen = district if district in visit.registry.districts else ""
        sites = [one for one in visit.registry.sites.values() if not chosen or one.district == chosen]
        states = states_of(visit, [site.id for site in sites])
        listed = _listed(visit, sites, states, q, _order(visit, chosen, q, sort))
        rows = [
            (one.site.id, one.name, one.site.district, one.district, one.state.state, one.badge.text, one.state.alerts)
            for one in _lines(visit, listed, states)
        ]
        return csv_file("sites.csv", ("id", "name", "district", "district_name", "state", "now", "open_alerts"), rows)

    @router.get("/sites/{id}")
    def show_site(visit: Annotated[Visit, visitor], id: str) -> Response:  # noqa: A002
        site = visit.registry.sites.get(id)
        if site is None:
            raise RequestError(404, NOT_FOUND)
        state = states_of(visit, [id])[id]
        alerts = visit.desk.book.search_alerts(site=id, districts=visit.user.districts, limit=20)
        kind = site_kinds().get(site.kind)
        return visit.page(
            "site.html",
            site=site,
            name=visit.say(Text(site.en, site.zh)),
            district=district_name(visit, site.district),
            kind=visit.say(Text(kind.en, kind.zh)) if kind else site.kind,
            badge=outcome_of(state.state, visit.lang),
            now=[
                (one, outcome_of(one.outcome, visit.lang, one.grade), _what(visit, one.quantity))
                for one in VerdictTable(visit.db).newest_of(id, visit.now - 2 * DAY)
            ],
            days=calendar_of(visit, id),
            weekdays=("一二三四五六日" if visit.lang == "zh" else "MTWTFSS"),
            alerts=[
                (
                    one,
                    listed(one, visit.shared.registry(), visit.lang, visit.now),
                    outcome_of(_alert_tone(one), visit.lang),
                )
                for one in alerts
            ],
            sends=lambda channel: channel_of(channel, visit.lang),
            senders=[one for one in visit.registry.senders() if one.site == id],
            letters={letter: visit.say(text) for letter, text in VERIFIED.items()},
        )


def _alert_tone(alert: object) -> str:
    severity = getattr(alert, "severity", "")
    return {"critical": "exceeded", "violation": "exceeded", "suspicion": "suspicion"}.get(severity, "trouble")


def _what(visit: Visit, quantity: str) -> str:
    found = visit.shared.quantities.get(quantity)
    return visit.say(Text(found.en, found.zh)) if found else quantity


def _order(visit: Visit, chosen: str, q: str, sort: str) -> Order:
    columns = {
        "now": Text("now, the gravest first", "当前（最严重在前）"),
        "site": Text("site", "站点"),
        "district": Text("district", "区"),
        "alerts": Text("open alerts", "未结告警"),
    }
    said = {key: visit.say(text) for key, text in columns.items()}
    return Order("/console/map", {"district": chosen, "q": q}, said, sort)


def _listed(visit: Visit, sites: list[Site], states: dict[str, SiteState], q: str, order: Order) -> list[Site]:
    """Return the sites that have what somebody looks for in their name or id, in an order."""
    found = [site for site in sites if not q or matches(q, site.id, site.en, site.zh)]
    found.sort(key=lambda site: (site.district, site.id))
    keys = {
        "now": lambda site: _PLACES[states[site.id].state],
        "site": lambda site: visit.say(Text(site.en, site.zh)),
        "district": lambda site: district_name(visit, site.district),
        "alerts": lambda site: states[site.id].alerts,
    }
    return ordered(found, order, keys)


def _lines(visit: Visit, sites: list[Site], states: dict[str, SiteState]) -> list[Line]:
    return [
        Line(
            site,
            visit.say(Text(site.en, site.zh)),
            district_name(visit, site.district),
            states[site.id],
            outcome_of(states[site.id].state, visit.lang),
        )
        for site in sites
    ]


def _marks(visit: Visit, picture: Picture, sites: list[Site], states: dict[str, SiteState]) -> Markup:
    """Return the marks of all sites that have a position, the gravest last, on top of the others."""
    draw = visit.shared.templates.get_template("parts.html").module.mark  # type: ignore[attr-defined]
    named = len(picture.spots) <= NAMED
    marks = []
    for site in sorted(sites, key=lambda site: -_PLACES[states[site.id].state]):
        if site.id not in picture.spots:
            continue
        state = states[site.id].state
        mark = picture.marks.get((site.id, state))
        if mark is None:
            name, badge = visit.say(Text(site.en, site.zh)), outcome_of(state, visit.lang)
            mark = picture.marks[site.id, state] = draw(site.id, name, badge, *picture.spots[site.id], named)
        marks.append(mark)
    # They are safe already: joined as plain text, a tenth of the time of joining them as such.
    return Markup("".join(marks))  # noqa: S704


def calendar_of(visit: Visit, site: str) -> list[Day | None]:
    """Return the last days of a site, each with the gravest that was judged; it begins on a Monday, with None."""
    calendar = Calendar(visit.registry.zone)
    today = calendar.start(int(visit.now), DAY)
    local = visit.page_formats.local(today).date()
    first = local - timedelta(days=DAYS - 1)
    days = [first + timedelta(days=n) for n in range(DAYS + 1)]  # the last is tomorrow, which is not shown
    midnights = [datetime.combine(day, time.min, visit.registry.zone).timestamp() for day in days]
    found: list[set[tuple[str, str]]] = [set() for _ in days]
    for start, outcome, grade in VerdictTable(visit.db).hours_of(site, int(midnights[0])):
        found[bisect(midnights, start) - 1].add((outcome, grade))
    shown = [
        Day(day, outcome_of(min(map(_state, judged), key=GRAVEST.index, default="unknown"), visit.lang), bool(judged))
        for day, judged in zip(days[:DAYS], found[:DAYS], strict=True)
    ]
    return [*[None] * first.weekday(), *shown]


def _state(judged: tuple[str, str]) -> str:
    outcome, grade = judged
    return "suspicion" if outcome == "exceeded" and grade == "suspicion" else outcome
