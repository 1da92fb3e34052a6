"""Level: what is full must be emptied in time, as a bin or a tank.

kind = "level"
params = {state = "fill", full = 0.9, empty = 0.3, within = 14400, for = 600, stuck = 86400}
"""

import copy
import math

import msgspec

from hub.judge.kinds.conditions import Seconds
from hub.judge.kinds.course import Folded, Setting
from hub.judge.kinds.episodes import Asked, Run
from hub.judge.records import Finding, Sample
from hub.judge.verdicts import Grade, Outcome
from schemas.domains.entries import Id

NOTHING = Asked(None, None)


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"for_": "for"}):
    """What a rule of this kind says."""

    state: Id
    """The state that holds the level, in whatever unit `full` and `empty` have."""
    full: float
    """From here on it is full."""
    empty: float
    """Down to here it has been emptied."""
    within: Seconds
    """So long after it was full it must have been emptied [s]."""
    for_: Seconds = 0.0
    """It is full only when it stays so for this long [s]: the nearest echo may be a bag that falls in."""
    gap: Seconds = 7200.0
    """Between readings further apart it may have been emptied and filled again [s]."""
    stuck: Seconds | None = None
    """One and the same reading for this long is a sensor that stands still [s]; None: it may be."""

    def __post_init__(self) -> None:
        """Refuse levels that are the wrong way round."""
        if self.empty >= self.full:
            raise ValueError(f"empty = {self.empty:g}: expected less than full = {self.full:g}")


def course(params: Params, setting: Setting) -> Folded:
    """Return what judges a subject by such a rule."""
    return Folded(Filling(params, setting.rule.grade))


class Filling:
    """Remembers since when it is full."""

    def __init__(self, params: Params, grade: Grade) -> None:
        self._params = params
        self._grade = grade
        self._run: Run | None = None  # since it is full
        self._sure = False  # it has stayed full for long enough
        self._unsure_at: int | None = None  # when a gap ended in which it may have been emptied
        self._same: float | None = None  # the only value of the run; None: there were others

    def copy(self) -> "Filling":
        """See `Fold`."""
        other = copy.copy(self)
        other._run = copy.copy(self._run)  # noqa: SLF001
        return other

    def step(self, sample: Sample) -> list[Finding]:
        """See `Fold`."""
        level = sample.states.get(self._params.state)
        if not isinstance(level, (int, float)) or isinstance(level, bool) or not math.isfinite(level):
            return []  # a lid that is open, a sensor that lies on its side
        run = self._run
        if run is None:
            if level >= self._params.full:
                self._run = Run(sample.t, sample.t)
                self._sure, self._unsure_at, self._same = False, None, level
                self._run.add(sample, NOTHING)
                self._sure = self._params.for_ == 0
            return []
        if level <= self._params.empty or (level < self._params.full and not self._sure):
            sure, self._run = self._sure, None
            return [self._emptied(run, sample)] if sure else []
        if sample.t - run.last > self._params.gap and self._unsure_at is None:
            self._unsure_at = sample.t
        self._same = level if level == self._same else None
        run.add(sample, NOTHING)
        self._sure = self._sure or run.seconds >= self._params.for_
        return []

    def open(self, until: int) -> list[Finding]:
        """See `Fold`."""
        run = self._run
        if run is None or not self._sure:
            return []
        deadline = run.start + int(self._params.within)
        if run.last >= deadline and run.seconds > self._params.within:
            outcome, grade, reason = self._still_full(run)
            return [self._finding(run, run.last + 1, outcome, grade, reason, run.seconds, is_open=True)]
        if until > deadline + self._params.gap:
            return [self._finding(run, deadline + 1, "invalid", self._grade, "gap", None, is_open=False)]
        return []

    def _emptied(self, run: Run, sample: Sample) -> Finding:
        """Return what holds of a run that a sample ends."""
        before, took = run.seconds, sample.t - run.start
        apart = sample.t - run.last > self._params.gap
        outcome, grade, reason = self._still_full(run)  # the reading that ends it is another one
        run = copy.copy(run)
        run.add(sample, NOTHING)
        if took <= self._params.within:
            return self._finding(run, sample.t + 1, "compliant", self._grade, "", took, is_open=False)
        if apart and before <= self._params.within:
            # It was emptied some time in the gap, and the time it had ended in there.
            return self._finding(run, sample.t + 1, "invalid", self._grade, "gap", None, is_open=False)
        return self._finding(run, sample.t + 1, outcome, grade, reason, took, is_open=False)

    def _still_full(self, run: Run) -> tuple[Outcome, Grade, str]:
        stuck = self._params.stuck
        if stuck is not None and self._same is not None and run.seconds >= stuck:
            return "invalid", self._grade, "stuck"
        if self._unsure_at is not None:
            return "exceeded", "suspicion", "gap"
        return "exceeded", self._grade, ""

    def _finding(
        self, run: Run, end: int, outcome: Outcome, grade: Grade, reason: str, took: int | None, *, is_open: bool
    ) -> Finding:
        return Finding(
            start=run.start,
            end=end,
            outcome=outcome,
            grade=grade,
            reason=reason,
            value=None if took is None else float(took),
            limit_value=self._params.within,
            unit="s",
            evidence=run.evidence,
            samples=run.count,
            open=is_open,
        )
