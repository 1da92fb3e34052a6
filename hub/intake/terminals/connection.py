"""One connection of a terminal, and the parts that are missing of what it sent."""

from collections.abc import Sequence
from typing import ClassVar, NamedTuple, Protocol

from hub.intake.frames import connection
from hub.intake.terminals.judging import Came, Session
from hub.wire.jt808 import Header, Piece, Splitter, read_plain

MOST_GAPS = 16
"""Messages of a connection of which parts are missing that are remembered."""


class Server(connection.Server, Protocol):
    """What a connection needs of its server."""

    def came(self, connection: "Connection", came: Came) -> None:
        """Take what came."""


class Missing(NamedTuple):
    """Parts that are missing of a message: how the terminal speaks, since when nothing came (s), how often asked."""

    header: Header
    parts: tuple[int, ...]
    since: float
    asked: int = 0


class Connection(connection.Connection[Piece]):
    """The protocol of one connection; a platform may speak for several terminals on it."""

    __slots__ = ("_serial", "_server", "_session", "gaps")

    most_flying: ClassVar = 16

    def __init__(self, server: Server) -> None:
        super().__init__(server, Splitter())
        self._server = server
        self._session = Session()
        self._serial = -1
        self.gaps: dict[tuple[int, int], Missing] = {}  # by message and serial of its first part

    @property
    def serial(self) -> int:
        """A new serial number of what the hub says."""
        self._serial = (self._serial + 1) & 0xFFFF
        return self._serial

    def take(self, pieces: Sequence[Piece]) -> None:
        """See `hub.intake.frames.connection.Connection`."""
        for piece in pieces:
            self.flying += 1
            plain = None if piece.junk else read_plain(piece.raw)
            self._server.came(self, Came(piece.raw, plain, self.peer, self._session))
