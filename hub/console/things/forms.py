"""Adding and changing things by forms: each act is a further edition, and nothing that was is overwritten."""

import datetime as dt
import re
from typing import Annotated, Any, NamedTuple

import msgspec
from fastapi import APIRouter, Depends, Response
from fastapi.responses import RedirectResponse

from hub.console.things.page import Version, versions_of
from hub.console.things.visit import FIELD, HERE, Things
from hub.console.web import NOT_FOUND, Shared, Visit, acting, seen_in, visiting
from hub.http.problems import RequestError
from hub.registry.check import EntryError
from hub.things.change import Context, WrongThingError
from hub.things.coordinates import System
from hub.things.desk import OUTSIDE, MeanwhileError, ThingDesk, faults_of
from hub.things.entries import Said, Thing
from hub.things.exchange import field_of_text, property_of_text
from schemas.chinese import in_chinese
from schemas.domains.entries import ThingKind, ThingProperty
from schemas.language import Text

MOST_GEOMETRY = 9_000
"""Characters of GeoJSON in a form; a larger figure is imported from a file."""
SYSTEMS: dict[System, Text] = {
    "wgs84": Text("WGS-84 (GPS)", "WGS-84（GPS）"),
    "gcj02": Text("GCJ-02 (Chinese maps)", "GCJ-02（国内地图）"),
    "bd09": Text("BD-09 (Baidu)", "BD-09（百度）"),
}
FORM_FIELDS = FIELD | {"id": Text("Id", "编号")}
INPUTS = {"number": "number", "integer": "number", "date": "date", "time": "datetime-local"}


class Field(NamedTuple):
    """A property in a form."""

    id: str
    """Of the input."""
    name: str
    input: str
    """text, number, date, datetime-local, choice, choices, boolean, lines"""
    value: str
    chosen: frozenset[str]
    options: list[tuple[str, str]]
    needed: bool
    step: str
    least: str
    most: str
    hint: str


class Wrong(NamedTuple):
    """What is wrong with a form: which field, and why."""

    field: str
    text: str


def add_forms(router: APIRouter, shared: Shared) -> None:
    """Add the forms and what they do."""
    visitor, admin = Depends(visiting(shared)), Depends(acting(shared, "admin"))

    @router.get("/add-thing/{kind}")
    def show_new(visit: Annotated[Visit, visitor], kind: str) -> Response:
        things = _administering(visit)
        things.kind(kind)
        return _form(things, kind, None)

    @router.post("/add-thing/{kind}")
    def add(visit: Annotated[Visit, admin], kind: str) -> Response:
        things = Things(visit)
        things.kind(kind)
        id_ = visit.form.get("id", "").strip()
        try:
            desk_of(things).add(said_by(things, kind, id_), _system(visit))
        except (RequestError, WrongThingError, EntryError) as error:
            return _refused(things, kind, None, error)
        return RedirectResponse(f"{HERE}/{kind}/{id_}?done=added", 303)

    @router.get("/things/{kind}/{id}/edit")
    def show_edit(visit: Annotated[Visit, visitor], kind: str, id: str) -> Response:  # noqa: A002
        things = _administering(visit)
        return _form(things, kind, _own(things, kind, id))

    @router.post("/things/{kind}/{id}/edit")
    def change(visit: Annotated[Visit, admin], kind: str, id: str) -> Response:  # noqa: A002
        things, seen = Things(visit), seen_in(visit.form)
        thing = _own(things, kind, id)
        try:
            said = said_by(things, kind, id, thing)
            corrects = visit.form.get("holds") == "correct" and thing.from_ is None
            desk_of(things).change(said, seen, _system(visit), correct=corrects)
        except (RequestError, WrongThingError, EntryError) as error:
            return _refused(things, kind, thing, error)
        return RedirectResponse(f"{HERE}/{kind}/{id}?done=changed", 303)


def _administering(visit: Visit) -> Things:
    if not visit.may("admin"):
        raise RequestError(403, NO_RIGHT)
    return Things(visit)


NO_RIGHT = Text("An admin changes things.", "对象由管理员更改。")


