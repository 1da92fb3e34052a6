"""Who may use the console and the HTTP API: an admin lets people in, changes what they may, and takes it back."""

import time
from collections.abc import Callable
from typing import Annotated, NamedTuple, get_args
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Path, Query, Response
from fastapi.responses import RedirectResponse

from hub.access.caller import refuse_role
from hub.access.desk import DoneError, MeanwhileError, UserDesk
from hub.access.factor import SecondFactor
from hub.access.sessions import LINK_S, Sessions
from hub.access.tokens import ROLES, Access, Role, Step, User
from hub.access.words import ACTS, ROLE_NAMES
from hub.companies.things import enterprises_of
from hub.console.badges import ROLE
from hub.console.parts.sheet import csv_file
from hub.console.today import district_name
from hub.console.web import Shared, Visit, acting, seen_in, visiting
from hub.http.problems import RequestError
from schemas.language import Text

HERE = "/console/users"
MOST_STEPS = 50
"""Of a user's record, on the page; the audit trail has all of it."""
Name = Annotated[str, Path(pattern=r"^[a-z0-9-]{1,32}$")]
Short = Annotated[str, Query(max_length=100)]
WHICH = Text("Say which districts: all, or some of them.", "请选择管辖区：全部，或其中若干个。")
NONE = Text("Tick at least one district.", "请至少勾选一个区。")
BOTH = Text("Either all districts, or the ticked ones: say which.", "“全部”与勾选的区不能同时选择，请选其一。")
NO_COMPANY = Text("Choose the enterprise.", "请选择排污单位。")
NO_ROLE = Text("Choose a role.", "请选择角色。")


class Line(NamedTuple):
    """A user as the list shows one."""

    user: User
    made: float
    """Unix s, as `revoked`."""
    revoked: float | None
    factor: bool


def add_users(router: APIRouter, shared: Shared) -> None:
    """Add the list, the page of one user, and what an admin does there."""
    _add_list(router, shared)
    _add_new(router, shared)
    _add_one(router, shared)
    _add_acts(router, shared)


def _administering(shared: Shared) -> Callable[..., Visit]:
    def visit(visit: Annotated[Visit, Depends(visiting(shared))]) -> Visit:
        refuse_role(visit.user, "admin")
        return visit

    return visit


def _add_list(router: APIRouter, shared: Shared) -> None:
    admin = Depends(_administering(shared))

    @router.get("/users")
    def show_users(
        visit: Annotated[Visit, admin], q: Short = "", role: Short = "", sort: Short = "", done: Short = ""
    ) -> Response:
        lines = _lines(visit, q, role, sort)
        asked = {name: value for name, value in (("q", q), ("role", role), ("sort", sort)) if value}
        return visit.page(
            "users.html",
            lines=[one for one in lines if one.revoked is None],
            gone=[one for one in lines if one.revoked is not None],
            wanted={"q": q, "role": role, "sort": sort},
            query=urlencode(asked),
            roles=_roles(visit),
            role_names=ROLE_NAMES,
            done=done,
        )

    @router.get("/users.csv")
    def list_users(visit: Annotated[Visit, admin], q: Short = "", role: Short = "", sort: Short = "") -> Response:
        iso = visit.page_formats.iso
        rows = [
            (
                *(one.user.name, one.user.role, " ".join(one.user.districts), iso(one.made)),
                *(iso(one.revoked) if one.revoked else None, "yes" if one.factor else "no", one.user.company),
            )
            for one in _lines(visit, q, role, sort)
        ]
        return csv_file("users.csv", ("name", "role", "districts", "made", "revoked", "second_factor", "company"), rows)


