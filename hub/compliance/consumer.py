"""Judges each averaging window against the limits in force, and keeps the verdicts.

A consumer of the log. Open windows, verdicts, alerts and the position in the log change in one transaction, so a kill
at any moment gives the same verdicts in the end.
"""

import heapq
import logging
import math
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import msgspec

from hub.alerts.life import Alerts
from hub.alerts.tables import PART as ALERTS
from hub.compliance.budget import warnings_of
from hub.compliance.emissions.marking import Marking
from hub.compliance.emissions.withdrawing import withdrawn
from hub.compliance.origins import BEST, Origins
from hub.compliance.tables import PART
from hub.compliance.verdicts import KeptVerdict, VerdictTable, marks_text
from hub.compliance.windows import DAYS_KEPT, WindowStore
from hub.config.alerts import Alerting
from hub.judge import Engine, Judgement, Plans
from hub.judge.boards import KEEP, NEVER
from hub.judge.kinds.world import ALWAYS, World
from hub.judge.kinds.world import NEVER as NOTHING
from hub.judge.rules import AT_LEAST, AT_REST
from hub.judge.stacks.permits import KINDS, Permits
from hub.judge.verdicts import UNSAID, Verdict
from hub.judge.windows import DAY, LocalTime
from hub.limits.places import Places, device_of
from hub.log.entry import Entry, Interval
from hub.registry.live import Registry
from hub.storage.compliance_file import open_compliance
from hub.storage.database import transaction
from hub.things.marks.tables import PART as MARKS
from hub.things.store import ThingStore
from hub.things.tables import PART as THINGS
from schemas import Limit, Quantity, Standard

GRACE = 300
"""How long a window waits after its end for a board from which nothing comes any more [s]."""
NEWS = 1800
"""A verdict on a window that ended longer ago is recorded, but is no news: it raises no alert [s]."""
PRUNE_EVERY = 3600.0
PAUSE = 30.0
"""When nothing was taken for so long, the hub's clock was in doubt, or its process stood still [s]."""

log = logging.getLogger("hub.compliance")


