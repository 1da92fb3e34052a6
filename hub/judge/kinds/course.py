"""The two ways in which kinds of rules go through samples, and how each is taken back when something late comes.

`Folded` kinds look at one sample after the other and remember little. `Windowed` kinds judge a window when it is over,
from all that lies in it. Either gives the same findings whatever the order in which samples came: what comes late takes
the course back to before it, and it goes on from there over the samples in their order.
"""

import itertools
from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple, Protocol

import msgspec

from hub.judge.kinds.world import NEVER, World, names_in
from hub.judge.records import MOST_EVIDENCE, Cited, Finding, Sample
from hub.judge.windows import LocalTime, Window
from schemas.domains.entries import Responsible, Rule

LONGEST = 32 * 86_400
"""Windows are hardly longer, such as a shift from a thing's first day to its last [s]."""
EVERY = 64
"""So many samples lie between two of a folded course's points of return."""


class Setting(NamedTuple):
    """Where and about whom a rule is judged."""

    rule: Rule
    world: World
    local: LocalTime
    subject: str
    since: int
    """From when on, Unix s."""

    @property
    def kind(self) -> str:
        """The kind of things that the subject is one of."""
        return self.rule.of or "site"

    @property
    def ends(self) -> int:
        """The first moment at which the rule is no longer in force, Unix s."""
        return self.local.instant(self.rule.ends, 0) if self.rule.ends else NEVER


Also = Callable[[Finding], Finding]


def as_it_is(finding: Finding) -> Finding:
    """Add nothing to a finding."""
    return finding


def answering(responsible: Responsible, setting: Setting) -> Also:
    """Return what adds to a breach the editions of its subject, its permits and those who answer for it."""
    world = setting.world

    def named_by(one: Cited, t: int) -> list[Cited]:
        term = world.in_force(one.kind, one.id, t)
        said = term.edition.properties if term else {}
        ids = [id_ for name in responsible.named for id_ in names_in(said.get(name))]
        found = [world.in_force(responsible.kind, id_, t) for id_ in ids]
        return [term.cited for term in found if term]

    def also(finding: Finding) -> Finding:
        if finding.outcome != "exceeded":
            return finding
        t = finding.start
        own = world.in_force(setting.kind, setting.subject, t)
        permits = [
            term.cited
            for one in responsible.permits
            for term in world.held_by(one.by, one.of, setting.subject)
            if term.since <= t < term.until
        ]
        cited = (*finding.editions, *((own.cited,) if own else ()), *permits)
        who = itertools.chain.from_iterable(named_by(one, t) for one in cited)
        return msgspec.structs.replace(finding, editions=tuple(dict.fromkeys((*cited, *who)))[: 2 * MOST_EVIDENCE])

    return also


class Fold(Protocol):
    """What a folded kind remembers. Its methods change it, so each point of return is a copy."""

    def copy(self) -> "Fold":
        """Return a copy that goes its own way."""

    def step(self, sample: Sample) -> list[Finding]:
        """Take the next sample; return the findings that it closes."""

    def open(self, until: int) -> list[Finding]:
        """Return what holds besides if nothing comes up to `until`; those that could still change are open."""


class Course(Protocol):
    """A way through the samples of one subject, which are sorted by time and identity."""

    in_order: ClassVar[bool]
    """What comes behind all other samples changes nothing that was found."""
    closed: list[Finding]
    """What has been found up to now, in the order in which it was closed."""
    also: "Also"
    """What is added to each finding."""
    asks: Any
    """The rule's params."""
    reach: int
    """How long after its end what counts in a finding may be said still [s]."""

    def back(self, samples: Sequence[Sample], t: int) -> int:
        """Go back to before the moment `t`; return how many of the closed findings stay."""

    def on(self, samples: Sequence[Sample], until: int) -> list[Finding]:
        """Go on over the samples there are up to `until`; return what is found beside the closed findings."""

    def forget(self, samples: Sequence[Sample], before: int) -> tuple[int, int]:
        """Let go of what nothing from `before` on can change; return how many samples and closed findings that is.

        The samples are still there: others may need them.
        """

    def cut(self, samples: int) -> None:
        """Take notice that so many of the first samples are gone."""


