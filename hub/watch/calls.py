"""Tells of calls for help: a consumer of the log that nothing holds back.

It has a reader and a position of its own, and looks at what badges say and at nothing else: a backlog that is judged, a
flood of other messages and a doubt of the time are no reason to wait.
"""

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from hub.alerts.book import Book
from hub.alerts.network import Network
from hub.alerts.tables import PART as ALERTS
from hub.alerts.text import told_place
from hub.log.entry import Entry
from hub.log.reader import LogReader
from hub.process.clock import Held
from hub.registry.live import Registry
from hub.storage.compliance_file import COMPLIANCE, open_compliance
from hub.storage.data_folder import LOG
from hub.storage.database import read_only, transaction
from hub.watch import text as tell
from hub.watch.tables import PART
from hub.wire.badge.frame import calls_for_help, read_frame
from hub.wire.badge.kinds import FIX, PREFIX
from hub.wire.badge.logged import Head, meaning
from hub.wire.said import Moment, Observed

LOOKED_AT = 50
"""Positions of a badge that are looked at for one with a fix, the newest first."""
BEFORE = 600.0
"""Where nobody has ever looked for calls, those are told of that came so long ago at most [s]."""
NOTED_EVERY = 10_000
"""So many messages later it is noted how far has been looked, though nobody called."""
MOST_STRANGE = 20
"""Of so many badges that are not in the registry each has an alarm of its own; of more, one alarm tells."""


class Calls:
    """Raises an alarm for each badge that calls for help: a `Source` and a `Sink` of `hub.log.consumer`.

    An alarm goes on until somebody closes it: calls of that badge meanwhile are in the log, and told nobody again.
    `registry`: of all districts, `clock`: gives Unix s, `held`: what the hub holds to be the time.
    """

    def __init__(
        self, data: Path, registry: Registry, clock: Callable[[], float], held: Callable[[], Held] = lambda: Held(0.0)
    ) -> None:
        self._db = open_compliance(data / COMPLIANCE, ALERTS, PART)
        self._log = LogReader(read_only(data / LOG, any_thread=True))
        self._registry = registry
        self._clock = clock
        self._held = held
        self._network = Network(Book(self._db, clock), registry)
        offset, id_, at = self._db.execute("SELECT offset, refused, at FROM called").fetchone()
        if offset < 0:
            offset = min(self._log.end(), max(0, self._log.offset_at(clock() - BEFORE) - 1))
        self._at = self._noted = self._end = int(offset)
        self._refused = (id_, at or clock() - BEFORE)

    def close(self) -> None:
        """Close the files."""
        self._log.close()
        self._db.close()

    def use(self, registry: Registry) -> None:
        """Find badges in another registry from now on."""
        self._registry = registry
        self._network.use(registry)

    def position(self) -> int:
        """See `hub.log.consumer.Sink`."""
        return self._at

    def end(self) -> int:
        """See `hub.log.consumer.Source`: it never lets a burst pass first."""
        return 0

    def read(self, after: int, most: int, size: int) -> list[Entry]:  # noqa: ARG002 - all calls there are, few
        """Return the calls that have come since it was looked last; how far that was, it knows better than `after`."""
        self._end = self._log.end()
        return [entry for entry in self._log.beginning(PREFIX, self._at, self._end) if is_call(entry)]

    def take(self, entries: list[Entry]) -> None:
        """Raise an alarm for each of these calls, and for those of badges that are not in the registry."""
        newest = self._log.refused_last() or self._refused
        strange = self._strange() if newest != self._refused else {}
        if entries or strange:
            # With the alarms: what was told is not told again after a restart, when somebody has closed it.
            with transaction(self._db):
                self._note(newest)
                self._raise({entry.place.device: entry for entry in entries}, strange)
        elif self._end - self._noted >= NOTED_EVERY:
            with suppress(sqlite3.Error):  # a full disk, say: it is looked at once more after a restart
                self._note(newest)
        self._at, self._refused = self._end, newest

    def _note(self, refused: tuple[int, float]) -> None:
        self._db.execute("UPDATE called SET offset = ?, refused = ?, at = ?", (self._end, *refused))
        self._noted = self._end

    def _strange(self) -> dict[str, tuple[float, Moment | None]]:
        """Return the newest call of each badge that is not in the registry: when it came, and where it was."""
        found: dict[str, tuple[float, Moment | None]] = {}
        for _, received, topic, payload in self._log.refused_since(f"{PREFIX}-/-/", self._refused):
            frame = read_frame(payload) if topic.endswith(f"/{FIX}") else None
            if frame is not None and calls_for_help(frame):
                said = meaning(Head(came=int(received)), frame)
                found[frame.id[:32]] = received, next((one for one in said.moments if one.lat is not None), None)
        return found

    def _raise(self, calls: dict[str, Entry], strange: dict[str, tuple[float, Moment | None]]) -> None:
        now, doubt = self._clock(), self._held().doubt
        for device, entry in calls.items():
            if self._registry.sender(device) is None:  # it is not any more
                self._network.trouble(tell.strange_call(device, entry.received, self._last_fix(entry), doubt, now))
                continue
            place = told_place(self._registry, self._registry.site_of(device), device)
            self._network.trouble(tell.call(device, place, entry.received, self._last_fix(entry), doubt, now))
        known = {rule for kind, device, rule in self._network.lasting() if kind == "sos" and not device}
        for number, (came, fix) in strange.items():
            trouble = tell.strange_call(number, came, fix, doubt, now)
            if trouble.rule not in known and len(known) >= MOST_STRANGE:
                trouble = tell.strange_calls(MOST_STRANGE, doubt, now)
            known.add(trouble.rule)
            self._network.trouble(trouble)

    def _last_fix(self, entry: Entry) -> Moment | None:
        """Return where the badge of an entry was last, by all that was kept of it; None: nobody knows."""
        own = [one for one in entry.said.moments if one.lat is not None] if isinstance(entry.said, Observed) else []
        if own:
            return own[-1]
        for payload in self._log.latest(entry.topic, LOOKED_AT):
            said = entry.channel.decoders[entry.place.kind](payload)
            found = [one for one in said.moments if one.lat is not None] if isinstance(said, Observed) else []
            if found:
                return found[-1]
        return None


def is_call(entry: Entry) -> bool:
    """Tell whether an entry is an SOS."""
    if entry.place.kind != FIX or not isinstance(entry.said, Observed):
        return False
    return any(moment.states.get("sos") is True for moment in entry.said.moments)
