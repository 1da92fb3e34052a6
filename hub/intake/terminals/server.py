"""Listens for terminals. A terminal hears that its fixes have come (8001) when they are committed, never before."""

import time
from typing import NamedTuple

from hub.config.files import Jt808
from hub.intake.frames.server import FrameServer, Waiting
from hub.intake.terminals.connection import MOST_GAPS, Connection, Missing
from hub.intake.terminals.judging import Came, Judged, Judging
from hub.intake.terminals.speech import ask_for, frame_of

ASK_AFTER = 5.0
"""When nothing more of a message's parts has come for so long, the missing ones are asked for [s]."""
TRIES = 3
"""So often they are."""

Fix = Waiting[Connection, Came]


class TerminalServer(FrameServer[Connection, Came, Judged]):
    """See `FrameServer`."""

    def __init__(self, settings: Jt808) -> None:
        super().__init__("jt808", "terminals", settings)

    def connection(self) -> Connection:
        """See `FrameServer`."""
        return Connection(self)

    def answer(self, judged: list[tuple[Fix, Judged]], *, sure: bool) -> None:
        """See `FrameServer`."""
        for (connection, came), verdict in judged:
            connection.flying -= 1
            header = came.plain.header if came.plain else None
            if verdict.terminal is None:
                self.refuse(connection)
            elif came.session.proven.get(verdict.terminal.id):
                # A registration alone proves nothing: it is a stranger until it says its code.
                self.know(connection, verdict.terminal.id)
            if verdict.reply is not None and header is not None and (sure or not verdict.outcomes):
                connection.say(frame_of(verdict.reply, header, connection.serial))
            if verdict.gap is not None and header is not None:
                key = header.message, verdict.gap.first
                connection.gaps.pop(key, None)
                if verdict.gap.missing and len(connection.gaps) < MOST_GAPS:
                    connection.gaps[key] = Missing(header, verdict.gap.missing, time.monotonic())
            connection.done()

    def look_at(self, connection: Connection, now: float) -> None:
        """Ask for the parts that are missing of messages."""
        for key, gap in [*connection.gaps.items()]:
            if now - gap.since < ASK_AFTER:
                continue
            if gap.asked >= TRIES:
                del connection.gaps[key]
                continue
            connection.gaps[key] = gap._replace(since=now, asked=gap.asked + 1)
            connection.say(ask_for(gap.parts, key[1], gap.header, connection.serial))


class Terminals(NamedTuple):
    """What takes the frames of terminals: the server, and the judge of what came."""

    server: TerminalServer
    judging: Judging
