"""Up to when nothing is missing of what is said of somebody: sooner than the longest that it may be on its way.

Who sends on time has nothing left to send late: as long as a source was heard without a hole, all up to its newest
sample is there. After a hole it may still have something (a batch of a blind area); then everybody waits as long as
that may take. No clock, no database.
"""

from bisect import insort

from hub.judge.records import Sample

HOLE = 90
"""Between samples further apart one may be missing [s]: three of a terminal that reports every 30 s; one that reports
each minute has none."""
SILENT = 3600
"""A source that was not heard for so long is not waited for [s]."""


class Heard:
    """Of one subject; `ready`: up to when it was judged before, Unix s."""

    __slots__ = ("_streams", "ready")

    def __init__(self, ready: int = 0) -> None:
        self.ready = ready
        """Up to when it has been judged sooner than by waiting, Unix s; it never goes back."""
        self._streams: dict[str, _Stream] = {}

    def add(self, sample: Sample) -> None:
        """Take notice of a sample; they come in any order."""
        source = sample.id.partition("/")[0]
        stream = self._streams.get(source)
        if stream is None:
            stream = self._streams[source] = _Stream()
        stream.add(sample.t)

    def upto(self, until: int) -> int:
        """Return the moment up to which nothing is missing, as far as one knows, Unix s.

        Args:
            until: what is older is not waited for by anybody.
        """
        there: int | None = None
        for source, stream in tuple(self._streams.items()):
            moment = stream.upto(until)
            if stream.last < until - SILENT and not stream.ahead:
                del self._streams[source]
            elif there is None or moment < there:
                there = moment
        if there is not None and there > self.ready and there > until:
            self.ready = there
        return max(self.ready, until)


class _Stream:
    """Of one source."""

    __slots__ = ("ahead", "last")

    def __init__(self) -> None:
        self.last = -(1 << 62)
        """When it was heard last before the first hole that counts, Unix s."""
        self.ahead: list[int] = []
        """What was heard behind that."""

    def add(self, t: int) -> None:
        if t <= self.last:
            return
        if not self.ahead or t >= self.ahead[-1]:
            self.ahead.append(t)
        else:
            insort(self.ahead, t)

    def upto(self, until: int) -> int:
        ahead = self.ahead
        while ahead and (ahead[0] <= until or ahead[0] - self.last <= HOLE):
            self.last = ahead.pop(0)
        return max(self.last, until)
