"""How long something went on that a rule forbids, when it is known of single moments only.

Time counts only between two samples that agree and are not too far apart: a gap is neither inside nor outside. A sample
of which it cannot be known neither ends an episode nor makes it longer.
"""

import copy
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from hub.judge.records import MOST_EVIDENCE, Cited, Finding, Sample
from hub.judge.verdicts import Grade, Outcome

Cite = Callable[[Sample], tuple[Cited, ...]]


class Asked(NamedTuple):
    """What a rule says of one sample. None: it cannot be known."""

    applies: bool | None
    broken: bool | None
    reason: str = ""
    """Why it cannot be known."""
    cited: tuple[Cited, ...] = ()


NOTHING = Asked(None, None)
OUT = Asked(False, None)
"""It does not apply: what is said of most samples by most rules."""
KEPT = Asked(True, False)


class Run(msgspec.Struct):
    """Samples in a row."""

    start: int
    last: int
    count: int = 0
    ids: tuple[str, ...] = ()
    last_id: str = ""
    cited: tuple[Cited, ...] = ()
    reason: str = ""

    def add(self, sample: Sample, asked: Asked) -> None:
        """Make it one sample longer."""
        self.last, self.last_id = sample.t, sample.id
        self.count += 1
        if len(self.ids) < MOST_EVIDENCE - 1:
            self.ids += (sample.id,)
        if asked.cited and len(self.cited) < MOST_EVIDENCE:
            self.cited += tuple(one for one in asked.cited if one not in self.cited)
        self.reason = self.reason or asked.reason

    @property
    def evidence(self) -> tuple[str, ...]:
        """The first identities and the last."""
        return self.ids if not self.ids or self.ids[-1] == self.last_id else (*self.ids, self.last_id)

    @property
    def seconds(self) -> int:
        """How long it is known to have lasted."""
        return self.last - self.start


class Episodes:
    """A fold that finds episodes of at least `least` s in which a rule is broken.

    What is found of each stretch of time in which the rule applies without a gap: each episode; what may be one, as a
    suspicion when at least one sample is certain, and as invalid when none is; and when there is neither, that the rule
    was kept.

    Args:
        ask: what the rule says of a sample.
        cite: what it says of the editions by which it is broken, asked at the beginning of an episode.
        grade: of an episode.
        least: how long one lasts at least [s].
        gap: samples that are further apart do not belong together [s].
    """

    def __init__(self, ask: Callable[[Sample], Asked], cite: Cite, grade: Grade, least: float, gap: float) -> None:
        self._ask = ask
        self._cite = cite
        self._grade = grade
        self._least = least
        self._gap = gap
        self._span: Run | None = None  # while the rule applies
        self._clean = True  # nothing else has been found in it
        self._certain: Run | None = None  # broken for certain
        self._possible: Run | None = None  # broken, or not known
        self._some = False  # a sample of the possible run was certain
        self._told = False  # an episode lay in the possible run

    def copy(self) -> "Episodes":
        """See `Fold`."""
        other = copy.copy(self)
        other._span, other._certain, other._possible = (  # noqa: SLF001
            copy.copy(one) for one in (self._span, self._certain, self._possible)
        )
        return other

    def step(self, sample: Sample) -> list[Finding]:
        """See `Fold`."""
        asked = self._ask(sample)
        if self._span is None and asked.applies is False:
            return []
        found: list[Finding] = []
        if self._span is not None and sample.t - self._span.last > self._gap:
            found += self._end_span()
        if asked.applies is False:
            return found + self._end_span()
        if self._span is None:
            self._span = Run(sample.t, sample.t)
            self._clean = True
        broken = asked.broken if asked.applies or asked.broken is False else None
        self._span.add(sample, asked if broken is False else NOTHING)
        if broken is False:
            return found + self._end_possible()
        if self._certain is not None and sample.t - self._certain.last > self._gap:
            found += self._end_certain()
        if self._possible is None:
            self._possible = Run(sample.t, sample.t)
        if broken is None:
            self._possible.add(sample, asked if asked.reason else asked._replace(reason="state_unknown"))
            return found
        self._some = True
        asked = asked._replace(reason="")
        if self._certain is None:
            asked = asked._replace(cited=asked.cited + self._cite(sample))
            self._certain = Run(sample.t, sample.t)
        self._certain.add(sample, asked)
        self._possible.add(sample, asked)
        return found

    def open(self, until: int) -> list[Finding]:
        """See `Fold`."""
        if self._span is None:
            return []
        over = until - self._span.last > self._gap
        if self._possible is None and not (over and self._clean):
            return []  # it is kept up to now, which is no finding while it goes on
        # Ending leaves each run as it is: to have them back costs less than to end copies, with each sample.
        kept = self._span, self._clean, self._certain, self._possible, self._some, self._told
        found = self._end_span()
        self._span, self._clean, self._certain, self._possible, self._some, self._told = kept
        return found if over else [msgspec.structs.replace(one, open=True) for one in found]

    def _end_certain(self) -> list[Finding]:
        run = self._certain
        if run is None:
            return []
        self._certain = None
        if run.seconds < self._least:
            return []
        self._told, self._clean = True, False
        return [self._finding(run, "exceeded", self._grade, "")]

    def _end_possible(self) -> list[Finding]:
        if self._possible is None:
            return []
        found = self._end_certain()
        run, self._possible = self._possible, None
        told, some, self._told, self._some = self._told, self._some, False, False
        if run is None or told or run.seconds < self._least:
            return found
        self._clean = False
        outcome: Outcome = "exceeded" if some else "invalid"
        grade: Grade = "suspicion" if some else self._grade
        return [*found, self._finding(run, outcome, grade, run.reason or "gap")]

    def _end_span(self) -> list[Finding]:
        found = self._end_possible()
        run, self._span = self._span, None
        if run is not None and self._clean:
            found.append(self._finding(run, "compliant", self._grade, ""))
        return found

    def _finding(self, run: Run, outcome: Outcome, grade: Grade, reason: str) -> Finding:
        return Finding(
            start=run.start,
            end=run.last + 1,
            outcome=outcome,
            grade=grade,
            reason=reason,
            value=None if outcome == "compliant" else float(run.seconds),
            limit_value=self._least,
            unit="s",
            evidence=run.evidence,
            samples=run.count,
            editions=run.cited,
        )
