"""Signing in by a one-time link or a passphrase, and a code where there is a second factor; the language."""

import math
import time
from contextlib import closing
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from hub.access.sessions import LONGEST_PASSPHRASE, Half, Opened, Sessions, is_right
from hub.access.tables import PART as ACCESS
from hub.console.signin.attempts import Attempts
from hub.console.signin.cookies import YEAR, browser_of, let_in, safe
from hub.console.web import HOME, LANG_COOKIE, Shared, own_page, read_form
from hub.storage.compliance_file import open_compliance
from hub.storage.database import transaction
from schemas.language import Lang, Text

WRONG = Text("Name or passphrase is not right.", "用户名或口令不正确。")
USED = Text(
    "This link was used already, or is too old. Ask for a new one, or sign in with your passphrase.",
    "该链接已使用或已过期。请索取新的链接，或使用口令登录。",
)
SOON = Text(
    "Too many attempts with this name. Wait {wait} s, or ask for a one-time link: it always works.",
    "该用户名尝试次数过多。请等待{wait}秒，或索取一次性登录链接（不受限制）。",
)
WRONG_CODE = Text(
    "The code is not right, or was used already. Wait for the next one, or give a recovery code.",
    "验证码不正确或已使用。请等待下一个验证码，或使用恢复码。",
)
AGAIN = Text("It took too long, or too many codes were wrong: sign in again.", "已超时或错误次数过多，请重新登录。")
SOON_CODE = Text(
    "Too many codes for this name. Wait {wait} s, then give the code that the phone shows then.",
    "该用户名尝试验证码次数过多。请等待{wait}秒，再输入手机届时显示的验证码。",
)
Form = Annotated[dict[str, str], Depends(read_form)]


def add_signing_in(router: APIRouter, shared: Shared) -> None:
    """Add the pages before the others."""
    _add_passphrase(router, shared, Attempts())
    _add_links(router, shared)
    _add_codes(router, shared, Attempts())

    @router.post("/language")
    def choose_language(form: Form) -> Response:
        back = RedirectResponse(own_page(form.get("next", "")), 303)
        if form.get("lang") in set(Lang):
            back.set_cookie(LANG_COOKIE, form["lang"], max_age=YEAR, path="/", **safe(shared))
        return back


def _add_passphrase(router: APIRouter, shared: Shared, attempts: Attempts) -> None:

    @router.get("/sign-in")
    def begin(request: Request, next: str = HOME, out: str = "") -> Response:  # noqa: A002 - as in the address
        return show_sign_in(shared, request, following=own_page(next), out=bool(out))

    @router.post("/sign-in")
    def sign_in(request: Request, form: Form) -> Response:
        name, passphrase = form.get("name", "").strip(), form.get("passphrase", "")
        following, browser = own_page(form.get("next", "")), browser_of(shared, request)

        def again(said: Text, status: int) -> Response:
            return show_sign_in(shared, request, status, said, following=following, given=name)

        with closing(open_compliance(shared.compliance, ACCESS)) as db:
            sessions = Sessions(db)
            if wait := math.ceil(attempts.wait(name, browser, known=sessions.is_known(browser, name))):
                page = again(waiting(SOON, wait), 429)
                page.headers["Retry-After"] = f"{wait}"
                return page
            if not is_right(sessions.passphrase_of(name), passphrase[: LONGEST_PASSPHRASE + 1]):
                return again(WRONG, 403)
            with transaction(db):
                entered = sessions.enter(name, browser, time.time())
        return again(WRONG, 403) if entered is None else go_on(shared, request, entered, following)


def _add_links(router: APIRouter, shared: Shared) -> None:
    # A link is looked at by mail and chat services, too: only the button on its page uses it up.
    @router.get("/enter/{secret}")
    def show_link(request: Request, secret: str) -> Response:
        with closing(open_compliance(shared.compliance, ACCESS)) as db:
            user = Sessions(db).user_of_link(secret, time.time())
        if user is None:
            return show_sign_in(shared, request, 410, USED)
        return shared.page("enter.html", request, secret=secret, who=user)

    @router.post("/enter/{secret}")
    def use_link(request: Request, secret: str, _form: Form) -> Response:
        with closing(open_compliance(shared.compliance, ACCESS)) as db, transaction(db):
            entered = Sessions(db).enter_by_link(secret, browser_of(shared, request), time.time())
        return show_sign_in(shared, request, 410, USED) if entered is None else go_on(shared, request, entered, HOME)


def _add_codes(router: APIRouter, shared: Shared, attempts: Attempts) -> None:
    @router.get("/code")
    def show_code() -> Response:
        return RedirectResponse("/console/sign-in", 303)  # read again by hand: the form is gone

    @router.post("/code")
    def give_code(request: Request, form: Form) -> Response:
        secret, following = form.get("half", ""), own_page(form.get("next", ""))
        browser, now = browser_of(shared, request), time.time()
        with closing(open_compliance(shared.compliance, ACCESS)) as db:
            sessions = Sessions(db)
            user = sessions.user_of_half(secret, now)
            if user is None:
                return show_sign_in(shared, request, 410, AGAIN, following=following)
            if wait := math.ceil(attempts.wait(user.name, browser, known=sessions.is_known(browser, user.name))):
                page = _ask_code(shared, request, secret, following, 429, waiting(SOON_CODE, wait))
                page.headers["Retry-After"] = f"{wait}"
                return page
            with transaction(db):
                opened = sessions.enter_by_code(secret, form.get("code", ""), browser, now)
            left = sessions.user_of_half(secret, now)
        if opened is not None:
            return let_in(shared, opened, following)
        if left is None:
            return show_sign_in(shared, request, 410, AGAIN, following=following)
        return _ask_code(shared, request, secret, following, 403, WRONG_CODE)


def waiting(soon: Text, wait: int) -> Text:
    """Return a text that says for how long to wait, s."""
    return Text(soon.en.format(wait=wait), soon.zh.format(wait=wait))


def go_on(shared: Shared, request: Request, entered: Opened | Half, following: str) -> Response:
    """Return the way to a page for somebody who is let in, or the form for the code that is asked for first."""
    if isinstance(entered, Half):
        return _ask_code(shared, request, entered.secret, following)
    return let_in(shared, entered, following)


def _ask_code(
    shared: Shared, request: Request, secret: str, following: str, status: int = 200, said: Text | None = None
) -> Response:
    text = said.into(shared.language_of(request)) if said else ""
    return shared.page("code.html", request, status, half=secret, next=following, said=text)


def show_sign_in(
    shared: Shared,
    request: Request,
    status: int = 200,
    said: Text | None = None,
    following: str = HOME,
    given: str = "",
    *,
    out: bool = False,
) -> Response:
    """Return the page on which people sign in. `said`: why they could not; `out`: they have just signed out."""
    text = said.into(shared.language_of(request)) if said else ""
    sign_on = f"/console/sign-on?{urlencode({'next': following})}" if shared.config.oidc.issuer else ""
    values = {"next": following, "given": given, "said": text, "sign_on": sign_on, "out": out}
    return shared.page("sign_in.html", request, status, **values)