def _own(things: Things, kind: str, id_: str) -> Thing:
    """Return a thing that the visitor changes.

    Raises:
        RequestError: there is none that the visitor sees, or it is not the visitor's to change.
    """
    things.kind(kind)
    thing = things.find(kind, id_)
    if thing is None:
        raise RequestError(404, NOT_FOUND)
    if not things.may_change(thing.district):
        raise RequestError(403, OUTSIDE)
    return thing


def desk_of(things: Things) -> ThingDesk:
    """Return what changes things for the visitor."""
    visit = things.visit
    registry = visit.shared.registry()
    context = Context(things.kinds, registry.districts, registry.zone)
    return ThingDesk(visit.db, visit.user, context, visit.shared.clock)


def said_by(things: Things, kind: str, id_: str, thing: Thing | None = None) -> Said:
    """Return what a form says of a thing.

    Raises:
        EntryError: a field of it cannot be read.
    """
    form, declared = things.visit.form, things.kinds[kind]
    fields: dict[str, Any] = {}
    for name in ("en", "zh", "note", "district"):
        fields[name] = form.get(name, "").replace("\r\n", "\n").strip() or None
    fields["people"] = _people(kind, id_, form.get("people", ""))
    fields |= _when(kind, id_, form, thing, things.visit.registry.zone)
    if declared.geometry and form.get("geometry-kept") != "1":
        fields["geometry"] = form.get("geometry", "").strip() or None
    fields["properties"] = {name: _property(kind, id_, name, asked, form) for name, asked in declared.property.items()}
    return Said(kind, id_, fields)


def _system(visit: Visit) -> System:
    """Return in which system the coordinates of a form are."""
    system = visit.form.get("system", "wgs84")
    return system if system in SYSTEMS else "wgs84"


def _when(kind: str, id_: str, form: dict[str, str], thing: Thing | None, zone: dt.tzinfo) -> dict[str, Any]:
    until = field_of_text("until", form.get("until", ""))
    if thing is not None and form.get("holds") == "correct":
        begin = None if thing.from_ is None else dt.datetime.fromtimestamp(thing.from_, zone)
    else:
        begin = field_of_text("from", form.get("from", ""))
        if begin is None and thing is not None:
            raise EntryError("from is missing; say from when the change holds", kind, id_, "from")
    return {"from": begin, "until": until}


def _people(kind: str, id_: str, text: str) -> Any:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    try:
        return field_of_text("people", ";".join(lines).replace("｜", "|")) or []
    except ValueError as error:
        raise EntryError(f"people: {error}", kind, id_, "people") from None


def _property(kind: str, id_: str, name: str, asked: ThingProperty, form: dict[str, str]) -> Any:
    try:
        if asked.type == "choice" and asked.several:
            return [value for value in asked.values if form.get(f"p-{name}-{value}")] or None
        text = form.get(f"p-{name}", "")
        if asked.several:
            text = ";".join(re.split(r"[\n;；,，]", text))
        return property_of_text(text, asked)
    except ValueError as error:
        raise EntryError(f"{name}: {error}", kind, id_, name) from None


def _refused(things: Things, kind: str, thing: Thing | None, error: Exception) -> Response:
    if isinstance(error, RequestError) and error.status not in {409, 422} and error.field is None:
        raise error
    say = things.visit.say
    if isinstance(error, RequestError):
        wrong = [Wrong(error.field or "", say(error.text))]
        status = error.status
    else:
        found = [one.error for one in faults_of(error)] if isinstance(error, WrongThingError) else [error]
        wrong = [told(things, kind, one) for one in found if isinstance(one, EntryError)]
        status = 422
    news = []
    if isinstance(error, MeanwhileError) and thing is not None:
        numbers = {row.number for row in error.news}
        things = Things(things.visit)
        news = [one for one in versions_of(things, kind, thing.id) if one.row.number in numbers]
    return _form(things, kind, thing, status, wrong, news)


def told(things: Things, kind: str, error: EntryError) -> Wrong:
    """Return a mistake in words; the fields by their names."""
    lang = things.visit.lang
    text = Text(error.problem, in_chinese(error.problem)).into(lang)
    name = (
        things.property_name(kind, error.field)
        if error.field not in FORM_FIELDS
        else FORM_FIELDS[error.field].into(lang)
    )
    return Wrong(error.field, f"{name}{Text(': ', '：').into(lang)}{text}" if name else text)


