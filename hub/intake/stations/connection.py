"""One connection of a station: bytes into frames, never more of them under way than are worked off.

All in the thread of the server's event loop. What a connection holds is bounded: the bytes of one unfinished frame, the
frames that are not committed yet, and what the station does not read of the answers; beyond, nothing is read from it.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol, cast

from hub.intake.stations.judging import Came
from hub.intake.stations.speech import Manner
from hub.wire.hj212 import Item, Piece, Plain, Splitter, read_packet
from hub.wire.hj212.frame import Checksum

READ = 8192
"""Bytes that are read at a time; all connections read into one buffer."""
FLYING = 8
"""Frames of a connection that wait for their commit; then it is not read until fewer do. What was read counts."""
UNSENT = 16_384
"""Bytes of answers that may wait for a station that does not read; then it is not read, either."""
GONE = 4 * UNSENT
"""With so many it is gone."""


class Server(Protocol):
    """What a connection needs of its server."""

    buffer: memoryview

    def opened(self, connection: "Connection") -> bool:
        """Take notice of a connection; tell whether it may stay."""

    def closed(self, connection: "Connection") -> None:
        """Take notice that it is closed."""

    def came(self, connection: "Connection", came: Came) -> None:
        """Take what came."""


class Connection(asyncio.BufferedProtocol):
    """The protocol of one connection; `station`: the id of who speaks, once that is proven."""

    __slots__ = (
        "_server",
        "_splitter",
        "_spoke",
        "certified",
        "flying",
        "heard",
        "manner",
        "opened",
        "peer",
        "refused",
        "started",
        "station",
        "transport",
        "unread",
    )

    def __init__(self, server: Server) -> None:
        self._server = server
        self._splitter = Splitter()
        self.transport: asyncio.Transport | None = None
        self.peer = self.certified = ""
        self.flying = self.refused = 0
        self.opened = self.heard = time.monotonic()
        self.started: float | None = None  # when the unfinished frame began
        self.station: str | None = None
        self.manner: Manner | None = None
        self._spoke: tuple[tuple[Item, ...], Checksum] | None = None  # what makes it
        self.unread = False

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

    def manner_of(self, plain: Plain) -> Manner:
        """Return how the station speaks, by its frame; it says the same of itself in each, but for the exchange."""
        fields = plain.packet.fields
        spoke = fields[1:] if fields[0].name == "QN" else fields, plain.crc
        if self.manner is None or spoke != self._spoke:
            self._spoke = spoke
            self.manner = Manner.of(plain.packet, plain.crc)
        return self.manner

    def done(self, answers: bytes) -> None:
        """Take notice that frames are committed (`flying`), and send the answers to them."""
        if answers:
            self.say(answers)
        self._pace()

    def say(self, frame: bytes) -> None:
        """Send a frame, or several, if there is still somebody."""
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
            if not piece.raw.strip():
                continue
            self.flying += 1
            plain = None if piece.junk else read_packet(piece.raw)
            self._server.came(self, Came(piece.raw, plain, self.peer, self.certified))

    def _pace(self) -> None:
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        wait = self.unread or self.flying >= FLYING
        act: Callable[[], None] | None = None
        if wait and transport.is_reading():
            act = transport.pause_reading
        elif not wait and not transport.is_reading():
            act = transport.resume_reading
        if act:
            act()
