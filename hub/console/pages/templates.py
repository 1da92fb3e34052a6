"""Templates of how boards are to work, of a domain and of a site: what they say, whom they concern, who changed it."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Response
from fastapi.responses import RedirectResponse

from hub.console.pages import settings
from hub.console.pages.boards import opened
from hub.console.today import Short
from hub.console.web import NOT_FOUND, Shared, Visit, acting, seen_in, visiting
from hub.http.problems import RequestError
from hub.orders.desired.book import KEYS, DesiredBook, Place, known
from hub.orders.desired.shown import shipped, shown_template, taking_over
from hub.orders.kinds import MeanwhileError, OrderError
from schemas import domains
from schemas.language import Text

MOST = 200
"""Boards on the page, troubles first; `fenceline orders config show` has all."""
TROUBLES = ("refused", "pending", "none", "in_force")
Of = Literal["pack", "site"]


def add_templates(router: APIRouter, shared: Shared) -> None:
    """Add the list of templates and the page of each."""
    visitor, actor = Depends(visiting(shared)), Depends(acting(shared, "technician"))

    @router.get("/templates")
    def show_templates(visit: Annotated[Visit, visitor]) -> Response:
        with opened(visit) as db:
            said = {(one.place, one.name): one for one in DesiredBook(db).templates()}
        packs = [
            (pack.id, visit.say(Text(pack.manifest.en, pack.manifest.zh)), said.get(("pack", pack.id)))
            for pack in domains.packs()
            if not visit.user.districts and pack.manifest.kind
        ]
        sites = [
            (name, visit.say(Text(visit.registry.sites[name].en, visit.registry.sites[name].zh)), one)
            for (place, name), one in said.items()
            if place == "site" and name in visit.registry.sites
        ]
        return visit.page("templates.html", packs=packs, sites=sites)

    @router.get("/templates/{place}/{id}")
    def show(visit: Annotated[Visit, visitor], place: Of, id: str, done: Short = "") -> Response:  # noqa: A002
        return _page(visit, place, id, done=done)

    @router.post("/templates/{place}/{id}")
    def change(visit: Annotated[Visit, actor], place: Of, id: str) -> Response:  # noqa: A002
        _refuse_foreign(visit, place, id)
        if not _may_change(visit, place):
            text = Text("A pack's template is changed by an admin.", "领域包模板由管理员更改。")
            raise RequestError(403, text)
        try:
            seen = seen_in(visit.form)
            with opened(visit) as db:
                book = DesiredBook(db)
                changes = taking_over(book, id) if "shipped" in visit.form else settings.changes(visit)
                who = visit.user.name, settings.reason(visit), visit.now, seen
                book.set(visit.registry, place, id, changes, *who)
        except (OrderError, RequestError) as refused:
            return _page(visit, place, id, refused)
        return RedirectResponse(f"/console/templates/{place}/{id}?done=config", 303)


def _page(
    visit: Visit, place: Of, id_: str, refused: OrderError | RequestError | None = None, done: str = ""
) -> Response:
    _refuse_foreign(visit, place, id_)
    with opened(visit) as db:
        book = DesiredBook(db)
        template = shown_template(book, visit.registry, place, id_)
        history = book.history(visit.registry, place, id_)[-10:]
    boards = sorted(template["boards"], key=lambda one: (TROUBLES.index(one["state"]), one["device"]))
    ships = shipped(id_) if place == "pack" else {}
    return visit.page(
        "template.html",
        refused.status if refused else 200,
        place=place,
        id=id_,
        name=_name(visit, place, id_),
        edition=template["edition"],
        rows=[
            (
                visit.say(settings.FIELDS[key]),
                settings.shown(template["desired"], key),
                visit.say(settings.SOURCES[template["sources"][key]]),
            )
            for key in KEYS
            if key in template["desired"]
        ],
        ships=[(visit.say(settings.FIELDS[key]), settings.shown(ships, key)) for key in KEYS if key in ships]
        if ships != template["settings"]
        else [],
        fields=settings.fields(visit, template["settings"], written=bool(refused)),
        intervals=settings.intervals(),
        boards=[(one, settings.badge(visit, one["state"])) for one in boards[:MOST]],
        more=max(0, len(boards) - MOST),
        history=history,
        may_act=_may_change(visit, place),
        given_reason=visit.form.get("reason", "") if refused else "",
        said=visit.say(refused.text) if refused else "",
        meanwhile=isinstance(refused, MeanwhileError),
        done=done,
    )


def _name(visit: Visit, place: Of, id_: str) -> str:
    if place == "site":
        site = visit.registry.sites[id_]
        return visit.say(Text(site.en, site.zh))
    manifest = next(pack.manifest for pack in domains.packs() if pack.id == id_)
    return visit.say(Text(manifest.en, manifest.zh))


def _may_change(visit: Visit, place: Place) -> bool:
    return visit.may("admin" if place == "pack" else "technician")


def _refuse_foreign(visit: Visit, place: Of, id_: str) -> None:
    """Refuse what is not there for this visitor; a pack's template is the whole city's business."""
    if id_ not in known(visit.registry, place) or (place == "pack" and visit.user.districts):
        raise RequestError(404, NOT_FOUND)