class Compliance:
    """The verdicts in the file `path`.

    Args:
        path: the database.
        registry: sites and boards.
        limits: as `load_limits` gives them.
        quantities: the catalogue of quantities.
        clock: gives Unix time in s.
        alerting: how alerts behave.
        levels: the highest level to which an alert can be escalated.
        steady: gives monotonic time in s.
    """

    def __init__(
        self,
        path: Path,
        registry: Registry,
        limits: list[tuple[Standard, Limit]],
        quantities: dict[str, Quantity],
        clock: Callable[[], float],
        alerting: Alerting | None = None,
        levels: int = 0,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._db = open_compliance(path, ALERTS, THINGS, MARKS, PART)
        self._things = ThingStore(self._db)
        self._world = World()
        self._things_known = self._gone_by = 0
        self._clock = clock
        self._registry = registry
        self._marking = Marking(self._db)
        self._permits = Permits(self._world)
        self._places = Places(registry, self._permits, self._marking)
        self._plans = Plans(limits, quantities)
        self._store = WindowStore(self._db)
        self._verdicts = VerdictTable(self._db)
        self._alerts = Alerts(self._db, registry, clock, alerting, levels)
        self._pruned = 0.0
        self._steady = steady
        self._taken = steady()  # when entries were last taken
        self._listening = -math.inf  # since when they have been taken without a pause, Unix s
        self._ahead = False  # what is in memory is ahead of what is on the medium
        self._load()

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def use(self, registry: Registry) -> None:
        """Judge by another registry from now on."""
        if registry.zone != self._registry.zone:
            self._registry = registry
            self._places = Places(registry, self._permits, self._marking)
            self._load()  # every window lies elsewhere
        self._registry = registry
        self._places = Places(registry, self._permits, self._marking)
        self._engine.refresh(self._places)
        self._alerts.use(registry)

    def position(self) -> int:
        """Return the log's offset up to which everything has been judged."""
        return int(self._db.execute("SELECT offset FROM position").fetchone()[0])

    def take(self, entries: list[Entry]) -> None:
        """Add the entries' readings to their windows and judge the windows that are over."""
        if self._ahead:
            self._load()
        now = self._clock()
        self._notice_pause(now)
        with transaction(self._db, self._note_ahead):
            again = self._renew() | self._mark()
            heard = self._add(entries, now) | again
            if entries:
                self._db.execute("UPDATE position SET offset = ?", (entries[-1].offset,))
            self._warn(now)
            judged = self._judge(heard, now)
            self._alerts.pass_time()
            self._store.save(self._engine)
            self._save_latest(heard | judged)
            if now - self._pruned > PRUNE_EVERY:
                self._store.prune(now)
                self._origins.prune(now - DAYS_KEPT)
                self._pruned = now
            self._engine.clear_changes(heard | judged)
        if self._engine.too_late:
            log.warning(
                "%d readings came more than %d days after their windows had been judged: they are in the log and in "
                "the series, but those verdicts stay as they are",
                self._engine.too_late,
                KEEP // DAY,
            )
            self._engine.too_late = 0

    def _note_ahead(self) -> None:
        self._ahead = True

    def _notice_pause(self, now: float) -> None:
        """Count a board's silence only while somebody listens: what it said meanwhile is still to come."""
        steady = self._steady()
        if steady - self._taken > PAUSE:
            self._listening = now
            for device in self._latest:
                self._set_timer(device)
        self._taken = steady

    def _renew(self) -> set[str]:
        """Take notice of permits that are new or others than before; return the boards whose hours are judged again."""
        newest = self._things.newest()
        if newest == self._gone_by:
            return set()
        before = self._places.permitted()
        since = ALWAYS if self._things_known == newest else self._take_things()
        self._db.execute("UPDATE position SET things = ?", (newest,))
        self._gone_by = newest
        if since == NOTHING:
            return set()
        self._engine.refresh(self._places)
        after = self._places.permitted()
        concerned = {key: before.get(key, frozenset()) | after.get(key, frozenset()) for key in {*before, *after}}
        for key, quantities in concerned.items():
            self._engine.again(key, quantities, since)
            self._take_back(key, max(since, self._engine.closed(key) - KEEP))
        return set(concerned)

    def _take_back(self, key: str, since: int) -> None:
        """Withdraw what was judged, of a board's windows from a moment on, by permits that did not hold after all."""
        site = self._places.site(key)
        for kept in self._verdicts.by_permits(device_of(key), site.id, since) if site else ():
            held = self._places.permit(key, kept.quantity, kept.start)
            if held is None or (held.number, held.id) != (kept.standard, kept.limit_id):
                verdict = withdrawn(kept, self._plans, self._local.day(kept.start).date, self._clock())
                self._verdicts.add(verdict)
                self._alerts.judged(verdict, news=False)

    def _take_things(self) -> int:
        """Take things as they are now; return from when on something is others than before, Unix s."""
        newest = self._things.newest()
        change = self._world.add(self._things.editions(self._things_known, newest, KINDS))
        self._things_known = newest
        if change.things:
            self._permits = Permits(self._world)
            self._places = Places(self._registry, self._permits, self._marking)
        return change.since

    def _load(self) -> None:
        self._ahead = True  # until all of it is there
        self._marking.load()
        self._take_things()
        self._gone_by = int(self._db.execute("SELECT things FROM position").fetchone()[0])
        self._local = LocalTime(self._registry.zone)
        self._engine = Engine(self._plans, self._local, self._places, self._store, warns=True)
        self._store.load(self._engine)
        self._origins = Origins(self._db)
        rows = self._db.execute("SELECT device, t, heard FROM latest")
        now = self._clock()
        # What was heard under a clock that ran ahead was heard by now.
        self._latest: dict[str, tuple[int, float]] = {device: (t, min(heard, now)) for device, t, heard in rows}
        self._timers: list[tuple[float, str]] = []
        self._due: dict[str, float] = {}  # by site, when its windows are closed although nothing came
        for device in self._latest:
            self._set_timer(device)
        self._ahead = False

    def _add(self, entries: list[Entry], now: float) -> set[str]:
        heard: set[str] = set()
        ahead = int(now + GRACE)  # a clock that once went wrong must not close the windows of days to come
        add = self._engine.add
        for entry in entries:
            proof = entry.proof
            for i in entry.intervals:
                if proof != BEST:
                    self._origins.note(i.device, i.t, i.dt, proof)
                # A board that is back sends its newest record first: it must not close the windows which older ones
                # will fill.
                until = min(i.t + i.dt, ahead) if entry.settled else 0
                key = self._places.key(i.device, i.site)
                before = self._latest.get(key, (0, now))[0]
                self._latest[key] = (max(before, until), now)
                heard.add(key)
                for quantity, value in i.values.items():
                    add(key, quantity, i.t, i.dt, value)
                if i.flagged:
                    self._add_flagged(key, i)
        return heard

    def _mark(self) -> set[str]:
        """Take what enterprises have marked meanwhile; return whose windows are to be judged again."""
        found: set[str] = set()
        for span in self._marking.follow():
            for key in self._places.keys(span.device):
                self._engine.reconsider(key, span.quantity, span.begin, span.end)
                found.add(key)
        return found

    def _add_flagged(self, key: str, i: Interval) -> None:
        """Note what does not count; of noise that was clipped, the level that is certain does."""
        for quantity, (letter, _) in i.flagged.items():
            self._engine.add(key, quantity, i.t, i.dt, None)
            if letter == "F" and quantity in self._plans.permitted:
                self._engine.add(key, quantity + AT_REST, i.t, i.dt, 1.0)
        for quantity, level in i.least.items():
            known = self._plans.quantities.get(quantity)
            if known and not known.flag(level):
                self._engine.add(key, quantity + AT_LEAST, i.t, i.dt, level)
        for quantity, since in i.void.items():
            stood_at = i.flagged[quantity][1]
            if stood_at is not None:
                self._engine.void(key, quantity, since, i.t, stood_at)

    def _judge(self, heard: set[str], now: float) -> set[str]:
        """Judge what is over at the sites of these boards and at those whose time has come; return their boards."""
        todo = set(heard)
        while self._timers and self._timers[0][0] <= now:
            due, device = heapq.heappop(self._timers)
            if self._due.get(self._places.group(device)) == due:
                todo.add(device)
        # What waited for the background of the area, or was judged without it, is looked at when that is heard.
        todo.update(one for device in tuple(todo) for one in self._places.referring(device))
        groups = {self._places.group(device): device for device in todo}
        boards: list[str] = []
        for device in groups.values():
            site = self._places.neighbours(device)
            self._reach(site, now)
            boards += site
        over = [device for device in boards if self._engine.due(device) <= self._engine.closed(device)]
        judged = [one for device in over for one in self._engine.judge(device)]
        for one in sorted(judged, key=lambda one: (one.end, one.start)):
            self._record(one, now)
        for device in groups.values():
            self._set_timer(device)
        return set(boards)

    def _reach(self, boards: tuple[str, ...], now: float) -> None:
        """Close the windows of a site's boards up to what they have sent; of silent ones, when one waited for long."""
        over = int(now - GRACE)
        waited = any(self._engine.due(device) <= over for device in boards)
        for device in boards:
            t, said = self._latest.get(device, (0, now))
            said = max(said, self._listening)
            self._engine.reach(device, max(t, over) if waited and said <= over else t)

    def _set_timer(self, device: str) -> None:
        """See to it that a site is looked at when its boards have been silent for long enough."""
        group = self._places.group(device)
        boards = self._places.neighbours(device)
        due = min((self._engine.due(one) for one in boards), default=NEVER)
        if due == NEVER:
            self._due.pop(group, None)
            return
        said = max((self._latest[one][1] for one in boards if one in self._latest), default=0.0)
        when = max(due, said, self._listening) + GRACE
        if self._due.get(group) != when:
            self._due[group] = when
            heapq.heappush(self._timers, (when, device))

    def _record(self, one: Judgement, now: float) -> None:
        site = self._places.site(one.device)
        if site is None:
            return  # taken out of the registry since
        rule, limit, device = one.rule, one.rule.limit, device_of(one.device)
        verdict = Verdict(
            district=site.district,
            site=site.id,
            device=device,
            rule=rule.id,
            standard=rule.standard,
            limit=limit,
            quantity=limit.quantity,
            start=one.start,
            end=one.end,
            value=one.value,
            compared=one.compared,
            background=one.background,
            limit_value=limit.value,
            unit=rule.unit,
            decimals=rule.decimals,
            capture=one.capture,
            outcome=one.outcome,
            grade=one.grade,
            reason=one.reason,
            missing=one.missing,
            assumed=one.assumed,
            permitted=one.permitted,
            revision=1,
            judged=now,
            binding=one.binding,
            proof=self._origins.of(device, one.start, one.end),
            instrument=one.instrument,
            uncertainty=one.uncertainty,
            decision=one.decision,
            marks=one.marks,
            editions=rule.editions,
        )
        conclusive = False
        if not one.first:
            earlier = self._verdicts.earlier(verdict)
            if earlier and _same(verdict, earlier[-1]):
                return
            verdict = replace(verdict, revision=len(earlier) + 1)
            conclusive = any(one.outcome not in UNSAID for one in earlier)
        self._verdicts.add(verdict)
        # An earlier verdict that said whether the limit was kept is amended by this one: recorded, but no alert.
        self._alerts.judged(verdict, news=now - one.end <= NEWS and not conclusive)

    def _warn(self, now: float) -> None:
        """Say what is to be expected of the windows that are still open."""
        for device, quantity, cell in self._engine.changed:
            if cell.end > now and not self._marking.marked(device_of(device), quantity, cell.start, cell.end):
                rules = cell.rules if cell.rules is not None else self._engine.watch(device, quantity, cell)
                site = self._places.site(device) if rules else None
                if site:
                    weather = partial(self._engine.weather_voids, device, cell.start)
                    for warning in warnings_of(rules, cell, site, device_of(device), weather):
                        self._alerts.warn(warning)

    def _save_latest(self, devices: set[str]) -> None:
        self._db.executemany(
            "INSERT INTO latest VALUES (?, ?, ?, ?) "
            "ON CONFLICT (device) DO UPDATE SET t = excluded.t, heard = excluded.heard, closed = excluded.closed",
            [
                (device, *self._latest[device], self._engine.closed(device))
                for device in devices
                if device in self._latest
            ],
        )


def _same(v: Verdict, earlier: KeptVerdict) -> bool:
    """Tell whether a verdict says what the earlier one said; sums differ in their last digits."""
    said = (earlier.outcome, earlier.grade, earlier.reason, earlier.permitted, earlier.background, earlier.proof)
    now = (v.outcome, v.grade, v.reason, v.permitted, v.background, v.proof)
    by = (v.binding, v.limit_value, msgspec.json.encode(v.editions).decode(), marks_text(v.marks))
    if by != (earlier.binding, earlier.limit_value, earlier.editions, earlier.marks):
        return False
    if now != said or abs(v.capture - earlier.valid_share) > 1e-9:
        return False
    if v.value is None or earlier.value is None:
        return v.value is earlier.value
    return abs(v.value - earlier.value) < 1e-9 * max(1.0, abs(earlier.value))
