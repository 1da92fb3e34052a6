"""The cookies of a browser: its session, and by which it is known the next time."""

from typing import Any

from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from hub.access.sessions import LONGEST, Opened
from hub.console.web import SIGN_IN, Shared

YEAR = 365 * 86_400
"""A browser and its language are known for so long [s]."""


def let_in(shared: Shared, opened: Opened, following: str) -> Response:
    """Return the way to a page, with the cookies of a session that has begun."""
    response = RedirectResponse(following, 303)
    response.set_cookie(shared.cookie, opened.secret, max_age=int(LONGEST), path="/", **safe(shared))
    response.set_cookie(_browser_cookie(shared), opened.browser, max_age=YEAR, path="/", **safe(shared))
    return response


def let_out(shared: Shared) -> Response:
    """Return the way to signing in, without a session."""
    # Who came by the city's own sign-on is signed in there still, and is to be told so.
    gone = RedirectResponse(f"{SIGN_IN}?out=1" if shared.config.oidc.issuer else SIGN_IN, 303)
    gone.delete_cookie(shared.cookie, path="/", **safe(shared))
    return gone


def browser_of(shared: Shared, request: Request) -> str:
    """Return the secret by which a browser is known; empty: it is not."""
    return request.cookies.get(_browser_cookie(shared), "")


def safe(shared: Shared) -> dict[str, Any]:
    """Return what keeps a cookie from scripts, and behind TLS from plain connections."""
    # lax and not strict: else whoever follows the link of a message would not be signed in.
    return {"httponly": True, "secure": shared.secure, "samesite": "lax"}


def _browser_cookie(shared: Shared) -> str:
    return f"{shared.cookie}-browser"
