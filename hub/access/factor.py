"""A second factor beside link and passphrase: codes of a phone (TOTP, RFC 6238), and recovery codes for who lost it.

The secret must be known to check a code, so it is kept as it is, in a database that only the hub's user can read. A
code is taken once: the 30 s of the newest one that was taken are kept, and none of them or before is taken again. Of a
recovery code, 80 random bits, only the SHA-256 is kept.
"""

import base64
import hmac
import secrets
import sqlite3
import unicodedata

import pyotp

from hub.access.tokens import Access, User, digest

STEP = 30
"""A code holds for so long [s]: what every app takes for granted, as six digits and SHA-1."""
DRIFT = 1
"""Codes of so many steps before and after are right, too: phones' clocks are not the hub's (RFC 6238, 5.2)."""
CODES = 10
"""Recovery codes of one user."""
ISSUER = "Fenceline"


class SecondFactor:
    """The second factors in the compliance database behind `db`. Nothing here begins or ends a transaction."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._users = Access(db)

    def is_on(self, name: str) -> bool:
        """Tell whether a user is asked for a code."""
        row = self._db.execute("SELECT 1 FROM second_factor WHERE name = ? AND confirmed IS NOT NULL", (name,))
        return row.fetchone() is not None

    def on(self) -> set[str]:
        """Return the names of all users who are asked for a code."""
        return {name for (name,) in self._db.execute("SELECT name FROM second_factor WHERE confirmed IS NOT NULL")}

    def begin(self, name: str) -> None:
        """Make a secret for a user's phone; nothing is asked until a code has shown that the phone has it."""
        if not self.is_on(name):
            made = (name, pyotp.random_base32())
            self._db.execute("INSERT OR REPLACE INTO second_factor VALUES (?, ?, NULL, 0)", made)

    def begun(self, name: str) -> str | None:
        """Return the secret that waits for its first code."""
        row = self._db.execute("SELECT secret FROM second_factor WHERE name = ? AND confirmed IS NULL", (name,))
        found: tuple[str] | None = row.fetchone()
        return found[0] if found else None

    def confirm(self, user: User, code: str, now: float) -> list[str] | None:
        """Ask a user for codes from now on, if this one is right; return recovery codes, which are kept nowhere.

        `now`: Unix s. None: the code is not right, or nothing was begun.
        """
        if self.begun(user.name) is None or not self._is_of_phone(user.name, code, now):
            return None
        self._db.execute("UPDATE second_factor SET confirmed = ? WHERE name = ?", (now, user.name))
        self._users.note(now, user.name, "factor_on", user)
        return self._make_codes(user.name)

    def takes(self, user: User, code: str, now: float) -> bool:
        """Tell whether a code of the phone or a recovery code is right; either is used up. `now`: Unix s."""
        if not self.is_on(user.name):
            return False
        if self._is_of_phone(user.name, code, now):
            return True
        plain = _plain(code).replace("-", "")
        used = self._db.execute("DELETE FROM recovery_code WHERE hash = ? AND name = ?", (digest(plain), user.name))
        if used.rowcount:
            self._users.note(now, user.name, "recovered", user)
        return bool(used.rowcount)

    def codes_left(self, name: str) -> int:
        """Return how many recovery codes a user has."""
        row = self._db.execute("SELECT count(*) FROM recovery_code WHERE name = ?", (name,)).fetchone()
        return int(row[0])

    def off(self, user: User, now: float, who: str = "") -> None:
        """Ask a user for no code any more, on behalf of `who`, an admin; empty: of the user. `now`: Unix s."""
        was_on = self.is_on(user.name)
        self._db.execute("DELETE FROM second_factor WHERE name = ?", (user.name,))
        self._db.execute("DELETE FROM recovery_code WHERE name = ?", (user.name,))
        self._db.execute("DELETE FROM half_sign_in WHERE name = ?", (user.name,))
        if was_on:
            self._users.note(now, who or user.name, "factor_reset" if who else "factor_off", user)

    def _is_of_phone(self, name: str, code: str, now: float) -> bool:
        row = self._db.execute("SELECT secret, used FROM second_factor WHERE name = ?", (name,)).fetchone()
        plain = _plain(code)
        if row is None or not (plain.isascii() and plain.isdigit()):
            return False
        codes, step = pyotp.TOTP(row[0], interval=STEP), int(now // STEP)
        # All are compared, so that the time that it takes tells nothing.
        right = [
            one
            for one in range(step - DRIFT, step + DRIFT + 1)
            if hmac.compare_digest(codes.generate_otp(one), plain) and one > row[1]
        ]
        if right:
            self._db.execute("UPDATE second_factor SET used = ? WHERE name = ?", (right[0], name))
        return bool(right)

    def _make_codes(self, name: str) -> list[str]:
        self._db.execute("DELETE FROM recovery_code WHERE name = ?", (name,))
        codes = [base64.b32encode(secrets.token_bytes(10)).decode().lower() for _ in range(CODES)]
        self._db.executemany("INSERT INTO recovery_code VALUES (?, ?)", [(digest(code), name) for code in codes])
        return ["-".join(code[i : i + 4] for i in range(0, len(code), 4)) for code in codes]


def address_for(name: str, secret: str, where: str) -> str:
    """Return the otpauth address that a phone reads as a QR code; `where`: the console's host, to tell cities apart."""
    return pyotp.TOTP(secret, interval=STEP).provisioning_uri(name=f"{name}@{where}", issuer_name=ISSUER)


def _plain(code: str) -> str:
    """Return a code as it is meant: without blanks, in whatever width an input method writes digits."""
    return "".join(unicodedata.normalize("NFKC", code).split()).lower()
