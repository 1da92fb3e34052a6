"""Who may use the HTTP API: one token for each user, with a role.

A token is NAME.SECRET, its secret 256 random bits. Only the secret's SHA-256 is kept (random bits need no slow hash).
It is in the compliance database, so a backup has it, and a revoked token is refused at once. Who let whom in, and when,
is kept for ever: acts in the audit trail are known by these names.
"""

import hashlib
import hmac
import re
import secrets
import sqlite3
from typing import Literal

from hub.access.names import HUB

Role = Literal["viewer", "technician", "officer", "admin"]
ROLES: tuple[Role, ...] = ("viewer", "technician", "officer", "admin")
"""viewer: reads. technician: also registers boards, gives them orders, tells of calibrations and repairs. officer:
reads, acknowledges, comments, closes what is resolved. admin: everything, also closes what is not, and decides on
maintenance windows."""
NAME = re.compile(r"[a-z0-9-]{1,32}")

_NOBODY = hashlib.sha256(b"").hexdigest()


class AccessError(Exception):
    """A change of the users that cannot be made."""


class Access:
    """The users in the compliance database behind `db`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def add(self, name: str, role: Role, now: float, who: str) -> str:
        """Let a user in on behalf of `who`; return the token, which is kept nowhere. `now`: Unix s.

        Raises:
            AccessError: the name cannot be one, or somebody has it.
        """
        if not NAME.fullmatch(name) or name == HUB:
            raise AccessError(f"user {name!r}: expected 1 to 32 small letters, digits and -, and not {HUB!r}")
        if self._db.execute("SELECT 1 FROM access WHERE name = ? AND revoked IS NULL", (name,)).fetchone():
            raise AccessError(f"user {name!r} has a token already; revoke it first, or choose another name")
        secret = secrets.token_urlsafe(32)
        self._db.execute("INSERT OR REPLACE INTO access VALUES (?, ?, ?, ?, NULL)", (name, role, _hash(secret), now))
        self._note(now, who, "added", name, role)
        return f"{name}.{secret}"

    def revoke(self, name: str, now: float, who: str) -> None:
        """Take a user's token back at once, on behalf of `who`; the name stays on record. `now`: Unix s.

        Raises:
            AccessError: nobody has that name.
        """
        changed = self._db.execute(
            "UPDATE access SET revoked = ? WHERE name = ? AND revoked IS NULL RETURNING role", (now, name)
        ).fetchall()
        if not changed:
            raise AccessError(f"there is no user {name!r} with a token; 'fenceline access list' shows who has one")
        self._note(now, who, "revoked", name, changed[0][0])

    def users(self) -> list[tuple[str, Role, float, float | None]]:
        """Return name, role, when the token was made and when it was revoked (Unix s) of every user."""
        return self._db.execute("SELECT name, role, made, revoked FROM access ORDER BY name").fetchall()

    def history(self) -> list[tuple[float, str, str, str, Role]]:
        """Return when (Unix s) who did what (added, revoked) with whose access, and the role; the oldest first."""
        return self._db.execute("SELECT time, who, what, name, role FROM access_step ORDER BY id").fetchall()

    def who(self, token: str) -> tuple[str, Role] | None:
        """Return name and role of the user whose token this is, or None.

        It takes as long for a name that nobody has, and however much of the secret is right.
        """
        name, _, secret = token.partition(".")
        row = self._db.execute("SELECT role, hash FROM access WHERE name = ? AND revoked IS NULL", (name,)).fetchone()
        role, kept = row or (ROLES[0], _NOBODY)
        right = hmac.compare_digest(_hash(secret), kept)
        return (name, role) if right and row else None

    def _note(self, *step: object) -> None:
        self._db.execute("INSERT INTO access_step (time, who, what, name, role) VALUES (?, ?, ?, ?, ?)", step)


def allows(role: Role, needed: Role) -> bool:
    """Tell whether a role may do what needs another one."""
    return role in (needed, "admin") or needed == "viewer"


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
