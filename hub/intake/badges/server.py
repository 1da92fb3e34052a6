"""Listens for badges. One that raised an alarm hears `AL` when that is committed; until then it repeats it."""

from collections import deque
from collections.abc import Sequence
from typing import ClassVar, Protocol

from hub.config.files import Badges
from hub.intake.badges.judging import Came, Judged
from hub.intake.frames import connection
from hub.intake.frames.server import FrameServer, Waiting
from hub.wire.badge.frame import Piece, Splitter, calls_for_help, read_frame


class Server(connection.Server, Protocol):
    """What a connection needs of its server."""

    def came(self, connection: "Connection", came: Came) -> None:
        """Take what came."""


class Connection(connection.Connection[Piece]):
    """The protocol of one connection."""

    __slots__ = ("_server",)

    most_flying: ClassVar = 16

    def __init__(self, server: Server) -> None:
        super().__init__(server, Splitter())
        self._server = server

    def take(self, pieces: Sequence[Piece]) -> None:
        """See `hub.intake.frames.connection.Connection`."""
        for piece in pieces:
            if piece.junk and not piece.raw.strip():
                continue
            self.flying += 1
            self._server.came(self, Came(piece.raw, None if piece.junk else read_frame(piece.raw), self.peer))


class BadgeServer(FrameServer[Connection, Came, Judged]):
    """See `FrameServer`."""

    def __init__(self, settings: Badges) -> None:
        super().__init__("badges", "badges", settings)
        self._calls: deque[Waiting[Connection, Came]] = deque()

    def connection(self) -> Connection:
        """See `FrameServer`."""
        return Connection(self)

    def came(self, connection: Connection, came: Came) -> None:
        """See `FrameServer`. A call for help waits behind no other frame."""
        if came.frame is not None and calls_for_help(came.frame):
            self._calls.append(Waiting(connection, came))
        else:
            super().came(connection, came)

    def take(self, most: int) -> list[Waiting[Connection, Came]]:
        """See `FrameServer`: calls for help come first."""
        calls = self.take_urgent()
        return calls + super().take(max(0, most - len(calls)))

    def take_urgent(self) -> list[Waiting[Connection, Came]]:
        """Return the calls for help that came; the rest keeps waiting."""
        return [self._calls.popleft() for _ in range(len(self._calls))]

    def answer(self, judged: list[tuple[Waiting[Connection, Came], Judged]], *, sure: bool) -> None:  # noqa: ARG002
        """See `FrameServer`. An alarm is answered whether the hub is sure of the time or not."""
        for waiting, verdict in judged:
            line = waiting.connection
            line.flying -= 1
            if verdict.badge is None:
                self.refuse(line)
            else:
                self.know(line, verdict.badge.id)
            line.done(verdict.reply)
