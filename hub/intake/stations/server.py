"""Listens for stations, in a thread of its own: what it hands over is judged and committed by `hub.intake.ingest`.

A station hears that its data have come (9014) when they are committed, never before: killed at any moment, the hub has
acknowledged nothing that it does not have, and the station sends the rest again.
"""

import asyncio
import logging
import socket
import ssl
import threading
import time
from collections import deque
from typing import NamedTuple

from hub.config.files import ConfigError, Hj212
from hub.intake.stations.connection import Connection
from hub.intake.stations.judging import Came, Judged, Judging
from hub.intake.stations.speech import answer
from hub.registry.live import Station

NAME_WITHIN = 60.0
"""So long a connection may be silent about whose it is [s]."""
FINISH_WITHIN = 30.0
"""So long the end of a frame may be missing [s]."""
REFUSED = 30
"""So many frames of a stranger are refused before its connection is closed."""
OF_ONE = 3
"""Connections of one station; the oldest goes, when one more comes."""
LOOK_EVERY = 2.0
"""Between two looks at all connections [s]."""
BACKLOG = 1024
BUFFER = 8192

log = logging.getLogger("hub.stations")


class Waiting(NamedTuple):
    """A piece that came, and where."""

    connection: Connection
    came: Came


class Talker:
    """What is said to stations beside acknowledgements; see `hub.intake.stations.asking`. Here: nothing."""

    def began(self, connection: Connection, station: Station) -> None:
        """Take notice of a station that has said for the first time on a connection who it is."""

    def heard(self, connection: Connection, came: Came) -> None:
        """Take what belongs to the conversation."""

    def close(self) -> None:
        """End."""

    def look(self, connections: dict[str, list[Connection]]) -> None:
        """Look whether something is to be asked for; all stations' connections by id, every few seconds."""


class StationServer(threading.Thread):
    """The thread. `clock` gives Unix time in s.

    Raises:
        ConfigError: the address or the certificate cannot be used.
    """

    def __init__(self, settings: Hj212, talker: Talker | None = None) -> None:
        super().__init__(name="stations", daemon=True)
        self.buffer = memoryview(bytearray(BUFFER))
        self._settings = settings
        self._tls = tls_of(settings)
        self._socket = listen(settings)
        self.port = int(self._socket.getsockname()[1])
        self._talker = talker or Talker()
        self._loop = asyncio.new_event_loop()
        self._over = asyncio.Event()
        self._waiting: deque[Waiting] = deque()
        self._some = threading.Event()
        self._strangers: dict[Connection, None] = {}
        self._stations: dict[str, list[Connection]] = {}
        self.connected = 0
        """Connections."""

    @property
    def known(self) -> int:
        """How many stations are connected."""
        return len(self._stations)

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
        """See `hub.intake.stations.connection.Server`."""
        self.connected += 1
        if self.connected > self._settings.connections:
            # Whoever opens connections and says nothing must not keep stations out.
            oldest = next(iter(self._strangers), None)
            if oldest is None:
                log.warning("[hj212] connections = %d are open; %s is sent away", self.connected - 1, connection.peer)
                return False
            del self._strangers[oldest]
            oldest.close(at_once=True)
        self._strangers[connection] = None
        return True

    def closed(self, connection: Connection) -> None:
        """See `hub.intake.stations.connection.Server`."""
        self.connected -= 1
        self._strangers.pop(connection, None)
        of_one = self._stations.get(connection.station or "", [])
        if connection in of_one:
            of_one.remove(connection)
            if not of_one:
                del self._stations[connection.station or ""]

    def came(self, connection: Connection, came: Came) -> None:
        """See `hub.intake.stations.connection.Server`."""
        self._waiting.append(Waiting(connection, came))

    async def _serve(self) -> None:
        server = await self._loop.create_server(
            lambda: Connection(self), sock=self._socket, ssl=self._tls, backlog=BACKLOG
        )
        log.info("listening for stations on %s:%d", self._settings.host, self.port)
        async with server:
            while not self._over.is_set():
                try:
                    await asyncio.wait_for(self._over.wait(), LOOK_EVERY)
                except TimeoutError:
                    self._look()
        for connection in [*self._strangers, *(one for of_one in self._stations.values() for one in of_one)]:
            connection.close()
        await asyncio.sleep(0)
        self._talker.close()

    def _answer(self, judged: list[tuple[Waiting, Judged]], sure: bool) -> None:
        said: dict[Connection, list[bytes]] = {}
        for (connection, came), verdict in judged:
            answers = said.setdefault(connection, [])
            connection.flying -= 1
            if came.plain is not None and verdict.station is not None:
                packet, manner = came.plain.packet, connection.manner_of(came.plain)
                if connection.station is None:
                    self._know(connection, verdict.station)
                if not verdict.outcomes:
                    self._talker.heard(connection, came)
                elif verdict.safe and sure and manner.waits:
                    answers.append(answer(packet, manner))
            else:
                connection.refused += 1
                if connection.station is None and connection.refused >= REFUSED:
                    connection.close(at_once=True)
        for connection, answers in said.items():
            connection.done(b"".join(answers))

    def _know(self, connection: Connection, station: Station) -> None:
        if connection.transport is None:
            return
        connection.station = station.id
        self._strangers.pop(connection, None)
        of_one = self._stations.setdefault(station.id, [])
        of_one.append(connection)
        if len(of_one) > OF_ONE:
            of_one[0].close()
        self._talker.began(connection, station)

    def _look(self) -> None:
        now = time.monotonic()
        for connection in [*self._strangers]:
            if now - connection.opened > NAME_WITHIN:
                connection.close(at_once=True)
        for of_one in [*self._stations.values()]:
            for connection in [*of_one]:
                if connection.started is not None and now - connection.started > FINISH_WITHIN:
                    connection.give_up_unfinished()
                if now - connection.heard > 60 * self._settings.idle_minutes:
                    connection.close(at_once=True)
        self._talker.look(self._stations)


class Stations(NamedTuple):
    """What takes the frames of stations: the server, and the judge of what came."""

    server: StationServer
    judging: Judging


def listen(settings: Hj212) -> socket.socket:
    """Return a socket that stations can connect to.

    Raises:
        ConfigError: another program has the port, or the address is none of this machine.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise ConfigError(
            f"[hj212] host = {settings.host!r}, port = {settings.port}: cannot listen there ({error.strerror}); name "
            "another port, or end the program that has it"
        ) from error


def tls_of(settings: Hj212) -> ssl.SSLContext | None:
    """Return what TLS with stations begins with; None where it is not wanted.

    Raises:
        ConfigError: a file of it cannot be used.
    """
    if settings.certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(settings.certificate, settings.key, password="")
        if settings.ca:
            context.load_verify_locations(settings.ca)
            context.verify_mode = ssl.CERT_REQUIRED if settings.require_certificate else ssl.CERT_OPTIONAL
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"[hj212] certificate, key, ca: cannot be used ({error}); expected PEM files") from error
    return context
