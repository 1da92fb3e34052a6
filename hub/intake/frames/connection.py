"""One connection: bytes into pieces, never more of them under way than are worked off.

All in the thread of the server's event loop. What a connection holds is bounded: the bytes of one unfinished frame,
the frames that are not committed yet, and what the other side does not read of the answers; beyond, it is not read.
"""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Generic, Protocol, TypeVar, cast

READ = 8192
"""Bytes that are read at a time; all connections of a server read into one buffer."""
UNSENT = 16_384
"""Bytes of answers that may wait for one who does not read; then nothing is read from it, either."""
GONE = 4 * UNSENT
"""With so many it is gone."""

P = TypeVar("P")


class Splitter(Protocol[P]):
    """Cuts a stream into pieces: frames, and what is none."""

    @property
    def waiting(self) -> int:
        """Bytes of the frame whose end has not come yet."""

    def feed(self, data: bytes) -> list[P]:
        """Return the pieces that are whole with `data`."""

    def rest(self) -> list[P]:
        """Return what waits for its end, as it is."""


class Server(Protocol):
    """What a connection needs of its server, whose connections are all of one kind."""

    buffer: memoryview

    def opened(self, connection: Any) -> bool:
        """Take notice of a connection; tell whether it may stay."""

    def closed(self, connection: Any) -> None:
        """Take notice that it is closed."""


class Connection(asyncio.BufferedProtocol, ABC, Generic[P]):
    """The protocol of one connection; `ids`: of who has proven themselves on it, oldest first."""

    __slots__ = (
        "_owner",
        "_splitter",
        "certified",
        "flying",
        "heard",
        "ids",
        "opened",
        "peer",
        "refused",
        "started",
        "transport",
        "unread",
    )

    most_flying: ClassVar = 8
    """Frames that wait for their commit; then nothing is read until fewer do. What was read counts."""

    def __init__(self, server: Server, splitter: Splitter[P]) -> None:
        self._owner = server
        self._splitter = splitter
        self.transport: asyncio.Transport | None = None
        self.peer = ""
        self.certified = ""  # the common name of the other side's certificate, if it has one
        self.ids: tuple[str, ...] = ()
        self.flying = self.refused = 0
        self.opened = self.heard = time.monotonic()
        self.started: float | None = None  # when the unfinished frame began
        self.unread = False

    @abstractmethod
    def take(self, pieces: Sequence[P]) -> None:
        """Count what came as under way (`flying`), and hand it over."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.BaseProtocol`."""
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(UNSENT)
        name = transport.get_extra_info("peername")
        self.peer = str(name[0]) if name else ""
        certificate = transport.get_extra_info("peercert")
        if certificate:
            subject = dict(pair for part in certificate.get("subject", ()) for pair in part)
            self.certified = str(subject.get("commonName", ""))
        if not self._owner.opened(self):
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio calls it
        """See `asyncio.BaseProtocol`."""
        self.give_up_unfinished()
        self._owner.closed(self)
        self.transport = None

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio calls it
        """See `asyncio.BufferedProtocol`."""
        return self._owner.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """See `asyncio.BufferedProtocol`."""
        self.heard = time.monotonic()
        self.take(self._splitter.feed(bytes(self._owner.buffer[:nbytes])))
        if not self._splitter.waiting:
            self.started = None
        elif self.started is None:
            self.started = self.heard
        self._pace()

    def pause_writing(self) -> None:
        """See `asyncio.BaseProtocol`."""
        self.unread = True
        self._pace()

    def resume_writing(self) -> None:
        """See `asyncio.BaseProtocol`."""
        self.unread = False
        self._pace()

    def give_up_unfinished(self) -> None:
        """Take what waits for its end as it is: it has none."""
        self.started = None
        self.take(self._splitter.rest())

    def done(self, answers: bytes = b"") -> None:
        """Take notice that frames are committed (`flying`), and send the answers to them."""
        if answers:
            self.say(answers)
        self._pace()

    def say(self, frames: bytes) -> None:
        """Send a frame, or several, if there is still somebody."""
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        if transport.get_write_buffer_size() > GONE:
            transport.abort()
            return
        transport.write(frames)

    def close(self, *, at_once: bool = False) -> None:
        """Close the connection."""
        if self.transport is not None:
            (self.transport.abort if at_once else self.transport.close)()

    def _pace(self) -> None:
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        wait = self.unread or self.flying >= self.most_flying
        act: Callable[[], None] | None = None
        if wait and transport.is_reading():
            act = transport.pause_reading
        elif not wait and not transport.is_reading():
            act = transport.resume_reading
        if act:
            act()
