"""What users change of their own access: passphrase, second factor, and in which browsers they are signed in."""

import math
import time
from typing import Annotated
from urllib.parse import urlsplit

import segno
from fastapi import APIRouter, Depends, Response
from fastapi.responses import RedirectResponse
from markupsafe import Markup

from hub.access.factor import SecondFactor, address_for
from hub.access.sessions import LONGEST_PASSPHRASE, SHORTEST_PASSPHRASE, Sessions, hash_of, is_right
from hub.console.badges import ROLE
from hub.console.signin.attempts import Attempts
from hub.console.signin.cookies import browser_of, let_out
from hub.console.signin.entering import SOON_CODE, WRONG_CODE, waiting
from hub.console.web import Shared, Visit, acting, visiting
from hub.http.problems import RequestError
from hub.storage.database import transaction
from schemas.language import Text

ME = "/console/me"
FACTOR = f"{ME}/factor"
TOO_SHORT = Text(
    f"Expected {SHORTEST_PASSPHRASE} to {LONGEST_PASSPHRASE} characters: some words that you can keep in mind.",
    f"长度应为{SHORTEST_PASSPHRASE}至{LONGEST_PASSPHRASE}个字符，可用几个容易记住的词。",
)
CONTAINS_NAME = Text("It must not contain your user name.", "不能包含用户名。")
DIFFERENT = Text("The two do not agree.", "两次输入不一致。")
NOT_YOURS = Text("Your present passphrase is not right.", "当前口令不正确。")
TOO_MANY = Text("Too many attempts. Wait {wait} s.", "尝试次数过多，请等待{wait}秒。")


def add_own_access(router: APIRouter, shared: Shared) -> None:
    """Add the page of one's own access, and what is done there."""
    attempts = Attempts()
    _add_page(router, shared, attempts)
    _add_factor(router, shared, attempts)


def _add_page(router: APIRouter, shared: Shared, attempts: Attempts) -> None:
    visitor, own = Depends(visiting(shared, "anybody")), Depends(acting(shared, "anybody"))

    @router.get("/me")
    def show_me(visit: Annotated[Visit, visitor], done: str = "") -> Response:
        return _show(visit, done=done)

    @router.post("/me/passphrase")
    def set_passphrase(visit: Annotated[Visit, own]) -> Response:
        new, sessions = visit.form.get("new", ""), Sessions(visit.db)
        if not SHORTEST_PASSPHRASE <= len(new) <= LONGEST_PASSPHRASE:
            return _show(visit, TOO_SHORT, "new")
        if visit.user.name in new.lower():
            return _show(visit, CONTAINS_NAME, "new")
        if new != visit.form.get("again"):
            return _show(visit, DIFFERENT, "again")
        if refused := _refused_passphrase(visit, attempts):
            return _show(visit, refused, "old")
        hashed = hash_of(new)
        with transaction(visit.db):
            sessions.set_passphrase(visit.user, hashed, time.time())
        return RedirectResponse(f"{ME}?done=passphrase", 303)

    @router.post("/sign-out")
    def sign_out(visit: Annotated[Visit, own]) -> Response:
        with transaction(visit.db):
            if visit.form.get("everywhere"):
                Sessions(visit.db).end_all(visit.user, time.time(), visit.user.name)
            else:
                Sessions(visit.db).end(visit.session)
        return let_out(shared)


