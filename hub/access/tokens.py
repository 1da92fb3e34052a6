"""Who may use the hub: users with a role and a scope of districts, and a token for the HTTP API.

A token is NAME.SECRET, its secret 256 random bits. Only the secret's SHA-256 is kept (random bits need no slow hash).
It is in the compliance database, so a backup has it, and a revoked token is refused at once. Who let whom in, and when,
is kept for ever: acts in the audit trail are known by these names.
"""

import hashlib
import hmac
import re
import secrets
import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from hub.access.names import HUB

Role = Literal["viewer", "technician", "collector", "officer", "dispatcher", "handler", "supervisor", "admin"]
ROLES: tuple[Role, ...] = (
    "viewer",
    "technician",
    "collector",
    "officer",
    "dispatcher",
    "handler",
    "supervisor",
    "admin",
)
"""viewer: reads. technician: also registers boards, gives them orders, tells of calibrations and repairs. officer:
reads, acknowledges, comments, closes what is resolved; files, checks and closes cases. collector: verifies and inspects
cases on site. dispatcher: sends cases to departments. handler: works on them. supervisor: watches over cases, closes by
force, decides on appeals. admin: everything, also closes alerts that are not resolved, and decides on maintenance
windows."""
Act = Literal["added", "revoked", "link", "passphrase", "signed_in", "signed_out"]
"""What is on record of a user. link: a one-time link was made. signed_in, signed_out: in a browser, of all browsers."""
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

    def sees(self, district: str) -> bool:
        """Tell whether what belongs to a district (empty: to none, as the hub itself) concerns the user."""
        return not self.districts or district in self.districts


class Access:
    """The users in the compliance database behind `db`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db

    def add(self, name: str, role: Role, now: float, who: str, districts: Collection[str] = ()) -> str:
        """Let a user in on behalf of `who`; return the token, which is kept nowhere. `now`: Unix s.

        `districts`: those that the user sees; none named: all.

        Raises:
            AccessError: the name cannot be one, or somebody has it.
        """
        if not NAME.fullmatch(name) or name == HUB:
            raise AccessError(f"user {name!r}: expected 1 to 32 small letters, digits and -, and not {HUB!r}")
        if self.db.execute("SELECT 1 FROM access WHERE name = ? AND revoked IS NULL", (name,)).fetchone():
            raise AccessError(f"user {name!r} has a token already; revoke it first, or choose another name")
        secret = secrets.token_urlsafe(32)
        self.db.execute(
            "INSERT OR REPLACE INTO access (name, role, hash, made, districts) VALUES (?, ?, ?, ?, ?)",
            (name, role, digest(secret), now, ",".join(districts)),
        )
        self.note(now, who, "added", name, role)
        return f"{name}.{secret}"

    def revoke(self, name: str, now: float, who: str) -> None:
        """Take a user's token back at once, on behalf of `who`; the name stays on record. `now`: Unix s.

        Raises:
            AccessError: nobody has that name.
        """
        changed = self.db.execute(
            "UPDATE access SET revoked = ? WHERE name = ? AND revoked IS NULL RETURNING role", (now, name)
        ).fetchall()
        if not changed:
            raise AccessError(f"there is no user {name!r} with a token; 'fenceline access list' shows who has one")
        self.db.execute("DELETE FROM session WHERE name = ?", (name,))
        self.db.execute("DELETE FROM sign_in_link WHERE name = ?", (name,))
        self.db.execute("DELETE FROM known_browser WHERE name = ?", (name,))
        self.note(now, who, "revoked", name, changed[0][0])

    def users(self) -> list[tuple[User, float, float | None]]:
        """Return every user, and when the token was made and when it was revoked (Unix s)."""
        rows = self.db.execute("SELECT name, role, districts, made, revoked FROM access ORDER BY name")
        return [(_user(*who), made, revoked) for *who, made, revoked in rows]

    def find(self, name: str) -> User | None:
        """Return the user of a name who has access now."""
        row = self.db.execute(
            "SELECT name, role, districts FROM access WHERE name = ? AND revoked IS NULL", (name,)
        ).fetchone()
        return _user(*row) if row else None

    def history(self) -> list[tuple[float, str, Act, str, Role]]:
        """Return when (Unix s) who did what with whose access, and the role; the oldest first."""
        return self.db.execute("SELECT time, who, what, name, role FROM access_step ORDER BY id").fetchall()

    def who(self, token: str) -> User | None:
        """Return the user whose token this is, or None.

        It takes as long for a name that nobody has, and however much of the secret is right.
        """
        name, _, secret = token.partition(".")
        row = self.db.execute(
            "SELECT role, districts, hash FROM access WHERE name = ? AND revoked IS NULL", (name,)
        ).fetchone()
        role, districts, kept = row or (ROLES[0], "", _NOBODY)
        right = hmac.compare_digest(digest(secret), kept)
        return _user(name, role, districts) if right and row else None

    def note(self, now: float, who: str, what: Act, name: str, role: Role) -> None:
        """Keep on record that `who` did something with somebody's access. `now`: Unix s."""
        step = (now, who, what, name, role)
        self.db.execute("INSERT INTO access_step (time, who, what, name, role) VALUES (?, ?, ?, ?, ?)", step)


def allows(role: Role, needed: Role) -> bool:
    """Tell whether a role may do what needs another one."""
    return role in (needed, "admin") or needed == "viewer"


def digest(secret: str) -> str:
    """Return what is kept of a secret of random bits."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _user(name: str, role: Role, districts: str) -> User:
    return User(name, role, tuple(filter(None, districts.split(","))))
