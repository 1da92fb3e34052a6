"""A worker's badge that speaks the watch protocol over TCP, as those in the field do.

It sends its positions in order, each group of them followed by a heartbeat, and repeats an alarm until it is answered
(`AL`). The protocol has no answer to a position: what was sent on a connection before a heartbeat that the hub answers
(`LK`) is committed, and counts as acknowledged.
"""

import asyncio
import contextlib
import datetime as dt
from typing import NamedTuple

from hub.wire.badge.frame import Splitter, read_frame

AGAIN = 0.2  # s until it connects again
TIMEOUT = 10.0  # s for an answer; then it connects anew
GROUP = 10  # positions before a heartbeat
SOS = 1 << 16
"""Of the status."""


class Account(NamedTuple):
    """What became of what a badge made."""

    made: int
    acknowledged: int
    waiting: int


def position(
    command: str,
    t: int,
    lat: float,
    lon: float,
    status: int = 0,
    *,
    fixed: bool = True,
    kmh: float = 1.5,
    battery: int = 64,
    steps: int = 100,
) -> str:
    """Return the content of a frame with a position: `t`: Unix s, degrees (WGS-84), bits of the status."""
    when = dt.datetime.fromtimestamp(t, dt.UTC)
    where = f"{'A' if fixed else 'V'},{lat:.6f},N,{lon:.6f},E"
    return (
        f"{command},{when:%d%m%y},{when:%H%M%S},{where},{kmh:.1f},90.0,12.0,8,100,{battery},{steps},0,{status:08X},0,0"
    )


def frame(number: str, content: str) -> bytes:
    """Return a frame of the maker 3G."""
    return f"[3G*{number}*{len(content):04X}*{content}]".encode()


class SimBadge:
    """One badge with a number; what it has to say is put in with `add`."""

    def __init__(self, port: int, number: str, *, host: str = "127.0.0.1") -> None:
        self.number = number
        self.acknowledged: list[str] = []
        """Contents that the hub has acknowledged."""
        self.made: list[str] = []
        self._where = host, port
        self._positions: list[str] = []
        self._alarms: list[str] = []
        self._more = asyncio.Event()

    def add(self, content: str) -> None:
        """Give it something to say: a position, or an alarm, which goes first."""
        self.made.append(content)
        (self._alarms if content.startswith("AL,") else self._positions).append(content)
        self._more.set()

    def account(self) -> Account:
        """Return how it stands."""
        waiting = len(self._alarms) + len(self._positions)
        return Account(len(self.made), len(self.acknowledged), waiting)

    async def run(self) -> None:
        """Talk until cancelled; connect anew whenever the connection ends."""
        while True:
            await self._something()
            writer = None
            try:
                with contextlib.suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
                    reader, writer = await asyncio.open_connection(*self._where)
                    await self._talk(reader, writer)
            finally:
                if writer:
                    writer.close()
            await asyncio.sleep(AGAIN)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        splitter = Splitter()
        while True:
            await self._something()
            queue = self._alarms or self._positions
            some = queue[: 1 if queue is self._alarms else GROUP]
            contents = some if queue is self._alarms else [*some, "LK,50,100,100"]
            writer.write(b"".join(frame(self.number, one) for one in contents))
            async with asyncio.timeout(TIMEOUT):
                await self._heard(reader, splitter, "AL" if queue is self._alarms else "LK")
            del queue[: len(some)]
            self.acknowledged += some

    async def _something(self) -> None:
        """Wait until there is something to say."""
        if not self._alarms and not self._positions:
            self._more.clear()
            await self._more.wait()

    async def _heard(self, reader: asyncio.StreamReader, splitter: Splitter, command: str) -> None:
        """Return when the hub has answered so."""
        while True:
            data = await reader.read(4096)
            if not data:
                raise asyncio.IncompleteReadError(b"", None)
            found = [read_frame(piece.raw) for piece in splitter.feed(data) if not piece.junk]
            if any(one is not None and one.command == command for one in found):
                return
