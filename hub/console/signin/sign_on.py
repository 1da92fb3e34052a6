"""Signing in by a city's own sign-on: out to it, and back with a code."""

import base64
import binascii
import hmac
import logging
import secrets
import time
from contextlib import closing
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from hub.access.identity import Account, Identities, IdentityError
from hub.access.sessions import Half, Opened, Sessions
from hub.access.tables import PART as ACCESS
from hub.access.tokens import Role
from hub.config.files import Oidc
from hub.console.signin.cookies import browser_of, safe
from hub.console.signin.entering import go_on, show_sign_in
from hub.console.signin.provider import Provider, ProviderError, made_from
from hub.console.web import SIGN_IN, Shared, own_page
from hub.storage.compliance_file import open_compliance
from hub.storage.database import transaction
from schemas.language import Text

HERE = "/console/sign-on"
AWAY = 600
"""Somebody may be away at the sign-on for so long [s]."""
LATE = Text(
    "It took too long, or you began again elsewhere in this browser. Please sign in again.",
    "已超时，或已在本浏览器的其他页面重新登录。请重新登录。",
)
DENIED = Text(
    "The city's sign-on did not let you in ({why}). Ask whoever runs it, or use a one-time link.",
    "统一身份认证拒绝登录（{why}）。请联系其管理人员，或使用一次性登录链接。",
)
NO_GROUP = Text(
    "The city's sign-on knows you, but you are in no group there that has a role here. Ask your admin.",
    "统一身份认证已确认您的身份，但您所在的用户组在本系统中没有角色。请联系管理员。",
)
NO_CLAIM = Text(
    "The city's sign-on does not say what your user name is ({claim}). Ask your admin.",
    "统一身份认证未提供您的用户名（{claim}）。请联系管理员。",
)
log = logging.getLogger("hub.http")


def add_sign_on(router: APIRouter, shared: Shared) -> None:
    """Add the way to the city's sign-on and back, where there is one."""
    if not shared.config.oidc.issuer:
        return
    way = SignOn(shared)

    @router.get("/sign-on")
    def set_out(request: Request, next: str = "") -> Response:  # noqa: A002 - as it stands in the address
        return way.set_out(request, own_page(next))

    @router.get("/sign-on/back")
    def come_back(request: Request, state: str = "", code: str = "", error: str = "", iss: str = "") -> Response:
        return way.come_back(request, state, code, error if iss in {"", shared.config.oidc.issuer} else "issuer")

    @router.get("/sign-on/out")
    def leave(request: Request) -> Response:
        return way.leave(request)


class SignOn:
    """The way to the city's sign-on and back; what is needed for coming back is in a cookie."""

    def __init__(self, shared: Shared) -> None:
        self._shared, self._settings = shared, shared.config.oidc
        self._provider = Provider(self._settings, f"{shared.config.console_address}{HERE}/back")
        self._cookie = f"{shared.cookie}-sign-on"

    def set_out(self, request: Request, following: str) -> Response:
        """Send somebody to the sign-on, to go on with a page afterwards."""
        secret = secrets.token_urlsafe(32)
        try:
            away = RedirectResponse(self._provider.set_out(secret), 303)
        except ProviderError as error:
            return self._fail(request, error, following)
        kept = f"{secret}.{base64.urlsafe_b64encode(following.encode()).decode()}"
        away.set_cookie(self._cookie, kept, max_age=AWAY, path="/", **safe(self._shared))
        return away

    def come_back(self, request: Request, state: str, code: str, error: str) -> Response:
        """Sign in who comes back with a code; `error`: why the sign-on gave none."""
        secret, _, kept = request.cookies.get(self._cookie, "").partition(".")
        following = _page_in(kept)
        # Who did not set out in this browser is not signed in here: else a stranger could sign others in as himself.
        if not secret or not hmac.compare_digest(made_from(secret, "state").encode(), state.encode()):
            return self._refuse(request, 410, LATE, following)
        if error or not code:
            why = error[:60] if error.isascii() and error.isprintable() and error else "?"
            return self._refuse(request, 403, Text(DENIED.en.format(why=why), DENIED.zh.format(why=why)), following)
        try:
            account = account_of(self._settings, self._provider.come_back(secret, code))
            entered = self._enter(request, account)
        except ProviderError as failed:
            return self._fail(request, failed, following)
        except IdentityError as refused:
            return self._refuse(request, 403, refused.text, following)
        return self._forget(go_on(self._shared, request, entered, following))

    def leave(self, request: Request) -> Response:
        """Send somebody who has signed out here to where the session at the sign-on ends."""
        try:
            address = self._provider.end(f"{self._shared.config.console_address}{SIGN_IN}")
        except ProviderError as error:
            return self._fail(request, error, "")
        return RedirectResponse(address or SIGN_IN, 303)

    def _enter(self, request: Request, account: Account) -> Opened | Half:
        now = time.time()
        with closing(open_compliance(self._shared.compliance, ACCESS)) as db, transaction(db):
            user = Identities(db).admit(account, now, self._settings.newcomers)
            entered = Sessions(db).enter(user.name, browser_of(self._shared, request), now)
        assert entered is not None, "whoever was admitted has access"
        return entered

    def _fail(self, request: Request, error: ProviderError, following: str) -> Response:
        log.warning("sign-on: %s", error)
        return self._refuse(request, 502, error.text, following)

    def _refuse(self, request: Request, status: int, said: Text, following: str) -> Response:
        return self._forget(show_sign_in(self._shared, request, status, said, following=following))

    def _forget(self, response: Response) -> Response:
        response.delete_cookie(self._cookie, path="/", **safe(self._shared))
        return response


def account_of(settings: Oidc, claims: dict[str, Any]) -> Account:
    """Return who somebody is here, by what the sign-on tells.

    Raises:
        IdentityError: it tells no name, or no group that has a role here.
    """
    name = claims.get(settings.user_claim)
    if not isinstance(name, str) or not name:
        claim = settings.user_claim
        raise IdentityError(Text(NO_CLAIM.en.format(claim=claim), NO_CLAIM.zh.format(claim=claim)), "")
    return Account(settings.issuer, claims["sub"], name, _role(settings, claims))


def _role(settings: Oidc, claims: dict[str, Any]) -> Role | None:
    if not settings.roles:
        return None
    told = claims.get(settings.groups_claim)
    groups = {told} if isinstance(told, str) else set(map(str, told)) if isinstance(told, list) else set()
    for group, role in settings.roles.items():
        if group in groups:
            return role
    raise IdentityError(NO_GROUP, "")


def _page_in(kept: str) -> str:
    try:
        return own_page(base64.urlsafe_b64decode(kept.encode()).decode())
    except (ValueError, binascii.Error):
        return own_page("")
