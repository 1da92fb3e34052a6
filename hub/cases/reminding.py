"""Reminds people of deadlines that come near, in a thread: each reminder is an event of its case's history.

So nobody is reminded twice, whatever is killed, and who is told is chosen as of every other step (news.py).
"""

import logging
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing

from hub.access.names import HUB
from hub.access.tokens import User
from hub.cases.desk import CaseDesk
from hub.cases.opening import open_cases
from hub.cases.rules.rulebook import LiveRulebook
from hub.cases.tables import FILE
from hub.config.files import Config
from hub.registry.live import Registry
from hub.storage.database import DatabaseError

EVERY = 60.0
"""Between two looks at the cases [s]."""

log = logging.getLogger("hub.cases")


class Reminders(threading.Thread):
    """The thread. `clock`: Unix time in s; `doubted`: tells whether it is in doubt: then nobody is reminded."""

    def __init__(
        self,
        config: Config,
        registry: Callable[[], Registry],
        clock: Callable[[], float],
        doubted: Callable[[], bool],
    ) -> None:
        super().__init__(name="reminders", daemon=True)
        self._config, self._registry, self._clock, self._doubted = config, registry, clock, doubted
        self._rules = LiveRulebook(config.cases.folder, registry().zone)
        self._stop_asked = threading.Event()

    def stop(self) -> None:
        """Ask it to end after what it is doing now."""
        self._stop_asked.set()

    def run(self) -> None:
        """Work until stopped."""
        while not self._stop_asked.wait(EVERY):
            try:
                self.step()
            except (sqlite3.Error, DatabaseError) as error:
                log.error("reminders of deadlines wait: %s", error)  # noqa: TRY400
            except Exception:
                log.exception("reminders of deadlines wait")

    def step(self) -> None:
        """Look once."""
        if self._doubted() or not (self._config.data / FILE).exists():
            return
        with closing(open_cases(self._config.data)) as db:
            user, joined = User(HUB, "admin"), self._config.cases.joined
            desk = CaseDesk(db, self._rules.current(), self._registry(), self._clock, user, joined=joined)
            if reminded := desk.remind():
                log.info("cases: %d reminders of deadlines", reminded)
