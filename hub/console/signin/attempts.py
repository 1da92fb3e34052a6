"""Slows down whoever guesses passphrases, and nobody else.

An address is no measure: an office has one. A name alone is none either: a stranger could keep its owner out. So
guesses are counted by name for strangers, and apart for each browser in which that user was signed in before; nobody is
ever locked out, only told to wait, and a one-time link always works.
"""

import hashlib
import secrets
import time

from hub.http.problems import Rate

PER_SECOND, BURST = 1 / 30, 5.0
"""Guesses: one in 30 s, and five at once."""
BUCKETS = 4096
"""Names are many, and a stranger makes them up: they share so many counts, nobody knows which."""


class Attempts:
    """Counts guesses in memory."""

    def __init__(self) -> None:
        self._salt = secrets.token_bytes(16)
        self._rate = Rate(PER_SECOND, BURST)

    def wait(self, name: str, browser: str, *, known: bool) -> float:
        """Return after how long somebody may guess, s; 0: now, and it counts.

        `known`: the user of this name was signed in in this browser before.
        """
        of = f"known\n{name}\n{browser}" if known else name
        number = int.from_bytes(hashlib.blake2b(of.encode(), key=self._salt, digest_size=4).digest())
        return self._rate.wait(f"{known} {number % BUCKETS}", time.monotonic())
