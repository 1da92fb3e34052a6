"""One connection of a terminal: bytes into frames, never more of them under way than are worked off.

All in the thread of the server's event loop. What a connection holds is bounded: the bytes of one unfinished frame, the
frames that are not committed yet, and what the terminal does not read of the answers; beyond, nothing is read from it.
"""

import asyncio
import time
from typing import NamedTuple, Protocol, cast

from hub.intake.terminals.judging import Came, Session
from hub.wire.jt808 import Header, Piece, Splitter, read_plain

FLYING = 16
"""Frames of a connection that wait for their commit; then it is not read until fewer do. What was read counts."""
UNSENT = 16_384
"""Bytes of answers that may wait for a terminal that does not read; then it is not read, either."""
GONE = 4 * UNSENT
"""With so many it is gone."""
MOST_GAPS = 16
"""Messages of a connection of which parts are missing that are remembered."""


class Server(Protocol):
    """What a connection needs of its server."""

    buffer: memoryview

    def opened(self, connection: "Connection") -> bool:
        """Take notice of a connection; tell whether it may stay."""

    def closed(self, connection: "Connection") -> None:
        """Take notice that it is closed."""

    def came(self, connection: "Connection", came: Came) -> None:
        """Take what came."""


class Missing(NamedTuple):
    """Parts that are missing of a message: how the terminal speaks, since when nothing came (s), how often asked."""

    header: Header
    parts: tuple[int, ...]
    since: float
    asked: int = 0


class Connection(asyncio.BufferedProtocol):
    """The protocol of one connection; `terminals`: ids of who has proven themselves on it."""

    __slots__ = (
        "_serial",
        "_server",
        "_session",
        "_splitter",
        "flying",
        "gaps",
        "heard",
        "opened",
        "peer",
        "refused",
        "started",
        "terminals",
        "transport",
        "unread",
    )

    def __init__(self, server: Server) -> None:
        self._server = server
        self._splitter = Splitter()
        self._session = Session()
        self._serial = -1
        self.transport: asyncio.Transport | None = None
        self.peer = ""
        self.flying = self.refused = 0
        self.opened = self.heard = time.monotonic()
        self.started: float | None = None  # when the unfinished frame began
        self.terminals: set[str] = set()
        self.gaps: dict[tuple[int, int], Missing] = {}  # by message and serial of its first part
        self.unread = False

    @property
    def serial(self) -> int:
        """A new serial number of what the hub says."""
        self._serial = (self._serial + 1) & 0xFFFF
        return self._serial

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.BaseProtocol`."""
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(UNSENT)
        name = transport.get_extra_info("peername")
        self.peer = str(name[0]) if name else ""
        if not self._server.opened(self):
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio calls it
        """See `asyncio.BaseProtocol`."""
        self.give_up_unfinished()
        self._server.closed(self)
        self.transport = None

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio calls it
        """See `asyncio.BufferedProtocol`."""
        return self._server.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """See `asyncio.BufferedProtocol`."""
        self.heard = time.monotonic()
        self._take(self._splitter.feed(bytes(self._server.buffer[:nbytes])))
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
        self._take(self._splitter.rest())

    def done(self) -> None:
        """Take notice that a frame is committed."""
        self.flying -= 1
        self._pace()

    def say(self, frame: bytes) -> None:
        """Send a frame, if there is still somebody."""
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        if transport.get_write_buffer_size() > GONE:
            transport.abort()
            return
        transport.write(frame)

    def close(self, *, at_once: bool = False) -> None:
        """Close the connection."""
        if self.transport is not None:
            (self.transport.abort if at_once else self.transport.close)()

    def _take(self, pieces: list[Piece]) -> None:
        for piece in pieces:
            self.flying += 1
            plain = None if piece.junk else read_plain(piece.raw)
            self._server.came(self, Came(piece.raw, plain, self.peer, self._session))

    def _pace(self) -> None:
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        wait = self.unread or self.flying >= FLYING
        if wait and transport.is_reading():
            transport.pause_reading()
        elif not wait and not transport.is_reading():
            transport.resume_reading()
