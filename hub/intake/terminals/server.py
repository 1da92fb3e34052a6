"""Listens for terminals, in a thread of its own: what it hands over is judged and committed by `hub.intake.ingest`.

A terminal hears that its fixes have come (8001) when they are committed, never before: killed at any moment, the hub
has acknowledged nothing that it does not have, and the terminal sends the rest again.
"""

import asyncio
import logging
import socket
import threading
import time
from collections import deque
from typing import NamedTuple

from hub.config.files import ConfigError, Jt808
from hub.intake.terminals.connection import MOST_GAPS, Connection, Missing
from hub.intake.terminals.judging import Came, Judged, Judging
from hub.intake.terminals.speech import ask_for, frame_of

NAME_WITHIN = 60.0
"""So long a connection may be open without a terminal that has proven itself [s]."""
FINISH_WITHIN = 30.0
"""So long the end of a frame may be missing [s]."""
REFUSED = 30
"""So many frames of a stranger are refused before its connection is closed."""
OF_ONE = 3
"""Connections of one terminal; the oldest goes, when one more comes."""
ASK_AFTER = 5.0
"""When nothing more of a message's parts has come for so long, the missing ones are asked for [s]."""
TRIES = 3
"""So often they are."""
LOOK_EVERY = 2.0
"""Between two looks at all connections [s]."""
BACKLOG = 1024
BUFFER = 8192

log = logging.getLogger("hub.terminals")


class Waiting(NamedTuple):
    """A piece that came, and where."""

    connection: Connection
    came: Came


class TerminalServer(threading.Thread):
    """The thread.

    Raises:
        ConfigError: the address cannot be used.
    """

    def __init__(self, settings: Jt808) -> None:
        super().__init__(name="terminals", daemon=True)
        self.buffer = memoryview(bytearray(BUFFER))
        self._settings = settings
        self._socket = _listen(settings)
        self.port = int(self._socket.getsockname()[1])
        self._loop = asyncio.new_event_loop()
        self._over = asyncio.Event()
        self._waiting: deque[Waiting] = deque()
        self._strangers: dict[Connection, None] = {}
        self._terminals: dict[str, list[Connection]] = {}
        self.connected = 0
        """Connections."""

    @property
    def known(self) -> int:
        """How many terminals are connected."""
        return len(self._terminals)

    def run(self) -> None:
        """Serve until stopped."""
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    def stop(self) -> None:
        """Close every connection, and return when that is done."""
        if self.is_alive():
            self._loop.call_soon_threadsafe(self._over.set)
            self.join()
        else:
            self._socket.close()

    def take(self, most: int) -> list[Waiting]:
        """Return up to `most` pieces that came, the oldest first."""
        waiting = self._waiting
        return [waiting.popleft() for _ in range(min(most, len(waiting)))]

    def done(self, judged: list[tuple[Waiting, Judged]], *, sure: bool) -> None:
        """Say that these are committed. `sure`: of the time; else nothing is acknowledged."""
        self._loop.call_soon_threadsafe(self._answer, judged, sure)

    def opened(self, connection: Connection) -> bool:
        """See `hub.intake.terminals.connection.Server`."""
        self.connected += 1
        if self.connected > self._settings.connections:
            # Whoever opens connections and says nothing must not keep terminals out.
            oldest = next(iter(self._strangers), None)
            if oldest is None:
                log.warning("[jt808] connections = %d are open; %s is sent away", self.connected - 1, connection.peer)
                return False
            del self._strangers[oldest]
            oldest.close(at_once=True)
        self._strangers[connection] = None
        return True

    def closed(self, connection: Connection) -> None:
        """See `hub.intake.terminals.connection.Server`."""
        self.connected -= 1
        self._strangers.pop(connection, None)
        for id_ in connection.terminals:
            of_one = self._terminals.get(id_, [])
            if connection in of_one:
                of_one.remove(connection)
                if not of_one:
                    del self._terminals[id_]

    def came(self, connection: Connection, came: Came) -> None:
        """See `hub.intake.terminals.connection.Server`."""
        self._waiting.append(Waiting(connection, came))

    async def _serve(self) -> None:
        server = await self._loop.create_server(lambda: Connection(self), sock=self._socket, backlog=BACKLOG)
        log.info("listening for terminals on %s:%d", self._settings.host, self.port)
        async with server:
            while not self._over.is_set():
                try:
                    await asyncio.wait_for(self._over.wait(), LOOK_EVERY)
                except TimeoutError:
                    self._look()
        for connection in self._all():
            connection.close()
        await asyncio.sleep(0)

    def _all(self) -> list[Connection]:
        known = {one: None for of_one in self._terminals.values() for one in of_one}
        return [*self._strangers, *known]

    def _answer(self, judged: list[tuple[Waiting, Judged]], sure: bool) -> None:
        for (connection, came), verdict in judged:
            header = came.plain.header if came.plain else None
            if verdict.terminal is not None:
                # A registration alone proves nothing: it is a stranger until it says its code.
                if came.session.proven.get(verdict.terminal.id):
                    self._know(connection, verdict.terminal.id)
            else:
                connection.refused += 1
                if not connection.terminals and connection.refused >= REFUSED:
                    connection.close(at_once=True)
            if verdict.reply is not None and header is not None and (sure or not verdict.outcomes):
                connection.say(frame_of(verdict.reply, header, connection.serial))
            if verdict.gap is not None and header is not None:
                key = header.message, verdict.gap.first
                connection.gaps.pop(key, None)
                if verdict.gap.missing and len(connection.gaps) < MOST_GAPS:
                    connection.gaps[key] = Missing(header, verdict.gap.missing, time.monotonic())
            connection.done()

    def _know(self, connection: Connection, id_: str) -> None:
        if connection.transport is None or id_ in connection.terminals:
            return
        connection.terminals.add(id_)
        self._strangers.pop(connection, None)
        of_one = self._terminals.setdefault(id_, [])
        of_one.append(connection)
        if len(of_one) > OF_ONE:
            of_one[0].close()

    def _look(self) -> None:
        now = time.monotonic()
        for connection in [*self._strangers]:
            if now - connection.opened > NAME_WITHIN:
                connection.close(at_once=True)
        for connection in self._all():
            if connection.started is not None and now - connection.started > FINISH_WITHIN:
                connection.give_up_unfinished()
            if now - connection.heard > 60 * self._settings.idle_minutes:
                connection.close(at_once=True)
            for key, gap in [*connection.gaps.items()]:
                if now - gap.since >= ASK_AFTER:
                    self._ask(connection, key, gap, now)

    def _ask(self, connection: Connection, key: tuple[int, int], gap: Missing, now: float) -> None:
        """Ask for the parts that are missing of a message."""
        if gap.asked >= TRIES:
            del connection.gaps[key]
            return
        connection.gaps[key] = gap._replace(since=now, asked=gap.asked + 1)
        connection.say(ask_for(gap.parts, key[1], gap.header, connection.serial))


class Terminals(NamedTuple):
    """What takes the frames of terminals: the server, and the judge of what came."""

    server: TerminalServer
    judging: Judging


def _listen(settings: Jt808) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise ConfigError(
            f"[jt808] host = {settings.host!r}, port = {settings.port}: cannot listen there ({error.strerror}); name "
            "another port, or end the program that has it"
        ) from error
