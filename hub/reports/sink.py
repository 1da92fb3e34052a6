"""The consumer that reports to dashboards: it hears the boards, looks into the hub's databases, and writes points.

Verdicts, steps of alerts, events and hours of air quality have saved positions: after an outage of the store they are
all written, and after a kill some are written again, which changes nothing. State (fleet, budgets, each site's worst
verdict, the heartbeat) is sampled every minute; while the store is away the samples wait in memory.
"""

import itertools
import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

import msgspec

from hub.log.entry import Entry
from hub.log.log import Log
from hub.registry.live import Registry
from hub.reports import air, points
from hub.reports.emissions import within
from hub.reports.fleet import Fleet, Known
from hub.reports.law import Law
from hub.series.base import voids_of
from hub.series.erasing import Span
from hub.series.rollups import hours_between
from hub.storage.database import open_database, transaction

EVERY = 60
"""Between two samples of the state [s]."""
LOOK_EVERY = 1.0
"""Least time between two looks for what is new [s]."""
MOST_WAITING = 200_000
"""Points in memory while the store is away; beyond, the oldest samples are given up, and that is logged."""
MOST_IN_ONE = 5000
MOST_DAYS = 200
"""Days of outlets in one piece."""
HOUR_CLOSES_AFTER = 600
"""An hour's air quality is computed so long after the hour's end [s] ..."""
AGAIN = 6 * air.HOUR
"""... and computed again until so long after it, for late data [s]."""
LATE_EVERY = 600
"""Between two makings of hours that changed later than that [s]: a board that was away sends many."""
AT_ONCE = 8 * air.HOUR
"""So many hours of all boards are in memory at once."""
CATCH_UP = 35 * 86_400
"""How far back it is made after an outage, s: the rollups' state goes back a little further."""

STEPS = (
    """
CREATE TABLE position (
    offset INTEGER NOT NULL,      -- in the log
    verdict INTEGER NOT NULL,     -- number of the newest verdict that the store has
    step INTEGER NOT NULL,        -- number of the newest step of an alert that the store has
    hour INTEGER NOT NULL         -- hours of air quality that end up to here (Unix s) are in the store
);
INSERT INTO position VALUES (0, 0, 0, 0);
CREATE TABLE board (              -- what is remembered of each board: hub.reports.fleet.Known as JSON
    device TEXT PRIMARY KEY,
    known TEXT NOT NULL
) WITHOUT ROWID
""",
    """
ALTER TABLE position ADD COLUMN ruling INTEGER NOT NULL DEFAULT 0;  -- the newest verdict of a rule, as `verdict`
""",
    """
ALTER TABLE position ADD COLUMN emission INTEGER NOT NULL DEFAULT 0;  -- the newest change of what stacks let out
ALTER TABLE position ADD COLUMN mark INTEGER NOT NULL DEFAULT 0;  -- the newest event of a mark
""",
)

_AWAITED = ("store", "compliance")
"""Consumers that are done at once; the others save their position once a minute."""
_TAKEN = {"accepted", "duplicate", "replayed", "released", "other_content", "flood"}
"""Reasons of the log's counts that put nothing into quarantine."""

log = logging.getLogger("hub.reports")


class Lines(Protocol):
    """Where points go."""

    def make(self, measurements: Iterable[str]) -> bool:
        """Make measurements, so that a question about one without points is answered; False: try again later.

        Raises:
            StoreError: not now.
        """

    def write_lines(self, points: list[str]) -> None:
        """Write points in line protocol.

        Raises:
            StoreError: the store could not take them now.
        """

    def erase(self, spans: Iterable[Span]) -> None:
        """Remove points of which something would stay beside what is written in their place.

        Raises:
            StoreError: not now.
        """

    def retry_refused(self) -> None:
        """Write again what the store refused before and somebody asked for.

        Raises:
            StoreError: not now.
        """


