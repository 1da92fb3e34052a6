"""A new case: a report that somebody takes, or an alert that becomes one; an alert that joins a case."""

import secrets
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import RedirectResponse

from hub.alerts.records import Alert
from hub.cases.bridge import code_of, join_alert, open_from_alert
from hub.cases.finding import Wanted
from hub.cases.refusal import CaseError, wrong
from hub.cases.rules.records import Case, Source
from hub.cases.rules.texts import SOURCE
from hub.console.cases.forms import given_in
from hub.console.cases.visit import CaseCard, CaseVisit, acting_in_cases, at_cases, cases_of, has_cases
from hub.console.web import Shared, Visit
from schemas.language import Text

MOST_TO_JOIN = 20
"""Cases that an alert is offered to join."""
SOURCES: tuple[Source, ...] = ("citizen", "department", "patrol")
Short = Annotated[str, Query(max_length=100)]
AlertId = Annotated[int | None, Query(ge=1, le=2**63 - 1)]
FIELDS = {
    "source": Text("Source", "来源"),
    "district": Text("District", "区"),
    "code": Text("Class", "类别"),
    "site": Text("Site", "站点"),
    "place": Text("Place", "地点"),
    "lat": Text("Coordinates", "坐标"),
    "text": Text("What was seen", "情况描述"),
}
"""What a refusal calls the fields of the form."""


class OfAlert(NamedTuple):
    """What the page of an alert says of cases."""

    card: CaseCard | None
    """The case that it belongs to; None: to none."""
    may_open: bool
    to_join: list[CaseCard]
    """Cases that it may join."""


def add_case_opening(router: APIRouter, shared: Shared) -> None:
    """Add the form of a new case, and what it does."""
    visitor, actor = Depends(at_cases(shared)), Depends(acting_in_cases(shared))

    @router.get("/add-case")
    def show_new(cases: Annotated[CaseVisit, visitor], district: Short = "", alert: AlertId = None) -> Response:
        known = cases.desk.book.find_of_alert(alert) if alert else None
        if known and cases.desk.user.sees(known.district):
            return RedirectResponse(f"/console/cases/{known.id}", 303)
        districts = list(cases.visit.registry.districts)
        chosen = district if district in districts else districts[0] if len(districts) == 1 else ""
        return _form(cases, chosen, alert)

    @router.post("/add-case")
    def add(cases: Annotated[CaseVisit, actor]) -> Response:
        form = cases.visit.form
        alert = given_in(form, "join_alert").get("alert")
        text, key = form.get("text", "").replace("\r\n", "\n"), form.get("key", "")
        try:
            if not key:
                raise wrong("key", "the form has no key; open the page again", "表单缺少标识，请重新打开页面")
            if alert:
                case = open_from_alert(cases.desk, shared.compliance, alert, form.get("code", ""), text, key)
            else:
                case = _report(cases, form, text, key)
        except CaseError as refused:
            return _form(cases, form.get("district", ""), alert, refused)
        return RedirectResponse(f"/console/cases/{case.id}?done=report", 303)

    @router.post("/join-case")
    def join(cases: Annotated[CaseVisit, actor]) -> Response:
        given = given_in({"alert": cases.visit.form.get("alert", "")}, "join_alert")
        chosen = given_in({"same_as": cases.visit.form.get("case", "")}, "refuse")
        if "alert" not in given or "same_as" not in chosen:
            raise wrong("alert", "choose a case", "请选择案件")
        alert, id_ = given["alert"], chosen["same_as"]
        known = cases.desk.book.find_of_alert(alert)
        if known is None or known.id != id_ or not cases.desk.user.sees(known.district):
            join_alert(cases.desk, shared.compliance, id_, alert, None, "", cases.visit.form.get("text", ""))
        return RedirectResponse(f"/console/cases/{id_}?done=join_alert", 303)


def _report(cases: CaseVisit, form: dict[str, str], text: str, key: str) -> Case:
    source = next((one for one in SOURCES if one == form.get("source")), None)
    if source is None:
        raise wrong("source", "choose where the report comes from", "请选择来源")
    lat, lon = _degrees(form, "lat"), _degrees(form, "lon")
    where: dict[str, Any] = {"site": form.get("site", ""), "place": form.get("place", "")}
    district, code = form.get("district", ""), form.get("code", "")
    return cases.desk.report(source, district, code, text, lat=lat, lon=lon, key=key, **where)


def case_of_alert(visit: Visit, alert: Alert) -> OfAlert:
    """Return what the page of an alert says of cases."""
    roles = {"officer", "supervisor", "admin"} | ({"dispatcher"} if visit.shared.config.cases.joined else set())
    may_open = visit.user.role in roles and bool(alert.district)
    if not has_cases(visit.shared):
        return OfAlert(None, may_open, [])
    with cases_of(visit) as cases:
        case = cases.desk.book.find_of_alert(alert.id)
        if case is not None:
            return OfAlert(cases.card(case) if visit.user.sees(case.district) else None, may_open=False, to_join=[])
        to_join: list[CaseCard] = []
        if may_open and alert.site:
            wanted = Wanted(district=alert.district, state="open", of_site=alert.site)
            found = cases.finder.page(wanted, "id", down=True, skip=0, limit=MOST_TO_JOIN)
            to_join = [cases.card(one) for one in found if "join_alert" in cases.desk.may(one)]
        return OfAlert(None, may_open, to_join)


def _form(cases: CaseVisit, district: str, alert: int | None, refused: CaseError | None = None) -> Response:
    visit, rules = cases.visit, cases.desk.rules
    found = visit.desk.get(alert) if alert else None
    given = dict.fromkeys((*FIELDS, "lon"), "") | {"text": found.text if found else ""}
    given |= visit.form if refused else {}
    if found and not given["code"]:
        given["code"] = _code_of(cases, found)
    where = found.district if found else district
    field = visit.say(FIELDS[refused.field]) if refused and refused.field in FIELDS else ""
    said = visit.say(refused.text) if refused else ""
    role = cases.desk.user.role  # only a collector reports from patrol, and nothing else
    sources = [one for one in SOURCES if role == "admin" or (one == "patrol") == (role == "collector")]
    return visit.page(
        "case_new.html",
        refused.status if refused else 200,
        alert=found,
        district=where if where in visit.registry.districts else "",
        district_name=cases.district(where) if where else "",
        districts=[(one, cases.district(one)) for one in visit.registry.districts],
        sources=[(one, visit.say(SOURCE[one])) for one in sources],
        codes=[(one.code, f"{one.code} {visit.say(Text(one.en, one.zh))}") for one in rules.codes_in(where)],
        sites=sorted(
            (visit.say(Text(one.en, one.zh)), one.id) for one in visit.registry.sites.values() if one.district == where
        ),
        given=given,
        key=secrets.token_hex(16),
        said=f"{field}{visit.say(Text(': ', '：'))}{said}" if field else said,
        may_report=cases.may_report,
    )


def _code_of(cases: CaseVisit, alert: Alert) -> str:
    try:
        return code_of(cases.desk, alert)
    except CaseError:
        return ""


def _degrees(form: dict[str, str], name: str) -> float | None:
    text = form.get(name, "").strip()
    try:
        return float(text) if text else None
    except ValueError:
        raise wrong("lat", f"{text!r}: expected degrees", f"{text!r}：应为度数") from None
