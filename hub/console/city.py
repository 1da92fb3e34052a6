"""The city as a map that is drawn here, without any other server: districts as areas, sites by colour and shape."""

import math
from collections import Counter
from datetime import date, timedelta
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Depends, Response
from shapely import MultiPoint, Polygon

from hub.alerts.text import VERIFIED
from hub.compliance.verdicts import VerdictTable
from hub.console.badges import GRAVEST, Badge, outcome_of
from hub.console.state import SiteState, states_of
from hub.console.today import district_name
from hub.console.web import NOT_FOUND, Shared, Visit, visiting
from hub.desk.listing import listed
from hub.http.problems import RequestError
from hub.registry.live import Site
from hub.series.periods import DAY, Calendar
from schemas.domains import site_kinds
from schemas.language import Text

WIDTH, HIGHEST, EDGE = 640.0, 560.0, 60.0
"""Of the picture, and what stays free around it."""
NAMED = 40
"""So many sites have their names beside them; more would cover each other, and the list has them."""
LISTED = 100
"""Sites of the list below the map, the gravest first."""
DAYS = 35
"""Days of a site's calendar."""


class Place(NamedTuple):
    """A site in the picture."""

    site: Site
    name: str
    state: SiteState
    badge: Badge
    x: float
    y: float


class Area(NamedTuple):
    """A district in the picture: around its sites, as nobody has told its border."""

    name: str
    points: str
    x: float
    y: float


class Day(NamedTuple):
    """A day of a site's calendar."""

    day: date
    badge: Badge
    judged: bool
    """Whether anything was."""


def add_city(router: APIRouter, shared: Shared) -> None:
    """Add the map and the page of a site."""
    visitor = Depends(visiting(shared))

    @router.get("/map")
    def show_map(visit: Annotated[Visit, visitor], district: str = "") -> Response:
        chosen = district if district in visit.registry.districts else ""
        sites = [one for one in visit.registry.sites.values() if not chosen or one.district == chosen]
        states = states_of(visit, [site.id for site in sites])
        places, areas, height = draw(visit, sites, states)
        counts = Counter(state.state for state in states.values())
        ranked = sorted(sites, key=lambda one: (GRAVEST.index(states[one.id].state), one.district, one.id))
        return visit.page(
            "map.html",
            places=places,
            areas=areas,
            named=len(places) <= NAMED,
            width=WIDTH,
            height=height,
            listed=[
                (one, visit.say(Text(one.en, one.zh)), states[one.id], outcome_of(states[one.id].state, visit.lang))
                for one in ranked[:LISTED]
            ],
            more=max(0, len(ranked) - LISTED),
            legend=[(outcome_of(state, visit.lang), counts[state]) for state in GRAVEST if counts[state]],
            chosen=chosen,
            districts=[(id_, district_name(visit, id_)) for id_ in visit.registry.districts],
            unplaced=len(sites) - len(places),
        )

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
            senders=[one for one in visit.registry.senders() if one.site == id],
            letters={letter: visit.say(text) for letter, text in VERIFIED.items()},
        )


def _alert_tone(alert: object) -> str:
    severity = getattr(alert, "severity", "")
    return {"critical": "exceeded", "violation": "exceeded", "suspicion": "suspicion"}.get(severity, "trouble")


def _what(visit: Visit, quantity: str) -> str:
    found = visit.shared.quantities.get(quantity)
    return visit.say(Text(found.en, found.zh)) if found else quantity


def draw(visit: Visit, sites: list[Site], states: dict[str, SiteState]) -> tuple[list[Place], list[Area], float]:
    """Return the sites that have a position, and their districts, as they lie in the picture; and how high it is."""
    placed = [(site, site.position) for site in sites if site.position is not None]
    if not placed:
        return [], [], 0.0
    # Narrow enough for a city: degrees of longitude are as long as at its middle.
    shrink = math.cos(math.radians(sum(position[0] for _, position in placed) / len(placed)))
    at = {site.id: (position[1] * shrink, -position[0]) for site, position in placed}
    xs, ys = [x for x, _ in at.values()], [y for _, y in at.values()]
    whole = max((max(xs) - min(xs)) / (WIDTH - 2 * EDGE), (max(ys) - min(ys)) / (HIGHEST - 2 * EDGE), 1e-6)
    left = (WIDTH - (max(xs) - min(xs)) / whole) / 2
    height = round((max(ys) - min(ys)) / whole + 2 * EDGE)
    spots = {id_: ((x - min(xs)) / whole + left, (y - min(ys)) / whole + EDGE) for id_, (x, y) in at.items()}
    places = [
        Place(
            site,
            visit.say(Text(site.en, site.zh)),
            states[site.id],
            outcome_of(states[site.id].state, visit.lang),
            *(round(part, 1) for part in spots[site.id]),
        )
        for site, _ in placed
    ]
    # The gravest is drawn last, on top of the others.
    places.sort(key=lambda place: -GRAVEST.index(place.state.state))
    by_district: dict[str, list[tuple[float, float]]] = {}
    for site, _ in placed:
        by_district.setdefault(site.district, []).append(spots[site.id])
    return places, [_area(district_name(visit, id_), spots) for id_, spots in sorted(by_district.items())], height


def _area(name: str, spots: list[tuple[float, float]]) -> Area:
    around = MultiPoint(spots).convex_hull.buffer(36, quad_segs=6)
    assert isinstance(around, Polygon)
    points = " ".join(f"{x:.0f},{y:.0f}" for x, y in around.exterior.coords)
    left, top, right, _ = around.bounds
    return Area(name, points, round((left + right) / 2), round(top - 6))


def calendar_of(visit: Visit, site: str) -> list[Day | None]:
    """Return the last days of a site, each with the gravest that was judged; it begins on a Monday, with None."""
    calendar = Calendar(visit.registry.zone)
    today = calendar.start(int(visit.now), DAY)
    local = visit.page_formats.local(today).date()
    first = local - timedelta(days=DAYS - 1)
    worst: dict[date, str] = {}
    for start, outcome, grade in VerdictTable(visit.db).hours_of(site, today - DAYS * DAY):
        day = visit.page_formats.local(start).date()
        state = "suspicion" if outcome == "exceeded" and grade == "suspicion" else outcome
        worst[day] = min(worst.get(day, state), state, key=GRAVEST.index)
    days = [first + timedelta(days=n) for n in range(DAYS)]
    shown = [Day(day, outcome_of(worst.get(day, "unknown"), visit.lang), day in worst) for day in days]
    return [*[None] * first.weekday(), *shown]
