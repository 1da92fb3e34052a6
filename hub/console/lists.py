"""Verdicts and the fleet as lists: searched by the address, page by page, and as CSV that no spreadsheet runs."""

from collections.abc import Iterator
from datetime import date
from typing import Annotated, NamedTuple, get_args
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import PlainTextResponse

from hub.alerts.text import KIND
from hub.compliance.verdicts import KeptVerdict, VerdictTable
from hub.console.badges import OUTCOME, Badge, outcome_of
from hub.console.today import district_name
from hub.console.web import Shared, Visit, visiting
from hub.judge.verdicts import REASONS, Outcome
from hub.sheets.cells import csv_text
from schemas.language import Text

PAGE, MOST_CSV = 50, 10_000
"""Verdicts on a page, and in one file."""
FIRST_TEXT = Text("registered, no trouble known", "已登记，无异常")
Short = Annotated[str, Query(max_length=100)]
Cursor = Annotated[int | None, Query(ge=1, le=2**63 - 1)]


class Wanted(NamedTuple):
    """The filters of verdicts; they stand in the address."""

    district: str
    site: str
    outcome: str


class Sending(NamedTuple):
    """One board, station or terminal."""

    id: str
    channel: str
    site: str
    site_name: str
    due: date | None
    troubles: str
    badge: Badge


def add_lists(router: APIRouter, shared: Shared) -> None:
    """Add verdicts and fleet."""
    visitor = Depends(visiting(shared))

    @router.get("/verdicts")
    def show_verdicts(
        visit: Annotated[Visit, visitor],
        district: Short = "",
        site: Short = "",
        outcome: Short = "",
        before: Cursor = None,
    ) -> Response:
        wanted = _wanted(visit, district, site, outcome)
        found = _search(visit, wanted, before, PAGE + 1)
        asked = {name: value for name, value in wanted._asdict().items() if value}
        following = urlencode(asked | {"before": found[PAGE - 1].id}) if len(found) > PAGE else ""
        return visit.page(
            "verdicts.html",
            verdicts=[
                (one, _site(visit, one), outcome_of(one.outcome, visit.lang, one.grade), _quantity(visit, one))
                for one in found[:PAGE]
            ],
            wanted=wanted,
            following=following,
            query=urlencode(asked),
            districts=[(id_, district_name(visit, id_)) for id_ in visit.registry.districts],
            sites=sorted((visit.say(Text(one.en, one.zh)), one.id) for one in visit.registry.sites.values()),
            outcomes=[(one, visit.say(OUTCOME[one][2])) for one in get_args(Outcome)],
        )

    @router.get("/verdicts.csv")
    def list_verdicts(
        visit: Annotated[Visit, visitor], district: Short = "", site: Short = "", outcome: Short = ""
    ) -> Response:
        found = _search(visit, _wanted(visit, district, site, outcome), None, MOST_CSV)
        return _csv("verdicts.csv", [_HEAD, *(_row(visit, one) for one in found)])

    @router.get("/fleet")
    def show_fleet(visit: Annotated[Visit, visitor], trouble: Short = "") -> Response:
        fleet = [one for one in _fleet(visit) if not trouble or one.badge.tone != "good"]
        return visit.page("fleet.html", fleet=fleet, trouble=bool(trouble))

    @router.get("/fleet.csv")
    def list_fleet(visit: Annotated[Visit, visitor]) -> Response:
        rows = [
            (one.id, one.channel, one.site, one.site_name, one.due.isoformat() if one.due else "", one.troubles)
            for one in _fleet(visit)
        ]
        return _csv("fleet.csv", [("id", "channel", "site", "site_name", "calibration_due", "troubles"), *rows])


def _wanted(visit: Visit, district: str, site: str, outcome: str) -> Wanted:
    return Wanted(
        district if district in visit.registry.districts else "",
        site if site in visit.registry.sites else "",
        outcome if outcome in get_args(Outcome) else "",
    )


def _search(visit: Visit, wanted: Wanted, before: int | None, most: int) -> list[KeptVerdict]:
    return VerdictTable(visit.db).search(
        district=wanted.district,
        districts=visit.user.districts,
        site=wanted.site,
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


def _fleet(visit: Visit) -> Iterator[Sending]:
    """Go through what sends: first what has a trouble, then the others, each by its id."""
    troubles: dict[str, list[str]] = {}
    for alert in visit.desk.book.lasting_troubles():
        if alert.device and visit.user.sees(alert.district):
            troubles.setdefault(alert.device, []).append(visit.say(KIND[alert.kind]))
    good = Badge("good", "circle", visit.say(FIRST_TEXT))
    for one in sorted(visit.registry.senders(), key=lambda one: (one.id not in troubles, one.id)):
        site, said = visit.registry.sites[one.site], ", ".join(sorted(set(troubles.get(one.id, []))))
        badge = Badge("warn", "square", said) if said else good
        if one.retired and one.retired <= visit.page_formats.local(visit.now).date():
            badge = Badge("quiet", "ring", visit.say(Text("retired", "已停用")))
        name, due = visit.say(Text(site.en, site.zh)), getattr(one, "calibration_due", None)
        yield Sending(one.id, one.channel, one.site, name, due, said, badge)


def _csv(name: str, rows: list[tuple[object, ...]]) -> Response:
    # The mark at the start tells spreadsheets that it is UTF-8.
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return PlainTextResponse(f"\ufeff{csv_text(rows)}", headers=headers, media_type="text/csv")
