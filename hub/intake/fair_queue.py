"""What the receiver holds of each board until the hub takes it: every board has its turn, whoever sends most.

Deficit round robin, as in fq_codel (RFC 8290): a line for each board, and in each turn about as many bytes of every
line. A board that sends more than its share waits behind itself only. What is held is bounded: first by not reading on;
then, when one board alone keeps the others from being read, by letting go of its newest telemetry. The broker is told
that it has come, the board is not: it sends it again. Nothing of it is lost, it is slowed.
"""

from collections import deque
from collections.abc import Collection, Iterable

from hub.intake.broker import Incoming

OVERHEAD = 2000
"""What a message weighs beside its payload, bytes: the objects that it is made of, here and where it is decoded."""
QUANTUM = 4000
"""What a line may give in one turn, bytes: about two small messages, so that what comes mixed stays in order."""
HELD = 6_000_000
"""What is held, bytes. With what the hub has in work it is less than the broker's window (10,000 messages)."""
PATIENCE = 3.0
"""Nothing is let go of a board whose line has stood for less, s: a burst is worked off."""
GREEDY = 0.75
"""Of what is held, the share that nobody may exceed where there are others."""
UNEVEN = 1.5
"""So many times an even share is no flood: boards do not all send alike."""
EVEN_AFTER = 7.5
"""A line that has stood for n times so long may hold an n-th: the longer it goes on, the more evenly it is shared."""
ABOUT = 60.0
"""A board is about that was heard within the last one to two of these [s]."""
STANDSTILL = 10.0
"""When the hub has taken nothing for so long, s, it is not the boards that keep each other waiting."""
LETS_GO = "/telemetry"
"""Only what the board sends again; of the other kinds it is not told when they are safe."""


def weight(message: Incoming) -> int:
    """Return what a message takes of what may be held, bytes."""
    return len(message.payload) + OVERHEAD


class _Line:
    """The messages of one board, the oldest first."""

    __slots__ = ("credit", "messages", "size", "stood")

    def __init__(self, now: float) -> None:
        self.messages: deque[Incoming] = deque()
        self.size = 0
        self.credit = 0
        self.stood = now


class FairQueue:
    """The lines. `known` are the registered boards: all that others send stands in one line, under the name ""."""

    def __init__(self, known: Collection[str]) -> None:
        self.size = 0
        """What is held, bytes."""
        self._known = known
        self._lines: dict[str, _Line] = {}
        self._turns: deque[str] = deque()
        self._about: tuple[set[str], set[str]] = set(), set()  # heard since `_turned`, and in the span before
        self._turned = 0.0
        self._took = 0.0

    def use(self, known: Collection[str]) -> None:
        """Give these boards lines of their own from now on."""
        self._known = known

    def add(self, messages: Iterable[Incoming], now: float) -> None:
        """Put messages at the end of their boards' lines; `now` is monotonic time [s]."""
        known, lines, size = self._known, self._lines, 0
        for message in messages:
            parts = message.topic.rsplit("/", 2)
            device = parts[1] if len(parts) == 3 and parts[1] in known else ""
            line = lines.get(device)
            if line is None:
                line = lines[device] = _Line(now)
                self._turns.append(device)
                self._note(device, now)
            line.messages.append(message)
            weighs = len(message.payload) + OVERHEAD
            line.size += weighs
            size += weighs
        self.size += size

    def take(self, most: int, size: int, now: float) -> list[Incoming]:
        """Return up to `most` messages of up to about `size` bytes, each board in its turn."""
        if now - self._took > STANDSTILL:
            for line in self._lines.values():
                line.stood = now
        self._took = now
        taken: list[Incoming] = []
        turns, lines = self._turns, self._lines
        left = size
        while turns and left > 0 and len(taken) < most:
            line = lines[turns[0]]
            if line.credit <= 0:
                line.credit += QUANTUM
                turns.rotate(-1)
                continue
            message = line.messages.popleft()
            weighs = len(message.payload) + OVERHEAD
            line.credit -= weighs
            line.size -= weighs
            left -= weighs
            taken.append(message)
            if not line.messages:
                del lines[turns.popleft()]
        self.size -= size - left
        return taken

    def full(self) -> bool:
        """Tell whether nothing more may be held."""
        return self.size >= HELD

    def let_go(self, now: float) -> dict[str, list[Incoming]]:
        """When no more can be held, return by board what is let go of: the newest telemetry above its share.

        Nothing while no board has more than that: then the broker keeps what is not read.
        """
        gone: dict[str, list[Incoming]] = {}
        if not self.full() or now - self._took > STANDSTILL:
            return gone
        about = max(1, *map(len, self._about))
        for device, line in self._lines.items():
            stood = now - line.stood
            share = HELD * min(GREEDY, max(UNEVEN / about, EVEN_AFTER / max(stood, PATIENCE)))
            # Of boards that are registered and not heard, nobody can tell whether they wait unread behind this one.
            alone = len(self._known) <= (device in self._known)
            if stood >= PATIENCE and line.size > share and not alone:
                let_go = self._shorten(line, int(share))
                if let_go:
                    gone[device] = let_go
        return gone

    def _shorten(self, line: _Line, size: int) -> list[Incoming]:
        """Take the newest telemetry out of a line until it holds no more than `size` bytes; one message stays."""
        gone: list[Incoming] = []
        others: list[Incoming] = []
        before = line.size
        while len(line.messages) > 1 and line.size > size:
            message = line.messages.pop()
            if message.topic.endswith(LETS_GO):
                gone.append(message)
                line.size -= weight(message)
            else:
                others.append(message)
        line.messages.extend(reversed(others))
        self.size -= before - line.size
        return gone

    def _note(self, device: str, now: float) -> None:
        if now - self._turned >= ABOUT:
            self._turned = now
            self._about = set(), self._about[0]
        self._about[0].add(device)
