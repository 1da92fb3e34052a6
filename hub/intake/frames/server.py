"""Listens in a thread of its own: what it hands over is judged and committed by `hub.intake.ingest`.

Nobody hears that data have come before they are committed: killed at any moment, the hub has acknowledged nothing that
it does not have, and the other side sends the rest again.
"""

import asyncio
import logging
import socket
import ssl
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from pathlib import Path
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from hub.config.files import ConfigError
from hub.intake.frames.connection import READ, Connection

NAME_WITHIN = 60.0
"""So long a connection may be open without anybody who has proven themselves [s]."""
FINISH_WITHIN = 30.0
"""So long the end of a frame may be missing [s]."""
REFUSED = 30
"""So many frames of a stranger are refused before its connection is closed."""
OF_ONE = 3
"""Connections of one that is known; the oldest goes, when one more comes."""
LOOK_EVERY = 2.0
"""Between two looks at all connections [s]."""
BACKLOG = 1024

C = TypeVar("C", bound=Connection[Any])
M = TypeVar("M")
V = TypeVar("V")


class Settings(Protocol):
    """What a section of `fenceline.toml` says of a server."""

    @property
    def host(self) -> str:
        """The address on which it listens."""

    @property
    def port(self) -> int:
        """The port; 0: any."""

    @property
    def connections(self) -> int:
        """Most connections at once."""

    @property
    def idle_minutes(self) -> float:
        """A connection on which nothing came for so long is closed."""

    @property
    def certificate(self) -> Path | None:
        """The hub's certificate; None: no TLS."""

    @property
    def key(self) -> Path | None:
        """Its private key."""

    @property
    def ca(self) -> Path | None:
        """Whose certificates of the other side are believed."""

    @property
    def require_certificate(self) -> bool:
        """Whether one must be shown."""


class Waiting(NamedTuple, Generic[C, M]):
    """A piece that came, and where."""

    connection: C
    came: M


