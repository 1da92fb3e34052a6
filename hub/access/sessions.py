"""Signs people in to the console: by a one-time link or a passphrase; a browser then has a session, held by a cookie.

Whoever has a second factor is asked for a code in between: no session begins without it.

Secrets of links and sessions are 256 random bits, of which only the SHA-256 is kept. A session ends when it was not
used for `IDLE`, when it is as old as `LONGEST`, when its user signs out everywhere, and at once with the user's access.
"""

import hmac
import secrets
import sqlite3
import threading
from functools import cache
from typing import NamedTuple

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from hub.access.factor import SecondFactor
from hub.access.tokens import Access, Act, User, digest

IDLE = 12 * 3600.0
"""A session that nobody used for so long is over: a shift and a break [s]."""
LONGEST = 7 * 86_400.0
"""So long after signing in a session is over, however much it is used [s]."""
LINK_S = 24 * 3600.0
"""A one-time link can be used for so long [s]."""
CODE_S = 600.0
"""A code can be given so long after link or passphrase [s]."""
MOST_TRIES = 5
"""Codes that may be tried before link or passphrase are asked for again."""
SEEN_EVERY = 60.0
"""The use of a session is written down at most so often [s]."""
SHORTEST_PASSPHRASE, LONGEST_PASSPHRASE = 12, 200
"""Characters."""
HASHES_AT_ONCE = 2
"""Passphrases that are compared at once: each takes 19 MiB and some 30 ms of a core."""

# What OWASP's cheat sheet on storing passwords recommends of Argon2id: 19 MiB, two passes.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_hashing = threading.BoundedSemaphore(HASHES_AT_ONCE)


class Session(NamedTuple):
    """A browser in which somebody is signed in."""

    user: User
    key: str
    """The hash under which it is kept."""
    made: float
    """Unix s, as `seen`."""
    seen: float

    def form_token(self, secret: str) -> str:
        """Return what a form of this session carries, so that no other page can send it (CSRF).

        It is another text each time, as pages are compressed: beside what a stranger has put into an address, the
        length of the answer would tell a text that stays the same, letter by letter (BREACH).
        """
        mask = secrets.token_bytes(32)
        return (mask + _xor(mask, self._form_token(secret))).hex()

    def is_own_form(self, secret: str, given: str) -> bool:
        """Tell whether a form's token is the one of this session."""
        try:
            masked = bytes.fromhex(given)
        except ValueError:
            return False
        return len(masked) == 64 and hmac.compare_digest(self._form_token(secret), _xor(masked[:32], masked[32:]))

    def _form_token(self, secret: str) -> bytes:
        return bytes.fromhex(digest(f"form {self.key} {secret}"))


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


class Opened(NamedTuple):
    """A session that has just begun. Both secrets go to the browser and are kept nowhere."""

    secret: str
    browser: str
    """By it the browser is known the next time."""


class Half(NamedTuple):
    """Somebody whose link or passphrase was right, and who is to give a code. The secret stands in its form alone."""

    secret: str