def _add_new(router: APIRouter, shared: Shared) -> None:
    admin, act = Depends(_administering(shared)), Depends(acting(shared, "admin"))

    def show(visit: Visit, refused: RequestError | None = None) -> Response:
        return visit.page(
            "user_new.html",
            refused.status if refused else 200,
            said=visit.say(refused.text) if refused else "",
            seen=Access(visit.db).last_step(),
            given={"name": "", "role": "", "reach": "", "company": ""} | visit.form,
            roles=_roles(visit),
            districts=_offered(visit, ()),
            ticked=_ticked(visit.form),
            everywhere=not visit.user.districts,
            companies=_companies(visit),
        )

    @router.get("/add-user")
    def show_new(visit: Annotated[Visit, admin]) -> Response:
        return show(visit)

    @router.post("/add-user")
    def add(visit: Annotated[Visit, act]) -> Response:
        name, seen = visit.form.get("name", "").strip(), seen_in(visit.form)
        try:
            _desk(visit).add(name, *_access_in(visit), seen=seen, company=_company(visit))
        except RequestError as refused:
            if refused.status not in {409, 422}:
                raise
            return show(visit, refused)
        return RedirectResponse(f"{HERE}/{name}?done=added", 303)


def _add_one(router: APIRouter, shared: Shared) -> None:
    admin = Depends(_administering(shared))

    @router.get("/users/{name}")
    def show_user(visit: Annotated[Visit, admin], name: Name, done: Short = "") -> Response:
        return _page(visit, _desk(visit).get(name), done=done)


def _add_acts(router: APIRouter, shared: Shared) -> None:
    act = Depends(acting(shared, "admin"))

    @router.post("/users/{name}/change")
    def change(visit: Annotated[Visit, act], name: Name) -> Response:
        desk, seen = _desk(visit), seen_in(visit.form)
        return _done(
            visit, name, "changed", lambda: desk.change(name, *_access_in(visit), seen=seen, company=_company(visit))
        )

    @router.post("/users/{name}/sign-out")
    def sign_out(visit: Annotated[Visit, act], name: Name) -> Response:
        desk, seen = _desk(visit), seen_in(visit.form)
        return _done(visit, name, "signed_out", lambda: desk.sign_out(name, seen))

    @router.post("/users/{name}/reset-factor")
    def reset_factor(visit: Annotated[Visit, act], name: Name) -> Response:
        desk, seen = _desk(visit), seen_in(visit.form)
        return _done(visit, name, "factor_reset", lambda: desk.reset_factor(name, seen))

    @router.post("/users/{name}/revoke")
    def revoke(visit: Annotated[Visit, act], name: Name) -> Response:
        desk, seen = _desk(visit), seen_in(visit.form)
        answer = _done(visit, name, "revoked", lambda: desk.revoke(name, seen))
        return RedirectResponse(f"{HERE}?done=revoked", 303) if answer.status_code == 303 else answer

    # What these make is kept nowhere, so it stands in the answer itself, and there alone.
    @router.post("/users/{name}/link")
    def link(visit: Annotated[Visit, act], name: Name) -> Response:
        desk, seen = _desk(visit), seen_in(visit.form)
        try:
            secret = desk.link(name, seen)
        except (MeanwhileError, DoneError) as refused:
            return _page(visit, desk.get(name), refused)
        address = f"{shared.config.console_address}/console/enter/{secret}"
        return visit.page("secret.html", name=name, link=address, hours=LINK_S / 3600, token="")

    @router.post("/users/{name}/token")
    def token(visit: Annotated[Visit, act], name: Name) -> Response:
        desk, seen = _desk(visit), seen_in(visit.form)
        try:
            made = desk.token(name, seen)
        except (MeanwhileError, DoneError) as refused:
            return _page(visit, desk.get(name), refused)
        return visit.page("secret.html", name=name, link="", hours=0.0, token=made)


def _done(visit: Visit, name: str, what: str, act: Callable[[], None]) -> Response:
    try:
        act()
    except RequestError as refused:
        if refused.status not in {409, 422}:
            raise
        return _page(visit, _desk(visit).get(name), refused)
    return RedirectResponse(f"{HERE}/{name}?done={what}", 303)


