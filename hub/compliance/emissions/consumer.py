"""Calculates what stacks let out, and warns before a permitted total is used up.

A consumer of the log with a position of its own. Intervals, hours, days, verdicts, alerts and the position change in
one transaction: after a kill days are calculated from the hours that they do not hold yet; nothing counts twice.
"""

import logging
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from hub.alerts.tables import PART as ALERTS
from hub.alerts.totals import RULE, TotalAlerts, Where
from hub.compliance.emissions.book import FAMILY, EmissionBook, Total
from hub.compliance.emissions.marking import MarkBook
from hub.compliance.emissions.present import told_total
from hub.compliance.emissions.store import EmissionStore
from hub.compliance.rule_table import RuleTable
from hub.compliance.tables import PART
from hub.judge.kinds.world import NEVER
from hub.judge.records import RuleVerdict
from hub.judge.stacks.cells import HOUR, Record, cells_of, own_conversions
from hub.judge.stacks.permits import PermittedTotal
from hub.judge.windows import DAY
from hub.log.entry import Entry, Interval
from hub.registry.live import Registry
from hub.storage.compliance_file import open_compliance
from hub.storage.database import transaction
from hub.things.marks.store import senders_of
from hub.things.marks.tables import PART as MARKS
from hub.things.store import ThingStore
from hub.things.tables import PART as THINGS
from hub.wire.times import MOST_AHEAD
from schemas import Limit, Quantity, Standard

KEPT = 35 * DAY
"""So long intervals are kept: what comes later changes no hour any more, so a month stays open until its report [s]."""
RECKON_EVERY = 300.0
"""Between two calculations of days while the log is being caught up with [s]."""
PRUNE_EVERY = 3600.0
BUDGET = 1.0
"""For so long at most days and totals are calculated at once: others write, too [s]. What is left comes next."""

log = logging.getLogger("hub.emissions")


