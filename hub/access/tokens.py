"""Who may use the hub: users with a role and a scope of districts, and a token for the HTTP API.

A token is NAME.SECRET, its secret 256 random bits. Only the secret's SHA-256 is kept (random bits need no slow hash).
It is in the compliance database, so a backup has it, and a revoked token is refused at once. Who let whom in, and when,
is kept for ever: acts in the audit trail are known by these names.
"""

import hashlib
import hmac
import json
import re
import secrets
import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, NamedTuple

from hub.access.names import HUB
from hub.config import roles

Role = roles.Role
ROLES: tuple[Role, ...] = (
    "viewer",
    "technician",
    "collector",
    "officer",
    "dispatcher",
    "handler",
    "supervisor",
    "admin",
    "company",
)
"""viewer: reads. technician: also registers boards, gives them orders, tells of calibrations and repairs. officer:
reads, acknowledges, comments, closes what is resolved; files, checks and closes cases. collector: verifies and inspects
cases on site. dispatcher: sends cases to departments. handler: works on them. supervisor: watches over cases, closes by
force, decides on appeals. admin: everything, also closes alerts that are not resolved, and decides on maintenance
windows. company: somebody of an enterprise, who sees that one's outlets alone and marks periods of theirs."""
Needed = Role | Literal["anybody"]
"""What something asks of its user; anybody: whoever is signed in, people of enterprises among them."""
Act = Literal[
    "added",
    "changed",
    "revoked",
    "token",
    "link",
    "passphrase",
    "signed_in",
    "signed_out",
    "factor_on",
    "factor_off",
    "factor_reset",
    "recovered",
    "identity",
]
"""What is on record of a user. changed: role or districts. token, link: a new one was made. signed_in, signed_out: in a
browser, of all browsers. factor_on, factor_off: of the second factor, by the user; factor_reset: by an admin;
recovered: a recovery code was used up; identity: an account of the city's own sign-on was joined to the user."""
NAME = re.compile(r"[a-z0-9-]{1,32}")

_NOBODY = hashlib.sha256(b"").hexdigest()


class AccessError(Exception):
    """A change of the users that cannot be made."""


@dataclass(frozen=True, slots=True)
class User:
    """Who asks."""

    name: str
    role: Role
    districts: tuple[str, ...] = ()
    """The districts of which the user sees and does anything; none named: all, and what belongs to no district."""
    company: str = ""
    """The enterprise of somebody of the role company, who sees nothing else, in whatever district."""

    def sees(self, district: str) -> bool:
        """Tell whether what belongs to a district (empty: to none, as the hub itself) concerns the user."""
        return self.role != "company" and (not self.districts or district in self.districts)


class Step(NamedTuple):
    """Something that was done with somebody's access."""

    id: int
    time: float
    """Unix s."""
    who: str
    what: Act
    name: str
    """Whose access."""
    role: Role
    """Of the user then, as `districts`."""
    districts: tuple[str, ...]
    company: str = ""


