"""Who calls the HTTP API: every request carries a user's token; how often a user may ask, and what the role allows."""

import math
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Annotated

from fastapi import Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from hub.access.tables import PART
from hub.access.tokens import Access, Needed, User, allows
from hub.http.problems import Rate, RequestError
from hub.storage.compliance_file import open_compliance
from schemas.language import Text

NO_TOKEN = Text(
    "expected a valid token in the header: Authorization: Bearer TOKEN",
    "请求头须带有效令牌：Authorization: Bearer 令牌",
)
TOO_OFTEN = Text("more requests than the hub answers to one user; ask again later", "请求过于频繁，请稍后再试")

_bearer = HTTPBearer(auto_error=False, description="The token that `fenceline access add` showed")


class Gate:
    """Lets users in to the HTTP API of a hub. All its routers share one: a user's requests to all of them are counted.

    `compliance`: the database with the users. `rate`: how often one user may ask.
    """

    def __init__(self, compliance: Path, rate: Rate | None = None) -> None:
        self._compliance = compliance
        self._rate = rate or Rate()

    def needs(self, needed: Needed) -> Callable[..., User]:
        """Return what FastAPI is to ask before a request is handled: it gives the user, or refuses.

        The refusals: 401 without a token that somebody has, 429 to whoever asks too often, 403 if the role does not
        allow it.
        """

        def user(credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]) -> User:
            with closing(open_compliance(self._compliance, PART)) as db:
                known = Access(db).who(credentials.credentials) if credentials else None
            if known is None:
                raise RequestError(401, NO_TOKEN, headers={"WWW-Authenticate": "Bearer"})
            if pause := self._rate.wait(known.name, time.monotonic()):
                raise RequestError(429, TOO_OFTEN, headers={"Retry-After": f"{math.ceil(pause)}"})
            refuse_role(known, needed)
            return known

        return user


def refuse_role(user: User, needed: Needed) -> None:
    """Refuse whom the role does not allow something.

    Raises:
        RequestError: it does not.
    """
    if not allows(user.role, needed):
        text = Text(
            f"{user.name} is {user.role}; this needs the role {needed}, ask an admin",
            f"{user.name}的角色是{user.role}，此操作需要{needed}；请联系管理员",
        )
        raise RequestError(403, text)