class Folded:
    """The course of a folded kind."""

    in_order = True
    reach = 0

    def __init__(self, begin: Fold) -> None:
        self.closed: list[Finding] = []
        self.also: Also = as_it_is
        self.asks: Any = None
        self._fold = begin
        self._at = 0  # samples taken
        self._next = EVERY  # and how many will have been at the next point of return
        self._returns: list[tuple[int, int, Fold]] = [(0, 0, begin.copy())]  # samples taken, findings closed, copy

    def back(self, samples: Sequence[Sample], t: int) -> int:
        """See `Course`."""
        if self._at == 0 or samples[self._at - 1].t < t:
            return len(self.closed)
        index = bisect_left(samples, t, key=lambda one: one.t)
        if index < self._at:
            # What lies before the first point of return has been let go of.
            while len(self._returns) > 1 and self._returns[-1][0] > index:
                self._returns.pop()
            self._at, closed, fold = self._returns[-1]
            self._fold = fold.copy()
            self._next = self._at + EVERY
            del self.closed[closed:]
        return len(self.closed)

    def on(self, samples: Sequence[Sample], until: int) -> list[Finding]:
        """See `Course`."""
        fold, at, many = self._fold, self._at, len(samples)
        if at < many and samples[at].t <= until:
            step, following = fold.step, self._next
            while at < many and (sample := samples[at]).t <= until:
                if found := step(sample):
                    self.closed += map(self.also, found)
                at += 1
                if at >= following:
                    self._returns.append((at, len(self.closed), fold.copy()))
                    following = self._next = at + EVERY
            self._at = at
        found = fold.open(until)
        return list(map(self.also, found)) if found else found

    def forget(self, samples: Sequence[Sample], before: int) -> tuple[int, int]:
        """See `Course`."""
        keep = bisect_left(samples, before, key=lambda one: one.t)
        while len(self._returns) > 1 and self._returns[1][0] <= keep:
            self._returns.pop(0)
        first, closed, _ = self._returns[0]
        self._returns = [(at, many - closed, fold) for at, many, fold in self._returns]
        del self.closed[:closed]
        return first, closed

    def cut(self, samples: int) -> None:
        """See `Course`."""
        self._returns = [(at - samples, many, fold) for at, many, fold in self._returns]
        self._at -= samples
        self._next -= samples


class Windowed:
    """The course of a windowed kind.

    Args:
        windows: gives the windows that end in `start` < t <= `end`, by their ends.
        judge: judges one from the samples around it.
        reach: how far before and after a window samples count [s].
        since: windows that begin earlier are not judged.
    """

    in_order = False

    def __init__(
        self,
        windows: Callable[[int, int], list[Window]],
        judge: Callable[[Window, Sequence[Sample]], Finding],
        reach: int,
        since: int,
    ) -> None:
        self.closed: list[Finding] = []
        self.also: Also = as_it_is
        self.asks: Any = None
        self._windows = windows
        self._judge = judge
        self.reach = reach
        self._since = since
        self._floor = since  # windows that end up to here are judged no more
        self._ends: list[int] = []  # of the closed windows
        self._done = since  # windows that end up to here have been judged

    def back(self, samples: Sequence[Sample], t: int) -> int:  # noqa: ARG002 - windows are looked up by time
        """See `Course`."""
        keep = bisect_left(self._ends, t - self.reach)
        if keep < len(self._ends):
            del self.closed[keep:], self._ends[keep:]
        # A correction of a thing may bring windows where there were none.
        self._done = max(self._floor, min(self._done, t - self.reach - 1))
        return len(self.closed)

    def on(self, samples: Sequence[Sample], until: int) -> list[Finding]:
        """See `Course`."""
        until -= self.reach  # what comes soon after a window still counts in it
        if until > self._done:
            for window in self._windows(self._done, until):
                if window[0] >= self._since:
                    self.closed.append(self.also(self._judge(window, self._around(samples, window))))
                    self._ends.append(window[1])
            self._done = until
        return []

    def forget(self, samples: Sequence[Sample], before: int) -> tuple[int, int]:
        """See `Course`."""
        closed = bisect_left(self._ends, before - self.reach)
        self._floor = self._ends[closed - 1] if closed else self._floor
        # Windows that are still to be judged, or may be again, may have begun long ago.
        starts = [start for start, _ in self._windows(self._floor, before + LONGEST) if start >= self._since]
        first = min([before, *starts, *(one.start for one in self.closed[closed:])]) - self.reach
        del self.closed[:closed], self._ends[:closed]
        return bisect_left(samples, first, key=lambda one: one.t), closed

    def cut(self, samples: int) -> None:
        """See `Course`; samples are looked up by time."""

    def _around(self, samples: Sequence[Sample], window: Window) -> Sequence[Sample]:
        first = bisect_left(samples, window[0] - self.reach, key=lambda one: one.t)
        last = bisect_left(samples, window[1] + self.reach + 1, key=lambda one: one.t)
        return samples[first:last]