def _form(
    things: Things,
    kind: str,
    thing: Thing | None,
    status: int = 200,
    wrong: list[Wrong] | None = None,
    news: list[Version] | None = None,
) -> Response:
    visit, declared = things.visit, things.kinds[kind]
    given = visit.form if wrong else {}
    rows = things.known.rows.get((kind, thing.id), []) if thing else []
    local = visit.page_formats.local
    geometry = "" if thing is None or thing.geometry is None else msgspec.json.encode(thing.geometry).decode()
    until = f"{local(thing.until):%Y-%m-%dT%H:%M}" if thing and thing.until else ""
    people = "\n".join(
        " | ".join(part or "" for part in (one.role, one.name, one.phone, one.email)).rstrip(" |")
        for one in (thing.people if thing else ())
    )
    values = {
        "id": "",
        "en": thing.en if thing else "",
        "zh": thing.zh if thing else "",
        "note": (thing.note or "") if thing else "",
        "district": (thing.district or "") if thing else (visit.user.districts or ("",))[0],
        "from": f"{local(visit.now):%Y-%m-%dT%H:%M}" if thing or declared.validity else "",
        "until": until,
        "people": people,
        "holds": "change",
        "geometry": geometry if len(geometry) <= MOST_GEOMETRY else "",
        "system": "wgs84",
    }
    return visit.page(
        "thing_form.html",
        status,
        kind=kind,
        kind_name=things.kind_name(kind),
        thing=thing,
        name=things.name(thing) if thing else "",
        seen=max((row.number for row in rows), default=0),
        given=values | {name: value for name, value in given.items() if name in values},
        fields=[_field(things, kind, name, asked, thing, given) for name, asked in declared.property.items()],
        wrong=wrong or [],
        news=news or [],
        districts=[(id_, things.district(id_)) for id_ in visit.registry.districts if visit.user.sees(id_)],
        everywhere=not visit.user.districts,
        declared=declared,
        too_large=len(geometry) > MOST_GEOMETRY,
        shapes=_shapes(declared),
        systems=[(one, visit.say(text)) for one, text in SYSTEMS.items()],
        begins=thing.from_ if thing else None,
    )


def _shapes(declared: ThingKind) -> str:
    return (
        {"point": "Point", "line": "LineString", "area": "Polygon"}[declared.geometry[0]] if declared.geometry else ""
    )


def _field(
    things: Things, of_kind: str, name: str, asked: ThingProperty, thing: Thing | None, given: dict[str, str]
) -> Field:
    visit, id_ = things.visit, f"p-{name}"
    value = thing.properties.get(name) if thing else None
    values = list(value) if isinstance(value, (list, tuple)) else [] if value is None else [value]
    kind = INPUTS.get(asked.type, "text")
    if asked.type == "choice":
        kind = "choices" if asked.several else "choice"
    elif asked.type == "boolean":
        kind = "boolean"
    elif asked.several:
        kind = "lines"
    text = "\n".join(_plain(one, asked, things) for one in values)
    chosen = frozenset(str(one) for one in values)
    if given:
        text = given.get(id_, "")
        chosen = frozenset(one for one in asked.values if given.get(f"{id_}-{one}")) if kind == "choices" else {text}  # type: ignore[assignment]
    hint = ""
    if asked.type == "thing":
        of = things.kind_name(asked.of or "")
        hint = visit.say(Text(f"id of: {of}", f"填写{of}的编号"))
        if asked.several:
            hint += visit.say(Text("; one a line", "，每行一个"))
    elif asked.several and kind == "lines":
        hint = visit.say(Text("one a line", "每行一个"))
    unit = f" ({asked.unit})" if asked.unit else ""
    return Field(
        id_,
        f"{things.property_name(of_kind, name)}{unit}",
        kind,
        text,
        chosen,
        [(one, visit.say(Text(named.en, named.zh))) for one, named in asked.values.items()],
        asked.required,
        "1" if asked.type == "integer" else "any",
        "" if asked.least is None else f"{asked.least:g}",
        "" if asked.most is None else f"{asked.most:g}",
        hint,
    )


def _plain(value: Any, asked: ThingProperty, things: Things) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if asked.type == "time":
        return f"{things.visit.page_formats.local(dt.datetime.fromisoformat(str(value))):%Y-%m-%dT%H:%M}"
    return f"{value:.15g}" if isinstance(value, float) else str(value)