class Emissions:
    """What stacks let out, in the file `path`.

    Args:
        path: the database.
        registry: sites and senders.
        limits: as `load_limits` gives them.
        quantities: the catalogue of quantities.
        clock: gives Unix time in s.
    """

    def __init__(
        self,
        path: Path,
        registry: Registry,
        limits: list[tuple[Standard, Limit]],
        quantities: Mapping[str, Quantity],
        clock: Callable[[], float],
    ) -> None:
        self._db = open_compliance(path, ALERTS, THINGS, MARKS, PART)
        self._clock = clock
        self._registry = registry
        self._of_stacks = frozenset(key for key, one in quantities.items() if one.family == FAMILY)
        self._quantities = quantities
        self._store = EmissionStore(self._db)
        self._things = ThingStore(self._db)
        self._marks = MarkBook(self._db)
        self._book = EmissionBook(self._db, registry, limits, quantities, clock, self._marks.spans)
        self._rulings = RuleTable(self._db)
        self._alerts = TotalAlerts(self._db, clock)
        self._reckoned = self._pruned = -math.inf
        self._calculated: set[tuple[str, int]] = set()
        self._unjudged: dict[tuple[str, int], PermittedTotal] = {}
        self._all_unjudged = True
        self._newest: dict[str, int] = {}
        self._ahead = False
        self._other_time = False

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def use(self, registry: Registry) -> None:
        """Go by another registry from now on."""
        other_time = registry.zone != self._registry.zone
        self._registry = registry
        self._book.use(registry)
        self._other_time |= other_time
        self._all_unjudged = True
        self._reckoned = -math.inf

    def position(self) -> int:
        """See `hub.log.consumer.Sink`."""
        return self._store.position()[0]

    def take(self, entries: list[Entry]) -> None:
        """See `hub.log.consumer.Sink`."""
        if self._ahead:
            self._newest.clear()
            self._book.renew()
            self._all_unjudged = True
            self._ahead = False
        now = self._clock()
        with transaction(self._db, self._note_ahead):
            if self._other_time:
                self._resum()
                self._other_time = False
            said = [(entry, interval) for entry in entries for interval in entry.intervals]
            heard = [self._hear(one) for entry, one in said if one.t <= entry.received + MOST_AHEAD]
            touched: set[tuple[str, int]] = set().union(*heard)
            for device, start in touched:
                self._sum(device, start)
            if entries:
                self._store.move(entries[-1].offset)
            if not entries or abs(now - self._reckoned) >= RECKON_EVERY:
                self._reckon(now)
            if abs(now - self._pruned) >= PRUNE_EVERY:
                self._prune(now)

    def _prune(self, now: float) -> None:
        for device in self._store.devices():
            self._store.prune(device, int(min(now, self._store.newest(device))) - KEPT)
        self._alerts.end_before(self._year(int(now) - KEPT))
        self._pruned = now

    def _note_ahead(self) -> None:
        self._ahead = True

    def _hear(self, i: Interval) -> set[tuple[str, int]]:
        """Keep what an interval says of a stack; return device and start of the hours that it changes."""
        values = {key: value for key, value in i.values.items() if key in self._of_stacks}
        flagged = {key: letter for key, (letter, _) in i.flagged.items() if key in self._of_stacks}
        touched: set[tuple[str, int]] = set()
        for quantity, since in i.void.items():
            if quantity in self._of_stacks:
                touched |= self._void(i.device, quantity, since, i.t)
        if not values and not flagged:
            return touched
        newest = self._newest.get(i.device)
        if newest is None:
            newest = self._newest[i.device] = self._store.newest(i.device)
        if i.t < newest - KEPT:
            log.warning(
                "device %s: an interval of %d came more than %d days after the hours beside it: it is in the log and "
                "in the series, but what its stack let out stays as it was calculated",
                i.device,
                i.t,
                KEPT // DAY,
            )
            return touched
        self._newest[i.device] = max(newest, i.t)
        zs = own_conversions(i.reported, values)
        t, end = i.t, i.t + i.dt
        while t < end:
            until = min(end, self._book.local.fixed(t, HOUR)[1])
            self._keep(i.device, Record(t, until - t, values, flagged, zs))
            touched.add((i.device, self._book.local.fixed(t, HOUR)[0]))
            t = until
        return touched

    def _keep(self, device: str, new: Record) -> None:
        """Keep an interval: of one that came before, what this one says again is amended, and the rest stays."""
        old = self._store.record(device, new.t)
        if old is not None and old.dt == new.dt:
            said = {*new.values, *new.flagged}
            values = {key: value for key, value in old.values.items() if key not in said}
            flagged = {key: letter for key, letter in old.flagged.items() if key not in said}
            zs = {key: value for key, value in old.zs.items() if key not in said}
            new = Record(new.t, new.dt, values | new.values, flagged | new.flagged, zs | new.zs)
        self._store.keep(device, new)

    def _void(self, device: str, quantity: str, since: int, until: int) -> set[tuple[str, int]]:
        """Flag what a stuck sensor gave in a span, Unix s."""
        touched = set()
        for one in self._store.records(device, since, until):
            if quantity in one.values:
                values = {key: value for key, value in one.values.items() if key != quantity}
                self._store.keep(device, Record(one.t, one.dt, values, one.flagged | {quantity: "D"}, one.zs))
                touched.add((device, self._book.local.fixed(one.t, HOUR)[0]))
        return touched

    def _sum(self, device: str, start: int) -> None:
        end = self._book.local.fixed(start, HOUR)[1]
        self._store.put_hour(device, start, cells_of(self._store.records(device, start, end)))

    def _resum(self) -> None:
        """Add hours up again as another zone's clock has them, as far back as the intervals are kept."""
        for device in self._store.devices():
            for start in {self._book.local.fixed(one.t, HOUR)[0] for one in self._store.records(device, 0, NEVER)}:
                self._sum(device, start)
        self._store.again(0)

    def _reckon(self, now: float) -> None:
        """Calculate the days anew whose hours, or things, have changed, then judge the totals that they are part of."""
        self._reckoned = now
        over = self._book.over
        newest = self._things.newest()
        if newest != self._store.position()[1]:
            since = self._book.renew() if self._book.things != newest else 0
            self._store.again(self._book.quarter(max(since, 0))[0] if since < NEVER else over)
            self._store.go_by(newest)
            self._all_unjudged = True
        for outlet, since in self._marks.changed_since(self._store.marks()).items():
            start = self._book.quarter(since)[0]
            devices = {device for device, _, _ in senders_of(self._book.world, outlet, start, NEVER)}
            self._store.again_of(outlet, devices, start)
        self._store.go_by_marks(self._marks.newest)
        new: dict[tuple[str, int, int], list[tuple[str, int]]] = {}
        for device, start in self._store.new_hours(over):
            new.setdefault((device, *self._book.quarter(start)), []).append((device, start))
        until = time.perf_counter() + BUDGET
        for (device, start, end), hours in new.items():
            if time.perf_counter() > until:
                self._reckoned = -math.inf
                return
            outlets = {outlet for _, t in hours for outlet in self._book.permits.outlets_of(device, t)}
            for outlet in sorted(outlets):
                self._store.put_days(outlet, start, end, *self._book.reckon(outlet, start, end))
                self._calculated.add((outlet, self._year(start)))
            self._store.reckoned(hours)
        if new:
            self._store.drop_stale()
        self._judge_totals(int(now), until)

    def _year(self, t: int) -> int:
        """Return when the local year began that holds a moment; both Unix s."""
        return self._book.local.calendar(t, "year")[0]

    def _judge_totals(self, now: int, until: float) -> None:
        """Judge the totals of outlets that were calculated since, and after a start or other things all of them.

        `now`: Unix s; `until`: on the monotonic clock; what is left then comes next. A year that is over is judged as
        long as what comes late still counts.
        """
        if self._all_unjudged:
            self._unjudged.clear()  # by the permits as they were
        for year in sorted({self._year(now - KEPT), self._year(now)}):
            changed = {outlet for outlet, of_year in self._calculated if of_year == year}
            if not (self._all_unjudged or changed):
                continue
            for permitted in self._book.permits.totals(self._within(year, now)):
                if self._all_unjudged or not changed.isdisjoint(permitted.outlets):
                    self._unjudged[permitted.id, year] = permitted
        self._calculated.clear()
        self._all_unjudged = False
        while self._unjudged:
            if time.perf_counter() > until:
                self._reckoned = -math.inf
                return
            (id_, year), permitted = next(iter(self._unjudged.items()))
            self._judge(self._book.total(permitted, self._within(year, now)), year, now)
            del self._unjudged[id_, year]

    def _within(self, year: int, now: int) -> int:
        """Return now, or the last second of a year that is over; all Unix s, `year`: when it began."""
        return min(now, self._book.local.calendar(year, "year")[1] - 1)

    def _judge(self, total: Total, start: int, now: int) -> None:
        """Say so when another share of a total is reached than was told last of the year that began at `start`."""
        permitted = total.permitted
        kind, subject = permitted.subject
        rule = RULE + permitted.id
        level = self._level(total, total.share)
        key = rule, kind, subject
        held, revisions = self._rulings.said(key)
        before = next((one for one in held if one.start == start), None)
        told = 0
        if before is not None and before.value is not None and before.limit_value is not None:
            told = self._level(total, before.value / before.limit_value if before.limit_value else math.inf)
        if level == told and (before is None or before.limit_value == permitted.mass_t):
            return
        site = self._registry.sites.get(self._book.site(permitted.outlets[0], self._within(start, now)) or "")
        if site is None:
            return  # nobody could be told where; the total is shown all the same
        exceeded = total.share > 1
        verdict = RuleVerdict(
            rule=rule,
            kind="total",
            in_force=None,
            citation=permitted.number,
            verified="P",
            subject=subject,
            start=start,
            end=max(min(self._book.over, self._within(start, now) + 1), start + 1),
            outcome="exceeded" if exceeded else "compliant",
            grade="violation" if exceeded else "",
            reason="total_near" if level and not exceeded else "",
            value=total.mass.known_kg / 1000,
            limit_value=permitted.mass_t,
            unit="t",
            evidence=(),
            samples=total.mass.hours - total.mass.unknown,
            editions=permitted.cited,
            open=True,
            revision=revisions.get(start, 0) + 1,
            amends=None if before is None else start,
            judged=float(now),
        )
        self._rulings.add(verdict, kind, site.district, site.id)
        text = told_total(total, self._things, self._quantities)
        self._alerts.judged(verdict, Where(site.district, site.id), text, near=level > 0)

    @staticmethod
    def _level(total: Total, share: float) -> int:
        """Return how many of the shares are reached at which something is said."""
        return sum(100 * share >= at for at in total.permitted.warn_at if at < 100) + (share > 1)
