"""Maintenance windows: when nobody is told of what happens at a site. Everybody sees them, an admin decides on them."""

from datetime import datetime
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import RedirectResponse

from hub.alerts.maintenance import Maintenance, OpenedError, check_place
from hub.alerts.refusal import DeskError
from hub.console.today import district_name
from hub.console.web import NOT_FOUND, Shared, Visit, acting, seen_in, visiting
from hub.http.problems import RequestError
from schemas.language import Text

HERE = "/console/maintenance"
MOST_PAST = 50
"""Windows that are over, on the page; the audit trail has all."""
USUAL_HOURS = "2"
Short = Annotated[str, Query(max_length=100)]
NO_TIME = Text("Expected a local date and time such as 2026-12-01T22:00.", "应为当地日期和时间，如2026-12-01T22:00。")
NO_HOURS = Text("Expected hours from 0.1 to 2208 (92 days).", "应为0.1至2208小时（92天）。")
FIELDS = {"from": Text("Begin", "开始"), "to": Text("End", "结束"), "reason": Text("Reason", "原因")}
"""What a refusal calls the fields of the form."""


class Window(NamedTuple):
    """A window as the list shows it."""

    window: Maintenance
    site: str
    """Its name."""
    runs: bool
    over: bool


def add_maintenance(router: APIRouter, shared: Shared) -> None:
    """Add the list, the form, and what an admin does."""
    visitor, admin = Depends(visiting(shared)), Depends(acting(shared, "admin"))

    @router.get("/maintenance")
    def show_windows(visit: Annotated[Visit, visitor], district: Short = "", done: Short = "") -> Response:
        return _list(visit, district, done)

    @router.get("/add-maintenance")
    def show_new(visit: Annotated[Visit, visitor], site: Short = "") -> Response:
        if not visit.may("admin"):
            return RedirectResponse(HERE, 303)
        return _form(visit, site)

    @router.post("/add-maintenance")
    def add(visit: Annotated[Visit, admin]) -> Response:
        form, seen = visit.form, seen_in(visit.form)
        site, board = form.get("site", ""), form.get("board", "")
        try:
            check_place(visit.registry, site, board)
            begins, hours = _begin(visit), _hours(form.get("hours", ""))
            reason = form.get("reason", "").replace("\r\n", "\n").strip()
            visit.desk.maintenance.add(site, board, begins, begins + 3600 * hours, reason, visit.user.name, seen)
        except (DeskError, RequestError) as refused:
            return _form(visit, site, refused)
        return RedirectResponse(f"{HERE}?done=opened", 303)

    @router.post("/maintenance/{id}/end")
    def end(visit: Annotated[Visit, admin], id: int) -> Response:  # noqa: A002
        window = visit.desk.maintenance.find(id) if 0 < id < 2**63 else None
        if window is None or not _concerns(visit, window):
            raise RequestError(404, NOT_FOUND)
        try:
            visit.desk.maintenance.remove(id, visit.user.name, again=True)
        except DeskError as refused:
            return _list(visit, "", "", refused)
        return RedirectResponse(f"{HERE}?done=ended", 303)


def _list(visit: Visit, district: str, done: str, refused: DeskError | None = None) -> Response:
    book = visit.desk.maintenance
    coming = [_shown(visit, one) for one in book.coming() if _concerns(visit, one, district)]
    past = [_shown(visit, one) for one in book.past(MOST_PAST) if _concerns(visit, one, district)]
    return visit.page(
        "maintenance.html",
        refused.status if refused else 200,
        coming=coming,
        past=past,
        districts=[(id_, district_name(visit, id_)) for id_ in visit.registry.districts if visit.user.sees(id_)],
        district=district,
        may_act=visit.may("admin"),
        said=visit.say(refused.text) if refused else "",
        done=done,
    )


def _form(visit: Visit, site: str, refused: DeskError | RequestError | None = None) -> Response:
    chosen = visit.registry.sites.get(site)
    field = visit.say(FIELDS[refused.field]) if refused and refused.field in FIELDS else ""
    said = visit.say(refused.text) if refused else ""
    given = {"board": "", "reason": "", "hours": USUAL_HOURS} | (visit.form if refused else {})
    return visit.page(
        "maintenance_new.html",
        refused.status if refused else 200,
        site=chosen,
        sites=sorted((visit.say(Text(one.en, one.zh)), one.id) for one in visit.registry.sites.values()),
        boards=sorted(one.id for one in visit.registry.senders() if one.site == site),
        seen=visit.desk.maintenance.last(),
        given=given,
        begin=given.get("from") or f"{visit.page_formats.local(visit.now):%Y-%m-%dT%H:%M}",
        said=f"{field}{visit.say(Text(': ', '：'))}{said}" if field else said,
        news=[_shown(visit, one) for one in refused.news] if isinstance(refused, OpenedError) else [],
    )


def _shown(visit: Visit, window: Maintenance) -> Window:
    site = visit.registry.sites.get(window.site)
    name = visit.say(Text(site.en, site.zh)) if site else window.site
    over = window.removed is not None or window.ends <= visit.now
    return Window(window, name, not over and window.begins <= visit.now, over)


def _concerns(visit: Visit, window: Maintenance, district: str = "") -> bool:
    """Tell whether a window is at a site that the visitor sees; at one that is not registered, only who sees all."""
    site = visit.registry.sites.get(window.site)
    if site is None:
        return not visit.user.districts and not district
    return district in {"", site.district}


def _begin(visit: Visit) -> float:
    try:
        when = datetime.fromisoformat(visit.form.get("from", ""))
        return (when if when.tzinfo else when.replace(tzinfo=visit.registry.zone)).timestamp()
    except (ValueError, OverflowError):
        raise RequestError(422, NO_TIME, "from") from None


def _hours(text: str) -> float:
    try:
        hours = float(text)
    except ValueError:
        hours = 0.0
    if not 0.1 <= hours <= 2208:
        raise RequestError(422, NO_HOURS)
    return hours
