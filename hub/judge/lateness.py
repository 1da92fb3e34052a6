"""Clocks that are behind or ahead: all that a source says comes late, or too early, and always by as much.

What is judged by hours, or by documents that hold for a time, rests on such a clock, and is no more certain than it is.
No clock of its own, no database.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from hub.judge.records import Finding, Sample

WRONG = 120
"""What comes later than this, or as much before it was made, may be that of a wrong clock [s]: fixes are on their way
for seconds..."""
STEADY = 30
"""...if all of it comes as late, but for so much [s]: what waited in a blind area comes ever less late..."""
LASTS = 600
"""...for so long, by the source's time and the hub's [s]..."""
FIXES = 10
"""...and in so many fixes at least."""
SEEMS = 60
"""After so long it is waited for what is as late [s]; what waited in a blind area comes in a burst."""
CLOCK = "clock_in_doubt"
"""The reason (`hub.judge.records.REASONS`) of what rests on such a clock."""
NO_CLOCK = frozenset({"lost_on_the_way"})
"""Reasons that two sensors give beside one another, whatever the time."""


class Span(NamedTuple):
    """From when to when a clock was in doubt, by its own time, Unix s."""

    since: int
    until: int


class Late(msgspec.Struct):
    """A run of fixes that came equally late: between so many s and so many; below 0: before they were made."""

    first: int
    """When the first one was made, by the source's time, Unix s."""
    came: float
    """When it came, by the hub's time, Unix s."""
    least: float
    most: float
    count: int = 0
    lasted: float = 0.0
    """By the source's time and the hub's, s."""
    proven: bool = False
    """That is no chance any more."""

    def add(self, t: int, lag: float) -> None:
        """Make it longer by a fix that was made at `t` (Unix s) and came `lag` s later."""
        self.least, self.most, self.count = min(self.least, lag), max(self.most, lag), self.count + 1
        self.lasted = max(self.lasted, min(t - self.first, t + lag - self.came))
        self.proven = self.proven or (self.count >= FIXES and self.lasted >= LASTS)


def follow(run: Late | None, t: int, lag: float) -> Late | None:
    """Return the run that a fix goes on with, or begins; None: it came in time."""
    if abs(lag) < WRONG:
        return None
    if run is None or max(run.most, lag) - min(run.least, lag) > STEADY:
        run = Late(t, t + lag, lag, lag)
    run.add(t, lag)
    return run


class Clocks:
    """When the clocks of one subject's sources were in doubt; it follows from the samples alone."""

    __slots__ = ("_runs", "spans")

    def __init__(self) -> None:
        self._runs: dict[str, Late] = {}
        self.spans: dict[str, list[Span]] = {}
        """By source, the earliest first."""

    @property
    def behind(self) -> int:
        """By how much the slowest of them is behind now, or seems to be, and is waited for [s]; 0: none is."""
        late = (int(run.most) for run in self._runs.values() if run.most > 0 and run.lasted >= SEEMS)
        return max(late, default=0)

    def concerns(self, sample: Sample) -> bool:
        """Tell whether a sample can change anything."""
        if not self._runs:
            return bool(sample.late)
        return sample.late is not None and (sample.late != 0 or _source(sample.id) in self._runs)

    def add(self, sample: Sample) -> int | None:
        """Take the next sample by time; return from when on a clock is found to be in doubt by it, Unix s."""
        if sample.late is None:
            return None
        source = _source(sample.id)
        run = follow(self._runs.get(source), sample.t, sample.late)
        if run is None:
            self._runs.pop(source, None)
            return None
        self._runs[source] = run
        if not run.proven:
            return None
        spans = self.spans.setdefault(source, [])
        if spans and spans[-1].since == run.first:
            spans[-1] = Span(run.first, sample.t)
            return None
        spans.append(Span(run.first, sample.t))
        return run.first

    def again(self, samples: Sequence[Sample]) -> "tuple[Clocks, int | None]":
        """Return what all samples there are say, in their order, and from when on it is something else than before.

        Of what is older than the first of them, what was found stays.
        """
        other = Clocks()
        for sample in samples:
            other.add(sample)
        begin = samples[0].t if samples else 1 << 62
        for source, spans in self.spans.items():
            kept = [one for one in spans if one.since < begin]
            now = other.spans.get(source, [])
            if kept and now and now[0].since <= kept[-1].until:
                since, run = kept.pop().since, other._runs.get(source)
                if run is not None and run.first == now[0].since:
                    run.first = since
                now[0] = Span(since, now[0].until)
            if kept or now:
                other.spans[source] = kept + now
        differs = {
            one.since
            for source in self.spans.keys() | other.spans.keys()
            for one in set(self.spans.get(source, ())) ^ set(other.spans.get(source, ()))
        }
        return other, min(differs, default=None)

    def forget(self, before: int) -> None:
        """Let go of what was over before a moment, Unix s."""
        spans = {source: [one for one in spans if one.until >= before] for source, spans in self.spans.items()}
        self.spans = {source: found for source, found in spans.items() if found}

    def doubt(self, evidence: Iterable[str], start: int, end: int) -> Span | None:
        """Return when a clock was in doubt by which the evidence of a stretch of time was made; None: none was."""
        for source in {_source(one) for one in evidence}:
            for span in self.spans.get(source, ()):
                if start <= span.until and span.since < end:
                    return span
        return None


def in_doubt(finding: Finding) -> Finding:
    """Return what is left of a finding whose times are in doubt: of a breach a suspicion, of what was kept nothing."""
    if finding.outcome == "invalid" or finding.reason in NO_CLOCK:
        return finding
    reason = f"{finding.reason},{CLOCK}" if finding.reason else CLOCK
    if finding.outcome == "exceeded":
        return msgspec.structs.replace(finding, grade="suspicion", reason=reason)
    return msgspec.structs.replace(finding, outcome="invalid", reason=reason)


def _source(id_: str) -> str:
    return id_.partition("/")[0]
