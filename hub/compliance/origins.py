"""How well it is proven who measured: the weakest proof on each day, of senders that do not seal what they say."""

import sqlite3

from hub.judge.windows import DAY
from hub.wire.proof import Proof, weakest

BEST: Proof = "mac"
"""What a verdict rests on where nothing weaker was noted."""


class Origins:
    """The proofs in the compliance database behind `db`: a verdict is proven no better than its window's days."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        rows = db.execute("SELECT device, day, proof FROM origin")
        self._weakest: dict[tuple[str, int], Proof] = {(device, day): proof for device, day, proof in rows}

    def note(self, device: str, t: int, dt: int, proof: Proof) -> None:
        """Note that something measured in an interval (start, Unix s, and length, s) is proven no better than so."""
        for day in range(t // DAY, (t + dt - 1) // DAY + 1):
            before = self._weakest.get((device, day), BEST)
            found = weakest(before, proof)
            if found != before:
                self._weakest[device, day] = found
                self._db.execute(
                    "INSERT INTO origin VALUES (?, ?, ?) "
                    "ON CONFLICT (device, day) DO UPDATE SET proof = excluded.proof",
                    (device, day, found),
                )

    def of(self, device: str, start: int, end: int) -> Proof:
        """Return the weakest proof in a window, Unix s."""
        found = BEST
        if self._weakest:
            for day in range(start // DAY, (end - 1) // DAY + 1):
                found = weakest(found, self._weakest.get((device, day), BEST))
        return found

    def prune(self, before: float) -> None:
        """Forget the days before a time, Unix s."""
        last = int(before // DAY)
        self._db.execute("DELETE FROM origin WHERE day < ?", (last,))
        self._weakest = {key: proof for key, proof in self._weakest.items() if key[1] >= last}
