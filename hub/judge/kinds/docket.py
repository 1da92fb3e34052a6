"""One rule and one subject: says what is new, or amended, since it was asked last, of samples that are put into order.

In the end it has said the same in whatever order the samples came. Nothing that was said is ever dropped in silence:
what late data, a correction of a thing, or a repeated sample with other content changes is amended, or withdrawn.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping, Sequence

import msgspec
from msgspec.structs import replace

from hub.judge.kinds.conditions import rests_on_time
from hub.judge.kinds.course import Course
from hub.judge.kinds.world import has_position
from hub.judge.lateness import Clocks, in_doubt
from hub.judge.records import Finding, RuleVerdict, Sample
from hub.judge.windows import DAY, LocalTime
from schemas.domains.entries import Rule

KEEP = 8 * DAY
"""How long after their time samples are kept, so that what comes late is judged with them [s]."""


class Shelf:
    """The samples of one subject, in their order, for all dockets that take the same.

    Args:
        rule: one of the rules; samples of days on which it is not in force do not count.
        local: the local clock, by which the rule's days are counted.
    """

    def __init__(self, rule: Rule, local: LocalTime) -> None:
        self.samples: list[Sample] = []
        self.too_late = 0
        """Samples that came after what they could have changed had been let go of."""
        self.horizon = -(1 << 62)
        """What is older is not taken any more, Unix s."""
        self.dockets: list[Docket] = []
        self.clocks = Clocks()
        self._in_order = True  # for all of them
        self._from = local.instant(rule.in_force, 0)
        self._to = local.instant(rule.ends, 0) if rule.ends else 1 << 62
        self._times: dict[str, int] = {}  # of samples, by identity

    def join(self, docket: "Docket", *, in_order: bool) -> None:
        """Let a docket take its samples from here; `in_order`: of its course."""
        self.dockets.append(docket)
        self._in_order = self._in_order and in_order

    def add(self, samples: Iterable[Sample]) -> None:
        """Take samples, in any order; one that is known already changes nothing."""
        changed: list[Sample] = []
        for sample in samples:
            if not self._from <= sample.t < self._to:
                continue
            if sample.t < self.horizon:
                self.too_late += sample.id not in self._times
                continue
            changed += self._replaced(sample)
        if changed:
            first = min(one.t for one in changed)
            if not (self._in_order and self.samples and self.samples[-1].t < first):
                self._back(first)
            for one in changed:
                self._put(one)
            if any(map(self.clocks.concerns, changed)):
                self._look_at_clocks(changed)

    def forget(self, before: int) -> None:
        """Let go of what is older than `before`, and take nothing older any more.

        What has been found must have been said: call `Docket.judge` of each first.
        """
        spared = [docket.spare(before) for docket in self.dockets]
        cut = min(many for many, _ in spared)
        for one in self.samples[:cut]:
            del self._times[one.id]
        del self.samples[:cut]
        for docket, (_, closed) in zip(self.dockets, spared, strict=True):
            docket.let_go(before, cut, closed)
        self.clocks.forget(before - KEEP)
        self.horizon = max(self.horizon, before)

    def find(self, id_: str) -> Sample | None:
        """Return the sample of an identity."""
        t = self._times.get(id_)
        return None if t is None else self.samples[self._index(t, id_)]

    def _replaced(self, sample: Sample) -> list[Sample]:
        """Return the samples to put in; an earlier one of the same identity goes out."""
        known = self._times.get(sample.id)
        if known is None:
            return [sample]
        index = self._index(known, sample.id)
        if self.samples[index] == sample:
            return []
        self._back(min(known, sample.t))
        del self.samples[index], self._times[sample.id]
        return [sample]

    def _put(self, sample: Sample) -> None:
        if sample.id in self._times:  # twice in one batch: the later one amends
            del self.samples[self._index(self._times[sample.id], sample.id)]
        self._times[sample.id] = sample.t
        if not self.samples or _place(self.samples[-1]) < _place(sample):
            self.samples.append(sample)
        else:
            insort(self.samples, sample, key=_place)

    def _look_at_clocks(self, changed: Sequence[Sample]) -> None:
        """Take notice of how late samples came; what was judged by a clock that is in doubt is judged again."""
        since = None
        if len(changed) == 1 and self.samples[-1] is changed[0]:
            since = self.clocks.add(changed[0])
        else:
            self.clocks, since = self.clocks.again(self.samples)
        if since is not None:
            self._back(since)

    def _back(self, t: int) -> None:
        for docket in self.dockets:
            docket.again(t)

    def _index(self, t: int, id_: str) -> int:
        return bisect_left(self.samples, (t, id_), key=_place)


class Docket:
    """What one subject did, under one rule.

    Args:
        rule: the rule.
        subject: id of the thing, board or site.
        course: as `course_of` gives it.
        local: the local clock.
        shelf: the samples; None: they are this docket's own.
    """

    def __init__(self, rule: Rule, subject: str, course: Course, local: LocalTime, shelf: Shelf | None = None) -> None:
        self.rule = rule
        self.subject = subject
        self.going: frozenset[int] = frozenset()
        """Starts of the breaches that were said and go on."""
        self._course = course
        self._shelf = Shelf(rule, local) if shelf is None else shelf
        self._shelf.join(self, in_order=course.in_order)
        self._told: list[RuleVerdict] = []  # what holds of what was said; beside the first `_firm` closed findings
        self._firm = 0
        self._revisions: dict[int, int] = {}  # the highest one said, by start: also of what was withdrawn
        self._timed: bool | None = None  # it rests on times of day or of documents; None: nobody has asked yet
        self._gone: list[tuple[int, int]] = []  # start and end of what holds and was let go of in the last days

    @property
    def too_late(self) -> int:
        """See `Shelf`."""
        return self._shelf.too_late

    @property
    def oldest(self) -> int:
        """When the oldest sample was made that is held, Unix s."""
        return self._shelf.samples[0].t if self._shelf.samples else 1 << 62

    @property
    def holding(self) -> tuple[RuleVerdict, ...]:
        """What holds of what was said."""
        return tuple(self._told)

    def resume(self, told: Iterable[RuleVerdict], revisions: Mapping[int, int]) -> None:
        """Take what an earlier docket had said, before the first `judge`: only what differs is said again.

        The samples that it rests on must be added, too, and `until` must not lie before that of the earlier docket.

        Args:
            told: what holds of it.
            revisions: the highest one said, by start, also of what was withdrawn.
        """
        self._told, self._firm = list(told), 0
        self._revisions = dict(revisions)
        self._note_going()

    def keeps_from(self, before: int) -> int:
        """Return the latest moment up to `before` at which samples can be cut without cutting what holds."""
        spans = [(one.start, (1 << 62) if one.open else one.end) for one in self._told] + self._gone
        for start, end in sorted(spans, key=lambda one: one[1], reverse=True):
            if start < before < end:
                before = start
        return before

    def add(self, samples: Iterable[Sample]) -> None:
        """Put samples on the shelf (`Shelf.add`)."""
        self._shelf.add(samples)

    def again(self, since: int) -> None:
        """Judge again what lies behind a moment: a thing that the rule goes by has another edition (`World.use`)."""
        self._firm = min(self._firm, self._course.back(self._shelf.samples, since))

    @property
    def reach(self) -> int:
        """How long after its end what counts in a finding may be said still [s]."""
        return self._course.reach

    def judge(self, until: int, now: float) -> list[RuleVerdict]:
        """Return what is new since the last time, and what is amended.

        Args:
            until: nothing earlier is missing that is still on its way, as far as one knows, Unix s.
            now: what the verdicts say of when they were given, Unix s.
        """
        course = self._course
        beside = course.on(self._shelf.samples, until)
        closed = course.closed
        if not beside and len(closed) == self._firm == len(self._told):
            return []
        found = closed[self._firm :] + [one for one in beside if _worth_telling(one)]
        if self._shelf.clocks.spans:
            found = list(map(self._by_clock, found))
        before = self._told[self._firm :]
        if len(closed) == self._firm and len(found) == len(before) and all(map(_says_the_same, before, found)):
            return []  # what goes on goes on: most often nothing else is found
        news, held = self._compare(before, found, now)
        self._told[self._firm :] = held
        self._firm = len(closed)
        if news:
            self._note_going()
        return news

    def _by_clock(self, finding: Finding) -> Finding:
        """Return what is left of a finding by what is known of the clock by which its evidence was made."""
        span = self._shelf.clocks.doubt(finding.evidence, finding.start, finding.end)
        if span is None:
            return finding
        if self.rule.kind == "gap" and finding.outcome == "exceeded":
            # Between two of its fixes by one clock it said nothing, whatever the hour; else it may just be late.
            within = span.since <= finding.start and finding.end <= span.until
            if not within or finding.open:
                return replace(in_doubt(finding), outcome="invalid")
        if self._timed is None:
            self._timed = rests_on_time(self._course.asks)
        return in_doubt(finding) if self._timed else finding

    def _note_going(self) -> None:
        self.going = frozenset(one.start for one in self._told if one.open)

    def forget(self, before: int) -> None:
        """See `Shelf.forget`."""
        self._shelf.forget(before)

    def spare(self, before: int) -> tuple[int, int]:
        """Return how many samples and closed findings nothing from `before` on can change."""
        assert self._firm == len(self._course.closed)
        return self._course.forget(self._shelf.samples, before)

    def let_go(self, before: int, samples: int, closed: int) -> None:
        """Take notice that so many samples are gone, and let go of so many closed findings."""
        self._course.cut(samples)
        self._gone = [one for one in self._gone if one[1] > before - 2 * KEEP]
        self._gone += [(one.start, one.end) for one in self._told[:closed]]
        del self._told[:closed]
        self._firm = max(0, self._firm - closed)
        self._revisions = {start: one for start, one in self._revisions.items() if start >= before - KEEP}

    def _compare(
        self, before: Sequence[RuleVerdict], found: Sequence[Finding], now: float
    ) -> tuple[list[RuleVerdict], list[RuleVerdict]]:
        """Return what is to be said, and what holds afterwards, in the order of `found`."""
        news: list[RuleVerdict] = []
        held: list[RuleVerdict] = []
        left = list(before)
        matches = _match(left, found)
        for finding, earlier in zip(found, matches, strict=True):
            if earlier is not None and _says_the_same(earlier, finding):
                held.append(earlier)
                continue
            held.append(self._verdict(finding, earlier, now))
            news.append(held[-1])
        taken = {id(one) for one in matches if one is not None}
        news += [self._withdrawn(one, now) for one in left if id(one) not in taken]
        return news, held

    def _revise(self, start: int, earlier: RuleVerdict | None) -> tuple[int, int | None]:
        """Return the revision of a verdict, and the start of the one that it takes the place of."""
        said = self._revisions.get(start, 0)
        revision = self._revisions[start] = max(said, earlier.revision if earlier else 0) + 1
        return revision, earlier.start if earlier else start if said else None

    def _withdrawn(self, one: RuleVerdict, now: float) -> RuleVerdict:
        revision, _ = self._revise(one.start, one)
        return msgspec.structs.replace(
            one,
            outcome="compliant",
            grade="violation",
            reason="withdrawn",
            value=None,
            open=False,
            revision=revision,
            amends=one.start,
            judged=now,
        )

    def _verdict(self, finding: Finding, earlier: RuleVerdict | None, now: float) -> RuleVerdict:
        rule = self.rule
        revision, amends = self._revise(finding.start, earlier)
        where = self._spot(finding.evidence)
        return RuleVerdict(
            rule=rule.id,
            kind=rule.kind,
            in_force=rule.in_force,
            citation=rule.citation,
            verified=rule.verified,
            subject=self.subject,
            revision=revision,
            amends=amends,
            judged=now,
            lat=where.lat if where else None,
            lon=where.lon if where else None,
            **{name: getattr(finding, name) for name in finding.__struct_fields__},
        )

    def _spot(self, evidence: Sequence[str]) -> Sample | None:
        """Return the last sample of some evidence that had a position."""
        for id_ in reversed(evidence):
            sample = self._shelf.find(id_)
            if sample is not None and has_position(sample):
                return sample
        return None


def _place(sample: Sample) -> tuple[int, str]:
    return sample.t, sample.id


def _worth_telling(finding: Finding) -> bool:
    """Tell whether something that goes on is said already; that a rule is kept is said when it is over."""
    return not finding.open or finding.outcome != "compliant"


def _says_the_same(earlier: RuleVerdict, finding: Finding) -> bool:
    goes_on = earlier.open and finding.open  # which is no news
    names = ("start", "outcome", "grade", "reason") if goes_on else finding.__struct_fields__
    return all(getattr(earlier, name) == getattr(finding, name) for name in names)


def _match(left: Sequence[RuleVerdict], found: Sequence[Finding]) -> list[RuleVerdict | None]:
    """Return for each finding the verdict that it takes the place of: of the same start, else one that it overlaps."""
    free: dict[int, list[RuleVerdict]] = {}
    for one in left:
        free.setdefault(one.start, []).append(one)
    matches = [free[finding.start].pop(0) if free.get(finding.start) else None for finding in found]
    rest = [one for some in free.values() for one in some]
    for number, finding in enumerate(found):
        if matches[number] is None and rest:
            near = next((one for one in rest if one.start < finding.end and finding.start < one.end), None)
            if near is not None:
                matches[number] = near
                rest.remove(near)
    return matches
