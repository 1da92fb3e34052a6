"""One connection of a station, and how the station speaks on it."""

from collections.abc import Sequence
from typing import Protocol

from hub.intake.frames import connection
from hub.intake.stations.judging import Came
from hub.intake.stations.speech import Manner
from hub.wire.hj212 import Item, Piece, Plain, Splitter, read_packet
from hub.wire.hj212.frame import Checksum


class Server(connection.Server, Protocol):
    """What a connection needs of its server."""

    def came(self, connection: "Connection", came: Came) -> None:
        """Take what came."""


class Connection(connection.Connection[Piece]):
    """The protocol of one connection."""

    __slots__ = ("_server", "_spoke", "manner")

    def __init__(self, server: Server) -> None:
        super().__init__(server, Splitter())
        self._server = server
        self.manner: Manner | None = None
        self._spoke: tuple[tuple[Item, ...], Checksum] | None = None  # what makes it

    @property
    def station(self) -> str | None:
        """The id of who speaks, once that is proven."""
        return self.ids[0] if self.ids else None

    def manner_of(self, plain: Plain) -> Manner:
        """Return how the station speaks, by its frame; it says the same of itself in each, but for the exchange."""
        fields = plain.packet.fields
        spoke = fields[1:] if fields[0].name == "QN" else fields, plain.crc
        if self.manner is None or spoke != self._spoke:
            self._spoke = spoke
            self.manner = Manner.of(plain.packet, plain.crc)
        return self.manner

    def take(self, pieces: Sequence[Piece]) -> None:
        """See `hub.intake.frames.connection.Connection`."""
        for piece in pieces:
            if not piece.raw.strip():
                continue
            self.flying += 1
            plain = None if piece.junk else read_packet(piece.raw)
            self._server.came(self, Came(piece.raw, plain, self.peer, self.certified))
