"""Which account of the city's own sign-on is which user.

An account is known by its issuer and subject, which a sign-on never gives to somebody else. The first time it comes,
the name that the sign-on tells decides; from then on it stays with that user, whatever it is called there: whoever
takes over a name at the sign-on does not take over the user.
"""

import sqlite3
from collections.abc import Collection
from typing import NamedTuple

from hub.access.names import HUB
from hub.access.tokens import NAME, Access, AccessError, Role, User
from schemas.language import Text

UNKNOWN = Text(
    "The city's sign-on knows you as {name!r}, but nobody has let this name in here. Your admin does: "
    "fenceline access add {name}",
    "统一身份认证中的账号为“{name}”，但该用户名尚未获准使用本系统。请管理员添加：fenceline access add {name}",
)
NO_NAME = Text(
    "The city's sign-on calls you {name!r}; a user name here is 1 to 32 small letters, digits and -. Ask your admin, "
    "who chooses what the name is taken from ([oidc] user_claim).",
    "统一身份认证中的账号为“{name}”；本系统用户名须为1至32个小写字母、数字和 -。"
    "请联系管理员（用户名的来源由 [oidc] user_claim 决定）。",
)
REVOKED = Text(
    "The access of {name} was revoked; only an admin can give it again.", "{name}的权限已被撤销，须由管理员重新授予。"
)
OTHERS = Text(
    "Another account of the city's sign-on is {name} here. If it is you who has a new account, an admin revokes "
    "{name} and lets the name in again.",
    "用户{name}已关联另一个统一身份认证账号。如您更换了账号，请管理员撤销{name}后重新添加。",
)


class IdentityError(Exception):
    """Somebody whom the sign-on knows, and who is not let in here; `text` says why."""

    def __init__(self, text: Text, name: str) -> None:
        self.text = Text(text.en.format(name=name), text.zh.format(name=name))
        super().__init__(self.text.en)


class Account(NamedTuple):
    """Somebody as the sign-on tells."""

    issuer: str
    subject: str
    name: str
    """What the user is to be called here."""
    role: Role | None
    """What the account's groups give; None: groups give nothing here, the role is the one that an admin gave."""


class Identities:
    """The accounts in the compliance database behind `db`. Nothing here begins or ends a transaction."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._access = Access(db)

    def admit(self, account: Account, now: float, newcomers: Collection[str] = ()) -> User:
        """Return whom an account signs in, with the role that its groups give. `now`: Unix s.

        `newcomers`: the districts in which somebody whom nobody has let in yet may look around; none: nobody may.

        Raises:
            IdentityError: nobody here.
        """
        row = self._db.execute(
            "SELECT name FROM identity WHERE issuer = ? AND subject = ?", (account.issuer, account.subject)
        ).fetchone()
        user = self._known(row[0]) if row else self._join(account, now, newcomers)
        # Somebody of an enterprise stays that, whatever the city's groups say: else the whole city would open.
        if account.role and user.role not in {account.role, "company"}:
            user = self._access.change(user.name, account.role, now, HUB, user.districts)
        return user

    def _known(self, name: str) -> User:
        user = self._access.find(name)
        if user is None:
            raise IdentityError(REVOKED, name)
        return user

    def _join(self, account: Account, now: float, newcomers: Collection[str]) -> User:
        if not NAME.fullmatch(account.name):
            raise IdentityError(NO_NAME, account.name[:100])
        user = self._access.find(account.name) or self._let_in(account, now, newcomers)
        taken = self._db.execute(
            "SELECT 1 FROM identity WHERE issuer = ? AND name = ?", (account.issuer, user.name)
        ).fetchone()
        if taken:
            raise IdentityError(OTHERS, user.name)
        self._db.execute("INSERT INTO identity VALUES (?, ?, ?)", (account.issuer, account.subject, user.name))
        self._access.note(now, HUB, "identity", user)
        return user

    def _let_in(self, account: Account, now: float, newcomers: Collection[str]) -> User:
        if any(user.name == account.name for user, _, _ in self._access.users()):
            raise IdentityError(REVOKED, account.name)
        if not newcomers:
            raise IdentityError(UNKNOWN, account.name)
        try:
            self._access.add(account.name, account.role or "viewer", now, HUB, newcomers)
        except AccessError:  # the name of the hub itself
            raise IdentityError(NO_NAME, account.name) from None
        return self._access.named(account.name)