class Access:
    """The users in the compliance database behind `db`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db

    def add(
        self, name: str, role: Role, now: float, who: str, districts: Collection[str] = (), company: str = ""
    ) -> str:
        """Let a user in on behalf of `who`; return the token, which is kept nowhere. `now`: Unix s.

        `districts`: those that the user sees; none named: all. `company`: of the role company, the enterprise.

        Raises:
            AccessError: the name cannot be one, or somebody has it, or role and enterprise do not belong together.
        """
        _check_company(name, role, districts, company)
        if not NAME.fullmatch(name) or name == HUB:
            raise AccessError(f"user {name!r}: expected 1 to 32 small letters, digits and -, and not {HUB!r}")
        if self.db.execute("SELECT 1 FROM access WHERE name = ? AND revoked IS NULL", (name,)).fetchone():
            raise AccessError(f"user {name!r} has a token already; revoke it first, or choose another name")
        secret = secrets.token_urlsafe(32)
        self.db.execute(
            "INSERT OR REPLACE INTO access (name, role, hash, made, districts, company) VALUES (?, ?, ?, ?, ?, ?)",
            (name, role, digest(secret), now, ",".join(districts), company),
        )
        self.note(now, who, "added", User(name, role, tuple(districts), company))
        return f"{name}.{secret}"

    def change(
        self, name: str, role: Role, now: float, who: str, districts: Collection[str] = (), company: str = ""
    ) -> User:
        """Give a user another role, other districts or another enterprise on behalf of `who`, from the next request on.

        `districts`: those that the user sees; none named: all. `now`: Unix s.

        Raises:
            AccessError: nobody has that name, or role and enterprise do not belong together.
        """
        _check_company(name, role, districts, company)
        user = User(name, role, tuple(districts), company)
        if user != self.named(name):
            self.db.execute(
                "UPDATE access SET role = ?, districts = ?, company = ? WHERE name = ?",
                (role, ",".join(districts), company, name),
            )
            self.note(now, who, "changed", user)
        return user

    def renew(self, name: str, now: float, who: str) -> str:
        """Make a new token in place of a user's earlier one, on behalf of `who`; it is kept nowhere. `now`: Unix s.

        Raises:
            AccessError: nobody has that name.
        """
        user, secret = self.named(name), secrets.token_urlsafe(32)
        self.db.execute("UPDATE access SET hash = ? WHERE name = ?", (digest(secret), name))
        self.note(now, who, "token", user)
        return f"{name}.{secret}"

    def revoke(self, name: str, now: float, who: str) -> None:
        """Take a user's token back at once, on behalf of `who`; the name stays on record. `now`: Unix s.

        Raises:
            AccessError: nobody has that name.
        """
        user = self.find(name)
        if user is None:
            raise AccessError(f"there is no user {name!r} with a token; 'fenceline access list' shows who has one")
        self.db.execute("UPDATE access SET revoked = ?, passphrase = NULL WHERE name = ?", (now, name))
        self.shut_out(name)
        self.db.execute("DELETE FROM second_factor WHERE name = ?", (name,))
        self.db.execute("DELETE FROM recovery_code WHERE name = ?", (name,))
        self.db.execute("DELETE FROM identity WHERE name = ?", (name,))
        self.note(now, who, "revoked", user)

    def shut_out(self, name: str) -> None:
        """End every session of a user, and what would let the user in without a further secret."""
        self.db.execute("DELETE FROM session WHERE name = ?", (name,))
        self.db.execute("DELETE FROM sign_in_link WHERE name = ?", (name,))
        self.db.execute("DELETE FROM half_sign_in WHERE name = ?", (name,))
        self.db.execute("DELETE FROM known_browser WHERE name = ?", (name,))

    def users(self) -> list[tuple[User, float, float | None]]:
        """Return every user, and when the token was made and when it was revoked (Unix s)."""
        rows = self.db.execute("SELECT name, role, districts, company, made, revoked FROM access ORDER BY name")
        return [(_user(*who), made, revoked) for *who, made, revoked in rows]

    def find(self, name: str) -> User | None:
        """Return the user of a name who has access now."""
        row = self.db.execute(
            "SELECT name, role, districts, company FROM access WHERE name = ? AND revoked IS NULL", (name,)
        ).fetchone()
        return _user(*row) if row else None

    def named(self, name: str) -> User:
        """Return the user of a name who has access now.

        Raises:
            AccessError: there is none.
        """
        user = self.find(name)
        if user is None:
            raise AccessError(f"there is no user {name!r} who has access; 'fenceline access list' shows who has")
        return user

    def history(self) -> list[Step]:
        """Return what was done with anybody's access, the oldest first."""
        return self._steps("ORDER BY id")

    def steps_of(self, name: str, after: int = 0) -> list[Step]:
        """Return what was done with one user's access behind a number, the oldest first."""
        return self._steps("WHERE name = ? AND id > ? ORDER BY id", name, after)

    def newest_of(self, name: str, most: int) -> list[Step]:
        """Return the newest steps of one user's access, the newest first."""
        return self._steps("WHERE name = ? ORDER BY id DESC LIMIT ?", name, most)

    def last_step(self) -> int:
        """Return the number of the newest step, 0 when there is none."""
        return int(self.db.execute("SELECT ifnull(max(id), 0) FROM access_step").fetchone()[0])

    def trail(
        self, before: tuple[float, int], most: int, *, since: float = 0.0, who: str = "", names: Collection[str] | None
    ) -> list[Step]:
        """Return at most so many steps, the newest first: those below a moment (Unix s) and number.

        `since`: then or later. `who`: only what this one did. `names`: only of these users; None: of all.
        """
        return self._steps(
            f"WHERE (time, id) < (?, ?) AND time >= ? {'AND who = ? ' if who else ''}"  # noqa: S608
            "AND (? IS NULL OR name IN (SELECT value FROM json_each(?))) ORDER BY time DESC, id DESC LIMIT ?",
            *before,
            since,
            *((who,) if who else ()),
            *[None if names is None else json.dumps(list(names))] * 2,
            most,
        )

    def _steps(self, rest: str, *values: object) -> list[Step]:
        columns = "id, time, who, what, name, role, districts, company"
        rows = self.db.execute(f"SELECT {columns} FROM access_step {rest}", values)  # noqa: S608
        return [
            Step(id_, time, who, what, name, role, _split(districts), company)
            for id_, time, who, what, name, role, districts, company in rows
        ]

    def who(self, token: str) -> User | None:
        """Return the user whose token this is, or None.

        It takes as long for a name that nobody has, and however much of the secret is right.
        """
        name, _, secret = token.partition(".")
        row = self.db.execute(
            "SELECT role, districts, company, hash FROM access WHERE name = ? AND revoked IS NULL", (name,)
        ).fetchone()
        role, districts, company, kept = row or (ROLES[0], "", "", _NOBODY)
        right = hmac.compare_digest(digest(secret), kept)
        return _user(name, role, districts, company) if right and row else None

    def note(self, now: float, who: str, what: Act, user: User) -> None:
        """Keep on record that `who` did something with somebody's access. `now`: Unix s."""
        self.db.execute(
            "INSERT INTO access_step (time, who, what, name, role, districts, company) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (now, who, what, user.name, user.role, ",".join(user.districts), user.company),
        )


def allows(role: Role, needed: Needed) -> bool:
    """Tell whether a role may do what needs another one; people of enterprises only what is theirs, or anybody's."""
    return role in (needed, "admin") or needed == "anybody" or (needed == "viewer" and role != "company")


def digest(secret: str) -> str:
    """Return what is kept of a secret of random bits."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _user(name: str, role: Role, districts: str, company: str) -> User:
    return User(name, role, _split(districts), company)


def _check_company(name: str, role: Role, districts: Collection[str], company: str) -> None:
    if (role == "company") != bool(company):
        raise AccessError(
            f"user {name!r}: role = {role}, company = {company!r}: the role company, and no other, needs the id of an "
            "enterprise; 'fenceline things list enterprise' shows them"
        )
    if company and not NAME.fullmatch(company):
        raise AccessError(f"user {name!r}: company = {company!r}: expected 1 to 32 small letters, digits and -")
    if company and districts:
        raise AccessError(f"user {name!r}: sees an enterprise, in whatever district; leave the districts out")


def _split(districts: str) -> tuple[str, ...]:
    return tuple(filter(None, districts.split(",")))
