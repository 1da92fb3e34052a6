"""Signing in by a one-time link or a passphrase, and out again; the language; what users may change themselves."""

import math
import time
from contextlib import closing
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from hub.access.sessions import (
    LONGEST,
    LONGEST_PASSPHRASE,
    SHORTEST_PASSPHRASE,
    Opened,
    Sessions,
    hash_of,
    is_right,
)
from hub.access.tables import PART as ACCESS
from hub.console.attempts import Attempts
from hub.console.badges import ROLE
from hub.console.web import HOME, LANG_COOKIE, SIGN_IN, Shared, Visit, acting, own_page, read_form, visiting
from hub.storage.compliance_file import open_compliance
from hub.storage.database import transaction
from schemas.language import Lang, Text

YEAR = 365 * 86_400
"""A browser and its language are known for so long [s]."""
WRONG = Text("Name or passphrase is not right.", "用户名或口令不正确。")
USED = Text(
    "This link was used already, or is too old. Ask for a new one, or sign in with your passphrase.",
    "该链接已使用或已过期。请索取新的链接，或使用口令登录。",
)
SOON = Text(
    "Too many attempts with this name. Wait {wait} s, or ask for a one-time link: it always works.",
    "该用户名尝试次数过多。请等待{wait}秒，或索取一次性登录链接（不受限制）。",
)
TOO_SHORT = Text(
    f"Expected {SHORTEST_PASSPHRASE} to {LONGEST_PASSPHRASE} characters: some words that you can keep in mind.",
    f"长度应为{SHORTEST_PASSPHRASE}至{LONGEST_PASSPHRASE}个字符，可用几个容易记住的词。",
)
CONTAINS_NAME = Text("It must not contain your user name.", "不能包含用户名。")
DIFFERENT = Text("The two do not agree.", "两次输入不一致。")
NOT_YOURS = Text("Your present passphrase is not right.", "当前口令不正确。")


def add_signing_in(router: APIRouter, shared: Shared) -> None:
    """Add the pages before the others."""
    _add_passphrase(router, shared, Attempts())
    _add_links(router, shared)
    _add_own_access(router, shared)

    @router.post("/language")
    def choose_language(form: Annotated[dict[str, str], Depends(read_form)]) -> Response:
        back = RedirectResponse(own_page(form.get("next", "")), 303)
        if form.get("lang") in set(Lang):
            back.set_cookie(LANG_COOKIE, form["lang"], max_age=YEAR, path="/", **_safe(shared))
        return back


def _add_passphrase(router: APIRouter, shared: Shared, attempts: Attempts) -> None:

    @router.get("/sign-in")
    def show_sign_in(request: Request, next: str = HOME) -> Response:  # noqa: A002 - as it stands in the address
        return shared.page("sign_in.html", request, next=own_page(next), given="", said="")

    @router.post("/sign-in")
    def sign_in(request: Request, form: Annotated[dict[str, str], Depends(read_form)]) -> Response:
        name, passphrase = form.get("name", "").strip(), form.get("passphrase", "")
        following, browser = own_page(form.get("next", "")), request.cookies.get(_browser_cookie(shared), "")

        def again(said: Text, status: int, **headers: str) -> Response:
            text = said.into(shared.language_of(request))
            page = shared.page("sign_in.html", request, status, next=following, given=name, said=text)
            page.headers.update(headers)
            return page

        with closing(open_compliance(shared.compliance, ACCESS)) as db:
            sessions = Sessions(db)
            known = sessions.is_known(browser, name)
            if wait := math.ceil(attempts.wait(name, browser, known=known)):
                soon = Text(SOON.en.format(wait=wait), SOON.zh.format(wait=wait))
                return again(soon, 429, **{"Retry-After": f"{wait}"})
            if not is_right(sessions.passphrase_of(name), passphrase[: LONGEST_PASSPHRASE + 1]):
                return again(WRONG, 403)
            with transaction(db):
                opened = sessions.enter(name, browser, time.time())
        return again(WRONG, 403) if opened is None else _let_in(shared, opened, following)


