"""Slows taking down while judging is far behind: what is taken and not judged helps nobody, and boards keep it anyway.

Taking never stops for it: a judging that stands still or judges years again must not make boards silent.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable

from hub.intake.broker import Incoming
from hub.intake.fair_queue import weight

FAR = 60.0
"""Judging is far behind when it has not done what was in the log so long ago [s]."""
SLOW = 2_400_000
"""What is taken then, bytes a second as `weight` counts them: 1,000 small messages a second."""
LOOK_EVERY = 1.0  # s
MOST_ENDS = 600  # seconds that are remembered


class Pace:
    """How fast may be taken. `end`: the log's; `judged`: up to where it is judged, None where waiting helps nothing."""

    def __init__(self, end: Callable[[], int], judged: Callable[[], int | None]) -> None:
        self._end = end
        self._judged = judged
        self._ends: deque[tuple[float, int]] = deque(maxlen=MOST_ENDS)  # where the log ended, and when (monotonic, s)
        self._next = 0.0
        self.behind = 0.0
        """How far judging is behind [s]."""

    def keep(self, group: Iterable[Incoming], stop: threading.Event) -> None:
        """Wait after a group was taken, if judging needs it; until `stop` at the longest."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + LOOK_EVERY
            self._look(now)
        if self.behind > FAR:
            stop.wait(sum(map(weight, group)) / SLOW)

    def _look(self, now: float) -> None:
        judged, ends = self._judged(), self._ends
        if judged is None:
            ends.clear()
        else:
            ends.append((now, self._end()))
            while ends and ends[0][1] <= judged:
                ends.popleft()
        self.behind = now - ends[0][0] if ends else 0.0
