"""Tells open pages that something has changed (server-sent events); they then ask for themselves again.

The database is looked at once for all listeners, who are few enough to leave room for requests; whoever finds no place,
or has no JavaScript, reads the page again by hand.
"""

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

from hub.access.sessions import Sessions
from hub.access.tables import PART as ACCESS
from hub.access.tokens import allows
from hub.alerts.book import Book
from hub.alerts.tables import PART as ALERTS
from hub.cases.book import CaseBook
from hub.cases.opening import open_cases
from hub.cases.tables import FILE
from hub.compliance.tables import PART as VERDICTS
from hub.compliance.verdicts import VerdictTable
from hub.storage.compliance_file import open_compliance

LOOK_EVERY = 2.0
"""A change is seen within so long [s]."""
BEAT = 15.0
"""Something is sent at least so often, so that proxies keep the connection and the session is looked at again [s]."""
LONGEST = 600.0
"""So long after it began a stream ends; browsers ask again by themselves [s]."""
MOST = 48
"""Listeners at once; MOST_AT_ONCE of the server counts them, too."""


class Live:
    """What has changed, for everybody who listens. `close` lets all of them go."""

    def __init__(self, compliance: Path) -> None:
        self._compliance = compliance
        self._lock = threading.Lock()
        self._listeners = 0
        self._state = ""
        self._looked = 0.0
        self._closed = threading.Event()

    def close(self) -> None:
        """End all streams: the server stops."""
        self._closed.set()

    def _enter(self) -> bool:
        with self._lock:
            if self._listeners >= MOST or self._closed.is_set():
                return False
            self._listeners += 1
            return True

    async def stream(self, secret: str) -> AsyncIterator[str]:
        """Yield events for the session of a cookie until it ends; where there is no place, when to come again."""
        if not self._enter():
            yield "retry: 60000\ndata: full\n\n"
            return
        try:
            async for event in self._events(secret):
                yield event
        finally:
            with self._lock:
                self._listeners -= 1

    async def _events(self, secret: str) -> AsyncIterator[str]:
        began = beat = time.monotonic()
        seen = await asyncio.to_thread(self._look)
        yield f"retry: 5000\nid: {seen}\ndata: begin\n\n"
        while not self._closed.is_set() and time.monotonic() - began < LONGEST:
            await asyncio.sleep(0.5)
            now = time.monotonic()
            state = await asyncio.to_thread(self._look)
            if state == seen and now - beat < BEAT:
                continue
            if not await asyncio.to_thread(self.is_signed_in, secret):
                yield "event: over\ndata: over\n\n"
                return
            yield f"id: {state}\nevent: change\ndata: change\n\n" if state != seen else ": beat\n\n"
            seen, beat = state, now

    def _look(self) -> str:
        """Return a word that is another one when alerts, verdicts or cases have changed."""
        with self._lock:
            now = time.monotonic()
            if not self._state or now - self._looked >= LOOK_EVERY:
                with closing(open_compliance(self._compliance, ALERTS, VERDICTS)) as db:
                    self._state = f"{Book(db, time.time).last_event()}-{VerdictTable(db).last()}"
                if (cases := self._compliance.with_name(FILE)).exists():
                    with closing(open_cases(cases.parent)) as db:
                        self._state += f"-{CaseBook(db).last_event()}"
                self._looked = now
            return self._state

    def is_signed_in(self, secret: str) -> bool:
        """Tell whether a cookie's session holds; to people of enterprises nothing is told of the rest of the city."""
        with closing(open_compliance(self._compliance, ACCESS)) as db:
            session = Sessions(db).find(secret, time.time())
        return session is not None and allows(session.user.role, "viewer")
