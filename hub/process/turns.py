"""Lets the threads of one process compute one after the other."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """Whoever computes takes a turn; turns are given in the order in which they were asked for.

    Threads that compute at the same time share one interpreter. A thread gives it up at each statement of SQL, and has
    it back only when another lets go of it, up to 5 ms later: together they take longer than one after the other, and
    use more of the processor. Whoever waits for another machine does so outside of a turn.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._asked = 0
        self._given = 0

    @contextmanager
    def one(self) -> Iterator[None]:
        """Wait for a turn and keep it for the length of the `with`."""
        with self._changed:
            mine = self._asked
            self._asked += 1
            self._changed.wait_for(lambda: self._given == mine)
        try:
            yield
        finally:
            with self._changed:
                self._given += 1
                self._changed.notify_all()

    def waiting(self) -> int:
        """Return how many wait for a turn just now."""
        with self._changed:
            return max(0, self._asked - self._given - 1)
