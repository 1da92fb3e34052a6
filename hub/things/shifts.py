"""Tells whether whoever wears a badge is at work: by workers and shifts as people have entered them.

A shift is a thing of any kind with an end and a beginning that names a worker in its property `worker`; the worker
names the badge in `source`. Nobody's badge, and a worker of whom no shift is known, are not at work.
"""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from hub.judge.kinds.world import ALWAYS, NEVER, SOURCE, World
from hub.storage.database import read_only
from hub.things.store import ThingStore

SHIFT, WORKER = "shift", "worker"
"""Kinds of things; `worker` is also the property by which a shift names its worker."""
LOOK_EVERY = 2.0
"""Between two looks at what people have entered [s]."""


class Shifts:
    """The shifts in the database `path`, which need not be there yet."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._world = World()
        self._serial = 0
        self._looked = -LOOK_EVERY

    def holds(self, badge: str, t: int) -> bool:
        """Tell whether the wearer of a badge is at work at a moment, Unix s."""
        if time.monotonic() - self._looked >= LOOK_EVERY:
            self._looked = time.monotonic()
            self._look()
        named = self._world.held_by(WORKER, SOURCE, badge)
        workers = {term.edition.id for term in named if term.since <= t < term.until}
        own = self._world.in_force(WORKER, badge, t)
        if own is not None and not own.edition.properties.get(SOURCE):
            workers.add(badge)
        shifts = (term for worker in workers for term in self._world.held_by(SHIFT, WORKER, worker))
        return any(ALWAYS < term.since <= t < term.until < NEVER for term in shifts)

    def _look(self) -> None:
        try:
            with closing(read_only(self._path)) as db:
                store = ThingStore(db)
                newest = store.newest()
                if newest != self._serial:
                    self._world.add(store.editions(self._serial, newest, (SHIFT, WORKER)))
                    self._serial = newest
        except sqlite3.Error:
            return  # the consumers have not made it yet, or are writing: what was known holds