def _page(visit: Visit, user: User, refused: RequestError | None = None, done: str = "") -> Response:
    steps = Access(visit.db).newest_of(user.name, MOST_STEPS)
    factor = SecondFactor(visit.db)
    given = visit.form if refused and "role" in visit.form else None
    return visit.page(
        "user.html",
        refused.status if refused else 200,
        who=user,
        own=user.name == visit.user.name,
        role=ROLE[user.role],
        role_names=ROLE_NAMES,
        roles=_roles(visit),
        chosen=given.get("role") if given else user.role,
        districts=_offered(visit, user.districts),
        district_names=[district_name(visit, id_) for id_ in user.districts],
        ticked=_ticked(given) if given else set(user.districts),
        companies=_companies(visit),
        company=given.get("company") if given else user.company,
        company_name=dict(_companies(visit)).get(user.company, user.company),
        reach=given.get("reach") if given else ("some" if user.districts else "all"),
        everywhere=not visit.user.districts,
        factor=factor.is_on(user.name),
        browsers=Sessions(visit.db).count_of(user, time.time()),
        seen=steps[0].id if steps else 0,
        steps=_shown(steps),
        said=visit.say(refused.text) if refused else "",
        news=_shown(refused.news) if isinstance(refused, MeanwhileError) else [],
        done=done,
    )


def _shown(steps: list[Step]) -> list[tuple[Step, Text]]:
    return [(step, ACTS[step.what]) for step in steps]


def _lines(visit: Visit, q: str, role: str, sort: str) -> list[Line]:
    coded = SecondFactor(visit.db).on()
    lines = [
        Line(user, made, revoked, user.name in coded)
        for user, made, revoked in _desk(visit).users()
        if q.strip().lower() in user.name and role in {"", user.role}
    ]
    if sort == "new":
        return sorted(lines, key=lambda one: -one.made)
    return sorted(lines, key=lambda one: -ROLES.index(one.user.role)) if sort == "role" else lines


def _desk(visit: Visit) -> UserDesk:
    return UserDesk(visit.db, visit.user, time.time)


def _roles(visit: Visit) -> list[tuple[str, str]]:
    return [(role, visit.say(ROLE[role])) for role in ROLES]


def _role(form: dict[str, str]) -> Role:
    role = form.get("role", "")
    if role not in get_args(Role):
        raise RequestError(422, NO_ROLE, "role")
    return role  # type: ignore[return-value]  # one of them


def _offered(visit: Visit, has: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return the districts that an admin can give, by id and name; those that a user has are among them."""
    ids = [id_ for id_ in visit.registry.districts if visit.user.sees(id_)]
    return [(id_, district_name(visit, id_)) for id_ in [*ids, *(one for one in has if one not in ids)]]


def _ticked(form: dict[str, str]) -> set[str]:
    return {name.removeprefix("in-") for name in form if name.startswith("in-")}


def _companies(visit: Visit) -> list[tuple[str, str]]:
    """Return the enterprises for which an admin can let somebody in, by id and name: none to an admin of districts."""
    if visit.user.districts:
        return []
    found = enterprises_of(visit.db, visit.now)
    return [(one.id, visit.say(Text(one.en, one.zh))) for one in found]


def _company(visit: Visit) -> str:
    """Return the enterprise that a form names.

    Raises:
        RequestError: it names one that is not there, or none for somebody of an enterprise.
    """
    if _role(visit.form) != "company":
        return ""
    company = visit.form.get("company", "")
    if company not in dict(_companies(visit)):
        raise RequestError(422, NO_COMPANY, "company")
    return company


def _access_in(visit: Visit) -> tuple[Role, tuple[str, ...]]:
    """Return the role and the districts that a form names; somebody of an enterprise has none."""
    role = _role(visit.form)
    return role, () if role == "company" else _districts(visit)


def _districts(visit: Visit) -> tuple[str, ...]:
    """Return the districts that a form names; none: all.

    Raises:
        RequestError: it does not say which.
    """
    user = Access(visit.db).find(visit.request.path_params.get("name", ""))
    known = {id_ for id_, _ in _offered(visit, user.districts if user else ())}
    ticked, reach = _ticked(visit.form), visit.form.get("reach", "some" if visit.user.districts else "")
    if reach not in {"all", "some"} or not ticked <= known:
        raise RequestError(422, WHICH, "reach")
    if reach == "all" and ticked:
        raise RequestError(422, BOTH, "reach")
    if reach == "some" and not ticked:
        raise RequestError(422, NONE, "reach")
    return tuple(sorted(ticked))