def _add_links(router: APIRouter, shared: Shared) -> None:
    # A link is looked at by mail and chat services, too: only the button on its page uses it up.
    @router.get("/enter/{secret}")
    def show_link(request: Request, secret: str) -> Response:
        with closing(open_compliance(shared.compliance, ACCESS)) as db:
            user = Sessions(db).user_of_link(secret, time.time())
        if user is None:
            used = USED.into(shared.language_of(request))
            return shared.page("sign_in.html", request, 410, next=HOME, given="", said=used)
        return shared.page("enter.html", request, secret=secret, who=user)

    @router.post("/enter/{secret}")
    def use_link(
        request: Request,
        secret: str,
        _form: Annotated[dict[str, str], Depends(read_form)],
    ) -> Response:
        with closing(open_compliance(shared.compliance, ACCESS)) as db, transaction(db):
            browser = request.cookies.get(_browser_cookie(shared), "")
            opened = Sessions(db).enter_by_link(secret, browser, time.time())
        if opened is None:
            used = USED.into(shared.language_of(request))
            return shared.page("sign_in.html", request, 410, next=HOME, given="", said=used)
        return _let_in(shared, opened, HOME)


def _add_own_access(router: APIRouter, shared: Shared) -> None:
    visitor = Depends(visiting(shared))
    own = Depends(acting(shared, "viewer"))

    def show(visit: Visit, said: Text | None = None, field: str = "", *, done: bool = False) -> Response:
        sessions = Sessions(visit.db)
        return visit.page(
            "me.html",
            422 if said else 200,
            said=visit.say(said) if said else "",
            field=field,
            done=done,
            browsers=sessions.count_of(visit.user, time.time()),
            role=ROLE[visit.user.role],
            has_passphrase=sessions.passphrase_of(visit.user.name) is not None,
            shortest=SHORTEST_PASSPHRASE,
            longest=LONGEST_PASSPHRASE,
        )

    @router.get("/me")
    def show_me(visit: Annotated[Visit, visitor], done: str = "") -> Response:
        return show(visit, done=done == "passphrase")

    @router.post("/me/passphrase")
    def set_passphrase(visit: Annotated[Visit, own]) -> Response:
        new, sessions = visit.form.get("new", ""), Sessions(visit.db)
        if not SHORTEST_PASSPHRASE <= len(new) <= LONGEST_PASSPHRASE:
            return show(visit, TOO_SHORT, "new")
        if visit.user.name in new.lower():
            return show(visit, CONTAINS_NAME, "new")
        if new != visit.form.get("again"):
            return show(visit, DIFFERENT, "again")
        kept = sessions.passphrase_of(visit.user.name)
        if kept is not None and not is_right(kept, visit.form.get("old", "")[: LONGEST_PASSPHRASE + 1]):
            return show(visit, NOT_YOURS, "old")
        hashed = hash_of(new)
        with transaction(visit.db):
            sessions.set_passphrase(visit.user, hashed, time.time())
        return RedirectResponse("/console/me?done=passphrase", 303)

    @router.post("/sign-out")
    def sign_out(visit: Annotated[Visit, own]) -> Response:
        with transaction(visit.db):
            if visit.form.get("everywhere"):
                Sessions(visit.db).end_all(visit.user, time.time())
            else:
                Sessions(visit.db).end(visit.session)
        gone = RedirectResponse(SIGN_IN, 303)
        gone.delete_cookie(shared.cookie, path="/", **_safe(shared))
        return gone


def _let_in(shared: Shared, opened: Opened, following: str) -> Response:
    response = RedirectResponse(following, 303)
    response.set_cookie(shared.cookie, opened.secret, max_age=int(LONGEST), path="/", **_safe(shared))
    response.set_cookie(_browser_cookie(shared), opened.browser, max_age=YEAR, path="/", **_safe(shared))
    return response


def _browser_cookie(shared: Shared) -> str:
    return f"{shared.cookie}-browser"


def _safe(shared: Shared) -> dict[str, Any]:
    # lax and not strict: else whoever follows the link of a message would not be signed in.
    return {"httponly": True, "secure": shared.secure, "samesite": "lax"}