def _add_factor(router: APIRouter, shared: Shared, attempts: Attempts) -> None:
    visitor, own = Depends(visiting(shared, "anybody")), Depends(acting(shared, "anybody"))
    codes = Attempts()

    @router.post("/me/factor/begin")
    def begin(visit: Annotated[Visit, own]) -> Response:
        if refused := _refused_passphrase(visit, attempts):
            return _show(visit, refused, "present")
        with transaction(visit.db):
            SecondFactor(visit.db).begin(visit.user.name)
        return RedirectResponse(FACTOR, 303)

    @router.get("/me/factor")
    def show_secret(visit: Annotated[Visit, visitor]) -> Response:
        return _secret(visit)

    @router.post("/me/factor/confirm")
    def confirm(visit: Annotated[Visit, own]) -> Response:
        if pause := _pause(visit, codes):
            return _secret(visit, waiting(SOON_CODE, pause), 429)
        with transaction(visit.db):
            made = SecondFactor(visit.db).confirm(visit.user, visit.form.get("code", ""), time.time())
        if made is None:
            return _secret(visit, WRONG_CODE, 422)
        return visit.page("recovery.html", codes=made)

    @router.post("/me/factor/off")
    def take_off(visit: Annotated[Visit, own]) -> Response:
        if pause := _pause(visit, codes):
            return _show(visit, waiting(SOON_CODE, pause), "code", 429)
        factor, now = SecondFactor(visit.db), time.time()
        with transaction(visit.db):
            gone = not factor.is_on(visit.user.name)
            if right := gone or factor.takes(visit.user, visit.form.get("code", ""), now):
                factor.off(visit.user, now)
        return RedirectResponse(f"{ME}?done=factor_off", 303) if right else _show(visit, WRONG_CODE, "code")


def _show(visit: Visit, said: Text | None = None, field: str = "", status: int = 422, *, done: str = "") -> Response:
    sessions, factor = Sessions(visit.db), SecondFactor(visit.db)
    return visit.page(
        "me.html",
        status if said else 200,
        said=visit.say(said) if said else "",
        field=field,
        done=done,
        browsers=sessions.count_of(visit.user, time.time()),
        role=ROLE[visit.user.role],
        has_passphrase=sessions.passphrase_of(visit.user.name) is not None,
        factor=factor.is_on(visit.user.name),
        codes_left=factor.codes_left(visit.user.name),
        shortest=SHORTEST_PASSPHRASE,
        longest=LONGEST_PASSPHRASE,
    )


def _secret(visit: Visit, said: Text | None = None, status: int = 200) -> Response:
    """Return the page with the secret that waits for its first code; where none does, the one before."""
    secret = SecondFactor(visit.db).begun(visit.user.name)
    if secret is None:
        return RedirectResponse(f"{ME}?done=factor" if SecondFactor(visit.db).is_on(visit.user.name) else ME, 303)
    config = visit.shared.config
    address = address_for(visit.user.name, secret, urlsplit(config.console_address).netloc)
    drawn = segno.make(address, error="m", micro=False)
    picture = drawn.svg_inline(border=4, dark="#000", light="#fff", omitsize=True, svgclass="qr", lineclass=None)
    parts = [secret[i : i + 4] for i in range(0, len(secret), 4)]
    # What segno has drawn holds paths alone, nothing of what anybody has written.
    values = {"picture": Markup(picture), "address": address, "secret": parts}  # noqa: S704
    return visit.page("factor.html", status, said=visit.say(said) if said else "", **values)


def _refused_passphrase(visit: Visit, attempts: Attempts) -> Text | None:
    """Return why the present passphrase of a form will not do; whoever has none is not asked for it.

    Raises:
        RequestError: it was tried too often.
    """
    kept = Sessions(visit.db).passphrase_of(visit.user.name)
    if kept is None:
        return None
    if pause := _pause(visit, attempts):
        raise RequestError(429, waiting(TOO_MANY, pause), headers={"Retry-After": f"{pause}"})
    right = is_right(kept, visit.form.get("old", "")[: LONGEST_PASSPHRASE + 1])
    return None if right else NOT_YOURS


def _pause(visit: Visit, attempts: Attempts) -> int:
    """Return after how long a visitor may try again, s; 0: now, and it counts."""
    name, browser = visit.user.name, browser_of(visit.shared, visit.request)
    return math.ceil(attempts.wait(name, browser, known=Sessions(visit.db).is_known(browser, name)))