class Sessions:
    """The browsers in the compliance database behind `db`. Nothing here begins or ends a transaction."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._users = Access(db)
        self._factor = SecondFactor(db)

    def make_link(self, name: str, now: float, who: str) -> str:
        """Return the secret of a link by which a user signs in once, made on behalf of `who`. `now`: Unix s.

        Raises:
            AccessError: there is no such user.
        """
        user, secret = self._users.named(name), secrets.token_urlsafe(32)
        self._db.execute("DELETE FROM sign_in_link WHERE ends <= ?", (now,))
        self._db.execute("INSERT INTO sign_in_link VALUES (?, ?, ?)", (digest(secret), name, now + LINK_S))
        self._note(now, who, "link", user)
        return secret

    def user_of_link(self, secret: str, now: float) -> User | None:
        """Return whom a link signs in; it is not used up by looking."""
        row = self._db.execute(
            "SELECT name FROM sign_in_link WHERE hash = ? AND ends > ?", (digest(secret), now)
        ).fetchone()
        return self._users.find(row[0]) if row else None

    def enter_by_link(self, secret: str, browser: str, now: float) -> Opened | Half | None:
        """Sign a user in by a link, which is used up; None: it is no link, or was used, or is too old.

        `browser`: the secret by which the browser may be known from earlier.
        """
        user = self.user_of_link(secret, now)
        if user is None:
            return None
        self._db.execute("DELETE FROM sign_in_link WHERE hash = ?", (digest(secret),))
        return self._pass(user, browser, now)

    def passphrase_of(self, name: str) -> str | None:
        """Return the hash of a user's passphrase, for `is_right`; None: the user has none, or there is no such user."""
        row = self._db.execute("SELECT passphrase FROM access WHERE name = ? AND revoked IS NULL", (name,)).fetchone()
        return row[0] if row else None

    def enter(self, name: str, browser: str, now: float) -> Opened | Half | None:
        """Sign in a user whose passphrase was right; None: there is no such user."""
        user = self._users.find(name)
        return self._pass(user, browser, now) if user else None

    def user_of_half(self, secret: str, now: float) -> User | None:
        """Return who is asked for a code; None: nobody any more."""
        row = self._db.execute(
            "SELECT name FROM half_sign_in WHERE hash = ? AND ends > ? AND tries < ?",
            (digest(secret), now, MOST_TRIES),
        ).fetchone()
        return self._users.find(row[0]) if row else None

    def enter_by_code(self, secret: str, code: str, browser: str, now: float) -> Opened | None:
        """Sign in who gives a right code, which is used up; None: it is wrong, or was asked for too long ago."""
        user = self.user_of_half(secret, now)
        if user is None:
            return None
        # A factor that was taken off meanwhile has taken this with it, so there is one.
        if not self._factor.takes(user, code, now):
            self._db.execute("UPDATE half_sign_in SET tries = tries + 1 WHERE hash = ?", (digest(secret),))
            return None
        self._db.execute("DELETE FROM half_sign_in WHERE hash = ?", (digest(secret),))
        return self._open(user, browser, now)

    def set_passphrase(self, user: User, hashed: str, now: float) -> None:
        """Keep the hash of a user's new passphrase."""
        self._db.execute("UPDATE access SET passphrase = ? WHERE name = ?", (hashed, user.name))
        self._note(now, user.name, "passphrase", user)

    def find(self, secret: str, now: float) -> Session | None:
        """Return the session of a cookie; None: it is over, or there was none."""
        key = digest(secret)
        row = self._db.execute("SELECT name, made, seen FROM session WHERE hash = ?", (key,)).fetchone()
        if row is None:
            return None
        name, made, seen = row
        # A clock that was set back must not make a session last.
        if not (0 <= now - made < LONGEST and now - seen < IDLE):
            return None
        user = self._users.find(name)
        return Session(user, key, made, seen) if user else None

    def touch(self, session: Session, now: float) -> None:
        """Note that a session is used."""
        if now - session.seen >= SEEN_EVERY:
            self._db.execute("UPDATE session SET seen = ? WHERE hash = ?", (now, session.key))

    def count_of(self, user: User, now: float) -> int:
        """Return in how many browsers a user is signed in."""
        row = self._db.execute(
            "SELECT count(*) FROM session WHERE name = ? AND made > ? AND seen > ?",
            (user.name, now - LONGEST, now - IDLE),
        ).fetchone()
        return int(row[0])

    def end(self, session: Session) -> None:
        """Sign out in one browser."""
        self._db.execute("DELETE FROM session WHERE hash = ?", (session.key,))

    def end_all(self, user: User, now: float, who: str) -> None:
        """Sign a user out in every browser on behalf of `who`; links that were made are void, too."""
        self._users.shut_out(user.name)
        self._note(now, who, "signed_out", user)

    def is_known(self, browser: str, name: str) -> bool:
        """Tell whether a user was signed in in this browser before."""
        found = self._db.execute("SELECT 1 FROM known_browser WHERE hash = ? AND name = ?", (digest(browser), name))
        return found.fetchone() is not None

    def _pass(self, user: User, browser: str, now: float) -> Opened | Half:
        if not self._factor.is_on(user.name):
            return self._open(user, browser, now)
        half = Half(secrets.token_urlsafe(32))
        self._db.execute("DELETE FROM half_sign_in WHERE ends <= ?", (now,))
        self._db.execute("INSERT INTO half_sign_in VALUES (?, ?, ?, 0)", (digest(half.secret), user.name, now + CODE_S))
        return half

    def _open(self, user: User, browser: str, now: float) -> Opened:
        known = browser if self.is_known(browser, user.name) else secrets.token_urlsafe(32)
        opened = Opened(secrets.token_urlsafe(32), known)
        self._db.execute("DELETE FROM session WHERE made <= ? OR seen <= ?", (now - LONGEST, now - IDLE))
        self._db.execute("INSERT INTO session VALUES (?, ?, ?, ?)", (digest(opened.secret), user.name, now, now))
        self._db.execute("INSERT OR IGNORE INTO known_browser VALUES (?, ?)", (digest(opened.browser), user.name))
        self._note(now, user.name, "signed_in", user)
        return opened

    def _note(self, now: float, who: str, what: Act, user: User) -> None:
        self._users.note(now, who, what, user)


def hash_of(passphrase: str) -> str:
    """Return the hash that is kept of a passphrase."""
    with _hashing:
        return _HASHER.hash(passphrase)


@cache
def _nobodys() -> str:
    return _HASHER.hash(secrets.token_urlsafe(32))


def is_right(kept: str | None, passphrase: str) -> bool:
    """Tell whether a passphrase is the one whose hash is kept; it takes as long where there is none."""
    with _hashing:
        try:
            return _HASHER.verify(kept or _nobodys(), passphrase) and kept is not None
        except (VerificationError, InvalidHashError):
            return False