class Reports:
    """Reports on the hub whose data are in the folder `data`.

    Args:
        data: the data folder; the consumers' databases are there already.
        store: gets the points.
        law: reads the compliance database; closed with this.
        registry: sites and boards.
        clock: gives Unix time in s.
        name: tells this hub's heartbeat from those of others that write to the same store.
        silent_after: a board from which nothing came for so long is silent, s.
        progress: gives the offset up to which each of the log's consumers is done, by name.
    """

    def __init__(
        self,
        data: Path,
        store: Lines,
        law: Law,
        registry: Registry,
        clock: Callable[[], float],
        name: str,
        silent_after: float,
        progress: Callable[[], Mapping[str, int]],
    ) -> None:
        self._db = open_database(data / "reports.db", STEPS)
        self._log = Log(data / "log.db")
        self._rollups = data / "rollups.db"
        self._store = store
        self._law = law
        self._registry = registry
        self._clock = clock
        self._name = name
        self._silent_after = silent_after
        self._progress = progress
        self._fleet = Fleet(clock())
        for device, known in self._db.execute("SELECT device, known FROM board"):
            self._fleet.boards[device] = msgspec.json.decode(known, type=Known)
        position = self._db.execute("SELECT offset, verdict, step, hour, ruling, emission, mark FROM position")
        self._offset, self._verdict, self._step, self._hour, self._ruling, self._emission, self._mark = (
            position.fetchone()
        )
        self._taken = self._offset
        self._looked = self._lately = 0.0
        self._sampled: float | None = None
        self._late: dict[int, int] = {}  # hours of air quality to be made again, by the offset that the rollups need
        self._void: set[int] = set()  # those of them of which something was taken back
        self._hourly = self._daily = -1  # the hour and local day whose first sample was taken
        self._events: list[str] = []
        self._samples: deque[str] = deque()
        self._given_up = 0
        self._stacks: Iterator[str] = iter(())  # what is left of the hour's state of stacks
        self._made = False  # the measurements

    def close(self) -> None:
        """Close the databases."""
        self._law.close()
        self._log.close()
        self._db.close()

    def use(self, registry: Registry) -> None:
        """Tell of the sites and boards of another registry from now on."""
        self._registry = registry
        self._law.use(registry)
        self._daily = -1

    def position(self) -> int:
        """See `hub.log.consumer.Sink`."""
        return int(self._offset)

    def take(self, entries: list[Entry]) -> None:
        """See `hub.log.consumer.Sink`."""
        for entry in entries:
            if entry.offset > self._taken:
                event = self._fleet.hear(entry, self._registry)
                if event:
                    self._events.append(event)
                self._note_late(entry)
                self._taken = entry.offset
        now = self._clock()
        if 0 <= now - self._looked < LOOK_EVERY and len(self._events) < MOST_IN_ONE:
            return
        self._looked = now
        due = self._sampled is None or not 0 <= now - self._sampled < EVERY
        if due:
            self._sampled = now - now % EVERY
            self._sample(now)
        self._samples += within(self._stacks)
        self._send_new()
        self._send_emissions(now)
        self._store.retry_refused()
        if due:
            self._send_air(now)
            self._save()

    def _sample(self, now: float) -> None:
        """Put down how everything is now; it is sent as soon as the store takes it."""
        day, hour = self._law.day(now), int(now) // air.HOUR
        measurements = ["fleet"]
        measurements += ["fleet_1h"] * (hour != self._hourly)
        measurements += ["fleet_24h"] * (day != self._daily)
        self._samples += self._fleet.points(measurements, self._registry, now, self._silent_after, self._law.ordered())
        self._samples += self._law.budgets(now)
        self._samples += self._law.states(now)
        self._samples += self._law.open_alerts()
        self._samples += self._law.papers(now)
        if hour != self._hourly:
            self._stacks = self._law.emissions.state(now)
        self._samples += self._law.weighed()
        self._samples += self._quarantine(now)
        self._samples.append(self._heartbeat(now))
        if day != self._daily:
            self._samples += self._places(day)
        self._hourly, self._daily = hour, day
        while len(self._samples) > MOST_WAITING:
            self._samples.popleft()
            self._given_up += 1

    def _send_new(self) -> None:
        """Send what has happened since the last time, and the samples that wait."""
        self._made = self._made or self._store.make(points.MEASUREMENTS)
        if self._events:
            self._store.write_lines(self._events)
            self._events = []
        verdict, step, ruling = self._law.ends()
        if self._verdict > verdict or self._step > step or self._ruling > ruling:
            # The compliance database was made again: all of it is new.
            log.warning("verdicts and alerts are numbered from the beginning again: all are reported again")
            self._verdict = self._step = self._ruling = 0
        while self._verdict < verdict:
            old, lines, reached = self._law.verdicts(self._verdict)
            self._store.erase(old)
            self._store.write_lines(lines)
            self._keep("verdict", reached)
            self._verdict = reached
        while self._ruling < ruling:
            old, lines, reached = self._law.rulings(self._ruling)
            self._store.erase(old)
            self._store.write_lines(lines)
            self._keep("ruling", reached)
            self._ruling = reached
        while self._step < step:
            lines, reached = self._law.alerts(self._step)
            self._store.write_lines(lines)
            self._keep("step", reached)
            self._step = reached
        while self._samples:
            some = list(itertools.islice(self._samples, MOST_IN_ONE))
            self._store.write_lines(some)
            for _ in some:
                self._samples.popleft()
        if self._given_up:
            log.warning("the store was away for so long that %d points of state were given up", self._given_up)
            self._given_up = 0

    def _send_emissions(self, now: float) -> None:
        """Send what was calculated of stacks since the last time, a piece at a time, and marks."""
        emission, mark = self._law.emissions.ends()
        if self._emission > emission or self._mark > mark:
            log.warning("what stacks let out is numbered from the beginning again: all of it is reported again")
            self._emission = self._mark = 0
        if self._emission < emission:
            told = self._law.emissions.after(self._emission, MOST_DAYS, now)
            self._store.erase(told.old)
            self._store.write_lines(told.lines)
            self._keep("emission", told.reached)
            self._emission = told.reached
        if self._mark < mark:
            self._store.write_lines(list(self._law.emissions.marks(self._mark, now)))
            self._keep("mark", mark)
            self._mark = mark

    def _note_late(self, entry: Entry) -> None:
        """Note which hours of air quality an entry changes that are made no more."""
        again = self._hour - AGAIN
        for i in entry.intervals if entry.fresh else ():
            if i.t < again:
                self._late[i.t // air.HOUR * air.HOUR] = entry.offset
        if entry.findings:
            for void in voids_of(entry.intervals):
                hours = range(void.since // air.HOUR * air.HOUR, void.until, air.HOUR)
                self._late |= dict.fromkeys(hours, entry.offset)
                self._void |= {*hours}

    def _send_late(self, now: float) -> None:
        """Send hours of air quality again that were made, and what rests on them, the 23 h behind each."""
        rolled_up = self._progress().get("rollups", 0)
        if not self._hour or any(offset > rolled_up for offset in self._late.values()):
            return
        end = self._hour
        wanted = {t + n * air.HOUR for t in self._late for n in range(24)}
        wanted = {t for t in wanted if now - CATCH_UP <= t < end}
        gone = {t + n * air.HOUR for t in self._void for n in range(24)} & wanted
        districts = {site.district for site in self._registry.sites.values()}
        for t in sorted(wanted):
            if t in gone:
                names = [(name, district) for name in ("aqi", "district") for district in sorted(districts)]
                self._store.erase(Span(name, {"district": district}, t, t + 1) for name, district in names)
            hours = hours_between(self._rollups, air.READ, t - 23 * air.HOUR, t + air.HOUR)
            self._store.write_lines(list(air.lines(hours, t, t + air.HOUR, self._registry)))
        self._late.clear()
        self._void.clear()

    def _send_air(self, now: float) -> None:
        """Send the hours that are over, and those of before again where data may have come late."""
        if self._late and self._rollups.exists() and now - self._lately >= LATE_EVERY:
            self._lately = now
            self._send_late(now)
        over = int(now - HOUR_CLOSES_AFTER) // air.HOUR * air.HOUR
        if over <= self._hour or not self._rollups.exists():
            return
        start = max(min(self._hour, over) - AGAIN, over - CATCH_UP) if self._hour else over - CATCH_UP
        for begin in range(start, over, AT_ONCE):
            end = min(begin + AT_ONCE, over)
            hours = hours_between(self._rollups, air.READ, begin - 23 * air.HOUR, end)
            self._store.write_lines(list(air.lines(hours, begin, end, self._registry)))
        self._keep("hour", over)
        self._hour = over

    def _save(self) -> None:
        """Remember what was heard of the boards, and how far in the log that was."""
        rows = [(device, msgspec.json.encode(self._fleet.boards[device]).decode()) for device in self._fleet.changed]
        with transaction(self._db):
            self._db.executemany("INSERT OR REPLACE INTO board VALUES (?, ?)", rows)
            # What changed late and is not yet made again is heard once more.
            done = max(self._offset, min(self._late.values(), default=self._taken + 1) - 1)
            self._db.execute("UPDATE position SET offset = ?", (done,))
        self._fleet.changed.clear()
        self._offset = done

    def _keep(self, what: str, value: int) -> None:
        self._db.execute(f"UPDATE position SET {what} = ?", (value,))  # noqa: S608 - the name of a column

    def _places(self, day: int) -> Iterator[str]:
        boards: dict[str, int] = {}
        for board in self._registry.boards.values():
            boards[board.site] = boards.get(board.site, 0) + 1
        for site in self._registry.sites.values():
            yield points.place(site, boards.get(site.id, 0), self._registry, day)

    def _quarantine(self, now: float) -> Iterator[str]:
        """Yield how many messages have been refused since the log was made, by board and reason."""
        for (device, reason), messages in self._log.counts().items():
            if reason in _TAKEN:
                continue
            site = self._registry.site_of(device) if self._registry.sender(device) else None
            tags: dict[str, str | None] = {"device": device or "unknown", "reason": reason}
            if site:
                tags |= {"district": site.district, "site": site.id}
            yield points.point("quarantine", tags, {"messages": messages}, now - now % EVERY)

    def _heartbeat(self, now: float) -> str:
        end = self._log.end()
        progress = self._progress()
        waiting = self._log.received(min((progress[name] for name in _AWAITED if name in progress), default=end))
        counts = self._log.counts()
        fields: dict[str, points.Value] = {
            "heartbeat": 1,
            "at": float(now - now % EVERY),
            "heard": self._fleet.newest(),
            "log_offset": end,
            "lag_s": 0.0 if waiting is None else max(0.0, now - waiting),
            "accepted": counts.get(("", "accepted"), 0),
            "quarantine": sum(n for (_, reason), n in counts.items() if reason not in _TAKEN),
            **{f"backlog_{name}": max(0, end - position) for name, position in progress.items()},
        }
        return points.point("hub", {"hub": self._name}, fields, now)