class FrameServer(threading.Thread, ABC, Generic[C, M, V]):
    """The thread. `C`: its connections, `M`: what comes on them, `V`: what is judged of it.

    Args:
        section: of `fenceline.toml`; the settings are from there.
        speakers: who connects, in the plural.

    Raises:
        ConfigError: the address or the certificate cannot be used.
    """

    def __init__(self, section: str, speakers: str, settings: Settings) -> None:
        super().__init__(name=speakers, daemon=True)
        self.buffer = memoryview(bytearray(READ))
        self.log = logging.getLogger(f"hub.{speakers}")
        self._section = section
        self._settings = settings
        self._tls = tls_of(section, settings)
        self._socket = listen(section, settings)
        self.port = int(self._socket.getsockname()[1])
        self._loop = asyncio.new_event_loop()
        self._over = asyncio.Event()
        self._waiting: deque[Waiting[C, M]] = deque()
        self._strangers: dict[C, None] = {}
        self._by_id: dict[str, list[C]] = {}
        self.connected = 0
        """Connections."""

    @abstractmethod
    def connection(self) -> C:
        """Return the protocol of a connection that has just come."""

    @abstractmethod
    def answer(self, judged: list[tuple[Waiting[C, M], V]], *, sure: bool) -> None:
        """Answer what is committed; in the loop's thread. `sure`: of the time; else nothing is acknowledged."""

    def look_at(self, connection: C, now: float) -> None:
        """Do what is due on a connection, every few seconds. `now`: monotonic s."""

    def looked(self) -> None:
        """Do what is due every few seconds."""

    def ended(self) -> None:
        """Give back what the server holds; its connections are closed."""

    @property
    def known(self) -> int:
        """How many that are known are connected."""
        return len(self._by_id)

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

    def take(self, most: int) -> list[Waiting[C, M]]:
        """Return up to `most` pieces that came, the oldest first."""
        waiting = self._waiting
        return [waiting.popleft() for _ in range(min(most, len(waiting)))]

    def take_urgent(self) -> list[Waiting[C, M]]:
        """Return what is taken whatever else is wrong; here: nothing."""
        return []

    def done(self, judged: list[tuple[Waiting[C, M], V]], *, sure: bool) -> None:
        """Say that these are committed. `sure`: of the time; else nothing is acknowledged."""
        self._loop.call_soon_threadsafe(lambda: self.answer(judged, sure=sure))

    def opened(self, connection: C) -> bool:
        """See `hub.intake.frames.connection.Server`."""
        self.connected += 1
        if self.connected > self._settings.connections:
            # Whoever opens connections and says nothing must not keep others out.
            oldest = next(iter(self._strangers), None)
            if oldest is None:
                open_ = self.connected - 1
                self.log.warning(
                    "[%s] connections = %d are open; %s is sent away", self._section, open_, connection.peer
                )
                return False
            del self._strangers[oldest]
            oldest.close(at_once=True)
        self._strangers[connection] = None
        return True

    def closed(self, connection: C) -> None:
        """See `hub.intake.frames.connection.Server`."""
        self.connected -= 1
        self._strangers.pop(connection, None)
        for id_ in connection.ids:
            of_one = self._by_id.get(id_, [])
            if connection in of_one:
                of_one.remove(connection)
                if not of_one:
                    del self._by_id[id_]

    def came(self, connection: C, came: M) -> None:
        """Take what came on a connection."""
        self._waiting.append(Waiting(connection, came))

    def know(self, connection: C, id_: str) -> bool:
        """Take notice that somebody has proven themselves on a connection; tell whether that is new."""
        if connection.transport is None or id_ in connection.ids:
            return False
        connection.ids += (id_,)
        self._strangers.pop(connection, None)
        of_one = self._by_id.setdefault(id_, [])
        of_one.append(connection)
        if len(of_one) > OF_ONE:
            of_one[0].close()
        return True

    def refuse(self, connection: C) -> None:
        """Count a frame that is refused; a stranger that goes on is sent away."""
        connection.refused += 1
        if not connection.ids and connection.refused >= REFUSED:
            connection.close(at_once=True)

    async def _serve(self) -> None:
        server = await self._loop.create_server(self.connection, sock=self._socket, ssl=self._tls, backlog=BACKLOG)
        self.log.info("listening for %s on %s:%d", self.name, self._settings.host, self.port)
        async with server:
            while not self._over.is_set():
                try:
                    async with asyncio.timeout(LOOK_EVERY):
                        await self._over.wait()
                except TimeoutError:
                    self._look()
        for connection in self._all():
            connection.close()
        await asyncio.sleep(0)
        self.ended()

    def _all(self) -> list[C]:
        known = {one: None for of_one in self._by_id.values() for one in of_one}
        return [*self._strangers, *known]

    def _look(self) -> None:
        now = time.monotonic()
        for connection in self._all():
            if not connection.ids and now - connection.opened > NAME_WITHIN:
                connection.close(at_once=True)
            if connection.started is not None and now - connection.started > FINISH_WITHIN:
                connection.give_up_unfinished()
            if now - connection.heard > 60 * self._settings.idle_minutes:
                connection.close(at_once=True)
            self.look_at(connection, now)
        self.looked()


def listen(section: str, settings: Settings) -> socket.socket:
    """Return a socket that others can connect to.

    Raises:
        ConfigError: another program has the port, or the address is none of this machine.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise ConfigError(
            f"[{section}] host = {settings.host!r}, port = {settings.port}: cannot listen there ({error.strerror}); "
            "name another port, or end the program that has it"
        ) from error


def tls_of(section: str, settings: Settings) -> ssl.SSLContext | None:
    """Return what TLS with the others begins with; None where it is not wanted.

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
        raise ConfigError(f"[{section}] certificate, key, ca: cannot be used ({error}); expected PEM files") from error
    return context
